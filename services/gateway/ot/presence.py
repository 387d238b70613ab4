"""What clients say of themselves: their names, their colours, and where their carets are."""

from coedit.errors import TooLargeError
from coedit.identifiers import AuthorId, DocumentId, Revision
from coedit.presence.roster import Presence as PresenceOf
from coedit.protocol.messages import Presence
from services.gateway.metrics import IGNORED
from services.gateway.ot.connection import Connection
from services.gateway.redis.presences import Presences


class Saying:
    """Passes on what the clients of one gateway say, within ``most_bytes`` of names."""

    def __init__(self, presences: Presences, most_bytes: int) -> None:
        self._presences = presences
        self._most_bytes = most_bytes

    def say(self, connection: Connection, message: Presence) -> None:
        """Pass on where a client is; how it is shown is as its token has it, or else as it said last."""
        document_id = DocumentId(message.document)
        subscription = connection.subscriptions.get(document_id)
        if subscription is None or not subscription.is_seen:
            IGNORED.labels("not-seen").inc()
            return
        identity = connection.identity
        assert identity is not None  # noqa: S101 - set by the welcome
        known = self._presences.known(subscription.client_id, document_id)
        # What the token says, its client cannot say otherwise.
        name = identity.name or (message.name if message.name is not None else known.name if known else "")
        colour = identity.colour or (
            message.colour if message.colour is not None else known.colour if known else ""
        )
        if len(name.encode()) + len(identity.author.encode()) > self._most_bytes:
            connection.send_error(TooLargeError("the name is too long"), document_id)
            return
        presence = PresenceOf(
            subscription.client_id,
            AuthorId(identity.author),
            name,
            colour,
            Revision(message.revision),
            message.caret,
            avatar=identity.avatar,
        )
        if presence != known:
            subscription.said()
        self._presences.say(document_id, presence)
