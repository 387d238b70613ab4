"""Frames that never come whole: who has not said who it is may hold next to nothing, and all together a budget."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from struct import pack

import pytest

from tests.integration.raw_client import RawClient
from tests.integration.test_access import token
from tests.system import System, eventually

MIB = 1024 * 1024
BUDGET_BYTES = 16 * MIB
SLACK_BYTES = 48 * MIB
"""What the allocator and a busy process may take beside the budget; half of the frames would be 280 MiB."""
_SOCKETS, _SENT_BYTES = 20, 14 * MIB
_FRAME_BYTES = 8 * MIB
_DOORS = ["/v1/ws", "/yjs/notes", "/hocuspocus"]


@pytest.fixture(scope="module")
def small_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with tokens, whose frames have 8 MiB and whose budget has two of them."""
    settings = {
        "COEDIT_GATEWAY_OPEN": "0",
        "COEDIT_GATEWAY_FRAME_BYTES": str(_FRAME_BYTES),
        "COEDIT_GATEWAY_YJS_FRAME_BYTES": str(_FRAME_BYTES),
        "COEDIT_GATEWAY_HALF_RECEIVED_BYTES": str(BUDGET_BYTES),
    }
    system = System(tmp_path_factory.mktemp("system"), settings=settings)
    system.start()
    yield system
    system.stop()


def _resident_bytes(system: System) -> int:
    status = Path(f"/proc/{system.processes['gateway-0'].pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


@asynccontextmanager
async def _half_sent(system: System, path: str, size: int) -> AsyncIterator[asyncio.StreamReader]:
    """Send the head of a frame of ``size`` bytes and most of what it announces, as long as it is taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(system.url.rpartition(":")[2]))
    key = b64encode(b"0123456789abcdef").decode()
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
    lines += ["Sec-WebSocket-Protocol: coedit.v1.msgpack"]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    try:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        writer.write(pack("!BBQ", 0x82, 0xFF, size) + bytes(4))
        for _ in range(size * 9 // 10 // 65536):
            writer.write(bytes(65536))
            if writer.transport.is_closing():
                break
            await asyncio.wait([asyncio.ensure_future(writer.drain())], timeout=5)
        yield reader
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("door", _DOORS)
async def test_stranger_holds_nothing(small_system: System, door: str) -> None:
    before = _resident_bytes(small_system)
    for again in range(3):
        async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:

            async def hold(name: str) -> None:
                # By a name of its own: who was denied a moment ago is not taken in at all.
                path = f"{door}?token={name}"
                async with _half_sent(small_system, path, _FRAME_BYTES - 1000) as reader:
                    assert await _close_code(reader) in (1009, 4401)

            for number in range(_SOCKETS):
                tasks.create_task(hold(f"stranger-{again}-{number}"))
    assert _resident_bytes(small_system) - before < SLACK_BYTES


async def test_all_together_hold_a_budget_and_the_largest_go(small_system: System) -> None:
    before = _resident_bytes(small_system)
    ended: list[int] = []
    path = f"/yjs/notes?token={token({'*': 'write'})}"
    async with asyncio.timeout(200), RawClient(small_system.url) as bystander:
        await bystander.hello(token=token({"*": "write"}))
        everyone = asyncio.Event()

        async def hold() -> None:
            async with _half_sent(small_system, path, _FRAME_BYTES - 1000) as reader:
                ending = asyncio.create_task(_close_code(reader))
                await asyncio.wait(
                    [ending, asyncio.create_task(everyone.wait())], return_when="FIRST_COMPLETED"
                )
                if ending.done():
                    ended.append(ending.result())
                ending.cancel()

        holding = [asyncio.create_task(hold()) for _ in range(_SOCKETS)]
        await eventually(lambda: len(ended) >= _SOCKETS - 2, "whoever holds most is ended", 150)
        assert _resident_bytes(small_system) - before < BUDGET_BYTES + SLACK_BYTES
        everyone.set()
        await asyncio.gather(*holding)
        assert set(ended) == {4509}
        await bystander.open("notes")
    metrics = small_system.metrics("gateway-0")
    assert f"coedit_gateway_crowded_out_total {len(ended)}.0" in metrics
    assert '"event":"crowded-out"' in small_system.processes["gateway-0"].log.read_text()
    await eventually(
        lambda: "coedit_gateway_half_received_bytes 0.0" in small_system.metrics("gateway-0"),
        "nothing is held of whom is gone",
    )
    assert _resident_bytes(small_system) - before < SLACK_BYTES


async def _close_code(reader: asyncio.StreamReader) -> int:
    """Return the code of the close frame that comes, past whatever else does."""
    while True:
        first, length = await reader.readexactly(2)
        if length == 126:
            length = int.from_bytes(await reader.readexactly(2))
        payload = await reader.readexactly(length)
        if first == 0x88:
            return int.from_bytes(payload[:2])
