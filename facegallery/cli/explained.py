"""An explanation as one JSON document. The keys are stable: programs may rely on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from facegallery.cli.report import decision_fields, face_fields

if TYPE_CHECKING:
    from facegallery.explanation.faithfulness import Faithfulness
    from facegallery.explanation.method import HeatMap
    from facegallery.gallery.explaining.detection import DetectionExplanation
    from facegallery.gallery.explaining.member import MemberExplanation, Spread
    from facegallery.gallery.explaining.values import Comparison, Contrast, Explanation, MapCheck, Split


def explanation_document(explanation: Explanation) -> dict[str, Any]:
    """Everything that ``explain PHOTO`` found, maps as arrays."""
    return {
        "path": str(explanation.path),
        "face": explanation.face_number,
        "n_faces": explanation.n_faces,
        "made_with": dict(explanation.made_with),
        **decision_fields(explanation.decision),
        "compared": _comparison(explanation.comparison),
        "split": _split(explanation.split),
        "maps": [map_fields(heat) for heat in explanation.maps],
        "contrast": None if explanation.contrast is None else _contrast(explanation.contrast),
        "nearest_members": [
            {"member": each.member, "similarity": _rounded(each.similarity), "short": _rounded(each.short)}
            for each in explanation.shortfalls
        ],
        "counterfactuals": [
            {
                "covered": each.covered,
                "similarity": _rounded(each.similarity),
                "decision": each.decision.verdict.value,
                "member": each.decision.member,
            }
            for each in explanation.counterfactuals
        ],
        "covered_places": None
        if explanation.covered is None
        else {
            "n_changed": explanation.covered.n_changed,
            "places": [
                {
                    "box_xyxy": list(place.box_xyxy),
                    "similarity": _rounded(place.similarity),
                    "decision": place.decision.verdict.value,
                    "member": place.decision.member,
                }
                for place in explanation.covered.places
            ],
        },
        "checks": [_check(check) for check in explanation.checks],
        "words": list(explanation.words()),
    }


def member_document(member: MemberExplanation) -> dict[str, Any]:
    """Everything that ``explain --member NAME`` found."""
    return {
        "member": member.member,
        "made_with": dict(member.made_with),
        "shares": {region: _spread(spread) for region, spread in member.shares.items()},
        "constant": _spread(member.constant),
        "falls_when_covered": {part: _spread(spread) for part, spread in member.falls.items()},
        "mean_map": _array(member.heat),
        "typical": str(member.typical.enrolled.photo_path),
        "photos": [
            {
                "path": str(photo.enrolled.photo_path),
                "nearest": str(photo.nearest.photo_path),
                "similarity": _rounded(photo.similarity),
                "split": _split(photo.split),
                "falls_when_covered": {part: _rounded(fall) for part, fall in photo.falls.items()},
                "map": map_fields(photo.heat),
            }
            for photo in member.photos
        ],
        "skipped": [{"path": str(entry.path), "code": entry.code, "reason": entry.reason} for entry in member.skipped],
        "words": list(member.words()),
    }


def detection_explanation_document(explanation: DetectionExplanation) -> dict[str, Any]:
    """Everything that ``explain --stage detection`` found; maps lie over the 48x48 crop that O-Net was shown."""
    return {
        "path": str(explanation.photo.path),
        "faces": [face_fields(number, face) for number, face in enumerate(explanation.faces, start=1)],
        "n_crops": explanation.n_crops,
        "explained": [
            {
                **face_fields(each.number, each.face),
                "crop_box_xyxy": [round(side, 2) for side in each.crop_box_xyxy],
                "maps": [map_fields(heat) for heat in each.maps],
                "worst_cover": {
                    "box_xyxy": [float(side) for side in each.covered.worst_xyxy],
                    "fall": _rounded(each.covered.worst_fall),
                    "probability": _rounded(each.covered.worst_probability),
                },
            }
            for each in explanation.explained
        ],
        "rounds": [
            {
                "round": each.number,
                "faces": [face_fields(number, face) for number, face in enumerate(each.faces, start=1)],
                "on_cover": list(each.on_cover),
            }
            for each in explanation.rounds.rounds
        ],
        "end": explanation.rounds.end.value,
        "words": list(explanation.words()),
    }


def map_fields(heat: HeatMap) -> dict[str, Any]:
    """One map. ``values`` has a row for each row of the map, from the top; null when it is constant."""
    return {
        "method": heat.method,
        "target": heat.target,
        "score": _rounded(heat.score),
        "base": None if heat.base is None else _rounded(heat.base),
        "signed": heat.signed,
        "constant": heat.constant,
        "settings": dict(heat.settings),
        "values": None if heat.constant else _array(heat.values),
    }


def _check(check: MapCheck) -> dict[str, Any]:
    def areas(measured: Faithfulness) -> dict[str, Any]:
        return {
            "deletion": {fill.value: _rounded(area) for fill, area in measured.deletion.items()},
            "insertion": {fill.value: _rounded(area) for fill, area in measured.insertion.items()},
        }

    return {
        "method": check.method,
        "constant": check.own.constant,
        **areas(check.own),
        "random": areas(check.random),
        "gaussian": areas(check.gaussian),
        "stability": None if check.stability is None else _rounded(check.stability),
        "shuffled": None if check.shuffled is None else _rounded(check.shuffled),
    }


def _comparison(compared: Comparison) -> dict[str, Any]:
    return {
        "member": compared.enrolled.member,
        "photo": str(compared.enrolled.photo_path),
        "similarity": _rounded(compared.similarity),
        "missing": compared.missing,
        "maps": [map_fields(heat) for heat in compared.maps],
    }


def _contrast(contrast: Contrast) -> dict[str, Any]:
    return {
        "rival": contrast.rival.enrolled.member,
        "photo": str(contrast.rival.enrolled.photo_path),
        "similarity": _rounded(contrast.rival.similarity),
        "difference": _rounded(contrast.difference),
        "split": _split(contrast.split),
        "maps": [map_fields(heat) for heat in contrast.maps],
    }


def _split(split: Split) -> dict[str, Any]:
    return {
        "regions": {region: _rounded(share) for region, share in split.regions.items()},
        "constant": _rounded(split.constant),
        "score": _rounded(split.score),
    }


def _spread(spread: Spread) -> dict[str, float]:
    return {"mean": _rounded(spread.mean), "deviation": _rounded(spread.deviation)}


def _array(values: Any) -> list[list[float]]:
    return [[float(f"{value:.7g}") for value in row] for row in values.tolist()]


def _rounded(value: float) -> float:
    return round(value, 6)
