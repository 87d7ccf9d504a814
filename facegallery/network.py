"""InceptionResnetV1: the one place that knows facenet-pytorch's class and the files its weights come in.

torch is imported inside the functions, so that the names below cost nothing to a caller that only lists them.
"""

from __future__ import annotations

import hashlib
import io
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facegallery.errors import ModelFileRefused, ModelNotFound
from facegallery.threads import limit_torch

if TYPE_CHECKING:
    import torch

    from facegallery.domain import Pixels

LAYERS = {"block8": 3, "repeat_2": 8, "repeat_1": 17}
"""Layers that an explanation may look at, and the side of their square map for a crop of 160 px."""

MAX_FILE_BYTES = 1 << 30
"""Ten times the published files: a larger one is not this network, and is not read into memory."""

MAX_FILE_ENTRIES = 10_000
"""Ten times the network's tensors, each of which is an entry in a file of ``torch.save``."""

_ADVICE = "Give a file of InceptionResnetV1 weights (a state dict), as facenet-pytorch publishes them."
_N_NAMES_SHOWN = 3


def load_network(path: Path, *, name: str, sha256: str | None = None) -> torch.nn.Module:
    """Load weights into an InceptionResnetV1.

    The bytes are read once; what is checked is what is used. A file may be of safetensors or of ``torch.save`` (its
    content decides, not its name); a pickle with code inside is refused without running it.

    Args:
        path: The weight file. Floating-point tensors of any width are widened or narrowed to float32; a classifier's
            ``logits.*`` are dropped.
        name: The model's name, for messages.
        sha256: What the file must hash to, lower-case hex; None where nothing is known yet.

    Returns:
        The network in eval mode, float32, on the CPU, with no parameter that requires a gradient. It takes what
        ``to_input`` returns and gives shape (n, 512), float32, rows of unit length.

    Raises:
        ModelNotFound: There is no such file.
        ModelFileRefused: Wrong hash, not a weight file, or not this network's layout.
    """
    limit_torch()
    import torch
    from facenet_pytorch.models.inception_resnet_v1 import InceptionResnetV1

    data = _read(path, name)
    if sha256 is not None and (actual := hashlib.sha256(data).hexdigest()) != sha256:
        raise ModelFileRefused(
            name,
            path,
            expected=f"SHA-256 {sha256}",
            actual=actual,
            advice="The file is damaged or another one: 'facegallery model verify' tells which files are affected. "
            "Remove it, then pull or import it again.",
        )
    # On the meta device no memory is filled with random weights that the file replaces at once (0.03 s for 0.35 s).
    with torch.device("meta"):
        network: torch.nn.Module = InceptionResnetV1(pretrained=None)
    tensors = _checked(_parse(data, name, path), network.state_dict(), name, path)
    network.load_state_dict(tensors, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def best_device() -> torch.device:
    """Where torch computes: CUDA, else MPS (Apple), else the CPU."""
    import torch

    if torch.cuda.is_available():
        # Convolutions in TensorFloat-32 have 10 bits: the answers are to be those of the CPU.
        torch.backends.cudnn.allow_tf32 = False
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def to_input(crops: Pixels) -> torch.Tensor:
    """Bring crops into the form and range that the network was trained on.

    Args:
        crops: shape (n, 160, 160, 3), uint8, RGB; n may be 0. Need not be writable.

    Returns:
        shape (n, 3, 160, 160), float32, (x - 127.5) / 128, so in [-0.997, 0.997]. Shares no memory with ``crops``.

    Raises:
        ValueError: ``crops`` is not a batch of uint8 RGB images; a float image would pass as a nearly grey one.
    """
    import numpy as np
    import torch

    if crops.ndim != 4 or crops.shape[-1] != 3 or crops.dtype != np.uint8:
        raise ValueError(f"crops must be (n, height, width, 3) uint8, not {crops.shape} {crops.dtype}")
    scaled = (crops.astype(np.float32) - np.float32(127.5)) / np.float32(128)
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)))  # (n, h, w, 3) -> (n, 3, h, w)


def _read(path: Path, name: str) -> bytes:
    try:
        if (n_bytes := path.stat().st_size) > MAX_FILE_BYTES:
            raise ModelFileRefused(
                name, path, expected=f"at most {MAX_FILE_BYTES:,} bytes", actual=f"{n_bytes:,}", advice=_ADVICE
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ModelNotFound(name, f"{path}: there is no such file for model '{name}'. Check the path.") from error
    except OSError as error:
        raise ModelFileRefused(
            name, path, expected="a readable file", actual=error.strerror or str(error), advice="Check the path."
        ) from error


def _parse(data: bytes, name: str, path: Path) -> Any:
    """What the file holds, whatever that is; nothing in it is executed."""
    import torch
    from safetensors.torch import load

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd tensors; the check of the layout refuses those
            if data[8:9] == b"{":  # safetensors: eight bytes of length, then a JSON object; no pickle or zip begins so
                return load(data)
            _require_stored(data)
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # hostile bytes can raise anything from here
        found = f"{len(data):,} bytes that are not ({type(error).__name__})" if data else "an empty file"
        raise ModelFileRefused(
            name, path, expected="tensors of safetensors or torch.save", actual=found, advice=_ADVICE
        ) from error


def _require_stored(data: bytes) -> None:
    """Refuse a ZIP file with more in it than its own size: ``torch.save`` compresses nothing, but would be read so.

    Raises:
        BadZipFile: An entry is compressed, or entries share bytes, or there are more than any network has; or it is
            damaged.
    """
    if not data.startswith(b"PK"):
        return
    if data.count(b"PK\1\2") > MAX_FILE_ENTRIES:  # before a directory of a gigabyte becomes objects
        raise zipfile.BadZipFile("too many entries")
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        entries = file.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise zipfile.BadZipFile("compressed entries")
    if sum(entry.file_size for entry in entries) > len(data):
        raise zipfile.BadZipFile("entries that share bytes")


def _checked(found: Any, layout: dict[str, torch.Tensor], name: str, path: Path) -> dict[str, torch.Tensor]:
    """The tensors of ``layout`` out of ``found``, in float32; refuses anything that differs from the layout."""
    import torch

    def refuse(fault: str, keys: list[str]) -> ModelFileRefused:
        shown = ", ".join(keys[:_N_NAMES_SHOWN]) + (", ..." if len(keys) > _N_NAMES_SHOWN else "")
        actual = f"{len(keys)} {fault}: {shown}" if keys else fault
        return ModelFileRefused(
            name, path, expected=f"InceptionResnetV1's {len(layout)} tensors", actual=actual, advice=_ADVICE
        )

    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise refuse(f"no state dict (type {type(found).__name__})", [])
    state = {key: value for key, value in found.items() if not key.startswith("logits.")}
    if missing := [key for key in layout if key not in state]:
        raise refuse("missing", missing)
    if unexpected := [repr(key) for key in state if key not in layout]:
        raise refuse("unexpected", unexpected)
    if odd := [key for key, value in state.items() if not _is_plain(value)]:
        raise refuse("that are not plain tensors", odd)
    if misshapen := [key for key, value in state.items() if value.shape != layout[key].shape]:
        raise refuse("of another shape", misshapen)
    if mistyped := [key for key, value in state.items() if not _is_castable(value, layout[key])]:
        raise refuse("of another type", mistyped)
    tensors = {key: value.detach().to(layout[key].dtype).contiguous() for key, value in state.items()}
    if infinite := [key for key, value in tensors.items() if not bool(torch.isfinite(value).all())]:
        raise refuse("with values that are not finite", infinite)
    return tensors


def _is_plain(value: Any) -> bool:
    """A dense tensor in memory; weights-only files may also hold sparse tensors and ones without any data."""
    import torch

    return isinstance(value, torch.Tensor) and value.layout == torch.strided and value.device.type == "cpu"


def _is_castable(value: torch.Tensor, like: torch.Tensor) -> bool:
    return value.dtype == like.dtype or (value.is_floating_point() and like.is_floating_point())
