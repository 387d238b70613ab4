"""What the Python client makes of answers that come late, twice, or not when it expects them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from coedit.client import inbox as inbox_module
from coedit.client.document import Document
from coedit.client.events import DocumentError
from coedit.client.inbox import Inbox
from coedit.identifiers import DocumentId
from coedit.ot import Delta
from coedit.protocol.client_session import ClientDocument, Message
from tests.system import eventually


class Line:
    """A client's document and what it sends."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.inbox = Inbox(self._send)
        self.document = Document(ClientDocument(DocumentId("notes")), self._send)

    def _send(self, messages: Sequence[Message]) -> None:
        self.sent += messages

    async def receive(self, kind: str, **fields: Any) -> None:
        await self.inbox.receive(self.document, {"type": kind, "document": "notes", **fields})

    async def opened(self, client_id: str = "one", text: str = "hello") -> None:
        await self.receive(
            "opened",
            client_id=client_id,
            resume_token="",
            access="write",
            epoch=1,
            revision=1,
            mac="1",
            head=1,
            snapshot_revision=0,
            mode="content",
            content=[{"insert": text}],
        )

    async def refused(self, code: str, *, definite: bool = True, **fields: Any) -> None:
        await self.receive(
            "error", code=code, message="", definite=definite, retryable=not definite, **fields
        )

    def kinds(self) -> list[str]:
        return [message["type"] for message in self.sent]


async def _all_that_is_due() -> None:
    """Let the loop call what was to be called by now, and what that brings about."""
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.fixture
async def line() -> Line:
    line = Line()
    await line.opened()
    return line


async def test_refusal_that_comes_twice_sets_one_edit_aside(line: Line) -> None:
    """It was sent again after 5 s without an answer, and both were refused."""
    await line.document.insert(0, "a")
    line.sent.clear()
    await line.refused("document-too-large", client_sequence=1)
    await line.refused("document-too-large", client_sequence=1)
    assert [rejection.delta for rejection in line.document.rejections] == [Delta().insert("a")]
    assert line.kinds() == ["close", "open"]


async def test_refusal_of_what_was_acked_leaves_later_edits_alone(line: Line) -> None:
    await line.document.insert(0, "a")
    await line.receive("ack", client_sequence=1, revision=2, epoch=1, at=0, mac="2", key_id="")
    await line.document.insert(0, "b")
    await line.refused("revision-too-old", client_sequence=1)
    assert line.document.rejections == []
    assert not line.document.saved


async def test_edits_between_a_refusal_and_the_new_opening_are_set_aside_too(line: Line) -> None:
    await line.document.insert(0, "a")
    await line.refused("document-too-large", client_sequence=1)
    await line.document.insert(1, "b")
    await line.opened("two", "hello")
    assert [rejection.delta for rejection in line.document.rejections] == [Delta().insert("ab")]
    assert line.document.text == "hello"


async def test_what_is_unacknowledged_is_carried_over_to_another_history(line: Line) -> None:
    await line.document.insert(0, "a")
    await line.refused("diverged")
    await line.document.insert(1, "b")
    line.sent.clear()
    await line.opened("two", "hello")
    assert line.document.rejections == []
    assert line.document.text == "abhello"
    [submission] = line.sent
    assert (submission["client_sequence"], submission["delta"]) == (1, [{"insert": "ab"}])
    assert not line.document.saved


async def test_document_that_another_connection_opens_is_not_opened_again(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis was away; the connection went and came back before the pause was over."""
    monkeypatch.setattr(inbox_module, "_OPEN_AGAIN_SECONDS", 0.0)
    line.document.state.lost()
    await line.refused("unavailable", definite=False)
    line.inbox.clear()
    line.sent.clear()
    await _all_that_is_due()
    assert line.sent == []


@pytest.mark.parametrize("code", ["forged", "unknown-key"])
async def test_offer_that_was_refused_does_not_end_a_document_that_is_being_opened(
    line: Line, code: str
) -> None:
    """What was kept may be of a history that is no more: the answer to the opening says so."""
    line.document.state.lost()
    await line.refused(code)
    await line.opened()
    await line.document.insert(0, "a")
    assert line.kinds()[-1] == "submit"


async def test_document_that_was_unavailable_is_opened_again_once(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_module, "_OPEN_AGAIN_SECONDS", 0.0)
    line.document.state.lost()
    line.sent.clear()
    await line.refused("unavailable", definite=False)
    await line.refused("unavailable", definite=False, client_sequence=3)
    await _all_that_is_due()
    assert line.kinds() == ["open"]


async def test_submission_that_was_refused_for_the_moment_is_sent_again_soon(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_module, "_FIRST_RETRY_SECONDS", 0.001)
    await line.document.insert(0, "a")
    line.sent.clear()
    for _ in range(2):
        await line.refused("overloaded", definite=False, client_sequence=1)
    await eventually(lambda: line.kinds() == ["submit"], "it is sent again, once for both answers")
    await line.refused("overloaded", definite=False, client_sequence=1)
    await eventually(lambda: line.kinds() == ["submit", "submit"], "it is sent again")
    assert line.sent[0] == line.sent[1]


@pytest.mark.parametrize("code", ["forbidden", "deleted"])
async def test_document_that_nobody_may_have_any_more_ends(line: Line, code: str) -> None:
    line.sent.clear()
    await line.refused(code)
    with pytest.raises(DocumentError, match=code):
        await line.document.insert(0, "a")
    assert line.sent == []
