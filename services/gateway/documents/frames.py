"""What goes out to several clients: each message is encoded at most once per codec."""

from typing import Any

from coedit.protocol.codec import Codec
from coedit.protocol.frames import encode_frame


class SharedFrame:
    """A server message and its frames, made on demand and then shared; it holds nothing of one connection."""

    __slots__ = ("_json", "_message", "_msgpack")

    def __init__(self, message: dict[str, Any]) -> None:
        self._message = message
        self._json: bytes | None = None
        self._msgpack: bytes | None = None

    def of(self, codec: Codec) -> bytes:
        """Return the frame in ``codec``."""
        if codec is Codec.JSON:
            if self._json is None:
                self._json = encode_frame(codec, codec.encode(self._message))
            return self._json
        if self._msgpack is None:
            self._msgpack = encode_frame(codec, codec.encode(self._message))
        return self._msgpack
