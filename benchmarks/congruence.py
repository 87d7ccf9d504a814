"""Compare facegallery's faces with facenet-pytorch's own on every photo in a folder: same faces, or exit status 1.

    python benchmarks/congruence.py ../shared/photos

Faces are paired by overlap. A landmark's distance is in pixels of a face scaled to 160 px.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from facenet_pytorch import MTCNN
from PIL import Image, ImageOps

from facegallery.detection import smallest_face_px
from facegallery.domain import CROP_SIZE_PX, Face, Pixels, Runtime, RuntimeChoice
from facegallery.gallery.networks import load_detector

LEAST_IOU, MOST_LANDMARK_PX, MOST_PROBABILITY = 0.98, 1.0, 1e-3
"""How far two answers may be apart and still be the same; from issue 3."""

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two answers for one photo are apart; the worst of its faces.

    Attributes:
        n_faces: In facegallery's answer.
        n_expected: In facenet-pytorch's answer.
        iou: Least intersection over union of two boxes, 1.0 where there is no face.
        landmark_px: Greatest distance of two landmarks, in pixels of a face of 160 px.
        probability: Greatest difference of two probabilities.
    """

    n_faces: int
    n_expected: int
    iou: float = 1.0
    landmark_px: float = 0.0
    probability: float = 0.0

    @property
    def is_same(self) -> bool:
        """Whether the two answers count as the same."""
        return (
            self.n_faces == self.n_expected
            and self.iou >= LEAST_IOU
            and self.landmark_px <= MOST_LANDMARK_PX
            and self.probability <= MOST_PROBABILITY
        )


def library_faces(pixels: Pixels, library: Any) -> list[Face] | None:
    """What facenet-pytorch finds, for the same smallest face; None where it raises on a candidate without pixels.

    Args:
        pixels: shape (h, w, 3), uint8, RGB.
        library: A ``facenet_pytorch.MTCNN(keep_all=True)``.
    """
    height, width = pixels.shape[:2]
    library.min_face_size = smallest_face_px(pixels)
    if min(height, width) * (12 / library.min_face_size) < 12:
        return []  # there it joins an empty list
    try:
        boxes, probabilities, points = library.detect(Image.fromarray(pixels), landmarks=True)
    except (IndexError, RuntimeError, ValueError) as error:
        if isinstance(error, IndexError) or "non-empty list" in str(error):
            return None
        raise
    if boxes is None:
        return []
    return [
        Face(
            (float(left), float(top), float(right), float(bottom)),
            tuple((float(x), float(y)) for x, y in landmarks),
            float(probability),
        )
        for (left, top, right, bottom), probability, landmarks in zip(boxes, probabilities, points, strict=True)
    ]


def difference(faces: list[Face], expected: list[Face]) -> Difference:
    """Pair each expected face with the one that overlaps it most, and tell how far they are apart."""
    if len(faces) != len(expected):
        return Difference(len(faces), len(expected))
    pairs = [(max(faces, key=lambda face: iou(face, other)), other) for other in expected]
    return Difference(
        len({id(face) for face, _ in pairs}),
        len(expected),
        min((iou(*pair) for pair in pairs), default=1.0),
        max((_landmark_px(*pair) for pair in pairs), default=0.0),
        max((abs(face.probability - other.probability) for face, other in pairs), default=0.0),
    )


def iou(one: Face, other: Face) -> float:
    """Intersection over union of two boxes."""
    (a, b, c, d), (e, f, g, h) = one.box_xyxy, other.box_xyxy
    shared = max(0.0, min(c, g) - max(a, e)) * max(0.0, min(d, h) - max(b, f))
    return shared / ((c - a) * (d - b) + (g - e) * (h - f) - shared)


def _landmark_px(face: Face, expected: Face) -> float:
    left, top, right, bottom = expected.box_xyxy
    apart = np.linalg.norm(np.subtract(face.landmarks_xy, expected.landmarks_xy), axis=1).max()
    return float(apart * CROP_SIZE_PX / max(right - left, bottom - top))


def main() -> int:
    """Compare, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos_dir", type=Path, metavar="PHOTOS_DIR")
    parser.add_argument("--runtime", type=Runtime, choices=list(Runtime), default=Runtime.AUTO)
    arguments = parser.parse_args()
    folder = arguments.photos_dir
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    detector, library = load_detector(RuntimeChoice(arguments.runtime)), MTCNN(keep_all=True)
    differences, n_raised = [], 0
    for path in paths:
        with Image.open(path) as picture:
            pixels = np.array(ImageOps.exif_transpose(picture).convert("RGB"))
        expected = library_faces(pixels, library)
        if expected is None:
            n_raised += 1
            print(f"RAISED {path.relative_to(folder)}: facenet-pytorch has no answer", flush=True)
            continue
        found = difference(detector.detect(pixels), expected)
        differences.append(found)
        print(f"{'same  ' if found.is_same else 'DIFFER'} {path.relative_to(folder)}: {_in_words(found)}", flush=True)
    return _summary(differences, n_raised)


def _in_words(found: Difference) -> str:
    return (
        f"faces {found.n_faces}/{found.n_expected}, IoU {found.iou:.6f}, "
        f"landmark {found.landmark_px:.5f} px, probability {found.probability:.1e}"
    )


def _summary(differences: list[Difference], n_raised: int) -> int:
    if not differences:
        print("no photo was compared")
        return 1
    n_same = sum(found.is_same for found in differences)
    worst = Difference(
        sum(found.n_faces for found in differences),
        sum(found.n_expected for found in differences),
        min(found.iou for found in differences),
        max(found.landmark_px for found in differences),
        max(found.probability for found in differences),
    )
    print(f"\n{n_same} of {len(differences)} photos the same, {n_raised} not compared; worst: {_in_words(worst)}")
    return 0 if n_same == len(differences) else 1


if __name__ == "__main__":
    sys.exit(main())
