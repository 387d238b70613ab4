"""The part of the checker that looks at documents: replayed from nothing, and character by character."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.chaos.evidence import Evidence, name_of, place_of
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
    deleted, surely_deleted, restored = _taken_out(evidence, document)
    known: set[str] = set()
    acked = {name_of(record) for record in evidence.acked if place_of(record) not in evidence.reported}
    for name, record in evidence.submitted.items():
        if name.document != document:
            continue
        characters = set(record["inserted"])
        known |= characters
        missing = characters - counts.keys() - deleted
        if missing and name in acked:
            yield Violation("lost", document, f"{len(missing)} characters of {name}, which was acked")
    repeated = [each for each in known - restored if counts[each] > 1]
    if repeated:
        yield Violation("repeated", document, f"{len(repeated)} characters are there more than once")
    returned = surely_deleted & counts.keys() - restored
    if returned:
        yield Violation("returned", document, f"{len(returned)} characters are there that were deleted")
    unknown = counts.keys() - known - restored
    if unknown:
        yield Violation("invented", document, f"{len(unknown)} characters that nobody submitted")


def _taken_out(evidence: Evidence, document: str) -> tuple[set[str], set[str], set[str]]:
    """Return what was deleted, what was deleted by who saw it acknowledged, and what was brought back."""
    unsure = {record["client"] for record in evidence.others["left"] if not record["settled"]}
    unsure |= {
        record["client"] for what in ("stuck", "rejected", "failed") for record in evidence.others[what]
    }
    sets: dict[str, set[str]] = defaultdict(set)
    for edit in evidence.edits:
        if edit["document"] == document:
            sets["deleted"] |= set(edit["deleted"])
            sets["restored"] |= set(edit["restored"])
            if edit["client"] not in unsure:
                sets["surely"] |= set(edit["deleted"])
    return sets["deleted"], sets["surely"], sets["restored"]
