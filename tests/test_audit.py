"""An audit finds wrong photos and double names, leaves right ones alone, and what it changes holds everywhere."""

from __future__ import annotations

import io
import json
import shlex
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facegallery import Gallery
from facegallery.cli import auditing as command
from facegallery.domain import ScoreRule, TemplateSet, Vectors
from facegallery.errors import MemberNotFound
from facegallery.evaluation.experiment import Attempt, Experiment
from facegallery.evaluation.half import Half
from facegallery.evaluation.label_noise import identification, mended, run_noise, with_wrong_photos
from facegallery.gallery.audit_page import page_of_audit
from facegallery.gallery.auditing import (
    SURE,
    Audit,
    Change,
    Finding,
    FindingKind,
    changes_of_named,
    how_sure,
    percent,
    sure_changes,
)
from facegallery.matching.audit import audit_templates
from tests.conftest import RunCli

N_PHOTOS = 5


def group(n_members: int, *, n_photos: int = N_PHOTOS, spread: float = 0.7, seed: int = 0) -> TemplateSet:
    """Templates around a direction of each member; two photos of one have a cosine near 1 / (1 + spread ** 2)."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(_unit(rng.standard_normal((n_members, 512))), n_photos, axis=0)
    vectors = _unit(centres + spread * _unit(rng.standard_normal(centres.shape)))
    members = tuple(f"member {place // n_photos}" for place in range(len(vectors)))
    return templates(vectors, members)


def templates(vectors: Vectors, members: tuple[str, ...]) -> TemplateSet:
    n = len(members)
    return TemplateSet(
        1, "a" * 32, np.arange(1, n + 1), np.asarray(vectors, np.float32), members, np.ones(n, np.float32)
    )


def _unit(vectors: NDArray[np.float64] | Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def renamed(those: TemplateSet, **of_place: str) -> TemplateSet:
    members = list(those.members)
    for place, name in of_place.items():
        members[int(place.removeprefix("at_"))] = name
    return templates(those.vectors, tuple(members))


# --- what is found ------------------------------------------------------------------------------------------------


def test_a_group_without_faults_is_left_alone() -> None:
    """In a gallery whose photos are right nothing is named, and every photo was judged."""
    found = audit_templates(group(20))
    assert (found.wrong, found.double_templates, found.double_members) == ((), (), ())
    assert found.n_judged == 100


def test_photos_of_other_members_are_found_with_their_member() -> None:
    """Photos in another member's folder are named, surely, with whose they are and how similar they are to both."""
    group_of_20 = group(20)
    found = audit_templates(renamed(group_of_20, at_0="member 7", at_33="member 2"))
    assert {each.template_id: (each.member, each.nearest, each.of_nobody) for each in found.wrong} == {
        1: ("member 7", "member 0", False),
        34: ("member 2", "member 6", False),
    }
    assert all(each.probability >= each.nearest_probability >= SURE for each in found.wrong)
    mean = group_of_20.vectors[1:5].astype(np.float64).mean(axis=0)
    first = next(each for each in found.wrong if each.template_id == 1)
    assert first.nearest_similarity == pytest.approx(group_of_20.vectors[0] @ mean / np.linalg.norm(mean), abs=0.01)
    mean = group_of_20.vectors[35:40].astype(np.float64).mean(axis=0)
    assert first.similarity == pytest.approx(group_of_20.vectors[0] @ mean / np.linalg.norm(mean), abs=0.01)


def test_a_strangers_photo_looks_like_nobody() -> None:
    """A photo of somebody who is not enrolled is named, and as nobody's."""
    group_of_20 = group(20)
    vectors = group_of_20.vectors.copy()
    vectors[12] = _unit(np.random.default_rng(9).standard_normal((1, 512)))[0]
    (found,) = audit_templates(templates(vectors, group_of_20.members)).wrong
    assert (found.template_id, found.of_nobody) == (13, True)
    assert found.nearest_probability < 0.1 < SURE <= found.probability


def test_a_fifth_wrong_does_not_make_wrong_look_right() -> None:
    """Where one photo in five is wrong, what is learned from the gallery is not spoiled by them."""
    wrong, noisy = with_wrong_photos(group(30), 0.2, np.random.default_rng(3))
    found = audit_templates(noisy).wrong
    assert {each.template_id for each in found} == set(noisy.ids[wrong].tolist())
    assert all(each.probability >= SURE for each in found)


def test_one_picture_under_two_names_is_found() -> None:
    """A copy of a picture in another member's folder is named with both members; two photos of one person are not."""
    group_of_20 = group(20)
    vectors = group_of_20.vectors.copy()
    vectors[52] = _unit(vectors[3:4] + 0.1 * _unit(np.random.default_rng(1).standard_normal((1, 512))))[0]
    vectors[41] = vectors[40]  # the same picture twice under one name is nobody's fault
    (found,) = audit_templates(templates(vectors, group_of_20.members)).double_templates
    assert (found.template_ids, found.members) == ((4, 53), ("member 0", "member 10"))
    assert found.similarity == pytest.approx(float(vectors[3] @ vectors[52]), abs=1e-6)


def test_one_person_under_two_names_is_found_and_the_photos_are_not_blamed() -> None:
    """A member enrolled under two names is told as that; none of the photos is called wrong for it."""
    found = audit_templates(renamed(group(20, n_photos=8), at_8="twin", at_9="twin"))
    assert [set(each.members) for each in found.double_members] == [{"member 1", "twin"}]
    assert found.wrong == ()


@pytest.mark.parametrize("n_members", [0, 1, 2])
def test_a_tiny_gallery_is_not_judged(n_members: int) -> None:
    """With fewer than three members nothing is learned and so nothing said."""
    found = audit_templates(group(n_members) if n_members else templates(np.empty((0, 512), np.float32), ()))
    assert (found.wrong, found.double_members, found.n_judged) == ((), (), 0)


def test_three_members_of_two_photos_are_judged_without_alarm() -> None:
    """The smallest gallery that is judged: nothing is named where all is right."""
    found = audit_templates(group(3, n_photos=2))
    assert (found.wrong, found.double_members, found.n_judged) == ((), (), 6)


def test_a_members_only_photo_is_not_judged() -> None:
    """There is nothing of the member's to compare it with; it still can be whom another photo looks like."""
    vectors = group(10).vectors.copy()
    vectors[0] = _unit(np.random.default_rng(9).standard_normal((1, 512)))[0]
    found = audit_templates(renamed(templates(vectors, group(10).members), at_0="alone"))
    assert found.n_judged == 49
    assert 1 not in {each.template_id for each in found.wrong}


# --- how much of the noise is found -------------------------------------------------------------------------------


def test_noise_is_counted_and_mended() -> None:
    """Four of 100 photos are given away each time; in a clear gallery all are found, suggested and mended."""
    clear = group(20)
    attempts = [Attempt(f"member {place}", Path(f"{place}.jpg")) for place in range(20)]
    strangers = [Attempt("somebody", Path(f"s{place}.jpg")) for place in range(20)]
    folders = (Path("enroll"), Path("probe"), Path("strangers"))
    experiment = Experiment(folders, Half.ALL, (), tuple(attempts), tuple(strangers), (), ())
    identify = partial(
        identification,
        experiment=experiment,
        subjects=[*clear.vectors[::5], *group(4, seed=5).vectors],
        rule=ScoreRule.CENTROID,
    )
    assert identify(clear).rank_1.share == 1
    for run in run_noise(clear, share=0.04, seeds=[0, 1], identify=identify):
        assert (run.n_wrong, run.n_found, run.n_suggested, run.n_named) == (4, 4, 4, 4)
        assert run.mended == identify(clear)


def test_a_stranger_taken_out_is_gone_from_the_mended_gallery() -> None:
    """Following a finding 'nobody here' takes the template out with its row in every array."""
    group_of_20 = group(20)
    vectors = group_of_20.vectors.copy()
    vectors[12] = _unit(np.random.default_rng(9).standard_normal((1, 512)))[0]
    noisy = templates(vectors, group_of_20.members)
    after = mended(noisy, audit_templates(noisy))
    assert 13 not in after.ids
    assert len(after.ids) == len(after.vectors) == len(after.members) == len(after.qualities) == 99


# --- in a gallery -------------------------------------------------------------------------------------------------


@pytest.fixture
def sample_with_a_wrong_photo(sample_group: Path, tmp_path: Path) -> tuple[Path, Path, str]:
    """The sample group's folders, one photo of which lies in another member's; that photo, and whose it is."""
    folder = tmp_path / "photos"
    shutil.copytree(sample_group / "enroll", folder)
    members = sorted(path.name for path in folder.iterdir())
    photo = sorted((folder / members[0]).iterdir())[0]
    moved = folder / members[1] / "wrong.jpg"
    photo.rename(moved)
    return folder, moved, members[0]


def test_moving_and_removing_keep_store_and_index_right(gallery: Gallery) -> None:
    """A moved template is its new member's, a removed one nobody's; the index needs no mending for either."""
    first, second = gallery.members()[:2]
    moved, removed = (gallery.enrolled_faces(first.name)[place].template_id for place in (0, 1))
    assert gallery.move_templates({moved: second.name}) == 1
    assert gallery.move_templates({moved: second.name}) == 0
    assert moved in [face.template_id for face in gallery.enrolled_faces(second.name)]
    assert gallery.remove_templates([removed, 10_000]) == 1
    health = gallery.health()
    assert (health.faults, health.index_state) == ((), "current")
    assert health.n_templates == sum(member.n_templates for member in gallery.members())
    assert gallery.member(first.name).n_templates == first.n_templates - 2
    with pytest.raises(MemberNotFound):
        gallery.move_templates({moved: "nobody of this name"})


def test_a_member_without_photos_is_gone(gallery: Gallery) -> None:
    """Whoever loses the last template, by moving or removing, is no member any more; no row is left behind."""
    first, second, third = gallery.members()[:3]
    gallery.move_templates({face.template_id: third.name for face in gallery.enrolled_faces(first.name)})
    gallery.remove_templates([face.template_id for face in gallery.enrolled_faces(second.name)])
    assert {first.name, second.name}.isdisjoint(member.name for member in gallery.members())
    assert gallery.health().faults == ()


def test_moves_hold_all_or_none_and_members_may_change_places(gallery: Gallery) -> None:
    """Two members' photos are exchanged in one go, though each of them has none in between; a name that is not there
    moves nothing.
    """
    first, second, third = gallery.members()[:3]
    ids = {each.name: [face.template_id for face in gallery.enrolled_faces(each.name)] for each in (first, second)}
    moves_to = dict.fromkeys(ids[first.name], second.name) | dict.fromkeys(ids[second.name], first.name)
    with pytest.raises(MemberNotFound):
        gallery.move_templates(moves_to | {ids[first.name][0]: "nobody of this name"})
    assert [face.template_id for face in gallery.enrolled_faces(first.name)] == ids[first.name]
    assert gallery.move_templates(moves_to) == len(moves_to)
    assert [face.template_id for face in gallery.enrolled_faces(first.name)] == ids[second.name]
    assert gallery.member(third.name) == third


def test_who_will_be_gone_is_said_and_what_was_rejected_is_obeyed(
    run_cli: RunCli,
    sample_with_a_wrong_photo: tuple[Path, Path, str],
) -> None:
    """A photo that somebody said is not a member's is not suggested for that member, nor moved there; taking out a
    member's last photo says that the member goes too.
    """
    folder, photo, member = sample_with_a_wrong_photo
    run_cli("enroll", folder)
    assert run_cli("reject", photo, member).code == 0
    (finding,) = [
        each for each in json.loads(run_cli("audit", "--json").out)["findings"] if str(photo) in each["photos"]
    ]
    assert finding["code"] == FindingKind.NOBODY_HERE
    refused = run_cli("audit", "--apply", "--photo", photo, "--to", member, "--yes")
    assert (refused.code, "rejections --undo 1" in refused.err) == (1, True)
    assert "wrong.jpg" in run_cli("show", photo.parent.name).out
    others = sorted(each for each in photo.parent.iterdir() if each != photo)
    for each in others:
        run_cli("audit", "--apply", "--photo", each, "--yes")
    last = run_cli("audit", "--apply", "--photo", photo, "--yes").out
    assert f"{photo.parent.name} had no other photo and is gone." in last
    assert run_cli("show", photo.parent.name).code == 1


def test_enroll_warns_and_audit_mends(
    run_cli: RunCli,
    sample_with_a_wrong_photo: tuple[Path, Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A photo in the wrong folder is named by enroll with whose face it is; audit --apply moves it, then is quiet."""
    folder, photo, member = sample_with_a_wrong_photo
    enrolled = run_cli("enroll", folder)
    assert enrolled.code == 0
    assert f"{photo}, enrolled for {photo.parent.name}, looks like {member}" in enrolled.err

    page = tmp_path / "page.html"
    told = json.loads(run_cli("audit", "--json", "-o", page).out)
    (finding,) = [each for each in told["findings"] if each["code"] == FindingKind.OTHER_MEMBER]
    assert (finding["photos"], finding["member"], finding["other"]) == ([str(photo)], photo.parent.name, member)
    assert "in question" in page.read_text(encoding="utf-8")
    shown = run_cli("audit")
    assert (shown.code, "Nothing was changed" in shown.out) == (0, True)
    assert "wrong.jpg" in shown.out

    monkeypatch.setattr("sys.stdin", io.StringIO())
    asked = run_cli("audit", "--apply", "--photo", photo)
    assert (asked.code, "Nobody answers here" in asked.err) == (1, True)
    assert "Nothing was changed." in asked.out
    typed = f"facegallery audit --apply --photo {shlex.quote(str(photo))} --to {member}"
    assert f"  {typed}" in shown.out.splitlines()
    done = run_cli(*shlex.split(typed)[1:], "--yes").out
    assert f"Moved {photo} from {photo.parent.name} to {member}." in done
    assert "Nothing was changed" not in done
    assert run_cli("doctor").code == 0
    assert "wrong.jpg" not in run_cli("audit").out
    assert "wrong.jpg" in run_cli("show", member).out


def test_a_second_run_of_enroll_is_quiet(run_cli: RunCli, sample_with_a_wrong_photo: tuple[Path, Path, str]) -> None:
    """Only what was enrolled now is warned of: who knows of the photo already is not told with every run."""
    folder, _, _ = sample_with_a_wrong_photo
    run_cli("enroll", folder)
    assert "Look again" not in run_cli("enroll", folder).err


def test_a_stranger_is_taken_out_only_when_told(
    run_cli: RunCli, gallery_folder: Path, gallery: Gallery, tmp_path: Path
) -> None:
    """--only narrows what is told and done; what is not sure enough is not touched."""
    before = [member.n_templates for member in gallery.members()]
    answer = run_cli("audit", "--apply", "--only", "nobody_here", "--yes", "-g", gallery_folder)
    assert answer.code == 0
    assert [member.n_templates for member in gallery.members()] == before
    assert run_cli("audit", "--only", "nonsense", "-g", gallery_folder).code == 2
    assert run_cli("audit", "--yes", "-g", gallery_folder).code == 2
    assert run_cli("audit", "--apply", "--to", "Ada", "-g", gallery_folder).code == 2
    assert run_cli("audit", "--photo", "p.jpg", "--only", "nobody_here", "-g", gallery_folder).code == 2
    assert run_cli("audit", "-o", tmp_path / "page.png", "-g", gallery_folder).code == 2


def test_the_command_knows_all_kinds() -> None:
    """The kinds that the command line offers without importing numpy are those there are."""
    assert tuple(kind.value for kind in FindingKind) == command.KINDS


def test_a_photo_that_is_gone_leaves_its_place_on_the_page_empty(gallery: Gallery, tmp_path: Path) -> None:
    """A page is made of what can still be read; for the rest the reason stands in the picture's place."""
    member, other = (each.name for each in gallery.members()[:2])
    face = gallery.enrolled_faces(member)[0]
    lost = replace(face, photo_path=tmp_path / "gone.jpg")
    page = page_of_audit(gallery, [Finding(FindingKind.OTHER_MEMBER, member, other, (lost,), 0.1, 0.8, 0.9999, 0.84)])
    (section,) = page.sections
    assert section.figures[0].picture is None
    assert "gone" in section.figures[0].captions[0]
    assert section.figures[1].picture is not None
    assert section.paragraphs[0].endswith(f"Not {member}'s (more than 99 %); {other}'s: 84 %.")
    assert "changed" not in " ".join(page.lead)


# --- how sure, and what is done about it ------------------------------------------------------------------------------


def found_of(gallery: Gallery, kind: FindingKind, probability: float, other_probability: float) -> Finding:
    """A finding about the first member's first photo, said to look like the second member."""
    member, other = (each.name for each in gallery.members()[:2])
    face = gallery.enrolled_faces(member)[0]
    return Finding(kind, member, other, (face,), 0.1, 0.8, probability, other_probability)


@pytest.mark.parametrize(
    ("kind", "probability", "other_probability", "is_sure", "is_moved"),
    [
        (FindingKind.OTHER_MEMBER, 0.9999, 0.84, False, False),  # surely wrong, and not surely the other's
        (FindingKind.OTHER_MEMBER, 0.95, 0.9, True, True),
        (FindingKind.NOBODY_HERE, 0.95, 0.1, True, False),
        (FindingKind.NOBODY_HERE, 0.89, 0.1, False, False),
    ],
)
def test_a_photo_is_moved_only_where_it_is_sure_whose_it_is(
    gallery: Gallery, kind: FindingKind, probability: float, other_probability: float, is_sure: bool, is_moved: bool
) -> None:
    """That it is not its member's is not enough to give it to another; named, it is taken out then."""
    finding = found_of(gallery, kind, probability, other_probability)
    change = Change(finding.faces[0], finding.other if is_moved else None)
    assert sure_changes([finding]) == ((change,) if is_sure else ())
    found = Audit((finding,), 2, 4, 4, finding.faces)
    assert changes_of_named(found) == (change,)
    assert changes_of_named(found, "Bea") == (Change(finding.faces[0], "Bea"),)
    assert changes_of_named(found, finding.member) == ()


def test_how_sure_is_said_of_both_and_never_too_sure(gallery: Gallery) -> None:
    """Not its own member's and the other's are two numbers, and neither is ever 0 or 100 %."""
    finding = found_of(gallery, FindingKind.OTHER_MEMBER, 0.9999, 0.84)
    assert how_sure(finding) == f"not {finding.member}'s (more than 99 %); {finding.other}'s: 84 %"
    assert how_sure(replace(finding, kind=FindingKind.NOBODY_HERE)) == f"not {finding.member}'s (more than 99 %)"
    told = [percent(each) for each in (1.0, 0.996, 0.994, 0.5, 0.006, 0.004, 0.0)]
    assert told == ["more than 99 %"] * 2 + ["99 %", "50 %", "1 %"] + ["less than 1 %"] * 2


def test_a_photo_that_is_not_suspected_is_taken_out_only_when_named(
    run_cli: RunCli, gallery_folder: Path, gallery: Gallery
) -> None:
    """The audit says that it has nothing against it and what to type; typed, it is out, and JSON tells so."""
    member = gallery.members()[0]
    photo = gallery.enrolled_faces(member.name)[0].photo_path
    shown = run_cli("audit", "--photo", photo, "-g", gallery_folder)
    typed = f"facegallery audit --apply --photo {shlex.quote(str(photo))} --gallery {shlex.quote(str(gallery_folder))}"
    assert f"{photo} (enrolled for {member.name}): the audit does not suspect it." in shown.out
    assert f"  {typed}" in shown.out.splitlines()
    assert "Nothing was changed." in shown.out
    done = run_cli(*shlex.split(typed)[1:], "--yes", "--json")
    (change,) = json.loads(done.out)["changes"]
    assert (change["photo"], change["from"], change["to"]) == (str(photo), member.name, None)
    assert gallery.member(member.name).n_templates == member.n_templates - 1
    again = run_cli("audit", "--photo", photo, "-g", gallery_folder)
    assert (again.code, "no face is enrolled" in again.err, again.out) == (1, True, "")


def test_one_of_two_copies_is_taken_out_by_the_command_that_is_shown(run_cli: RunCli, gallery: Gallery) -> None:
    """One picture under two names: the commands shown each take out one, and leave the other."""
    first, second = (gallery.enrolled_faces(member.name)[0] for member in gallery.members()[:2])
    both = Finding(FindingKind.SAME_PICTURE, first.member, second.member, (first, second), 0.99, None, None, None)
    steps = command._next_steps(Audit((both,), 2, 4, 4), set())
    assert [line.split()[-1] for commands in steps.values() for line in commands] == [
        shlex.quote(str(face.photo_path)) for face in (first, second)
    ]
    assert changes_of_named(Audit((both,), 2, 4, 4, (second,))) == (Change(second, None),)


def test_what_was_not_judged_is_counted(run_cli: RunCli, gallery_folder: Path, gallery: Gallery) -> None:
    """A member's only photo cannot be judged, and the answer says how many there are."""
    faces = gallery.enrolled_faces(gallery.members()[0].name)
    gallery.remove_templates([face.template_id for face in faces[1:]])
    assert "1 photo is a member's only one and was not judged." in run_cli("audit", "-g", gallery_folder).out
    faces = gallery.enrolled_faces(gallery.members()[1].name)
    gallery.remove_templates([face.template_id for face in faces[1:]])
    assert "2 photos are members' only ones and were not judged." in run_cli("audit", "-g", gallery_folder).out
