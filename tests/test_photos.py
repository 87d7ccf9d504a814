"""On real photographs, where they are at hand: detection, enrollment and identification as a person would run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from facegallery import Gallery
from facegallery.domain import SkippedPhoto
from facegallery.evaluation.comparison import summarized
from facegallery.evaluation.explanations import Checks, evaluate_explanations, with_baselines
from facegallery.evaluation.probes import Probe, find_probes
from facegallery.explanation.catalogue import methods_named
from facegallery.explanation.gradcam import GradCamTopChannel
from facegallery.gallery.analysis import FaceAnalyzer
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


def test_explanations_of_real_faces_are_faithful(photos_folder: Path, analyzer: FaceAnalyzer) -> None:
    """On eight people: every split adds up, no map of the default methods is constant, and occlusion says more of what
    the network does than Grad-CAM on its last layer and than random numbers.
    """
    probes = [
        probe
        for probe in find_probes(photos_folder / "wild" / "enroll", analyzer=analyzer, n_faces=8)
        if isinstance(probe, Probe)
    ]
    methods = {**{each.name: each for each in methods_named()}, "gradcam-3x3": GradCamTopChannel("block8")}
    checks = Checks(n_steps=5, n_thorough=0)
    rows = {
        row.method: row
        for row in summarized(
            list(evaluate_explanations(probes, with_baselines(methods), model=analyzer, checks=checks))
        )
    }
    adds_up = rows["shares"].adds_up
    assert adds_up is not None
    assert (adds_up.n_held, adds_up.n) == (8, 8)
    assert rows["shares"].constant.n_held == rows["occlusion"].constant.n_held == 0
    assert rows["occlusion"].difference.value > rows["gradcam-3x3"].difference.value + 0.1
    assert rows["occlusion"].difference.value > rows["random"].difference.value + 0.1
    assert rows["occlusion"].hits.n_held > rows["occlusion"].hits.n / 2
