"""One Yjs client's view of one document: what it sent that has no answer yet, and what it says and asks."""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Protocol

from coedit.errors import CoeditError, LostItemsError
from coedit.identifiers import ClientId, DocumentId
from coedit.protocol.events import Rejected
from coedit.protocol.grants import Facets, Right, right_in
from coedit.protocol.server_session import CloseCode
from coedit.protocol.tokens import Identity
from coedit.protocol.yjs.gate import Needs
from coedit.protocol.yjs.sync import (
    AwarenessMessage,
    Message,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    write_step_1,
    write_step_2,
    write_update,
)
from coedit.protocol.yjs.update import decode_state_vector, decode_update
from coedit.protocol.yjs_submission import YjsSubmission
from coedit.runtime.tracing.active import UNTRACED, observe
from services.gateway.heavy.beside import beside
from services.gateway.metrics import ERRORS, YJS_IGNORED, YJS_RECEIPT_TO_ACK_SECONDS, YJS_RECEIVED
from services.gateway.traces import YJS_DOOR, EditTrace, now_ns, received
from services.gateway.yjs.frames import YjsFrame
from services.gateway.yjs.people import YjsPeople
from services.gateway.yjs.unanswered import Submitted, Unanswered

logger = logging.getLogger(__name__)

_LOOK_AGAIN_SECONDS = 0.5


class YjsOutlet(Protocol):
    """What a seat needs of its connection."""

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent any more."""

    def write(self, frame: YjsFrame) -> None:
        """Write a message; never waits."""

    async def until_drained(self) -> None:
        """Wait until the client has read what was written, or is dropped for not reading."""

    def confirm(self, *, is_taken: bool) -> None:
        """Say that an update is durable, or that it was not taken, to a client that wants to know."""

    def keep_alive(self) -> None:
        """Say something, if nothing was said for long: providers give up on silence."""

    def end(self, code: CloseCode, reason: str) -> None:
        """End the document for this client, and tell it why."""


class SharedItems(Protocol):
    """What a seat needs of its document: what is there, and the way in."""

    people: YjsPeople
    document_id: DocumentId
    epoch: int

    @property
    def state_vector(self) -> bytes:
        """How far the items of each client are here."""

    @property
    def known(self) -> dict[int, int]:
        """The same, decoded."""

    def since(self, known: dict[int, int]) -> bytes:
        """Return what somebody who knows so much lacks."""

    async def deleted_of(self, known: dict[int, int]) -> bytes | None:
        """Return what was deleted of what somebody knows who lacks items; None: nothing, or nothing is lacking."""

    async def has_all_of_ours(self, known: dict[int, int]) -> bool:
        """Return whether all items that the server made, of those that somebody knows, are in the document.

        Raises:
            RedisError, OSError, CoeditError: that cannot be told yet.
        """

    def submit(self, submission: YjsSubmission, trace: EditTrace | None = None) -> None:
        """Forward what a Yjs client did.

        Raises:
            CoeditError: not now; it is sent again.
        """


class YjsSeat:
    """A client with a document open. ``root`` is the shared text that it edits, if the document is one."""

    def __init__(
        self,
        outlet: YjsOutlet,
        document: SharedItems,
        client_id: ClientId,
        identity: Identity,
        granted: Facets,
        root: str,
    ) -> None:
        self.outlet = outlet
        self.document = document
        self.client_id = client_id
        self.identity = identity
        self.root = root
        self.is_draining = False
        """What comes now is not taken: the client sends it again, to another gateway."""
        self._unanswered = Unanswered()
        self.grant(granted)
        self._answered = asyncio.Event()
        self._received_ns = 0
        """When what is heard came, since 1970; 0: nothing is traced."""

    def grant(self, granted: Facets) -> None:
        """Take note what the client may do from now on; what it sent before, and was not submitted, is not taken then.

        Raises:
            ForbiddenError: nothing.
        """
        self.is_seen = "presence" in granted
        try:
            self.right: Right = "read"
            self.right = right_in(granted)
        finally:
            if not self.may_write():
                self._let_go_held()

    def _let_go_held(self) -> None:
        for sent in self._unanswered.held():
            self._unanswered.take(sent.sequence)
            if sent.is_counted:
                self.outlet.confirm(is_taken=False)

    def may_write(self) -> bool:
        """Whether what the client sends is taken."""
        return self.right == "write"

    @property
    def is_answered(self) -> bool:
        """Whether nothing that can be answered waits for it."""
        return self._unanswered.is_empty

    @property
    def newest_sent(self) -> int:
        """The number of the submission that was made last of what it sent."""
        return self._unanswered.newest

    def is_answered_to(self, sequence: int) -> bool:
        """Whether its submissions up to ``sequence`` are dealt with, as far as they can be."""
        return self._unanswered.has_answers_to(sequence)

    async def hear(self, message: Message, *, is_counted: bool = True) -> None:
        """Take in what the client says; one that is not ``is_counted`` is not confirmed to it.

        Raises:
            CoeditError: it may not say this; `refuse` tells it so.
        """
        self._received_ns = now_ns()
        YJS_RECEIVED.labels(type(message).__name__).inc()
        match message:
            case SyncStep1(state_vector):
                await self._answer_step_1(state_vector)
            case SyncStep2(update) | SyncUpdate(update):
                await self._take(update, is_counted=is_counted)
            case AwarenessMessage(update) if self.is_seen:
                self.document.people.hear(self, update)
            case AwarenessMessage():
                YJS_IGNORED.labels("not-seen").inc()
            case QueryAwareness():
                self.greet()

    def ask(self) -> None:
        """Ask the client for what is not here."""
        self.outlet.write(YjsFrame(write_step_1(self.document.state_vector)))

    def greet(self) -> None:
        """Tell the client who is here."""
        everybody = self.document.people.everybody()
        if everybody is not None:
            self.outlet.write(everybody)

    def answer(self, sequence: int) -> None:
        """A submission is dealt with, and what it did is durable."""
        sent = self._unanswered.take(sequence)
        if sent is None:
            return
        trace = "" if sent.trace is None else sent.trace.trace_id
        observe(YJS_RECEIPT_TO_ACK_SECONDS, time.monotonic() - sent.came_at, trace)
        self._answered.set()
        with UNTRACED if sent.trace is None else sent.trace.answering():
            if sent.is_counted:
                self.outlet.confirm(is_taken=True)

    def hold(self, sequence: int) -> None:
        """A submission needs others before it: ask for them."""
        if not self._unanswered.hold(sequence):
            return
        self._answered.set()
        if self._unanswered.holds_too_much:
            self.outlet.end(CloseCode.SYNC_AGAIN, "too many updates rest on what was never sent")
        else:
            self.ask()

    def reject(self, event: Rejected) -> None:
        """A submission was refused."""
        if not self._unanswered.knows(event.client_sequence):
            return
        if event.retryable and not self._unanswered.is_full_of(event.client_sequence):
            return  # what may succeed later is sent again; unless what it waits for is not even read meanwhile
        ERRORS.labels(event.code).inc()
        trace = self._unanswered.trace_of(event.client_sequence)
        with UNTRACED if trace is None else trace.answering(event.code):
            facts = {"event": "refuse", "code": event.code, "client_id": self.client_id}
            logger.info("a Yjs update was refused", extra=facts | {"error": event.message[:200]})
            if event.definite:
                self.outlet.confirm(is_taken=False)
        self.outlet.end(CloseCode.REFUSED if event.definite else CloseCode.SYNC_AGAIN, event.code)

    def send_again(self, now: float) -> None:
        """Submit once more what has had no answer for long."""
        if not self.may_write():
            return  # of what was submitted once it is known what becomes, as soon as the owner says so
        for sent in self._unanswered.due(now):
            self._unanswered.send_again(sent, now)
            self._submit(sent)

    @property
    def holds(self) -> bool:
        """Whether something of this client waits for what has not come."""
        return self._unanswered.holds

    def try_held(self) -> None:
        """Submit what was held back, and need not be any more."""
        for sent in self._unanswered.held():
            if sent.needs.are_met(self.document.known):
                self._unanswered.send_again(sent, time.monotonic())
                self._submit(sent)

    async def _answer_step_1(self, state_vector: bytes) -> None:
        known = await beside(decode_state_vector, state_vector)
        if not await self.document.has_all_of_ours(known):
            raise LostItemsError("the client has items of the server's that were lost: it loads afresh")
        await self.outlet.until_drained()  # whoever asks again and again has to read the answers
        lacking = self.document.since(known)  # what comes meanwhile is told as it comes
        if (deleted := await self.document.deleted_of(known)) is not None:
            self.outlet.write(YjsFrame(write_update(deleted)))
        self.outlet.write(YjsFrame(write_step_2(lacking)))

    async def _take(self, update: bytes, *, is_counted: bool) -> None:
        if not self.may_write():
            YJS_IGNORED.labels("read-only").inc()
            if is_counted:
                self.outlet.confirm(is_taken=False)
            return
        received_ns = self._received_ns
        needs = await beside(_read_needs, update)
        if self.is_draining:
            return
        if not self.may_write():  # since it was read
            await self._take(update, is_counted=is_counted)
            return
        if needs is None:
            if is_counted:
                self.outlet.confirm(is_taken=True)
            return
        sent = self._unanswered.add(update, needs, time.monotonic(), is_counted=is_counted)
        if received_ns:
            sent.trace = received(self.document.document_id, sent.sequence, YJS_DOOR, received_ns)
        with UNTRACED if sent.trace is None else sent.trace.receiving():
            self._submit(sent)
        await self._until_less_waits()

    def _submit(self, sent: Submitted) -> None:
        submission = YjsSubmission(
            self.client_id,
            sent.sequence,
            self.identity.author,
            self.document.epoch,
            self.root,
            sent.update,
        )
        try:
            self.document.submit(submission, sent.trace)
        except CoeditError as error:
            ERRORS.labels(error.code).inc()  # it is sent again in a while

    async def _until_less_waits(self) -> None:
        while not self.outlet.is_closed and self._unanswered.is_full:
            self._answered.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_SECONDS):
                    await self._answered.wait()


def _read_needs(update: bytes) -> Needs | None:
    """Return what an update rests on; None: it says nothing."""
    decoded = decode_update(update)
    return None if decoded.is_empty else Needs(decoded)
