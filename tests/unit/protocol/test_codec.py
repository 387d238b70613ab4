import json

import msgpack
import pytest

from coedit.errors import ProtocolError, UnsupportedVersionError
from coedit.protocol.codec import MAX_NESTING, Codec, choose_codec
from coedit.protocol.frames import encode_frame


@pytest.mark.parametrize("codec", list(Codec))
def test_message_round_trips(codec: Codec) -> None:
    message = {"type": "submit", "delta": [{"insert": "é😀"}], "n": 2**53 - 1, "none": None}
    payload = codec.encode(message)
    assert codec.decode(payload.decode() if codec is Codec.JSON else payload) == message


def test_bytes_are_base64_in_json_and_bytes_in_messagepack() -> None:
    message = {"bytes": b"\x00\xff"}
    assert json.loads(Codec.JSON.encode(message)) == {"bytes": "AP8="}
    assert msgpack.unpackb(Codec.MSGPACK.encode(message)) == message


def test_refusal_says_what_is_wrong_with_a_frame() -> None:
    with pytest.raises(ProtocolError, match="decoded: FormatError"):
        Codec.MSGPACK.decode(b"\xc1")
    with pytest.raises(ProtocolError, match="decoded: StackError"):
        Codec.MSGPACK.decode(b"\x91" * 5000 + b"\xc0")


@pytest.mark.parametrize("depth", [MAX_NESTING + 1, 5000])
def test_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(ProtocolError):
        Codec.JSON.decode('{"a":' * depth + "1" + "}" * depth)
    with pytest.raises(ProtocolError):
        Codec.MSGPACK.decode(b"\x81\xa1a" * depth + b"\x01")


def test_first_offer_of_ours_is_chosen() -> None:
    assert choose_codec(["chat", "coedit.v1.msgpack", "coedit.v1.json"]) is Codec.MSGPACK
    with pytest.raises(UnsupportedVersionError):
        choose_codec(["coedit.v9.json"])


@pytest.mark.parametrize(("size", "header"), [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)])
def test_frame_is_one_unmasked_final_frame(size: int, header: int) -> None:
    frame = encode_frame(Codec.JSON, b"x" * size)
    assert (frame[0], len(frame)) == (0x81, size + header)
    assert encode_frame(Codec.MSGPACK, b"")[0] == 0x82
