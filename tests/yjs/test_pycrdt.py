"""Python's pycrdt, with its own provider, beside an OT client."""

from coedit.client import connect
from coedit.ot import Delta
from tests.system import System
from tests.yjs.convergence import all_equal
from tests.yjs.pycrdt_client import pycrdt_client


async def test_pycrdt_and_ot_clients_edit_one_document(system: System) -> None:
    async with (
        connect(system.url) as session,
        pycrdt_client(system.url, "by pycrdt 😀") as bob,
        pycrdt_client(system.url, "by pycrdt 😀") as cyd,
    ):
        ada = await session.open("by pycrdt 😀")
        await ada.insert(0, "é😀漢")
        await all_equal([ada], [bob, cyd])
        await bob.edit_somewhere({"kind": "insert", "at": 0.99, "content": "!", "attributes": {"bold": True}})
        await cyd.edit_somewhere({"kind": "insert", "at": 0.0, "content": {"mention": {"id": 7}}})
        await all_equal([ada], [bob, cyd])
        await ada.format(1, 3, {"italic": True, "size": 2})
        await all_equal([ada], [bob, cyd])
        italic = {"italic": True, "size": 2}
        expected = Delta().insert({"mention": {"id": 7}}).insert("é😀", italic).insert("漢")
        assert ada.content == expected.insert("!", {"bold": True})


async def test_pycrdt_comes_back_with_what_it_typed_alone(system: System) -> None:
    async with connect(system.url) as session, pycrdt_client(system.url, "away") as bob:
        ada = await session.open("away")
        await ada.insert(0, "ab")
        await all_equal([ada], [bob])
        await bob.disconnect()
        await bob.edit_somewhere({"kind": "insert", "at": 0.5, "content": "👩‍👩‍👧"})
        await ada.delete(0, 1)
        await ada.settle()
        await bob.connect()
        await all_equal([ada], [bob])
        assert ada.text == "👩‍👩‍👧b"
