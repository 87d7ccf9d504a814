"""Networks compiled by OpenVINO: torch's answers, from a cache that cannot lie, without torch and without telemetry."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks.congruence import difference
from facegallery.cascade import Networks
from facegallery.compiled import Recipe, native_precision, open_network
from facegallery.crops import crop_face
from facegallery.detection import MtcnnDetector
from facegallery.domain import (
    CROP_SIZE_PX,
    Embedder,
    Face,
    ModelIdentity,
    Photo,
    Pixels,
    Precision,
    Preparation,
    Runtime,
    RuntimeChoice,
)
from facegallery.embedding import BATCH, CompiledEmbedder, TorchEmbedder
from facegallery.errors import RuntimeUnavailable, SlowerRuntime
from facegallery.gallery.networks import load_detector, load_networks
from facegallery.images import read_photo
from facegallery.mtcnn import compiled_networks, torch_networks
from facegallery.network import load_network, to_input
from facegallery.parts import head_of, mirrored, trunk_of
from facegallery.settings import bundled
from facegallery.weights.files import ModelFiles

BUNDLED = sorted(bundled("sample_group").rglob("*.jpg"))


@pytest.fixture(scope="module")
def crops() -> Pixels:
    """One crop more than two batches hold."""
    shape = (2 * BATCH + 1, CROP_SIZE_PX, CROP_SIZE_PX, 3)
    return np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)


def embedder_of(runtime: Runtime, precision: Precision = Precision.F32) -> Embedder:
    return load_networks(ModelFiles.default().find("starter"), RuntimeChoice(runtime, precision))[1]


def faces_of(path: Path) -> list[tuple[Photo, Face]]:
    photo = read_photo(path)
    return [(photo, face) for face in MtcnnDetector(torch_networks()).detect(photo.pixels)]


FACES = [each for path in BUNDLED[:8] for each in faces_of(path)]


# --- torch's answers ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both_networks() -> tuple[Networks, Networks]:
    return torch_networks(), compiled_networks()


@pytest.mark.parametrize("size", [(12, 12), (13, 40), (64, 63), (95, 128), (511, 512)], ids=str)
def test_the_first_network_answers_as_torch(size: tuple[int, int], both_networks: tuple[Networks, Networks]) -> None:
    """P-Net gives the same moves and probabilities for even and odd sides."""
    values = np.random.default_rng(0).uniform(-1, 1, (1, 3, *size)).astype(np.float32)
    for found, expected in zip(both_networks[1].first(values), both_networks[0].first(values), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("n", [1, 7, 8])
def test_the_other_networks_answer_as_torch(n: int, both_networks: tuple[Networks, Networks]) -> None:
    """R-Net and O-Net give the same for a full batch and for fewer crops than it holds."""
    expected_of, found_of = both_networks
    rng = np.random.default_rng(0)
    for side_px, expecting, finding in (
        (24, expected_of.second, found_of.second),
        (48, expected_of.third, found_of.third),
    ):
        values = rng.uniform(-1, 1, (n, 3, side_px, side_px)).astype(np.float32)
        for found, expected in zip(finding(values), expecting(values), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_same_faces_on_all_bundled_photos() -> None:
    """The compiled detector finds torch's faces on every bundled photo."""
    torchs, compileds = (load_detector(RuntimeChoice(each)) for each in (Runtime.TORCH, Runtime.OPENVINO))
    photos = [read_photo(path).pixels for path in BUNDLED]
    for path, found, expected in zip(BUNDLED, compileds.detect_many(photos), torchs.detect_many(photos), strict=True):
        assert len(found) > 0
        assert difference(found, expected).is_same, path


def test_several_threads_may_call(both_networks: tuple[Networks, Networks]) -> None:
    """Threads that call one network at the same time each get their own answer."""
    network = both_networks[1].third
    values = np.random.default_rng(0).uniform(-1, 1, (64, 1, 3, 48, 48)).astype(np.float32)
    alone = [network(each) for each in values]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(network, values))
    for ours, theirs in zip(alone, together, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n", [0, 1, 3, BATCH, 2 * BATCH + 1])
def test_embeddings_are_torchs(n: int, crops: Pixels) -> None:
    """In f32 embeddings are torch's within 1e-4, whatever their number, and of unit length."""
    expected = embedder_of(Runtime.TORCH).embed(crops[:n])
    found = embedder_of(Runtime.OPENVINO).embed(crops[:n])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("runtime", [Runtime.TORCH, Runtime.OPENVINO])
@pytest.mark.parametrize("n", [1, 9])
def test_cells_put_together_are_the_embedding(runtime: Runtime, n: int) -> None:
    """The mean of what a crop's cells say, at unit length, is the embedding of the same call; and a cell without any
    feature says the constant.
    """
    crops = np.stack([crop_face(photo, face, Preparation.BOX) for photo, face in FACES * 9])[:n]
    embedder = embedder_of(runtime)
    cells = embedder.cells(crops)
    assert cells.vectors.shape == (n, 3, 3, 512)
    assert cells.vectors.dtype == np.float32
    mean = cells.vectors.mean(axis=(1, 2))
    np.testing.assert_allclose(mean / np.linalg.norm(mean, axis=1, keepdims=True), embedder.embed(crops), atol=1e-6)
    with torch.inference_mode():
        network = load_network(bundled("starter.safetensors"), name="starter")
        features = trunk_of(network)(to_input(crops[-1:]))[0]
        for row, column in ((0, 2), (2, 1)):
            said = head_of(network)(features[None, :, row, column])[0].numpy()
            np.testing.assert_allclose(cells.vectors[-1, row, column], said, atol=5e-4 * np.abs(said).max())
        np.testing.assert_allclose(cells.constant, head_of(network)(torch.zeros(1, 1792))[0].numpy(), atol=1e-5)


def test_bf16_embeddings_are_close() -> None:
    """In bf16 the cosine with torch's embeddings is at least 0.9999 for faces, also in dark and in flat photos."""
    faces = np.stack([crop_face(photo, face, Preparation.BOX) for photo, face in FACES])
    crops = np.concatenate([faces, (faces // 4).astype(np.uint8), (faces // 4 + 150).astype(np.uint8)])
    if native_precision() is not Precision.BF16:
        pytest.skip("this processor does not compute bf16 natively")
    expected = embedder_of(Runtime.TORCH).embed(crops)
    found = embedder_of(Runtime.OPENVINO, Precision.BF16).embed(crops)
    assert (expected * found).sum(axis=1).min() >= 0.9999
    assert np.abs(expected - found).max() > 1e-5  # it was not f32 after all
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_the_parts_are_the_network() -> None:
    """Trunk and head one after the other are InceptionResnetV1, also with the first layer's weights in two terms, of
    which the first has no more bits than bf16.
    """
    weights = bundled("starter.safetensors")
    network = load_network(weights, name="starter")
    crops = to_input(np.stack([crop_face(photo, face, Preparation.BOX) for photo, face in FACES[:2]]))
    with torch.inference_mode():
        expected = network(crops).numpy()
        head = head_of(network)
        for for_bf16 in (False, True):
            trunk = trunk_of(load_network(weights, name="starter"), for_bf16=for_bf16)
            raw = head(trunk(crops).mean(dim=(2, 3)))
            np.testing.assert_allclose(torch.nn.functional.normalize(raw).numpy(), expected, atol=1e-5)
    first = next(parameter for parameter in trunk.parameters())
    assert first.shape[1] == 6
    assert torch.equal(first[:, :3], first[:, :3].to(torch.bfloat16).float())
    assert first[:, 3:].abs().max() > 0


# --- the cache ----------------------------------------------------------------------------------------------------


def tiny() -> torch.nn.Module:
    """A network that is compiled in no time."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU()).eval()


def never() -> torch.nn.Module:
    raise AssertionError("it was in the cache")


RECIPE = Recipe("tiny", "0" * 64, (1, 3, 8, 8), Precision.F32, tiny)
VALUES: NDArray[np.float32] = np.random.default_rng(1).standard_normal((1, 3, 8, 8)).astype(np.float32)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("FACEGALLERY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "networks"


def answer(recipe: Recipe) -> NDArray[np.float32]:
    (found,) = open_network(recipe)(VALUES)
    return found


def test_a_network_is_made_once(cache: Path) -> None:
    """The second opening does not ask for the torch module, and answers the same."""
    first = answer(RECIPE)
    with torch.inference_mode():
        np.testing.assert_allclose(first, tiny()(torch.from_numpy(VALUES)).numpy(), atol=1e-6)
    np.testing.assert_array_equal(answer(replace(RECIPE, module=never)), first)
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(RECIPE, fingerprint="1" * 64),
        replace(RECIPE, shape=(2, 3, 8, 8)),
        replace(RECIPE, precision=Precision.BF16),
    ],
    ids=["weights", "shape", "precision"],
)
def test_what_differs_is_another_file(other: Recipe, cache: Path) -> None:
    """Other weights, another shape or precision never take the compiled network of the first."""
    open_network(RECIPE)
    with pytest.raises(AssertionError, match="in the cache"):
        open_network(replace(other, module=never))
    open_network(other)
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("damage", ["flip", "flip the digest", "cut", "cut to nothing", "another file"])
def test_a_damaged_file_is_made_again(damage: str, cache: Path) -> None:
    """A file with any bit changed or its end missing is not used, and replaced."""
    first = answer(RECIPE)
    (path,) = cache.iterdir()
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    elif damage == "flip the digest":
        data[-20] ^= 1
    damaged = {"cut": data[:-1], "cut to nothing": bytearray(), "another file": bytearray(500)}.get(damage, data)
    path.write_bytes(damaged)
    with pytest.raises(AssertionError, match="in the cache"):
        open_network(replace(RECIPE, module=never))
    np.testing.assert_array_equal(answer(RECIPE), first)
    np.testing.assert_array_equal(answer(replace(RECIPE, module=never)), first)


def test_a_cache_that_cannot_be_written_costs_time_only(cache: Path) -> None:
    """Where the folder cannot be made, the network is compiled for this run."""
    cache.parent.parent.mkdir(exist_ok=True)
    cache.parent.write_text("a file in the folder's place")
    assert answer(RECIPE).shape == (1, 4, 6, 6)


def test_a_network_that_computes_something_else_is_refused(cache: Path) -> None:
    """What does not agree with torch is not used, and not kept for next time."""
    seeds = iter([0, 1])

    def another_each_time() -> torch.nn.Module:
        torch.manual_seed(next(seeds))
        return torch.nn.Conv2d(3, 4, 3).eval()

    with pytest.raises(RuntimeUnavailable, match="wrongly"):
        open_network(replace(RECIPE, module=another_each_time))
    assert not cache.exists()


def test_only_the_person_may_read_the_files(cache: Path) -> None:
    """Weights may be under a licence: files are made 0600."""
    open_network(RECIPE)
    assert [path.stat().st_mode & 0o777 for path in cache.iterdir()] == [0o600]


# --- the choice ---------------------------------------------------------------------------------------------------


def test_torch_in_bf16_is_refused() -> None:
    """What cannot be had is said, with the next step."""
    with pytest.raises(RuntimeUnavailable, match="--precision f32"):
        load_detector(RuntimeChoice(Runtime.TORCH, Precision.BF16))


def test_a_refused_runtime_is_replaced_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where OpenVINO is missing, auto warns and takes torch; asked for by name it is an error."""
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.warns(SlowerRuntime, match="pip install"):
        detector = load_detector()
    assert detector.detect(np.zeros((40, 40, 3), np.uint8)) == []
    with pytest.warns(SlowerRuntime) as said:
        assert isinstance(load_networks(ModelFiles.default().find("starter"))[1], TorchEmbedder)
    assert len(said) == 1
    with pytest.raises(RuntimeUnavailable, match="pip install"):
        load_detector(RuntimeChoice(Runtime.OPENVINO))
    with pytest.raises(RuntimeUnavailable, match="pip install"):
        load_networks(ModelFiles.default().find("starter"), RuntimeChoice(precision=Precision.BF16))


def test_another_file_is_refused(cache: Path) -> None:
    """A file that is not the model its fingerprint names is neither compiled nor kept."""
    with pytest.raises(Exception, match="refused as model 'starter'"):
        CompiledEmbedder.load(bundled("starter.safetensors"), ModelIdentity("starter", "0" * 64), Precision.F32)
    assert not cache.exists()


def run(script: str, *arguments: object, home: Path) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, with a home folder of its own and no network."""
    closed = "import socket\ndef no(*a, **k): raise AssertionError('network')\nsocket.socket.connect = no\n"
    return subprocess.run(
        [sys.executable, "-c", closed + script, *map(str, arguments)],
        env={**os.environ, "HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )


COMMAND = """
import sys
from facegallery.cli.app import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print("exit", end.code, file=sys.stderr)
print("loaded", sorted({"torch", "facenet_pytorch", "openvino", "requests"} & set(sys.modules)), file=sys.stderr)
try:
    import openvino_telemetry
except ImportError:
    print("telemetry cannot be loaded", file=sys.stderr)
"""


@pytest.mark.usefixtures("analyzer")  # the cache is warm
@pytest.mark.parametrize("command", ["identify", "verify", "detect", "enroll", "explain"])
def test_with_a_warm_cache_no_torch_is_imported(
    command: str, gallery_folder: Path, sample_group: Path, tmp_path: Path
) -> None:
    """The everyday commands run without torch, send nothing, and leave nothing in the home folder."""
    probe = sample_group / "probe" / "dan-1.jpg"
    arguments: dict[str, list[object]] = {
        "identify": ["identify", probe, "-g", gallery_folder],
        "verify": ["verify", probe, sample_group / "probe" / "dan-2.jpg"],
        "detect": ["detect", probe],
        "explain": ["explain", probe, "-g", gallery_folder, "-o", tmp_path / "why.html", "--json"],
        "enroll": ["enroll", "--member", "Dan", probe, "-g", gallery_folder],
    }
    home = tmp_path / "home"
    home.mkdir()
    done = run(COMMAND, *arguments[command], home=home)
    assert "exit 0" in done.stderr, done.stderr
    assert "loaded ['openvino']" in done.stderr, done.stderr
    assert "telemetry cannot be loaded" in done.stderr
    assert list(home.rglob("*")) == []


def test_compiling_sends_nothing_either(sample_group: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run on a machine, which converts and compiles, needs no network and leaves nothing but the cache."""
    monkeypatch.setenv("FACEGALLERY_CACHE", str(tmp_path / "cache"))
    home = tmp_path / "home"
    home.mkdir()
    done = run(COMMAND, "detect", "--runtime", "openvino", sample_group / "probe" / "dan-1.jpg", home=home)
    assert "exit 0" in done.stderr, done.stderr
    assert "telemetry cannot be loaded" in done.stderr
    assert list(home.rglob("*")) == []
    assert len(list((tmp_path / "cache").rglob("*.blob"))) == 3


def test_without_openvino_the_commands_run_and_say_so_once(sample_group: Path, tmp_path: Path) -> None:
    """OpenVINO missing: detect answers through torch, with one note; with --runtime openvino it is an error."""
    missing = "import sys\nsys.modules['openvino'] = None\n"
    probes = [sample_group / "probe" / "dan-1.jpg", sample_group / "probe" / "dan-2.jpg"]
    done = run(missing + COMMAND, "verify", *probes, home=tmp_path)
    assert "Same person" in done.stdout, done.stderr
    assert done.stderr.count("OpenVINO is not installed") == 1, done.stderr
    assert done.stderr.count("Note: ") == 1
    refused = run(missing + COMMAND, "detect", "--runtime", "openvino", probes[0], home=tmp_path)
    assert "exit 1" in refused.stderr
    assert "Error: OpenVINO is not installed" in refused.stderr


# --- mirror images ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", [Runtime.TORCH, Runtime.OPENVINO])
def test_a_face_and_its_mirror_image_are_one(runtime: Runtime) -> None:
    """Looked at together, a crop and its mirror image have one embedding; its cells are each other's mirror images, and
    put together they are the embedding.
    """
    _, embedder = load_networks(
        ModelFiles.default().find("starter"), RuntimeChoice(runtime, Precision.F32), Preparation.BOX_MIRRORED
    )
    crops = np.stack([crop_face(photo, face, Preparation.BOX) for photo, face in FACES[:3]])
    embedded, of_images = embedder.embed(crops), embedder.embed(np.ascontiguousarray(crops[:, :, ::-1]))
    np.testing.assert_allclose(embedded, of_images, atol=1e-4)
    plain = embedder_of(runtime).embed(crops)
    assert 0.8 < (plain * embedded).sum(axis=1).min() < 0.999  # it is not the crop alone, and not far from it
    cells, mirrored = (embedder.cells(each).vectors for each in (crops, np.ascontiguousarray(crops[:, :, ::-1])))
    np.testing.assert_allclose(cells, mirrored[:, :, ::-1], atol=2e-3)
    mean = cells.mean(axis=(1, 2))
    np.testing.assert_allclose(mean / np.linalg.norm(mean, axis=1, keepdims=True), embedded, atol=1e-5)


def test_mirrored_runtimes_agree() -> None:
    """Torch and OpenVINO say the same of crops with their mirror images; no crops are no rows."""
    crops = np.stack([crop_face(photo, face, Preparation.BOX) for photo, face in FACES[:5]])
    model = ModelFiles.default().find("starter")
    torchs, compiled = (
        load_networks(model, RuntimeChoice(runtime, Precision.F32), Preparation.LANDMARKS_MIRRORED)[1]
        for runtime in (Runtime.TORCH, Runtime.OPENVINO)
    )
    np.testing.assert_allclose(compiled.embed(crops), torchs.embed(crops), atol=1e-4)
    assert compiled.embed(crops[:0]).shape == torchs.embed(crops[:0]).shape == (0, 512)


def test_the_mirrored_network_is_the_mirrored_embedder() -> None:
    """The network in PyTorch that methods look into answers as the embedder that decided, and has the same layers; its
    layers are shared with the plain one, which is left as it was.
    """
    plain = load_network(bundled("starter.safetensors"), name="starter")
    crops = np.stack([crop_face(photo, face, Preparation.BOX) for photo, face in FACES[:2]])
    with torch.inference_mode():
        before = plain(to_input(crops))
        both = mirrored(plain)
        said = both(to_input(crops)).numpy()
        assert torch.equal(plain(to_input(crops)), before)
    _, embedder = load_networks(
        ModelFiles.default().find("starter"), RuntimeChoice(Runtime.TORCH), Preparation.BOX_MIRRORED
    )
    np.testing.assert_allclose(said, embedder.embed(crops), atol=1e-5)
    assert both.get_submodule("block8") is plain.get_submodule("block8")
    assert not both.training
