"""The report of ``evaluate identification``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from facegallery.cli.evaluating.curves import plots_of
from facegallery.cli.evaluating.report import (
    MANY_SKIPPED,
    Report,
    count,
    left_out_remark,
    percent,
    point_fields,
    rate_fields,
    rate_text,
    threshold_table,
    wanted_fields,
    wanted_table,
)
from facegallery.cli.report import skipped_fields
from facegallery.evaluation.half import Half
from facegallery.evaluation.identification import ANSWERS
from facegallery.evaluation.rates import LEAST_EXPECTED
from facegallery.pictures.page import Table

if TYPE_CHECKING:
    from facegallery.evaluation.experiment import Experiment
    from facegallery.evaluation.identification import IdentificationReport, Searched
    from facegallery.pictures.plots import Plot

NAMES = ("FPIR", "FNIR")


def as_report(report: IdentificationReport) -> Report:
    """Tables, plots and words."""
    return Report(
        command="evaluate identification",
        title="Identification: are members named, and strangers not?",
        lead=[_who(report), *_main_figures(report)],
        tables=(
            Table("Before any threshold", ("what", "rate (95 %)"), _failures(report), (1,)),
            wanted_table("FNIR at a wanted FPIR", report.at_rates, NAMES),
            Table(
                f"Decisions at threshold {report.limits.threshold:g} and margin {report.limits.min_margin:g} "
                f"({report.limits.source})",
                ("decision", "probes of members", "photos of strangers"),
                _decisions(report),
                (1, 2),
            ),
            threshold_table("By threshold", report.by_threshold, NAMES),
        ),
        remarks=_remarks(report),
        document=_document(report),
        settings=settings_of(report.experiment)
        | {
            "model": f"{report.model.name} ({report.model.fingerprint[:12]})",
            "preparation": report.preparation.value,
            "score": report.score.value,
        },
        plots=_plots(report),
    )


def who_text(experiment: Experiment) -> str:
    """Who took part."""
    n_strangers = len({attempt.person for attempt in experiment.strangers})
    half = "" if experiment.half is Half.ALL else f" (half of the people: {experiment.half.value})"
    strangers = "1 stranger" if n_strangers == 1 else f"{n_strangers} strangers"
    return (
        f"{count(len(experiment.plan), 'member')}, {count(len(experiment.probes), 'probe')} of them, "
        f"{count(len(experiment.strangers), 'photo')} of {strangers}{half}"
    )


def settings_of(experiment: Experiment) -> dict[str, str]:
    """Where the photos came from."""
    enroll, probe, strangers = map(str, experiment.folders)
    return {"enroll": enroll, "probe": probe, "strangers": strangers, "half": experiment.half.value}


def experiment_fields(experiment: Experiment) -> dict[str, Any]:
    """Who took part, in JSON."""
    return {
        **settings_of(experiment),
        "n_members": len(experiment.plan),
        "n_probes": len(experiment.probes),
        "n_strangers": len({attempt.person for attempt in experiment.strangers}),
        "n_stranger_photos": len(experiment.strangers),
        "not_members": list(experiment.not_members),
    }


def not_members_remark(experiment: Experiment) -> list[str]:
    """Who has probes and is not to be enrolled."""
    if not experiment.not_members:
        return []
    named = ", ".join(experiment.not_members[:MANY_SKIPPED])
    n_more = len(experiment.not_members) - MANY_SKIPPED
    more = f" and {n_more} more" if n_more > 0 else ""
    return [f"Left out, with probes but not among the members: {named}{more}."]


def _who(report: IdentificationReport) -> str:
    return (
        f"{who_text(report.experiment)}; {count(report.n_templates, 'photo')} enrolled. Model '{report.model.name}', "
        f"preparation {report.preparation.value}, score {report.score.value}."
    )


def _main_figures(report: IdentificationReport) -> list[str]:
    return [
        f"FNIR at FPIR {percent(at.wanted)} (members missed when so many strangers are named): "
        f"{rate_text(at.point.false_negatives)}."
        for at in report.at_rates
        if at.point is not None and at.wanted in (0.02, 0.05)
    ]


def _failures(report: IdentificationReport) -> list[tuple[str, str]]:
    return [
        ("members without any photo enrolled (failure to enroll)", rate_text(report.members_lost)),
        ("photos not enrolled", rate_text(report.photos_lost)),
        ("probes without a face (failure to acquire)", rate_text(report.probes_without_face)),
        ("strangers' photos without a face", rate_text(report.strangers_without_face)),
        ("probes whose own member is the nearest (rank 1)", rate_text(report.rank_1)),
    ]


def _decisions(report: IdentificationReport) -> list[tuple[str, str, str]]:
    words = {"right": "named right", "wrong": "named wrong"}
    return [
        (
            words.get(answer, answer),
            "-" if answer == "right" and not of_member.n else rate_text(of_member),
            "-" if answer == "right" else rate_text(of_stranger),
        )
        for answer in ANSWERS
        for of_member, of_stranger in [(report.member_answers[answer], report.stranger_answers[answer])]
    ]


def _remarks(report: IdentificationReport) -> list[str]:
    n_probes, n_strangers = len(report.experiment.probes), len(report.experiment.strangers)
    return [
        f"FPIR: of all {n_strangers} photos of strangers those whose nearest member reaches the threshold. FNIR: of "
        f"all {n_probes} probes those whose own member is not the nearest or does not; a probe without a face and one "
        "of a member who is not enrolled are among them.",
        "95 % intervals by resampling people, with all their photos, for this very gallery; FNIR at a wanted FPIR "
        "includes what is uncertain about the threshold.",
        f"An FPIR below {LEAST_EXPECTED} / {n_strangers} is not claimed: it takes more photos of strangers.",
        *not_members_remark(report.experiment),
        *left_out_remark(report.left_out),
    ]


def _plots(report: IdentificationReport) -> tuple[Plot, ...]:
    own = np.array([each.own for each in report.searched if each.own is not None], np.float32)
    kinds = {"members: to their own": own, "strangers: to the nearest": report.errors.non_mated.scores}
    return plots_of(report.errors, NAMES, kinds, report.limits.threshold)


def _document(report: IdentificationReport) -> dict[str, Any]:
    return {
        **experiment_fields(report.experiment),
        "model": report.model.name,
        "fingerprint": report.model.fingerprint,
        "preparation": report.preparation.value,
        "score": report.score.value,
        "threshold": report.limits.threshold,
        "min_margin": report.limits.min_margin,
        "limits_source": report.limits.source,
        "n_templates": report.n_templates,
        "failure_to_enroll": rate_fields(report.members_lost),
        "photos_not_enrolled": rate_fields(report.photos_lost),
        "failure_to_acquire": {
            "probes": rate_fields(report.probes_without_face),
            "strangers": rate_fields(report.strangers_without_face),
        },
        "rank_1": rate_fields(report.rank_1),
        "at_rates": [wanted_fields(each, NAMES) for each in report.at_rates],
        "at_limits": point_fields(report.at_limits, NAMES),
        "by_threshold": [point_fields(each, NAMES) for each in report.by_threshold],
        "decisions": {
            "members": {answer: rate_fields(rate) for answer, rate in report.member_answers.items()},
            "strangers": {answer: rate_fields(rate) for answer, rate in report.stranger_answers.items()},
        },
        "searched": [_searched_fields(each) for each in report.searched],
        "skipped": [skipped_fields(entry) for entry in report.left_out],
    }


def _searched_fields(searched: Searched) -> dict[str, Any]:
    return {
        "path": str(searched.attempt.path),
        "person": searched.attempt.person,
        "own": searched.own,
        "nearest": searched.nearest,
        "similarity": searched.similarity,
        "answer": searched.answer,
    }
