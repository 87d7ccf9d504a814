"""An explanation of a photo's detections as one picture, or as one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageOps

from facegallery.domain import Face, Photo, Pixels
from facegallery.explanation.method import HeatMap
from facegallery.gallery.explaining.detection import (
    DetectionExplanation,
    ExplainedFace,
    pixels_of,
    probability_words,
)
from facegallery.gallery.explaining.rounds import Round
from facegallery.pictures.boxes import draw_faces
from facegallery.pictures.figure import Figure
from facegallery.pictures.heat import overlay
from facegallery.pictures.page import Page, Section
from facegallery.pictures.panel import MARGIN_PX, draw_panel
from facegallery.version import __version__

PHOTO_HEIGHT_PX = 640


def draw_detection(explanation: DetectionExplanation) -> Image.Image:
    """The picture: the faces on their photo, the words, a row for each explained face, and the later rounds."""
    rows = [_face_figures(each) for each in explanation.explained]
    later = [_round_figure(explanation.photo, each) for each in explanation.rounds.rounds[1:]]
    panel = draw_panel(explanation.words(), *rows, later)
    photo = _photo_with_faces(explanation.photo, explanation.faces, panel.width)
    page = Image.new("RGB", (panel.width, photo.height + panel.height), "white")
    page.paste(photo, (0, 0))
    page.paste(panel, (0, photo.height))
    return page


def page_of_detection(explanation: DetectionExplanation) -> Page:
    """The page: the same, a section for each face."""
    photo = explanation.photo
    sections = [Section("The photo", (), [_round_figure(photo, each) for each in explanation.rounds.rounds])]
    sections += [Section(f"Face {each.number}", [each.words()], _face_figures(each)) for each in explanation.explained]
    settings = {"photo": str(photo.path), "detector": "MTCNN", "program": f"facegallery {__version__}"}
    for each in explanation.explained[:1]:
        for heat in each.maps:
            settings[f"method {heat.method}"] = heat.made_with
    return Page(f"Why these are faces: {photo.path.name}", explanation.words(), sections, settings)


def _photo_with_faces(photo: Photo, faces: Sequence[Face], page_width: int) -> Image.Image:
    """The photo, as wide as the page or as high as ``PHOTO_HEIGHT_PX``, with a margin at the left, top and right."""
    notes = [(face, f"{number} {face.probability:.2f}", None) for number, face in enumerate(faces, start=1)]
    room = page_width - 2 * MARGIN_PX, PHOTO_HEIGHT_PX
    picture = ImageOps.contain(draw_faces(photo, notes), room, Image.Resampling.BICUBIC)
    return ImageOps.expand(picture, (MARGIN_PX, MARGIN_PX, 0, 0), "white")


def _round_figure(photo: Photo, each: Round) -> Figure:
    notes = [(face, str(number), None) for number, face in enumerate(each.faces, start=1)]
    picture = np.array(draw_faces(replace(photo, pixels=each.picture), notes))
    found = {0: "nothing", 1: "1 face"}.get(len(each.faces), f"{len(each.faces)} faces")
    captions = ["what was found before is covered"] if each.number > 1 else ["the photo as it is"]
    if any(each.on_cover):
        captions.append(f"{sum(each.on_cover)} of these on a cover: no face")
    return Figure(f"round {each.number}: {found} found", picture, captions)


def _face_figures(each: ExplainedFace) -> list[Figure]:
    """A row: what O-Net saw, both maps, and the worst cover."""
    step = each.covered.heat.settings
    return [
        Figure(
            f"face {each.number}: what O-Net saw",
            each.crop,
            _captions(each.covered.heat.score, each.face.probability),
        ),
        _map_figure("gradient x activation", each.gradient, each.crop, f"layer {each.gradient.settings['layer']}"),
        _map_figure("occlusion", each.covered.heat, each.crop, f"squares of {step['patch_px']} px"),
        Figure(
            "the worst cover",
            pixels_of(each.covered.worst_crop),
            _captions(each.covered.heat.score - each.covered.worst_fall, each.covered.worst_probability),
        ),
    ]


def _captions(log_odds: float, probability: float) -> list[str]:
    return [f"log-odds {log_odds:.1f}", f"probability {probability_words(probability)}"]


def _map_figure(title: str, heat: HeatMap, crop: Pixels, how: str) -> Figure:
    if heat.constant:
        return Figure(title, None, [heat.target, how], "constant map:\nit points at no place")
    picture = overlay(crop, heat.values, signed=True)
    return Figure(title, picture, [heat.target, how], legend=("lowers", "0", "raises"))
