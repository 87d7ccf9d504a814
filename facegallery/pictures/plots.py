"""Plots of error rates, by matplotlib: the trade between two errors, and how the scores lie that lead to them."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from facegallery.settings import plots_cache_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from facegallery.domain import Pixels, Vectors

    Floats = NDArray[np.float64]

SIDE_INCHES = 4.6
DOTS_AN_INCH = 160
N_BINS = 40

_TICKS = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99, 0.999)
_COLOURS = ("#0072b2", "#d55e00")  # blue and vermilion of Okabe and Ito: told apart by everybody
_NEAREST_TO_CERTAIN = 1e-3


class Plot(Protocol):
    """Something that is drawn in a pair of axes."""

    @property
    def title(self) -> str:
        """Above it."""
        ...

    @property
    def captions(self) -> Sequence[str]:
        """What is to be seen, a paragraph each."""
        ...

    def draw(self, axes: Axes) -> None:
        """Draw it."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class DetCurve:
    """The errors of one kind against those of the other, on axes on which two normal distributions give a line.

    "The DET curve in assessment of detection task performance" (Martin et al., 1997).

    Attributes:
        title: Above it.
        names: Of the errors: across, up.
        false_positives: shape (n,), float64, in [0, 1], ascending.
        false_negatives: shape (n,), float64, in [0, 1]: beside them.
        low: Lower end of the 95 % interval of ``false_negatives``.
        high: Upper end.
    """

    title: str
    names: tuple[str, str]
    false_positives: Floats
    false_negatives: Floats
    low: Floats
    high: Floats

    @property
    def captions(self) -> Sequence[str]:
        """What is to be seen."""
        return (
            f"{self.names[1]} at each {self.names[0]}; the band is its 95 % interval. Nearer to the lower left is "
            "better. The curve ends where the data can tell no smaller rate; 0, which these axes do not have, is "
            "drawn as 0.1 %.",
        )

    def draw(self, axes: Axes) -> None:
        """Draw curve and band on normal deviates."""
        across, up, low, high = map(_deviate, (self.false_positives, self.false_negatives, self.low, self.high))
        axes.fill_between(across, low, high, color=_COLOURS[0], alpha=0.2, linewidth=0, label="95 % interval")
        axes.plot(across, up, color=_COLOURS[0], marker=".", markersize=4, label=self.names[1])
        _rate_ticks(axes.set_xticks, axes.set_xlim, self.false_positives)
        _rate_ticks(axes.set_yticks, axes.set_ylim, np.concatenate([self.low, self.high]))
        axes.set_xlabel(self.names[0])
        axes.set_ylabel(self.names[1])
        axes.grid(color="#dddddd")
        drawn_of_none = min(rates.min() for rates in (self.false_positives, self.false_negatives, self.low)) == 0
        remark = f"0 is drawn as {100 * _NEAREST_TO_CERTAIN:g} %" if drawn_of_none else None
        axes.legend(loc="upper right", framealpha=0.9, title=remark)  # it falls from upper left to lower right


@dataclass(frozen=True, slots=True, eq=False)
class Distributions:
    """How the scores of several kinds of trials lie.

    Attributes:
        title: Above it.
        scores: By name of the kind, shape (n,), float32, finite.
        threshold: Where a line is drawn.
    """

    title: str
    scores: Mapping[str, Vectors]
    threshold: float

    @property
    def captions(self) -> Sequence[str]:
        """What is to be seen."""
        return (f"Similarities, each kind's share by its height. The line is the threshold, {self.threshold:g}.",)

    def draw(self, axes: Axes) -> None:
        """Draw a histogram for each kind, all over the same bins."""
        together = np.concatenate(list(self.scores.values()))
        bins = np.linspace(min(together.min(), self.threshold), max(together.max(), self.threshold), N_BINS + 1)
        for (name, scores), colour in zip(self.scores.items(), _COLOURS, strict=True):
            shares = np.full(len(scores), 1 / max(len(scores), 1))
            axes.hist(
                scores, bins=bins.tolist(), weights=shares, color=colour, alpha=0.55, label=f"{name} ({len(scores)})"
            )
        line = f"threshold {self.threshold:.3f}"
        axes.axvline(self.threshold, color="#333333", linestyle="--", linewidth=1, label=line)
        axes.set_xlabel("similarity")
        axes.set_ylabel("share")
        axes.set_ylim(0, axes.get_ylim()[1] * 1.35)  # room for the legend above the bars
        axes.legend(frameon=False, loc="upper left")


def drawn(plots: Sequence[Plot]) -> Pixels:
    """Plots side by side: shape (h, w, 3), uint8, RGB."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure_of(plots))  # no window system, whatever the person's own settings say
    canvas.draw()  # type: ignore[no-untyped-call] # matplotlib types its figures, and not this
    pixels: Pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call] # nor this
    return pixels


def figure_of(plots: Sequence[Plot]) -> Figure:
    """Plots side by side, each under its title."""
    # What it finds out about fonts matplotlib would keep in the person's home, and warn where it cannot.
    os.environ.setdefault("MPLCONFIGDIR", str(plots_cache_folder()))
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(SIDE_INCHES * len(plots), SIDE_INCHES), dpi=DOTS_AN_INCH, layout="constrained")
    for axes, plot in zip(figure.subplots(1, len(plots), squeeze=False)[0], plots, strict=True):
        plot.draw(axes)
        axes.set_title(plot.title)
    return figure


def _deviate(rates: Floats) -> Floats:
    """Rates as quantiles of the normal distribution; 0 and 1, which have none, as nearly certain."""
    from scipy.special import ndtri

    quantiles: Floats = ndtri(np.clip(rates, _NEAREST_TO_CERTAIN, 1 - _NEAREST_TO_CERTAIN))
    return quantiles


def _rate_ticks(set_ticks: _SetTicks, set_limits: _SetLimits, shown: Floats) -> None:
    """Axis limits around some rates, and percentages for ticks."""
    low, high = _deviate(np.array([shown.min(), shown.max()]))
    room = max((high - low) * 0.05, 0.1)
    ticks = [tick for tick in _TICKS if low - room <= _deviate(np.array([tick]))[0] <= high + room]
    set_ticks(_deviate(np.array(ticks)), [f"{100 * tick:g} %" for tick in ticks])
    set_limits(low - room, high + room)


class _SetTicks(Protocol):
    def __call__(self, ticks: Floats, labels: list[str], /) -> object: ...


class _SetLimits(Protocol):
    def __call__(self, low: float, high: float, /) -> object: ...
