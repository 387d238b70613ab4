"""The messages, on frames captured between the npm providers and their servers."""

import pytest

from coedit.errors import InvalidUpdateError, UnknownMessageError
from coedit.protocol.yjs import hocuspocus, sync
from coedit.protocol.yjs.hocuspocus import (
    Authenticate,
    DocumentFrame,
    Leave,
    Ping,
    Pong,
    Stateless,
    read_frame,
)
from coedit.protocol.yjs.lib0 import Reader, write_uint
from coedit.protocol.yjs.sync import (
    AwarenessMessage,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    read_messages,
)

EDIT = bytes.fromhex("01010500040101740268690" + "0")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ("00000100", SyncStep1(b"\0")),
        ("0001020000", SyncStep2(b"\0\0")),
        ("00020c" + EDIT.hex(), SyncUpdate(EDIT)),
        ("0106010500027b7d", AwarenessMessage(bytes.fromhex("010500027b7d"))),
        ("03", QueryAwareness()),
    ],
)
def test_frame_of_y_websocket_is_read(frame: str, message: sync.Message) -> None:
    assert read_messages(bytes.fromhex(frame)) == [message]


def test_several_messages_in_a_frame_are_read() -> None:
    assert read_messages(bytes.fromhex("0000010003")) == [SyncStep1(b"\0"), QueryAwareness()]
    assert read_messages(b"") == []


@pytest.mark.parametrize(
    ("written", "frame"),
    [
        (sync.write_step_1(b"\0"), "00000100"),
        (sync.write_step_2(b"\0\0"), "0001020000"),
        (sync.write_update(EDIT), "00020c" + EDIT.hex()),
        (sync.write_awareness(bytes.fromhex("010500027b7d")), "0106010500027b7d"),
        (sync.write_denied("no"), "0200026e6f"),
        (hocuspocus.write_frame("doc1", sync.write_denied("no")), "04646f6331" + "0200026e6f"),
        (hocuspocus.write_granted(may_write=True), "02020a" + b"read-write".hex()),
        (hocuspocus.write_granted(may_write=False), "020208" + b"readonly".hex()),
        (hocuspocus.write_denied("permission-denied"), "020111" + b"permission-denied".hex()),
        (hocuspocus.write_sync_status(is_taken=True), "0801"),
        (hocuspocus.write_sync_status(is_taken=False), "0800"),
        (hocuspocus.write_close("provider_initiated"), "0712" + b"provider_initiated".hex()),
        (hocuspocus.write_pong(), "0a"),
    ],
)  # fmt: skip
def test_message_is_written_as_the_providers_read_it(written: bytes, frame: str) -> None:
    assert written.hex() == frame


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ("020004676f6f6405342e382e30", Authenticate("good")),
        ("020004676f6f64", Authenticate("good")),
        ("00000100", SyncStep1(b"\0")),
        ("0106010500027b7d", AwarenessMessage(bytes.fromhex("010500027b7d"))),
        ("03", QueryAwareness()),
        ("05026869", Stateless("hi")),
        ("07", Leave()),
    ],
)
def test_frame_of_hocuspocus_is_read(frame: str, message: hocuspocus.DocumentMessage) -> None:
    assert read_frame(bytes.fromhex("04646f6331" + frame)) == DocumentFrame("doc1", message)


def test_ping_names_no_document() -> None:
    assert read_frame(b"\x09") == Ping()
    assert read_frame(b"\x0a") == Pong()


def test_session_is_part_of_the_key_alone() -> None:
    frame = read_frame(bytes.fromhex("07646f63310073" + "31" + "03"))
    assert isinstance(frame, DocumentFrame)
    assert frame.key == "doc1\0s1"
    assert frame.name == "doc1"


@pytest.mark.parametrize("frame", ["000301" + "00", "0200", "04", "09", "ff01"])
def test_unknown_message_is_refused(frame: str) -> None:
    with pytest.raises(UnknownMessageError):
        read_messages(bytes.fromhex(frame))


@pytest.mark.parametrize("frame", ["00", "0000", "000005", "01", "80", "ffffffffffffffffff"])
def test_frame_that_is_cut_off_is_refused(frame: str) -> None:
    with pytest.raises(InvalidUpdateError):
        read_messages(bytes.fromhex(frame))


@pytest.mark.parametrize("message", ["040001" + "00", "0600", "0801", "020100", "0202"])
def test_what_only_a_server_says_is_refused(message: str) -> None:
    with pytest.raises(UnknownMessageError):
        read_frame(bytes.fromhex("04646f6331" + message))


@pytest.mark.parametrize("number", [0, 1, 127, 128, 16383, 16384, 2**32, 2**53 - 1])
def test_integer_comes_back(number: int) -> None:
    reader = Reader(write_uint(number))
    assert reader.uint() == number
    assert reader.is_at_end
