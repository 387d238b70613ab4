"""Those who never read, and those who take their time to send."""

import asyncio
import json
import socket

from tests.chaos.people.scene import Scene, attack
from tests.chaos.people.wire import TEXT, dialled, frame_head, upgrade

_READERS = 15
_ASKED = 400
_SENDERS = 60
_DRIBBLE_SECONDS = 4.0
_PAUSE_SECONDS = 0.1


@attack("never-read")
async def never_read(scene: Scene) -> None:
    """Open what others edit, ask for much, and read nothing of it."""
    await scene.together(*(_ask_and_ignore(scene) for _ in range(_READERS)))


async def _ask_and_ignore(scene: Scene) -> None:
    async with dialled(scene.gateway) as connection:
        await upgrade(connection, "/v1/ws")
        reader, writer = connection
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        names = [*scene.others, scene.own()]
        asked = [{"type": "hello"}, *({"type": "open", "document": name} for name in names)] + [
            {"type": "open", "document": scene.rng.choice(names)} for _ in range(_ASKED)
        ]
        for message in asked:
            payload = json.dumps(message).encode()
            writer.write(frame_head(len(payload), TEXT) + payload)
        async with asyncio.timeout(_DRIBBLE_SECONDS):
            await writer.drain()
        await asyncio.sleep(_DRIBBLE_SECONDS)
        scene.answers["ended" if reader.at_eof() or writer.is_closing() else "kept"] += 1


@attack("slow-senders")
async def dribble(scene: Scene) -> None:
    """Heads, bodies and frames, a byte at a time, of which none is ever whole."""
    await scene.together(*(_dribble_one(scene) for _ in range(_SENDERS)))


async def _dribble_one(scene: Scene) -> None:
    head = b"GET /v1/documents/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"a" * 100
    post = f"POST /v1/import/{scene.own()}?format=text HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999\r\n\r\n"
    kinds = [head, post.encode() + b"b" * 100, frame_head(60_000, TEXT) + b" " * 100]
    kind = scene.rng.choice(kinds)
    async with dialled(scene.gateway) as connection, asyncio.timeout(2 * _DRIBBLE_SECONDS):
        _, writer = connection
        if kind is kinds[2]:
            await upgrade(connection, "/v1/ws")
        writer.write(kind[:-60])
        for at in range(len(kind) - 60, len(kind) - 60 + int(_DRIBBLE_SECONDS / _PAUSE_SECONDS)):
            writer.write(kind[at : at + 1])
            await writer.drain()
            await asyncio.sleep(_PAUSE_SECONDS)
        scene.answers["kept"] += 1
