"""A Yjs client that is slow or hostile costs only itself."""

import asyncio
import os
import random
import socket
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from pycrdt import Doc, Text

from coedit.protocol.yjs.awareness import Entry, write_entries
from coedit.protocol.yjs.hocuspocus import write_frame
from coedit.protocol.yjs.lib0 import write_uint
from coedit.protocol.yjs.sync import write_awareness, write_step_1, write_update
from tests.integration.yjs_client import HocuspocusClient, YjsClient
from tests.many_splits import deleting, inserting, typed, typed_with_letters_in_it
from tests.system import System


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with small buffers and small frames, for tests that use documents of different names."""
    settings = {"COEDIT_GATEWAY_BUFFER_BYTES": "4096", "COEDIT_GATEWAY_YJS_FRAME_BYTES": "2000000"}
    system = System(tmp_path_factory.mktemp("system"), settings=settings)
    system.start()
    yield system
    system.stop()


async def test_client_that_reads_nothing_is_dropped_and_nobody_else_notices(system: System) -> None:
    async with YjsClient(system.url, "slow") as ada, aiohttp.ClientSession() as http:
        await ada.until_synced()
        slow = await http.ws_connect(f"{ada.url}/yjs/slow", max_msg_size=0)
        transport: Any = slow._response.connection.transport  # type: ignore[union-attr]
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        transport.pause_reading()
        line = os.urandom(20_000).hex()
        for _ in range(250):
            await ada.edit(lambda text: text.insert(0, line))
        await ada.until(lambda: len(str(ada.text)) == 250 * len(line), "all that ada wrote")
        await ada.until(lambda: _updates(ada) == 250, "the echo of it")
        closed = 'coedit_gateway_closed_total{close_code="4508"} 1.0'
        async with asyncio.timeout(30):
            while closed not in await asyncio.to_thread(system.metrics, "gateway-0"):
                await asyncio.sleep(0.05)


def _updates(client: YjsClient) -> int:
    return sum(message[:2] == b"\x00\x02" for message in client.received)


async def test_document_larger_than_the_buffers_is_loaded(system: System) -> None:
    text = "漢😀 " * 150_000
    async with YjsClient(system.url, "big") as ada:
        await ada.until_synced()
        await ada.edit(lambda shared: shared.insert(0, text))
        async with HocuspocusClient(system.url, "big") as bob, YjsClient(system.url, "big") as cleo:
            await bob.until_text(text)
            await cleo.until_text(text)
            await cleo.edit(lambda shared: shared.insert(0, "!"))
            await ada.until_text("!" + text)


async def test_large_answer_on_its_way_does_not_count_as_reading_too_slowly(system: System) -> None:
    async with YjsClient(system.url, "way") as ada, aiohttp.ClientSession() as http:
        await ada.until_synced()
        for _ in range(8):
            text = os.urandom(900_000).hex()
            await ada.edit(lambda shared, text=text: shared.insert(0, text))  # type: ignore[misc]
        await ada.until(lambda: _updates(ada) == 8, "the echo of it")
        patient = await http.ws_connect(f"{ada.url}/yjs/way", max_msg_size=0)
        transport: Any = patient._response.connection.transport  # type: ignore[union-attr]
        transport.pause_reading()
        await patient.send_bytes(write_step_1(b"\0"))
        await asyncio.sleep(0.2)  # until the answer is on its way; too short, and this proves less
        await ada.edit(lambda shared: shared.insert(0, "!"))
        await ada.until(lambda: _updates(ada) == 9, "the echo of it")
        transport.resume_reading()
        async with asyncio.timeout(30):
            while (await patient.receive()).data[:2] != b"\x00\x02":
                assert not patient.closed, patient.close_code


async def test_frame_above_the_bound_ends_the_connection(system: System) -> None:
    async with YjsClient(system.url, "frames") as eve, YjsClient(system.url, "frames") as ada:
        await ada.until_synced()
        await eve.send(write_update(bytes(2_100_000)))
        assert await eve.until_closed() == 1009
        await ada.edit(lambda text: text.insert(0, "."))
        await ada.until(lambda: _updates(ada) == 1, "the echo")


@pytest.mark.parametrize("seed", range(3))
async def test_mutated_frames_end_at_most_the_connection_that_sent_them(system: System, seed: int) -> None:
    chance = random.Random(seed)
    doc: Doc[Any] = Doc(client_id=5)
    doc.get("content", type=Text).insert(0, "some 😀 text", {"bold": True})
    good = [
        write_update(doc.get_update()),
        write_step_1(doc.get_state()),
        write_awareness(write_entries([Entry(5, 1, '{"user":{"name":"x"}}')])),
    ]
    async with YjsClient(system.url, "mutants") as ada:
        await ada.until_synced()
        for _ in range(40):
            frame = bytearray(chance.choice(good))
            for _ in range(chance.randint(1, 3)):
                frame[chance.randrange(len(frame))] = chance.randrange(256)
            for eve in (YjsClient(system.url, "mutants"), HocuspocusClient(system.url, "mutants")):
                async with eve:
                    await eve.send(bytes(frame))
                    await eve.socket.send_bytes(bytes(frame))
        count = _updates(ada)
        await ada.edit(lambda text: text.insert(0, "."))
        await ada.until(lambda: _updates(ada) > count, "the echo")
    assert 'coedit_gateway_errors_total{code="internal"} 0.0' in system.metrics("gateway-0")
    assert "defect" not in system.processes["gateway-0"].log.read_text()


async def test_declared_sizes_cost_nothing(system: System) -> None:
    most = write_uint(2**53 - 1)
    for frame in (
        b"\x00\x02" + most,
        b"\x00\x02\x09" + most + b"\0",
        b"\x00\x00\x08" + most,
        b"\x01\x08" + most,
    ):
        async with YjsClient(system.url, "declared") as eve:
            await eve.send(frame)
            assert await eve.until_closed() == 4422


async def test_flood_before_the_token_is_bounded(system: System) -> None:
    async with aiohttp.ClientSession() as http:
        wire = await http.ws_connect(f"{system.url.replace('http', 'ws')}/hocuspocus")
        for number in range(101):
            await wire.send_bytes(write_frame(f"document {number}", write_step_1(b"\0")))
        await asyncio.wait_for(wire.receive(), 15)
        assert wire.close_code == 4422


async def test_update_that_splits_one_string_everywhere_is_taken(system: System) -> None:
    units = 100_000
    places = range(units - 2, 0, -20)
    async with YjsClient(system.url, "split") as eve:
        await eve.until_synced()
        for update in (typed("a" * units), inserting(places), deleting((place, 1) for place in places)):
            await eve.send(write_update(update))
        async with YjsClient(system.url, "split") as bob:
            # What she deleted may come first: it is not asked where among the others it stands.
            await bob.until(lambda: str(bob.text).count("a") == units - len(places), "all that eve deleted")
            await bob.until(lambda: str(bob.text).count("Z") == len(places), "all that eve wrote")


async def test_update_that_splits_its_own_string_too_often_is_refused(system: System) -> None:
    update = typed_with_letters_in_it("a" * 200_000, range(150_000, 1_000, -100))
    async with YjsClient(system.url, "own") as eve:
        await eve.until_synced()
        await eve.send(write_update(update))
        assert await eve.until_closed() == 4422
