"""``python -m tests.chaos.people KIND``: attack until told to end; what came of it is one line of JSON on stdout.

A process of its own, so that what an attack costs its author is not taken for what it costs the others.
"""

import argparse
import asyncio
import json
import random
import signal
from contextlib import suppress

from tests.chaos.people.kinds import ATTACKS
from tests.chaos.people.scene import Scene

_PAUSE_SECONDS = 0.2
"""Between two rounds."""


def main() -> None:
    """Attack as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=sorted(ATTACKS))
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--gateway", action="append", required=True)
    parser.add_argument("--other", action="append", default=[])
    arguments = parser.parse_args()
    scene = Scene(arguments.gateway, arguments.other, random.Random(arguments.seed))
    asyncio.run(_attack(arguments.kind, scene))
    print(json.dumps({"rounds": scene.rounds, "answers": scene.answers}), flush=True)


async def _attack(kind: str, scene: Scene) -> None:
    """Make rounds until SIGTERM, which ends the one that is being made."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("ready", flush=True)
    rounds = asyncio.create_task(_rounds(kind, scene))
    await asyncio.wait([rounds, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    rounds.cancel()
    with suppress(asyncio.CancelledError):
        await rounds


async def _rounds(kind: str, scene: Scene) -> None:
    while True:
        scene.rounds += 1
        await scene.attempt(ATTACKS[kind](scene))
        await asyncio.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main()
