"""Upgrades and requests from addresses that are none."""

import asyncio
from contextlib import suppress

from tests.chaos.people.scene import LEFT_OPEN, UNAVAILABLE, Scene, attack
from tests.chaos.people.wire import Connection, dialled, status_of, upgrade

_ORIGINS = (
    *("http://[", "http://[::1", "http://]", "http://a:b:c", "http://127.0.0.1:99999999", "null", ""),
    *("http://\u00e9.example", "http://evil.example", "http://[v1.x]", "//", "http://127.0.0.1:port"),
    "http://" + "a" * 4000,
)
_SOCKETS = 25
_PATIENCE_SECONDS = 3.0
_CLOSE_FRAME = 0x88


@attack("wrong-origins")
async def come_from_nowhere(scene: Scene) -> None:
    """At every door and at REST, as ``Origin`` and as ``Host``; each waits to be sent away."""
    await scene.together(*(_come(scene) for _ in range(_SOCKETS)))


async def _come(scene: Scene) -> None:
    path = scene.rng.choice(["/v1/ws", "/hocuspocus", f"/yjs/{scene.own()}"])
    header = scene.rng.choice(["Origin", "Origin", "Host"])
    value = scene.rng.choice(_ORIGINS)
    async with dialled(scene.gateway) as connection:
        if scene.rng.random() < 0.3:
            status = await _ask(connection, header, value)
            scene.answers[UNAVAILABLE if status == "503" else status] += 1
            return
        head = await upgrade(connection, path, f"{header}: {value}")
        is_taken = head.startswith(b"HTTP/1.1 101")
        scene.answers[head.split()[1].decode() if head else "hung up"] += 1
        if is_taken and header == "Origin" and not await _is_sent_away(connection[0]):
            scene.answers[LEFT_OPEN] += 1


async def _is_sent_away(reader: asyncio.StreamReader) -> bool:
    """Return whether a close frame or the end comes soon."""
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while (head := await reader.read(1)) and head[0] != _CLOSE_FRAME:
                pass
        return True
    return False


async def _ask(connection: Connection, header: str, value: str) -> str:
    reader, writer = connection
    host = "" if header == "Host" else "Host: 127.0.0.1\r\n"
    request = f"GET /v1/documents/nothing HTTP/1.1\r\n{host}{header}: {value}\r\n\r\n"
    writer.write(request.encode())
    return await status_of(reader)
