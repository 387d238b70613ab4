"""What an update says, on updates that npm yjs 13.6 wrote."""

import pytest

from coedit.errors import InvalidUpdateError
from coedit.protocol.yjs.update import (
    Block,
    Mark,
    decode_state_vector,
    decode_update,
    encode_state_vector,
    parts_of,
)

# Client 7: insert 'a😀b漢c', bold over the emoji and the b, an embed; client 9: '日👍本' inside, and the a deleted.
TEXT = bytes.fromhex(
    "02010900c4070207030ae697a5f09f918de69cac070700010107636f6e74656e740184070004f09f9880840702016284070304e6bca263c6"
    "0700070104626f6c640474727565c60703070404626f6c64046e756c6cc507070704107b22696d616765223a22f09f9880227d0107010001"
)
# A map with an array of values, an array with a map and a text in it, XML, and a subdocument.
OTHER = bytes.fromhex(
    "010c03002101016d016101a80300017f0801016c017d018703020128000303016b017a000001000000000087030302040003"
    "050268690701017803017028000308016b0177017607000308060400030a02696e2901016d03646f63016776000103010001"
)


def test_text_is_read() -> None:
    update = decode_update(TEXT)
    assert update.blocks == (Block(9, 0, 4), Block(7, 0, 9))
    assert update.deleted == (Block(7, 0, 1),)
    assert update.roots == {"content"}
    assert update.kinds == {1, 4, 5, 6}
    assert update.embeds == ({"image": "😀"},)
    assert update.marks == (Mark("bold", True), Mark("bold", None))
    assert [TEXT[span.start : span.end].decode()[1:] for span in update.strings] == [
        "日👍本",
        "😀",
        "b",
        "漢c",
    ]
    assert [span.units for span in update.strings] == [4, 2, 1, 2]
    assert {(needs.on.client, needs.on.clock) for needs in update.dependencies} == {
        (7, 0), (7, 1), (7, 2), (7, 3), (7, 4), (7, 7)
    }  # fmt: skip
    assert not update.is_nested
    assert not update.is_empty


def test_update_of_another_shape_is_read() -> None:
    update = decode_update(OTHER)
    assert update.blocks[0].client == 3
    assert {2, 4, 7, 8, 9} & update.kinds == {4, 7, 8, 9}
    assert update.roots == {"m", "l", "x"}
    assert update.is_nested


def test_parts_are_counted() -> None:
    """Here two clients' blocks of one struct and of seven, one's deletes of a range, and the heads of all three."""
    assert parts_of(TEXT, 100) == 2 + 8 + 2
    assert parts_of(b"\0\0", 100) == 0


def test_parts_are_counted_no_further_than_they_matter() -> None:
    head = b"\1\xff\xff\xff\x7f\7\0"  # a block of so many structs, of which none is there
    assert parts_of(head, 1000) > 1000
    assert parts_of(b"\0\1\7\xff\xff\xff\x7f", 1000) > 1000
    assert parts_of(OTHER, 1000) > 1000, "it holds lists of values"
    for damaged in (b"", head, TEXT[:-1]):
        with pytest.raises(InvalidUpdateError):
            parts_of(damaged, 2**40)


def test_empty_update_says_nothing() -> None:
    assert decode_update(b"\0\0").is_empty


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("nothing at all", ""),
        ("cut off", "0101050004010174026869"),
        ("bytes behind the end", "000000"),
        ("text that is not UTF-8", "01010500040101740280ff00"),
        ("text beyond the end", "0101050004010174f0ffff7f6869"),
        ("unknown content", "010105000b01017400"),
        ("unknown shared type", "010105000701017f0700"),
        ("an item without length", "0101050004010174" + "00" + "00"),
        ("an embed that is not JSON", "01010500050101740278" + "7b" + "00"),
        ("collected with a neighbour", "0101050080050001" + "0100"),
        ("a clock of 33 bits", "0101058080808010" + "04010174026869" + "00"),
        ("an integer of 64 bits", "ffffffffffffffffff01"),
        ("two blocks of one client", "02" + "0105000401017402" + "6869" + "0105020401017402" + "6869" + "00"),
        ("an item that rests on a later one", "01010500840505026869" + "00"),
        ("a value nested too deeply", "01010500080101740" + "1" + "7501" * 70 + "7e" + "00"),
    ],
)
def test_what_no_client_writes_is_refused(what: str, data: str) -> None:
    with pytest.raises(InvalidUpdateError):
        decode_update(bytes.fromhex(data))


def test_declared_counts_cost_nothing() -> None:
    """Two to the 53rd blocks, structs, values, ranges: the data ends first."""
    most = "ffffffffffffff0f"
    for start in ("", "01", "0001", "000105", "0101050008010174"):
        with pytest.raises(InvalidUpdateError):
            decode_update(bytes.fromhex(start + most))


def test_hole_ends_a_block() -> None:
    """Client 5 has the letters 0 and 1, then a hole of 3, then the letters 5 and 6."""
    update = decode_update(bytes.fromhex("0103050004010174026869" + "0a03" + "8405040268690" + "0"))
    assert update.blocks == (Block(5, 0, 2), Block(5, 5, 7))


def test_state_vector_comes_back() -> None:
    known = {5: 3, 2**53 - 1: 300, 2**33: 1}
    assert decode_state_vector(encode_state_vector(known)) == known
    assert decode_state_vector(b"\0") == {}


@pytest.mark.parametrize("data", ["", "01", "0105", "0000", "010580"])
def test_broken_state_vector_is_refused(data: str) -> None:
    with pytest.raises(InvalidUpdateError):
        decode_state_vector(bytes.fromhex(data))
