"""Recorded editing sessions: their files, read and checked, and what they do as deltas.

A trace is JSON, maybe gzipped, in the format of github.com/josephg/editing-traces. It counts code points; everything
that leaves this module counts UTF-16 code units.
"""

import gzip
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from coedit.errors import CoeditError
from coedit.ot.compose import compose
from coedit.ot.delta import Delta
from coedit.ot.parts.utf16 import unit_length

_GZIP = b"\x1f\x8b"
_Count = Annotated[int, Field(ge=0)]


class TraceError(CoeditError):
    """The file is not a trace, or contradicts itself."""

    code: ClassVar[str] = "invalid-trace"
    definite: ClassVar[bool] = True


class Patch(NamedTuple):
    """At ``position`` remove ``deleted`` and put ``inserted``; both counted in code points."""

    position: _Count
    deleted: _Count
    inserted: str


@dataclass(frozen=True, slots=True)
class SequentialTrace:
    """One writer: each transaction is made on the text that the one before it left."""

    transactions: tuple[tuple[Patch, ...], ...]
    text: str
    """What is recorded as the end."""


class Transaction(NamedTuple):
    """What one agent did at once."""

    agent: int
    seen: int
    """The foreign transactions in its view are those among the first ``seen`` of the file."""
    patches: tuple[Patch, ...]


@dataclass(frozen=True, slots=True)
class ConcurrentTrace:
    """Several writers; a patch's position is in the text that its agent saw."""

    agent_count: int
    transactions: tuple[Transaction, ...]
    text: str
    """What is recorded as the end; another order of what met in one place is no mistake."""


Trace = SequentialTrace | ConcurrentTrace


class _Transaction(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    patches: tuple[Patch, ...]
    agent: _Count = 0
    parents: tuple[_Count, ...] = ()


class _File(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    kind: Literal["sequential", "concurrent"] = "sequential"
    startContent: Literal[""] = ""  # noqa: N815 - as the format spells it
    endContent: str  # noqa: N815
    numAgents: Annotated[int, Field(ge=1)] = 1  # noqa: N815
    txns: tuple[_Transaction, ...]


def read_trace(body: bytes) -> Trace:
    """Return the trace in a file's bytes.

    Raises:
        TraceError: it is not one, a sequential one does not end in its text, or of a concurrent one an agent saw
            others' transactions that are not the first ones of the file.
    """
    try:
        file = _File.model_validate_json(gzip.decompress(body) if body.startswith(_GZIP) else body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise TraceError(f"not a trace: {first['msg']}{f' at {place}' if place else ''}") from error
    except (OSError, EOFError) as error:
        raise TraceError(f"cannot be unpacked: {error}") from error
    return _concurrent(file) if file.kind == "concurrent" else _sequential(file)


def text_after(transactions: Iterable[Sequence[Patch]]) -> str:
    """Return the text that sequential transactions make.

    Raises:
        TraceError: a patch reaches behind the end of the text.
    """
    text: list[str] = []
    for number, patches in enumerate(transactions):
        for patch in patches:
            _splice(text, patch, number)
    return "".join(text)


def transaction_deltas(transactions: Sequence[Sequence[Patch]]) -> Iterator[Delta]:
    """Yield what each sequential transaction does; nothing, where its patches cancel each other out.

    Raises:
        TraceError: a patch reaches behind the end of the text.
    """
    all_bmp = not has_astral(patch for patches in transactions for patch in patches)
    text: list[str] = []
    for number, patches in enumerate(transactions):
        delta = Delta()
        for patch in patches:
            start, end = patch.position, patch.position + patch.deleted
            if not all_bmp:
                start, end = (unit_length("".join(text[:place])) for place in (start, end))
                _splice(text, patch, number)
            step = Delta().retain(start).delete(end - start).insert(patch.inserted)
            delta = compose(delta, step) if delta.ops else step
        yield delta


def has_astral(patches: Iterable[Patch]) -> bool:
    """Return whether any text has characters of two code units, so that positions have to be converted."""
    return any(not text.isascii() and max(text) > "\uffff" for _, _, text in patches)


def _splice(text: list[str], patch: Patch, number: int) -> None:
    position, deleted, inserted = patch
    if position + deleted > len(text):
        raise TraceError(f"transaction {number} reaches to {position + deleted} of {len(text)} characters")
    text[position : position + deleted] = inserted


def _sequential(file: _File) -> SequentialTrace:
    transactions = tuple(transaction.patches for transaction in file.txns)
    if text_after(transactions) != file.endContent:
        raise TraceError("the transactions do not end in the recorded text")
    return SequentialTrace(transactions, file.endContent)


def _concurrent(file: _File) -> ConcurrentTrace:
    numbers: list[list[int]] = [[] for _ in range(file.numAgents)]
    vectors: list[list[int]] = []
    transactions = []
    for number, (agent, parents, patches) in enumerate(
        (one.agent, one.parents, one.patches) for one in file.txns
    ):
        if agent >= file.numAgents or any(parent >= number for parent in parents):
            raise TraceError(f"transaction {number} names an agent or a parent that does not exist")
        vector = [0] * file.numAgents
        for parent in parents:
            vector = list(map(max, vector, vectors[parent]))
        seen = _prefix_seen(number, agent, vector, numbers)
        numbers[agent].append(number)
        vector[agent] += 1
        vectors.append(vector)
        transactions.append(Transaction(agent, seen, patches))
    return ConcurrentTrace(file.numAgents, tuple(transactions), file.endContent)


def _prefix_seen(number: int, agent: int, vector: list[int], numbers: list[list[int]]) -> int:
    """Return how far into the file the foreign transactions of ``vector`` reach; no other may stand there."""
    if vector[agent] != len(numbers[agent]):
        raise TraceError(f"transaction {number} does not follow its agent's previous one")
    others = [other for other in range(len(vector)) if other != agent]
    seen = max((numbers[other][vector[other] - 1] + 1 for other in others if vector[other]), default=0)
    if any(bisect_left(numbers[other], seen) != vector[other] for other in others):
        raise TraceError(f"transaction {number} saw others' transactions out of the order of the file")
    return seen
