"""``python -m tests.fuzz.fuzzer``: plays at all doors until told to end; its figures are a line of JSON on stdout.

A process of its own, so that drawing and mutating hold up no bystander's clock.
"""

import argparse
import asyncio
import json
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from coedit.protocol.codec import Codec
from tests.fuzz import messages, yjs_frames
from tests.fuzz.requests import RestDoor, requests
from tests.fuzz.sockets import HocuspocusDoor, SocketDoor, V1Door, YjsDoor
from tests.fuzz.supply import Supply
from tests.fuzz.tally import Tally

STRATEGIES: dict[str, Any] = {
    "v1-json": messages.sequences,
    "v1-msgpack": messages.sequences,
    "yjs": yjs_frames.sequences,
    "hocuspocus": yjs_frames.sequences,
    "rest": requests(),
}
DOORS = tuple(STRATEGIES)
_PLAYERS = 3
"""At each door of each gateway, side by side."""


def main() -> None:
    """Play as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--gateway", action="append", required=True, help="URL, or URL,TOKEN")
    arguments = parser.parse_args()
    tallies = {door: Tally(door, arguments.folder / f"sent-{door}.jsonl") for door in DOORS}
    asyncio.run(_play_until_told(arguments.seed, arguments.gateway, tallies))
    print(json.dumps([tally.to_json() for tally in tallies.values()]), flush=True)


async def _play_until_told(seed: int, gateways: list[str], tallies: dict[str, Tally]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    supplies = {door: Supply(f"{seed} {door}", STRATEGIES[door]) for door in DOORS}
    playing = [
        asyncio.create_task(_play(_opened(door, *gateway.partition(",")[::2], tally), supplies[door]))
        for _ in range(_PLAYERS)
        for gateway in gateways
        for door, tally in tallies.items()
    ]
    told = asyncio.create_task(stop.wait())
    await asyncio.wait([*playing, told], return_when=asyncio.FIRST_COMPLETED)
    for task in playing:
        task.cancel()
    for ended in await asyncio.gather(*playing, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended  # a door that broke down is a defect of the fuzz


async def _play(door: SocketDoor | RestDoor, supply: Supply) -> None:
    while True:
        await door.play(*supply.take())


def _opened(door: str, url: str, token: str, tally: Tally) -> SocketDoor | RestDoor:
    match door:
        case "v1-json":
            return V1Door(url, token, tally, Codec.JSON)
        case "v1-msgpack":
            return V1Door(url, token, tally, Codec.MSGPACK)
        case "yjs":
            return YjsDoor(url, token, tally)
        case "hocuspocus":
            return HocuspocusDoor(url, token, tally)
        case _:
            return RestDoor(url, token, tally)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
