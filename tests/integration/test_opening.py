"""Clients that open, close and come back faster than a gateway answers."""

import json
import signal
import time
import zlib
from base64 import b64decode
from typing import Any

from coedit.client import connect
from coedit.protocol.codec import Codec
from tests.conftest import MakeSystem
from tests.integration.raw_client import RawClient
from tests.system import System, eventually

_WELCOME_SECONDS = 1.5
_BLOCK = "x" * 60_000
_BLOCKS = 200  # 12 MB: more than the network's own buffers take


def _metric(system: System, name: str) -> float:
    lines = system.metrics("gateway-0").splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(f"coedit_gateway_{name} "))


async def test_document_opened_closed_and_opened_at_once_is_open_once(make_system: MakeSystem) -> None:
    system = make_system()
    async with connect(system.url) as session:
        document = await session.open("hasty")
        async with RawClient(system.url) as hasty:
            await hasty.hello()
            for _ in range(5):
                await hasty.send({"type": "open", "document": "hasty"})
                await hasty.send({"type": "close", "document": "hasty"})
            await hasty.open("hasty")
            await eventually(lambda: _metric(system, "subscriptions") == 2, "one subscription each")
            await document.insert(0, "a")
            await document.settle()
            await hasty.send({"type": "open", "document": "marker"})
            told: list[int] = []
            while True:
                message = await hasty.receive()
                assert isinstance(message, dict)
                # An opening that was done before its close came has answered as well.
                if (message["type"], message["document"]) == ("opened", "marker"):
                    break
                told += [commit["revision"] for commit in message.get("commits", ())]
            assert told == [1]
        await eventually(
            lambda: _metric(system, "subscriptions") == 1, "nothing is left of a client that is gone"
        )


async def test_client_whose_old_connection_is_dead_is_welcomed_at_once(make_system: MakeSystem) -> None:
    """Its network changed: what was written to the old connection never drains."""
    system = make_system()
    async with connect(system.url) as session, RawClient(system.url) as old:
        document = await session.open("busy")
        welcome = await old.hello()
        await old.open("busy")
        for _ in range(_BLOCKS):
            await document.insert(0, _BLOCK)
            await document.settle()
            await document.delete(0, len(_BLOCK))
            await document.settle()
        async with RawClient(system.url) as new:
            started = time.monotonic()
            await new.hello(client_id=welcome["client_id"], resume_token=welcome["resume_token"])
            assert time.monotonic() - started < _WELCOME_SECONDS
            await eventually(
                lambda: _metric(system, "subscriptions") == 1, "the old connection is given up", 10
            )


async def test_gateway_without_redis_sends_its_clients_elsewhere_in_time(make_system: MakeSystem) -> None:
    system = make_system(settings={"COEDIT_GATEWAY_DRAIN_SECONDS": "1"})
    async with RawClient(system.url) as client:
        await client.hello()
        await client.open("notes")
        system.processes["redis"].signal(signal.SIGSTOP)
        submit: dict[str, Any] = {"type": "submit", "document": "notes", "client_sequence": 1, "epoch": 1}
        for _ in range(600):
            await client.send(submit | {"base_revision": 0, "delta": [{"insert": "a"}]})
        received = 'coedit_gateway_received_total{type="submit"} 600.0'
        await eventually(lambda: received in system.metrics("gateway-0"), "it has them all")
        started = time.monotonic()
        system.processes["gateway-0"].signal(signal.SIGTERM)
        assert await client.close_code() == 4503
        await eventually(lambda: not system.processes["gateway-0"].is_running, "the gateway ends", 12)
        print(f"ended after {time.monotonic() - started:.1f} s")
    system.processes["redis"].signal(signal.SIGCONT)


async def test_document_that_everybody_left_is_opened_as_it_is_now_in_both_encodings(
    make_system: MakeSystem,
) -> None:
    """What was rendered for those who left is kept, and says nothing of what was written since on another gateway."""
    system = make_system(gateways=2)
    here, elsewhere = system.gateways
    async with connect(here) as session:
        document = await session.open("large")
        await document.insert(0, _BLOCK * 2)
        await document.settle()
    for written in range(1, 3):
        for codec in Codec:
            assert await _opened(here, codec) == "y" * (written - 1) + _BLOCK * 2
            await eventually(lambda: _metric(system, "kept_bytes") > 0, "what was rendered is kept")
        async with connect(elsewhere) as session:
            document = await session.open("large")
            await document.insert(0, "y")
            await document.settle()


async def _opened(url: str, codec: Codec) -> str:
    """Return the text of a large document as one client is sent it, which then leaves."""
    async with RawClient(url, codec) as client:
        await client.hello()
        opened = await client.open("large")
        parts = [await client.expect("part") for _ in range(opened["parts"])]
    packed = [b64decode(part["bytes"]) if codec is Codec.JSON else part["bytes"] for part in parts]
    assert [part["index"] for part in parts] == list(range(len(parts)))
    assert sum(map(len, packed)) == opened["parts_bytes"]
    return "".join(op["insert"] for op in json.loads(zlib.decompress(b"".join(packed))))
