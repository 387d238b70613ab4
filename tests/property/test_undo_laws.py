"""The laws of undo, on documents in which every character is the only one of its kind and known by its author."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import chain

from hypothesis import event, given
from hypothesis import strategies as st

from coedit.ot import Delete, Delta, apply
from coedit.ot.parts.attributes import Attributes
from coedit.ot.parts.ops import Insert, Retain
from coedit.ot.parts.utf16 import from_units, to_units
from coedit.ot.past.undo import UndoHistory
from coedit.testing.strategies import atom_sizes, deltas, documents, format_changes, formats
from tests.laws import costly_law

_STEPS = st.lists(st.sampled_from(["mine", "mine", "group", "theirs", "undo", "redo"]), max_size=14)


@costly_law
@given(st.data(), documents())
def test_undo_right_after_an_edit_is_identity(data: st.DataObject, document: Delta) -> None:
    history = UndoHistory()
    edit = data.draw(deltas(document))
    history.record(edit, document)
    after = apply(document, edit)
    undo = history.undo(after)
    assert apply(after, undo or Delta()) == document
    event(f"undone: {undo is not None}")


@costly_law
@given(st.data(), documents())
def test_steps_down_and_up_again_meet_the_same_states(data: st.DataObject, document: Delta) -> None:
    history, shown = UndoHistory(), document
    made = [document]
    for group in data.draw(st.lists(st.sampled_from([None, 1, 2]), max_size=6)):
        edit = data.draw(deltas(shown))
        history.record(edit, shown, group)
        shown = apply(shown, edit)
        made.append(shown)
    down = [shown]
    while (undo := history.undo(shown)) is not None:
        shown = apply(shown, undo)
        down.append(shown)
    assert shown == document
    assert all(state in made for state in down)
    for state in reversed(down[:-1]):
        redo = history.redo(shown)
        assert redo is not None
        shown = apply(shown, redo)
        assert shown == state
    assert history.redo(shown) is None


@costly_law
@given(st.data(), documents(), st.integers(1, 4))
def test_undo_of_all_leaves_what_only_others_would_have_made(
    data: st.DataObject, document: Delta, count: int
) -> None:
    """Where others come after one's own edits and touch none of it, their edits alone remain."""
    history, shown = UndoHistory(), document
    for _ in range(count):
        edit = data.draw(deltas(shown))
        history.record(edit, shown)
        shown = apply(shown, edit)
    theirs = data.draw(deltas(Delta()))
    history.carry(theirs)
    shown = apply(shown, theirs)
    while (undo := history.undo(shown)) is not None:
        shown = apply(shown, undo)
    assert shown == apply(document, theirs)


@costly_law
@given(st.data(), _STEPS)
def test_undo_and_redo_never_touch_what_is_anothers(data: st.DataObject, steps: list[str]) -> None:
    """Neither removes a character of another's, nor sets an attribute that another set last."""
    world = _World(data)
    for step in [*steps, "undo", "undo"]:
        world.step(step)
    event(f"checked steps: {world.checked > 0}")


@costly_law
@given(st.data(), st.lists(st.sampled_from(["mine", "group", "theirs"]), max_size=14))
def test_undo_of_all_removes_all_that_is_mine_and_returns_all_that_is_not(
    data: st.DataObject, steps: list[str]
) -> None:
    world = _World(data)
    for step in steps:
        world.step(step)
    left = world.by_others_after_deletes_of_theirs()
    while world.undo():
        pass
    text = world.document.text
    assert len(set(text)) == len(text)
    assert set(text) == left


def _fresh() -> Iterator[str]:
    return map(chr, chain.from_iterable(zip(range(0x4E00, 0x6000), range(0x1F300, 0x1F5FF), strict=False)))


class _World:
    """A shown document that two edit, one of whom can undo."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self._fresh = _fresh()
        self._author: dict[str, str] = {}
        self._deleted_by_others: set[str] = set()
        self._setters: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        """Who set an attribute of a character, newest last; behind the others, what was set and is undone."""
        self.history = UndoHistory()
        self.document = Delta().insert(self._written("theirs", 8))
        self.checked = 0

    def step(self, kind: str) -> None:
        if kind == "undo":
            self.undo()
        elif kind == "redo":
            self._follow(self.history.redo(self.document), is_redo=True)
        else:
            self._edit(kind)

    def undo(self) -> bool:
        return self._follow(self.history.undo(self.document))

    def by_others_after_deletes_of_theirs(self) -> set[str]:
        return {
            character
            for character, author in self._author.items()
            if author == "theirs" and character not in self._deleted_by_others
        }

    def _edit(self, kind: str) -> None:
        delta = self._delta(kind)
        if kind == "theirs":
            self.history.carry(delta)
            self._deleted_by_others |= self._touched(delta, Delete)
        else:
            self.history.record(delta, self.document, 1 if kind == "group" else None)
            if not self.history.can_redo:
                self._forget_undone()
        for key in self._set_by(delta):
            self._setters[key].append("theirs" if kind == "theirs" else "mine")
        self.document = apply(self.document, delta)

    def _follow(self, delta: Delta | None, *, is_redo: bool = False) -> bool:
        if delta is None:
            return False
        self.checked += 1
        if not is_redo:
            assert all(self._author[character] != "theirs" for character in self._touched(delta, Delete))
        before, formatted = _formats(self.document), self._set_by(delta)
        self.document = apply(self.document, delta)
        after = _formats(self.document)
        for character, name in formatted:
            if before[character].get(name) != after[character].get(name):
                (_check_redone if is_redo else _check_undone)(self._setters[character, name])
        return True

    def _forget_undone(self) -> None:
        for setters in self._setters.values():
            setters[:] = [setter for setter in setters if setter != "undone"]

    def _delta(self, kind: str) -> Delta:
        """Draw an insert, a delete or a format of some characters."""
        draw, sizes = self._data.draw, atom_sizes(self.document)
        start = draw(st.integers(0, len(sizes)))
        end = min(len(sizes), start + draw(st.integers(1, 4)))
        delta, length = Delta().retain(sum(sizes[:start])), sum(sizes[start:end])
        what = draw(st.sampled_from("iidf"))
        if what == "i" or not length:
            return self._inserted(delta, kind)
        return delta.delete(length) if what == "d" else delta.retain(length, draw(format_changes))

    def _inserted(self, delta: Delta, kind: str) -> Delta:
        draw = self._data.draw
        return delta.insert(self._written(kind, draw(st.integers(1, 3))), draw(formats))

    def _written(self, kind: str, size: int) -> str:
        text = "".join(next(self._fresh) for _ in range(size))
        self._author |= dict.fromkeys(text, "theirs" if kind == "theirs" else "mine")
        return text

    def _touched(self, delta: Delta, kind: type[Delete] | type[Retain]) -> set[str]:
        return {character for op, character in _reads(self.document, delta) if type(op) is kind}

    def _set_by(self, delta: Delta) -> list[tuple[str, str]]:
        return [
            (character, name)
            for op, character in _reads(self.document, delta)
            if type(op) is Retain
            for name in op.attributes or ()
        ]


def _check_undone(setters: list[str]) -> None:
    """Only what one set oneself is undone, and only if nobody set it since."""
    newest = _newest_in_force(setters)
    assert newest >= 0
    assert setters[newest] == "mine"
    setters[newest] = "undone"


def _check_redone(setters: list[str]) -> None:
    """Only what was undone is redone, and only if nobody set it since."""
    oldest_undone = _newest_in_force(setters) + 1
    assert oldest_undone < len(setters)
    setters[oldest_undone] = "mine"


def _newest_in_force(setters: list[str]) -> int:
    return max([index for index, setter in enumerate(setters) if setter != "undone"], default=-1)


def _reads(document: Delta, delta: Delta) -> Iterator[tuple[Retain | Delete, str]]:
    """Pair the characters of the document with the ops that read them."""
    characters = iter(document.text)
    for op in delta.ops:
        if type(op) is Insert:
            continue
        left = op.length
        while left:
            character = next(characters)
            left -= len(to_units(character))
            yield op, character


def _formats(document: Delta) -> dict[str, Attributes]:
    return {
        character: op.attributes or {}
        for op in document.ops
        if type(op) is Insert and isinstance(op.content, str)
        for character in from_units(op.content)
    }
