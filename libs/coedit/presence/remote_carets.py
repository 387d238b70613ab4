"""Where the others' carets are, as one client sees them.

A caret is kept in the document as it is at the newest revision that the client has, and carried over the
client's own unacknowledged deltas only when it is shown. So an ack, a rebase or an undo of those never has to
mend a caret. At revision 8::

    presence of revision 9 ──▶ held ──── commit 9 ────┐
    presence of revision 8 ───────────── commit 9 ────┼─▶ kept at 9 ── in flight, buffer ──▶ shown
    presence of revision 7 ── commit 8 ─ commit 9 ────┘
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from coedit.identifiers import ClientId, Revision
from coedit.ot.commit import Caret, Commit
from coedit.ot.delta import Delta
from coedit.presence.roster import Presence

_KEPT_DELTAS = 256
"""How many commits a presence may be late by, and still be carried to the present."""


class RemoteCarets:
    """Who else is in one document, and where.

    ``own`` is the client itself, and left out; ``revision`` is the newest that it has.
    """

    def __init__(self, own: ClientId, revision: Revision) -> None:
        self._own = own
        self._revision = revision
        self._deltas: deque[Delta] = deque(
            maxlen=_KEPT_DELTAS
        )  # of the newest commits, the last one made `_revision`
        self._present: dict[
            ClientId, Presence
        ] = {}  # revision: what the caret was stated at; caret: at `_revision`
        self._held: dict[ClientId, Presence] = {}

    def shown(self, unacked: Iterable[Delta] = ()) -> list[Presence]:
        """Return everybody else, with carets in the document as one's own ``unacked`` deltas make it."""
        deltas = tuple(unacked)
        return [
            presence if presence.caret is None else replace(presence, caret=_over(presence.caret, deltas))
            for presence in self._present.values()
        ]

    def committed(self, commit: Commit) -> None:
        """Carry everything over the next commit, be it one's own; a caret in it is its author's."""
        self._revision = commit.revision
        self._deltas.append(commit.delta)
        for client, presence in self._present.items():
            if client == commit.client_id and commit.caret is not None:
                self._present[client] = replace(presence, revision=commit.revision, caret=commit.caret)
            elif presence.caret is not None:
                self._present[client] = replace(presence, caret=presence.caret.over(commit.delta))
        self._release()

    def changed(self, present: Iterable[Presence], left: Iterable[ClientId]) -> None:
        """Take a change of the roster: who came or moved, and who is gone."""
        for client in left:
            self._forget(client)
        for presence in present:
            if presence.client_id != self._own:
                self._take(presence)

    def replaced(self, present: Iterable[Presence]) -> None:
        """Take a full roster: whoever is not in it is gone."""
        everyone = list(present)
        staying = {presence.client_id for presence in everyone}
        self.changed(everyone, left=set(self._present) - staying)

    def reopened(self, revision: Revision) -> None:
        """Start afresh from a document that was loaded at ``revision``: no caret can be carried there."""
        self._revision = revision
        self._deltas.clear()
        self._present.clear()
        self._held.clear()

    def _take(self, presence: Presence) -> None:
        client = presence.client_id
        known = self._present.get(client)
        if presence.revision > self._revision:
            # Its caret means nothing here yet. The person is shown at once, where last seen.
            self._held[client] = presence
            self._present[client] = replace(
                presence, revision=_stated(known), caret=known.caret if known else None
            )
            return
        self._held.pop(client, None)
        if known is not None and known.revision > presence.revision:
            # A caret that rode in a later commit is newer than this one; the name and colour are not.
            self._present[client] = replace(presence, revision=known.revision, caret=known.caret)
        else:
            self._present[client] = replace(presence, caret=self._carried(presence))

    def _carried(self, presence: Presence) -> Caret | None:
        late_by = self._revision - presence.revision
        if presence.caret is None or late_by > len(self._deltas):
            return None
        return _over(presence.caret, list(self._deltas)[len(self._deltas) - late_by :])

    def _release(self) -> None:
        for client in [client for client, held in self._held.items() if held.revision <= self._revision]:
            self._take(self._held.pop(client))

    def _forget(self, client: ClientId) -> None:
        self._present.pop(client, None)
        self._held.pop(client, None)


def _over(caret: Caret, deltas: Iterable[Delta]) -> Caret:
    for delta in deltas:
        caret = caret.over(delta)
    return caret


def _stated(known: Presence | None) -> Revision:
    return known.revision if known else Revision(0)
