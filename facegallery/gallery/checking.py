"""What ``check`` looks at: everything that a gallery keeps, and who may read it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facegallery.errors import GalleryDamaged, GalleryTampered
from facegallery.settings import INDEX_NAME
from facegallery.store import Store
from facegallery.text import shell_word


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in a gallery.

    Attributes:
        n_members: Enrolled members.
        n_templates: Stored embeddings.
        revision: Counts the changes of the stored rows.
        faults: What is wrong; empty when all is well.
        notices: What is well and yet worth knowing.
    """

    n_members: int
    n_templates: int
    revision: int
    faults: tuple[str, ...]
    notices: tuple[str, ...]

    def fields(self) -> dict[str, object]:
        """The report for JSON."""
        return {
            "ok": not self.faults,
            "members": self.n_members,
            "templates": self.n_templates,
            "revision": self.revision,
            "faults": list(self.faults),
            "notices": list(self.notices),
        }


def check_gallery(folder: Path, store: Store) -> Report:
    """Look at everything once; changes nothing."""
    from facegallery.index.opening import TAMPERED, describe

    stamp = store.stamp()
    faults, notices = list(store.check()), []
    try:
        index = describe(folder / INDEX_NAME, store, cipher=store.cipher)
    except (GalleryDamaged, GalleryTampered):  # of the database's rows, which are told already
        index = "not looked at, since the database is not well"
    if index == TAMPERED:
        faults.append(f"the index is {index}")
    elif index.startswith("damaged"):
        faults.append(
            f"the database and the index do not say the same. If the database was damaged or changed, bring back a "
            f"backup first: 'facegallery restore FILE'. If it is well, remove {folder / INDEX_NAME}: it is made again"
        )
    else:
        notices.append(f"The index is {index}." + (" The next search mends that." if index.startswith("stale") else ""))
    if store.erasure() is not None:
        notices.append(
            "Somebody was forgotten, and bytes are left to be removed, for which another program was in the way: "
            "'facegallery compact'."
        )
    faults += _readable_by_others(folder)
    return Report(store.n_members(), stamp.count, stamp.revision, tuple(faults), tuple(notices))


def _readable_by_others(folder: Path) -> Iterator[str]:
    """Files of the gallery that other people of this machine may read or change."""
    if os.name != "posix" or not _is_open(folder):
        return  # nobody else gets to what is inside
    if any(path.is_file() and _is_open(path) for path in folder.rglob("*")):
        yield f"files in {folder} can be read by others: chmod -R go-rwx {shell_word(folder)}"


def _is_open(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO))
