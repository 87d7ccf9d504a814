"""An audit as a page: each suspicious face beside the member's other faces and those of whom it looks like.

The faces are cut out of the photos' files again; the gallery keeps none.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from facegallery.crops import crop_face
from facegallery.errors import PhotoError
from facegallery.gallery.auditing import Finding, FindingKind, how_sure
from facegallery.images import read_photo
from facegallery.pictures.figure import Figure
from facegallery.pictures.page import Page, Section
from facegallery.version import __version__

if TYPE_CHECKING:
    from facegallery.domain import EnrolledFace, Preparation
    from facegallery.gallery.gallery import Gallery

FACES_SHOWN = 3
"""Faces of each member that a suspicious one is shown beside."""

_TITLES = {
    FindingKind.OTHER_MEMBER: "{member}'s photo looks like {other}",
    FindingKind.NOBODY_HERE: "{member}'s photo looks like nobody enrolled here",
    FindingKind.SAME_PICTURE: "{member} and {other} have nearly the same picture",
    FindingKind.SAME_PERSON: "{member} and {other} may be one person",
}


def page_of_audit(gallery: Gallery, findings: Sequence[Finding]) -> Page:
    """The page for these findings; a photo that can no longer be read is an empty place with the reason."""

    @cache  # one member is shown beside several faces
    def faces_of(member: str) -> list[EnrolledFace]:
        return gallery.enrolled_faces(member)

    preparation, sections = gallery.preparation, []
    for finding in findings:
        mine = finding.faces[:1]
        figures = [_figure(face, f"{face.member}: in question", preparation) for face in finding.faces]
        for member in (finding.member, finding.other):
            own = [face for face in faces_of(member) if face not in mine][:FACES_SHOWN]
            figures += [_figure(face, member, preparation) for face in own]
        title = _TITLES[finding.kind].format(member=finding.member, other=finding.other)
        sections.append(Section(title, [_words(finding)], figures))
    lead = [f"Things to look at: {len(findings)}." if findings else "Nothing to look at."]
    settings = {"facegallery": __version__, "model": gallery.model.name}
    return Page("Audit of a gallery", lead, sections, settings)


def _words(finding: Finding) -> str:
    sure = how_sure(finding)
    sure = f" {sure[0].upper()}{sure[1:]}." if sure else ""
    if finding.other_similarity is None:
        return f"Similarity {finding.similarity:.2f}.{sure}"
    return (
        f"Similarity to {finding.member}'s other photos {finding.similarity:.2f}, to {finding.other}'s "
        f"{finding.other_similarity:.2f}.{sure}"
    )


def _figure(enrolled: EnrolledFace, title: str, preparation: Preparation) -> Figure:
    path = str(enrolled.photo_path)
    try:
        crop = crop_face(read_photo(enrolled.photo_path), enrolled.face, preparation)
    except PhotoError as error:
        return Figure(title, None, [path], placeholder=error.reason)
    return Figure(title, crop, [path], alt=f"The face in {path}")
