"""A random session: three OT and three Yjs clients edit one document through disconnects and reordering."""

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

from coedit.client import Document, connect
from coedit.ot import Delta
from coedit.testing.fault_proxy import FaultProxy
from tests.system import eventually
from tests.yjs.convergence import Replica, all_equal, stored
from tests.yjs.node_clients import NodeClient, NodeClients
from tests.yjs.pycrdt_client import pycrdt_client
from tests.yjs.somewhere import Wish, edit_somewhere, random_cut, random_wish

STEPS = 60
KINDS = ("two tabs and Hocuspocus", "two tabs and pycrdt", "y-websocket and Hocuspocus as tabs, and pycrdt")
"""The Yjs clients of a session, by its seed. Two tabs of one browser give each other what they do directly."""

_DEADLINE_SECONDS = 60.0


class Member(Protocol):
    """Whoever takes part in a session, by OT or by Yjs."""

    async def edit_somewhere(self, wish: Wish) -> None: ...
    async def connect(self) -> None: ...
    async def disconnect(self) -> None: ...


class YjsMember(Member, Replica, Protocol):
    """Whoever takes part by Yjs."""


@dataclass
class OtMember:
    """An OT client, and the network between it and its gateway."""

    document: Document
    proxy: FaultProxy

    async def edit_somewhere(self, wish: Wish) -> None:
        await edit_somewhere(self.document, wish)

    async def connect(self) -> None:
        self.proxy.heal()

    async def disconnect(self) -> None:
        self.proxy.refuses = True
        self.proxy.cut()


@dataclass(frozen=True)
class Outcome:
    """What all clients of a session had at its end."""

    content: Delta
    revisions: int


async def run_session(
    urls: list[str], name: str, yjs: NodeClients, seed: int, *, cuts: bool = False
) -> Outcome:
    """Run the session of ``seed`` on the document ``name`` of the gateways at ``urls``.

    If it ``cuts``, Yjs clients edit inside characters, and two more of them come half-way.

    Raises:
        AssertionError: the documents are not equal at the end.
    """
    rng = random.Random(seed)
    async with AsyncExitStack() as stack:
        urls = [urls[(number + seed) % len(urls)] for number in range(6)]
        ot = [await _ot_member(stack, url, name, number) for number, url in enumerate(urls[:3])]
        yjs_members = await _yjs_members(stack, urls[3:], name, yjs, seed)
        tabs = [member for member in yjs_members if isinstance(member, NodeClient)]
        try:
            if cuts:
                await _edit(rng, [*ot, *yjs_members], tabs, STEPS // 2, cuts=True)
                tabs.append(await yjs.open(urls[0], name))
                yjs_members += [tabs[-1], await stack.enter_async_context(pycrdt_client(urls[1], name))]
            await _edit(rng, [*ot, *yjs_members], tabs, STEPS // 2 if cuts else STEPS, cuts=cuts)
            await _check(urls[0], name, [member.document for member in ot], yjs_members, yjs)
        finally:
            for tab in tabs:
                await tab.destroy()
        document = ot[0].document
        return Outcome(document.content, document.revision)


async def _edit(
    rng: random.Random, members: list[Member], tabs: list[NodeClient], steps: int, *, cuts: bool
) -> None:
    """Take steps; at the end everybody is connected, and nothing is held back."""
    away: list[Member] = []
    held: list[NodeClient] = []
    for _ in range(steps):
        chance = rng.random()
        if chance < 0.1:
            member = rng.choice(members)
            if member in away:
                away.remove(member)
                await member.connect()
            else:
                away.append(member)
                await member.disconnect()
        elif chance < 0.2:
            tab = rng.choice(tabs)
            await tab.call("release" if tab in held else "hold")
            (held.remove if tab in held else held.append)(tab)
        else:
            member = rng.choice(members)
            is_cut = cuts and not isinstance(member, OtMember) and rng.random() < 0.5
            await member.edit_somewhere(random_cut(rng) if is_cut else random_wish(rng))
        # How far everybody gets between two steps is part of what is random.
        await asyncio.sleep(rng.choice([0, 0, rng.uniform(0, 0.03)]))
    for tab in held:
        await tab.call("release")
    for member in away:
        await member.connect()


async def _check(
    url: str, name: str, documents: list[Document], replicas: list[YjsMember], yjs: NodeClients
) -> None:
    await all_equal(documents, replicas, _DEADLINE_SECONDS)
    content = documents[0].content
    await eventually(
        lambda: _is_stored(url, name, content), "what is read by REST is the same", _DEADLINE_SECONDS
    )
    assert [document.rejections for document in documents] == [[]] * len(documents)
    fresh = await yjs.open(url, name)
    await fresh.becomes("is_synced", value=True)
    try:
        assert await fresh.content() == content
        async with pycrdt_client(url, name) as late:
            await all_equal(documents, [late], _DEADLINE_SECONDS)

        async def vectors_are_equal() -> bool:
            vectors = [await replica.vector() for replica in [fresh, *replicas]]
            return all(vector == vectors[0] for vector in vectors)

        await eventually(vectors_are_equal, "everybody has the same items as who loads them afresh")
    finally:
        await fresh.destroy()


async def _is_stored(url: str, name: str, content: Delta) -> bool:
    try:
        return await asyncio.to_thread(stored, url, name) == content
    except OSError:  # its gateway is being started again
        return False


async def _ot_member(stack: AsyncExitStack, url: str, name: str, number: int) -> OtMember:
    host, port = url.removeprefix("http://").split(":")
    proxy = await stack.enter_async_context(FaultProxy(host, int(port)))
    address = f"http://127.0.0.1:{proxy.port}"
    session = await stack.enter_async_context(connect(address, author=f"author {number}"))
    return OtMember(await session.open(name), proxy)


async def _yjs_members(
    stack: AsyncExitStack, urls: list[str], name: str, yjs: NodeClients, seed: int
) -> list[YjsMember]:
    kind = KINDS[seed % len(KINDS)]
    one = await yjs.open(urls[0], name, tab="two tabs" in kind)
    if "two tabs" in kind:
        # Tabs of one browser know each other by the address.
        other = await yjs.open(urls[0], name, tab=True)
    else:
        other = await yjs.open(urls[1], name, provider="hocuspocus")
        await yjs.call("pair", one=one.name, other=other.name)
    if "pycrdt" not in kind:
        return [one, other, await yjs.open(urls[2], name, provider="hocuspocus")]
    return [one, other, await stack.enter_async_context(pycrdt_client(urls[2], name))]
