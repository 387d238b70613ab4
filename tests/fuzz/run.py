"""A run of the fuzz: a real system, the fuzzer beside it, bystanders, and a look at what everything takes."""

import asyncio
import json
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from redis.asyncio import Redis

from coedit.identifiers import AuthorId
from coedit.protocol.grants import EVERYTHING
from coedit.protocol.tokens import Identity, make_access_token
from coedit.store.keys import Shard
from tests.chaos.footprint import resident_bytes, sockets_at
from tests.fuzz.bystander import Bystander
from tests.fuzz.figures import Figures
from tests.fuzz.logs import defects
from tests.system import ROOT, SECRET, System, eventually

_EARLY_SHARE = 0.3
_END_SECONDS = 30.0
_REST_SECONDS = 3.0
"""In the end, before it is looked at what processes keep."""
_LOOK_SECONDS = 0.5
_SOCKETS_SECONDS = 30.0
_SHARDS = 8


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is to be."""

    seed: int
    seconds: float
    folder: Path


async def run(options: Options) -> Figures:
    """Make a run; the first gateway asks for no token, the second for one."""
    system = System(options.folder / "system", gateways=2)
    system.folder.mkdir(parents=True)
    del system.processes["gateway-1"].environment["COEDIT_GATEWAY_OPEN"]
    await asyncio.to_thread(system.start)
    try:
        return await _play(system, options)
    finally:
        await asyncio.to_thread(system.stop)


async def _play(system: System, options: Options) -> Figures:
    token = _token("fuzz")
    figures = Figures(options.seed, options.seconds, [])
    # Another author: who sends too much is held up wherever one is.
    bystanders = [Bystander(system.gateways[0]), Bystander(system.gateways[1], _token("bystander"))]
    editing = [asyncio.create_task(bystander.edit()) for bystander in bystanders]
    watching = asyncio.create_task(_watch(system, figures, options.seconds * _EARLY_SHARE))
    fuzzer = await _begin(system, options, token)
    telling = asyncio.create_task(fuzzer.communicate())
    # A fuzzer that ends by itself has broken down, and says why.
    await asyncio.wait([telling], timeout=options.seconds)
    await _end(fuzzer, telling, figures)
    await asyncio.sleep(_REST_SECONDS)
    for bystander in bystanders:
        bystander.is_over = True
    await asyncio.gather(*editing)
    watching.cancel()
    figures.waits = [wait for bystander in bystanders for wait in bystander.waits]
    figures.troubles = [line for bystander in bystanders for line in bystander.troubles]
    await _look_back(system, figures)
    return figures


def _token(author: str) -> str:
    return make_access_token(SECRET, Identity(AuthorId(author), EVERYTHING), int(time.time()) + 100_000)


async def _begin(system: System, options: Options, token: str) -> Process:
    gateways = ("--gateway", system.gateways[0], "--gateway", f"{system.gateways[1]},{token}")
    about = ("--seed", str(options.seed), "--folder", str(options.folder), *gateways)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fuzz.fuzzer", *about, cwd=ROOT, stdout=PIPE, stderr=PIPE
    )


async def _end(fuzzer: Process, telling: "asyncio.Task[tuple[bytes, bytes]]", figures: Figures) -> None:
    with suppress(ProcessLookupError):
        fuzzer.send_signal(signal.SIGTERM)
    done, _ = await asyncio.wait([telling], timeout=_END_SECONDS)
    if not done:
        fuzzer.kill()
    output, errors = await telling
    try:
        figures.doors = json.loads(output)
    except ValueError:
        figures.fuzzer_error = errors.decode(errors="replace")[-1500:] or "it did not end"


async def _watch(system: System, figures: Figures, early_seconds: float) -> None:
    """Look at memory, and start again what ended by itself, as a supervisor would."""
    began_at = time.monotonic()
    while True:
        is_early = time.monotonic() - began_at < early_seconds
        for name, process in system.processes.items():
            if name != "redis":
                _look(name, resident_bytes(process.pid), figures, is_early=is_early)
            if not process.is_running:
                figures.exits.append(f"{name}: {process.tail()[-1500:]}")
                system.restart(name)
        await asyncio.sleep(_LOOK_SECONDS)


def _look(name: str, taken: int, figures: Figures, *, is_early: bool) -> None:
    figures.highest_bytes[name] = max(taken, figures.highest_bytes.get(name, 0))
    figures.last_bytes[name] = taken
    if is_early:
        figures.early_bytes[name] = figures.highest_bytes[name]


async def _look_back(system: System, figures: Figures) -> None:
    """When everybody has gone: what stays open, what was marked as damaged, and what stands in the logs."""
    ports = {f"gateway-{number}": urlsplit(url).port or 0 for number, url in enumerate(system.gateways)}
    with suppress(AssertionError):
        await eventually(
            lambda: not any(map(sockets_at, ports.values())), "nobody is there", _SOCKETS_SECONDS
        )
    figures.sockets = {name: sockets_at(port) for name, port in ports.items()}
    redis: Redis = Redis.from_url(system.redis_url)
    for shard in range(_SHARDS):
        marked = await redis.hkeys(Shard(shard).damaged)
        figures.quarantined += [name.decode(errors="replace") for name in marked if isinstance(name, bytes)]
    await redis.aclose()
    figures.tracebacks = [
        f"{name}: {found}" for name, process in system.processes.items() for found in defects(process.log)
    ]
