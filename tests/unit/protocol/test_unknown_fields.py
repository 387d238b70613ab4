"""Frames that are refused before anything takes the trouble to read them whole."""

import json
from typing import Any

import msgpack
import pytest

from coedit.errors import ProtocolError, TooLargeError, UnauthorizedError
from coedit.protocol import messages
from coedit.protocol.codec import Codec
from coedit.protocol.server_session import MOST_BYTES_BEFORE_WELCOME, CloseCode, Refusal, ServerSession
from coedit.protocol.tokens import read_access_token
from coedit.protocol.yjs.hocuspocus import read_frame, write_frame
from coedit.protocol.yjs.sync import MAX_MESSAGES, MAX_STATE_VECTOR_BYTES, read_messages, write_step_1

MANY = 50_000
UNKNOWN = {f"k{number}": 1 for number in range(MANY)}
_COMMIT = {
    "revision": 1,
    "delta": [{"insert": "x"}],
    "author": "a",
    "client_id": "c",
    "client_sequence": 1,
    "at": 1,
    "epoch": 1,
    "mac": "m",
    "key_id": "k",
}
_OFFER = {"type": "offer", "document": "d", "before": ""}


def _payload(codec: Codec, message: dict[str, Any]) -> bytes | str:
    return json.dumps(message) if codec is Codec.JSON else msgpack.packb(message)


def _refused(codec: Codec, message: dict[str, Any], *, is_welcome: bool = True) -> Refusal:
    session = ServerSession(codec, 100, 1 << 30, is_welcome=is_welcome)
    with pytest.raises(Refusal) as refusal:
        session.receive(_payload(codec, message))
    return refusal.value


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize(
    "message",
    [
        *({"type": name} | UNKNOWN for name in ("hello", "open", "submit", "presence", "close")),
        {"type": "open", "document": "d", "extra": 1},
        _OFFER | {"commits": [_COMMIT | UNKNOWN]},
        _OFFER | {"commits": [{}] * MANY},
        _OFFER | {"commits": [1] * MANY},
        _OFFER | {"commits": []},
        _OFFER | {"commits": {"0": _COMMIT}},
    ],
    ids=lambda message: f"{message['type']} {len(message)}",
)
def test_first_field_that_is_wrong_ends_the_reading(
    codec: Codec, message: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The validator makes an error of each: it is not asked about more than a few things."""
    seen: list[int] = []
    validate = messages._validated

    def counted(model: Any, fields: dict[Any, Any], where: str) -> Any:
        seen.append(len(fields) + len(fields.get("commits", ())) * (model is messages.OfferedCommit))
        return validate(model, fields, where)

    monkeypatch.setattr(messages, "_validated", counted)
    refusal = _refused(codec, message)
    assert refusal.error.code == "malformed"
    assert sum(seen) < 100
    assert len(str(refusal.error)) < 200


@pytest.mark.parametrize("codec", list(Codec))
def test_frame_before_the_welcome_is_small(codec: Codec) -> None:
    hello = {"type": "hello", "token": "x" * MOST_BYTES_BEFORE_WELCOME}
    refusal = _refused(codec, hello, is_welcome=False)
    assert (refusal.error.code, refusal.close_code) == ("too-large", CloseCode.TOO_LARGE)
    fitting = {"type": "hello", "token": "x" * (MOST_BYTES_BEFORE_WELCOME - 100)}
    ServerSession(codec, 100, 1 << 30).receive(_payload(codec, fitting))


def test_offer_of_good_commits_is_read() -> None:
    session = ServerSession(Codec.JSON, 100, 1 << 30, is_welcome=True)
    session.open.add("d")  # type: ignore[arg-type]  # a document id
    message = session.receive(json.dumps(_OFFER | {"commits": [_COMMIT] * 3}))
    assert isinstance(message, messages.Offer)
    assert [commit.revision for commit in message.commits] == [1, 1, 1]


def test_token_of_any_length_is_not_decoded() -> None:
    with pytest.raises(UnauthorizedError, match="too long"):
        read_access_token("secret", "x" * 1_000_000, 0.0)


def test_yjs_frame_of_very_many_messages_is_refused() -> None:
    assert len(read_messages(b"\x03" * MAX_MESSAGES)) == MAX_MESSAGES
    with pytest.raises(TooLargeError):
        read_messages(b"\x03" * (MAX_MESSAGES + 1))


def test_state_vector_without_bounds_is_refused() -> None:
    with pytest.raises(TooLargeError):
        read_messages(write_step_1(bytes(MAX_STATE_VECTOR_BYTES + 1)))


def test_key_of_a_hocuspocus_document_is_short() -> None:
    assert read_frame(write_frame("d\0session", b"\x03"))
    with pytest.raises(ProtocolError):
        read_frame(write_frame("d" * 2000, b"\x03"))
