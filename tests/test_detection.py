"""MTCNN as a ``domain.Detector``: the library's own faces, and an answer where the library raises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facegallery.cascade import Networks
from facegallery.detection import MAX_FACES_ACROSS, MIN_FACE_PX, MtcnnDetector
from facegallery.domain import LANDMARK_NAMES, Detector, Pixels
from facegallery.mtcnn import torch_network, torch_networks
from facegallery.settings import bundled

GROUP = bundled("sample_group/group.jpg")
PORTRAITS = [
    bundled(f"sample_group/{name}") for name in ("probe/ada-1.jpg", "enroll/Dan/2.jpg", "probe/stranger-3a.jpg")
]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return MtcnnDetector(torch_networks())


@pytest.fixture(scope="module")
def library() -> Any:
    return MTCNN(keep_all=True)


def detector_of(mtcnn: Any) -> MtcnnDetector:
    """Our cascade with the networks of a ``facenet_pytorch.MTCNN``, some of which a test has exchanged."""
    return MtcnnDetector(Networks(torch_network(mtcnn.pnet), torch_network(mtcnn.rnet), torch_network(mtcnn.onet)))


def pixels_of(path: object, size: tuple[int, int] | None = None) -> Pixels:
    picture = Image.open(str(path)).convert("RGB")
    return np.array(picture if size is None else picture.resize(size))


@pytest.mark.parametrize("path", [GROUP, *PORTRAITS], ids=lambda path: str(path.stem))
def test_same_faces_as_the_library(path: object, detector: Detector, library: Any) -> None:
    """Boxes, landmarks and probabilities are those of ``MTCNN(keep_all=True).detect``, most probable first."""
    pixels = pixels_of(path)
    boxes, probabilities, points = library.detect(Image.fromarray(pixels), landmarks=True)
    order = np.argsort(boxes[:, 0])

    found = detector.detect(pixels)

    assert [face.probability for face in found] == sorted((face.probability for face in found), reverse=True)
    faces = sorted(found, key=lambda face: face.box_xyxy[0])  # two probabilities may be equal: compare by place
    assert [len(face.landmarks_xy) for face in faces] == [len(LANDMARK_NAMES)] * len(order)
    np.testing.assert_allclose([face.box_xyxy for face in faces], boxes[order].astype(float), atol=1e-3)
    np.testing.assert_allclose([face.landmarks_xy for face in faces], points[order].astype(float), atol=1e-3)
    np.testing.assert_allclose([face.probability for face in faces], probabilities[order].astype(float), atol=1e-6)


def test_every_face_of_the_group_is_found(detector: Detector) -> None:
    """The bundled group photo has five faces, and five are found."""
    assert len(detector.detect(pixels_of(GROUP))) == 5


def test_colours_are_rgb(detector: Detector) -> None:
    """The image is read as RGB: with red and blue exchanged the probabilities are others."""
    pixels = pixels_of(PORTRAITS[1])
    assert detector.detect(pixels)[0].probability != detector.detect(pixels[..., ::-1].copy())[0].probability


def test_input_may_be_read_only_and_is_not_changed(detector: Detector) -> None:
    """An array that cannot be written is accepted, as decoders hand them out."""
    pixels = pixels_of(PORTRAITS[0])
    pixels.setflags(write=False)
    assert detector.detect(pixels)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 1000),
    contrast=st.sampled_from([1, 30, 255]),
)
def test_no_noise_of_any_size_raises(height: int, width: int, seed: int, contrast: int) -> None:
    """Whatever a tiny image shows, the answer is a list."""
    shape = (height, width, 3)
    noise = np.random.default_rng(seed).integers(0, contrast, shape, dtype=np.uint8, endpoint=True)
    assert isinstance(_DETECTOR.detect(noise), list)


_DETECTOR = MtcnnDetector(torch_networks())  # Hypothesis takes no fixture of module scope into @given without a warning


@pytest.mark.parametrize("shape", [(1, 1), (11, 500), (19, 19), (20, 20), (20, 3000), (3000, 20), (64, 64)], ids=str)
@pytest.mark.parametrize("value", [0, 127, 255])
def test_plain_images_have_no_face(shape: tuple[int, int], value: int, detector: Detector) -> None:
    """Black, grey and white images of awkward shapes have no face, without an exception."""
    assert detector.detect(np.full((*shape, 3), value, np.uint8)) == []


class _Blind(torch.nn.Module):
    """A first network that sees no face, and notes the size of what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.shown: list[tuple[int, ...]] = []

    def forward(self, level: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.shown.append(tuple(level.shape[2:]))
        return level.new_zeros(1, 4, 5, 5), level.new_zeros(1, 2, 5, 5)


@pytest.mark.parametrize(
    ("shape", "smallest_px"), [((100, 100), 20), ((2048, 2048), 20), ((3072, 3072), 30), ((300, 3072), 20)], ids=str
)
def test_the_smallest_face_grows_with_large_images_only(shape: tuple[int, int], smallest_px: int) -> None:
    """Up to 2048x2048 faces of 20 px are looked for; beyond, the first network's work stays the same."""
    mtcnn = MTCNN(keep_all=True)
    mtcnn.pnet = _Blind()
    assert detector_of(mtcnn).detect(np.zeros((*shape, 3), np.uint8)) == []
    height, width = (int(side * 12 / smallest_px + 1) for side in shape)
    assert {shown[1] for shown in mtcnn.pnet.shown if shown[1] > width * 0.8} == {width}
    bands = [shown[0] for shown in mtcnn.pnet.shown if shown[1] == width]
    assert sum(bands) - 10 * (len(bands) - 1) == height  # neighbouring bands share ten rows


@pytest.mark.parametrize(
    "shape", [(1, 1), (19, 500), (MIN_FACE_PX, int(MIN_FACE_PX * MAX_FACES_ACROSS**2) + 5000)], ids=str
)
def test_nothing_is_looked_for_where_no_face_fits(shape: tuple[int, int]) -> None:
    """An image lower than its smallest face is answered without running a network; the library would raise."""
    mtcnn = MTCNN(keep_all=True)
    mtcnn.pnet = _Blind()
    assert detector_of(mtcnn).detect(np.zeros((*shape, 3), np.uint8)) == []
    assert mtcnn.pnet.shown == []


class _Lured(torch.nn.Module):
    """The first network with a candidate at the upper left that is sent off the image, as one can be made to be.

    Args:
        pnet: The real network.
        level_px: The side of the reduced image in which this happens; None does it in all, and to no other candidate.
    """

    def __init__(self, pnet: torch.nn.Module, level_px: int | None) -> None:
        super().__init__()
        self.pnet, self.level_px = pnet, level_px

    def forward(self, level: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        moves, probabilities = self.pnet(level)
        if self.level_px is None:
            probabilities[:, 1] = 0
        if self.level_px in (None, level.shape[3]):
            probabilities[:, 1, 0, 0] = 1
            moves[:, :, 0, 0] = moves.new_tensor([-4, 0, -4, 0])  # in widths of the candidate
        return moves, probabilities


def test_a_candidate_off_the_image_does_not_cost_the_faces_on_it() -> None:
    """Where the library raises because one candidate has no pixels, the face in the image is still found, in place."""
    mtcnn, pixels = MTCNN(keep_all=True), pixels_of(PORTRAITS[0], (120, 120))
    (expected,) = detector_of(mtcnn).detect(pixels)
    mtcnn.pnet = _Lured(mtcnn.pnet, 120 * 12 // MIN_FACE_PX + 1)
    with pytest.raises(IndexError):
        mtcnn.detect(pixels)

    (found,) = detector_of(mtcnn).detect(pixels)

    np.testing.assert_allclose(found.box_xyxy, expected.box_xyxy, atol=1e-3)
    np.testing.assert_allclose(found.landmarks_xy, expected.landmarks_xy, atol=1e-3)


def test_an_image_of_nothing_but_lost_candidates_has_no_face() -> None:
    """Where every candidate is off the image, the library joins an empty list; the answer is that there is no face."""
    mtcnn, pixels = MTCNN(keep_all=True), pixels_of(PORTRAITS[0], (40, 40))
    mtcnn.pnet = _Lured(mtcnn.pnet, None)
    with pytest.raises((RuntimeError, ValueError), match="non-empty list"):
        mtcnn.detect(pixels)

    mtcnn.rnet = _NoMemory()  # raises if it is shown a crop
    assert detector_of(mtcnn).detect(pixels) == []


class _Bent(torch.nn.Module):
    """The last network with other box corrections and landmarks: what a face gets when numbers go wrong."""

    def __init__(self, onet: torch.nn.Module, correction: list[float], landmarks: float = 0) -> None:
        super().__init__()
        self.onet, self.correction, self.landmarks = onet, correction, landmarks

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, ...]:
        boxes, points, scores = self.onet(crops)
        return boxes.new_tensor(self.correction).expand_as(boxes), points + self.landmarks, scores


@pytest.mark.parametrize(
    "correction",
    [[np.nan] * 4, [-np.inf, 0, np.inf, 0], [0.6, 0, -0.6, 0], [0, 0.6, 0, -0.6], [99.0, 0, 99, 0], [0, -99.0, 0, -99]],
    ids=["nan", "inf", "no width", "no height", "right of it", "above it"],
)
def test_boxes_without_pixels_are_dropped(correction: list[float]) -> None:
    """A box that is not finite, has no area, or lies off the image is no face; with an ordinary one it is found."""
    mtcnn, pixels = MTCNN(keep_all=True), pixels_of(PORTRAITS[0], (120, 120))
    onet = mtcnn.onet
    mtcnn.onet = _Bent(onet, [0.0] * 4)
    assert detector_of(mtcnn).detect(pixels)

    mtcnn.onet = _Bent(onet, correction)
    assert detector_of(mtcnn).detect(pixels) == []


def test_faces_without_landmarks_are_dropped() -> None:
    """Landmarks that are not finite could be neither drawn nor written as JSON: such a face is none."""
    mtcnn = MTCNN(keep_all=True)
    mtcnn.onet = _Bent(mtcnn.onet, [0.0] * 4, np.nan)
    assert detector_of(mtcnn).detect(pixels_of(PORTRAITS[0], (120, 120))) == []


class _NoMemory(torch.nn.Module):
    """A network on a machine whose memory is used up."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("can't allocate memory")


def test_other_failures_are_not_taken_for_no_face() -> None:
    """A machine without memory is never reported as a photo without faces."""
    mtcnn = MTCNN(keep_all=True)
    mtcnn.pnet = _NoMemory()
    with pytest.raises(RuntimeError, match="allocate"):
        detector_of(mtcnn).detect(np.zeros((40, 40, 3), np.uint8))
