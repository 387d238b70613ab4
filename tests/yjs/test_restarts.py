"""Processes end in the middle, and whoever was there before goes on with whoever comes after."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from coedit.client import Document, connect
from coedit.ot import Delta
from tests.conftest import MakeSystem
from tests.system import eventually
from tests.yjs.convergence import Replica, all_equal, stored
from tests.yjs.node_clients import NodeClient, NodeClients
from tests.yjs.somewhere import edit_somewhere, random_wish
from tests.yjs.test_snapshots import SOON

_LEASE = {"COEDIT_TRANSFORMER_LEASE_SECONDS": "1"}
_MANY = [
    {"bold": True, "italic": True, "color": "red", "size": 2},
    {"bold": None, "link": {"href": "a", "rel": "b"}},
    {"color": "blue", "italic": None, "underline": True, "size": None},
]


@pytest.mark.parametrize("settings", [_LEASE, _LEASE | SOON], ids=["from the log", "from a snapshot"])
async def test_clients_from_before_a_restart_stay_equal_with_those_from_after(
    make_system: MakeSystem, yjs: NodeClients, seed: int, settings: dict[str, str]
) -> None:
    """Formatting by several attributes at once is where deriving Yjs items twice would make other items."""
    system = make_system(settings=settings)
    rng = random.Random(seed)
    async with connect(system.url) as session:
        document = await session.open("notes")
        await document.insert(0, "0123456789" * 3)
        old = [
            await yjs.open(system.url, "notes"),
            await yjs.open(system.url, "notes", provider="hocuspocus"),
        ]
        await all_equal([document], old)
        for names in (["transformer-0"], ["gateway-0"], ["transformer-0", "gateway-0", "snapshotter-0"]):
            await _format(document, old, rng)
            await all_equal([document], old)
            for name in names:
                system.processes[name].kill()
                system.restart(name)
            await _format(document, old, rng)
            fresh = await yjs.open(system.url, "notes")
            await fresh.becomes("is_synced", value=True)
            await all_equal([document], [*old, fresh])
            await _same_items([*old, fresh])
        assert await asyncio.to_thread(stored, system.url, "notes") == document.content


@pytest.mark.parametrize("victim", ["transformer-0", "gateway-0"])
async def test_nothing_is_lost_when_a_process_is_killed_under_typing(
    make_system: MakeSystem, yjs: NodeClients, victim: str
) -> None:
    """Each writer appends a line per edit: all of them must be there, once and in order."""
    system = make_system(gateways=2, transformers=2)
    async with connect(system.gateways[1]) as session:
        document = await session.open("typed")
        writers = [
            await yjs.open(system.gateways[0], "typed"),
            await yjs.open(system.gateways[0], "typed", provider="hocuspocus"),
            await yjs.open(system.gateways[1], "typed", provider="hocuspocus"),
        ]
        stopped = asyncio.Event()
        typing = [
            asyncio.create_task(_type(writer, f"w{place}", stopped)) for place, writer in enumerate(writers)
        ]
        for _ in range(3):
            await _grows(document, 200)
            system.processes[victim].kill()
            system.restart(victim)
            await asyncio.to_thread(system.wait_ready, victim)
        await _grows(document, 200)
        stopped.set()
        counts = await asyncio.gather(*typing)
        fresh = await yjs.open(system.gateways[1], "typed")
        await all_equal([document], [*writers, fresh], 60)
        lines = document.text.splitlines()
        for place, count in enumerate(counts):
            own = [line for line in lines if line.startswith(f"w{place} ")]
            assert sorted(own) == sorted(f"w{place} {number} 😀" for number in range(count))


async def _type(writer: NodeClient, name: str, stopped: asyncio.Event) -> int:
    """Insert lines at the start until told to stop; return how many."""
    count = 0
    while not stopped.is_set():
        await writer.edit(Delta().insert(f"{name} {count} 😀\n", {"color": name}))
        count += 1
        await asyncio.sleep(0.02)
    return count


async def _grows(document: Document, units: int) -> None:
    wanted = document.content.document_length + units
    await eventually(lambda: document.content.document_length >= wanted, "what is typed arrives")


async def _format(document: Document, clients: list[NodeClient], rng: random.Random) -> None:
    """Let everybody format and insert at once."""
    for _ in range(8):
        for client in clients:
            await client.edit_somewhere(random_wish(rng))
        length = document.content.document_length
        start = rng.randint(0, max(0, length - 6))
        await edit_somewhere(document, random_wish(rng))
        wish = {"kind": "format", "at": start / (length + 1), "length": 6, "attributes": rng.choice(_MANY)}
        await edit_somewhere(document, wish)
        await rng.choice(clients).edit_somewhere(wish | {"attributes": rng.choice(_MANY)})


async def _same_items(replicas: Sequence[Replica]) -> None:
    async def are_same() -> bool:
        vectors = [await replica.vector() for replica in replicas]
        return all(vector == vectors[0] for vector in vectors)

    await eventually(are_same, "everybody has the same items")
