"""Commands as they go over the wire to Redis (RESP)."""

from collections.abc import Iterable

Word = bytes | str | int


def pack(words: Iterable[Word]) -> bytes:
    """Return a command: an array of bulk strings."""
    parts: list[bytes] = [b""]
    count = 0
    for word in words:
        packed = word if type(word) is bytes else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(packed), packed))
        count += 1
    parts[0] = b"*%d\r\n" % count
    return b"".join(parts)


def bulk(word: bytes) -> bytes:
    """Return one word of a command."""
    return b"$%d\r\n%b\r\n" % (len(word), word)
