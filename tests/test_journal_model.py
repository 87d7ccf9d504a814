"""Anything done to members, in any order: the store agrees with a model in Python about what can be undone, and how."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from facegallery.domain import Preparation, Secret, SecretKind
from facegallery.errors import CannotUndo, NothingToUndo, NotMerged, SaidNotToBe
from facegallery.store import Store
from tests.test_store import MODEL, face, photo

_Thing = TypeVar("_Thing", str, int)
Moves = dict[int, tuple[int, int]]


@dataclass
class Op:
    """An entry: by person the names before and after, by template and by rejection the persons from and to."""

    kind: str
    names: dict[int, tuple[str | None, str | None]]
    moves: Moves = field(default_factory=dict)
    said: Moves = field(default_factory=dict)
    undoes: int | None = None
    undone_by: int | None = None
    is_partial: bool = False


@dataclass
class World:
    """Who is there, whose the templates are, of whom something was said, and the entries by their numbers."""

    names: dict[int, str] = field(default_factory=dict)
    owner: dict[int, int] = field(default_factory=dict)
    said_of: dict[int, int] = field(default_factory=dict)
    face_of: dict[int, int] = field(default_factory=dict)  # by rejection the template whose face it is of
    ops: dict[int, Op] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)

    def person(self, name: str) -> int:
        """The person with a name."""
        return next(key for key, kept in self.names.items() if kept == name)

    def moving(self, wanted: dict[int, int]) -> Op:
        """Templates given to persons; who has none left goes, with what was said of them."""
        moves = {key: (self.owner[key], to) for key, to in wanted.items() if self.owner[key] != to}
        left = Counter((self.owner | wanted).values())
        names: dict[int, tuple[str | None, str | None]] = {}
        said: Moves = {}
        for person in {each for pair in moves.values() for each in pair if each in self.names}:
            is_gone = left[person] == 0
            names[person] = (self.names[person], None if is_gone else self.names[person])
            if is_gone:
                heir = next(to for start, to in moves.values() if start == person)
                said |= {key: (person, heir) for key, of in self.said_of.items() if of == person}
        return Op("move", names, moves, said)

    def contradicts(self, op: Op) -> bool:
        """Whether a face would become a person's of whom somebody said that it is not them."""
        owner = self.owner | {key: to for key, (_, to) in op.moves.items()}
        said_of = self.said_of | {key: to for key, (_, to) in op.said.items()}
        return any(
            owner.get(template) == said_of[key] and self.owner.get(template) != self.said_of[key]
            for key, template in self.face_of.items()
            if key in said_of and template in self.owner
        )

    def do(self, op: Op) -> None:
        """Change names and owners."""
        for person, (before, after) in op.names.items():
            if after is None:
                del self.names[person]
            elif after != before:
                self.names[person] = after
        self.owner |= {key: to for key, (_, to) in op.moves.items()}
        self.said_of |= {key: to for key, (_, to) in op.said.items()}

    def write(self, op: Op) -> None:
        """Keep the entry, and what it undoes."""
        number = len(self.ops) + 1
        self.ops[number] = op
        undone, by, is_undone = op.undoes, number, True
        while undone is not None:
            self.ops[undone].undone_by = by if is_undone else None
            by, undone, is_undone = undone, self.ops[undone].undoes, not is_undone

    def back(self, number: int) -> Op | None:
        """What undoes an entry; None where it cannot be undone."""
        op = self.ops[number]
        of_rejection = op.undoes is not None and self.ops[op.undoes].kind == "reject"
        if op.undone_by or op.is_partial or of_rejection or op.kind in ("forget", "remove", "take back"):
            return None
        names = {person: (after, before) for person, (before, after) in op.names.items()}
        moves, said = ({key: (to, start) for key, (start, to) in each.items()} for each in (op.moves, op.said))
        back = Op("undo", names, moves, said, undoes=number)
        if any(self.owner[key] != start for key, (start, _) in moves.items()):
            return None
        if any(self.said_of[key] != start for key, (start, _) in said.items()):
            return None
        for person, (now, then) in names.items():
            is_same = person in self.names if now == then else self.names.get(person) == now
            taken = then is not None and then != now and then in self.names.values()
            if not is_same or taken:
                return None
        after = Counter((self.owner | {key: to for key, (_, to) in moves.items()}).values())
        said_after = Counter((self.said_of | {key: to for key, (_, to) in said.items()}).values())
        for person, (_, then) in names.items():
            if (then is None) != (after[person] == 0) or (then is None and said_after[person]):
                return None
        return None if self.contradicts(back) else back

    def ended(self) -> dict[int, Op]:
        """For persons who are no more the entry that ended them."""
        ends: dict[int, Op] = {}
        for op in self.ops.values():
            ends |= {person: op for person, (_, after) in op.names.items() if after is None}
        return {person: op for person, op in ends.items() if person not in self.names}

    def heir(self, person: int) -> int:
        """The person of today whom one who is no more is part of."""
        while person not in self.names:
            op = self.ended()[person]
            person = next(to for start, to in op.moves.values() if start == person)
        return person

    def remove(self, templates: Iterable[int], rejections: Iterable[int], persons: set[int]) -> None:
        """Take away for good, with all who were one with these persons."""
        ended = self.ended()
        while (
            more := {
                person
                for person, op in ended.items()
                if any(start == person and to in persons for start, to in op.moves.values())
            }
            - persons
        ):
            persons = persons | more
        templates, rejections = set(templates), set(rejections)
        for key in templates:
            del self.owner[key]
        for key in rejections:
            del self.said_of[key], self.face_of[key]
        for person in persons & self.names.keys():
            del self.names[person]
        self._lose(templates, rejections, persons)
        while lost := {
            person for person, op in self.ended().items() if not any(start == person for start, _ in op.moves.values())
        }:
            self._lose(set(), set(), lost)

    def _lose(self, templates: set[int], rejections: set[int], persons: set[int]) -> None:
        for op in self.ops.values():
            names = {key: pair for key, pair in op.names.items() if key not in persons}
            moves = {key: pair for key, pair in op.moves.items() if key not in templates and not persons & {*pair}}
            said = {key: pair for key, pair in op.said.items() if key not in rejections and not persons & {*pair}}
            gone = [name for key in persons & op.names.keys() for name in op.names[key] if name]
            self.forgotten.update(gone)
            if (names, moves, said) != (op.names, op.moves, op.said):
                op.names, op.moves, op.said, op.is_partial = names, moves, said, True


class Lives(RuleBasedStateMachine):
    """The store beside the model."""

    secret: Secret | None = None
    empty: Path

    def __init__(self) -> None:
        super().__init__()
        self.numbers, self.world = itertools.count(1), World()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "gallery.sqlite3"
        shutil.copy(self.empty, self.path)
        self.store = Store.open(self.path, secret=self.secret)

    def teardown(self) -> None:
        """Undo all that can be undone, newest first: the store and the model end alike."""
        while True:
            number = next(
                (
                    key
                    for key in reversed(self.world.ops)
                    if self.world.ops[key].kind != "undo" and self.world.back(key)
                ),
                None,
            )
            try:
                undone = self.store.undo()
            except NothingToUndo:
                assert number is None
                break
            assert number is not None
            assert undone.undoes == number
            self._undone(number)
        self.agree()
        assert self.store.check() == []
        self.store.close()
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        """Three people are enrolled."""
        for _ in range(3):
            self._enroll(self._fresh_name())

    # --- what is done ---------------------------------------------------------------------------------------------

    def _fresh_name(self) -> str:
        return f"Person {next(self.numbers):04d}"

    def _enroll(self, name: str) -> None:
        n = next(self.numbers)
        kept = self.store.enroll(name, photo(f"{n}", f"/photos/{n}.jpg"), face=face(n), model=MODEL)
        if name not in self.world.names.values():
            self.world.names[10_000 + n] = name
        self.world.owner[kept.template_id] = self.world.person(name)
        self.photos = {**getattr(self, "photos", {}), kept.template_id: n}

    def _one(self, data: st.DataObject, among: Iterable[_Thing]) -> _Thing:
        return data.draw(st.sampled_from(sorted(among)))

    def _name(self, data: st.DataObject) -> str:
        return self._one(data, self.world.names.values())

    @rule(data=st.data(), is_new=st.booleans())
    def enroll(self, data: st.DataObject, is_new: bool) -> None:
        """A photo of a new member, or one more."""
        self._enroll(self._fresh_name() if is_new or not self.world.names else self._name(data))

    @precondition(lambda self: self.world.names)
    @rule(data=st.data())
    def rename(self, data: st.DataObject) -> None:
        """To a name that nobody ever had."""
        old, new = self._name(data), self._fresh_name()
        self.store.rename(old, new)
        self._done(Op("rename", {self.world.person(old): (old, new)}))

    @precondition(lambda self: len(self.world.names) > 1)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        """Unless somebody said that they are two."""
        source = self._name(data)
        into = self._one(data, set(self.world.names.values()) - {source})
        start, to = self.world.person(source), self.world.person(into)
        op = self.world.moving({key: to for key, of in self.world.owner.items() if of == start})
        op.kind = "merge"
        if self.world.contradicts(op):
            with pytest.raises(SaidNotToBe):
                self.store.merge(source, into)
        else:
            self.store.merge(source, into)
            self._done(op)

    @precondition(lambda self: any(op.kind == "merge" for op in self.world.ops.values()))
    @rule(data=st.data())
    def unmerge(self, data: st.DataObject) -> None:
        """By the name that went, or of the one who stayed."""
        merges = {n: op for n, op in self.world.ops.items() if op.kind == "merge" and not op.undone_by}
        ends = {n: [each for each in op.names if op.names[each][1] is None] for n, op in merges.items()}
        gone = {n: persons[0] for n, persons in ends.items() if persons}
        name = self._one(
            data, {"Nobody", *self.world.names.values(), *(merges[n].names[gone[n]][0] or "" for n in gone)}
        )
        for n in sorted(gone, reverse=True):
            op, source, target = merges[n], gone[n], self.world.heir(gone[n])
            before = op.names[source][0]
            if name not in (before, self.world.names[target]):
                continue
            moves = {key: (target, source) for key in op.moves if self.world.owner[key] == target}
            said = {key: (target, source) for key in op.said if self.world.said_of[key] == target}
            kept = self.world.names[target]
            back = Op("unmerge", {source: (None, before), target: (kept, kept)}, moves, said, undoes=n)
            n_target = Counter(self.world.owner.values())[target]
            if not 0 < len(moves) < n_target:
                with pytest.raises(CannotUndo):
                    self.store.unmerge(name)
            elif self.world.contradicts(back):
                with pytest.raises(SaidNotToBe):
                    self.store.unmerge(name)
            else:
                self.store.unmerge(name)
                self._done(back)
            return
        with pytest.raises(NotMerged):
            self.store.unmerge(name)

    @precondition(lambda self: self.world.owner)
    @rule(data=st.data(), is_new=st.booleans())
    def move(self, data: st.DataObject, is_new: bool) -> None:
        """To a member, or to a new one."""
        template = self._one(data, self.world.owner)
        name = self._fresh_name() if is_new else self._name(data)
        person = next(self.numbers) + 10_000 if is_new else self.world.person(name)
        op = self.world.moving({template: person})
        if is_new:
            op.names[person] = (None, name)
        if self.world.contradicts(op):
            with pytest.raises(SaidNotToBe):
                self.store.move_faces([template], name, may_be_new=is_new)
        elif self.store.move_faces([template], name, may_be_new=is_new) is not None:
            self._done(op)
        else:
            assert not op.moves

    @precondition(lambda self: self.world.names)
    @rule(data=st.data(), of_enrolled=st.booleans())
    def reject(self, data: st.DataObject, of_enrolled: bool) -> None:
        """A face of nobody, or one that is enrolled for another."""
        name = self._name(data)
        person = self.world.person(name)
        others = [key for key, of in self.world.owner.items() if of != person]
        template = self._one(data, others) if of_enrolled and others else 0
        n = self.photos.get(template) or next(self.numbers)
        n_before = len(self.store.rejections())
        number = self.store.reject(name, photo(f"{n}"), face=face(n), model=MODEL).rejection_id
        if len(self.store.rejections()) > n_before:
            self.world.said_of[number], self.world.face_of[number] = person, template
            self._done(Op("reject", {person: (name, name)}, said={number: (person, person)}))

    @precondition(lambda self: self.world.said_of)
    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        """Whatever was said."""
        number = self._one(data, self.world.said_of)
        self.store.take_back(number)
        name = self.world.names[self.world.said_of[number]]
        said = [key for key, op in self.world.ops.items() if op.kind == "reject" and number in op.said]
        self._done(Op("take back", {self.world.said_of[number]: (name, name)}, undoes=said[0] if said else None))
        self._no_longer_said(number)

    @precondition(lambda self: self.world.names)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        """With all photos, and what was said."""
        name = self._name(data)
        person = self.world.person(name)
        theirs = [key for key, of in self.world.owner.items() if of == person]
        said = [
            key
            for key, of in self.world.said_of.items()
            if of == person or self.world.owner.get(self.world.face_of[key]) == person
        ]
        assert self.store.forget(name).template_ids == tuple(sorted(theirs))
        self.world.forgotten.add(name)
        self.world.remove(theirs, said, {person})
        self._done(Op("forget", {}))

    @precondition(lambda self: self.world.owner)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """One photo."""
        template = self._one(data, self.world.owner)
        person = self.world.owner[template]
        is_last = Counter(self.world.owner.values())[person] == 1
        said = [
            key
            for key, of in self.world.said_of.items()
            if (is_last and of == person) or self.world.face_of[key] == template  # its photo goes with it
        ]
        if is_last:
            self.world.forgotten.add(self.world.names[person])
        assert self.store.remove_templates([template]).template_ids == (template,)
        self.world.remove([template], said, {person} if is_last else set())
        self._done(Op("remove", {}))

    @precondition(lambda self: self.world.ops)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        """Any entry, whether it can be or not."""
        number = self._one(data, self.world.ops)
        if self.world.back(number) is None:
            with pytest.raises(CannotUndo) as refused:
                self.store.undo(number)
            first = refused.value.undo_first
            assert first is None or (first > number and self.world.ops[first].undone_by is None)
        else:
            assert self.store.undo(number).undoes == number
            self._undone(number)

    # --- what holds at all times ----------------------------------------------------------------------------------

    def _done(self, op: Op) -> None:
        self.world.do(op)
        self.world.write(op)

    def _undone(self, number: int) -> None:
        back = self.world.back(number)
        assert back is not None
        if self.world.ops[number].kind == "reject":
            (said,), back.said = back.said, {}
            self._done(back)
            self._no_longer_said(said)
        else:
            self._done(back)

    def _no_longer_said(self, number: int) -> None:
        del self.world.said_of[number], self.world.face_of[number]
        for op in self.world.ops.values():
            op.said.pop(number, None)

    @invariant()
    def agree(self) -> None:
        """Members, whose the templates are, of whom what is said, and what can be undone."""
        names, owner = self.world.names, self.world.owner
        assert {member.name: member.n_templates for member in self.store.members()} == {
            name: Counter(owner.values())[person] for person, name in names.items()
        }
        assert {each.template_id: each.member for each in self.store.enrolled_faces()} == {
            key: names[person] for key, person in owner.items()
        }
        said = {each.rejection_id: each.member for each in self.store.rejections()}
        assert said == {key: names[person] for key, person in self.world.said_of.items()}
        told = {entry.entry_id: (entry.can_undo, entry.undone_by, entry.is_partial) for entry in self.store.history()}
        assert told == {
            key: (self.world.back(key) is not None, op.undone_by, op.is_partial) for key, op in self.world.ops.items()
        }

    @invariant()
    def nobody_forgotten_is_left(self) -> None:
        """No forgotten name in any column of any table, and nothing wrong with the rows."""
        with closing(sqlite3.connect(self.path)) as raw:
            dump = "\n".join(raw.iterdump()).lower()
        assert not [name for name in self.world.forgotten if name.lower() in dump]
        assert self.store.check() == []


@pytest.mark.parametrize(
    ("secret", "n_examples"),
    [(None, 15), (Secret(SecretKind.KEY_FILE, b"0123456789abcdef" * 2), 3)],
    ids=["plain", "encrypted"],
)
def test_any_life_of_a_gallery(tmp_path: Path, secret: Secret | None, n_examples: int) -> None:
    """Whatever is done, undone and forgotten in any order, the store holds what the model says it does."""

    class Machine(Lives):
        empty = tmp_path / "gallery" / "gallery.sqlite3"

    Machine.secret = secret
    Store.create(Machine.empty, model=MODEL, preparation=Preparation.BOX, secret=secret).close()
    run_state_machine_as_test(
        Machine,
        settings=settings(
            phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking would take minutes
            max_examples=n_examples,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )
