"""What one noisy author costs another: ``python -m bench.noise``, the same calm typing without noise and with it.

The noise is one author at every limit at once, in a process of its own: as many connections as one may have, each
submitting as fast as it is answered, moving its caret, opening new names, and calling over plain HTTP for documents,
histories and imports; told to wait, it does not. What there is at once after a pause is set low, so that it is spent by
the time that the measuring begins. The ratio of the medians is what counts: both are of one system, one minute apart.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import msgpack
import uvloop

from bench.cpu import machine
from bench.dialects import CoeditDialect
from bench.drive import connect_all, drained, type_at_rate
from bench.editors import Editor
from bench.tally import DocumentTally, Tally, percentiles
from coedit.identifiers import AuthorId
from coedit.protocol.grants import EVERYTHING
from coedit.protocol.tokens import Identity, make_access_token
from tests.system import SECRET, System

_ROOT = Path(__file__).parent.parent
_SETTINGS = {
    "COEDIT_GATEWAY_OPEN": "0",
    "COEDIT_SHARD_COUNT": "64",
    "COEDIT_GATEWAY_MESSAGES_AT_ONCE": "500",
    "COEDIT_GATEWAY_AUTHOR_MESSAGES_AT_ONCE": "1000",
    "COEDIT_GATEWAY_AUTHOR_BYTES_AT_ONCE": "16777216",
    "COEDIT_GATEWAY_AUTHOR_REQUESTS_AT_ONCE": "200",
}
_CALM = 10
"""Documents, with two people each."""
_EDITS_PER_SECOND = 5
"""Of each of them."""
_WARM_SECONDS = 3.0
_NOISY_CONNECTIONS = 100
_CALLERS = 8
_SIZE = 20_000


def main() -> int:
    """Measure as told by the arguments, or make noise at an address."""
    arguments = _arguments()
    if arguments.at:
        uvloop.run(_make_noise(arguments.at))
        return 0
    print(", ".join(f"{name}: {fact}" for name, fact in machine().items()))
    for _ in range(arguments.runs):
        with TemporaryDirectory(prefix="coedit-bench-", ignore_cleanup_errors=True) as folder:
            system = System(Path(folder), settings=_SETTINGS)
            system.start()
            try:
                _measure(system, arguments.seconds)
            finally:
                system.stop()
    return 0


def _measure(system: System, seconds: float) -> None:
    quiet = uvloop.run(_calm_acks(system.url, "quiet", seconds))
    command = [sys.executable, "-m", "bench.noise", "--at", system.url]
    with subprocess.Popen(command, cwd=_ROOT) as noise:
        try:
            noisy = uvloop.run(_calm_acks(system.url, "noisy", seconds))
        finally:
            noise.kill()
    for name, acks in (("without noise", quiet), ("with noise", noisy)):
        print(f"acks {name}: " + ", ".join(f"{part} {ms:.2f} ms" for part, ms in acks.items()))
    print(f"ratio of the medians: {noisy['p50'] / quiet['p50']:.2f}")
    held = [line for line in system.metrics("gateway-0").splitlines() if line.startswith(_HELD)]
    print("held up: " + ", ".join(line.removeprefix(_HELD) for line in held if not line.endswith(" 0.0")))


_HELD = "coedit_gateway_limited_total"


class _TokenDialect(CoeditDialect):
    """Shows a token."""

    def greeting(self, author: str) -> bytes | None:
        """Return a hello with a token of the author's."""
        return msgpack.packb({"type": "hello", "token": _token(author)})


async def _calm_acks(url: str, name: str, seconds: float) -> dict[str, float]:
    """Return how long acks took, of people who type a little each; everything has to arrive."""
    tally, dialect = Tally(), _TokenDialect()
    editors: list[Editor] = []
    for number in range(_CALM):
        document, counts = f"{name} {number}", DocumentTally()
        editors += [Editor(dialect, tally, document, counts, f"{document}-{one}") for one in range(2)]
    host, _, port = url.removeprefix("http://").partition(":")
    await asyncio.sleep(_WARM_SECONDS)
    await connect_all(editors, [(host, int(port))])
    typing = asyncio.create_task(type_at_rate(editors, len(editors) * _EDITS_PER_SECOND))
    await asyncio.sleep(_WARM_SECONDS)
    tally.is_measuring = True
    await asyncio.sleep(seconds)
    tally.is_measuring = False
    typing.cancel()
    await drained(tally, editors)
    for editor in editors:
        editor.close()
    return percentiles(tally.ack_delays)


async def _make_noise(url: str) -> None:
    headers = {"Authorization": f"Bearer {_token('noisy')}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(headers=headers, connector=connector) as http,
        asyncio.TaskGroup() as tasks,
    ):
        for number in range(_NOISY_CONNECTIONS):
            tasks.create_task(_for_ever(partial(_talk, http, url, number)))
        for number in range(_CALLERS):
            tasks.create_task(_for_ever(partial(_call, http, url, number)))


async def _for_ever(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        with suppress(aiohttp.ClientError, OSError, TypeError):
            await work()
        await asyncio.sleep(0.01)


async def _talk(http: aiohttp.ClientSession, url: str, number: int) -> None:
    """Submit as fast as acks come; between two submissions move the caret, and open what nobody has written."""
    async with http.ws_connect(
        url.replace("http", "ws", 1) + "/v1/ws", protocols=["coedit.v1.json"], max_msg_size=0
    ) as socket:
        document = f"noise {number}"
        await socket.send_json({"type": "hello", "token": _token("noisy")})
        await socket.send_json({"type": "open", "document": document})
        submit: dict[str, Any] = {"type": "submit", "document": document, "delta": [{"insert": "noise "}]}
        sequence = 0
        async for frame in socket:
            message = json.loads(frame.data)
            if message["type"] == "opened" and message["document"] == document:
                submit |= {"epoch": message["epoch"], "base_revision": message["revision"]}
            elif message["type"] == "ack":
                submit |= {"base_revision": message["revision"]}
            else:
                continue
            sequence += 1
            await socket.send_json(submit | {"client_sequence": sequence})
            about = {"document": document, "revision": 0, "caret": {"anchor": sequence, "head": 0}}
            await socket.send_json({"type": "presence"} | about)
            await socket.send_json({"type": "open", "document": f"{document} {sequence % 50}"})


async def _call(http: aiohttp.ClientSession, url: str, number: int) -> None:
    for path in (f"documents/noise%20{number}", f"history/noise%20{number}", f"blame/noise%20{number}"):
        async with http.get(f"{url}/v1/{path}") as answer:
            await answer.read()
    body = f"*{number}* " * _SIZE
    async with http.post(f"{url}/v1/import/noise%20import%20{number}?format=markdown", data=body) as answer:
        await answer.read()


def _token(author: str) -> str:
    return make_access_token(SECRET, Identity(AuthorId(author), EVERYTHING), int(time.time()) + 86_400)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.noise", description=__doc__)
    parser.add_argument("--runs", type=int, default=int(os.environ.get("BENCH_RUNS", "1")))
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("BENCH_SECONDS", "15")))
    parser.add_argument("--at", default="", help="make noise there, and measure nothing")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
