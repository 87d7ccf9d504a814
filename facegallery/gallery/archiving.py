"""A gallery as an archive, and an archive into a gallery: files and folders around what the store gives and takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from facegallery.domain import GalleryContent, Taken
from facegallery.errors import ArchiveNotWritten, ModelMismatch
from facegallery.store import Store
from facegallery.weights.files import InstalledModel, ModelFiles

if TYPE_CHECKING:
    from facegallery.domain import Pixels

Told = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written into an archive.

    Attributes:
        path: The file.
        n_members: Members in it.
        n_photos: Photos that are told of; their pixels are not in it.
        n_faces: Faces, each with its vector.
        n_rejections: Faces that are said not to be a member's.
        n_crops: Faces' pixels.
        n_other_crops: Crops that are kept and not in it: cut out otherwise than the gallery's faces are now.
    """

    path: Path
    n_members: int
    n_photos: int
    n_faces: int
    n_rejections: int
    n_crops: int
    n_other_crops: int


def export(
    folder: Path, store: Store, path: Path, *, with_crops: bool, replace_file: bool, told: Told = lambda: None
) -> Exported:
    """Write everything in a gallery into one file, and remember where it is, for ``forget`` to name it.

    It is remembered first: an archive that nobody knows of would be worse than a place where there is none.

    Args:
        folder: The gallery's.
        store: The gallery's.
        path: The file.
        with_crops: Whether kept crops are in it.
        replace_file: Whether a file that is there may be replaced.
        told: Called for each crop that is written, for a progress bar.

    Raises:
        ArchiveNotWritten: A file is there, the place is the gallery's own folder or cannot be written, or the content
            cannot be kept in an archive.
    """
    from facegallery.archive import write_archive

    path = path.expanduser().absolute()
    if path.parent.resolve().is_relative_to(folder.resolve()):
        raise ArchiveNotWritten(
            path,
            "it would be in the gallery's own folder, where nothing is left of who is forgotten",
            advice="Name a file in another folder.",
        )
    if replace_file or not os.path.lexists(path):
        store.remember_backup(path)
    with store.content(with_crops=with_crops) as held:
        content = replace(held.content, crops=_Told(held.content.crops, told))
        write_archive(path, content, replace=replace_file)
    return Exported(
        path,
        n_members=len(content.members),
        n_photos=len(content.photos),
        n_faces=len(content.faces),
        n_rejections=len(content.rejections),
        n_crops=len(content.crops),
        n_other_crops=held.n_other_crops,
    )


def take(store: Store, content: GalleryContent, *, told: Told = lambda: None) -> Taken:
    """Take in an archive's content; see :meth:`facegallery.store.contents.ContentStore.take`.

    Args:
        store: The gallery's.
        content: From :func:`facegallery.archive.read_archive`.
        told: Called for each crop that comes, for a progress bar.
    """
    return store.take(replace(content, crops=_Told(content.crops, told)))


def model_for(content: GalleryContent, files: ModelFiles) -> InstalledModel:
    """The model on this machine that made an archive's vectors, whatever it is called here.

    Raises:
        ModelNotFound: It is not here; the message says how to get it.
        ModelMismatch: A model of that name is here, and is another one.
    """
    for installed in files.installed():
        if installed.fingerprint == content.model.fingerprint:
            return installed
    name, found = content.model.name, files.find(content.model.name)
    raise ModelMismatch(
        content.model.fingerprint,
        found.fingerprint,
        f"The archive's vectors are of model '{name}' (sha256 {content.model.fingerprint[:12]}...), and the one of "
        f"that name on this machine is another ({found.fingerprint[:12]}...): they cannot be compared. Bring the "
        "archive's model here under a name of its own: 'facegallery model import NAME FILE'.",
    )


class _Told(Mapping[int, "Pixels"]):
    """Crops that tell when one is asked for."""

    def __init__(self, crops: Mapping[int, Pixels], told: Told) -> None:
        self._crops = crops
        self._told = told

    def __getitem__(self, number: int) -> Pixels:
        self._told()
        return self._crops[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self._crops)

    def __len__(self) -> int:
        return len(self._crops)
