"""Judges a history from outside, as Jepsen would: pure, and with no code of coedit's.

An edit that was acked must be there, once, where its ack said; one that was not may be there once or not at all. What
is forgiven: revisions that coedit itself reported as lost, at the levels `memory` and `fsync`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.chaos.evidence import Evidence, Name, name_of, place_of
from tests.chaos.history import Record
from tests.chaos.judge_content import content_violations
from tests.chaos.judge_people import people_violations
from tests.chaos.violation import Violation


class Counts(NamedTuple):
    """Edits, as submissions: several keystrokes may share one."""

    submitted: int
    acked: int
    lost: int
    repeated: int
    rejected: int
    reported: int
    revisions: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, and the figures."""

    violations: tuple[Violation, ...]
    counts: Counts

    @property
    def kinds(self) -> set[str]:
        """Which kinds of violations there are."""
        return {violation.kind for violation in self.violations}


def judge(records: Iterable[Record]) -> Verdict:
    """Return the verdict on a whole history."""
    evidence = Evidence.of(records)
    violations = tuple(violation for check in _CHECKS for violation in check(evidence))
    kinds = Counter(violation.kind for violation in violations)
    counts = Counts(
        submitted=len(evidence.submitted),
        acked=len({name_of(record) for record in evidence.acked}),
        lost=kinds["lost"],
        repeated=kinds["repeated"],
        rejected=len(evidence.others["rejected"]),
        reported=sum(loss.last - loss.first + 1 for loss in evidence.losses),
        revisions=sum(map(evidence.head, evidence.documents)),
    )
    return Verdict(violations, counts)


def _acked_is_kept(evidence: Evidence) -> Iterator[Violation]:
    """Every ack's revision is that very submission's in the final log, and nobody else's."""
    for record in evidence.acked:
        if evidence.is_forgiven(record):
            continue
        document, revision = record["document"], record["revision"]
        commit = evidence.log[document].get(revision)
        if commit is None:
            yield Violation("lost", document, f"{_said(record)} and is not in the log")
        elif name_of(commit) != name_of(record):
            yield Violation("lost", document, f"{_said(record)}, which is {name_of(commit)} now")
        elif commit["mac"] != record["mac"]:
            yield Violation("chain", document, f"{_said(record)} under another mac")


def _acks_go_forward(evidence: Evidence) -> Iterator[Violation]:
    """The acks of a replica have rising revisions, and no submission has two."""
    places: dict[Name, Record] = {}
    newest: dict[tuple[str, str], tuple[int, int]] = {}
    for record in evidence.acked:
        before = places.setdefault(name_of(record), record)
        if place_of(before) != place_of(record):
            yield Violation("two acks", record["document"], f"{_said(before)}, then {_said(record)}")
        replica = record["client"], record["document"]
        stands = record["epoch"], record["revision"]
        if stands <= newest.get(replica, (0, 0)):
            yield Violation("went back", record["document"], f"{_said(record)} after {newest[replica]}")
        newest[replica] = stands


def _replicas_follow(evidence: Evidence) -> Iterator[Violation]:
    """Every replica is told every revision, once and in order, and each is what the final log has there."""
    for (client, document), records in evidence.followed.items():
        history, revision = (0, ""), 0
        for record in records:
            # Who loads the document afresh becomes another client, and may be anywhere.
            is_next = record["revision"] == revision + 1 or (record["epoch"], record["me"]) != history
            if record["what"] in ("acked", "seen") and not is_next:
                detail = f"{client} got revision {record['revision']} after {revision}"
                yield Violation("gap", document, detail)
            history, revision = (record["epoch"], record["me"]), record["revision"]
            if record["what"] == "seen" and not evidence.is_forgiven(record):
                yield from _seen_is_kept(evidence, record)


def _seen_is_kept(evidence: Evidence, record: Record) -> Iterator[Violation]:
    commit = evidence.log[record["document"]].get(record["revision"])
    is_gone = commit is None and record["revision"] > evidence.head(
        record["document"]
    )  # otherwise it is a gap
    if is_gone or (commit is not None and name_of(commit) != name_of(record)):
        now = "gone" if commit is None else str(name_of(commit))
        detail = f"revision {record['revision']} was {name_of(record)} to {record['client']}, and is {now}"
        yield Violation("rewritten", record["document"], detail)


def _log_is_whole(evidence: Evidence) -> Iterator[Violation]:
    """Revisions 1 to the head, chained; each submission once, each client's in its own order, none unheard of."""
    for stands in evidence.others["document"]:
        document, log = stands["document"], evidence.log[stands["document"]]
        missing = [revision for revision in range(1, stands["head"] + 1) if revision not in log]
        if missing:
            yield Violation("gap", document, f"{len(missing)} revisions are nowhere, the first {missing[0]}")
        commits = [log[revision] for revision in sorted(log)]
        for commit in commits:
            if not commit["holds"]:
                yield Violation("chain", document, f"revision {commit['revision']} breaks the mac chain")
        if commits and commits[-1]["mac"] != stands["mac"]:
            yield Violation("chain", document, "the log ends in another mac than the head's")
        yield from _each_once_in_order(commits, evidence.ids if document in evidence.bridged else None)
    for record in evidence.others["forked"]:
        yield Violation(
            "chain", record["document"], f"revision {record['revision']} is stored as two commits"
        )


def _each_once_in_order(commits: list[Record], numbered: set[str] | None) -> Iterator[Violation]:
    """``numbered`` are the ids whose submissions all become commits, in order; None: all.

    A Yjs client says much that is not new, and what rests on what has not come yet is held back.
    """
    last: dict[str, int] = {}
    revisions: dict[Name, int] = {}
    for commit in commits:
        name, revision = name_of(commit), commit["revision"]
        if name in revisions:
            yield Violation("repeated", name.document, f"{name} is revision {revisions[name]} and {revision}")
        elif name.sequence != last.get(name.id, 0) + 1 and (numbered is None or name.id in numbered):
            detail = f"{name} at revision {revision} follows sequence {last.get(name.id, 0)}"
            yield Violation("order", name.document, detail)
        revisions[name] = revision
        last[name.id] = max(name.sequence, last.get(name.id, 0))


def _only_what_nobody_held_is_lost(evidence: Evidence) -> Iterator[Violation]:
    """A reported loss is of revisions that no client had that stayed to the end: any of those would give them back.

    Of a bridged document OT clients have half of each, and no client gives it back.
    """
    gone = {record["client"] for record in evidence.others["left"]}
    for (client, document), records in evidence.followed.items():
        told = [record for record in records if record["what"] in ("acked", "seen")]
        log = evidence.log[document]
        held = [
            record["revision"]
            for record in told
            if evidence.is_forgiven(record)
            and not (record["revision"] in log and name_of(log[record["revision"]]) == name_of(record))
        ]
        if held and client not in gone and document not in evidence.bridged:
            yield Violation(
                "needless", document, f"{client} held revision {held[0]}, which was reported lost"
            )


def _everybody_got_through(evidence: Evidence) -> Iterator[Violation]:
    """All settled, nothing was refused, nothing broke down, and no loss was reported where none may be."""
    for what in ("stuck", "failed", "unreadable", "exit"):
        for record in evidence.others[what]:
            facts = {name: value for name, value in record.items() if name not in ("what", "at")}
            yield Violation(what, record.get("document", ""), str(facts))
    if not evidence.may_lose:
        for loss in evidence.losses:
            yield Violation("lost", loss.document, f"{loss} was reported, and nothing may be lost here")
    if not evidence.losses or not evidence.may_lose:
        for record in evidence.others["rejected"]:
            yield Violation("rejected", record["document"], f"{record['client']}: {record['code']}")


def _said(record: Record) -> str:
    name = name_of(record)
    return f"{record['client']} was acked {name.id} {name.sequence} as revision {record['revision']}"


_CHECKS: tuple[Callable[[Evidence], Iterator[Violation]], ...] = (
    _acked_is_kept,
    _acks_go_forward,
    _replicas_follow,
    _log_is_whole,
    content_violations,
    people_violations,
    _only_what_nobody_held_is_lost,
    _everybody_got_through,
)
