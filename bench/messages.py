"""``python -m bench.messages``: what it costs to read a client's frame, by type, at its worst and as it usually is.

Microseconds of processor per KB, of frames of about a megabyte and of a quarter of that, in both codecs: linear is
where the two are alike. Before `welcome` a frame has at most 16 KiB, so that those of a `hello` are what it may cost.
"""

import time
from collections.abc import Iterator

import msgpack
import orjson

from coedit.protocol.codec import Codec
from coedit.protocol.server_session import MOST_BYTES_BEFORE_WELCOME, Refusal, ServerSession

_FRAME_BYTES = 4 * 1024 * 1024
_SIZES = (256 * 1024, 1024 * 1024)
_RUNS = 3
_SUBMIT = '{"type":"submit","document":"d","client_sequence":1,"epoch":1,"base_revision":0,"delta":[%s]}'
_OFFER = '{"type":"offer","document":"d","before":"","commits":[%s]}'
_COMMIT = (
    '{"revision":1,"delta":[{"insert":"x"}],"author":"a","client_id":"c","client_sequence":1,"at":1,"epoch":1,'
    '"mac":"m","key_id":"k"}'
)
_REPEATED = {
    "hello, unknown fields": ('{"type":"hello",%s}', '"k%d":1'),
    "open, unknown fields": ('{"type":"open",%s}', '"k%d":1'),
    "open, a long name": ('{"type":"open","document":"%s"}', "é"),
    "presence, unknown fields": ('{"type":"presence",%s}', '"k%d":1'),
    "close, unknown fields": ('{"type":"close",%s}', '"k%d":1'),
    "unknown type, numbers": ('{"type":"no","x":[%s]}', "1"),
    "unknown type, maps": ('{"type":"no","x":[%s]}', "{}"),
    "unknown type, lists": ('{"type":"no","x":[%s]}', "[]"),
    "submit, ASCII text": (_SUBMIT % '{"insert":"%s"}', "x"),
    "submit, emoji": (_SUBMIT % '{"insert":"%s"}', "😀"),
    "submit, ops": (_SUBMIT, '{"insert":"' + "some words " * 20 + '","attributes":{"bold":true}}'),
    "submit, values in an embed": (_SUBMIT % '{"insert":{"a":[%s]}}', "[[1]]"),
    "submit, no ops": (_SUBMIT, "1"),
    "offer, commits": (_OFFER, _COMMIT),
    "offer, no commits": (_OFFER, "{}"),
    "offer, unknown fields": (_OFFER % "{%s}", '"k%d":1'),
}


def main() -> None:
    """Measure and print."""
    print("| frame | JSON | JSON, a quarter | msgpack | msgpack, a quarter | answer |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, (around, item) in _REPEATED.items():
        small, large = _SIZES if not name.startswith("hello") else (4096, MOST_BYTES_BEFORE_WELCOME - 256)
        costs, answers = [], set()
        for codec in Codec:
            for size in (large, small):
                cost, answer = measured(codec, _text(around, item, size))
                costs.append(f"{cost:.1f}")
                answers.add(answer)
        print(f"| {name} | {' | '.join(costs)} | {', '.join(sorted(answers))} |")


def measured(codec: Codec, text: str) -> tuple[float, str]:
    """Return the microseconds per KB that reading the message takes at best, and how it is answered."""
    payload: bytes | str = text if codec is Codec.JSON else msgpack.packb(orjson.loads(text))
    size = len(payload) if isinstance(payload, bytes) else len(payload.encode())
    times, answer = [], "read"
    for _ in range(_RUNS):
        session = ServerSession(codec, 100, _FRAME_BYTES)
        session.is_welcome = not text.startswith('{"type":"hello"')
        session.open.add("d")  # type: ignore[arg-type]  # a document id
        started = time.process_time()
        try:
            session.receive(payload)
        except Refusal as refusal:
            answer = refusal.error.code
        times.append(time.process_time() - started)
    return min(times) * 1e6 / (size / 1024), answer


def _text(around: str, item: str, size: int) -> str:
    return around % ("" if len(item) == 1 and item != "1" else ",").join(_items(item, size - len(around)))


def _items(item: str, size: int) -> Iterator[str]:
    number = 0
    while size > 0:
        one = item % number if "%d" in item else item
        size -= len(one.encode()) + 1
        number += 1
        yield one


if __name__ == "__main__":
    main()
