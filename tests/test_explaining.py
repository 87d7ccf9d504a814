"""Explanations over a gallery: which face, which template, in which words, and what cannot be shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facegallery import Gallery
from facegallery.domain import Verdict
from facegallery.errors import ExplanationError, FaceChoiceNeeded, MemberNotFound
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.gallery.enrollment import MemberPhotos
from facegallery.gallery.explaining import draw_explanation
from facegallery.network import LAYERS


def test_a_match_is_explained_against_the_template_that_scored(gallery: Gallery, sample_group: Path) -> None:
    """The decision is the one ``identify`` makes, and the enrolled face is the template behind it."""
    probe = sample_group / "probe" / "ada-2.jpg"
    (identified,) = gallery.identify([probe])
    explanation = gallery.explain(probe)
    decision = identified.faces[0].decision  # type: ignore[union-attr]  # the photo is readable
    assert explanation.decision == decision
    assert decision.best is not None
    assert explanation.comparison.enrolled.template_id == decision.best.template_id
    assert explanation.comparison.similarity == pytest.approx(decision.best.similarity, abs=1e-5)
    assert [heat.method for heat in explanation.maps] == ["gradcam", "gradcam-match"]
    assert not any(heat.constant for heat in explanation.maps)
    assert explanation.words()[0].startswith("Ada: similarity 0.8")


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_gives_its_grid(gallery: Gallery, sample_group: Path, layer: str) -> None:
    """3x3, 8x8 and 17x17 maps, all drawn."""
    explanation = gallery.explain(sample_group / "probe" / "stranger-1a.jpg", layer=layer)
    side = LAYERS[layer]
    assert [heat.values.shape for heat in explanation.maps] == [(side, side)] * 2
    picture = draw_explanation(explanation)
    assert picture.width > 4 * 300


def test_an_unknown_is_explained_against_the_nearest_member(gallery: Gallery, sample_group: Path) -> None:
    """Unknown has a nearest member, and the words say by how much it fell short."""
    explanation = gallery.explain(sample_group / "probe" / "stranger-1a.jpg")
    assert explanation.decision.verdict is Verdict.UNKNOWN
    assert explanation.decision.best is not None
    assert explanation.comparison.enrolled.member == explanation.decision.best.member
    assert explanation.words()[0].startswith("Unknown: the nearest member, Cyrus, has similarity 0.3")


def test_another_member_can_be_asked_for(gallery: Gallery, sample_group: Path) -> None:
    """--member: that member's nearest template, and the words say that it was asked for."""
    explanation = gallery.explain(sample_group / "probe" / "ada-2.jpg", member="BEA")
    assert explanation.comparison.enrolled.member == "Bea"
    assert explanation.decision.member == "Ada"
    assert any(line.startswith("Compared with Bea: similarity 0.5") for line in explanation.words())
    with pytest.raises(MemberNotFound):
        gallery.explain(sample_group / "probe" / "ada-2.jpg", member="Nobody")


def test_of_several_faces_the_one_most_like_the_member_is_explained(gallery: Gallery, sample_group: Path) -> None:
    """In the group photo --member Ada finds Ada's face; --face takes any other; a number too high is an error."""
    group = sample_group / "group.jpg"
    (identified,) = gallery.identify([group])
    number_of = {face.decision.member: face.number for face in identified.faces}  # type: ignore[union-attr]  # readable
    assert gallery.explain(group, member="Ada").face_number == number_of["Ada"]
    assert gallery.explain(group, face_number=number_of["Hana"]).comparison.enrolled.member == "Hana"
    assert any("of 5 in group.jpg" in line for line in gallery.explain(group).words())
    with pytest.raises(FaceChoiceNeeded):
        gallery.explain(group, face_number=6)


def test_a_probe_that_is_the_enrolled_photo_has_a_constant_map_that_is_not_drawn(
    gallery: Gallery, sample_group: Path
) -> None:
    """The similarity to oneself cannot rise: its map is constant, is said to be, and has no colours in the picture."""
    explanation = gallery.explain(sample_group / "enroll" / "Ada" / "1.jpg")
    of_channel, of_match = explanation.maps
    assert (of_channel.constant, of_match.constant) == (False, True)
    assert np.count_nonzero(of_match.values) == 0
    assert [line for line in explanation.words() if line.startswith("gradcam-match: the map at repeat_2 is constant")]
    draw_explanation(explanation)


def test_an_enrolled_photo_that_is_gone_or_changed_is_said(
    empty_gallery: Gallery, sample_group: Path, tmp_path: Path
) -> None:
    """Without the enrolled photo the explanation still works; another picture under its name is never shown as it."""
    enrolled = tmp_path / "ada.jpg"
    shutil.copy(sample_group / "enroll" / "Ada" / "1.jpg", enrolled)
    list(empty_gallery.enroll([MemberPhotos("Ada", (enrolled,))]))
    probe = sample_group / "probe" / "ada-2.jpg"
    assert empty_gallery.explain(probe).comparison.crop is not None
    shutil.copy(sample_group / "enroll" / "Bea" / "1.jpg", enrolled)
    changed = empty_gallery.explain(probe)
    enrolled.unlink()
    gone = empty_gallery.explain(probe)
    assert changed.comparison.crop is None
    assert changed.comparison.missing == "the enrolled photo's file has changed since"
    assert gone.comparison.crop is None
    assert str(gone.comparison.missing).startswith("the enrolled photo cannot be shown: ")
    draw_explanation(gone)


def test_nothing_to_explain_is_an_error_with_a_reason(
    gallery: Gallery, empty_gallery: Gallery, sample_group: Path, tmp_path: Path
) -> None:
    """No face, no template, no such layer."""
    Image.new("RGB", (200, 200)).save(tmp_path / "nobody.png")
    with pytest.raises(FaceChoiceNeeded, match="no face"):
        gallery.explain(tmp_path / "nobody.png")
    with pytest.raises(ExplanationError, match="no member to compare with"):
        empty_gallery.explain(sample_group / "probe" / "ada-2.jpg")
    with pytest.raises(ExplanationError, match="block8"):
        gallery.explain(sample_group / "probe" / "ada-2.jpg", layer="nonsense")


def test_explaining_leaves_the_network_as_it_was(gallery: Gallery, analyzer: FaceAnalyzer, sample_group: Path) -> None:
    """No hook and no gradient stays, after success or an error; identification answers the same as before."""
    probe = sample_group / "probe" / "ada-2.jpg"
    before = list(gallery.identify([probe]))
    gallery.explain(probe)
    with pytest.raises(ExplanationError):
        gallery.explain(probe, layer="nonsense")
    modules = list(analyzer.network.modules())
    assert not any(module._forward_hooks or module._backward_hooks or module._forward_pre_hooks for module in modules)
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in analyzer.network.parameters())
    assert list(gallery.identify([probe])) == before
