"""The peer dlib: the calls that ``face_recognition`` makes with its defaults, without that package itself.

It needs ``dlib-bin`` and the model files inside ``face_recognition_models``. That package is found, not imported: its
``__init__`` needs ``pkg_resources``, which newer versions of setuptools no longer have.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.task import Enrolled

N_UPSAMPLE, N_JITTERS = 1, 1
"""Defaults of ``face_recognition.face_locations`` and ``face_encodings``; their models are ``hog`` and ``small``."""

_LANDMARKS = "shape_predictor_5_face_landmarks.dat"
_NETWORK = "dlib_face_recognition_resnet_model_v1.dat"


def missing() -> str | None:
    """What is not installed of it, in words; None where everything is."""
    if find_spec("dlib") is None:
        return "dlib is not installed (pip install 'facegallery[bench]')"
    folder = _models()
    if folder is None or not all((folder / name).is_file() for name in (_LANDMARKS, _NETWORK)):
        return "the models of face_recognition_models are not installed (pip install 'facegallery[bench]')"
    return None


def enroll(paths: list[Path], file: Path) -> Enrolled:
    """Encode the faces of each photo as face_recognition does, and save all encodings."""
    import dlib
    import numpy as np
    from PIL import Image

    folder = _models()
    if folder is None:
        raise FileNotFoundError("face_recognition_models")
    detector: Any = dlib.get_frontal_face_detector()
    landmarks: Any = dlib.shape_predictor(str(folder / _LANDMARKS))
    network: Any = dlib.face_recognition_model_v1(str(folder / _NETWORK))
    encodings: list[Any] = []
    n_stored = 0
    for path in paths:
        with Image.open(path) as picture:
            image = np.array(picture.convert("RGB"))
        height, width = image.shape[:2]
        # face_locations gives boxes cut off at the photo's edges; face_encodings makes rectangles of them again.
        boxes = [
            dlib.rectangle(max(box.left(), 0), max(box.top(), 0), min(box.right(), width), min(box.bottom(), height))
            for box in detector(image, N_UPSAMPLE)
        ]
        points = [landmarks(image, box) for box in boxes]
        encodings += [np.array(network.compute_face_descriptor(image, face, N_JITTERS)) for face in points]
        n_stored += bool(boxes)
    np.save(file, np.array(encodings))
    return Enrolled(len(paths), n_stored)


def _models() -> Path | None:
    spec = find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "models"
