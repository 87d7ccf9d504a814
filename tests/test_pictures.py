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
from facegallery.pictures.boxes import MIN_SHORT_SIDE_PX, draw_faces, place_labels
from facegallery.pictures.fonts import typeset
from facegallery.pictures.heat import OVERLAY_PX, colour_bar, overlay
from facegallery.pictures.panel import GAP_PX, MARGIN_PX, TILE_PX, Tile, draw_panel, save_png
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


def lightness(pixels: Pixels) -> NDArray[np.float64]:
    grey: NDArray[np.float64] = pixels @ np.array([0.299, 0.587, 0.114])
    return grey


def test_the_map_lies_where_its_cells_are() -> None:
    """The brightest place of the drawing is the middle of the brightest cell: row 0 is the top, column 0 the left."""
    values = np.zeros((8, 8), np.float32)
    values[1, 6] = 1
    drawn = overlay(BLACK, values)
    assert drawn.shape == (OVERLAY_PX, OVERLAY_PX, 3)
    assert drawn.dtype == np.uint8
    row, column = np.argwhere(lightness(drawn) == lightness(drawn).max()).mean(axis=0)
    assert row == pytest.approx(1.5 / 8 * OVERLAY_PX, abs=1)
    assert column == pytest.approx(6.5 / 8 * OVERLAY_PX, abs=1)


def test_colours_read_the_same_in_grey() -> None:
    """Along the bar the lightness only rises, so that a grey print orders the values as the colours do."""
    light = lightness(colour_bar(256, 2)[0])
    assert (np.diff(light) > -1).all()
    assert light[-1] - light[0] > 100


def test_the_face_is_seen_under_the_map() -> None:
    """Under a map that is the same everywhere, the drawing follows the crop's grey levels."""
    photo = read_photo(bundled("sample_group/probe/ada-1.jpg"))
    crop = np.asarray(Image.fromarray(photo.pixels).resize((160, 160)))
    for value in (0.0, 0.5, 1.0):
        drawn = lightness(overlay(crop, np.full((3, 3), value, np.float32)))
        grey = np.asarray(Image.fromarray(crop).convert("L").resize((OVERLAY_PX, OVERLAY_PX)))
        assert np.corrcoef(drawn.ravel(), grey.ravel())[0, 1] > 0.99
        assert drawn.std() > 0.4 * grey.std()


# --- panels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_tiles", "columns", "rows"), [(0, 2, 0), (1, 2, 1), (2, 2, 1), (4, 4, 1), (5, 4, 2)])
def test_tiles_stand_in_rows_of_four(n_tiles: int, columns: int, rows: int) -> None:
    """Tiles are set in a row and wrap at four; every picture is there in full."""
    page = np.asarray(draw_panel(["Unknown."], [Tile("black", BLACK)] * n_tiles))
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
        Tile(title, BLACK, [caption, "end"], legend=(legend, legend)),
        Tile(title, None, [caption], placeholder),
    ]
    page = np.asarray(draw_panel(words, tiles))
    inside = np.zeros(page.shape[:2], bool)
    inside[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX] = True
    gap = MARGIN_PX + TILE_PX + GAP_PX // 2
    assert (page[~inside] == 255).all()
    assert not words or (page[-TILE_PX:, gap - 4 : gap + 4] == 255).all()


def test_longer_text_makes_a_higher_page() -> None:
    """Each of the texts gets the room it needs."""
    short = draw_panel(["a"], [Tile("a", None, ["a"], "a", ("a", "a"))]).height
    long = "word " * 400
    for panel in (
        draw_panel([long], [Tile("a", None, ["a"], "a", ("a", "a"))]),
        draw_panel(["a"], [Tile(long, None, ["a"], "a", ("a", "a"))]),
        draw_panel(["a"], [Tile("a", None), Tile(long, None)]),
        draw_panel(["a"], [Tile("a", None, [long], "a", ("a", "a"))]),
        draw_panel(["a"], [Tile("a", None, ["a"], long, ("a", "a"))]),
        draw_panel(["a"], [Tile("a", None, ["a"], "a", ("a", long))]),
    ):
        assert panel.height > short + 200


def test_a_legend_shows_the_maps_colours() -> None:
    """The bar under a map has the map's colours from end to end."""
    plain = draw_panel([], [Tile("map", BLACK)])
    page = np.asarray(draw_panel([], [Tile("map", BLACK, legend=("low", "high"))]))
    bar = colour_bar(TILE_PX, 1)[0]
    assert page.shape[0] > plain.height
    assert any((row == bar).all() for row in page[:, MARGIN_PX : MARGIN_PX + TILE_PX])


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
