"""How a deployment is, told by ``GET /v1/status`` and ``coedit status``, of a real one and in its troubles."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis import Redis

from coedit.client import connect
from coedit.identifiers import DocumentId
from coedit.runtime.process_metrics import VERSION
from coedit.store.documents.quarantine import Damage, pack_damage
from coedit.store.keys import shard_of
from tests.integration.raw_client import RawClient
from tests.integration.yjs_client import YjsClient
from tests.redis_acl import login, password
from tests.redis_topologies import Cluster
from tests.system import SECRET, System, until
from tests.unit.commands.test_cli import COEDIT, run

_ROLES = ["gateway", "presence", "snapshotter", "transformer"]
_SHARDS = 8


def token(*rights: str) -> str:
    done = run("token", "--author", "ada", *rights, COEDIT_SECRET=SECRET)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


@pytest.fixture(scope="module")
def admin() -> str:
    return token("--document", "*", "--rights", "admin")


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that asks for tokens, whose services have few rights; nothing in it is broken."""
    system = System(tmp_path_factory.mktemp("system"), acl=True, settings={"COEDIT_GATEWAY_OPEN": "0"})
    system.start()
    yield system
    system.stop()


def status(system: System, token: str, *more: str) -> tuple[int, dict[str, Any]]:
    """What ``coedit status`` ends with, and what it says."""
    done = run("status", "--json", *more, COEDIT_URL=system.url, COEDIT_TOKEN=token)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def codes(report: dict[str, Any]) -> set[str]:
    return {problem["code"] for problem in report.get("problems", [])}


def until_status(system: System, token: str, code: int, wanted: set[str]) -> dict[str, Any]:
    """Wait until it says exactly that, and return it."""
    said: list[tuple[int, dict[str, Any]]] = []

    def holds() -> bool:
        said.append(status(system, token))
        return (said[-1][0], codes(said[-1][1])) == (code, wanted)

    until(holds, f"exit code {code} and {wanted}", lambda: f"{said[-1]}\n{system.logs()}", 60)
    return said[-1][1]


def test_deployment_that_is_well_says_so_with_all_that_belongs_to_it(closed: System, admin: str) -> None:
    report = until_status(closed, admin, 0, set())
    assert report["well"] is True
    assert sorted(process["role"] for process in report["processes"]) == _ROLES
    assert {process["version"] for process in report["processes"]} == {VERSION}
    pids = {process["role"]: process["pid"] for process in report["processes"]}
    assert all(pids[role] == closed.processes[f"{role}-0"].pid for role in _ROLES)
    assert [shard["shard"] for shard in report["shards"]] == list(range(_SHARDS))
    tokens = {process["role"]: process["token"] for process in report["processes"]}
    for role in ("transformer", "snapshotter", "presence"):
        assert {shard[role] for shard in report["shards"]} == {tokens[role]}
    (master,) = report["redis"]
    assert master["latency_ms"] > 0
    assert report["object_store"]["latency_ms"] > 0
    assert (report["object_store"]["kind"], report["durability"]["level"]) == ("file", "fsync")


async def test_what_is_open_and_being_edited_is_counted(closed: System, admin: str) -> None:
    writer = token("--document", "*")
    async with (
        connect(closed.url, token=writer) as session,
        YjsClient(closed.url, "counted-yjs", token=writer) as yjs,
        RawClient(closed.url) as idle,
    ):
        await idle.hello(token=writer)
        document = await session.open("counted")
        await document.insert(0, "x")
        await document.settle()
        await yjs.until_synced()

        def is_counted() -> bool:
            _, report = status(closed, admin)
            documents = report["documents"]
            is_hot = documents["hot"] >= 1 and documents["quarantined"] == 0
            return bool(report["connections"] == {"ot": 2, "yjs": 1} and documents["open"] == 2 and is_hot)

        await _in_thread(is_counted, "three connections and two documents", closed)


async def test_top_lists_the_busiest_first(closed: System, admin: str) -> None:
    writer = token("--document", "*")
    async with connect(closed.url, token=writer) as session:
        busy, calm = await session.open("busy"), await session.open("calm")
        for turn in range(60):
            await busy.insert(0, "x")
            await busy.settle()
            if turn % 30 == 0:
                await calm.insert(0, "x")
                await calm.settle()

        def is_listed() -> bool:
            done = run("top", "--json", COEDIT_URL=closed.url, COEDIT_TOKEN=admin)
            busiest = json.loads(done.stdout)
            names: list[str] = [one["document"] for one in busiest["documents"]]
            authors = {one["author"] for one in busiest["clients"]}
            return done.returncode == 0 and names[:1] == ["busy"] and "calm" in names and "ada" in authors

        await _in_thread(is_listed, "the busy one first", closed)
    printed = run("top", COEDIT_URL=closed.url, COEDIT_TOKEN=admin).stdout.decode()
    assert printed.splitlines()[0].split() == ["edits/s", "document"]
    assert "busy" in printed


@pytest.mark.parametrize("rights", [("--document", "*"), ("--document", "notes", "--rights", "read")])
async def test_status_is_for_admins(closed: System, rights: tuple[str, ...]) -> None:
    assert status(closed, token(*rights)) == (4, {})
    assert status(closed, "") == (4, {})
    headers = {"Authorization": f"Bearer {token(*rights)}"}
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{closed.url}/v1/status", headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, "forbidden")
        async with http.get(f"{closed.url}/v1/status") as answer:
            assert (answer.status, (await answer.json())["code"]) == (401, "unauthorized")


async def test_admins_token_opens_no_document(closed: System, admin: str) -> None:
    async with RawClient(closed.url) as client:
        await client.hello(token=admin)
        await client.send({"type": "open", "document": "notes"})
        assert (await client.expect("error"))["code"] == "forbidden"


def test_without_a_gateway_the_stores_are_asked(closed: System, admin: str) -> None:
    here = login("operator") | {
        name: closed.environment[name]
        for name in ("COEDIT_SECRET", "COEDIT_REDIS_URL", "COEDIT_OBJECT_STORE_URL", "COEDIT_SHARD_COUNT")
    }
    until_status(closed, admin, 0, set())
    done = run("status", "--here", "--json", stdin=b"", **here)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert sorted(process["role"] for process in report["processes"]) == _ROLES
    assert all(shard["transformer"] for shard in report["shards"])
    away = here | {"COEDIT_REDIS_URL": "redis://127.0.0.1:1/0"}
    assert run("status", "--here", stdin=b"", **away).returncode == 3


def test_watching_says_it_again_and_again(closed: System, admin: str) -> None:
    until_status(closed, admin, 0, set())
    watched = ("--watch", "0.1", "--count", "3")
    done = run("status", "--json", *watched, COEDIT_URL=closed.url, COEDIT_TOKEN=admin)
    assert [json.loads(line)["well"] for line in done.stdout.splitlines()] == [True] * 3
    printed = run("status", COEDIT_URL=closed.url, COEDIT_TOKEN=admin).stdout.decode()
    assert printed.startswith("all is well\n")
    assert all(role in printed for role in _ROLES)
    nobody = run("status", *watched, COEDIT_URL="http://127.0.0.1:1", COEDIT_TOKEN=admin)
    assert (nobody.returncode, nobody.stdout, nobody.stderr.count(b"coedit: ")) == (3, b"", 3)


def test_cluster_is_told_of_master_by_master(tmp_path: Path) -> None:
    """Notes lie on one master, shards on all, and each is asked by a user with few rights."""
    cluster = Cluster(tmp_path, "redis7")
    settings = {"COEDIT_DURABILITY": "replicated", "COEDIT_REPLICA_COUNT": "1"}
    (tmp_path / "system").mkdir()
    system = System(tmp_path / "system", redis_url=cluster.url, settings=settings, acl=True)
    try:
        cluster.start()
        system.start()
        report = until_status(system, "", 0, set())
        addresses = {f"127.0.0.1:{master.port}" for master in cluster.masters()}
        assert {master["address"] for master in report["redis"]} == addresses
        assert {master["replicas"] for master in report["redis"]} == {1}
        assert sorted(process["role"] for process in report["processes"]) == _ROLES
        assert {shard["error"] for shard in report["shards"]} == {""}
        assert cluster.refusals() == []
    finally:
        system.stop()
        cluster.stop()


def test_what_breaks_is_named_until_it_is_mended(
    tmp_path_factory: pytest.TempPathFactory, admin: str
) -> None:
    # Whoever owns a shard would look for itself, and find the document sound.
    settings = {"COEDIT_GATEWAY_OPEN": "0", "COEDIT_TRANSFORMER_RECHECK_SECONDS": "3600"}
    system = System(tmp_path_factory.mktemp("system"), acl=True, settings=settings)
    system.start()
    try:
        until_status(system, admin, 0, set())
        system.processes["transformer-0"].kill()
        until_status(system, admin, 1, {"no-process", "no-owner"})
        system.restart("transformer-0")
        until_status(system, admin, 0, set())
        _quarantine_by_hand(system, admin)
        _fall_behind(system, admin)
        _lose_redis(system, admin)
    finally:
        system.stop()


def _quarantine_by_hand(system: System, admin: str) -> None:
    name = DocumentId("damaged")
    key = shard_of(name, _SHARDS).damaged
    damage = Damage("log", "for this test", found_by="doctor")
    with Redis.from_url(system.redis_url, username="admin", password=password("admin")) as redis:
        redis.hset(key, name, pack_damage(damage))
        report = until_status(system, admin, 1, {"quarantined"})
        assert report["documents"]["quarantined"] == 1
        redis.hdel(key, name)
    until_status(system, admin, 0, set())


def _fall_behind(system: System, admin: str) -> None:
    """A transformer that sleeps keeps its leases for a moment; what is written waits in its shards."""
    transformer = system.processes["transformer-0"]
    transformer.signal(signal.SIGSTOP)
    environment = {"COEDIT_URL": system.url, "COEDIT_TOKEN": token("--document", "*")}
    with subprocess.Popen(
        [COEDIT, "edit", "waits", "--insert", "0", "x"], env=system.environment | environment
    ) as writing:
        report = until_status(system, admin, 1, {"no-process", "no-owner", "behind"})
        (behind,) = [shard for shard in report["shards"] if shard["queued"]]
        assert behind["shard"] == shard_of(DocumentId("waits"), _SHARDS).number
        assert behind["queue_age_seconds"] > 5
        transformer.signal(signal.SIGCONT)
        assert writing.wait(60) == 0
    until_status(system, admin, 0, set())


def _lose_redis(system: System, admin: str) -> None:
    """It is said while Redis is away; once it is back, shards are suspect for a grace, and then all is well."""
    system.processes["redis"].kill()
    report = until_status(system, admin, 1, {"redis", "processes", "unknown"})
    assert all(shard["error"] for shard in report["shards"])
    system.restart("redis")
    until_status(system, admin, 0, set())


async def _in_thread(condition: Callable[[], bool], what: str, system: System) -> None:
    await asyncio.to_thread(until, condition, what, system.logs)
