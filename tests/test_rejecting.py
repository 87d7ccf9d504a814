"""The word "this is not X" is kept, obeyed by every question and by enrollment, taken back, and forgotten with X."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facegallery import Gallery
from facegallery.domain import (
    Candidate,
    Decision,
    EmbeddedFace,
    Face,
    Ids,
    Limits,
    ModelIdentity,
    Photo,
    Preparation,
    ScoreRule,
    TemplateSet,
    Vectors,
    Verdict,
)
from facegallery.errors import EnrolledAsMember, FaceChoiceNeeded, MemberNotFound, ModelMismatch, RejectionNotFound
from facegallery.gallery.enrollment import EnrollStatus, MemberPhotos
from facegallery.gallery.identification import IdentifiedPhoto
from facegallery.gallery.search import MemberSearch
from facegallery.gallery.words import decision_words
from facegallery.index.reference import NumpyIndex
from facegallery.settings import DATABASE_NAME
from facegallery.store import Store
from tests.conftest import RunCli

MODEL = ModelIdentity("starter", "a" * 64)


def decisions(gallery: Gallery, photo: Path) -> list[Decision]:
    (told,) = gallery.identify([photo])
    assert isinstance(told, IdentifiedPhoto)
    return [face.decision for face in told.faces]


def names(gallery: Gallery, photo: Path) -> list[str | None]:
    return [decision.member for decision in decisions(gallery, photo)]


@pytest.fixture
def probe(sample_group: Path) -> Path:
    """A photo of Bea alone."""
    return sample_group / "probe" / "bea-1.jpg"


# --- said, obeyed, taken back -------------------------------------------------------------------------------------


def test_a_rejected_face_is_not_named_until_it_is_taken_back(gallery: Gallery, probe: Path) -> None:
    """The same face is unknown from the next question on, its true name stays near, and comes back with the word."""
    assert names(gallery, probe) == ["Bea"]
    kept = gallery.reject(probe, "bea")
    assert (kept.number, kept.n_faces, kept.rejection.member, kept.decision.member) == (1, 1, "Bea", None)
    (decision,) = decisions(gallery, probe)
    assert (decision.verdict, decision.rejected) == (Verdict.UNKNOWN, ("Bea",))
    assert decision.best is not None
    assert decision.best.member != "Bea"
    assert decision.candidates[0].member == "Bea"
    assert decision.candidates[0].rejected
    gallery.undo_rejection(kept.rejection.rejection_id)
    assert names(gallery, probe) == ["Bea"]
    assert gallery.rejections() == []


def test_other_faces_of_the_member_keep_the_name(gallery: Gallery, sample_group: Path) -> None:
    """A stranger who was taken for Bea is not Bea; Bea's own photos are, since they are more like her."""
    stranger = sample_group / "probe" / "stranger-2a.jpg"
    gallery.reject(stranger, "Bea")
    assert names(gallery, sample_group / "probe" / "bea-1.jpg") == ["Bea"]
    assert names(gallery, sample_group / "probe" / "bea-2.jpg") == ["Bea"]
    (told,) = gallery.identify([stranger], threshold=-1.0, min_margin=0.0)
    assert isinstance(told, IdentifiedPhoto)
    assert told.faces[0].decision.member not in (None, "Bea")


def test_the_face_that_is_named_so_is_meant(gallery: Gallery, sample_group: Path) -> None:
    """In a photo of several the one that is named Ada now; where nobody is, the one most like her; or the number."""
    group = sample_group / "group.jpg"
    place = names(gallery, group).index("Ada")
    assert place > 1
    kept = gallery.reject(group, "Ada")
    assert kept.number == place + 1
    assert kept.n_faces == len(names(gallery, group))
    assert "Ada" not in names(gallery, group)
    assert gallery.reject(group, "Ada").rejection == kept.rejection  # said again: still the same face
    other = gallery.reject(group, "Ada", face_number=1)
    assert other.number == 1
    assert [each.rejection_id for each in gallery.rejections("ADA")] == [1, 2]
    with pytest.raises(FaceChoiceNeeded, match="--face 99"):
        gallery.reject(group, "Ada", face_number=99)


def test_a_face_that_is_enrolled_as_the_member_is_refused(gallery: Gallery, sample_group: Path) -> None:
    """Both cannot hold: the error names the commands; nothing is kept. Of another member it can be said."""
    enrolled = sample_group / "enroll" / "Bea" / "1.jpg"
    with pytest.raises(EnrolledAsMember, match=r"enrolled as Bea.*facegallery audit.*facegallery forget"):
        gallery.reject(enrolled, "Bea")
    assert gallery.rejections() == []
    assert gallery.reject(enrolled, "Ada").rejection.member == "Ada"


def test_nobody_of_the_name_and_no_such_number_are_errors(gallery: Gallery, probe: Path) -> None:
    """The names that look alike are told, and the command that lists the numbers."""
    with pytest.raises(MemberNotFound, match="Bea"):
        gallery.reject(probe, "Baea")
    with pytest.raises(RejectionNotFound, match="facegallery rejections"):
        gallery.undo_rejection(7)


def test_a_number_is_never_used_again(gallery: Gallery, probe: Path) -> None:
    """So that an old 'undo' in a script never takes back another word."""
    first = gallery.reject(probe, "Bea").rejection.rejection_id
    gallery.undo_rejection(first)
    assert gallery.reject(probe, "Bea").rejection.rejection_id == first + 1


def test_enrollment_obeys(gallery: Gallery, probe: Path, sample_group: Path) -> None:
    """The face is not enrolled for the member, by folder or by number, and the way back is told; for others it is."""
    gallery.reject(probe, "Bea")
    for face_number in (None, 1):
        (outcome,) = gallery.enroll([MemberPhotos("bea", (probe,), face_number)])
        assert outcome.skipped is not None
        assert (outcome.status, outcome.skipped.code) == (EnrollStatus.SKIPPED, "rejected")
        assert "facegallery rejections --undo 1" in outcome.skipped.reason
    (outcome,) = gallery.enroll([MemberPhotos("Zoe", (probe,))])
    assert outcome.status is EnrollStatus.ENROLLED
    group = sample_group / "group.jpg"
    number = gallery.reject(group, "Cyrus").rejection.rejection_id
    (outcome,) = gallery.enroll([MemberPhotos("Cyrus", (group,))])  # no other face of it is his
    assert outcome.skipped is not None
    assert outcome.skipped.code == "rejected"
    gallery.undo_rejection(number)
    (outcome,) = gallery.enroll([MemberPhotos("Cyrus", (group,))])
    assert outcome.status is EnrollStatus.ENROLLED


def test_explain_says_so(gallery: Gallery, probe: Path) -> None:
    """The explanation is of the decision that was made, and names who it is not."""
    gallery.reject(probe, "Bea")
    explanation = gallery.explain(probe, methods=["shares"])
    assert explanation.decision.rejected == ("Bea",)
    assert any(
        "somebody said that this face, or one that it is more like, is not Bea" in each for each in explanation.words()
    )


def test_another_open_gallery_hears_of_it(gallery: Gallery, probe: Path) -> None:
    """A search that was made before, also in another process, is made again."""
    with Gallery.open(gallery.folder) as other:
        assert names(gallery, probe) == ["Bea"]
        other.reject(probe, "Bea")
    assert names(gallery, probe) == [None]


def test_words_name_who_it_is_not() -> None:
    """With the next member, with nobody left, and with a name taken by another face."""
    near, far = Candidate("Ada", 0.9, 1, 1, rejected=True), Candidate("Bea", 0.8, 2, 2)
    limits = Limits(0.7, 0.03, "asked for")
    match = Decision(Verdict.MATCH, far, None, limits, (near, far), rejected=("Ada",))
    assert decision_words(match) == (
        "Bea: similarity 0.80, threshold 0.70. "
        "Ada would be nearer, but somebody said that this face, or one that it is more like, is not Ada."
    )
    nobody = Decision(Verdict.UNKNOWN, None, None, limits, (near,), rejected=("Ada",), taken=("Cyd",))
    assert decision_words(nobody).startswith("Unknown. Ada would be nearer, but")
    assert decision_words(nobody).endswith("Cyd fits another face of this photo better.")


# --- the search ---------------------------------------------------------------------------------------------------


def basis(*places: int) -> Vectors:
    vectors = np.zeros((len(places), 512), np.float32)
    vectors[range(len(places)), list(places)] = 1
    return vectors


def index_of(vectors: Vectors, ids: Ids) -> NumpyIndex:
    index = NumpyIndex()
    index.add(ids, vectors)
    return index


@pytest.mark.parametrize("rule", list(ScoreRule))
def test_rejected_members_do_not_use_up_the_answer(rule: ScoreRule) -> None:
    """However many members are rejected for a face, the next ones are still found."""
    angles = np.radians(np.arange(1, 51, dtype=np.float32))
    vectors = (np.cos(angles)[:, None] * basis(0) + np.sin(angles)[:, None] * basis(1)).astype(np.float32)
    ids, members = np.arange(1, 51, dtype=np.int64), tuple(f"m{number:02}" for number in range(1, 51))

    def of_ids(wanted: Ids) -> TemplateSet:
        rows = wanted[(wanted >= 1) & (wanted <= 50)] - 1
        return TemplateSet(
            1, "", ids[rows], vectors[rows], tuple(members[row] for row in rows), np.ones(len(rows), np.float32)
        )

    def of_members(wanted: object) -> TemplateSet:
        assert isinstance(wanted, list)
        return of_ids(np.array(sorted(ids[members.index(name)] for name in wanted), np.int64))

    rejected = {name: basis(0) for name in members[:40]}  # the probe itself: as much like it as can be
    search = MemberSearch(
        index_of(vectors, ids), rule, templates_of=of_ids, templates_of_members=of_members, rejections=rejected
    )
    (found,) = search.candidates(basis(0), 2)
    assert [each.member for each in found if not each.rejected] == ["m41", "m42"]
    assert [each.rank for each in found] == list(range(1, 43))


def test_the_nearer_of_face_and_member_decides() -> None:
    """At least as much like the rejected face as like the member is rejected; more like the member is not."""
    vectors, ids = basis(0), np.array([1], np.int64)
    templates = TemplateSet(1, "", ids, vectors, ("Ada",), np.ones(1, np.float32))
    search = MemberSearch(
        index_of(vectors, ids),
        ScoreRule.BEST,
        templates_of=lambda _: templates,
        templates_of_members=lambda _: templates,
        rejections={"Ada": basis(2, 1)},
    )
    probes = np.zeros((3, 512), np.float32)
    probes[:, 0], probes[:, 1] = (0.8, 0.6, np.sqrt(0.5)), (0.6, 0.8, np.sqrt(0.5))
    assert [found[0].rejected for found in search.candidates(probes, 1)] == [False, True, True]


# --- the store ----------------------------------------------------------------------------------------------------


def photo(content: str = "0") -> Photo:
    return Photo(Path("/photos/odd \udcff.jpg"), content * 64, np.zeros((2, 3, 3), np.uint8), width_px=3, height_px=2)


def face(place: int, left: float = 10.0) -> EmbeddedFace:
    landmarks = ((20.0, 30.0), (40.0, 30.0), (30.0, 40.0), (22.0, 50.0), (38.0, 50.5))
    return EmbeddedFace(Face((left, 20.0, left + 40.5, 70.25), landmarks, 0.9375), basis(place)[0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / DATABASE_NAME


@pytest.fixture
def store(path: Path) -> Store:
    store = Store.create(path, model=MODEL, preparation=Preparation.BOX)
    for number, name in enumerate(("Ada", "Bea"), start=1):
        store.enroll(name, photo(f"{number}"), face=face(number), model=MODEL)
    return store


def test_what_was_said_is_read_back(store: Store) -> None:
    """Member, photo, hash and face are as given, oldest first; said again, nothing is added or changed."""
    with store:
        kept = store.reject("ada", photo("a"), face=face(7), model=MODEL)
        state = store.state()
        assert (kept.member, kept.photo_path, kept.content_hash) == ("Ada", photo().path, "a" * 64)
        assert kept.face == face(7).face
        assert store.reject("Ada", photo("a"), face=face(7), model=MODEL) == kept
        assert store.state() == state
        others = [
            store.reject("Ada", photo("a"), face=face(7, left=99.0), model=MODEL),
            store.reject("Bea", photo("a"), face=face(8), model=MODEL),
        ]
        assert store.rejections() == [kept, *others]
        assert store.rejections("Bea") == others[1:]
        vectors = store.rejection_vectors()
        assert np.array_equal(vectors["Ada"], basis(7, 7))
        assert np.array_equal(vectors["Bea"], basis(8))
        assert store.check() == []


def test_each_change_makes_searches_anew(store: Store) -> None:
    """The state is another after a word and after it is taken back; the templates' index is not touched by it."""
    with store:
        states, stamp = [store.state()], store.stamp()
        kept = store.reject("Ada", photo("a"), face=face(7), model=MODEL)
        states.append(store.state())
        assert store.take_back(kept.rejection_id) == kept
        states.append(store.state())
        assert len(set(states)) == 3
        assert store.stamp().count == stamp.count
        with pytest.raises(RejectionNotFound):
            store.take_back(kept.rejection_id)


def test_vectors_of_another_model_and_no_vectors_are_refused(store: Store) -> None:
    """Nothing is kept that could not be compared."""
    with store:
        with pytest.raises(ModelMismatch):
            store.reject("Ada", photo("a"), face=face(7), model=ModelIdentity("other", "b" * 64))
        with pytest.raises(ValueError, match="unit length"):
            store.reject("Ada", photo("a"), face=EmbeddedFace(face(7).face, 2 * basis(7)[0]), model=MODEL)
        assert store.rejections() == []


def test_forget_and_take_back_leave_no_byte(store: Store, path: Path) -> None:
    """After either the vector and the photo's name are nowhere in the gallery's files; another member's stay."""
    rng = np.random.default_rng(0)

    def said(name: str, seed: str) -> bytes:
        vector = rng.standard_normal(512).astype(np.float32)
        vector /= np.linalg.norm(vector)
        store.reject(name, photo(seed), face=EmbeddedFace(face(0).face, vector), model=MODEL)
        return vector.tobytes()

    def everything() -> bytes:
        return b"".join(file.read_bytes() for file in path.parent.iterdir())

    with store:
        of_ada, undone, of_bea = said("Ada", "d"), said("Bea", "e"), said("Bea", "f")
        assert all(vector in everything() for vector in (of_ada, undone, of_bea))
        store.take_back(2)
        assert undone not in everything()  # at once, not when the gallery is closed
        store.forget("Ada")
        assert store.erase()
        assert of_ada not in everything()
        assert [each.member for each in store.rejections()] == ["Bea"]
        assert store.check() == []
    left = everything()
    assert of_bea in left
    assert of_ada not in left
    assert undone not in left
    assert b"d" * 64 not in left
    assert b"f" * 64 in left


def test_a_forgotten_member_s_photo_is_in_no_rejection_of_others(store: Store, path: Path) -> None:
    """Nothing is left that was said of a forgotten face, nor of others in its photo, since that would keep its path.

    A photo in which somebody else is enrolled stays the gallery's, and so does what was said of faces in it.
    """
    with store:
        known, other = face(3), face(0)
        store.enroll("Cyrus", photo("g"), face=known, model=MODEL)
        store.reject("Ada", photo("g"), face=known, model=MODEL)
        elsewhere = replace(other, face=replace(other.face, box_xyxy=(500.0, 500.0, 560.0, 560.0)))
        store.reject("Bea", photo("g"), face=elsewhere, model=MODEL)
        store.enroll("Dan", photo("h"), face=face(5), model=MODEL)
        store.enroll("Cyrus", photo("h"), face=replace(face(6), face=elsewhere.face), model=MODEL)
        store.reject("Bea", photo("h"), face=face(5), model=MODEL)
        removed = store.forget("Cyrus")
        assert store.erase()
        assert [(each.member, each.content_hash) for each in store.rejections()] == [("Bea", "h" * 64)]
        left = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert removed.counts["rejections"] == 2
    assert removed.traces.content_hashes == ("g" * 64,)
    assert known.embedding.tobytes() not in left
    assert b"g" * 64 not in left


def test_a_rejection_goes_by_the_member_and_not_by_the_name(store: Store) -> None:
    """Renamed, the member is still the one it was said of."""
    with store:
        store.reject("Ada", photo("a"), face=face(7), model=MODEL)
        store.rename("Ada", "Adah")
        assert [each.member for each in store.rejections()] == ["Adah"]
        assert list(store.rejection_vectors()) == ["Adah"]


# --- the commands -------------------------------------------------------------------------------------------------


def test_reject_list_and_undo(run_cli: RunCli, gallery_folder: Path, probe: Path, tmp_path: Path) -> None:
    """``reject`` tells the way back, ``identify`` shows it in table and JSON, ``rejections`` lists and undoes it."""
    mine = tmp_path / "b.jpg"
    shutil.copy(probe, mine)
    none = run_cli("rejections", "-g", gallery_folder)
    assert (none.code, none.out) == (0, "")
    said = run_cli("reject", mine, "bea", "-g", gallery_folder)
    assert said.code == 0, said.err
    assert "is not Bea. It is now: Unknown" in said.out
    assert "facegallery rejections --undo 1" in said.err
    assert "not Bea (rejected)" in run_cli("identify", mine, "-g", gallery_folder).out
    document = json.loads(run_cli("identify", mine, "--json", "-g", gallery_folder).out)
    (answer,) = document["photos"][0]["faces"]
    assert answer["rejected"] == ["Bea"]
    assert {each["member"] for each in answer["candidates"] if each["rejected"]} == {"Bea"}
    assert str(mine) in run_cli("rejections", "Bea", "-g", gallery_folder).out
    (listed,) = json.loads(run_cli("rejections", "--json", "-g", gallery_folder).out)["rejections"]
    assert (listed["number"], listed["member"], listed["photo"]) == (1, "Bea", str(mine))
    assert run_cli("rejections", "Bea", "--undo", 1, "-g", gallery_folder).code == 2
    assert run_cli("rejections", "--undo", 1, "-g", gallery_folder).code == 0
    again = run_cli("rejections", "--undo", 1, "-g", gallery_folder)
    assert (again.code, again.err.startswith("Error: There is no rejection number 1.")) == (1, True)
