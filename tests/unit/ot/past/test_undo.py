"""Undo and redo, case by case; the laws are in tests/property/test_undo_laws.py."""

import pytest

from coedit.ot import Delta, apply
from coedit.ot.past.undo import MAX_UNITS, TypingGroups, UndoHistory


class Shown:
    """A document as it is shown, and its history."""

    def __init__(self, document: Delta, max_steps: int = 100) -> None:
        self.document = document
        self.history = UndoHistory(max_steps)

    def edit(self, delta: Delta, group: object = None) -> None:
        self.history.record(delta, self.document, group)
        self.document = apply(self.document, delta)

    def receive(self, delta: Delta) -> None:
        self.history.carry(delta)
        self.document = apply(self.document, delta)

    def undo(self) -> Delta | None:
        return self._follow(self.history.undo(self.document))

    def redo(self) -> Delta | None:
        return self._follow(self.history.redo(self.document))

    def _follow(self, delta: Delta | None) -> Delta | None:
        self.document = apply(self.document, delta or Delta())
        return delta


def at(position: int) -> Delta:
    return Delta().retain(position)


def test_undo_takes_back_the_newest_step_and_redo_restores_it() -> None:
    shown = Shown(Delta().insert("a😀"))
    shown.edit(at(3).insert("b", {"bold": True}))
    shown.edit(at(1).delete(2))
    assert shown.undo() == at(1).insert("😀")
    assert shown.undo() == at(3).delete(1)
    assert shown.undo() is None
    assert (shown.redo(), shown.redo()) == (at(3).insert("b", {"bold": True}), at(1).delete(2))
    assert shown.redo() is None


def test_what_others_inserted_inside_stays() -> None:
    shown = Shown(Delta())
    shown.edit(Delta().insert("mine"))
    shown.receive(at(2).insert("THEIRS", {"bold": True}))
    shown.undo()
    assert shown.document == Delta().insert("THEIRS", {"bold": True})
    shown.redo()
    assert shown.document == Delta().insert("mi").insert("THEIRS", {"bold": True}).insert("ne")


def test_what_others_deleted_does_not_come_back_by_redo() -> None:
    shown = Shown(Delta())
    shown.edit(Delta().insert("abc"))
    shown.receive(at(1).delete(1))
    shown.undo()
    shown.redo()
    assert shown.document.text == "ac"


def test_format_that_others_changed_since_stays() -> None:
    shown = Shown(Delta().insert("abc"))
    shown.edit(Delta().retain(3, {"bold": True, "font": "serif"}))
    shown.receive(at(1).retain(1, {"bold": 2}))
    shown.undo()
    assert shown.document == Delta().insert("a").insert("b", {"bold": 2}).insert("c")


def test_deleted_formats_and_embeds_come_back() -> None:
    document = Delta().insert("a", {"bold": True}).insert({"image": "x"}, {"width": 3}).insert("😀")
    shown = Shown(document)
    shown.edit(Delta().delete(4))
    shown.undo()
    assert shown.document == document


def test_step_of_which_others_left_nothing_is_passed_over() -> None:
    shown = Shown(Delta().insert("x"))
    shown.edit(Delta().insert("a"))
    shown.edit(at(2).insert("b"))
    shown.receive(at(2).delete(1))
    assert shown.undo() == Delta().delete(1)
    assert not shown.history.can_undo


def test_format_that_changes_nothing_is_passed_over() -> None:
    shown = Shown(Delta().insert("x"))
    shown.edit(Delta().insert("a"))
    shown.edit(Delta().retain(2, {"bold": None}))
    assert shown.undo() == Delta().delete(1)


def test_can_undo_knows_what_others_did() -> None:
    shown = Shown(Delta())
    assert (shown.history.can_undo, shown.history.can_redo) == (False, False)
    shown.edit(Delta().insert("a"))
    assert (shown.history.can_undo, shown.history.can_redo) == (True, False)
    shown.undo()
    assert (shown.history.can_undo, shown.history.can_redo) == (False, True)
    shown.redo()
    shown.receive(Delta().delete(1))
    assert (shown.history.can_undo, shown.history.can_redo) == (False, False)


def test_edits_of_one_group_are_one_step() -> None:
    shown = Shown(Delta())
    for index, letter in enumerate("word"):
        shown.edit(at(index).insert(letter), "typing")
        shown.receive(Delta())
    shown.receive(at(2).insert("-"))
    shown.edit(at(5).insert("!"), "other")
    shown.undo()
    assert shown.document.text == "wo-rd"
    shown.undo()
    assert shown.document.text == "-"
    shown.redo()
    assert shown.document.text == "wo-rd"


def test_group_ends_with_an_undo() -> None:
    shown = Shown(Delta())
    shown.edit(Delta().insert("a"), 1)
    shown.edit(at(1).insert("b"), 2)
    shown.undo()
    shown.edit(at(1).insert("c"), 1)
    shown.undo()
    assert shown.document.text == "a"


def test_group_that_cancels_out_is_no_step() -> None:
    shown = Shown(Delta())
    shown.edit(Delta().insert("a"), 1)
    shown.edit(Delta().delete(1), 1)
    assert not shown.history.can_undo


def test_edit_ends_what_can_be_redone() -> None:
    shown = Shown(Delta())
    shown.edit(Delta().insert("a"))
    shown.undo()
    shown.edit(Delta().insert("b"))
    assert shown.redo() is None


def test_oldest_steps_are_forgotten() -> None:
    shown = Shown(Delta(), max_steps=3)
    for letter in "abcde":
        shown.edit(Delta().insert(letter))
    while shown.undo():
        pass
    assert shown.document.text == "ba"


def test_no_steps_at_all_costs_and_undoes_nothing() -> None:
    shown = Shown(Delta(), max_steps=0)
    shown.edit(Delta().insert("a"))
    assert shown.undo() is None


def test_much_deleted_text_pushes_older_steps_out() -> None:
    shown = Shown(Delta().insert("x" * (MAX_UNITS + 2)))
    shown.edit(Delta().delete(1))
    shown.edit(Delta().delete(MAX_UNITS + 1))
    assert shown.undo() == Delta().insert("x" * (MAX_UNITS + 1))
    assert shown.undo() is None


@pytest.mark.parametrize("count", [63, 64, 65, 300])
def test_long_run_of_others_reaches_every_step(count: int) -> None:
    shown = Shown(Delta())
    for letter in "abc":
        shown.edit(Delta().insert(letter))
    for index in range(count):
        shown.receive(at(min(index, 2)).insert("."))
    while shown.undo():
        pass
    assert shown.document.text == "." * count


def test_pause_begins_a_group() -> None:
    groups = TypingGroups(pause_seconds=0.5)
    assert [groups.at(now) for now in (0.0, 0.4, 0.8, 1.3, 1.4)] == [1, 1, 1, 2, 2]
