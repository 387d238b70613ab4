"""Which updates may be applied; most are made by pycrdt, the hostile ones by hand."""

from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text

from coedit.crdt.document import yjs_client_id
from coedit.errors import InvalidUpdateError, NotTextError, ServerIdError, TooLargeError, WrongRootError
from coedit.identifiers import ClientId, DocumentId
from coedit.protocol.yjs.gate import (
    MAX_SPLIT_UNITS,
    Needs,
    check_ids,
    check_splits,
    check_text,
    is_text,
    lacks,
)
from coedit.protocol.yjs.ids import FIRST_SERVER_ID, LAST_SERVER_ID, awareness_id, is_server_id
from coedit.protocol.yjs.lib0 import write_text, write_uint
from coedit.protocol.yjs.update import decode_state_vector, decode_update
from tests.many_splits import inserting, typed_with_letters_in_it


class Author:
    """A document whose edits are told as the updates of single transactions."""

    def __init__(self, client: int) -> None:
        self.doc: Doc[Any] = Doc(client_id=client)
        self.text = self.doc.get("content", type=Text)
        self.updates: list[bytes] = []
        self.subscription = self.doc.observe(lambda event: self.updates.append(event.update))

    def write(self, index: int, text: str) -> bytes:
        self.text.insert(index, text)
        return self.updates[-1]


def test_update_waits_for_what_its_author_did_before() -> None:
    author = Author(1)
    first, second = author.write(0, "a"), author.write(1, "b")
    assert not lacks(decode_update(first), {})
    assert lacks(decode_update(second), {})
    assert not lacks(decode_update(second), {1: 1})


def test_update_waits_for_what_it_was_inserted_beside() -> None:
    author, other = Author(1), Author(2)
    other.doc.apply_update(author.write(0, "a"))
    beside = decode_update(other.write(1, "b"))
    assert lacks(beside, {})
    assert not lacks(beside, {1: 1})


def test_update_waits_for_what_it_deletes() -> None:
    author, other = Author(1), Author(2)
    other.doc.apply_update(author.write(0, "ab"))
    del other.text[1:2]
    deletion = decode_update(other.updates[-1])
    assert lacks(deletion, {1: 1})
    assert not lacks(deletion, {1: 2})


def test_whole_document_lacks_nothing() -> None:
    author, other = Author(1), Author(2)
    other.doc.apply_update(author.write(0, "ab"))
    author.doc.apply_update(other.write(1, "XY"))
    author.write(2, "c")
    assert not lacks(decode_update(author.doc.get_update()), {})


def test_what_follows_a_hole_waits() -> None:
    holed = decode_update(bytes.fromhex("01030500040101740268690a0384050402686900"))
    assert lacks(holed, {5: 2})
    assert not lacks(holed, {5: 5})


def test_items_that_wait_for_each_other_are_never_ready() -> None:
    """Client 1's second rests on client 2's second, and the other way around."""
    circle = decode_update(_blocks(_item(1, 0), _beside(2, 1)) + _blocks_end(_item(2, 0), _beside(1, 1)))
    assert lacks(circle, {})
    assert not lacks(circle, {2: 2})


def test_items_that_rest_on_each_other_in_turns_are_ready() -> None:
    ladder = decode_update(_blocks(_item(1, 0), _beside(2, 0)) + _blocks_end(_item(2, 0), _beside(1, 1)))
    assert not lacks(ladder, {})


def test_long_ladder_is_climbed() -> None:
    """Each of 2,000 rungs rests on the other client's before it; nobody goes round again and again."""
    count = 2_000
    first = [_item(1, 0), *(_beside(2, rung) for rung in range(count))]
    second = [_item(2, 0), *(_beside(1, rung + 1) for rung in range(count))]
    assert not lacks(decode_update(_blocks(*first) + _blocks_end(*second)), {})


def test_needs_are_met_once_all_of_them_are_there() -> None:
    author, other = Author(1), Author(2)
    other.doc.apply_update(author.write(0, "ab"))
    other.write(2, "c")
    del other.text[0:1]
    assert Needs(decode_update(other.doc.get_update())).are_met({})
    needs = Needs(decode_update(other.doc.get_update(author.doc.get_state())))
    assert [needs.are_met(known) for known in ({}, {1: 1}, {1: 2})] == [False, False, True]


@pytest.mark.parametrize("known", [{5: 2}, {5: 4}, {5: 5}])
def test_needs_of_what_follows_a_hole(known: dict[int, int]) -> None:
    holed = decode_update(bytes.fromhex("01030500040101740268690a0384050402686900"))
    assert Needs(holed).are_met(known) is not lacks(holed, known)


def test_needs_of_a_circle_are_never_met() -> None:
    circle = decode_update(_blocks(_item(1, 0), _beside(2, 1)) + _blocks_end(_item(2, 0), _beside(1, 1)))
    assert not Needs(circle).are_met({2: 2, 1: 2})


class _Counted(dict[int, int]):
    """A state vector that counts how often it is asked."""

    asked = 0

    def get(self, key: int, default: Any = None) -> Any:
        self.asked += 1
        return super().get(key, default)


def test_asking_again_takes_one_step_however_much_is_needed() -> None:
    """Of 3,000 items beside 1,000 others' all but one are there; 50 times nothing more comes."""
    items = [_beside(10 + number % 1_000, 0) for number in range(3_000)]
    needs = Needs(decode_update(b"\x01" + write_uint(3_000) + b"\x01\x00" + b"".join(items) + b"\x00"))
    known = _Counted(dict.fromkeys(range(10, 1010), 1))
    del known[500]
    assert not any(needs.are_met(known) for _ in range(50))
    assert known.asked <= 1_000 + 50
    known[500] = 1
    assert needs.are_met(known)


def _blocks(*items: bytes) -> bytes:
    return b"\x02" + write_uint(len(items)) + b"\x01\x00" + b"".join(items)


def _blocks_end(*items: bytes) -> bytes:
    return write_uint(len(items)) + b"\x02\x00" + b"".join(items) + b"\x00"


def _item(_client: int, _clock: int) -> bytes:
    return b"\x04\x01" + write_text("content") + write_text("x")


def _beside(client: int, clock: int) -> bytes:
    return b"\x84" + write_uint(client) + write_uint(clock) + write_text("y")


@pytest.mark.parametrize("client", [FIRST_SERVER_ID, LAST_SERVER_ID, yjs_client_id(DocumentId("notes"))])
def test_new_items_under_a_server_id_are_refused(client: int) -> None:
    update = decode_update(Author(client).write(0, "ab"))
    with pytest.raises(ServerIdError):
        check_ids(update, {})
    with pytest.raises(ServerIdError):
        check_ids(update, {client: 1})
    check_ids(update, {client: 2})  # sent back, as after every step 1


@pytest.mark.parametrize("client", [0, FIRST_SERVER_ID - 1, LAST_SERVER_ID + 1, 2**53 - 1])
def test_items_under_any_other_id_are_not(client: int) -> None:
    check_ids(decode_update(Author(client).write(0, "ab")), {})


def test_the_servers_ids_are_in_the_servers_range() -> None:
    assert all(is_server_id(yjs_client_id(DocumentId(f"d{n}"))) for n in range(200))
    assert all(is_server_id(awareness_id(ClientId(f"c{n}"))) for n in range(200))


def test_text_with_all_that_a_delta_can_say_is_text() -> None:
    author = Author(1)
    author.text.insert(0, "a😀", {"bold": True, "link": {"to": "b"}})
    author.text.insert_embed(1, {"image": "x"})
    del author.text[0:1]
    check_text(decode_update(author.doc.get_update()), "content")


def test_what_is_for_another_root_is_refused() -> None:
    update = decode_update(Author(1).write(0, "a"))
    with pytest.raises(WrongRootError):
        check_text(update, "quill")
    assert not is_text(update, "quill")


def test_what_no_delta_can_say_is_refused() -> None:
    for content in (Map({"a": 1}), Array([1])):
        doc: Doc[Any] = Doc(client_id=1)
        doc["content"] = content
        update = decode_update(doc.get_update())
        with pytest.raises(NotTextError):
            check_text(update, "content")
        assert not is_text(update, "content")


def test_shared_type_as_embed_is_refused() -> None:
    author = Author(1)
    author.text.insert_embed(0, Map({"a": 1}))
    with pytest.raises(NotTextError):
        check_text(decode_update(author.doc.get_update()), "content")


def test_member_of_the_text_itself_is_refused() -> None:
    """A string under a key, as `setAttribute` of the text makes it."""
    member = b"\x01\x01\x05\x00\x24\x01" + write_text("content") + write_text("key") + write_text("x") + b"\0"
    with pytest.raises(NotTextError):
        check_text(decode_update(member), "content")


@pytest.mark.parametrize("embed", ['"text"', "[1]", "{}", "null", '{"__proto__":1}', '{"a":1e300}'])
def test_embed_that_no_delta_may_hold_is_refused(embed: str) -> None:
    update = b"\x01\x01\x05\x00\x05\x01" + write_text("content") + write_text(embed) + b"\0"
    with pytest.raises(InvalidUpdateError):
        check_text(decode_update(update), "content")


@pytest.mark.parametrize(("key", "value"), [("__proto__", "1"), ("a", "1e300"), ("a", "[" * 40 + "]" * 40)])
def test_attribute_that_no_delta_may_hold_is_refused(key: str, value: str) -> None:
    update = b"\x01\x01\x05\x00\x06\x01" + write_text("content") + write_text(key) + write_text(value) + b"\0"
    with pytest.raises(InvalidUpdateError):
        check_text(decode_update(update), "content")


def test_state_of_pycrdt_is_read_as_it_means_it() -> None:
    author = Author(2**53 - 1)
    author.write(0, "a😀")
    assert decode_state_vector(author.doc.get_state()) == {2**53 - 1: 3}


def test_update_that_splits_its_own_string_too_often_is_refused() -> None:
    units = 200_000
    most = MAX_SPLIT_UNITS // units
    check_splits(decode_update(typed_with_letters_in_it("a" * units, range(most))))
    with pytest.raises(TooLargeError):
        check_splits(decode_update(typed_with_letters_in_it("a" * units, range(most + 1))))


def test_update_may_split_what_is_there_as_often_as_it_likes() -> None:
    check_splits(decode_update(inserting(range(100_000))))


def test_whole_document_that_was_edited_all_over_splits_nothing() -> None:
    author, other = Author(1), Author(2)
    author.write(0, "a" * 200_000)
    other.doc.apply_update(author.doc.get_update())
    for place in range(0, 200_000, 1_000):
        other.write(place, "b")
    update = decode_update(other.doc.get_update())
    starts = {(run.client, run.first) for run in update.runs}
    inside = [
        cut
        for cut in update.cuts
        for run in update.runs
        if run.client == cut.client and run.first < cut.clock < run.end
    ]
    assert starts
    assert not inside
