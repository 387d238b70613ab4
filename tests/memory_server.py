"""The service's side of one document in memory: what a gateway and a transformer together answer."""

import json
from collections import deque

from coedit.identifiers import AuthorId, ClientId, ClientSequence, Revision
from coedit.ot.commit import Caret, Commit, Submission
from coedit.ot.delta import Delta
from coedit.ot.roles.authority import AlreadyCommitted, Authority
from coedit.protocol.client_session import Message
from coedit.protocol.log_entry import commit_fields


class MemoryServer:
    """An authority, its log, and who was told what."""

    def __init__(self) -> None:
        self.authority = Authority(1, Revision(0), "", Delta(), max_units=100_000)
        self.log: list[Commit] = []
        self._told: dict[ClientId, int] = {}
        self._downs: dict[ClientId, deque[Message]] = {}

    def receive(self, client_id: ClientId, message: Message, down: deque[Message]) -> None:
        """Answer a message as the gateway and the transformer together do."""
        if message["type"] == "open":
            self._open(client_id, message, down)
        else:
            self._submit(client_id, message, down)

    def forget(self, client_id: ClientId) -> None:
        """Take note that a connection is gone."""
        self._downs.pop(client_id, None)

    def _open(self, client_id: ClientId, message: Message, down: deque[Message]) -> None:
        answer: Message = {"type": "opened", "document": "d", "client_id": client_id}
        answer |= {"resume_token": "t", "access": "write", "head": self.authority.head}
        at = message.get("revision")
        if at is not None:
            assert message["mac"] == self._mac(at)
        revision = self.authority.head if at is None else at
        answer |= {"epoch": 1, "revision": revision, "mac": self._mac(revision), "snapshot_revision": 0}
        if at is None:
            down.append(answer | {"mode": "content", "content": self.authority.document.to_json()})
        else:
            down.append(answer | {"mode": "resumed"})
        self._downs[client_id] = down
        self._told[client_id] = revision
        self._tell_all()

    def _submit(self, client_id: ClientId, message: Message, down: deque[Message]) -> None:
        base = Revision(message["base_revision"])
        submission = Submission(
            client_id,
            ClientSequence(message["client_sequence"]),
            AuthorId("author"),
            message["epoch"],
            base,
            Delta.from_json(json.loads(json.dumps(message["delta"]))),
            Caret(**message["caret"]) if "caret" in message else None,
        )
        decision = self.authority.decide(submission, self.log[base:])
        if isinstance(decision, AlreadyCommitted):
            # What was not delivered yet comes in order; only what was is answered again.
            if decision.revision <= self._told[client_id]:
                down.append(self._ack(self.log[decision.revision - 1]) | {"repeat": True})
            return
        head = Revision(self.authority.head + 1)
        commit = Commit(
            head,
            decision.delta,
            submission.author,
            client_id,
            submission.client_sequence,
            at=head,
            epoch=1,
            mac=f"mac {head}",
            key_id="k",
            caret=decision.caret,
        )
        self.authority.append(commit, decision.document)
        self.log.append(commit)
        self._tell_all()

    def _mac(self, revision: int) -> str:
        return self.log[revision - 1].mac if revision else ""

    def _tell_all(self) -> None:
        for client_id, down in self._downs.items():
            for commit in self.log[self._told[client_id] :]:
                down.append(self._ack(commit) if commit.client_id == client_id else commit_message(commit))
            self._told[client_id] = self.authority.head

    def _ack(self, commit: Commit) -> Message:
        fields = {name: commit_fields(commit)[name] for name in ("revision", "epoch", "at", "mac", "key_id")}
        return {"type": "ack", "document": "d", "client_sequence": commit.client_sequence, **fields}


def commit_message(commit: Commit) -> Message:
    """Return what a client is told of somebody else's commit."""
    return {"type": "commit", "document": "d", "epoch": 1, "commits": [commit_fields(commit)]}
