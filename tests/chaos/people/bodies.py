"""Bodies of requests: compressed, nested, and many at once."""

import zlib
from functools import cache
from typing import Any

import aiohttp

from coedit.identifiers import escape
from tests.chaos.people.scene import OWN, Scene, attack

_INFLATED_BYTES = 512 * 1024 * 1024
_BLOCK = bytes(1024 * 1024)
_BRACKETS = 200_000
_AT_ONCE = 6
_SECONDS = 10.0
_POSTS = ("import", "versions", "restore", "undo")


@attack("gzip-bombs")
async def inflate(scene: Scene) -> None:
    """Half a MiB that becomes half a GiB, as gzip and as deflate, and what only says that it is gzip."""
    bodies = [("gzip", _bomb()), ("deflate", zlib.compress(_BLOCK * 64)), ("gzip", b"no gzip at all")]
    async with _session() as session:
        await scene.together(*(_send(scene, session, *scene.rng.choice(bodies)) for _ in range(_AT_ONCE)))


async def _send(scene: Scene, session: aiohttp.ClientSession, encoding: str, body: bytes) -> None:
    path = scene.rng.choice([f"/v1/{each}/" for each in _POSTS] + ["/v1/documents/", "/metrics", "/nowhere/"])
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    query = "?format=text" if "import" in path else ""
    url = f"{scene.gateway}{path}{escape(scene.own())}{query}"
    await _post(scene, session, url, body, headers)


@attack("bracket-imports")
async def import_brackets(scene: Scene) -> None:
    """What a parser of Markdown, HTML or JSON goes deep into, or looks for the end of, again and again."""
    async with _session() as session:
        await scene.together(*(_import(scene, session) for _ in range(_AT_ONCE)))


async def _import(scene: Scene, session: aiohttp.ClientSession) -> None:
    form, body = scene.rng.choice(list(_nested().items()))
    url = f"{scene.gateway}/v1/import/{escape(scene.own())}?format={form.partition(' ')[0]}&author=bracketeer"
    await _post(scene, session, url, body, {})


@attack("import-loop")
async def import_again(scene: Scene) -> None:
    """Imports of one user without a pause, and exports between them."""
    name = f"{OWN}looped"
    line = b"a **line** of [text](http://example.org)\n\n"
    async with _session() as session:
        url = f"{scene.gateway}/v1/import/{escape(name)}?format=markdown&author=looper"
        await scene.together(*(_post(scene, session, url, line * 2000, {}) for _ in range(_AT_ONCE)))


async def _post(
    scene: Scene, session: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, Any]
) -> None:
    async with session.post(url, data=body, headers=headers) as answer:
        scene.answers[str(answer.status)] += 1
        if answer.content_type in ("application/json", "application/problem+json"):
            scene.answers[(await answer.json())["code"] if answer.status >= 400 else "ok"] += 1


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS))


@cache
def _bomb() -> bytes:
    """A block that was flushed in full reads the same wherever it stands; only the sum in the end is wrong."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    head = packer.compress(_BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(_BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * (_INFLATED_BYTES // len(_BLOCK) - 1) + packer.flush()


@cache
def _nested() -> dict[str, bytes]:
    count = _BRACKETS
    return {
        "markdown open": b"[" * count,
        "markdown links": b"[a](" * (count // 4),
        "markdown quotes": b">" * (count // 100) + b"a",
        "markdown stars": b"*a_" * (count // 3),
        "markdown ticks": b"".join(b"`" * n + b" " for n in range(600)),
        "html": b"<div>" * (count // 5),
        "html spans": b"<b><i>" * (count // 6) + b"x",
        "html entities": b"&" * count,
        "delta": b"[" * count,
        "delta attributes": b'[{"insert":"x","attributes":'
        + b'{"a":' * 10_000
        + b"1"
        + b"}" * 10_000
        + b"}]",
        "text": b"\xf0\x9f\x98\x80" * count,
        "yjs": b"\x01\x01\xff\xff\xff\xff\x0f\x00" * 1000,
    }
