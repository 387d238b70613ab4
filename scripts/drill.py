"""Break something under two people who write, and count what they lost: scripts/drill.py URL --break COMMAND.

Each writer inserts numbered lines at random lines of one new document, one at a time, and waits for each to be saved.
In the end both writers and the server must show the same text, with every saved line in it exactly once.
Needs a token for documents that begin with anything: COEDIT_TOKEN, or --token; none in open development mode.
"""

import argparse
import asyncio
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import quote

import aiohttp

from coedit.client import Document, connect

_END_SECONDS = 60.0
_PAUSE_SECONDS = 0.02


@dataclass
class Writer:
    """One person at work: what was saved, how long each save took, and how often the connection came back."""

    name: str
    saved: list[str] = field(default_factory=list)
    ack_ms: list[float] = field(default_factory=list)
    reconnects: int = 0
    text: str = ""


async def main() -> int:
    """Run the drill; return 0 if nothing was lost or doubled."""
    asked = _arguments()
    document_name = f"drill-{random.getrandbits(40):010x}"
    writers = [Writer(f"writer{number}") for number in range(1, asked.writers + 1)]
    stop_at = time.monotonic() + asked.seconds
    everyone = asyncio.Barrier(asked.writers)
    async with asyncio.timeout(asked.seconds + _END_SECONDS), asyncio.TaskGroup() as tasks:
        for writer in writers:
            tasks.create_task(_write(asked.url, asked.token, document_name, writer, stop_at, everyone))
        if asked.breaking:
            tasks.create_task(_break_after(asked.seconds / 3, asked.breaking))
    stored = await _stored_text(asked.url, asked.token, document_name)
    return _report(document_name, writers, stored)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Break something under people who write; count what they lost."
    )
    parser.add_argument("url")
    parser.add_argument("--token", default=os.environ.get("COEDIT_TOKEN"))
    parser.add_argument("--break", dest="breaking", metavar="COMMAND", help="a shell command, run a third in")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--writers", type=int, default=2)
    return parser.parse_args()


async def _write(
    url: str, token: str | None, document_name: str, writer: Writer, stop_at: float, everyone: asyncio.Barrier
) -> None:
    async with connect(url, token=token, author=writer.name) as session:
        document = await session.open(document_name)
        await everyone.wait()
        while time.monotonic() < stop_at:
            line = f"{writer.name} {len(writer.saved)}"
            started_at = time.monotonic()
            await document.insert(_start_of_a_line(document), f"{line}\n")
            await document.settle()
            writer.ack_ms.append((time.monotonic() - started_at) * 1000)
            writer.saved.append(line)
            await asyncio.sleep(_PAUSE_SECONDS)
        await everyone.wait()
        head = await _agreed_head(everyone, document)
        await document.until(lambda: document.revision >= head)
        writer.text, writer.reconnects = document.text, session.reconnects


_heads: list[int] = []


async def _agreed_head(everyone: asyncio.Barrier, document: Document) -> int:
    """Return the newest revision that any writer has, once all of them have stopped."""
    _heads.append(document.revision)
    await everyone.wait()
    return max(_heads)


def _start_of_a_line(document: Document) -> int:
    text = document.text  # ASCII: code points are code units
    starts = [0, *(position + 1 for position, character in enumerate(text) if character == "\n")]
    return random.choice(starts)


async def _break_after(seconds: float, command: str) -> None:
    await asyncio.sleep(seconds)
    breaking = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.DEVNULL)
    if await breaking.wait() != 0:
        raise SystemExit(f"the command failed: {command}")


async def _stored_text(url: str, token: str | None, document_name: str) -> str:
    headers = {"Accept": "text/plain"} | ({"Authorization": f"Bearer {token}"} if token else {})
    async with aiohttp.ClientSession() as http:
        path = f"{url.rstrip('/')}/v1/documents/{quote(document_name, safe='')}"
        async with http.get(path, headers=headers) as answer:
            answer.raise_for_status()
            return await answer.text()


def _report(document_name: str, writers: list[Writer], stored: str) -> int:
    lines = Counter(stored.splitlines())
    saved = [line for writer in writers for line in writer.saved]
    lost = [line for line in saved if lines[line] == 0]
    doubled = [line for line, count in lines.items() if count > 1]
    print(f"{document_name}: {len(saved)} lines saved, {len(lost)} lost, {len(doubled)} doubled")
    for writer in writers:
        waits = sorted(writer.ack_ms)
        print(
            f"  {writer.name}: {len(waits)} saves, median {waits[len(waits) // 2]:.1f} ms, "
            f"longest {waits[-1]:.0f} ms, {writer.reconnects} reconnects, "
            f"{'same text' if writer.text == stored else 'ANOTHER TEXT'}"
        )
    return 0 if not lost and not doubled and all(writer.text == stored for writer in writers) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
