"""From one snapshot to the next: commits folded into Yjs, one by one, each checked.

Items are made of a commit only here, in the one chain of snapshots, and only below the bridge: above it each commit has
its update, made by the transformer when it was committed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from coedit.crdt.audit import audited_update
from coedit.crdt.document import ROOT, YjsDocument, yjs_client_id
from coedit.errors import DamagedError, InvalidDeltaError
from coedit.identifiers import ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.bridge import Bridge
from coedit.ot.commit import Commit
from coedit.protocol.history import follow
from coedit.protocol.log_entry import ChainKey
from coedit.store.objects.rendered import Rendered
from coedit.store.objects.snapshots import Snapshot

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
    bridge: Bridge | None = None

    @classmethod
    def begin(cls, document_id: DocumentId, snapshot: Snapshot | None) -> "Fold":
        """Return the fold that goes on from a snapshot, or from the empty document.

        Raises:
            DamagedError: the snapshot's Yjs update is another document than its rendered one.
        """
        if snapshot is None:
            return cls(document_id, YjsDocument(document_id), 0, Revision(0), "", {})
        yjs = YjsDocument(document_id, snapshot.update, root=snapshot.text_root)
        if yjs.content != snapshot.document:
            raise DamagedError(f"snapshot {snapshot.number} holds two documents", "object")
        return cls(
            document_id,
            yjs,
            snapshot.number,
            snapshot.revision,
            snapshot.mac,
            dict(snapshot.last_sequences),
            snapshot.bridge,
        )

    def add(self, entry: bytes, chain_key: ChainKey) -> None:
        """Fold in the next entry of the log.

        Raises:
            DamagedError: it is not a commit, does not continue the history, or does not fit the document.
        """
        (commit,) = follow(self.document_id, (entry,), self.revision, self.mac, chain_key)
        try:
            self._take(commit)
        except InvalidDeltaError as error:
            message = f"revision {commit.revision} does not fit: {error}"
            raise DamagedError(message, "fold", commit.revision) from error
        self.revision, self.mac = commit.revision, commit.mac
        # Put last, so that the first in the map are those who have been silent longest.
        self.last_sequences.pop(commit.client_id, None)
        self.last_sequences[commit.client_id] = commit.client_sequence

    def _take(self, commit: Commit) -> None:
        if commit.bridge:
            self.bridge = Bridge.declared(commit.revision, commit.bridge)
            self.yjs = bridged(self.document_id, self.yjs, self.bridge)
        if commit.update:
            self.yjs.follow(commit.update, commit.delta)
        elif self.bridge is None or commit.bridge:
            self.yjs.fold(commit.delta)
        else:
            message = f"revision {commit.revision} of a bridged document has no Yjs update"
            raise DamagedError(message, "fold", commit.revision)

    def add_all(self, entries: Sequence[bytes], chain_key: ChainKey) -> None:
        """Fold in the next entries of the log; raises as `add` does."""
        for entry in entries:
            self.add(entry, chain_key)

    def finish(self, epoch: int) -> Snapshot:
        """Return the next snapshot, checked.

        Raises:
            DamagedError: OT and Yjs disagree, or the Yjs update does not load as this document.
        """
        update = audited_update(self.document_id, self.yjs, self.bridge.text_root if self.bridge else ROOT)
        return Snapshot(
            document_id=self.document_id,
            number=self.number + 1,
            revision=self.revision,
            epoch=epoch,
            mac=self.mac,
            state_vector=self.yjs.state_vector(),
            update=update,
            rendered=Rendered(self.yjs.content),
            last_sequences=dict(list(self.last_sequences.items())[-_LAST_SEQUENCES:]),
            bridge=self.bridge,
        )


def bridged(document_id: DocumentId, yjs: YjsDocument, bridge: Bridge) -> YjsDocument:
    """Return a document as Yjs clients get it from its declaration on: with the root that they asked for.

    Where that is another one than it was derived under, it is derived anew, under another id: nobody saw its items.
    """
    if bridge.text_root == ROOT:
        return yjs
    fresh = YjsDocument(
        document_id, root=bridge.text_root, client_id=yjs_client_id(document_id, "root", bridge.root)
    )
    if bridge.is_text:
        fresh.fold(yjs.content)
    return fresh
