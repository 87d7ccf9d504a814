"""Which models are on this machine, and how a file from elsewhere becomes one."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from facegallery.disk import hash_file
from facegallery.domain import ModelIdentity
from facegallery.errors import ModelFileRefused, ModelFolderUnavailable, ModelNotFound
from facegallery.network import load_network
from facegallery.settings import bundled
from facegallery.weights.catalogue import CATALOGUE, STARTER, UNMEASURED_THRESHOLD, ModelSpec
from facegallery.weights.files import ModelFiles
from tests.disks import room_for
from tests.weight_files import sha256, small_weights, write

PUBLISHED = small_weights(0.01)
OTHER = small_weights(0.02)
VGGFACE2 = replace(CATALOGUE["vggface2"], sha256=sha256(PUBLISHED), n_bytes=len(PUBLISHED))
SMALL_CATALOGUE = {**CATALOGUE, "vggface2": VGGFACE2}


@pytest.fixture
def files(tmp_path: Path) -> ModelFiles:
    """An empty models folder, not yet made, and a catalogue whose vggface2 is a small file."""
    return ModelFiles(tmp_path / "data" / "models", SMALL_CATALOGUE)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return write(tmp_path / "fetched elsewhere.pt", PUBLISHED)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return write(tmp_path / "other.pt", OTHER)


def names(files: ModelFiles) -> list[str]:
    return [model.spec.name for model in files.installed()]


def kept(files: ModelFiles) -> set[str]:
    """What lies in the folder, but for the empty lock files."""
    return {path.name for path in files.folder.iterdir() if path.suffix != ".lock"}


# --- the catalogue ----------------------------------------------------------------------------------------------------


def test_the_bundled_file_is_the_one_in_the_catalogue() -> None:
    """The size and hash that are stated for starter are those of the file in the package."""
    spec = CATALOGUE[STARTER]
    path = bundled(spec.file_name)
    assert path.stat().st_size == spec.n_bytes
    assert hash_file(path) == spec.sha256


@pytest.mark.parametrize("spec", CATALOGUE.values(), ids=CATALOGUE.keys())
def test_each_model_says_what_it_means_and_how_to_get_it(spec: ModelSpec) -> None:
    """A spec is filed under its name, has a threshold with a source and a summary; only starter has no address."""
    assert CATALOGUE[spec.name] is spec
    assert 0 < spec.threshold < 1
    assert spec.threshold_source
    assert spec.summary
    if spec.url is None:
        assert spec.name == STARTER
    else:
        assert spec.url.startswith("https://")
        assert spec.url.endswith("/" + spec.file_name)


# --- what is here -----------------------------------------------------------------------------------------------------


def test_a_fresh_machine_has_the_bundled_model_and_asking_makes_nothing(files: ModelFiles) -> None:
    """Without any file fetched, starter is there, is the default and verifies; no folder is made by looking."""
    assert names(files) == [STARTER]
    assert files.default_name() == STARTER
    model = files.find(STARTER)
    assert model.bundled
    assert model.identity == ModelIdentity(STARTER, str(CATALOGUE[STARTER].sha256))
    assert [(check.name, check.ok) for check in files.verify()] == [(STARTER, True)]
    assert not files.folder.parent.exists()


def test_the_default_folder_is_the_one_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FACEGALLERY_MODELS names the folder, and the real catalogue is used."""
    monkeypatch.setenv("FACEGALLERY_MODELS", str(tmp_path / "mine"))
    files = ModelFiles.default()
    assert files.folder == tmp_path / "mine"
    assert files.catalogue is CATALOGUE


def test_a_model_that_is_not_here_is_one_error_with_two_ways_out(files: ModelFiles) -> None:
    """The message names the pull, the import, and the address to fetch from on another machine."""
    with pytest.raises(ModelNotFound) as caught:
        files.find("vggface2")
    for part in ["facegallery model pull vggface2", "facegallery model import vggface2 FILE", str(VGGFACE2.url)]:
        assert part in str(caught.value)
    assert caught.value.name == "vggface2"


@pytest.mark.parametrize("name", ["vggface", "", "../x", "STARTER", "a/b"])
def test_an_unknown_name_is_answered_with_the_known_ones(files: ModelFiles, name: str) -> None:
    """No guess: the error lists what there is, the person's own models among it."""
    with pytest.raises(ModelNotFound, match="Known: starter, vggface2, casia-webface"):
        files.find(name)


# --- import -----------------------------------------------------------------------------------------------------------


def test_an_imported_file_is_a_model_from_then_on(files: ModelFiles, published: Path) -> None:
    """The bytes are copied under the published name, the record says what, whence and when, and it is the default."""
    before = datetime.now(timezone.utc).replace(microsecond=0)
    model = files.import_file("vggface2", published)
    assert model.path.read_bytes() == PUBLISHED == published.read_bytes()
    assert (model.spec, model.bundled, model.fingerprint) == (VGGFACE2, False, sha256(PUBLISHED))
    assert kept(files) == {VGGFACE2.file_name, "vggface2.json"}
    record = json.loads((files.folder / "vggface2.json").read_text(encoding="utf-8"))
    assert before <= datetime.fromisoformat(record.pop("added_at")) <= datetime.now(timezone.utc)
    assert record == {
        "file_name": VGGFACE2.file_name,
        "sha256": sha256(PUBLISHED),
        "n_bytes": len(PUBLISHED),
        "source": str(published.resolve()),
    }
    reopened = ModelFiles(files.folder, SMALL_CATALOGUE)
    assert reopened.find("vggface2") == model
    assert names(reopened) == [STARTER, "vggface2"]
    assert reopened.default_name() == "vggface2"


def test_importing_the_same_bytes_again_does_nothing(files: ModelFiles, published: Path) -> None:
    """Neither the file nor the record is written anew."""
    first = files.import_file("vggface2", published)
    written = [path.stat().st_mtime_ns for path in (first.path, files.folder / "vggface2.json")]
    assert files.import_file("vggface2", published) == first
    assert [path.stat().st_mtime_ns for path in (first.path, files.folder / "vggface2.json")] == written


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (OTHER, f"SHA-256 {VGGFACE2.sha256}"),
        (PUBLISHED + b"x", f"{VGGFACE2.n_bytes:,} bytes"),
        (b"", f"{VGGFACE2.n_bytes:,} bytes"),
    ],
    ids=["other bytes", "longer", "empty"],
)
def test_a_catalogue_model_takes_only_its_known_bytes(
    files: ModelFiles, tmp_path: Path, data: bytes, expected: str
) -> None:
    """A file of another size or hash is refused, with the address of the right one, and leaves nothing behind."""
    with pytest.raises(ModelFileRefused) as caught:
        files.import_file("vggface2", write(tmp_path / "wrong.pt", data))
    assert str(VGGFACE2.url) in str(caught.value)
    assert caught.value.path == tmp_path / "wrong.pt"
    assert caught.value.expected == expected
    assert not files.folder.exists()


def test_weights_of_ones_own_become_a_model_of_their_own(files: ModelFiles, other: Path) -> None:
    """Under a new name any weights of the right layout are taken; the threshold says that it was not measured."""
    model = files.import_file("my.model-1", other)
    assert files.find("my.model-1") == model
    assert names(files) == [STARTER, "my.model-1"]
    assert files.default_name() == STARTER
    assert model.spec.threshold == UNMEASURED_THRESHOLD
    assert "not measured" in model.spec.threshold_source
    load_network(model.path, name="my.model-1", sha256=model.fingerprint)


def test_names_of_models_cannot_take_each_others_files(files: ModelFiles, published: Path, other: Path) -> None:
    """A name that looks like a catalogue model's file, or like another model's record, keeps files of its own."""
    vggface2 = files.import_file("vggface2", published)
    for name in ("20180402-114759-vggface2", "20180402-114759-vggface2.pt", "vggface2.json", "vggface2.weights"):
        files.import_file(name, other)
    assert vggface2.path.read_bytes() == PUBLISHED
    assert all(check.ok for check in files.verify())
    assert len(files.installed()) == 6


@pytest.mark.parametrize("name", ["", ".hidden", "../up", "a/b", "Big", "a" * 65, "gr\u00fcn", "a b", "a\n", "-x"])
def test_a_name_that_could_be_a_path_or_an_option_is_refused(files: ModelFiles, other: Path, name: str) -> None:
    """Nothing is written for it, and the error says what a name may be."""
    with pytest.raises(ModelNotFound, match="a name has 1 to 64"):
        files.import_file(name, other)
    assert not files.folder.exists()


def test_a_file_of_another_layout_is_refused_before_anything_is_written(files: ModelFiles, tmp_path: Path) -> None:
    """One's own weights must be this network's."""
    with pytest.raises(ModelFileRefused, match="expected tensors"):
        files.import_file("mine", write(tmp_path / "photo.jpg", b"\xff\xd8\xff\xe0 not weights"))
    assert not files.folder.exists()


@pytest.mark.parametrize("name", ["mine", "casia-webface"])
def test_a_model_is_never_replaced_by_other_bytes(files: ModelFiles, published: Path, other: Path, name: str) -> None:
    """What was taken first stays, also where no hash is published; the error says how to have both."""
    model = files.import_file(name, published)
    with pytest.raises(ModelFileRefused, match="under another name") as caught:
        files.import_file(name, other)
    assert str(model.path) in str(caught.value)
    assert model.path.read_bytes() == PUBLISHED
    assert files.find(name) == model
    assert all(check.ok for check in files.verify())


def test_a_model_that_came_meanwhile_is_not_replaced_at_the_last_step(files: ModelFiles, published: Path) -> None:
    """Two processes checked a file each while no model was there: the second one's is refused, not put in place."""
    model = files.import_file("mine", published)
    arriving = write(files.folder / "mine.weights.import", OTHER)
    with pytest.raises(ModelFileRefused, match="under another name"):
        files.put_in_place(model.spec, arriving, sha256=sha256(OTHER), source="elsewhere")
    assert model.path.read_bytes() == PUBLISHED


def test_starter_cannot_be_replaced(files: ModelFiles, other: Path) -> None:
    """Other bytes are refused; its own are taken for what they are, and nothing is copied."""
    with pytest.raises(ModelFileRefused, match="under a name of your own"):
        files.import_file(STARTER, other)
    assert files.import_file(STARTER, bundled("starter.safetensors")).bundled
    assert not files.folder.exists()


def test_a_broken_installation_is_mended_by_installing_again(files: ModelFiles, published: Path) -> None:
    """Where the bundled file is gone, an import does not hide that behind a copy that nobody would look for."""
    gone = replace(VGGFACE2, name=STARTER, file_name="gone.safetensors", url=None)
    broken = ModelFiles(files.folder, {STARTER: gone})
    with pytest.raises(ModelNotFound, match="install facegallery again"):
        broken.import_file(STARTER, published)
    assert not files.folder.exists()


def test_a_file_that_cannot_be_read_is_said_so(files: ModelFiles, tmp_path: Path) -> None:
    """A missing path and a folder end in the tree of errors, with the path."""
    with pytest.raises(ModelNotFound, match="nowhere"):
        files.import_file("mine", tmp_path / "nowhere.pt")
    with pytest.raises(ModelFileRefused, match="readable file"):
        files.import_file("mine", tmp_path)


def test_a_file_that_lies_in_the_folder_already_can_be_imported(files: ModelFiles) -> None:
    """Somebody who copies the file there by hand has no model yet, and gets one by importing it in place."""
    files.folder.mkdir(parents=True)
    by_hand = write(files.folder / VGGFACE2.file_name, PUBLISHED)
    assert names(files) == [STARTER]
    assert files.import_file("vggface2", by_hand).path == by_hand
    assert by_hand.read_bytes() == PUBLISHED


# --- verify, damage and repair ----------------------------------------------------------------------------------------


def test_one_flipped_bit_is_found_and_mended(files: ModelFiles, published: Path, other: Path) -> None:
    """The check names the damaged file alone; the loader refuses it; importing the right bytes again repairs it."""
    model = files.import_file("vggface2", published)
    files.import_file("mine", other)
    damaged = bytearray(PUBLISHED)
    damaged[len(damaged) // 2] ^= 1
    model.path.write_bytes(damaged)

    assert {check.name: check.ok for check in files.verify()} == {STARTER: True, "vggface2": False, "mine": True}
    detail = next(check.detail for check in files.verify() if not check.ok)
    assert sha256(bytes(damaged)) in detail
    assert "facegallery model pull vggface2" in detail
    with pytest.raises(ModelFileRefused):
        load_network(model.path, name="vggface2", sha256=model.fingerprint)

    files.import_file("vggface2", published)
    assert all(check.ok for check in files.verify())


def test_a_removed_file_is_no_model_and_is_reported(files: ModelFiles, published: Path, other: Path) -> None:
    """Its record alone does not make it one; other bytes may then take the name."""
    files.import_file("mine", published).path.unlink()
    assert names(files) == [STARTER]
    with pytest.raises(ModelNotFound, match="facegallery model import mine FILE"):
        files.find("mine")
    check = files.verify()[-1]
    assert (check.name, check.ok) == ("mine", False)
    assert "gone" in check.detail
    assert files.import_file("mine", other).fingerprint == sha256(OTHER)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"sha256": 1}', "\udc00", '{"file_name": "x"}'])
def test_a_damaged_record_is_reported_and_mended(files: ModelFiles, published: Path, text: str) -> None:
    """It never stops the other models from being listed; importing the file again writes it anew."""
    files.import_file("vggface2", published)
    record = files.folder / "vggface2.json"
    record.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert names(files) == [STARTER]
    check = files.verify()[-1]
    assert (check.name, check.ok) == ("vggface2", False)
    assert "record" in check.detail
    files.import_file("vggface2", published)
    assert files.verify()[-1].ok


@pytest.mark.parametrize("digest", [7, "", "ABC", "0" * 63, "0" * 65])
def test_a_record_without_a_proper_hash_pins_nothing(files: ModelFiles, published: Path, digest: object) -> None:
    """A record whose hash is none is a damaged one."""
    files.import_file("mine", published)
    record = files.folder / "mine.json"
    record.write_text(json.dumps({**json.loads(record.read_text(encoding="utf-8")), "sha256": digest}), "utf-8")
    assert names(files) == [STARTER]
    assert not files.verify()[-1].ok


def test_the_programs_own_knowledge_beats_the_record(files: ModelFiles, published: Path) -> None:
    """Who swaps both the file and its record for other bytes is found out where the hash is in the catalogue."""
    model = files.import_file("vggface2", published)
    model.path.write_bytes(OTHER)
    record = files.folder / "vggface2.json"
    record.write_text(record.read_text(encoding="utf-8").replace(sha256(PUBLISHED), sha256(OTHER)), encoding="utf-8")
    assert files.find("vggface2").fingerprint == sha256(PUBLISHED)
    assert not files.verify()[-1].ok


# --- the folder -------------------------------------------------------------------------------------------------------


def test_a_models_folder_that_is_none_is_one_clear_error(tmp_path: Path, published: Path) -> None:
    """A file where the folder should be: looking and importing both say so, with the path."""
    files = ModelFiles(write(tmp_path / "models", b""), SMALL_CATALOGUE)
    with pytest.raises(ModelFolderUnavailable, match="models"):
        files.installed()
    with pytest.raises(ModelFolderUnavailable, match="models"):
        files.import_file("vggface2", published)


def test_a_full_disk_leaves_no_half_model(files: ModelFiles, published: Path) -> None:
    """The copy that found no room is removed; with room the same call succeeds."""
    with room_for(len(PUBLISHED) // 2), pytest.raises(ModelFolderUnavailable, match="too large"):
        files.import_file("vggface2", published)
    assert kept(files) == set()
    assert names(files) == [STARTER]
    files.import_file("vggface2", published)
    assert files.verify()[-1].ok


def test_no_room_for_the_record_means_no_model(files: ModelFiles, published: Path) -> None:
    """A file that was put in place without its record is not taken for a model; the next import completes it."""
    (files.folder / "vggface2.tmp").mkdir(parents=True)  # where the record would be written first
    with pytest.raises(ModelFolderUnavailable):
        files.import_file("vggface2", published)
    assert names(files) == [STARTER]
    (files.folder / "vggface2.tmp").rmdir()
    files.import_file("vggface2", published)
    assert files.verify()[-1].ok


def test_one_process_at_a_time_places_a_model(files: ModelFiles, published: Path, other: Path) -> None:
    """While one holds the place another is told so at once; other models are not held up; afterwards it goes on."""
    with files.exclusively(VGGFACE2):
        with pytest.raises(ModelFolderUnavailable, match="another process is placing model 'vggface2'"):
            ModelFiles(files.folder, SMALL_CATALOGUE).import_file("vggface2", published)
        files.import_file("mine", other)
    files.import_file("vggface2", published)
    assert names(files) == [STARTER, "vggface2", "mine"]


def test_listing_models_costs_no_torch_and_no_network_library() -> None:
    """A command that lists or verifies models, or picks the default one, stays quick."""
    code = (
        "import sys, facegallery.weights.download\n"
        "from facegallery.weights.files import ModelFiles\n"
        "files = ModelFiles.default(); files.installed(); files.default_name()\n"
        "assert not {'torch', 'numpy', 'requests', 'safetensors'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
