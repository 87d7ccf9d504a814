"""Who takes part in an open-set experiment: members to enroll, probes of them, and strangers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facegallery.domain import SkippedPhoto
from facegallery.errors import EvaluationError
from facegallery.evaluation.half import Half
from facegallery.gallery.enrollment import MemberPhotos, plan_folder
from facegallery.names import name_key


@dataclass(frozen=True, slots=True)
class Attempt:
    """A photo that is searched for.

    Attributes:
        person: Whose it is: a member's name as enrolled, or a stranger's.
        path: The photo.
    """

    person: str
    path: Path


@dataclass(frozen=True, slots=True)
class Experiment:
    """Who takes part.

    Attributes:
        folders: The three folders: to enroll, probes, strangers.
        half: Which of the people.
        plan: Members and the photos to enroll.
        probes: Photos of these members.
        strangers: Photos of people who are not enrolled.
        not_members: People with probes who are not to be enrolled: left out.
        skipped: What could not be looked into, and why.
    """

    folders: tuple[Path, Path, Path]
    half: Half
    plan: tuple[MemberPhotos, ...]
    probes: tuple[Attempt, ...]
    strangers: tuple[Attempt, ...]
    not_members: tuple[str, ...]
    skipped: tuple[SkippedPhoto, ...]

    @property
    def photos(self) -> list[Path]:
        """All photos, each once."""
        enrolled = [entry for offered in self.plan for entry in offered.photos if isinstance(entry, Path)]
        return list(dict.fromkeys([*enrolled, *(attempt.path for attempt in (*self.probes, *self.strangers))]))


def find_experiment(enroll: Path, probe: Path, strangers: Path, *, half: Half = Half.ALL) -> Experiment:
    """Find members, probes and strangers; a member's folders in ``enroll`` and ``probe`` have the same name.

    Raises:
        PhotoError: A folder is missing or cannot be looked into.
        EvaluationError: A folder holds nobody, nobody's probes are a member's, or a stranger is a member by name.
    """
    members, probed, others = _people(enroll), _people(probe), _people(strangers)
    names = {name_key(offered.member): offered.member for offered in members}
    both = sorted(offered.member for offered in others if name_key(offered.member) in names)
    if both:
        raise EvaluationError(
            f"{', '.join(both)} is in {enroll} and in {strangers}. A stranger must not be a member: take one out."
        )
    plan = half.of(members)
    taking_part = {name_key(offered.member) for offered in plan}
    probes, unread = _attempts([offered for offered in probed if name_key(offered.member) in taking_part], names)
    if not probes:
        raise EvaluationError(
            f"{probe} holds no photo of a member of {enroll}. A member's folder must have the same name in both."
        )
    searched, unread_too = _attempts(half.of(others), {})
    if not searched:
        raise EvaluationError(f"There is no stranger to look for in {strangers}. It should hold one folder a person.")
    return Experiment(
        folders=(enroll, probe, strangers),
        half=half,
        plan=tuple(plan),
        probes=tuple(probes),
        strangers=tuple(searched),
        not_members=tuple(offered.member for offered in probed if name_key(offered.member) not in names),
        skipped=(*unread, *unread_too),
    )


def _people(folder: Path) -> list[MemberPhotos]:
    """One entry a person, as for enrollment."""
    people = [offered for offered in plan_folder(folder) if offered.member]
    if not people:
        raise EvaluationError(f"There is nobody in {folder}. It should hold one folder of photos a person.")
    return people


def _attempts(people: Sequence[MemberPhotos], names: dict[str, str]) -> tuple[list[Attempt], list[SkippedPhoto]]:
    """The photos of people, under the names in ``names`` where they have one there, and what could not be read."""
    attempts, skipped = [], []
    for offered in people:
        name = names.get(name_key(offered.member), offered.member)
        for entry in offered.photos:
            if isinstance(entry, SkippedPhoto):
                skipped.append(entry)
            else:
                attempts.append(Attempt(name, entry))
    return attempts, skipped
