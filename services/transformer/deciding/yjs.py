"""Decides what Yjs clients submit, in its place among the submissions of OT clients."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from coedit.crdt.neighbours import OrderQuestion
from coedit.crdt.whole_characters import Step
from coedit.errors import CoeditError, DamagedError, NotTextError, TooCostlyError
from coedit.identifiers import ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.bridge import Bridge
from coedit.ot.commit import Commit, Submission
from coedit.ot.delta import Delta
from coedit.protocol.events import YjsHeld, YjsTaken
from coedit.protocol.log_entry import ChainKey, with_update
from coedit.protocol.yjs.update import Update, decode_update
from coedit.protocol.yjs_submission import YjsSubmission
from services.transformer.deciding.bridging import Bridging
from services.transformer.deciding.early_updates import Early, EarlyUpdates
from services.transformer.deciding.large_updates import LargeUpdates, is_large
from services.transformer.deciding.orders import Asked, Orders
from services.transformer.deciding.outcome import Outcome
from services.transformer.deciding.pace import HEAVY_WEIGHT, at_its_pace
from services.transformer.documents.working import WorkingDocument
from services.transformer.documents.yjs_side import ORDER_FACTOR, Held, SpoiledError, YjsSide
from services.transformer.metrics import CUT_CHARACTERS, YJS

DECLARER = ClientId("coedit-bridge")
"""By whom a declaration is committed: it is no client's edit."""
MENDER = ClientId("coedit-whole")
"""By whom characters that a Yjs client cut are put right, beside what that client did."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is the same for all documents."""

    chain_key: ChainKey
    bridging: Bridging
    large: LargeUpdates
    orders: Orders
    early: EarlyUpdates
    max_units: int


class YjsDecider:
    """Decides updates one by one; ``max_units`` bounds a document."""

    def __init__(
        self, chain_key: ChainKey, bridging: Bridging, large: LargeUpdates, orders: Orders, max_units: int
    ) -> None:
        self._parts = _Parts(chain_key, bridging, large, orders, EarlyUpdates(), max_units)

    def is_put_off(self, document_id: DocumentId, working: WorkingDocument, submission: Submission) -> bool:
        """Return whether an OT client's submission waits until the document is ready for Yjs clients.

        Raises:
            NotTextError: the document has no OT side.
            OverloadedError: too much waits.
        """
        if working.bridge is None:
            return False
        if not working.bridge.is_text:
            raise NotTextError
        if working.yjs is None:
            self._parts.bridging.hold(document_id, working.bridge, submission)
        return working.yjs is None

    async def decide(
        self,
        document_id: DocumentId,
        working: WorkingDocument,
        submission: YjsSubmission,
        at: int,
        outcome: Outcome,
    ) -> None:
        """Add to ``outcome`` what becomes of an update.

        Raises:
            SpoiledError: Yjs failed on it, or took too long, and the document is to be dropped.
        """
        try:
            became = await _InDocument(self._parts, document_id, working, outcome).decide(submission, at)
        except DamagedError:
            raise
        except CoeditError as error:
            outcome.reject(submission, error)
            became = error.code
        YJS.labels(became).inc()


@dataclass(frozen=True, slots=True)
class _InDocument:
    """Deciding in one document."""

    parts: _Parts
    document_id: DocumentId
    working: WorkingDocument
    outcome: Outcome

    async def decide(self, submission: YjsSubmission, at: int) -> str:
        """Return, for the metric, what became of an update."""
        working = self.working
        if working.bridge is None and working.authority.head > 0:
            self._declare(submission, at)
        if working.bridge is not None and working.yjs is None:
            self.parts.bridging.hold(self.document_id, working.bridge, submission)
            return "put-off"
        if not submission.update:
            return self._taken(submission)
        if self.parts.orders.is_asked(self.document_id, submission):
            return "put-off"
        told = self.parts.orders.answer(self.document_id, submission)
        if told is not None and working.yjs is not None:
            working.yjs.order_told(told.gaps, told.order)
        update = self._decoded(submission) if told is None else told.decoded
        if update is None:
            return "put-off"
        is_back = told is not None or is_large(submission)
        large = self.parts.large
        async with large.deciding(self.document_id, submission) if is_back else nullcontext():
            return await self._decide_with(self._early(), Held(submission, at), update, may_ask=told is None)

    def _decoded(self, submission: YjsSubmission) -> Update | None:
        """Return what a submission's update holds; None if it is being decoded, and comes again."""
        if not is_large(submission):
            return decode_update(submission.update)
        large = self.parts.large
        update = large.answer(self.document_id, submission)
        if update is None:
            large.ask(self.document_id, submission, submission.update, len(submission.update))
        return update

    def _early(self) -> list[Early]:
        """Return what waited for the document to begin and was not taken; let go of what was, once that is stored."""
        early, working = self.parts.early, self.working
        if working.took_early and working.authority.head == working.stored_head():
            early.drop(self.document_id)
        return [] if working.took_early else early.of(self.document_id)

    async def _decide_with(self, early: list[Early], arrived: Held, update: Update, *, may_ask: bool) -> str:
        """Decide an update, and what waited; here on the loop, since what waits is shared, and threads are given up.

        ``may_ask``: where it takes long to see that its items are in order, that is found out beside, first.
        """
        weight = arrived.submission.weight + sum(held.submission.weight for held, _ in early)
        if weight <= HEAVY_WEIGHT:
            weight += self._order_weight(arrived.submission, update)
        try:
            became = await at_its_pace(
                self.working, weight, self._decided, arrived, update, early, may_ask=may_ask
            )
        except TooCostlyError as error:
            self.parts.early.give_up(self.document_id)  # else the document could never begin
            raise SpoiledError(arrived.submission, error) from error
        except SpoiledError as error:
            if any(held.submission is error.submission for held, _ in early):
                self.parts.early.give_up(self.document_id)
            raise
        if became is None:
            self.parts.early.keep(self.document_id, arrived, update)
            return self._held(arrived.submission)
        if isinstance(became, OrderQuestion):
            size_bytes = len(became.items) + len(became.update)
            asked = Asked(became, update)
            self.parts.orders.ask(self.document_id, arrived.submission, asked, size_bytes)
            return "put-off"
        return became

    def _order_weight(self, submission: YjsSubmission, update: Update) -> int:
        side = self.working.yjs
        return ORDER_FACTOR * len(submission.update) if side is None else side.order_weight(update)

    def _decided(
        self, arrived: Held, update: Update, early: list[Early], *, may_ask: bool
    ) -> str | OrderQuestion | None:
        """Return what became of an update, or what is to be found out first.

        None: it rests on others, and the document has not begun.
        """
        working, submission = self.working, arrived.submission
        side = working.yjs or YjsSide.begin(self.document_id, submission, update, working.stored.incarnation)
        if side is None:
            return None
        became = self._take(side, arrived, update, may_ask=may_ask)
        if working.yjs is not None and not working.took_early:
            self._take_early(side, early)
        return became

    def _take_early(self, side: YjsSide, early: list[Early]) -> None:
        """Take what waited for the document to begin, whoever began it; its senders need not be there any more."""
        for held, update in early:
            self._or_reject(self._take, side, held, update)
        self.working.took_early = True

    def _declare(self, submission: YjsSubmission, at: int) -> None:
        """Commit that Yjs clients open the document from here on; what it was before is its snapshot's to say."""
        authority = self.working.authority
        first = Revision(authority.head + 1)
        bridge = self.working.bridge = Bridge.declared(first, f"text {submission.root}")
        commit = Commit(
            revision=first,
            delta=Delta(),
            author=submission.author,
            client_id=DECLARER,
            client_sequence=ClientSequence(1),
            at=at,
            epoch=authority.epoch,
            bridge=bridge.declaration(),
        )
        self._append(commit, authority.document)

    def _take(
        self, side: YjsSide, arrived: Held, update: Update, *, may_ask: bool = False
    ) -> str | OrderQuestion:
        self.working.authority.check_weight(len(arrived.submission.update))
        side.check(arrived.submission, update, self.parts.max_units)
        if not side.is_ready(update):
            side.hold(arrived, update)
            return self._held(arrived.submission)
        if may_ask and (question := side.order_question(arrived.submission, update)) is not None:
            return question
        became = self._apply(side, arrived, update)
        for released, its_update in side.released():
            self._or_reject(self._apply, side, released, its_update)
        return became

    def _or_reject(
        self, decide: Callable[[YjsSide, Held, Update], object], side: YjsSide, held: Held, update: Update
    ) -> None:
        """Decide what had waited; what is refused of it is refused to its own author."""
        try:
            decide(side, held, update)
        except DamagedError:
            raise
        except CoeditError as error:
            self.outcome.reject(held.submission, error)

    def _apply(self, side: YjsSide, arrived: Held, update: Update) -> str:
        steps = side.apply(arrived.submission, update)
        for step in steps:
            self._check_formats(arrived.submission, step)
        for step in steps:
            self._commit(side, arrived, step)
        if len(steps) > 1:
            CUT_CHARACTERS.inc()
        return "committed" if any(step.is_clients for step in steps) else self._taken(arrived.submission)

    def _check_formats(self, submission: YjsSubmission, step: Step) -> None:
        """Refuse what only its outcome tells: a mark stands once in Yjs, and in the document with each run."""
        try:
            self.working.authority.check_formats(step.taken.delta, step.taken.document)
        except CoeditError as error:
            raise SpoiledError(submission, error) from error

    def _commit(self, side: YjsSide, arrived: Held, step: Step) -> None:
        submission, working = arrived.submission, self.working
        revision = Revision(working.authority.head + 1)
        commit = Commit(
            revision=revision,
            delta=step.taken.delta,
            author=submission.author,
            client_id=submission.client_id if step.is_clients else MENDER,
            client_sequence=submission.client_sequence if step.is_clients else ClientSequence(revision),
            at=arrived.at,
            epoch=working.authority.epoch,
            bridge="" if working.bridge else side.bridge.declaration(),
        )
        # Not before: an update that was refused, or did nothing, leaves a new document what it was.
        working.bridge, working.yjs = side.bridge, side
        self._append(with_update(commit, step.taken.update), step.taken.document)

    def _append(self, commit: Commit, document: Delta) -> None:
        authority = self.working.authority
        sealed, entry = self.parts.chain_key.seal_entry(self.document_id, commit, authority.mac)
        authority.append(sealed, document)
        self.outcome.commit(entry)

    def _taken(self, submission: YjsSubmission) -> str:
        self.outcome.events.append(YjsTaken(submission.client_id, submission.client_sequence))
        return "taken"

    def _held(self, submission: YjsSubmission) -> str:
        self.outcome.events.append(YjsHeld(submission.client_id, submission.client_sequence))
        return "held"
