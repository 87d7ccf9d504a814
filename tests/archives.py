"""Archives for tests: a small gallery, any gallery, and archives that were tampered with."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from facegallery.archive import write_archive
from facegallery.archive.fields import MAX_PATH_BYTES
from facegallery.domain import (
    ArchivedFace,
    ArchivedMember,
    ArchivedPhoto,
    ArchivedRejection,
    Calibration,
    Face,
    GalleryContent,
    ModelIdentity,
    Pixels,
    Preparation,
    ScoreRule,
    Vectors,
)
from facegallery.errors import BadName
from facegallery.names import clean_name, name_key

NOW = datetime(2026, 5, 3, 12, 30, 15, 123456, tzinfo=timezone.utc)
Entries = dict[str, bytes]
Edit = Callable[[Entries], None]


def unit_vectors(count: int, seed: int = 0) -> Vectors:
    drawn = np.random.default_rng(seed).standard_normal((count, 512))
    vectors: Vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return vectors


def a_face(left: float = 10.25) -> Face:
    return Face(
        (left, 20.0, 110.5, 140.125), ((40.0, 60.0), (80.0, 60.5), (60.0, 80.0), (45.0, 110.0), (75.0, 110.0)), 0.99
    )


def sample_content() -> GalleryContent:
    """Two members, two photos, three faces, a rejection, a calibration, two crops."""
    rng = np.random.default_rng(1)
    return GalleryContent(
        gallery_id="0123456789abcdef" * 2,
        created_at=NOW,
        model=ModelIdentity("starter", "ab" * 32),
        preparation=Preparation.LANDMARKS,
        members=(ArchivedMember("Ada", NOW), ArchivedMember('Bea\n"Zoë"\u2028\x85!', NOW)),
        photos=(
            ArchivedPhoto("1" * 64, Path("/photos/Ada/1.jpg"), 640, 480, NOW),
            ArchivedPhoto("2" * 64, Path(os.fsdecode(b"/photos/caf\xe9/%41 2.jpg")), 3000, 2000, NOW),
        ),
        faces=(
            ArchivedFace(0, 0, a_face(), 0.75, NOW),
            ArchivedFace(1, 1, a_face(-3.5), None, NOW),
            ArchivedFace(0, 1, a_face(50), 1.0, NOW),
        ),
        vectors=unit_vectors(3),
        rejections=(ArchivedRejection(1, "3" * 64, Path("elsewhere.jpg"), a_face(), NOW),),
        rejection_vectors=unit_vectors(1, seed=2),
        calibration=sample_calibration(),
        crops={number: rng.integers(0, 256, (160, 160, 3), np.uint8) for number in (0, 2)},
    )


def sample_calibration() -> Calibration:
    return Calibration(
        created_at=NOW,
        score=ScoreRule.WEIGHTED,
        wanted_fmr=0.001,
        threshold=0.625,
        min_margin=0.05,
        fmr=0.0009,
        fmr_low=0.0002,
        fmr_high=0.003,
        fnmr=0.04,
        n_mated=100,
        n_non_mated=9_000,
        n_members=10,
        n_templates=100,
        n_enrolled=101,
        n_named=90,
        n_misnamed=1,
        margin_chosen=True,
        stranger_scores=np.array([-0.25, 0.1, 0.3, 0.3, 1.0], np.float32),
    )


# --- any gallery ------------------------------------------------------------------------------------------------------

moments = st.datetimes(timezones=st.just(timezone.utc)) | st.datetimes(
    min_value=datetime(1900, 1, 1),
    max_value=datetime(2100, 1, 1),
    timezones=st.sampled_from([timezone.utc, timezone(timedelta(hours=5, minutes=45))]),
)
hashes = st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}")
paths = (
    (
        st.binary(min_size=1, max_size=200)
        | st.text(min_size=1, max_size=60).map(lambda text: text.encode(errors="replace"))
    )
    .map(lambda content: content.replace(b"\0", b"/"))
    .filter(lambda content: len(content) <= MAX_PATH_BYTES)
    .map(lambda content: Path(os.fsdecode(content)))
)
finite = st.floats(allow_nan=False, allow_infinity=False, width=64)
shares = st.floats(0, 1)


def _is_name(text: str) -> bool:
    try:
        return clean_name(text) == text
    except BadName:
        return False


names = st.text(min_size=1, max_size=30).filter(_is_name)


@st.composite
def faces(draw: st.DrawFn) -> Face:
    left, right = sorted(draw(st.lists(finite, min_size=2, max_size=2, unique=True)))
    top, bottom = sorted(draw(st.lists(finite, min_size=2, max_size=2, unique=True)))
    points = draw(st.lists(st.tuples(finite, finite), min_size=5, max_size=5))
    return Face((left, top, right, bottom), tuple(points), draw(shares))


@st.composite
def contents(draw: st.DrawFn) -> GalleryContent:
    """Any gallery that there can be, with up to a few faces."""
    n_faces = draw(st.integers(0, 5))
    n_members = draw(st.integers(1, n_faces)) if n_faces else 0
    n_photos = draw(st.integers(1, n_faces)) if n_faces else 0
    of_members = draw(st.lists(names, min_size=n_members, max_size=n_members, unique_by=name_key))
    of_photos = draw(st.lists(hashes, min_size=n_photos, max_size=n_photos, unique=True))
    # Each has one face at least: face i is of member i and of photo i, as far as there are any.
    members = [i if i < n_members else draw(st.integers(0, n_members - 1)) for i in range(n_faces)]
    photos = [i if i < n_photos else draw(st.integers(0, n_photos - 1)) for i in range(n_faces)]
    n_rejections = draw(st.integers(0, 3)) if n_members else 0
    seed = draw(st.integers(0, 2**32 - 1))
    with_crop = draw(st.sets(st.integers(0, n_faces - 1), max_size=2)) if n_faces else set()
    calibration = replace(sample_calibration(), created_at=draw(moments), fmr=draw(shares), threshold=draw(shares))
    return GalleryContent(
        gallery_id=f"{draw(st.integers(0, 2**128 - 1)):032x}",
        created_at=draw(moments),
        model=ModelIdentity(draw(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)), draw(hashes)),
        preparation=draw(st.sampled_from(Preparation)),
        members=tuple(ArchivedMember(name, draw(moments)) for name in of_members),
        photos=tuple(
            ArchivedPhoto(digest, draw(paths), draw(st.integers(1, 2**31 - 1)), draw(st.integers(1, 99)), draw(moments))
            for digest in of_photos
        ),
        faces=tuple(
            ArchivedFace(member, photo, draw(faces()), draw(st.none() | shares), draw(moments))
            for member, photo in zip(members, photos, strict=True)
        ),
        vectors=unit_vectors(n_faces, seed),
        rejections=tuple(
            ArchivedRejection(
                draw(st.integers(0, n_members - 1)), draw(hashes), draw(paths), draw(faces()), draw(moments)
            )
            for _ in range(n_rejections)
        ),
        rejection_vectors=unit_vectors(n_rejections, seed + 1),
        calibration=draw(st.none() | st.just(calibration)),
        crops={
            number: np.random.default_rng(seed + number).integers(0, 256, (160, 160, 3), np.uint8)
            for number in with_crop
        },
    )


def assert_same(found: GalleryContent, expected: GalleryContent) -> None:
    """Hold two contents equal, field by field and number by number."""
    for field in ("gallery_id", "created_at", "model", "preparation", "members", "photos", "faces", "rejections"):
        assert getattr(found, field) == getattr(expected, field)
    for field in ("vectors", "rejection_vectors"):
        assert getattr(found, field).dtype == np.float32
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))
    assert (found.calibration is None) == (expected.calibration is None)
    if found.calibration is not None and expected.calibration is not None:
        for field in Calibration.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(found.calibration, field), getattr(expected.calibration, field))
    assert list(found.crops) == sorted(expected.crops)
    for number, pixels in expected.crops.items():
        np.testing.assert_array_equal(found.crops[number], pixels)


class Watched(Mapping[int, Pixels]):
    """Crops that look at the file which is being written when they are asked for."""

    def __init__(self, crops: Mapping[int, Pixels], folder: Path, modes: list[int]) -> None:
        self._crops, self._folder, self._modes = crops, folder, modes

    def __getitem__(self, number: int) -> Pixels:
        self._modes.extend(stat.S_IMODE(path.stat().st_mode) for path in self._folder.glob("*.part"))
        return self._crops[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self._crops)

    def __len__(self) -> int:
        return len(self._crops)


# --- archives that were tampered with ---------------------------------------------------------------------------------


def entries_of(path: Path) -> Entries:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sample_entries() -> Entries:
    """The entries of an archive of ``sample_content``; to be changed."""
    return dict(_sample_entries())


@cache
def _sample_entries() -> Entries:
    with tempfile.TemporaryDirectory() as folder:
        write_archive(Path(folder) / "a", sample_content())
        return entries_of(Path(folder) / "a")


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def pack(entries: Mapping[str, bytes]) -> bytes:
    """A ZIP file of these entries as archives are packed, whatever they are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def change_manifest(entries: Entries, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest, and its hash with it."""
    document = json.loads(entries["manifest.json"])
    change(document)
    entries["manifest.json"] = json.dumps(document).encode()
    mend_sum(entries)


def mend_sum(entries: Entries) -> None:
    entries["manifest.sha256"] = f"{hashlib.sha256(entries['manifest.json']).hexdigest()}  manifest.json\n".encode()


def mend(entries: Entries) -> None:
    """Make sizes and hashes right again, as somebody would who means harm."""

    def change(document: dict[str, Any]) -> None:
        document["entries"] = {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in entries.items()
            if name not in ("manifest.json", "manifest.sha256")
        }

    change_manifest(entries, change)


def with_fields(entry: str, number: int, **fields: object) -> Edit:
    """Change fields of one line; ``...`` removes one."""

    def edit(entries: Entries) -> None:
        lines = entries[entry].splitlines()
        values = json.loads(lines[number])
        values.update(fields)
        kept = {key: value for key, value in values.items() if value is not ...}
        lines[number] = json.dumps(kept).encode()
        entries[entry] = b"".join(line + b"\n" for line in lines)

    return edit


def with_line(entry: str, number: int, line: bytes) -> Edit:
    """Put something else in the place of one line."""

    def edit(entries: Entries) -> None:
        lines = entries[entry].splitlines()
        lines[number] = line
        entries[entry] = b"".join(line + b"\n" for line in lines)

    return edit
