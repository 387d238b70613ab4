"""Beside what somebody may write, and what it takes to see it: what was collected has no place, wherever it is."""

from typing import Any

import pytest
from pycrdt import Doc, Map, Text

from coedit.crdt.document import YjsDocument
from coedit.crdt.neighbours import Neighbours
from coedit.crdt.sequence import Item, items_in_order
from coedit.errors import InvalidUpdateError
from coedit.identifiers import document_id
from coedit.protocol.yjs.lib0 import write_text, write_uint
from coedit.protocol.yjs.update import COLLECTED, decode_state_vector, decode_update

NAME = document_id("notes")
_AT_THE_TOP = b"\1" + write_text("content")


def _one_block(client: int, clock: int, *structs: bytes) -> bytes:
    return bytes((1, len(structs), client, clock)) + b"".join(structs) + b"\0"


_TYPED = _one_block(7, 0, b"\4" + _AT_THE_TOP + b"\3abc")
_COLLECTED = _one_block(7, 0, b"\0\5")
"""Up to clock 5, where three are known."""


class _Side:
    """A document whose updates are checked."""

    def __init__(self, update: bytes = b"") -> None:
        self.yjs = YjsDocument(NAME, update)
        self.neighbours = Neighbours(self.yjs, "content")

    def take(self, data: bytes) -> None:
        update, known = decode_update(data), decode_state_vector(self.yjs.state_vector())
        self.neighbours.is_plain(update, known)
        self.neighbours.check(data, update, known)
        self.yjs.take(data)
        self.neighbours.note(update, known)


_BESIDE_IT = {
    "behind it": _one_block(7, 5, b"\x84\7\4\1z"),
    "behind it by another": _one_block(8, 0, b"\x84\7\3\1z"),
    "before it": _one_block(8, 0, b"\x44\7\4\1z"),
    "between a letter and it": _one_block(8, 0, b"\xc4\7\2\7\4\1z"),
    "between it and a letter": _one_block(8, 0, b"\xc4\7\4\7\2\1z"),
    "the end of what it is the beginning of": _one_block(7, 4, b"\x84\7\2\3xyz"),
    "behind what stands so in the same update": _one_block(8, 0, b"\x84\7\4\1y", b"\x84\x08\0\1z"),
}


@pytest.mark.parametrize("update", _BESIDE_IT.values(), ids=_BESIDE_IT.keys())
def test_nothing_stands_beside_what_was_collected(update: bytes) -> None:
    side = _Side()
    for before in (_TYPED, _COLLECTED):
        side.take(before)
    with pytest.raises(InvalidUpdateError):
        side.take(update)


def test_nothing_stands_beside_what_the_same_update_says_was_collected() -> None:
    with pytest.raises(InvalidUpdateError):
        _Side().take(_one_block(7, 0, b"\0\2", b"\x84\7\1\1z"))


def test_beside_what_stood_at_what_was_collected_anybody_goes_on() -> None:
    side = _Side()
    for update in (_TYPED, _COLLECTED, _one_block(7, 5, b"\x84\7\2\1d"), _one_block(8, 0, b"\x84\7\5\1e")):
        side.take(update)
    assert YjsDocument(NAME, side.yjs.update()).render() == side.yjs.content
    assert side.yjs.content.to_json() == [{"insert": "abcde"}]


def test_document_in_which_something_nested_was_collected_is_taken() -> None:
    author: Doc[Any] = Doc({"content": Text("abc")})
    text = author.get("content", type=Text)
    text.insert_embed(1, Map({"key": "value"}))
    del text[1]
    whole = author.get_update()
    assert COLLECTED in decode_update(whole).kinds
    side = _Side()
    side.take(whole)
    loaded = _Side(whole)
    for place in (0, 1, 2, len(str(text))):
        known = author.get_state()
        text.insert(place, "x")
        side.take(author.get_update(known))
        loaded.take(author.get_update(known))
    assert side.yjs.content == loaded.yjs.content
    assert side.yjs.content.to_json() == [{"insert": str(text)}]


_LETTERS = 500
"""Each an item of its own in a document of two who typed before each other's letters."""


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets an entry whenever the order of all items is asked of yrs: how many they are."""
    made: list[int] = []

    def counted(update: bytes, root: str) -> list[Item]:
        items = items_in_order(update, root)
        made.append(len(items))
        return items

    monkeypatch.setattr("coedit.crdt.neighbours.items_in_order", counted)
    return made


def _between(client: int, left: tuple[int, int], right: tuple[int, int]) -> bytes:
    ids = b"".join(map(write_uint, (*left, *right)))
    return _one_block(client, 0, b"\xc4" + ids + b"\1z")


def _of_two_at_one_place() -> _Side:
    """Return a document in which clients 1 and 2 typed many letters at one place at the same time."""
    side = _Side()
    side.take(_one_block(9, 0, b"\4" + _AT_THE_TOP + b"\2()"))
    for client in (1, 2):
        for clock in range(_LETTERS):
            left = (client, clock - 1) if clock else (9, 0)
            ids = b"".join(map(write_uint, (*left, 9, 1)))
            side.take(b"\1\1" + write_uint(client) + write_uint(clock) + b"\xc4" + ids + b"\1x\0")
    return side


def test_who_writes_where_two_wrote_at_the_same_time_takes_few_orders(orders: list[int]) -> None:
    side = _of_two_at_one_place()
    assert not orders
    last_of_one = (1, _LETTERS - 1)
    for client in range(10, 60):
        side.take(_between(client, last_of_one, (2, 0)))  # all at the same time
    assert len(orders) == 1
    for client in range(60, 108):
        side.take(_between(client, (client - 50, 0), (client - 49, 0)))  # between each two of them
    assert len(orders) == 2
    for client in range(108, 125):
        side.take(_between(client, last_of_one, (2, 0)))  # who had not seen any of it
    assert len(orders) == 2
    assert YjsDocument(NAME, side.yjs.update()).render() == side.yjs.content


def test_what_is_refused_is_refused_again_where_an_order_is_kept(orders: list[int]) -> None:
    side = _of_two_at_one_place()
    side.take(_between(10, (1, _LETTERS - 1), (2, 0)))
    for _ in range(2):
        with pytest.raises(InvalidUpdateError):
            side.take(_between(11, (2, 0), (1, _LETTERS - 1)))
    side.take(_between(11, (1, _LETTERS - 1), (2, 0)))
    assert len(orders) == 3


def test_gaps_and_orders_are_let_go_of(orders: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coedit.crdt.neighbours._ALLOWED", 1)
    monkeypatch.setattr("coedit.crdt.neighbours._KEPT_FOR", 2)
    side = _of_two_at_one_place()
    for client in (10, 11):
        side.take(_between(client, (1, _LETTERS - 1), (2, 0)))
    side.take(_between(12, (10, 0), (11, 0)))
    for client in (13, 14, 15):
        side.take(_between(client, (9, 0), (1, 0)))
    side.take(_between(16, (1, _LETTERS - 1), (2, 0)))
    assert len(orders) == 3
