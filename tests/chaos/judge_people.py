"""The part of the checker that looks at what attackers did to others, and at what processes took meanwhile."""

from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.evidence import Evidence
from tests.chaos.history import Record
from tests.chaos.people.scene import LEFT_OPEN, OWN, UNAVAILABLE
from tests.chaos.plan import BOTH, MACHINES, PEOPLE_ALONE, QUIET
from tests.chaos.timing import longest_wait, waits_between
from tests.chaos.violation import Violation

MIB = 1024 * 1024
BUDGET_BYTES = {
    "gateway": 1024 * MIB,
    "transformer": 1024 * MIB,
    "presence": 512 * MIB,
    "snapshotter": 1024 * MIB,
}
"""What the manifests give a process of each service, its children included."""
LAG_SECONDS = 1.0
"""For how long no loop may stand still, where no process is paused."""
ACK_FACTORS = {PEOPLE_ALONE: (QUIET, 10.0, 5.0), BOTH: (MACHINES, 2.0, 45.0)}
"""An edit may take so many times as long as the longest in the other phase, and so many seconds in any case.

Attackers have no machine of their own: they and all services share its processors and its disk, which a flood of
16 MB at once keeps busy for two to three seconds. Half an hour of machines alone had one edit of 42 s; a phase of half
a minute seldom meets such a row of faults.
"""
_BUGS = {"internal", "500", "501", "502", "504", "1011", "4500"}
"""What no client may be answered, whatever it sent."""
_SLIPS = {LEFT_OPEN, UNAVAILABLE}
"""What an attacker may not be able to say where no machine fails and there is time."""


def people_violations(evidence: Evidence) -> Iterator[Violation]:
    """Yield what was done to others: their documents, their edits, the processes that they share."""
    yield from _documents_take_writes(evidence)
    yield from _no_loss_is_made_up(evidence)
    yield from _attacks_are_answered(evidence)
    yield from _memory_is_bounded(evidence)
    if evidence.run.get("is_timed", True):
        yield from _loops_go_round(evidence)
        yield from _acks_come_in_time(evidence)


def _documents_take_writes(evidence: Evidence) -> Iterator[Violation]:
    for record in evidence.others["quarantined"]:
        if not record["document"].startswith(OWN):
            yield Violation("quarantined", record["document"], record["damage"])


def _no_loss_is_made_up(evidence: Evidence) -> Iterator[Violation]:
    """Without a fault of a machine nothing is lost; with one, nothing that nobody can have written."""
    for record in evidence.reported:
        document, last = record["document"], record["last"]
        if evidence.phase_at(record["at"]) in (QUIET, PEOPLE_ALONE):
            yield Violation("false loss", document, f"up to {last}, though no machine failed")
        elif last > (most := _most_revisions(evidence, document)):
            yield Violation("false loss", document, f"up to {last}, of at most {most} that can have been")


def _most_revisions(evidence: Evidence, document: str) -> int:
    """Return how many revisions there can ever have been: what anybody saw, and all that was sent and not answered."""
    followed = [records for replica, records in evidence.followed.items() if replica.document == document]
    seen: int = max((record["revision"] for records in followed for record in records), default=0)
    sent = sum(1 for name in evidence.submitted if name.document == document)
    typed = sum(1 for edit in evidence.edits if edit["document"] == document)
    return seen + sent + typed


def _attacks_are_answered(evidence: Evidence) -> Iterator[Violation]:
    """With a coded refusal or not at all; an attacker who broke down attacked nobody. All sockets end."""
    for record in evidence.others["attacked"]:
        is_calm = evidence.run.get("is_timed", True) and evidence.phase_at(record["at"]) == PEOPLE_ALONE
        for answer in (_BUGS | _SLIPS if is_calm else _BUGS) & record["answers"].keys():
            yield Violation("bug", "", f"{record['kind']}: {record['answers'][answer]} × {answer}")
        if record.get("error"):
            yield Violation("attacker", "", f"{record['kind']} broke down: {record['error']}")
    for record in evidence.others["leaked"]:
        found = f"{record['connections']} connections, {record['counted']} counted"
        detail = f"{found}, for {record['clients']} clients: {record['error']}"
        yield Violation("leaked", "", detail)


def _memory_is_bounded(evidence: Evidence) -> Iterator[Violation]:
    for process, record in _highest(evidence.others["memory"], "bytes").items():
        budget = BUDGET_BYTES[process.partition("-")[0]]
        if record["bytes"] > budget:
            detail = f"{process} took {record['bytes'] // MIB} MiB of {budget // MIB}, in {record['phase']!r}"
            yield Violation("memory", "", detail)


def _loops_go_round(evidence: Evidence) -> Iterator[Violation]:
    """Judged where no process is paused by a fault."""
    for record in evidence.others["no lag"]:
        detail = f"{record['process']} has no metric coedit_loop_lag_seconds: its standstills are not known"
        yield Violation("no lag", "", detail)
    calm = [record for record in evidence.others["lag"] if record["phase"] in (QUIET, PEOPLE_ALONE)]
    for process, record in _highest(calm, "seconds").items():
        if record["seconds"] >= LAG_SECONDS:
            detail = f"{process} stood still for more than {record['seconds']} s, in {record['phase']!r}"
            yield Violation("lag", "", detail)


def _highest(records: list[Record], figure: str) -> dict[str, Record]:
    """Return, of each process, the record with the highest figure."""
    return {record["process"]: record for record in sorted(records, key=lambda record: float(record[figure]))}


def _acks_come_in_time(evidence: Evidence) -> Iterator[Violation]:
    """Edits of others, as a multiple of what they take without people; those without an answer too."""
    spans = phase_spans(evidence)
    for name, (other, factor, least_seconds) in ACK_FACTORS.items():
        if name not in spans or other not in spans:
            continue
        usual = longest_wait(waits_between(evidence, *spans[other]))
        bound, longest = (
            max(least_seconds, factor * usual),
            longest_wait(waits_between(evidence, *spans[name])),
        )
        if longest > bound:
            detail = f"an edit took {longest:.1f} s in {name!r}; {usual:.1f} s in {other!r}, so {bound:.1f} s at most"
            yield Violation("slow", "", detail)


def phase_spans(evidence: Evidence) -> dict[str, tuple[float, float]]:
    """Return from when to when each phase was; the last one ends with the history."""
    begun = [(record["name"], record["at"]) for record in evidence.others["phase"]]
    edges = [*begun, ("", evidence.ended_at)]
    return {name: (began_at, ended_at) for (name, began_at), (_, ended_at) in pairwise(edges)}
