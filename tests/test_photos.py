"""On real photographs, where they are at hand: detection, enrollment and identification as a person would run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from facegallery import Gallery
from facegallery.domain import SkippedPhoto
from facegallery.gallery.detecting import detect_photos
from facegallery.gallery.enrollment import EnrollStatus, plan_folder

pytestmark = pytest.mark.photos


def test_crowds_are_found_face_by_face(photos_folder: Path) -> None:
    """The photos whose number of faces is known."""
    photos = {
        photo.path.name: photo
        for photo in detect_photos([photos_folder / "crowd"])
        if not isinstance(photo, SkippedPhoto)
    }
    assert len(photos["multiface.jpg"].faces) == 6
    assert len(photos["two_people.jpg"].faces) == 2


def test_in_the_wild_strangers_stay_unknown(empty_gallery: Gallery, photos_folder: Path) -> None:
    """Ten members enrolled, twenty strangers' photos: hardly anybody is named; the members' own photos never by
    another name.

    Not one photo is lost to an error on the way.
    """
    plan = plan_folder(photos_folder / "wild" / "enroll")[:10]
    outcomes = list(empty_gallery.enroll(plan))
    assert sum(outcome.status is EnrollStatus.ENROLLED for outcome in outcomes) >= 45
    strangers = sorted((photos_folder / "wild" / "strangers").iterdir())[:20]
    results = list(empty_gallery.identify([sorted(folder.iterdir())[0] for folder in strangers]))
    assert not [result for result in results if isinstance(result, SkippedPhoto)]
    named = [
        face.decision.member
        for result in results
        if not isinstance(result, SkippedPhoto)
        for face in result.faces
        if face.decision.member
    ]
    assert len(named) <= 2
    for entry in plan:
        for result in empty_gallery.identify([photos_folder / "wild" / "probe" / entry.member]):
            assert not isinstance(result, SkippedPhoto)
            assert {face.decision.member for face in result.faces} <= {None, entry.member}
