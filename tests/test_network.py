"""Loading InceptionResnetV1 from files that may be anything, and what goes into it."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from facenet_pytorch.models.inception_resnet_v1 import InceptionResnetV1
from facenet_pytorch.models.mtcnn import fixed_image_standardization
from safetensors.torch import save_file

from facegallery.errors import ModelFileRefused, ModelNotFound
from facegallery.network import LAYERS, MAX_FILE_BYTES, load_network, to_input
from facegallery.settings import bundled
from tests.weight_files import small_state, small_weights, write

N_VGGFACE2_CLASSES = 8631
KEY = "block8.conv2d.weight"


@pytest.fixture(scope="module")
def reference() -> torch.nn.Module:
    """The class as facenet-pytorch makes it, with a classifier and with statistics that are not those of a new one."""
    generator = torch.Generator().manual_seed(0)
    network: torch.nn.Module = InceptionResnetV1(pretrained=None, classify=True, num_classes=N_VGGFACE2_CLASSES)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif tensor.is_floating_point():
            tensor.normal_(0, 0.05, generator=generator)
    return network.eval()


@pytest.fixture(scope="module")
def crops() -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (2, 160, 160, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def starter() -> torch.nn.Module:
    return load_network(bundled("starter.safetensors"), name="starter")


def save_legacy(state: dict[str, torch.Tensor], path: Path) -> None:
    """As PyTorch wrote files when the published weights were made."""
    torch.save(state, path, _use_new_zipfile_serialization=False)


def save_half(state: dict[str, torch.Tensor], path: Path) -> None:
    """As the bundled file is kept: matrices in float16."""
    save_file({key: value.half() if value.ndim > 1 else value for key, value in state.items()}, path)


@pytest.mark.parametrize(("save", "tolerance"), [(save_legacy, 0.0), (torch.save, 0.0), (save_half, 1e-3)])
def test_a_published_layout_gives_the_embeddings_of_facenet_pytorch_itself(
    save: Callable[[Any, Path], None],
    tolerance: float,
    reference: torch.nn.Module,
    crops: np.ndarray[Any, np.dtype[np.uint8]],
    tmp_path: Path,
) -> None:
    """A file with vggface2's keys, classifier included, in each format: same embedding as the class loaded directly."""
    save(reference.state_dict(), tmp_path / "weights")
    network = load_network(tmp_path / "weights", name="vggface2")
    with torch.inference_mode():
        ours = network(to_input(crops))
        setattr(reference, "classify", False)  # noqa: B010 - the class takes it as a plain attribute, unknown to mypy
        theirs = reference(to_input(crops))
    assert ours.shape == (2, 512)
    assert float((ours - theirs).abs().max()) <= tolerance


def test_the_network_is_ready_to_embed_and_to_be_explained(starter: torch.nn.Module) -> None:
    """Eval mode, float32 on the CPU, no parameter gathers a gradient, but one with respect to the input can be had."""
    assert not any(module.training for module in starter.modules())
    assert not any(parameter.requires_grad for parameter in starter.parameters())
    for tensor in starter.state_dict().values():
        assert tensor.device.type == "cpu"
        assert tensor.dtype in (torch.float32, torch.int64)
    probe = to_input(np.full((1, 160, 160, 3), 90, dtype=np.uint8)).requires_grad_()
    starter(probe)[0, 0].backward()
    assert probe.grad is not None
    assert bool(probe.grad.any())


def test_embeddings_have_unit_length(starter: torch.nn.Module, crops: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    """Each row of the bundled model's output has length 1."""
    with torch.inference_mode():
        lengths = starter(to_input(crops)).norm(dim=1)
    assert torch.allclose(lengths, torch.ones(2), atol=1e-5)


def test_the_layers_have_the_sides_that_are_stated(starter: torch.nn.Module) -> None:
    """Each name in LAYERS is a layer of the network whose map has that side for a crop of 160 px."""
    sides: dict[str, tuple[int, int]] = {}

    def hook_of(name: str) -> Callable[[torch.nn.Module, Any, torch.Tensor], None]:
        return lambda _module, _inputs, output: sides.update({name: (output.shape[2], output.shape[3])})

    hooks = [starter.get_submodule(name).register_forward_hook(hook_of(name)) for name in LAYERS]
    with torch.inference_mode():
        starter(to_input(np.zeros((1, 160, 160, 3), dtype=np.uint8)))
    for hook in hooks:
        hook.remove()
    assert sides == {name: (side, side) for name, side in LAYERS.items()}


def test_crops_become_what_facenet_pytorch_feeds_its_network(crops: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    """Same numbers as its fixed_image_standardization, channel before row before column."""
    tensor = to_input(crops)
    assert tensor.shape == (2, 3, 160, 160)
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    for y, x, channel in [(0, 0, 0), (5, 150, 1), (159, 3, 2)]:
        expected = fixed_image_standardization(torch.tensor(float(crops[1, y, x, channel])))
        assert tensor[1, channel, y, x] == expected


def test_crops_are_left_alone_and_may_be_read_only_or_none_at_all() -> None:
    """A read-only array, as Pillow gives, is taken without a warning; the tensor is a copy; n may be 0."""
    crops = np.zeros((1, 160, 160, 3), dtype=np.uint8)
    crops.setflags(write=False)
    to_input(crops).fill_(1)
    assert not crops.any()
    assert to_input(crops[:0]).shape == (0, 3, 160, 160)


@pytest.mark.parametrize(
    "crops",
    [
        np.zeros((1, 160, 160, 3), dtype=np.float32),
        np.zeros((160, 160, 3), dtype=np.uint8),
        np.zeros((1, 3, 160, 160), dtype=np.uint8),
    ],
    ids=["float", "one", "channels first"],
)
def test_what_is_no_batch_of_crops_is_refused(crops: Any) -> None:
    """A wrong type or order of axes is an error, not a worthless embedding."""
    with pytest.raises(ValueError, match="uint8"):
        to_input(crops)


def without(key: str) -> dict[str, Any]:
    state = small_state()
    del state[key]
    return state


REFUSED_STATES: dict[str, tuple[Callable[[], Any], str]] = {
    "missing": (lambda: without(KEY), f"1 missing: {KEY}"),
    "unexpected": (lambda: small_state() | {"extra.weight": torch.zeros(1)}, "1 unexpected: 'extra.weight'"),
    "nearly a classifier": (lambda: small_state() | {"logits": torch.zeros(1)}, "1 unexpected: 'logits'"),
    "a classifier elsewhere": (lambda: small_state() | {"my.logits.weight": torch.zeros(1)}, "1 unexpected"),
    "of another shape": (lambda: small_state() | {KEY: torch.zeros(3)}, f"1 of another shape: {KEY}"),
    "of an absurd shape": (lambda: small_state() | {KEY: torch.zeros(1).expand(2**40)}, f"1 of another shape: {KEY}"),
    "transposed": (lambda: small_state() | {"last_linear.weight": torch.zeros(1792, 512)}, "1 of another shape"),
    "of another type": (lambda: small_state() | {KEY: small_state()[KEY].to(torch.int8)}, "1 of another type"),
    "a count that is none": (
        lambda: small_state() | {"last_bn.num_batches_tracked": torch.tensor(0.5)},
        "1 of another type",
    ),
    "not a number": (lambda: small_state(float("nan")), "values that are not finite"),
    "infinite": (lambda: small_state() | {"last_bn.bias": torch.full((512,), float("inf"))}, "1 with values"),
    "too wide for float32": (
        lambda: small_state() | {"last_bn.bias": torch.full((512,), 1e300, dtype=torch.float64)},
        "1 with values",
    ),
    "no tensor": (lambda: small_state() | {KEY: [0.5]}, f"1 that are not plain tensors: {KEY}"),
    "sparse": (lambda: small_state() | {KEY: small_state()[KEY].to_sparse()}, "1 that are not plain tensors"),
    "without data": (lambda: small_state() | {KEY: small_state()[KEY].to("meta")}, "1 that are not plain tensors"),
    "a list": (lambda: [torch.zeros(1)], "no state dict (type list)"),
    "a list of strings": (lambda: ["block8"], "no state dict (type list)"),
    "a number": (lambda: 5, "no state dict (type int)"),
    "keyed by numbers": (lambda: small_state() | {1: torch.zeros(1)}, "no state dict (type dict)"),
    "wrapped": (lambda: {"state_dict": small_state()}, "missing"),
    "nothing": (dict, "missing"),
}


@pytest.mark.parametrize(("make", "found"), REFUSED_STATES.values(), ids=REFUSED_STATES.keys())
def test_another_layout_is_refused_and_named(make: Callable[[], Any], found: str, tmp_path: Path) -> None:
    """What differs from InceptionResnetV1's tensors is refused, and the error says what differs."""
    path = tmp_path / "weights.pt"
    torch.save(make(), path)
    with pytest.raises(ModelFileRefused) as caught:
        load_network(path, name="mine")
    assert found in caught.value.actual
    assert (caught.value.name, caught.value.path) == ("mine", path)
    assert str(path) in str(caught.value)
    assert "Give a file of InceptionResnetV1 weights" in str(caught.value)


def test_wider_floats_are_narrowed(tmp_path: Path) -> None:
    """A float64 tensor within float32's range is taken."""
    torch.save(small_state() | {"last_bn.bias": torch.full((512,), 0.5, dtype=torch.float64)}, tmp_path / "weights")
    network = load_network(tmp_path / "weights", name="mine")
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def safetensors_of(shape: list[int], n_bytes: int) -> bytes:
    """A file whose head claims a tensor of some shape and size, with four bytes behind it."""
    head = json.dumps({KEY: {"dtype": "F32", "shape": shape, "data_offsets": [0, n_bytes]}}).encode()
    return len(head).to_bytes(8, "little") + head + bytes(4)


def legacy_of(count: bytes) -> bytes:
    """A file of the old ``torch.save`` whose only storage claims another number of elements, a pickle's integer."""
    buffer = io.BytesIO()
    torch.save({KEY: torch.zeros(7)}, buffer, _use_new_zipfile_serialization=False)
    assert buffer.getvalue().count(b"K\x07N") == 1
    return buffer.getvalue().replace(b"K\x07N", count + b"N")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not weights",
        small_weights()[:-1000],
        b'\x10\x00\x00\x00\x00\x00\x00\x00{"__metadata__"',
        b"\xff\xff\xff\xff\xff\xff\xff\x7f{}",
        b"PK\x03\x04" + bytes(100),
        pickle.dumps({"a": 1}),
        b"<!DOCTYPE html><html><body>Sign in</body></html>",
        safetensors_of([2**40], 2**42),
        safetensors_of([2**40, 2**40], 4),
        safetensors_of([-1], 4),
        safetensors_of([2**20], 4),
        legacy_of(b"\x8a\x06\x00\x00\x00\x00\x00\x40"),
        legacy_of(b"J\xff\xff\xff\xff"),
    ],
    ids=[
        "empty",
        "text",
        "cut zip",
        "cut safetensors",
        "absurd length",
        "zip of zeros",
        "pickle",
        "login page",
        "absurd shape",
        "shape beyond any integer",
        "negative shape",
        "shape without its bytes",
        "absurd storage",
        "negative storage",
    ],
)
def test_what_is_no_weight_file_is_refused(data: bytes, tmp_path: Path) -> None:
    """Bytes of no known format end in one kind of error, whatever the parsers make of them."""
    with pytest.raises(ModelFileRefused, match="expected"):
        load_network(write(tmp_path / "weights.pt", data), name="mine")


def repacked(method: int, *, copies: int = 0) -> bytes:
    """A sound file with its entries compressed or not, and some entries again under other names at the same place."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(small_weights())) as old, zipfile.ZipFile(buffer, "w", method) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        for number in range(copies):
            new.filelist.append(renamed(new.infolist()[0], f"archive/data/more-{number}"))
    return buffer.getvalue()


def renamed(info: zipfile.ZipInfo, name: str) -> zipfile.ZipInfo:
    changed = copy.copy(info)
    changed.filename = name
    return changed


@pytest.mark.parametrize(
    "data",
    [
        repacked(zipfile.ZIP_DEFLATED),
        repacked(zipfile.ZIP_STORED, copies=5),
        repacked(zipfile.ZIP_STORED, copies=20_000),
    ],
    ids=["compressed", "shared bytes", "too many"],
)
def test_a_weight_file_that_grows_is_refused(data: bytes, tmp_path: Path) -> None:
    """A file of a megabyte would else be unpacked to gigabytes before anything looks at a shape."""
    with pytest.raises(ModelFileRefused, match="BadZipFile"):
        load_network(write(tmp_path / "weights.pt", data), name="mine")
    load_network(write(tmp_path / "sound.pt", repacked(zipfile.ZIP_STORED)), name="mine")  # the control


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (self.folder,)


def zipped(trap: Trap) -> bytes:
    buffer = io.BytesIO()
    torch.save(small_state() | {KEY: trap}, buffer)
    return buffer.getvalue()


def legacy(trap: Trap) -> bytes:
    buffer = io.BytesIO()
    torch.save(small_state() | {KEY: trap}, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


@pytest.mark.parametrize("pack", [zipped, legacy, pickle.dumps])
def test_code_in_a_weight_file_is_not_run(pack: Callable[[Trap], bytes], tmp_path: Path) -> None:
    """A pickle that would do something is refused, and has not done it; the same bytes, loaded trustingly, do."""
    sprung = tmp_path / "sprung"
    data = pack(Trap(sprung))
    with pytest.raises(ModelFileRefused):
        load_network(write(tmp_path / "weights.pt", data), name="mine")
    assert not sprung.exists()
    if pack is pickle.dumps:
        pickle.loads(data)  # noqa: S301 - the control: this trap works
    else:
        torch.load(io.BytesIO(data), weights_only=False)
    assert sprung.exists()


def test_the_bytes_that_are_hashed_are_the_bytes_that_are_loaded(tmp_path: Path) -> None:
    """A matching hash is taken, another one refused with both hashes in the error."""
    data = small_weights()
    path = write(tmp_path / "weights.pt", data)
    load_network(path, name="mine", sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(ModelFileRefused) as caught:
        load_network(path, name="mine", sha256="0" * 64)
    assert caught.value.expected == f"SHA-256 {'0' * 64}"
    assert caught.value.actual == hashlib.sha256(data).hexdigest()


def test_a_file_that_is_not_there_or_no_file_is_said_so(tmp_path: Path) -> None:
    """A missing path is ModelNotFound; a folder is refused; neither is a bare OSError."""
    with pytest.raises(ModelNotFound, match="nowhere"):
        load_network(tmp_path / "nowhere.pt", name="mine")
    with pytest.raises(ModelFileRefused, match="readable file"):
        load_network(tmp_path, name="mine")


def test_a_file_much_larger_than_this_network_is_not_read(tmp_path: Path) -> None:
    """Past the limit the size alone decides (the file here has no blocks on the disk)."""
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(ModelFileRefused, match="at most"):
        load_network(tmp_path / "huge", name="mine")


@pytest.mark.parametrize("data", [small_weights(), b"not weights"], ids=["taken", "refused"])
def test_loading_leaves_torch_with_the_threads_of_the_settings(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked for a network has that thread count afterwards, whatever it was before or became of the file."""
    before = torch.get_num_threads()
    monkeypatch.setenv("FACEGALLERY_THREADS", "3")
    try:
        with suppress(ModelFileRefused):
            load_network(write(tmp_path / "weights.pt", data), name="mine")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_the_layer_names_cost_no_torch() -> None:
    """A command line can list the layers without loading torch."""
    code = "import sys, facegallery.network as n; assert n.LAYERS; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
