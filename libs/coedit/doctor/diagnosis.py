"""What all that is stored of a document adds up to: which revisions are sound, and how far it goes. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from coedit.crdt.document import YjsDocument
from coedit.doctor.yjs_view import Reached, Sound, wrong_for_yjs
from coedit.errors import DamagedError, InvalidDeltaError
from coedit.identifiers import DocumentId, Revision
from coedit.ot.apply import apply
from coedit.ot.commit import Commit
from coedit.ot.delta import Delta
from coedit.protocol.history import read_entry
from coedit.protocol.log_entry import ChainKey
from coedit.store.documents.log import Position
from coedit.store.documents.quarantine import Damage
from coedit.store.objects.archive import Segment
from coedit.store.objects.snapshots import Snapshot

_NAMED_KEYS = 5


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything that is stored of a document, as it was read; what could not be read stands there as an error."""

    document_id: DocumentId
    position: Position | DamagedError | None
    fields: tuple[bytes, ...] | None
    """The raw position, to see that nobody changes it; None: the key is of another type."""
    log: Sequence[tuple[str, bytes]] | DamagedError
    segments: Mapping[Segment, Sequence[bytes] | DamagedError]
    snapshots: Mapping[int, Snapshot | DamagedError]
    """By number."""
    quarantine: Damage | None
    is_changed: bool
    """Whether it is on the list of documents that wait for a snapshot."""
    is_owned: bool
    """Whether a transformer owns its shard at the moment."""

    @property
    def sound_position(self) -> Position | None:
        """Where Redis has it, if that can be read."""
        return self.position if isinstance(self.position, Position) else None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; or, if it ``is_settled``, that was, and nothing more can be done about."""

    where: str
    what: str
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong, and what there is."""

    stored: Stored
    findings: tuple[Finding, ...]
    commits: Mapping[int, bytes]
    """The sound entries, by revision, wherever they are kept."""
    reached: Reached
    expected: int
    """The newest revision that the document is known to have had."""
    is_end_known: bool
    """Whether there can have been no later one."""
    sound_snapshots: frozenset[int]
    sound: Sound
    needs_items: bool
    """Whether each commit is sound, and the Yjs items that they make together are not."""
    unchecked: Mapping[int, str] = field(default_factory=dict)
    """The revisions that nobody here can vouch for, with the id of the secret that each is said to be sealed under."""

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong of what could be checked; being quarantined is not a thing of its own."""
        return all(finding.is_settled for finding in self.findings)

    @property
    def lost(self) -> range:
        """The revisions that are stored nowhere in a form that can be vouched for."""
        return range(self.reached.revision + 1, self.expected + 1)

    @property
    def loses(self) -> bool:
        """Whether the document cannot be put together without giving something up."""
        return bool(self.lost) or not self.is_end_known


def diagnose(stored: Stored, chain_key: ChainKey) -> Diagnosis:
    """Return what is wrong with a document, and how far it can be put together."""
    findings: list[Finding] = []
    findings += _of_position(stored)
    snapshots = dict(_sound_snapshots(stored, findings))
    history = _History(stored, chain_key, snapshots)
    commits = history.sound(findings)
    _compare_with_replay(snapshots, commits, findings)
    reached = _furthest(snapshots, commits)
    findings += _of_log(stored, commits)
    findings += _of_place(stored, reached, snapshots)
    sound = Sound(stored.document_id, snapshots, commits, reached)
    wrong = [Finding("items", what) for what in wrong_for_yjs(sound, chain_key)]
    findings += wrong
    known = [reached.revision, *commits, *(snapshot.revision for snapshot in snapshots.values())]
    position = stored.sound_position
    has_log = not isinstance(stored.log, DamagedError) and bool(stored.log)
    expected = max(known) if position is None else position.head
    return Diagnosis(
        stored,
        tuple(findings),
        {revision: entry for revision, (_, entry) in commits.items()},
        reached,
        max(expected, _log_end(stored)) if position is None else expected,
        position is not None or has_log or not findings,
        frozenset(snapshots),
        sound,
        bool(wrong),
        history.unchecked,
    )


def _of_position(stored: Stored) -> Iterator[Finding]:
    if isinstance(stored.position, DamagedError):
        yield Finding("position", str(stored.position))
    elif stored.position is None and (stored.is_changed or stored.log):
        yield Finding("position", "gone from Redis, while something else of the document is there")
    elif (
        stored.position is not None
        and stored.position.number
        and stored.position.number not in stored.snapshots
    ):
        yield Finding("snapshots", f"number {stored.position.number} is noted in Redis, and is not there")


def _sound_snapshots(stored: Stored, findings: list[Finding]) -> Iterator[tuple[int, Snapshot]]:
    """Yield the snapshots that load, and hold the same document twice."""
    for number, snapshot in stored.snapshots.items():
        if isinstance(snapshot, DamagedError):
            findings.append(Finding(f"snapshot {number}", str(snapshot)))
            continue
        try:
            yjs = YjsDocument(stored.document_id, snapshot.update, root=snapshot.text_root)
            is_the_same = yjs.content == snapshot.document
        except DamagedError as error:
            findings.append(Finding(f"snapshot {number}", str(error)))
            continue
        if not is_the_same:
            findings.append(Finding(f"snapshot {number}", "its Yjs update is another document than its text"))
        elif yjs.state_vector() != snapshot.state_vector:
            findings.append(Finding(f"snapshot {number}", "its state vector is not that of its Yjs update"))
        else:
            yield number, snapshot


@dataclass(slots=True)
class _History:
    """All entries that are kept, and which of them are sound: each checked behind the one before."""

    stored: Stored
    chain_key: ChainKey
    snapshots: Mapping[int, Snapshot]
    kept: dict[int, list[tuple[str, bytes]]] = field(default_factory=dict)
    """By revision: where an entry was found, and its bytes."""
    unchecked: dict[int, str] = field(default_factory=dict)
    """By revision: the id of a secret that is not known here."""

    def sound(self, findings: list[Finding]) -> dict[int, tuple[Commit, bytes]]:
        """Return the sound entries; what is not is added to the findings."""
        self._gather(findings)
        macs = {snapshot.revision: snapshot.mac for snapshot in self.snapshots.values()}
        found: dict[int, tuple[Commit, bytes]] = {}
        before: str | None = ""
        for revision in range(1, max(self.kept, default=0) + 1):
            best = self._best(revision, before, findings)
            if best is not None:
                found[revision] = best
                if before is None and revision not in self.unchecked:
                    message = f"revision {revision} cannot be checked: what it follows is gone"
                    findings.append(Finding("history", message, is_settled=True))
            # Behind what is missing a snapshot may know the mac; otherwise the next entry is taken as it is.
            before = best[0].mac if best is not None else macs.get(Revision(revision))
        return found

    def _gather(self, findings: list[Finding]) -> None:
        for segment, entries in self.stored.segments.items():
            name = f"segment {segment.first}-{segment.last}"
            if isinstance(entries, DamagedError):
                findings.append(Finding(name, str(entries)))
                continue
            for offset, entry in enumerate(entries):
                self.kept.setdefault(segment.first + offset, []).append((name, entry))
        if isinstance(self.stored.log, DamagedError):
            findings.append(Finding("log", str(self.stored.log)))
            return
        for name, entry in self.stored.log:
            revision, _, rest = name.partition("-")
            if rest == "0":
                self.kept.setdefault(int(revision), []).append(("log", entry))
            else:
                findings.append(Finding("log", f"the entry {name} is no revision"))

    def _best(
        self, revision: int, before: str | None, findings: list[Finding]
    ) -> tuple[Commit, bytes] | None:
        """Return the sound entry of a revision; of several, which only two epochs can have, the newest checked one."""
        best: tuple[Commit, bytes] | None = None
        for where, entry in self.kept.get(revision, ()):
            try:
                commit = read_entry(entry, revision)
            except DamagedError as error:
                findings.append(Finding(where, str(error)))
                continue
            key = self.chain_key
            if (
                before is not None
                and key.knows(commit.key_id)
                and not key.holds(self.stored.document_id, commit, before)
            ):
                message = f"revision {revision} does not continue the history before it, or was altered"
                findings.append(Finding(where, message))
            elif best is None:
                best = commit, entry
            elif best[1] != entry:
                findings.append(Finding(where, f"revision {revision} is another one than elsewhere"))
                best = max(best, (commit, entry), key=self._rank)
        if best is not None and not self.chain_key.knows(best[0].key_id):
            self.unchecked[revision] = best[0].key_id
        return best

    def _rank(self, found: tuple[Commit, bytes]) -> tuple[bool, int, int]:
        commit, _ = found
        return self.chain_key.knows(commit.key_id), commit.epoch, commit.at


def _compare_with_replay(
    snapshots: dict[int, Snapshot], commits: Mapping[int, tuple[Commit, bytes]], findings: list[Finding]
) -> None:
    """Take out the snapshots that are not what the history makes of the one before them, or of nothing."""
    content, revision = Delta(), 0
    for number, snapshot in sorted(snapshots.items(), key=lambda item: (item[1].revision, item[0])):
        while revision < snapshot.revision and revision + 1 in commits:
            try:
                content = apply(content, commits[revision + 1][0].delta)
            except InvalidDeltaError as error:
                findings.append(Finding("history", f"revision {revision + 1} does not fit: {error}"))
                break
            revision += 1
        mac = commits[snapshot.revision][0].mac if snapshot.revision in commits else snapshot.mac
        if mac != snapshot.mac:
            findings.append(Finding(f"snapshot {number}", "it is of another history"))
            del snapshots[number]
        elif revision == snapshot.revision and content != snapshot.document:
            findings.append(Finding(f"snapshot {number}", "it is not what the history adds up to"))
            del snapshots[number]
        else:
            content, revision = snapshot.document, snapshot.revision


def _furthest(snapshots: Mapping[int, Snapshot], commits: Mapping[int, tuple[Commit, bytes]]) -> Reached:
    """Return the furthest that the document can be put together, from the newest snapshot from which that is so."""
    newest_first = sorted(snapshots.values(), key=lambda snapshot: -snapshot.number)
    return max((_from(base, commits) for base in (*newest_first, None)), key=lambda reached: reached.revision)


def _from(base: Snapshot | None, commits: Mapping[int, tuple[Commit, bytes]]) -> Reached:
    reached = Reached(Revision(0), "", 1, Delta(), None)
    if base is not None:
        reached = Reached(base.revision, base.mac, base.epoch, base.document, base)
    while reached.revision + 1 in commits:
        commit, _ = commits[reached.revision + 1]
        try:
            content = apply(reached.content, commit.delta)
        except InvalidDeltaError:
            break
        reached = Reached(commit.revision, commit.mac, commit.epoch, content, base)
    return reached


def _of_log(stored: Stored, commits: Mapping[int, object]) -> Iterator[Finding]:
    position = stored.sound_position
    if position is None or isinstance(stored.log, DamagedError):
        return
    there = {int(name.partition("-")[0]) for name, _ in stored.log}
    missing = [revision for revision in range(position.floor + 1, position.head + 1) if revision not in there]
    if missing:
        yield Finding("log", f"{spans(missing)} missing")
    above = sorted(revision for revision in there if revision > position.head)
    if above:
        yield Finding("log", f"{spans(above)} above the head")
    kept_nowhere = [revision for revision in range(1, position.floor + 1) if revision not in commits]
    if kept_nowhere:
        yield Finding(
            "archive",
            f"{spans(kept_nowhere)} can be read no more; the document contains what they did",
            is_settled=True,
        )


def _of_place(stored: Stored, reached: Reached, snapshots: Mapping[int, Snapshot]) -> Iterator[Finding]:
    position = stored.sound_position
    if position is None:
        return
    if reached.revision < position.head:
        yield Finding("document", f"it can be put together only up to revision {reached.revision}")
    elif reached.revision > position.head:
        yield Finding("position", f"the head is {position.head}, and revision {reached.revision} is kept")
    elif reached.mac != position.mac:
        yield Finding("position", "the mac is not that of the head")
    newest = snapshots.get(max(stored.snapshots, default=0))
    if newest is None and stored.snapshots:
        yield Finding("snapshots", "the newest one is not sound")


def _log_end(stored: Stored) -> int:
    if isinstance(stored.log, DamagedError) or not stored.log:
        return 0
    return int(stored.log[-1][0].partition("-")[0])


def unchecked_message(diagnosis: Diagnosis) -> str:
    """Return what could not be checked, in a sentence; empty: nothing."""
    unchecked = diagnosis.unchecked
    if not unchecked:
        return ""
    key_ids = sorted(set(unchecked.values()))
    named = ", ".join(key_ids[:_NAMED_KEYS]) + (", …" if len(key_ids) > _NAMED_KEYS else "")
    return (
        f"{len(unchecked)} revisions could not be checked ({spans(sorted(unchecked))}): they are said to be sealed "
        f"under {named}, and neither COEDIT_SECRET nor COEDIT_OLD_SECRETS has that; anybody may have written them"
    )


def spans(revisions: Iterable[int]) -> str:
    """Return revisions in words, such as ``revisions 3-7, 9``."""
    parts: list[list[int]] = []
    for revision in revisions:
        if parts and parts[-1][-1] == revision - 1:
            parts[-1][-1:] = [revision] if len(parts[-1]) > 1 else [parts[-1][0], revision]
        else:
            parts.append([revision])
    text = ", ".join("-".join(map(str, part)) for part in parts)
    is_one = len(parts) == 1 and len(parts[0]) == 1
    return f"revision {text}" if is_one else f"revisions {text}"
