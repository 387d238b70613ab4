"""From ``COEDIT_REDIS_URL`` to the masters behind it: how each kind of topology is looked up."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import ResponseError

from coedit.errors import CoeditError
from coedit.store.redis.connection import TROUBLE, OnDoubt, connect
from coedit.store.redis.server_pin import Pins
from coedit.store.redis.topology import SLOT_COUNT, Address, FollowedNodes, Nodes, NowhereError, Places

_LOOK_SECONDS = 2.0


class UnknownTopologyError(CoeditError):
    """COEDIT_REDIS_URL names no topology that coedit knows; the message says what is wrong."""

    code = "unknown-topology"


def connect_nodes(url: str, pins: Pins | None = None) -> Nodes:
    """Return the masters behind ``url``, each under a pin of ``pins`` if given; it connects on first use.

    - ``redis://``, ``rediss://``, ``unix://``: one server
    - ``redis+sentinel://[USER:PASSWORD@]HOST:PORT,…/SERVICE[/DB]``: the master that the Sentinels name
    - ``redis+cluster://[USER:PASSWORD@]HOST:PORT,…``: the masters of a cluster, found by way of any of its nodes

    ``rediss+`` instead of ``redis+`` speaks TLS to the masters (Sentinels are asked in the clear). What TLS needs
    follows a question mark, as for redis-py: ``?ssl_ca_certs=FILE&ssl_certfile=FILE&ssl_keyfile=FILE``.

    Raises:
        UnknownTopologyError: the URL is none of these.
    """
    scheme = urlsplit(url).scheme
    if scheme in ("redis", "rediss", "unix"):
        return Nodes(connect(url, pins=pins))
    if scheme in ("redis+sentinel", "rediss+sentinel"):
        return _behind_sentinels(_Several.read(url), pins)
    if scheme in ("redis+cluster", "rediss+cluster"):
        return _of_cluster(_Several.read(url), pins)
    raise UnknownTopologyError(
        f"COEDIT_REDIS_URL begins with {scheme or 'no scheme'!r}; known are redis, rediss, unix, "
        "redis+sentinel and redis+cluster"
    )


@dataclass(frozen=True, slots=True)
class _Several:
    """What ``redis+sentinel://`` and ``redis+cluster://`` say."""

    scheme: str
    user: str
    addresses: tuple[Address, ...]
    path: tuple[str, ...]
    options: str
    """As in the URL of one server, such as the files of TLS; they are for each of the masters."""

    @classmethod
    def read(cls, url: str) -> "_Several":
        parts = urlsplit(url)
        user, _, hosts = parts.netloc.rpartition("@")
        addresses = tuple(_address(host) for host in hosts.split(",") if host)
        if not addresses:
            raise UnknownTopologyError("COEDIT_REDIS_URL names no host")
        scheme = parts.scheme.partition("+")[0]
        path = tuple(filter(None, map(unquote, parts.path.split("/"))))
        return cls(scheme, user, addresses, path, f"?{parts.query}" if parts.query else "")

    def url(self, address: Address, database: str = "0") -> str:
        """Return the URL of one of the servers."""
        host, port = address
        user = f"{self.user}@" if self.user else ""
        host = f"[{host}]" if ":" in host else host
        return f"{self.scheme}://{user}{host}:{port}/{database}{self.options}"


def _address(text: str) -> Address:
    parts = urlsplit(f"//{text}")
    try:
        port = parts.port
    except ValueError as error:
        raise UnknownTopologyError(f"{text}: {error}") from error
    if not parts.hostname or port is None:
        raise UnknownTopologyError(f"{text!r} in COEDIT_REDIS_URL is not HOST:PORT")
    return parts.hostname, port


def _behind_sentinels(several: _Several, pins: Pins | None) -> Nodes:
    if not several.path:
        raise UnknownTopologyError("COEDIT_REDIS_URL names no service: redis+sentinel://HOST:PORT,…/SERVICE")
    service, database = several.path[0], several.path[1] if len(several.path) > 1 else "0"
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        several.addresses,
        socket_timeout=_LOOK_SECONDS,
        socket_connect_timeout=_LOOK_SECONDS,
    )

    async def look() -> Places:
        host, port = await sentinel.discover_master(service)
        return {(host, int(port)): [range(SLOT_COUNT)]}

    def open_node(address: Address, on_doubt: OnDoubt) -> Redis:
        # Whom the Sentinels demoted cuts its clients, and must not be taken for a master when they connect again.
        return connect(several.url(address, database), on_doubt=on_doubt, only_master=True, pins=pins)

    return FollowedNodes(look, open_node)


def _of_cluster(several: _Several, pins: Pins | None) -> Nodes:
    known: list[Address] = list(several.addresses)

    async def look() -> Places:
        places = await _first_answer([_slots_of(several.url(address), address[0]) for address in known])
        # A deployment outlives the nodes that its URL names.
        known[:] = dict.fromkeys([*places, *several.addresses])
        return places

    def open_node(address: Address, on_doubt: OnDoubt) -> Redis:
        # Each shard's stream is read on a connection of its own.
        return connect(several.url(address), max_connections=1024, on_doubt=on_doubt, pins=pins)

    return FollowedNodes(look, open_node, is_cluster=True)


async def _first_answer(questions: list[Awaitable[Places]]) -> Places:
    tasks = [asyncio.ensure_future(question) for question in questions]
    trouble: BaseException = NowhereError("no node of the cluster is known")
    try:
        for task in asyncio.as_completed(tasks):
            try:
                return await task
            except TROUBLE as error:
                trouble = error
        raise trouble
    finally:
        for left in tasks:
            left.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _slots_of(url: str, asked_host: str) -> Places:
    redis = connect(url, max_connections=1, answer_seconds=_LOOK_SECONDS)
    try:
        places: dict[Address, list[range]] = defaultdict(list)
        reply: Any = await redis.execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]
        for slots, address in _slot_ranges(reply, asked_host):
            places[address].append(slots)
    except ResponseError as error:
        if "cluster support disabled" in str(error):
            raise UnknownTopologyError(f"{asked_host} is no node of a cluster: use redis://") from error
        raise
    finally:
        await redis.aclose()
    if not places:
        raise NowhereError(f"{asked_host} knows no master that has slots")
    return dict(places)


def _slot_ranges(reply: Any, asked_host: str) -> Iterator[tuple[range, Address]]:
    """Read CLUSTER SLOTS; a node that does not know its own address leaves it out: it is where we asked."""
    for first, last, (host, port, *_), *_ in reply:
        name = (host or b"").decode()
        yield range(first, last + 1), (asked_host if name in ("", "?") else name, port)
