"""A document's past through a real gateway: asked for, named, and gone back to by new edits."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from coedit.client import DocumentError, DocumentHistory, connect
from coedit.client.history import PastEdit
from coedit.errors import InvalidIdentifierError
from coedit.identifiers import escape
from coedit.ot import Delta
from tests.conftest import MakeSystem
from tests.integration.test_access import token
from tests.system import System, eventually
from tests.unit.commands.test_cli import run

_NAME = "a/b c.d?"


@pytest.fixture(scope="module")
def closed_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that is not in open mode."""
    system = System(tmp_path_factory.mktemp("system"), settings={"COEDIT_GATEWAY_OPEN": "0"})
    system.start()
    yield system
    system.stop()


async def write(url: str, name: str, author: str, *deltas: Delta) -> None:
    """Make each delta a commit of its own."""
    async with connect(url, author=author) as session:
        document = await session.open(name)
        for delta in deltas:
            await document.edit(delta)
            await document.settle()


def at(position: int) -> Delta:
    return Delta().retain(position)


async def two_writers(url: str, name: str) -> DocumentHistory:
    """Revisions: 1 ada "hello ", 2 ada "hello world", 3 bob deletes "world", 4 bob adds "😀!", 5 ada makes it bold."""
    await write(url, name, "ada", at(0).insert("hello "), at(6).insert("world"))
    await write(url, name, "bob", at(6).delete(5), at(6).insert("😀!"))
    await write(url, name, "ada", at(0).retain(5, {"bold": True}))
    return DocumentHistory(url, name, author="carol")


async def test_changes_say_who_when_and_how_much(system: System) -> None:
    past = await two_writers(system.url, _NAME)
    changes, before = await past.changes()
    told = [(c.first, c.last, c.author, c.inserted, c.deleted, c.formatted) for c in changes]
    assert told == [(5, 5, "ada", 0, 0, 5), (3, 4, "bob", 3, 5, 0), (1, 2, "ada", 11, 0, 0)]
    assert before is None
    single, before = await past.changes(limit=2, gap_seconds=0)
    assert (single[0].first, before) == (5, single[-1].first)
    assert [change.last async for change in past.all_changes()] == [5, 4, 2]


async def test_document_at_any_moment(system: System) -> None:
    past = await two_writers(system.url, "moments")
    assert [(await past.at(revision)).content.text for revision in range(6)] == [
        "",
        "hello ",
        "hello world",
        "hello ",
        "hello 😀!",
        "hello 😀!",
    ]
    changes, _ = await past.changes(gap_seconds=0)
    second = await past.at(2)
    assert (second.author, second.epoch) == ("ada", 1)
    by_time = await past.at(f"@{second.at}")
    assert by_time.revision >= 2
    assert (await past.at(f"@{changes[-1].began_at - 1}")).revision == 0
    assert (await past.diff(2, 4)).to_json() == [{"retain": 6}, {"insert": "😀!"}, {"delete": 5}]
    assert (await past.diff("head", 5)) == Delta()


async def test_blame_names_the_author_of_each_part(system: System) -> None:
    past = await two_writers(system.url, "blamed")
    runs = await past.blame()
    assert [tuple(run[:3]) for run in runs] == [("ada", 1, 6), ("bob", 4, 3)]


async def test_restore_is_a_new_edit_that_others_see(system: System) -> None:
    past = await two_writers(system.url, "restored")
    async with connect(system.url, author="dora") as session:
        seen = await session.open("restored")
        assert await past.restore(2) == PastEdit(6, True)  # type: ignore[arg-type]
        await seen.until(lambda: seen.text == "hello world")
        await seen.insert(0, "> ")
        await seen.settle()
    assert (await past.at(6)).author == "carol"
    assert (await past.at(4)).content.text == "hello 😀!"
    assert await past.restore("head") == PastEdit(7, False)  # type: ignore[arg-type]


async def test_wish_that_is_said_twice_is_done_once(system: System) -> None:
    """Its first answer may have been lost, and others may have written since."""
    await two_writers(system.url, "twice")
    asked = {"of": "bob", "base_revision": 5, "author": "carol"}
    first = await post(system, "undo", "twice", asked)
    await write(system.url, "twice", "ada", at(0).insert("> "))
    again = await post(system, "undo", "twice", asked)
    assert first == again
    assert (first[0], first[1]["revision"], first[1]["changed"]) == (200, 6, True)
    past = DocumentHistory(system.url, "twice")
    assert (await past.at()).content.text == "> hello world"


async def test_wish_at_the_same_moment_is_done_once(system: System) -> None:
    await two_writers(system.url, "race")
    asked = {"of": "bob", "base_revision": 5, "author": "carol"}
    answers = await asyncio.gather(*(post(system, "undo", "race", asked) for _ in range(8)))
    assert {answer["revision"] for status, answer in answers if status == 200} == {6}
    assert all(status == 200 for status, _ in answers)
    assert (await DocumentHistory(system.url, "race").at()).revision == 6


async def test_edits_since_the_base_revision_stay(system: System) -> None:
    await two_writers(system.url, "rebased")
    await write(system.url, "rebased", "ada", at(0).insert("> "))
    await post(system, "restore", "rebased", {"at": "2", "base_revision": 5})
    assert (await DocumentHistory(system.url, "rebased").at()).content.text == "> hello world"


async def test_undo_of_an_author_leaves_what_others_wrote(system: System) -> None:
    past = await two_writers(system.url, "undone")
    assert (await past.undo("bob")).changed
    assert (await past.at()).content == Delta().insert("hello", {"bold": True}).insert(" world")
    assert (await past.undo("nobody")).changed is False


async def test_undo_of_a_time_range(system: System) -> None:
    past = await two_writers(system.url, "ranged")
    since = (await past.at(3)).at
    edit = await past.undo(since=since)
    assert edit.changed
    now = await past.at()
    assert now.content == (await past.at(f"@{since - 1}")).content


async def test_versions_are_named_once_and_found_again(system: System) -> None:
    past = await two_writers(system.url, "versioned/x")
    version = await past.save_version("v 1/ä", 2)
    assert (version.name, version.revision, version.author) == ("v 1/ä", 2, "carol")
    assert await past.save_version("v 1/ä", 2) == version
    assert (await past.at("version:v 1/ä")).content.text == "hello world"
    await past.save_version("now")
    assert [known.name for known in await past.versions()] == ["now", "v 1/ä"]
    with pytest.raises(DocumentError, match="version-exists"):
        await past.save_version("v 1/ä", 3)
    assert (await past.restore("version:v 1/ä")).changed


async def test_past_is_read_from_the_archive_where_the_log_ends(system: System) -> None:
    async with connect(system.url, author="ada") as session:
        document = await session.open("archived")
        for number in range(40):
            await document.insert(0, f"{number} ")
            await document.settle()
        await eventually(lambda: document.state.snapshot_revision >= 40, "a snapshot covers it")
        past = session.history("archived")
        assert (await past.at(20)).content.text.startswith("19 18 ")
        assert sum(run.length for run in await past.blame()) == document.content.document_length


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("at", "at=9999", 404, "future-revision"),
        ("at", "at=yesterday", 400, "invalid-request"),
        ("at", "at=version:none", 404, "unknown-version"),
        ("blame", "at=9999", 404, "future-revision"),
        ("diff", "", 400, "invalid-request"),
        ("history", "limit=x", 400, "invalid-request"),
        ("history", "gap_seconds=-1", 400, "invalid-request"),
        ("history", "gap_seconds=nan", 400, "invalid-request"),
        ("versions", "after=%00", 400, "invalid-identifier"),
    ],
)
async def test_bad_question_is_answered_with_a_code(
    system: System, path: str, query: str, status: int, code: str
) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{system.url}/v1/{path}/questioned?{query}") as answer,
    ):
        assert (answer.status, (await answer.json())["code"]) == (status, code)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("restore", {}, 400, "invalid-request"),
        ("restore", {"at": "0", "revision": 1}, 400, "invalid-request"),
        ("restore", {"at": "0", "base_revision": -1}, 400, "invalid-request"),
        ("restore", {"at": "0", "base_revision": 77}, 404, "future-revision"),
        ("restore", [], 400, "invalid-request"),
        ("restore", {"at": "x" * 20_000}, 413, "too-large"),
        ("undo", {}, 400, "invalid-request"),
        ("undo", {"since": "2026-01-01"}, 400, "invalid-request"),
        ("undo", {"of": ""}, 400, "invalid-identifier"),
        ("versions", {"name": ""}, 400, "invalid-identifier"),
    ],
)
async def test_bad_wish_is_answered_with_a_code(
    system: System, path: str, body: Any, status: int, code: str
) -> None:
    answered, answer = await post(system, path, "wished", body)
    assert (answered, answer["code"]) == (status, code)


async def test_rights_are_those_of_everywhere(closed_system: System) -> None:
    reading, writing = token({"notes": "read"}), token({"notes": "write"})
    url = closed_system.url
    assert (await DocumentHistory(url, "notes", reading).at()).revision == 0
    for known in (DocumentHistory(url, "notes"), DocumentHistory(url, "other", reading)):
        with pytest.raises(DocumentError, match=r"unauthorized|forbidden"):
            await known.changes()
    for wish in ("restore", "save_version", "undo"):
        with pytest.raises(DocumentError, match="forbidden"):
            await getattr(DocumentHistory(url, "notes", reading), wish)("0")
    assert (await DocumentHistory(url, "notes", writing, author="eve").save_version("0")).author == "ada"


async def test_page_of_somebody_else_is_refused(system: System) -> None:
    status, answer = await post(system, "restore", "x", {"at": "0"}, {"Origin": "https://evil.example"})
    assert (status, answer["code"]) == (403, "forbidden")


def test_name_that_no_document_has_is_refused() -> None:
    with pytest.raises(InvalidIdentifierError):
        DocumentHistory("http://127.0.0.1:1", "")


async def test_refusal_of_the_owner_is_the_answer(make_system: MakeSystem) -> None:
    """Bringing back what bob deleted would make the document larger than documents may be."""
    system = make_system(settings={"COEDIT_TRANSFORMER_DOCUMENT_UNITS": "10"})
    await write(system.url, "full", "ada", at(0).insert("12345678"))
    await write(system.url, "full", "bob", at(0).delete(8))
    await write(system.url, "full", "ada", at(0).insert("abcdefgh"))
    status, answer = await post(system, "undo", "full", {"of": "bob"})
    assert (status, answer["code"]) == (413, "document-too-large")
    again, _ = await post(system, "undo", "full", {"of": "bob"})
    assert again in (409, 413)
    assert (await DocumentHistory(system.url, "full").at()).content.text == "abcdefgh"


async def test_command_line_shows_and_goes_back(system: System) -> None:
    await two_writers(system.url, "shell")

    async def coedit(*words: str) -> tuple[int, str, str]:
        done = await asyncio.to_thread(run, *words, COEDIT_URL=system.url)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    code, lines, _ = await coedit("history", "shell")
    assert code == 0
    assert [line.split("\t")[0] for line in lines.splitlines()] == ["5", "3-4", "1-2"]
    assert [line.split("\t")[3] for line in lines.splitlines()] == ["+0 -0 ~5", "+3 -5", "+11 -0"]
    assert (await coedit("show", "shell", "2"))[1] == "hello world"
    assert json.loads((await coedit("show", "shell", "1", "--json"))[1]) == [{"insert": "hello "}]
    assert (await coedit("diff", "shell", "3", "4"))[1] == '{"retain":6}\n{"insert":"😀!"}\n'
    assert (await coedit("blame", "shell"))[1] == '1\tada\t"hello "\n4\tbob\t"😀!"\n'
    assert (await coedit("versions", "shell", "--save", "v1", "--at", "2"))[1].startswith("v1\t2\t")
    assert (await coedit("restore", "shell", "version:v1"))[2] == "saved as revision 6\n"
    assert (await coedit("undo-author", "shell", "guest"))[2] == "saved as revision 7\n"
    assert (await coedit("undo-author", "shell"))[0] == 2
    assert (await coedit("show", "shell", "99"))[0] == 4
    assert json.loads((await coedit("versions", "shell", "--json"))[1])[0]["name"] == "v1"


async def post(
    system: System, path: str, name: str, body: Any, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{system.url}/v1/{path}/{escape(name)}", json=body, headers=headers) as answer,
    ):
        fields: dict[str, Any] = await answer.json()
        return answer.status, fields
