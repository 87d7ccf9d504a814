"""The page: one file that holds all it shows, runs nothing, asks for nothing, and takes no text for markup."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facegallery.domain import Pixels
from facegallery.errors import ExplanationError
from facegallery.images import read_photo
from facegallery.pictures.figure import Figure
from facegallery.pictures.heat import colour_bar, overlay
from facegallery.pictures.output import save_png
from facegallery.pictures.page import Page, Section, Table, html_of, save_page
from facegallery.settings import bundled
from facegallery.text import printable

VOID = {"meta", "img", "br", "hr", "link", "input"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'\" onmouseover='alert(1)",
    "</style></title><b>bold</b>",
    "{{ page.title }} {% raw %}",
    "&lt;&#60;&amp;",
    "line one\nline two\rthree\x00",
    "\u202egnp.exe\u2066",
    "\udcff\ud800 in a file's name",
    "]]> --> <!--",
]


class Reading(HTMLParser):
    """A page as a browser takes it apart: elements with their attributes, text by the element it stands in."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.unclosed: list[str] = []
        self.feed(html)
        self.close()
        self.unclosed += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Note an element that is closed out of turn."""
        if self._open.pop() != tag:
            self.unclosed.append(tag)

    def handle_data(self, data: str) -> None:
        """Note text."""
        if self._open:
            self.texts.append((self._open[-1], data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, *, without: tuple[str, ...] = ("style",)) -> str:
        """All that is said, but in some elements."""
        return "".join(text for tag, text in self.texts if tag not in without)


def crop() -> Pixels:
    photo = read_photo(bundled("sample_group/probe/ada-1.jpg"))
    return np.asarray(Image.fromarray(photo.pixels).resize((160, 160)))


MAP = np.array([[-1, 0.5], [0, 1]], np.float32)


def page_of(
    *figures: Figure, title: str = "Why", lead: str = "Match: Ada.", settings: dict[str, str] | None = None
) -> Page:
    table = Table("Shares", ["region", "share"], [["nose", "+0.213"], ["mouth", "-0.081"]], {1})
    return Page(title, [lead], [Section("Shares", ["They add up."], figures, [table])], settings or {})


def page_with(text: str) -> Page:
    """A page that has a text in every place that takes one."""
    figures = [
        Figure(text, crop(), [text], legend=(text, text), alt=text),
        Figure(text, crop(), [text], legend=(text, text, text)),
        Figure(text, None, [text], placeholder=text),
    ]
    section = Section(text, [text], figures, [Table(text, [text, text], [[text, text]], {1})])
    return Page(text, [text], [section], {text: text})


# --- what it holds ----------------------------------------------------------------------------------------------------


def test_pictures_are_inside_and_have_the_pixels_they_were_given() -> None:
    """One image a figure that has a picture, each PNG as a data address, with its own size and every pixel."""
    figures = [
        Figure("probe", crop()),
        Figure("map", overlay(crop(), MAP, signed=True), legend=("lowers", "0", "raises")),
        Figure("none", None, placeholder="constant"),
        Figure("wide", np.arange(60, dtype=np.uint8).reshape(2, 10, 3)),
        Figure("place", crop(), outline=(10, 10, 50, 50)),
    ]
    images = Reading(html_of(page_of(*figures))).all("img")
    shown = [picture for picture in (figure.shown() for figure in figures) if picture is not None]
    assert len(images) == len(shown) == 4
    for image, picture in zip(images, shown, strict=True):
        kind, _, data = str(image["src"]).partition(",")
        assert kind == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as decoded:
            np.testing.assert_array_equal(np.asarray(decoded), picture)
        assert (image["width"], image["height"]) == (str(picture.shape[1]), str(picture.shape[0]))


def test_every_image_can_be_heard() -> None:
    """The words for those who hear the page are those given, or else the title."""
    page = page_of(Figure("probe", crop(), alt="Ada's face"), Figure("map", crop()))
    assert [image["alt"] for image in Reading(html_of(page)).all("img")] == ["Ada's face", "map"]


def test_words_stand_in_the_elements_that_mean_them() -> None:
    """Headings, captions, table cells and settings are what they are called; numbers are set flush right."""
    figure = Figure("the map", crop(), ["caption one", "caption two"])
    html = html_of(page_of(figure, title="The title", lead="Match: Ada, 0.83.", settings={"model": "starter"}))
    reading = Reading(html)
    for tag, text in (
        ("title", "The title"),
        ("h1", "The title"),
        ("p", "Match: Ada, 0.83."),
        ("h2", "Shares"),
        ("h3", "the map"),
        ("p", "caption two"),
        ("caption", "Shares"),
        ("th", "region"),
        ("th", "nose"),
        ("td", "+0.213"),
        ("h2", "Made with"),
        ("th", "model"),
        ("td", "starter"),
    ):
        assert (tag, text) in reading.texts
    assert [cell.get("class") for cell in reading.all("td")] == ["right", "right", None]
    assert [cell.get("scope") for cell in reading.all("th")] == ["col", "col", "row", "row", "row"]
    assert not reading.unclosed
    assert reading.all("html")[0]["lang"] == "en"
    assert html.startswith("<!doctype html>")
    assert html.index("Made with") > html.index("<table>")  # after all else


def test_the_lines_of_a_placeholder_stay_lines() -> None:
    """Why there is no picture stands in its place, over as many lines as it was given."""
    reading = Reading(html_of(page_of(Figure("map", None, placeholder="constant map:\nit points at no region"))))
    assert ("p", "constant map:") in reading.texts
    assert ("p", "it points at no region") in reading.texts
    assert not reading.all("img")


def test_a_legend_has_the_maps_colours() -> None:
    """Two words stand under the colours of an unsigned map, three under those of a signed one."""
    figures = [Figure("a", crop(), legend=("none", "most")), Figure("b", crop(), legend=("lowers", "0", "raises"))]
    html = html_of(page_of(*figures))
    assert [each["class"] for each in Reading(html).all("div") if "bar " in str(each["class"])] == [
        "bar unsigned",
        "bar signed",
    ]
    for name, signed in (("unsigned", False), ("signed", True)):
        stops = re.findall("#([0-9a-f]{6})", html.partition(f".{name} {{")[2].partition("}")[0])
        ends = colour_bar(320, 1, signed=signed)[0][[0, -1]]
        assert [bytes.fromhex(stops[0]), bytes.fromhex(stops[-1])] == [bytes(end) for end in ends]


def test_a_page_without_settings_has_no_list_of_them() -> None:
    """An empty part leaves no heading."""
    assert "Made with" not in html_of(page_of())


# --- what it must not do ----------------------------------------------------------------------------------------------


def test_nothing_is_asked_for_and_nothing_runs() -> None:
    """No address but those of the pictures inside, no script, no style from elsewhere, and a policy that holds a
    browser to it.
    """
    html = html_of(page_with("plain"))
    reading = Reading(html)
    without_pictures = re.sub(r'src="data:image/png;base64,[A-Za-z0-9+/=]*"', "", html)
    assert not re.search(r"https?:|//|url\(|@import|src=|href=|srcset", without_pictures)
    assert {tag for tag, _ in reading.elements}.isdisjoint(
        {"script", "link", "iframe", "object", "embed", "form", "base", "a"}
    )
    assert [each["content"] for each in reading.all("meta") if "http-equiv" in each] == [
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    ]
    assert not [name for _, attributes in reading.elements for name in attributes if name.startswith("on")]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_becomes_markup(text: str) -> None:
    """A page with a hostile name everywhere has the elements and attributes of one with a plain name, is valid UTF-8,
    and shows the name as the rest of the program does.
    """
    html = html_of(page_with(text))
    assert html.encode("utf-8").decode("utf-8") == html
    reading, plain = Reading(html), Reading(html_of(page_with("plain")))
    n_lines = text.count("\n")  # of the placeholder, the one text whose line ends are kept
    assert len(reading.elements) == len(plain.elements) + n_lines
    if not n_lines:
        assert [(tag, set(names)) for tag, names in reading.elements] == [
            (tag, set(names)) for tag, names in plain.elements
        ]
    assert reading.all("img")[0]["alt"] == printable(text)
    assert reading.text().count(printable(text)) == plain.text().count("plain") - (1 if n_lines else 0)
    assert not reading.unclosed


@settings(max_examples=30, deadline=None)
@given(text=st.text(st.characters(), max_size=40))
def test_any_text_is_shown_as_it_is(text: str) -> None:
    """Read back by a parser, the lead is the text, escaped where it would mislead; nothing is lost or added."""
    html = html_of(Page("", [text], [], {}))
    assert html.encode("utf-8")
    reading = Reading(html)
    assert reading.text(without=("style", "title")).strip() == printable(text).strip()


@pytest.mark.parametrize(
    ("text", "isolated"),
    [
        ("Match: أحمد علي 0.83", ["أحمد علي"]),
        ("דוד and محمد, 0.31", ["דוד", "محمد"]),
        ("أحمد", ["أحمد"]),
        ("Ada 0.83", []),
    ],
)
def test_names_from_right_to_left_reorder_nothing(text: str, isolated: list[str]) -> None:
    """A name in Hebrew or Arabic letters, all its words together, is isolated from the numbers beside it."""
    reading = Reading(html_of(Page("", [text], [], {})))
    assert [data for tag, data in reading.texts if tag == "bdi"] == isolated
    assert text in reading.text()


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.html", "ñ 李/out.HTM"])
def test_a_page_is_written_whole_and_over_an_earlier_one(tmp_path: Path, name: str) -> None:
    """The file is the page in UTF-8, folders on the way are made, a second run replaces it, nothing partial is left."""
    path = tmp_path / name
    save_page(page_of(lead="first"), path)
    page = page_of(lead="José \udcff")
    save_page(page, path)
    assert path.read_bytes().decode("utf-8") == html_of(page)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"<!doctype html><title>mine</title>", b"notes"], ids=str)
def test_any_other_file_is_kept(tmp_path: Path, content: bytes) -> None:
    """A page that this program did not write is never replaced: the error names it."""
    path = tmp_path / "mine.html"
    path.write_bytes(content)
    with pytest.raises(ExplanationError, match=r"mine\.html exists and is no page"):
        save_page(page_of(), path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["out.png", "out", "out.xhtml"])
def test_only_html_is_written(tmp_path: Path, name: str) -> None:
    """A name of another format is refused before anything is written, and the error says which would do."""
    with pytest.raises(ExplanationError, match=r"'\.html' or '\.htm'"):
        save_page(page_of(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_picture_is_not_replaced_by_a_page(tmp_path: Path) -> None:
    """A picture of this program under a page's name is no page of it."""
    save_png(Image.new("RGB", (4, 4)), tmp_path / "out.png")
    (tmp_path / "out.png").rename(tmp_path / "out.html")
    with pytest.raises(ExplanationError, match=r"out\.html exists"):
        save_page(page_of(), tmp_path / "out.html")


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    """A file where a folder should be: one error of the tree that names the page."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ExplanationError, match="page cannot be written"):
        save_page(page_of(), tmp_path / "file" / "out.html")
