"""Updates whose text has one byte for each UTF-16 unit.

pycrdt turns positions into items by counting bytes of UTF-8, which is right for ASCII alone. In a document made
of shadows, bytes, units and clocks are the same, and its items have the ids of the real document's: so positions
there are those of the real document.
"""

from coedit.protocol.yjs.lib0 import write_bytes
from coedit.protocol.yjs.update import decode_update


def shadow(update: bytes) -> bytes:
    """Return ``update`` with the letter x for each UTF-16 unit of each string.

    Raises:
        InvalidUpdateError: it is no update.
    """
    parts: list[bytes] = []
    position = 0
    for span in decode_update(update).strings:
        parts += (update[position : span.start], write_bytes(b"x" * span.units))
        position = span.end
    parts.append(update[position:])
    return b"".join(parts)
