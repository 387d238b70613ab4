"""What tests have a process beside the transformer do; in a module that it can import as well."""

import os
import signal
from pathlib import Path

from coedit.errors import InvalidUpdateError


def whoever_answers(_: None) -> tuple[int, int]:
    return os.getpid(), os.nice(0)


def refuse(why: str) -> None:
    raise InvalidUpdateError(why)


def die_once(mark: Path) -> str:
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "lived"


def die(_: None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def spin(_: None) -> None:
    while True:
        pass


def fill(_: None) -> bytes:
    return bytes(1 << 40)


def echo(text: bytes) -> bytes:
    return text


def slip(_: None) -> None:
    raise ValueError("a slip")
