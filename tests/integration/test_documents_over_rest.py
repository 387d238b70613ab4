"""Documents over plain HTTP: which there are, where each stands, and making one."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from coedit.client import connect
from coedit.identifiers import DocumentId, escape
from coedit.store.keys import Shard, shard_of
from tests.integration.rest_client import Answered, ask, listed
from tests.integration.test_access import token
from tests.integration.yjs_client import YjsClient
from tests.system import System, eventually

_TEXT: dict[str, Any] = {"format": "text"}
_NOT_THERE = {"If-None-Match": "*"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Two gateways whose services have few rights; documents are idle after a moment."""
    settings = {
        "COEDIT_GATEWAY_OPEN": "0",
        "COEDIT_SNAPSHOTTER_IDLE_SECONDS": "0.4",
        "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.2",
        "COEDIT_SNAPSHOTTER_SCAN_SECONDS": "0.05",
    }
    system = System(tmp_path_factory.mktemp("system"), gateways=2, acl=True, settings=settings)
    system.start()
    yield system
    system.stop()


ALL = token({"*": "write"})


async def put(system: System, name: str, text: str, **more: Any) -> Answered:
    more = {"token": ALL} | more
    return await ask(system.url, "PUT", name, body=text.encode(), **_TEXT, **more)


async def test_documents_are_listed_from_when_they_are_written_on(system: System) -> None:
    """While only Redis has them, when both stores do, and when only the object store has."""
    names = [f"listed/{name}" for name in ("a", "a-b", "a b", "é", "😀", "~", "x" * 240, "a/b/c", "%41")]
    for name in names:
        assert (await put(system, name, "hello")).status == 201
        assert name in await listed(system.url, token=ALL, prefix="listed/")
    in_order = sorted(names, key=lambda name: escape(name) + "/")
    for limit in (1, 2, 100):
        assert await listed(system.gateways[1], token=ALL, prefix="listed/", limit=limit) == in_order
    assert await listed(system.url, token=ALL, prefix="listed/a") == [
        name for name in in_order if name.startswith("listed/a")
    ]
    objects = system.folder / "objects"
    await eventually((objects / escape("listed/a")).is_dir, "a snapshot")
    for _ in range(20):  # whatever is moved meanwhile
        assert await listed(system.url, token=ALL, prefix="listed/") == in_order
        await asyncio.sleep(0.05)
    assert await listed(system.url, token=ALL, prefix="listed/none") == []


async def test_who_opens_a_document_and_writes_nothing_leaves_none(system: System) -> None:
    async with connect(system.url, token=ALL) as session:
        document = await session.open("opened/only")
        assert await listed(system.url, token=ALL, prefix="opened/") == []
        await document.insert(0, "x")
        await document.settle()
        assert await listed(system.url, token=ALL, prefix="opened/") == ["opened/only"]
    async with YjsClient(system.url, "opened/yjs", token=ALL) as ada:
        ada.text += "x"
        await eventually(lambda: _has(system, "opened/yjs"), "what a Yjs client wrote")


async def _has(system: System, name: str) -> bool:
    return name in await listed(system.url, token=ALL, prefix=name)


async def test_list_holds_what_is_granted(system: System) -> None:
    names = ["team/1/a", "team/1/b", "team/1/secret", "team/10/a", "team/2/a", "team"]
    for name in names:
        await put(system, f"granted/{name}", "x")
    for documents, expected in (
        ({}, []),
        ({"granted/*": "write"}, names),
        ({"granted/team/1/*": "read"}, names[:3]),
        ({"granted/team/1/*": "read", "granted/team/1/secret": []}, names[:2]),
        ({"granted/team/1/*": ["presence", "history"]}, []),
        ({"granted/team": "read", "granted/team/2/a": "write", "elsewhere": "read"}, ["team", "team/2/a"]),
        ({"*": "read", "granted/team/*": [], "granted/team/2/*": "read"}, ["team", "team/2/a"]),
    ):
        for limit in (1, 100):
            told = await listed(system.url, token=token(documents), prefix="granted/", limit=limit)
            assert sorted(told) == sorted(f"granted/{name}" for name in expected), documents
    assert (await ask(system.url, "GET")).status == 401
    odd: tuple[dict[str, Any], ...] = ({"limit": "x"}, {"after": "é"}, {"after": "////"})
    for query in odd:
        answer = await ask(system.url, "GET", token=ALL, **query)
        assert (answer.status, answer.code) == (400, "invalid-request")


async def test_list_comes_back_from_the_object_store_when_redis_is_wiped(system: System) -> None:
    names = [f"wiped/{number}" for number in range(5)]
    for name in names:
        await put(system, name, "x")
    objects = system.folder / "objects"
    await eventually(
        lambda: all((objects / escape(name) / "snapshot").is_dir() for name in names), "snapshots"
    )
    async with Redis.from_url(system.redis_url) as redis:
        for number in range(8):
            await redis.delete(Shard(number).fresh)
    assert await listed(system.url, token=ALL, prefix="wiped/") == names


async def test_only_what_has_no_snapshot_is_on_the_list_in_redis(system: System) -> None:
    """However many documents there are, it stays short."""
    await put(system, "short", "x")
    fresh = shard_of(DocumentId("short"), 8).fresh
    async with Redis.from_url(system.redis_url) as redis:

        async def is_listed_no_more() -> bool:
            return await redis.zscore(fresh, "short/") is None

        await eventually(is_listed_no_more, "that its snapshot is stored")
    assert await _has(system, "short")
    async with connect(system.url, token=ALL) as session:
        document = await session.open("short")
        await document.insert(0, "more ")
        await document.settle()
    assert await _has(system, "short")


async def test_tag_says_where_a_document_stands_and_spares_its_content(system: System) -> None:
    created = await put(system, "tagged", "hello")
    assert (created.status, created.tag) == (201, '"1:1"')
    for accept in ("application/json", "text/plain"):
        got = await ask(system.url, "GET", "tagged", token=ALL, headers={"Accept": accept})
        assert (got.status, got.tag, got.headers["Coedit-Revision"]) == (200, '"1:1"', "1")
        for known in ('"1:1"', 'W/"1:1"', '"0:9", "1:1"', "*"):
            headers = {"Accept": accept, "If-None-Match": known}
            again = await ask(system.url, "GET", "tagged", token=ALL, headers=headers)
            assert (again.status, again.tag, again.body) == (304, '"1:1"', b"")
        other = {"Accept": accept, "If-None-Match": '"1:2", "2:1"'}
        assert (await ask(system.url, "GET", "tagged", token=ALL, headers=other)).status == 200
    edit = await ask(system.url, "POST", "tagged", behind="/edits", token=ALL, body={"append": "!"})
    assert (edit.status, edit.tag) == (200, '"1:2"')
    headers = {"If-None-Match": '"1:1"'}
    changed = await ask(system.url, "GET", "tagged", token=ALL, headers=headers)
    assert (changed.status, changed.tag, changed.json["revision"]) == (200, '"1:2"', 2)
    odd = await ask(system.url, "GET", "tagged", token=ALL, headers={"If-None-Match": "1:1"})
    assert (odd.status, odd.code) == (400, "invalid-request")
    assert (await ask(system.url, "GET", "tagged", headers=headers)).status == 401


async def test_head_says_where_a_document_stands(system: System) -> None:
    nothing = await ask(system.url, "HEAD", "head/none", token=ALL)
    assert (nothing.status, nothing.tag, nothing.headers["Coedit-Revision"]) == (200, '"1:0"', "0")
    assert (await ask(system.url, "HEAD", "head/none", token=ALL, headers=_NOT_THERE)).status == 200
    await put(system, "head/some", "hello")
    some = await ask(system.url, "HEAD", "head/some", token=ALL)
    assert (some.status, some.tag, some.body) == (200, '"1:1"', b"")
    assert (await ask(system.url, "HEAD", "head/some", token=ALL, headers=_NOT_THERE)).status == 304
    assert (await ask(system.url, "HEAD", "head/some")).status == 401
    assert (await ask(system.url, "HEAD", "head/some", token=token({"b": "read"}))).status == 403
    shard = shard_of(DocumentId("head/some"), 8)
    async with Redis.from_url(system.redis_url) as redis:

        async def is_evicted() -> bool:
            return not await redis.exists(shard.document(DocumentId("head/some")))

        await eventually(is_evicted, "that it is idle")
    left = await ask(system.url, "HEAD", "head/some", token=ALL)
    assert (left.status, left.tag) == (200, '"1:1"')
    known = {"If-None-Match": '"1:1"'}
    assert (await ask(system.url, "GET", "head/some", token=ALL, headers=known)).status == 304


async def test_document_is_made_what_a_file_says(system: System) -> None:
    created = await put(system, "made", "# not a title")
    assert created.status == 201
    assert created.json == {
        "document": "made",
        "base_revision": 0,
        "format": "text",
        "created": True,
        "epoch": 1,
        "revision": 1,
        "changed": True,
    }
    body = b"# A *title*"
    again = await ask(system.url, "PUT", "made", token=ALL, body=body, format="markdown")
    assert (again.status, again.json["created"], again.json["base_revision"]) == (200, False, 1)
    shown = await ask(system.url, "GET", "made", token=ALL, headers={"Accept": "text/plain"})
    assert shown.body == b"A title\n"
    same = await ask(system.url, "PUT", "made", token=ALL, body=body, format="markdown")
    assert (same.status, same.json["changed"], same.tag) == (200, False, again.tag)
    empty = await put(system, "made/empty", "")
    assert (empty.status, empty.json["revision"]) == (201, 1)
    assert await listed(system.url, token=ALL, prefix="made/") == ["made/empty"]
    odd = await ask(system.url, "PUT", "made/odd", token=ALL, body=b"x", format="odd")
    assert (odd.status, odd.code) == (400, "invalid-request")
    assert (await put(system, "made/odd", "x", token=token({"*": "read"}))).status == 403


async def test_document_is_created_once_by_whoever_asks(system: System) -> None:
    """Many at once, at two gateways: one creates it, and the others are told that it is there."""
    answers = await asyncio.gather(
        *(
            ask(
                system.gateways[number % 2],
                "PUT",
                "created",
                token=ALL,
                body=str(number).encode(),
                headers=_NOT_THERE,
                **_TEXT,
            )
            for number in range(8)
        )
    )
    assert sorted(answer.status for answer in answers) == [201] + [412] * 7
    assert {answer.code for answer in answers if answer.status == 412} == {"precondition-failed"}
    (winner,) = [str(number) for number, answer in enumerate(answers) if answer.status == 201]
    shown = await ask(system.url, "GET", "created", token=ALL, headers={"Accept": "text/plain"})
    assert (shown.body.decode(), shown.headers["Coedit-Revision"]) == (winner, "1")


async def test_who_makes_a_document_at_the_same_time_without_a_condition_makes_it_so(system: System) -> None:
    """None begins it behind another's beginning: the text is what one of them said."""
    answers = await asyncio.gather(*(put(system, "together", "same text") for _ in range(4)))
    assert {answer.status for answer in answers} <= {200, 201}
    shown = await ask(system.url, "GET", "together", token=ALL, headers={"Accept": "text/plain"})
    assert shown.body == b"same text"


async def test_document_is_made_under_a_key_once(system: System) -> None:
    key = {"Idempotency-Key": "k", **_NOT_THERE}
    first = await put(system, "keyed", "hello", headers=key)
    assert first.status == 201
    await ask(system.url, "POST", "keyed", behind="/edits", token=ALL, body={"append": "!"})
    again = await put(system, "keyed", "hello", headers=key)
    assert (again.status, again.json, again.tag) == (201, first.json, first.tag)
    other = await put(system, "keyed", "other", headers=key)
    assert (other.status, other.code) == (422, "another-request")
    exact = await put(system, "keyed", "exact", headers={"If-Match": '"1:2"'})
    assert (exact.status, exact.json["base_revision"]) == (200, 2)
    late = await put(system, "keyed", "late", headers={"If-Match": '"1:2"'})
    assert (late.status, late.code) == (412, "precondition-failed")


async def test_what_a_program_says_of_what_it_makes_is_in_the_history(system: System) -> None:
    said = {"Coedit-Metadata": '{"model": "m-1", "prompted_by": "\\u00e9"}'}
    assert (await put(system, "said", "hello", headers=said)).status == 201
    async with connect(system.url, token=ALL) as session:
        (change,), _ = await session.history("said").changes()
    assert dict(change.metadata) == {"model": "m-1", "prompted_by": "é"}
    for odd in ("x", "[]", '{"a": 7}', '{"": "x"}'):
        answer = await put(system, "said", "hello", headers={"Coedit-Metadata": odd})
        assert (answer.status, answer.code) == (400, "invalid-request")
