"""The part of the checker that looks at documents: replayed from nothing, and character by character."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.chaos.evidence import Evidence, name_of
from tests.chaos.history import Record
from tests.chaos.replay import Cell, Json, ReplayError, apply_delta, cells_of, normal, text_of
from tests.chaos.violation import Violation


def content_violations(evidence: Evidence) -> Iterator[Violation]:
    """Yield where replicas, gateways, log, snapshot and Yjs disagree, and characters lost, repeated or invented."""
    for document in evidence.documents:
        try:
            replayed = _Replayed.of(evidence, document)
        except ReplayError as error:
            yield Violation("replay", document, f"the log does not replay: {error}")
            continue
        yield from _others_agree(evidence, document, replayed)
        if document not in evidence.mixed:
            yield from _characters(evidence, document, text_of(replayed.cells))


@dataclass(slots=True)
class _Replayed:
    """The log, applied from nothing."""

    cells: list[Cell] = field(default_factory=list)
    """The document at the head."""
    at: dict[int, Json] = field(default_factory=dict)
    """The document at the revisions that somebody claims to have it at."""

    @classmethod
    def of(cls, evidence: Evidence, document: str) -> "_Replayed":
        replayed = cls()
        wanted = {claim["revision"] for claim in _claims(evidence, document)}
        log, head = evidence.log[document], evidence.head(document)
        for revision in range(head + 1):
            if revision:
                if revision not in log:
                    raise ReplayError(f"revision {revision} is missing")
                apply_delta(replayed.cells, log[revision]["delta"])
            if revision in wanted:
                replayed.at[revision] = normal(replayed.cells)
        return replayed


def _claims(evidence: Evidence, document: str) -> list[Record]:
    return [
        record
        for what in ("replica", "served", "snapshot")
        for record in evidence.others[what]
        if record["document"] == document
    ]


def _others_agree(evidence: Evidence, document: str, replayed: _Replayed) -> Iterator[Violation]:
    head = evidence.head(document)
    for claim in _claims(evidence, document):
        what, revision = claim["what"], claim["revision"]
        who = claim.get("client", what)
        if what != "snapshot" and revision != head:
            yield Violation("behind", document, f"{who} is at revision {revision}; the head is {head}")
        expected = replayed.at.get(revision)
        if expected is None:
            yield Violation("ahead", document, f"{who} is at revision {revision}; the head is {head}")
            continue
        for name in ("content", "yjs"):
            if name in claim and normal(cells_of(claim[name])) != expected:
                kind = "differs" if what != "snapshot" else f"snapshot's {name}"
                yield Violation(kind, document, f"{who} has another document at revision {revision}")


def _characters(evidence: Evidence, document: str, text: str) -> Iterator[Violation]:
    """Each inserted character is the only one of its kind, so each can be asked for."""
    counts = Counter(text)
    gone = _fates(evidence, document)
    known: set[str] = set()
    acked = {name_of(record) for record in evidence.acked if not evidence.is_forgiven(record)}
    forgiven = {name_of(record) for record in evidence.acked} - acked
    for name, record in evidence.submitted.items():
        if name.document != document:
            continue
        characters = set(record["inserted"])
        known |= characters
        missing = characters - counts.keys() - gone.deleted
        if missing and name in acked:
            yield Violation("lost", document, f"{len(missing)} characters of {name}, which was acked")
        elif name in forgiven:
            gone.deleted |= characters
    unsaved = gone.surely_inserted - counts.keys() - gone.deleted
    if unsaved:
        yield Violation("lost", document, f"{len(unsaved)} characters of clients who saw everything saved")
    repeated = [each for each in (known | gone.inserted) - gone.restored if counts[each] > 1]
    if repeated:
        yield Violation("repeated", document, f"{len(repeated)} characters are there more than once")
    returned = gone.surely_deleted & counts.keys() - gone.restored
    if returned and not evidence.has_lost(document):
        yield Violation("returned", document, f"{len(returned)} characters are there that were deleted")
    unknown = counts.keys() - known - gone.inserted - gone.restored
    if unknown:
        yield Violation("invented", document, f"{len(unknown)} characters that nobody typed")


@dataclass(slots=True)
class _Fates:
    """What was done to characters; surely, where who did it saw it saved in the end."""

    inserted: set[str] = field(default_factory=set)
    surely_inserted: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    surely_deleted: set[str] = field(default_factory=set)
    restored: set[str] = field(default_factory=set)


def _fates(evidence: Evidence, document: str) -> _Fates:
    unsure = {record["client"] for record in evidence.others["left"] if not record["settled"]}
    unsure |= {
        record["client"]
        for what in ("stuck", "rejected", "failed", "afresh")
        for record in evidence.others[what]
    }
    fates = _Fates()
    for edit in evidence.edits:
        if edit["document"] == document:
            fates.inserted |= set(edit["inserted"])
            fates.deleted |= set(edit["deleted"])
            fates.restored |= set(edit["restored"])
            if edit["client"] not in unsure:
                fates.surely_inserted |= set(edit["inserted"])
                fates.surely_deleted |= set(edit["deleted"])
    return fates
