"""A backup that is made while people write, everything lost, and a system of its own that begins with the backup."""

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from coedit.client import Document, connect
from coedit.client.rest import fetch_text
from tests.system import System, eventually

_QUICK = {
    "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.3",
    "COEDIT_SNAPSHOTTER_COMMITS": "20",
    "COEDIT_SNAPSHOTTER_SCAN_SECONDS": "0.1",
}
_EDITS = 10
_BUSY = "written all the time"
_OPEN_AT_ONCE = 20
_TOLD = ("COEDIT_SECRET", "COEDIT_SHARD_COUNT", "COEDIT_OBJECT_STORE_URL")
"""What the command line is told, beside where Redis is and as whom."""


@dataclass
class Restored:
    """What it took."""

    documents: int
    copied_seconds: float
    back_seconds: float
    """From the start of the empty Redis to a verified whole."""
    kept_share: float
    """Of the document that was written all the time: how much of what it was at the backup's end came back."""

    def __str__(self) -> str:
        return (
            f"{self.documents} documents | copied in {self.copied_seconds:.1f} s | "
            f"back and verified in {self.back_seconds:.1f} s | "
            f"{self.kept_share:.0%} of the one that was written all the time"
        )


async def backup_and_restore(folder: Path, documents: int) -> Restored:
    """Write, back up, write on, lose everything, and begin again with the backup.

    Raises:
        AssertionError: something of the backup is not back.
    """
    first, backup = folder / "first", folder / "backup"
    await asyncio.to_thread(first.mkdir)
    system = System(first, settings=_QUICK, acl=True)
    try:
        await asyncio.to_thread(system.start)
        texts = await _write(system, documents)
        async with _writing_on(system) as busy:
            await eventually(lambda: busy.state.snapshot_revision > _EDITS, "the busy one has a snapshot")
            started = time.monotonic()
            # Twice: what the first copy met in passing is there after the second.
            await asyncio.to_thread(_copy, first / "objects", backup)
            await asyncio.to_thread(_copy, first / "objects", backup)
            copied_seconds, at_the_copy = time.monotonic() - started, busy.text
            await eventually(lambda: len(busy.text) > len(at_the_copy) + 100, "it is written on")
    finally:
        await asyncio.to_thread(system.stop)
    await asyncio.to_thread(shutil.rmtree, first)
    return Restored(documents, copied_seconds, *await _restore(folder / "second", backup, texts, at_the_copy))


async def _restore(
    folder: Path, backup: Path, texts: dict[str, str], at_the_copy: str
) -> tuple[float, float]:
    await asyncio.to_thread(shutil.copytree, backup, folder / "objects")
    system = System(folder, settings=_QUICK, acl=True)
    try:
        started = time.monotonic()
        await asyncio.to_thread(system.start)
        await _command(system, "recover")
        await _command(system, "verify")
        back_seconds = time.monotonic() - started
        found = {name: (await fetch_text(system.url, name)).text for name in texts}
        assert found == texts
        busy = (await fetch_text(system.url, _BUSY)).text
        assert busy, "it had a snapshot"
        assert _as_typed(busy), "it is as it once was"
        async with connect(system.url, author="ada") as session:
            for name, text in list(texts.items())[:_OPEN_AT_ONCE]:
                document = await session.open(name)
                await document.insert(0, "again ")
                await document.settle()
                assert document.text == f"again {text}"
    finally:
        await asyncio.to_thread(system.stop)
    return back_seconds, min(1.0, len(busy) / len(at_the_copy))


async def _write(system: System, count: int) -> dict[str, str]:
    """Write documents until each has its snapshot; return their texts."""
    texts: dict[str, str] = {}
    names = [f"document {number}" for number in range(count)]
    for first in range(0, count, _OPEN_AT_ONCE):
        async with connect(system.url, author="ada") as session:
            some = [(name, await session.open(name)) for name in names[first : first + _OPEN_AT_ONCE]]
            await asyncio.gather(*(_type(document) for _, document in some))
            texts |= {name: document.text for name, document in some}
    await eventually(
        lambda: "coedit_snapshotter_changed 0.0" in system.metrics("snapshotter-0"),
        "every document has its snapshot",
        120,
    )
    return texts


async def _type(document: Document) -> None:
    for number in range(_EDITS):
        await document.insert(len(document.text), f"{number} ")
        await document.settle()


@asynccontextmanager
async def _writing_on(system: System) -> AsyncIterator[Document]:
    """Have somebody append numbers to a document all the time."""
    async with connect(system.url, author="bob") as session:
        document = await session.open(_BUSY)

        async def write() -> None:
            number = 0
            while True:
                await document.insert(len(document.text), f"{number} ")
                await document.settle()
                number += 1

        writing = asyncio.create_task(write())
        try:
            yield document
        finally:
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing


def _as_typed(text: str) -> bool:
    """Return whether it is what was typed up to some moment: the numbers from 0 on."""
    numbers = text.split()
    return numbers == [str(number) for number in range(len(numbers))] and text.endswith(" ")


def _copy(source: Path, target: Path) -> None:
    """Copy what is not there yet, as rsync does; what goes away meanwhile is left out."""
    for file in source.rglob("*"):
        there = target / file.relative_to(source)
        if not file.is_file() or there.exists():
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            shutil.copyfile(file, there)


async def _command(system: System, command: str) -> None:
    environment = {
        name: value
        for name, value in system.environment.items()
        if not name.startswith("COEDIT_") or name in _TOLD or name.startswith("COEDIT_REDIS_")
    }
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("coedit"),
        command,
        "--all",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, f"coedit {command} --all: {output.decode()[-2000:]}"
