"""One thing that is wrong."""

from typing import NamedTuple


class Violation(NamedTuple):
    """``kind`` is one of a few words, ``document`` may be empty, ``detail`` is for people."""

    kind: str
    document: str
    detail: str
