"""The report of ``evaluate preparations``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from facegallery.cli.evaluating.identification_report import (
    NAMES,
    experiment_fields,
    not_members_remark,
    settings_of,
    who_text,
)
from facegallery.cli.evaluating.report import Report, percent, rate_fields, rate_text, wanted_fields
from facegallery.evaluation.preparations import WANTED_FPIRS
from facegallery.pictures.page import Table

if TYPE_CHECKING:
    from facegallery.evaluation.preparations import PreparationsReport, Setting
    from facegallery.evaluation.rates import PointAtRate


def as_report(report: PreparationsReport) -> Report:
    """One row a setting."""
    columns = (
        "preparation",
        "score",
        "normalization",
        "rank 1 (95 %)",
        *(f"FNIR at FPIR {percent(wanted)} (95 %)" for wanted in WANTED_FPIRS),
    )
    preparation, score = (each.value for each in report.usual)
    return Report(
        command="evaluate preparations",
        title="How faces are prepared and members scored",
        lead=[
            f"{who_text(report.experiment)}. Model '{report.model.name}'; a new gallery takes {preparation} and "
            f"{score}."
        ],
        tables=(Table("", columns, [_cells(setting) for setting in report.settings], range(3, len(columns))),),
        remarks=[
            "rank 1: probes whose own member is the nearest. FNIR: members' photos that are missed when so many of the "
            "strangers' are named; a photo without a face counts as missed. All rows rest on the same photos: between "
            "two rows less is uncertain than each interval says.",
            *not_members_remark(report.experiment),
        ],
        document={
            **experiment_fields(report.experiment),
            "model": report.model.name,
            "fingerprint": report.model.fingerprint,
            "usual": {"preparation": preparation, "score": score},
            "settings": [_fields(setting) for setting in report.settings],
        },
        settings=settings_of(report.experiment) | {"model": f"{report.model.name} ({report.model.fingerprint[:12]})"},
    )


def _cells(setting: Setting) -> tuple[str, ...]:
    return (
        setting.preparation.value,
        setting.score.value,
        setting.normalization.value if setting.normalization else "-",
        rate_text(setting.rank_1),
        *map(_false_negatives, setting.at_rates),
    )


def _false_negatives(at: PointAtRate) -> str:
    return rate_text(at.point.false_negatives) if at.point else f"not supported by {at.n_non_mated}"


def _fields(setting: Setting) -> dict[str, Any]:
    return {
        "preparation": setting.preparation.value,
        "score": setting.score.value,
        "normalization": setting.normalization.value if setting.normalization else None,
        "n_templates": setting.n_templates,
        "rank_1": rate_fields(setting.rank_1),
        "at_rates": [wanted_fields(each, NAMES) for each in setting.at_rates],
    }
