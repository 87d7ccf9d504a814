"""Which runtime runs the networks: the one place that chooses, and falls back to torch where OpenVINO cannot."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from threading import RLock
from typing import TypeVar

from facegallery.cascade import Networks
from facegallery.detection import MtcnnDetector
from facegallery.domain import AUTOMATIC, Detector, Embedder, Precision, Preparation, Runtime, RuntimeChoice
from facegallery.errors import RuntimeUnavailable, SlowerRuntime
from facegallery.weights.files import InstalledModel

_Loaded = TypeVar("_Loaded")

_ONE_AT_A_TIME = RLock()
"""Converting a network traces it with torch, whose tracer is one for the whole process."""


def load_detector(choice: RuntimeChoice = AUTOMATIC) -> Detector:
    """The detector that every gallery and command uses.

    Raises:
        RuntimeUnavailable: What was asked for cannot be had.
    """
    return MtcnnDetector(load_cascade(choice))


def load_cascade(choice: RuntimeChoice = AUTOMATIC) -> Networks:
    """That detector's three networks, for who looks inside.

    Raises:
        RuntimeUnavailable: What was asked for cannot be had.
    """
    from facegallery import mtcnn

    return _by(choice, compiled=lambda _: mtcnn.compiled_networks(), torch=mtcnn.torch_networks)


def load_networks(
    model: InstalledModel, choice: RuntimeChoice = AUTOMATIC, preparation: Preparation = Preparation.BOX
) -> tuple[Detector, Embedder]:
    """The detector, and the embedder of a model, on the same runtime.

    Args:
        model: The embedder's.
        choice: What was asked for.
        preparation: Whether the embedder is to look at mirror images too.

    Raises:
        RuntimeUnavailable: What was asked for cannot be had.
        ModelNotFound: The model's file is not there.
        ModelFileRefused: The file is not this model.
    """
    compiled, torch = _embedders(model, preparation)
    return _by(
        choice,
        compiled=lambda precision: (_compiled_detector(), compiled(precision)),
        torch=lambda: (_torch_detector(), torch()),
    )


def load_embedder(
    model: InstalledModel, choice: RuntimeChoice = AUTOMATIC, preparation: Preparation = Preparation.BOX
) -> Embedder:
    """The embedder alone, where the faces are known already; as :func:`load_networks` loads it."""
    compiled, torch = _embedders(model, preparation)
    return _by(choice, compiled=compiled, torch=torch)


def _embedders(
    model: InstalledModel, preparation: Preparation
) -> tuple[Callable[[Precision], Embedder], Callable[[], Embedder]]:
    """What loads the embedder compiled, and what loads it in torch."""
    from facegallery.embedding import CompiledEmbedder, TorchEmbedder

    def compiled(precision: Precision) -> Embedder:
        return CompiledEmbedder.load(model.path, model.identity, precision, mirrored=preparation.mirrored)

    def torch() -> Embedder:
        return TorchEmbedder.load(model.path, model.identity, mirrored=preparation.mirrored)

    return compiled, torch


def are_prepared(model: InstalledModel | None, choice: RuntimeChoice = AUTOMATIC) -> bool:
    """Have compiled networks in the cache folder, so that processes can open them without torch.

    Args:
        model: The embedder's; None for the detector alone.
        choice: What was asked for.

    Returns:
        Whether they are; False where torch was asked for, OpenVINO is missing, or the folder cannot be written.
    """
    if choice.runtime is Runtime.TORCH:
        return False
    from facegallery import embedding, mtcnn
    from facegallery.compiled import prepare

    try:
        recipes = mtcnn.recipes()
        if model is not None:
            recipes += embedding.recipes(model.path, model.identity, _precision(choice)).values()
        return all(prepare(recipe) for recipe in recipes)
    except RuntimeUnavailable:
        return False


def _compiled_detector() -> Detector:
    from facegallery.mtcnn import compiled_networks

    return MtcnnDetector(compiled_networks())


def _torch_detector() -> Detector:
    from facegallery.mtcnn import torch_networks

    return MtcnnDetector(torch_networks())


def _by(choice: RuntimeChoice, *, compiled: Callable[[Precision], _Loaded], torch: Callable[[], _Loaded]) -> _Loaded:
    with _ONE_AT_A_TIME:
        if choice.runtime is Runtime.TORCH:
            if choice.precision is Precision.BF16:
                raise RuntimeUnavailable("torch computes in f32 here. Next: --precision f32, or --runtime openvino.")
            return torch()
        try:
            return compiled(_precision(choice))
        except RuntimeUnavailable as error:
            if choice.runtime is Runtime.OPENVINO or choice.precision is Precision.BF16:
                raise
            # The command line shows it as a note.
            said = f"{error} Until then torch is used, which is several times slower."
            warnings.warn(said, SlowerRuntime, stacklevel=1)
            return torch()


def _precision(choice: RuntimeChoice) -> Precision:
    from facegallery.compiled import native_precision

    return native_precision() if choice.precision is Precision.AUTO else choice.precision
