"""Edits by Yjs clients that cut surrogate pairs, as editors make them that diff emoji by code units.

pycrdt counts bytes of UTF-8 and can cut nothing, so the updates are written by hand.
"""

import asyncio

from coedit.protocol.yjs.lib0 import Reader, write_text, write_uint
from coedit.protocol.yjs.sync import write_update
from tests.chaos.people.scene import MIXED, Scene, attack
from tests.integration.yjs_client import HocuspocusClient, YjsClient

_CUTS = 5
_STRING, _FORMAT = 4, 6
_HAS_ORIGIN, _HAS_RIGHT = 0x80, 0x40


@attack("cut-pairs")
async def cut_pairs(scene: Scene) -> None:
    """In a document of one's own and in one of many: halves deleted, origins and formats inside pairs."""
    names = [scene.own(), MIXED]
    await scene.together(*(_cut_one(scene, name) for name in names for _ in range(_CUTS)))


async def _cut_one(scene: Scene, name: str) -> None:
    client = scene.rng.randrange(1, 2**31)
    kind = scene.rng.choice([YjsClient, HocuspocusClient])
    async with kind(scene.gateway, name) as cutter:
        await cutter.until_synced()
        await cutter.send(write_update(_insert(client, 0, "x🌀y😀")))
        await cutter.send(write_update(scene.rng.choice(_CUTTING)(client)))
        await cutter.send(write_update(_delete_anywhere(scene, cutter.doc.get_state())))
        await asyncio.sleep(0.3)
        scene.answers[str(cutter.close_code or "kept")] += 1


def _insert(client: int, clock: int, text: str) -> bytes:
    """Text at the beginning of the root, as the first items of a client."""
    root = b"\x01" + write_text("content")
    return _update(client, clock, bytes([_STRING]) + root + write_text(text), b"\x00")


def _delete_half(client: int) -> bytes:
    deletes = b"\x01" + write_uint(client) + b"\x01" + write_uint(2) + write_uint(1)
    return b"\x00" + deletes


def _delete_anywhere(scene: Scene, state: bytes) -> bytes:
    """One code unit of what somebody wrote, which is half of a pair as often as not."""
    reader = Reader(state)
    clocks = [(reader.uint(), reader.uint()) for _ in range(reader.uint())]
    client, clock = scene.rng.choice([each for each in clocks if each[1]] or [(1, 1)])
    return b"\x00\x01" + write_uint(client) + b"\x01" + write_uint(scene.rng.randrange(clock)) + b"\x01"


def _delete_across(client: int) -> bytes:
    """From the second half of one pair to the first half of another."""
    return b"\x00" + b"\x01" + write_uint(client) + b"\x01" + write_uint(2) + write_uint(3)


def _origin_inside(client: int) -> bytes:
    """Text between the halves: its left neighbour is the first half, its right one the second."""
    between = write_uint(client) + write_uint(1) + write_uint(client) + write_uint(2)
    item = bytes([_STRING | _HAS_ORIGIN | _HAS_RIGHT]) + between + write_text("A")
    return _update(client, 6, item, b"\x00")


def _right_origin_inside(client: int) -> bytes:
    item = bytes([_STRING | _HAS_RIGHT]) + write_uint(client) + write_uint(5) + write_text("B")
    return _update(client, 6, item, b"\x00")


def _format_inside(client: int) -> bytes:
    between = write_uint(client) + write_uint(1) + write_uint(client) + write_uint(2)
    item = bytes([_FORMAT | _HAS_ORIGIN | _HAS_RIGHT]) + between + write_text("bold") + write_text("true")
    return _update(client, 6, item, b"\x00")


def _update(client: int, clock: int, item: bytes, deletes: bytes) -> bytes:
    return b"\x01\x01" + write_uint(client) + write_uint(clock) + item + deletes


_CUTTING = [_delete_half, _delete_across, _origin_inside, _right_origin_inside, _format_inside]
