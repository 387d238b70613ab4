"""Redis loses what it held, in whole or in part: those who have it give it back, and what nobody has is reported."""

import asyncio
import random
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from coedit.client import connect
from coedit.client.document import Document
from coedit.identifiers import AuthorId, DocumentId, escape
from coedit.protocol.grants import Grants
from coedit.protocol.log_entry import decode_commit
from coedit.protocol.tokens import Identity, make_access_token
from coedit.store.keys import shard_of
from coedit.testing.fault_proxy import FaultProxy
from tests.conftest import MakeSystem
from tests.integration.raw_client import RawClient
from tests.redis_server import redis_server
from tests.system import SECRET, System, eventually
from tests.writers import Ledger, Writer, settle_all

_NO_SNAPSHOTS = {"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "3600", "COEDIT_SNAPSHOTTER_COMMITS": "1000000"}
_FEW_SNAPSHOTS = {
    "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "3600",
    "COEDIT_SNAPSHOTTER_COMMITS": "40",
    "COEDIT_SNAPSHOTTER_TAIL": "10",
    "COEDIT_SNAPSHOTTER_SEGMENT_COMMITS": "5",
}
_NAMES = ("one", "two", "three")


async def _macs(system: System, name: str) -> dict[int, str]:
    """Return the mac of each revision that the log has."""
    document_id = DocumentId(name)
    async with Redis.from_url(system.redis_url) as redis:
        entries: Any = await redis.xrange(shard_of(document_id, 8).log(document_id))
    commits = [decode_commit(fields[b"commit"]) for _, fields in entries]
    return {commit.revision: commit.mac for commit in commits}


def _kept_macs(document: Document) -> dict[int, str]:
    return {
        fields["revision"]: fields["mac"]
        for offer in document.state.kept.above(0)
        for fields in offer.commits
    }


async def _writers(system: System, stack: AsyncExitStack, seed: int) -> list[Writer]:
    ledgers = {name: Ledger(seed + place) for place, name in enumerate(_NAMES)}
    writers = []
    for number in range(2 * len(_NAMES)):
        url = system.gateways[number % len(system.gateways)]
        session = await stack.enter_async_context(connect(url, author=f"author {number}"))
        name = _NAMES[number % len(_NAMES)]
        writers.append(Writer(await session.open(name), ledgers[name], random.Random(seed + number)))
    return writers


async def _type(writers: list[Writer], rounds: int) -> None:
    for _ in range(rounds):
        for writer in writers:
            await writer.step()
        await asyncio.sleep(0)


async def _check_whole(system: System, writers: list[Writer]) -> None:
    """All replicas are equal, nothing is lost or there twice, and every revision is the one that was acked."""
    await settle_all([writer.document for writer in writers], 60)
    for writer in writers:
        document = writer.document
        assert (document.rejections, document.losses, document.state.epoch) == ([], [], 1)
        kept, stored = _kept_macs(document), await _macs(system, document.state.document_id)
        assert kept.keys() & stored.keys()
        assert {revision: kept[revision] for revision in kept.keys() & stored.keys()} == {
            revision: stored[revision] for revision in kept.keys() & stored.keys()
        }
        writer.ledger.check(document.text)
        assert await _stored_text(system, document.state.document_id) == document.text


async def _stored_text(system: System, name: str) -> str:
    def read() -> str:
        request = urllib.request.Request(
            f"{system.gateways[-1]}/v1/documents/{escape(name)}", headers={"Accept": "text/plain"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text: str = answer.read().decode()
            return text

    return await asyncio.to_thread(read)


@pytest.mark.parametrize("settings", [_NO_SNAPSHOTS, _FEW_SNAPSHOTS], ids=["no snapshot", "snapshots"])
@pytest.mark.parametrize("lose", [System.wipe_redis, System.truncate_redis], ids=["wiped", "truncated"])
async def test_what_redis_loses_under_load_comes_back_revision_by_revision(
    make_system: MakeSystem, seed: int, settings: dict[str, str], lose: Any
) -> None:
    system = make_system(gateways=2, transformers=2, settings=settings)
    async with AsyncExitStack() as stack:
        writers = await _writers(system, stack, seed)
        await _type(writers, 25)
        await settle_all([writer.document for writer in writers])
        before = {writer.document.state.document_id: _kept_macs(writer.document) for writer in writers}
        typing = asyncio.create_task(_type(writers, 25))
        await asyncio.to_thread(lose, system)
        assert not all(writer.document.saved for writer in writers), "what is not stored is not called saved"
        await typing
        await _check_whole(system, writers)
        for writer in writers:
            kept = _kept_macs(writer.document)
            known = before[writer.document.state.document_id]
            assert {
                revision: mac for revision, mac in known.items() if revision in kept
            }.items() <= kept.items()


async def test_clients_alone_give_back_what_every_server_forgot(make_system: MakeSystem, seed: int) -> None:
    system = make_system(gateways=2, transformers=1, settings=_NO_SNAPSHOTS)
    async with AsyncExitStack() as stack:
        writers = await _writers(system, stack, seed)
        await _type(writers, 25)
        await settle_all([writer.document for writer in writers])
        services = [name for name in system.processes if name != "redis"]
        for name in services:
            system.processes[name].kill()
        await asyncio.to_thread(system.wipe_redis)
        for name in services:
            system.restart(name)
        await _type(writers, 5)
        await _check_whole(system, writers)


async def test_redis_that_restarts_while_all_of_it_is_suspect_is_met_again(make_system: MakeSystem) -> None:
    """A transformer that was started after one loss consumes nothing yet when the next one comes."""
    grace = {"COEDIT_TRANSFORMER_GRACE_SECONDS": "5", "COEDIT_TRANSFORMER_RESTART_GRACE_SECONDS": "1"}
    system = make_system(gateways=1, transformers=1, settings=grace)
    async with connect(system.url, author="ada") as session:
        document = await session.open("notes")
        await document.insert(0, "kept")
        await document.settle()
        transformer = system.processes["transformer-0"]
        transformer.kill()
        await asyncio.to_thread(system.wipe_redis)
        transformer.log.unlink()
        system.restart("transformer-0")
        await eventually(lambda: '"suspicion"' in transformer.tail(), "the shards are suspect")
        system.processes["redis"].kill()
        system.restart("redis")
        await document.insert(4, " and written on")
        async with asyncio.timeout(40):
            await document.settle()
        assert (document.text, document.rejections, document.losses) == ("kept and written on", [], [])


async def test_archive_alone_brings_back_what_no_snapshot_covers_yet(make_system: MakeSystem) -> None:
    """The snapshotter died between the history and the snapshot, and Redis with it."""
    system = make_system(gateways=1, transformers=1, settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.5"})
    async with connect(system.url, author="ada") as session:
        document = await session.open("notes")
        for number in range(10):
            await document.insert(0, str(number))
            await document.settle()
        await document.until(lambda: document.state.snapshot_revision == 10)
        mac = document.state.mac
    services = [name for name in system.processes if name != "redis"]
    for name in services:
        system.processes[name].kill()
    await asyncio.to_thread(system.wipe_redis)
    shutil.rmtree(system.folder / "objects" / "notes" / "snapshot")
    for name in services:
        system.restart(name)
    async with connect(system.url, author="eve") as session:
        document = await session.open("notes")
        assert (document.text, document.revision, document.state.mac) == ("9876543210", 10, mac)
        await document.insert(0, "!")
        await document.settle()
        assert (document.text, document.revision, document.state.epoch) == ("!9876543210", 11, 1)


async def test_redis_that_is_flushed_while_everybody_stays_connected_gets_everything_back(
    make_system: MakeSystem, seed: int
) -> None:
    system = make_system(gateways=1, transformers=1, settings=_NO_SNAPSHOTS)
    async with AsyncExitStack() as stack:
        writers = await _writers(system, stack, seed)
        await _type(writers, 10)
        await settle_all([writer.document for writer in writers])
        async with Redis.from_url(system.redis_url) as redis:
            await redis.flushall()
        await _type(writers, 10)
        await _check_whole(system, writers)


async def test_what_everybody_has_left_comes_back_however_heavy_it_is_and_whoever_owns_it_then(
    make_system: MakeSystem,
) -> None:
    """More than an owner needs to rebase, in documents that nobody has open; two transformers race for the shards."""
    system = make_system(gateways=2, transformers=2, settings=_NO_SNAPSHOTS)
    written = {f"heavy {number}": (30, 20_000) for number in range(2)}
    written |= {f"light {number}": (3, 5) for number in range(10)}
    before: dict[str, tuple[str, str]] = {}
    for name, (count, size) in written.items():
        async with connect(system.url, author="ada") as session:
            document = await session.open(name)
            for number in range(count):
                await document.insert(0, f"{number % 10}" * size)
                await document.settle()
            before[name] = document.text, document.state.mac
    await asyncio.to_thread(system.wipe_redis)
    async with connect(system.gateways[1], author="eve") as session:
        for name, (text, mac) in before.items():
            await eventually(
                lambda name=name, text=text: _has_text(system, name, text), f"{name} is there again"
            )
            document = await session.open(name)
            assert (document.text, document.state.mac, document.state.epoch) == (text, mac, 1)
            await document.insert(0, "on ")
            await document.settle()


@pytest.mark.parametrize("size", [5, 100_000], ids=["light", "heavy"])
async def test_gateway_that_everybody_has_left_knows_what_was_written_when_the_transformer_is_gone(
    make_system: MakeSystem, size: int
) -> None:
    """What it has it gives back; of what is more than that it tells that it was there."""
    system = make_system(settings=_NO_SNAPSHOTS)
    transformer = system.processes["transformer-0"]
    async with connect(system.url, author="ada") as session:
        document = await session.open("notes")
        for number in range(20):
            await document.insert(0, f"{number % 10}" * size)
            await document.settle()
        text = document.text
    transformer.kill()
    await asyncio.to_thread(system.wipe_redis)
    system.restart("transformer-0")
    if size == 5:
        await eventually(lambda: _has_text(system, "notes", text), "it is there again")
    else:
        await eventually(lambda: '"event":"lost"' in transformer.log.read_text(), "it is reported")
        assert "coedit_transformer_lost_revisions_total 20.0" in system.metrics("transformer-0")


async def test_gateway_keeps_what_everybody_has_left_until_a_snapshot_covers_it(
    make_system: MakeSystem,
) -> None:
    system = make_system(settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "3"})
    async with connect(system.url, author="ada") as session:
        document = await session.open("notes")
        await document.insert(0, "kept")
        await document.settle()
    left = "coedit_gateway_left_documents"
    await eventually(lambda: f"{left} 1.0" in system.metrics("gateway-0"), "it is kept")
    await eventually(lambda: f"{left} 0.0" in system.metrics("gateway-0"), "it is not needed any more")


async def _has_text(system: System, name: str, text: str) -> bool:
    try:
        return await _stored_text(system, name) == text
    except urllib.error.HTTPError:
        return False


async def test_what_is_too_much_to_keep_gets_its_snapshot_sooner(make_system: MakeSystem) -> None:
    """Its log is short, and it never goes quiet; above half of the budget it is not waited for."""
    budget = {"COEDIT_TRANSFORMER_UNSAVED_BYTES": str(1024 * 1024)}
    system = make_system(settings=_NO_SNAPSHOTS | budget)
    async with connect(system.url, author="ada") as session:
        document = await session.open("notes")
        for _ in range(30):
            await document.insert(0, "x" * 20_000)
            await document.settle()
        while document.state.snapshot_revision == 0:
            assert document.revision < 900, "it was hurried long ago"
            await document.insert(0, "x")
            await document.settle()
            await asyncio.sleep(0.05)
        assert "coedit_transformer_unsaved_forgotten_total 0.0" in system.metrics("transformer-0")


async def _document(url: str, stack: AsyncExitStack, author: str, name: str) -> Document:
    session = await stack.enter_async_context(connect(url, author=author))
    return await session.open(name)


async def test_what_nobody_alive_held_is_lost_and_reported_in_another_epoch(make_system: MakeSystem) -> None:
    """A reader that came late knows how far the document was, and holds nothing of what led there."""
    system = make_system(gateways=1, transformers=1, settings=_NO_SNAPSHOTS)
    async with AsyncExitStack() as stack:
        async with AsyncExitStack() as short:
            donor = await _document(system.url, short, "donor", "notes")
            for number in range(10):
                await donor.insert(0, str(number))
                await donor.settle()
            witness = await _document(system.url, stack, "witness", "notes")
            await donor.insert(0, "!")
            await donor.settle()
            await witness.until(lambda: witness.revision == 11)
        assert witness.text == "!9876543210"
        events = witness.events()
        everything = [name for name in system.processes if name != "redis"]
        for name in everything:
            system.processes[name].kill()
        await witness.insert(0, "pending")
        await asyncio.to_thread(system.wipe_redis)
        for name in everything:
            system.restart(name)
        await witness.settle()
        # Revision 11 alone continues nothing: all 11 are lost, and what was not yet stored is not.
        assert (witness.text, witness.revision, witness.state.epoch) == ("pending", 1, 2)
        assert [(loss.epoch, loss.first, loss.last) for loss in witness.losses] == [(2, 1, 11)]
        assert witness.losses[0] in events.take()
        assert "coedit_transformer_lost_revisions_total 11.0" in system.metrics("transformer-0")
        assert '"event":"lost"' in system.processes["transformer-0"].log.read_text()
        newcomer = await _document(system.url, stack, "newcomer", "notes")
        assert (newcomer.text, newcomer.state.epoch) == ("pending", 2)


@pytest.mark.parametrize("has_pending", [False, True], ids=["nothing pending", "pending"])
async def test_what_is_given_back_too_late_is_reported_as_lost(
    make_system: MakeSystem, has_pending: bool
) -> None:
    """A gateway was cut off from Redis for longer than the owner waits, and somebody else wrote on meanwhile."""
    settings = _NO_SNAPSHOTS | {"COEDIT_TRANSFORMER_GRACE_SECONDS": "0.1"}
    system = make_system(gateways=2, transformers=1, settings=settings)
    async with (
        FaultProxy("127.0.0.1", _redis_port(system.redis_url)) as link,
        AsyncExitStack() as stack,
    ):
        gateway = system.processes["gateway-1"]
        gateway.kill()
        gateway.environment["COEDIT_REDIS_URL"] = f"redis://127.0.0.1:{link.port}/0"
        system.restart("gateway-1")
        await asyncio.to_thread(system.wait_ready, "gateway-1")
        donor = await _document(system.gateways[1], stack, "donor", "notes")
        for number in range(5):
            await donor.insert(0, str(number))
            await donor.settle()
        link.refuses = True
        link.cut()
        transformer = system.processes["transformer-0"]
        transformer.kill()
        await asyncio.to_thread(system.wipe_redis)
        system.restart("transformer-0")
        await eventually(lambda: '"suspicion-over"' in transformer.tail(), "nobody is waited for")
        hasty = await _document(system.gateways[0], stack, "hasty", "notes")
        await hasty.insert(0, "new")
        await hasty.settle()
        assert (hasty.revision, hasty.state.epoch) == (1, 1)
        if has_pending:
            await donor.insert(0, "pending ")
        link.refuses = False
        async with asyncio.timeout(60):
            await donor.until(lambda: donor.state.epoch == 2)
            await hasty.until(lambda: bool(hasty.losses))
        # It is written on in the epoch that began while its owner had the document in memory.
        await hasty.insert(0, "more ")
        await settle_all([donor, hasty], 60)
        for document in (donor, hasty):
            assert [(loss.epoch, loss.first, loss.last) for loss in document.losses] == [(2, 1, 5)]
            expected = "new" + "more " + ("pending " if has_pending else "")
            assert sorted(document.text) == sorted(expected)
            assert document.rejections == []
        assert '"event":"lost"' in transformer.log.read_text()
        assert "coedit_transformer_lost_revisions_total 5.0" in system.metrics("transformer-0")


async def test_what_was_written_since_a_loss_is_given_back_after_the_next_one(
    make_system: MakeSystem,
) -> None:
    """The epoch that began after the first loss is in no snapshot yet: Redis comes back without it."""
    system = make_system(gateways=1, transformers=1, settings=_NO_SNAPSHOTS)
    async with AsyncExitStack() as stack:
        async with AsyncExitStack() as short:
            donor = await _document(system.url, short, "donor", "notes")
            await donor.insert(0, "first")
            await donor.settle()
            witness = await _document(system.url, stack, "witness", "notes")
            await donor.insert(0, "lost ")
            await donor.settle()
            await witness.until(lambda: witness.revision == 2)
        await _lose_all_but_clients(system)
        await witness.insert(0, "kept")
        await witness.settle()
        assert (witness.text, witness.state.epoch) == ("kept", 2)
        await _lose_all_but_clients(system)
        await witness.insert(4, " too")
        await witness.settle()
        assert (witness.text, witness.state.epoch, witness.revision) == ("kept too", 2, 2)
        assert [(loss.epoch, loss.first, loss.last) for loss in witness.losses] == [(2, 1, 2)]


_CLAIMS = {
    "a trillion ahead": {"epoch": 1, "revision": 10**12, "mac": "0" * 32},
    "one ahead": {"epoch": 1, "revision": 6, "mac": "0" * 32},
    "of an epoch to come": {"epoch": 10**12, "revision": 10**12, "mac": "0" * 32},
    "of an epoch to come, and not ahead": {"epoch": 10**12, "revision": 3, "mac": "0" * 32},
}


@pytest.mark.parametrize("lose", ["restarted", "flushed"])
async def test_what_a_reader_makes_up_while_redis_comes_back_is_no_loss(
    make_system: MakeSystem, lose: str
) -> None:
    system = make_system(gateways=1, transformers=1, settings=_NO_SNAPSHOTS | {"COEDIT_GATEWAY_OPEN": "0"})
    ada, eve = (
        make_access_token(SECRET, identity, int(time.time()) + 600)
        for identity in (
            Identity(AuthorId("ada"), Grants.of({"notes": "write"})),
            Identity(AuthorId("eve"), Grants.of({"notes": "read"})),
        )
    )
    transformer = system.processes["transformer-0"]

    async def told(claim: dict[str, Any]) -> str:
        async with RawClient(system.url) as reader:
            await reader.hello(token=eve)
            await reader.send({"type": "open", "document": "notes"} | claim)
            while isinstance(answer := await reader.receive(), dict):
                if answer["type"] == "recall":  # with what is no commit of ours
                    commit = {
                        "revision": claim["revision"],
                        "delta": [{"insert": "x"}],
                        "author": "ada",
                        "client_id": "ada",
                        "client_sequence": 1,
                        "at": 1,
                        "epoch": claim["epoch"],
                        "mac": claim["mac"],
                        "key_id": "",
                        "caret": None,
                    }
                    await reader.send(
                        {"type": "offer", "document": "notes", "before": "", "commits": [commit]}
                    )
                elif answer["type"] == "opened" or answer["code"] not in ("forged", "unknown-key"):
                    return str(answer.get("code", answer["type"]))
            raise AssertionError(f"closed with {answer}")

    async with connect(system.url, token=ada) as session:
        document = await session.open("notes")
        for number in range(5):
            await document.insert(0, str(number))
            await document.settle()
        if lose == "restarted":
            system.processes["redis"].kill()
            system.restart("redis")
        else:
            async with Redis.from_url(system.redis_url) as redis:
                await redis.flushall()
            transformer.kill()
            system.restart("transformer-0")
        await eventually(lambda: '"event":"suspicion"' in transformer.log.read_text(), "it is suspect")
        answers = await asyncio.gather(*map(told, _CLAIMS.values()))
        assert set(answers) <= {"diverged", "unavailable"}
        await eventually(lambda: '"suspicion-over"' in transformer.log.read_text(), "it is suspect no more")
        await document.insert(0, "still here ")
        await document.settle()
        assert (document.text, document.revision) == ("still here 43210", 6)
        assert (document.losses, document.state.epoch, document.rejections) == ([], 1, [])
    assert '"event":"lost"' not in transformer.log.read_text()
    assert set(await asyncio.gather(*map(told, list(_CLAIMS.values())[::2]))) == {"diverged"}


async def _lose_all_but_clients(system: System) -> None:
    services = [name for name in system.processes if name != "redis"]
    for name in services:
        system.processes[name].kill()
    await asyncio.to_thread(system.wipe_redis)
    for name in services:
        system.restart(name)


async def test_other_history_at_a_revision_is_answered_diverged_and_what_is_pending_is_kept(
    make_system: MakeSystem,
) -> None:
    """Somebody was away while the document was lost and written anew."""
    system = make_system(gateways=1, transformers=1, settings=_NO_SNAPSHOTS)
    async with FaultProxy("127.0.0.1", _port(system.url)) as proxy, AsyncExitStack() as stack:
        away = await _document(f"http://127.0.0.1:{proxy.port}", stack, "away", "notes")
        await away.insert(0, "old")
        await away.settle()
        proxy.refuses = True
        proxy.cut()
        await eventually(lambda: not away.state.is_open, "the client is away")
        await away.insert(3, " mine")
        for name in ("gateway-0", "transformer-0"):
            system.processes[name].kill()
        await asyncio.to_thread(system.wipe_redis)
        for name in ("gateway-0", "transformer-0"):
            system.restart(name)
        there = await _document(system.url, stack, "there", "notes")
        await there.insert(0, "new")
        await there.settle()
        proxy.refuses = False
        await settle_all([away, there])
        assert (away.rejections, away.losses, away.revision) == ([], [], 2)
        assert away.text == there.text
        assert sorted(away.text) == sorted("new mine")


async def test_forged_offer_is_refused_and_a_true_one_is_taken_after_the_secret_changed(
    make_system: MakeSystem,
) -> None:
    system = make_system(gateways=1, transformers=1, settings=_NO_SNAPSHOTS)
    services = ("gateway-0", "transformer-0")
    async with AsyncExitStack() as stack:
        donor = await _document(system.url, stack, "donor", "notes")
        await donor.insert(0, "true")
        await donor.settle()
        [offer] = donor.state.recalled({"revision": 0})
        held = {"epoch": 1, "revision": 1, "mac": donor.state.mac}
    for name in services:
        system.processes[name].kill()
    await asyncio.to_thread(system.wipe_redis)
    changed = {"COEDIT_SECRET": "another secret of thirty-two bytes", "COEDIT_OLD_SECRETS": SECRET}
    for name in services:
        system.processes[name].environment |= changed
        system.restart(name)
    for name in services:
        await asyncio.to_thread(system.wait_ready, name)
    forgeries = [
        offer | {"commits": [offer["commits"][0] | {"delta": [{"insert": "forged"}]}]},
        offer | {"commits": [offer["commits"][0] | {"author": "eve"}]},
        offer | {"commits": [offer["commits"][0] | {"key_id": "00000000"}]},
        offer | {"before": "00"},
    ]
    async with RawClient(system.url) as client:
        await client.hello()
        await client.send(offer)
        assert (await client.expect("error"))["code"] == "unexpected-message"
        await client.send({"type": "open", "document": "notes", **held})
        recall = await client.expect("recall")
        assert (recall["revision"], recall["mac"]) == (0, "")
        codes = []
        for forged in forgeries:
            await client.send(forged)
            codes.append((await client.expect("error"))["code"])
        assert codes == ["forged", "forged", "unknown-key", "forged"]
        await client.send(offer)
        opened = await client.expect("opened")
        assert (opened["mode"], opened["revision"], opened["epoch"]) == ("resumed", 1, 1)
        assert await _stored_text(system, "notes") == "true"
    assert 'coedit_gateway_offers_total{outcome="forged"} 3.0' in system.metrics("gateway-0")
    assert 'coedit_gateway_offers_total{outcome="accepted"} 1.0' in system.metrics("gateway-0")


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


async def test_failover_to_a_replica_that_lags_loses_nothing_while_donors_live(
    make_system: MakeSystem, seed: int, tmp_path: Path
) -> None:
    with redis_server(tmp_path / "master") as master_url, redis_server(tmp_path / "replica") as replica_url:
        target = ("127.0.0.1", _redis_port(master_url))
        async with AsyncExitStack() as stack:
            link = await stack.enter_async_context(FaultProxy(*target))
            front = await stack.enter_async_context(FaultProxy("", 0, choose=lambda: target))
            replica = await stack.enter_async_context(Redis.from_url(replica_url))
            await replica.replicaof("127.0.0.1", str(link.port))
            settings = _NO_SNAPSHOTS | {"COEDIT_REDIS_URL": f"redis://127.0.0.1:{front.port}/0"}
            system = await asyncio.to_thread(
                make_system, gateways=2, transformers=2, settings=settings, acl=False
            )
            writers = await _writers(system, stack, seed)
            await _type(writers, 10)
            await settle_all([writer.document for writer in writers])
            master = await stack.enter_async_context(Redis.from_url(master_url))
            await eventually(lambda: _is_caught_up(master), "the replica has everything")
            link.hold()
            await _type(writers, 10)
            await settle_all([writer.document for writer in writers])
            assert not await _is_caught_up(master)
            await replica.replicaof("NO", "ONE")
            target = ("127.0.0.1", _redis_port(replica_url))
            front.cut()
            await _type(writers, 10)
            await settle_all([writer.document for writer in writers], 60)
            await stack.enter_async_context(_at(system, replica_url))
            await _check_whole(system, writers)
            suspected = [system.metrics(name) for name in ("transformer-0", "transformer-1")]
            assert any('suspicions_total{reason="promoted"}' in metrics for metrics in suspected)


@asynccontextmanager
async def _at(system: System, redis_url: str) -> AsyncIterator[None]:
    """Have the checks read another Redis than the system's own."""
    own, system.redis_url = system.redis_url, redis_url
    yield
    system.redis_url = own


async def _is_caught_up(master: Redis) -> bool:
    facts = await master.info("replication")
    return bool(facts["connected_slaves"]) and facts["slave0"]["offset"] == facts["master_repl_offset"]


def _redis_port(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


async def test_tokens_of_a_secret_that_was_changed_are_still_accepted(make_system: MakeSystem) -> None:
    system = make_system(gateways=1, transformers=1, settings={"COEDIT_GATEWAY_OPEN": "0"})
    identity = Identity(AuthorId("ada"), Grants.of({"*": "write"}))
    token = make_access_token(SECRET, identity, int(time.time()) + 600)
    async with RawClient(system.url) as client:
        welcome = await client.hello(token=token)
    for name in ("gateway-0", "transformer-0"):
        process = system.processes[name]
        process.kill()
        process.environment |= {
            "COEDIT_SECRET": "another secret of thirty-two bytes",
            "COEDIT_OLD_SECRETS": SECRET,
        }
        system.restart(name)
        await asyncio.to_thread(system.wait_ready, name)
    claim = {name: welcome[name] for name in ("client_id", "resume_token")}
    async with RawClient(system.url) as client:
        again = await client.hello(token=token, **claim)
        assert again["client_id"] == welcome["client_id"]
        assert again["resume_token"] != welcome["resume_token"]
    forged = make_access_token("a secret that nobody ever had here", identity, int(time.time()) + 600)
    async with RawClient(system.url) as client:
        await client.send({"type": "hello", "token": forged})
        assert (await client.expect("error"))["code"] == "unauthorized"
