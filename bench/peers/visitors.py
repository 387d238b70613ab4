"""``python -m bench.peers.visitors SPEAKS HOST PORT DOCUMENT COUNT``: many who open one document at once.

A process of their own: what they do with what they are sent must not hold up those in the load process whose delays
are measured. Prints ``ready``, begins when a line comes in, prints what was counted as JSON, and leaves at the next
line.
"""

import asyncio
import json
import sys
import time

import uvloop

from bench.drive import Address
from bench.peers.clients.catalogue import documents
from bench.tally import BrokenPromiseError

_DEADLINE_SECONDS = 180.0


class Visitors:
    """Such a process, as the load process sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, speaks: str, address: Address, document: str, count: int) -> "Visitors":
        """Return them when they are ready to go."""
        words = speaks, address[0], str(address[1]), document, str(count)
        pipe = asyncio.subprocess.PIPE
        command = sys.executable, "-m", "bench.peers.visitors", *words
        visitors = cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe))
        await visitors._line()
        return visitors

    async def visit(self) -> dict[str, float]:
        """Let all of them open the document; return how many ``seconds`` it took, and the ``bytes`` of each.

        Raises:
            BrokenPromiseError: not all of them got it in time.
        """
        self._go()
        answer: dict[str, float] = json.loads(await self._line())
        return answer

    async def leave(self) -> None:
        """Let all of them leave."""
        self._go()
        await self._process.wait()

    def _go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise BrokenPromiseError("not every visitor got the document")
        return line


async def _serve(speaks: str, address: Address, document: str, count: int) -> None:
    known = documents(speaks)
    visitors = [known.visitor(document) for _ in range(count)]
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    async with asyncio.timeout(_DEADLINE_SECONDS):
        await asyncio.gather(*(visitor.visit(address) for visitor in visitors))
    seconds = time.perf_counter() - started
    most = max(visitor.received_bytes for visitor in visitors)
    print(json.dumps({"seconds": seconds, "bytes": most}), flush=True)
    sys.stdin.readline()
    for visitor in visitors:
        visitor.close()


if __name__ == "__main__":
    _speaks, _host, _port, _document, _count = sys.argv[1:]
    uvloop.run(_serve(_speaks, (_host, int(_port)), _document, int(_count)))
