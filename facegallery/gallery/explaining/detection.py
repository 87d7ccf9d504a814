"""Why the detector found what it found: where O-Net looked for each face, and what it finds with those covered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facegallery.cascade import THIRD_THRESHOLD, Networks
from facegallery.crops import to_photo_frame
from facegallery.detection import MtcnnDetector
from facegallery.domain import AUTOMATIC, LANDMARK_NAMES, BoxXyxy, Face, Photo, Pixels, RuntimeChoice
from facegallery.errors import FaceChoiceNeeded
from facegallery.explanation.method import HeatMap
from facegallery.explanation.onet import DEFAULT_LAYER, Covered, covered_map, gradient_maps
from facegallery.explanation.watching import Look, Watch
from facegallery.gallery.explaining.rounds import Rounds, cover_and_detect
from facegallery.gallery.networks import load_cascade
from facegallery.images import read_photo

if TYPE_CHECKING:
    from facegallery.explanation.method import Floats

MOST_EXPLAINED = 6
"""Faces that are explained unless one is asked for: the most probable ones. Each takes a row of the picture."""

_CERTAIN = 0.9995
"""From here on three decimals would say 1, which a network never does."""

_CONSTANT = "the map is constant, so it points at no place and is not drawn."


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedFace:
    """Why one detection is one.

    Attributes:
        number: Its place among the photo's faces, from 1.
        face: The detection, photo frame.
        crop: What O-Net was shown, shape (48, 48, 3), uint8, RGB.
        crop_box_xyxy: Where that lies, photo frame: the candidate that O-Net made the detection from. Never beyond the
            photo's edge; what is left of a square there was stretched to one.
        gradient: Which places of a layer the answer comes from; over ``crop``.
        covered: What O-Net says with places of ``crop`` covered.
    """

    number: int
    face: Face
    crop: Pixels
    crop_box_xyxy: BoxXyxy
    gradient: HeatMap
    covered: Covered

    @property
    def maps(self) -> tuple[HeatMap, HeatMap]:
        """Both maps."""
        return self.gradient, self.covered.heat

    def words(self) -> str:
        """What the worst cover does to the detection, and whether it would still be one."""
        heat, under = self.covered.heat, self.covered.worst_probability
        left = f"{heat.score - self.covered.worst_fall:.1f} ({probability_words(under)})"
        return (
            f"Face {self.number}: log-odds {heat.score:.1f} (probability {probability_words(self.face.probability)}). "
            f"A square covered {self._worst_place()} takes most of all and leaves {left}: "
            + (
                "it would still be found."
                if under > THIRD_THRESHOLD
                else f"under the {THIRD_THRESHOLD:g} that a face needs, it would not be found."
            )
        )

    def _worst_place(self) -> str:
        """The worst square in words: by the landmark that is nearest to its middle."""
        left, top, right, bottom = self.covered.worst_xyxy
        x0, y0, x1, y1 = self.crop_box_xyxy
        in_crop = (np.array(self.face.landmarks_xy) - (x0, y0)) / (x1 - x0, y1 - y0) * self.crop.shape[1::-1]
        apart = np.abs(in_crop - ((left + right) / 2, (top + bottom) / 2)).max(axis=1)  # in the square: half its side
        nearest = int(apart.argmin())
        if apart[nearest] > right - left:
            return "away from all landmarks"
        return f"{'over' if apart[nearest] <= (right - left) / 2 else 'beside'} the {LANDMARK_NAMES[nearest]}"


@dataclass(frozen=True, slots=True, eq=False)
class DetectionExplanation:
    """Everything an explanation of a photo's detections shows.

    Attributes:
        photo: The photo.
        faces: All detections, photo frame, most probable first.
        n_crops: How many crops O-Net was shown to find them.
        explained: Those that are explained.
        rounds: What was found in the photo, and then with that covered, and so on.
    """

    photo: Photo
    faces: tuple[Face, ...]
    n_crops: int
    explained: tuple[ExplainedFace, ...]
    rounds: Rounds

    def words(self) -> tuple[str, ...]:
        """What was found, what the maps say and what the rounds found, in sentences."""
        found = {0: "No face", 1: "1 face"}.get(len(self.faces), f"{len(self.faces)} faces")
        lines = [
            f"{found} found in {self.photo.path.name}, among {self.n_crops} "
            f"{'crop' if self.n_crops == 1 else 'crops'} that the last of the detector's networks was shown."
        ]
        if len(self.explained) < len(self.faces):
            numbers = ", ".join(str(each.number) for each in self.explained)
            lines.append(f"Explained here: {numbers} of {len(self.faces)}. Another is explained with --face N.")
        for each in self.explained:
            lines.append(each.words())
            lines += [f"Face {each.number}, {heat.method}: {_CONSTANT}" for heat in each.maps if heat.constant]
        return (*lines, *self.rounds.words())


def explain_detection(
    path: Path,
    *,
    face_number: int | None = None,
    layer: str = DEFAULT_LAYER,
    networks: Networks | None = None,
    runtime: RuntimeChoice = AUTOMATIC,
) -> DetectionExplanation:
    """Explain what the detector finds in a photo. A photo without a face is explained too.

    Args:
        path: The photo.
        face_number: Which face is explained, from 1; None takes the first ``MOST_EXPLAINED``.
        layer: Layer of the gradient's map, one of ``facegallery.explanation.onet.LAYERS``.
        networks: The detector's; None loads those that galleries use.
        runtime: How those are to be run. The gradient needs torch, and runs O-Net in it whatever this says.

    Raises:
        PhotoError: The file cannot be used as a photo.
        FaceChoiceNeeded: There is no face of that number.
        ExplanationError: There is no such layer.
        RuntimeUnavailable: The runtime that was asked for cannot be had.
    """
    photo = read_photo(path)
    networks = networks or load_cascade(runtime)
    watch = Watch(networks)
    found = MtcnnDetector(watch.networks).detect(photo.pixels)
    numbers = _numbers(path, len(found), face_number)
    return DetectionExplanation(
        photo=photo,
        faces=tuple(to_photo_frame(found, photo)),
        n_crops=watch.n_shown,
        explained=_explained(photo, found, numbers, watch, layer, networks),
        rounds=cover_and_detect(photo, MtcnnDetector(networks)),
    )


def _numbers(path: Path, n_faces: int, asked: int | None) -> Sequence[int]:
    if asked is None:
        return range(1, min(n_faces, MOST_EXPLAINED) + 1)
    if not 1 <= asked <= n_faces:
        raise FaceChoiceNeeded(path, n_faces, f"--face {asked} names none of them.")
    return (asked,)


def _explained(
    photo: Photo, found: list[Face], numbers: Sequence[int], watch: Watch, layer: str, networks: Networks
) -> tuple[ExplainedFace, ...]:
    if not numbers:
        return ()
    from facegallery.mtcnn import third_network

    looks = [watch.look_at(found[number - 1], photo.pixels) for number in numbers]
    gradients = gradient_maps(third_network(), np.stack([look.crop for look in looks]), layer=layer)
    faces = to_photo_frame(found, photo)
    return tuple(
        ExplainedFace(
            number=number,
            face=faces[number - 1],
            crop=pixels_of(look.crop),
            crop_box_xyxy=_in_photo(look, photo),
            gradient=gradient,
            covered=covered_map(networks.third, look.crop, n_at_once=networks.third_batch),
        )
        for number, look, gradient in zip(numbers, looks, gradients, strict=True)
    )


def pixels_of(crop: Floats) -> Pixels:
    """A crop as O-Net is shown it, (3, 48, 48), as it looks: (48, 48, 3), uint8, RGB."""
    pixels: Pixels = (crop.transpose(1, 2, 0) * 128 + 127.5).round().clip(0, 255).astype(np.uint8)
    return pixels


def _in_photo(look: Look, photo: Photo) -> BoxXyxy:
    left, top, right, bottom = (edge / photo.scale for edge in look.box_xyxy)
    return left, top, right, bottom


def probability_words(value: float) -> str:
    """A probability in text; none is 1."""
    return f"over {_CERTAIN - 0.0005:.3f}" if value >= _CERTAIN else f"{value:.3f}"
