"""The process that answers what takes a processor for long.

``python -m services.transformer.heavy.process CPU_SECONDS MEMORY_BYTES`` begins it. In a thread it would be waited for:
Python runs one thread at a time, and whoever decides edits gives up its turn with every answer of Redis. It reads
questions from its standard input and writes answers to its standard output, one after the other, until that ends:
each a pickle behind its length. Only whoever began it can write there.
"""

import os
import pickle
import resource
import sys
import traceback
from pathlib import Path
from struct import Struct
from typing import BinaryIO

from coedit.errors import CoeditError, InternalError

LENGTH = Struct(">Q")
"""Before each question and answer: how many bytes it has."""
READY = b"R"
"""What is written first: whatever ends the process from there on is the work."""
_SCORE = Path("/proc/self/oom_score_adj")


def main() -> None:
    """Answer until the input ends."""
    os.nice(10)  # whoever edits comes first
    if _SCORE.exists():
        # Should the container have too little, it is this process that ends, and not the transformer.
        _SCORE.write_text("1000")
    cpu_seconds, memory_bytes = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    answers.write(READY)
    answers.flush()
    while packed := _read(questions):
        _allow(cpu_seconds)
        answer = _answered(packed)
        answers.write(LENGTH.pack(len(answer)))
        answers.write(answer)
        answers.flush()


def _read(questions: BinaryIO) -> bytes:
    head = questions.read(LENGTH.size)
    return questions.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""


def _allow(cpu_seconds: int) -> None:
    """End this process once it took so much more of a processor than it has by now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _answered(packed: bytes) -> bytes:
    """Return the answer, or what was raised, and of a defect where; pickled."""
    try:
        work, question = pickle.loads(packed)  # noqa: S301 - from who began this process
        return pickle.dumps((work(question), None, ""))
    except MemoryError:
        sys.exit(1)
    except CoeditError as error:
        return pickle.dumps((None, error, ""))
    except Exception:  # noqa: BLE001 - it is told there
        defect = InternalError("a defect of the server; it is logged there")
        return pickle.dumps((None, defect, traceback.format_exc()))


if __name__ == "__main__":
    main()
