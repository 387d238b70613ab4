"""What a client sends and what becomes of it."""

from dataclasses import dataclass, field
from typing import NamedTuple

from coedit.identifiers import AuthorId, ClientId, ClientSequence, Revision
from coedit.ot.delta import Delta
from coedit.ot.position import transform_position

Metadata = tuple[tuple[str, str], ...]
"""What a program says of an edit, such as which model made it: names and texts, by name."""


class Caret(NamedTuple):
    """A selection, in UTF-16 code units of the document it belongs to; a bare caret has both ends equal."""

    anchor: int
    head: int

    def over(self, delta: Delta) -> "Caret":
        """Return the caret carried over somebody else's ``delta``: it stays behind the character on its left."""
        return Caret(
            transform_position(self.anchor, delta, stays_before_insert=True),
            transform_position(self.head, delta, stays_before_insert=True),
        )

    def behind(self, delta: Delta) -> "Caret":
        """Return the caret carried over one's own ``delta``: it goes behind what one inserts there."""
        return Caret(
            transform_position(self.anchor, delta, stays_before_insert=False),
            transform_position(self.head, delta, stays_before_insert=False),
        )


@dataclass(frozen=True, slots=True)
class Submission:
    """A delta as its author made it, on ``base_revision``; (client_id, client_sequence) names it for ever."""

    client_id: ClientId
    client_sequence: ClientSequence
    author: AuthorId
    epoch: int
    base_revision: Revision
    delta: Delta
    caret: Caret | None = None
    traceparent: str = field(default="", compare=False)
    """What its trace goes on from; most edits have none."""
    is_exact: bool = False
    """Wanted on ``base_revision`` or not at all: it is carried over nothing."""
    metadata: Metadata = ()

    @property
    def weight(self) -> int:
        """About what it takes to keep and to handle."""
        return self.delta.weight


@dataclass(frozen=True, slots=True)
class Commit:
    """A delta with its place in the one order of its document."""

    revision: Revision
    delta: Delta
    author: AuthorId
    client_id: ClientId
    client_sequence: ClientSequence
    at: int
    """Milliseconds since 1970, by Redis's clock."""
    epoch: int
    mac: str = ""
    """Hex; names the history up to here."""
    key_id: str = ""
    """Which secret made the mac."""
    caret: Caret | None = None
    update: bytes = b""
    """What the commit is to Yjs clients, as a Yjs v1 update: of every commit of a bridged document."""
    yjs: str = ""
    """Hex; the digest of ``update``, which the mac covers. A commit that came from a client has this alone."""
    bridge: str = ""
    """What the commit declares (see `coedit.ot.bridge`); of most commits nothing."""
    metadata: Metadata = ()
    """Only of a commit whose client id names it, which the mac covers (see `coedit.protocol.metadata`)."""

    @property
    def lacks_update(self) -> bool:
        """Whether this is not all of the commit: it cannot be put back into a log."""
        return bool(self.yjs) and not self.update

    def sealed(self, mac: str, key_id: str) -> "Commit":
        """Return the commit with its place in the MAC chain."""
        return Commit(  # by hand: `replace` takes several times as long, and this is done for each commit
            self.revision,
            self.delta,
            self.author,
            self.client_id,
            self.client_sequence,
            self.at,
            self.epoch,
            mac,
            key_id,
            self.caret,
            self.update,
            self.yjs,
            self.bridge,
            self.metadata,
        )
