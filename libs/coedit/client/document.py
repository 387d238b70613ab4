"""An open document of the Python client."""

import asyncio
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from coedit.client.events import Acknowledged, Event, Listener, Submitted
from coedit.errors import CoeditError
from coedit.identifiers import Revision
from coedit.ot.commit import Caret
from coedit.ot.delta import Delta
from coedit.ot.diff import diff
from coedit.ot.roles.replica import Synchronized
from coedit.presence.roster import Presence
from coedit.protocol.client_session import Change, ClientDocument, Loss, Message, Rejection

Send = Callable[[Sequence[Message]], None]


class Document:
    """A live document. All positions and lengths are UTF-16 code units.

    Edits are shown at once and sent in the background; `saved` says whether the server has them all. While the
    connection is away edits are kept and sent later.
    """

    def __init__(
        self, state: ClientDocument, send: Send, traceparent: Callable[[], str] | None = None
    ) -> None:
        self.state = state
        """The protocol's view of the document; to be read only."""
        self.name = ""
        self.colour = ""
        self._send = send
        self._current_traceparent = traceparent
        self._traceparent = ""
        """Of the newest edit that is traced and was not sent yet."""
        self._progress = asyncio.Condition()
        self._changes: set[Listener[Change]] = set()
        self._events: set[Listener[Event]] = set()
        self._submitted_at = 0.0
        self._error: CoeditError | None = None
        self._trouble = ""

    @property
    def content(self) -> Delta:
        """What is shown, as a delta of inserts."""
        return self.state.content

    @property
    def text(self) -> str:
        """What is shown, without formatting; an embed is U+FFFC."""
        return self.state.content.text

    @property
    def revision(self) -> Revision:
        """The newest revision that was received."""
        return self.state.revision

    @property
    def saved(self) -> bool:
        """Whether the server has acknowledged every edit, and has not found the document damaged since."""
        return self.state.saved and not self.state.damaged

    @property
    def trouble(self) -> str:
        """Why the server has not taken yet what is not saved, in its words; empty: it did not say, or all is saved."""
        return "" if self.state.saved else self._trouble

    @property
    def damaged(self) -> bool:
        """Whether the server has found the document damaged: it takes no writes until it is repaired."""
        return self.state.damaged

    @property
    def people(self) -> list[Presence]:
        """Everybody else in the document, with their carets in what is shown."""
        return self.state.shown_carets()

    @property
    def rejections(self) -> list[Rejection]:
        """Edits of one's own that the server refused for good; what to do with them is the caller's."""
        return self.state.rejections

    @property
    def losses(self) -> list[Loss]:
        """Revisions that the server lost, and that nobody could give back; empty unless its storage was lost."""
        return self.state.losses

    async def insert(
        self, position: int, content: str | dict[str, Any], attributes: dict[str, Any] | None = None
    ) -> None:
        """Insert text or an embed.

        Raises:
            InvalidDeltaError: the position is behind the end or inside a surrogate pair, or the content is refused.
        """
        await self.edit(Delta().retain(position).insert(content, attributes))

    async def delete(self, position: int, length: int) -> None:
        """Delete ``length`` code units; raises as `insert` does."""
        await self.edit(Delta().retain(position).delete(length))

    async def format(self, position: int, length: int, attributes: dict[str, Any]) -> None:
        """Set attributes, or remove those that are None; raises as `insert` does."""
        await self.edit(Delta().retain(position).retain(length, attributes))

    async def replace_text(self, text: str) -> None:
        """Make the text ``text``, by a small edit; what stays keeps its formatting."""
        await self.edit(diff(self.content, Delta().insert(text)))

    async def edit(self, delta: Delta, *, group: Hashable = None) -> None:
        """Apply a delta to what is shown, and submit it. Edits in a row of one ``group`` are undone together.

        Raises:
            InvalidDeltaError: it does not fit.
            DocumentError: the document cannot be used any more.
        """
        self._refuse_failed()
        sequence = self.state.client_sequence
        await self._submit(sequence, self.state.edit(delta, group=group))

    @property
    def can_undo(self) -> bool:
        """Whether anything of one's own edits is left to undo, as far as they are remembered."""
        return self.state.history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether anything that was undone is left to redo."""
        return self.state.history.can_redo

    async def undo(self) -> Delta | None:
        """Undo the newest of one's own edits, by an edit; others' text and formatting stay.

        Returns what it did to the document; None where nothing was left to undo.

        Raises:
            DocumentError: the document cannot be used any more.
        """
        return await self._step(self.state.undo)

    async def redo(self) -> Delta | None:
        """Take back the newest undo, unless something was edited since; returns and raises as `undo` does."""
        return await self._step(self.state.redo)

    async def _step(self, step: Callable[[], tuple[Delta | None, Sequence[Message]]]) -> Delta | None:
        self._refuse_failed()
        sequence = self.state.client_sequence
        delta, messages = step()
        await self._submit(sequence, messages)
        return delta

    def take_traceparent(self) -> str:
        """Return what the submission that is sent now is a part of, once; the connection calls this."""
        traceparent, self._traceparent = self._traceparent, ""
        return traceparent

    async def _submit(self, sequence: int, messages: Sequence[Message]) -> None:
        """Send what an edit came to; ``sequence`` was the newest submission's before it."""
        if self._current_traceparent is not None:
            self._traceparent = self._current_traceparent() or self._traceparent
        self._note_submission(sequence)
        self._send(messages)
        # Let the connection's tasks run: a program that edits in a loop must not starve them.
        await asyncio.sleep(0)

    async def move_caret(self, anchor: int, head: int | None = None) -> None:
        """Say where one's caret or selection is."""
        self.state.caret = Caret(anchor, anchor if head is None else head)
        self._send(self.state.presence_message(self.name, self.colour))

    async def settle(self) -> None:
        """Wait until every edit is acknowledged.

        Raises:
            DocumentError: the document cannot be used any more.
        """
        await self.until(lambda: self.state.saved)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds; it is looked at after everything that arrives.

        Raises:
            DocumentError: the document cannot be used any more.
        """
        async with self._progress:
            await self._progress.wait_for(lambda: self._error is not None or condition())
        self._refuse_failed()

    def changes(self) -> Listener[Change]:
        """Return an iterator over what others do from now on, in order."""
        listener: Listener[Change] = Listener(self._changes.discard)
        self._changes.add(listener)
        return listener

    def events(self) -> Listener[Event]:
        """Return an iterator over what others do, and over one's own submissions and their acks, in order."""
        listener: Listener[Event] = Listener(self._events.discard)
        self._events.add(listener)
        return listener

    async def opened(self) -> None:
        """Wait until the document is open; raises as `edit` does."""
        await self.until(lambda: self.state.is_open)

    def acknowledge(self, message: Message) -> None:
        """Take in an ack, and submit what waited for it; the connection calls this.

        Raises:
            UnexpectedMessageError: it is not the next revision.
        """
        revision, sequence = self.revision, self.state.client_sequence
        messages = self.state.receive_ack(message)
        if self.revision != revision:
            self._trouble = ""
            self._tell(Acknowledged(sequence, self.revision, time.monotonic() - self._submitted_at))
        self._note_submission(sequence)
        self._send(messages)

    async def announce(self, changes: Sequence[Change] = ()) -> None:
        """Wake whoever waits for the document, after something arrived; the connection calls this."""
        for change in changes:
            self._tell(change)
            for listener in list(self._changes):
                listener.put(change)
        async with self._progress:
            self._progress.notify_all()

    async def announce_trouble(self, trouble: str) -> None:
        """Take in why a submission has to be sent again; the connection calls this."""
        self._trouble = trouble
        await self.announce()

    async def announce_loss(self, loss: Loss) -> None:
        """Tell of revisions that are lost for good; the connection calls this."""
        self._tell(loss)
        await self.announce()

    async def fail(self, error: CoeditError) -> None:
        """End the document; the connection calls this."""
        self._error = error
        for listener in list(self._changes):
            listener.put(error)
        for watcher in list(self._events):
            watcher.put(error)
        await self.announce()

    def _note_submission(self, before: int) -> None:
        """Tell of a new submission, if there is one above the sequence ``before``: it may wait for a connection."""
        replica = self.state.replica
        if self.state.client_sequence > before and not isinstance(replica, Synchronized):
            self._submitted_at = time.monotonic()
            self._tell(Submitted(self.state.client_sequence, replica.in_flight))

    def _tell(self, event: Event) -> None:
        for listener in list(self._events):
            listener.put(event)

    def _refuse_failed(self) -> None:
        if self._error is not None:
            raise self._error
