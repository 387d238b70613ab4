"""An open document and its session, fed by hand: what is told, and what is sent again."""

import asyncio
from typing import Any

import pytest

from coedit.client.connection import Session
from coedit.client.document import Document
from coedit.client.events import QUEUED_ITEMS, Acknowledged, DocumentError, Listener, Submitted
from coedit.identifiers import DocumentId
from coedit.ot.delta import Delta
from coedit.protocol.client_session import Change, ClientDocument, Message
from coedit.protocol.codec import Codec


class Desk:
    """A session without a connection, with one document open."""

    def __init__(self) -> None:
        self.session = Session("http://nowhere", token=None, author=None, codec=Codec.JSON)
        self.document = Document(ClientDocument(DocumentId("d")), self.session._send_all)
        self.session._documents[DocumentId("d")] = self.document

    async def receive(self, kind: str, **fields: Any) -> None:
        shared = {"type": kind, "document": "d", "epoch": 1, "mac": "m", "key_id": "k", "at": 0}
        await self.session._receive(shared | fields)

    async def open(self) -> None:
        who: Message = {"client_id": "me", "resume_token": "t", "access": "write"}
        await self.receive("opened", **who, revision=0, snapshot_revision=0, mode="content", content=[])

    async def commit(self, revision: int, text: str) -> None:
        commit = {"revision": revision, "delta": [{"insert": text}], "author": "bob", "client_id": "b"}
        commit |= {"client_sequence": 9, "at": 0, "mac": "m", "key_id": "k"}
        await self.receive("commit", commits=[commit])


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.open()
    return desk


async def test_events_tell_of_submissions_acks_and_others_in_order(desk: Desk) -> None:
    events = desk.document.events()
    await desk.document.insert(0, "a")
    await desk.document.insert(1, "b")
    await desk.commit(1, "x")
    await desk.receive("ack", client_sequence=1, revision=2)
    await desk.receive("ack", client_sequence=2, revision=3)
    told = events.take()
    assert [type(event) for event in told] == [Submitted, Change, Acknowledged, Submitted, Acknowledged]
    assert told[0] == Submitted(1, Delta().insert("a"))
    assert isinstance(told[1], Change)
    assert (told[1].client_id, told[1].client_sequence) == ("b", 9)
    assert told[3] == Submitted(2, Delta().retain(2).insert("b"))


async def test_others_changes_do_not_hold_ones_own(desk: Desk) -> None:
    changes = desk.document.changes()
    await desk.document.insert(0, "a")
    await desk.commit(1, "x")
    await desk.receive("ack", client_sequence=1, revision=2)
    assert [change.delta for change in changes.take()] == [Delta().insert("x")]


async def test_repeated_ack_is_told_once(desk: Desk) -> None:
    events = desk.document.events()
    await desk.document.insert(0, "a")
    for _ in range(2):
        await desk.receive("ack", client_sequence=1, revision=1)
    assert [type(event) for event in events.take()] == [Submitted, Acknowledged]


async def test_repeated_ack_does_not_stop_the_clock_of_the_next_submission(desk: Desk) -> None:
    """Otherwise an answer that gets lost would never be asked for again."""
    await desk.document.insert(0, "a")
    await desk.document.insert(1, "b")
    await desk.receive("ack", client_sequence=1, revision=1)
    assert "d" in desk.session._sent_at
    await desk.receive("ack", client_sequence=1, revision=1, repeat=True)
    assert "d" in desk.session._sent_at
    await desk.receive("ack", client_sequence=2, revision=2)
    assert "d" not in desk.session._sent_at


async def test_edit_without_a_connection_is_told_as_submitted_once() -> None:
    desk = Desk()
    events = desk.document.events()
    await desk.document.insert(0, "a")
    assert events.take() == [Submitted(1, Delta().insert("a"))]


async def test_announced_snapshot_wakes_who_waits_for_it(desk: Desk) -> None:
    waiting = asyncio.create_task(desk.document.until(lambda: desk.document.state.snapshot_revision == 4))
    await asyncio.sleep(0)
    await desk.receive("snapshot", revision=4)
    await asyncio.wait_for(waiting, 5)


def test_listener_that_does_not_read_is_ended() -> None:
    forgotten: list[Listener[int]] = []
    listener: Listener[int] = Listener(forgotten.append)
    for item in range(QUEUED_ITEMS + 1):
        listener.put(item)
    with pytest.raises(DocumentError, match="too-slow"):
        listener.take()
    assert set(forgotten) == {listener}
