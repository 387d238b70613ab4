"""Child processes with prefixed output: started, watched, and ended together."""

import asyncio
import ctypes
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

_STOP_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Child:
    """One child process; each line that it prints comes out behind its name."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process
        self._printing = asyncio.get_running_loop().create_task(self._print())

    @classmethod
    async def start(
        cls, name: str, command: Sequence[str], environment: Mapping[str, str], keep_open: Sequence[int] = ()
    ) -> "Child":
        """Start a process; in a session of its own, so that Ctrl-C reaches it only through us, in order.

        ``keep_open`` are file descriptors that it holds as long as it runs.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            pass_fds=keep_open,
            preexec_fn=_end_with_parent,
        )
        return cls(name, process)

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
            with suppress(OSError):  # whoever read it is gone
                sys.stdout.write(f"{self.name:<12}| {line.decode(errors='replace')}")
                sys.stdout.flush()


def _end_with_parent() -> None:
    """Have the kernel end a child whose parent was killed, where it can; it would go on unseen."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
