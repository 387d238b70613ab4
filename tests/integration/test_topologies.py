"""The whole system on each topology of Redis, through the trouble that it brings: nothing acked is lost or repeated."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from coedit.identifiers import DocumentId
from coedit.runtime.lanes import Lanes
from coedit.runtime.lifecycle import survive
from coedit.runtime.settings import SharedSettings
from coedit.store.keys import Shard, shard_of
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.discovery import connect_nodes
from coedit.store.redis.topology import Nodes
from coedit.testing.fault_proxy import FaultProxy
from services.gateway.redis.channels import Channels
from tests.conftest import MakeSystem
from tests.redis_acl import login
from tests.redis_topologies import Cluster, Sentinels, Server, Single, Tls, Topology
from tests.system import SECRET, ServerKind, eventually
from tests.topology_load import NAMES, typing

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

_SHARDS = 8
_QUICK = {
    "COEDIT_TRANSFORMER_GRACE_SECONDS": "1",
    "COEDIT_TRANSFORMER_RESTART_GRACE_SECONDS": "0.5",
    "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "1",
}
_REPLICATED = _QUICK | {"COEDIT_DURABILITY": "replicated", "COEDIT_REPLICA_COUNT": "1"}
KINDS: list[ServerKind] = ["valkey", "redis7"]
"""Both where they differ: in their clusters. Each has been tried in every topology."""


MakeTopology = Callable[[Callable[[Path], Topology]], Topology]


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[Topology], None]]:
    """A function that starts servers, which end with the test."""
    started: list[Topology] = []

    def start(topology: Topology) -> None:
        started.append(topology)
        topology.start()

    yield start
    refusals = [refusal for topology in started for refusal in topology.refusals()]
    for topology in started:
        topology.stop()
        report = getattr(request.node, "report", None)
        if report is not None and report.failed:
            print(topology.logs())
    assert refusals == []


@pytest.mark.parametrize("kind", KINDS)
async def test_subscriptions_follow_their_shards(
    tmp_path: Path, run: Callable[[Topology], None], kind: ServerKind
) -> None:
    """To wherever they move, and each is told that it may have missed something."""
    cluster = Cluster(tmp_path, kind)
    run(cluster)
    nodes = connect_nodes(_as_gateway(cluster.url))
    await nodes.refresh()
    shards = [Shard(number) for number in range(_SHARDS)]
    async with _subscribed(nodes, shards) as ear:
        await ear.hears_all(shards)
        source = cluster.owner(shards[0])
        target = next(master for master in cluster.masters() if master is not source)
        finish = await asyncio.to_thread(cluster.begin_move, shards[0], target)
        await ear.hears_all(shards)
        assert not ear.again
        await asyncio.to_thread(finish)
        await eventually(lambda: ear.again[shards[0]] > 0, "the one that moved comes again")
        await ear.hears_all(shards)
        ear.again.clear()
        moved = [shard for shard in shards if cluster.owner(shard) is target]
        await asyncio.to_thread(cluster.fail_over, cluster.replica_of(target))
        await asyncio.to_thread(cluster.until_replaced, target)
        await asyncio.to_thread(cluster.until_replicated)
        await asyncio.to_thread(cluster.until_agreed)
        await eventually(lambda: _are_followed(nodes, cluster, shards), "nobody listens to a replica")
        await eventually(lambda: all(ear.again[shard] for shard in moved), "those of the failover come again")
        await ear.hears_all(shards)
        ear.again.clear()
        killed = cluster.owner(shards[0])
        moved = [shard for shard in shards if cluster.owner(shard) is killed]
        killed.process.kill()
        await asyncio.to_thread(cluster.until_replaced, killed)
        await eventually(lambda: all(ear.again[shard] for shard in moved), "those of the dead come again")
        await ear.hears_all(shards)


class Ear:
    """Listens to a channel of each shard."""

    def __init__(self, nodes: Nodes) -> None:
        self.again: Counter[Shard] = Counter()
        self._nodes = nodes
        self._heard: set[bytes] = set()

    async def listen(self, channels: Channels, shard: Shard) -> None:
        await channels.subscribe(_channel(shard), self._heard.add, lambda: self.again.update([shard]))

    async def hears_all(self, shards: list[Shard]) -> None:
        """Publish on every channel until every one was heard."""
        self._heard.clear()
        await eventually(lambda: self._publish(shards), "every channel is heard")

    async def _publish(self, shards: list[Shard]) -> bool:
        for shard in shards:
            with suppress(*TROUBLE):
                await self._nodes.at(shard).spublish(_channel(shard), _channel(shard))
        return self._heard == {_channel(shard).encode() for shard in shards}


async def _are_followed(nodes: Nodes, cluster: Cluster, shards: list[Shard]) -> bool:
    """Return whether each shard is looked for where it is.

    A master that became a replica goes on to serve channels, and nothing shows that it is none until it is asked.
    """
    for shard in shards:
        with suppress(*TROUBLE):
            await nodes.at(shard).exists(shard.barrier)
    places = [nodes.at(shard).connection_pool.connection_kwargs["port"] for shard in shards]
    return places == [cluster.owner(shard).port for shard in shards]


def _channel(shard: Shard) -> str:
    return shard.events(DocumentId("notes"))


@asynccontextmanager
async def _subscribed(nodes: Nodes, shards: list[Shard]) -> AsyncIterator[Ear]:
    channels, ear, stop = Channels(nodes), Ear(nodes), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        lanes: Lanes[Redis] = Lanes(tasks, "channels", stop, lambda: None)
        channels.run_on(lanes)
        following = tasks.create_task(survive("topology", channels.step, stop, lambda: None))
        for shard in shards:
            await ear.listen(channels, shard)
        yield ear
        following.cancel()
        lanes.end_all()
    channels.close()
    await nodes.aclose()


@pytest.mark.parametrize("kind", KINDS[:1])
async def test_single_server_through_trouble(
    tmp_path: Path, run: Callable[[Topology], None], make_system: MakeSystem, seed: int, kind: ServerKind
) -> None:
    single = Single(tmp_path, kind)
    run(single)
    server = single.servers[0]
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        system = await asyncio.to_thread(
            make_system, redis_url=f"redis://127.0.0.1:{proxy.port}/0", settings=_QUICK, acl=True
        )
        async with typing(system, seed) as load:
            await load.through("restart", server.process.stop, server.start)
            await load.through("kill -9", server.process.kill, server.start)
            await load.through("seconds asleep", _sleeps(server), _wakes(server), 6)
            await load.through("seconds of latency", _slow(proxy), proxy.heal, 6)
            await load.through("out of memory", _memory(single, "1"), _memory(single, "0"))


@pytest.mark.parametrize("kind", KINDS[1:])
async def test_sentinel_through_trouble(
    tmp_path: Path, run: Callable[[Topology], None], make_system: MakeSystem, seed: int, kind: ServerKind
) -> None:
    sentinels = Sentinels(tmp_path, kind)
    run(sentinels)
    system = await asyncio.to_thread(make_system, redis_url=sentinels.url, settings=_REPLICATED, acl=True)
    async with typing(system, seed) as load:
        master = sentinels.master()
        await load.through(
            "failover after kill -9", master.process.kill, _returns_as_replica(sentinels, master)
        )
        await load.through("graceful failover", sentinels.fail_over)


@pytest.mark.parametrize("kind", KINDS[:1])
async def test_cluster_through_trouble(
    tmp_path: Path, run: Callable[[Topology], None], make_system: MakeSystem, seed: int, kind: ServerKind
) -> None:
    cluster = Cluster(tmp_path, kind)
    run(cluster)
    system = await asyncio.to_thread(make_system, redis_url=cluster.url, settings=_REPLICATED, acl=True)
    shard = shard_of(DocumentId(NAMES[0]), _SHARDS)
    async with typing(system, seed) as load:
        master = cluster.owner(shard)
        await load.through(
            "failover after kill -9", master.process.kill, _returns_as_replica(cluster, master)
        )
        await load.through(
            "graceful failover", lambda: cluster.fail_over(cluster.replica_of(cluster.owner(shard)))
        )
        others = [other for other in cluster.masters() if other is not cluster.owner(shard)]
        await load.through("a shard moves", *_move(cluster, shard, others[0]))
        asleep = cluster.owner(shard)
        await load.through("a master asleep", _sleeps(asleep), _returns_as_replica(cluster, asleep))


async def test_sentinel_over_tls_through_a_failover(
    tmp_path: Path, run: Callable[[Topology], None], make_system: MakeSystem, seed: int
) -> None:
    """Each connection shows a certificate, to a server that is found while the services run as well."""
    sentinels = Sentinels(tmp_path, "redis7", Tls.make(tmp_path))
    run(sentinels)
    system = await asyncio.to_thread(make_system, redis_url=sentinels.url, settings=_REPLICATED, acl=True)
    async with typing(system, seed) as load:
        master = sentinels.master()
        await load.through(
            "failover over TLS after kill -9", master.process.kill, _returns_as_replica(sentinels, master)
        )


async def test_cluster_over_tls_through_failovers(
    tmp_path: Path, run: Callable[[Topology], None], make_system: MakeSystem, seed: int
) -> None:
    cluster = Cluster(tmp_path, "redis7", Tls.make(tmp_path))
    run(cluster)
    system = await asyncio.to_thread(make_system, redis_url=cluster.url, settings=_REPLICATED, acl=True)
    shard = shard_of(DocumentId(NAMES[0]), _SHARDS)
    async with typing(system, seed) as load:
        master = cluster.owner(shard)
        await load.through(
            "failover over TLS after kill -9", master.process.kill, _returns_as_replica(cluster, master)
        )
        await load.through(
            "graceful failover over TLS",
            lambda: cluster.fail_over(cluster.replica_of(cluster.owner(shard))),
        )


def _as_gateway(url: str) -> str:
    user = login("gateway")
    return SharedSettings(
        secret=SecretStr(SECRET),
        redis_url=url,
        redis_user=user["COEDIT_REDIS_USER"],
        redis_password=SecretStr(user["COEDIT_REDIS_PASSWORD"]),
    ).redis_url


def _sleeps(server: Server) -> Callable[[], None]:
    return lambda: server.process.signal(signal.SIGSTOP)


def _move(cluster: Cluster, shard: Shard, target: Server) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return what begins to move a shard's slot, and what ends it."""
    ends: list[Callable[[], None]] = []

    def begin() -> None:
        ends.append(cluster.begin_move(shard, target))

    def finish() -> None:
        ends[0]()

    return begin, finish


def _slow(proxy: FaultProxy) -> Callable[[], None]:
    def slow() -> None:
        proxy.there.delay_seconds = 2.5

    return slow


def _memory(single: Single, maximum: str) -> Callable[[], None]:
    return lambda: single.set("maxmemory", maximum)


def _wakes(server: Server) -> Callable[[], None]:
    return lambda: server.process.signal(signal.SIGCONT)


def _returns_as_replica(topology: Topology, server: Server) -> Callable[[], None]:
    """Wait until another is master in a server's place, then let it come back."""

    def back() -> None:
        topology.until_replaced(server)
        if server.process.is_running:
            server.process.signal(signal.SIGCONT)
        else:
            server.start()
        topology.until_replicated()

    return back
