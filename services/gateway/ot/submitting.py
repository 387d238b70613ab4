"""What clients submit: refused here for what can be told here, else forwarded to the document's owner."""

import asyncio
from collections.abc import Mapping
from time import perf_counter

from coedit.errors import (
    CoeditError,
    ForbiddenError,
    FutureRevisionError,
    QuarantinedError,
    SequenceError,
    UnavailableError,
    UnexpectedMessageError,
)
from coedit.identifiers import ClientSequence, DocumentId, Revision
from coedit.ot.commit import Submission
from coedit.protocol.messages import Submit
from coedit.runtime.tracing.active import UNTRACED
from services.gateway.documents.open_document import OpenDocument
from services.gateway.documents.subscription import Subscription
from services.gateway.ot.connection import Connection
from services.gateway.redis.submit import Submitter
from services.gateway.traces import OT_DOOR, EditTrace, received

_LOOK_AGAIN_SECONDS = 0.005


class Submitting:
    """The way in for the clients of one gateway; ``documents`` are those that subscriptions are to."""

    def __init__(self, submitter: Submitter, documents: Mapping[Subscription, OpenDocument]) -> None:
        self._submitter = submitter
        self._documents = documents
        self._telling: set[asyncio.Task[None]] = set()
        self._is_draining = False

    async def drain(self) -> None:
        """Take no more submissions; return when those that were taken are answered.

        What comes now gets no answer here: its client sends it again, to another gateway.
        """
        self._is_draining = True
        await self._submitter.drain()
        while any(subscription.in_flight is not None for subscription in self._documents):
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    def submit(self, connection: Connection, message: Submit) -> None:
        """Forward a submission, or tell its client why not."""
        if self._is_draining:
            return
        if not connection.received_ns:
            self._forward(connection, message, None)
            return
        trace = received(
            DocumentId(message.document),
            message.client_sequence,
            OT_DOOR,
            connection.received_ns,
            message.traceparent,
        )
        if trace is None:
            self._forward(connection, message, None)
            return
        with trace.receiving():
            self._forward(connection, message, trace)

    def _forward(self, connection: Connection, message: Submit, trace: EditTrace | None) -> None:
        document_id = DocumentId(message.document)
        sequence = message.client_sequence
        subscription = connection.subscriptions.get(document_id)
        if subscription is None or subscription not in self._documents:
            # It was revoked while the message was read.
            connection.send_error(UnexpectedMessageError("the document is not open"), document_id, sequence)
            return
        document = self._documents[subscription]

        def on_error(error: CoeditError) -> None:
            subscription.answered(sequence)
            with UNTRACED if trace is None else trace.answering(error.code):
                connection.send_error(error, document_id, sequence)

        try:
            _check(subscription, message)
            if message.epoch != document.feed.epoch:
                # Opened just before that began: it would never hear of it.
                error = UnavailableError("the document is in another epoch: open it again")
                connection.drop(subscription, error)
                return
            if document.is_behind:
                raise UnavailableError("the document is being restored; send again in a while")
            submission = _submission(connection, subscription, message)
            self._submitter.submit(document_id, submission, on_error, trace)
            subscription.trace = trace
            # What was acked before it came again, as where the two crossed on the way, is not waited for.
            if sequence <= subscription.acked:
                subscription.in_flight = None
            elif sequence != subscription.in_flight:
                subscription.in_flight, subscription.submitted_at = sequence, perf_counter()
            self._announce(document, subscription)
        except CoeditError as error:
            on_error(error)

    def _announce(self, document: OpenDocument, subscription: Subscription) -> None:
        """At the first submission of a client that came back, tell of it.

        Not before: a connection that is dead may still be opened, by a gateway that was asleep, and submits nothing.
        """
        if subscription.opened_us and not subscription.is_announced:
            subscription.is_announced = True
            telling = document.stored.announce(subscription.client_id, subscription.opened_us)
            task = asyncio.get_running_loop().create_task(telling)
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)


def _check(subscription: Subscription, message: Submit) -> None:
    if subscription.is_damaged:
        raise QuarantinedError("the document is damaged, and takes no writes until it is repaired")
    if message.base_revision > subscription.revision:
        raise FutureRevisionError(f"revision {message.base_revision} was not told to this client")
    if subscription.access != "write":
        raise ForbiddenError("the token grants reading only", "write")
    if subscription.rejected:
        raise SequenceError("a submission of this client was rejected: open the document with renew")
    if subscription.in_flight not in (None, message.client_sequence):
        # Each would be rebased over all those before it, which takes the square of their number.
        raise UnexpectedMessageError(f"submission {subscription.in_flight} is not answered yet")


def _submission(connection: Connection, subscription: Subscription, message: Submit) -> Submission:
    assert connection.identity is not None  # noqa: S101 - set by the welcome
    return Submission(
        subscription.client_id,
        ClientSequence(message.client_sequence),
        connection.identity.author,
        message.epoch,
        Revision(message.base_revision),
        message.delta,
        message.caret,
    )
