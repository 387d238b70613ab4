"""A document as it was read: where it stands, and the commits that led there."""

from dataclasses import dataclass

from coedit.identifiers import ClientId, ClientSequence, Revision
from coedit.ot.bridge import Bridge
from coedit.ot.commit import Commit
from coedit.ot.delta import Delta
from coedit.store.documents.log import Position
from coedit.store.objects.rendered import Rendered
from coedit.store.objects.snapshots import Snapshot

FIRST_EPOCH = 1


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """A document at ``revision``, and the commits that were read on the way there."""

    epoch: int
    revision: Revision
    mac: str
    rendered: Rendered
    recent: tuple[Commit, ...] = ()
    recent_before: str = ""
    """The mac below the first of these."""
    entries: tuple[bytes, ...] = ()
    """The same commits as the log has them."""
    last_sequences: tuple[tuple[ClientId, ClientSequence], ...] = ()
    floor: Revision = Revision(0)
    snapshot: Revision = Revision(0)
    number: int = 0
    stored: Position | None = None
    """Where Redis has the document; None: a new or an evicted document is not there."""
    bridge: Bridge | None = None
    """As what Yjs clients open the document, if they do."""
    update: bytes = b""
    """Of a bridged document: the Yjs update that the commits above ``snapshot_read`` continue."""
    snapshot_read: Revision = Revision(0)
    """The revision of the snapshot that ``update`` is from."""

    @property
    def document(self) -> Delta:
        """The document.

        Raises:
            DamagedError: the snapshot that it is from holds none.
        """
        return self.rendered.delta

    @property
    def is_text(self) -> bool:
        """Whether OT clients can open it."""
        return self.bridge is None or self.bridge.is_text

    @property
    def has_its_items(self) -> bool:
        """Whether ``update`` and those of ``recent`` are all of the document, as Yjs clients open it.

        Between the declaration of a bridge and the snapshot that it begins with they are not.
        """
        if self.bridge is None:
            return False
        return self.bridge.first == 1 or self.snapshot_read >= self.bridge.first


EMPTY = LoadedDocument(FIRST_EPOCH, Revision(0), "", Rendered())


def from_snapshot(snapshot: Snapshot) -> LoadedDocument:
    """Return the document as a snapshot has it."""
    return LoadedDocument(
        snapshot.epoch,
        snapshot.revision,
        snapshot.mac,
        snapshot.rendered,
        last_sequences=tuple(snapshot.last_sequences.items()),
        floor=snapshot.revision,
        snapshot=snapshot.revision,
        number=snapshot.number,
        bridge=snapshot.bridge,
        update=snapshot.update if snapshot.bridge else b"",
        snapshot_read=snapshot.revision,
    )
