"""Explanations over a gallery: which face, which template, in which words, and what cannot be shown."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facegallery import Gallery
from facegallery.domain import Decision, ScoreRule, Verdict
from facegallery.errors import ExplanationError, FaceChoiceNeeded, MemberNotFound
from facegallery.explanation.catalogue import METHODS
from facegallery.gallery.analysis import FaceAnalyzer
from facegallery.gallery.enrollment import MemberPhotos
from facegallery.gallery.explaining.member import moved
from facegallery.gallery.explaining.output import draw_explanation, page_of
from facegallery.gallery.explaining.values import Explanation
from facegallery.gallery.explaining.words import outcome
from facegallery.network import LAYERS

BLACK_BOXES = ("occlusion-fine", "lime", "corrrise")
"""Slow methods that see no more of the network than what ``occlusion`` sees."""


def test_a_match_is_explained_against_what_it_was_compared_with(gallery: Gallery, sample_group: Path) -> None:
    """The decision is the one ``identify`` makes; the nearest enrolled face is shown, and the words say the rest."""
    probe = sample_group / "probe" / "ada-2.jpg"
    (identified,) = gallery.identify([probe])
    explanation = gallery.explain(probe)
    decision = identified.faces[0].decision  # type: ignore[union-attr]  # the photo is readable
    assert explanation.decision == decision
    assert decision.best is not None
    assert explanation.comparison.enrolled.template_id == decision.best.template_id
    assert explanation.comparison.similarity == pytest.approx(decision.best.similarity, abs=1e-5)
    assert [heat.method for heat in explanation.maps] == ["shares", "occlusion"]
    assert not any(heat.constant for heat in explanation.maps)
    assert explanation.words()[0].startswith("Ada: similarity 0.9")
    nearest = explanation.comparison.enrolled.photo_path.name
    assert explanation.words()[2] == f"It was compared with the mean of Ada's 4 photos; {nearest} is the nearest."


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_gives_its_grid(gallery: Gallery, sample_group: Path, layer: str) -> None:
    """3x3, 8x8 and 17x17 maps, all drawn."""
    methods = ["gradcam", "gradcam-match"]
    explanation = gallery.explain(sample_group / "probe" / "stranger-1a.jpg", methods=methods, layer=layer)
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
    assert any(line.startswith("Compared with Bea: similarity 0.4") for line in explanation.words())
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
    """The similarity to oneself cannot rise: its Grad-CAM map is constant, is said to be, and has no colours."""
    explanation = gallery.explain(
        sample_group / "enroll" / "Ada" / "2.jpg", methods=["gradcam", "gradcam-match"], score=ScoreRule.BEST
    )
    of_channel, of_match = explanation.maps
    assert (of_channel.constant, of_match.constant) == (False, True)
    assert np.count_nonzero(of_match.values) == 0
    assert [line for line in explanation.words() if "similarity to Ada at repeat_2 is constant" in line]
    draw_explanation(explanation)


def test_the_similarity_is_split_exactly(gallery: Gallery, sample_group: Path) -> None:
    """Shares by region and the constant are the similarity that the decision rests on, and the words say them."""
    explanation = gallery.explain(sample_group / "probe" / "ada-2.jpg")
    split = explanation.split
    assert sum(split.regions.values()) + split.constant == pytest.approx(explanation.comparison.similarity, abs=1e-5)
    (shares,) = [heat for heat in explanation.maps if heat.method == "shares"]
    assert shares.values.sum() == pytest.approx(sum(split.regions.values()), abs=1e-5)
    assert any(f"left eye {split.regions['left eye']:+.2f}" in line for line in explanation.words())


def test_why_not_the_runner_up(gallery: Gallery, sample_group: Path) -> None:
    """A match is set against its runner-up: the difference, its maps and its split; another rival can be asked for."""
    probe = sample_group / "probe" / "ada-2.jpg"
    explanation = gallery.explain(probe)
    runner_up, contrast = explanation.decision.runner_up, explanation.contrast
    assert runner_up is not None
    assert contrast is not None
    assert contrast.rival.enrolled.member == runner_up.member
    assert contrast.difference == pytest.approx(explanation.decision.margin, abs=1e-5)
    assert contrast.split.score == pytest.approx(contrast.difference, abs=1e-5)
    assert [heat.score for heat in contrast.maps] == pytest.approx([contrast.difference] * 2, abs=1e-5)
    assert any(line.startswith(f"Nearer to Ada than to {runner_up.member}, by 0.") for line in explanation.words())
    asked = gallery.explain(probe, rival="dan").contrast
    assert asked is not None
    assert asked.rival.enrolled.member == "Dan"
    turned = gallery.explain(probe, member=runner_up.member).contrast  # why not the other one
    assert turned is not None
    assert turned.rival.enrolled.member == "Ada"
    assert turned.difference == pytest.approx(-contrast.difference, abs=1e-5)


def test_a_member_is_not_its_own_rival(gallery: Gallery, sample_group: Path) -> None:
    """Why Ada and not Ada is an error that says what to ask; why an unknown is not its nearest member is answered by
    the explanation itself, without a contrast of nothing.
    """
    with pytest.raises(ExplanationError, match="name another one with --not"):
        gallery.explain(sample_group / "probe" / "ada-2.jpg", rival="ada")
    unknown = gallery.explain(sample_group / "probe" / "stranger-1a.jpg", rival="cyrus")
    assert unknown.comparison.enrolled.member == "Cyrus"
    assert unknown.contrast is None
    assert unknown.shortfalls[0].member == "Cyrus"


def test_no_cover_gives_a_face_the_name_of_another_face(gallery: Gallery, sample_group: Path) -> None:
    """With everybody named, down to any similarity, a covered face can only keep its name or take one that is free."""
    group = sample_group / "group.jpg"
    (identified,) = gallery.identify([group], threshold=-1)
    names = [face.decision.member for face in identified.faces]  # type: ignore[union-attr]  # readable
    assert len(set(names)) == 5
    for number, name in enumerate(names, start=1):
        explanation = gallery.explain(group, face_number=number, threshold=-1, methods=["occlusion"])
        covered = explanation.covered
        assert explanation.decision.member == name
        assert covered is not None
        under = [
            *(each.decision for each in explanation.counterfactuals),
            *(place.decision for place in covered.places),
        ]
        assert not {decision.member for decision in under} & ({*names} - {name})


def test_covers_are_told_when_they_matter(gallery: Gallery, sample_group: Path) -> None:
    """A change under 0.02 is told only where it changes the decision; that no part pulled an unknown face away is said
    only where none, covered, raises the similarity by 0.02.
    """
    match = gallery.explain(sample_group / "probe" / "ada-2.jpg")
    similarity = match.comparison.similarity
    small = replace(match.counterfactuals[0], similarity=similarity - 0.01)
    unknown = gallery.explain(sample_group / "probe" / "stranger-1a.jpg")
    changed = replace(small, decision=unknown.decision)
    assert not told_covers(replace(match, counterfactuals=(replace(small, decision=match.decision),)))
    (told,) = told_covers(replace(match, counterfactuals=(changed,)))
    assert told.endswith(f"{similarity:.2f} falls to {similarity - 0.01:.2f}: unknown.")
    near = unknown.comparison.similarity
    for rise, pulled in ((0.01, False), (0.03, True)):
        raised = replace(unknown.counterfactuals[0], similarity=near + rise)
        words = replace(unknown, counterfactuals=(raised,)).words()
        assert any(line.startswith("No single part pulled the face away") for line in words) is not pulled
        assert any(" rises to " in line for line in words) is pulled


def test_who_is_named_under_a_cover_is_told_with_what_names_them(gallery: Gallery, sample_group: Path) -> None:
    """A name that goes by another template than the compared one has its similarity beside it: else "falls to 0.60:
    still Ada" would contradict the threshold.
    """
    match = gallery.explain(sample_group / "probe" / "ada-2.jpg")
    best, runner_up = match.decision.best, match.decision.runner_up
    assert best is not None
    assert runner_up is not None
    cover = replace(match.counterfactuals[0], similarity=0.6)

    def told(decision: Decision) -> str:
        return outcome(replace(cover, decision=decision), match)

    assert told(replace(match.decision, best=replace(best, similarity=0.6))) == "still Ada"
    assert told(replace(match.decision, best=replace(best, similarity=0.75))) == "still Ada, by another photo (0.75)"
    bea = replace(match.decision, best=replace(runner_up, similarity=0.8))
    assert told(bea) == "Bea (0.80)"
    assert told(replace(bea, verdict=Verdict.UNKNOWN)) == "unknown"
    of_bea = gallery.explain(sample_group / "probe" / "ada-2.jpg", member="bea")
    assert outcome(replace(cover, decision=match.decision), of_bea) == f"still Ada ({best.similarity:.2f})"


def told_covers(explanation: Explanation) -> list[str]:
    """The sentences about covered parts."""
    return [line for line in explanation.words() if line.startswith(("With the ", "With all "))]


def test_a_face_that_stayed_unknown_has_its_shortfalls(gallery: Gallery, sample_group: Path) -> None:
    """The nearest members with how much each fell short, nearest first; no rival, since nobody was named."""
    explanation = gallery.explain(sample_group / "probe" / "stranger-1a.jpg")
    assert explanation.contrast is None
    assert len(explanation.shortfalls) == 3
    similarities = [each.similarity for each in explanation.shortfalls]
    assert similarities == sorted(similarities, reverse=True)
    for each in explanation.shortfalls:
        assert each.similarity + each.short == pytest.approx(explanation.decision.threshold)
    assert any(line.startswith("Nearest members: Cyrus 0.3") for line in explanation.words())


def test_counterfactuals_are_what_the_model_says_of_the_covered_face(
    gallery: Gallery, analyzer: FaceAnalyzer, sample_group: Path
) -> None:
    """Each part covered has the similarity that the covered crop really has, and the decision that goes with it."""
    explanation = gallery.explain(sample_group / "probe" / "ada-2.jpg", threshold=0.7)
    for each in explanation.counterfactuals:
        assert (each.decision.member == "Ada") == (each.similarity >= 0.7)
    eyes = next(each for each in explanation.counterfactuals if each.covered == "the eyes")
    assert eyes.similarity < explanation.comparison.similarity - 0.1
    verdict = "still Ada" if eyes.decision.member else "unknown"
    told = f"With the eyes covered {explanation.comparison.similarity:.2f} falls to {eyes.similarity:.2f}: {verdict}."
    assert told in explanation.words()


def test_the_most_damaging_place_is_shown(gallery: Gallery, analyzer: FaceAnalyzer, sample_group: Path) -> None:
    """Of all covered places the one of least similarity: embedding its picture gives that similarity."""
    explanation = gallery.explain(sample_group / "probe" / "ada-2.jpg")
    covered = explanation.covered
    assert covered is not None
    assert covered.worst.similarity == min(place.similarity for place in covered.places)
    again = analyzer.embedder.embed(covered.crop[np.newaxis])[0] @ explanation.comparison.direction
    assert again == pytest.approx(covered.worst.similarity, abs=1e-4)
    assert covered.n_changed == sum(place.decision.member != "Ada" for place in covered.places)
    left, top, right, bottom = (int(side) for side in covered.worst.box_xyxy)
    differs = (covered.crop != explanation.crop).any(axis=-1)
    assert differs[top:bottom, left:right].any()
    assert differs.sum() == differs[top:bottom, left:right].sum()


def test_methods_are_chosen_by_name(gallery: Gallery, sample_group: Path) -> None:
    """The maps are those asked for, over probe, enrolled photo and difference alike; an unknown name lists all."""
    explanation = gallery.explain(sample_group / "probe" / "ada-2.jpg", methods=["gradcam-match", "shares"])
    assert explanation.contrast is not None
    for maps in (explanation.maps, explanation.comparison.maps, explanation.contrast.maps):
        assert [heat.method for heat in maps] == ["gradcam-match", "shares"]
    assert explanation.covered is None
    with pytest.raises(ExplanationError, match="occlusion"):
        gallery.explain(sample_group / "probe" / "ada-2.jpg", methods=["nonsense"])


def test_a_page_says_what_the_picture_says(gallery: Gallery, sample_group: Path) -> None:
    """The page leads with the sentences, has a figure for each map, and the settings that made them."""
    explanation = gallery.explain(sample_group / "probe" / "ada-2.jpg")
    page = page_of(explanation)
    assert tuple(page.lead) == explanation.words()
    titles = [figure.title for section in page.sections for figure in section.figures]
    assert titles.count("shares") == titles.count("occlusion") == 3
    assert page.settings["model"] == "starter"
    assert page.settings["computed in"] == "OpenVINO, f32"
    assert "37" in page.settings["method occlusion"]


def test_a_member_is_explained_over_all_photos(gallery: Gallery, sample_group: Path) -> None:
    """Each photo against the member's others; means over them; one look told for each photo."""
    told: list[None] = []
    report = gallery.explain_member("ada", told=lambda: told.append(None))
    assert report.member == "Ada"
    assert len(told) == len(report.photos) == gallery.member("Ada").n_templates
    for photo in report.photos:
        assert photo.nearest.template_id != photo.enrolled.template_id
        assert sum(photo.split.regions.values()) + photo.split.constant == pytest.approx(photo.similarity, abs=1e-5)
        assert photo.falls["the left eye"] < photo.similarity / 2  # a fall, and not what is left
    similar = [photo.mean_similarity for photo in report.photos]
    assert report.typical.mean_similarity == max(similar)
    assert all(photo.mean_similarity <= photo.similarity + 1e-6 for photo in report.photos)
    nose = [photo.split.regions["nose"] for photo in report.photos]
    assert report.shares["nose"].mean == pytest.approx(np.mean(nose))
    assert report.shares["nose"].deviation == pytest.approx(np.std(nose))
    assert report.heat.shape == (160, 160)
    assert report.words()[0].startswith(f"Ada over {len(nose)} photos")
    with pytest.raises(MemberNotFound):
        gallery.explain_member("Nobody")


def test_maps_are_moved_by_the_landmarks(gallery: Gallery) -> None:
    """A map whose face lies 20 px further down and 10 px further to the right in the other photo is moved by that."""
    photo = gallery.explain_member("ada").photos[0]
    values = np.zeros((160, 160), np.float32)
    values[60, 50] = 1
    marked = replace(photo, heat=replace(photo.heat, values=values))
    onto = replace(photo, landmarks_xy=photo.landmarks_xy + np.array([10, 20], np.float32))
    row, column = np.unravel_index(moved(marked, onto).argmax(), (160, 160))
    assert (abs(int(row) - 80) <= 1, abs(int(column) - 60) <= 1) == (True, True)


def test_a_member_of_one_photo_cannot_be_explained(empty_gallery: Gallery, sample_group: Path) -> None:
    """With nothing to compare the photo with, the error says what to add."""
    list(empty_gallery.enroll([MemberPhotos("Ada", (sample_group / "enroll" / "Ada" / "1.jpg",))]))
    with pytest.raises(ExplanationError, match="facegallery enroll --member 'Ada'"):
        empty_gallery.explain_member("Ada")


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
        gallery.explain(sample_group / "probe" / "ada-2.jpg", methods=["gradcam"], layer="nonsense")


def test_explaining_leaves_the_network_as_it_was(gallery: Gallery, analyzer: FaceAnalyzer, sample_group: Path) -> None:
    """No hook and no gradient stays, after success or an error; identification answers the same as before."""
    probe = sample_group / "probe" / "ada-2.jpg"
    before = list(gallery.identify([probe]))
    gallery.explain(probe, methods=[name for name in METHODS if name not in BLACK_BOXES])
    with pytest.raises(ExplanationError):
        gallery.explain(probe, methods=["gradcam"], layer="nonsense")
    modules = list(analyzer.network.modules())
    assert not any(module._forward_hooks or module._backward_hooks or module._forward_pre_hooks for module in modules)
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in analyzer.network.parameters())
    assert list(gallery.identify([probe])) == before
