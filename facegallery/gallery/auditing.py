"""An audit of a gallery: the findings about its templates, with the photos and the words that go with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from facegallery.matching.audit import audit_templates

if TYPE_CHECKING:
    from facegallery.domain import EnrolledFace
    from facegallery.matching.audit import DoubleMember, DoubleTemplate, WrongTemplate
    from facegallery.store import Store

SURE = 0.9
"""From which probability on a photo is moved or taken out without being named, when the person says so."""


class FindingKind(str, Enum):
    """What was found; the values are stable and appear in JSON."""

    OTHER_MEMBER = "other_member"
    """A photo that looks like another member."""
    NOBODY_HERE = "nobody_here"
    """A photo that looks like no member."""
    SAME_PICTURE = "same_picture"
    """Nearly one picture under two names."""
    SAME_PERSON = "same_person"
    """Two members who may be one person."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not fit.

    Attributes:
        kind: What it is.
        member: The member it is about.
        other: The other one: whom the photo looks like most, or who has the other name.
        faces: The photo it is about; of one picture under two names both, ``member``'s first; of two names none.
        similarity: The photo's to the rest of ``member``; the two pictures'; the two members'.
        other_similarity: The photo's to ``other``; None of pictures and members.
        probability: That the photo is not ``member``'s, or that the two are one person, in [0, 1]; None for one picture
            under two names, which the similarity tells.
        other_probability: That the photo is ``other``'s, in [0, 1]; None of pictures and members.
    """

    kind: FindingKind
    member: str
    other: str
    faces: tuple[EnrolledFace, ...]
    similarity: float
    other_similarity: float | None
    probability: float | None
    other_probability: float | None

    @property
    def is_sure(self) -> bool:
        """Whether it is sure enough to act on what it says: where a photo goes, not only that it is wrong."""
        if self.kind is FindingKind.OTHER_MEMBER:
            return (self.other_probability or 0.0) >= SURE
        return self.kind is FindingKind.NOBODY_HERE and (self.probability or 0.0) >= SURE


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done with a photo.

    Attributes:
        face: The photo's enrolled face.
        to: The member it is given to; None takes it out of the gallery.
    """

    face: EnrolledFace
    to: str | None


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    Attributes:
        findings: Photos by how sure it is, then pictures, then members.
        n_members: Members in the gallery.
        n_templates: Their templates.
        n_judged: Templates that could be judged; 0 where the gallery is too small to say anything about photos. The
            others are their members' only ones.
        asked: The enrolled faces of the photos that were asked about.
    """

    findings: tuple[Finding, ...]
    n_members: int
    n_templates: int
    n_judged: int
    asked: tuple[EnrolledFace, ...] = ()


def audit(store: Store, photos: Iterable[Path] | None = None) -> Audit:
    """Audit a gallery.

    Args:
        store: The gallery's.
        photos: Tell of these only, and of members enrolled from them; None tells of all.
    """
    templates = store.templates()
    found = audit_templates(templates)
    faces = {face.template_id: face for face in store.enrolled_faces()}
    rejected = store.rejected_templates()
    findings = [
        *(_wrong(each, faces[each.template_id], rejected) for each in found.wrong if each.template_id in faces),
        *(_same_picture(each, faces) for each in found.double_templates if set(each.template_ids) <= faces.keys()),
        *(_same_person(each) for each in found.double_members),
    ]
    asked: tuple[EnrolledFace, ...] = ()
    if photos is not None:
        wanted = {path.absolute() for path in photos}
        asked = tuple(face for face in faces.values() if face.photo_path in wanted)
        members = {face.member for face in asked}
        findings = [each for each in findings if _is_about(each, wanted, members)]
    return Audit(tuple(findings), len(set(templates.members)), len(templates.ids), found.n_judged, asked)


def sure_changes(findings: Iterable[Finding]) -> tuple[Change, ...]:
    """What can be done without naming a photo: move what is surely another's, take out what is surely nobody's."""
    return tuple(_change(each) for each in findings if each.is_sure)


def changes_of_named(found: Audit, to: str | None = None) -> tuple[Change, ...]:
    """What is done with the photos that were asked about, however sure it is.

    Those that do not fit are moved where it is sure whose they are, and else taken out; where none is such a one, what
    was asked about is taken out all the same.

    Args:
        found: An audit of these photos.
        to: A member to move them to, whatever was found.
    """
    wrong = tuple(_change(each) for each in found.findings if each.other_probability is not None)
    changes = wrong or tuple(Change(face, None) for face in found.asked)
    return changes if to is None else tuple(replace(each, to=to) for each in changes if each.face.member != to)


def _change(finding: Finding) -> Change:
    is_moved = finding.kind is FindingKind.OTHER_MEMBER and finding.is_sure
    return Change(finding.faces[0], finding.other if is_moved else None)


def how_sure(finding: Finding) -> str:
    """How sure a finding is, in words; "" for one picture under two names, which the similarity tells."""
    if finding.probability is None:
        return ""
    if finding.other_probability is None:
        return f"one person: {percent(finding.probability)}"
    words = f"not {finding.member}'s ({percent(finding.probability)})"
    if finding.kind is FindingKind.NOBODY_HERE:
        return words
    return f"{words}; {finding.other}'s: {percent(finding.other_probability)}"


def percent(probability: float) -> str:
    """A probability in words; 0 and 100 % are never claimed: it is learned from a gallery's few photos."""
    rounded = round(100 * probability)
    if rounded >= 100:
        return "more than 99 %"
    return "less than 1 %" if rounded <= 0 else f"{rounded} %"


def _is_about(finding: Finding, photos: Collection[Path], members: Collection[str]) -> bool:
    if finding.kind is FindingKind.SAME_PERSON:
        return finding.member in members or finding.other in members
    return any(face.photo_path in photos for face in finding.faces)


def _wrong(found: WrongTemplate, face: EnrolledFace, rejected: Collection[tuple[int, str]]) -> Finding:
    # Whom somebody said it is not, it does not look like: what a person knows outweighs what was learned.
    of_nobody = found.of_nobody or (found.template_id, found.nearest) in rejected
    return Finding(
        FindingKind.NOBODY_HERE if of_nobody else FindingKind.OTHER_MEMBER,
        found.member,
        found.nearest,
        (face,),
        found.similarity,
        found.nearest_similarity,
        found.probability,
        found.nearest_probability,
    )


def _same_picture(found: DoubleTemplate, faces: Mapping[int, EnrolledFace]) -> Finding:
    both = tuple(faces[template_id] for template_id in found.template_ids)
    return Finding(FindingKind.SAME_PICTURE, *found.members, both, found.similarity, None, None, None)


def _same_person(found: DoubleMember) -> Finding:
    return Finding(FindingKind.SAME_PERSON, *found.members, (), found.similarity, None, found.probability, None)
