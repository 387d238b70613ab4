"""How the processor time of what any client can ask for grows with what it sends: ``python -m bench.scaling [words]``.

Each case is run at n, 2n and 4n; growth is the time for 4n by that for n: 4 is linear, 16 quadratic. ``words`` choose
the cases with one of them in their name.
"""

import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from pycrdt import Doc, Text

from coedit.crdt.audit import audited_update
from coedit.crdt.document import YjsDocument
from coedit.crdt.whole_characters import WholeCharacters
from coedit.errors import CoeditError
from coedit.formats.table import FORMATS, export_document, import_document
from coedit.formats.yjs_update import write_yjs
from coedit.identifiers import AuthorId, ClientId, ClientSequence, Revision, document_id
from coedit.ot import Delete, Delta, Insert, Retain, apply, compose, diff, invert, transform
from coedit.ot.commit import Commit, Submission
from coedit.ot.parts.attributes import Attributes
from coedit.ot.parts.ops import Op
from coedit.ot.past.blame import Blame
from coedit.ot.past.retract import Retraction, Selection
from coedit.ot.roles.rebase import Rebase
from coedit.protocol.yjs.gate import check_text, lacks
from coedit.protocol.yjs.shadow import shadow
from coedit.protocol.yjs.update import decode_update

Work = Callable[[], object]
Case = Callable[[int], Work]
"""Prepares what has size n; what it returns is measured."""

_NAME = document_id("measured")
_BOLD: Attributes = {"bold": True}


def runs(count: int) -> Delta:
    """Return a document of runs that are bold in turn, with characters of two, and of one, UTF-16 unit."""
    return Delta(
        [Insert("é😀" if index % 2 else "漢字x", _BOLD if index % 2 else None) for index in range(count)]
    )


def formats(count: int) -> Delta:
    """Return a delta that formats one unit of every second run of `runs`."""
    return Delta([op for _ in range(count // 2) for op in (Retain(1, {"italic": True}), Retain(5))])


def alternating(count: int) -> Delta:
    """Return a delta of inserts, deletes and retains that fits a text of as many characters twice."""
    kinds: list[tuple[Op, ...]] = [(Insert("x"), Delete(1)), (Retain(1, _BOLD),), (Retain(1),)]
    return Delta([op for index in range(count) for op in kinds[index % 3]])


def algebra() -> Iterator[tuple[str, int, Case]]:
    """Yield the cases of the OT core."""

    def of_two(verb: Callable[[Delta, Delta], object]) -> Case:
        return lambda n: partial(verb, alternating(n), alternating(n + 1))

    yield (
        "read a delta of ops",
        5_000,
        lambda n: partial(Delta.from_json, alternating(n).to_json(), is_bounded=False),
    )
    yield "read 😀", 250_000, lambda n: partial(Delta.from_json, [{"insert": "😀" * n}])
    yield "compose", 5_000, of_two(compose)
    yield "transform", 5_000, of_two(transform)
    yield "apply to one run", 5_000, lambda n: partial(apply, Delta().insert("é" * 2 * n), alternating(n))
    yield "apply to runs", 5_000, lambda n: partial(apply, runs(n), formats(n))
    yield "invert", 5_000, lambda n: partial(invert, formats(n), runs(n))
    yield (
        "diff of runs",
        2_000,
        lambda n: partial(diff, Delta().insert("ab" * n), apply(Delta().insert("ab" * n), alternating(n))),
    )
    yield "many attributes", 64, lambda n: partial(_attributes, n)
    yield "wide values", 10_000, lambda n: partial(Delta.from_json, [{"insert": {"x": [[1]] * n}}])
    yield "rebase over commits", 1_000, _rebase
    yield "blame of one large delta", 5_000, _blame
    yield "blame of many commits", 2_000, _blame_commits
    yield "retract", 500, _retract


def bridge() -> Iterator[tuple[str, int, Case]]:
    """Yield the cases of documents that Yjs clients have open."""
    yield "derive runs", 5_000, lambda n: partial(_derived, Delta(), runs(n))
    yield "derive formats", 5_000, lambda n: partial(_derived, runs(n), formats(n))
    yield (
        "derive a paste into runs",
        5_000,
        lambda n: partial(_derived, runs(n), Delta([Retain(3), *runs(n).ops])),
    )
    yield "derive a replacement", 5_000, lambda n: partial(_derived, runs(n), _replacement(n))
    yield "take one update of many formats", 2_000, _taken
    yield "take a small format of runs", 5_000, _small
    yield "audit", 5_000, lambda n: partial(audited_update, _NAME, _yjs(runs(n)))
    yield "decode an update", 5_000, lambda n: partial(decode_update, write_yjs(runs(n), ""))
    yield "shadow", 5_000, lambda n: partial(shadow, write_yjs(runs(n), ""))
    yield "gate of an update", 5_000, _gate
    yield "note whole characters", 5_000, lambda n: partial(WholeCharacters, _yjs(runs(n)), 7)
    yield "cut characters", 500, _cuts


_HOSTILE = (
    *(
        "[",
        "![",
        "[a](",
        "[a][",
        "[a]: b\n",
        "*a ",
        "**a",
        "a**",
        "***a**b*",
        "_a ",
        "`a``",
        "~~a",
        "~~~\n",
        "\\",
    ),
    *("> ", "- a\n", "  ", "|", "|a|b|\n", "a\n", "http://a.b ", "'\"", "&", "&amp;", "&#"),
    *(
        "<",
        "<b>",
        "</b>",
        "<p>a",
        "<div>",
        "<ul><li>",
        "<dl><dt>",
        "<table><tr><td>",
        "<b></p>",
        '<a href="x">',
    ),
    *("<span style='color:red'>a", "<a ", "<!--", "<![CDATA[", "<?"),
)
"""What trips parsers up, if there is much of it."""


def texts() -> Iterator[tuple[str, int, Case]]:
    """Yield the cases of readers, with what trips parsers up, and of writers."""
    for reader in ("markdown", "html"):
        for piece in _HOSTILE:
            yield f"read {reader} {piece!r}", 2_000, partial(_read, reader, piece)
    for writer in sorted(FORMATS):
        yield f"write {writer}", 2_000, partial(_written, writer, runs)
        yield f"write {writer} of lines", 2_000, partial(_written, writer, _lines)


def _written(writer: str, document: Callable[[int], Delta], n: int) -> Work:
    return partial(export_document, document(n), writer)


def _read(reader: str, piece: str, n: int) -> Work:
    body = (piece * n).encode()

    def read() -> None:
        with suppress(CoeditError):  # to refuse it takes time as well
            import_document(body, reader)

    return read


def _lines(n: int) -> Delta:
    formats: list[dict[str, Any]] = [
        {"list": "bullet", "indent": 3},
        {"blockquote": True},
        {"code-block": True},
        {"header": 1},
    ]
    return Delta(
        [
            op
            for i in range(n)
            for op in (Insert("*a_[", _BOLD if i % 2 else None), Insert("\n", formats[i // 3 % 4]))
        ]
    )


def _attributes(n: int) -> object:
    wide = {f"name {index}": {"deep": [index] * 8} for index in range(n)}
    document = Delta.from_json([{"insert": "x", "attributes": wide}] * 50)
    return apply(document, Delta([Retain(50, dict.fromkeys(wide))]))


def _commit(number: int, delta: Delta) -> Commit:
    author = AuthorId("ada" if number % 3 else "bob")
    return Commit(Revision(number), delta, author, ClientId("a"), ClientSequence(number), number, 1)


def _rebase(n: int) -> Work:
    history = [_commit(index + 1, Delta([Retain(index), Insert("y")])) for index in range(n)]
    submission = Submission(
        ClientId("b"), ClientSequence(1), AuthorId("eve"), 1, Revision(0), alternating(50)
    )
    return lambda: Rebase.begin(submission).over(history)


def _blame(n: int) -> Work:
    blame = Blame()
    blame.take(Delta().insert("é" * 2 * n), AuthorId("ada"), Revision(1))
    return lambda: blame.take(alternating(n), AuthorId("bob"), Revision(2))


def _blame_commits(n: int) -> Work:
    def work() -> None:
        rng, blame = random.Random(1), Blame()
        for index in range(n):
            blame.take(
                Delta([Retain(rng.randint(0, index)), Insert("y")]),
                AuthorId(str(index % 7)),
                Revision(index + 1),
            )
        blame.runs()

    return work


def _retract(n: int) -> Work:
    def work() -> None:
        rng, retraction = random.Random(1), Retraction(Delta(), Selection(AuthorId("bob")))
        for index in range(n):
            retraction.take(_commit(index + 1, Delta([Retain(rng.randint(0, index)), Insert("y")])))
        _ = retraction.delta

    return work


def _yjs(document: Delta) -> YjsDocument:
    return YjsDocument(_NAME, write_yjs(document, ""))


def _derived(document: Delta, delta: Delta) -> None:
    _yjs(document).derive(delta, apply(document, delta))


def _replacement(n: int) -> Delta:
    return Delta([*runs(n).ops, Delete(runs(n).document_length)])


def _edited(n: int, edit: Callable[[Text], None]) -> tuple[YjsDocument, list[bytes]]:
    """Return a document of n runs, and what a Yjs client's edit of it says."""
    update, said = write_yjs(runs(n), ""), list[bytes]()
    doc: Doc[Any] = Doc(client_id=1)
    text = doc.get("content", type=Text)
    doc.apply_update(update)
    doc.observe(lambda event: said.append(event.update))
    with doc.transaction():
        edit(text)
    return YjsDocument(_NAME, update), said


def _taken(n: int) -> Work:
    def edit(text: Text) -> None:
        for index in range(n // 2):
            text.format(13 * index, 13 * index + 3, {"italic": True})

    document, (update,) = _edited(n, edit)
    return partial(document.take, update)


def _small(n: int) -> Work:
    document, (update,) = _edited(n, lambda text: text.format(len(text) - 7, len(text) - 1, {"italic": True}))
    return partial(document.take, update)


def _gate(n: int) -> Work:
    update = decode_update(write_yjs(runs(n), ""))

    def work() -> None:
        lacks(update, {})
        check_text(update, "content")

    return work


def _cuts(n: int) -> Work:
    """Delete the first half of each of n emoji, in one update."""
    document = _yjs(Delta().insert("😀x" * n))
    whole = WholeCharacters(document, 7)
    client = next(iter(decode_update(document.update()).blocks)).client
    ranges = b"".join(_uint(3 * index) + b"\x01" for index in range(n))
    update = b"\x00\x01" + _uint(client) + _uint(n) + ranges
    return lambda: whole.take(update, decode_update(update))


def _uint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def seconds_of(case: Case, n: int) -> float:
    """Return the processor time of a case at size n, the better of two."""
    times = []
    for _ in range(2):
        work = case(n)
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    for cases in (algebra(), bridge(), texts()):
        for name, n, case in cases:
            if len(sys.argv) > 1 and not any(word in name for word in sys.argv[1:]):
                continue
            times = [seconds_of(case, size * n) for size in (1, 2, 4)]
            row = " ".join(f"{1000 * seconds:9.1f}" for seconds in times)
            print(f"{name:34} {n:8,} {row} ms  × {times[2] / max(times[0], 1e-6):5.1f}", flush=True)


if __name__ == "__main__":
    main()
