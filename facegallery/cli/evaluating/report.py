"""A report in every form that a person may ask for: tables on a terminal or in Markdown, JSON, a page, a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from facegallery.cli.console import table
from facegallery.cli.report import as_json
from facegallery.pictures.figure import Figure
from facegallery.pictures.page import Page, Section, Table
from facegallery.text import printable
from facegallery.version import __version__

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.table import Table as TerminalTable

    from facegallery.domain import SkippedPhoto
    from facegallery.evaluation.intervals import Rate
    from facegallery.evaluation.rates import OperatingPoint, PointAtRate
    from facegallery.pictures.plots import Plot

JSON_MARK = '"program": "facegallery'
MARKDOWN_MARK = "<!-- facegallery evaluate"

MANY_SKIPPED = 10
"""Photos and people that were left out are named up to here; JSON names all."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured.

    Attributes:
        command: The command that measured it, as typed: ``evaluate verification``.
        title: What a page is called.
        lead: What it is about and what came out, a paragraph each.
        tables: The figures.
        remarks: What has to be said beside them.
        document: Every number and setting: values that JSON has.
        settings: What it was made with, by name.
        plots: Curves and distributions; none for some reports.
    """

    command: str
    title: str
    lead: Sequence[str]
    tables: Sequence[Table]
    remarks: Sequence[str]
    document: Mapping[str, Any]
    settings: Mapping[str, str]
    plots: Sequence[Plot] = ()

    def terminal_tables(self) -> list[TerminalTable]:
        """Each with its caption."""
        drawn = []
        for each in self.tables:
            right = {each.columns[place] for place in each.right_aligned}
            made = table(*each.columns, right=right)
            made.title, made.title_justify, made.title_style = printable(each.caption), "left", "bold"
            for row in each.rows:
                made.add_row(*map(printable, row))
            drawn.append(made)
        return drawn

    @property
    def markdown(self) -> str:
        """Lead, tables and remarks."""
        return "\n\n".join([*map(_plain, self.lead), *map(_markdown_table, self.tables), *map(_plain, self.remarks)])

    @property
    def markdown_file(self) -> str:
        """The same as a file's text, which says what wrote it."""
        return f"{MARKDOWN_MARK} {self.command.removeprefix('evaluate ')} -->\n\n{self.markdown}"

    @property
    def json_file(self) -> str:
        """The document as a file's text, which says what wrote it."""
        return as_json({"program": f"facegallery {__version__}", "command": self.command, **self.document})

    def page(self) -> Page:
        """One page with the plots inside."""
        from facegallery.pictures.plots import drawn

        figures = [Figure(plot.title, drawn([plot]), captions=plot.captions, wide=True) for plot in self.plots]
        sections = [Section("Curves", figures=figures)] if figures else []
        sections.append(Section("Figures", tables=self.tables))
        sections.append(Section("How to read it", paragraphs=self.remarks))
        return Page(self.title, self.lead, sections, self.settings)

    def picture(self) -> Image:
        """The plots side by side."""
        from PIL import Image

        from facegallery.pictures.plots import drawn

        return Image.fromarray(drawn(self.plots))


def _markdown_table(table: Table) -> str:
    rule = ["--:" if place in table.right_aligned else "---" for place in range(len(table.columns))]
    rows = "\n".join(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in (table.columns, rule, *table.rows))
    return f"**{_cell(table.caption)}**\n\n{rows}" if table.caption else rows


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _plain(text: str) -> str:
    """Text that is no markup: folders, and so the people in reports, may be called anything."""
    return printable(text).replace("<", "\\<")


# --- what several reports say --------------------------------------------------------------------------------------


def rate_text(rate: Rate) -> str:
    """Share, 95 % interval and counts, to no more places than the counts allow."""
    if not rate.n:
        return "none to count"
    places = 1 if rate.n < 2_000 else 2
    low, high = f"{100 * rate.low:.{places}f}", f"{100 * rate.high:.{places}f}"
    return f"{100 * rate.share:.{places}f}% ({low} to {high}), {rate.n_held} of {rate.n}"


def percent(share: float) -> str:
    """A wanted rate, as short as it is exact."""
    return f"{100 * share:g} %"


def threshold_table(caption: str, points: Sequence[OperatingPoint], names: tuple[str, str]) -> Table:
    """Both rates by threshold."""
    rows = [
        (f"{point.threshold:.2f}", rate_text(point.false_positives), rate_text(point.false_negatives))
        for point in points
    ]
    return Table(caption, ("threshold", *names), rows, right_aligned=(1, 2))


def wanted_table(caption: str, points: Sequence[PointAtRate], names: tuple[str, str]) -> Table:
    """What each wanted rate of false positives leads to, or why that cannot be told."""
    false_positives, false_negatives = names
    columns = (f"wanted {false_positives}", "threshold (95 %)", false_positives, false_negatives)
    return Table(caption, columns, [_wanted_row(each) for each in points], right_aligned=(1, 2, 3))


def _wanted_row(at: PointAtRate) -> tuple[str, ...]:
    if at.point is None:
        return percent(at.wanted), "-", "-", f"not supported by {at.n_non_mated} comparisons"
    threshold = f"{at.point.threshold:.3f} ({at.threshold_low:.3f} to {at.threshold_high:.3f})"
    return percent(at.wanted), threshold, rate_text(at.point.false_positives), rate_text(at.point.false_negatives)


def rate_fields(rate: Rate) -> dict[str, Any]:
    """A rate in JSON."""
    return {"n_held": rate.n_held, "n": rate.n, "low_95": rate.low, "high_95": rate.high}


def point_fields(point: OperatingPoint, names: tuple[str, str]) -> dict[str, Any]:
    """Both rates at a threshold in JSON."""
    return {
        "threshold": point.threshold,
        names[0].lower(): rate_fields(point.false_positives),
        names[1].lower(): rate_fields(point.false_negatives),
    }


def wanted_fields(at: PointAtRate, names: tuple[str, str]) -> dict[str, Any]:
    """What a wanted rate leads to in JSON; without threshold where it is not supported."""
    wanted = {f"wanted_{names[0].lower()}": at.wanted, "supported": at.point is not None, "n": at.n_non_mated}
    if at.point is None:
        return wanted
    interval = {"threshold_low_95": at.threshold_low, "threshold_high_95": at.threshold_high}
    return {**wanted, **point_fields(at.point, names), **interval}


def left_out_remark(left_out: Sequence[SkippedPhoto]) -> list[str]:
    """Which photos gave nothing, and why."""
    if not left_out:
        return []
    named = "; ".join(f"{printable(entry.path)} ({printable(entry.reason)})" for entry in left_out[:MANY_SKIPPED])
    more = f"; and {len(left_out) - MANY_SKIPPED} more (--json names all)" if len(left_out) > MANY_SKIPPED else ""
    return [f"Gave nothing: {count(len(left_out), 'photo')}: {named}{more}."]


def count(number: int, thing: str) -> str:
    """A number of things."""
    return f"{number} {thing}{'s' * (number != 1)}"
