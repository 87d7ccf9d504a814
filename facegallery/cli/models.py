"""Commands ``model list``, ``pull``, ``import`` and ``verify``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from facegallery.cli.console import ERROR, say, stderr, stdout, table
from facegallery.text import printable

app = typer.Typer(help="The embedding models: which are here, fetch, import, verify.", no_args_is_help=True)

ModelName = Annotated[str, typer.Argument(metavar="NAME", help="vggface2, casia-webface, or the name of an own model.")]


@app.command("list")
def list_models() -> None:
    """List the models: which are on this machine and what each means for accuracy."""
    from facegallery.weights.catalogue import CATALOGUE
    from facegallery.weights.files import ModelFiles

    files = ModelFiles.default()
    here = {model.spec.name: model for model in files.installed()}
    specs = {**CATALOGUE, **{name: model.spec for name, model in here.items()}}
    rows = table("model", "on this machine", "threshold", "what it means", right=("threshold",))
    for name, spec in specs.items():
        state = f"no: facegallery model pull {name}"
        if name in here:
            state = "bundled" if here[name].bundled else "yes"
        rows.add_row(printable(name), state, f"{spec.threshold:.2f}", printable(spec.summary))
    stdout().print(rows)
    say(f"A new gallery takes '{files.default_name()}' unless --model says otherwise.")


@app.command()
def pull(
    name: ModelName,
    url: Annotated[
        str | None, typer.Option("--url", help="Take the file from this mirror; its hash is checked.")
    ] = None,
    sha256: Annotated[
        str | None, typer.Option("--sha256", metavar="HEX", help="The hash to check where none is published.")
    ] = None,
    trust_first: Annotated[
        bool,
        typer.Option("--trust-first", help="Where no hash is published: take what comes, pin its hash from then on."),
    ] = False,
) -> None:
    """Fetch a model's file, resume where a transfer broke off, check it, put it in place.

    This is the only command that uses the network.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from facegallery.weights.download import pull as fetch
    from facegallery.weights.files import ModelFiles

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr(), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(f"Fetching {name}", total=None)
        model = fetch(
            ModelFiles.default(),
            name,
            url=url,
            sha256=sha256,
            trust_first=trust_first,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    say(f"'{model.spec.name}' is at {model.path} (sha256 {model.fingerprint}).")


@app.command("import")
def import_model(
    name: ModelName,
    file: Annotated[Path, typer.Argument(metavar="FILE", readable=False, help="The weight file, fetched elsewhere.")],
) -> None:
    """Take a model's file that was fetched on another machine: check it, copy it into place."""
    from facegallery.weights.files import ModelFiles

    model = ModelFiles.default().import_file(name, file)
    say(f"'{model.spec.name}' is at {model.path} (sha256 {model.fingerprint}).")


@app.command()
def verify() -> None:
    """Hash every model file again and compare."""
    from facegallery.weights.files import ModelFiles

    rows = table("model", "state", "file", "detail")
    checks = ModelFiles.default().verify()
    for check in checks:
        rows.add_row(
            printable(check.name), "ok" if check.ok else "DAMAGED", printable(check.path), printable(check.detail)
        )
    stdout().print(rows)
    if not all(check.ok for check in checks):
        raise typer.Exit(ERROR)
