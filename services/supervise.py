"""Child processes with prefixed output: started, started again when they die, and ended together."""

import asyncio
import ctypes
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

_STOP_SECONDS = 10.0
_QUICK_SECONDS = 10.0
"""A child that dies sooner after its start may not be able to run at all."""
_MAX_QUICK_DEATHS = 5
_FIRST_PAUSE_SECONDS = 0.2
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class GaveUpError(Exception):
    """A child died again and again; the message says which."""


@dataclass(frozen=True)
class Command:
    """How a child is started.

    ``keep_open`` are file descriptors that it holds as long as it runs; lines with ``known_noise`` are not printed.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    keep_open: Sequence[int] = ()
    known_noise: bytes = b""


class Kept:
    """A child that is started again when it dies, until it is told to stop."""

    def __init__(self, command: Command, child: "Child") -> None:
        self.name = command.name
        self._command = command
        self.child = child
        self._started_at = time.monotonic()

    @classmethod
    async def start(cls, command: Command) -> "Kept":
        """Start the child for the first time."""
        return cls(command, await Child.start(command))

    async def keep(self) -> None:
        """Start the child again whenever it ends, after a growing pause.

        Raises:
            GaveUpError: it died soon after its start too often in a row.
        """
        quick_deaths = 0
        while True:
            code = await self.child.wait()
            lived_seconds = time.monotonic() - self._started_at
            quick_deaths = quick_deaths + 1 if lived_seconds < _QUICK_SECONDS else 0
            if quick_deaths > _MAX_QUICK_DEATHS:
                raise GaveUpError(
                    f"{self.name} {_ending(code)} {quick_deaths} times in a row soon after its start; giving up"
                )
            pause_seconds = _FIRST_PAUSE_SECONDS * 2 ** max(0, quick_deaths - 1)
            _say("coedit", f"{self.name} {_ending(code)}; starting it again\n")
            await asyncio.sleep(pause_seconds)
            self._started_at = time.monotonic()
            self.child = await Child.start(self._command)

    async def stop(self) -> None:
        """End the child, once nobody keeps it any more."""
        await self.child.stop()


class Child:
    """One child process; each line that it prints comes out behind its name."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, known_noise: bytes) -> None:
        self.name = name
        self._process = process
        self._known_noise = known_noise
        self._printing = asyncio.get_running_loop().create_task(self._print())

    @classmethod
    async def start(cls, command: Command) -> "Child":
        """Start a process; in a session of its own, so that Ctrl-C reaches it only through us, in order."""
        process = await asyncio.create_subprocess_exec(
            *command.arguments,
            env=command.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            pass_fds=command.keep_open,
            preexec_fn=_end_with_parent,
        )
        return cls(command.name, process, command.known_noise)

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.returncode is not None

    async def wait(self) -> int:
        """Return the exit code once the process has ended."""
        code = await self._process.wait()
        await self._printing
        return code

    async def stop(self) -> None:
        """Ask the process to end, and make it after ten seconds."""
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
            except TimeoutError:
                self._process.kill()
        await self.wait()

    async def _print(self) -> None:
        """Take all output, printed or not: a child whose pipe is full stands still."""
        stream = self._process.stdout
        assert stream is not None  # noqa: S101 - asked for at the start
        while True:
            try:
                line = await stream.readline()
            except ValueError:
                line = b"(a line too long to show)\n"
            if not line:
                return
            if self._known_noise and self._known_noise in line:
                continue
            _say(self.name, line.decode(errors="replace"))


def _say(name: str, line: str) -> None:
    with suppress(OSError):  # whoever read it is gone
        sys.stdout.write(f"{name:<12}| {line}")
        sys.stdout.flush()


def _ending(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def _end_with_parent() -> None:
    """Have the kernel end a child whose parent was killed, where it can; it would go on unseen."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
