"""A submission is committed once, or refused for good: whatever is lost, comes twice or late, and whoever restarts."""

import random
from collections import Counter, deque
from dataclasses import dataclass, field

import pytest

from coedit.errors import CoeditError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, Revision
from coedit.ot import Delta, Insert
from coedit.ot.apply import apply
from coedit.ot.commit import Commit, Submission
from coedit.ot.roles.authority import AlreadyCommitted, Authority
from coedit.ot.transform import transform

_RUNS = 150
_MOST_RUNS = 10 * _RUNS
_STEPS = 600
_MOST_UNITS = 12
"""So few that clients are refused all the time, and the same edit would fit a moment later."""
_REMEMBERED = 2
"""How many clients' last sequences outlive a restart."""


@dataclass
class Server:
    """One document's owner, its stream of submissions, and what is stored: the commits and who was rejected."""

    commits: list[Commit] = field(default_factory=list)
    ended: list[ClientId] = field(default_factory=list)
    refused: int = 0
    arrived: deque[Submission] = field(default_factory=deque)
    authority: Authority = field(
        default_factory=lambda: Authority(1, Revision(0), "", Delta(), max_units=_MOST_UNITS)
    )

    def restart(self) -> None:
        """Lose everything that is only in memory."""
        document, last = Delta(), dict[ClientId, ClientSequence]()
        for commit in self.commits:
            document = apply(document, commit.delta)
            last.pop(commit.client_id, None)
            last[commit.client_id] = commit.client_sequence
        head = Revision(len(self.commits))
        kept = dict(list(last.items())[-_REMEMBERED:])
        self.authority = Authority(1, head, str(head), document, kept, max_units=_MOST_UNITS)
        for client_id in self.ended:
            self.authority.end(client_id)

    def deal(self) -> tuple[Submission, str, int]:
        """Decide the next submission; return it, what became of it, and the revision."""
        submission = self.arrived.popleft()
        history = self.commits[submission.base_revision :]
        try:
            decision = self.authority.decide(submission, history)
        except CoeditError as error:
            self.refused += 1
            if self.authority.end(submission.client_id):
                self.ended.append(submission.client_id)
            return submission, error.code, 0
        if isinstance(decision, AlreadyCommitted):
            return submission, "", decision.revision
        commit = Commit(
            Revision(len(self.commits) + 1),
            decision.delta,
            submission.author,
            submission.client_id,
            submission.client_sequence,
            at=0,
            epoch=1,
            mac=str(len(self.commits) + 1),
        )
        self.commits.append(commit)
        self.authority.append(commit, decision.document)
        self.authority.forget_old()
        return submission, "", commit.revision


@dataclass
class Client:
    """Submits one edit at a time, and sends it again until it knows what became of it."""

    name: str
    server: Server
    lives: int = 0
    sequence: int = 0
    revision: int = 0
    in_flight: Delta | None = None
    wanted: str = ""
    """The character that is in flight; empty: a deletion, which no one misses."""
    acked: set[str] = field(default_factory=set)

    @property
    def client_id(self) -> ClientId:
        return ClientId(f"{self.name}.{self.lives}")

    def edit(self, delta: Delta, wanted: str) -> None:
        self.sequence += 1
        self.in_flight, self.wanted = delta, wanted

    def send(self) -> None:
        if self.in_flight is not None:
            submission = Submission(
                self.client_id,
                ClientSequence(self.sequence),
                AuthorId(self.name),
                1,
                Revision(self.revision),
                self.in_flight,
            )
            self.server.arrived.append(submission)

    def receive(self, count: int) -> None:
        """Take in commits, one's own as acks, as a gateway tells them in order."""
        for commit in self.server.commits[self.revision : self.revision + count]:
            if commit.client_id == self.client_id and commit.client_sequence == self.sequence:
                self.acked |= {self.wanted} - {""}
                self.in_flight = None
            elif self.in_flight is not None:
                _, self.in_flight = transform(commit.delta, self.in_flight)
            self.revision = commit.revision

    def rejected(self, submission: Submission) -> None:
        """Take in a definite refusal: open with renew, at the head, and submit the same text once more."""
        if (submission.client_id, submission.client_sequence) != (self.client_id, self.sequence):
            return
        if self.in_flight is None:
            return
        self.lives, self.sequence, self.revision = self.lives + 1, 0, len(self.server.commits)
        wanted, self.in_flight = self.wanted, None
        if wanted:
            self.edit(Delta().insert(wanted), wanted)


@pytest.mark.parametrize("part", range(4))
def test_edit_is_committed_once_or_refused_for_good(seed: int, part: int) -> None:
    commits = refused = 0
    # Refusals come in bursts, of few runs: there are more runs where that takes more.
    for run in range(_MOST_RUNS):
        if run >= _RUNS and refused > _RUNS / 10:
            break
        server = _run(random.Random(f"{seed} {part} {run}"))
        commits, refused = commits + len(server.commits), refused + server.refused
    print(f"{commits} commits, {refused} refusals")
    assert commits > 10 * _RUNS
    assert refused > _RUNS / 10


def _run(rng: random.Random) -> Server:
    server = Server()
    clients = [Client(name, server) for name in "abcd"]
    fresh = (chr(code) for code in range(0x4E00, 0x9FA0))
    for _ in range(_STEPS):
        client = rng.choice(clients)
        match rng.choice(["edit", "send", "send", "deal", "deal", "receive", "again", "late", "restart"]):
            case "edit" if client.in_flight is None:
                _edit(client, rng, fresh)
                client.send()
            case "send":
                client.send()
            case "deal" if server.arrived:
                _deal(server, clients, rng)
            case "receive":
                client.receive(rng.randint(1, 3))
            case "again" if server.arrived:  # the way in may double what it is given
                server.arrived.append(rng.choice(server.arrived))
            case "late" if server.arrived:
                server.arrived.rotate(rng.randint(0, 2))
            case "restart":
                server.restart()
    _finish(server, clients, rng)
    _check(server, clients)
    return server


def _edit(client: Client, rng: random.Random, fresh: "object") -> None:
    document = Delta()
    for commit in client.server.commits[: client.revision]:
        document = apply(document, commit.delta)
    length = document.document_length
    if length and rng.random() < 0.4:
        start = rng.randrange(length)
        client.edit(Delta().retain(start).delete(rng.randint(1, length - start)), "")
    else:
        wanted = next(fresh)  # type: ignore[call-overload]
        client.edit(Delta().retain(rng.randint(0, length)).insert(wanted), wanted)


def _deal(server: Server, clients: list[Client], rng: random.Random) -> None:
    submission, code, _ = server.deal()
    is_told = rng.random() < 0.6
    for client in clients:
        if code and is_told:
            client.rejected(submission)


def _finish(server: Server, clients: list[Client], rng: random.Random) -> None:
    """Let everything through, until nobody waits any more."""
    for _ in range(200):
        for client in clients:
            client.receive(len(server.commits))
            client.send()
        while server.arrived:
            submission, code, _ = server.deal()
            for client in clients:
                if code:
                    client.rejected(submission)
        for client in clients:
            client.receive(len(server.commits))
        if all(client.in_flight is None for client in clients):
            return
        if server.authority.document.document_length >= _MOST_UNITS - 4:
            janitor = Client(f"janitor{rng.random()}", server, revision=len(server.commits))
            janitor.edit(Delta().delete(server.authority.document.document_length), "")
            janitor.send()
    raise AssertionError("somebody is never told")


def _check(server: Server, clients: list[Client]) -> None:
    inserted = Counter(
        character
        for commit in server.commits
        for op in commit.delta.ops
        if isinstance(op, Insert)
        for character in op.content
    )
    assert not [character for character, count in inserted.items() if count > 1], "committed twice"
    acked = set[str]().union(*(client.acked for client in clients))
    assert acked <= inserted.keys(), "acked and not committed"
    for client in clients:
        sequences = [commit.client_sequence for commit in server.commits if commit.author == client.name]
        by_life: dict[ClientId, list[int]] = {}
        for commit in server.commits:
            by_life.setdefault(commit.client_id, []).append(commit.client_sequence)
        assert all(found == sorted(found) for found in by_life.values()), sequences
