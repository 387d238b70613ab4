"""Attacks as faults of a run: planned from its seed, each in a process of its own that is ended with the fault."""

import asyncio
import json
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Any

from tests.chaos.faults import Fault, register
from tests.chaos.people.kinds import ATTACKS
from tests.chaos.world import World
from tests.system import ROOT

OTHERS = ("one", "two")
"""Documents of the crowd that attackers know of."""
_SECONDS = (4.0, 8.0)
_END_SECONDS = 15.0


class Person(Fault):
    """Somebody who attacks, again and again, until the time is up."""

    lane = "people"
    seconds = _SECONDS
    takes_seconds = 1.0

    async def begin(self, world: World, rng: random.Random) -> str:
        """Let the person come."""

        gateways = [argument for url in world.system.gateways for argument in ("--gateway", url)]
        others = [argument for name in OTHERS for argument in ("--other", name)]
        command = [sys.executable, "-m", "tests.chaos.people", self.kind, "--seed", str(rng.randrange(2**32))]
        self._process = await asyncio.create_subprocess_exec(
            *command, *gateways, *others, cwd=ROOT, stdout=PIPE, stderr=PIPE
        )
        await _output(self._process).readline()
        return "people"

    async def end(self, world: World) -> None:
        """Send the person away, and record what came of it; one who crashed is a defect of the test."""
        process = self._process
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_END_SECONDS):
                output, errors = await process.communicate()
        except TimeoutError:
            process.kill()
            output, errors = await process.communicate()
        world.history.add("attacked", kind=self.kind, **_told(output, errors))


def _told(output: bytes, errors: bytes) -> dict[str, Any]:
    """Return rounds and answers; of one who could not say them, the error."""
    try:
        told: dict[str, Any] = json.loads(output.strip().rpartition(b"\n")[2])
    except ValueError:
        return {"rounds": 0, "answers": {}, "error": errors.decode(errors="replace")[-800:] or "was killed"}
    return told


def _output(process: Process) -> asyncio.StreamReader:
    assert process.stdout is not None
    return process.stdout


for _kind, _attack in ATTACKS.items():
    register(
        type(
            f"Person{_kind.title().replace('-', '')}", (Person,), {"kind": _kind, "__doc__": _attack.__doc__}
        )
    )
