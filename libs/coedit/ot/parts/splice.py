"""Short cuts for what nearly every delta is: a change at one place.

A *splice* is inserts, a delete, or both, at one place, without formatting. Two splices that do not meet, and a splice
inside inserted text (so in a document of one run), need neither cursor nor writer. Each function here returns
exactly the ops that the general way would, or None where only the general way knows; `tests/property/test_splice.py`
compares the two. Why this is worth a module: docs/adr/0006-speed-of-the-ot-core.md.
"""

from typing import TypeAlias

from coedit.ot.parts.attributes import Attributes, same_attributes
from coedit.ot.parts.ops import Delete, Insert, Op, Retain
from coedit.ot.parts.utf16 import splits_pair

Ops: TypeAlias = tuple[Op, ...]
Splice: TypeAlias = tuple[int, int, int]
"""Where, how many units are inserted, and how many behind them deleted."""

_MAX_OPS = 3
"""Retain, insert, delete: longer ones are not looked at, since a document may have thousands of runs."""


def splice_of(ops: Ops) -> Splice | None:
    """Return the one change that the ops, in normal form, make; None if there are none, or several, or it formats."""
    if not 0 < len(ops) <= _MAX_OPS:
        return None
    at = inserted = deleted = 0
    for op in ops:
        if type(op) is Insert:
            inserted += len(op.content) if type(op.content) is str else 1
        elif type(op) is Delete:
            deleted = op.length
        elif op is ops[0] and op.attributes is None:
            at = op.length
        else:
            return None
    return at, inserted, deleted


def transform_splices(first: Ops, second: Ops) -> tuple[Ops, Ops] | None:
    """Return the ops of both results of `transform`, if both are splices and neither reaches into the other."""
    one, two = splice_of(first), splice_of(second)
    if one is None or two is None:
        return None
    at_one, inserted_one, deleted_one = one
    at_two, inserted_two, deleted_two = two
    if at_one + deleted_one <= at_two:  # also where both only insert, at one place: the first comes first
        return first, _moved(second, at_two, at_two + inserted_one - deleted_one)
    if at_two + deleted_two <= at_one and (at_two < at_one or not inserted_one):
        return _moved(first, at_one, at_one + inserted_two - deleted_two), second
    return None


def compose_splices(first: Ops, second: Ops) -> Ops | None:
    """Return the ops of `compose`, if both are splices, and apart or the second inside the text of the first."""
    one, two = splice_of(first), splice_of(second)
    if one is None or two is None:
        return None
    at, inserted, _ = one
    start, _, deleted = two
    end = start + deleted
    if start > at + inserted:
        return (*first, *_moved(second, start, start - at - inserted))
    if end < at:
        return (*second, *_moved(first, at, at - end))
    if at <= start and end <= at + inserted:
        return _compose_inside(first, second, one, two)
    return None


def invert_splice(delta: Ops, base: Ops) -> Ops | None:
    """Return the ops of `invert`, if ``delta`` is a splice that fits ``base``, a document of one run of text."""
    splice = splice_of(delta)
    if splice is None or len(base) != 1:
        return None
    run = base[0]
    start, inserted, deleted = splice
    end = start + deleted
    if type(run) is not Insert or type(run.content) is not str or _splits(run.content, start, end):
        return None
    restored: Ops = (Insert(run.content[start:end], run.attributes),) if deleted else ()
    removed: Ops = (Delete(inserted),) if inserted else ()
    return _moved(restored + removed, 0, start)


def _compose_inside(first: Ops, second: Ops, one: Splice, two: Splice) -> Ops | None:
    """Compose where ``second`` reaches nothing but what ``first`` inserts, and both insert text of one format."""
    at, inserted, _ = one
    place, typed, deleted = two
    index = 1 if at else 0
    run = first[index]
    start, end = place - at, place - at + deleted
    if type(run) is not Insert or type(run.content) is not str or len(run.content) != inserted:
        return None
    if _splits(run.content, start, end):
        return None
    middle = _typed_text(second[1 if place else 0], typed, run.attributes)
    if middle is None:
        return None
    text = f"{run.content[:start]}{middle}{run.content[end:]}"
    if text:
        return (*first[:index], Insert(text, run.attributes), *first[index + 1 :])
    return (*first[:index], *first[index + 1 :]) if index + 1 < len(first) else ()


def _typed_text(op: Op, length: int, attributes: Attributes | None) -> str | None:
    """Return the inserted text of a splice, ``op`` being its first change; None if it is not text of this format."""
    if not length:
        return ""
    if type(op) is not Insert or type(op.content) is not str or len(op.content) != length:
        return None
    return op.content if same_attributes(op.attributes, attributes) else None


def _splits(units: str, start: int, end: int) -> bool:
    return not units.isascii() and (splits_pair(units, start) or splits_pair(units, end))


def _moved(ops: Ops, at: int, to: int) -> Ops:
    """Return a splice at ``at`` as one at ``to``."""
    if at == to:
        return ops
    rest = ops[1:] if at else ops
    return (Retain(to), *rest) if to else rest
