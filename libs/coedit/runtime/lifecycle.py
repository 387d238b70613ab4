"""How a process starts, is told to stop, and ends."""

import asyncio
import gc
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import ValidationError

from coedit.errors import CoeditError
from coedit.runtime.logs import Sparse, configure_logs
from coedit.runtime.loop_watch import watch_loop
from coedit.runtime.process_metrics import describe_process
from coedit.runtime.request_logs import MalformedRequests
from coedit.runtime.settings import SettingsError, SharedSettings, refuse_unknown
from coedit.runtime.tracing.begin import begin_traces

logger = logging.getLogger(__name__)

_LOG_SECONDS = 10.0
"""Between two lines about malformed requests."""

Service = Callable[[asyncio.Event], Awaitable[None]]
"""Runs until the event is set, then ends in its own order."""


_SWITCH_SECONDS = 0.0005
"""So long a thread beside the loop runs while the loop waits for its turn, which it does after each answer of Redis."""
S = TypeVar("S", bound=SharedSettings)


def run_service(name: str, settings_type: type[S], build: Callable[[S], Service]) -> None:
    """Build a service from the environment and run it until SIGTERM or SIGINT.

    Exits with 1 and the reason where it cannot start.
    """
    try:
        refuse_unknown(settings_type, name)
        settings = settings_type()
        configure_logs(name, settings.log_level, MalformedRequests(Sparse(_LOG_SECONDS, time.monotonic)))
        describe_process(name)
        sys.setswitchinterval(_SWITCH_SECONDS)
        end_traces = begin_traces(name, names_documents=settings.trace_documents)
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                service = build(settings)
                # What is there now stays: to look through it for garbage would hold everybody up for some 50 ms each
                # time.
                gc.freeze()
                runner.run(_run(service, settings.stall_seconds))
        finally:
            end_traces()
    except (SettingsError, ValidationError, CoeditError, OSError) as error:
        print(f"cannot start: {error}", file=sys.stderr)  # noqa: T201 - logs may not be configured yet
        sys.exit(1)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:  # not built for this platform
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _run(service: Service, stall_seconds: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    watching = loop.create_task(watch_loop(stall_seconds))
    try:
        await service(stop)
    finally:
        watching.cancel()


async def until_stopped(stop: asyncio.Event, seconds: float) -> bool:
    """Wait for ``stop``, at most ``seconds``; return whether it is set."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True


def every(
    seconds: float, step: Callable[[], Awaitable[None]], stop: asyncio.Event
) -> Callable[[], Awaitable[None]]:
    """Return a step that does ``step``, and is over ``seconds`` later, or on ``stop``."""

    async def paced() -> None:
        await step()
        await until_stopped(stop, seconds)

    return paced


async def survive(
    what: str, step: Callable[[], Awaitable[None]], stop: asyncio.Event, on_error: Callable[[], None]
) -> None:
    """Repeat ``step`` until ``stop``; a step that raises is counted, logged, and followed by a growing pause."""
    pause_seconds = 0.0
    while not stop.is_set():
        try:
            await step()
            pause_seconds = 0.0
        except Exception as error:  # noqa: BLE001 - a loop outlives its errors; each is logged and counted
            on_error()
            pause_seconds = min(2.0, pause_seconds * 2 or 0.05)
            facts = {
                "event": "loop-error",
                "loop": what,
                "error": repr(error),
                "pause_seconds": pause_seconds,
            }
            logger.warning("a step failed and will be tried again", extra=facts)
            await until_stopped(stop, pause_seconds)
