"""An explanation as one picture, or as one page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from facegallery.explanation.method import HeatMap
from facegallery.gallery.explaining.figures import (
    contrast_figures,
    enrolled_figures,
    member_figures,
    member_photo_figures,
    probe_figures,
)
from facegallery.gallery.explaining.member import MemberExplanation, Spread
from facegallery.gallery.explaining.values import Explanation, Split
from facegallery.gallery.explaining.words import outcome
from facegallery.pictures.page import Page, Section, Table
from facegallery.pictures.panel import draw_panel

if TYPE_CHECKING:
    from PIL.Image import Image

    from facegallery.explanation.faithfulness import Faithfulness

READING = (
    "Warm, bright places raise the score, blue, dark places lower it, and the face's own grey says nothing. "
    "A map shows what this network reacts to, and is no proof of who somebody is."
)

CHECKING = (
    "Deletion: the area under the similarity while the places that a map holds for most important are covered first; "
    "lower is better. Insertion: while they are uncovered first; higher is better. Both over three covers: mean "
    "colour, blur, noise. Stability: correlation with the map of the face 1 px aside. Shuffled: what is left of "
    "the map when the network's weights are shuffled; the less, the more it shows of what the network learned."
)


def draw_explanation(explanation: Explanation) -> Image:
    """The picture: probe, enrolled face and rival with their maps, the sentences above."""
    groups = [probe_figures(explanation), enrolled_figures(explanation)]
    if explanation.contrast is not None:
        groups.append(contrast_figures(explanation, explanation.contrast))
    return draw_panel(explanation.words(), *groups)


def draw_member(member: MemberExplanation) -> Image:
    """The picture of a member's report."""
    return draw_panel(member.words(), member_figures(member), member_photo_figures(member.photos))


def page_of(explanation: Explanation) -> Page:
    """The page of an explanation."""
    name = explanation.comparison.enrolled.member
    sections = [
        Section("The face", [READING], probe_figures(explanation)),
        Section(
            f"The enrolled photo of {name}",
            (),
            enrolled_figures(explanation),
            [_split_table(f"The similarity to {name} as an exact sum", explanation.split)],
        ),
    ]
    if explanation.contrast is not None:
        rival = explanation.contrast.rival.enrolled.member
        table = _split_table(f"Similarity to {name} minus that to {rival}", explanation.contrast.split)
        sections.append(Section(f"Why not {rival}", (), contrast_figures(explanation, explanation.contrast), [table]))
    sections.append(Section("What would have been", (), (), list(_what_if(explanation))))
    if explanation.checks:
        sections.append(Section("How far to trust the maps", [CHECKING], (), [_check_table(explanation)]))
    settings = {
        "photo": str(explanation.path),
        "face": f"{explanation.face_number} of {explanation.n_faces}",
        "threshold": f"{explanation.decision.threshold:.3f}",
        **_method_settings(explanation.maps),
        **explanation.made_with,
    }
    title = f"Why {explanation.decision.member or 'unknown'}: {explanation.path.name}"
    return Page(title, explanation.words(), sections, settings)


def page_of_member(member: MemberExplanation) -> Page:
    """The page of a member's report."""
    tables = [
        _spread_table("Exact share of the similarity", {**member.shares, "no region": member.constant}),
        _spread_table("Fall of the similarity when covered", member.falls),
        Table(
            "The photos",
            ["photo", "most like", "similarity"],
            [
                [photo.enrolled.photo_path.name, photo.nearest.photo_path.name, f"{photo.similarity:.3f}"]
                for photo in member.photos
            ],
            [2],
        ),
    ]
    skipped = [f"Left out: {entry.path}: {entry.reason}" for entry in member.skipped]
    sections = [
        Section("Over all photos", [READING], member_figures(member), tables),
        Section("Photo by photo", skipped, member_photo_figures(member.photos)),
    ]
    settings = {
        "photos": f"{len(member.photos)}",
        **_method_settings([member.typical.heat]),
        **member.made_with,
    }
    return Page(f"What {member.member} is recognized by", member.words(), sections, settings)


def _split_table(caption: str, split: Split) -> Table:
    rows = [[region, f"{share:+.4f}"] for region, share in split.regions.items()]
    rows += [["no region", f"{split.constant:+.4f}"], ["sum", f"{split.score:+.4f}"]]
    return Table(caption, ["region", "share"], rows, [1])


def _spread_table(caption: str, spreads: Mapping[str, Spread]) -> Table:
    rows = [[name, f"{each.mean:+.3f}", f"{each.deviation:.3f}"] for name, each in spreads.items()]
    return Table(caption, ["region", "mean", "standard deviation"], rows, [1, 2])


def _what_if(explanation: Explanation) -> Iterator[Table]:
    before = explanation.decision
    rows = [["nothing", f"{explanation.comparison.similarity:.3f}", before.member or before.verdict.value]]
    rows += [
        [each.covered, f"{each.similarity:.3f}", outcome(each, explanation)] for each in explanation.counterfactuals
    ]
    name = explanation.comparison.enrolled.member
    yield Table("With a part of the face covered", ["covered", f"similarity to {name}", "decision"], rows, [1])
    if explanation.shortfalls:
        rows = [[each.member, f"{each.similarity:.3f}", f"{each.short:.3f}"] for each in explanation.shortfalls]
        yield Table("Nearest members", ["member", "similarity", "short of the threshold"], rows, [1, 2])


def _check_table(explanation: Explanation) -> Table:
    def row(name: str, measured: Faithfulness, *rest: str) -> list[str]:
        areas = (measured.deletion, measured.insertion)
        return [name, *(" ".join(f"{area:.3f}" for area in by_fill.values()) for by_fill in areas),
                f"{measured.mean_difference:.3f}", *(rest or ("", ""))]  # fmt: skip

    first = explanation.checks[0]
    rows = [
        row(check.method, check.own, _number(check.stability), _number(check.shuffled)) for check in explanation.checks
    ]
    rows += [row("random", first.random), row("centred Gaussian", first.gaussian)]
    columns = ["map", "deletion", "insertion", "insertion - deletion", "stability", "shuffled"]
    return Table("Checks on this face (covers: mean, blur, noise)", columns, rows, range(1, 6))


def _number(value: float | None) -> str:
    return "constant" if value is None else f"{value:.2f}"


def _method_settings(maps: Sequence[HeatMap]) -> dict[str, str]:
    """What each map was made with."""
    return {f"method {heat.method}": heat.made_with for heat in maps}
