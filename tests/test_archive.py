"""Archives: what is written is read again, by anybody; and a file that was made to do harm is refused."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import stat
import struct
import subprocess
import sys
import tempfile
import tracemalloc
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from PIL import Image, PngImagePlugin

import facegallery
from facegallery.archive import container, manifest, read_archive, readme, records, write_archive
from facegallery.domain import ArchivedMember, Face, GalleryContent, Pixels
from facegallery.errors import ArchiveNotWritten, ArchiveRefused
from tests.archives import (
    NOW,
    Edit,
    Entries,
    Watched,
    assert_same,
    change_manifest,
    contents,
    entries_of,
    mend,
    mend_sum,
    pack,
    sample_calibration,
    sample_content,
    sample_entries,
    unit_vectors,
    with_fields,
    with_line,
    write,
)
from tests.children import line_of, start
from tests.disks import room_for

DOCUMENT = Path(__file__).parents[1] / "docs" / "archive.md"


# --- what is written is read again ------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(contents())
def test_any_gallery_comes_back_as_it_was(content: GalleryContent) -> None:
    """Names of any characters, paths of any bytes, none to a few faces: the reader gives exactly what was written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gallery.zip"
        write_archive(path, content)
        assert_same(read_archive(path), content)
        assert [each.name for each in Path(folder).iterdir()] == ["gallery.zip"]


def read_without_the_program(path: Path) -> dict[str, Any]:
    """A reader written from ``docs/archive.md``, with zipfile, json and numpy alone."""
    with zipfile.ZipFile(path) as archive:
        of_manifest = archive.read("manifest.json")
        assert archive.read("manifest.sha256").decode() == f"{hashlib.sha256(of_manifest).hexdigest()}  manifest.json\n"
        found: dict[str, Any] = {"manifest": json.loads(of_manifest)}
        assert found["manifest"]["entries"].keys() == set(archive.namelist()) - {"manifest.json", "manifest.sha256"}
        for name, entry in found["manifest"]["entries"].items():
            content = archive.read(name)
            assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["size"], entry["sha256"])
            stem, _, ending = name.rpartition(".")
            if ending == "jsonl":
                # By any reader's notion of a line's end.
                found[stem] = [json.loads(line) for line in content.decode().splitlines()]
                assert len(found[stem]) == found["manifest"]["counts"][stem]
            elif ending == "npy":
                found[stem] = np.load(io.BytesIO(content), allow_pickle=False)
            elif ending == "json":
                found[stem] = json.loads(content)
            elif ending == "png":
                found[stem] = np.asarray(Image.open(io.BytesIO(content)))
    return found


def path_of(line: Mapping[str, str]) -> Path:
    return Path(line["path"] if line["path_form"] == "text" else os.fsdecode(unquote_to_bytes(line["path"])))


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(contents())
def test_the_documented_format_is_enough_to_read_an_archive(content: GalleryContent) -> None:
    """A reader that knows only the document finds every member, photo, face, vector and crop."""
    with tempfile.TemporaryDirectory() as folder:
        write_archive(Path(folder) / "a", content)
        found = read_without_the_program(Path(folder) / "a")
    assert found["manifest"]["gallery_id"] == content.gallery_id
    assert found["manifest"]["model"]["fingerprint"] == content.model.fingerprint
    assert [line["name"] for line in found["members"]] == [member.name for member in content.members]
    assert [path_of(line) for line in found["photos"]] == [photo.path for photo in content.photos]
    assert [path_of(line) for line in found["rejections"]] == [each.path for each in content.rejections]
    for line, face in zip(found["faces"], content.faces, strict=True):
        assert (line["member"], line["photo"], line["quality"]) == (face.member, face.photo, face.quality)
        assert datetime.fromisoformat(line["enrolled_at"]) == face.enrolled_at
        points = tuple((x, y) for x, y in line["landmarks_xy"])
        assert Face(tuple(line["box_xyxy"]), points, line["probability"]) == face.face
    rows = [line["vector"] for line in found["faces"]]
    np.testing.assert_array_equal(found["vectors"][rows], content.vectors)
    np.testing.assert_array_equal(found["rejection_vectors"], content.rejection_vectors)
    for number, pixels in content.crops.items():
        np.testing.assert_array_equal(found[f"crops/{number}"], pixels)


def test_the_document_names_every_field(tmp_path: Path) -> None:
    """Every entry and every key of every object in an archive stands in ``docs/archive.md``."""
    write_archive(tmp_path / "a", sample_content())
    found = read_without_the_program(tmp_path / "a")
    document = DOCUMENT.read_text(encoding="utf-8")
    keys = {*found["manifest"], *found["manifest"]["model"], *found["manifest"]["counts"], *found["calibration"]}
    keys |= {key for name in ("members", "photos", "faces", "rejections") for key in found[name][0]}
    entries = {name for name in entries_of(tmp_path / "a") if not name.startswith("crops/")}
    assert [word for word in keys | entries if f"`{word}`" not in document] == []


def test_the_five_lines_in_the_archive_itself_read_it(tmp_path: Path) -> None:
    """The code in README.txt, typed off it, prints who is enrolled from which photo."""
    write_archive(tmp_path / "FILE", sample_content())
    text = entries_of(tmp_path / "FILE")["README.txt"].decode()
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    code = [line for line in lines if "=" in line or line.startswith(("import", "print"))]
    assert len(code) == 5
    ran = subprocess.run([sys.executable, "-c", "\n".join(code)], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "'Ada', '/photos/Ada/1.jpg'" in ran.stdout
    assert max(map(len, text.splitlines())) <= 120


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    """Nothing of the moment, the machine or the order of a mapping gets into the file; entries have one order."""
    content = sample_content()
    write_archive(tmp_path / "a", content)
    (tmp_path / "elsewhere").mkdir()
    write_archive(tmp_path / "elsewhere" / "b", replace(content, crops=dict(reversed(list(content.crops.items())))))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "elsewhere" / "b").read_bytes()
    assert list(entries_of(tmp_path / "a")) == [
        *manifest.ALWAYS, "calibration.json", "crops/0.png", "crops/2.png", "manifest.json", "manifest.sha256",
    ]  # fmt: skip


def test_large_entries_are_written_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where lines may become longer than ZIP says without its extension, they are written with it and read the same."""
    monkeypatch.setattr("facegallery.archive.writing._LARGE_BYTES", 0)
    write_archive(tmp_path / "a", sample_content())
    assert_same(read_archive(tmp_path / "a"), sample_content())
    with zipfile.ZipFile(tmp_path / "a") as archive:
        assert archive.getinfo("faces.jsonl").extract_version == 45
        assert archive.testzip() is None


# --- where it is written ----------------------------------------------------------------------------------------------


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """Mode 0600 whatever the umask says, while it is written and afterwards; also in the place of an open file."""
    before = os.umask(0)
    try:
        write_archive(tmp_path / "a", sample_content())
        (tmp_path / "b").write_bytes(b"")
        (tmp_path / "b").chmod(0o666)
        modes: list[int] = []
        content = replace(sample_content(), crops=Watched(sample_content().crops, tmp_path, modes))
        write_archive(tmp_path / "b", content, replace=True)
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"] == [0o600, 0o600]
    assert set(modes) == {0o600}


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    """It is replaced only when that is said; a link to nowhere and a folder are something that is there too."""
    path = write(tmp_path / "mine", b"mine")
    modes: list[int] = []
    content = replace(sample_content(), crops=Watched(sample_content().crops, tmp_path, modes))
    with pytest.raises(ArchiveNotWritten, match="there is a file already"):
        write_archive(path, content)
    assert path.read_bytes() == b"mine"
    assert modes == []  # said at once, before anything is written
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ArchiveNotWritten, match="there is a file already"):
        write_archive(tmp_path / "link", sample_content())
    write_archive(path, sample_content(), replace=True)
    assert_same(read_archive(path), sample_content())
    (tmp_path / "folder").mkdir()
    with pytest.raises(ArchiveNotWritten):
        write_archive(tmp_path / "folder", sample_content(), replace=True)
    assert {each.name for each in tmp_path.iterdir()} == {"mine", "link", "folder"}


class Meddling(Watched):
    """Crops that put a file where the archive is to be, while it is written."""

    def __getitem__(self, number: int) -> Pixels:
        (self._folder / "a").write_bytes(b"came meanwhile")
        return self._crops[number]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_file_that_came_meanwhile_is_kept(links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody writes under the same name while the archive is written: theirs stays, on any file system."""

    def no_link(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", no_link)
    content = sample_content()
    with pytest.raises(ArchiveNotWritten, match="there is a file already"):
        write_archive(tmp_path / "a", replace(content, crops=Meddling(content.crops, tmp_path, [])))
    assert (tmp_path / "a").read_bytes() == b"came meanwhile"
    assert len(list(tmp_path.iterdir())) == 1
    write_archive(tmp_path / "b", content)
    assert_same(read_archive(tmp_path / "b"), content)


@pytest.mark.parametrize("room", [0, 1000, 50_000, 160_000])
@pytest.mark.parametrize("old", [None, b"the archive of yesterday"])
def test_a_full_disk_leaves_what_was_there(room: int, old: bytes | None, tmp_path: Path) -> None:
    """One error that says so, no half file under any name, and the old archive whole."""
    path = tmp_path / "a"
    if old is not None:
        path.write_bytes(old)
    with room_for(room), pytest.raises(ArchiveNotWritten, match="too large"):
        write_archive(path, sample_content(), replace=True)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == ([] if old is None else [old])


@pytest.mark.parametrize("name", ["missing/a", "file/a", "a\0b", "\ud800", "n" * 300])
def test_a_place_that_cannot_be_is_one_error(name: str, tmp_path: Path) -> None:
    """No folder, a file for a folder, a name that no file can have: the tree's error, and nothing left behind."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ArchiveNotWritten):
        write_archive(tmp_path / name, sample_content())
    with pytest.raises(ArchiveRefused):
        read_archive(tmp_path / name)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


DYING = """
import os, sys
from dataclasses import replace
from pathlib import Path
from facegallery.archive import write_archive
from tests.archives import Watched, sample_content

class Deadly(Watched):
    def __getitem__(self, number):
        if number == 2:
            print(sum(path.stat().st_size for path in self._folder.glob("*.part")) > 0, flush=True)
            os.kill(os.getpid(), 9)
        return self._crops[number]

content = sample_content()
folder = Path(sys.argv[1])
write_archive(folder / "a", replace(content, crops=Deadly(content.crops, folder, [])), replace=True)
"""


@pytest.mark.parametrize("old", [None, b"the archive of yesterday"])
def test_a_crash_leaves_no_half_archive_under_its_name(old: bytes | None, tmp_path: Path) -> None:
    """The process is killed while it writes: under the name is what was there before; what is left is its owner's."""
    if old is not None:
        (tmp_path / "a").write_bytes(old)
    with start(DYING, tmp_path) as child:
        assert line_of(child) == "True"
    assert child.returncode == -9
    left = list(tmp_path.glob("*.part"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in left] == [0o600]
    assert [path.read_bytes() for path in tmp_path.iterdir() if path not in left] == ([] if old is None else [old])


FACES, PHOTOS = sample_content().faces, sample_content().photos

BAD_CONTENTS = {
    "two of a name": {"members": (ArchivedMember("Ada", NOW), ArchivedMember("ADA", NOW))},
    "a name that is none": {"members": (ArchivedMember("Ada", NOW), ArchivedMember(" ", NOW))},
    "a time without a zone": {"members": (ArchivedMember("Ada", NOW), ArchivedMember("B", NOW.replace(tzinfo=None)))},
    "a moment without a zone": {"created_at": NOW.replace(tzinfo=None)},
    "a calibration without a zone": {"calibration": replace(sample_calibration(), created_at=NOW.replace(tzinfo=None))},
    "a member without a face": {"members": (*sample_content().members, ArchivedMember("C", NOW))},
    "a vector too few": {"vectors": unit_vectors(2)},
    "vectors of another type": {"vectors": unit_vectors(3).astype(np.float64)},
    "vectors of another length": {"vectors": 2 * unit_vectors(3)},
    "a box that is not finite": {
        "faces": (replace(FACES[0], face=Face((0, 0, float("nan"), 1), ((0, 0),) * 5, 1)), *FACES[1:])
    },
    "a photo that is not there": {"faces": (*FACES, replace(FACES[0], photo=2))},
    "a path that no file has": {"photos": (PHOTOS[0], replace(PHOTOS[1], path=Path("\ud800")))},
    "a path of half a mile": {"photos": (PHOTOS[0], replace(PHOTOS[1], path=Path("x" * 40_000)))},
    "a crop of no face": {"crops": {3: np.zeros((160, 160, 3), np.uint8)}},
    "a crop of another size": {"crops": {0: np.zeros((80, 160, 3), np.uint8)}},
    "a crop of floats": {"crops": {0: np.zeros((160, 160, 3), np.float32)}},
    "no id": {"gallery_id": ""},
    "a rate beyond 1": {"calibration": replace(sample_calibration(), fnmr=1.5)},
}  # fmt: skip


@pytest.mark.parametrize("changes", BAD_CONTENTS.values(), ids=BAD_CONTENTS.keys())
def test_what_could_not_be_read_again_is_not_written(changes: dict[str, Any], tmp_path: Path) -> None:
    """Content that the reader would refuse gives an error with the reason, and no file."""
    content = sample_content()
    if "faces" in changes and len(changes["faces"]) != len(content.faces):
        changes = {**changes, "vectors": unit_vectors(len(changes["faces"]))}
    with pytest.raises(ArchiveNotWritten, match="cannot be archived"):
        write_archive(tmp_path / "a", replace(content, **changes))
    assert list(tmp_path.iterdir()) == []


# --- hostile archives -------------------------------------------------------------------------------------------------


def refusal(path: Path) -> str:
    """Why an archive is refused; its message says what to do, is one line, and so is the reason."""
    with pytest.raises(ArchiveRefused) as caught:
        read_archive(path)
    assert caught.value.path == path
    assert caught.value.reason.isprintable()
    assert len(caught.value.reason) < 400
    assert "facegallery export FILE" in str(caught.value)
    return caught.value.reason


def test_the_helpers_of_these_tests_make_sound_archives(tmp_path: Path) -> None:
    """The control: entries that were packed and mended by hand, with nothing else changed, are read."""
    entries = sample_entries()
    mend(entries)
    assert_same(read_archive(write(tmp_path / "a", pack(entries))), sample_content())


LONG = "x" * records.MAX_LINE_BYTES
DEEP = b'{"name":' + b"[" * 200_000
POINTS = [[1, 2]] * 5


def added(name: str, content: bytes = b"") -> Edit:
    return lambda entries: entries.update({name: content})


def without(name: str) -> Edit:
    def edit(entries: Entries) -> None:
        del entries[name]

    return edit


def replaced(name: str, old: bytes, new: bytes) -> Edit:
    def edit(entries: Entries) -> None:
        assert old in entries[name]
        entries[name] = entries[name].replace(old, new)

    return edit


def npy(array: np.ndarray[Any, Any], **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def png(mode: str = "RGB", size: tuple[int, int] = (160, 160), **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, format="PNG", **options)
    return file.getvalue()


def text_chunk() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("name", "Ada")
    return info


def scaled(factor: float, row: int = 1) -> bytes:
    vectors = unit_vectors(3)
    vectors[row] *= np.float32(factor)
    return npy(vectors)


OBJECTS = np.full((3, 512), None, object)

# Each is mended afterwards: sizes and hashes are right, so that nothing but the check that is meant refuses it.
MENDED: dict[str, tuple[Edit, str]] = {
    # entries
    "out of the folder": (added("../x"), r"an entry '\.\./x'"),
    "to the root": (added("/etc/passwd"), "an entry '/etc/passwd'"),
    "with backslashes": (added("..\\x"), "an entry"),
    "a crop outside": (added("crops/../1.png", png()), "an entry"),
    "a crop with a zero before": (added("crops/01.png", png()), "an entry"),
    "a crop of a digit of another script": (added("crops/\u0661.png", png()), "an entry"),
    "a folder": (added("crops/"), "an entry 'crops/'"),
    "another file": (added("model.pkl"), "an entry 'model.pkl'"),
    "no members": (without("members.jsonl"), "does not list members"),
    "no readme": (without("README.txt"), "does not list README"),
    "a readme of a book's length": (added("README.txt", b"x" * 70_000), "README.txt is larger"),
    # arrays
    "a pickle for vectors": (added("vectors.npy", npy(OBJECTS, allow_pickle=True)), r"vectors\.npy"),
    "a pickle of the right size": (
        replaced("vectors.npy", b"{'descr': '<f4'", b"{'descr': '|O' "), "are no npy file of 3 x 512"
    ),
    "vectors in Fortran's order": (added("vectors.npy", npy(np.asfortranarray(unit_vectors(3)))), "are no npy file"),
    "vectors the other way round": (added("vectors.npy", npy(unit_vectors(3).T.copy())), "are no npy file"),
    "big-endian vectors": (added("vectors.npy", npy(unit_vectors(3).astype(">f4"))), "are no npy file"),
    "integers for vectors": (added("vectors.npy", npy(np.zeros((3, 512), np.int32))), "are no npy file"),
    "an absurd shape": (replaced("vectors.npy", b"(3, 512)", b"(999999999, 512)"), "are no npy file|is larger"),
    "a shape of minus one": (replaced("vectors.npy", b"(3, 512), ", b"(-3, 512),"), "are no npy file"),
    "another version of npy": (replaced("vectors.npy", b"NUMPY\x01", b"NUMPY\x02"), "are no npy file"),
    "a vector too many": (added("vectors.npy", npy(unit_vectors(4))), r"vectors\.npy is larger"),
    "a vector too few": (added("vectors.npy", npy(unit_vectors(2))), r"vectors\.npy is smaller"),
    "vectors with something behind": (added("vectors.npy", npy(unit_vectors(3)) + b"x"), r"vectors\.npy is larger"),
    "NaN": (added("vectors.npy", scaled(float("nan"))), "vector 1 of the vectors.npy has not unit length"),
    "infinity": (added("vectors.npy", scaled(float("inf"))), "vector 1 .* unit length"),
    "zeros": (added("vectors.npy", scaled(0, row=2)), "vector 2 .* unit length"),
    "a longer vector": (added("vectors.npy", scaled(1.01)), "vector 1 .* unit length"),
    "a rejection's vector of zeros": (
        added("rejection_vectors.npy", npy(np.zeros((1, 512), np.float32))), r"vector 0 of the rejection_vectors\.npy"
    ),
    # lines
    "a list": (with_line("members.jsonl", 0, b"[]"), "member 0 is not an object"),
    "no JSON": (with_line("photos.jsonl", 1, b"{'a': 1}"), "photo 1 is not JSON"),
    "an empty line": (with_line("photos.jsonl", 1, b""), "photo 1 is not JSON"),
    "no UTF-8": (with_line("members.jsonl", 1, b'{"name":"\xff"}'), "member 1 is not JSON"),
    "UTF-16": (with_line("members.jsonl", 1, '{"name":1}'.encode("utf-16-be")), "member 1 is not JSON"),
    "nested deeply": (with_line("members.jsonl", 1, DEEP), "member 1 is nested too deeply"),
    "NaN in JSON": (replaced("faces.jsonl", b"0.99,", b"NaN,"), "face 0 is not JSON .*NaN is no number"),
    "infinity in JSON": (replaced("faces.jsonl", b"110.5,140", b"-Infinity,140"), "Infinity is no number"),
    "a number beyond any": (replaced("faces.jsonl", b"110.5,140", b"1e999,140"), "'box_xyxy' is not 4 numbers"),
    "an enormous whole number": (replaced("photos.jsonl", b"640", b"9" * 5000), "too many digits"),
    "a key twice": (replaced("members.jsonl", b'{"name"', b'{"name":"x","name"'), "a key occurs twice"),
    "a missing key": (with_fields("faces.jsonl", 2, quality=...), "face 2 lacks 'quality'"),
    "an unknown key": (with_fields("faces.jsonl", 2, note="x"), "face 2 has an unknown key, 'note'"),
    "an unknown key of some length": (with_fields("faces.jsonl", 2, **{LONG[:1000]: 1}), r"unknown key, 'x+\.\.\."),
    "a long line": (with_fields("members.jsonl", 0, name=LONG), "a line of members.jsonl has more than"),
    "lines longer than allowed in all": (added("members.jsonl", b"x" * (3 << 18)), "members.jsonl is larger"),
    "a line too many": (added("rejections.jsonl", b"{}\n" * 2), "."),
    "a line too few": (added("faces.jsonl", b""), "faces.jsonl has 0 lines, and manifest.json says 3"),
    "no end of the last line": (replaced("rejections.jsonl", b"}\n", b"}"), "the last line of rejections.jsonl"),
    # members
    "an empty name": (with_fields("members.jsonl", 1, name=" "), "member 1: 'name' is not one that a member"),
    "a name that is no text": (with_fields("members.jsonl", 1, name=7), "member 1: 'name' is not text"),
    "a name with U+0000": (with_fields("members.jsonl", 1, name="a\0"), "member 1: 'name' is not text"),
    "half a character": (with_line("members.jsonl", 1, b'{"name":"\\ud800","created_at":""}'), "'name' is not text"),
    "a long name": (with_fields("members.jsonl", 1, name="x" * 301), "'name' is not one that a member"),
    "a name in another form": (
        with_fields("members.jsonl", 1, name=unicodedata.normalize("NFD", "Zoë")), "'name' is not in the form"
    ),
    "a name twice": (with_fields("members.jsonl", 1, name="ADA"), "member 1 has the name of an earlier one"),
    "a time without a zone": (with_fields("members.jsonl", 0, created_at="2026-05-03T12:00:00"), "not a time in UTC"),
    "a time in another zone": (
        with_fields("members.jsonl", 0, created_at="2026-05-03T12:00:00+02:00"), "not a time in UTC"
    ),
    "a thirteenth month": (with_fields("members.jsonl", 0, created_at="2026-13-03T12:00:00+00:00"), "not a time in"),
    "a time in other digits": (
        with_fields("members.jsonl", 0, created_at="٢026-05-03T12:00:00+00:00"), "not a time in UTC"
    ),
    "a number for a time": (with_fields("members.jsonl", 0, created_at=0), "not a time in UTC"),
    # photos
    "a hash in capitals": (with_fields("photos.jsonl", 0, content_hash="A" * 64), "'content_hash' is not a SHA-256"),
    "half a hash": (with_fields("photos.jsonl", 0, content_hash="a" * 32), "'content_hash' is not a SHA-256"),
    "a hash and a line end": (with_fields("photos.jsonl", 0, content_hash="a" * 64 + "\n"), "is not a SHA-256"),
    "a hash twice": (with_fields("photos.jsonl", 1, content_hash="1" * 64), "photo 1 has the hash of an earlier one"),
    "true for a width": (with_fields("photos.jsonl", 0, width_px=True), "'width_px' is not a whole number"),
    "a width of a half": (with_fields("photos.jsonl", 0, width_px=1.5), "'width_px' is not a whole number"),
    "no width": (with_fields("photos.jsonl", 0, width_px=0), "'width_px' is not a whole number"),
    "a width beyond range": (with_fields("photos.jsonl", 0, width_px=2**31), "'width_px' is not a whole number"),
    "an empty path": (with_fields("photos.jsonl", 0, path=""), "photo 0: 'path' is not a path"),
    "a path with U+0000": (with_fields("photos.jsonl", 0, path="a\0"), "photo 0: 'path' is not text"),
    "a path of bytes with 0": (with_fields("photos.jsonl", 1, path="%FF%00"), "photo 1: 'path' is not a path"),
    "a long path": (with_fields("photos.jsonl", 0, path="x" * 32_769), "photo 0: 'path' is not a path"),
    "a path in two forms": (with_fields("photos.jsonl", 1, path="caf%e9"), "photo 1: 'path' is not a path"),
    "text as bytes": (with_fields("photos.jsonl", 1, path="a"), "photo 1: 'path' is not a path"),
    "an unknown form of path": (with_fields("photos.jsonl", 1, path_form="url"), "photo 1: 'path' is not a path"),
    "a list for a form": (with_fields("photos.jsonl", 1, path_form=["text"]), "photo 1: 'path' is not a path"),
    # faces
    "a member who is not there": (with_fields("faces.jsonl", 0, member=2), "face 0: 'member' is not .* from 0 to 1"),
    "a member before the first": (with_fields("faces.jsonl", 0, member=-1), "face 0: 'member' is not"),
    "false for a member": (with_fields("faces.jsonl", 0, member=False), "face 0: 'member' is not"),
    "a photo that is not there": (with_fields("faces.jsonl", 0, photo=2), "face 0: 'photo' is not"),
    "a row that is not there": (with_fields("faces.jsonl", 0, vector=3), "face 0: 'vector' is not"),
    "a row of another face": (with_fields("faces.jsonl", 0, vector=1), "face 0: 'vector' is not"),
    "a member without a face": (with_fields("faces.jsonl", 1, member=0), "member 1 has no face"),
    "a photo without a face": (with_fields("faces.jsonl", 0, photo=1), "photo 0 has no face"),
    "a box without an area": (with_fields("faces.jsonl", 0, box_xyxy=[1, 2, 1, 3]), "'box_xyxy' is not a box with"),
    "a box the wrong way round": (with_fields("faces.jsonl", 0, box_xyxy=[3, 2, 1, 4]), "'box_xyxy' is not a box with"),
    "a box of three": (with_fields("faces.jsonl", 0, box_xyxy=[1, 2, 3]), "'box_xyxy' is not 4 numbers"),
    "a box of text": (with_fields("faces.jsonl", 0, box_xyxy="1234"), "'box_xyxy' is not 4 numbers"),
    "a box with true": (with_fields("faces.jsonl", 0, box_xyxy=[0, 0, True, 1]), "'box_xyxy' is not 4 numbers"),
    "four points": (with_fields("faces.jsonl", 0, landmarks_xy=POINTS[:4]), "'landmarks_xy' is not 5 points"),
    "six points": (with_fields("faces.jsonl", 0, landmarks_xy=[[1, 2]] * 6), "'landmarks_xy' is not 5 points"),
    "a point in space": (with_fields("faces.jsonl", 0, landmarks_xy=[*POINTS[:4], [1, 2, 3]]), "is not 5 points"),
    "a point that is none": (with_fields("faces.jsonl", 0, landmarks_xy=[*POINTS[:4], [None, 1]]), "is not 5 points"),
    "no points": (with_fields("faces.jsonl", 0, landmarks_xy=None), "is not 5 points"),
    "more than sure": (with_fields("faces.jsonl", 0, probability=1.01), "'probability' is not a number from 0 to 1"),
    "less than never": (with_fields("faces.jsonl", 0, probability=-0.01), "'probability' is not a number from 0 to 1"),
    "true for sure": (with_fields("faces.jsonl", 0, probability=True), "'probability' is not a number from 0 to 1"),
    "better than good": (with_fields("faces.jsonl", 0, quality=2), "'quality' is not a number from 0 to 1"),
    "a rejection of nobody": (with_fields("rejections.jsonl", 0, member=2), "rejection 0: 'member' is not"),
    "a rejection of no hash": (with_fields("rejections.jsonl", 0, content_hash=""), "rejection 0: 'content_hash'"),
    # calibration
    "a rate beyond 1": (with_fields("calibration.json", 0, fmr=1.5), "calibration.json: 'fmr' is not"),
    "a negative count": (with_fields("calibration.json", 0, n_mated=-1), "calibration.json: 'n_mated' is not"),
    "a count that no database keeps": (with_fields("calibration.json", 0, n_mated=2**63), "'n_mated' is not"),
    "an unknown score rule": (with_fields("calibration.json", 0, score="luck"), "'score' is not one of"),
    "a list for a score rule": (with_fields("calibration.json", 0, score=[]), "'score' is not one of"),
    "1 for true": (with_fields("calibration.json", 0, margin_chosen=1), "'margin_chosen' is not true or false"),
    "a threshold that nobody reaches": (with_fields("calibration.json", 0, threshold=7), "'threshold' is not"),
    "scores in disorder": (with_fields("calibration.json", 0, stranger_scores=[0.5, 0.1]), "'stranger_scores' are not"),
    "scores beyond any": (with_fields("calibration.json", 0, stranger_scores=[2.5]), "'stranger_scores' are not"),
    "scores of text": (with_fields("calibration.json", 0, stranger_scores=["1"]), "'stranger_scores' are not"),
    # crops
    "a crop of another size": (added("crops/0.png", png(size=(161, 160))), r"crops/0\.png is no PNG of 160 x 160"),
    "a crop in grey": (added("crops/0.png", png("L")), r"crops/0\.png is no PNG of 160 x 160 pixels in RGB"),
    "a crop with alpha": (added("crops/0.png", png("RGBA")), r"crops/0\.png is no PNG of 160 x 160 pixels in RGB"),
    "a crop with 16 bits": (added("crops/0.png", png("I;16")), r"crops/0\.png is no PNG of 160 x 160 pixels in RGB"),
    "a crop with a name in it": (added("crops/0.png", png(pnginfo=text_chunk())), r"crops/0\.png has other parts"),
    "a crop that is a JPEG": (added("crops/0.png", b"\xff\xd8\xff\xe0"), r"crops/0\.png is no PNG"),
    "an empty crop": (added("crops/0.png"), r"crops/0\.png is no PNG"),
    "a crop of nothing but its start": (added("crops/0.png", png()[:8]), r"crops/0\.png is a damaged PNG"),
    "half a crop": (added("crops/0.png", png()[:60]), r"crops/0\.png is a damaged PNG"),
    "a crop with a wrong check sum": (added("crops/0.png", png()[:-1] + b"x"), r"crops/0\.png is a damaged PNG"),
    "a crop of too few pixels": (added("crops/0.png", b""), r"crops/0\.png"),  # replaced below, where chunks are made
    "an endless crop": (added("crops/0.png", png() + b"x" * 200_000), r"crops/0\.png is larger"),
}  # fmt: skip


def with_pixels(data: bytes, *kinds: bytes) -> bytes:
    """A PNG of a crop's size with this compressed data, and further chunks before the end."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    header = png()[16:29]
    others = b"".join(chunk(kind, header if kind == b"IHDR" else b"") for kind in kinds)
    return png()[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + others + chunk(b"IEND", b"")


MENDED |= {
    "a crop of too few pixels": (added("crops/0.png", with_pixels(bytes(1000))), "cannot be decoded"),
    "a crop of an unknown filter": (added("crops/0.png", with_pixels(b"\x09" * 481 * 160)), "cannot be decoded"),
    "a crop with two heads": (added("crops/0.png", with_pixels(bytes(481 * 160), b"IHDR")), "has other parts"),
    "a crop of two pictures": (added("crops/0.png", with_pixels(bytes(481 * 160), b"IEND")), "has other parts"),
    "a crop without pixels": (
        added("crops/0.png", with_pixels(b"")[:33] + with_pixels(b"")[-12:]), r"crops/0\.png has other parts"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "reason"), MENDED.values(), ids=MENDED.keys())
def test_a_hostile_entry_is_refused_whatever_its_hash(edit: Edit, reason: str, tmp_path: Path) -> None:
    """Sizes and hashes are right, so somebody meant it: the entry itself is checked, and the reason says what."""
    entries = sample_entries()
    edit(entries)
    mend(entries)
    path = write(tmp_path / "hostile", pack(entries))
    assert re.search(reason, refusal(path)), refusal(path)


def manifest_with(**fields: object) -> Edit:
    def change(document: dict[str, Any]) -> None:
        for key, value in fields.items():
            *outer, last = key.split("__")
            inner = document
            for each in outer:
                inner = inner[each]
            inner[last] = value
            if value is ...:
                del inner[last]

    return lambda entries: change_manifest(entries, change)


def in_manifest(content: bytes) -> Edit:
    def edit(entries: Entries) -> None:
        entries["manifest.json"] = content
        mend_sum(entries)

    return edit


def entry_of_manifest(name: str, **fields: object) -> Edit:
    return lambda entries: change_manifest(entries, lambda document: document["entries"][name].update(fields))


MANIFESTS: dict[str, tuple[Edit, str]] = {
    "a changed entry": (replaced("members.jsonl", b"Ada", b"Eve"), "members.jsonl was changed or damaged"),
    "a changed readme": (replaced("README.txt", b"ZIP", b"RAR"), "README.txt was changed or damaged"),
    "another size": (added("README.txt", b"x"), "README.txt has 1 bytes, and manifest.json says"),
    "a changed manifest": (replaced("manifest.json", b"starter", b"startor"), "manifest.json was changed or damaged"),
    "a hash that is none": (added("manifest.sha256", b"x"), "manifest.sha256 is not a SHA-256"),
    "a long hash": (added("manifest.sha256", b"a" * 10_000), "manifest.sha256 has 10,000 bytes"),
    "no manifest": (without("manifest.json"), "it has no manifest.json"),
    "no hash": (without("manifest.sha256"), "it has no manifest.sha256"),
    "an entry that is not listed": (added("crops/1.png", png()), "are not those that manifest.json lists"),
    "an entry that is not there": (without("crops/2.png"), "are not those that manifest.json lists"),
    "no JSON": (in_manifest(b"?"), "manifest.json is not JSON"),
    "a list": (in_manifest(b"[]"), "it is no archive of a gallery"),
    "nested deeply": (in_manifest(b"[" * 60_000), "manifest.json is nested too deeply"),
    "a long manifest": (in_manifest(b" " * 80_000), "manifest.json has 80,000 bytes"),
    "another format": (manifest_with(format="holiday"), "it is no archive of a gallery"),
    "a later version": (manifest_with(format_version=2, news=1), "it is of version 2 of the format, and 1 is read"),
    "true for a version": (manifest_with(format_version=True), r"it is of version \? of the format"),
    "an unknown key": (manifest_with(news=1), "manifest.json has an unknown key, 'news'"),
    "a missing key": (manifest_with(gallery_id=...), "manifest.json lacks 'gallery_id'"),
    "an id in capitals": (manifest_with(gallery_id="A" * 32), "'gallery_id' is not 32 lower-case hex digits"),
    "a program with a line end": (manifest_with(program="a\nb"), "'program' is not"),
    "a model like a path": (manifest_with(model__name="../x"), "'name' is not the name of a model"),
    "a model of no hash": (manifest_with(model__fingerprint="x"), "'fingerprint' is not a SHA-256"),
    "vectors of another model": (manifest_with(model__embedding_size=128), "'embedding_size' is not"),
    "no model": (manifest_with(model=None), "'model' of manifest.json is not an object"),
    "an unknown preparation": (manifest_with(preparation="none"), "'preparation' is not one of"),
    "a count of minus one": (manifest_with(counts__faces=-1), "'faces' is not a whole number"),
    "a count beyond all": (manifest_with(counts__faces=4_000_001), "'faces' is not a whole number from 0 to 4000000"),
    "a count of true": (manifest_with(counts__members=True), "'members' is not a whole number"),
    "an unknown count": (manifest_with(counts__users=1), "'counts' of manifest.json has an unknown key"),
    "more faces than there are": (manifest_with(counts__faces=4_000_000), "vectors.npy is smaller"),
    "fewer faces than there are": (manifest_with(counts__faces=2), "the crops that manifest.json lists"),
    "fewer rejections than there are": (manifest_with(counts__rejections=0), "is larger than its number of records"),
    "more members than there are": (manifest_with(counts__members=9), "members.jsonl has 2 lines, and"),
    "fewer members than there are": (manifest_with(counts__members=1), "members.jsonl has more than 1 lines"),
    "more crops than there are": (manifest_with(counts__crops=3), "the crops that manifest.json lists"),
    "no entries": (manifest_with(entries=[]), "'entries' of manifest.json is not an object"),
    "an entry of no size": (entry_of_manifest("README.txt", size=True), "'size' is not a whole number"),
    "an entry of no hash": (entry_of_manifest("README.txt", sha256=None), "'sha256' is not a SHA-256"),
    "an entry too many": (manifest_with(entries__x={"size": 0, "sha256": "0" * 64}), "no part of an archive"),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "reason"), MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_manifest_that_does_not_fit_is_refused(edit: Edit, reason: str, tmp_path: Path) -> None:
    """A changed byte anywhere, and a manifest that says what is not so, or nothing that can be."""
    entries = sample_entries()
    edit(entries)
    path = write(tmp_path / "hostile", pack(entries))
    assert re.search(reason, refusal(path)), refusal(path)


def test_every_byte_counts(tmp_path: Path) -> None:
    """One byte changed anywhere in an entry's content is noticed."""
    write_archive(tmp_path / "a", replace(sample_content(), crops={}))
    good = (tmp_path / "a").read_bytes()
    with container.Container(tmp_path / "a") as opened:
        spans = list(opened.spans.values())
    for span in spans:
        for place in {0, 1, span.size // 3, span.size // 2, span.size - 1}:
            changed = bytearray(good)
            changed[span.start + place] ^= 1
            refusal(write(tmp_path / "b", bytes(changed)))


# --- hostile ZIP files ------------------------------------------------------------------------------------------------


Change = Callable[[zipfile.ZipInfo], None]


def zip_of(entries: Entries, change: Change = lambda _: None, method: int = zipfile.ZIP_STORED) -> bytes:
    """A ZIP file whose entries were changed one by one before they were written."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            change(info)
            archive.writestr(info, content)
    return buffer.getvalue()


def test_a_compressed_entry_is_refused(tmp_path: Path) -> None:
    """What is not compressed cannot grow; a bomb of zeros is refused for that alone, in no time and memory."""
    entries = sample_entries()
    assert "faces.jsonl is compressed" in refusal(
        write(tmp_path / "a", zip_of(entries, lambda info: deflate(info, "faces.jsonl")))
    )
    entries["vectors.npy"] = bytes(100_000_000)
    bomb = write(tmp_path / "bomb", zip_of(entries, method=zipfile.ZIP_DEFLATED))
    del entries
    tracemalloc.start()
    assert "is compressed" in refusal(bomb)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def deflate(info: zipfile.ZipInfo, name: str) -> None:
    if info.filename == name:
        info.compress_type = zipfile.ZIP_DEFLATED


def test_a_link_is_refused(tmp_path: Path) -> None:
    """An entry that would be a symbolic link, or a device, if somebody unpacked it."""
    for kind in (stat.S_IFLNK, stat.S_IFDIR, stat.S_IFCHR):

        def change(info: zipfile.ZipInfo, kind: int = kind) -> None:
            if info.filename == "README.txt":
                info.external_attr = (kind | 0o777) << 16

        reason = refusal(write(tmp_path / "a", zip_of(sample_entries(), change)))
        assert "README.txt is a link" in reason


def central(content: bytes, name: str) -> int:
    """Where the directory's record of an entry begins."""
    length = len(name).to_bytes(2, "little")
    at = content.index(b"PK\1\2")
    while content[at + 28 : at + 30] != length or content[at + 46 : at + 46 + len(name)] != name.encode():
        at = content.index(b"PK\1\2", at + 1)
    return at


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (8, b"\x01\x00", "is encrypted"),
        (8, b"\x08\x00", "written in another way"),
        (8, b"\x41\x00", "is encrypted"),
        (10, b"\x63\x00", "is compressed"),
        (10, b"\x0c\x00", "is compressed"),
        (20, b"\xff\xff\xff\x7f", "its size is not what it says"),
        (24, b"\xff\xff\xff\x7f", "its size is not what it says"),
        (42, b"\xff\xff\xff\x7f", "is not where the directory says"),
        (42, b"\x01\x00\x00\x00", "is not where the directory says"),
        (6, b"\xff\x00", "it is no ZIP file"),
    ],
)
def test_a_directory_that_lies_is_refused(offset: int, value: bytes, reason: str, tmp_path: Path) -> None:
    """Flags, methods, sizes and places in the directory that are not those of the entry."""
    content = bytearray(pack(sample_entries()))
    at = (
        central(bytes(content), "README.txt" if value in (b"\xff\x00", b"\x01\x00\x00\x00") else "vectors.npy") + offset
    )
    content[at : at + len(value)] = value
    assert reason in refusal(write(tmp_path / "a", bytes(content)))


@pytest.mark.parametrize("place", [2**32, 2**63, 2**64 - 1])
def test_a_place_beyond_any_file_is_refused(place: int, tmp_path: Path) -> None:
    """ZIP64 can name a place that no file has, and that no system can go to."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in sample_entries().items():
            archive.writestr(zipfile.ZipInfo(name), content)
        archive.getinfo("README.txt").header_offset = place
    reason = refusal(write(tmp_path / "a", buffer.getvalue()))
    assert "README.txt is not where the directory says" in reason


def test_a_size_that_reaches_into_another_entry_is_refused(tmp_path: Path) -> None:
    """Both sizes say more than there is: the bytes would be another entry's."""
    content = bytearray(pack(sample_entries()))
    at = central(bytes(content), "members.jsonl")
    content[at + 20 : at + 28] = struct.pack("<2L", 100_000, 100_000)
    assert "members.jsonl lies over another one" in refusal(write(tmp_path / "a", bytes(content)))


def test_entries_at_one_place_are_refused(tmp_path: Path) -> None:
    """Many entries of the same bytes are how a small ZIP file becomes a large one."""
    content = bytearray(pack(sample_entries()))
    at, other = central(bytes(content), "crops/0.png"), central(bytes(content), "crops/2.png")
    content[other + 42 : other + 46] = content[at + 42 : at + 46]
    assert "crops/" in refusal(write(tmp_path / "a", bytes(content)))


def test_a_name_that_goes_on_after_u_0000_is_refused(tmp_path: Path) -> None:
    """A name ends there for zipfile; what the file says is looked at."""
    content = pack({**sample_entries(), "README.txt#x": b""}).replace(b"README.txt#x", b"README.txt\0x")
    assert r"an entry 'README.txt\x00x'" in refusal(write(tmp_path / "a", content))


def test_an_entry_twice_is_refused(tmp_path: Path) -> None:
    """Two entries of one name: one reader takes the first, another the last."""
    buffer = io.BytesIO(pack(sample_entries()))
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(zipfile.ZipInfo("members.jsonl"), b"")
    assert "it has the entry members.jsonl twice" in refusal(write(tmp_path / "a", buffer.getvalue()))


def test_another_name_before_the_bytes_is_refused(tmp_path: Path) -> None:
    """The directory says one name and the entry itself another."""
    content = bytearray(pack(sample_entries()))
    at = central(bytes(content), "members.jsonl")
    (start_of_entry,) = struct.unpack("<L", content[at + 42 : at + 46])
    content[start_of_entry + 31] ^= 4
    assert "is not where the directory says" in refusal(write(tmp_path / "a", bytes(content)))


def test_a_directory_of_absurd_length_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory is the only part that is read whole before anything is known."""
    path = write(tmp_path / "a", pack(sample_entries()))
    read_archive(path)
    monkeypatch.setattr(container, "MAX_DIRECTORY_BYTES", 500)
    assert "its directory is too long" in refusal(path)


def test_counts_alone_reserve_no_memory(tmp_path: Path) -> None:
    """A manifest that speaks of millions of faces, in a small file: refused before anything is reserved for them."""
    entries = sample_entries()
    change_manifest(entries, lambda document: document["counts"].update(dict.fromkeys(["faces", "photos"], 4_000_000)))
    path = write(tmp_path / "a", pack(entries))
    tracemalloc.start()
    assert "vectors.npy is smaller" in refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"no archive", b"PK\5\6" + bytes(18), b"PK\5\6" + b"\xff" * 18, bytes(100_000), pack({"a": b""})],
    ids=["empty", "two letters", "text", "no entries", "all ones", "zeros", "another ZIP file"],
)
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    """Any other file."""
    refusal(write(tmp_path / "a", content))


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    """A copy that was broken off, wherever."""
    write_archive(tmp_path / "a", replace(sample_content(), crops={}))
    good = (tmp_path / "a").read_bytes()
    for length in range(0, len(good), 97):
        refusal(write(tmp_path / "b", good[:length]))


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    """A missing file, a folder, and a pipe that nobody writes to."""
    os.mkfifo(tmp_path / "pipe")
    assert "No such file" in refusal(tmp_path / "missing")
    assert "is not a file" in refusal(tmp_path)
    assert "is not a file" in refusal(tmp_path / "pipe")


def test_a_crop_that_was_changed_after_reading_is_refused(tmp_path: Path) -> None:
    """Crops stay in the file until they are asked for; what is there then must be what was checked."""
    write_archive(tmp_path / "a", sample_content())
    content = read_archive(tmp_path / "a")
    assert content.crops[2].shape == (160, 160, 3)
    with pytest.raises(KeyError):
        content.crops[1]
    changed = bytearray((tmp_path / "a").read_bytes())
    changed[changed.rindex(b"IEND") - 100] ^= 1
    (tmp_path / "a").write_bytes(changed)
    with pytest.raises(ArchiveRefused, match=r"crops/2\.png was changed since"):
        content.crops[2]
    (tmp_path / "a").unlink()
    with pytest.raises(ArchiveRefused, match="cannot be read"):
        content.crops[0]


def test_reading_unpacks_nothing(tmp_path: Path) -> None:
    """No file is made anywhere: the archive's folder and the folder for temporary files stay as they are."""
    (tmp_path / "temporary").mkdir()
    write_archive(tmp_path / "a", sample_content())
    code = "import sys, pathlib, facegallery.archive as a; a.read_archive(pathlib.Path(sys.argv[1]))"
    root = str(Path(facegallery.__file__).parents[1])
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary"), "PYTHONPATH": root}
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code, tmp_path / "a"], check=True, env=environment, cwd=tmp_path
    )
    assert {path.name for path in tmp_path.rglob("*")} == {"a", "temporary"}


def test_the_readme_of_an_archive_says_nothing_of_the_gallery(tmp_path: Path) -> None:
    """It is one text for all archives."""
    write_archive(tmp_path / "a", sample_content())
    assert entries_of(tmp_path / "a")["README.txt"].decode() == readme.TEXT
