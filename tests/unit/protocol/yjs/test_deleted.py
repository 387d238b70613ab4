"""What is told of the deletes of a document to who has some of its items, and at what cost."""

import random
from typing import Any

import pytest
from pycrdt import Doc, Text

from coedit.errors import InvalidUpdateError
from coedit.protocol.yjs import deleted
from coedit.protocol.yjs.deleted import Deleted
from coedit.protocol.yjs.lib0 import write_uint
from coedit.protocol.yjs.update import Block, decode_state_vector, decode_update


@pytest.mark.parametrize("seed", range(20))
def test_deletes_within_what_is_known_are_those_of_the_document_cut_there(seed: int) -> None:
    rng = random.Random(seed)
    doc = _edited(rng)
    data = doc.get_update(doc.get_state())
    index = Deleted(data)
    for _ in range(20):
        known = {
            client: rng.randint(0, clock) for client, clock in decode_state_vector(doc.get_state()).items()
        }
        told = index.within(known)
        expected = {
            Block(client, first, min(end, known[client]))
            for client, first, end in decode_update(data).deleted
            if first < known[client]
        }
        update = decode_update(told) if told is not None else None
        assert set(update.deleted if update is not None else ()) == expected
        assert update is None or not update.blocks


def _edited(rng: random.Random) -> Doc[Any]:
    """Return a document that three sites edited in turns."""
    whole: Doc[Any] = Doc(client_id=1)
    for _ in range(rng.randint(1, 8)):
        site: Doc[Any] = Doc(client_id=rng.choice([1, 2**32 + 5, 2**53 - 1]))
        site.apply_update(whole.get_update())
        text = site.get("content", type=Text)
        for _ in range(10):
            place = rng.randint(0, len(text))
            if rng.random() < 0.5:
                text.insert(place, "abcdefgh"[: rng.randint(1, 8)])
            else:
                del text[place : min(len(text), place + rng.randint(0, 5))]
        whole.apply_update(site.get_update())
    return whole


def test_nothing_is_told_to_who_has_none_of_it() -> None:
    index = Deleted(_deletes(3))
    assert index.within({}) is None
    assert index.within({8: 100}) is None
    assert Deleted(b"\0\0").within({7: 100}) is None


def test_telling_takes_no_step_for_each_range(monkeypatch: pytest.MonkeyPatch) -> None:
    index = Deleted(_deletes(50_000))
    written: list[int] = []

    def write(number: int) -> bytes:
        written.append(number)
        return write_uint(number)

    monkeypatch.setattr(deleted, "write_uint", write)
    monkeypatch.setattr(deleted, "Reader", None)
    told = index.within({7: 120_001})
    assert told is not None
    assert len(decode_update(told).deleted) == 40_001
    assert len(written) < 10


@pytest.mark.parametrize(
    "data",
    ["01010500040107636f6e74656e74016100", "0001070205010001", "00020701050107010501", "00010701"],
    ids=["items", "out of order", "a client twice", "cut off"],
)
def test_what_is_no_list_of_deletes_is_refused(data: str) -> None:
    with pytest.raises(InvalidUpdateError):
        Deleted(bytes.fromhex(data))


def _deletes(count: int) -> bytes:
    """Return the deletes of two letters in every three of client 7."""
    ranges = b"".join(write_uint(3 * number) + b"\x02" for number in range(count))
    return b"\x00\x01\x07" + write_uint(count) + ranges
