"""Promises about hostile pictures: a photo or a reason, soon, within bounds, in silence; the others are answered."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import facegallery
from facegallery import bounds
from facegallery.errors import PhotoError, PhotoFault
from facegallery.images import PhotoFile, decode
from tests.conftest import RunCli
from tests.hostile_corpus import SEEDS, corpus, jpeg_of_scans, with_png_chunk
from tests.hostile_corpus import chunk as png_chunk
from tests.hostile_images import Outcome, Reading

N_LEAST = 500
MAX_SECONDS = 5.0
"""For one file: the slowest take one, and most a few thousandths."""

MAX_PEAK_MIB = 900
"""For all of them: pictures of 64 million pixels are among those that are decoded."""

MAX_GROWTH_MIB = 30
"""From the first to the second pass; 1,450 files that each kept a picture of 64 x 48 would keep more."""

FAULTS = {fault.value for fault in PhotoFault}

EXPECTED: Mapping[str, Collection[str]] = {
    "bomb": {"too_large", "damaged"},  # libheif and libavif have limits of their own
    "overwork": {"too_large"},
    "EXIF": {"photo"},
    "profile": {"photo"},
    "animated": {"photo"},
    "odd float": {"photo"},
    "narrow": {"photo"},
    "wrong suffix": {"photo"},
    "no picture": {"not_a_photo"},
    "empty": {"empty"},
}
"""What becomes of those of which it is known."""


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """The whole corpus read twice in a process of its own, which is to end well and say nothing but the answer."""
    folder = tmp_path_factory.mktemp("hostile")
    done = subprocess.run(
        [sys.executable, "-W", "always", "-m", "tests.hostile_images", "--json", "--folder", str(folder)],
        cwd=Path(facegallery.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    now = folder / "now"
    assert done.returncode == 0, f"{now.read_text() if now.exists() else 'nothing'}: {done.stderr}"
    assert done.stderr == ""
    made = json.loads(done.stdout)
    first, second = ([Outcome(**each) for each in made[which]] for which in ("first", "second"))
    return Reading(first, second, made["peak_mib"], made["growth_mib"])


def test_the_corpus_is_large_and_of_every_format(reading: Reading) -> None:
    """More than 500 mutants, 25 or more of every sort of picture, no name twice, and every kind made by hand."""
    files = corpus()
    assert [file.name for file in files] == [outcome.name for outcome in reading.first]
    assert len({file.name for file in files}) == len(files)
    mutated = Counter(file.format for file in files if file.name.startswith(f"{file.format} {file.kind.split(',')[0]}"))
    assert sum(mutated.values()) >= N_LEAST
    assert set(mutated) == set(SEEDS)
    assert min(mutated.values()) >= 25
    assert set(EXPECTED) < {file.kind for file in files}


def test_every_good_picture_is_read() -> None:
    """What the mutants are made of are photos, so that what is refused is refused for its damage."""
    for name, (suffix, data) in SEEDS.items():
        photo = decode(PhotoFile(Path(f"good{suffix}"), data, ""))
        assert sorted(photo.pixels.shape) == [3, 48, 64], name
        assert photo.notice is None


def test_hostile_pictures_are_photos_or_have_a_reason(reading: Reading) -> None:
    """No other exception, no pixels of another type or size, and the same answer the second time."""
    odd = [each for each in reading.first if each.outcome not in {*FAULTS, "photo"}]
    assert odd == []
    assert [each.outcome for each in reading.second] == [each.outcome for each in reading.first]


@pytest.mark.parametrize("kind", EXPECTED)
def test_what_is_known_of_a_kind_is_so(reading: Reading, kind: str) -> None:
    """Bombs are refused; odd metadata, shapes and suffixes lose no photo."""
    others = [each for each in reading.first if each.kind == kind and each.outcome not in EXPECTED[kind]]
    assert others == []


def test_no_hostile_picture_hangs(reading: Reading) -> None:
    """Not even those that ask for the most work take more than seconds, at the quicker of two attempts."""
    took = {
        each.name: min(each.seconds, again.seconds) for each, again in zip(reading.first, reading.second, strict=True)
    }
    assert max(took.values()) < MAX_SECONDS, max(took, key=lambda name: took[name])


def test_memory_is_bounded_and_given_back(reading: Reading) -> None:
    """The most that any of them takes has an end, and reading all of them again takes no more."""
    assert reading.peak_mib < MAX_PEAK_MIB
    assert reading.growth_mib < MAX_GROWTH_MIB


# --- limits on work -----------------------------------------------------------------------------------------------


def refused(data: bytes) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        decode(PhotoFile(Path("photo"), data, ""))
    return caught.value


def test_a_jpeg_may_have_as_many_scans_as_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused, with the reason; a real progressive one is far from it."""
    at_limit = decode(PhotoFile(Path("photo"), jpeg_of_scans(64, 48, bounds.MAX_SCANS), ""))
    assert at_limit.pixels.shape == (48, 64, 3)
    error = refused(jpeg_of_scans(64, 48, bounds.MAX_SCANS + 1))
    assert error.fault is PhotoFault.TOO_LARGE
    assert error.reason == "the JPEG picture would take too long to decode: it is made of more than 100 scans"
    monkeypatch.setattr(bounds, "MAX_SCANS", 20)
    assert decode(PhotoFile(Path("photo"), SEEDS["JPEG, progressive"][1], "")).width_px == 64


def test_what_follows_a_jpeg_is_not_counted() -> None:
    """Phones put a film behind the photo: whatever is in it, the photo is read."""
    scan = b"\xff\xda\0\x08\1\1\0\0\x3f\0"
    for name in ("JPEG", "JPEG, progressive"):
        assert decode(PhotoFile(Path("photo"), SEEDS[name][1] + scan * 200, "")).pixels.size == 64 * 48 * 3


def test_a_file_in_very_many_pieces_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading of a file ends after so many times, and so many bytes; a small number of pieces is read."""
    pieces = with_png_chunk(png_chunk(b"abCd", bytes(100)) * 300)
    assert decode(PhotoFile(Path("photo"), pieces, "")).width_px == 64
    with monkeypatch.context() as patch:
        patch.setattr(bounds, "MAX_READS", 500)
        assert refused(pieces).fault is PhotoFault.TOO_LARGE
    monkeypatch.setattr(bounds, "MAX_READ_BYTES", 20_000)
    assert "too many pieces" in refused(pieces).reason


# --- the whole way ------------------------------------------------------------------------------------------------


@pytest.fixture
def hostile_folder(sample_group: Path, tmp_path: Path) -> Path:
    """Some of each kind, and of each format a mutant, in a folder with two good photos."""
    folder = tmp_path / "in"
    folder.mkdir()
    n_taken: Counter[tuple[str, str]] = Counter()
    for file in corpus():
        is_mutant = file.name.startswith(file.format)
        key = ("mutant", file.format) if is_mutant else (file.kind, "")
        n_taken[key] += 1
        if n_taken[key] <= 2 and file.kind not in {"less than stated", "overwork"}:
            (folder / file.name).write_bytes(file.data)
    Image.fromarray(np.zeros((1, 1, 3), np.uint8)).save(folder / "1x1.png")
    for name in ("dan-1.jpg", "ada-2.jpg"):
        (folder / name).write_bytes((sample_group / "probe" / name).read_bytes())
    return folder


@pytest.mark.parametrize("command", ["detect", "identify"])
def test_hostile_pictures_do_not_keep_others_from_being_answered(
    run_cli: RunCli, gallery_folder: Path, hostile_folder: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The run ends with exit code 3; each file is answered or named with a reason; the good ones have their faces."""
    monkeypatch.setenv("FACEGALLERY_GALLERY", str(gallery_folder))
    result = run_cli(command, hostile_folder, "--json")
    assert result.code == 3, result.err
    document = json.loads(result.out)
    answered = {Path(photo["path"]).name: photo for photo in document["photos"]}
    skipped = {Path(entry["path"]).name: entry for entry in document["skipped"]}
    assert answered.keys() | skipped.keys() == {path.name for path in hostile_folder.iterdir()}
    assert not answered.keys() & skipped.keys()
    assert {entry["code"] for entry in skipped.values()} <= FAULTS
    assert len(answered) > 20
    assert len(skipped) > 20
    lines = result.err.splitlines()
    assert all(f"Skipped {entry['path']}: {entry['reason']}" in lines for entry in document["skipped"])
    assert len(lines) == len(skipped)
    for good in ("dan-1.jpg", "ada-2.jpg"):
        assert len(answered[good]["faces"]) == 1
    if command == "identify":
        assert answered["dan-1.jpg"]["faces"][0]["member"] == "Dan"
