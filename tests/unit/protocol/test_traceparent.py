"""A trace context is 55 characters or nothing, and costs an entry that has none not a byte."""

import json
from dataclasses import replace
from typing import Any

import msgpack
import pytest

from coedit.errors import ProtocolError
from coedit.identifiers import (
    AuthorId,
    ClientId,
    ClientSequence,
    DocumentId,
    Revision,
    checked_traceparent,
    known_traceparent,
)
from coedit.ot import Delta
from coedit.ot.commit import Submission
from coedit.protocol.codec import Codec
from coedit.protocol.events import Traced, decode_events, encode_events
from coedit.protocol.messages import Submit
from coedit.protocol.server_session import Refusal, ServerSession
from coedit.protocol.yjs_submission import YjsSubmission
from coedit.store.streams.ops import Addressed, Entry, decode_entry, encode_submissions

CONTEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NONE: list[Any] = [
    "",
    CONTEXT.upper(),
    CONTEXT + "-00",
    CONTEXT + "\n",
    CONTEXT[:-1],
    "01" + CONTEXT[2:],
    f"00-{'0' * 32}-00f067aa0ba902b7-01",
    f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
    "0" * 1_000_000,
    "００-" + CONTEXT[3:],
]
OT = Submission(ClientId("c"), ClientSequence(1), AuthorId("ada"), 1, Revision(0), Delta().insert("x"))
YJS = YjsSubmission(ClientId("c"), ClientSequence(1), AuthorId("ada"), 1, "content", b"\x00\x00")
DOCUMENT = DocumentId("d")


@pytest.mark.parametrize("value", NONE)
def test_what_is_no_context_is_refused_or_passed_over(value: str) -> None:
    with pytest.raises(ProtocolError):
        checked_traceparent(value)
    assert known_traceparent(value) == ""


@pytest.mark.parametrize("value", [None, 7, b"00", [CONTEXT], {}])
def test_what_is_no_text_is_passed_over(value: Any) -> None:
    assert known_traceparent(value) == ""


def _received(codec: Codec, **more: Any) -> Any:
    session = ServerSession(codec, 100, 1 << 20, is_welcome=True)
    opening = {"type": "open", "document": "d"}
    session.receive(json.dumps(opening) if codec is Codec.JSON else msgpack.packb(opening))
    session.opened(DOCUMENT)
    submit = {"type": "submit", "document": "d", "client_sequence": 1, "epoch": 1, "base_revision": 0}
    message = submit | {"delta": [{"insert": "x"}]} | more
    return session.receive(json.dumps(message) if codec is Codec.JSON else msgpack.packb(message))


@pytest.mark.parametrize("codec", list(Codec))
def test_client_may_say_what_an_edit_is_a_part_of(codec: Codec) -> None:
    message = _received(codec, traceparent=CONTEXT)
    assert isinstance(message, Submit)
    assert message.traceparent == CONTEXT
    assert _received(codec).traceparent is None


@pytest.mark.parametrize("value", ["", CONTEXT + "0", 7])
def test_field_that_is_no_context_is_malformed(value: Any) -> None:
    with pytest.raises(Refusal) as refusal:
        _received(Codec.JSON, traceparent=value)
    assert refusal.value.error.code == "malformed"


@pytest.mark.parametrize("submission", [OT, YJS])
def test_context_travels_in_the_entry(submission: Submission | YjsSubmission) -> None:
    traced = replace(submission, traceparent=CONTEXT)
    (found,) = _decoded(encode_submissions([Addressed(DOCUMENT, traced)]))
    assert found.submission == submission
    assert found.submission.traceparent == CONTEXT


@pytest.mark.parametrize("submission", [OT, YJS])
def test_entry_without_a_context_is_what_it_was(submission: Submission | YjsSubmission) -> None:
    """And one with it is the same, with one field more, which an older reader does not look at."""
    plain = encode_submissions([Addressed(DOCUMENT, submission)])
    traced = encode_submissions([Addressed(DOCUMENT, replace(submission, traceparent=CONTEXT))])
    (fields,) = msgpack.unpackb(traced)
    assert fields.pop("traceparent") == CONTEXT
    assert b"trace" not in plain
    assert msgpack.unpackb(plain) == [fields]


def test_context_of_an_entry_that_is_none_is_passed_over() -> None:
    (fields,) = msgpack.unpackb(encode_submissions([Addressed(DOCUMENT, OT)]))
    (found,) = _decoded(msgpack.packb([fields | {"traceparent": "x" * 55}]))
    assert found.submission.traceparent == ""


def test_which_edits_are_traced_is_told_in_a_message_of_its_own() -> None:
    traced = Traced(((ClientId("c"), ClientSequence(1), CONTEXT),))
    assert decode_events(encode_events([traced])) == [traced]


def _decoded(packed: bytes) -> list[Addressed]:
    return decode_entry(Entry("1-0", 1, {b"submissions": packed}))
