"""``python -m tests.poisoned SERVICE``: a service that ends, without a word, when it comes upon a certain text.

So does a defect below Python, or an edit that takes all the memory. Production code knows nothing of this. Each text
is deadly in one place alone: `DECIDED` and `APPLIED` in a batch, the others in what is done beside it.
"""

import asyncio
import os
import runpy
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from coedit.ot.roles.authority import Authority
from coedit.store.objects.folding import Fold
from services.transformer.deciding import aside, large_updates
from services.transformer.deciding import yjs as yjs_decide
from tests.system import Process

DECIDED = "☠"
APPLIED = "⛔"
REBASED = "☢"
DECODED = "☣"
FOLDED = "⚰"


@asynccontextmanager
async def started_again(process: Process) -> AsyncIterator[list[float]]:
    """Start a process again whenever it ended, as whatever supervises it does; yields when it did."""
    deaths: list[float] = []

    async def supervise() -> None:
        while True:
            if not process.is_running:
                deaths.append(asyncio.get_running_loop().time())
                process.start()
            await asyncio.sleep(0.05)

    supervising = asyncio.create_task(supervise())
    try:
        yield deaths
    finally:
        supervising.cancel()
        await asyncio.wait({supervising})


def main() -> None:
    _plant(Authority, "conclude", lambda _, rebase: DECIDED in str(rebase.delta.ops))
    applied = yjs_decide._InDocument
    _plant(applied, "_decided", lambda _, arrived, *__: APPLIED.encode() in arrived.submission.update)
    _plant(aside, "_over_slice", lambda rebase, _: REBASED in str(rebase.delta.ops))
    _plant(large_updates, "decode_update", lambda update: DECODED.encode() in update)
    _plant(Fold, "add_all", lambda _, entries, *__: any(FOLDED.encode() in entry for entry in entries))
    runpy.run_module(f"services.{sys.argv[1]}", run_name="__main__")


def _plant(place: Any, name: str, is_deadly: Callable[..., bool]) -> None:
    function = getattr(place, name)

    def run_or_die(*args: Any, **named: Any) -> Any:
        if is_deadly(*args):
            os._exit(9)
        return function(*args, **named)

    setattr(place, name, run_or_die)


if __name__ == "__main__":
    main()
