"""An edit that this gateway makes itself, for somebody who has no session: it is a client like any other.

It opens the document at the base revision, submits under a client id of its own, waits for its ack, and leaves. The
client id follows from who asks for what on which base revision, so whoever asks for the same again, because the answer
got lost, gets the revision that was made the first time (see ``docs/adr/0009-the-past-is-never-rewritten.md``).
"""

import asyncio
import base64
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from coedit.errors import CoeditError, PreconditionError, UnavailableError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.commit import Metadata, Submission
from coedit.ot.delta import Delta
from coedit.protocol.codec import Codec
from coedit.protocol.messages import error_message
from coedit.protocol.metadata import naming
from services.gateway.documents.hub import Hub
from services.gateway.documents.mending import BehindClientError
from services.gateway.documents.open_document import OpenDocument
from services.gateway.documents.subscription import Subscription
from services.gateway.redis.submit import Submitter
from services.gateway.traces import EditTrace, of_request

ANSWER_SECONDS = 5.0
"""A submission unanswered for this long is sent again."""
_PATIENCE_SECONDS = 20.0
_SEQUENCE = ClientSequence(1)


@dataclass(frozen=True, slots=True)
class Base:
    """What an edit is made on."""

    document_id: DocumentId
    epoch: int
    revision: Revision
    mac: str


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms an edit is wanted, and what is said of it."""

    exact_epoch: int = 0
    """Not 0: on exactly the base, which is the head of this epoch, or not at all."""
    metadata: Metadata = ()


class OneEdits:
    """Makes edits of the gateway's own."""

    def __init__(self, hub: Hub, submitter: Submitter, secret: str, durability: str) -> None:
        self._hub = hub
        self._submitter = submitter
        self._key = blake2b(secret.encode(), digest_size=32, person=b"coedit-one-edit").digest()
        self._durability = durability

    def client_id(self, base: Base, author: AuthorId, what: Any) -> ClientId:
        """Return the client that asks for ``what`` (plain JSON); nobody who lacks the secret can be it."""
        said = orjson.dumps(
            [base.document_id, base.revision, base.mac, author, what], option=orjson.OPT_SORT_KEYS
        )
        digest = blake2b(said, digest_size=15, key=self._key).digest()
        return ClientId(base64.urlsafe_b64encode(digest).decode())

    async def make(
        self, base: Base, author: AuthorId, client_id: ClientId, delta: Delta, terms: Terms = Terms()
    ) -> dict[str, Any]:
        """Submit an edit; return the ``ack`` or ``error`` message that answers it.

        Raises:
            PreconditionError: it is wanted in an epoch that is not the document's.
            DivergedError: the base is not in the document's history.
            UnavailableError: there is no answer in time; it may have been made.
            OverloadedError: too much waits.
            RedisError, OSError, CoeditError: a store cannot be read now.
        """
        document = self._hub.get(base.document_id)
        outlet = _Waiting()
        client_id = naming(client_id, terms.metadata)
        subscription = Subscription(outlet, base.document_id, client_id, "write", self._durability)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                place = await document.check_held(base.epoch, base.revision, base.mac)
                subscription.trace = of_request(base.document_id, _SEQUENCE)
                document.join(subscription, base.revision)
                await _catch_up(document, subscription)
                if terms.exact_epoch not in (0, place.epoch):
                    raise PreconditionError(f"the document is in epoch {place.epoch}")
                submission = Submission(
                    client_id,
                    _SEQUENCE,
                    author,
                    place.epoch,
                    base.revision,
                    delta,
                    is_exact=terms.exact_epoch > 0,
                    metadata=terms.metadata,
                )
                return await self._answer(document, outlet, submission, subscription.trace)
        except TimeoutError as error:
            raise UnavailableError("no answer in time; ask again, on the same base revision") from error
        except BehindClientError as error:
            raise UnavailableError("the document is being restored; ask again in a while") from error
        finally:
            self._hub.release(document, subscription)

    async def _answer(
        self, document: OpenDocument, outlet: "_Waiting", submission: Submission, trace: EditTrace | None
    ) -> dict[str, Any]:
        while not outlet.answer.done():
            if document.is_behind:
                raise UnavailableError("the document is being restored; ask again in a while")
            self._submitter.submit(document.feed.document_id, submission, outlet.fail, trace)
            await asyncio.wait({outlet.answer}, timeout=ANSWER_SECONDS)
        return outlet.answer.result()


async def _catch_up(document: OpenDocument, subscription: Subscription) -> None:
    """Go on to the head; an edit that was made before is met on the way."""
    while page := await document.page_after(subscription.revision):
        subscription.deliver_own(page)
    # Nothing was awaited since the feed said that there is no more.
    subscription.is_live = True


class _Waiting:
    """A subscription's outlet that only looks for the answer."""

    def __init__(self) -> None:
        self.codec = Codec.MSGPACK
        self.answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def write_frame(self, _: bytes) -> bool:
        return True

    def send(self, message: dict[str, Any]) -> None:
        if message["type"] in ("ack", "error") and not self.answer.done():
            self.answer.set_result(message)

    def fail(self, error: CoeditError) -> None:
        self.send(error_message(error))

    def takes_more(self) -> bool:
        return True

    def left_behind(self, subscription: Subscription) -> None:
        """It is caught up by who made it."""

    def refresh_roster(self, subscription: Subscription) -> None:
        """Nobody looks at one."""

    def replaced(self) -> None:
        """The same wish is carried out elsewhere too: one of the two makes the edit, and both are told."""

    def recall(self, message: dict[str, Any]) -> None:
        """It keeps nothing."""

    def drop(self, _: Subscription, error: CoeditError) -> None:
        self.fail(error)
