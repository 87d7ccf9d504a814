"""Where a report goes: to the terminal, and into a file of the form that its name asks for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facegallery.cli.console import note, say, stdout
from facegallery.cli.report import as_json

if TYPE_CHECKING:
    from facegallery.cli.evaluating.report import Report
    from facegallery.pictures.output import Format

JSON_SUFFIX = ".json"
MARKDOWN_SUFFIX = ".md"
HTML_SUFFIX = ".html"
PNG_SUFFIX = ".png"
TABLES = (JSON_SUFFIX, MARKDOWN_SUFFIX, HTML_SUFFIX)
PLOTS = (*TABLES, PNG_SUFFIX)


def _of_form(suffixes: tuple[str, ...]) -> Callable[[list[Path] | None], list[Path]]:
    """Refuse, before hours of work, a place that no report is written to; a slip never replaces a photo."""

    def checked(paths: list[Path] | None) -> list[Path]:
        return [_checked(path) for path in paths or []]

    def _checked(path: Path) -> Path:
        if path.suffix not in suffixes:
            raise typer.BadParameter(f"Give a name that ends in {' or '.join(suffixes)}.")
        if not path.parent.is_dir():
            raise typer.BadParameter(f"There is no folder {path.parent}.")
        if path.exists() and not _is_report(path):
            raise typer.BadParameter(f"{path} exists and is no report of this program. Give another name.")
        return path

    return checked


OutOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--out",
        metavar="FILE",
        callback=_of_form(TABLES),
        help="Also write FILE.json, FILE.md or a page, FILE.html. Repeat for several.",
    ),
]
OutWithPlotsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--out",
        metavar="FILE",
        callback=_of_form(PLOTS),
        help="Also write FILE.json, FILE.md, a page with plots, FILE.html, or the plots, FILE.png. Repeat for several.",
    ),
]
MarkdownOption = Annotated[bool, typer.Option("--markdown", help="Print the tables in Markdown.")]


def tell(report: Report, *, json: bool, markdown: bool, out: list[Path] | None) -> None:
    """Print a report, write it where asked, and say beside it what has to be said."""
    if json or markdown:
        sys.stdout.write((as_json(report.document) if json else report.markdown) + "\n")
    else:
        for paragraph in report.lead:
            say(paragraph)
        for drawn in report.terminal_tables():
            say("")
            stdout().print(drawn)
    for path in out or []:
        _write(report, path)
    if not markdown:  # which holds them
        for line in report.remarks:
            note(line)


def _write(report: Report, path: Path) -> None:
    """Whole or not at all; a file of the person's own is not replaced."""
    from facegallery.pictures.output import save_png, write_output
    from facegallery.pictures.page import save_page

    if path.suffix == HTML_SUFFIX:
        save_page(report.page(), path)
    elif path.suffix == PNG_SUFFIX:
        save_png(report.picture(), path)
    else:
        text = report.json_file if path.suffix == JSON_SUFFIX else report.markdown_file
        write_output(path, _form(path), lambda file: file.write(f"{text}\n".encode()))


def _is_report(path: Path) -> bool:
    from facegallery.pictures.output import is_ours

    return path.is_file() and is_ours(path, _form(path))


def _form(path: Path) -> Format:
    from facegallery.cli.evaluating.report import JSON_MARK, MARKDOWN_MARK
    from facegallery.pictures.output import HTML, PNG, Format

    return {
        JSON_SUFFIX: Format("report", "JSON", (JSON_SUFFIX,), JSON_MARK.encode()),
        MARKDOWN_SUFFIX: Format("report", "Markdown", (MARKDOWN_SUFFIX,), MARKDOWN_MARK.encode()),
        HTML_SUFFIX: HTML,
        PNG_SUFFIX: PNG,
    }[path.suffix]
