"""What an archive says of itself, ``manifest.json``: format, gallery, model, counts, and each entry's size and hash."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from facegallery.archive.fields import SHA256, Fault, Fields, from_json, time_text, to_json
from facegallery.domain import EMBEDDING_SIZE, ModelIdentity, Preparation

FORMAT = "facegallery archive"
VERSION = 1
"""Grows when old programs could not read what new ones write."""

README = "README.txt"
MEMBERS, PHOTOS, FACES, REJECTIONS = "members.jsonl", "photos.jsonl", "faces.jsonl", "rejections.jsonl"
VECTORS, REJECTION_VECTORS = "vectors.npy", "rejection_vectors.npy"
CALIBRATION = "calibration.json"
MANIFEST = "manifest.json"
MANIFEST_SUM = "manifest.sha256"

ALWAYS = (README, MEMBERS, PHOTOS, FACES, VECTORS, REJECTIONS, REJECTION_VECTORS)
"""Entries that each archive has and its manifest lists, in the order in which they are written."""

MAX_FACES = 4_000_000
"""Four times the largest gallery that was ever tried. So many vectors are 8 GB."""

MAX_CROPS = 1_000_000
MAX_MANIFEST_BYTES = 64 * 1024
MAX_CROP_ENTRY_BYTES = 256
"""What one crop may add to the manifest."""

_CROP = re.compile(r"crops/(0|[1-9][0-9]{0,6})\.png")
_GALLERY_ID = re.compile(r"[0-9a-f]{32}")
_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_PROGRAM = re.compile(r"[ -~]{1,100}")
_SUM = re.compile(rb"([0-9a-f]{64})  manifest\.json\n")
_KEYS = (
    "format",
    "format_version",
    "program",
    "created_at",
    "gallery_id",
    "model",
    "preparation",
    "counts",
    "entries",
)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of each there are."""

    members: int
    photos: int
    faces: int
    rejections: int
    crops: int


_MOST = Counts(members=MAX_FACES, photos=MAX_FACES, faces=MAX_FACES, rejections=MAX_FACES, crops=MAX_CROPS)


@dataclass(frozen=True, slots=True)
class EntrySum:
    """What an entry must be.

    Attributes:
        size: In bytes.
        sha256: Of its bytes, lower-case hex.
    """

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest's fields; see ``docs/archive.md``.

    Attributes:
        program: What wrote the archive, for people: ``facegallery 1.0``.
        created_at: When the content was taken from the gallery (UTC).
        gallery_id: 32 lower-case hex digits.
        model: The model of all vectors.
        preparation: How the faces were prepared for it.
        counts: Lines of each file, and crops.
        entries: All entries of the archive but the manifest and its hash.
    """

    program: str
    created_at: datetime
    gallery_id: str
    model: ModelIdentity
    preparation: Preparation
    counts: Counts
    entries: Mapping[str, EntrySum]

    def crop_numbers(self) -> list[int]:
        """The numbers of the faces with a crop, ascending."""
        return sorted(number for name in self.entries if (number := crop_number(name)) is not None)


def crop_name(number: int) -> str:
    """The entry of a face's crop."""
    return f"crops/{number}.png"


def crop_number(name: str) -> int | None:
    """The face whose crop an entry is, by its name; None for any other name."""
    found = _CROP.fullmatch(name)
    return None if found is None else int(found[1])


def is_expected(name: str) -> bool:
    """Whether an archive can have an entry of this name."""
    return name in (*ALWAYS, CALIBRATION, MANIFEST, MANIFEST_SUM) or crop_number(name) is not None


def to_bytes(manifest: Manifest) -> bytes:
    """The manifest as JSON with sorted keys."""
    model = {
        "name": manifest.model.name,
        "fingerprint": manifest.model.fingerprint,
        "embedding_size": EMBEDDING_SIZE,
    }
    document = {
        "format": FORMAT,
        "format_version": VERSION,
        "program": manifest.program,
        "created_at": time_text(manifest.created_at),
        "gallery_id": manifest.gallery_id,
        "model": model,
        "preparation": manifest.preparation.value,
        "counts": asdict(manifest.counts),
        "entries": {name: asdict(entry) for name, entry in manifest.entries.items()},
    }
    return to_json(document, indent=1)


def sum_of_manifest(sha256: str) -> bytes:
    """The entry with the manifest's hash, as ``sha256sum`` writes it and ``sha256sum --check`` reads it."""
    return f"{sha256}  {MANIFEST}\n".encode()


def read_sum(content: bytes) -> str:
    """The hash that the manifest must have.

    Raises:
        Fault: The entry is not as :func:`sum_of_manifest` makes it.
    """
    found = _SUM.fullmatch(content)
    if found is None:
        raise Fault(f"{MANIFEST_SUM} is not a SHA-256 and '{MANIFEST}'")
    return found[1].decode()


def from_bytes(content: bytes) -> Manifest:
    """The manifest that some bytes are.

    Raises:
        Fault: It is not of this format's version, or anything in it is not as it must be.
    """
    document = from_json(content, MANIFEST)
    # Before anything else: a later version may have other keys.
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Fault("it is no archive of a gallery")
    version = document.get("format_version")
    if type(version) is not int or version != VERSION:
        raise Fault(f"it is of version {version if type(version) is int else '?'} of the format, and {VERSION} is read")
    of_archive = Fields(document, MANIFEST, _KEYS)
    of_model = of_archive.inner("model", ("name", "fingerprint", "embedding_size"))
    of_model.whole("embedding_size", EMBEDDING_SIZE, EMBEDDING_SIZE)
    counts = _counts(of_archive.inner("counts", [each.name for each in fields(Counts)]))
    return Manifest(
        program=of_archive.matching("program", _PROGRAM, "a program and its version"),
        created_at=of_archive.time("created_at"),
        gallery_id=of_archive.matching("gallery_id", _GALLERY_ID, "32 lower-case hex digits"),
        model=ModelIdentity(
            of_model.matching("name", _MODEL_NAME, "the name of a model"),
            of_model.matching("fingerprint", SHA256, "a SHA-256 in lower-case hex"),
        ),
        preparation=of_archive.choice("preparation", Preparation),
        counts=counts,
        entries=_entries(of_archive.raw("entries"), counts),
    )


def _counts(found: Fields) -> Counts:
    return Counts(**{each.name: found.whole(each.name, 0, getattr(_MOST, each.name)) for each in fields(Counts)})


def _entries(value: object, counts: Counts) -> dict[str, EntrySum]:
    if not isinstance(value, dict):
        raise Fault(f"'entries' of {MANIFEST} is not an object")
    _require_names(value, counts)
    found = {}
    for name, each in value.items():
        of_entry = Fields(each, f"'{name}' of {MANIFEST}", ("size", "sha256"))
        found[name] = EntrySum(of_entry.whole("size", 0, 2**63 - 1), of_entry.sha256("sha256"))
    return found


def _require_names(names: Collection[str], counts: Counts) -> None:
    """Exactly the entries that there must be, those that there may be, and as many crops as are counted."""
    crops = [number for name in names if (number := crop_number(name)) is not None]
    if missing := [name for name in ALWAYS if name not in names]:
        raise Fault(f"{MANIFEST} does not list {missing[0]}")
    if len(names) != len(ALWAYS) + len(crops) + (CALIBRATION in names):
        raise Fault(f"{MANIFEST} lists entries that are no part of an archive")
    if len(crops) != counts.crops or any(number >= counts.faces for number in crops):
        raise Fault(f"the crops that {MANIFEST} lists are not those that it counts")
