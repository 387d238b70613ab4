"""What a Yjs client's cut of a character becomes, for the server, for whoever was here and for whoever comes later."""

import json

import pytest
from pycrdt import Doc, Text

from coedit.crdt.document import NOTHING, YjsDocument
from coedit.crdt.whole_characters import WholeCharacters
from coedit.identifiers import document_id
from coedit.ot.apply import apply
from coedit.ot.delta import Delta
from coedit.ot.parts.ops import Insert
from coedit.ot.parts.utf16 import from_units
from coedit.protocol.yjs.lib0 import write_text, write_uint
from coedit.protocol.yjs.update import decode_update

NAME = document_id("notes")
SERVER = 2**33
AUTHOR, CUTTER = 5, 7

SWIRL = "x🌀y"
"""The text that is cut; the clocks of AUTHOR are x 0, the swirl 1 and 2, y 3."""


def typed(text: str, client: int = AUTHOR) -> bytes:
    """Return the update of a text that ``client`` typed."""
    return b"\1\1" + write_uint(client) + b"\0\4\1" + write_text("content") + write_text(text) + b"\0"


def between(left: int, right: int, content: bytes, *, deletes: bytes = b"\0") -> bytes:
    """Return CUTTER's update of one item between two of AUTHOR's."""
    return bytes((1, 1, CUTTER, 0, 0xC0 | content[0], AUTHOR, left, AUTHOR, right)) + content[1:] + deletes


def gone(first: int, length: int) -> bytes:
    """Return the update that deletes some of AUTHOR's items."""
    return bytes((0, 1, AUTHOR, 1, first, length))


LETTER = b"\4\1A"
CUTS = {
    "an insert": (between(1, 2, LETTER), "xA🌀y"),
    "an embed": (between(1, 2, b"\5" + write_text('{"a":1}')), 'x{"a":1}🌀y'),
    "the first half deleted": (gone(1, 1), "xy"),
    "the second half deleted": (gone(2, 1), "xy"),
    "up to the first half deleted": (gone(0, 2), "y"),
    "from the second half on deleted": (gone(2, 2), "x"),
    "an end of a format": (between(1, 2, b"\6" + write_text("b") + write_text("null")), "x🌀y"),
    "a right origin alone": (
        bytes((1, 1, CUTTER, 0, 0x44, AUTHOR, 2)) + b"\1A\0",
        None,
    ),
    "an origin alone": (bytes((1, 1, CUTTER, 0, 0x84, AUTHOR, 1)) + b"\1A\0", None),
    "a half replaced": (between(1, 2, b"\4" + write_text("\ufffd"), deletes=gone(2, 1)[1:]), "x\ufffdy"),
    "an update of known items that begins inside": (
        bytes((1, 2, AUTHOR, 2, 0xA, 2, 0x84, AUTHOR, 3, 1)) + b"z\0",
        "x🌀yz",
    ),
    "collected items over it": (bytes((1, 2, AUTHOR, 2, 0, 2, 0x84, AUTHOR, 3, 1)) + b"z\0", "x🌀yz"),
    "items over the end of what is known": (
        b"\1\1\5\3\4\1" + write_text("content") + write_text("😀") + b"\0",
        None,
    ),
}


class Everybody:
    """The server's document, one that was here, and one that comes when it is asked for."""

    def __init__(self) -> None:
        self.server_id = SERVER
        self.server = YjsDocument(NAME, client_id=SERVER)
        self.whole = WholeCharacters(self.server, SERVER + 1)
        self.follower = YjsDocument(NAME)
        self.peer: Doc[Text] = Doc()
        self.peer_text = self.peer.get("content", type=Text)

    def take(self, update: bytes) -> None:
        before = self.server.content
        for step in self.whole.take(update, decode_update(update)):
            before = apply(before, step.taken.delta)
            assert before == step.taken.document
            self._follow(step.taken.update, step.taken.delta)

    def load_again(self) -> None:
        """Have the server read its document, as another owner does, whose items have ids of their own."""
        self.server = YjsDocument(NAME, self.server.update(), client_id=self.server_id + 2)
        self.server_id += 2
        self.whole = WholeCharacters(self.server, self.server_id + 1)

    def derive(self, delta: Delta) -> None:
        update = self.server.derive(delta, apply(self.server.content, delta))
        self.whole.derived(update)
        if update != NOTHING:
            self._follow(update, delta)

    def _follow(self, update: bytes, delta: Delta) -> None:
        self.follower.follow(update, delta)
        self.peer.apply_update(update)

    def content(self) -> Delta:
        """Return the text that all of them have."""
        content = self.server.content
        peer = Delta(Insert(content, attributes) for content, attributes in self.peer_text.diff())
        joiner = YjsDocument(NAME, self.server.update())
        for other in (self.server.render(), self.follower.content, self.follower.render(), peer):
            assert other == content
        assert joiner.content == content
        assert joiner.state_vector() == self.server.state_vector() == self.follower.state_vector()
        return content


@pytest.mark.parametrize("kind", CUTS)
def test_everybody_has_one_text_of_what_cuts_a_character(kind: str) -> None:
    update, becomes = CUTS[kind]
    everybody = Everybody()
    everybody.take(typed(SWIRL))
    everybody.take(update)
    content = everybody.content()
    if becomes is not None:
        assert shown(content) == becomes
    everybody.take(update)
    assert everybody.content() == content
    everybody.derive(Delta().insert("😀"))
    everybody.content()


@pytest.mark.parametrize("kind", CUTS)
def test_a_document_that_is_loaded_again_cuts_no_character_either(kind: str) -> None:
    update, becomes = CUTS[kind]
    everybody = Everybody()
    everybody.take(typed(SWIRL))
    everybody.server = YjsDocument(NAME, everybody.server.update(), client_id=SERVER)
    everybody.whole = WholeCharacters(everybody.server, SERVER + 1)
    everybody.take(update)
    content = everybody.content()
    assert becomes is None or shown(content) == becomes


def shown(content: Delta) -> str:
    """Return a text without formats, embeds as JSON."""
    parts = [op.content for op in content.ops if isinstance(op, Insert)]
    return "".join(
        from_units(part) if isinstance(part, str) else json.dumps(part, separators=(",", ":"))
        for part in parts
    )


def behind(clock: int, text: str, client: int = AUTHOR) -> bytes:
    """Return the update of a text that ``client`` wrote on with behind its own item before ``clock``."""
    left = write_uint(client) + write_uint(clock - 1)
    return b"\1\1" + write_uint(client) + write_uint(clock) + b"\x84" + left + write_text(text) + b"\0"


@pytest.mark.parametrize("loads", [(), (0,), (1,), (0, 0)], ids=["never", "at once", "later", "twice"])
def test_what_stands_behind_a_typed_half_is_written_anew_by_whoever_has_loaded_the_document(
    loads: tuple[int, ...],
) -> None:
    """JavaScript writes U+FFFD over it when it splits its string behind the half: its author has lost it."""
    everybody = Everybody()
    everybody.take(typed("ab\ufffd"))
    for others in loads:
        if others:
            everybody.take(typed("other", CUTTER))
        everybody.load_again()
    everybody.take(behind(3, "😀!"))
    assert sum("\ud83d\ude00" in str(op.content) for op in everybody.content().ops if type(op) is Insert) == 1
    written = [span.at.client for span in decode_update(everybody.server.update()).strings if span.has_pairs]
    assert written == [everybody.server_id + 1], "its author's is gone"


def test_half_that_its_author_went_on_from_counts_no_more() -> None:
    everybody = Everybody()
    everybody.take(typed("\ufffd"))
    for load in (False, True):
        everybody.take(behind(1, "bc"))
        if load:
            everybody.load_again()
        everybody.take(behind(3, "d"))
        assert not everybody.whole._halves


def test_half_is_known_though_somebody_sends_again_what_was_there() -> None:
    everybody = Everybody()
    everybody.take(typed("a\ufffd"))
    first, half = everybody.server.update(), dict(everybody.whole._halves)
    everybody.take(first)
    everybody.take(typed("other", CUTTER))
    everybody.take(everybody.server.update())
    assert everybody.whole._halves == half == {AUTHOR: 2}
