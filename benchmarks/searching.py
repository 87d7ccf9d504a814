"""Search at size against FAISS flat: what ``benchmarks.search`` measures, as rows of this table."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from benchmarks import search
from benchmarks.extent import N_MEMBERS, TEMPLATES_PER_MEMBER, Extent
from benchmarks.rows import AnyRow, Ceiling, Check, NotMeasured, Row
from benchmarks.timing import Pairs, Target
from benchmarks.workers import OUR_ENVIRONMENT, from_nothing

SEARCH_TARGET = Target.at_least(15.0)
LEAST_RECALL, MOST_MEMORY, MOST_OPENING_S = 0.995, 0.55, 2.0
"""One probe among 1,000,000 templates, on the same threads; recall@1, share of the flat index's memory, and the time to
open such a gallery; from issue 3."""

N_TEMPLATES = N_MEMBERS * TEMPLATES_PER_MEMBER
BYTES_PER_TEMPLATE = 6_000
"""Disk that making the gallery takes: for a moment everything is in SQLite's log and in the database too."""

_PEER = "FAISS flat (IndexFlatIP)"


def search_rows(extent: Extent) -> list[AnyRow]:
    """Make a gallery in a folder that goes away again, and search it; in a process of its own."""
    n_templates = extent.n_members * TEMPLATES_PER_MEMBER
    with tempfile.TemporaryDirectory() as folder:
        lacking = _lacking(Path(folder), n_templates)
        if lacking is not None:
            return [NotMeasured(_what(n_templates), _PEER, SEARCH_TARGET, lacking)]
        job = (search.measure, extent.n_members, TEMPLATES_PER_MEMBER, Path(folder) / "gallery")
        measured = from_nothing(*job, environment=OUR_ENVIRONMENT).answer
    return [*rows_of(measured)]


def rows_of(measured: search.Measured) -> list[Row]:
    """A row beside FAISS with our threads, and since several can slow a single probe down, one beside a single."""
    n_threads = int(measured.figures["one_probe"]["n_threads"])
    what = _what(int(measured.figures["gallery"]["n_templates"]))
    checks = _checks(measured)
    rows = [_row(what, measured, "flat_ms", f"{n_threads} threads" if n_threads > 1 else "1 thread", checks)]
    if n_threads > 1:
        remark = f"ours with {n_threads} threads; what is wanted is for as many on both sides"
        rows.append(_row(what, measured, "flat_one_thread_ms", "1 thread", (), remark))
    return rows


def _row(
    what: str, measured: search.Measured, peer: str, threads: str, checks: tuple[Check | Ceiling, ...], *remarks: str
) -> Row:
    ours_s, peer_s = (tuple(ms / 1e3 for ms in measured.times_ms[way]) for way in ("search_ms", peer))
    remarks = (*remarks, "ours from probe to ranked members, database in the file cache")
    return Row(what, f"{_PEER}, {threads}", SEARCH_TARGET, Pairs(ours_s, peer_s), checks=checks, remarks=remarks)


def _checks(measured: search.Measured) -> tuple[Check | Ceiling, ...]:
    one_probe, opening = measured.figures["one_probe"], measured.figures["opening"]
    n_probes = int(one_probe["n_probes_each"])
    return (
        Check(f"recall@1 of {n_probes} members' probes", one_probe["recall_members"], LEAST_RECALL),
        Check(f"recall@1 of {n_probes} strangers' probes", one_probe["recall_strangers"], LEAST_RECALL),
        Ceiling("greatest memory, share of flat", measured.figures["memory"]["share_of_flat_at_most"], MOST_MEMORY),
        Ceiling("seconds to open, libraries imported", opening["open_s"], MOST_OPENING_S),
        Ceiling("seconds of a new process that opens and searches once", opening["process_s"], MOST_OPENING_S),
    )


def _what(n_templates: int) -> str:
    words = f"search one probe among {n_templates:,} templates"
    return words if n_templates == N_TEMPLATES else f"{words} (a trial: all that is wanted is for {N_TEMPLATES:,})"


def _lacking(folder: Path, n_templates: int) -> str | None:
    """What keeps this machine from measuring, or None."""
    wanted, free = n_templates * BYTES_PER_TEMPLATE, shutil.disk_usage(folder).free
    if free < wanted:
        return f"the temporary folder has {free / 1e9:.1f} GB free, and {wanted / 1e9:.1f} GB are needed"
    if not search.PROCESS_STATUS.exists():
        return f"memory is read from {search.PROCESS_STATUS}, which is not on this system"
    return None
