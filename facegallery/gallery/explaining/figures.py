"""The pictures of an explanation, for a panel and for a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from facegallery.explanation.method import HeatMap
from facegallery.gallery.explaining.member import MemberExplanation, MemberPhoto
from facegallery.gallery.explaining.values import Comparison, Contrast, Explanation, Split
from facegallery.gallery.explaining.words import outcome
from facegallery.pictures.bars import draw_bars
from facegallery.pictures.figure import Figure, Legend
from facegallery.pictures.heat import overlay

if TYPE_CHECKING:
    from facegallery.domain import Pixels

BARS_PX = 640
"""Twice what a panel shows: sharp on a page too."""

SIGNED: Legend = ("lowers", "0", "raises")
UNSIGNED: Legend = ("none", "most")
N_PHOTOS_SHOWN = 24
"""Photos of a member that are drawn; all are counted."""


def probe_figures(explanation: Explanation) -> list[Figure]:
    """The probe, a map a method, and the most damaging place."""
    name = explanation.comparison.enrolled.member
    figures = [Figure("probe", explanation.crop, [explanation.path.name], alt="The face that was asked about.")]
    figures += [heat_figure(heat, explanation.crop, f"probe, similarity to {name}") for heat in explanation.maps]
    if explanation.covered is not None:
        worst = explanation.covered.worst
        captions = [
            f"similarity to {name} {explanation.comparison.similarity:.2f} -> {worst.similarity:.2f}: "
            f"{outcome(worst, explanation)}"
        ]
        figures.append(
            Figure(
                "most damaging place",
                explanation.covered.crop,
                captions,
                outline=worst.box_xyxy,
                alt="The face with the place covered that lowers the similarity most.",
            )
        )
    return figures


def enrolled_figures(explanation: Explanation) -> list[Figure]:
    """The enrolled face, a map a method, and the similarity as a sum."""
    compared = explanation.comparison
    figures = [enrolled_figure(compared)]
    if compared.crop is not None:
        figures += [heat_figure(heat, compared.crop, "enrolled, similarity to the probe") for heat in compared.maps]
    title = f"similarity {explanation.split.score:.2f} as a sum"
    return [*figures, split_figure(title, explanation.split)]


def contrast_figures(explanation: Explanation, contrast: Contrast) -> list[Figure]:
    """The rival's face, a map of the difference a method, and the difference as a sum."""
    name, rival = explanation.comparison.enrolled.member, contrast.rival.enrolled.member
    legend: Legend = (f"for {rival}", "0", f"for {name}")
    figures = [enrolled_figure(contrast.rival)]
    figures += [
        heat_figure(heat, explanation.crop, f"probe, {name} minus {rival}", signed_legend=legend)
        for heat in contrast.maps
    ]
    return [*figures, split_figure(f"difference {contrast.difference:+.2f} as a sum", contrast.split)]


def member_figures(member: MemberExplanation) -> list[Figure]:
    """The mean map over the most typical face, and the mean shares."""
    typical = member.typical
    shares = [(region, spread.mean, spread.deviation) for region, spread in member.shares.items()]
    falls = [(part, spread.mean, spread.deviation) for part, spread in member.falls.items()]
    return [
        Figure("most typical", typical.crop, [typical.enrolled.photo_path.name]),
        Figure(
            "mean map",
            overlay(typical.crop, member.heat, signed=True) if member.heat.any() else None,
            [f"where covering changes the similarity, mean of {len(member.photos)} photos"],
            "all maps are constant",
            legend=SIGNED if member.heat.any() else None,
            alt="Mean map over the most typical face.",
        ),
        Figure(
            "shares of the similarity",
            draw_bars([*shares, ("no region", member.constant.mean, member.constant.deviation)], width_px=BARS_PX),
            ["exact, mean and standard deviation over the photos"],
        ),
        Figure(
            "fall when covered",
            draw_bars(falls, width_px=BARS_PX),
            ["of the similarity, mean and standard deviation over the photos"],
        ),
    ]


def member_photo_figures(photos: Sequence[MemberPhoto]) -> list[Figure]:
    """Each photo with its map."""
    return [
        heat_figure(
            photo.heat,
            photo.crop,
            f"most like {photo.nearest.photo_path.name}",
            title=photo.enrolled.photo_path.name,
        )
        for photo in photos[:N_PHOTOS_SHOWN]
    ]


def enrolled_figure(compared: Comparison) -> Figure:
    """The enrolled face, or why it is not shown."""
    return Figure(
        f"enrolled: {compared.enrolled.member}",
        compared.crop,
        [compared.enrolled.photo_path.name, f"{compared.similarity:.2f} to {compared.against}"],
        compared.missing or "",
        alt=f"The face of {compared.enrolled.member} that the probe was compared with.",
    )


def heat_figure(
    heat: HeatMap, crop: Pixels, what: str, *, title: str | None = None, signed_legend: Legend = SIGNED
) -> Figure:
    """A map over the face it explains; a constant one is said to be, and not drawn."""
    captions = [f"{what}: {heat.score:.2f}" if heat.method != "gradcam" else heat.target, heat.made_with]
    if heat.constant:
        return Figure(title or heat.method, None, captions, "constant map:\nit points at no region")
    return Figure(
        title or heat.method,
        overlay(crop, heat.values, signed=heat.signed),
        captions,
        legend=signed_legend if heat.signed else UNSIGNED,
        alt=f"Map by {heat.method} over the face: {what}.",
    )


def split_figure(title: str, split: Split) -> Figure:
    """A score as a sum."""
    rows = [(region, share, None) for region, share in split.regions.items()]
    bars = draw_bars([*rows, ("no region", split.constant, None)], width_px=BARS_PX)
    told = ", ".join(f"{name} {share:+.2f}" for name, share, _ in rows)
    return Figure(title, bars, ["exact over 3x3 cells, each spread evenly over its pixels"], alt=told)
