"""How long deciding may take before somebody else has a turn.

Light work is done where it stands. What is heavy runs in a thread, so that the loop comes round meanwhile: leases,
health, other nodes' shards. Between decisions the loop has its turn after some hundredths of a second.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

from coedit.errors import TooCostlyError
from services.transformer.documents.working import WorkingDocument

P = ParamSpec("P")
T = TypeVar("T")

HEAVY_WEIGHT = 32 * 1024
"""What weighs more (see `Delta.weight`) is decided in a thread; some hundredths of a second at most."""
SLOW_SECONDS = 0.02
"""Where a decision took so much processor time, the next one in its document is taken for heavy, too."""
_FAR_SECONDS = 1.0
"""An entry that takes so much longer than its batch has is not decided whole."""
_MOST_SECONDS = 20.0
"""After so much processor time a decision is given up, and what asked for it refused."""
_LOOK_SECONDS = 1.0


class Pace:
    """The turns of one batch: when the loop has its own, and when the batch is to end."""

    def __init__(self, until: float) -> None:
        self._until = until
        """By `time.monotonic`."""
        self._since = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether the batch is to end with what is decided."""
        return time.monotonic() > self._until

    @property
    def is_far_over(self) -> bool:
        """Whether it is to end within an entry, of which what is left then has to be written again."""
        return time.monotonic() > self._until + _FAR_SECONDS

    async def breathe(self) -> None:
        """Give the loop its turn, if it had none for long."""
        if time.monotonic() - self._since > SLOW_SECONDS:
            await asyncio.sleep(0)
            self._since = time.monotonic()


async def at_its_pace(
    working: WorkingDocument, weight: int, decide: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Return what ``decide`` returns, which decides in one document about something of this ``weight``.

    Raises:
        TooCostlyError: see `beside_the_loop`; the document is to be dropped.
    """

    def timed() -> T:
        started = time.thread_time()
        try:
            return decide(*args, **kwargs)
        finally:
            working.is_slow = time.thread_time() - started > SLOW_SECONDS

    if working.is_slow or weight > HEAVY_WEIGHT:
        return await beside_the_loop(timed)
    return timed()


async def beside_the_loop(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what ``work`` does in a thread of its own.

    Whatever it changes is not to be used any more where it was given up, or its caller was cancelled: it goes on.

    Raises:
        TooCostlyError: it was given up, for the processor time that it took; waiting for its turn costs nobody.
    """
    outcome: Future[T] = Future()
    clocks: list[int] = []

    def run() -> None:
        outcome.set_running_or_notify_cancel()
        clocks.append(time.pthread_getcpuclockid(threading.get_ident()))
        try:
            outcome.set_result(work(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            outcome.set_exception(error)

    threading.Thread(target=run, name="beside", daemon=True).start()
    waiting = asyncio.wrap_future(outcome)
    while not waiting.done():
        await asyncio.wait({waiting}, timeout=_LOOK_SECONDS)
        if clocks and not waiting.done() and _used_seconds(clocks[0]) > _MOST_SECONDS:
            waiting.add_done_callback(lambda given_up: given_up.cancelled() or given_up.exception())
            raise TooCostlyError(f"to decide about it takes more than {_MOST_SECONDS:.0f} s")
    return waiting.result()


def _used_seconds(clock: int) -> float:
    try:
        return time.clock_gettime(clock)
    except OSError:  # the thread has ended by now
        return 0.0
