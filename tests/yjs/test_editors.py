"""Every kind of Yjs client beside an OT client: edits, formatting, embeds, carets, and coming back."""

from collections.abc import AsyncIterator
from functools import partial
from typing import NamedTuple

import pytest

from coedit.client import Document, connect
from coedit.ot import Delta
from tests.system import System, eventually
from tests.yjs.convergence import all_equal, stored
from tests.yjs.node_clients import Editor, NodeClient, NodeClients, Provider

Kind = tuple[Provider, Editor]

_PLAIN: list[Kind] = [("y-websocket", "none"), ("hocuspocus", "none")]
_QUILL: Kind = ("y-websocket", "quill")
_CODEMIRROR: Kind = ("y-websocket", "codemirror")


class Trio(NamedTuple):
    """An OT client and two Yjs clients of one kind, in one document."""

    name: str
    ada: Document
    bob: NodeClient
    cyd: NodeClient

    async def agree(self) -> None:
        """Wait until all have one document, and the editors show it."""
        await all_equal([self.ada], [self.bob, self.cyd])
        for client in (self.bob, self.cyd):
            shown = Delta.from_json(await client.shown())
            assert shown in (self.ada.content, Delta().insert(self.ada.text))


@pytest.fixture(params=[*_PLAIN, _CODEMIRROR, _QUILL], ids=" ".join)
def kind(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    return kind


@pytest.fixture
async def trio(
    system: System, yjs: NodeClients, kind: Kind, request: pytest.FixtureRequest
) -> AsyncIterator[Trio]:
    provider, editor = kind
    name = f"{request.node.name} é/😀"
    async with connect(system.url, author="ada") as session:
        ada = await session.open(name)
        await ada.insert(0, "Hello 😀 world")
        bob = await yjs.open(system.url, name, provider=provider, editor=editor, user="Bob")
        cyd = await yjs.open(system.url, name, provider=provider, editor=editor, user="Cyd")
        trio = Trio(name, ada, bob, cyd)
        await trio.agree()
        yield trio


async def test_edits_made_at_once_end_in_one_document(system: System, yjs: NodeClients, trio: Trio) -> None:
    await trio.ada.insert(14, "漢")
    family = Delta().retain(5).insert(", 👩‍👩‍👧")
    await yjs.edit_at_once((trio.bob, family), (trio.cyd, Delta().retain(6).delete(2).insert("big")))
    await trio.agree()
    assert trio.ada.text == "Hello, 👩‍👩‍👧 big world漢"
    assert stored(system.url, trio.name) == trio.ada.content


async def test_offline_edits_come_back(trio: Trio) -> None:
    await trio.bob.disconnect()
    await trio.bob.edit(Delta().retain(14).insert("!"))
    await trio.cyd.edit(Delta().insert("> "))
    await all_equal([trio.ada], [trio.cyd])
    await trio.ada.delete(2, 5)
    await trio.bob.connect()
    await trio.agree()
    assert trio.ada.text == ">  😀 world!"


async def test_carets_are_seen_both_ways_and_go_with_their_owner(trio: Trio) -> None:
    await trio.ada.move_caret(9)
    await trio.bob.call("select", anchor=5, head=8)
    await eventually(
        lambda: _carets(trio.ada) == {"Bob": (5, 8)}, "the OT client sees the Yjs client's selection"
    )
    await eventually(lambda: _sees(trio.bob, "ada", 9), "the Yjs client sees the OT client's caret")
    await eventually(lambda: _sees(trio.cyd, "Bob", 8), "so does another, and the first client's")
    for anchor, head in ((0, 0), (9, 9), (12, 9)):
        await trio.ada.move_caret(anchor, head)
        await eventually(partial(_sees, trio.bob, "ada", head), "the OT client's caret has moved")
    await trio.ada.insert(0, "> ")
    await eventually(lambda: _sees(trio.cyd, "Bob", 10), "a caret stays where its text goes")
    await eventually(lambda: _sees(trio.cyd, "ada", 11), "so does an OT client's")
    await eventually(lambda: _carets(trio.ada) == {"Bob": (7, 10)}, "so does what the OT client sees")
    await trio.bob.call("hold")
    await trio.bob.destroy()
    await eventually(lambda: _carets(trio.ada) == {}, "who leaves has no caret, though no goodbye arrives")


def _carets(document: Document) -> dict[str, tuple[int, int]]:
    return {
        person.name: (person.caret.anchor, person.caret.head)
        for person in document.people
        if person.caret is not None
    }


async def _sees(client: NodeClient, name: str, position: int) -> bool:
    return {"name": name, "position": position} in await client.call("carets")


@pytest.mark.parametrize("kind", [*_PLAIN, _QUILL], ids=" ".join)
async def test_formatting_and_embeds_go_both_ways(trio: Trio) -> None:
    image, red = {"image": "https://example.org/e.png"}, {"color": "red", "link": "https://example.org/"}
    await trio.ada.format(0, 5, {"bold": True, "italic": True})
    await trio.agree()
    await trio.bob.edit(Delta().retain(3, {"bold": None}).retain(3).insert(image))
    await trio.agree()
    await trio.cyd.edit(Delta().retain(10).insert("\n", {"header": 2}).insert("red", red))
    await trio.agree()
    assert trio.ada.content == Delta.from_json(
        [
            {"insert": "Hel", "attributes": {"italic": True}},
            {"insert": "lo", "attributes": {"bold": True, "italic": True}},
            {"insert": " "},
            {"insert": image},
            {"insert": "😀 "},
            {"insert": "\n", "attributes": {"header": 2}},
            {"insert": "red", "attributes": red},
            {"insert": "world"},
        ]
    )


@pytest.mark.parametrize("kind", [_CODEMIRROR], ids=" ".join)
async def test_formatting_stays_when_an_editor_without_any_edits(trio: Trio) -> None:
    await trio.ada.format(0, 5, {"bold": True})
    await all_equal([trio.ada], [trio.bob])
    await trio.bob.edit(Delta().retain(2).insert("--"))
    await trio.agree()
    assert trio.ada.content == Delta().insert("He--llo", {"bold": True}).insert(" 😀 world")


@pytest.mark.parametrize("kind", _PLAIN, ids=" ".join)
async def test_embedded_objects_arrive_as_they_are(trio: Trio) -> None:
    embed = {"mention": {"id": 7, "name": "Zoë 😀", "of": ["a", None, True, 1.5, {"b": -0.25}]}}
    await trio.ada.insert(0, embed, {"size": 3})
    await trio.bob.edit(Delta().retain(14).insert(embed, {"note": {"by": "Bob"}}))
    await trio.agree()
    assert [op.get("insert") for op in await trio.cyd.shared()].count(embed) == 2
