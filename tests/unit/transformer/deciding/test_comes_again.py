"""Work beside the batches: documents have their turns, what is done comes again, and what waits is bounded."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest

from coedit.errors import InvalidUpdateError, OverloadedError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId
from coedit.protocol.yjs_submission import YjsSubmission
from coedit.store.documents.tries import Tries
from coedit.store.keys import Shard
from coedit.store.streams.ops import Addressed, OpsStream
from services.transformer.deciding.comes_again import ComesAgain


class Stream:
    """Takes what comes again, and notes of nothing."""

    def __init__(self) -> None:
        self.added: list[tuple[DocumentId, int]] = []

    async def add(self, by_shard: Mapping[Shard, Sequence[Addressed]]) -> dict[Shard, Exception]:
        for addressed in by_shard[Shard(0)]:
            self.added.append((addressed.document_id, addressed.submission.client_sequence))
        return {}

    @asynccontextmanager
    async def noted(self, *_: object, **__: object) -> AsyncIterator[None]:
        yield


async def doubled(question: int) -> int:
    if question < 0:
        raise InvalidUpdateError("there is no such number")
    return 2 * question


def made() -> tuple[ComesAgain[int, int], Stream]:
    stream = Stream()
    ops, tries = cast("OpsStream", stream), cast("Tries", stream)
    return ComesAgain("order", doubled, ops, lambda _: Shard(0), tries), stream


def submission(number: int) -> YjsSubmission:
    return YjsSubmission(ClientId("c"), ClientSequence(number), AuthorId("ada"), 1, "content", b"update")


A, B = DocumentId("a"), DocumentId("b")


async def test_documents_have_their_turns() -> None:
    work, stream = made()
    for number in (1, 2, 3):
        work.ask(A, submission(number), number, 1)
    work.ask(B, submission(1), 7, 1)
    work.ask(B, submission(1), 7, 1)  # the same, sent again meanwhile
    for _ in range(4):
        await work.step()
    assert stream.added == [(A, 1), (B, 1), (A, 2), (A, 3)]
    assert [work.answer(A, submission(number)) for number in (1, 2, 3)] == [2, 4, 6]
    assert work.answer(B, submission(1)) == 14
    assert work.answer(B, submission(1)) is None, "it is told once"


async def test_what_cannot_be_is_told_to_who_comes_again() -> None:
    work, stream = made()
    work.ask(A, submission(1), -1, 1)
    await work.step()
    assert stream.added == [(A, 1)]
    with pytest.raises(InvalidUpdateError):
        work.answer(A, submission(1))


@pytest.mark.parametrize(("count", "size_bytes"), [(256, 1), (2, 128 * 1024 * 1024)])
async def test_what_waits_is_bounded(count: int, size_bytes: int) -> None:
    work, _ = made()
    for number in range(1, count + 1):
        work.ask(A, submission(number), number, size_bytes)
    with pytest.raises(OverloadedError):
        work.ask(B, submission(1), 1, 1)
    for _ in range(count):
        await work.step()
    work.ask(B, submission(1), 1, 1)


async def test_one_answer_answers_what_else_of_its_document_it_does() -> None:
    stream = Stream()
    asked: list[int] = []

    async def noted(question: int) -> int:
        asked.append(question)
        return await doubled(question)

    def answered_by(question: int, answer: int) -> int | None:
        return question if question < answer else None

    ops, tries = cast("OpsStream", stream), cast("Tries", stream)
    work = ComesAgain("order", noted, ops, lambda _: Shard(0), tries, answered_by)
    for number, question in ((1, 5), (2, 9), (3, 11)):
        work.ask(A, submission(number), question, 1)
    work.ask(B, submission(1), 7, 1)
    await work.step()
    assert stream.added == [(A, 1), (A, 2)]
    assert [work.answer(A, submission(number)) for number in (1, 2)] == [10, 9]
    assert not work.is_asked(A, submission(2))
    assert work.is_asked(A, submission(3)), "its answer is another one"
    assert work.is_asked(B, submission(1)), "it is of another document"
    await work.step()
    await work.step()
    assert asked == [5, 7, 11]
