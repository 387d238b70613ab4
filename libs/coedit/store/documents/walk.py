"""From a document to where commits lead it, one by one."""

from collections.abc import Sequence
from dataclasses import replace

from coedit.errors import DamagedError, InvalidDeltaError
from coedit.identifiers import DocumentId, Revision
from coedit.ot.apply import apply
from coedit.ot.bridge import Bridge
from coedit.ot.commit import Commit
from coedit.ot.delta import Delta
from coedit.protocol.history import follow, unchecked
from coedit.protocol.log_entry import ChainKey
from coedit.store.documents.loaded import LoadedDocument
from coedit.store.documents.log import Position
from coedit.store.objects.rendered import Rendered


class Walk:
    """A document that commits are applied to, one by one, as far as they are good."""

    def __init__(self, document_id: DocumentId, start: LoadedDocument, chain_key: ChainKey | None) -> None:
        self.document_id = document_id
        self._start = start
        self._chain_key = chain_key
        self._document: Delta | None = None
        """That of ``start`` until a commit is applied: it need not be unpacked for nothing."""
        self._sequences = dict(start.last_sequences)
        self._commits: list[Commit] = []
        self._entries: list[bytes] = []
        self._bridge = start.bridge
        self.revision = start.revision
        self.mac = start.mac

    def take(self, entries: Sequence[bytes]) -> None:
        """Apply the entries that come next.

        Raises:
            DamagedError: one cannot be; those before it are applied.
        """
        followed = follow(self.document_id, entries, self.revision, self.mac, self._chain_key)
        for entry, commit in zip(entries, followed, strict=True):
            try:
                self._document = apply(self._now(), commit.delta)
            except InvalidDeltaError as error:
                message = f"revision {commit.revision} does not fit: {error}"
                raise DamagedError(message, "fold", commit.revision) from error
            if commit.bridge:
                self._bridge = Bridge.declared(commit.revision, commit.bridge)
            self.revision, self.mac = commit.revision, commit.mac
            self._sequences[commit.client_id] = commit.client_sequence
            self._commits.append(commit)
            self._entries.append(entry)

    def _now(self) -> Delta:
        return self._start.document if self._document is None else self._document

    @property
    def unchecked(self) -> list[Revision]:
        """What was applied, and could not be checked."""
        return unchecked(self._commits, self._start.mac, self._chain_key)

    def reached(self, position: Position | None) -> LoadedDocument:
        """Return the document where it stands now; ``position`` is where Redis has it."""
        start, commits = self._start, self._commits
        epoch = commits[-1].epoch if commits else start.epoch
        reached = replace(
            start,
            epoch=epoch if position is None else position.epoch,
            revision=self.revision,
            mac=self.mac,
            rendered=start.rendered if self._document is None else Rendered(self._document),
            recent=tuple(commits),
            recent_before=start.mac,
            entries=tuple(self._entries),
            last_sequences=tuple(self._sequences.items()),
            bridge=self._bridge,
        )
        if position is None:
            return reached
        floor, snapshot, number = position.floor, position.snapshot, position.number
        return replace(reached, floor=floor, snapshot=snapshot, number=number, stored=position)
