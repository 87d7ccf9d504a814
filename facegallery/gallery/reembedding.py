"""The way to another model: each enrolled face is embedded anew from its photo, or from a kept crop.

The old vectors stay, and answer, until the new ones are all there. A kill loses one batch at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from facegallery.crops import crop_face, unpacked
from facegallery.domain import EnrolledFace, ModelIdentity, Preparation, Rejection
from facegallery.errors import FacesMissing, PhotoError
from facegallery.images import read_photo
from facegallery.settings import n_threads

if TYPE_CHECKING:
    from facegallery.domain import Crop, Embedder, Pixels
    from facegallery.store import Store

BATCH = 8
"""Faces that are embedded and written together: as many as the embedder takes at once, of which writing is a tenth."""

CHANGED = "the file has changed since the face was taken from it"


@dataclass(frozen=True, slots=True)
class ReembeddedFace:
    """A face of the gallery and whether its new vector is there.

    Attributes:
        face: An enrolled one, or one that was said not to be a member's.
        missing: Why it could not be embedded anew, in words; None where it was.
    """

    face: EnrolledFace | Rejection
    missing: str | None = None


@dataclass(frozen=True)
class Way:
    """Where a gallery is to be taken, and what it takes.

    Attributes:
        store: The gallery's.
        model: The model to go to.
        preparation: How faces are prepared for it.
        load: Loads its embedder, made for that preparation; not called where nothing is left to embed.
        complete: Has the new vectors take the place of the old ones, without the templates and rejections of these ids
            where they have none; returns whether all was there.
    """

    store: Store
    model: ModelIdentity
    preparation: Preparation
    load: Callable[[], Embedder]
    complete: Callable[[Iterable[int], Iterable[int]], bool]

    def go(self, drop: Iterable[EnrolledFace | Rejection] = ()) -> Iterator[ReembeddedFace]:
        """Embed what is left and switch; see :meth:`facegallery.gallery.gallery.Gallery.reembed`."""
        self.store.begin_reembedding(self.model, self.preparation)
        may_go = {_key(face) for face in drop}
        missing: dict[_Key, EnrolledFace | Rejection] = {}
        embedder = cache(self.load)
        while True:
            for batch in self._looked_at(missing):
                found = [looked for looked in batch if looked.crop is not None]
                if found:
                    self._embed(embedder(), found)
                for looked in batch:
                    if looked.crop is None:
                        missing[_key(looked.face)] = looked.face
                    yield ReembeddedFace(looked.face, looked.missing)
            if any(key not in may_go for key in missing):
                raise FacesMissing(tuple(face.photo_path for key, face in missing.items() if key not in may_go))
            kinds = [[key for kind, key in missing if kind is wanted] for wanted in (EnrolledFace, Rejection)]
            if self.complete(*kinds):
                return  # else something was enrolled meanwhile: again

    def _embed(self, embedder: Embedder, found: list[_Looked]) -> None:
        vectors = embedder.embed(np.stack([looked.crop for looked in found if looked.crop is not None]))
        made = [(_key(looked.face), vector) for looked, vector in zip(found, vectors, strict=True)]
        self.store.keep_new_vectors(
            self.model,
            self.preparation,
            templates={key: vector for (kind, key), vector in made if kind is EnrolledFace},
            rejected={key: vector for (kind, key), vector in made if kind is Rejection},
        )

    def _looked_at(self, missing: Iterable[_Key]) -> Iterator[list[_Looked]]:
        """What is left and not known to be missing, cut out again.

        The photos of a batch are read side by side, and none while networks are at work: loading those and reading
        photos both change what Python warns of, in all threads.
        """
        known = set(missing)
        with ThreadPoolExecutor(n_threads(), thread_name_prefix="reembed") as pool:
            for left in self._left():
                new = [face for face in left if _key(face) not in known]
                kept = self.store.crops_of(face.template_id for face in new if isinstance(face, EnrolledFace))
                yield list(pool.map(self._look, new, [kept.get(_key(face)[1]) for face in new]))

    def _left(self) -> Iterator[list[EnrolledFace] | list[Rejection]]:
        last = 0
        while templates := self.store.templates_to_reembed(last, BATCH):
            yield templates
            last = templates[-1].template_id
        last = 0
        while rejections := self.store.rejections_to_reembed(last, BATCH):
            yield rejections
            last = rejections[-1].rejection_id

    def _look(self, face: EnrolledFace | Rejection, kept: Crop | None) -> _Looked:
        """One face as the new model is to see it, cut out where it was found then."""
        try:
            photo = read_photo(face.photo_path)
            if photo.content_hash == face.content_hash:
                return _Looked(face, crop_face(photo, face.face, self.preparation))
            missing = CHANGED
        except PhotoError as error:
            missing = error.reason
        # Whether mirror images are looked at too makes no difference to the crop.
        if kept is not None and kept.preparation.aligned == self.preparation.aligned:
            try:
                return _Looked(face, unpacked(kept))
            except ValueError as error:
                missing = f"{missing}, and {error}"
        elif kept is not None:
            missing = f"{missing}; its kept crop is cut out by '{kept.preparation.value}': --preparation takes it"
        return _Looked(face, None, missing)


@dataclass(frozen=True, slots=True, eq=False)
class _Looked:
    """A face and its crop, shape (160, 160, 3), uint8, RGB; or why there is none."""

    face: EnrolledFace | Rejection
    crop: Pixels | None
    missing: str | None = None


_Key = tuple[type[EnrolledFace | Rejection], int]


def _key(face: EnrolledFace | Rejection) -> _Key:
    if isinstance(face, EnrolledFace):
        return EnrolledFace, face.template_id
    return Rejection, face.rejection_id
