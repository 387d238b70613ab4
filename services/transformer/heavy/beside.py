"""Work that takes a processor for long, done beside this process: see ``process.py``."""

import asyncio
import logging
import pickle
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from typing import TypeVar, cast

from coedit.errors import CoeditError, TooCostlyError, UnavailableError
from coedit.runtime.container_memory import container_bytes
from services.transformer.heavy.process import LENGTH, READY
from services.transformer.metrics import ERRORS, GIVEN_UP

logger = logging.getLogger(__name__)

_CPU_SECONDS = 20
"""What one piece of work may take of a processor."""
_PATIENCE = 4
"""So many times as long as its processor may take, one may take in all."""
_IDLE_SECONDS = 30.0
"""After so long without work the process ends, and its memory is given back."""
_MEMORY_BYTES = 1024 * 1024 * 1024
_SHARE = 4
"""What the container allows is divided by this: most of it stays for the transformer itself."""
_TRIES = 2
"""What ended the process is tried once more: others of this machine may have taken its memory."""
_COMMAND = (sys.executable, "-m", "services.transformer.heavy.process")

Question = TypeVar("Question")
Answer = TypeVar("Answer")
_Outcome = tuple[object, CoeditError | None, str]
"""An answer, or what was raised, and of a defect its traceback."""


class Beside:
    """Asks one piece of work at a time of a process that is begun when there is some, and ends when there is none."""

    def __init__(self, cpu_seconds: int = _CPU_SECONDS) -> None:
        self._cpu_seconds = cpu_seconds
        allowed = container_bytes()
        self._memory_bytes = min(_MEMORY_BYTES, allowed // _SHARE) if allowed else _MEMORY_BYTES
        self._process: Process | None = None
        self._ended: Process | None = None
        self._ending: asyncio.TimerHandle | None = None

    async def answer(self, work: Callable[[Question], Answer], question: Question) -> Answer:
        """Return what ``work``, which is a function of some module, makes of ``question``; both can be pickled.

        Raises:
            TooCostlyError: it takes more time or memory than one piece of work may.
            UnavailableError: there can be no process now.
            CoeditError: what ``work`` raises.
        """
        packed = pickle.dumps((work, question))
        for _ in range(_TRIES):
            answer = await self._asked(packed)
            if answer is None:
                continue
            outcome, error, defect = cast("_Outcome", pickle.loads(answer))  # noqa: S301 - our own process
            if defect:
                ERRORS.labels("beside").inc()
                logger.error("a defect beside the batches", extra={"event": "defect", "where": defect})
            if error is not None:
                raise error
            return cast("Answer", outcome)
        raise self._given_up(work)

    async def aclose(self) -> None:
        """End the process."""
        if self._ending is not None:
            self._ending.cancel()
        self._end()
        if self._ended is not None:
            await self._ended.wait()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            self._ended = process
            if process.returncode is None:
                process.kill()

    async def _asked(self, packed: bytes) -> bytes | None:
        """Return the process's answer; None: it ended over the question, or was ended since it took too long."""
        if self._ending is not None:
            self._ending.cancel()
        process = await self._begun()
        try:
            async with asyncio.timeout(_PATIENCE * self._cpu_seconds):
                return await _answer_of(process, packed)
        except (OSError, EOFError, TimeoutError):
            self._end()
            await process.wait()
            return None
        except BaseException:
            self._end()  # where it stands in its work is not known
            raise
        finally:
            self._ending = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._end)

    async def _begun(self) -> Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        arguments = (str(self._cpu_seconds), str(self._memory_bytes))
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                *_COMMAND, *arguments, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
            )
            assert process.stdout is not None  # noqa: S101 - for the type checker
            await process.stdout.readexactly(len(READY))
        except (OSError, EOFError) as error:
            self._end()
            ERRORS.labels("beside").inc()
            logger.error(
                "no process for work beside the batches", exc_info=error, extra={"event": "no-process"}
            )
            raise UnavailableError("the work on the edit cannot be begun now; send it again") from error
        return process

    def _given_up(self, work: Callable[..., object]) -> TooCostlyError:
        GIVEN_UP.labels("beside").inc()
        facts = {"event": "given-up", "work": work.__qualname__}
        logger.error("work beside the batches ended its process, and is refused", extra=facts)
        return TooCostlyError("this takes more time or memory than one edit may")


async def _answer_of(process: Process, packed: bytes) -> bytes:
    """Return the process's answer.

    Raises:
        OSError, EOFError: it ended.
    """
    questions, answers = process.stdin, process.stdout
    assert questions is not None and answers is not None  # noqa: S101, PT018 - for the type checker
    questions.write(LENGTH.pack(len(packed)))
    questions.write(packed)
    await questions.drain()
    (size_bytes,) = LENGTH.unpack(await answers.readexactly(LENGTH.size))
    return await answers.readexactly(size_bytes)
