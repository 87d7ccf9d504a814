"""The one tree of errors that facegallery raises on purpose.

    FacegalleryError
    ├── PhotoError              this file cannot be used as a photo
    ├── FaceChoiceNeeded        a photo has several faces (or none) where exactly one is meant
    ├── ModelError
    │   ├── ModelNotFound       no such model, or its file is not on this machine
    │   ├── ModelFileRefused    the bytes or the tensors are not what they should be
    │   ├── ModelMismatch       vectors of two models would have been compared
    │   │   └── ModelChanged    the gallery was taken to another model while it was in use
    │   ├── DownloadFailed      the file could not be fetched
    │   └── ModelFolderUnavailable  the folder of model files cannot be read or written, or is in use
    ├── RuntimeUnavailable      what should run the networks is missing or fails
    ├── GalleryError
    │   ├── GalleryNotFound     there is no gallery in this folder
    │   ├── GalleryTooNew       written by a later version of the program
    │   ├── GalleryDamaged      the database is not one, or fails its checks
    │   ├── GalleryTampered     a sealed value was changed by somebody without the key
    │   ├── KeyNeeded           the gallery is encrypted, and nobody said its secret
    │   ├── WrongKey            the secret is not the gallery's
    │   ├── GalleryUnavailable  the folder cannot be read or written, or is locked for too long
    │   ├── StillInTheLog       rows are removed, but another program keeps the log from being emptied
    │   ├── BackupRefused       a backup that cannot be written there, or a file that cannot be restored
    │   ├── MemberNotFound
    │   ├── PhotoNotEnrolled    no face of this photo is in the gallery
    │   ├── MemberExists
    │   ├── SameMember          two names are of one member where two are meant
    │   ├── InOnePhoto          a member would get two faces of one photo
    │   ├── NotMerged           no merge is known of this name
    │   ├── EntryNotFound       no entry of this number is in the journal
    │   ├── CannotUndo          what an entry did is not as it left it, or is gone for good
    │   ├── NothingToUndo
    │   ├── RejectionNotFound
    │   ├── EnrolledAsMember    a face is said not to be a member's, and is enrolled as that member
    │   ├── SaidNotToBe         a photo would be given to a member of whom it was said that it is not them
    │   ├── BadClusterFile      a file of clusters that cannot be used
    │   ├── TooManyFaces        more faces to be grouped than fit into memory
    │   ├── ArchiveRefused      a file that is no archive of a gallery, or a damaged or hostile one
    │   ├── ArchiveNotWritten   an archive cannot be put where it was asked for, or this gallery cannot be one
    │   ├── OtherReembedding    the gallery is on its way to another model than the one asked for
    │   ├── NoReembedding       the gallery is not on its way to another model (any more)
    │   ├── FacesMissing        faces cannot be embedded anew: no photo and no crop of them is there
    │   ├── BadName             a member's name that cannot be kept
    │   └── CalibrationRefused  the gallery's photos cannot support the wanted rate
    ├── ExplanationError        there is nothing to explain, or the picture cannot be made
    └── EvaluationError         there is nothing to measure, or a list of what to measure is not one

Every message names the file or member it is about and, after the first sentence, what to do next. The fields
carry the same facts for programs.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path


class FacegalleryError(Exception):
    """Base of every error that facegallery raises on purpose."""


class PhotoFault(str, Enum):
    """Why a file cannot be used as a photo; the values are stable and appear in JSON."""

    MISSING = "missing"
    NOT_READABLE = "not_readable"
    EMPTY = "empty"
    NOT_A_PHOTO = "not_a_photo"
    UNSUPPORTED = "unsupported"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    TOO_LARGE = "too_large"


class PhotoError(FacegalleryError):
    """A file that cannot be used as a photo.

    Attributes:
        path: The file.
        fault: The kind of fault, stable for programs.
        reason: The same in words for a person, one line, without the path.
    """

    def __init__(self, path: Path, fault: PhotoFault, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.fault = fault
        self.reason = reason


class FaceChoiceNeeded(FacegalleryError):
    """Exactly one face is meant, and the photo does not say which.

    Attributes:
        path: The photo.
        n_faces: How many faces were found in it (0 when none).
    """

    def __init__(self, path: Path, n_faces: int, advice: str) -> None:
        several = f"{n_faces or 'no'} face{'s' * (n_faces > 1)} found where exactly one is meant"
        found = "only one face found" if n_faces == 1 else several
        super().__init__(f"{path}: {found}. {advice}")
        self.path = path
        self.n_faces = n_faces


class ModelError(FacegalleryError):
    """Base of errors about embedding models and their files."""


class ModelNotFound(ModelError):
    """No model of this name is known, or its file is not on this machine.

    Attributes:
        name: The model asked for.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class ModelFileRefused(ModelError):
    """A model file whose size, hash or tensors are not what they should be; it is not used.

    Attributes:
        name: The model the file was meant for.
        path: The file.
        expected: What was expected (a hash, a size, a layout), in words.
        actual: What was found, in words.
    """

    def __init__(self, name: str, path: Path, *, expected: str, actual: str, advice: str) -> None:
        super().__init__(f"{path} is refused as model '{name}': expected {expected}, found {actual}. {advice}")
        self.name = name
        self.path = path
        self.expected = expected
        self.actual = actual


class ModelMismatch(ModelError):
    """Two models' vectors would have been compared.

    Attributes:
        expected: Name of the model the gallery is on.
        actual: Name of the model that was asked for or found.
    """

    def __init__(self, expected: str, actual: str, message: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class ModelChanged(ModelMismatch):
    """The gallery was taken to another model, or to another preparation of faces, while this program used it."""

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(
            expected,
            actual,
            f"The gallery was taken from {expected} to {actual} by another program ('facegallery reembed') while this "
            "one was at work, and their vectors are not compared. Run the same command again.",
        )


class DownloadFailed(ModelError):
    """A model file could not be fetched; what had arrived is kept for the next attempt.

    Attributes:
        name: The model.
        url: Where it was asked for.
    """

    def __init__(self, name: str, url: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.url = url


class ModelFolderUnavailable(ModelError):
    """The folder of model files cannot be read or written, is full, or another process is placing the same model.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(
            f"The folder of model files {path} cannot be used: {detail}. Mend that, or name another folder in "
            "the environment variable FACEGALLERY_MODELS, and run the same command again."
        )
        self.path = path


class RuntimeUnavailable(FacegalleryError):
    """What should run the networks is not installed, fails, or cannot do what was asked."""


class SlowerRuntime(UserWarning):
    """Said once, as a warning: the networks run, but by another runtime than the fastest."""


class GalleryError(FacegalleryError):
    """Base of errors about a gallery, its folder and its members."""


class GalleryNotFound(GalleryError):
    """There is no gallery in the folder.

    Attributes:
        folder: Where one was looked for.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"There is no gallery in {folder}. Make one with 'facegallery enroll DIR' "
            "(one folder a member), or name another with '--gallery FOLDER'."
        )
        self.folder = folder


class GalleryTooNew(GalleryError):
    """The gallery was written by a later version of the program.

    Attributes:
        folder: The gallery.
        revision: The schema revision found in it.
    """

    def __init__(self, folder: Path, revision: str) -> None:
        super().__init__(
            f"The gallery in {folder} was written by a later version of facegallery (schema {revision}). "
            "It was not touched. Upgrade the program: 'pip install --upgrade facegallery'."
        )
        self.folder = folder
        self.revision = revision


class GalleryDamaged(GalleryError):
    """The database is not one, or fails its own checks.

    Attributes:
        path: The database file.
    """

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(
            f"{path} cannot be read as a gallery: {detail}. It was not changed. "
            "Restore it from a backup (files named *.backup-* beside it), or enroll again into another folder."
        )
        self.path = path


class GalleryTampered(GalleryError):
    """What is sealed in an encrypted gallery was changed, or moved to another place, by somebody without its key.

    Attributes:
        path: The database file.
    """

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(
            f"{path} was tampered with: the {detail} by somebody who has not got its key. Do not trust its answers. "
            "'facegallery check' tells all that was changed; 'facegallery restore FILE' brings back a backup."
        )
        self.path = path


class KeyNeeded(GalleryError):
    """The gallery is encrypted, and no secret was given.

    Attributes:
        path: The database file.
        kind: ``passphrase`` or ``key file``.
    """

    def __init__(self, path: Path, kind: str) -> None:
        how = {
            "passphrase": "Run the command on a terminal, where it is asked for, or put it into the environment "
            "variable FACEGALLERY_PASSPHRASE",
            "key file": "Name its key file: 'facegallery --key-file FILE ...', or the environment variable "
            "FACEGALLERY_KEY_FILE",
        }
        super().__init__(f"The gallery in {path.parent} is encrypted with a {kind}. {how[kind]}.")
        self.path = path
        self.kind = kind


class WrongKey(GalleryError):
    """The secret that was given is not the gallery's, or no secret at all.

    Attributes:
        path: The database file, or the key file that cannot be used.
    """

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(f"{path} does not open: {detail}. Nothing was changed.")
        self.path = path


class GalleryUnavailable(GalleryError):
    """The gallery's folder cannot be read or written, is full, or is locked by another program for too long.

    Attributes:
        path: The file or folder concerned.
    """

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(
            f"The gallery at {path} cannot be used: {detail}. Nothing was lost; mend that and "
            "run the same command again."
        )
        self.path = path


class StillInTheLog(GalleryError):
    """Rows of members are removed, but their bytes are still in the database's log, which another program reads.

    Attributes:
        path: The database.
        removed: What was removed (``domain.Removal``), where that is told; else None.
    """

    def __init__(self, path: Path, removed: object = None) -> None:
        super().__init__(
            f"What was to be removed is removed, but another program is using {path}, and bytes of it are still in "
            f"the files beside it. Close that program, then run 'facegallery compact'; any other command that opens "
            "the gallery does the same when it can."
        )
        self.path = path
        self.removed = removed


class BackupRefused(GalleryError):
    """A backup that cannot be written where it should be, or a file that cannot be restored.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(
            f"{path}: {detail}. Nothing was changed. 'facegallery backup FILE' writes a new one; those in the "
            "gallery's folder are named '*.backup-*'."
        )
        self.path = path


class PhotoNotEnrolled(GalleryError):
    """No face is enrolled from a photo at this place.

    Attributes:
        path: The photo.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: no face is enrolled from a photo at this place. 'facegallery show NAME' lists the photos of a "
            "member, where they were when they were enrolled."
        )
        self.path = path


class MemberNotFound(GalleryError):
    """No member of this name is enrolled.

    Attributes:
        name: The name asked for.
        nearest: Enrolled names that look like it, best first.
    """

    def __init__(self, name: str, nearest: tuple[str, ...] = (), *, advice: str = "") -> None:
        hint = f"Did you mean {' or '.join(repr(near) for near in nearest)}? " if nearest else ""
        super().__init__(f"No member {name!r} is enrolled. {hint}'facegallery members' lists all names.{advice}")
        self.name = name
        self.nearest = nearest


class MemberExists(GalleryError):
    """A member of this name (or one that differs only in case or Unicode form) is already enrolled.

    Attributes:
        name: The name that is taken, as enrolled.
    """

    def __init__(self, name: str, *, advice: str = "Choose another name.") -> None:
        super().__init__(f"A member {name!r} is already enrolled. {advice}")
        self.name = name


class SameMember(GalleryError):
    """Two members are meant, and both names are of one.

    Attributes:
        name: The member's.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Both names are those of the member {name!r}. Nothing was changed. 'facegallery members' lists all names."
        )
        self.name = name


class InOnePhoto(GalleryError):
    """A member would get a second face of a photo, and two faces of one photo are not one person.

    Attributes:
        member: Who would get it.
        paths: The photos.
    """

    def __init__(self, member: str, paths: tuple[Path, ...]) -> None:
        others = f" and {len(paths) - 1} more photos" if len(paths) > 1 else ""
        super().__init__(
            f"{paths[0]}{others}: {member!r} has another face in it, and two faces of one photo are not one person. "
            "Nothing was changed. To do it all the same (a mirror, a collage): the same command with --yes."
        )
        self.member = member
        self.paths = paths


class NotMerged(GalleryError):
    """No merge that could be taken apart is known of this name.

    Attributes:
        name: The name asked for.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"No member {name!r} was merged with another, as far as the gallery knows. 'facegallery history' lists "
            "what was done; a single photo is moved with 'facegallery move PHOTO NAME'."
        )
        self.name = name


class EntryNotFound(GalleryError):
    """The journal has no entry of this number.

    Attributes:
        entry_id: The number asked for.
    """

    def __init__(self, entry_id: int) -> None:
        super().__init__(f"There is no entry number {entry_id}. 'facegallery history' lists them.")
        self.entry_id = entry_id


class CannotUndo(GalleryError):
    """An entry cannot be undone: what it did is not as it left it any more, or is gone for good.

    Attributes:
        entry_id: The entry.
        reason: Why, in words.
        undo_first: The later entry that has to be undone before it; None where that does not help.
    """

    def __init__(self, entry_id: int, reason: str, undo_first: int | None = None) -> None:
        advice = (
            "'facegallery history' lists what can be undone."
            if undo_first is None
            else f"Undo what was done later first: 'facegallery undo {undo_first}'."
        )
        super().__init__(f"Entry {entry_id} cannot be undone: {reason}. Nothing was changed. {advice}")
        self.entry_id = entry_id
        self.reason = reason
        self.undo_first = undo_first


class NothingToUndo(GalleryError):
    """Nothing that was done can be undone."""

    def __init__(self) -> None:
        super().__init__("There is nothing that can be undone. 'facegallery history' tells what was done, and why not.")


class BadName(GalleryError):
    """A member's name that cannot be kept.

    Attributes:
        name: The name as given.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name!r} cannot be a member's name: {reason}. Choose another name.")
        self.name = name


class CalibrationRefused(GalleryError):
    """The gallery's photos cannot support a threshold for the wanted false match rate.

    Attributes:
        reason: Why, and what to add.
        smallest_fmr: The smallest rate that they support; None where they support none.
    """

    def __init__(self, reason: str, *, smallest_fmr: float | None = None) -> None:
        super().__init__(f"The gallery cannot be calibrated: {reason}.")
        self.reason = reason
        self.smallest_fmr = smallest_fmr


class RejectionNotFound(GalleryError):
    """Nobody's word of this number is kept.

    Attributes:
        rejection_id: The number asked for.
    """

    def __init__(self, rejection_id: int) -> None:
        super().__init__(f"There is no rejection number {rejection_id}. 'facegallery rejections' lists them.")
        self.rejection_id = rejection_id


class EnrolledAsMember(GalleryError):
    """A face is said not to be a member's, but it is enrolled as that member: both cannot hold.

    Attributes:
        path: The photo.
        member: The member.
    """

    def __init__(self, path: Path, member: str) -> None:
        super().__init__(
            f"{path}: this face is enrolled as {member}, so it cannot be said that it is not {member}. "
            f"'facegallery audit' finds and removes wrong photos of a member; 'facegallery forget' removes the member."
        )
        self.path = path
        self.member = member


class SaidNotToBe(GalleryError):
    """A photo is to be given to a member of whom somebody said that it is not them.

    Attributes:
        path: The photo.
        member: The member.
        rejection_id: What was said, to take it back by.
    """

    def __init__(self, path: Path, member: str, rejection_id: int) -> None:
        super().__init__(
            f"{path}: somebody said that this face is not {member}. Nothing was moved. To take that back: "
            f"'facegallery rejections --undo {rejection_id}'."
        )
        self.path = path
        self.member = member
        self.rejection_id = rejection_id


class BadClusterFile(GalleryError):
    """A file that is not one of clusters as ``facegallery cluster`` writes them.

    Attributes:
        path: The file.
        reason: What is wrong with it, one line.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}. Make the file anew: 'facegallery cluster DIR -o FILE.json'.")
        self.path = path
        self.reason = reason


class TooManyFaces(GalleryError):
    """More faces hang together than can be grouped in memory.

    Attributes:
        n_faces: How many.
    """

    def __init__(self, n_faces: int, most: int, limit: float) -> None:
        super().__init__(
            f"{n_faces} unknown faces hang together, and at most {most} can be grouped at once. "
            f"Cluster fewer folders at a time, or join less: '--join' with more than {limit:.2f}."
        )
        self.n_faces = n_faces


class ArchiveRefused(GalleryError):
    """A file that is no archive of a gallery, or one that is damaged, changed, or made to do harm; none of it is used.

    Attributes:
        path: The file.
        reason: What is wrong with it, one line.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: {reason}. Nothing was taken from it. Fetch the archive again from where it came from, or make "
            "it anew: 'facegallery export FILE'."
        )
        self.path = path
        self.reason = reason


class ArchiveNotWritten(GalleryError):
    """An archive cannot be put where it was asked for, or what it should hold cannot be kept in one.

    Attributes:
        path: Where the archive should have been.
        reason: Why it is not there, one line.
    """

    def __init__(self, path: Path, reason: str, *, advice: str) -> None:
        super().__init__(f"{path} was not written: {reason}. {advice}")
        self.path = path
        self.reason = reason


class OtherReembedding(GalleryError):
    """The gallery is on its way to another model, or another preparation, than the one asked for.

    Attributes:
        model: Where it is going.
        preparation: How faces are prepared for that.
    """

    def __init__(self, model: str, preparation: str) -> None:
        super().__init__(
            f"The gallery is on its way to model '{model}', faces prepared by '{preparation}'. To go on there: "
            f"'facegallery reembed --model {model} --preparation {preparation}'. To drop what was done for it, and go "
            "elsewhere: '--restart'. To stay on the model as it is: 'facegallery reembed --abandon'."
        )
        self.model = model
        self.preparation = preparation


class NoReembedding(GalleryError):
    """The gallery is not on its way to another model: nobody began, or another program has abandoned it.

    Attributes:
        folder: The gallery.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"The gallery in {folder} is not on its way to another model (any more). To begin: "
            "'facegallery reembed --model NAME'."
        )
        self.folder = folder


class FacesMissing(GalleryError):
    """Faces cannot be embedded anew, since neither their photo nor a crop of them is there; nothing was switched.

    Attributes:
        n_faces: How many.
        paths: Where their photos should be.
    """

    def __init__(self, paths: tuple[Path, ...]) -> None:
        n = len(paths)
        super().__init__(
            f"{n} face{'s' * (n != 1)} cannot be embedded anew, the first of {paths[0]}. The gallery stays as it is "
            "until they can. Bring the photos back, or enroll them where they are now (which remembers the place), and "
            "run the same command again; or give these faces up: '--drop-missing'."
        )
        self.n_faces = n
        self.paths = paths


class ExplanationError(FacegalleryError):
    """There is nothing to explain, or the explanation cannot be made."""


class EvaluationError(FacegalleryError):
    """There is nothing to measure, or what says what to measure is not as it must be."""
