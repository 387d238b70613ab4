"""What the bodies of requests may do to a real gateway: nothing before the right is known, and little after."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from tests.integration.test_access import token
from tests.system import System

_IMPORT = "import/notes?format=text"
_POSTS = ("versions/notes", "restore/notes", "undo/notes", _IMPORT)
_MEBIBYTE = 1024 * 1024
_SLACK_BYTES = 96 * _MEBIBYTE
"""What a gateway may take for its own while it refuses a GiB."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that asks for tokens, and has little patience for bodies."""
    settings = {"COEDIT_GATEWAY_OPEN": "0", "COEDIT_GATEWAY_BODY_SECONDS": "2"}
    system = System(tmp_path_factory.mktemp("system"), settings=settings)
    system.start()
    yield system
    system.stop()


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """A MiB that holds a GiB."""
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(_MEBIBYTE)
    return b"".join(packer.compress(zeros) for _ in range(1024)) + packer.flush()


def bearer(right: str | None) -> dict[str, str]:
    return {} if right is None else {"Authorization": f"Bearer {token({'notes': right})}"}


async def post(system: System, path: str, body: bytes, right: str | None, **headers: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{system.url}/v1/{path}", data=body, headers=bearer(right) | headers) as answer,
    ):
        return answer.status, await answer.json()


@asynccontextmanager
async def only_head(
    system: System, path: str, right: str | None, *more: str
) -> AsyncIterator[asyncio.StreamReader]:
    """Send the head of a request whose body does not come."""
    host, _, port = system.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    headers = [f"{name}: {value}" for name, value in bearer(right).items()]
    lines = [f"POST /v1/{path} HTTP/1.1", f"Host: {host}:{port}", "Content-Length: 9000", *headers, *more]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
    async with asyncio.timeout(30):
        yield reader
    writer.close()


@pytest.mark.parametrize("path", _POSTS)
@pytest.mark.parametrize(("right", "status"), [(None, 401), ("read", 403)])
async def test_who_may_not_write_is_refused_before_the_body(
    system: System, path: str, right: str | None, status: int
) -> None:
    async with only_head(system, path, right) as reader:
        assert f" {status} ".encode() in await reader.readline()


@pytest.mark.parametrize("path", _POSTS)
async def test_a_body_that_does_not_come_is_given_up(system: System, path: str) -> None:
    async with only_head(system, path, "write") as reader:
        answer = await reader.read()
    assert b" 408 " in answer
    assert b'"too-slow"' in answer


async def test_whoever_asks_whether_to_send_is_told_to_only_with_the_right(system: System) -> None:
    async with only_head(system, _IMPORT, "write", "Expect: 100-continue") as reader:
        assert b" 100 " in await reader.readline()
    async with only_head(system, _IMPORT, "read", "Expect: 100-continue") as reader:
        assert b" 403 " in await reader.readline()


@pytest.mark.parametrize("path", _POSTS)
@pytest.mark.parametrize(("right", "status"), [(None, 401), ("read", 403), ("write", 413)])
async def test_a_bomb_is_not_inflated(
    system: System, bomb: bytes, path: str, right: str | None, status: int
) -> None:
    pid = system.processes["gateway-0"].pid
    before = _most_bytes(pid)
    answers = await asyncio.gather(
        *(post(system, path, bomb, right, **{"Content-Encoding": "gzip"}) for _ in range(4))
    )
    assert {answered for answered, _ in answers} == {status}
    assert _most_bytes(pid) - before < _SLACK_BYTES


@pytest.mark.parametrize("path", ["nowhere", "documents/notes"])
async def test_a_bomb_where_no_body_is_wanted_is_not_inflated(system: System, bomb: bytes, path: str) -> None:
    pid = system.processes["gateway-0"].pid
    before = _most_bytes(pid)
    async with (
        aiohttp.ClientSession() as http,
        http.get(
            f"{system.url}/v1/{path}",
            data=bomb,
            headers=bearer("read") | {"Content-Encoding": "gzip"},
        ) as answer,
    ):
        assert answer.status in (200, 404)
    assert _most_bytes(pid) - before < _SLACK_BYTES


_EMPTY_BLOCKS = b"\x00\x00\x00\xff\xff" * 4000
_BAD = {
    "not gzip": ("gzip", b'{"name": "x"}', 400),
    "half": ("gzip", gzip.compress(b'{"name": "x"}')[:-9], 400),
    "with something behind": ("gzip", gzip.compress(b'{"name": "x"}') + b"x", 400),
    "a wrong sum": ("gzip", gzip.compress(b'{"name": "x"}')[:-8] + bytes(8), 400),
    "another": ("br", b'{"name": "x"}', 400),
    "twice": ("gzip, gzip", gzip.compress(gzip.compress(b"{}")), 400),
    "empty blocks without an end": ("gzip", gzip.compress(b"")[:10] + _EMPTY_BLOCKS, 413),
}


@pytest.mark.parametrize(("encoding", "body", "status"), _BAD.values(), ids=_BAD)
async def test_a_body_that_is_not_compressed_as_it_says_is_refused(
    system: System, encoding: str, body: bytes, status: int
) -> None:
    answered, answer = await post(system, "versions/notes", body, "write", **{"Content-Encoding": encoding})
    assert (answered, answer["code"]) == (status, "too-large" if status == 413 else "invalid-request")


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress)]
)
async def test_a_body_that_is_compressed_as_it_says_is_read(system: System, encoding: str, pack: Any) -> None:
    headers = {"Content-Encoding": encoding}
    text = b"much the same\n" * 5000
    status, made = await post(system, _IMPORT, pack(text), "write", **headers)
    assert (status, made["base_revision"] <= made["revision"]) == (200, True)
    name = orjson.dumps({"name": f"as {encoding}"})
    assert (await post(system, "versions/notes", pack(name), "write", **headers))[0] == 201


def _most_bytes(pid: int) -> int:
    """Return the most memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
