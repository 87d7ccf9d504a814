"""Answers as JSON and CSV. The keys and columns are stable: programs may rely on them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from facegallery.domain import (
    Candidate,
    Decision,
    EnrolledFace,
    Face,
    FaceQuality,
    Limits,
    LoggedDecision,
    Member,
    Rejection,
    ScoreRule,
    SkippedPhoto,
    StrangerRate,
    Verdict,
)
from facegallery.matching.quality_policy import DEFAULT_POLICY
from facegallery.matching.strangers import stranger_words
from facegallery.text import printable

if TYPE_CHECKING:  # these import numpy and Pillow, which members are told without
    from pathlib import Path

    from facegallery.gallery.detecting import DetectedPhoto
    from facegallery.gallery.identification import IdentifiedPhoto
    from facegallery.gallery.verification import Verification

CSV_COLUMNS = (
    "path",
    "face",
    "decision",
    "member",
    "similarity",
    "threshold",
    "nearest",
    "runner_up",
    "runner_up_similarity",
    "margin",
    "strangers",
    "left_px",
    "top_px",
    "right_px",
    "bottom_px",
    "probability",
    "quality",
    "poor",
    "skipped",
)

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


LOG_COLUMNS = (
    "at",
    "asked_by",
    "command",
    "path",
    "content_hash",
    "face",
    "decision",
    "member",
    "nearest",
    "similarity",
    "runner_up",
    "margin",
    "threshold",
    "min_margin",
    "score",
    "model",
    "model_sha256",
)


def face_fields(number: int, face: Face) -> dict[str, Any]:
    """One detection: box and landmarks in pixels of the upright photo."""
    return {
        "face": number,
        "box_xyxy": [round(value, 2) for value in face.box_xyxy],
        "landmarks_xy": [[round(x, 2), round(y, 2)] for x, y in face.landmarks_xy],
        "probability": round(face.probability, 6),
    }


def quality_fields(face: Face, quality: FaceQuality | None) -> dict[str, Any] | None:
    """What the picture of a face is like, and the reasons why enrollment would leave it out; null if nobody looked."""
    if quality is None:
        return None
    numbers = {name: round(value, 4) for name, value in asdict(quality).items()}
    return {**numbers, "reasons": [fault.code.value for fault in DEFAULT_POLICY.faults(face, quality)]}


def decision_fields(decision: Decision) -> dict[str, Any]:
    """One decision. ``member`` is null unless it is a match; ``nearest`` is the best candidate in any case."""
    return {
        "decision": decision.verdict.value,
        "member": decision.member,
        "nearest": decision.best.member if decision.best else None,
        "similarity": _rounded(decision.best.similarity if decision.best else None),
        "threshold": decision.threshold,
        "threshold_source": decision.limits.source,
        "runner_up": _candidate(decision.runner_up) if decision.runner_up else None,
        "margin": _rounded(decision.margin),
        "min_margin": decision.limits.min_margin,
        "strangers": _strangers(decision.strangers),
        "taken": list(decision.taken),
        "rejected": list(decision.rejected),
    }


def identification_document(
    results: Iterable[IdentifiedPhoto | SkippedPhoto], *, model: str, limits: Limits, score: ScoreRule, top: int
) -> dict[str, Any]:
    """Everything that ``identify`` found, as one document."""
    results = list(results)
    return {
        "model": model,
        "threshold": limits.threshold,
        "min_margin": limits.min_margin,
        "threshold_source": limits.source,
        "score": score.value,
        "photos": [
            {
                "path": str(photo.path),
                "content_hash": photo.content_hash,
                "width_px": photo.width_px,
                "height_px": photo.height_px,
                "notice": photo.notice,
                "faces": [
                    {
                        **face_fields(face.number, face.face),
                        "quality": quality_fields(face.face, face.quality),
                        **decision_fields(face.decision),
                        "candidates": [_candidate(candidate) for candidate in face.decision.candidates[:top]],
                    }
                    for face in photo.faces
                ],
            }
            for photo in results
            if not isinstance(photo, SkippedPhoto)
        ],
        "skipped": [skipped_fields(entry) for entry in results if isinstance(entry, SkippedPhoto)],
    }


def skipped_fields(skipped: SkippedPhoto) -> dict[str, str]:
    """One photo that was left out."""
    return {"path": str(skipped.path), "code": skipped.code, "reason": skipped.reason}


def as_json(document: object) -> str:
    """A document as JSON text, always valid UTF-8, and harmless on a terminal.

    Undecodable bytes of a file's name become JSON escapes, and so does what ``printable`` escapes elsewhere.
    """
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    return _text("\n".join(map(_json_line, text.split("\n"))))


def _json_line(line: str) -> str:
    """A line of JSON text, in which only strings can hold such characters, and none beyond U+FFFF."""
    if line.isprintable():
        return line
    return "".join(char if char == printable(char) else f"\\u{ord(char):04x}" for char in line)


def identification_csv(results: Iterable[IdentifiedPhoto | SkippedPhoto]) -> str:
    """One row a face, one for a photo without faces, one for a skipped photo; every text field is quoted.

    Members' names are as they are, also where a spreadsheet would take one for a formula: programs look members up by
    them, and the person chose them, while files come from anybody.
    """
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, CSV_COLUMNS, restval=None, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writeheader()
    for result in results:
        if isinstance(result, SkippedPhoto):
            writer.writerow(_row(path=_cell_path(result.path), skipped=f"{result.code}: {result.reason}"))
        elif not result.faces:
            writer.writerow(_row(path=_cell_path(result.path), decision="no_face"))
        else:
            writer.writerows(_face_rows(result))
    return out.getvalue()


def _face_rows(photo: IdentifiedPhoto) -> Sequence[dict[str, Any]]:
    rows = []
    for found in photo.faces:
        fields = decision_fields(found.decision)
        runner_up = fields["runner_up"] or {}
        quality = quality_fields(found.face, found.quality)
        left, top, right, bottom = (round(value, 2) for value in found.face.box_xyxy)
        rows.append(
            _row(
                path=_cell_path(photo.path),
                face=found.number,
                decision=fields["decision"],
                member=fields["member"],
                similarity=fields["similarity"],
                threshold=fields["threshold"],
                nearest=fields["nearest"],
                runner_up=runner_up.get("member"),
                runner_up_similarity=runner_up.get("similarity"),
                margin=fields["margin"],
                strangers=(fields["strangers"] or {}).get("words"),
                left_px=left,
                top_px=top,
                right_px=right,
                bottom_px=bottom,
                probability=round(found.face.probability, 6),
                quality=quality and quality["overall"],
                poor=quality and " ".join(quality["reasons"]),
            )
        )
    return rows


def _row(**fields: Any) -> dict[str, Any]:
    """A CSV row in which what does not apply is empty."""
    return {column: "" if fields.get(column) is None else fields[column] for column in CSV_COLUMNS}


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "rank": candidate.rank,
        "member": candidate.member,
        "similarity": _rounded(candidate.similarity),
        "rejected": candidate.rejected,
    }


def _strangers(rate: StrangerRate | None) -> dict[str, Any] | None:
    """How many strangers score as high: counts of photos, and in words no finer than they allow."""
    if rate is None:
        return None
    return {"reached": rate.n_reached, "of": rate.n_strangers, "words": stranger_words(rate)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _cell_path(path: Path) -> str:
    """A path that no spreadsheet takes for a formula: what begins like one is told from the folder that it is in."""
    text = _text(path)
    return f"./{text}" if text.startswith(_FORMULA_STARTS) else text


def _text(value: object) -> str:
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def detection_document(results: Iterable[DetectedPhoto | SkippedPhoto]) -> dict[str, Any]:
    """Everything that ``detect`` found, as one document."""
    results = list(results)
    return {
        "photos": [
            {
                "path": str(photo.path),
                "width_px": photo.width_px,
                "height_px": photo.height_px,
                "notice": photo.notice,
                "faces": [
                    {**face_fields(number, face), "quality": quality_fields(face, quality)}
                    for number, (face, quality) in enumerate(zip(photo.faces, photo.qualities, strict=True), start=1)
                ],
            }
            for photo in results
            if not isinstance(photo, SkippedPhoto)
        ],
        "skipped": [skipped_fields(entry) for entry in results if isinstance(entry, SkippedPhoto)],
    }


def verification_fields(answer: Verification) -> dict[str, Any]:
    """A 1:1 answer."""
    return {
        "decision": answer.verdict.value,
        "similarity": _rounded(answer.similarity),
        "threshold": answer.threshold,
        "model": answer.model,
        "photos": [
            {"path": str(path), **face_fields(number, face)}
            for path, number, face in zip(answer.paths, answer.face_numbers, answer.faces, strict=True)
        ],
    }


def member_fields(member: Member) -> dict[str, Any]:
    """One member."""
    return {"name": member.name, "n_templates": member.n_templates, "created_at": member.created_at.isoformat()}


def enrolled_fields(enrolled: EnrolledFace) -> dict[str, Any]:
    """One enrolled face."""
    return {
        "template_id": enrolled.template_id,
        "photo": str(enrolled.photo_path),
        "content_hash": enrolled.content_hash,
        "box_xyxy": [round(value, 2) for value in enrolled.face.box_xyxy],
        "probability": round(enrolled.face.probability, 6),
        "quality": None if enrolled.quality is None else round(enrolled.quality, 4),
        "enrolled_at": enrolled.enrolled_at.isoformat(),
    }


def rejection_fields(rejection: Rejection) -> dict[str, Any]:
    """One face that is not a member's."""
    return {
        "number": rejection.rejection_id,
        "member": rejection.member,
        "photo": str(rejection.photo_path),
        "content_hash": rejection.content_hash,
        "box_xyxy": [round(value, 2) for value in rejection.face.box_xyxy],
        "probability": round(rejection.face.probability, 6),
        "rejected_at": rejection.rejected_at.isoformat(),
    }


def logged_fields(entry: LoggedDecision) -> dict[str, Any]:
    """One answer of the log. ``member`` is null unless it was a match; ``nearest`` is the best in any case."""
    return {
        "at": entry.at.isoformat(),
        "asked_by": entry.asked.by,
        "command": entry.asked.command,
        "path": str(entry.asked.path),
        "content_hash": entry.asked.content_hash,
        "face": entry.face_number,
        "decision": entry.verdict.value,
        "member": entry.member if entry.verdict is Verdict.MATCH else None,
        "nearest": entry.member,
        "similarity": _rounded(entry.similarity),
        "runner_up": entry.runner_up,
        "margin": _rounded(entry.margin),
        "threshold": entry.threshold,
        "min_margin": entry.min_margin,
        "score": entry.asked.score.value,
        "model": entry.asked.model.name,
        "model_sha256": entry.asked.model.fingerprint,
    }


def log_document(entries: Iterable[LoggedDecision], *, log_days: int | None) -> dict[str, Any]:
    """The log as one document; ``log_days`` is null while it is off."""
    return {"log_days": log_days, "decisions": [logged_fields(entry) for entry in entries]}


def log_csv(entries: Iterable[LoggedDecision]) -> str:
    """One row an answer; every text field is quoted."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, LOG_COLUMNS, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        fields = {name: "" if value is None else value for name, value in logged_fields(entry).items()}
        writer.writerow({**fields, "path": _text(entry.asked.path)})
    return out.getvalue()
