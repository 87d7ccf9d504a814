"""LFW's lists of pairs: which photos are compared, and whether they show one person.

The format is that of ``pairs.txt`` ("Labeled Faces in the Wild", Huang et al., 2007): a first line with the number of
folds and of pairs a fold (``10<TAB>300``), then for each fold so many mated pairs (``name<TAB>i<TAB>j``) and as many
non-mated ones (``name_a<TAB>i<TAB>name_b<TAB>j``). A first line with one number (``pairsDevTest.txt``) means one fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facegallery.errors import EvaluationError
from facegallery.formats import SUFFIXES

_MATED_FIELDS = 3
_NON_MATED_FIELDS = 4


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos that are compared.

    Attributes:
        people: The person in each: the same name twice in a mated pair.
        photos: The two files.
        fold: From 0.
    """

    people: tuple[str, str]
    photos: tuple[Path, Path]
    fold: int

    @property
    def is_mated(self) -> bool:
        """Whether both photos show one person."""
        return self.people[0] == self.people[1]


def read_pairs(path: Path, photos: Path) -> list[Pair]:
    """Read a list of pairs and find its photos.

    Args:
        path: The list. Fields are separated by tabs, or in a line without any by spaces.
        photos: Holds ``name/name_0001.jpg``; other suffixes of photos do as well.

    Raises:
        EvaluationError: The list cannot be read, a line is not what its place asks for, or a photo is missing. It
            names file and line.
    """
    lines = _lines(path)
    if not lines:
        raise EvaluationError(f"{path} is empty. Give a list of pairs in the format of LFW's pairs.txt.")
    n_folds, n_a_fold = _header(path, lines[0][1])
    n_wanted = 2 * n_folds * n_a_fold
    if len(lines) - 1 != n_wanted:
        raise EvaluationError(
            f"{path} holds {len(lines) - 1} pairs, and its first line promises {n_wanted}: {n_folds} folds of "
            f"{n_a_fold} mated and {n_a_fold} non-mated pairs. Fetch the list again, or correct its first line."
        )
    return [
        _pair(_Place(path, number), fields, photos, fold=place // (2 * n_a_fold), is_mated=place // n_a_fold % 2 == 0)
        for place, (number, fields) in enumerate(lines[1:])
    ]


@dataclass(frozen=True, slots=True)
class _Place:
    """A line of a list, from 1."""

    path: Path
    line: int

    def fault(self, what: str) -> EvaluationError:
        return EvaluationError(f"{self.path}, line {self.line}: {what}")


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Number and fields of each line that is not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{path} is not text in UTF-8. Give a list of pairs as LFW's pairs.txt.") from error
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read: {error.strerror or error}.") from error
    split = ((number, _fields(line)) for number, line in enumerate(text.splitlines(), start=1))
    return [(number, fields) for number, fields in split if fields]


def _fields(line: str) -> list[str]:
    """A name may hold spaces where tabs separate the fields."""
    return [field.strip() for field in line.split("\t")] if "\t" in line.strip() else line.split()


def _header(path: Path, fields: Sequence[str]) -> tuple[int, int]:
    """Number of folds, and of pairs of each kind in a fold."""
    numbers = [int(field) for field in fields if field.isdecimal() and int(field) > 0]
    if len(numbers) != len(fields) or len(fields) > 2:
        raise _Place(path, 1).fault(
            f"'{' '.join(fields)}' is not how a list begins: the number of folds and of pairs a fold ('10 300'), or "
            "one number of pairs ('500')."
        )
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (1, numbers[0])


def _pair(place: _Place, fields: Sequence[str], photos: Path, *, fold: int, is_mated: bool) -> Pair:
    if len(fields) != (_MATED_FIELDS if is_mated else _NON_MATED_FIELDS):
        wanted = "a mated pair, 'name i j'" if is_mated else "a non-mated pair, 'name_a i name_b j'"
        raise place.fault(f"'{' '.join(fields)}' stands where {wanted}, is due.")
    first = (fields[0], fields[1])
    second = (fields[0], fields[2]) if is_mated else (fields[2], fields[3])
    if not is_mated and first[0] == second[0]:
        raise place.fault(f"{first[0]} is both people of a pair that is to be of two.")
    found = (_photo(place, photos, *first), _photo(place, photos, *second))
    return Pair((first[0], second[0]), found, fold)


def _photo(place: _Place, photos: Path, name: str, number: str) -> Path:
    if not number.isdecimal():
        raise place.fault(f"'{number}' is no photo's number.")
    for path in _spellings(photos / name / f"{name}_{int(number):04d}"):
        if path.is_file():
            return path
    raise place.fault(f"there is no photo {photos / name / f'{name}_{int(number):04d}.jpg'}.")


def _spellings(stem: Path) -> Iterator[Path]:
    for suffix in (".jpg", *sorted(SUFFIXES.keys() - {".jpg"})):
        yield stem.with_name(stem.name + suffix)
        yield stem.with_name(stem.name + suffix.upper())
