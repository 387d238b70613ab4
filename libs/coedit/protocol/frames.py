"""WebSocket frames of a server, made once and written to many: a server's frames are not masked (RFC 6455, 5.2)."""

from struct import pack

from coedit.protocol.codec import Codec

_TEXT, _BINARY, _FINAL = 0x1, 0x2, 0x80
_MOST_REASON_BYTES = 120


def control_frame(kind: int, payload: bytes) -> bytes:
    """Return a control frame (RFC 6455, 5.5) of at most 125 bytes."""
    return pack("!BB", _FINAL | kind, len(payload)) + payload


def close_payload(code: int, reason: str) -> bytes:
    """Return the payload of a close frame: whole characters of ``reason`` that are UTF-8, as many as fit."""
    whole = reason.encode("utf-8", "replace")[:_MOST_REASON_BYTES].decode("utf-8", "ignore")
    return pack("!H", code) + whole.encode()


def encode_frame(codec: Codec, payload: bytes) -> bytes:
    """Return ``payload`` as one unfragmented frame of the codec's kind."""
    first = _FINAL | (_TEXT if codec is Codec.JSON else _BINARY)
    size = len(payload)
    if size < 126:
        header = pack("!BB", first, size)
    elif size < 1 << 16:
        header = pack("!BBH", first, 126, size)
    else:
        header = pack("!BBQ", first, 127, size)
    return header + payload
