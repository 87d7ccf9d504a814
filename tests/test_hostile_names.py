"""Promises about hostile names: kept to the letter, shown escaped, never a path, and no harm to JSON, CSV or HTML."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import unicodedata
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

from facegallery.cli.app import main
from facegallery.cli.evaluating.report import Report
from facegallery.pictures.page import Table, html_of
from facegallery.text import printable
from tests.conftest import CliResult, RunCli

FOLDER_NAMES = {
    "Ada": "Ada\n\x9b1m\x1b[31mred\x1b[0m\r\x07\t.",
    "Bea": "\"Bea\", 'B'; -- \\ | `id` $(id)",
    "Cyrus": '=HYPERLINK("http:x","y")+1',
    "Dan": "<script>alert(1)<!--<img src=x onerror=alert(1)> &amp; ]]>",
}
"""Names that the file system takes, for the portraits of four members."""

TYPED_NAMES = {
    "Hana": "../../../../</script></title><b>evil",
    "Ivan": "\u202eנחש\u200f \u2066[bold red]{{ 7*7 }}{% raw %}[/]".ljust(300, "W"),
}
"""Names that are given by ``--member``: no folder can be called so."""

NAMES = {**FOLDER_NAMES, **TYPED_NAMES}

PHOTO_NAME = "=1+1,\"'\n\x1b[2J\u202e<b>{{x}}"

EVIL = "\x1b]0;t\x07\x1b[31m\u202e[bold]x[/bold]\r\n"
"""A title for the terminal's window, colour, a change of direction, markup of the library that draws tables, a line."""

PAGE_ELEMENTS = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "main",
        "section",
        "footer",
        "h1",
        "h2",
        "h3",
        "p",
        "div",
        "span",
        "figure",
        "figcaption",
        "img",
        "bdi",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    ]
)
"""Those of which a page is made, none of them able to run anything."""


@dataclass(frozen=True)
class Group:
    """A gallery whose members and photos have hostile names.

    Attributes:
        gallery: Its folder.
        probes: A folder with a photo of each member and of two strangers.
        probe_of: The photo of each member, by name.
        enrolling: What the commands printed that enrolled them.
    """

    gallery: Path
    probes: Path
    probe_of: dict[str, Path]
    enrolling: list[CliResult]


@pytest.fixture(scope="module")
def enrolled(sample_group: Path, tmp_path_factory: pytest.TempPathFactory) -> Group:
    """Six members, four from folders and two by ``--member``."""
    root = tmp_path_factory.mktemp("hostile names")
    results = []
    for person, name in FOLDER_NAMES.items():
        (root / "enroll" / name).mkdir(parents=True)
        for number in (1, 2, 3):
            photo = root / "enroll" / name / f"{number}{PHOTO_NAME}.jpg"
            photo.write_bytes((sample_group / "enroll" / person / f"{number}.jpg").read_bytes())
    (root / "enroll" / FOLDER_NAMES["Ada"] / f"bad{PHOTO_NAME}.jpg").write_text("no photo")
    results.append(in_a_process("enroll", root / "enroll", "-g", root / "gallery"))
    for person, name in TYPED_NAMES.items():
        photos = [sample_group / "enroll" / person / f"{number}.jpg" for number in (1, 2, 3)]
        results.append(in_a_process("enroll", *photos, "--member", name, "-g", root / "gallery"))
    probe_of = {}
    (root / "probes").mkdir()
    for person, name in NAMES.items():
        probe_of[name] = root / "probes" / f"{person}{PHOTO_NAME}.jpg"
        probe_of[name].write_bytes((sample_group / "probe" / f"{person.lower()}-2.jpg").read_bytes())
    for stranger in ("stranger-1a", "stranger-1b"):
        photo = root / "probes" / f"{stranger}{PHOTO_NAME}.jpg"
        photo.write_bytes((sample_group / "probe" / f"{stranger}.jpg").read_bytes())
    return Group(root / "gallery", root / "probes", probe_of, results)


def in_a_process(*arguments: object) -> CliResult:
    """As ``run_cli``, which a module's fixture cannot ask for."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as exit_info:
        main([str(argument) for argument in arguments])
    code = exit_info.value.code
    return CliResult(code if isinstance(code, int) else int(bool(code)), out.getvalue(), err.getvalue())


@pytest.fixture
def group(enrolled: Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Group:
    """The group's gallery, to be changed, as this person's default."""
    shutil.copytree(enrolled.gallery, tmp_path / "gallery")
    monkeypatch.setenv("FACEGALLERY_GALLERY", str(tmp_path / "gallery"))
    monkeypatch.setenv("COLUMNS", "5000")  # no name is folded
    monkeypatch.setattr("sys.stdin", io.StringIO())  # nobody answers
    return Group(tmp_path / "gallery", enrolled.probes, enrolled.probe_of, enrolled.enrolling)


def is_harmless(text: str) -> bool:
    """Whether a terminal shows it as it comes: no control characters but line ends, no change of direction."""
    return all(line == printable(line) for line in text.split("\n"))


class Elements(HTMLParser):
    """Every element and attribute of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: D102  # the parser's
        self.elements.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:  # noqa: D102  # the parser's
        self.text += data


def checked_page(path: Path) -> Elements:
    """A page that has no element but its own, no handler, and asks for nothing."""
    html = path.read_text(encoding="utf-8")
    page = Elements(html)
    assert page.elements <= PAGE_ELEMENTS
    assert not [each for each in page.attributes if each[1].startswith("on") or each[1] == "href"]
    assert all(value.startswith("data:image/png;base64,") for _, name, value in page.attributes if name == "src")
    assert is_harmless(html)
    assert not any(unicodedata.category(char) == "Cc" for char in page.text.replace("\n", ""))
    return page


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# --- kept ---------------------------------------------------------------------------------------------------------


def test_hostile_names_are_enrolled_and_kept(group: Group, run_cli: RunCli) -> None:
    """As they were, to the letter; what is printed about it is harmless; a photo that is none is named."""
    assert [result.code for result in group.enrolling] == [3, 0, 0]
    for result in group.enrolling:
        assert is_harmless(result.out)
        assert is_harmless(result.err)
    assert f"bad{printable(PHOTO_NAME)}.jpg: its content is no photo format" in group.enrolling[0].out
    listed = run_cli("members", "--json").out
    assert is_harmless(listed)
    members = json.loads(listed)["members"]
    assert {member["name"] for member in members} == {*NAMES.values()}
    assert {member["n_templates"] for member in members} == {3}
    assert {len(name) for name in NAMES.values() if len(name) >= 300} == {300}
    shown = run_cli("members").out
    assert is_harmless(shown)
    assert all(printable(name) in shown for name in NAMES.values())


@pytest.mark.parametrize("person", NAMES)
def test_a_hostile_name_is_shown(group: Group, run_cli: RunCli, person: str) -> None:
    """``show`` finds the member by it, and tells the photos as they are called."""
    name = NAMES[person]
    document = json.loads(run_cli("show", "--json", "--", name).out)
    assert document["name"] == name
    if person in FOLDER_NAMES:
        assert sorted(Path(each["photo"]).name for each in document["enrolled"]) == [
            f"{number}{PHOTO_NAME}.jpg" for number in (1, 2, 3)
        ]
    shown = run_cli("show", "--", name)
    assert shown.code == 0
    assert shown.out.startswith(f"{printable(name)}: 3 enrolled")
    assert is_harmless(shown.out)


def test_one_character_more_is_refused(group: Group, run_cli: RunCli, sample_group: Path) -> None:
    """301 characters are a fault that says how many there may be; so is a name of no letter at all."""
    photo = sample_group / "probe" / "dan-1.jpg"
    result = run_cli("enroll", photo, "--member", "\x1b" * 301)
    assert (result.code, is_harmless(result.out)) == (3, True)
    assert "it has 301 characters, and 300 is the most" in result.out
    assert run_cli("enroll", photo, "--member", "\n\t").code == 2


def test_names_that_differ_by_case_are_one_member(group: Group, run_cli: RunCli) -> None:
    """A second spelling finds the member there is, and cannot be another's new name."""
    name = NAMES["Hana"]
    assert json.loads(run_cli("show", "--json", "--", name.upper()).out)["name"] == name
    refused = run_cli("rename", "--", NAMES["Dan"], name.upper())
    assert refused.code == 1
    assert is_harmless(refused.err)
    assert len(json.loads(run_cli("members", "--json").out)["members"]) == len(NAMES)


def test_rename_and_forget_take_hostile_names(group: Group, run_cli: RunCli) -> None:
    """To one and from one; a name that is gone is gone, and what is said is harmless."""
    new = "-rf /\n\x1b]0;title\x07" + NAMES["Bea"]
    renamed = run_cli("rename", "--", NAMES["Bea"], new)
    assert (renamed.code, renamed.out) == (0, f"{printable(NAMES['Bea'])} is now {printable(new)}.\n")
    assert run_cli("show", "--", NAMES["Bea"]).code == 1
    asked = run_cli("forget", "--", new)
    assert asked.code == 1
    assert is_harmless(asked.err)
    forgotten = run_cli("forget", "--yes", "--", new)
    assert forgotten.out == f"Forgot {printable(new)}: 3 templates removed.\n"
    left = run_cli("show", "--", new)
    assert left.code == 1
    assert is_harmless(left.err)


# --- answers ------------------------------------------------------------------------------------------------------


def test_identify_tells_hostile_names_in_every_form(group: Group, run_cli: RunCli, tmp_path: Path) -> None:
    """JSON and CSV give names and paths back; the table is harmless; pictures stay in their folder."""
    before = files_in(tmp_path)
    table = run_cli("identify", group.probes, "--draw", tmp_path / "drawn")
    assert table.code == 0, table.err
    assert is_harmless(table.out + table.err)
    made = files_in(tmp_path) - before
    assert made == {f"drawn/{path.stem}-faces.png" for path in group.probes.iterdir()}
    answer = run_cli("identify", group.probes, "--json").out
    assert is_harmless(answer)
    document = json.loads(answer)
    rows = list(csv.DictReader(io.StringIO(run_cli("identify", group.probes, "--csv").out, newline="")))
    told = {photo["path"]: photo["faces"][0]["member"] for photo in document["photos"]}
    for name, probe in group.probe_of.items():
        assert told[str(probe)] == name
        assert printable(name) in table.out
    assert {row["path"]: row["member"] or None for row in rows} == told
    assert all(len(row) == len(rows[0]) and None not in row for row in rows)


def test_a_path_in_csv_is_no_formula(
    group: Group, run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that a spreadsheet would take for a formula is told by a path to the same file that it would not."""
    folder = tmp_path / "here"
    folder.mkdir()
    names = [f"{start}1+1.jpg" for start in ("=", "+", "-", "@", "\t", "\r", "\n")]
    for name in [*names, "plain.jpg"]:
        (folder / name).write_text("no photo")
    monkeypatch.chdir(folder)
    rows = list(csv.DictReader(io.StringIO(run_cli("identify", ".", "--csv").out, newline="")))
    assert {row["path"] for row in rows} == {*(f"./{name}" for name in names), "plain.jpg"}
    skipped = json.loads(run_cli("identify", ".", "--json").out)["skipped"]
    assert {entry["path"] for entry in skipped} == {*names, "plain.jpg"}


def test_explanations_show_hostile_names_as_text(group: Group, run_cli: RunCli, tmp_path: Path) -> None:
    """The page has the names, and no element or handler of their making; sentences have them too."""
    before, out = files_in(tmp_path), tmp_path / "out"
    probe, name, rival = group.probe_of[NAMES["Dan"]], NAMES["Dan"], NAMES["Hana"]
    how = ("--not", rival, "--method", "shares", "-o", out / "page.html", "-o", out / "picture.png")
    result = run_cli("explain", probe, *how)
    assert result.code == 0, result.err
    assert is_harmless(result.out + result.err)
    page = checked_page(out / "page.html")
    for each in (name, rival):
        assert printable(each) in result.out
        assert printable(each) in page.text
    assert printable(probe) in page.text
    assert files_in(tmp_path) - before == {"out/page.html", "out/picture.png"}


def test_a_document_and_a_page_of_a_member_with_a_hostile_name(group: Group, run_cli: RunCli, tmp_path: Path) -> None:
    """What a member is recognized by: the longest name, from right to left, in JSON as it is and on the page."""
    name, page = NAMES["Ivan"], tmp_path / "out.html"
    result = run_cli("explain", "--member", name, "--json", "-o", page)
    assert result.code == 0, result.err
    assert is_harmless(result.out + result.err)
    assert name in texts_in(json.loads(result.out))
    assert printable(name) in checked_page(page).text


def texts_in(value: object) -> set[str]:
    """Every string in a document."""
    if isinstance(value, dict):
        return {text for each in value.values() for text in texts_in(each)}
    if isinstance(value, list):
        return {text for each in value for text in texts_in(each)}
    return {value} if isinstance(value, str) else set()


def test_an_audit_shows_hostile_names_as_text(group: Group, run_cli: RunCli, tmp_path: Path) -> None:
    """Of a photo under a wrong name: table, JSON and page; the commands that are offered do what they say."""
    wrong = tmp_path / f"wrong{PHOTO_NAME}.jpg"
    wrong.write_bytes(group.probe_of[NAMES["Dan"]].read_bytes())
    added = run_cli("enroll", wrong, "--member", NAMES["Ada"])
    assert added.code == 0
    assert is_harmless(added.out + added.err)
    before = files_in(tmp_path)
    result = run_cli("audit", "-o", tmp_path / "out" / "audit.html")
    assert is_harmless(result.out + result.err)
    assert files_in(tmp_path) - before == {"out/audit.html"}
    page = checked_page(tmp_path / "out" / "audit.html")
    assert printable(NAMES["Ada"]) in page.text
    assert printable(NAMES["Dan"]) in page.text
    (finding, *_) = json.loads(run_cli("audit", "--json").out)["findings"]
    assert (finding["member"], finding["other"], finding["photos"]) == (NAMES["Ada"], NAMES["Dan"], [str(wrong)])
    (command, *_) = (line.strip() for line in result.out.splitlines() if line.strip().startswith("facegallery audit"))
    words = subprocess.run(
        ["bash", "-c", f"facegallery() {{ printf '%s\\0' \"$@\"; }}; {command}"], capture_output=True, check=True
    ).stdout.decode()
    assert words.split("\0")[:6] == ["audit", "--apply", "--photo", str(wrong), "--to", NAMES["Dan"]]


def test_clusters_show_hostile_names_as_text(group: Group, run_cli: RunCli, tmp_path: Path) -> None:
    """Of strangers under hostile file names: table, page, and the file from which a cluster becomes a member."""
    before = files_in(tmp_path)
    out = tmp_path / "out"
    result = run_cli("cluster", group.probes, "-o", out / "c.html", "-o", out / "c.json", "-o", out / "c.png")
    assert result.code == 0, result.err
    assert is_harmless(result.out + result.err)
    assert files_in(tmp_path) - before == {"out/c.html", "out/c.json", "out/c.png"}
    assert f"stranger-1a{printable(PHOTO_NAME)}.jpg" in checked_page(out / "c.html").text
    named = run_cli("name", out / "c.json", "1", "--", "../\x1b[1mnew\nname")
    assert named.code == 0, named.err
    assert is_harmless(named.out + named.err)
    shown = json.loads(run_cli("show", "--json", "--", "../\x1b[1mnew\nname").out)
    assert {Path(each["photo"]).name for each in shown["enrolled"]} == {
        f"stranger-1{letter}{PHOTO_NAME}.jpg" for letter in "ab"
    }


def test_rejections_show_hostile_names(group: Group, run_cli: RunCli) -> None:
    """Said, listed, and taken back."""
    name, probe = NAMES["Ada"], group.probe_of[NAMES["Ada"]]
    for command in (["reject", "--", probe, name], ["rejections"], ["identify", probe], ["rejections", "--undo", "1"]):
        result = run_cli(*command)
        assert result.code == 0, result.err
        assert is_harmless(result.out + result.err)
    assert run_cli("reject", "--", probe, name).code == 0
    (kept,) = json.loads(run_cli("rejections", "--json").out)["rejections"]
    assert (kept["member"], kept["photo"]) == (name, str(probe))


def test_a_report_in_markdown_holds_no_markup_of_others() -> None:
    """Folders that a report names, wherever it does, come escaped, and their brackets are text."""
    name = f"{EVIL}<script>a|b"
    table = Table(name, (name, "n"), [(name, "1")])
    report = Report("evaluate x", name, [name], [table], [f"Left out: {name}."], {"name": name}, {"folder": name})
    assert is_harmless(report.markdown_file + report.json_file)
    assert report.markdown_file.count("<") == report.markdown_file.count("\\<") + len(["<!-- facegallery"])
    assert json.loads(report.json_file)["name"] == name
    assert "script" not in Elements(html_of(report.page())).elements


# --- mistakes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", EVIL],
        ["rename", EVIL, "x"],
        ["forget", EVIL, "--yes"],
        ["identify", EVIL],
        ["detect", f"{EVIL}.jpg"],
        ["verify", EVIL, EVIL],
        ["enroll", EVIL],
        ["enroll", "--member", EVIL, f"{EVIL}.jpg"],
        ["explain", f"{EVIL}.jpg", "-o", f"{EVIL}.gif"],
        ["explain", f"{EVIL}.jpg", "--method", EVIL],
        ["explain", f"{EVIL}.jpg", "--layer", EVIL],
        ["explain", "--member", EVIL],
        ["audit", "--only", EVIL],
        ["audit", "--photo", EVIL],
        ["audit", "-o", EVIL],
        ["cluster", EVIL, "-o", EVIL],
        ["name", f"{EVIL}.json", "1", EVIL],
        ["reject", f"{EVIL}.jpg", EVIL],
        ["members", "--gallery", EVIL],
        ["members", EVIL],
        ["members", f"--{EVIL}"],
        ["identify", "x.jpg", "--threshold", EVIL],
        ["identify", "x.jpg", "--score", EVIL],
        [EVIL],
    ],
    ids=lambda arguments: " ".join(printable(each) for each in arguments).replace(printable(EVIL), "EVIL"),
)
def test_a_mistake_with_a_hostile_word_is_told_harmlessly(group: Group, run_cli: RunCli, arguments: list[str]) -> None:
    """Whatever is wrong with a command, what was typed comes back escaped."""
    result = run_cli(*arguments)
    assert result.code in (1, 2, 3)
    assert is_harmless(result.out + result.err)
    assert "Traceback" not in result.err
