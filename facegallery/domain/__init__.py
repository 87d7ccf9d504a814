"""The vocabulary: frozen values that cross layers, and the Protocols that adapters fulfil.

Words follow ISO/IEC 19795 where it has one. Two frames of coordinates occur, and every field says which:

- *photo frame*: pixels of the upright original photo, x to the right, y down, origin at the top left corner;
- *crop frame*: pixels of the square crop that the embedder sees.

Arrays of pixels are RGB. Similarity is the cosine, in [-1, 1], higher is more alike.
"""

from facegallery.domain.content import (
    ArchivedFace,
    ArchivedMember,
    ArchivedPhoto,
    ArchivedRejection,
    GalleryContent,
    Taken,
)
from facegallery.domain.decisions import (
    DEFAULT_SCORE,
    N_OF_BEST,
    Candidate,
    Decision,
    Limits,
    ScoreRule,
    StrangerRate,
    Verdict,
)
from facegallery.domain.forgetting import Removal, Traces
from facegallery.domain.journal import Action, JournalEntry, MovedFace, NameChange
from facegallery.domain.logged import Asked, LoggedDecision
from facegallery.domain.members import (
    Calibration,
    EnrolledFace,
    Member,
    Reembedding,
    Rejection,
    StoreStamp,
    TemplateOwners,
    TemplateSet,
    TemplateTail,
)
from facegallery.domain.models import (
    AUTOMATIC,
    ModelIdentity,
    Precision,
    Preparation,
    Runtime,
    RuntimeChoice,
    VectorSpace,
)
from facegallery.domain.photos import (
    CROP_SIZE_PX,
    EMBEDDING_SIZE,
    LANDMARK_NAMES,
    SAME_FACE_OVERLAP,
    UNIT_LENGTH_TOLERANCE,
    BoxXyxy,
    Crop,
    EmbeddedFace,
    Face,
    FaceCells,
    FaceQuality,
    Ids,
    Photo,
    Pixels,
    PointXy,
    SkippedPhoto,
    Vectors,
    overlap,
    same_face,
)
from facegallery.domain.protocols import Cipher, Detector, Embedder, TemplateSource, VectorIndex
from facegallery.domain.secrets import Secret, SecretKind

__all__ = [
    "AUTOMATIC",
    "CROP_SIZE_PX",
    "DEFAULT_SCORE",
    "EMBEDDING_SIZE",
    "LANDMARK_NAMES",
    "N_OF_BEST",
    "SAME_FACE_OVERLAP",
    "UNIT_LENGTH_TOLERANCE",
    "Action",
    "ArchivedFace",
    "ArchivedMember",
    "ArchivedPhoto",
    "ArchivedRejection",
    "Asked",
    "BoxXyxy",
    "Calibration",
    "Candidate",
    "Cipher",
    "Crop",
    "Decision",
    "Detector",
    "EmbeddedFace",
    "Embedder",
    "EnrolledFace",
    "Face",
    "FaceCells",
    "FaceQuality",
    "GalleryContent",
    "Ids",
    "JournalEntry",
    "Limits",
    "LoggedDecision",
    "Member",
    "ModelIdentity",
    "MovedFace",
    "NameChange",
    "Photo",
    "Pixels",
    "PointXy",
    "Precision",
    "Preparation",
    "Reembedding",
    "Rejection",
    "Removal",
    "Runtime",
    "RuntimeChoice",
    "ScoreRule",
    "Secret",
    "SecretKind",
    "SkippedPhoto",
    "StoreStamp",
    "StrangerRate",
    "Taken",
    "TemplateOwners",
    "TemplateSet",
    "TemplateSource",
    "TemplateTail",
    "Traces",
    "VectorIndex",
    "VectorSpace",
    "Vectors",
    "Verdict",
    "overlap",
    "same_face",
]
