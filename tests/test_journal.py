"""What is done to members can be undone, exactly; the history tells it; and what is forgotten is in neither."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from facegallery.domain import (
    Action,
    JournalEntry,
    Member,
    NameChange,
    Preparation,
    Secret,
    SecretKind,
)
from facegallery.errors import (
    BadName,
    CannotUndo,
    EntryNotFound,
    InOnePhoto,
    MemberExists,
    MemberNotFound,
    NothingToUndo,
    NotMerged,
    SaidNotToBe,
    SameMember,
)
from facegallery.store import Store, journal
from facegallery.store.engine import open_engine, writing
from tests.test_store import MODEL, NOON, enroll, face, photo

SECRET = Secret(SecretKind.KEY_FILE, b"0123456789abcdef0123456789abcdef")


@pytest.fixture(scope="module", params=[None, SECRET], ids=["plain", "encrypted"])
def secret(request: pytest.FixtureRequest) -> Secret | None:
    given: Secret | None = request.param
    return given


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory: pytest.TempPathFactory, secret: Secret | None) -> Path:
    """Ada with templates 1 and 2, Bea with 3, Cyrus with 4 and 5; to be copied, not changed."""
    path = tmp_path_factory.mktemp("enrolled") / "gallery" / "gallery.sqlite3"
    with Store.create(path, model=MODEL, preparation=Preparation.BOX, secret=secret, clock=lambda: NOON) as store:
        for name, n in (("Ada", 2), ("Bea", 1), ("Cyrus", 2)):
            enroll(store, name, n)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gallery" / "gallery.sqlite3"


@pytest.fixture
def store(path: Path, enrolled: Path, secret: Secret | None) -> Iterator[Store]:
    """A copy that a test may change; an hour passes with each look at the clock."""
    shutil.copytree(enrolled.parent, path.parent)
    hours = itertools.count(1)
    with Store.open(path, secret=secret, clock=lambda: NOON + timedelta(hours=next(hours))) as opened:
        yield opened


def whose(store: Store) -> dict[str, list[int]]:
    """The templates of each member, after a look at whether all is well."""
    assert store.check() == []
    return {member.name: [face.template_id for face in store.enrolled_faces(member.name)] for member in store.members()}


AS_ENROLLED = {"Ada": [1, 2], "Bea": [3], "Cyrus": [4, 5]}


def everything(store: Store) -> object:
    """All that undoing has to bring back, to the bit."""
    templates = store.templates()
    return (
        store.members(),
        store.enrolled_faces(),
        templates.members,
        templates.vectors.tobytes(),
        store.rejections(),
        {name: vectors.tobytes() for name, vectors in store.rejection_vectors().items()},
    )


def not_to_be(store: Store, name: str, seed: int, content: str | None = None) -> int:
    """Somebody's word that a face is not a member; its number."""
    return store.reject(name, photo(content or f"said{seed}"), face=face(seed), model=MODEL).rejection_id


# --- merged and taken apart -------------------------------------------------------------------------------------------


def test_a_merge_joins_all_that_is_of_two_members_and_is_taken_apart_exactly(store: Store) -> None:
    """Templates keep their ids and vectors, rejections go along, the name goes; unmerge brings back every bit of it."""
    not_to_be(store, "Ada", 50)
    before, revision = everything(store), store.stamp().revision
    merged = store.merge("ada", "BEA")
    assert store.stamp().revision == revision + 1
    assert whose(store) == {"Bea": [1, 2, 3], "Cyrus": [4, 5]}
    assert [each.member for each in store.rejections()] == ["Bea"]
    assert (merged.action, merged.n_members, merged.n_templates) == (Action.MERGE, 2, 2)
    assert set(merged.members) == {NameChange("Ada", None), NameChange("Bea", "Bea")}
    assert [(each.from_member, each.to_member, each.is_rejection) for each in merged.faces] == [
        ("Ada", "Bea", False),
        ("Ada", "Bea", False),
        ("Ada", "Bea", True),
    ]
    apart = store.unmerge("ADA")
    assert (apart.undoes, store.history()[1].undone_by) == (merged.entry_id, apart.entry_id)
    assert everything(store) == before
    assert whose(store) == AS_ENROLLED


def test_a_merge_that_cannot_be_is_refused_and_changes_nothing(store: Store) -> None:
    """One member twice, nobody of the name, no name at all."""
    before = everything(store)
    for names, error in ((("Ada", "ADA"), SameMember), (("Ada", "Zoe"), MemberNotFound), (("", "Ada"), BadName)):
        with pytest.raises(error):
            store.merge(*names)
    assert everything(store) == before
    assert store.history() == []


@pytest.mark.parametrize(("source", "into"), [("Ada", "Bea"), ("Bea", "Ada")])
def test_who_was_said_not_to_be_another_is_not_merged_with_them(store: Store, source: str, into: str) -> None:
    """A face of one that somebody said is not the other's keeps the two apart, whichever of them is to stay."""
    number = not_to_be(store, "Bea", 0, "ada0")  # the bytes and the box of Ada's first photo
    with pytest.raises(SaidNotToBe) as refused:
        store.merge(source, into)
    assert (refused.value.rejection_id, refused.value.member) == (number, "Bea")
    assert whose(store) == AS_ENROLLED
    store.take_back(number)
    store.merge(source, into)


def test_two_faces_of_one_photo_are_not_made_one_person_unasked(store: Store) -> None:
    """The photos are named; told so, it is done. One face that is enrolled for both is no reason against it."""
    for content, left in (("both", 200.0), ("same face", 10.0)):
        store.enroll("Ada", photo(content, f"/photos/{content}.jpg"), face=face(30), model=MODEL)
        store.enroll("Bea", photo(content), face=face(31, left=left), model=MODEL)
    with pytest.raises(InOnePhoto) as refused:
        store.merge("Ada", "Bea")
    assert (refused.value.member, refused.value.paths) == ("Bea", (Path("/photos/both.jpg"),))
    assert store.merge("Ada", "Bea", in_one_photo=True).n_templates == 4
    assert whose(store) == {"Bea": [1, 2, 3, 6, 7, 8, 9], "Cyrus": [4, 5]}


def test_what_came_later_stays_when_a_merge_is_taken_apart(store: Store) -> None:
    """The other member has a new name and a new photo since, and one of the photos is somebody else's now."""
    store.merge("Ada", "Bea")
    store.rename("Bea", "Beate")
    store.move_faces([1], "Cyrus")
    enroll(store, "Beate", 1, first=9)
    store.unmerge("beate")
    assert whose(store) == {"Ada": [2], "Beate": [3, 6], "Cyrus": [1, 4, 5]}
    with pytest.raises(NotMerged):
        store.unmerge("Beate")


def test_a_merge_is_taken_apart_after_one_of_its_photos_was_removed(store: Store) -> None:
    """It cannot be undone exactly any more, and says so; what is left can still be taken apart."""
    merged = store.merge("Ada", "Bea")
    store.remove_templates([1])
    with pytest.raises(CannotUndo, match="unmerge"):
        store.undo(merged.entry_id)
    store.unmerge("Ada")
    assert whose(store) == {"Ada": [2], "Bea": [3], "Cyrus": [4, 5]}


def test_merges_of_merges_are_taken_apart_in_any_order(store: Store) -> None:
    """Whoever was merged first is looked for where the merged one went."""
    store.merge("Ada", "Bea")
    store.merge("Bea", "Cyrus")
    store.unmerge("Ada")
    assert whose(store) == {"Ada": [1, 2], "Cyrus": [3, 4, 5]}
    store.unmerge("Cyrus")
    assert whose(store) == AS_ENROLLED


def test_the_newest_merge_of_a_name_is_taken_apart(store: Store) -> None:
    """By the name of the member who stayed; and once more for the one before."""
    store.merge("Ada", "Bea")
    store.merge("Cyrus", "Bea")
    store.unmerge("Bea")
    assert whose(store) == {"Bea": [1, 2, 3], "Cyrus": [4, 5]}
    store.unmerge("Bea")
    assert whose(store) == AS_ENROLLED


def test_a_name_that_somebody_has_got_since_is_not_taken_away(store: Store) -> None:
    """The error says what to type; by another name the member comes back, and this can be undone."""
    store.merge("Ada", "Bea")
    store.rename("Cyrus", "ADA")
    with pytest.raises(MemberExists, match="--as NEW"):
        store.unmerge("Bea")
    store.unmerge("Bea", as_name="Adele")
    assert whose(store) == {"ADA": [4, 5], "Adele": [1, 2], "Bea": [3]}
    store.undo()
    assert whose(store) == {"ADA": [4, 5], "Bea": [1, 2, 3]}


def test_taking_apart_leaves_nobody_without_photos(store: Store) -> None:
    """Neither the one who comes back nor the one who stays."""
    store.merge("Ada", "Bea")
    store.move_faces([3], "Cyrus")
    with pytest.raises(CannotUndo, match="'facegallery rename'"):
        store.unmerge("Ada")
    store.move_faces([1, 2], "Cyrus")  # Bea has no photo left, and is part of Cyrus now
    assert whose(store) == {"Cyrus": [1, 2, 3, 4, 5]}
    store.unmerge("Ada")
    assert whose(store) == {"Ada": [1, 2], "Cyrus": [3, 4, 5]}


# --- moved ------------------------------------------------------------------------------------------------------------


def test_a_photo_moves_to_a_member_who_may_be_new_only_when_told(store: Store) -> None:
    """A name with a slip makes nobody, and the nearest names are told; moving to whose it is already does nothing."""
    before = everything(store)
    with pytest.raises(MemberNotFound, match="--new") as refused:
        store.move_faces([1], "Beaa")
    assert refused.value.nearest[0] == "Bea"
    assert store.move_faces([1], "ada") is None
    assert store.move_faces([1], "ada", may_be_new=True) is None
    assert store.move_faces([77], "Zoe", may_be_new=True) is None
    assert everything(store) == before
    assert store.history() == []
    moved = store.move_faces([1], "Zoe", may_be_new=True)
    assert moved is not None
    assert moved.members == (NameChange("Ada", "Ada"), NameChange(None, "Zoe"))
    assert [each.photo_path for each in moved.faces] == [Path("/photos/0.jpg")]
    assert whose(store) == {"Ada": [2], "Bea": [3], "Cyrus": [4, 5], "Zoe": [1]}
    store.undo()
    assert everything(store) == before


def test_who_lost_the_last_photo_is_gone_and_comes_back_with_an_undo(store: Store) -> None:
    """With the same date, and with what was said not to be them, which nobody loses in between."""
    not_to_be(store, "Bea", 50)
    before = everything(store)
    store.move_faces([3], "Cyrus")
    assert whose(store) == {"Ada": [1, 2], "Cyrus": [3, 4, 5]}
    assert [each.member for each in store.rejections()] == ["Cyrus"]
    store.undo()
    assert everything(store) == before


def test_a_photo_is_not_moved_against_what_was_said_or_beside_another_face(store: Store) -> None:
    """The same refusals as for a merge."""
    not_to_be(store, "Bea", 0, "ada0")
    with pytest.raises(SaidNotToBe):
        store.move_faces([1], "Bea")
    store.enroll("Bea", photo("ada1"), face=face(1, left=300.0), model=MODEL)
    with pytest.raises(InOnePhoto):
        store.move_faces([2], "Bea")
    assert store.move_faces([2], "Bea", in_one_photo=True) is not None
    assert whose(store) == {"Ada": [1], "Bea": [2, 3, 6], "Cyrus": [4, 5]}


def test_moves_of_an_audit_are_one_entry(store: Store) -> None:
    """They are undone together; two members may have changed places."""
    store.move_templates({1: "Bea", 2: "Bea", 3: "Ada"})
    assert whose(store) == {"Ada": [3], "Bea": [1, 2], "Cyrus": [4, 5]}
    store.undo()
    assert whose(store) == AS_ENROLLED
    with pytest.raises(NothingToUndo):
        store.undo()


# --- undone -----------------------------------------------------------------------------------------------------------


def test_everything_is_undone_step_by_step_and_done_again(store: Store) -> None:
    """Each undo gives exactly the state before; an undo that is named is undone too, and that once more."""
    steps: list[Callable[[], object]] = [
        lambda: store.rename("Ada", "Adele"),
        lambda: store.merge("Bea", "Adele"),
        lambda: store.move_faces([3], "Zoe", may_be_new=True),
        lambda: store.move_faces([1], "Cyrus"),
        lambda: not_to_be(store, "Cyrus", 60),
        lambda: store.merge("Zoe", "Cyrus"),
    ]
    states = [everything(store)]
    for step in steps:
        step()
        states.append(everything(store))
    for state in reversed(states[:-1]):
        undone = store.to_undo()
        assert store.undo().undoes == undone.entry_id
        assert everything(store) == state
    with pytest.raises(NothingToUndo):
        store.undo()
    first_undo = store.history(1)[0]
    again = store.undo(first_undo.entry_id)
    assert everything(store) == states[1]
    assert store.history(member="Ada")[-1].undone_by is None
    store.undo(again.entry_id)
    assert everything(store) == states[0]
    assert store.history(member="Ada")[-1].undone_by == first_undo.entry_id


def test_what_was_done_later_is_undone_first(store: Store) -> None:
    """An entry that is not as it was left says which one stands in its way; undoing that opens the way."""
    store.rename("Ada", "Adele")
    store.move_faces([4], "Adele")
    store.merge("Adele", "Bea")
    with pytest.raises(CannotUndo, match="Adele is no member now") as refused:
        store.undo(1)
    assert (refused.value.undo_first, refused.value.entry_id) == (3, 1)
    with pytest.raises(CannotUndo, match="'facegallery undo 3'"):
        store.undo(2)
    assert [entry.undo_first for entry in store.history()] == [None, 3, 3]
    store.undo(3)
    store.undo(1)  # the moved photo does not mind the name
    assert whose(store) == {"Ada": [1, 2, 4], "Bea": [3], "Cyrus": [5]}
    with pytest.raises(CannotUndo, match="'facegallery undo 5'"):
        store.undo(1)  # is undone already, by 5


def test_an_undone_later_entry_stands_in_nobodys_way(store: Store) -> None:
    """What was done and undone is as if it had never been: nobody is sent to and fro between the two."""
    store.move_faces([1], "Bea")
    store.move_faces([1], "Cyrus")
    store.move_faces([1], "Zoe", may_be_new=True)
    store.undo(3)
    with pytest.raises(CannotUndo, match="not all of its photos are where it put them") as refused:
        store.undo(1)
    assert refused.value.undo_first == 2


def test_photos_and_names_of_others_stand_in_the_way(store: Store) -> None:
    """Nobody goes with photos that were enrolled since, nobody stays without any, and no name is taken away."""
    store.move_faces([1], "Zoe", may_be_new=True)
    enroll(store, "Zoe", 1, first=9)
    with pytest.raises(CannotUndo, match="Zoe has got other photos since") as refused:
        store.undo(1)
    assert refused.value.undo_first is None
    store.merge("Cyrus", "Bea")
    store.move_faces([3], "Ada")
    with pytest.raises(CannotUndo, match="Bea would be left without a photo") as refused:
        store.undo(2)
    assert refused.value.undo_first == 3
    store.undo(3)
    enroll(store, "CYRUS", 1, first=10)
    with pytest.raises(CannotUndo, match="another member is called Cyrus now"):
        store.undo(2)
    assert whose(store) == {"Ada": [2], "Bea": [3, 4, 5], "CYRUS": [7], "Zoe": [1, 6]}


def test_what_was_said_since_stands_in_the_way(store: Store) -> None:
    """A face does not go back to a member whose somebody said since it is not; that can be undone first."""
    store.move_faces([1], "Bea")
    not_to_be(store, "Ada", 0, "ada0")
    with pytest.raises(CannotUndo, match="somebody said") as refused:
        store.undo(1)
    assert refused.value.undo_first == 2
    store.undo(2)
    store.undo(1)
    assert whose(store) == AS_ENROLLED


def test_a_rejection_is_undone_by_taking_it_back_and_for_good(store: Store, path: Path, secret: Secret | None) -> None:
    """Its vector is gone from the files, whoever takes it back; both ways it counts as undone."""
    said = [not_to_be(store, "Ada", seed) for seed in (50, 51)]
    assert said == [1, 2]

    def vector_is_there() -> bool:
        return any(face(51).embedding.tobytes()[:64] in file.read_bytes() for file in path.parent.iterdir())

    assert vector_is_there() == (secret is None)
    undone = store.undo()
    assert not vector_is_there()
    assert (undone.undoes, [each.rejection_id for each in store.rejections()]) == (2, [1])
    with pytest.raises(CannotUndo, match="to say it again"):
        store.undo(undone.entry_id)
    store.take_back(1)
    assert [(entry.action, entry.undoes, entry.undone_by) for entry in store.history()] == [
        (Action.TAKE_BACK, 1, None),
        (Action.UNDO, 2, None),
        (Action.REJECT, None, 3),
        (Action.REJECT, None, 4),
    ]
    with pytest.raises(CannotUndo, match="to say it again"):
        store.undo(4)


def test_a_change_and_its_entry_are_kept_together_or_not_at_all(store: Store, path: Path) -> None:
    """Where the entry cannot be written, nothing is done."""
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(
            "CREATE TRIGGER full BEFORE INSERT ON journal_names BEGIN SELECT RAISE(ABORT, 'no more entries'); END"
        )
        raw.commit()
    before, stamp = everything(store), store.stamp()
    for change in (
        lambda: store.rename("Ada", "Adele"),
        lambda: store.merge("Ada", "Bea"),
        lambda: store.move_faces([3], "Zoe", may_be_new=True),
        lambda: store.reject("Ada", photo("x"), face=face(50), model=MODEL),
    ):
        with pytest.raises(IntegrityError, match="no more entries"):
            change()
    assert (everything(store), store.stamp()) == (before, stamp)


def test_an_unknown_entry_is_said(store: Store) -> None:
    """There is no such number, and nothing at all to undo in a gallery to which nothing was done."""
    with pytest.raises(EntryNotFound, match="'facegallery history'"):
        store.undo(7)
    with pytest.raises(NothingToUndo):
        store.to_undo()


# --- told -------------------------------------------------------------------------------------------------------------


def test_the_history_is_told_newest_first_of_all_or_of_one(store: Store, path: Path, secret: Secret | None) -> None:
    """Also of a name that nobody has any more, and by another program."""
    store.rename("Ada", "Adele")
    store.rename("Cyrus", "Cy")
    store.merge("Adele", "Bea")
    with Store.open(path, secret=secret) as other:
        assert [entry.action for entry in other.history()] == [Action.MERGE, Action.RENAME, Action.RENAME]
        assert [entry.entry_id for entry in other.history(2)] == [3, 2]
        for name, entries in (("ADA", [3, 1]), ("adele", [3, 1]), ("Bea", [3]), ("Cy", [2]), ("Cyrus", [2])):
            assert [entry.entry_id for entry in other.history(member=name)] == entries
        with pytest.raises(MemberNotFound):
            other.history(member="Nobody")
        times = [entry.at for entry in other.history()]
    assert times == sorted(times, reverse=True)
    enroll(store, "Nina", 1)
    assert store.history(member="Nina") == []


def test_an_undo_tells_the_names_of_today(store: Store) -> None:
    """The member who stayed has another name by then."""
    store.merge("Ada", "Bea")
    store.rename("Bea", "Beate")
    assert set(store.undo(1).members) == {NameChange(None, "Ada"), NameChange("Beate", "Beate")}


def test_a_changed_journal_is_found(store: Store, path: Path, secret: Secret | None) -> None:
    """Where names are sealed; in a plain gallery any text is one."""
    store.rename("Ada", "Adele")
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE journal_names SET name_before = name_before || 'x'")
        raw.commit()
    assert store.check() == ([] if secret is None else ["the name in the journal's row 1 is damaged"])


def test_a_name_that_stays_the_same_is_no_change(store: Store) -> None:
    """Another spelling is one."""
    store.rename("ada", "Ada")
    assert store.history() == []
    store.rename("Ada", "ADA")
    store.undo()
    assert whose(store) == AS_ENROLLED


def test_it_is_known_how_many_photos_are_other_members_than_at_a_moment(store: Store) -> None:
    """A photo that came back does not count; one that was moved before does not either."""
    store.move_faces([4], "Ada")
    moment = store.history(1)[0].at
    assert store.n_moved_since(moment) == 0
    store.merge("Ada", "Bea")
    assert store.n_moved_since(moment) == 3
    store.move_faces([4], "Cyrus")
    assert store.n_moved_since(moment) == 3
    store.unmerge("Ada")
    assert store.n_moved_since(moment) == 1
    store.remove_templates([4])
    assert store.n_moved_since(moment) == 0


# --- forgotten --------------------------------------------------------------------------------------------------------


def dump(path: Path) -> str:
    with closing(sqlite3.connect(path)) as raw:
        return "\n".join(raw.iterdump()).lower()


def names_kept(store: Store) -> set[str]:
    """All names in the journal."""
    return {name for entry in store.history() for each in entry.members for name in (each.before, each.after) if name}


def test_forgetting_takes_all_names_of_a_member_and_of_who_became_part_of_it(store: Store, path: Path) -> None:
    """Through renames and merges of merges; who only met the member keeps an own history."""
    store.rename("Ada", "Adele")
    store.merge("Adele", "Bea")
    store.rename("Bea", "Beate")
    store.move_faces([4], "Beate")
    store.rename("Cyrus", "Cy")
    store.forget("Beate")
    assert names_kept(store) == {"Cyrus", "Cy"}
    for name in ("ada", "adele", "bea", "beate"):
        assert f"'{name}'" not in dump(path)
    assert [(entry.action, entry.is_partial, entry.can_undo) for entry in store.history()] == [
        (Action.FORGET, False, False),
        (Action.RENAME, False, True),
        (Action.MOVE, True, False),
        (Action.RENAME, True, False),
        (Action.MERGE, True, False),
        (Action.RENAME, True, False),
    ]
    forgot = store.history(1)[0]
    assert (forgot.members, forgot.faces, forgot.n_members, forgot.n_templates) == ((), (), 1, 4)
    with pytest.raises(CannotUndo, match="gone for good"):
        store.undo(forgot.entry_id)
    with pytest.raises(CannotUndo, match="forgotten"):
        store.undo(1)
    with pytest.raises(NotMerged):
        store.unmerge("Ada")
    store.undo()
    assert whose(store) == {"Cyrus": [5]}


def test_an_encrypted_journal_names_nobody(store: Store, path: Path, secret: Secret | None) -> None:
    """Names are readable in the file of a plain gallery, and only there."""
    store.rename("Ada", "Adelheid")
    store.merge("Adelheid", "Bea")
    store.rename("Bea", "Beatrix")
    store.move_faces([4], "Zoe Nova", may_be_new=True)
    kept = dump(path)
    for name in ("adelheid", "beatrix", "zoe nova"):
        assert (name in kept) == (secret is None)


def test_who_was_taken_out_again_is_not_forgotten_with_the_other(store: Store) -> None:
    """The merge was undone, so they are two; neither the photos nor the name of the one go with the other."""
    store.merge("Ada", "Bea")
    store.undo()
    store.merge("Ada", "Cyrus")
    store.unmerge("Ada")
    store.forget("Bea")
    store.forget("Cyrus")
    assert whose(store) == {"Ada": [1, 2]}
    assert names_kept(store) == {"Ada"}


def test_who_lost_the_last_photo_to_a_member_is_forgotten_with_it(store: Store, path: Path) -> None:
    """Otherwise a name would stay that no command could remove."""
    store.move_faces([3], "Cyrus")
    store.forget("Cyrus")
    assert names_kept(store) == set()
    assert "'bea'" not in dump(path)
    assert whose(store) == {"Ada": [1, 2]}


def test_nothing_tells_that_a_photo_was_once_a_forgotten_members(store: Store, path: Path) -> None:
    """It is another's again, whose history would say so; the ids are gone too."""
    store.move_faces([4], "Bea")
    store.undo()
    store.forget("Bea")
    assert [(entry.faces, entry.can_undo) for entry in store.history()] == [((), False)] * 3
    assert 'insert into "journal_moves"' not in dump(path)
    assert whose(store) == {"Ada": [1, 2], "Cyrus": [4, 5]}


def test_whose_photos_went_to_two_is_forgotten_with_either(store: Store, path: Path) -> None:
    """Nobody knows which of the two it was: rather a name too few is kept than one too many."""
    store.move_templates({1: "Bea", 2: "Cyrus"})
    store.forget("Bea")
    assert "Ada" not in names_kept(store)
    assert "'ada'" not in dump(path)
    assert whose(store) == {"Cyrus": [2, 4, 5]}


def test_who_is_one_with_a_member_is_told_to_the_forgetting(store: Store, path: Path) -> None:
    """Ids: Ada 1, Bea 2, Cyrus 3; the log of decisions is searched for all who were one."""
    store.merge("Ada", "Bea")
    store.merge("Bea", "Cyrus")
    engine = open_engine(path)
    with writing(engine, path) as connection:
        assert journal.forget(connection, 3) == {1, 2, 3}
    engine.dispose()


@pytest.mark.parametrize("last_id", [3, 4])
def test_names_go_with_the_last_photo_that_could_bring_them_back(store: Store, path: Path, last_id: int) -> None:
    """Removing photos one by one forgets as well: a member without any, and one who was merged and has none left."""
    store.merge("Bea", "Ada")
    store.rename("Cyrus", "Cy")
    store.remove_templates([5])
    assert {"Bea", "Cy"} <= names_kept(store)
    removed = {3: "bea", 4: "cy"}[last_id]
    store.remove_templates([last_id])
    assert removed not in {name.lower() for name in names_kept(store)}
    assert f"'{removed}'" not in dump(path)
    told = store.history(1)[0]
    assert (told.action, told.n_members, told.n_templates) == (Action.REMOVE, int(last_id == 4), 1)
    assert store.check() == []


def test_a_rejection_of_a_forgotten_face_leaves_the_journal(store: Store) -> None:
    """It was said of another member, who stays; that it was said can be neither undone nor read of whom it was."""
    not_to_be(store, "Bea", 0, "ada0")
    store.forget("Ada")
    (_, said) = store.history()
    assert (said.faces, said.is_partial, said.can_undo) == ((), True, False)
    assert store.rejections() == []


def test_a_rejection_without_an_entry_is_taken_back_all_the_same(store: Store, path: Path) -> None:
    """It may be older than the journal."""
    number = not_to_be(store, "Ada", 50)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("DELETE FROM journal")
        raw.commit()
    store.take_back(number)
    (entry,) = store.history()
    assert (entry.action, entry.undoes, entry.members) == (Action.TAKE_BACK, None, (NameChange("Ada", "Ada"),))


def test_an_entry_is_a_value(store: Store) -> None:
    """What is told holds no row: it can be read after the store was closed."""
    store.merge("Ada", "Bea")
    (entry,) = store.history()
    store.close()
    assert isinstance(entry, JournalEntry)
    assert (entry.can_undo, entry.obstacle, entry.undo_first) == (True, None, None)
    assert entry.members[0] == NameChange("Ada", None)


def test_a_member_who_comes_back_has_the_old_date(store: Store) -> None:
    """The day of the first photo, not of the undo."""
    before = store.member("Ada")
    store.merge("Ada", "Bea")
    store.undo()
    assert store.member("Ada") == before
    assert isinstance(before, Member)
