"""A client that comes back, and sends again what it does not know the fate of: wherever, whenever, whatever restarted.

It is committed once, or acked as a repeat, or refused for good; never twice, and never lost.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgpack
import pytest

from coedit.client import connect
from coedit.client.rest import fetch_text
from coedit.identifiers import DocumentId
from coedit.store.documents.log import DocumentLog
from coedit.store.keys import shard_of
from coedit.store.objects.archive import Archive
from coedit.store.objects.local_folder import LocalFolder
from coedit.store.redis.connection import connect as connect_redis
from coedit.store.redis.topology import Nodes
from tests.integration.raw_client import Message, RawClient
from tests.system import System, eventually

SHARDS = 8
_SERVICES = ("transformer-0", "transformer-1", "snapshotter-0", "gateway-0", "gateway-1")


@pytest.fixture(scope="module")
def two_of_each(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that takes snapshots soon, and keeps next to nothing in the logs; documents are small."""
    settings = {
        "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.2",
        "COEDIT_SNAPSHOTTER_SCAN_SECONDS": "0.1",
        "COEDIT_SNAPSHOTTER_TAIL": "1",
        "COEDIT_SNAPSHOTTER_SEGMENT_COMMITS": "1",
        "COEDIT_TRANSFORMER_DOCUMENT_UNITS": "40",
        "COEDIT_TRANSFORMER_RESTART_GRACE_SECONDS": "0.2",
    }
    folder = tmp_path_factory.mktemp("exactly-once")
    system = System(folder, gateways=2, transformers=2, settings=settings)
    system.start()
    yield system
    system.stop()


@dataclass
class Replica:
    """What a client keeps of a document between two connections: who it is, where it stands, and what is in flight."""

    name: str
    who: Message = field(default_factory=dict)
    held: Message = field(default_factory=dict)
    sequence: int = 0
    delta: list[Any] = field(default_factory=list)

    def opened(self, answer: Message) -> None:
        self.who = {"client_id": answer["client_id"], "resume_token": answer["resume_token"]}
        self.held = {"epoch": answer["epoch"], "revision": answer["revision"], "mac": answer["mac"]}

    def acked(self, ack: Message) -> None:
        self.held = {"epoch": ack["epoch"], "revision": ack["revision"], "mac": ack["mac"]}

    def submission(self) -> Message:
        return {
            "type": "submit",
            "document": self.name,
            "client_sequence": self.sequence,
            "epoch": self.held["epoch"],
            "base_revision": self.held["revision"],
            "delta": self.delta,
        }


@asynccontextmanager
async def connection(url: str, replica: Replica) -> AsyncIterator[RawClient]:
    """Come as the client that one is, with what one holds."""
    async with RawClient(url) as client:
        await client.hello(**replica.who)
        replica.opened(await _opened(client, replica))
        yield client


async def _opened(client: RawClient, replica: Replica) -> Message:
    """Open the document, as often as it takes while Redis is not back."""
    while True:
        await client.send({"type": "open", "document": replica.name, **replica.who, **replica.held})
        answer = await client.receive()
        while isinstance(answer, dict) and answer["type"] not in ("opened", "error"):
            answer = await client.receive()
        assert isinstance(answer, dict), f"closed with {answer}"
        if answer["type"] == "opened":
            return answer
        assert answer["retryable"], answer


async def write(client: RawClient, replica: Replica, delta: list[Any]) -> Message:
    """Submit, and wait for its ack: an earlier one may be acked again meanwhile, where it was sent by two ways."""
    replica.sequence, replica.delta = replica.sequence + 1, delta
    await client.send(replica.submission())
    while (ack := await client.expect("ack"))["client_sequence"] != replica.sequence:
        assert ack["repeat"] is True
    replica.acked(ack)
    return ack


async def begun(system: System, name: str) -> Replica:
    """Return a client of a new document that has had one edit acknowledged."""
    replica = Replica(name)
    async with connection(system.url, replica) as client:
        await write(client, replica, [{"insert": "."}])
    return replica


async def submit_and_vanish(system: System, replica: Replica, delta: list[Any], last: int) -> None:
    """Submit, and be gone before an answer comes; return when the server is done with it, ``last`` being its head."""
    replica.sequence, replica.delta = replica.sequence + 1, delta
    held = dict(replica.held)
    async with connection(system.url, replica) as client:
        replica.held = held
        await client.send(replica.submission())
    redis = connect_redis(system.redis_url)
    shard = shard_of(DocumentId(replica.name), SHARDS)

    async def is_done() -> bool:
        position = await DocumentLog(Nodes(redis), SHARDS).position(DocumentId(replica.name))
        return position is not None and position.head == last and await redis.xlen(shard.ops) == 0

    await eventually(is_done, "the submission was dealt with")
    await redis.aclose()


async def others_write(system: System, name: str, count: int) -> None:
    async with connect(system.gateways[1], author="bob") as session:
        document = await session.open(name)
        for _ in range(count):
            await document.insert(len(document.text), "x")
            await document.settle()


async def until_trimmed(system: System, name: str) -> None:
    """Wait until all but the newest commit stand in the archive alone."""
    redis = connect_redis(system.redis_url)

    async def is_trimmed() -> bool:
        position = await DocumentLog(Nodes(redis), SHARDS).position(DocumentId(name))
        return position is not None and position.floor == position.head - 1

    await eventually(is_trimmed, "the log is trimmed")
    await redis.aclose()


async def restart(system: System, names: tuple[str, ...]) -> None:
    for name in names:
        await asyncio.to_thread(system.processes[name].kill)
        system.restart(name)
    for name in names:
        if name != "redis":
            await asyncio.to_thread(system.wait_ready, name)


async def weeks_pass(system: System, name: str) -> None:
    """Nothing is in memory any more, anywhere, and next to nothing in Redis."""
    await until_trimmed(system, name)
    await restart(system, ("redis", *_SERVICES))


async def comes_back(system: System, replica: Replica) -> Message | int:
    """Come to the other gateway, send again, and return what becomes of it."""
    async with connection(system.gateways[1], replica) as client:
        await client.send(replica.submission())
        while isinstance(message := await client.receive(), dict):
            is_mine = message.get("client_sequence") == replica.sequence
            if message.get("retryable"):
                await client.send(replica.submission())
            elif message["type"] in ("ack", "error") and is_mine:
                return message
            if message["type"] == "commit":
                last = message["commits"][-1]
                replica.held = {"epoch": message["epoch"], "revision": last["revision"], "mac": last["mac"]}
        return message


async def text_of(system: System, name: str) -> str:
    return (await fetch_text(system.url, name)).text


async def commits_of(system: System, replica: Replica) -> list[int]:
    """Return the sequences that a client has committed, from the log and the archive."""
    redis = connect_redis(system.redis_url)
    log, archive = DocumentLog(Nodes(redis), SHARDS), Archive(LocalFolder(str(system.folder / "objects")))
    position = await log.position(DocumentId(replica.name))
    assert position is not None
    kept = await log.read(DocumentId(replica.name), position.floor + 1, position.head)
    entries = [*await archive.read(DocumentId(replica.name), 1, position.floor), *kept]
    await redis.aclose()
    commits = [msgpack.unpackb(entry) for entry in entries]
    return [
        commit["client_sequence"] for commit in commits if commit["client_id"] == replica.who["client_id"]
    ]


@pytest.mark.parametrize(
    "between",
    [(), ("transformer-0", "transformer-1"), ("gateway-0",), ("redis",), ("redis", *_SERVICES)],
    ids=lambda names: "+".join(names) or "nothing",
)
async def test_resent_submission_that_was_committed_is_acked_and_not_repeated(
    two_of_each: System, between: tuple[str, ...]
) -> None:
    name = f"repeat after {len(between)} {between[:1]}"
    replica = await begun(two_of_each, name)
    await submit_and_vanish(two_of_each, replica, [{"insert": "mine"}], last=2)
    await others_write(two_of_each, name, 3)
    await restart(two_of_each, between)
    answer = await comes_back(two_of_each, replica)
    assert isinstance(answer, dict)
    assert (answer["type"], answer["revision"]) == ("ack", 2)
    assert await commits_of(two_of_each, replica) == [1, 2]
    assert await text_of(two_of_each, name) == "mine.xxx"


async def test_resent_submission_that_was_committed_weeks_ago_is_acked_and_not_repeated(
    two_of_each: System,
) -> None:
    replica = await begun(two_of_each, "weeks")
    await submit_and_vanish(two_of_each, replica, [{"insert": "mine"}], last=2)
    await others_write(two_of_each, "weeks", 3)
    await weeks_pass(two_of_each, "weeks")
    answer = await comes_back(two_of_each, replica)
    assert isinstance(answer, dict)
    assert (answer["type"], answer["revision"]) == ("ack", 2)
    assert await commits_of(two_of_each, replica) == [1, 2]
    assert await text_of(two_of_each, "weeks") == "mine.xxx"


async def test_submission_that_never_arrived_is_committed_once_weeks_later(two_of_each: System) -> None:
    """Rebased over what came since, which the log does not have any more."""
    replica = await begun(two_of_each, "never arrived")
    replica.sequence, replica.delta = 2, [{"retain": 1}, {"insert": "mine"}]
    await others_write(two_of_each, "never arrived", 3)
    await weeks_pass(two_of_each, "never arrived")
    for _ in range(2):
        held = dict(replica.held)
        answer = await comes_back(two_of_each, replica)
        assert isinstance(answer, dict)
        assert (answer["type"], answer["revision"]) == ("ack", 5)
        replica.held = held  # as if the ack had not arrived either
    assert await commits_of(two_of_each, replica) == [1, 2]
    assert sorted(await text_of(two_of_each, "never arrived")) == sorted(".xxxmine")


@pytest.mark.parametrize("between", [(), ("transformer-0", "transformer-1"), ("redis", *_SERVICES)], ids=len)
async def test_rejection_that_was_lost_is_given_again_though_the_edit_would_fit_now(
    two_of_each: System, between: tuple[str, ...]
) -> None:
    """What was told to nobody here may have been told elsewhere, and the text be there under another id already."""
    name = f"rejected {len(between)}"
    replica = await begun(two_of_each, name)
    await others_write(two_of_each, name, 20)
    async with connection(two_of_each.url, replica) as client:  # stand at the head
        while replica.held["revision"] < 21:
            message = await client.expect("commit")
            last = message["commits"][-1]
            replica.held = {"epoch": message["epoch"], "revision": last["revision"], "mac": last["mac"]}
    await submit_and_vanish(two_of_each, replica, [{"insert": "y" * 30}], last=21)
    async with connect(two_of_each.url, author="bob") as session:
        document = await session.open(name)
        await document.delete(0, 20)
        await document.settle()
    await restart(two_of_each, between)
    for _ in range(2):
        answer = await comes_back(two_of_each, replica)
        assert isinstance(answer, dict)
        assert (answer["type"], answer["code"], answer["definite"]) == ("error", "sequence", True)
        replica.sequence += 1  # nor is what would come after it taken under the same id
    assert "y" not in await text_of(two_of_each, name)
    async with RawClient(two_of_each.url) as client:  # under a new one it is
        await client.hello()
        renewed = Replica(name)
        renewed.opened(await client.open(name, renew=True))
        assert (await write(client, renewed, [{"insert": "y" * 30}]))["type"] == "ack"
    assert (await text_of(two_of_each, name)).count("y") == 30


@pytest.mark.parametrize("is_cold", [False, True], ids=["warm", "cold"])
@pytest.mark.parametrize("step", [2, -1], ids=["gap", "back"])
async def test_sequence_that_does_not_follow_is_refused(
    two_of_each: System, step: int, is_cold: bool
) -> None:
    name = f"sequence {step} {is_cold}"
    replica = await begun(two_of_each, name)
    async with connection(two_of_each.url, replica) as client:
        await write(client, replica, [{"insert": "a"}])
    if is_cold:
        await others_write(two_of_each, name, 2)
        await weeks_pass(two_of_each, name)
    replica.sequence, replica.delta = replica.sequence + step, [{"insert": "b"}]
    answer = await comes_back(two_of_each, replica)
    assert isinstance(answer, dict)
    assert (answer["type"], answer["code"], answer["definite"]) == ("error", "sequence", True)
    assert "b" not in await text_of(two_of_each, name)


async def test_submission_whose_history_is_gone_is_refused_for_good(two_of_each: System) -> None:
    replica = await begun(two_of_each, "no history")
    replica.sequence, replica.delta = 2, [{"insert": "mine"}]
    await others_write(two_of_each, "no history", 4)
    await until_trimmed(two_of_each, "no history")
    objects = LocalFolder(str(two_of_each.folder / "objects"))
    for key in await objects.list("no%20history/history/"):
        await objects.delete(key)
    await restart(two_of_each, ("transformer-0", "transformer-1", "gateway-0", "gateway-1"))
    async with RawClient(two_of_each.url) as client:
        await client.hello(**replica.who)
        await client.send({"type": "open", "document": replica.name, **replica.who, **replica.held})
        answer = await client.expect("error")
    assert (answer["code"], answer["definite"]) == ("revision-too-old", True)
    assert await text_of(two_of_each, "no history") == ".xxxx"


async def test_copies_that_overtake_one_another_are_committed_once(two_of_each: System) -> None:
    """The same submission by way of both gateways, many times at once."""
    replica = await begun(two_of_each, "copies")
    replica.sequence, replica.delta = 2, [{"insert": "mine"}]
    await asyncio.gather(*(comes_back(two_of_each, _copy(replica)) for _ in range(4)), return_exceptions=True)
    assert await commits_of(two_of_each, replica) == [1, 2]
    assert await text_of(two_of_each, "copies") == "mine."


def _copy(replica: Replica) -> Replica:
    return Replica(replica.name, dict(replica.who), dict(replica.held), replica.sequence, replica.delta)


async def test_two_that_go_by_one_client_id_are_not_both_served(two_of_each: System) -> None:
    """A duplicated tab that brought its identity along, on another gateway: the older one is closed."""
    replica = await begun(two_of_each, "duplicate")
    twin = _copy(replica)
    async with connection(two_of_each.gateways[0], replica) as older:
        await write(older, replica, [{"insert": "older"}])
        async with connection(two_of_each.gateways[1], twin) as newer:
            twin.acked(await newer.expect("ack"))  # of what the other one wrote, for all the server knows
            twin.sequence += 1
            await write(newer, twin, [{"insert": "newer"}])
            assert await older.close_code() == 4409
            await write(newer, twin, [{"insert": "and on "}])


@pytest.mark.timeout(120)
async def test_gateway_that_wakes_late_does_not_close_the_connection_that_took_its_place(
    two_of_each: System,
) -> None:
    """It was asleep while its client gave it up and came back elsewhere; what the client had sent it is still there."""
    replica = await begun(two_of_each, "late gateway")
    async with connection(two_of_each.gateways[0], replica) as older:
        two_of_each.processes["gateway-0"].signal(signal.SIGSTOP)
        try:
            twin = _copy(replica)
            replica.sequence, replica.delta = 2, [{"insert": "b"}]
            await older.send(replica.submission())
            async with connection(two_of_each.gateways[1], twin) as newer:
                await write(newer, twin, [{"insert": "b"}])
                two_of_each.processes["gateway-0"].signal(signal.SIGCONT)
                assert await older.close_code() == 4409
                await write(newer, twin, [{"insert": "c"}])
        finally:
            two_of_each.processes["gateway-0"].signal(signal.SIGCONT)
    assert await text_of(two_of_each, "late gateway") == "cb."
