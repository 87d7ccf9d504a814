"""The cascade over arrays: facenet-pytorch's own answers, whatever the photos' sizes, batches and ties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN
from facenet_pytorch.models.mtcnn import PNet
from facenet_pytorch.models.utils.detect_face import nms_numpy
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torchvision.ops import nms

from benchmarks.congruence import Difference, difference, library_faces
from facegallery.cascade import Network, Networks, find_faces
from facegallery.detection import MtcnnDetector
from facegallery.domain import Face, Pixels
from facegallery.mtcnn import torch_networks
from facegallery.pyramid import pyramid_scales
from facegallery.settings import bundled
from facegallery.suppression import Overlap, suppress

BUNDLED = sorted(bundled("sample_group").rglob("*.jpg"))
GROUP = bundled("sample_group/group.jpg")

_DETECTOR = MtcnnDetector(torch_networks())  # Hypothesis takes no fixture of module scope into @given without a warning
_LIBRARY: Any = MTCNN(keep_all=True)


def pixels_of(path: object, size: tuple[int, int] | None = None) -> Pixels:
    picture = Image.open(str(path)).convert("RGB")
    return np.array(picture if size is None else picture.resize(size))


PORTRAITS = [pixels_of(path) for path in BUNDLED[:6]]


def compared(faces: list[Face], pixels: Pixels) -> Difference | None:
    """How far faces are from facenet-pytorch's; None where that raises on a candidate without pixels."""
    expected = library_faces(pixels, _LIBRARY)
    return None if expected is None else difference(faces, expected)


# --- the same faces -----------------------------------------------------------------------------------------------


def test_same_faces_on_all_bundled_photos() -> None:
    """On every bundled photo, all of them given at once, the faces are facenet-pytorch's."""
    photos = [pixels_of(path) for path in BUNDLED]
    for path, pixels, faces in zip(BUNDLED, photos, _DETECTOR.detect_many(photos), strict=True):
        found = compared(faces, pixels)
        assert found is not None, path
        assert found.is_same, (path, found)
        assert found.n_faces > 0


@pytest.mark.parametrize("size", [(1000, 1100), (2300, 2150)], ids=str)
def test_same_faces_on_photos_of_many_bands(size: tuple[int, int]) -> None:
    """Levels that the first network sees in bands, and a photo so large that the smallest face is, change nothing."""
    pixels = pixels_of(GROUP, size)
    found = compared(_DETECTOR.detect(pixels), pixels)
    assert found is not None
    assert found.is_same, found
    assert found.n_faces > 0


def test_small_faces_are_found_in_every_band() -> None:
    """Faces that only the largest levels show, from top to bottom of a photo of several bands, are in their places."""
    portrait = pixels_of(BUNDLED[0], (72, 72))
    pixels = np.tile(portrait, (12, 12, 1))
    found = compared(_DETECTOR.detect(pixels), pixels)
    assert found is not None
    assert found.is_same, found
    assert found.n_faces >= 100


@settings(max_examples=15, deadline=None)
@given(st.integers(20, 150), st.integers(20, 150), st.integers(0, 999), st.sampled_from([1, 6, 30]))
def test_same_faces_in_noise(height: int, width: int, seed: int, grain: int) -> None:
    """In noise, where candidates are many and doubtful, the answer is facenet-pytorch's."""
    pixels = noise(height, width, seed, grain)
    found = compared(_DETECTOR.detect(pixels), pixels)
    assume(found is not None)
    assert found is not None
    assert found.is_same, found


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(24, 160), st.floats(0, 1), st.floats(0, 1)), min_size=1))
def test_same_faces_in_collages(pasted: list[tuple[int, int, float, float]]) -> None:
    """Portraits of any size over each other and over the edge: faces crowded and cut give the same answer."""
    pixels = noise(220, 300, seed=len(pasted), grain=6)
    for which, side, x, y in pasted:
        portrait = np.array(Image.fromarray(PORTRAITS[which]).resize((side, side)))
        top, left = int(y * (pixels.shape[0] - side / 2)), int(x * (pixels.shape[1] - side / 2))
        place = pixels[top : top + side, left : left + side]
        place[:] = portrait[: place.shape[0], : place.shape[1]]
    found = compared(_DETECTOR.detect(pixels), pixels)
    assume(found is not None)
    assert found is not None
    assert found.is_same, found


def noise(height: int, width: int, seed: int, grain: int) -> Pixels:
    """Noise in squares of ``grain`` pixels."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (-(-height // grain), -(-width // grain), 3), dtype=np.uint8, endpoint=True)
    return coarse.repeat(grain, axis=0).repeat(grain, axis=1)[:height, :width]


# --- several photos -----------------------------------------------------------------------------------------------


class _Watched:
    """A network that notes the shape of what it is shown."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.shown: list[tuple[int, ...]] = []
        self.first_values: NDArray[np.float32] = np.empty(0, np.float32)

    def __call__(self, values: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        if not self.shown:
            self.first_values = values.copy()
        self.shown.append(values.shape)
        assert values.dtype == np.float32
        return self.network(values)


def test_photos_share_batches_and_not_faces() -> None:
    """Photos of several sizes, one of them too small for a face, give what each gives alone, in fewer, full batches."""
    photos = [
        pixels_of(BUNDLED[0]),
        np.zeros((15, 300, 3), np.uint8),
        pixels_of(GROUP),
        pixels_of(BUNDLED[1], (90, 200)),
    ]
    networks = torch_networks()
    second, third = _Watched(networks.second), _Watched(networks.third)
    watched = Networks(networks.first, second, third)
    alone = [MtcnnDetector(watched).detect(pixels) for pixels in photos]
    shown_alone = [[shape[0] for shape in net.shown] for net in (second, third)]
    second.shown.clear()
    third.shown.clear()

    together = MtcnnDetector(watched).detect_many(photos)

    assert [len(faces) for faces in together] == [len(faces) for faces in alone]
    assert together[1] == []
    for ours, theirs in zip(together, alone, strict=True):
        assert difference(ours, theirs).is_same
    for net, most, alone_sizes in zip((second, third), (64, 16), shown_alone, strict=True):
        sizes = [shape[0] for shape in net.shown]
        assert sum(sizes) == sum(alone_sizes)
        assert sizes[:-1] == [most] * (len(sizes) - 1)
        assert len(sizes) < len(alone_sizes)


def test_equal_candidates_are_taken_in_the_levels_order() -> None:
    """Of candidates with the same score the one higher up, then further left, is taken first, as in the whole level,
    however the level is cut: here all cells have one score, and boxes are moved by where their cell lies.
    """
    networks = torch_networks()

    def same_everywhere(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        moves, probabilities = networks.first(values)
        return np.zeros_like(moves), np.full_like(probabilities, 0.9)

    pixels = pixels_of(GROUP, (300, 260))
    shown = [_Watched(networks.second) for _ in range(2)]
    for sides, second in zip(((), (24, 32, 64)), shown, strict=True):
        find_faces([pixels], [40], Networks(same_everywhere, second, networks.third, first_sides=sides))
    whole, pieces = (sum(shape[0] for shape in second.shown) for second in shown)
    assert whole == pieces
    np.testing.assert_array_equal(shown[0].first_values, shown[1].first_values)


def test_no_photos_no_faces() -> None:
    """Nothing given, nothing found."""
    assert _DETECTOR.detect_many([]) == []


def test_the_widened_network_answers_as_the_original() -> None:
    """The channels of zeros that make the first network faster change none of its answers."""
    values = np.random.default_rng(0).standard_normal((1, 3, 40, 33)).astype(np.float32)
    with torch.inference_mode():
        expected = PNet()(torch.from_numpy(values))
    for found, answer in zip(torch_networks().first(values), expected, strict=True):
        np.testing.assert_allclose(found, answer.numpy(), atol=1e-5)


def test_found_is_empty_but_shaped_where_nothing_is() -> None:
    """Without a face the arrays still have their shapes."""
    (found,) = find_faces([np.zeros((64, 64, 3), np.uint8)], [20], torch_networks())
    assert found.boxes_xyxy.shape == (0, 4)
    assert found.probabilities.shape == (0,)
    assert found.landmarks_xy.shape == (0, 5, 2)


def test_scales_begin_with_the_smallest_face() -> None:
    """By hand: 40 px and faces from 20 px make levels of 24, 17.0 and 12.06 px; 19 px make none."""
    np.testing.assert_allclose(pyramid_scales(40, 100, 20), [0.6, 0.6 * 0.709, 0.6 * 0.709**2])
    assert pyramid_scales(19, 500, 20) == []


# --- non-maximum suppression --------------------------------------------------------------------------------------

COORDINATES = st.integers(0, 30)
ROWS = st.lists(
    st.tuples(COORDINATES, COORDINATES, st.integers(1, 20), st.integers(1, 20), st.integers(0, 4)), max_size=40
)


def boxes_of(rows: list[tuple[int, ...]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    table = np.array(rows, np.float32).reshape(-1, 5)
    return np.concatenate([table[:, :2], table[:, :2] + table[:, 2:4]], axis=1), table[:, 4] / np.float32(4)


@settings(max_examples=100, deadline=None)
@given(ROWS, st.sampled_from([0.0, 0.3, 0.5, 0.7]))
@example([(0, 0, 10, 1, 1), (0, 0, 3, 1, 0)], 0.3)  # 3 / 10 in float32 is more than 0.3, and 0.3 in float32 is not
def test_suppression_is_torchvisions(rows: list[tuple[int, ...]], threshold: float) -> None:
    """The same boxes in the same order, among many equal scores and overlaps of just the threshold."""
    boxes, scores = boxes_of(rows)
    expected = nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold).numpy()
    np.testing.assert_array_equal(suppress(boxes, scores, threshold, Overlap.UNION), expected)


@settings(max_examples=100, deadline=None)
@given(ROWS, st.sampled_from([0.3, 0.5, 0.7]))
def test_suppression_by_the_smaller_area_is_the_librarys(rows: list[tuple[int, ...]], threshold: float) -> None:
    """The last step, with its other convention, keeps what ``nms_numpy`` keeps, in its order."""
    boxes, scores = boxes_of(rows)
    expected = nms_numpy(boxes, scores, threshold, "Min") if len(boxes) else np.empty(0, np.int64)
    np.testing.assert_array_equal(suppress(boxes, scores, threshold, Overlap.MIN), expected)
