"""Explanations of detections: where O-Net looked, what it was shown, and rounds of covering that end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from facegallery.cascade import Networks
from facegallery.detection import MtcnnDetector
from facegallery.domain import Face, Photo, Pixels, Runtime, RuntimeChoice
from facegallery.errors import ExplanationError, FaceChoiceNeeded
from facegallery.explanation.onet import PATCH_PX, covered_map, field_of, gradient_maps, log_odds
from facegallery.explanation.watching import Watch
from facegallery.gallery.explaining.detection import (
    MOST_EXPLAINED,
    DetectionExplanation,
    explain_detection,
)
from facegallery.gallery.explaining.detection_output import draw_detection, page_of_detection
from facegallery.gallery.explaining.rounds import MAX_ROUNDS, PICTURE_SIDE_PX, RoundsEnd, cover_and_detect
from facegallery.gallery.networks import load_cascade
from facegallery.images import read_photo
from facegallery.mtcnn import third_network
from facegallery.settings import bundled
from facegallery.summed_area import SummedArea
from tests.tiny_network import n_hooks

if TYPE_CHECKING:
    from facegallery.explanation.method import Floats

RED = np.array([[1, 0.5], [-0.5, 0]], np.float32)
"""How red the four quarters of a crop are."""

PLACES = np.array([[2, -4], [6, 8]], np.float32)
"""What a quarter's red adds to the log-odds of ``TinyONet``. Its mean is 3, so Grad-CAM would take 3 for each."""


class TinyONet(nn.Module):
    """O-Net's form, to be followed by hand: its layer's cells are means of squares, each with a weight of its own."""

    def __init__(self, cells: nn.Module | None = None, *, weights: Floats = PLACES, bias: float = 0.25) -> None:
        super().__init__()
        self.prelu1 = cells or nn.AvgPool2d(24)
        self.weights, self.bias = torch.from_numpy(weights), bias

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Moves and landmarks of no numbers, and the probabilities, (n, 2)."""
        score = (self.prelu1(crops)[:, 0] * self.weights).sum(dim=(1, 2)) + self.bias
        answers = torch.stack([torch.zeros_like(score), score], dim=1).softmax(dim=1)
        return answers[:, :0], answers[:, :0], answers


def crop_of_quarters() -> Floats:
    crop = np.zeros((3, 48, 48), np.float32)
    crop[0] = RED.repeat(24, axis=0).repeat(24, axis=1)
    return crop


@dataclass(frozen=True)
class CornerNetwork:
    """A network to be followed by hand: the log-odds are ten times the mean red of the 4x4 pixels at the top left."""

    n_seen: list[int] = field(default_factory=list)

    def __call__(self, values: Floats) -> tuple[Floats, ...]:
        """The probabilities, (n, 2)."""
        self.n_seen.append(len(values))
        of_face = 1 / (1 + np.exp(-10 * values[:, 0, :4, :4].mean(axis=(1, 2), dtype=np.float64)))
        return (np.stack([1 - of_face, of_face], axis=1).astype(np.float32),)


@dataclass(frozen=True)
class Repeating:
    """A detector whose answers are given: one list of faces a look, the last one for ever."""

    answers: Sequence[list[Face]]
    seen: list[Pixels] = field(default_factory=list)

    def detect(self, pixels: Pixels) -> list[Face]:
        """The next answer."""
        self.seen.append(pixels)
        return self.answers[min(len(self.seen), len(self.answers)) - 1]

    def detect_many(self, photos: Sequence[Pixels]) -> list[list[Face]]:
        """The next answers."""
        return [self.detect(photo) for photo in photos]


def face_at(left: float, top: float, side: float = 20) -> Face:
    middle = (left + side / 2, top + side / 2)
    return Face((left, top, left + side, top + side), (middle,) * 5, 0.9)


def plain_photo(pixels: Pixels, scale: int = 1) -> Photo:
    height, width = pixels.shape[:2]
    return Photo(Path("plain.png"), "0" * 64, pixels, width * scale, height * scale)


@pytest.fixture(scope="module")
def networks() -> Networks:
    return load_cascade()


@pytest.fixture(scope="module")
def of_group(sample_group: Path, networks: Networks) -> DetectionExplanation:
    return explain_detection(sample_group / "group.jpg", networks=networks)


@pytest.fixture(scope="module")
def of_ada(sample_group: Path, networks: Networks) -> DetectionExplanation:
    return explain_detection(sample_group / "probe" / "ada-1.jpg", networks=networks)


# --- the gradient's map -------------------------------------------------------------------------------------------


def test_each_place_gets_what_it_adds_to_the_log_odds() -> None:
    """Weight times activation of each cell by itself, shared among its 24x24 pixels; with the bias it is the score."""
    (heat,) = gradient_maps(TinyONet(), crop_of_quarters()[np.newaxis], layer="prelu1")
    expected = np.array([[2, -2], [-3, 0]]) / 24**2
    np.testing.assert_allclose(heat.values, expected.repeat(24, axis=0).repeat(24, axis=1), atol=1e-7)
    assert heat.score == pytest.approx(-2.75, abs=1e-5)
    assert heat.settings == {"layer": "prelu1", "grid": "2x2", "sum": -3.0}
    assert (heat.constant, heat.signed) == (False, True)


def test_a_probability_that_rounds_to_one_is_still_explained() -> None:
    """At log-odds of 27 the probability is 1 to the last bit and has no gradient; the map is the same as ever."""
    onet, crops = TinyONet(bias=30), crop_of_quarters()[np.newaxis]
    with torch.no_grad():
        assert onet(torch.from_numpy(crops))[2][0, 1].item() == 1.0
    (heat,) = gradient_maps(onet, crops, layer="prelu1")
    assert heat.score == pytest.approx(27, abs=1e-4)
    assert heat.values[0, 0] == pytest.approx(2 / 24**2, abs=1e-6)


def test_several_crops_are_explained_as_one_by_one() -> None:
    """No crop's map depends on the others in its batch."""
    crops = np.stack([crop_of_quarters(), -2 * crop_of_quarters()])
    together = gradient_maps(TinyONet(), crops, layer="prelu1")
    alone = [gradient_maps(TinyONet(), crop[np.newaxis], layer="prelu1")[0] for crop in crops]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        assert one.score == other.score


def test_a_cell_is_shared_among_all_pixels_that_it_looks_at() -> None:
    """Cells of 32 pixels, 16 apart: where two overlap their shares add up, and nothing is lost."""
    onet = TinyONet(nn.AvgPool2d(32, 16), weights=np.array([[0.576, 0], [0, 1.152]], np.float32))
    crop = np.zeros((1, 3, 48, 48), np.float32)
    crop[0, 0] = 16 / 9
    (heat,) = gradient_maps(onet, crop, layer="prelu1")
    np.testing.assert_allclose(1000 * np.diag(heat.values)[::8], [1, 1, 3, 3, 2, 2], rtol=1e-4)
    assert heat.values[0, 47] == heat.values[47, 0] == 0
    assert heat.values.sum() == pytest.approx(16 / 9 * (0.576 + 1.152), rel=1e-4)


@pytest.mark.parametrize("layer", ["prelu1", "prelu2", "prelu3", "prelu4"])
def test_the_pixels_that_a_cell_of_onet_looks_at(layer: str) -> None:
    """As derived from the modules: those pixels, and no others, move the cell."""
    onet = third_network()
    step, size = field_of(onet, layer)
    crop = torch.rand((1, 3, 48, 48), generator=torch.Generator().manual_seed(0)).requires_grad_()
    values: torch.Tensor = crop
    for name, module in onet.named_children():
        values = module(values)
        if name == layer:
            break
    # Summed over many channels no pixel of the field is left out by a maximum.
    (moved,) = torch.autograd.grad(values[0, :, 1, 2].sum(), crop)
    rows, columns = moved[0].abs().sum(dim=0).nonzero().T
    assert (rows.min().item(), rows.max().item()) == (step, min(step + size, 48) - 1)
    assert (columns.min().item(), columns.max().item()) == (2 * step, min(2 * step + size, 48) - 1)


def test_what_the_places_do_not_make_is_the_biases() -> None:
    """Without the biases behind the layer, the map of the real O-Net adds up to its log-odds."""
    onet = third_network()
    for module in (onet.conv4, onet.dense5, onet.dense6_1):
        module.bias.zero_()  # type: ignore[union-attr, operator]  # torch types a submodule's attribute as either
    crops = np.random.default_rng(0).uniform(-1, 1, (3, 3, 48, 48)).astype(np.float32)
    for heat in gradient_maps(onet, crops):
        assert heat.values.shape == (48, 48)
        assert heat.values.sum() == pytest.approx(heat.score, abs=1e-4)


def test_a_map_without_a_place_is_constant() -> None:
    """An answer that rests on nothing in the crop: said, and not drawn as rounding."""
    crop = crop_of_quarters()
    (heat,) = gradient_maps(TinyONet(weights=np.zeros_like(PLACES)), crop[np.newaxis], layer="prelu1")
    covered = covered_map(CornerNetwork(), np.zeros_like(crop), n_at_once=50)
    for each in (heat, covered.heat):
        assert each.constant
        assert not each.values.any()


def test_looking_into_onet_leaves_nothing_behind() -> None:
    """No hook and no gradient, after success and after errors; and the caller's inference mode holds."""
    onet, crops = third_network(), np.zeros((1, 3, 48, 48), np.float32)
    with torch.inference_mode():
        gradient_maps(onet, crops)
        assert torch.is_inference_mode_enabled()
    with pytest.raises(ExplanationError, match="prelu1, prelu2, prelu3, prelu4"):
        gradient_maps(onet, crops, layer="block8")
    with pytest.raises(RuntimeError):
        gradient_maps(onet, crops[:, :2])
    assert n_hooks(onet) == 0
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in onet.parameters())


# --- covers on the crop -------------------------------------------------------------------------------------------


def test_covering_shows_the_corner_that_counts() -> None:
    """One of 100 squares covers it; a pixel's value is the mean over the squares that cover the pixel."""
    crop, network = np.zeros((3, 48, 48), np.float32), CornerNetwork()
    crop[0, :4, :4] = 1
    covered = covered_map(network, crop, n_at_once=32)
    fall = 10 * (1 - 16 / 48**2)  # the cover is the crop's mean colour
    values = covered.heat.values
    assert values[0, 0] == values[3, 3] == pytest.approx(fall, abs=1e-2)  # covered by one square
    assert values[3, 5] == pytest.approx(fall / 2, abs=1e-2)  # by two, one of them the corner's
    assert values[5, 5] == pytest.approx(fall / 4, abs=1e-2)
    assert values[11, 11] == pytest.approx(fall / 9, abs=1e-2)
    assert values[12, 0] == values[0, 12] == values[47, 47] == pytest.approx(0, abs=1e-2)
    assert covered.heat.score == pytest.approx(10, abs=1e-2)
    assert covered.worst_xyxy == (0, 0, PATCH_PX, PATCH_PX)
    assert covered.worst_fall == pytest.approx(fall, abs=1e-2)
    assert covered.probabilities.shape == (10, 10)
    assert covered.worst_probability == covered.probabilities[0, 0] == pytest.approx(0.517, abs=1e-3)
    assert covered.worst_crop[0, 11, 11] == pytest.approx(16 / 48**2)
    assert covered.worst_crop[0, 12, 12] == 0
    assert network.n_seen == [32, 32, 32, 5]


def test_the_worst_place_is_in_columns_and_rows() -> None:
    """Left and right are columns: a place at the top right is not one at the bottom left."""
    crop = np.zeros((3, 48, 48), np.float32)
    crop[0, :4, 44:] = 1

    def mirrored(values: Floats) -> tuple[Floats, ...]:
        return CornerNetwork()(values[..., ::-1])

    assert covered_map(mirrored, crop, n_at_once=101).worst_xyxy == (36, 0, 48, 12)


def test_log_odds_keep_what_the_probability_loses() -> None:
    """From both answers: 16 where the probability of a face is 1 but for the last bit."""
    answers = np.array([[1.1253516e-07, 1.0], [0.5, 0.5], [0.9, 0.1]], np.float32)
    np.testing.assert_allclose(log_odds(answers), [16, 0, -np.log(9)], atol=1e-5)


# --- what O-Net was shown -----------------------------------------------------------------------------------------


def test_the_crop_of_a_face_is_the_one_that_gave_its_probability(sample_group: Path, networks: Networks) -> None:
    """O-Net, shown the crop again, answers as before; and the crop is cut from the box that is told, to the bit."""
    group = read_photo(sample_group / "group.jpg").pixels
    at_the_edge = group[270:, 330:].copy()  # through a forehead and an ear
    for pixels, n_faces in ((group, 5), (at_the_edge, None)):
        watch = Watch(networks)
        faces = MtcnnDetector(watch.networks).detect(pixels)
        assert len(faces) == n_faces or n_faces is None
        for face in faces:
            look = watch.look_at(face, pixels)
            assert networks.third(look.crop[np.newaxis])[2][0, 1] == pytest.approx(face.probability, abs=1e-5)
            (cut,) = SummedArea(pixels).crops(np.array([look.box_xyxy], np.int64), 48)
            np.testing.assert_array_equal((cut - np.float32(127.5)) * np.float32(1 / 128), look.crop)
    assert any(0 in watch.look_at(face, pixels).box_xyxy for face in faces)


def test_watching_changes_no_detection(sample_group: Path, networks: Networks) -> None:
    """The faces are those that the detector finds unwatched."""
    pixels = read_photo(sample_group / "group.jpg").pixels
    watch = Watch(networks)
    assert MtcnnDetector(watch.networks).detect(pixels) == MtcnnDetector(networks).detect(pixels)
    assert watch.n_shown >= 5


def test_a_face_that_was_not_watched_is_refused(sample_group: Path, networks: Networks) -> None:
    """Neither before any detection, nor a face of another place with a probability that occurred."""
    pixels = read_photo(sample_group / "probe" / "ada-2.jpg").pixels
    watch = Watch(networks)
    (face,) = MtcnnDetector(networks).detect(pixels)
    with pytest.raises(ExplanationError, match="not found with"):
        watch.look_at(face, pixels)
    MtcnnDetector(watch.networks).detect(pixels)
    watch.look_at(face, pixels)
    elsewhere = Face(face.box_xyxy, tuple((x + 5, y) for x, y in face.landmarks_xy), face.probability)
    with pytest.raises(ExplanationError, match="not found with"):
        watch.look_at(elsewhere, pixels)


def test_what_a_network_answers_may_be_written_over(sample_group: Path, networks: Networks) -> None:
    """A runtime that uses its arrays again does not change what was seen."""

    def scrapped(values: Floats) -> tuple[Floats, ...]:
        answers = tuple(answer.copy() for answer in networks.third(values))
        written.extend([values, *answers])
        return answers

    written: list[Floats] = []
    pixels = read_photo(sample_group / "probe" / "ada-2.jpg").pixels
    watch = Watch(Networks(networks.first, networks.second, scrapped, networks.first_sides, networks.second_batch))
    (face,) = MtcnnDetector(watch.networks).detect(pixels)
    for values in written:
        values[...] = np.nan
    assert np.isfinite(watch.look_at(face, pixels).crop).all()


# --- rounds -------------------------------------------------------------------------------------------------------


def test_the_rounds_end_when_all_faces_are_covered(of_group: DetectionExplanation) -> None:
    """Five faces, then none: each face is one plain colour in the second round's picture."""
    first, second = of_group.rounds.rounds
    assert (len(first.faces), len(second.faces)) == (5, 0)
    assert first.faces == of_group.faces
    assert of_group.rounds.end is RoundsEnd.NOTHING_FOUND
    assert of_group.rounds.words() == ("Round 2, with what was found before covered: nothing is found.",)
    assert max(second.picture.shape) == PICTURE_SIDE_PX
    scale = PICTURE_SIDE_PX / of_group.photo.width_px
    for face in of_group.faces:
        left, top, right, bottom = (round(edge * scale) for edge in face.box_xyxy)
        assert second.picture[top:bottom, left:right].std(axis=(0, 1)).max() < 1
        assert first.picture[top:bottom, left:right].std(axis=(0, 1)).max() > 10


def test_a_cover_that_is_taken_for_a_face_ends_the_rounds_and_is_said() -> None:
    """A detector that finds the covered place again is not asked for ever."""
    rounds = cover_and_detect(plain_photo(np.zeros((100, 100, 3), np.uint8)), Repeating([[face_at(40, 40)]]))
    assert [each.on_cover for each in rounds.rounds] == [(False,), (True,)]
    assert rounds.end is RoundsEnd.ONLY_COVERS
    assert rounds.words()[0].endswith("1 more is found. 1 of them lies on a cover: it was taken for a face.")
    assert rounds.words()[1].startswith("No further round")


def test_a_new_face_beside_a_cover_is_covered_too() -> None:
    """One on a cover and one that is new: the rounds go on, and half a box under a cover is not yet a cover."""
    half_under = face_at(40 + 0.6 * 20, 40)
    looks = Repeating([[face_at(40, 40)], [face_at(41, 41), half_under], []])
    pixels = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    kept = pixels.copy()
    rounds = cover_and_detect(plain_photo(pixels, scale=2), looks)
    assert [each.on_cover for each in rounds.rounds] == [(False,), (True, False), ()]
    assert rounds.end is RoundsEnd.NOTHING_FOUND
    assert rounds.rounds[0].faces[0].box_xyxy == (80.0, 80.0, 120.0, 120.0)  # in the photo's frame
    np.testing.assert_array_equal(pixels, kept)
    first_cover = looks.seen[1] != pixels
    assert first_cover[38:62, 38:62].any(axis=2).mean() > 0.99
    assert not first_cover[:38].any()
    assert not first_cover[:, 62:].any()
    np.testing.assert_array_equal(looks.seen[1][50, 50], pixels[38:62, 38:62].mean(axis=(0, 1)).round())


def test_faces_without_end_are_looked_at_a_stated_number_of_times() -> None:
    """A detector that always finds another place is asked six times, and the words say that there may be more."""
    looks = Repeating([[face_at(30 * number, 0)] for number in range(50)])
    rounds = cover_and_detect(plain_photo(np.zeros((40, 1600, 3), np.uint8)), looks)
    assert len(rounds.rounds) == len(looks.seen) == MAX_ROUNDS
    assert rounds.end is RoundsEnd.MOST_ROUNDS
    assert rounds.words()[-1] == "It ends after 6 rounds, and there may be more."


# --- the whole ----------------------------------------------------------------------------------------------------


def test_a_photo_without_a_face_is_an_answer(networks: Networks, tmp_path: Path) -> None:
    """Nothing to explain, one round, one sentence, and a picture all the same."""
    Image.new("RGB", (200, 150), "#446688").save(tmp_path / "nobody.png")
    explanation = explain_detection(tmp_path / "nobody.png", networks=networks)
    assert (explanation.faces, explanation.explained, len(explanation.rounds.rounds)) == ((), (), 1)
    (words,) = explanation.words()
    assert words.startswith("No face found in nobody.png, among 0 crops")
    draw_detection(explanation)
    with pytest.raises(FaceChoiceNeeded, match=r"no face found .*--face 1"):
        explain_detection(tmp_path / "nobody.png", face_number=1, networks=networks)


def test_each_face_is_explained_at_its_place(of_group: DetectionExplanation) -> None:
    """Crops lie around their faces, scores are the detections' own, and no map is constant."""
    assert [each.number for each in of_group.explained] == [1, 2, 3, 4, 5]
    for each, face in zip(of_group.explained, of_group.faces, strict=True):
        assert each.face == face
        left, top, right, bottom = each.crop_box_xyxy
        assert all(left <= x <= right and top <= y <= bottom for x, y in face.landmarks_xy)
        assert not any(heat.constant for heat in each.maps)
        assert each.gradient.score == pytest.approx(each.covered.heat.score, abs=1e-3)
        assert 1 / (1 + np.exp(-each.gradient.score)) == pytest.approx(face.probability, abs=1e-5)
        inside = np.asarray(of_group.photo.pixels)[int(top) : int(bottom), int(left) : int(right)]
        np.testing.assert_allclose(each.crop.mean(axis=(0, 1)), inside.mean(axis=(0, 1)), atol=1.5)


def test_a_detection_by_a_hair_is_lost_under_a_cover(of_ada: DetectionExplanation) -> None:
    """The portrait stays a face with any square covered; the patch of dark background that passes for one does not."""
    face, mistake = of_ada.explained
    assert face.words().startswith("Face 1: log-odds 7.3 (probability 0.999). A square covered beside the left eye ")
    assert face.words().endswith("leaves 4.1 (0.984): it would still be found.")
    assert mistake.face.probability < 0.8
    assert mistake.words().endswith("under the 0.7 that a face needs, it would not be found.")
    assert mistake.covered.worst_probability < 0.7 < face.covered.worst_probability


def test_one_face_can_be_asked_for(sample_group: Path, networks: Networks, of_group: DetectionExplanation) -> None:
    """--face: only that one, the same as among all; a number that no face has is an error."""
    explanation = explain_detection(sample_group / "group.jpg", face_number=4, networks=networks)
    (fourth,) = explanation.explained
    np.testing.assert_array_equal(fourth.crop, of_group.explained[3].crop)
    np.testing.assert_allclose(fourth.gradient.values, of_group.explained[3].gradient.values, atol=1e-6)
    assert any(line.startswith("Explained here: 4 of 5.") for line in explanation.words())
    with pytest.raises(FaceChoiceNeeded, match="5 faces"):
        explain_detection(sample_group / "group.jpg", face_number=6, networks=networks)


def test_of_a_crowd_the_most_probable_are_explained(sample_group: Path, networks: Networks, tmp_path: Path) -> None:
    """Ten faces: six are explained, and the words say so."""
    group = read_photo(sample_group / "group.jpg").pixels
    Image.fromarray(np.concatenate([group, group[:, ::-1]])).save(tmp_path / "crowd.png")
    explanation = explain_detection(tmp_path / "crowd.png", networks=networks)
    assert len(explanation.faces) == 10
    assert [each.number for each in explanation.explained] == [1, 2, 3, 4, 5, 6][:MOST_EXPLAINED]
    assert explanation.words()[1].startswith("Explained here: 1, 2, 3, 4, 5, 6 of 10.")


def test_both_runtimes_explain_alike(sample_group: Path, of_ada: DetectionExplanation) -> None:
    """Torch and the compiled networks: the same maps within rounding."""
    by_torch = explain_detection(sample_group / "probe" / "ada-1.jpg", runtime=RuntimeChoice(Runtime.TORCH))
    for one, other in zip(by_torch.explained, of_ada.explained, strict=True):
        for heat, of_other in zip(one.maps, other.maps, strict=True):
            np.testing.assert_allclose(heat.values, of_other.values, atol=2e-3)
        assert one.covered.worst_xyxy == other.covered.worst_xyxy


def test_a_reduced_photo_is_explained_in_the_frame_of_the_original(
    sample_group: Path, networks: Networks, tmp_path: Path
) -> None:
    """Boxes are in pixels of the file as it was, also where the photo was reduced on its way in."""
    portrait = Image.open(sample_group / "probe" / "ada-2.jpg")
    wide = Image.new("RGB", (portrait.width + 4608, portrait.height))
    wide.paste(portrait, (4608, 0))
    wide.save(tmp_path / "wide.jpg")
    explanation = explain_detection(tmp_path / "wide.jpg", face_number=1, networks=networks)
    assert explanation.photo.scale < 1
    left, top, right, bottom = explanation.explained[0].crop_box_xyxy
    assert 4608 < left < right < wide.width
    assert all(left <= x <= right and top <= y <= bottom for x, y in explanation.faces[0].landmarks_xy)
    assert "the left eye" in explanation.explained[0].words()


def test_the_picture_has_a_row_for_each_face(of_group: DetectionExplanation, of_ada: DetectionExplanation) -> None:
    """The photo, the words, four tiles a face, and the later rounds; a constant map has words in its place."""
    group, ada = draw_detection(of_group), draw_detection(of_ada)
    assert group.width == ada.width > 4 * 320
    assert group.height > 5 * 450
    assert 3 * 400 < ada.height < 2500


def test_a_page_has_a_section_for_each_face() -> None:
    """The photo with its rounds first, then each face with what O-Net saw, both maps and the worst cover."""
    explanation = explain_detection(bundled("sample_group/probe/ada-1.jpg"))
    page = page_of_detection(explanation)
    assert [section.title for section in page.sections] == ["The photo", "Face 1", "Face 2"]
    assert [len(section.figures) for section in page.sections[1:]] == [4, 4]
    assert len(page.sections[0].figures) == len(explanation.rounds.rounds)
    assert tuple(page.lead) == explanation.words()
