"""How long clients went without an ack: over the whole run, and around the faults of each kind."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from tests.chaos.evidence import Evidence, name_of
from tests.chaos.history import Record

_AFTER_SECONDS = 3.0
"""A fault is felt a little longer than it lasts."""


class Injected(NamedTuple):
    """A fault, from the moment in which it began to the one in which it was healed."""

    kind: str
    target: str
    began_at: float
    ended_at: float


class Wait(NamedTuple):
    """An edit on its way: submitted, and acknowledged."""

    submitted_at: float
    acked_at: float


def injected(records: Sequence[Record]) -> list[Injected]:
    """Return the faults that were begun and healed."""
    return [
        Injected(record["kind"], record["target"], record["began_at"], record["at"])
        for record in records
        if record["what"] == "fault" and record["phase"] == "end"
    ]


def waits(records: Sequence[Record]) -> list[Wait]:
    """Return how long each acknowledged edit was on its way."""
    submitted = {name_of(record): record["at"] for record in records if record["what"] == "submitted"}
    return [
        Wait(submitted[name_of(record)], record["at"])
        for record in records
        if record["what"] == "acked" and name_of(record) in submitted
    ]


def waits_between(evidence: Evidence, began_at: float, ended_at: float) -> list[Wait]:
    """Return how long each edit took that was sent within a time; one that was never answered, to the end of it.

    Whoever left, was refused or loaded another history waits no more.
    """
    acked = {name_of(record): record["at"] for record in evidence.acked}
    left = ("left", "rejected", "failed", "stuck")
    gone = {(record["client"], record.get("document")) for what in left for record in evidence.others[what]}
    gone |= {
        replica
        for replica, records in evidence.followed.items()
        if any(record["what"] == "reset" for record in records)
    }
    return [
        Wait(record["at"], acked.get(name, ended_at))
        for name, record in evidence.submitted.items()
        if began_at <= record["at"] < ended_at
        and (name in acked or (record["client"], name.document) not in gone)
    ]


def longest_wait(found: Sequence[Wait]) -> float:
    """Return how long the slowest edit was on its way."""
    return max((wait.acked_at - wait.submitted_at for wait in found), default=0.0)


def longest_silence(found: Sequence[Wait], began_at: float, ended_at: float) -> float:
    """Return the longest time, between the two, in which nobody got an ack."""
    times = sorted(wait.acked_at for wait in found)
    first, last = bisect_left(times, began_at), bisect_left(times, ended_at)
    inside = times[max(0, first - 1) : last + 1]
    return max((after - before for before, after in pairwise(inside)), default=0.0)


class Felt(NamedTuple):
    """How a kind of faults was felt at worst."""

    times: int
    silence_seconds: float
    """The longest time in which nobody got an ack, while it lasted and shortly afterwards."""
    back_seconds: float | None
    """From the end of the fault to the next ack; None where another one was always there by then."""


def felt_by_kind(records: Sequence[Record]) -> dict[str, Felt]:
    """Return, for each kind of faults, what was felt while one was there."""
    found = waits(records)
    by_kind: dict[str, list[Felt]] = defaultdict(list)
    faults = injected(records)
    for fault in faults:
        silence = longest_silence(found, fault.began_at, fault.ended_at + _AFTER_SECONDS)
        by_kind[fault.kind].append(Felt(1, silence, _back(fault, faults, found)))
    return {kind: _worst(felt) for kind, felt in sorted(by_kind.items())}


def _back(fault: Injected, faults: Sequence[Injected], found: Sequence[Wait]) -> float | None:
    """Return how long after a fault the next ack came, unless another fault was there meanwhile."""
    next_at = min((wait.acked_at for wait in found if wait.acked_at > fault.ended_at), default=fault.ended_at)
    others = [other for other in faults if other is not fault]
    if any(other.began_at < next_at and other.ended_at > fault.ended_at for other in others):
        return None
    return next_at - fault.ended_at


def _worst(felt: list[Felt]) -> Felt:
    backs = [each.back_seconds for each in felt if each.back_seconds is not None]
    return Felt(len(felt), max(each.silence_seconds for each in felt), max(backs, default=None))
