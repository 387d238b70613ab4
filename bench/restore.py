"""What it takes to bring documents back after Redis was lost: ``python -m bench.restore 1000``, how many documents.

The real system writes them, through its clients, until every one has a snapshot; then its Redis is killed, and another
one started that is empty. ``coedit recover --all`` and ``coedit verify --all`` are timed as an operator runs them.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from coedit.client import Document, connect
from coedit.client.rest import fetch_text
from tests.system import SECRET, System, eventually

_OPEN_AT_ONCE = 50
_EDITS = 20
_SEEN = 20
"""Documents whose text is compared, before and after."""


async def measure(folder: Path, count: int) -> None:
    """Write the documents, lose Redis, bring them back; print how long each took."""
    system = System(folder, settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.5"})
    system.start()
    try:
        names = [f"document {number}" for number in range(count)]
        for first in range(0, count, _OPEN_AT_ONCE):
            await _write(system.url, names[first : first + _OPEN_AT_ONCE])
        seen = {name: (await fetch_text(system.url, name)).text for name in names[:: max(1, count // _SEEN)]}
        print(f"{count} documents of {_EDITS} edits, verified before:", _coedit(system, "verify"))
        started = time.perf_counter()
        system.wipe_redis()
        await eventually(lambda: _is_sound(system), "the shards are suspect no more", 60)
        print(
            f"another Redis, empty, and no shard suspect any more after {time.perf_counter() - started:.1f} s"
        )
        print("recover:", _coedit(system, "recover"))
        print(f"all of it {time.perf_counter() - started:.1f} s after the loss")
        print("verified after:", _coedit(system, "verify"))
        again = {name: (await fetch_text(system.url, name)).text for name in seen}
        print("the same text:", again == seen)
    finally:
        system.stop()


def _is_sound(system: System) -> bool:
    counted = system.metrics("transformer-0")
    has_noticed = 'coedit_transformer_suspicions_total{reason="wiped"} 8.0' in counted
    return has_noticed and "coedit_transformer_suspect_shards 0.0" in counted


async def _write(url: str, names: list[str]) -> None:
    async with connect(url, author="bench") as session:
        documents = [await session.open(name) for name in names]
        await asyncio.gather(*map(_edit, documents))


async def _edit(document: Document) -> None:
    for number in range(_EDITS):
        await document.insert(0, f"{number} bottles of beer on the wall\n")
        await document.settle()
    await eventually(lambda: document.state.snapshot_revision >= _EDITS, "a snapshot covers it", 120)


def _coedit(system: System, command: str) -> str:
    settings = {
        "COEDIT_SECRET": SECRET,
        "COEDIT_REDIS_URL": system.redis_url,
        "COEDIT_OBJECT_STORE_URL": system.object_store_url,
        "COEDIT_SHARD_COUNT": system.environment["COEDIT_SHARD_COUNT"],
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COEDIT_")}
    done = subprocess.run(
        [Path(sys.executable).with_name("coedit"), command, "--all"],
        env=inherited | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{done.stdout.splitlines()[-1]} (exit code {done.returncode})"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(measure(Path(temporary), int(sys.argv[1])))
