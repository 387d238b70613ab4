"""Hypothesis strategies for sequences of what Yjs clients send, without Hocuspocus's key."""

import json
from typing import Any

from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text

from coedit.protocol.yjs.awareness import Entry, write_entries
from coedit.protocol.yjs.lib0 import write_bytes, write_text, write_uint
from coedit.protocol.yjs.sync import write_awareness, write_step_1, write_step_2, write_update
from tests.fuzz.messages import mostly
from tests.fuzz.mutator import VALUES

_ids = st.integers(1, 6) | st.integers(1, 6) | st.sampled_from([2**31, 2**32, 2**35 - 1, 2**53 - 1])
_clocks = st.just(0) | st.integers(0, 9) | st.sampled_from([2**31, 2**53 - 1])
_texts = st.text("ab😀é\u2028\x00", min_size=1, max_size=8)


def _edited(client: int, edits: list[tuple[str, bool]], shape: str) -> bytes:
    """Return the update of a new document that somebody edited."""
    doc: Doc[Any] = Doc(client_id=client)
    if shape == "map":
        doc.get("other", type=Map)["x"] = [1, {"y": "😀"}]
    elif shape == "array":
        doc.get("content", type=Array).append("x")
    text = doc.get("content" if shape == "text" else "elsewhere", type=Text)
    for inserted, is_bold in edits:
        text.insert(0, inserted, {"bold": True} if is_bold else {})
        if is_bold:
            del text[: len(inserted[0].encode())]
    return doc.get_update()


_updates = st.builds(
    _edited,
    st.integers(1, 2**31 - 1) | _ids,
    st.lists(st.tuples(_texts, st.booleans()), max_size=5),
    st.sampled_from(["text"] * 8 + ["map", "array"]),
)


@st.composite
def _written(draw: st.DrawFn) -> bytes:
    """An update that is well formed: items with any neighbours and contents, skips, and deletes of anything."""
    client, clock = draw(_ids), draw(_clocks)
    structs = [draw(_items()) for _ in range(draw(st.integers(0, 3)))]
    deletes = draw(st.lists(st.tuples(_ids, _clocks, st.integers(1, 9)), max_size=3))
    head = write_uint(1) + write_uint(len(structs)) + write_uint(client) + write_uint(clock)
    body = head + b"".join(structs) if structs else b"\x00"
    ranges = [write_uint(of) + b"\x01" + write_uint(at) + write_uint(length) for of, at, length in deletes]
    return body + write_uint(len(ranges)) + b"".join(ranges)


@st.composite
def _items(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from([4, 4, 4, 4, 4, 4, 6, 6, 5, 1, 0, 1, 2, 3, 7, 8, 9, 10, 11]))
    if kind in (0, 10):
        return bytes([kind]) + write_uint(draw(_clocks))
    origin, right = draw(st.booleans()), draw(st.booleans())
    parts = [bytes([kind | (0x80 if origin else 0) | (0x40 if right else 0)])]
    parts += [write_uint(draw(_ids)) + write_uint(draw(_clocks)) for is_there in (origin, right) if is_there]
    if not (origin or right):
        parts.append(b"\x01" + write_text(draw(st.sampled_from(["content"] * 6 + ["other", ""]))))
    return b"".join((*parts, _content(draw, kind)))


def _content(draw: st.DrawFn, kind: int) -> bytes:
    value = json.dumps(draw(st.sampled_from(VALUES)))
    match kind:
        case 1:
            return write_uint(draw(_clocks))
        case 2:
            return b"\x01" + write_text(value)
        case 3:
            return write_bytes(draw(st.binary(max_size=6)))
        case 4:
            return write_text(draw(_texts))
        case 5:
            return write_text(value)
        case 6:
            return write_text(draw(st.sampled_from(["bold", "", "__proto__"]))) + write_text(value)
        case 7:
            return bytes([draw(st.integers(0, 7))]) + (write_text("p") if draw(st.booleans()) else b"")
        case 8:
            return b"\x01" + draw(
                st.sampled_from([b"\x7f", b"\x7e", b"\x77\x01a", b"\x76\x00", b"\x75\x01\x7d\x01"])
            )
        case _:
            return write_text("guid") + draw(st.sampled_from([b"\x76\x00", b"\x7e", b"\xff"]))


_any_update = st.one_of(_updates, _written())
_states = st.one_of(
    st.just("{}"), st.just("null"), st.sampled_from(VALUES).map(json.dumps), st.text(max_size=20)
)
_entries = st.builds(Entry, _ids, _clocks, _states)

frames: st.SearchStrategy[bytes] = mostly(
    _any_update.map(write_update),
    st.one_of(
        _any_update.map(write_step_2),
        st.binary(max_size=12).map(write_step_1),
        st.just(write_step_1(b"\0")),
        st.lists(_entries, max_size=3).map(write_entries).map(write_awareness),
        st.sampled_from([b"\x03", b"\x00", b"\x02\x00", b"\x05\x00", b"\x07", b"\x09", b"\x0a", b""]),
        st.binary(max_size=30),
    ),
    usual_of=2,
)
sequences: st.SearchStrategy[list[bytes]] = st.lists(frames, min_size=1, max_size=10)
"""What is sent after a good step 1."""
