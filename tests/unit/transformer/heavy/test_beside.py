"""Work beside the transformer: answered by another process, whose end is not the transformer's."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coedit.errors import InternalError, InvalidUpdateError, TooCostlyError, UnavailableError
from services.transformer.heavy import beside as beside_module
from services.transformer.heavy.beside import Beside
from tests.heavy_work import die, die_once, echo, fill, refuse, slip, spin, whoever_answers


@pytest.fixture
async def beside() -> AsyncIterator[Beside]:
    made = Beside(cpu_seconds=1)
    yield made
    await made.aclose()


async def test_another_process_answers_behind_who_edits(beside: Beside) -> None:
    first, second = await beside.answer(whoever_answers, None), await beside.answer(whoever_answers, None)
    assert first == second, "it is begun once"
    assert first[0] != os.getpid()
    assert first[1] >= 10


async def test_refusal_is_handed_on(beside: Beside) -> None:
    with pytest.raises(InvalidUpdateError, match="no one order"):
        await beside.answer(refuse, "no one order")
    assert await beside.answer(echo, b"x" * 1_000_000) == b"x" * 1_000_000


async def test_what_ended_with_its_process_once_is_tried_again(beside: Beside, tmp_path: Path) -> None:
    assert await beside.answer(die_once, tmp_path / "died") == "lived"


@pytest.mark.parametrize("work", [die, spin, fill])
async def test_what_takes_more_than_it_may_is_refused_and_nothing_else(beside: Beside, work: object) -> None:
    with pytest.raises(TooCostlyError):
        await beside.answer(work, None)  # type: ignore[arg-type]
    assert await beside.answer(echo, b"next") == b"next"


async def test_whoever_is_called_off_takes_no_one_elses_answer(beside: Beside) -> None:
    waiting = asyncio.create_task(beside.answer(spin, None))
    await asyncio.sleep(0.1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await beside.answer(echo, b"mine") == b"mine"


async def test_where_no_process_can_be_begun_it_is_to_be_sent_again(
    beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside_module, "_COMMAND", ("/bin/false",))
    with pytest.raises(UnavailableError):
        await beside.answer(echo, b"")


async def test_defect_is_none_of_its_author(beside: Beside, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InternalError):
        await beside.answer(slip, None)
    assert any("a slip" in getattr(record, "where", "") for record in caplog.records)
