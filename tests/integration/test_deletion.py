"""Documents that are deleted: for everybody at once, for a while or for good, whoever dies and whatever comes late."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from redis.asyncio import Redis

from coedit.client import connect
from coedit.client.events import DocumentError
from coedit.identifiers import AuthorId, DocumentId
from coedit.store.keys import shard_of
from coedit.store.objects.deletions import Deletion, DeletionRecords
from coedit.store.objects.object_store import open_object_store
from tests.integration.raw_client import RawClient
from tests.integration.yjs_client import HocuspocusClient, YjsClient
from tests.marker import places_of
from tests.system import System, eventually

_SETTINGS = {
    "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.3",
    "COEDIT_SNAPSHOTTER_LEASE_SECONDS": "1",
    "COEDIT_TRANSFORMER_LEASE_SECONDS": "1",
    "COEDIT_TRANSFORMER_GRACE_SECONDS": "2",
}


def new_system(folder: Any, **settings: str) -> System:
    return System(folder, gateways=2, acl=True, settings=_SETTINGS | settings)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = new_system(tmp_path_factory.mktemp("system"))
    system.start()
    yield system
    system.stop()


@pytest.fixture(scope="module")
def own_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One whose processes are killed, and where a document is in the trash for a second."""
    system = new_system(tmp_path_factory.mktemp("system"), COEDIT_TRASH_SECONDS="1")
    system.start()
    yield system
    system.stop()


def new_name() -> DocumentId:
    return DocumentId(f"team/{secrets.token_hex(4)}")


async def ask(
    system: System, method: str, name: str, more: str = "", gateway: int = 0
) -> tuple[int, dict[str, Any]]:
    path = f"/{quote(name, safe='')}" if name else ""
    url = f"{system.gateways[gateway]}/v1/documents{path}{more}"
    async with aiohttp.ClientSession() as http, http.request(method, url) as response:
        answer: dict[str, Any] = await response.json(content_type=None)
        return response.status, answer


async def write(system: System, name: str, text: str) -> None:
    async with connect(system.url) as session:
        document = await session.open(name)
        await document.insert(0, text)
        await document.settle()


async def text_of(system: System, name: str) -> str:
    _, answer = await ask(system, "GET", name)
    return "".join(op["insert"] for op in answer["content"])


@asynccontextmanager
async def writers(system: System, name: str, marker: str) -> AsyncIterator[None]:
    """Clients of all doors and both gateways, who write the marker again and again and come back whenever they can."""

    async def by_ot(url: str) -> None:
        while True:
            try:
                async with connect(url) as session:
                    document = await session.open(name)
                    while True:
                        await document.insert(0, marker)
                        await asyncio.sleep(0.02)
            except Exception:  # noqa: BLE001 - whatever ends it, it comes again
                await asyncio.sleep(0.1)

    async def by_yjs(kind: type[YjsClient], url: str) -> None:
        client = kind(url, name)
        async with aiohttp.ClientSession():
            while True:
                try:
                    async with client:
                        while client.close_code is None:
                            await client.edit(lambda text: text.insert(0, marker))
                            await asyncio.sleep(0.05)
                except Exception:  # noqa: BLE001 - as above
                    pass
                client.close_code = None
                await asyncio.sleep(0.1)

    urls = system.gateways
    tasks = [asyncio.create_task(by_ot(url)) for url in urls]
    tasks += [
        asyncio.create_task(by_yjs(YjsClient, urls[0])),
        asyncio.create_task(by_yjs(HocuspocusClient, urls[1])),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_erased(system: System, name: str) -> None:
    async def is_erased() -> bool:
        _, answer = await ask(system, "DELETE", name, "?erase=true")
        return bool(answer["state"] == "erased")

    await eventually(is_erased, "it is erased", seconds=60)


async def until_no_trace(system: System, marker: str) -> None:
    """What was on its way when the document went goes a little later."""
    found: list[str] = []

    async def is_gone() -> bool:
        found[:] = await asyncio.to_thread(places_of, system, marker)
        return not found

    try:
        await eventually(is_gone, "nothing of the document is stored")
    except AssertionError as error:
        raise AssertionError(f"{error}: {found}") from None


async def until_stored(system: System, marker: str) -> None:
    """Until there is something to erase everywhere: in the log, in a snapshot and in the archive."""

    async def is_stored() -> bool:
        found = await asyncio.to_thread(places_of, system, marker)
        return all(any(part in place for place in found) for part in ("log:", "/snapshot/", "/history/"))

    await eventually(is_stored, "the document is stored everywhere")


async def test_erased_document_leaves_no_byte_while_everybody_writes(system: System) -> None:
    name, other, marker = new_name(), new_name(), f"secret{secrets.token_hex(8)}"
    await write(system, other, "kept")
    async with writers(system, name, marker):
        await until_stored(system, marker)
        status, answer = await ask(system, "DELETE", name, "?erase=true")
        assert status in (200, 202)

        await until_erased(system, name)
        for gateway in (0, 1):
            status, answer = await ask(system, "GET", name, gateway=gateway)
            assert (status, answer["code"]) == (410, "deleted")
    await until_no_trace(system, marker)
    assert await text_of(system, other) == "kept"


async def test_erasing_outlives_whoever_is_killed(own_system: System) -> None:
    """kill -9 of the eraser and of the transformer, again and again, while everybody writes."""
    system, name, marker = own_system, new_name(), f"secret{secrets.token_hex(8)}"
    async with writers(system, name, marker):
        await until_stored(system, marker)
        erasing = asyncio.create_task(ask(system, "DELETE", name, "?erase=true"))
        for _ in range(3):
            await asyncio.sleep(secrets.randbelow(100) / 1000)
            for process in ("snapshotter-0", "transformer-0"):
                system.processes[process].kill()
                system.restart(process)
        await asyncio.wait({erasing})

        await until_erased(system, name)
    await until_no_trace(system, marker)


async def test_erased_document_stays_so_when_redis_is_lost(own_system: System) -> None:
    """Neither those who still have it, nor the transformer that wrote it, bring it back."""
    system, name, other = own_system, new_name(), new_name()
    marker = f"secret{secrets.token_hex(8)}"
    await write(system, other, "kept")
    async with RawClient(system.gateways[1]) as client:
        await client.hello()
        await write(system, name, marker)
        held = await client.open(name)
        await until_erased(system, name)
        await asyncio.to_thread(system.wipe_redis)
        await asyncio.to_thread(system.wait_ready, "transformer-0")
        await eventually_kept(system, other)
    async with RawClient(system.url) as again:
        await again.hello()
        await again.send(
            {"type": "open", "document": name, **{key: held[key] for key in ("epoch", "revision", "mac")}}
        )
        assert (await again.expect("error"))["code"] == "deleted"
    assert (await ask(system, "GET", name))[0] == 410
    await until_no_trace(system, marker)


async def eventually_kept(system: System, name: str) -> None:
    async def is_kept() -> bool:
        status, answer = await ask(system, "GET", name)
        return status == 200 and answer["revision"] > 0

    await eventually(is_kept, "what was not deleted is there again")


async def test_soft_deletion_ends_it_for_everybody_until_it_is_restored(system: System) -> None:
    name = new_name()
    await write(system, name, "as it was")
    async with (
        RawClient(system.gateways[0]) as alone,
        RawClient(system.gateways[1]) as several,
        YjsClient(system.gateways[1], name) as yjs,
        HocuspocusClient(system.gateways[0], name) as hocuspocus,
    ):
        for client in (alone, several):
            await client.hello()
            await client.open(name)
        await several.open(new_name())
        await yjs.until_synced()
        await hocuspocus.until_synced()
        status, answer = await ask(system, "DELETE", name)
        assert (status, answer["state"]) == (200, "trash")
        assert answer["until"] - answer["at"] == 30 * 86400 * 1000
        for client in (alone, several):
            error = await client.expect("error")
            assert (error["code"], error["document"]) == ("deleted", name)
        assert await alone.close_code() == 4404
        assert await yjs.until_closed() == 4404
        await hocuspocus.until(lambda: hocuspocus.reasons == ["deleted"], "it is told")
        await several.open(new_name())  # who has others open goes on with them
    await assert_refused(system, name)
    assert (await ask(system, "DELETE", name))[1] == answer  # again is harmless
    status, answer = await ask(system, "POST", name, "/restore", gateway=1)
    assert (status, answer["state"]) == (200, "restored")
    assert await text_of(system, name) == "as it was"
    assert name in await listed(system)
    await write(system, name, "and ")
    assert await text_of(system, name) == "and as it was"


async def listed(system: System) -> list[str]:
    _, answer = await ask(system, "GET", "", "?limit=1000")
    return [one["document"] for one in answer["documents"]]


async def assert_refused(system: System, name: str) -> None:
    """Nobody gets it, by any door of any gateway."""
    assert name not in await listed(system)
    for gateway, url in enumerate(system.gateways):
        for path in ("", "/edits"):
            method = "POST" if path else "GET"
            status, answer = await ask(system, method, name, path, gateway)
            assert (status, answer["code"]) == (410, "deleted")
        with pytest.raises(DocumentError, match="deleted"):
            async with connect(url) as session:
                await session.open(name)
        async with YjsClient(url, name) as yjs:
            assert await yjs.until_closed() == 4404
        async with HocuspocusClient(url, name) as hocuspocus:
            await hocuspocus.until(lambda: hocuspocus.reasons == ["deleted"], "it is refused")


async def test_what_is_no_document_is_not_deleted(system: System) -> None:
    for method, more in (("DELETE", ""), ("POST", "/restore")):
        status, answer = await ask(system, method, new_name(), more)
        assert (status, answer["code"]) == (404, "unknown-document")


async def test_time_in_the_trash_is_over(own_system: System) -> None:
    system, name, marker = own_system, new_name(), f"secret{secrets.token_hex(8)}"
    await write(system, name, marker)
    assert (await ask(system, "DELETE", name))[1]["state"] == "trash"
    await until_no_trace(system, marker)
    status, answer = await ask(system, "POST", name, "/restore")
    assert (status, answer["code"]) == (410, "deleted")


async def test_decision_that_nobody_told_of_is_told(system: System) -> None:
    """Whoever decided was killed behind it: it had noted before that the decision is to be looked at."""
    name = new_name()
    await write(system, name, "text")
    records = DeletionRecords(open_object_store(system.object_store_url))
    await records.add(name, Deletion(1, "trash", AuthorId("ada"), at=1, until=2**52))
    shard = shard_of(name, 8)
    async with RawClient(system.gateways[1]) as client, Redis.from_url(system.redis_url) as redis:
        await client.hello()
        await client.open(name)
        await redis.zadd(shard.deletions, {name: 1})
        assert (await client.expect("error"))["code"] == "deleted"
    assert (await ask(system, "GET", name))[0] == 410


async def test_edit_that_waits_for_its_owner_is_not_committed_any_more(own_system: System) -> None:
    """It was submitted before the document was erased, and is read after it."""
    system, name, marker = own_system, new_name(), f"secret{secrets.token_hex(8)}"
    await write(system, name, "text")
    async with RawClient(system.url) as client, Redis.from_url(system.redis_url) as redis:
        await client.hello()
        opened = await client.open(name)
        system.processes["transformer-0"].kill()
        submission = {"client_sequence": 1, "epoch": opened["epoch"], "base_revision": opened["revision"]}
        await client.send({"type": "submit", "document": name, "delta": [{"insert": marker}], **submission})

        async def waits() -> bool:
            return bool(await redis.xlen(shard_of(name, 8).ops))

        await eventually(waits, "it waits")
        await until_erased(system, name)
    system.restart("transformer-0")
    await until_no_trace(system, marker)
    assert (await ask(system, "GET", name))[0] == 410
