"""A bridged document as Yjs clients have it: its items, and the updates that wait for others."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coedit.crdt.document import YjsDocument, yjs_client_id
from coedit.crdt.item_order import ItemOrder
from coedit.crdt.neighbours import Gap, Neighbours, OrderQuestion
from coedit.crdt.whole_characters import Step, WholeCharacters
from coedit.errors import (
    CoeditError,
    DamagedError,
    DocumentTooLargeError,
    InvalidDeltaError,
    InvalidUpdateError,
    OverloadedError,
    WrongRootError,
)
from coedit.identifiers import DocumentId, Revision
from coedit.ot.bridge import Bridge
from coedit.ot.commit import Submission
from coedit.ot.delta import Delta
from coedit.protocol.yjs.gate import Needs, check_ids, check_splits, check_text, is_text, lacks
from coedit.protocol.yjs.update import Update, decode_state_vector, decode_update
from coedit.protocol.yjs_submission import YjsSubmission
from coedit.store.documents.loaded import LoadedDocument

MAX_HELD = 256
MAX_HELD_BYTES = 4 * 1024 * 1024
"""What waits for others in one document, at most."""

_SMALL_BYTES = 64 * 1024
"""In which order the items of no larger document stand is told in some hundredths of a second."""
ORDER_FACTOR = 10
"""To tell in which order the items of an update stand takes so many times what other updates of its size take."""


@dataclass(frozen=True, slots=True)
class Held:
    """A submission, and when Redis took it (ms since 1970)."""

    submission: YjsSubmission
    at: int


class SpoiledError(Exception):
    """A submission was applied, in part or not at all; what was to be written with it cannot be."""

    def __init__(self, submission: Submission | YjsSubmission, answer: CoeditError) -> None:
        super().__init__("nobody knows what a submission made of its document")
        self.submission = submission
        self.answer = answer
        """What its author is told."""


class YjsSide:
    """Decides what updates may be applied, and applies them; after `SpoiledError` it is to be dropped."""

    def __init__(self, bridge: Bridge, yjs: YjsDocument, whole_id: int, size_bytes: int = 0) -> None:
        self.bridge = bridge
        self._yjs = yjs
        self._whole = WholeCharacters(yjs, whole_id)
        self._neighbours = Neighbours(yjs, bridge.root) if bridge.is_text else None
        self.size_bytes = size_bytes
        """What the updates that made the document are together; about what one takes that is no text."""
        self._held: deque[tuple[Held, Needs, Update]] = deque()
        """Those whose updates rest on items that are not there."""
        self._held_bytes = 0

    @classmethod
    def begin(
        cls, document_id: DocumentId, submission: YjsSubmission, update: Update, incarnation: str
    ) -> "YjsSide | None":
        """Return a new document as what its first ``update`` makes it; None if that rests on others."""
        if lacks(update, {}):
            return None
        declaration = f"text {submission.root}" if is_text(update, submission.root) else "yjs "
        bridge = Bridge.declared(Revision(1), declaration)
        client_id = yjs_client_id(document_id, submission.epoch, incarnation)
        yjs = YjsDocument(document_id, root=bridge.text_root, client_id=client_id)
        return cls(bridge, yjs, _whole_id(document_id, submission.epoch, incarnation))

    @classmethod
    def load(
        cls, document_id: DocumentId, loaded: LoadedDocument, bridge: Bridge, incarnation: str
    ) -> "YjsSide":
        """Return the document where its snapshot, and every commit above it, lead.

        Items that are made in another epoch, or after Redis lost something, get ids of their own: what was made
        before under the same may be lost, while somebody has it.

        Raises:
            DamagedError: that is another document than its text.
        """
        client_id = yjs_client_id(document_id, loaded.epoch, incarnation)
        yjs = YjsDocument(document_id, loaded.update, root=bridge.text_root, client_id=client_id)
        size_bytes = len(loaded.update)
        for commit in loaded.recent:
            if commit.update:
                try:
                    yjs.follow(commit.update, commit.delta)
                except InvalidDeltaError as error:
                    message = f"revision {commit.revision} does not fit: {error}"
                    raise DamagedError(message, "fold", commit.revision) from error
                size_bytes += len(commit.update)
            elif not commit.bridge:
                message = f"revision {commit.revision} of a bridged document has no Yjs update"
                raise DamagedError(message, "fold", commit.revision)
        if yjs.content != loaded.document or yjs.render() != loaded.document:
            raise DamagedError("OT and Yjs made different documents of the same commits", "fold")
        return cls(bridge, yjs, _whole_id(document_id, loaded.epoch, incarnation), size_bytes)

    def derive(self, delta: Delta, after: Delta) -> bytes:
        """Return the update that an OT client's commit is, which makes ``after`` of the document.

        Raises:
            DamagedError: Yjs failed on it.
        """
        update = self._yjs.derive(delta, after)
        self._whole.derived(update)
        self.size_bytes += len(update)
        return update

    def check(self, submission: YjsSubmission, update: Update, max_units: int) -> None:
        """Refuse a submission whose ``update`` may not be applied, even once all that it rests on is there.

        ``max_units`` bounds the text, or the bytes of a document that is none.

        Raises:
            WrongRootError: the client takes another shared text for the document.
            InvalidUpdateError, NotTextError, ServerIdError: it may not be applied.
            DocumentTooLargeError: the document would grow beyond the bound.
            TooLargeError: it would take too long.
        """
        if self.bridge.is_text and submission.root != self.bridge.root:
            raise WrongRootError(f"the document is the shared text {self.bridge.root!r}: say so by ?root=")
        check_ids(update, self._known())
        check_splits(update)
        if self.bridge.is_text:
            check_text(update, self.bridge.root)
            self._check_units(submission.update, update, max_units)
        elif self.size_bytes + len(submission.update) > max_units:
            raise DocumentTooLargeError(f"the document would take more than {max_units} bytes")

    def is_ready(self, update: Update) -> bool:
        """Return whether all that an update rests on is there."""
        return not lacks(update, self._known())

    def hold(self, held: Held, update: Update) -> None:
        """Keep a submission until what it rests on is there.

        Raises:
            OverloadedError: too much waits.
        """
        if any(names(other.submission) == names(held.submission) for other, _, _ in self._held):
            return  # it was sent again meanwhile
        check_room(len(self._held), self._held_bytes, held)
        self._held.append((held, Needs(update), update))
        self._held_bytes += len(held.submission.update)

    def released(self) -> Iterator[tuple[Held, Update]]:
        """Yield the submissions that need wait no longer; each is to be applied before the next is asked for."""
        while ready := self._next_ready():
            self._held.remove(ready)
            held, _, update = ready
            self._held_bytes -= len(held.submission.update)
            yield held, update

    def order_question(self, submission: YjsSubmission, update: Update) -> OrderQuestion | None:
        """Return what is to be found out beside the batches before an update may be applied; None: nothing.

        All that it rests on is there.
        """
        if self._neighbours is None or self.size_bytes <= _SMALL_BYTES:
            return None
        return self._neighbours.question(submission.update, update, self._known())

    def order_told(self, gaps: Sequence[Gap], order: ItemOrder | None) -> None:
        """Take note of the answer to such a question."""
        if self._neighbours is not None:
            self._neighbours.told(gaps, order)

    def order_weight(self, update: Update) -> int:
        """Return what it weighs to see whether the items of an update are in order: nothing, or the document."""
        if self._neighbours is None or self._neighbours.is_plain(update, self._known()):
            return 0
        return ORDER_FACTOR * self.size_bytes

    def apply(self, submission: YjsSubmission, update: Update) -> list[Step]:
        """Apply an update that `check` let through; return what came of it, which is nothing if nothing was new.

        All that it rests on is there.

        Raises:
            InvalidUpdateError: its items are in an order that no two have alike; it was not applied.
            SpoiledError: Yjs failed on it: nobody knows what the document is now.
        """
        known = self._known()
        if self._neighbours is not None:
            self._neighbours.check(submission.update, update, known)
        try:
            steps = self._whole.take(submission.update, update)
        except (DamagedError, InvalidDeltaError) as error:
            raise SpoiledError(submission, InvalidUpdateError("Yjs cannot apply it")) from error
        if self._neighbours is not None:
            self._neighbours.note(update, known)
        self.size_bytes += sum(len(step.taken.update) for step in steps)
        return steps

    def _known(self) -> dict[int, int]:
        return decode_state_vector(self._yjs.state_vector())

    def _next_ready(self) -> tuple[Held, Needs, Update] | None:
        known = self._known() if self._held else {}
        return next((item for item in self._held if item[1].are_met(known)), None)

    def _check_units(self, packed: bytes, update: Update, max_units: int) -> None:
        length = self._yjs.content.document_length
        # As if all of it were new; what a client sends back of what is here is looked at only where that decides.
        if length + _inserted(update) > max_units:
            new = decode_update(self._yjs.lacking(packed))
            if length + _inserted(new) > max_units:
                raise DocumentTooLargeError(f"the document would have more than {max_units} code units")


def _whole_id(document_id: DocumentId, epoch: int, incarnation: str) -> int:
    """Return the id under which whole characters come in the place of cut ones."""
    return yjs_client_id(document_id, epoch, incarnation, "whole")


def check_room(count: int, size_bytes: int, held: Held) -> None:
    """Refuse to hold one more where ``count`` of ``size_bytes`` are held for the same document.

    Raises:
        OverloadedError: too much would wait.
    """
    if count >= MAX_HELD or size_bytes + len(held.submission.update) > MAX_HELD_BYTES:
        raise OverloadedError("too many updates wait for others before them")


def names(submission: YjsSubmission) -> tuple[str, int]:
    """Return what a submission and its copies have in common."""
    return submission.client_id, submission.client_sequence


def _inserted(update: Update) -> int:
    return sum(span.units for span in update.strings) + len(update.embeds)
