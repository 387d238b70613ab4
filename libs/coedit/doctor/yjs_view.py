"""What a document is for Yjs clients, of all that is stored: whether it folds, and whether they have its text.

Where an earlier version let a client cut a character, OT and the server agree, and Yjs clients hold another text; or
the document folds no more. Its items are then made again: those that Yjs clients have, and what the text says beside.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from coedit.crdt.document import YjsDocument, yjs_client_id
from coedit.crdt.items import YjsItems
from coedit.errors import CoeditError
from coedit.identifiers import DocumentId, Revision
from coedit.ot.bridge import Bridge
from coedit.ot.commit import Commit
from coedit.ot.delta import Delta
from coedit.protocol.log_entry import ChainKey
from coedit.protocol.yjs.cut_history import as_yjs_has_them
from coedit.protocol.yjs.update import decode_state_vector, decode_update
from coedit.store.objects.folding import Fold
from coedit.store.objects.snapshots import Snapshot

_NO_STATE = b"\x00"


@dataclass(frozen=True, slots=True)
class Reached:
    """The document as far as it can be put together."""

    revision: Revision
    mac: str
    epoch: int
    content: Delta
    base: Snapshot | None
    """The snapshot that it was put together from; None: from nothing, by the history alone."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What of a document is sound by itself, and where it leads."""

    document_id: DocumentId
    snapshots: Mapping[int, Snapshot]
    """By number."""
    commits: Mapping[int, tuple[Commit, bytes]]
    """By revision, each with its entry."""
    reached: Reached

    @property
    def bridge(self) -> Bridge | None:
        """As what Yjs clients open the document."""
        base = self.reached.base
        bridge = base.bridge if base else None
        for revision in range((base.revision if base else 0) + 1, self.reached.revision + 1):
            commit, _ = self.commits[revision]
            if commit.bridge:
                bridge = Bridge.declared(commit.revision, commit.bridge)
        return bridge


def wrong_for_yjs(sound: Sound, chain_key: ChainKey) -> Iterator[str]:
    """Yield what is wrong with the items of a document of which each part is sound by itself."""
    reached = sound.reached
    try:
        fold = Fold.begin(sound.document_id, reached.base)
        for revision in range(fold.revision + 1, reached.revision + 1):
            fold.add(sound.commits[revision][1], chain_key)
        fold.finish(reached.epoch)
    except CoeditError as error:
        yield f"it does not fold: {error}"
    try:
        view = _held_by_clients(sound)
    except CoeditError as error:
        yield f"what is stored is no Yjs document: {error}"
        return
    if view is not None and view.is_text and view.content != reached.content:
        yield "Yjs clients hold another text than OT clients: one of them has cut a character"


def remade(sound: Sound, number: int) -> Fold:
    """Return the document with items that fold to its text, which Yjs clients get to from those that they hold.

    Raises:
        CoeditError: no items can be made of what is stored.
    """
    reached = sound.reached
    yjs = _held_by_clients(sound) or YjsDocument(sound.document_id, client_id=_client_id(sound))
    if yjs.is_text and yjs.content != reached.content:
        yjs.fold(Delta(reached.content.ops).delete(yjs.content.document_length))
    sequences = dict(reached.base.last_sequences) if reached.base else {}
    for revision in range((reached.base.revision if reached.base else 0) + 1, reached.revision + 1):
        commit, _ = sound.commits[revision]
        sequences.pop(commit.client_id, None)
        sequences[commit.client_id] = commit.client_sequence
    return Fold(sound.document_id, yjs, number, reached.revision, reached.mac, sequences, sound.bridge)


def _client_id(sound: Sound) -> int:
    return yjs_client_id(sound.document_id, "remade", sound.reached.epoch, sound.reached.revision)


def _held_by_clients(sound: Sound) -> YjsDocument | None:
    """Return what Yjs clients hold who got every update as it was committed; None if there can be none."""
    bridge = sound.bridge
    if bridge is None:
        return None
    items = YjsItems()
    for update in as_yjs_has_them(_updates(sound, bridge)):
        items.apply(update)
    return YjsDocument(
        sound.document_id, items.since(_NO_STATE), root=bridge.text_root, client_id=_client_id(sound)
    )


def _updates(sound: Sound, bridge: Bridge) -> list[bytes]:
    """Return the updates that clients got, from as far back as they are known.

    A snapshot with items that came in no commit was made to put the document right: it begins anew.
    """
    start, updates = _begin(sound, bridge)
    by_revision = {snapshot.revision: snapshot for snapshot in sound.snapshots.values()}
    clients = {block.client for update in updates for block in decode_update(update).blocks}
    for revision in range(start + 1, sound.reached.revision + 1):
        update = sound.commits[revision][0].update
        if update:
            updates.append(update)
            clients.update(block.client for block in decode_update(update).blocks)
        snapshot = by_revision.get(Revision(revision))
        if snapshot is not None and not decode_state_vector(snapshot.state_vector).keys() <= clients:
            updates, clients = [snapshot.update], set(decode_state_vector(snapshot.state_vector))
    return updates


def _begin(sound: Sound, bridge: Bridge) -> tuple[int, list[bytes]]:
    head = sound.reached.revision
    lowest = next((revision for revision in range(head, 0, -1) if revision not in sound.commits), 0)
    if bridge.first == 1 and lowest == 0:
        return 0, []
    bases = (
        snapshot for snapshot in sound.snapshots.values() if snapshot.revision >= max(lowest, bridge.first)
    )
    first = min(bases, key=lambda snapshot: (snapshot.revision, -snapshot.number), default=None)
    return (first.revision, [first.update]) if first is not None else (head, [])
