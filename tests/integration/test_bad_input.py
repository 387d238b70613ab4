"""Whatever is sent ends in a coded error or close code for its sender, and the others notice nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgpack
import pytest
from redis.asyncio import Redis

from coedit.client import Document, connect
from coedit.ot import Delta
from coedit.protocol.codec import Codec
from coedit.store.keys import shard_of
from tests.integration.raw_client import RawClient
from tests.system import System, eventually

_SHARDS = 8


@pytest.fixture
async def bystander(system: System) -> AsyncIterator[Document]:
    """Somebody else in the document ``shared``, who must be able to work before and after."""
    async with connect(system.url, author="bystander") as session:
        document = await session.open("shared")
        await document.insert(0, "😀 quiet ")
        await document.settle()
        yield document
        await document.insert(0, "still ")
        await asyncio.wait_for(document.settle(), 10)
        assert document.rejections == []
        assert session.reconnects == 0


def _submit(delta: Any, **more: Any) -> dict[str, Any]:
    fields = {"type": "submit", "document": "shared", "client_sequence": 1, "epoch": 1, "delta": delta}
    return fields | more


async def test_flood_of_refused_messages_is_one_line_and_their_count(
    system: System, bystander: Document
) -> None:
    def lines(event: str) -> list[Any]:
        log = system.processes["gateway-0"].log.read_text().splitlines()
        logged = [json.loads(line) for line in log if line.startswith("{")]
        return [line for line in logged if line["event"] == event and line["client_id"] == client_id]

    async with RawClient(system.url) as client:
        client_id = (await client.hello())["client_id"]
        for _ in range(500):
            await client.send({"type": "nonsense"})
        await client.send({"type": "hello"})
        codes = [(await client.expect("error"))["code"] for _ in range(501)]
    assert codes == ["unknown-message"] * 500 + ["unexpected-message"]
    await eventually(lambda: len(lines("refused")) == 1, "the total is written")
    assert lines("refused")[0]["counts"] == {"unknown-message": 500, "unexpected-message": 1}
    assert [line["code"] for line in lines("refuse")] == ["unknown-message", "unexpected-message"]


_DELTAS: list[tuple[Any, str]] = [
    ("text", "invalid-delta"),
    ({"insert": "x"}, "invalid-delta"),
    ([{"insert": 1}], "invalid-delta"),
    ([{"retain": -1}], "invalid-delta"),
    ([{"retain": 1.5}, {"insert": "x"}], "invalid-delta"),
    ([{"retain": True}, {"insert": "x"}], "invalid-delta"),
    ([{"delete": 0}], "invalid-delta"),
    ([{"insert": "x", "delete": 1}], "invalid-delta"),
    ([{"insert": "x", "unknown": 1}], "invalid-delta"),
    ([{"retain": {"image": {"x": 1}}}], "unsupported-op"),
    ([{"retain": 2**53}], "invalid-delta"),
    ([{"retain": 1_000_000}, {"insert": "x"}], "length-mismatch"),
    ([{"delete": 1_000_000}], "length-mismatch"),
    ([{"retain": 1}, {"insert": "x"}], "split-surrogate"),
    ([{"delete": 1}], "split-surrogate"),
]


@pytest.mark.parametrize(("delta", "code"), _DELTAS, ids=str)
@pytest.mark.parametrize("codec", list(Codec))
async def test_delta_that_does_not_fit_is_refused_for_good(
    system: System, bystander: Document, delta: Any, code: str, codec: Codec
) -> None:
    # The document always begins with an emoji: whatever the bystander adds, it is in front of the next one.
    await bystander.edit(_emoji_first())
    await bystander.settle()
    async with RawClient(system.url, codec) as client:
        await client.hello()
        opened = await client.open("shared")
        await client.send(_submit(delta, base_revision=opened["revision"]))
        error = await client.expect("error")
        assert (error["code"], error["definite"]) == (code, True)
        assert (error["document"], error["client_sequence"]) == ("shared", 1)
        # The client id has no more say in this document, until it is renewed.
        await client.send(_submit([{"insert": "x"}], client_sequence=2, base_revision=opened["revision"]))
        assert (await client.expect("error"))["code"] == "sequence"
        await client.send({"type": "close", "document": "shared"})
        again = await client.open("shared", renew=True)
        assert again["client_id"] != opened["client_id"]
        await client.send(_submit([{"insert": "x"}], base_revision=again["revision"]))
        assert (await client.expect("ack"))["revision"] > again["revision"]


def _emoji_first() -> Delta:
    return Delta().insert("😀")


_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"type": "dance"}, "unknown-message"),
    ({"no": "type"}, "unknown-message"),
    ({"type": ["open"]}, "unknown-message"),
    ({"type": "hello"}, "unexpected-message"),
    ({"type": "open"}, "malformed"),
    ({"type": "open", "document": 1}, "malformed"),
    ({"type": "open", "document": "shared", "extra": 1}, "malformed"),
    ({"type": "open", "document": "shared", "epoch": 1}, "malformed"),
    ({"type": "open", "document": "shared", "epoch": "1", "revision": 0, "mac": ""}, "malformed"),
    ({"type": "open", "document": ""}, "invalid-identifier"),
    ({"type": "open", "document": "x" * 256}, "invalid-identifier"),
    ({"type": "open", "document": "a\nb"}, "invalid-identifier"),
    ({"type": "open", "document": "fresh", "epoch": 1, "revision": 5, "mac": "00"}, "diverged"),
    ({"type": "open", "document": "shared", "epoch": 1, "revision": 1, "mac": "00"}, "diverged"),
    ({"type": "open", "document": "shared", "epoch": 7, "revision": 1, "mac": "00"}, "diverged"),
    ({"type": "open", "document": "shared", "client_id": "abc", "resume_token": "forged"}, "unauthorized"),
    ({"type": "submit", "document": "closed", "client_sequence": 1}, "malformed"),
    (_submit([{"insert": "x"}], base_revision=0, document="closed"), "unexpected-message"),
    ({"type": "presence", "document": "closed", "revision": 0}, "unexpected-message"),
    ({"type": "presence", "document": "shared", "revision": 0, "colour": "red"}, "malformed"),
    (
        {"type": "presence", "document": "shared", "revision": 0, "caret": {"anchor": -1, "head": 0}},
        "malformed",
    ),
]


@pytest.mark.parametrize(("message", "code"), _REFUSED, ids=str)
async def test_message_out_of_place_is_refused(
    system: System, bystander: Document, message: dict[str, Any], code: str
) -> None:
    async with RawClient(system.url) as client:
        await client.hello()
        await client.send(message)
        assert (await client.expect("error"))["code"] == code
        await client.open("another")  # the connection goes on


async def test_submissions_at_the_wrong_place_in_history_are_refused(
    system: System, bystander: Document
) -> None:
    for more, code in (
        ({"base_revision": bystander.revision + 100}, "future-revision"),
        ({"base_revision": bystander.revision, "epoch": 9}, "unavailable"),
    ):
        async with RawClient(system.url) as client:
            await client.hello()
            await client.open("shared")
            await client.send(_submit([{"insert": "x"}], **more))
            assert (await client.expect("error"))["code"] == code


async def test_sequence_with_a_gap_is_refused(system: System, bystander: Document) -> None:
    async with RawClient(system.url) as client:
        await client.hello()
        base = (await client.open("shared"))["revision"]
        await client.send(_submit([{"insert": "x"}], base_revision=base))
        base = (await client.expect("ack"))["revision"]
        await client.send(_submit([{"insert": "y"}], base_revision=base, client_sequence=3))
        assert (await client.expect("error"))["code"] == "sequence"


async def test_resent_submission_is_acked_once(system: System, bystander: Document) -> None:
    async with RawClient(system.url) as client:
        await client.hello()
        base = (await client.open("shared"))["revision"]
        for _ in range(3):
            await client.send(_submit([{"insert": "once "}], base_revision=base))
        revision = (await client.expect("ack"))["revision"]
        repeat = await client.expect("ack")
        assert (repeat["repeat"], repeat["revision"]) == (True, revision)
    await bystander.until(lambda: bystander.revision >= revision)
    assert bystander.text.count("once ") == 1


@pytest.mark.parametrize(
    ("codec", "payload", "close_code"),
    [
        (Codec.JSON, "{", 4400),
        (Codec.JSON, "[]", 4400),
        (Codec.JSON, "null", 4400),
        (Codec.JSON, '{"type":"open","document":"\\ud83d"}', 4400),
        (Codec.JSON, '{"a":' * 5000 + "1" + "}" * 5000, 4400),
        (Codec.JSON, '{"a":' * 100 + "1" + "}" * 100, 4400),
        (Codec.JSON, '{"type":"presence","revision":NaN}', 4400),
        (Codec.JSON, b'{"type":"open"}', 4400),
        (Codec.MSGPACK, b"\xc1", 4400),
        (Codec.MSGPACK, b"", 4400),
        (Codec.MSGPACK, b"\x81\xa4type", 4400),
        (Codec.MSGPACK, b"\x91" * 5000, 4400),
        (Codec.MSGPACK, b"\xdd\xff\xff\xff\xff", 4400),
        (Codec.MSGPACK, msgpack.packb({1: 2}), 4400),
        (Codec.MSGPACK, "text", 4400),
        (Codec.JSON, "x" * 10_000_000, 1009),
        (Codec.MSGPACK, b"x" * 10_000_000, 1009),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_frame_that_cannot_be_decoded_ends_the_connection(
    system: System, bystander: Document, codec: Codec, payload: str | bytes, close_code: int
) -> None:
    async with RawClient(system.url, codec) as client:
        await client.hello()
        await client.open("shared")
        await client.send_raw(payload)
        assert await client.close_code() == close_code


@pytest.mark.parametrize(
    "first",
    ['{"type":"open","document":"shared"}', "{", '{"type":"hello","client_id":"x","resume_token":"y"}'],
)
async def test_connection_without_a_proper_hello_is_ended(system: System, first: str) -> None:
    async with RawClient(system.url) as client:
        await client.send_raw(first)
        assert (await client.expect("error"))["definite"] is True
        assert await client.close_code() in (4400, 4401)


async def test_client_without_our_subprotocol_is_ended(system: System) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(system.url + "/v1/ws", protocols=["chat"]) as socket,
    ):
        await asyncio.wait_for(socket.receive(), 5)
        assert socket.close_code == 4406


async def test_page_of_another_origin_is_ended(system: System) -> None:
    async with RawClient(system.url, headers={"Origin": "https://evil.example"}) as client:
        assert await client.close_code() == 4403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "192.0.2.1", "", "localhost.evil.example"]
)
async def test_name_that_somebody_else_resolved_to_us_is_no_way_into_open_mode(
    system: System, host: str
) -> None:
    """Such a page is of the same origin as what it asks, and its browser would let it read everything."""
    async with RawClient(system.url, headers={"Host": host, "Origin": f"http://{host}"}) as client:
        assert await client.close_code() == 4403


async def test_entry_that_does_not_decode_is_set_apart(system: System, bystander: Document) -> None:
    shard = shard_of(bystander.state.document_id, _SHARDS)
    redis = Redis.from_url(system.redis_url)
    refused = await redis.xlen(shard.refused)
    entries: list[Any] = [
        {b"submissions": b"\xc1"},
        {b"other": b"1"},
        {b"submissions": msgpack.packb([{"document": 1}])},
    ]
    for entry in entries:
        await redis.xadd(shard.ops, entry)

    async def set_apart() -> bool:
        return bool(await redis.xlen(shard.refused) == refused + 3)

    await eventually(set_apart, "three entries are set apart")
    await redis.aclose()
    assert "coedit_transformer_refused_entries_total 3.0" in system.metrics("transformer-0")


async def test_flood_from_one_client_is_answered_and_bounded(system: System, bystander: Document) -> None:
    async with RawClient(system.url) as client:
        await client.hello()
        for _ in range(2000):
            await client.send({"type": "dance"})
        for _ in range(2000):
            assert (await client.expect("error"))["code"] == "unknown-message"


async def test_second_submission_before_the_ack_is_refused(system: System, bystander: Document) -> None:
    """Thousands in flight would each be rebased over all those before, for minutes, and the others wait."""
    async with RawClient(system.url) as client:
        await client.hello()
        opened = await client.open("shared")
        head = opened["revision"]
        for sequence in range(1, 2001):
            await client.send(
                _submit(
                    [{"insert": "a"}], client_sequence=sequence, base_revision=head, epoch=opened["epoch"]
                )
            )
        answers: dict[str, Any] = {}
        while not {"ack", "error"} <= answers.keys():
            answer = await client.receive()
            assert isinstance(answer, dict)
            answers.setdefault(answer["type"], answer)
        assert answers["ack"]["client_sequence"] == 1
        assert (answers["error"]["code"], answers["error"]["client_sequence"]) == ("unexpected-message", 2)


async def test_client_that_vanishes_amid_pings_is_no_defect(system: System) -> None:
    before = system.processes["gateway-0"].log.read_text().count('"defect"')
    async with RawClient(system.url) as client:
        await client.hello()
        for _ in range(5000):
            await client.socket.ping()
        transport = client.socket._writer.transport
        assert transport is not None
        transport.abort()
    async with RawClient(system.url) as client:
        await client.hello()
    await eventually(lambda: _gauge(system, "connections") == 0, "both are gone")
    assert system.processes["gateway-0"].log.read_text().count('"defect"') == before


def _gauge(system: System, name: str) -> float:
    lines = system.metrics("gateway-0").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"coedit_gateway_{name} "))


async def test_next_submission_may_follow_one_that_was_resent_while_its_ack_was_on_the_way(
    system: System,
) -> None:
    async with RawClient(system.url) as client:
        await client.hello()
        await client.open("crossing")
        submit = {"type": "submit", "document": "crossing", "epoch": 1, "delta": [{"insert": "x"}]}
        first = submit | {"client_sequence": 1, "base_revision": 0}
        await client.send(first)
        await client.expect("ack")
        await client.send(first)
        await client.send(submit | {"client_sequence": 2, "base_revision": 1})
        acks = [await client.expect("ack") for _ in range(2)]
        assert {ack["client_sequence"] for ack in acks} == {1, 2}
