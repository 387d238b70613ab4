"""What the server says of documents, taken in, and what is sent in answer."""

import asyncio
import logging
import zlib
from base64 import b64decode
from collections.abc import Callable

import orjson

from coedit.client.document import Document, Send
from coedit.client.events import DocumentError
from coedit.identifiers import DocumentId
from coedit.ot.delta import Delta
from coedit.protocol.client_session import ClientDocument, Message

logger = logging.getLogger(__name__)

_OPEN_AGAIN_SECONDS = 1.0
_FIRST_RETRY_SECONDS = 0.25
_LONGEST_RETRY_SECONDS = 4.0
_NO_ANSWER_TO_AN_OPENING = frozenset({"unexpected-message", "forged", "unknown-key"})
"""Also while a document is being opened: about what was offered meanwhile, or an opening besides another one."""


_NEWS: dict[str, Callable[[ClientDocument, Message], None]] = {
    "snapshot": lambda state, message: state.snapshot_stored(message["revision"]),
    "presence": ClientDocument.receive_presence,
    "rights": ClientDocument.receive_rights,
}
"""What is taken in and said, without more."""


class Inbox:
    """Takes in the messages of one session's documents; ``send`` sends, or drops what cannot be sent now."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._parts: dict[DocumentId, tuple[Message, list[bytes]]] = {}
        self._openings: dict[DocumentId, asyncio.TimerHandle] = {}
        """Of documents that could not be opened, and are to be tried again."""
        self._refusals: dict[DocumentId, int] = {}
        """How often in a row a document's submission was refused for the moment."""
        self._resends: dict[DocumentId, asyncio.TimerHandle] = {}

    async def receive(self, document: Document, message: Message) -> None:
        """Take in one message about ``document``.

        Raises:
            CoeditError, KeyError, TypeError: it is not what the protocol allows; the connection is of no more use.
        """
        state = document.state
        match message["type"]:
            case "opened":
                await self._on_opened(document, message)
            case "part":
                await self._on_part(document, message)
            case "commit" if state.is_open:
                await document.announce(state.receive_commits(message))
            case "ack" if state.is_open:
                document.acknowledge(message)
                self._refusals.pop(document.state.document_id, None)
                self._say_caret(document)
                await document.announce()
            case "snapshot" | "presence" | "rights":
                _NEWS[message["type"]](state, message)
                await document.announce()
            case "recall":
                self._send(state.recalled(message))
            case "lost":
                await self._note_loss(document, message["epoch"], message)
            case "error":
                await self._on_error(document, message)

    async def _on_opened(self, document: Document, message: Message) -> None:
        if message["mode"] == "parts":
            self._parts[document.state.document_id] = (message, [])
            return
        content = _document(message["content"]) if message["mode"] == "content" else None
        await self._finish_open(document, message, content)

    async def _on_part(self, document: Document, message: Message) -> None:
        key = document.state.document_id
        opened, parts = self._parts[key]
        part = message["bytes"]
        parts.append(b64decode(part) if isinstance(part, str) else part)
        if len(parts) == opened["parts"]:
            del self._parts[key]
            content = _document(orjson.loads(zlib.decompress(b"".join(parts))))
            await self._finish_open(document, opened, content)

    async def _finish_open(self, document: Document, message: Message, content: Delta | None) -> None:
        if "lost" in message:
            await self._note_loss(document, message["epoch"], message["lost"])
        change = document.state.opened(message, content)
        self._send(document.state.resend())
        self._say_caret(document)
        await document.announce([change] if change is not None and change.delta.ops else [])

    async def _note_loss(self, document: Document, epoch: int, revisions: Message) -> None:
        loss = document.state.lost_history(epoch, revisions)
        if loss is not None:
            facts = {"event": "lost", "document_id": document.state.document_id, "first": loss.first}
            logger.warning("the server lost revisions for good", extra=facts | {"last": loss.last})
            await document.announce_loss(loss)

    async def _on_error(self, document: Document, message: Message) -> None:
        if "client_sequence" in message:
            await self._on_refused_submission(document, message)
        elif not message["definite"]:
            facts = {"event": "not-yet", "code": message["code"], "document_id": document.state.document_id}
            logger.info("the document is to be opened later", extra=facts | {"error": message["message"]})
            document.state.lost()
            self._open_later(document, _told_seconds(message))
        elif message["code"] == "diverged":
            self._diverge(document, message)
        elif message["code"] == "revision-too-old":
            self._reject(document, message)
        elif message["code"] in ("forbidden", "deleted") or (
            not document.state.is_open and message["code"] not in _NO_ANSWER_TO_AN_OPENING
        ):
            await document.fail(DocumentError(message["code"], message["message"]))
        else:  # about a lone caret, an offer, or an opening besides another one
            facts = {"event": "refused", "code": message["code"], "document_id": document.state.document_id}
            logger.info("a message was refused", extra=facts)

    async def _on_refused_submission(self, document: Document, message: Message) -> None:
        state = document.state
        if not state.is_open or state.saved or message["client_sequence"] != state.client_sequence:
            return  # an answer to what was answered before
        if message["code"] == "diverged":
            self._diverge(document, message)
        elif message["definite"]:
            self._reject(document, message)
        elif message["retryable"]:
            self._submit_later(document, _told_seconds(message))
            await document.announce_trouble(message["message"])
        # Otherwise, being unanswered, it is sent again.

    def _submit_later(self, document: Document, told_seconds: float) -> None:
        """Send what was refused for the moment again: soon, or when the server says, then after growing pauses."""
        key = document.state.document_id
        if key in self._resends:
            return
        refusals = self._refusals[key] = self._refusals.get(key, 0) + 1
        pause_seconds = min(_LONGEST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0 ** (refusals - 1))
        loop = asyncio.get_running_loop()
        self._resends[key] = loop.call_later(max(pause_seconds, told_seconds), self._submit_again, document)

    def _submit_again(self, document: Document) -> None:
        del self._resends[document.state.document_id]
        self._send(document.state.resend())

    def _reject(self, document: Document, message: Message) -> None:
        state = document.state
        facts = {"event": "rejected", "code": message["code"], "document_id": state.document_id}
        logger.warning("an edit was refused for good", extra=facts)
        state.reject(message["code"], message["message"])
        self._send(({"type": "close", "document": state.document_id}, state.open_message()))

    def _diverge(self, document: Document, message: Message) -> None:
        state = document.state
        facts = {"event": "diverged", "code": message["code"], "document_id": state.document_id}
        logger.warning("the server has another history; loading it", extra=facts)
        state.diverge()
        self._send(({"type": "close", "document": state.document_id}, state.open_message()))

    def _open_later(self, document: Document, told_seconds: float) -> None:
        key = document.state.document_id
        if key not in self._openings:
            loop = asyncio.get_running_loop()
            delay_seconds = max(_OPEN_AGAIN_SECONDS, told_seconds)
            self._openings[key] = loop.call_later(delay_seconds, self._open_again, document)

    def _open_again(self, document: Document) -> None:
        del self._openings[document.state.document_id]
        if not document.state.is_open:
            self._send((document.state.open_message(),))

    def _say_caret(self, document: Document) -> None:
        if document.state.caret is not None or document.name:
            self._send(document.state.presence_message(document.name, document.colour))

    def clear(self) -> None:
        """Forget parts of documents whose connection is gone; the next one opens them all."""
        self._parts.clear()
        for timer in (*self._openings.values(), *self._resends.values()):
            timer.cancel()
        self._openings.clear()
        self._resends.clear()


def _told_seconds(message: Message) -> float:
    """Return after how long a server wants to be asked again; 0: it does not say."""
    return float(message.get("retry_after_seconds", 0))


def _document(ops: object) -> Delta:
    return Delta.from_json(ops, is_bounded=False)
