"""coedit itself: the real services, each a process, over a Valkey."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from redis import Redis as Client

from bench.drive import Address
from bench.peers.systems.system import HOST, REDIS, Redis
from coedit.store.keys import Shard
from tests.system import System

Durability = Literal["memory", "fsync"]
_APPENDFSYNC = {"memory": "everysec", "fsync": "always"}
_SHARDS = 64
_SETTLE_SECONDS = 300.0
_LOOK_AGAIN_SECONDS = 0.25
_LARGEST_DOCUMENT_UNITS = 64 * 1024 * 1024
"""Above the default, since some loads open a document of 20 MB."""


class Coedit:
    """So many gateways and transformers, one presence service and one snapshotter, with a deployment's 64 shards."""

    def __init__(
        self, folder: Path, *, pairs: int = 1, durability: Durability = "fsync", gather_seconds: float = 0.0
    ) -> None:
        self._redis = Redis(folder, _APPENDFSYNC[durability])
        settings = {
            "COEDIT_SHARD_COUNT": str(_SHARDS),
            "COEDIT_DURABILITY": durability,
            "COEDIT_GATEWAY_GATHER_SECONDS": str(gather_seconds),
            "COEDIT_GATEWAY_DOCUMENT_UNITS": str(_LARGEST_DOCUMENT_UNITS),
            # All clients come from one address here, as fast as they can; the others have no such limits.
            "COEDIT_GATEWAY_ADDRESS_CONNECTIONS": "1000000",
            "COEDIT_GATEWAY_ADDRESS_STRANGERS": "1000000",
            "COEDIT_GATEWAY_MESSAGES_PER_SECOND": "1e9",
            "COEDIT_GATEWAY_BYTES_PER_SECOND": "1e12",
            "COEDIT_GATEWAY_OPENS_PER_SECOND": "1e6",
            "COEDIT_TRANSFORMER_DOCUMENT_UNITS": str(_LARGEST_DOCUMENT_UNITS),
        }
        self._system = System(
            folder, gateways=pairs, transformers=pairs, redis_url=self._redis.url, settings=settings
        )

    @property
    def addresses(self) -> Sequence[Address]:
        """The gateways."""
        return [(HOST, int(url.rpartition(":")[2])) for url in self._system.gateways]

    @property
    def pids(self) -> Mapping[str, int]:
        """All services, and the Redis."""
        services = {name: process.pid for name, process in self._system.processes.items()}
        return services | {REDIS: self._redis.pid}

    def start(self) -> None:
        """Start everything."""
        self._redis.start()
        self._system.start()

    def settle(self) -> None:
        """Return when a snapshot covers every document: what the snapshotter does for one counts to no other.

        Raises:
            TimeoutError: that takes too long.
        """
        deadline = time.monotonic() + _SETTLE_SECONDS
        with Client.from_url(self._redis.url) as client:
            while client.exists(*(Shard(number).changed for number in range(_SHARDS))):
                if time.monotonic() > deadline:
                    raise TimeoutError("the snapshotter has not come to rest")
                time.sleep(_LOOK_AGAIN_SECONDS)

    def stop(self) -> None:
        """End everything, the Redis last."""
        try:
            self._system.stop()
        finally:
            self._redis.stop()
