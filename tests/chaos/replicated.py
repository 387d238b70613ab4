"""A deployment whose Redis has a replica, for the level `replicated`."""

import contextlib
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from tests.ports import free_port
from tests.system import Process, System, until


class ReplicatedSystem(System):
    """A `System` with one replica, which every ack waits for."""

    def __init__(self, *arguments: Any, **parts: Any) -> None:
        super().__init__(*arguments, **parts)
        master = self.processes["redis"]
        self.replica = Process("redis-replica", self._replica_command(master), {}, self.folder)
        master.command += ["--min-replicas-to-write", "1", "--repl-diskless-sync-delay", "0"]

    def _start_redis(self) -> None:
        super()._start_redis()
        (self.folder / self.replica.name).mkdir()
        self.replica.start()
        until(self.is_replicated, "the replica follows its master", self.replica.tail)

    def is_replicated(self) -> bool:
        """Whether the replica is connected and up to date."""
        with contextlib.suppress(RedisError), Redis.from_url(self.redis_url, socket_timeout=2) as redis:
            facts: dict[str, Any] = redis.info("replication")
            return bool(facts["connected_slaves"] == 1 and facts["slave0"]["state"] == "online")
        return False

    def stop(self) -> None:
        """End everything."""
        try:
            super().stop()
        finally:
            self.replica.stop()

    def _replica_command(self, master: Process) -> list[str]:
        command = list(master.command)
        port = command[command.index("--port") + 1]
        command[command.index("--port") + 1] = str(free_port())
        command[command.index("--dir") + 1] = str(self.folder / "redis-replica")
        return [*command, "--replicaof", "127.0.0.1", port]
