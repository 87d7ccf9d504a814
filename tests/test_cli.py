"""The command line: what it prints, where, and its exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import RunCli

ROOT = Path(__file__).parents[1]


@pytest.fixture
def here(gallery_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The enrolled gallery as this person's default."""
    monkeypatch.setenv("FACEGALLERY_GALLERY", str(gallery_folder))
    return gallery_folder


# --- enroll -------------------------------------------------------------------------------------------------------


def test_enroll_makes_a_gallery_says_its_model_and_sums_up(run_cli: RunCli, sample_group: Path, tmp_path: Path) -> None:
    """The first enrollment names folder and model, with what the model means; a second run finds everything there."""
    folder = tmp_path / "in" / "Ada"
    folder.mkdir(parents=True)
    for number in (1, 2):
        (folder / f"{number}.jpg").write_bytes((sample_group / "enroll" / "Ada" / f"{number}.jpg").read_bytes())
    first = run_cli("enroll", folder.parent)
    assert (first.code, first.out) == (0, "Enrolled 2 photos of 1 member.\n")
    assert "on model 'starter': LFW 0.919" in first.err
    assert "facegallery model pull vggface2" in first.err
    (folder / "3.jpg").write_text("no photo")
    second = run_cli("enroll", folder.parent)
    assert second.code == 3
    assert "Enrolled 0 photos of 0 members.\nAlready there: 2 photos.\nSkipped 1 photo:\n" in second.out
    assert f"  {folder / '3.jpg'}: " in second.out


def test_enroll_wants_one_folder_or_a_member(run_cli: RunCli, here: Path, sample_group: Path, tmp_path: Path) -> None:
    """What cannot be meant is a usage error, before any work."""
    photo = sample_group / "probe" / "ada-2.jpg"
    assert run_cli("enroll", photo).code == 2
    assert run_cli("enroll", sample_group, sample_group).code == 2
    assert run_cli("enroll", sample_group / "enroll", "--face", "1").code == 2
    assert run_cli("enroll").code == 2
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run_cli("enroll", empty).code == 2
    assert run_cli("enroll", tmp_path / "gone").code == 2


def test_a_gallery_keeps_its_model(run_cli: RunCli, here: Path, sample_group: Path) -> None:
    """Another --model on an existing gallery is an error that says what to do."""
    result = run_cli("enroll", sample_group / "enroll", "--model", "vggface2")
    assert result.code == 1
    assert "is on model 'starter' and stays on it" in result.err
    assert result.out == ""


def test_a_gallery_whose_making_was_cut_short_is_finished(run_cli: RunCli, sample_group: Path, tmp_path: Path) -> None:
    """A crash in the first second leaves an empty file; init and enroll go on from there."""
    for command in (["init"], ["enroll", "-m", "Ada", sample_group / "enroll" / "Ada" / "1.jpg"]):
        folder = tmp_path / str(command[0])
        folder.mkdir()
        (folder / "gallery.sqlite3").touch()
        assert run_cli(*command, "-g", folder).code == 0
        assert run_cli("members", "-g", folder).code == 0


def test_init_is_said_and_is_harmless_twice(run_cli: RunCli, tmp_path: Path) -> None:
    """The second init changes nothing and says so."""
    assert "Made a gallery" in run_cli("init", "-g", tmp_path / "new").out
    assert "Nothing was changed" in run_cli("init", "-g", tmp_path / "new").out
    assert run_cli("init", "-g", tmp_path / "new", "--model", "vggface2").code == 1


def test_ctrl_c_in_enroll_keeps_what_was_said(sample_group: Path, tmp_path: Path) -> None:
    """SIGINT while it works: exit code 130, a summary, and a gallery that opens and goes on."""
    gallery = tmp_path / "gallery"
    command = [sys.executable, "-m", "facegallery", "enroll", str(sample_group / "enroll"), "-g", str(gallery)]
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while n_enrolled(gallery) == 0 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    kept = n_enrolled(gallery)
    assert 0 < kept < 24
    assert "the same command goes on" in err
    again = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=120, check=False)
    assert again.returncode == 0, again.stderr
    assert f"Already there: {kept} photo" in again.stdout
    assert f"Enrolled {24 - kept} photos" in again.stdout
    assert n_enrolled(gallery) == 24
    assert "Enrolled" in out


def n_enrolled(gallery: Path) -> int:
    """Templates in a gallery that another process writes."""
    import sqlite3

    if not (gallery / "gallery.sqlite3").exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{gallery / 'gallery.sqlite3'}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM templates").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # its tables are not there yet


# --- identify -----------------------------------------------------------------------------------------------------


def test_identify_prints_a_row_a_face(run_cli: RunCli, here: Path, sample_group: Path, tmp_path: Path) -> None:
    """Names, unknown, no face; the notice and what was skipped go to standard error, exit code 3."""
    Image.new("RGB", (64, 64)).save(tmp_path / "nobody.png")
    (tmp_path / "bad.jpg").write_text("no photo")
    wrong_suffix = tmp_path / "really-a-png.jpg"
    Image.open(sample_group / "probe" / "dan-1.jpg").save(wrong_suffix, format="PNG")
    result = run_cli("identify", sample_group / "probe" / "stranger-1a.jpg", tmp_path)
    assert result.code == 3
    rows = {Path(row.split()[0]).name: row for row in result.out.splitlines() if row.strip()}
    assert "unknown" in rows["stranger-1a.jpg"]
    assert "Cyrus 0.3" in rows["stranger-1a.jpg"]
    assert "no face" in rows["nobody.png"]
    assert "Dan" in rows["really-a-png.jpg"]
    assert f"{wrong_suffix}: " in result.err
    assert f"Skipped {tmp_path / 'bad.jpg'}: " in result.err


def test_json_is_one_document_with_stable_keys(run_cli: RunCli, here: Path, sample_group: Path, tmp_path: Path) -> None:
    """Keys that programs rely on; numbers that agree with each other; skipped inputs listed; all in one document."""
    result = run_cli("identify", sample_group / "group.jpg", tmp_path / "gone.jpg", "--json", "--top", "3", "-t", "0.6")
    assert result.code == 3
    document = json.loads(result.out)
    assert list(document) == ["model", "threshold", "min_margin", "threshold_source", "score", "photos", "skipped"]
    assert (document["model"], document["threshold"], document["score"]) == ("starter", 0.6, "centroid")
    assert document["skipped"] == [
        {"path": str(tmp_path / "gone.jpg"), "code": "missing", "reason": document["skipped"][0]["reason"]}
    ]
    (photo,) = document["photos"]
    assert list(photo) == ["path", "content_hash", "width_px", "height_px", "notice", "faces"]
    assert [face["face"] for face in photo["faces"]] == [1, 2, 3, 4, 5]
    for face in photo["faces"]:
        assert list(face) == [
            "face", "box_xyxy", "landmarks_xy", "probability", "quality",
            "decision", "member", "nearest", "similarity", "threshold", "threshold_source", "runner_up",
            "margin", "min_margin", "strangers", "taken", "rejected", "candidates",
        ]  # fmt: skip
        assert len(face["landmarks_xy"]) == 5
        assert [candidate["rank"] for candidate in face["candidates"]] == [1, 2, 3]
        assert not any(candidate["rejected"] for candidate in face["candidates"])
        assert (face["member"] is not None) == (face["decision"] == "match") == (face["similarity"] >= 0.6)
        assert face["margin"] == pytest.approx(face["similarity"] - face["runner_up"]["similarity"], abs=2e-6)


def test_csv_survives_any_name(run_cli: RunCli, here: Path, sample_group: Path, tmp_path: Path) -> None:
    """A comma, quotes and a line break in a member's name and in a file's name come back as they were."""
    name = 'Ada "the first",\nCountess'
    assert run_cli("rename", "Ada", name).code == 0
    photo = tmp_path / 'a, "b".jpg'
    photo.write_bytes((sample_group / "probe" / "ada-2.jpg").read_bytes())
    result = run_cli("identify", photo, tmp_path / "gone.jpg", "--csv")
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert result.code == 3
    assert (rows[0]["path"], rows[0]["member"], rows[0]["decision"]) == (str(photo), name, "match")
    assert rows[1]["skipped"].startswith("missing: ")
    assert run_cli("identify", photo, "--csv", "--json").code == 2


def test_names_cannot_forge_lines_or_move_the_cursor(run_cli: RunCli, here: Path) -> None:
    """Control characters, line breaks and direction overrides are shown escaped."""
    assert run_cli("rename", "Ada", "Ada\x1b[2J\nBea").code == 0
    listing = run_cli("members").out
    assert "\x1b" not in listing
    assert "Ada\\x1b[2J\\nBea" in listing


def test_draw_writes_one_picture_a_photo(run_cli: RunCli, here: Path, sample_group: Path, tmp_path: Path) -> None:
    """Two photos of one file name get two pictures, of the photos' size or an enlargement of it."""
    for folder in "ab":
        (tmp_path / folder).mkdir()
    (tmp_path / "a" / "x.jpg").write_bytes((sample_group / "group.jpg").read_bytes())
    (tmp_path / "b" / "x.jpg").write_bytes((sample_group / "probe" / "ada-2.jpg").read_bytes())
    result = run_cli("identify", tmp_path / "a", tmp_path / "b", "--draw", tmp_path / "out")
    assert result.code == 0
    pictures = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(pictures) == 2
    assert "x-faces.png" in pictures
    with Image.open(tmp_path / "out" / "x-faces.png") as drawn, Image.open(sample_group / "group.jpg") as photo:
        assert drawn.size == photo.size
        assert drawn.convert("RGB").tobytes() != photo.convert("RGB").tobytes()


def test_no_gallery_is_an_error_with_the_next_step(run_cli: RunCli, sample_group: Path, tmp_path: Path) -> None:
    """Every command that needs a gallery says how to make one, and makes nothing."""
    for command in (
        ["identify", sample_group / "group.jpg"],
        ["members"],
        ["show", "Ada"],
        ["forget", "Ada", "--yes"],
        ["explain", sample_group / "group.jpg", "-o", tmp_path / "x.png"],
    ):
        result = run_cli(*command)
        assert result.code == 1
        assert "facegallery enroll DIR" in result.err
    assert not (tmp_path / "default-gallery").exists()


def test_the_table_agrees_with_itself_where_a_name_was_taken(
    run_cli: RunCli, here: Path, sample_group: Path, tmp_path: Path
) -> None:
    """Dan twice, and any name wanted: what is near is the runner-up of the margin, and who was taken is said."""
    group = tmp_path / "twice.png"
    twice = Image.new("RGB", (768, 384))
    for number in (1, 2):
        twice.paste(Image.open(sample_group / "probe" / f"dan-{number}.jpg"), (384 * (number - 1), 0))
    twice.save(group)
    document = json.loads(run_cli("identify", group, "--json", "-t", "-1").out)
    taken = [face for face in document["photos"][0]["faces"] if face["taken"]]
    assert taken
    rows = run_cli("identify", group, "-t", "-1").out.splitlines()
    for face in taken:
        (row,) = (row for row in rows if row.split()[1:2] == [str(face["face"])])  # the photo's name has no space
        assert f"{face['runner_up']['member']} {face['runner_up']['similarity']:.2f}" in row
        assert f"{face['taken'][0]}: another face" in row


def test_an_unknown_lists_as_many_candidates_as_asked_for(run_cli: RunCli, here: Path, sample_group: Path) -> None:
    """--top is for unknown faces too."""
    row = run_cli("identify", sample_group / "probe" / "stranger-1a.jpg", "--top", "4").out
    assert row.count("0.3") + row.count("0.2") >= 3
    assert all(name in row for name in ("Cyrus", "Dan", "Ivan"))


def test_a_picture_that_cannot_be_drawn_loses_no_answer(
    run_cli: RunCli, here: Path, sample_group: Path, tmp_path: Path
) -> None:
    """Somebody's file in the picture's place: it stays, the answers are printed, exit code 3. A long name is cut."""
    foreign = tmp_path / "out" / "group-faces.png"
    foreign.parent.mkdir()
    foreign.write_bytes(b"somebody's own")
    long_name = tmp_path / ("w" * 240 + ".jpg")
    long_name.write_bytes((sample_group / "probe" / "dan-1.jpg").read_bytes())
    result = run_cli("identify", sample_group / "group.jpg", long_name, "--draw", foreign.parent)
    assert result.code == 3
    assert "Hana" in result.out
    assert "no picture of it" in result.err
    assert foreign.read_bytes() == b"somebody's own"
    assert sorted(path.name for path in foreign.parent.iterdir()) == ["group-faces.png", "w" * 200 + "-faces.png"]


def test_drawings_are_not_identified_as_photos(run_cli: RunCli, here: Path, sample_group: Path, tmp_path: Path) -> None:
    """Drawn into the folder of the photos: the second run sees the same photos as the first."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes((sample_group / "probe" / "dan-1.jpg").read_bytes())
    for _ in range(2):
        assert (
            len(json.loads(run_cli("identify", tmp_path / "in", "--json", "--draw", tmp_path / "in").out)["photos"])
            == 1
        )
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["a-faces.png", "a.jpg"]


def test_a_photo_given_twice_is_answered_once(run_cli: RunCli, here: Path, sample_group: Path) -> None:
    """Also when it is named once itself and once by its folder."""
    photo = sample_group / "probe" / "dan-1.jpg"
    assert len(json.loads(run_cli("detect", photo, photo, "--json").out)["photos"]) == 1


def test_ctrl_c_in_identify_loses_no_answer(here: Path, sample_group: Path) -> None:
    """What was identified by then is printed, valid JSON, exit code 130."""
    arguments = ["identify", str(sample_group / "enroll"), str(sample_group / "probe"), "--json"]
    process = subprocess.Popen(
        [sys.executable, "-c", f"{STOP_AFTER_FOUR}\nmain({arguments!r})"], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "FACEGALLERY_GALLERY": str(here)},
    )  # fmt: skip
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert len(json.loads(out)["photos"]) == 4
    assert "Stopped: 40 photos not looked at." in err


STOP_AFTER_FOUR = """
import os, signal
from facegallery.cli import console
from facegallery.cli.app import main
from rich.progress import Progress
n_done, advance = 0, Progress.advance
def press_ctrl_c(*arguments):
    global n_done
    n_done += 1
    advance(*arguments)
    if n_done == 4:
        os.kill(os.getpid(), signal.SIGINT)
Progress.advance = press_ctrl_c
"""
"""Ctrl-C at a known moment: when the progress bar has moved four times."""


def test_an_empty_folder_is_said(run_cli: RunCli, here: Path, tmp_path: Path) -> None:
    """No table without rows, and a word why."""
    (tmp_path / "nothing").mkdir()
    result = run_cli("identify", tmp_path / "nothing")
    assert (result.code, result.out) == (0, "")
    assert "There is no photo in" in result.err


@pytest.mark.parametrize("threshold", ["nan", "1.5", "-2"])
def test_a_threshold_that_is_no_similarity_is_a_fault_of_usage(
    run_cli: RunCli, here: Path, sample_group: Path, threshold: str
) -> None:
    """NaN too: nothing compares with it, and every face would be unknown."""
    assert run_cli("identify", sample_group / "group.jpg", "--threshold", threshold).code == 2


def test_centroid_scores_by_the_shell(run_cli: RunCli, here: Path, sample_group: Path) -> None:
    """--score centroid is told in the document and gives other similarities than the best template."""
    probe = sample_group / "probe" / "dan-1.jpg"
    best, centroid = (
        json.loads(run_cli("identify", probe, "--json", "--score", score).out) for score in ("best", "centroid")
    )
    assert (best["score"], centroid["score"]) == ("best", "centroid")
    assert best["photos"][0]["faces"][0]["similarity"] != centroid["photos"][0]["faces"][0]["similarity"]
    assert run_cli("identify", probe, "--score", "worst").code == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_answer_that_cannot_be_written_is_one_clear_error(here: Path) -> None:
    """A full disk behind standard output: a sentence and exit code 1, no traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "facegallery", "members"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "FACEGALLERY_GALLERY": str(here)}, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "Error: the answer could not be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_any_locale_gets_utf_8_in_a_pipe(run_cli: RunCli, here: Path) -> None:
    """A name outside the locale's letters is no traceback; a file gets UTF-8."""
    assert run_cli("rename", "Ada", "Łukasz 李").code == 0
    done = subprocess.run(
        [sys.executable, "-m", "facegallery", "members", "--json"], cwd=ROOT, capture_output=True, check=True,
        env={**os.environ, "FACEGALLERY_GALLERY": str(here), "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert "Łukasz 李" in [member["name"] for member in json.loads(done.stdout.decode("utf-8"))["members"]]


# --- verify, detect, explain --------------------------------------------------------------------------------------


def test_verify_needs_no_gallery(run_cli: RunCli, sample_group: Path) -> None:
    """Both answers end with exit code 0; several faces are an error that names the option."""
    dan, again, group = (
        sample_group / "probe" / "dan-1.jpg",
        sample_group / "probe" / "dan-2.jpg",
        sample_group / "group.jpg",
    )
    assert run_cli("verify", dan, again).out.startswith("Same person: similarity 0.9")
    answer = json.loads(run_cli("verify", dan, group, "--face-b", "3", "--json").out)
    assert answer["photos"][1]["face"] == 3
    assert answer["decision"] in ("match", "unknown")
    refused = run_cli("verify", dan, group)
    assert refused.code == 1
    assert "--face-b N" in refused.err


def test_verify_with_a_gallery_that_is_not_there(run_cli: RunCli, sample_group: Path, tmp_path: Path) -> None:
    """A gallery that is named must exist: a slip of the keyboard does not silently take another model."""
    dan = sample_group / "probe" / "dan-1.jpg"
    assert run_cli("verify", dan, dan, "-g", tmp_path / "typo").code == 1


def test_detect_gives_boxes_and_landmarks(run_cli: RunCli, sample_group: Path, tmp_path: Path) -> None:
    """Five faces in the group photo, in table, JSON and picture; no gallery is needed or made."""
    result = run_cli("detect", sample_group / "group.jpg", "--draw", tmp_path / "out")
    assert result.code == 0
    assert result.out.count("group.jpg") == 5
    assert result.out.startswith(("In ", "photo"))
    assert (tmp_path / "out" / "group-faces.png").exists()
    (photo,) = json.loads(run_cli("detect", sample_group / "group.jpg", "--json").out)["photos"]
    assert [len(face["landmarks_xy"]) for face in photo["faces"]] == [5] * 5


def test_explain_draws_and_says_the_decision(run_cli: RunCli, here: Path, sample_group: Path, tmp_path: Path) -> None:
    """The picture and the words for the named member, and against another member that is asked for."""
    probe = sample_group / "probe" / "ada-2.jpg"
    result = run_cli("explain", probe, "-o", tmp_path / "why.png")
    assert result.code == 0
    assert result.out.startswith("Ada: similarity 0.9")
    with Image.open(tmp_path / "why.png") as picture:
        assert picture.format == "PNG"
    assert f"Written: {tmp_path / 'why.png'}" in result.err
    gradcam = ("--method", "gradcam-match", "--layer")
    other = run_cli("explain", probe, "-m", "bea", "-o", tmp_path / "not.png", *gradcam, "block8")
    assert "Compared with Bea: similarity 0.4" in other.out
    assert "Nearer to Ada than to Bea, by 0." in other.out
    assert run_cli("explain", probe, "-o", tmp_path / "x.png", *gradcam, "logits").code == 1
    assert run_cli("explain", probe, "-o", tmp_path / "x.png", "-m", "Nobody").code == 1
    assert not (tmp_path / "x.png").exists()


def test_explain_answers_without_a_picture_and_as_a_document(
    run_cli: RunCli, here: Path, sample_group: Path, tmp_path: Path
) -> None:
    """Sentences alone; one JSON document with the maps as arrays; a page and a picture from one look."""
    probe = sample_group / "probe" / "ada-2.jpg"
    outputs = ("-o", tmp_path / "why.html", "-o", tmp_path / "why.png")
    result = run_cli("explain", probe, "--not", "dan", "--json", *outputs)
    document = json.loads(result.out)
    assert document["member"] == "Ada"
    assert document["contrast"]["rival"] == "Dan"
    shares, occlusion = document["maps"]
    assert sum(map(sum, shares["values"])) + shares["base"] == pytest.approx(document["similarity"], abs=1e-4)
    assert len(occlusion["values"]) == len(occlusion["values"][0]) == 160
    assert len(document["covered_places"]["places"]) == 37
    assert "<title>Why Ada: ada-2.jpg</title>" in (tmp_path / "why.html").read_text(encoding="utf-8")
    assert (tmp_path / "why.png").exists()
    assert run_cli("explain", probe).out.startswith("Ada: similarity 0.9")


def test_explain_checks_its_maps(run_cli: RunCli, here: Path, sample_group: Path, tmp_path: Path) -> None:
    """--check: for each map its areas beside those of random and a Gaussian, stability, and what shuffling leaves; in
    the document, in the sentences, and as a table on the page.
    """
    probe, page = sample_group / "probe" / "ada-2.jpg", tmp_path / "why.html"
    document = json.loads(run_cli("explain", probe, "--check", "--json", "-o", page).out)
    text = page.read_text(encoding="utf-8")
    assert "How far to trust the maps" in text
    shown = " ".join(f"{area:.3f}" for area in document["checks"][1]["deletion"].values())
    assert f"<td>{shown}</td>" in re.sub(r"<td[^>]*>\s*([^<]*?)\s*</td>", r"<td>\1</td>", text)
    checks = {check["method"]: check for check in document["checks"]}
    assert list(checks) == ["shares", "occlusion"]
    assert checks["shares"]["random"] == checks["occlusion"]["random"]
    for check in checks.values():
        assert set(check["deletion"]) == {"mean", "blur", "noise"}
        assert check["stability"] > 0.8
        assert check["shuffled"] < 0.8
    told = [line for line in document["words"] if line.startswith("How far to trust occlusion (random and")]
    assert len(told) == 1


def test_explain_a_member(run_cli: RunCli, here: Path, tmp_path: Path) -> None:
    """Without a photo: what the member is recognized by, in words, picture, page and document."""
    outputs = ("-o", tmp_path / "ada.png", "-o", tmp_path / "ada.html")
    result = run_cli("explain", "--member", "ada", *outputs)
    assert result.out.startswith("Ada over 4 photos")
    assert "What Ada is recognized by" in (tmp_path / "ada.html").read_text(encoding="utf-8")
    document = json.loads(run_cli("explain", "--member", "ada", "--json").out)
    assert len(document["photos"]) == 4
    assert len(document["mean_map"]) == 160


def test_explain_the_detection(run_cli: RunCli, sample_group: Path, tmp_path: Path) -> None:
    """Why there is a face: needs no gallery; the rounds end with nothing found."""
    probe = sample_group / "probe" / "ada-2.jpg"
    result = run_cli("explain", "--stage", "detection", probe, "-o", tmp_path / "a.png", "-o", tmp_path / "a.html")
    assert result.code == 0
    assert "Round 2, with what was found before covered: nothing is found." in result.out
    document = json.loads(run_cli("explain", "--stage", "detection", probe, "--json").out)
    assert document["end"] == "nothing_found"
    assert [heat["method"] for heat in document["explained"][0]["maps"]] == ["hirescam", "occlusion"]
    assert not (tmp_path / "default-gallery").exists()


def test_explain_says_what_was_asked_wrongly(run_cli: RunCli, here: Path, sample_group: Path, tmp_path: Path) -> None:
    """Neither photo nor member, an output of no known form, a layer without a method that looks at it: usage."""
    probe = sample_group / "probe" / "ada-2.jpg"
    for wrong in (
        ("explain",),
        ("explain", "--stage", "detection"),
        ("explain", probe, "-o", tmp_path / "why.pdf"),
        ("explain", probe, "--layer", "block8"),
        ("explain", "--stage", "detection", probe, "--check"),
        ("explain", "--stage", "detection", probe, "--member", "Ada"),
        ("explain", "--stage", "detection", probe, "--threshold", "0"),
        ("explain", "--member", "Ada", "--not", "Bea"),
        ("explain", "--member", "Ada", "--face", "1"),
    ):
        assert run_cli(*wrong).code == 2
    unknown = run_cli("explain", probe, "--method", "guess")
    assert (unknown.code, "shares" in unknown.err) == (1, True)


# --- members ------------------------------------------------------------------------------------------------------


def test_members_show_rename_forget(run_cli: RunCli, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The life of a member from the shell; forgetting asks first."""
    assert [row["name"] for row in json.loads(run_cli("members", "--json").out)["members"]][:2] == ["Ada", "Bea"]
    assert "1.jpg" in run_cli("show", "ada").out
    assert run_cli("rename", "ada", "Ada L.").out == "Ada is now Ada L..\n"
    assert "'Bea'" in run_cli("rename", "Ada L.", "bea").err
    for answer in ("n\n", ""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        refused = run_cli("forget", "Ada L.")
        assert refused.code == 1
        assert "Nothing was forgotten." in refused.err
        assert ("--yes" in refused.err) == (answer == "")
    assert run_cli("show", "Ada L.").code == 0
    assert run_cli("forget", "ada l.", "--yes").out == "Forgot Ada L.: 4 templates removed.\n"
    missing = run_cli("show", "Ada L.")
    assert missing.code == 1
    assert "'facegallery members' lists all names" in missing.err
    assert len(json.loads(run_cli("show", "Bea", "--json").out)["enrolled"]) == 4


def test_an_empty_gallery_says_what_comes_next(run_cli: RunCli, tmp_path: Path) -> None:
    """No table without rows."""
    run_cli("init", "-g", tmp_path / "new")
    result = run_cli("members", "-g", tmp_path / "new")
    assert (result.code, result.out) == (0, "")
    assert "facegallery enroll DIR" in result.err


# --- models, doctor, demo -----------------------------------------------------------------------------------------


def test_model_commands(run_cli: RunCli, tmp_path: Path) -> None:
    """List tells what is here; verify re-hashes; a wrong file is refused and not kept."""
    listing = run_cli("model", "list")
    assert listing.code == 0
    assert "bundled" in listing.out
    assert "facegallery model pull vggface2" in listing.out
    assert run_cli("model", "verify").code == 0
    wrong = tmp_path / "wrong.pt"
    wrong.write_bytes(b"not a model")
    refused = run_cli("model", "import", "vggface2", wrong)
    assert refused.code == 1
    assert "refused" in refused.err
    assert run_cli("model", "pull", "nothing-of-this-name").code == 1


def test_model_pull_without_a_server_names_the_two_ways_out(run_cli: RunCli) -> None:
    """No network, no file: one clear error."""
    result = run_cli("model", "pull", "vggface2", "--url", "http://127.0.0.1:9/vggface2.pt")
    assert result.code == 1
    assert "facegallery model import vggface2" in result.err
    assert "Traceback" not in result.err


def test_doctor_finds_what_is_wrong(run_cli: RunCli, here: Path) -> None:
    """All well: exit code 0 with versions, hashes, schema, index and threads. A destroyed database: 1, and it is
    named.
    """
    well = run_cli("doctor")
    assert well.code == 0, well.out
    for word in ("torch", "faiss-cpu", "schema", "index: current", "threads", "ee42a0f8b842"):
        assert word in well.out
    (here / "gallery.sqlite3").write_bytes(b"this is no database, " * 100)
    ill = run_cli("doctor", "--json")
    assert ill.code == 1
    assert [entry["what"] for entry in json.loads(ill.out)["findings"] if not entry["ok"]] == ["gallery"]


def test_doctor_reports_the_rest_where_one_part_fails(
    run_cli: RunCli, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A models folder that is a file: said, and the gallery is looked at all the same."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("FACEGALLERY_MODELS", str(tmp_path / "file"))
    result = run_cli("doctor", "--json")
    assert result.code == 1
    findings = {finding["what"]: finding["ok"] for finding in json.loads(result.out)["findings"]}
    assert not all(findings.values())
    assert findings["database"]


def test_demo_runs_twice_into_one_folder(run_cli: RunCli, tmp_path: Path) -> None:
    """The whole way through: table, a match, an unknown, pictures that exist; the second run is the same."""
    for _ in range(2):
        result = run_cli("demo", "-o", tmp_path / "demo")
        assert result.code == 0, result.err
        assert "A match explained" in result.out
        assert "An unknown explained" in result.out
        pictures = [Path(line.strip()) for line in result.out.splitlines() if line.endswith(".png")]
        assert {"group-faces.png", "explain-match.png", "explain-unknown.png"} <= {path.name for path in pictures}
        assert all(path.exists() for path in pictures)


# --- start --------------------------------------------------------------------------------------------------------

HEAVY = ("torch", "faiss", "facenet_pytorch", "torchvision", "openvino", "fastapi", "requests", "PIL")


def loaded_after(code: str, **environment: str) -> set[str]:
    """Top-level modules in a fresh process after some code."""
    script = f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=ROOT, text=True, capture_output=True, check=True, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.stderr == ""
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_is_silent_and_light() -> None:
    """``python -W error -c "import facegallery"`` prints nothing and imports no heavy library."""
    assert not loaded_after("import facegallery") & {*HEAVY, "sqlalchemy", "numpy", "rich", "typer"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["enroll", "--help"]])
def test_help_imports_no_heavy_library(arguments: list[str]) -> None:
    """Help comes without torch, FAISS or the database."""
    code = (
        f"from facegallery.cli.app import main\ntry: main({arguments!r})\nexcept SystemExit as end: assert not end.code"
    )
    assert not loaded_after(code) & {*HEAVY, "sqlalchemy", "alembic", "numpy"}


@pytest.mark.parametrize("arguments", [["members"], ["members", "--json"], ["show", "Ada"], ["show", "Ada", "--json"]])
def test_members_imports_no_numeric_library(here: Path, arguments: list[str]) -> None:
    """Listing the members, and what one was enrolled from, needs the database only."""
    code = (
        f"from facegallery.cli.app import main\ntry: main({arguments!r})\nexcept SystemExit as end: assert not end.code"
    )
    assert not loaded_after(code, FACEGALLERY_GALLERY=str(here)) & {*HEAVY, "alembic", "numpy"}


def test_every_command_is_in_the_readme(run_cli: RunCli) -> None:
    """A command that the README does not show is not finished."""
    from facegallery.cli import evaluating, models
    from facegallery.cli.app import app

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    names += [
        f"model {command.name or command.callback.__name__}"
        for command in models.app.registered_commands
        if command.callback
    ]
    names += [
        f"evaluate {command.name or command.callback.__name__}"
        for command in evaluating.app.registered_commands
        if command.callback
    ]
    assert len(names) > 10
    missing = [name for name in names if f"facegallery {name}" not in readme and f"make {name}" not in readme]
    assert missing == []
