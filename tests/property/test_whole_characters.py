"""Whatever clocks an update names, everybody has one text of it, and it folds."""

import random

from hypothesis import given
from hypothesis import strategies as st

from coedit.crdt.neighbours import Neighbours
from coedit.errors import InvalidUpdateError
from coedit.ot.delta import Delta
from coedit.protocol.yjs.gate import check_text, lacks
from coedit.protocol.yjs.lib0 import write_text, write_uint
from coedit.protocol.yjs.update import decode_state_vector, decode_update
from tests.laws import costly_law
from tests.unit.crdt.test_whole_characters import Everybody

_CLIENTS = (5, 7, 9)
_TEXTS = ("😀", "x🌀y", "a", "🦀🦀", "\ufffd", "é\ufffd😀")


def _struct(rng: random.Random, known: dict[int, int]) -> bytes:
    """Return an item of text or a mark, beside items that are there; somewhere in them, whatever they are."""
    info, ids = 0, b""
    if known and rng.random() < 0.9:
        # Two that were made next to each other: yrs makes no one document of neighbours in no order.
        client = rng.choice(sorted(known))
        clock = rng.randrange(known[client])
        info, ids = 0x80, write_uint(client) + write_uint(clock)
        if clock + 1 < known[client]:
            info, ids = 0xC0, ids + write_uint(client) + write_uint(clock + 1)
    parent = b"" if info else b"\1" + write_text("content")
    if rng.random() < 0.2:
        return (
            bytes((info | 6,)) + ids + parent + write_text("bold") + write_text(rng.choice(["true", "null"]))
        )
    return bytes((info | 4,)) + ids + parent + write_text(rng.choice(_TEXTS))


def _blocks(rng: random.Random, known: dict[int, int]) -> list[bytes]:
    blocks = []
    for client in rng.sample(_CLIENTS, rng.randrange(1, 3)):
        clock = known.get(client, 0)
        structs = [_struct(rng, known) for _ in range(rng.randrange(3))]
        back = rng.randrange(min(3, clock) + 1)
        if back and rng.random() < 0.5:  # something that is known, as something else
            structs.insert(0, bytes((rng.choice((0, 10)), back)))
            clock -= back
        if structs:
            blocks.append(
                write_uint(len(structs)) + write_uint(client) + write_uint(clock) + b"".join(structs)
            )
    return blocks


def random_update(rng: random.Random, known: dict[int, int]) -> bytes:
    """Return an update of what a document with such clocks may be told."""
    blocks = _blocks(rng, known)
    deleted = b""
    clients = [client for client in known if rng.random() < 0.4]
    for client in clients:
        first = rng.randrange(known[client])
        deleted += write_uint(client) + b"\1" + write_uint(first)
        deleted += write_uint(rng.randrange(1, min(4, known[client] - first) + 1))
    return write_uint(len(blocks)) + b"".join(blocks) + write_uint(len(clients)) + deleted


@costly_law
@given(st.integers(0, 2**32))
def test_everybody_has_one_text_whatever_clocks_an_update_names(seed: int) -> None:
    rng = random.Random(seed)
    everybody = Everybody()
    neighbours = Neighbours(everybody.server, "content")
    for _ in range(rng.randrange(2, 12)):
        known = decode_state_vector(everybody.server.state_vector())
        update = random_update(rng, known)
        try:
            decoded = decode_update(update)
            check_text(decoded, "content")
            if lacks(decoded, known):
                continue
            neighbours.check(update, decoded, known)
        except InvalidUpdateError:
            continue  # it stands between two that nobody saw side by side, say
        everybody.take(update)
        neighbours.note(decoded, known)
        if rng.random() < 0.2:
            everybody.derive(Delta().insert(rng.choice(["😀", "a"])))
        everybody.content()
