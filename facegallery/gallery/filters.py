"""The filters of a layer as pictures: what they answer to a face, and what drives one of them most."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facegallery.domain import Pixels
from facegallery.explanation.filters import outputs, strongest
from facegallery.gallery.analysis import FaceAnalyzer, pick_face, read_and_analyze
from facegallery.pictures.figure import Figure
from facegallery.pictures.heat import overlay
from facegallery.pictures.panel import draw_panel

if TYPE_CHECKING:
    from PIL.Image import Image

    from facegallery.explanation.method import Floats
    from facegallery.explanation.visualization import Visualization

N_SHOWN = 15
"""Filters on a sheet: four rows of four with the face."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceFilters:
    """What a layer's filters answer to one face of a photo.

    Attributes:
        path: The photo.
        face_number: Which of its faces, from 1.
        crop: The face as the network sees it, shape (160, 160, 3), uint8, RGB.
        layer: The layer.
        answers: shape (channels, h, w), float32, crop frame.
    """

    path: Path
    face_number: int
    crop: Pixels
    layer: str
    answers: Floats

    def words(self) -> str:
        """What was looked at."""
        n_filters, rows, columns = self.answers.shape
        return (
            f"Face {self.face_number} of {self.path.name} in layer {self.layer}: {n_filters} filters of "
            f"{rows}x{columns} places."
        )


def face_filters(path: Path, *, analyzer: FaceAnalyzer, layer: str, face_number: int | None = None) -> FaceFilters:
    """Look at what a layer's filters answer to a face.

    Args:
        path: The photo.
        analyzer: Finds the face; its network is looked into.
        layer: One of ``explanation.layers.FILTER_LAYERS``.
        face_number: Which face, from 1; None where there is only one.

    Raises:
        PhotoError: The file cannot be used as a photo.
        FaceChoiceNeeded: It has no face, several and none was chosen, or none of that number.
        ExplanationError: No such layer.
    """
    photo, faces = read_and_analyze(analyzer, path)
    position = pick_face(photo.path, faces, face_number, option="--face")
    crop = analyzer.crop(photo, faces[position].face)
    return FaceFilters(photo.path, position + 1, crop, layer, outputs(analyzer.network, layer, crop))


def draw_filters(seen: FaceFilters | None, driven: Visualization | None) -> Image:
    """The face and what the strongest filters answer to it; or one filter's answers and the picture that drives it.

    Args:
        seen: The face that was looked at, or None.
        driven: What drives the one filter that is shown, or None to show the strongest.
    """
    words, tiles = [], []
    if seen is not None:
        words.append(seen.words())
        tiles.append(Figure("the face", seen.crop, [seen.path.name]))
        tiles += _strongest(seen) if driven is None else [_answers(seen, driven.channel)]
    if driven is not None:
        words.append(f"Filter {driven.channel} of layer {driven.layer}. {driven_words(driven)}")
        tiles.append(Figure("what drives it", driven.pixels, ["found by gradient ascent from noise"]))
    else:
        words.append(
            "Here are the filters that answer most strongly, from the strongest: each from dark, where it answers "
            "least, to bright, where it answers most. The two answers stand under it."
        )
    return draw_panel(words, tiles)


def _strongest(seen: FaceFilters) -> list[Figure]:
    blank = np.full_like(seen.crop, 128)
    shown = strongest(seen.answers, N_SHOWN)
    return [
        Figure(f"filter {number}", _coloured(blank, seen.answers[number]), [_range(seen.answers[number])])
        for number in shown
    ]


def _answers(seen: FaceFilters, channel: int) -> Figure:
    answers = seen.answers[channel]
    captions = [f"{_range(answers)}, mean {answers.mean():.3g}"]
    return Figure("where it answers", _coloured(seen.crop, answers), captions, legend=("least", "most"))


def driven_words(driven: Visualization) -> str:
    """How far the ascent came."""
    if not driven.end > driven.start:
        return f"Nothing was found that drives it: its mean answer is {driven.end:.3g}, for noise {driven.start:.3g}."
    return f"Its mean answer to the picture that drives it is {driven.end:.3g}, for noise {driven.start:.3g}."


def _coloured(crop: Pixels, answers: Floats) -> Pixels:
    """Answers over a crop, from dark at their least to bright at their most; all dark where they are all the same."""
    return overlay(crop, answers - answers.min(), signed=False)


def _range(answers: Floats) -> str:
    return f"{answers.min():.3g} to {answers.max():.3g}"
