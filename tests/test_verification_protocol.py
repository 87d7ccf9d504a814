"""LFW's protocol: its lists of pairs, its folds, and which face of a photo is meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facegallery.domain import EmbeddedFace, Face, Photo
from facegallery.errors import EvaluationError
from facegallery.evaluation.pairs import Pair, read_pairs
from facegallery.evaluation.subjects import central_face, largest_face
from facegallery.evaluation.verification import compare, error_rates, in_folds, photos_of

LIST = "2\t1\nAda B\t1\t2\nAda B\t1\tCy\t1\nCy\t1\t2\nAda B\t2\tCy\t2\n"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two people with two photos each, one of them a PNG."""
    for name in ("Ada B_0001.jpg", "Ada B_0002.JPG", "Cy_0001.png", "Cy_0002.jpg"):
        person = name.split("_")[0]
        (tmp_path / person).mkdir(exist_ok=True)
        (tmp_path / person / name).touch()
    return tmp_path


def read(photos: Path, text: str) -> list[Pair]:
    path = photos / "pairs.txt"
    path.write_text(text, encoding="utf-8")
    return read_pairs(path, photos)


def test_a_list_as_lfw_writes_it(photos: Path) -> None:
    """Folds and pairs by the first line, names with spaces, four digits, other suffixes where there is no .jpg."""
    first, second, third, fourth = read(photos, LIST)
    assert [pair.is_mated for pair in (first, second, third, fourth)] == [True, False, True, False]
    assert [pair.fold for pair in (first, second, third, fourth)] == [0, 0, 1, 1]
    assert first.people == ("Ada B", "Ada B")
    assert second.photos == (photos / "Ada B" / "Ada B_0001.jpg", photos / "Cy" / "Cy_0001.png")
    assert len(photos_of([first, second, third, fourth])) == 4


def test_one_number_means_one_fold(photos: Path) -> None:
    """The form of pairsDevTest.txt; lines without a tab are split at spaces."""
    mated, non_mated = read(photos, "1\nCy 1 2\nCy\t1\tAda B\t1\n")
    assert (mated.fold, non_mated.fold) == (0, 0)
    assert mated.is_mated
    assert not non_mated.is_mated


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("ten\t300\n", "line 1: 'ten 300' is not how a list begins"),
        ("0\t1\n", "line 1"),
        ("1\t1\t1\n", "line 1"),
        ("2\t1\nCy\t1\t2\n", "holds 1 pairs, and its first line promises 4"),
        (LIST.replace("Cy\t1\t2", "Cy\t1\t2\t3"), "line 4: 'Cy 1 2 3' stands where a mated pair"),
        (LIST.replace("Ada B\t1\tCy\t1", "Ada B\t1\t2"), "line 3: 'Ada B 1 2' stands where a non-mated pair"),
        (LIST.replace("Ada B\t2\tCy\t2", "Cy\t2\tCy\t1"), "line 5: Cy is both people"),
        (LIST.replace("Cy\t1\t2", "Cy\t1\tx"), "line 4: 'x' is no photo's number"),
        (LIST.replace("Cy\t1\t2", "Cy\t1\t7"), "line 4: there is no photo"),
    ],
)
def test_what_is_wrong_names_file_and_line(photos: Path, text: str, said: str) -> None:
    """A slip in a list of 6,000 lines is found at once."""
    with pytest.raises(EvaluationError) as error:
        read(photos, text)
    assert said in str(error.value)
    assert "pairs.txt" in str(error.value)


def test_a_list_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    """Both are said in words."""
    with pytest.raises(EvaluationError, match="cannot be read"):
        read_pairs(tmp_path / "no.txt", tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(EvaluationError, match="not text"):
        read_pairs(tmp_path / "photo.jpg", tmp_path)


def pair(fold: int, *, is_mated: bool, number: int = 0) -> Pair:
    return Pair(("a", "a") if is_mated else ("a", "b"), (Path(f"{number}"), Path(f"{number}'")), fold)


def test_each_fold_is_decided_by_the_others() -> None:
    """Three folds by hand: thresholds 0.575, 0.4 and 0.4; the second fold's 0.55 of two people is named one person."""
    scores = {0: (0.5, 0.3), 1: (0.8, 0.55), 2: (0.6, 0.2)}
    pairs = [pair(fold, is_mated=is_mated) for fold in scores for is_mated in (True, False)]
    similarities = np.array([score for both in scores.values() for score in both], np.float32)
    folds = in_folds(pairs, similarities)
    assert folds is not None
    assert folds.thresholds == pytest.approx((0.575, 0.4, 0.4))
    assert folds.right == (0.5, 0.5, 1.0)
    assert folds.mean == pytest.approx(2 / 3)
    assert folds.standard_error == pytest.approx(np.std([0.5, 0.5, 1.0], ddof=1) / np.sqrt(3))


def test_a_pair_that_cannot_be_compared_is_wrong_in_its_fold() -> None:
    """Whether it is of one person or of two: no answer is no right answer. FMR and FNMR leave it out."""
    pairs = [pair(fold, is_mated=is_mated) for fold in (0, 1) for is_mated in (True, False)]
    similarities = np.array([0.9, np.nan, 0.9, 0.1], np.float32)
    folds = in_folds(pairs, similarities)
    assert folds is not None
    assert folds.right[0] == 0.5
    errors = error_rates(pairs, similarities)
    assert (len(errors.mated.scores), len(errors.non_mated.scores)) == (2, 1)
    with pytest.raises(EvaluationError, match="No non-mated pair"):
        error_rates(pairs, np.array([0.9, np.nan, 0.9, np.nan], np.float32))


def test_one_fold_has_nothing_to_choose_a_threshold_by() -> None:
    """No figure is better than one from the very pairs it is about."""
    assert in_folds([pair(0, is_mated=True), pair(0, is_mated=False)], np.array([0.9, 0.1], np.float32)) is None


def test_pairs_are_compared_by_cosine() -> None:
    """A photo that gave no face leaves its pairs without a number."""
    one, other = np.eye(512, dtype=np.float32)[:2]
    between = ((one + other) / np.sqrt(2)).astype(np.float32)
    pairs = [pair(0, is_mated=True, number=number) for number in (1, 2)]
    found = compare(pairs, {Path("1"): one, Path("1'"): between, Path("2"): one})
    assert found[0] == pytest.approx(np.sqrt(0.5))
    assert np.isnan(found[1])


def face(left: float, top: float, side: float) -> EmbeddedFace:
    box = (left, top, left + side, top + side)
    return EmbeddedFace(Face(box, (), 1.0), np.zeros(512, np.float32))


def test_the_subject_is_central_or_the_largest() -> None:
    """Central: size less twice the squared distance, as facenet-pytorch's notebook has it: 40 px in the middle before
    60 px at the edge, 100 px a little aside before 40 px in the middle. In a whole photograph the largest, wherever.
    """
    photo = Photo(Path("p.jpg"), "0", np.zeros((250, 250, 3), np.uint8), 250, 250)
    middle, edge, aside = face(105, 105, 40), face(0, 95, 60), face(60, 60, 100)
    assert central_face(photo, [edge, middle]) == 1  # 3600 - 2 * 95 ** 2 against 1600
    assert central_face(photo, [middle, aside]) == 1  # 1600 against 10000 - 2 * (15 ** 2 + 15 ** 2)
    assert largest_face(photo, [middle, edge]) == 1
    for rule in (central_face, largest_face):
        assert rule(photo, [middle, middle]) == 0
        assert rule(photo, []) is None
