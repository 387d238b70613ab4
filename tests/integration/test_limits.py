"""Each limit by OT clients and over plain HTTP: refused with its code, told when to come back, and then accepted."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.integration.limits_setup import counted, limited_system, raw, refusal, session, shown, somewhere
from tests.integration.raw_client import Message, RawClient
from tests.integration.test_access import token
from tests.system import System, eventually

LIMITED = 4529
NOTHING = {"type": "close", "document": "nothing that is open"}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = limited_system(tmp_path_factory.mktemp("limited"))
    system.start()
    yield system
    system.stop()


async def test_who_does_not_say_hello_takes_few_places(limited: System) -> None:
    here = somewhere()
    async with AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(raw(limited.url, here)) for _ in range(3)]
        status, retry_after, body = await refusal(limited.url, here)
        assert (status, body["code"], body["retry_after_seconds"]) == (429, "limited", int(retry_after))
        async with raw(limited.url) as elsewhere:
            await elsewhere.hello(**shown("elsewhere"))
        await silent[0].hello(**shown("silent at first"))
        async with raw(limited.url, here) as next_one:
            await next_one.hello(**shown("the next"))
    assert counted(limited, "strangers") > 0


@pytest.mark.parametrize("places", [["203.0.113.1"], [f"2001:db8:7:7::{n}" for n in range(1, 7)]])
async def test_an_address_has_so_many_connections(limited: System, places: list[str]) -> None:
    async with AsyncExitStack() as stack:
        for number in range(6):
            here = {"X-Forwarded-For": places[number % len(places)]}
            client = await stack.enter_async_context(raw(limited.url, here))
            await client.hello(**shown(f"{places[0]} {number}"))
        assert (await refusal(limited.url, {"X-Forwarded-For": places[0]}))[0] == 429
        async with raw(limited.url) as elsewhere:
            await elsewhere.hello(**shown("elsewhere"))
        await client.socket.close()

        async def has_a_place() -> bool:
            try:
                async with raw(limited.url, {"X-Forwarded-For": places[0]}) as again:
                    return bool(await again.hello(**shown("again")))
            except aiohttp.WSServerHandshakeError:
                return False

        await eventually(has_a_place, "a place is free again")


async def test_an_author_has_so_many_connections_and_is_told_when_to_come_back(limited: System) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(3):
            client = await stack.enter_async_context(raw(limited.url))
            await client.hello(**shown("everywhere"))
        async with raw(limited.url) as one_more:
            await one_more.send({"type": "hello", **shown("everywhere")})
            error = await one_more.expect("error")
            assert (error["code"], error["definite"], error["retryable"]) == ("limited", False, True)
            assert error["retry_after_seconds"] >= 1
            assert await one_more.close_code() == LIMITED
        await client.socket.close()

        async def is_welcome() -> bool:
            async with raw(limited.url) as again:
                await again.send({"type": "hello", **shown("everywhere")})
                answer = await again.receive()
                return isinstance(answer, dict) and answer["type"] == "welcome"

        await eventually(is_welcome, "a place is free again")


async def test_opened_too_fast_is_refused_until_it_is_not(limited: System) -> None:
    async with raw(limited.url) as client:
        await client.hello(**shown("opener"))
        for number in range(3):
            await client.open(f"opened {number}")
        await client.send({"type": "open", "document": "opened 0"})
        error = await client.expect("error")
        assert (error["code"], error["document"], error["retryable"]) == ("limited", "opened 0", True)
        await asyncio.sleep(error["retry_after_seconds"])
        opened = await client.open("opened 0")
        await client.send(_insert("opened 0", "kept", opened["revision"]))
        await client.expect("ack")


async def test_our_client_opens_what_it_may_not_open_yet_when_it_may(limited: System) -> None:
    async with session(limited.url, "patient") as patient:
        documents = await asyncio.gather(*(patient.open(f"patient {number}") for number in range(6)))
        assert [document.text for document in documents] == [""] * 6
        assert patient.reconnects == 0
    assert counted(limited, "opens") > 0


async def test_who_says_too_much_is_told_and_nothing_of_it_is_lost(limited: System) -> None:
    async with raw(limited.url) as client:
        await client.hello(**shown("talker"))
        opened = await client.open("talk")
        for _ in range(100):
            await client.send(NOTHING)
        await client.send(_insert("talk", "said", opened["revision"]))
        error = await client.expect("error")
        assert (error["code"], error["definite"], error["retryable"]) == ("limited", False, True)
        assert error["retry_after_seconds"] >= 1
        await client.expect("ack")


async def test_bytes_are_counted_too(limited: System) -> None:
    before = counted(limited, "bytes")
    async with raw(limited.url) as client:
        await client.hello(**shown("writer"))
        opened = await client.open("much")
        await client.send(_insert("much", "x" * 400_000, opened["revision"]))
        assert (await client.expect("error"))["code"] == "limited"
        await client.expect("ack")
        await client.send({"type": "open", "document": "much"})
        await client.expect("opened")
    assert counted(limited, "bytes") > before


async def test_a_frame_that_never_ends_is_counted_by_its_parts(limited: System) -> None:
    before = counted(limited, "messages")
    async with raw(limited.url) as client:
        await client.hello(**shown("splitter"))
        writer = client.socket._writer.transport  # no client of ours sends such
        writer.write(b"\x01\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * 100)
        await eventually(lambda: counted(limited, "messages") > before, "it is held up")


async def test_our_client_obeys_and_saves_everything(limited: System) -> None:
    before = counted(limited, "messages")
    async with session(limited.url, "hasty") as hasty:
        document = await hasty.open("in a hurry")
        for _ in range(70):
            await document.insert(0, "x")
            async with asyncio.timeout(30):
                await document.settle()
        assert (document.text, hasty.reconnects) == ("x" * 70, 0)
    assert counted(limited, "messages") > before


async def test_an_author_is_counted_at_all_gateways_together(limited: System) -> None:
    """Each connection says less than one may, and all of them together more."""
    before = counted(limited, "author-messages")
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(raw(url))
            for url in (limited.gateways[0], limited.gateways[0], limited.gateways[1])
        ]
        for client in clients:
            await client.hello(**shown("many"))
            for _ in range(36):
                await client.send(NOTHING)
        await eventually(lambda: counted(limited, "author-messages") > before, "the author is held up")
        for client in clients:
            await client.open("by many")


async def test_too_many_calls_are_429_and_say_when_to_call_again(limited: System) -> None:
    headers = {"Authorization": f"Bearer {token({'*': 'write'}, sub='caller')}"}
    url = f"{limited.url}/v1/documents/called"
    async with aiohttp.ClientSession(headers=headers) as http:

        async def status() -> tuple[int, str, Message]:
            async with http.get(url) as answer:
                return answer.status, answer.headers.get("Retry-After", ""), await answer.json()

        answers = await asyncio.gather(*(status() for _ in range(60)))
        refused = [answer for answer in answers if answer[0] == 429]
        assert refused
        assert {answer[0] for answer in answers} == {200, 429}
        _, retry_after, body = refused[0]
        assert (body["code"], body["retry_after_seconds"]) == ("limited", int(retry_after))
        await asyncio.sleep(int(retry_after))
        await eventually(lambda: _is_200(http, url), "it may call again")


async def test_without_redis_nobody_waits_for_its_authors_limits_and_the_others_hold(limited: System) -> None:
    limited.processes["redis"].signal(signal.SIGSTOP)
    try:
        async with raw(limited.url) as client:
            await client.hello(**shown("during an outage"))
            for _ in range(100):
                await client.send(NOTHING)
            assert (await client.expect("error"))["code"] == "limited"
    finally:
        limited.processes["redis"].signal(signal.SIGCONT)


async def test_noise_of_one_author_keeps_no_other_from_writing(limited: System) -> None:
    async with AsyncExitStack() as stack:
        noisy = [await stack.enter_async_context(raw(limited.url)) for _ in range(3)]
        for client in noisy:
            await client.hello(**shown("noisy"))
        noise = [asyncio.create_task(_flood(client)) for client in noisy]
        try:
            async with session(limited.url, "calm") as calm:
                document = await calm.open("a calm place")
                for _ in range(10):
                    await document.insert(0, "y")
                    async with asyncio.timeout(30):
                        await document.settle()
                assert document.text == "y" * 10
        finally:
            for task in noise:
                task.cancel()
            await asyncio.gather(*noise, return_exceptions=True)


async def test_a_new_name_costs_redis_nothing_until_something_is_written(limited: System) -> None:
    async with raw(limited.url) as client:
        await client.hello(**shown("curious"))
        for number in range(3):
            await client.open(f"nothing yet {number}")
        async with Redis.from_url(limited.redis_url) as redis:
            assert [key async for key in redis.scan_iter("*nothing yet*")] == []
        await client.send(_insert("nothing yet 0", "now", 0))
        await client.expect("ack")
        async with Redis.from_url(limited.redis_url) as redis:
            assert [key async for key in redis.scan_iter("log:*nothing yet 0")] != []


def _insert(document: str, text: str, revision: int) -> Message:
    submit = {"type": "submit", "document": document, "client_sequence": 1, "epoch": 1}
    return submit | {"base_revision": revision, "delta": [{"insert": text}]}


async def _flood(client: RawClient) -> None:
    """Send many times what is read, until it is not taken any more."""
    while True:
        for _ in range(20):
            await client.send(NOTHING)
        await asyncio.sleep(0.02)


async def _is_200(http: aiohttp.ClientSession, url: str) -> bool:
    async with http.get(url) as answer:
        return answer.status == 200
