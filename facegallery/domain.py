"""The vocabulary: frozen values that cross layers, and the Protocols that adapters fulfil.

Words follow ISO/IEC 19795 where it has one. Two frames of coordinates occur, and every field says which:

- *photo frame*: pixels of the upright original photo, x to the right, y down, origin at the top left corner;
- *crop frame*: pixels of the square crop that the embedder sees.

Arrays of pixels are RGB. Similarity is the cosine, in [-1, 1], higher is more alike.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:  # numpy is not needed to import the vocabulary, and costs 0.1 s at the start of each command
    import numpy as np
    from numpy.typing import NDArray

Pixels: TypeAlias = "NDArray[np.uint8]"
Vectors: TypeAlias = "NDArray[np.float32]"
Ids: TypeAlias = "NDArray[np.int64]"

CROP_SIZE_PX = 160
"""Side of the square crop that InceptionResnetV1 takes."""

EMBEDDING_SIZE = 512
"""Numbers in one embedding of InceptionResnetV1."""

UNIT_LENGTH_TOLERANCE = 1e-3
"""How far an embedding's length may be from 1. float32 rounding over 512 numbers stays under 1e-5; a slip does not."""

LANDMARK_NAMES = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
"""MTCNN's five landmarks in its order; left and right as seen in the photo."""

BoxXyxy = tuple[float, float, float, float]
PointXy = tuple[float, float]


# --- photos and faces ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A decoded photo.

    Attributes:
        path: The file it was read from, as given.
        content_hash: SHA-256 of the file's bytes, lower-case hex. Two names of the same bytes have the same hash.
        pixels: shape (h, w, 3), uint8, RGB, upright (EXIF orientation applied). A very large photo is reduced while it
            is decoded: then h < height_px.
        width_px: Width of the upright original.
        height_px: Height of the upright original.
        notice: Something the person should know though the photo could be read (a PNG that is named .jpg), or None.
    """

    path: Path
    content_hash: str
    pixels: Pixels
    width_px: int
    height_px: int
    notice: str | None = None

    @property
    def scale(self) -> float:
        """Decoded pixels per pixel of the original; 1.0 unless the photo was reduced."""
        # By the long sides: rounding to whole pixels matters least there.
        return float(max(self.pixels.shape[:2]) / max(self.width_px, self.height_px))

    def without_pixels(self) -> Photo:
        """The same photo, its pixels let go: for photos that wait in numbers."""
        return replace(self, pixels=self.pixels[:0, :0].copy())


@dataclass(frozen=True, slots=True)
class Face:
    """One detection.

    Attributes:
        box_xyxy: Left, top, right, bottom; photo frame. May reach beyond the photo's edge.
        landmarks_xy: Five points in the order of ``LANDMARK_NAMES``; photo frame.
        probability: The detector's probability that this is a face, in [0, 1].
    """

    box_xyxy: BoxXyxy
    landmarks_xy: tuple[PointXy, ...]
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedFace:
    """A face with its embedding.

    Attributes:
        face: The detection.
        embedding: shape (512,), float32, unit length.
    """

    face: Face
    embedding: Vectors


@dataclass(frozen=True, slots=True, eq=False)
class FaceCells:
    """What each cell of the network's last feature map says of some crops.

    The network's end is affine: a crop's embedding is the mean of what its cells say, brought to unit length.

    Attributes:
        vectors: shape (n, rows, columns, 512), float32, crop frame (row 0 is the top). ``constant`` is in each of them.
        constant: shape (512,), float32: what a cell without any feature says.
    """

    vectors: Vectors
    constant: Vectors


@dataclass(frozen=True, slots=True)
class SkippedPhoto:
    """A photo that was left out, and why.

    Attributes:
        path: The file.
        code: Stable reason for programs: a ``PhotoFault`` value, or one of those in ``gallery.enrollment``.
        reason: The same in words, one line.
    """

    path: Path
    code: str
    reason: str


# --- models -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which embedding model made a vector.

    Attributes:
        name: ``starter``, ``vggface2``, ``casia-webface`` or the name given at import.
        fingerprint: SHA-256 of the weight file, lower-case hex. Vectors of two fingerprints are never compared.
    """

    name: str
    fingerprint: str


class Runtime(str, Enum):
    """What runs the networks."""

    AUTO = "auto"
    """OpenVINO, and torch where that is missing or fails."""
    OPENVINO = "openvino"
    """Compiled for this processor."""
    TORCH = "torch"
    """The reference; on a GPU (CUDA, or MPS on a Mac) where there is one."""


class Precision(str, Enum):
    """What the embedder computes in. Detection is always in f32: in bf16 its boxes are others."""

    AUTO = "auto"
    """bf16 where the processor computes it natively, else f32."""
    F32 = "f32"
    BF16 = "bf16"


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """How networks are to be run.

    Attributes:
        runtime: What runs them.
        precision: What the embedder computes in.
    """

    runtime: Runtime = Runtime.AUTO
    precision: Precision = Precision.AUTO


AUTOMATIC = RuntimeChoice()
"""The fastest that there is."""


# --- the gallery --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Member:
    """An enrolled person.

    Attributes:
        name: As shown; unique without regard to case and Unicode form.
        n_templates: Stored embeddings of this member.
        created_at: When the member was first enrolled (UTC).
    """

    name: str
    n_templates: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EnrolledFace:
    """One template's origin: the face of a member in an enrolled photo. The vector itself stays in the store.

    Attributes:
        template_id: Stable key of the template; never used again after it is removed.
        member: Whose face it is.
        photo_path: Where the photo was when it was enrolled (absolute).
        content_hash: SHA-256 of the photo's bytes.
        face: The detection that was enrolled.
        enrolled_at: UTC.
    """

    template_id: int
    member: str
    photo_path: Path
    content_hash: str
    face: Face
    enrolled_at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class TemplateSet:
    """Templates taken from the store at one revision.

    Attributes:
        revision: The store's revision that these rows belong to.
        state: The store's state that these rows belong to.
        ids: shape (n,), int64, ascending: template ids.
        vectors: shape (n, 512), float32, unit length.
        members: n names, in the order of ``ids``.
    """

    revision: int
    state: str
    ids: Ids
    vectors: Vectors
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoreStamp:
    """What the store holds now.

    Attributes:
        revision: Counts the store's changes.
        state: Random and new with every change, so that no two histories of changes share one.
        fingerprint: The embedding model's.
        count: Number of templates.
    """

    revision: int
    state: str
    fingerprint: str
    count: int


@dataclass(frozen=True, slots=True)
class TemplateTail:
    """What an index of the store's templates up to one of them needs to know of the store.

    Attributes:
        fingerprint: The embedding model's.
        count: Number of templates that are newer than that one.
        last_added: When that one was kept, to the microsecond; None when it is not there. Ids are never used again, so
            an id with its time names one act of enrollment: two stores that share it have the same history up to
            there, which a restored backup that has gone on since does not.
    """

    fingerprint: str
    count: int
    last_added: datetime | None


# --- decisions ----------------------------------------------------------------------------------------------------


class ScoreRule(str, Enum):
    """How a member's similarity to a probe is made from the member's templates."""

    BEST = "best"
    """The best of the member's templates."""
    CENTROID = "centroid"
    """The member's mean vector, scaled to unit length."""


class Verdict(str, Enum):
    """What a decision says."""

    MATCH = "match"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member as an answer to a probe.

    Attributes:
        member: The member's name.
        similarity: Cosine between the probe and the member (by the score rule in force), in [-1, 1].
        rank: 1 for the most similar member.
        template_id: The template that scored; None under the centroid rule, where no single template did.
    """

    member: str
    similarity: float
    rank: int
    template_id: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one face.

    Attributes:
        verdict: ``match`` or ``unknown``.
        best: The candidate the verdict is about: the member that is named, or the nearest one that fell short; None
            when no candidate was left: the gallery is empty, or all candidates are in ``taken``.
        runner_up: The next candidate after ``best``, or None.
        threshold: The similarity that a match needs.
        candidates: All candidates looked at, by rank, including those in ``taken``.
        taken: Members that this face would have matched better than ``best``, had another face in the same photo not
            fitted them better still.
    """

    verdict: Verdict
    best: Candidate | None
    runner_up: Candidate | None
    threshold: float
    candidates: tuple[Candidate, ...]
    taken: tuple[str, ...] = ()

    @property
    def member(self) -> str | None:
        """The name when the verdict is a match, else None."""
        return self.best.member if self.best is not None and self.verdict is Verdict.MATCH else None

    @property
    def margin(self) -> float | None:
        """Best similarity minus the runner-up's, or None when there is no runner-up."""
        if self.best is None or self.runner_up is None:
            return None
        return self.best.similarity - self.runner_up.similarity


# --- Protocols ----------------------------------------------------------------------------------------------------


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
