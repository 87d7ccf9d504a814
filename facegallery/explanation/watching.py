"""What the third network was shown when a face was found: the cascade runs as ever, and is watched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from facegallery.errors import ExplanationError

if TYPE_CHECKING:
    from facegallery.cascade import Network, Networks
    from facegallery.domain import BoxXyxy, Face, Pixels
    from facegallery.explanation.method import Floats

_SAME_PX = 0.5
"""Landmarks that are nearer than this are the same; rounding moves them by a thousandth of a pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The crop behind one detection.

    Attributes:
        crop: shape (3, 48, 48), float32, RGB, (x - 127.5) / 128: what the third network was shown.
        box_xyxy: Where that was cut from, in whole pixels of the image that was searched; right and bottom are not
            included. The detection's own box is this candidate's, moved as the network said.
    """

    crop: Floats
    box_xyxy: BoxXyxy


class Watch:
    """Keeps what the third network is shown and answers, while somebody else detects with ``networks``.

    For one image: a face is looked up among all that was seen.

    Attributes:
        networks: The same networks, watched.
    """

    def __init__(self, networks: Networks) -> None:
        self._third: Network = networks.third
        self._crops: list[Floats] = []
        self._answers: list[tuple[Floats, ...]] = []
        self.networks = replace(networks, third=self._watched)

    @property
    def n_shown(self) -> int:
        """How many crops the third network was shown."""
        return sum(map(len, self._crops))

    def look_at(self, face: Face, pixels: Pixels) -> Look:
        """Find the crop that a face was found in: it has the face's probability, and its landmarks.

        Args:
            face: As the detector returned it, in the frame of ``pixels``.
            pixels: shape (h, w, 3): the image that was searched.

        Raises:
            ExplanationError: It was not found with these networks.
        """
        if not self._crops:
            raise _not_seen()
        moves, points, probabilities = (np.concatenate(parts) for parts in zip(*self._answers, strict=True))
        candidates = _candidates(moves, face.box_xyxy)
        sides = candidates[:, 2:] - candidates[:, :2] + 1
        shares = points.reshape(-1, 2, 5).transpose(0, 2, 1)  # five x, five y -> five pairs
        landmarks = sides[:, np.newaxis] * shares + candidates[:, np.newaxis, :2] - 1
        apart = np.abs(landmarks - np.array(face.landmarks_xy)).max(axis=(1, 2))
        apart[probabilities[:, 1] != np.float32(face.probability)] = np.inf
        row = int(np.argmin(apart))
        if not apart[row] < _SAME_PX:
            raise _not_seen()
        return Look(np.concatenate(self._crops)[row], _cut(candidates[row], pixels))

    def _watched(self, values: Floats) -> tuple[Floats, ...]:
        answers = self._third(values)
        # Copies: whoever gave the arrays may use them again.
        self._crops.append(values.copy())
        self._answers.append(tuple(answer.copy() for answer in answers))
        return answers


def _not_seen() -> ExplanationError:
    return ExplanationError("This face was not found with the networks that are watched. Detect with them first.")


def _candidates(moves: Floats, box_xyxy: BoxXyxy) -> Floats:
    """The boxes (n, 4) that the moves (n, 4) would each have made this box from: ``cascade._moved``, backwards."""
    left_top, right_bottom = np.array(box_xyxy).reshape(2, 2)
    sides = (right_bottom - left_top + 1) / (1 + moves[:, 2:] - moves[:, :2])
    return np.concatenate([left_top - moves[:, :2] * sides, right_bottom - moves[:, 2:] * sides], axis=1)


def _cut(candidate: Floats, pixels: Pixels) -> BoxXyxy:
    """A candidate box in whole pixels inside the image, as the cascade cuts it."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = np.trunc(candidate).tolist()
    return max(left, 1.0) - 1, max(top, 1.0) - 1, min(right, width), min(bottom, height)
