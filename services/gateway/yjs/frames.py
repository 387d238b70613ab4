"""What goes out to several Yjs clients: each message is framed at most once for each way of framing."""

from coedit.protocol.codec import Codec
from coedit.protocol.frames import encode_frame
from coedit.protocol.yjs.hocuspocus import write_frame


class YjsFrame:
    """A message of the Yjs protocols, and its frames, made on demand and then shared."""

    __slots__ = ("_frames", "_message")

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._frames: dict[str | None, bytes] = {}

    def of(self, key: str | None) -> bytes:
        """Return the whole WebSocket frame: with the ``key`` of a document in front, or without."""
        frame = self._frames.get(key)
        if frame is None:
            payload = self._message if key is None else write_frame(key, self._message)
            frame = self._frames[key] = encode_frame(Codec.MSGPACK, payload)
        return frame
