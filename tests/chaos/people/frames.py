"""Frames that are more than they need be, and frames that never come whole."""

import asyncio
from typing import Any

from coedit.protocol.codec import Codec
from tests.chaos.people.scene import Scene, attack
from tests.chaos.people.wire import BINARY, TEXT, dialled, frame_head, upgrade

_KEYS = 380_000
_HALVES = 24
_HALF_BYTES = 24 * 1024 * 1024
_SMALL_HALF_BYTES = 3 * 1024 * 1024
_HELD_SECONDS = 2.0
_CHUNK = bytes(256 * 1024)


@attack("many-keys")
async def send_many_keys(scene: Scene) -> None:
    """Messages with hundreds of thousands of unknown fields, as the first and after a welcome."""
    keys: dict[str, Any] = {f"{n:x}": 1 for n in range(_KEYS)}
    codec = scene.rng.choice(list(Codec))
    await scene.together(
        _first(scene, codec, keys), *(_later(scene, codec, kind, keys) for kind in _laters(scene))
    )


def _laters(scene: Scene) -> list[str]:
    return scene.rng.sample(["open", "submit", "presence", "offer", "close", "attributes"], 2)


async def _first(scene: Scene, codec: Codec, keys: dict[str, Any]) -> None:
    async with scene.client(codec) as client:
        await scene.say(client, codec, {"type": "hello"} | keys)
        await scene.answer(client, "welcome")


async def _later(scene: Scene, codec: Codec, kind: str, keys: dict[str, Any]) -> None:
    name = scene.own()
    async with scene.client(codec) as client:
        await client.hello()
        await client.open(name)
        if kind == "attributes":
            delta = [{"insert": "x", "attributes": keys}]
            about = {"client_sequence": 1, "epoch": 1, "base_revision": 0, "delta": delta}
            await scene.say(client, codec, {"type": "submit", "document": name} | about)
        else:
            await scene.say(client, codec, {"type": kind, "document": name} | keys)
        await scene.answer(client, "ack")


@attack("half-frames")
async def send_halves(scene: Scene) -> None:
    """Many sockets send most of a frame as large as is allowed, and nothing more; no token is needed for that."""
    doors = ["/hocuspocus", f"/yjs/{scene.own()}", "/v1/ws"]
    paths = [scene.rng.choice(doors) for _ in range(_HALVES)]
    await scene.together(*(_half(scene, path) for path in paths))


async def _half(scene: Scene, path: str) -> None:
    is_v1 = path == "/v1/ws"
    size = _SMALL_HALF_BYTES if is_v1 else _HALF_BYTES
    async with dialled(scene.gateway) as connection:
        await upgrade(connection, path)
        reader, writer = connection
        writer.write(frame_head(size * 5 // 4, TEXT if is_v1 else BINARY))
        for _ in range(size // len(_CHUNK)):
            writer.write(_CHUNK)
            async with asyncio.timeout(_HELD_SECONDS):
                await writer.drain()
        await asyncio.sleep(_HELD_SECONDS)
        scene.answers["ended" if reader.at_eof() else "kept"] += 1
