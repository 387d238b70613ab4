"""The records of a history, sorted by what the checker asks of them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.chaos.history import Record


class Name(NamedTuple):
    """What names a submission for ever."""

    document: str
    id: str
    sequence: int


class Place(NamedTuple):
    """Where a commit stands; a document that lost revisions begins a new epoch."""

    document: str
    epoch: int
    revision: int


class Replica(NamedTuple):
    """One client's copy of one document."""

    client: str
    document: str


class Loss(NamedTuple):
    """The revisions ``first`` to ``last`` of the epochs before ``epoch`` are lost, as coedit itself says."""

    document: str
    epoch: int
    first: int
    last: int

    def covers(self, place: Place) -> bool:
        """Return whether a commit that stood at ``place`` is lost."""
        is_older = place.epoch < self.epoch
        return place.document == self.document and is_older and self.first <= place.revision <= self.last


@dataclass(slots=True)
class Evidence:
    """A whole history."""

    run: Record = field(default_factory=dict)
    submitted: dict[Name, Record] = field(default_factory=dict)
    acked: list[Record] = field(default_factory=list)
    followed: dict[Replica, list[Record]] = field(default_factory=lambda: defaultdict(list))
    """Of each replica what moved it: opened, acked, seen, reset."""
    edits: list[Record] = field(default_factory=list)
    log: dict[str, dict[int, Record]] = field(default_factory=lambda: defaultdict(dict))
    """Of each document its commits, by revision."""
    losses: set[Loss] = field(default_factory=set)
    """What coedit itself says is lost."""
    reported: list[Record] = field(default_factory=list)
    """The same, as it was told to clients."""
    ended_at: float = 0.0
    """When the last thing happened."""
    bridged: set[str] = field(default_factory=set)
    """The documents that Yjs clients have open too: they are told no acks."""
    mixed: set[str] = field(default_factory=set)
    """The documents that attackers edit too: what is typed there is not all known."""
    others: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    """All other records, by what they are."""

    @classmethod
    def of(cls, records: Iterable[Record]) -> "Evidence":
        """Return the evidence in ``records``."""
        evidence = cls()
        for record in records:
            evidence._sort(record)
        return evidence

    @property
    def documents(self) -> list[str]:
        """The documents that there are in the end."""
        return [record["document"] for record in self.others["document"]]

    @property
    def may_lose(self) -> bool:
        """Whether a loss may be reported: faults were injected by which Redis may forget, at a level that allows it."""
        return bool(self.run.get("may_lose")) and self.run["level"] != "replicated"

    @property
    def ids(self) -> set[str]:
        """The ids that OT clients had."""
        return {record["me"] for records in self.followed.values() for record in records}

    def is_forgiven(self, record: Record) -> bool:
        """Return whether the commit of a record is lost, was reported as lost, and may be."""
        return self.may_lose and any(loss.covers(place_of(record)) for loss in self.losses)

    def has_lost(self, document: str) -> bool:
        """Return whether revisions of a document are reported as lost, and may be: what they deleted is there again."""
        return self.may_lose and any(loss.document == document for loss in self.losses)

    def head(self, document: str) -> int:
        """The newest revision of a document in the end."""
        return max((r["head"] for r in self.others["document"] if r["document"] == document), default=0)

    def phase_at(self, moment: float) -> str:
        """Return in which phase a moment was; empty before the first."""
        begun = [record["name"] for record in self.others["phase"] if record["at"] <= moment]
        return begun[-1] if begun else ""

    def _sort(self, record: Record) -> None:
        self.ended_at = record["at"]
        match record["what"]:
            case "run":
                self.run = record
            case "edit":
                self.edits.append(record)
            case "submitted":
                self.submitted[name_of(record)] = record
            case "commit":
                self.log[record["document"]][record["revision"]] = record
            case "bridged":
                self.bridged.add(record["document"])
            case "mixed":
                self.mixed.add(record["document"])
            case "reported":
                self.reported.append(record)
                self.losses.add(Loss(record["document"], record["epoch"], record["first"], record["last"]))
            case "opened" | "acked" | "seen" | "reset" as what:
                self.followed[Replica(record["client"], record["document"])].append(record)
                if what == "acked":
                    self.acked.append(record)
            case what:
                self.others[what].append(record)


def name_of(record: Record) -> Name:
    """Return which submission a record is about."""
    return Name(record["document"], record["id"], record["sequence"])


def place_of(record: Record) -> Place:
    """Return where the commit of a record stands, or stood."""
    return Place(record["document"], record["epoch"], record["revision"])
