"""Networks compiled by OpenVINO for this machine: made once from torch's, kept in the cache folder, run without torch.

What is kept is OpenVINO's own compiled form, batch normalization folded into the weights. A file's name carries a
digest of all that it depends on: another version, precision or processor makes another file. OpenVINO's telemetry is
off.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from facegallery.domain import Precision
from facegallery.errors import RuntimeUnavailable
from facegallery.settings import networks_cache_folder
from facegallery.threads import limit_openvino

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_FORMAT = "3"
"""Grows when the same inputs would be compiled to something else by a later version of this module."""

_MARK = b"fgnetwk1"
_DIGEST_BYTES = 32

_AGREEMENT = {Precision.F32: 0.99999, Precision.BF16: 0.999}
"""Cosine that outputs must have with torch's before a compiled network is kept; bf16 has 8 bits, f32 has 24."""

_ADVICE = "Next: pip install --upgrade openvino, or choose --runtime torch."


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a compiled network is made from.

    Attributes:
        name: For the file's name and for messages.
        fingerprint: SHA-256 of its weights, hex.
        shape: Of its input; -1 where any number will do.
        precision: What it computes in; not ``auto``.
        module: Loads the network in torch, in eval mode on the CPU; called when there is no file yet.
        takes_crops: The input is pixels, (n, h, w, 3), uint8, RGB, which are brought to (n, 3, h, w),
            (x - 127.5) / 128. Otherwise it is float32 as the module takes it.
    """

    name: str
    fingerprint: str
    shape: tuple[int, ...]
    precision: Precision
    module: Callable[[], torch.nn.Module]
    takes_crops: bool = False


class CompiledNetwork:
    """A network ready to run, with all threads. Callers in several threads wait for each other."""

    def __init__(self, compiled: Any, name: str) -> None:
        self._request = compiled.create_infer_request()
        self._name = name
        self._busy = Lock()

    def __call__(self, values: NDArray[Any]) -> tuple[Floats, ...]:
        """Run it.

        Args:
            values: As the recipe says; contiguous.

        Returns:
            Its outputs, float32, in the module's order.

        Raises:
            RuntimeUnavailable: OpenVINO cannot.
        """
        with self._busy:
            try:
                outputs = self._request.infer([values], share_inputs=True, share_outputs=True)
                return tuple(np.array(outputs[place]) for place in range(len(outputs)))
            except RuntimeError as error:
                raise _unavailable(self._name, error) from error


def open_network(recipe: Recipe) -> CompiledNetwork:
    """The network of a recipe: from the cache folder, or compiled now and kept there.

    Raises:
        RuntimeUnavailable: OpenVINO is not installed, cannot compile it, or computes something else than torch.
    """
    openvino = _openvino()
    try:
        core = openvino.Core()
        path = _path(recipe, core)
        config = _config(recipe)
        compiled = _kept(path, openvino, core, config)
        if compiled is None:
            compiled = core.compile_model(_converted(recipe, openvino), "CPU", config)
            _require_agreement(recipe, CompiledNetwork(compiled, recipe.name))
            with suppress(OSError):  # a cache: a folder that cannot be written costs the next start some seconds
                _keep(path, compiled.export_model())
    except RuntimeError as error:
        raise _unavailable(recipe.name, error) from error
    return CompiledNetwork(compiled, recipe.name)


def prepare(recipe: Recipe) -> bool:
    """Have the network of a recipe in the cache folder, for processes that are about to open it.

    Returns:
        Whether it is there.

    Raises:
        RuntimeUnavailable: As ``open_network``.
    """
    path = _path(recipe, _openvino().Core())
    if not path.exists():
        open_network(recipe)
    return path.exists()


def native_precision() -> Precision:
    """The fastest precision that this processor computes natively.

    Raises:
        RuntimeUnavailable: OpenVINO is not installed.
    """
    return Precision.BF16 if "BF16" in _capabilities(_openvino().Core()) else Precision.F32


def version() -> str:
    """OpenVINO's version. Raises RuntimeUnavailable."""
    return str(_openvino().get_version())


def _openvino() -> Any:
    """OpenVINO without what it brings along to report home. Untyped: its types come and go with its versions.

    Importing it imports its model converter, which sends an event over the network and writes an identifier into the
    home folder unless the person has opted out. The converter is not needed here, and the telemetry nowhere: both are
    said to be missing, for which OpenVINO provides.
    """
    with _missing("openvino.tools.ovc"):
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # for good: None says "missing"
        try:
            import openvino
        except ImportError as error:
            raise RuntimeUnavailable(f"OpenVINO is not installed ({error}). {_ADVICE}") from error
    return openvino


@contextmanager
def _missing(module: str) -> Iterator[None]:
    """Have an import of this module fail, unless it is there already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # as the documentation of sys.modules says
    try:
        yield
    finally:
        del sys.modules[module]


def _unavailable(name: str, error: Exception) -> RuntimeUnavailable:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return RuntimeUnavailable(f"OpenVINO cannot run the network '{name}': {lines[-1].strip()[:200]}. {_ADVICE}")


def _capabilities(core: Any) -> Sequence[str]:
    return [str(each) for each in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")]


def _config(recipe: Recipe) -> dict[str, Any]:
    hint = "bf16" if recipe.precision is Precision.BF16 else "f32"
    return {**limit_openvino(), "INFERENCE_PRECISION_HINT": hint}


def _path(recipe: Recipe, core: Any) -> Path:
    return networks_cache_folder() / f"{recipe.name}-{_key(recipe, core)[:24]}.blob"


def _key(recipe: Recipe, core: Any) -> str:
    """A digest of everything that the compiled form depends on."""
    processor = (core.get_property("CPU", "FULL_DEVICE_NAME"), *sorted(_capabilities(core)))
    parts = (
        _FORMAT,
        version(),
        *processor,
        recipe.fingerprint,
        recipe.shape,
        recipe.precision.value,
        recipe.takes_crops,
    )
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


# --- the cache ----------------------------------------------------------------------------------------------------


def _kept(path: Path, openvino: Any, core: Any, config: dict[str, Any]) -> Any:
    """The compiled network in the file, or None where there is none or not what was written."""
    try:
        mapped = np.memmap(path, np.uint8, mode="c")  # its pages are shared between processes until written: never
    except (OSError, ValueError):  # ValueError: an empty file
        return None
    end = len(mapped) - _DIGEST_BYTES - len(_MARK)
    if end <= 0 or mapped[end + _DIGEST_BYTES :].tobytes() != _MARK:
        return None
    if hashlib.sha256(mapped[:end].data).digest() != mapped[end : end + _DIGEST_BYTES].tobytes():
        return None
    try:
        return core.import_model(openvino.Tensor(mapped[:end]), "CPU", config)
    except RuntimeError:
        return None


def _keep(path: Path, blob: Any) -> None:
    data = blob if isinstance(blob, bytes) else blob.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.write(hashlib.sha256(data).digest())
            file.write(_MARK)
        Path(name).replace(path)  # in one step: a reader sees no file, or a whole one
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


# --- from torch ---------------------------------------------------------------------------------------------------


def _converted(recipe: Recipe, openvino: Any) -> Any:
    """The torch module as a model of OpenVINO."""
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    example = torch.zeros(_example_shape(recipe))
    with warnings.catch_warnings():
        # torch.export, which is to follow torch.jit, does not take P-Net at sizes of any kind.
        warnings.simplefilter("ignore")
        module = recipe.module()
        decoder = TorchScriptPythonDecoder(module, example_input=example, trace_kwargs={"check_trace": False})
    frontend = FrontEndManager().load_by_framework("pytorch")
    model = frontend.convert(frontend.load(decoder))
    if not recipe.takes_crops:
        model.reshape(list(recipe.shape))
        return model
    n, height, width, colours = recipe.shape
    model.reshape([n, colours, height, width])
    steps = openvino.preprocess.PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).mean(127.5).scale(128.0)
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    return steps.build()


def _example_shape(recipe: Recipe) -> tuple[int, ...]:
    """Shape of an input of the module in which nothing has size 1 by chance."""
    n, *sides = (64 if size < 0 else size for size in recipe.shape)
    if recipe.takes_crops:
        height, width, colours = sides
        return (n, colours, height, width)
    return (n, *sides)


def _require_agreement(recipe: Recipe, network: CompiledNetwork) -> None:
    """Compare it with the module on noise before it is kept: a processor for which it is wrong must not use it."""
    import torch

    shape = tuple(64 if size < 0 else size for size in recipe.shape)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    scaled = (pixels.astype(np.float32) - np.float32(127.5)) / np.float32(128)
    values = np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)) if recipe.takes_crops else scaled
    with torch.inference_mode():
        expected = recipe.module()(torch.from_numpy(values))
    expected = expected if isinstance(expected, tuple) else (expected,)
    for found, right in zip(network(pixels if recipe.takes_crops else scaled), expected, strict=True):
        a, b = found.ravel().astype(np.float64), right.numpy().ravel().astype(np.float64)
        agreement = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
        if not agreement >= _AGREEMENT[recipe.precision]:  # written so that NaN fails
            raise RuntimeUnavailable(
                f"OpenVINO computes the network '{recipe.name}' wrongly on this processor (cosine {agreement:.6f} "
                f"with torch). {_ADVICE}"
            )
