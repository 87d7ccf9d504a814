"""Opening the index beside its store: what is on disk, as far as it is this store's, and what came after it.

The files hold the store's templates up to one of them; the later ones are read from the store. So nothing needs to be
written when a template is added, and nothing is rebuilt because others were renamed, added or removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegallery.domain import Cipher, Ids, TemplateSource, Vectors
from facegallery.errors import GalleryUnavailable
from facegallery.index.codes import CodeRows
from facegallery.index.exact import ExactRows
from facegallery.index.folder import IndexFolder, IndexWriter
from facegallery.index.stamps import BaseStamp, DamagedIndex, OtherwiseKept, Rows

EXACT_LIMIT = 100_000
"""Up to so many templates every vector is compared; above, short codes propose."""

LONGEST_TAIL = 4096
"""Later templates that opening reads from the store (8 MiB); when there are more, they are appended to the files."""

FORGET_WAIT_S = 30.0
"""How long forgetting waits for another process to end its writing."""

CURRENT = "current"
MISSING = "missing"
DAMAGED = "damaged: remove this folder, it is made again from the database"
TAMPERED = "changed by somebody without the gallery's key: remove this folder, it is made again from the database"

_MOST_DEAD = 0.5
"""Share of dead slots above which the files are written anew."""

_ATTEMPTS, _PAUSE_S = 4, 0.02
"""Files and stamp disagree for a moment, while somebody is forgotten or the files are replaced."""

_NO_BASE = BaseStamp("exact", "", "", 0, 0, 0, None)


class TemplateIndex:
    """All templates of a store at one moment: the base from the files, and the tail. Fulfils ``domain.VectorIndex``."""

    def __init__(self, stamp: BaseStamp, base: Rows, tail: Rows) -> None:
        self.stamp = stamp
        self.base = base
        self._tail = tail

    @property
    def count(self) -> int:
        """Number of vectors that can be proposed."""
        return self.base.count + self._tail.count

    @property
    def n_first(self) -> int:
        """How many proposals are worth asking for at first."""
        return max(self.base.n_first, self._tail.n_first)

    def least_said(self, similarity: float) -> float:
        """What a proposal says at least of a template that is this similar; see ``domain.VectorIndex``."""
        return min(part.least_said(similarity) for part in (self.base, self._tail))

    def search(self, probes: Vectors, k: int) -> tuple[Vectors, Ids]:
        """Find the k most similar vectors for each probe; see ``domain.VectorIndex``."""
        if self._tail.count == 0:
            return self.base.search(probes, k)
        both = [part.search(probes, k) for part in (self.base, self._tail)]
        similarities, ids = (np.concatenate(arrays, axis=1) for arrays in zip(*both, strict=True))
        order = np.lexsort((ids, -similarities), axis=1)[:, :k]
        return np.take_along_axis(similarities, order, axis=1), np.take_along_axis(ids, order, axis=1)


def open_index(
    path: Path,
    source: TemplateSource,
    *,
    cipher: Cipher | None = None,
    limit: int = EXACT_LIMIT,
    known: TemplateIndex | None = None,
) -> TemplateIndex:
    """The index of all templates in the store.

    Files that do not belong to the store, or lag far behind it, are brought up to date first; where that cannot be done
    now (a read-only folder, another process is at it), the rest is made in memory.

    Args:
        path: The index's folder.
        source: The store.
        cipher: Seals the files of an encrypted gallery. Files that are not kept so are removed and made again.
        limit: Most templates for which every vector is compared.
        known: An index that was opened earlier: its base is used again if it still holds.
    """
    folder = IndexFolder(path, cipher)
    if known is not None and _usable_as_is(known.stamp, source):
        return TemplateIndex(known.stamp, known.base, _tail(source, known.stamp.last_id, limit))
    base = _read(folder)
    if base is None or not _usable_as_is(base[0], source):
        with suppress(OSError), folder.writing() as writer:
            _bring_up_to_date(folder, writer, source, limit)
        base = _read(folder)
        if base is not None and not _is_complete(*base, source):
            base = None
    stamp, rows = base or (_NO_BASE, _rows_of(ExactRows, [], []))
    return TemplateIndex(stamp, rows, _tail(source, stamp.last_id, limit))


def refresh(path: Path, source: TemplateSource, *, cipher: Cipher | None = None, limit: int = EXACT_LIMIT) -> None:
    """Append what is not in the files yet, so that the next opening need not read it from the store.

    What this costs does not depend on how much is there already. Nothing happens where the folder cannot be written, or
    another process is writing it.
    """
    folder = IndexFolder(path, cipher)
    with suppress(OSError), folder.writing() as writer:
        stamp = _stamp(folder)
        fits = stamp is not None and folder.has_files_of(stamp) and _why_other(stamp, source) is None
        if stamp is None or not fits or not _append(writer, stamp, source, limit):
            _bring_up_to_date(folder, writer, source, limit)


@contextmanager
def forgetting(
    path: Path,
    source: TemplateSource,
    *,
    cipher: Cipher | None = None,
    limit: int = EXACT_LIMIT,
    wait_s: float = FORGET_WAIT_S,
) -> Iterator[Callable[[Sequence[int]], None]]:
    """Keep every other writer out while templates are removed from the store, then bury them in the files.

    Until this is left nobody can put back what is being removed.

    Yields:
        What to call with the ids, as soon as the store has removed them.

    Raises:
        GalleryUnavailable: The files cannot be written: raised before anything is done.
    """
    folder = IndexFolder(path, cipher)
    try:
        with folder.writing(wait_s=wait_s) as writer:
            stamp = _fitting(folder, source)
            if stamp is None:
                writer.clear()  # whoever is in it may be the one to be forgotten
            else:
                writer.tidy(stamp)
            yield lambda ids: _bury(writer, stamp, source, ids, limit)
    except OSError as error:
        raise GalleryUnavailable(path, error.strerror or str(error)) from error


def describe(path: Path, source: TemplateSource, *, cipher: Cipher | None = None) -> str:
    """The files' state in words; every row is compared with the store.

    ``current``, ``behind by N`` (templates that are read from the store), ``missing``, ``stale: why``, ``damaged``,
    ``changed by somebody`` (only sealed files tell this from damage) or ``not readable: why``.
    """
    said = _described(path, source, cipher)
    for _ in range(_ATTEMPTS):
        if said not in (DAMAGED, TAMPERED):
            break
        time.sleep(_PAUSE_S)  # another process may be in the middle of it
        said = _described(path, source, cipher)
    return said


def _described(path: Path, source: TemplateSource, cipher: Cipher | None) -> str:
    folder = IndexFolder(path, cipher)
    try:
        stamp = folder.stamp()
        if stamp is None:
            return MISSING
        why = _why_other(stamp, source) or _why_stale(stamp, source)
        if why is not None:
            return f"stale: {why}"
        ids, rows = folder.arrays(stamp)
        if not _same_rows(stamp, ids, rows, source):
            return DAMAGED
    except OtherwiseKept as error:
        return f"stale: {error}"
    except DamagedIndex as error:
        return TAMPERED if error.tampered else DAMAGED
    except OSError as error:
        return f"not readable: {error.strerror}"
    n_later = source.tail(stamp.last_id).count
    return CURRENT if n_later == 0 else f"behind by {n_later}"


# --- is it this store's? ------------------------------------------------------------------------------------------


def _why_other(stamp: BaseStamp, source: TemplateSource) -> str | None:
    """Why the files are of another history than the store, or None."""
    tail = source.tail(stamp.last_id)
    if stamp.fingerprint != tail.fingerprint:
        return "made with another model"
    if stamp.last_added_at != tail.last_added:
        return "made of another gallery, or of one since restored"
    return None


def _why_stale(stamp: BaseStamp, source: TemplateSource) -> str | None:
    """Why the files hold more or fewer templates than the store has up to their last one, or None."""
    n_there = source.count_up_to(stamp.last_id)
    return None if stamp.n_live == n_there else f"{stamp.n_live} templates, the gallery has {n_there} of them"


def _fits(stamp: BaseStamp, source: TemplateSource) -> bool:
    return _why_other(stamp, source) is None and _why_stale(stamp, source) is None


def _usable_as_is(stamp: BaseStamp, source: TemplateSource) -> bool:
    return _fits(stamp, source) and source.tail(stamp.last_id).count <= LONGEST_TAIL


def _is_complete(stamp: BaseStamp, rows: Rows, source: TemplateSource) -> bool:
    """Whether the base holds all templates it should; more do no harm, since the store does not know them."""
    if _why_other(stamp, source) is not None:
        return False
    if _why_stale(stamp, source) is None:
        return True
    return bool(np.isin(source.template_ids(stamp.last_id), rows.ids).all())


def _fitting(folder: IndexFolder, source: TemplateSource) -> BaseStamp | None:
    """The stamp, when by it and by their sizes the files hold just what they should; costs no look into them."""
    stamp = _stamp(folder)
    if stamp is None or not folder.has_files_of(stamp):
        return None
    return stamp if _fits(stamp, source) else None


def _same_rows(stamp: BaseStamp, ids: Ids, rows: NDArray[Any], source: TemplateSource) -> bool:
    slots, done = np.flatnonzero(ids > 0), 0
    with closing(source.template_batches(0)) as batches:
        for some, vectors in batches:
            wanted = some <= stamp.last_id
            there = slots[done : done + int(wanted.sum())]
            if not np.array_equal(ids[there], some[wanted]):
                return False
            if not np.array_equal(rows[there], stamp.rows.encode(vectors[wanted])):
                return False
            done += len(there)
            if not wanted.all():
                break
    return done == len(slots) and not rows[ids <= 0].any()


# --- reading ------------------------------------------------------------------------------------------------------


def _stamp(folder: IndexFolder) -> BaseStamp | None:
    try:
        return folder.stamp()
    except DamagedIndex:
        return None


def _read(folder: IndexFolder) -> tuple[BaseStamp, Rows] | None:
    """The base as the files have it, or None. Another process may be between files and stamp: that is waited for."""
    for _ in range(_ATTEMPTS):
        try:
            stamp = folder.stamp()
            return None if stamp is None else (stamp, stamp.rows(*folder.arrays(stamp)))
        except (FileNotFoundError, DamagedIndex):
            time.sleep(_PAUSE_S)
        except OSError:
            return None
    return None


def _tail(source: TemplateSource, last_id: int, limit: int) -> Rows:
    """The templates after the base, read from the store; as codes where there are many and no file could be made."""
    kind = _kind_for(source.tail(last_id).count, limit)
    with closing(source.template_batches(last_id)) as batches:
        read = [(ids, kind.encode(vectors)) for ids, vectors in batches]
    return _rows_of(kind, [ids for ids, _ in read], [rows for _, rows in read])


def _rows_of(kind: type[ExactRows] | type[CodeRows], ids: list[Ids], rows: list[NDArray[Any]]) -> Rows:
    if not ids:
        return kind(np.empty(0, np.int64), np.empty((0, kind.row_length), kind.row_dtype))
    return kind(np.concatenate(ids), np.concatenate(rows))


def _kind_for(count: int, limit: int) -> type[ExactRows] | type[CodeRows]:
    return ExactRows if count <= limit else CodeRows


# --- writing ------------------------------------------------------------------------------------------------------


def _bring_up_to_date(folder: IndexFolder, writer: IndexWriter, source: TemplateSource, limit: int) -> None:
    """Bury what is gone and append what is new, or write the files anew where that is not enough."""
    stamp = _mended(folder, writer, source)
    if stamp is None or not _append(writer, stamp, source, limit):
        _rebuild(writer, source, limit)


def _mended(folder: IndexFolder, writer: IndexWriter, source: TemplateSource) -> BaseStamp | None:
    """The stamp of files that are this store's, rid of what the store no longer has; None when they are not."""
    stamp = _stamp(folder)
    if stamp is None:
        return None
    try:
        ids, _ = folder.arrays(stamp)
        if _why_other(stamp, source) is not None:
            return None
        if _why_stale(stamp, source) is None:
            return stamp
        there = source.template_ids(stamp.last_id)
        if not np.isin(there, ids).all():
            return None
        return _publish(writer, source, writer.bury(stamp, np.setdiff1d(ids[ids > 0], there).tolist()))
    except (DamagedIndex, FileNotFoundError):
        return None


def _append(writer: IndexWriter, stamp: BaseStamp, source: TemplateSource, limit: int) -> bool:
    """Append what is new; False where the files have to be written anew for it."""
    n_later = source.tail(stamp.last_id).count
    if (stamp.rows is ExactRows and stamp.n_live + n_later > limit) or _is_mostly_dead(stamp):
        return False
    writer.tidy(stamp)
    if n_later:
        try:
            with closing(source.template_batches(stamp.last_id)) as batches:
                stamp = writer.append(stamp, batches)
        except DamagedIndex:
            return False
        _publish(writer, source, stamp)
    return True


def _rebuild(writer: IndexWriter, source: TemplateSource, limit: int) -> None:
    now = source.tail(0)
    with closing(source.template_batches(0)) as batches:
        stamp = writer.create(_kind_for(now.count, limit).kind, now.fingerprint, batches)
    _publish(writer, source, stamp)


def _bury(writer: IndexWriter, stamp: BaseStamp | None, source: TemplateSource, ids: Sequence[int], limit: int) -> None:
    if stamp is None:
        return
    try:
        stamp = _publish(writer, source, writer.bury(stamp, ids))
        complete = _fits(stamp, source)
    except (OSError, DamagedIndex):
        complete = False
    if not complete:
        writer.clear()  # damaged files, or a full or failing disk: without an index nobody is in it
    elif _is_mostly_dead(stamp):
        with suppress(OSError):  # what had to go is gone
            _rebuild(writer, source, limit)


def _is_mostly_dead(stamp: BaseStamp) -> bool:
    return stamp.n_slots - stamp.n_live > _MOST_DEAD * stamp.n_slots


def _publish(writer: IndexWriter, source: TemplateSource, stamp: BaseStamp) -> BaseStamp:
    return writer.publish(stamp, source.tail(stamp.last_id).last_added)
