"""Which faces are too poor to stand for a member, and the reason in a word for programs and in words for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from facegallery.domain import Face, FaceQuality

MIN_SIZE_PX = 24.0
"""EN 62676-4:2015 asks for 125 pixels a metre to recognize a known person and 250 to identify an unknown one: 20 and
40 px on a face 16 cm wide. Of 40 sharp photographs shrunk to 24 px, 90 % were still most like their own member among 50
(93 % as they were), of those shrunk to 20 px, 72 %."""

MIN_SHARPNESS = 0.15
"""The detail that is left in a face of the least size: of 516 sharp photographs shrunk to 24 px, 97 % have more, and of
those blurred with a standard deviation of 1/32 of the face's width, 95 % have less."""

MIN_BRIGHTNESS = 0.1
"""25 of 255, up to which ISO/IEC 29794-5 counts a pixel as under-exposed: here, of the mean."""

MAX_BRIGHTNESS = 0.9
"""With this mean most of the face is at white: of photographs brightened until then, one in five was lost."""

MIN_CONTRAST = 0.03
"""Eight grey levels. Photographs with a fifth of their contrast have it and are still known; with a tenth, a quarter is
lost."""

MAX_YAW = 1.5
"""At 1 the nose is over an eye, about 40 degrees: such photos (3 % of everyday ones) serve as templates nearly as well
as others. Beyond 1.5 the second eye is out of sight, and the detector has guessed where it is."""

MIN_VISIBLE = 0.5
"""Of photographs cut off at a tenth or a fifth of the face hardly one was lost, at three tenths one in ten. Half
passes, since the box of a tight portrait reaches beyond its edges though eyes, nose and mouth are all there: of 39
crops of 150 px from films two thirds have less than 0.8, and one has less than half."""

MIN_PROBABILITY = 0.9
"""The limit that facenet-pytorch's choice of faces (``select_boxes``) has. Under it most detections are no faces."""


class Poor(str, Enum):
    """Why the picture of a face is poor. The values are stable: they appear in JSON and CSV."""

    TOO_SMALL = "too_small"
    BLURRED = "blurred"
    TOO_DARK = "too_dark"
    LOW_CONTRAST = "low_contrast"
    CUT_OFF = "cut_off"
    UNCERTAIN = "uncertain"
    """The detector is not sure that it is a face."""
    TOO_BRIGHT = "too_bright"
    PROFILE = "profile"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with the picture of a face.

    Attributes:
        code: What it is.
        value: What was measured.
        limit: What was asked for; the least or the most, as the code says.
    """

    code: Poor
    value: float
    limit: float

    @property
    def words(self) -> str:
        """The fault with its numbers, and what would help."""
        return _WORDS[self.code].format(value=self.value, limit=self.limit)


_WORDS = {
    Poor.TOO_SMALL: "the face is small ({value:.3g} px, at least {limit:.3g}): take a photo in which it is larger",
    Poor.BLURRED: "the face is blurred (sharpness {value:.3g}, at least {limit:.3g}): take a sharper photo",
    Poor.TOO_DARK: "the face is dark (brightness {value:.3g}, at least {limit:.3g}): take one in more light",
    Poor.TOO_BRIGHT: "the face is overexposed (brightness {value:.3g}, at most {limit:.3g}): take one in less light",
    Poor.LOW_CONTRAST: "the face is flat (contrast {value:.3g}, at least {limit:.3g}): take one in other light",
    Poor.PROFILE: "the face is turned away (yaw {value:.3g}, at most {limit:.3g}): take one more from the front",
    Poor.CUT_OFF: "the face is cut off (visible share {value:.3g}, at least {limit:.3g}): take one with all of it",
    Poor.UNCERTAIN: "it may be no face (probability {value:.3g}, at least {limit:.3g}): take a clearer photo",
}


@dataclass(frozen=True, slots=True)
class QualityPolicy:
    """What the picture of a face must be like; the measures are those of :class:`facegallery.domain.FaceQuality`.

    A face on a limit passes.
    """

    min_size_px: float = MIN_SIZE_PX
    min_sharpness: float = MIN_SHARPNESS
    min_brightness: float = MIN_BRIGHTNESS
    max_brightness: float = MAX_BRIGHTNESS
    min_contrast: float = MIN_CONTRAST
    max_yaw: float = MAX_YAW
    min_visible: float = MIN_VISIBLE
    min_probability: float = MIN_PROBABILITY

    def faults(self, face: Face, quality: FaceQuality | None) -> tuple[Fault, ...]:
        """What is wrong with a face, in the order of :class:`Poor`; nothing where nobody looked."""
        if quality is None:
            return ()
        too_little = (
            (Poor.TOO_SMALL, quality.size_px, self.min_size_px),
            (Poor.BLURRED, quality.sharpness, self.min_sharpness),
            (Poor.TOO_DARK, quality.brightness, self.min_brightness),
            (Poor.LOW_CONTRAST, quality.contrast, self.min_contrast),
            (Poor.CUT_OFF, quality.visible, self.min_visible),
            (Poor.UNCERTAIN, face.probability, self.min_probability),
        )
        too_much = (
            (Poor.TOO_BRIGHT, quality.brightness, self.max_brightness),
            (Poor.PROFILE, abs(quality.yaw), self.max_yaw),
        )
        return (
            *(Fault(code, value, least) for code, value, least in too_little if value < least),
            *(Fault(code, value, most) for code, value, most in too_much if value > most),
        )


DEFAULT_POLICY = QualityPolicy()
"""What enrollment asks for unless told otherwise."""
