"""The report of ``evaluate verification``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from facegallery.cli.evaluating.curves import plots_of
from facegallery.cli.evaluating.report import (
    Report,
    count,
    left_out_remark,
    point_fields,
    rate_fields,
    rate_text,
    threshold_table,
    wanted_fields,
    wanted_table,
)
from facegallery.cli.report import skipped_fields
from facegallery.evaluation.rates import LEAST_EXPECTED
from facegallery.pictures.page import Table

if TYPE_CHECKING:
    from facegallery.evaluation.verification import Folds, VerificationReport

NAMES = ("FMR", "FNMR")


def as_report(report: VerificationReport) -> Report:
    """Tables, plots and words."""
    lead = [
        f"{count(report.n_pairs, 'pair')} of {count(report.n_photos, 'photo')}, model '{report.model.name}', "
        f"preparation {report.preparation.value}."
    ]
    if report.folds is not None:
        lead.append(_right(report.folds))
    return Report(
        command="evaluate verification",
        title="Verification: one person or two?",
        lead=lead,
        tables=(
            Table("Failure to acquire, and the threshold of 'verify'", ("what", "rate (95 %)"), _rows(report), (1,)),
            wanted_table("FNMR at a wanted FMR", report.at_rates, NAMES),
            threshold_table("By threshold", report.by_threshold, NAMES),
        ),
        remarks=_remarks(report),
        document=_document(report),
        settings={
            "pairs": str(report.pairs_file),
            "photos": str(report.folder),
            "model": f"{report.model.name} ({report.model.fingerprint[:12]})",
            "preparation": report.preparation.value,
        },
        plots=plots_of(
            report.errors,
            NAMES,
            {"one person": report.errors.mated.scores, "two people": report.errors.non_mated.scores},
            report.threshold,
        ),
    )


def _right(folds: Folds) -> str:
    return (
        f"Decided right: {folds.mean:.4f} ± {folds.standard_error:.4f} (mean of {len(folds.right)} folds and its "
        "standard error, each by a threshold chosen on the others)."
    )


def _rows(report: VerificationReport) -> list[tuple[str, str]]:
    at = f"threshold {report.threshold:g}"
    return [
        ("photos without a face", rate_text(report.no_face)),
        (f"FMR at {at}", rate_text(report.at_threshold.false_positives)),
        (f"FNMR at {at}", rate_text(report.at_threshold.false_negatives)),
    ]


def _remarks(report: VerificationReport) -> list[str]:
    n_mated, n_non_mated = len(report.errors.mated.scores), len(report.errors.non_mated.scores)
    lost = (
        f" {count(report.n_lost, 'pair')} could not be compared: wrong in the folds, and not counted in FMR and FNMR."
        if report.n_lost
        else ""
    )
    return [
        f"FMR: of {n_non_mated} pairs of two people those that reach the threshold. FNMR: of {n_mated} pairs of one "
        f"person those that do not.{lost}",
        "95 % intervals by resampling people, with all their pairs; FNMR at a wanted FMR includes what is uncertain "
        f"about the threshold. An FMR below {LEAST_EXPECTED} / {n_non_mated} is not claimed.",
        *left_out_remark(report.left_out),
    ]


def _document(report: VerificationReport) -> dict[str, Any]:
    folds = report.folds
    return {
        "pairs": str(report.pairs_file),
        "photos": str(report.folder),
        "model": report.model.name,
        "fingerprint": report.model.fingerprint,
        "preparation": report.preparation.value,
        "threshold": report.threshold,
        "n_pairs": report.n_pairs,
        "n_pairs_lost": report.n_lost,
        "failure_to_acquire": rate_fields(report.no_face),
        "folds": None
        if folds is None
        else {
            "mean": folds.mean,
            "standard_error": folds.standard_error,
            "right": list(folds.right),
            "thresholds": list(folds.thresholds),
        },
        "at_threshold": point_fields(report.at_threshold, NAMES),
        "at_rates": [wanted_fields(each, NAMES) for each in report.at_rates],
        "by_threshold": [point_fields(each, NAMES) for each in report.by_threshold],
        "mated": [round(score, 6) for score in report.errors.mated.scores.tolist()],
        "non_mated": [round(score, 6) for score in report.errors.non_mated.scores.tolist()],
        "skipped": [skipped_fields(entry) for entry in report.left_out],
    }
