"""The comparison of methods of explanation as a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from facegallery.cli.evaluating.report import MANY_SKIPPED, Report, count, rate_fields
from facegallery.pictures.page import Table
from facegallery.text import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from facegallery.evaluation.comparison import ExplanationReport, MethodRow
    from facegallery.evaluation.explanations import MethodOnFace
    from facegallery.evaluation.intervals import Mean, Rate
    from facegallery.explanation.fills import Fill

COLUMNS = (
    "method",
    "faces",
    "constant",
    "deletion (mean blur noise)",
    "insertion (mean blur noise)",
    "insertion - deletion [95 %]",
    "beats random",
    "beats gaussian",
    "game [95 %]",
    "stability",
    "shuffled",
    "adds up",
    "s a face",
)


def as_report(report: ExplanationReport) -> Report:
    """One row a method, and every number behind it."""
    model = report.model.name
    return Report(
        command="evaluate explanations",
        title=f"Methods of explanation, held against each other on model '{model}'",
        lead=(),
        tables=(Table("", COLUMNS, [_cells(row) for row in report.rows], right_aligned=range(1, len(COLUMNS))),),
        remarks=_remarks(report),
        document=_document(report),
        settings={"folder": str(report.folder), "model": model, **_as_text(report.checks.settings())},
    )


def _as_text(settings: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in settings.items()}


def _remarks(report: ExplanationReport) -> list[str]:
    """What has to be said beside the rows: on how many faces, who was left out, and how to read a column."""
    used = report.checks.settings()
    n_done = max((row.n_faces for row in report.rows), default=0)
    n_planned, n_randomized = len(report.probes), max((row.n_randomized for row in report.rows), default=0)
    stopped = "" if report.is_complete else f" Stopped: {n_done} of {n_planned} faces were begun."
    return [
        f"{count(n_done, 'face')} of {printable(report.folder)}, model '{printable(report.model.name)}'.{stopped}",
        f"deletion: lower is better; insertion: higher; areas over {used['n_steps']} steps. A constant map scores as a "
        "random one. beats: on how many faces insertion - deletion is greater.",
        f"game: on how many faces the method points at a pasted patch of {used['patch_px']} px, of those with a place "
        f"(of {used['n_places']} tried) where it lowers the score by {used['least_fall']}; chance is "
        f"{used['chance']:.0%}.",
        "stability: correlation with the map of the crop shifted by 1 px. shuffled: what is left of the map when the "
        f"weights are shuffled, the mean of {len(used['stages'])} stages, lower is better; both on "
        f"{count(n_randomized, 'face')}.",
        *_left_out(report),
    ]


def _document(report: ExplanationReport) -> dict[str, Any]:
    """Every number and setting."""
    return {
        "folder": str(report.folder),
        "model": report.model.name,
        "fingerprint": report.model.fingerprint,
        "settings": report.checks.settings(),
        "n_faces_planned": len(report.probes),
        "complete": report.is_complete,
        "methods": [_row_fields(row) for row in report.rows],
        "faces": [_face_fields(one) for one in report.measured],
        "probes": [
            {
                "person": probe.person,
                "path": str(probe.path),
                "nearest": str(probe.nearest_path),
                "similarity": round(probe.similarity, 6),
                "photos_left_out": probe.n_left_out,
            }
            for probe in report.probes
        ],
        "skipped": [{"person": entry.person, "reason": entry.reason} for entry in report.skipped],
    }


def _left_out(report: ExplanationReport) -> list[str]:
    said = []
    if n_left_out := sum(probe.n_left_out for probe in report.probes):
        said.append(f"Left out: {count(n_left_out, 'photo')} that cannot be read or have not exactly one face.")
    if report.skipped:
        named = [f"{printable(entry.person)} ({entry.reason})" for entry in report.skipped[:MANY_SKIPPED]]
        more = f" and {len(report.skipped) - MANY_SKIPPED} more" if len(report.skipped) > MANY_SKIPPED else ""
        people = "person" if len(report.skipped) == 1 else "people"
        said.append(f"Skipped {len(report.skipped)} {people}: {', '.join(named)}{more}.")
    return said


def _cells(row: MethodRow) -> tuple[str, ...]:
    return (
        row.method,
        str(row.n_faces),
        f"{row.constant.n_held} ({_percent(row.constant)})",
        _by_fill(row.deletion),
        _by_fill(row.insertion),
        f"{row.difference.value:.3f} [{row.difference.low:.2f}, {row.difference.high:.2f}]",
        _of(row.beats.get("random")),
        _of(row.beats.get("gaussian")),
        f"{_of(row.hits)} [{row.hits.low:.0%}, {row.hits.high:.0%}]" if row.hits.n else "not played",
        "-" if row.stability is None else f"{row.stability:.2f}",
        f"{_mean(row.randomization.values()):.2f}" if row.randomization else "-",
        _of(row.adds_up),
        f"{row.seconds:.2f}",
    )


def _by_fill(areas: Mapping[Fill, float]) -> str:
    return " ".join(f"{area:.3f}" for area in areas.values())


def _of(rate: Rate | None) -> str:
    return "-" if rate is None or not rate.n else f"{rate.n_held} of {rate.n}"


def _mean(values: Collection[float]) -> float:
    return sum(values) / len(values)


def _percent(rate: Rate) -> str:
    return f"{rate.n_held / rate.n:.0%}"


def _row_fields(row: MethodRow) -> dict[str, Any]:
    return {
        "method": row.method,
        "baseline": row.is_baseline,
        "n_faces": row.n_faces,
        "constant": rate_fields(row.constant),
        "deletion": _area_fields(row.deletion),
        "insertion": _area_fields(row.insertion),
        "insertion_minus_deletion": _mean_fields(row.difference),
        "beats": {name: rate_fields(rate) for name, rate in row.beats.items()},
        "game": rate_fields(row.hits),
        "adds_up": rate_fields(row.adds_up) if row.adds_up else None,
        "stability": row.stability,
        "randomization": dict(row.randomization),
        "n_randomized": row.n_randomized,
        "seconds": row.seconds,
    }


def _face_fields(one: MethodOnFace) -> dict[str, Any]:
    return {
        "method": one.method,
        "person": one.person,
        "constant": one.faithfulness.constant,
        "deletion": _area_fields(one.faithfulness.deletion),
        "insertion": _area_fields(one.faithfulness.insertion),
        "game_hit": one.hit,
        "adds_up": one.adds_up,
        "stability": one.stability,
        "randomization": None if one.randomization is None else dict(one.randomization),
        "seconds": one.seconds,
    }


def _area_fields(areas: Mapping[Fill, float]) -> dict[str, float]:
    return {fill.value: area for fill, area in areas.items()}


def _mean_fields(mean: Mean) -> dict[str, Any]:
    return {"mean": mean.value, "n": mean.n, "low_95": mean.low, "high_95": mean.high}
