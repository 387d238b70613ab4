"""What a text of many runs costs the side of it that Yjs clients see: ``python -m bench.runs [1000 10000 100000]``.

A run is two characters of one format; every second one is bold. Processor time in milliseconds, each the better of two.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from pycrdt import Doc, Text

from bench.scaling import Work, formats, runs
from coedit.crdt.audit import audited_update
from coedit.crdt.document import YjsDocument
from coedit.formats.yjs_update import write_yjs
from coedit.identifiers import document_id
from coedit.ot import Delta, Insert, Retain, apply

_NAME = document_id("measured")


def main() -> None:
    """Measure and print."""
    sizes = [int(size) for size in sys.argv[1:]] or [1_000, 10_000, 100_000]
    print(f"{'runs':34}" + "".join(f"{size:>12,}" for size in sizes))
    for name, case in _CASES.items():
        print(f"{name:34}" + "".join(f"{_milliseconds(case, size):12.1f}" for size in sizes), flush=True)


def _milliseconds(case: Callable[[int], Work], size: int) -> float:
    times = []
    for _ in range(2):
        work = case(size)
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * min(times)


def _pasted(size: int) -> Work:
    document, content = _loaded(size)
    delta = Delta([Retain(content.document_length // 6 * 3), *content.ops])
    return partial(document.derive, delta, apply(content, delta))


def _formatted(size: int) -> Work:
    document, content = _loaded(size)
    return partial(document.derive, formats(size), apply(content, formats(size)))


def _typed(size: int) -> Work:
    document, content = _loaded(size)
    delta = Delta([Retain(content.document_length // 6 * 3), Insert("x")])
    return partial(document.derive, delta, apply(content, delta))


def _taken(size: int) -> Work:
    """One small format by a Yjs client, at the end of the text."""
    document, _ = _loaded(size)
    said: list[bytes] = []
    doc: Doc[Any] = Doc(client_id=1)
    text = doc.get("content", type=Text)
    doc.apply_update(document.update())
    doc.observe(lambda event: said.append(event.update))
    text.format(len(text) - 7, len(text) - 1, {"italic": True})
    return partial(document.take, said[0])


def _loaded(size: int) -> tuple[YjsDocument, Delta]:
    document = YjsDocument(_NAME, write_yjs(runs(size), ""))
    return document, document.content


_CASES: dict[str, Callable[[int], Work]] = {
    "fold of all, from nothing": lambda size: partial(YjsDocument(_NAME).fold, runs(size)),
    "its audit and its update": lambda size: partial(audited_update, _NAME, _loaded(size)[0]),
    "derive: as many runs, pasted": _pasted,
    "derive: every second run formatted": _formatted,
    "derive: one letter": _typed,
    "take: one small format": _taken,
}


if __name__ == "__main__":
    main()
