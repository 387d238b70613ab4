"""Deltas of hundreds of places, whose Yjs updates the server writes itself: npm's Yjs reads them as everybody does."""

import random

from coedit.client import connect
from coedit.ot import Delete, Delta, Insert, Retain
from coedit.ot.parts.ops import Op
from tests.system import System
from tests.yjs.convergence import all_equal, stored
from tests.yjs.node_clients import NodeClients
from tests.yjs.somewhere import wishes

_RUNS = 300


async def test_yjs_clients_follow_large_deltas_while_they_edit(system: System, yjs: NodeClients) -> None:
    rng = random.Random(1)
    async with connect(system.url) as session:
        document = await session.open("notes")
        replicas = [
            await yjs.open(system.url, "notes"),
            await yjs.open(system.url, "notes", provider="hocuspocus"),
        ]
        for replica in replicas:
            await replica.synced()
        for round_number in range(5):
            await document.edit(_large_delta(document.content, rng))
            for number, replica in enumerate(replicas):
                for wish in wishes(round_number * 10 + number, 5):
                    await replica.edit_somewhere(wish)
            await all_equal([document], replicas)
        late = await yjs.open(system.url, "notes")
        await all_equal([document], [*replicas, late])
        assert stored(system.url, "notes") == document.content


def _large_delta(document: Delta, rng: random.Random) -> Delta:
    """Return a delta that formats, deletes and replaces characters all over a document, and appends many runs."""
    ops: list[Op] = []
    for character in document.text:
        length = 2 if ord(character) > 0xFFFF else 1
        chance = rng.random()
        if chance < 0.3:
            ops.append(Delete(length))
        elif chance < 0.6:
            ops.append(Retain(length, {rng.choice(["bold", "italic"]): rng.choice([True, None])}))
        else:
            ops += [Retain(length), *([Insert("👍", {"color": "red"})] if chance > 0.9 else [])]
    runs = [Insert(f"{number}é😀", {"bold": True} if number % 2 else None) for number in range(_RUNS)]
    return Delta([*ops, *runs, Insert({"image": "a.png"}, {"link": {"href": "x"}})])
