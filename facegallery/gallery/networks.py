"""Which runtime runs the networks: the one place that chooses, and falls back to torch where OpenVINO cannot."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

from facegallery.detection import MtcnnDetector
from facegallery.domain import AUTOMATIC, Detector, Embedder, Precision, Runtime, RuntimeChoice
from facegallery.errors import RuntimeUnavailable, SlowerRuntime
from facegallery.weights.files import InstalledModel

_Loaded = TypeVar("_Loaded")


def load_detector(choice: RuntimeChoice = AUTOMATIC) -> Detector:
    """The detector that every gallery and command uses.

    Raises:
        RuntimeUnavailable: What was asked for cannot be had.
    """
    from facegallery.mtcnn import compiled_networks, torch_networks

    networks = _by(choice, compiled=lambda _: compiled_networks(), torch=torch_networks)
    return MtcnnDetector(networks)


def load_embedder(model: InstalledModel, choice: RuntimeChoice = AUTOMATIC) -> Embedder:
    """The embedder of a model.

    Raises:
        RuntimeUnavailable: What was asked for cannot be had.
        ModelNotFound: The model's file is not there.
        ModelFileRefused: The file is not this model.
    """
    from facegallery.embedding import CompiledEmbedder, TorchEmbedder

    def compiled(precision: Precision) -> Embedder:
        return CompiledEmbedder.load(model.path, model.identity, precision)

    def torch() -> Embedder:
        return TorchEmbedder.load(model.path, model.identity)

    return _by(choice, compiled=compiled, torch=torch)


def _by(choice: RuntimeChoice, *, compiled: Callable[[Precision], _Loaded], torch: Callable[[], _Loaded]) -> _Loaded:
    from facegallery.compiled import native_precision

    if choice.runtime is Runtime.TORCH:
        if choice.precision is Precision.BF16:
            raise RuntimeUnavailable("torch computes in f32 here. Next: --precision f32, or --runtime openvino.")
        return torch()
    try:
        return compiled(native_precision() if choice.precision is Precision.AUTO else choice.precision)
    except RuntimeUnavailable as error:
        if choice.runtime is Runtime.OPENVINO or choice.precision is Precision.BF16:
            raise
        # Python shows a warning once; the command line, as a note.
        warnings.warn(f"{error} Until then torch is used, which is several times slower.", SlowerRuntime, stacklevel=2)
        return torch()
