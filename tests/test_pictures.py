"""Drawn pictures: everything is in the right place, nothing is cut off, and no file is overwritten by a slip."""

from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from facegallery.domain import BoxXyxy, Face, Photo, Pixels, Verdict
from facegallery.errors import ExplanationError
from facegallery.images import read_photo
from facegallery.pictures import fonts
from facegallery.pictures.bars import draw_bars
from facegallery.pictures.boxes import MIN_SHORT_SIDE_PX, OUTLINED_PX, draw_faces, outlined, place_labels
from facegallery.pictures.figure import Figure
from facegallery.pictures.fonts import typeset
from facegallery.pictures.heat import OVERLAY_PX, colour_bar, overlay
from facegallery.pictures.output import save_png
from facegallery.pictures.panel import GAP_PX, MARGIN_PX, TILE_PX, draw_panel
from facegallery.settings import bundled
from facegallery.text import printable

BLUE, ORANGE = (0, 114, 178), (213, 94, 0)
BLACK = np.zeros((160, 160, 3), np.uint8)
NAMES = ["Ada", "José Ñandú", "李小龍", "أحمد", "a\nb\u202ec\x1b[31m\udcff", "", " ", "W" * 300, "🧑‍🚀"]


def black_photo(width: int, height: int, *, reduced: int = 1) -> Photo:
    pixels = np.zeros((height // reduced, width // reduced, 3), np.uint8)
    return Photo(Path("black.png"), "0" * 64, pixels, width, height)


def face_at(left: float, top: float, side: float) -> Face:
    eyes = ((left + 0.3 * side, top + 0.4 * side), (left + 0.7 * side, top + 0.4 * side))
    return Face((left, top, left + side, top + side), (*eyes, *eyes, eyes[0]), 0.99)


def overlap(one: BoxXyxy, other: BoxXyxy) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(across, 0) * max(down, 0)


# --- faces on a photo -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduced", [1, 2, 4])
def test_boxes_stand_where_the_faces_are(reduced: int) -> None:
    """Faces are in the photo frame; on a photo that was reduced while decoding they are drawn reduced too."""
    picture = draw_faces(black_photo(4000, 3200, reduced=reduced), [(face_at(800, 1200, 1600), "1 Ada", Verdict.MATCH)])
    assert picture.size == (4000 // reduced, 3200 // reduced)
    blue = np.argwhere((np.asarray(picture) == BLUE).all(axis=-1))
    bottom, right = blue.max(axis=0) * reduced
    assert abs(bottom - 2800) <= 2 * reduced
    assert abs(right - 2400) <= 2 * reduced


def test_match_and_unknown_differ_in_colour_and_in_grey() -> None:
    """A match's box is solid, an unknown's is dashed, and their colours are those of the palette for all eyes."""
    shares = {}
    for verdict, colour in ((Verdict.MATCH, BLUE), (Verdict.UNKNOWN, ORANGE)):
        pixels = np.asarray(draw_faces(black_photo(800, 800), [(face_at(200, 200, 400), "1", verdict)]))
        right_line = pixels[210:590, 599]
        shares[verdict] = (right_line == colour).all(axis=-1).mean()
    assert shares[Verdict.MATCH] == 1
    assert 0.3 < shares[Verdict.UNKNOWN] < 0.7


@pytest.mark.parametrize("verdict", [*Verdict, None])
def test_every_verdict_can_be_drawn(verdict: Verdict | None) -> None:
    """Each in a colour of its own, so that an ambiguous face is not taken for a named or an unknown one."""
    others = [
        np.asarray(draw_faces(black_photo(800, 800), [(face_at(200, 200, 400), "1", each)]))
        for each in (*Verdict, None)
        if each is not verdict
    ]
    mine = np.asarray(draw_faces(black_photo(800, 800), [(face_at(200, 200, 400), "1", verdict)]))
    assert all((mine != other).any() for other in others)


def test_lines_are_seen_on_their_own_colour() -> None:
    """A blue box on a blue photo has a white edge."""
    photo = black_photo(600, 600)
    photo.pixels[:] = BLUE
    pixels = np.asarray(draw_faces(photo, [(face_at(200, 200, 200), "1", Verdict.MATCH)]))
    assert (pixels[300, 190:212] == 255).all(axis=-1).any()


def test_the_photo_itself_is_not_changed() -> None:
    """Drawing takes a copy: the same photo can be cropped afterwards."""
    photo = black_photo(600, 600)
    draw_faces(photo, [(face_at(200, 200, 200), "1 Ada", None)])
    assert not photo.pixels.any()


def test_small_photos_are_enlarged_so_that_words_can_be_read() -> None:
    """A photo of 60 px would have room for three letters; the drawing is large enough for a name."""
    picture = draw_faces(black_photo(60, 60), [(face_at(10, 10, 30), "1 Bernadette 0.83", Verdict.MATCH)])
    assert picture.size == (MIN_SHORT_SIDE_PX, MIN_SHORT_SIDE_PX)
    bottom, right = np.argwhere((np.asarray(picture) == BLUE).all(axis=-1)).max(axis=0)
    assert (bottom, right) == pytest.approx((40 / 60 * MIN_SHORT_SIDE_PX,) * 2, abs=2)


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_an_outlined_place_is_where_it_was_said_and_seen_on_any_ground(shade: int) -> None:
    """The box is given in the picture's pixels; on black, grey and white it has a black and a white line."""
    picture = np.full((160, 160, 3), shade, np.uint8)
    drawn = outlined(picture, (20, 40, 60, 80))
    assert drawn.shape == (OUTLINED_PX, OUTLINED_PX, 3)
    changed = np.argwhere((drawn != shade).any(axis=-1))
    assert np.abs(changed.min(axis=0) - (80, 40)).max() <= 1
    assert np.abs(changed.max(axis=0) - (160, 120)).max() <= 1
    across = drawn[120, 36:50]  # over the left line, at half its height
    assert across.min() == 0
    assert across.max() == 255
    assert (picture == shade).all()


def test_an_outline_at_the_edge_has_four_lines() -> None:
    """A place that reaches beyond a picture is closed at its edge; a large picture keeps its size."""
    drawn = outlined(np.full((400, 600, 3), 128, np.uint8), (500, -50, 900, 100))
    assert drawn.shape == (400, 600, 3)
    assert (drawn[20:80, 597:] == 0).all(axis=-1).any(axis=1).all()
    assert (drawn[:3, 520:580] == 0).all(axis=-1).any(axis=0).all()


def test_a_face_cut_by_the_edge_has_four_lines() -> None:
    """A box that reaches beyond the photo is closed at its edge, so that it is seen to be one face."""
    pixels = np.asarray(draw_faces(black_photo(800, 800), [(face_at(600, -100, 400), "", Verdict.MATCH)]))
    assert (pixels[100:250, 797:] == BLUE).all(axis=-1).any(axis=1).all()
    assert (pixels[:3, 650:750] == BLUE).all(axis=-1).any(axis=0).all()


@pytest.mark.parametrize("size", [(1, 1), (500, 11), (11, 500), (640, 480)], ids=str)
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_on_any_size(size: tuple[int, int], name: str) -> None:
    """No name, no size and no place of a face stops a drawing."""
    places = [face_at(2, 2, 20), face_at(-30, -30, 40), face_at(size[0] - 5, size[1] - 5, 40), face_at(9000, 9000, 5)]
    notes = [(face, f"{number} {name} 0.50", Verdict.MATCH) for number, face in enumerate(places, start=1)]
    assert draw_faces(black_photo(*size), notes).mode == "RGB"


def test_no_faces_leave_the_photo_as_it_is() -> None:
    """A photo without faces is drawn too: the answer is the photo."""
    photo = read_photo(bundled("sample_group/group.jpg"))
    np.testing.assert_array_equal(np.asarray(draw_faces(photo, [])), photo.pixels)


boxes_on_canvas = st.builds(
    lambda x, y, side: (float(x), float(y), float(min(x + side, 800)), float(min(y + side, 600))),
    st.integers(0, 790),
    st.integers(0, 590),
    st.integers(10, 400),
)


@settings(max_examples=60, deadline=None)
@given(labels=st.lists(st.tuples(boxes_on_canvas, st.integers(20, 800), st.integers(12, 40)), max_size=12))
def test_labels_never_leave_the_picture(labels: list[tuple[BoxXyxy, int, int]]) -> None:
    """However faces crowd or stand at the edge, each label is wholly on the canvas and keeps its size."""
    sizes = [(float(width), float(height)) for _, width, height in labels]
    for place, size in zip(place_labels(sizes, [box for box, _, _ in labels], (800, 600)), sizes, strict=True):
        assert min(place) >= 0
        assert place[2] <= 800 + 1e-6
        assert place[3] <= 600 + 1e-6
        assert (place[2] - place[0], place[3] - place[1]) == pytest.approx(size)


def test_labels_make_room_for_each_other() -> None:
    """In three rows of faces, each label wider than its face, no label covers another, or a face but its own."""
    boxes = [(40.0 + 100 * x, 60.0 + 150 * y, 100.0 + 100 * x, 140.0 + 150 * y) for y in range(3) for x in range(8)]
    places = place_labels([(110.0, 16.0)] * len(boxes), boxes, (900, 520))
    assert not any(overlap(one, other) for one, other in combinations(places, 2))
    for number, place in enumerate(places):
        assert not any(overlap(place, box) for box in boxes[:number] + boxes[number + 1 :])


def test_a_label_does_not_hide_another_face() -> None:
    """Where a face stands right above, the label goes elsewhere."""
    above, below = (100.0, 100.0, 200.0, 200.0), (100.0, 200.0, 200.0, 300.0)
    for place in place_labels([(90.0, 16.0)] * 2, [below, above], (400, 400)):
        assert not overlap(place, above)
        assert not overlap(place, below)


# --- text -------------------------------------------------------------------------------------------------------------


def test_misleading_characters_are_shown_escaped() -> None:
    """Control characters, line ends, bidirectional overrides and lone surrogates are seen, and do nothing."""
    assert printable("a\nb\tc\x1bd\u202ee\u2028f\udcffg") == r"a\nb\tc\x1bd\u202ee\u2028f\udcffg"
    assert printable("José 李 أحمد") == "José 李 أحمد"


@given(text=st.text(max_size=60), width=st.integers(80, 400))
@settings(max_examples=60, deadline=None)
def test_shortened_text_fits(text: str, width: int) -> None:
    """Text that is too wide is cut to the width; text that fits stays."""
    line = typeset(text, 16)
    shortened = line.shortened(width)
    assert shortened.width_px <= width
    assert (shortened == line) == (line.width_px <= width)


def test_shortened_text_keeps_both_ends() -> None:
    """The face's number and the similarity stand at the ends of a label, and stay."""
    shortened = typeset("12 " + "Maximilian " * 20 + "0.83", 16).shortened(200).text
    assert shortened.startswith("12 Max")
    assert shortened.endswith("0.83")
    assert fonts.ELLIPSIS in shortened


@given(text=st.text(max_size=80), width=st.integers(40, 300))
@settings(max_examples=60, deadline=None)
def test_wrapped_text_loses_nothing(text: str, width: int) -> None:
    """Lines fit the width, and together hold every character of the text but the spaces between them."""
    line = typeset(text, 16)
    lines = line.wrapped(width)
    assert "".join("".join(piece.text.split()) for piece in lines) == "".join(line.text.split())
    assert all(piece.width_px <= width for piece in lines)


@pytest.mark.parametrize("width", range(60, 300, 8))
def test_lines_are_filled_and_not_overfilled(width: int) -> None:
    """A sentence is broken where the next word would not fit, and not before."""
    lines = typeset("Unknown: the nearest member, Bernadette, has similarity 0.41, short of the threshold", 16).wrapped(
        width
    )
    for line, following in pairwise(lines):
        assert line.width_px <= width
        longer = f"{line.text} {following.text.split()[0]}"
        assert typeset(longer, 16).width_px > width


def test_a_letter_that_no_font_has_is_drawn_without_its_accent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a machine without fonts "José" is drawn as "Jose", not with an empty box for the last letter."""
    for variable in ("XDG_DATA_DIRS", "XDG_DATA_HOME"):  # where Pillow looks for fonts on Linux
        monkeypatch.setenv(variable, str(tmp_path))
    fonts._system_font.cache_clear()
    try:
        if any(map(fonts._system_font, fonts.SYSTEM_FONTS)):
            pytest.skip("this system's fonts cannot be hidden")
        assert typeset("José 李", 16).text == "Jose 李"
    finally:
        fonts._system_font.cache_clear()


def test_a_system_font_is_taken_only_where_it_has_more_letters() -> None:
    """ASCII is drawn in the font that travels with Pillow, on every machine; accents where a font has them."""
    own = typeset("Jose", 16).font.getname()
    if not any(map(fonts._system_font, fonts.SYSTEM_FONTS)):
        pytest.skip("there is no system font here")
    assert typeset("José", 16).text == "José"
    assert typeset("José", 16).font.getname() != own


def test_decomposed_accents_are_joined() -> None:
    """A name that macOS took apart (e + accent) is drawn like the same name in one piece."""
    assert typeset("Jose\u0301", 16) == typeset("José", 16)


# --- maps -------------------------------------------------------------------------------------------------------------


# Linear RGB as it is seen with one kind of cone missing: Machado, Oliveira and Fernandes, "A Physiologically-based
# Model for Simulation of Color Vision Deficiency" (2009), the matrices of severity 1.0.
EYES = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])  # IEC 61966-2-1


def lab(pixels: Pixels, eye: str = "all cones") -> NDArray[np.float64]:
    """Pixels of sRGB in CIELAB (D65) as an eye sees them, shape (..., 3): lightness in 0..100, and two of colour."""
    encoded = pixels / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    xyz = (linear @ np.array(EYES[eye]).T).clip(0, 1) @ TO_XYZ.T / TO_XYZ.sum(axis=1)
    x, y, z = np.moveaxis(np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def lightness(pixels: Pixels) -> NDArray[np.float64]:
    return lab(pixels)[..., 0]


def plain_crop(grey: int, side: int = 160) -> Pixels:
    return np.full((side, side, 3), grey, np.uint8)


def sample_crop() -> Pixels:
    photo = read_photo(bundled("sample_group/probe/ada-1.jpg"))
    return np.asarray(Image.fromarray(photo.pixels).resize((160, 160)))


@pytest.mark.parametrize("signed", [False, True])
def test_the_map_lies_where_its_cells_are(signed: bool) -> None:
    """The brightest place of the drawing is the middle of the brightest cell: row 0 is the top, column 0 the left."""
    values = np.zeros((8, 8), np.float32)
    values[1, 6] = 1
    drawn = overlay(BLACK, values, signed=signed)
    assert drawn.shape == (OVERLAY_PX, OVERLAY_PX, 3)
    assert drawn.dtype == np.uint8
    row, column = np.argwhere(lightness(drawn) == lightness(drawn).max()).mean(axis=0)
    assert row == pytest.approx(1.5 / 8 * OVERLAY_PX, abs=1)
    assert column == pytest.approx(6.5 / 8 * OVERLAY_PX, abs=1)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("side", [40, 160, 500])
def test_crops_and_maps_of_any_size_are_drawn_in_one(side: int, signed: bool) -> None:
    """A map of the crop's own pixels and a crop that is larger or smaller give the same drawing as coarse ones."""
    coarse = np.array([[0.25, 1]], np.float32)
    fine = np.repeat(np.repeat(coarse, 160, axis=0), 80, axis=1)
    drawn = overlay(plain_crop(90, side), fine, signed=signed)
    assert drawn.shape == (OVERLAY_PX, OVERLAY_PX, 3)
    coarse_drawn = overlay(plain_crop(90), coarse, signed=signed)
    np.testing.assert_array_equal(drawn[:, [40, 280]], coarse_drawn[:, [40, 280]])


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("unit", [1e-6, 1, 3e7])
def test_a_map_is_drawn_the_same_in_any_unit(unit: float, signed: bool) -> None:
    """The largest value gets the full colour, however large it is."""
    values = np.array([[0, 0.5], [1, 0.25]], np.float32)
    drawn = overlay(BLACK, values * np.float32(unit), signed=signed)
    np.testing.assert_array_equal(drawn, overlay(BLACK, values, signed=signed))
    assert (drawn[-1, 0] == colour_over_black(signed=signed)).all()


def colour_over_black(*, signed: bool) -> NDArray[np.float64]:
    """Half the last colour of inferno; or 65 % of plasma's, and 35 % of black at half contrast."""
    return np.round(0.65 * np.array([240, 249, 33]) + 0.35 * 63.75) if signed else np.round([126, 127.5, 82])


@pytest.mark.parametrize("most", ["raises", "lowers"])
def test_both_signs_are_on_one_scale(most: str) -> None:
    """Half as much as the most, of either sign, is half as far from the grey."""
    ends = {"lowers": np.array([13, 8, 135]), "raises": np.array([240, 249, 33])}
    values = np.repeat(np.array([[-0.5, 0, 1]], np.float32), 3, axis=1)
    drawn = overlay(plain_crop(128), values if most == "raises" else -values, signed=True)[0].astype(int)
    half, zero, full = drawn[50], drawn[OVERLAY_PX // 2], drawn[270]
    np.testing.assert_allclose(full - zero, 0.65 * (ends.pop(most) - zero), atol=1)
    np.testing.assert_allclose(half - zero, 0.5 * 0.65 * (ends.popitem()[1] - zero), atol=1)


def test_where_a_signed_map_is_zero_the_face_is_grey() -> None:
    """No colour at 0, and the face's own shades, with half their contrast; so is a map that is 0 everywhere."""
    crop = sample_crop()
    drawn = overlay(crop, np.zeros((3, 3), np.float32), signed=True).astype(float)
    grey = np.asarray(Image.fromarray(crop).convert("L").resize((OVERLAY_PX, OVERLAY_PX), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(drawn, np.repeat((127.5 + grey[..., np.newaxis]) / 2, 3, axis=-1), atol=1)


@pytest.mark.parametrize("signed", [False, True])
def test_colours_read_the_same_in_grey(signed: bool) -> None:
    """Along the bar the lightness only rises, so that a grey print orders the values as the colours do."""
    light = lightness(colour_bar(64, 2, signed=signed)[0])
    assert (np.diff(light) > 0).all()
    assert light[-1] - light[0] > 45


@pytest.mark.parametrize("grey", range(0, 256, 51))
def test_raising_is_lighter_than_lowering_on_any_face(grey: int) -> None:
    """On black hair as on white skin, the lightness of a signed map rises with its value, by 10 at least to each side
    of 0. A map from blue over white to red would fall again.
    """
    values = np.linspace(-1, 1, 33, dtype=np.float32)[np.newaxis]
    drawn = overlay(plain_crop(grey), values, signed=True)
    light = lightness(drawn[0, ((np.arange(33) + 0.5) / 33 * OVERLAY_PX).astype(int)])
    assert (np.diff(light) > 0).all()
    assert light[16] - light[0] > 10
    assert light[32] - light[16] > 10


@pytest.mark.parametrize("eye", EYES)
def test_signs_stay_apart_for_the_colour_blind(eye: str) -> None:
    """Lowers, 0 and raises differ by 25 in CIELAB on a face of middle grey, and by 15 on black and on white, for eyes
    of each kind; 2.3 is a just noticeable difference.
    """
    for grey, least in ((0, 15), (128, 25), (255, 15)):
        drawn = overlay(plain_crop(grey), np.array([[-1, -1, 0, 0, 1, 1]], np.float32), signed=True)
        colours = lab(drawn[0, [10, OVERLAY_PX // 2, -10]], eye)
        assert min(float(np.linalg.norm(one - other)) for one, other in combinations(colours, 2)) > least


@pytest.mark.parametrize("signed", [False, True])
def test_the_face_is_seen_under_the_map(signed: bool) -> None:
    """Under a map that is the same everywhere, the drawing follows the crop's grey levels."""
    crop = sample_crop()
    grey = np.asarray(Image.fromarray(crop).convert("L").resize((OVERLAY_PX, OVERLAY_PX)))
    for value in (-1.0, 1.0) if signed else (0.0, 1.0):
        drawn = overlay(crop, np.full((3, 3), value, np.float32), signed=signed) @ np.array([0.299, 0.587, 0.114])
        assert np.corrcoef(drawn.ravel(), grey.ravel())[0, 1] > 0.99
        assert drawn.std() > (0.17 if signed else 0.4) * grey.std()


# --- bars -------------------------------------------------------------------------------------------------------------


def bars_of(drawn: Pixels) -> list[tuple[bool, int, int]]:
    """Each bar from the top: whether it has the colour that raises, and its first and last column."""
    lowers, raises = colour_bar(2, 1, signed=True)[0]
    found = []
    for colour in (lowers, raises):
        coloured = (drawn == colour).all(axis=-1)
        for row in range(1, len(coloured)):
            if coloured[row].any() and not coloured[row - 1].any():
                columns = np.flatnonzero(coloured[row])
                found.append((row, (colour == raises).all(), int(columns.min()), int(columns.max())))
    return [(bool(up), left, right) for _, up, left, right in sorted(found)]


@pytest.mark.parametrize("width", [320, 640])
def test_bars_go_right_for_what_raises_and_left_for_what_lowers(width: int) -> None:
    """Bars start at one zero, are as long as their values, and have the colours of the signed map's ends."""
    drawn = draw_bars([("left eye", 0.4, None), ("mouth", -0.2, None), ("nose", 0.1, None)], width_px=width)
    assert drawn.shape[1] == width
    assert drawn.dtype == np.uint8
    (first, *one), (second, *two), (third, *three) = bars_of(drawn)
    assert (first, second, third) == (True, False, True)
    zero, per_unit = width / 40 + (width - width / 20) / 3, (width - width / 20) / 0.6
    edge = 4 * width / 320  # of the outline and the line at zero
    assert one == pytest.approx([zero, zero + 0.4 * per_unit], abs=edge)
    assert two == pytest.approx([zero - 0.2 * per_unit, zero], abs=edge)
    assert three == pytest.approx([zero, zero + 0.1 * per_unit], abs=edge)


def test_a_whisker_spans_the_spread() -> None:
    """From value - spread to value + spread, all inside the drawing."""
    drawn = draw_bars([("mouth", 0.2, 0.1), ("nose", 0.0, None)], width_px=400)
    beyond = np.flatnonzero((drawn[:, 265:] < 40).all(axis=-1).sum(axis=0)) + 265
    # 20 px are margins, 380 show 0 to 0.3: the bar ends at 10 + 0.2 / 0.3 * 380 = 263, the whisker at 390.
    assert beyond.max() == pytest.approx(390, abs=1)


@pytest.mark.parametrize("n_letters", range(8, 40))
def test_a_name_does_not_run_into_its_number(n_letters: int) -> None:
    """However long the name, there is white between it and the number; it goes on in the next line."""
    drawn = draw_bars([("W" * n_letters, 0.5, None)], width_px=320)
    number = typeset("+0.500", 16)
    start = round(320 - 8 - number.width_px)
    assert (drawn[: number.height_px, start - 5 : start - 1] == 255).all()


def test_bars_of_nothing_are_drawn_too() -> None:
    """Shares that are all 0 have no length, and no scale to fail on."""
    drawn = draw_bars([("nose", 0.0, None), ("mouth", 0.0, 0.0)], width_px=320)
    assert (drawn < 40).all(axis=-1).any()


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from([*NAMES, "the rest, of which much could be said " * 4]),
    value=st.floats(-1, 1),
    spread=st.none() | st.floats(0, 1),
)
def test_no_bar_and_no_word_leaves_its_drawing(name: str, value: float, spread: float | None) -> None:
    """Whatever the name and the number, the outermost columns stay white."""
    drawn = draw_bars([(name, value, spread), ("nose", 0.3, None)], width_px=320)
    assert (drawn[:, :5] == 255).all()
    assert (drawn[:, -4:] == 255).all()


# --- panels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_tiles", "columns", "rows"), [(0, 2, 0), (1, 2, 1), (2, 2, 1), (4, 4, 1), (5, 4, 2)])
def test_tiles_stand_in_rows_of_four(n_tiles: int, columns: int, rows: int) -> None:
    """Tiles are set in a row and wrap at four; every picture is there in full."""
    page = np.asarray(draw_panel(["Unknown."], [Figure("black", BLACK)] * n_tiles))
    assert page.shape[1] == 2 * MARGIN_PX + columns * TILE_PX + (columns - 1) * GAP_PX
    drawn = (page == 0).all(axis=-1).sum()
    assert n_tiles * TILE_PX**2 <= drawn < n_tiles * TILE_PX**2 + 2000  # and a few letters
    assert page.shape[0] > rows * TILE_PX


texts = st.sampled_from([*NAMES, "Ada: similarity 0.83. " * 30, "x" * 500])


@settings(max_examples=25, deadline=None)
@given(words=st.lists(texts, max_size=2), title=texts, caption=texts, placeholder=texts, legend=texts)
def test_no_text_is_cut_off(words: list[str], title: str, caption: str, placeholder: str, legend: str) -> None:
    """Whatever the length of any text, the margin around the page stays white and nothing is drawn over a tile."""
    tiles = [
        Figure(title, BLACK, [caption, "end"], legend=(legend, legend)),
        Figure(title, None, [caption], placeholder),
    ]
    page = np.asarray(draw_panel(words, tiles))
    inside = np.zeros(page.shape[:2], bool)
    inside[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX] = True
    gap = MARGIN_PX + TILE_PX + GAP_PX // 2
    assert (page[~inside] == 255).all()
    assert not words or (page[-TILE_PX:, gap - 4 : gap + 4] == 255).all()


def test_longer_text_makes_a_higher_page() -> None:
    """Each of the texts gets the room it needs."""
    short = draw_panel(["a"], [Figure("a", None, ["a"], "a", ("a", "a"))]).height
    long = "word " * 400
    for panel in (
        draw_panel([long], [Figure("a", None, ["a"], "a", ("a", "a"))]),
        draw_panel(["a"], [Figure(long, None, ["a"], "a", ("a", "a"))]),
        draw_panel(["a"], [Figure("a", None), Figure(long, None)]),
        draw_panel(["a"], [Figure("a", None, [long], "a", ("a", "a"))]),
        draw_panel(["a"], [Figure("a", None, ["a"], long, ("a", "a"))]),
        draw_panel(["a"], [Figure("a", None, ["a"], "a", ("a", long))]),
    ):
        assert panel.height > short + 200


def test_a_legend_shows_the_maps_colours() -> None:
    """The bar under a map has the map's colours from end to end."""
    plain = draw_panel([], [Figure("map", BLACK)])
    page = np.asarray(draw_panel([], [Figure("map", BLACK, legend=("low", "high"))]))
    bar = colour_bar(TILE_PX, 1, signed=False)[0]
    assert page.shape[0] > plain.height
    assert any((row == bar).all() for row in page[:, MARGIN_PX : MARGIN_PX + TILE_PX])


def test_three_words_are_a_signed_legend() -> None:
    """The bar has the signed map's colours, and its words stand at its left, in its middle and at its right."""
    page = np.asarray(draw_panel([], [Figure("map", BLACK, legend=("no", "0", "yes"))]))[:, MARGIN_PX:][:, :TILE_PX]
    bar = colour_bar(TILE_PX, 1, signed=True)[0]
    (last, *_) = reversed([number for number, row in enumerate(page) if (row == bar).all()])
    inked = np.flatnonzero((page[last + 1 : -MARGIN_PX] < 128).any(axis=(0, 2)))
    words = np.split(inked, np.flatnonzero(np.diff(inked) > 40) + 1)
    assert len(words) == 3
    assert words[0].min() < 4
    assert words[1].mean() == pytest.approx(TILE_PX / 2, abs=3)
    assert words[2].max() > TILE_PX - 5


def test_a_tile_shows_its_outline() -> None:
    """The place is given in the picture's pixels, and drawn on the tile at the tile's size."""
    plain, pointed = (
        np.asarray(draw_panel([], [Figure("map", plain_crop(128), outline=outline)]), int)
        for outline in (None, (40.0, 40.0, 80.0, 120.0))
    )
    rows, columns = np.nonzero((plain != pointed).any(axis=-1))
    assert (columns.min() - MARGIN_PX, columns.max() - MARGIN_PX) == pytest.approx((80, 160), abs=1)
    assert rows.max() - rows.min() == pytest.approx(160, abs=2)


# --- files ------------------------------------------------------------------------------------------------------------

PICTURE = Image.new("RGB", (8, 8), "#0072b2")


def test_a_picture_is_written_with_its_folders(tmp_path: Path) -> None:
    """The file holds the picture, folders on the way are made, and no partial file is left."""
    path = tmp_path / "a" / "ñ 李" / "out.PNG"
    save_png(PICTURE, path)
    with Image.open(path) as written:
        assert written.tobytes() == PICTURE.tobytes()
    assert list(path.parent.iterdir()) == [path]


def test_an_earlier_picture_is_replaced(tmp_path: Path) -> None:
    """A second run writes over the first one's pictures."""
    path = tmp_path / "out.png"
    save_png(Image.new("RGB", (4, 4)), path)
    save_png(PICTURE, path)
    with Image.open(path) as written:
        assert written.size == PICTURE.size


@pytest.mark.parametrize("content", ["photo", b"", b"notes"], ids=str)
def test_any_other_file_is_kept(tmp_path: Path, content: str | bytes) -> None:
    """A photo, or anything else that this program did not draw, is never replaced: the error names it."""
    path = tmp_path / "photo.png"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        Image.new("RGB", (4, 4)).save(path)
    before = path.read_bytes()
    with pytest.raises(ExplanationError, match=r"photo\.png exists"):
        save_png(PICTURE, path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["out.jpg", "out", ".png"])
def test_only_png_is_written(tmp_path: Path, name: str) -> None:
    """A name of another format is refused before anything is written."""
    with pytest.raises(ExplanationError, match=r"\.png"):
        save_png(PICTURE, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    """A file where a folder should be, a folder where the file should be, a picture PNG cannot hold: one error of the
    tree, and nothing partial is left.
    """
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    for picture, path in (
        (PICTURE, tmp_path / "file" / "out.png"),
        (PICTURE, tmp_path / "folder.png"),
        (Image.new("CMYK", (4, 4)), tmp_path / "out.png"),
        (PICTURE, tmp_path / ("x" * 300 + ".png")),
    ):
        with pytest.raises(ExplanationError, match=r"\.png"):
            save_png(picture, path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]
