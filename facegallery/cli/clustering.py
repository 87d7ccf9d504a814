"""Commands ``cluster`` and ``name``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facegallery.cli.console import (
    DONE,
    ERROR,
    INTERRUPTED,
    SOME_SKIPPED,
    advance,
    confirmed,
    note,
    progress,
    short_names,
    stdout,
    stoppable,
    table,
)
from facegallery.cli.enrolling import run_enrollment
from facegallery.cli.identifying import photos_in
from facegallery.cli.opening import open_gallery
from facegallery.cli.options import (
    AcceptPoorOption,
    GalleryOption,
    Inputs,
    JoinOption,
    JsonOption,
    MinMarginOption,
    PrecisionOption,
    RuntimeOption,
    ScoreOption,
    ThresholdOption,
)
from facegallery.domain import DEFAULT_SCORE, Precision, Runtime, RuntimeChoice
from facegallery.errors import MemberNotFound
from facegallery.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facegallery import Gallery
    from facegallery.gallery.cluster_file import SavedCluster
    from facegallery.gallery.clustering import ClusteredFace, Clustering
    from facegallery.pictures.output import Format

N_EXAMPLES = 3
"""Files of a cluster that the table names."""


def _form(path: Path) -> Format | None:
    from facegallery.gallery.cluster_file import CLUSTER_FILE
    from facegallery.pictures.output import HTML, PNG

    return next((form for form in (CLUSTER_FILE, HTML, PNG) if path.suffix.lower() in form.suffixes), None)


def _outputs(paths: list[Path] | None) -> list[Path]:
    """Refuse, before the work, what cannot be written, and a place where another file is."""
    from facegallery.pictures.output import is_ours

    for path in paths or ():
        form = _form(path)
        if form is None:
            raise typer.BadParameter(f"{path}: give a name that ends in .json, .html or .png.")
        if path.exists() and not (path.is_file() and is_ours(path, form)):
            raise typer.BadParameter(f"{path} exists and is no {form.what} of this program. Give another name.")
    return paths or []


def cluster(
    inputs: Inputs,
    min_size: Annotated[int, typer.Option("--min-size", min=1, metavar="N", help="Faces that make a cluster.")] = 2,
    as_json: JsonOption = False,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            callback=_outputs,
            help="Write .json (for 'name'), .html or .png; repeatable.",
        ),
    ] = None,
    join: JoinOption = None,
    threshold: ThresholdOption = None,
    min_margin: MinMarginOption = None,
    score: ScoreOption = DEFAULT_SCORE,
    accept_poor: AcceptPoorOption = False,
    gallery: GalleryOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Group the faces that 'identify' calls unknown by person. The gallery is not changed.

    A lower --join joins more faces, and more that are not of one person; --threshold says who is unknown. Next:
    'facegallery name'.
    """
    from facegallery.cli.report import as_json as json_text
    from facegallery.gallery.cluster_file import clusters_document

    with open_gallery(gallery, RuntimeChoice(runtime, precision)) as opened:
        found = photos_in(inputs)
        with progress("Identifying", len(found)) as bar, stoppable() as stop:
            clustering = opened.cluster(
                found,
                threshold=threshold,
                min_margin=min_margin,
                score=score,
                join=join,
                min_size=min_size,
                accept_poor=accept_poor,
                told=lambda: advance(bar),
            )
    if stop.asked:
        note("Stopped: nothing was grouped, and nothing was changed.")
        raise typer.Exit(INTERRUPTED)
    if as_json:
        sys.stdout.write(json_text(clusters_document(clustering)) + "\n")
    else:
        _print_clusters(clustering)
    _write(clustering, out or [])
    raise typer.Exit(_finish(clustering, out or []))


def _print_clusters(clustering: Clustering) -> None:
    """The table, one row a cluster."""
    from facegallery.gallery.cluster_pictures import summary

    if clustering.clusters:
        rows = table("cluster", "faces", "nearest", "similarity", "photos", right=("cluster", "faces", "similarity"))
        examples = [face.path for each in clustering.clusters for face in each.faces[:N_EXAMPLES]]
        names = dict(zip(examples, short_names(examples), strict=True))
        for each in clustering.clusters:
            shown = [names[face.path] for face in each.faces[:N_EXAMPLES]]
            rest = len(each.faces) - len(shown)
            rows.add_row(
                f"{each.number}",
                f"{len(each.faces)}",
                printable(each.nearest.member) if each.nearest else "",
                f"{each.nearest.similarity:.2f}" if each.nearest else "",
                printable(", ".join(shown) + (f" and {rest} more" if rest else "")),
            )
        stdout().print(rows)
    note(summary(clustering))


def _write(clustering: Clustering, paths: Sequence[Path]) -> None:
    """The files of clusters first: a photo that is gone meanwhile cannot hinder them."""
    from facegallery.gallery.cluster_file import save_clusters
    from facegallery.gallery.cluster_pictures import draw_clusters, page_of_clusters, thumbnails
    from facegallery.pictures.output import PNG, save_png
    from facegallery.pictures.page import save_page

    for path in filter(_is_for_name, paths):
        save_clusters(clustering, path)
    pictures = [path for path in paths if not _is_for_name(path)]
    if not pictures:
        return
    with progress("Cutting out faces", None) as bar:
        faces = thumbnails(clustering, told=lambda: advance(bar))
    for path in pictures:
        if _form(path) is PNG:
            save_png(draw_clusters(clustering, faces), path)
        else:
            save_page(page_of_clusters(clustering, faces), path)


def _is_for_name(path: Path) -> bool:
    from facegallery.gallery.cluster_file import CLUSTER_FILE

    return _form(path) is CLUSTER_FILE


def _finish(clustering: Clustering, paths: Sequence[Path]) -> int:
    """Say where the files are, what comes next and what was skipped; the exit code."""
    for path in paths:
        note(f"Wrote {path}")
    files = [path for path in paths if _is_for_name(path)]
    if clustering.clusters:
        note(f"To make a member of one: facegallery name {files[0] if files else 'FILE.json'} NUMBER NAME")
        if not files:
            note("For that write the clusters first: the same command with -o FILE.json")
    for entry in clustering.skipped:
        note(f"Skipped {entry.path}: {entry.reason}")
    return SOME_SKIPPED if clustering.skipped else DONE


def name(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.json", readable=False, help="What 'cluster -o FILE.json' wrote.")
    ],
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The cluster's number.")],
    member: Annotated[str, typer.Argument(metavar="NAME", help="The member's name, new or known.")],
    without: Annotated[
        list[int] | None,
        typer.Option("--without", min=1, metavar="N", help="Leave out the cluster's N-th face; repeatable."),
    ] = None,
    accept_poor: AcceptPoorOption = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before adding to a known member.")] = False,
    gallery: GalleryOption = None,
    runtime: RuntimeOption = Runtime.AUTO,
    precision: PrecisionOption = Precision.AUTO,
) -> None:
    """Make a cluster a member: enroll its faces under NAME. Asks first where NAME is a member already.

    The photos are read again. One that has changed or is gone since is skipped, which exit code 3 says.
    """
    from facegallery.gallery.cluster_file import read_clusters

    cluster = _numbered(read_clusters(file), number)
    faces = _left(cluster, number, set(without or ()))
    with open_gallery(gallery, RuntimeChoice(runtime, precision)) as opened:
        if not (yes or _may_add(opened, member, len(faces), cluster.nearest)):
            note("Nothing was enrolled.")
            raise typer.Exit(ERROR)
        raise typer.Exit(
            run_enrollment(opened, opened.enroll_cluster(faces, member, accept_poor=accept_poor), len(faces))
        )


def _may_add(gallery: Gallery, name: str, n_faces: int, nearest: str | None) -> bool:
    """Ask where the member is there already: a slip of the name or number would put a stranger's faces there."""
    try:
        member = gallery.member(name)
    except MemberNotFound:
        return True
    other = f" These faces are most like {nearest}." if nearest not in (None, member.name) else ""
    question = (
        f"{member.name} is a member already, with {_n(member.n_templates, 'photo')}.{other} "
        f"Add {_n(n_faces, 'face')} to {member.name}?"
    )
    return confirmed(printable(question), otherwise="to add without being asked, the same command with --yes")


def _n(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _numbered(clusters: dict[int, SavedCluster], number: int) -> SavedCluster:
    if number not in clusters:
        there = f"There are 1 to {max(clusters)}." if clusters else "There is none in this file."
        raise typer.BadParameter(f"There is no cluster {number}. {there}")
    return clusters[number]


def _left(cluster: SavedCluster, number: int, without: set[int]) -> tuple[ClusteredFace, ...]:
    """The cluster's faces but those left out."""
    faces = cluster.faces
    if not without <= set(range(1, len(faces) + 1)):
        raise typer.BadParameter(f"--without {max(without)}: cluster {number} has {len(faces)} faces.")
    left = tuple(face for place, face in enumerate(faces, start=1) if place not in without)
    if not left:
        raise typer.BadParameter(f"--without leaves no face of cluster {number}.")
    return left
