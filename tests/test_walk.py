"""Promises about finding photos: the files that are meant, each once, in an order that a person expects."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from facegallery.domain import SkippedPhoto
from facegallery.errors import PhotoError, PhotoFault
from facegallery.text import natural_key
from facegallery.walk import find_photos, loose_photos, member_folders


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(root: Path, *inputs: Path) -> list[str]:
    """What is found below ``root``, as relative names; whatever is skipped fails the test."""
    paths = list(find_photos(inputs or [root]))
    assert not [path for path in paths if isinstance(path, SkippedPhoto)]
    return [str(path.relative_to(root)) for path in paths if isinstance(path, Path)]


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Permissions count, also when the tests are run by root."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


# --- order --------------------------------------------------------------------------------------------------------


def test_a_folder_is_walked_in_natural_order(tmp_path: Path) -> None:
    """Photos before folders, numbers by value, case aside, all suffixes of photos in any case and no others."""
    touch(
        tmp_path,
        "10.jpg",
        "2.JPG",
        "b/1.png",
        "B2/1.webp",
        "a/x.heic",
        "a/deep/er/1.tiff",
        "Z.jpeg",
        "notes.txt",
        "jpg",
    )
    touch(tmp_path, "y.gif", "x.bmp", "w.avif", "album.jpg/3.jpg")
    assert found(tmp_path) == [
        *("2.JPG", "10.jpg", "w.avif", "x.bmp", "y.gif", "Z.jpeg"),
        *("a/x.heic", "a/deep/er/1.tiff", "album.jpg/3.jpg", "b/1.png", "B2/1.webp"),
    ]


def test_inputs_are_taken_in_the_order_given(tmp_path: Path) -> None:
    """The person's order of arguments is kept; only what is inside a folder is sorted."""
    touch(tmp_path, "b/1.jpg", "a/1.jpg", "c.jpg")
    assert found(tmp_path, tmp_path / "c.jpg", tmp_path / "b", tmp_path / "a") == ["c.jpg", "b/1.jpg", "a/1.jpg"]


names = st.text(st.sampled_from("aA01²é\u0301\udc80"), max_size=3)


@given(a=names, b=names, c=names)
@example("a", "A", "b")
@example("e\u0301", "\u00e9", "")
@example("01", "1", "2")
def test_natural_order_is_an_order(a: str, b: str, c: str) -> None:
    """Any names compare, only equal names tie, and the order does not go round in circles."""
    assert (natural_key(a) == natural_key(b)) == (a == b)
    assert (natural_key(a) < natural_key(b)) != (natural_key(b) < natural_key(a)) or a == b
    if natural_key(a) < natural_key(b) < natural_key(c):
        assert natural_key(a) < natural_key(c)


@given(prefix=st.sampled_from(["IMG_", "", "é"]), low=st.integers(0, 10**30), high=st.integers(0, 10**30))
def test_numbers_in_names_are_compared_by_value(prefix: str, low: int, high: int) -> None:
    """IMG_9 comes before IMG_10, however long the numbers are."""
    assert (natural_key(f"{prefix}{low}.jpg") < natural_key(f"{prefix}{high}.jpg")) == (low < high)


# --- what is meant ------------------------------------------------------------------------------------------------


def test_a_file_named_outright_is_taken_whatever_its_name(tmp_path: Path) -> None:
    """A suffix or a leading dot decides only about what was not named."""
    touch(tmp_path, "scan", "photo.backup", ".hidden.jpg")
    inputs = [tmp_path / "scan", tmp_path / "photo.backup", tmp_path / ".hidden.jpg"]
    assert list(find_photos(inputs)) == inputs


def test_hidden_and_system_names_are_passed_over(tmp_path: Path) -> None:
    """Thumbnails, resource forks and deleted photos are no photos of the group; a hidden folder named outright is."""
    touch(
        tmp_path, "1.jpg", "._1.jpg", ".DS_Store", ".thumbnails/1.jpg", "@eaDir/1.jpg/SYNO_XL.jpg", "__MACOSX/._1.jpg"
    )
    touch(tmp_path, "$RECYCLE.BIN/2.jpg", "#recycle/3.jpg")
    assert found(tmp_path) == ["1.jpg"]
    assert found(tmp_path, tmp_path / ".thumbnails") == [".thumbnails/1.jpg"]


def test_unusual_names_are_found(tmp_path: Path) -> None:
    """Any script, newlines, quotes and bytes that are no UTF-8 pass through unchanged."""
    unusual = ["Zoë.jpg", "写真/一.jpg", "a\nb.jpg", 'it\'s "x".jpg', "\u202egpj.jpg", "x" * 251 + ".jpg"]
    if os.fsencode("\udcff") == b"\xff" and os.uname().sysname == "Linux":
        unusual.append("\udcff.jpg")
    touch(tmp_path, *unusual)
    assert sorted(found(tmp_path)) == sorted(unusual)


def test_paths_may_be_long_and_deep(tmp_path: Path) -> None:
    """Beyond 260 characters, and deeper than Python's recursion limit."""
    folder = tmp_path.joinpath(*["long name of a folder " * 5] * 8)
    touch(folder, "1.jpg")
    assert len(str(folder)) > 900
    assert found(tmp_path) == [str((folder / "1.jpg").relative_to(tmp_path))]
    nested = [tmp_path / "deep"]
    for _ in range(1000):
        nested.append(nested[-1] / "d")
    try:
        for level in nested:
            level.mkdir()
        touch(tmp_path / "deep", "1.jpg")
        (tmp_path / "deep" / "1.jpg").rename(nested[-1] / "1.jpg")
        assert list(find_photos([tmp_path / "deep"])) == [nested[-1] / "1.jpg"]
    finally:  # what removes tmp_path is recursive itself
        (nested[-1] / "1.jpg").unlink(missing_ok=True)
        for level in reversed(nested):
            level.rmdir()


def test_what_is_missing_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    """A missing input, a dead link, an impossible name and a path through a file: reported in place, never raised."""
    touch(tmp_path, "1.jpg")
    (tmp_path / "dead").symlink_to(tmp_path / "unplugged drive")
    inputs = ["none", "dead", "n\0ll", "1.jpg/x", "x" * 300, "1.jpg"]
    *skipped, last = find_photos(tmp_path / name for name in inputs)
    assert last == tmp_path / "1.jpg"
    codes = []
    for entry, name in zip(skipped, inputs, strict=False):
        assert isinstance(entry, SkippedPhoto)
        assert entry.path == tmp_path / name
        assert entry.reason
        assert "\n" not in entry.reason
        codes.append(entry.code)
    assert codes == ["missing", "missing", "not_readable", "missing", "not_readable"]
    assert {entry.reason for entry in skipped if isinstance(entry, SkippedPhoto)} >= {
        "there is no such file or folder",
        "the link points to nothing",
    }


def test_a_dead_link_inside_a_folder_is_not_lost(tmp_path: Path) -> None:
    """A dead link to a photo is yielded, so that reading it says why; one to a folder is reported here."""
    (tmp_path / "1.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "2024").symlink_to(tmp_path / "unplugged drive")
    photo, folder = find_photos([tmp_path])
    assert photo == tmp_path / "1.jpg"
    assert folder == SkippedPhoto(tmp_path / "2024", PhotoFault.MISSING.value, "the link points to nothing")


def test_a_folder_without_permission_is_reported() -> None:
    """A folder that may not be looked into is one skipped entry; its neighbours are walked."""
    with tempfile.TemporaryDirectory() as name:  # tmp_path lies in a folder that only its owner may enter
        root = Path(name)
        touch(root, "a/1.jpg", "locked/1.jpg", "z/1.jpg")
        root.chmod(0o755)
        (root / "locked").chmod(0)
        with unprivileged():
            walked = list(find_photos([root]))
            named = list(find_photos([root / "locked" / "1.jpg"]))
            with pytest.raises(PhotoError, match="no permission"):
                member_folders(root / "locked")
        (root / "locked").chmod(0o755)
        reason = "there is no permission to look into it"
        assert walked == [root / "a/1.jpg", SkippedPhoto(root / "locked", "not_readable", reason), root / "z/1.jpg"]
        assert named == [SkippedPhoto(root / "locked/1.jpg", "not_readable", reason)]


def test_a_folder_that_may_only_be_listed_is_no_crash() -> None:
    """Names can be seen but nothing behind them: photos are yielded for reading to say why, folders reported."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        touch(root, "listed/1.jpg", "listed/sub/2.jpg")
        (root / "listed" / "3.jpg").symlink_to(root / "listed" / "1.jpg")
        root.chmod(0o755)
        (root / "listed").chmod(0o744)
        with unprivileged():
            walked = list(find_photos([root]))
        (root / "listed").chmod(0o755)
        skipped = SkippedPhoto(root / "listed/sub", "not_readable", "there is no permission to look into it")
        assert walked == [root / "listed/1.jpg", root / "listed/3.jpg", skipped]


# --- links --------------------------------------------------------------------------------------------------------


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    """Photos behind links are found under the name by which they were reached."""
    touch(tmp_path, "elsewhere/a/1.jpg", "elsewhere/2.jpg", "album/3.jpg")
    (tmp_path / "album" / "linked").symlink_to(tmp_path / "elsewhere" / "a")
    (tmp_path / "album" / "4.jpg").symlink_to(tmp_path / "elsewhere" / "2.jpg")
    assert found(tmp_path, tmp_path / "album") == ["album/3.jpg", "album/4.jpg", "album/linked/1.jpg"]


def test_loops_of_links_end(tmp_path: Path) -> None:
    """A link to its own folder, to one above, a pair that point at each other, and one at itself: each photo once."""
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "a" / "self").symlink_to(".")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "other").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "other").symlink_to(tmp_path / "a")
    assert found(tmp_path) == ["a/1.jpg", "a/other/2.jpg"]
    (tmp_path / "b" / "me.jpg").symlink_to(tmp_path / "b" / "me.jpg")
    assert found(tmp_path, tmp_path / "b") == ["b/2.jpg", "b/me.jpg", "b/other/1.jpg"]


def test_a_link_up_does_not_bring_in_the_photos_of_others(tmp_path: Path) -> None:
    """From one member's folder, a link to the folder of all members leads nowhere new."""
    touch(tmp_path, "Ada/1.jpg", "Bea/2.jpg")
    (tmp_path / "Ada" / "all").symlink_to(tmp_path)
    assert found(tmp_path, tmp_path / "Ada") == ["Ada/1.jpg"]
    assert found(tmp_path, tmp_path / "Ada", tmp_path) == ["Ada/1.jpg", "Bea/2.jpg"]


def test_a_file_is_yielded_once(tmp_path: Path) -> None:
    """Named twice, reached by a link, or inside a folder that is named as well: once, by the first way."""
    touch(tmp_path, "a/1.jpg", "a/2.jpg")
    (tmp_path / "a" / "3.jpg").symlink_to(tmp_path / "a" / "1.jpg")
    (tmp_path / "again").symlink_to(tmp_path / "a")
    inputs = [tmp_path / "a" / "2.jpg", tmp_path / "a" / ".." / "a", tmp_path / "again", tmp_path / "a" / "1.jpg"]
    assert [path.name for path in find_photos(inputs) if isinstance(path, Path)] == ["2.jpg", "1.jpg"]


def test_hard_links_are_files_of_their_own(tmp_path: Path) -> None:
    """Programs that save space by hard links make copies that a person still counts as files."""
    touch(tmp_path, "1.jpg")
    (tmp_path / "2.jpg").hardlink_to(tmp_path / "1.jpg")
    assert found(tmp_path) == ["1.jpg", "2.jpg"]


# --- an enrollment folder -----------------------------------------------------------------------------------------


def test_each_folder_is_a_member_and_loose_photos_are_told(tmp_path: Path) -> None:
    """Direct sub-folders in natural order are members, links too; photos beside them belong to nobody."""
    touch(tmp_path, "Bob/1.jpg", "ada 10/x/1.jpg", "Ada 2/1.jpg", ".git/1.jpg", "@eaDir/1.jpg", "notes.txt")
    touch(tmp_path, "10.jpg", "9.PNG", ".hidden.jpg")
    (tmp_path / "Cyd").symlink_to(tmp_path / "Bob")
    (tmp_path / "J. Smith").symlink_to(tmp_path / "unplugged drive")
    (tmp_path / "album.jpg").mkdir()
    assert member_folders(tmp_path) == [
        (name, tmp_path / name) for name in ("Ada 2", "ada 10", "album.jpg", "Bob", "Cyd", "J. Smith")
    ]
    assert loose_photos(tmp_path) == [tmp_path / "9.PNG", tmp_path / "10.jpg"]


@pytest.mark.parametrize("name", ["Zo\u00eb", "Zoe\u0308"])
def test_a_members_name_is_in_one_unicode_form(tmp_path: Path, name: str) -> None:
    """A folder named on a Mac (NFD) and one named elsewhere (NFC) are the same member; the path stays as it is."""
    (tmp_path / name).mkdir()
    assert member_folders(tmp_path) == [("Zo\u00eb", tmp_path / name)]


@pytest.mark.parametrize("look", [member_folders, loose_photos])
def test_an_enrollment_folder_that_is_none_is_named(tmp_path: Path, look: object) -> None:
    """A missing folder, or a file in its place, is one clear error."""
    assert callable(look)
    touch(tmp_path, "file")
    for name in ("none", "file"):
        with pytest.raises(PhotoError, match="no such") as caught:
            look(tmp_path / name)
        assert caught.value.fault is PhotoFault.MISSING
        assert caught.value.path == tmp_path / name
