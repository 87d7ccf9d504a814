"""The photos that the rows work on: a folder of real ones, or the sample group inside the package."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from facegallery.domain import Pixels
from facegallery.gallery.enrollment import MemberPhotos, plan_folder
from facegallery.settings import bundled


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """Photos for a run.

    Attributes:
        kind: What they are, in words for the table; nothing that tells one photo from another.
        enroll: A folder with one folder a member.
        crowd: Photos to detect in.
        n_enroll: How many of the folder's photos are enrolled.
    """

    kind: str
    enroll: Path
    crowd: tuple[Path, ...]
    n_enroll: int

    @classmethod
    def of(cls, folder: Path | None) -> PhotoSet:
        """The photos of a folder with ``wild/enroll/<member>/*.jpg`` and ``crowd/*.jpg``; None: the sample group.

        Raises:
            PhotoError: There is no folder to enroll.
            ValueError: The folder holds no photo to enroll, or none of a crowd.
        """
        if folder is None:
            sample = bundled("sample_group")
            found = cls("the bundled sample group", sample / "enroll", (sample / "group.jpg",), 0)
        else:
            crowd = tuple(sorted((folder / "crowd").glob("*.jpg")))
            found = cls("photographs given with --photos", folder / "wild" / "enroll", crowd, 0)
        n_enroll = len(photo_paths(plan_folder(found.enroll)))
        if not n_enroll or not found.crowd:
            raise ValueError(f"{folder}: no photos in wild/enroll/<member>/ or none in crowd/")
        return replace(found, n_enroll=n_enroll)

    def first(self, n_enroll: int) -> PhotoSet:
        """The same with at most so many photos to enroll."""
        return replace(self, n_enroll=min(n_enroll, self.n_enroll))

    @property
    def paths(self) -> list[Path]:
        """The photos to enroll."""
        return photo_paths(first_photos(plan_folder(self.enroll), self.n_enroll))


def first_photos(plan: Iterable[MemberPhotos], n_photos: int) -> list[MemberPhotos]:
    """A plan cut off after so many photos."""
    cut = []
    for entry in plan:
        if n_photos <= 0:
            break
        cut.append(replace(entry, photos=entry.photos[:n_photos]))
        n_photos -= len(entry.photos)
    return cut


def photo_paths(plan: Iterable[MemberPhotos]) -> list[Path]:
    """The files of a plan, in its order."""
    return [photo for entry in plan for photo in entry.photos if isinstance(photo, Path)]


def at_size(path: Path, size: tuple[int, int]) -> Pixels:
    """A photo resized and cropped about its centre to (width, height): shape (height, width, 3), uint8, RGB."""
    with Image.open(path) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    return np.array(ImageOps.fit(upright, size, Image.Resampling.BICUBIC))
