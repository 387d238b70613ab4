"""Those who have no token that is one, and try on."""

import base64
import json

import aiohttp

from coedit.protocol.codec import Codec
from coedit.protocol.yjs.lib0 import write_text
from tests.chaos.people.scene import Scene, attack
from tests.chaos.people.wire import dialled, status_of, upgrade

_TRIES = 20


@attack("bad-tokens")
async def try_tokens(scene: Scene) -> None:
    """At all doors, with tokens that are unsigned, cut, huge, or no text at all."""
    await scene.together(*(_try(scene) for _ in range(_TRIES) for _try in (_v1, _yjs, _hocuspocus, _rest)))


async def _v1(scene: Scene) -> None:
    async with scene.client(scene.rng.choice(list(Codec))) as client:
        await client.send({"type": "hello", "token": _token(scene)})
        await scene.answer(client, "welcome")


async def _yjs(scene: Scene) -> None:
    """Also with a control byte behind it, which makes the line of the request malformed."""
    token = _token(scene)[:3000]
    tail = scene.rng.choice(["", "\x01", " y", "%00"])
    async with dialled(scene.gateway) as connection:
        head = await upgrade(connection, f"/yjs/{scene.own()}?token={token}{tail}")
        scene.answers[head.split()[1].decode() if head else "hung up"] += 1


async def _hocuspocus(scene: Scene) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{scene.gateway.replace('http', 'ws', 1)}/hocuspocus"
        async with session.ws_connect(url) as socket:
            key = write_text(scene.own())
            await socket.send_bytes(key + b"\x02\x00" + write_text(_token(scene)) + write_text("4.8.0"))
            answer = await socket.receive(timeout=3)
            scene.answers[answer.type.name.lower()] += 1


async def _rest(scene: Scene) -> None:
    async with dialled(scene.gateway) as (reader, writer):
        path = scene.rng.choice(["documents", "history", "blame", "export"])
        token = _token(scene)[:3000]
        request = f"GET /v1/{path}/{scene.own()} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"
        writer.write(request.encode())
        scene.answers[await status_of(reader)] += 1


def _token(scene: Scene) -> str:
    claims = {"sub": "ada", "exp": scene.rng.choice([10**30, "soon", -1, 4e9]), "documents": {"*": "write"}}
    head = {"alg": scene.rng.choice(["none", "HS256", "RS256"]), "typ": "JWT"}
    whole = f"{_packed(head)}.{_packed(claims)}.{_packed({'x': 1})}"
    return scene.rng.choice([whole, whole[:40], f"{_packed(head)}.{_packed(claims)}.", "." * 500, "é" * 20])


def _packed(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
