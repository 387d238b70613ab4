"""Frames of clients, cut anywhere; see RFC 6455, 5."""

import os
from random import Random
from struct import pack

import pytest

from services.gateway.sockets.frame_reader import BrokenFrameError, FrameReader, Kind, Message

MOST_BYTES = 1 << 20


def frame(kind: int, payload: bytes = b"", *, first: int = 0x80, mask: bytes = b"\x11\x22\x33\x44") -> bytes:
    size = len(payload)
    if size < 126:
        head = pack("!BB", first | kind, 0x80 | size)
    elif size < 1 << 16:
        head = pack("!BBH", first | kind, 0xFE, size)
    else:
        head = pack("!BBQ", first | kind, 0xFF, size)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def messages(reader: FrameReader, pieces: list[bytes]) -> list[Message]:
    told = []
    for piece in pieces:
        reader.push(piece)
        while (message := reader.next()) is not None:
            told.append(message)
    return told


STREAM: list[tuple[bytes, list[tuple[int, bytes | str]]]] = [
    (
        frame(1, "Grü".encode(), first=0) + frame(9, b"in between") + frame(0, "ße".encode()),
        [(9, b"in between"), (1, "Grüße")],
    ),
    (frame(2, bytes(range(256)) * 300), [(2, bytes(range(256)) * 300)]),
    (frame(2, b"x" * 126), [(2, b"x" * 126)]),
    (frame(1) + frame(2) + frame(10), [(1, ""), (2, b""), (10, b"")]),
    (frame(2, b"", first=0) + frame(0, b"a", first=0) + frame(0), [(2, b"a")]),
    (frame(8, pack("!H", 4503) + b"bye"), [(8, pack("!H", 4503) + b"bye")]),
]


@pytest.mark.parametrize("seed", range(40))
def test_messages_are_the_same_however_they_are_cut(seed: int) -> None:
    random = Random(seed)
    parts = [random.choice(STREAM) for _ in range(6)]
    stream = b"".join(part[0] for part in parts)
    cuts = sorted(random.randrange(len(stream) + 1) for _ in range(random.choice([0, 3, 200])))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    reader = FrameReader(MOST_BYTES)
    assert messages(reader, pieces) == [(Kind(kind), payload) for _, told in parts for kind, payload in told]
    assert reader.held_bytes == 0


@pytest.mark.parametrize("step", [1, 3, 4, 5, 7, 1000])
def test_mask_turns_with_the_pieces(step: int) -> None:
    payload = os.urandom(3000)
    stream = frame(2, payload)
    assert messages(
        FrameReader(MOST_BYTES), [stream[at : at + step] for at in range(0, len(stream), step)]
    ) == [(Kind.BINARY, payload)]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(1, b"\xff"), 1007),
        (frame(3), 1002),
        (frame(1, first=0xC0), 1002),
        (frame(1, first=0xA0), 1002),
        (frame(9, first=0), 1002),
        (frame(9, b"x" * 126), 1002),
        (frame(0), 1002),
        (frame(1, first=0) + frame(1), 1002),
        (b"\x81\x01x", 1002),
        (frame(8, b"x"), 1002),
        (frame(8, pack("!H", 1005)), 1002),
        (frame(8, pack("!H", 4000) + b"\xff"), 1007),
        (frame(2, b"x" * MOST_BYTES), 1009),
        (pack("!BBQ", 0x82, 0xFF, 1 << 63) + b"mask", 1009),
        (frame(2, b"x" * (MOST_BYTES - 1), first=0) + frame(0, b"y"), 1009),
    ],
)
def test_what_is_against_the_protocol_stays_so(sent: bytes, code: int) -> None:
    reader = FrameReader(MOST_BYTES)
    reader.push(sent)
    for _ in range(2):
        with pytest.raises(BrokenFrameError) as broken:
            messages(reader, [b""])
        assert broken.value.close_code == code
    assert reader.held_bytes == 0


def test_large_message_is_refused_by_its_head_and_what_is_held_is_told() -> None:
    reader = FrameReader(1000)
    reader.push(frame(2, b"x" * 900)[:500])
    assert reader.next() is None
    assert reader.held_bytes == 500 - 8
    reader.pass_over()
    assert reader.held_bytes == 0
    reader = FrameReader(1000)
    reader.push(frame(2, b"x" * 2000)[:8])
    with pytest.raises(BrokenFrameError):
        reader.next()


def test_bound_that_is_raised_between_two_messages_counts_for_what_has_come() -> None:
    reader = FrameReader(1000)
    reader.push(frame(1, b"hello") + frame(2, b"x" * 2000))
    assert reader.next() == (Kind.TEXT, "hello")
    reader.most_bytes = 3000
    assert reader.next() == (Kind.BINARY, b"x" * 2000)


def test_passed_over_is_everything_but_the_kinds_of_frames() -> None:
    reader = FrameReader(1000)
    reader.push(frame(2, b"x" * 900)[:500])
    assert reader.next() is None
    reader.pass_over()
    rest = frame(2, b"x" * 900)[500:] + frame(1, b"\xff" * 5000) + frame(8, pack("!H", 1000))
    kinds = [message.kind for message in messages(reader, [rest[:100], rest[100:]])]
    assert kinds == [Kind.BINARY, Kind.TEXT, Kind.CLOSE]
    assert reader.held_bytes == 0
