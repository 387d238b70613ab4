"""Yjs clients that cut a character in two: everybody, the author too, has one text, and the document lives on."""

import asyncio
from base64 import b64encode
from typing import Any

import pytest

from coedit.client import connect
from coedit.formats.table import import_document
from coedit.ot import Delta
from coedit.protocol.yjs.sync import write_update
from tests.conftest import MakeSystem
from tests.integration.yjs_client import YjsClient
from tests.system import System, eventually
from tests.yjs.convergence import all_equal, stored
from tests.yjs.node_clients import NodeClients, Provider
from tests.yjs.pycrdt_client import pycrdt_client
from tests.yjs.test_snapshots import SOON, snapshot_at

_HIGH, _LOW = "\ud83d", "\ude01"

_CUTS: dict[str, list[dict[str, Any]]] = {
    "a letter": [{"kind": "insert", "start": 2, "content": "A"}],
    "an embed": [{"kind": "embed", "start": 2, "content": {"image": "a.png"}}],
    "the first half deleted": [{"kind": "delete", "start": 1, "length": 1}],
    "the second half deleted": [{"kind": "delete", "start": 2, "length": 1}],
    "from inside on deleted": [{"kind": "delete", "start": 2, "length": 2}],
    "half formatted": [{"kind": "format", "start": 1, "length": 1, "attributes": {"bold": True}}],
    "the other half formatted": [{"kind": "format", "start": 2, "length": 1, "attributes": {"bold": True}}],
    "half replaced by half": [
        {"kind": "delete", "start": 2, "length": 1},
        {"kind": "insert", "start": 2, "content": _LOW},
    ],
    "a half typed": [{"kind": "insert", "start": 0, "content": _HIGH}],
    "two halves typed": [
        {"kind": "insert", "start": 0, "content": _HIGH},
        {"kind": "insert", "start": 1, "content": _LOW},
    ],
    "a half and more behind it": [
        {"kind": "insert", "start": 0, "content": _HIGH},
        {"kind": "insert", "start": 1, "content": "😀!"},
    ],
    "a half before more": [{"kind": "insert", "start": 0, "content": _HIGH + "bc"}],
    "twice": [
        {"kind": "insert", "start": 2, "content": "🦀"},
        {"kind": "insert", "start": 3, "content": "B"},
    ],
}


@pytest.mark.parametrize("provider", ["y-websocket", "hocuspocus"])
async def test_everybody_has_one_text_of_what_cuts_a_character(
    system: System, yjs: NodeClients, provider: Provider
) -> None:
    await asyncio.gather(*(_cut_in(system, yjs, provider, kind) for kind in _CUTS))


async def _cut_in(system: System, yjs: NodeClients, provider: Provider, kind: str) -> None:
    name = f"{provider} {kind}"
    async with (
        connect(system.url) as session,
        pycrdt_client(system.url, name) as cyd,
        pycrdt_client(system.url, name) as eve,
    ):
        ada = await session.open(name)
        await ada.insert(0, "x🌀y")
        bob = await yjs.open(system.url, name, provider=provider)
        dan = await yjs.open(system.url, name)
        await all_equal([ada], [bob, cyd, dan, eve])
        for edit in _CUTS[kind]:
            await bob.call("cut", **edit)
        await ada.insert(0, "😀")
        await bob.edit(Delta().insert("!"))
        late = await yjs.open(system.url, name)
        async with pycrdt_client(system.url, name) as later:
            await all_equal([ada], [bob, cyd, dan, eve, late, later])
        assert stored(system.url, name) == ada.content


async def test_who_was_away_while_a_character_was_cut_has_the_same_text(
    system: System, yjs: NodeClients
) -> None:
    """Its items and what it lacks come in one update, of which yrs applies the items first."""
    async with connect(system.url) as session, pycrdt_client(system.url, "was away") as cyd:
        ada = await session.open("was away")
        await ada.insert(0, "x🌀y")
        bob, dan = await yjs.open(system.url, "was away"), await yjs.open(system.url, "was away")
        await all_equal([ada], [bob, cyd, dan])
        await cyd.disconnect()
        await dan.disconnect()
        await bob.call("cut", kind="insert", start=2, content="A")
        await all_equal([ada], [bob])
        await cyd.connect()
        await dan.connect()
        await all_equal([ada], [bob, cyd, dan])
        assert ada.text == "xA🌀y"


async def test_a_cut_made_while_away_and_a_restart(make_system: MakeSystem, yjs: NodeClients) -> None:
    system = make_system(settings=SOON)
    async with connect(system.url) as session, pycrdt_client(system.url, "away") as cyd:
        ada = await session.open("away")
        await ada.insert(0, "😀🌀")
        bob = await yjs.open(system.url, "away")
        await all_equal([ada], [bob, cyd])
        await bob.disconnect()
        await bob.call("cut", kind="insert", start=1, content="A🦀")
        await bob.call("cut", kind="delete", start=3, length=2)
        for name in ("gateway-0", "transformer-0"):
            system.processes[name].kill()
            system.restart(name)
        await ada.insert(0, "still ")
        await bob.connect()
        fresh = await yjs.open(system.url, "away")
        await all_equal([ada], [bob, cyd, fresh])
        snapshot = await snapshot_at(system, "away", ada.revision)
        assert snapshot.document == ada.content


_TYPED = bytes.fromhex("01010500040107636f6e74656e74") + b"\x04" + "🌀".encode() + b"\0"
_HALF_DELETED = _TYPED[:-1] + bytes((1, 5, 1, 0, 1))
_CUT_BY_ANOTHER = b"\2" + _TYPED[1:-1] + bytes((1, 7, 0, 0xC4, 5, 0, 5, 1, 1)) + b"A\0"


@pytest.mark.parametrize("update", [_HALF_DELETED, _CUT_BY_ANOTHER], ids=["half deleted", "another's letter"])
async def test_an_update_that_cuts_what_it_brings_is_what_yjs_shows(
    system: System, yjs: NodeClients, update: bytes
) -> None:
    shown = await yjs.call("show", update=b64encode(update).decode(), root="content", kind="text")
    imported = import_document(update, "yjs")
    assert imported == Delta.from_json(shown)
    name = f"brought {update.hex()[:40]} {len(update)}"
    async with YjsClient(system.url, name) as ada:
        await ada.until_synced()
        await ada.send(write_update(update))
        bob = await yjs.open(system.url, name)
        async with connect(system.url) as session, pycrdt_client(system.url, name) as cyd:
            dan = await session.open(name)
            await eventually(lambda: dan.content == imported, "the text is what Yjs shows")
            await all_equal([dan], [bob, cyd])


async def test_two_tiny_frames_cut_a_character_and_nothing_else(system: System, yjs: NodeClients) -> None:
    async with YjsClient(system.url, "tiny") as ada, connect(system.url) as session:
        await ada.until_synced()
        await ada.send(write_update(bytes.fromhex("01010500040107636f6e74656e7404f09f988000")))
        await ada.send(write_update(bytes.fromhex("000105010001")))
        dan = await session.open("tiny")
        await dan.insert(0, "still here")
        bob = await yjs.open(system.url, "tiny")
        await eventually(lambda: dan.saved and dan.text == "still here", "the character is gone")
        await all_equal([dan], [bob])
