"""From one snapshot to the next: commits folded into Yjs, one by one, each checked."""

from collections.abc import Sequence
from dataclasses import dataclass

from coedit.crdt.audit import audited_update
from coedit.crdt.document import YjsDocument
from coedit.errors import DamagedError, InvalidDeltaError
from coedit.identifiers import ClientId, ClientSequence, DocumentId, Revision
from coedit.protocol.history import follow
from coedit.protocol.log_entry import ChainKey
from coedit.store.snapshots import Snapshot

_LAST_SEQUENCES = 1000
"""How many clients' last sequences a snapshot keeps: those that committed last."""


@dataclass(slots=True)
class Fold:
    """A document on its way from one snapshot to the next."""

    document_id: DocumentId
    yjs: YjsDocument
    number: int
    revision: Revision
    mac: str
    last_sequences: dict[ClientId, ClientSequence]

    @classmethod
    def begin(cls, document_id: DocumentId, snapshot: Snapshot | None) -> "Fold":
        """Return the fold that goes on from a snapshot, or from the empty document.

        Raises:
            DamagedError: the snapshot's Yjs update is another document than its rendered one.
        """
        if snapshot is None:
            return cls(document_id, YjsDocument(document_id), 0, Revision(0), "", {})
        yjs = YjsDocument(document_id, snapshot.update)
        if yjs.content != snapshot.document:
            raise DamagedError(f"snapshot {snapshot.number} holds two documents", "object")
        return cls(
            document_id, yjs, snapshot.number, snapshot.revision, snapshot.mac, dict(snapshot.last_sequences)
        )

    def add(self, entry: bytes, chain_key: ChainKey) -> None:
        """Fold in the next entry of the log.

        Raises:
            DamagedError: it is not a commit, does not continue the history, or does not fit the document.
        """
        (commit,) = follow(self.document_id, (entry,), self.revision, self.mac, chain_key)
        try:
            self.yjs.fold(commit.delta)
        except InvalidDeltaError as error:
            message = f"revision {commit.revision} does not fit: {error}"
            raise DamagedError(message, "fold", commit.revision) from error
        self.revision, self.mac = commit.revision, commit.mac
        # Put last, so that the first in the map are those who have been silent longest.
        self.last_sequences.pop(commit.client_id, None)
        self.last_sequences[commit.client_id] = commit.client_sequence

    def add_all(self, entries: Sequence[bytes], chain_key: ChainKey) -> None:
        """Fold in the next entries of the log; raises as `add` does."""
        for entry in entries:
            self.add(entry, chain_key)

    def finish(self, epoch: int) -> Snapshot:
        """Return the next snapshot, checked.

        Raises:
            DamagedError: OT and Yjs disagree, or the Yjs update does not load as this document.
        """
        update = audited_update(self.document_id, self.yjs)
        return Snapshot(
            document_id=self.document_id,
            number=self.number + 1,
            revision=self.revision,
            epoch=epoch,
            mac=self.mac,
            state_vector=self.yjs.state_vector(),
            update=update,
            document=self.yjs.content,
            last_sequences=dict(list(self.last_sequences.items())[-_LAST_SEQUENCES:]),
        )
