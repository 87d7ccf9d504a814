"""What the adapters fulfil."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from facegallery.domain.members import TemplateTail
from facegallery.domain.models import ModelIdentity
from facegallery.domain.photos import Face, FaceCells, Ids, Pixels, Vectors


class Detector(Protocol):
    """Finds faces."""

    def detect(self, pixels: Pixels) -> list[Face]:
        """Find faces in one image.

        Args:
            pixels: shape (h, w, 3), uint8, RGB, any size of at least 1x1.

        Returns:
            Faces in the frame of ``pixels``, most probable first; an empty list when there is none.
        """
        ...

    def detect_many(self, photos: Sequence[Pixels]) -> list[list[Face]]:
        """Find faces in several images of any sizes; memory grows with their pixels.

        Args:
            photos: each as ``detect`` takes it.

        Returns:
            For each image what ``detect`` returns.
        """
        ...


class Embedder(Protocol):
    """Turns crops into embeddings."""

    @property
    def model(self) -> ModelIdentity:
        """The model whose vectors these are."""
        ...

    def embed(self, crops: Pixels) -> Vectors:
        """Embed a batch of crops.

        Args:
            crops: shape (n, 160, 160, 3), uint8, RGB; n may be 0.

        Returns:
            shape (n, 512), float32, each row of unit length.
        """
        ...

    def cells(self, crops: Pixels) -> FaceCells:
        """The same embeddings, before they are put together from their places; takes no longer.

        Args:
            crops: shape (n, 160, 160, 3), uint8, RGB; n at least 1.
        """
        ...


class VectorIndex(Protocol):
    """Proposes the templates nearest to a probe. All methods speak of template ids, never of positions."""

    @property
    def count(self) -> int:
        """Number of vectors that can be proposed."""
        ...

    @property
    def n_first(self) -> int:
        """How many proposals are worth asking for at first."""
        ...

    def least_said(self, similarity: float) -> float:
        """What the index says, all but surely, at least of a template that is really this similar.

        Once proposals say less than that of the best one known, no better one is to be expected among the rest.
        """
        ...

    def search(self, probes: Vectors, k: int) -> tuple[Vectors, Ids]:
        """Find the k most similar vectors for each probe, as the index sees it.

        Args:
            probes: shape (m, 512), float32, unit length.
            k: At least 1; answers have min(k, count) columns.

        Returns:
            Similarities, shape (m, k'), float32, descending in each row, and the ids beside them, shape (m, k'), int64.
            Ids that are no template's any more may be among them; those under 1 never were.
        """
        ...


class TemplateSource(Protocol):
    """What an index asks of the store, which is the truth."""

    def tail(self, last_id: int) -> TemplateTail:
        """What is there beside an index that ends with template ``last_id``; costs what is newer than that."""
        ...

    def count_up_to(self, last_id: int) -> int:
        """Number of templates up to this one; takes a few milliseconds at a million templates."""
        ...

    def template_ids(self, up_to: int) -> Ids:
        """Ids of the templates that are there, up to this one: shape (n,), int64, ascending."""
        ...

    def template_batches(self, after: int) -> Generator[tuple[Ids, Vectors], None, None]:
        """The templates with greater ids, in one transaction and in steps that fit into memory.

        Yields:
            Ids, shape (n,), int64, ascending, and vectors, shape (n, 512), float32.
        """
        ...


class Cipher(Protocol):
    """Seals what an encrypted gallery keeps; :mod:`facegallery.sealing` says how.

    Attributes:
        key_id: What the key is known by.
    """

    key_id: bytes

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Seal a value for one place; 32 bytes longer than the plain one."""
        ...

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """Open a value of this place.

        Raises:
            BrokenSeal: It is damaged, or was changed or moved.
        """
        ...

    def lookup(self, plain: bytes, context: bytes) -> bytes:
        """Seal a value so that equal ones are equal."""
        ...

    def from_lookup(self, sealed: bytes, context: bytes) -> bytes:
        """Open what ``lookup`` made.

        Raises:
            BrokenSeal: It was changed, by chance or by somebody.
        """
        ...
