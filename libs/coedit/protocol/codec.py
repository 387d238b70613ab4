"""The two encodings of protocol v1: JSON in text frames, MessagePack in binary ones."""

import enum
import gc
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgpack
import orjson

from coedit.errors import ProtocolError, UnsupportedVersionError

MAX_NESTING = 64
"""Deeper messages are refused before anything walks them."""

_LARGE = 64 * 1024


class Codec(enum.Enum):
    """How messages are written into frames; the value is the WebSocket subprotocol."""

    JSON = "coedit.v1.json"
    MSGPACK = "coedit.v1.msgpack"

    def encode(self, message: Mapping[str, Any]) -> bytes:
        """Return the payload of a frame that carries ``message``."""
        if self is Codec.JSON:
            return orjson.dumps(message, default=_base64)
        packed: bytes = msgpack.packb(message)
        return packed

    def decode(self, payload: bytes | str) -> dict[str, Any]:
        """Return the message in a frame's payload; raises as `unpack` and `refuse_deep` do."""
        message = self.unpack(payload)
        refuse_deep(message)
        return message

    def unpack(self, payload: bytes | str) -> dict[str, Any]:
        """Return the message in a frame's payload, which nothing has walked yet.

        Raises:
            ProtocolError: it is not a map in this encoding, of text frames for JSON and of binary ones for MessagePack.
        """
        if isinstance(payload, str) is not (self is Codec.JSON):
            raise ProtocolError(f"{self.value} does not come in frames of this kind")
        try:
            message = _parsed(payload)
        except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
            # MessagePack's errors say nothing but their names.
            reason = str(error) or type(error).__name__
            raise ProtocolError(f"a frame that cannot be decoded: {reason}") from error
        if not isinstance(message, dict):
            raise ProtocolError("a message is a map")
        return message


def _parsed(payload: bytes | str) -> Any:
    parse: Callable[[Any], Any] = orjson.loads if isinstance(payload, str) else msgpack.unpackb
    if len(payload) < _LARGE or not gc.isenabled():
        return parse(payload)
    # A million lists would be looked through for garbage again and again while they are made: seven times the time.
    gc.disable()
    try:
        return parse(payload)
    finally:
        gc.enable()


def choose_codec(offered: Sequence[str]) -> Codec:
    """Return the codec of the first subprotocol in ``offered`` that is one of ours.

    Raises:
        UnsupportedVersionError: none is.
    """
    for name in offered:
        for codec in Codec:
            if codec.value == name:
                return codec
    raise UnsupportedVersionError(f"offer one of {', '.join(codec.value for codec in Codec)}")


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def refuse_deep(message: dict[Any, Any]) -> None:
    """Refuse a message that nests deeper than `MAX_NESTING`.

    Raises:
        ProtocolError: it does.
    """
    level: list[Any] = [message]
    for _ in range(MAX_NESTING):
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return
    raise ProtocolError(f"nested deeper than {MAX_NESTING}")
