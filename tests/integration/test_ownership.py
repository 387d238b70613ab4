"""Shards change owners: soon after one dies or leaves, and whoever is an owner no more does nothing that counts."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest
from redis.asyncio import Redis

from coedit.client import Document, connect
from coedit.client.rest import fetch_text
from coedit.identifiers import DocumentId
from coedit.store.keys import Shard, shard_of
from coedit.store.redis.connection import connect as connect_redis
from services.snapshotter.settings import SnapshotterSettings
from services.transformer.settings import TransformerSettings
from tests.conftest import MakeSystem
from tests.integration.raw_client import Message, RawClient
from tests.system import System, eventually

SHARDS = 8
_AFTER_A_KILL_SECONDS = 5.0
_AFTER_A_STOP_SECONDS = 1.0
_FORGED_MS = 1500
_ATTEMPTS = 10


@dataclass
class Typist:
    """Types into one document of each shard, and knows how long each edit took to be acknowledged."""

    documents: list[Document]
    typed: dict[str, list[str]] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    is_over: bool = False

    def longest(self) -> float:
        """Return the longest wait since this was asked the last time."""
        longest, self.waits = max(self.waits, default=0.0), []
        return longest

    async def type_on(self, document: Document) -> None:
        typed = self.typed.setdefault(document.state.document_id, [])
        while not self.is_over:
            typed.append(f"{len(typed)},")
            begun_at = time.monotonic()
            await document.insert(0, typed[-1])
            await document.settle()
            self.waits.append(time.monotonic() - begun_at)
            await asyncio.sleep(0.02)

    async def all_typed(self) -> None:
        """Wait until every document has had an edit acknowledged that was made from now on."""
        counts = {name: len(typed) for name, typed in self.typed.items()}
        await eventually(
            lambda: all(len(typed) > counts[name] + 1 for name, typed in self.typed.items()),
            "edits flow in every shard",
        )


def _one_for_each_shard() -> list[str]:
    names: dict[Shard, str] = {}
    for number in range(1000):
        names.setdefault(shard_of(DocumentId(f"document {number}"), SHARDS), f"document {number}")
    assert len(names) == SHARDS
    return list(names.values())


@asynccontextmanager
async def typing(system: System) -> AsyncIterator[Typist]:
    """Type all the while; check in the end that each edit is there once."""
    async with connect(system.url, author="ada") as session:
        typist = Typist([await session.open(name) for name in _one_for_each_shard()])
        async with asyncio.TaskGroup() as tasks:
            for document in typist.documents:
                tasks.create_task(typist.type_on(document))
            await eventually(lambda: len(typist.typed) == SHARDS, "everybody types")
            await typist.all_typed()
            typist.longest()
            yield typist
            typist.is_over = True
        for document in typist.documents:
            assert document.rejections == []
            name = document.state.document_id
            assert (await fetch_text(system.url, name)).text == "".join(reversed(typist.typed[name]))


def _owned(system: System, name: str) -> int:
    """Return how many shards a transformer says it has; -1 while it does not say."""
    try:
        lines = system.metrics(name).splitlines()
    except OSError:
        return -1
    return int(
        float(next(line for line in lines if line.startswith("coedit_transformer_shards ")).split()[1])
    )


async def _share_is(system: System, shares: dict[str, int]) -> None:
    async def is_so() -> bool:
        owned = [await asyncio.to_thread(_owned, system, name) for name in shares]
        return owned == list(shares.values())

    await eventually(is_so, f"{shares}")


@pytest.mark.timeout(120)
async def test_killed_owner_is_followed_within_five_seconds_and_one_that_leaves_within_one(
    make_system: MakeSystem,
) -> None:
    system = make_system(transformers=2)
    await _share_is(system, {"transformer-0": 4, "transformer-1": 4})
    async with typing(system) as typist:
        system.processes["transformer-0"].kill()
        await _share_is(system, {"transformer-1": 8})
        await typist.all_typed()
        after_kill = typist.longest()
        system.restart("transformer-0")
        await _share_is(system, {"transformer-0": 4, "transformer-1": 4})
        await typist.all_typed()
        after_return = typist.longest()
        assert await asyncio.to_thread(system.processes["transformer-1"].stop) == 0
        await typist.all_typed()
        after_stop = typist.longest()
    print(f"the longest waits: {after_kill:.2f} s by a kill, {after_stop:.2f} s by a stop, ", end="")
    print(f"{after_return:.2f} s as one came back")
    assert after_kill < _AFTER_A_KILL_SECONDS
    assert after_return < _AFTER_A_STOP_SECONDS
    assert after_stop < _AFTER_A_STOP_SECONDS


@pytest.mark.timeout(120)
async def test_edits_flow_while_owners_come_and_go(make_system: MakeSystem) -> None:
    system = make_system(transformers=3)
    async with typing(system) as typist:
        for name, shares in (
            ("transformer-2", {"transformer-0": 4, "transformer-1": 4}),
            ("transformer-1", {"transformer-0": 8}),
        ):
            assert await asyncio.to_thread(system.processes[name].stop) == 0
            await _share_is(system, shares)
        for name, shares in (
            ("transformer-1", {"transformer-0": 4, "transformer-1": 4}),
            ("transformer-2", {"transformer-0": 3, "transformer-1": 3, "transformer-2": 2}),
        ):
            system.restart(name)
            await _share_is(system, shares)
        await typist.all_typed()
        longest = typist.longest()
    print(f"the longest wait was {longest:.2f} s")
    assert longest < _AFTER_A_STOP_SECONDS


def _submission(opened: Message, sequence: int, delta: list[object], base: int) -> Message:
    return {
        "type": "submit",
        "document": opened["document"],
        "client_sequence": sequence,
        "epoch": opened["epoch"],
        "base_revision": base,
        "delta": delta,
    }


@dataclass
class Submitter:
    """Two clients of one document: what the one submits is fine, and what the other does is refused for good."""

    good: RawClient
    bad: RawClient
    redis: Redis
    opened: Message
    shard: Shard
    revision: int = 0

    async def submit(self) -> None:
        self.revision += 1
        fine = _submission(self.opened, self.revision, [{"insert": "x"}], self.revision - 1)
        await self.good.send(fine)
        reopened = await self.bad.open("notes", renew=True)
        base = reopened["revision"]
        await self.bad.send(_submission(reopened, 1, [{"retain": 1_000_000}, {"insert": "y"}], base))
        # And what nobody can decode.
        await self.redis.xadd(self.shard.ops, {"submissions": b"\xc1"})

    async def state(self) -> list[object]:
        """Return everything that an owner's batch changes."""
        name = DocumentId("notes")
        return [
            await self.redis.get(self.shard.cursor),
            await self.redis.xlen(self.shard.refused),
            await self.redis.xlen(self.shard.log(name)),
            await self.redis.hgetall(self.shard.document(name)),
        ]

    async def answered_once(self, refused_before: int) -> None:
        """Check that each has its one answer, and no other comes."""
        ack = await self.good.expect("ack")
        assert (ack["client_sequence"], ack["revision"]) == (self.revision, self.revision)
        assert (await self.bad.expect("error"))["code"] == "length-mismatch"
        log, refused = await self._lengths()
        await eventually(lambda: self._is_refused(refused_before + 1), "the undecodable entry is set apart")
        assert log == self.revision
        assert refused <= refused_before + 1
        for client in (self.good, self.bad):
            # An answer to what is sent now comes behind all that came before it.
            await client.send({"type": "hello"})
            assert (await client.expect("error"))["code"] == "unexpected-message"

    async def _lengths(self) -> tuple[int, int]:
        return (
            await self.redis.xlen(self.shard.log(DocumentId("notes"))),
            await self.redis.xlen(self.shard.refused),
        )

    async def _is_refused(self, count: int) -> bool:
        return (await self._lengths())[1] == count


@asynccontextmanager
async def submitter(system: System) -> AsyncIterator[Submitter]:
    redis = connect_redis(system.redis_url)
    async with RawClient(system.url) as good, RawClient(system.url) as bad:
        await good.hello()
        await bad.hello()
        opened = await good.open("notes")
        yield Submitter(good, bad, redis, opened, shard_of(DocumentId("notes"), SHARDS))
    await redis.aclose()


def _fenced(system: System, name: str) -> float:
    prefix = 'coedit_transformer_misfits_total{reason="fenced"} '
    lines = system.metrics(name).splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(prefix)), 0.0)


@pytest.mark.timeout(120)
async def test_owner_whose_lease_was_taken_commits_rejects_and_moves_nothing(
    make_system: MakeSystem,
) -> None:
    """Two believe that they own the shard: the one in whose stead another token stands, and whoever wrote that."""
    system = make_system()
    async with submitter(system) as clients:
        fenced_times = 0
        for _ in range(_ATTEMPTS):
            owner, before = clients.shard.owner, await clients.state()
            fenced = _fenced(system, "transformer-0")
            await clients.redis.set(owner, "somebody else", px=_FORGED_MS)
            await clients.submit()
            while await clients.redis.get(owner) == b"somebody else":
                state = await clients.state()
                if await clients.redis.get(owner) == b"somebody else":  # still, after it was looked at
                    assert state == before
                await asyncio.sleep(0.02)
            await clients.answered_once(int(str(before[1])))
            fenced_times += _fenced(system, "transformer-0") > fenced
            if fenced_times >= 2:
                break
    print(f"the script refused the stale owner {fenced_times} times")
    assert fenced_times, "the owner always noticed before it wrote; then this shows nothing"


@pytest.mark.timeout(240)
async def test_paused_owner_that_wakes_with_a_batch_in_hand_does_no_harm(make_system: MakeSystem) -> None:
    system = make_system(transformers=2)
    async with submitter(system) as clients:
        fenced_times = 0
        for _ in range(_ATTEMPTS):
            await _share_is(system, {"transformer-0": 4, "transformer-1": 4})
            owner = await _owner(system, clients)
            other = "transformer-1" if owner == "transformer-0" else "transformer-0"
            refused, fenced = await clients.redis.xlen(clients.shard.refused), _fenced(system, owner)
            system.processes[owner].signal(signal.SIGSTOP)
            try:
                # Its read is under way: Redis puts the submissions into its socket, where it finds them when it wakes.
                await clients.submit()
                await _share_is(system, {other: 8})
                await eventually(lambda: _is_cut_off(clients), "the other has dealt with them")
            finally:
                system.processes[owner].signal(signal.SIGCONT)
            await _share_is(system, {owner: 4, other: 4})
            await clients.answered_once(refused)
            fenced_times += _fenced(system, owner) > fenced
            if fenced_times:
                break
    print(f"the script refused the stale owner {fenced_times} times")


async def _is_cut_off(clients: Submitter) -> bool:
    return bool(await clients.redis.xlen(clients.shard.ops) == 0)


async def _owner(system: System, clients: Submitter) -> str:
    token = cast("bytes", await clients.redis.get(clients.shard.owner))
    starts = f'"token":"{token.decode()[:6]}"'
    return next(
        name for name in ("transformer-0", "transformer-1") if starts in system.processes[name].tail()
    )


def test_lease_time_and_the_quiet_before_a_snapshot_are_settings_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COEDIT_SECRET", "a secret for tests only")
    monkeypatch.setenv("COEDIT_TRANSFORMER_LEASE_SECONDS", "1.5")
    monkeypatch.setenv("COEDIT_SNAPSHOTTER_LEASE_SECONDS", "7")
    quiet = SnapshotterSettings().snapshotter_quiet_seconds
    assert TransformerSettings().transformer_lease_seconds == 1.5
    assert SnapshotterSettings().snapshotter_lease_seconds == 7
    monkeypatch.setenv("COEDIT_SNAPSHOTTER_QUIET_SECONDS", "60")
    assert SnapshotterSettings().snapshotter_quiet_seconds == 60 != quiet
    assert TransformerSettings().transformer_lease_seconds == 1.5
    assert SnapshotterSettings().snapshotter_lease_seconds == 7
