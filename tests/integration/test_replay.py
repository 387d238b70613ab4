"""Recorded writing, done again through a running system: our own traces always, real ones where they are."""

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from coedit.client import connect
from coedit.replay.replay import ReplayOptions, replay
from coedit.replay.report import ReplayError, Report
from coedit.replay.traces import ConcurrentTrace, SequentialTrace, Trace, read_trace, transaction_deltas
from tests.requirements import require
from tests.system import System

OWN = Path(__file__).parents[1] / "traces"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that does not wait long before it makes a snapshot."""
    system = System(
        tmp_path_factory.mktemp("system"),
        settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.5", "COEDIT_SNAPSHOTTER_SCAN_SECONDS": "0.2"},
    )
    system.start()
    yield system
    system.stop()


def _trace(name: str) -> Trace:
    """Return one of our traces, or a real one from the folder that COEDIT_TRACES names."""
    path = OWN / f"{name}.json.gz"
    if not path.exists():
        folder = Path(os.environ.get("COEDIT_TRACES", "/nowhere"))
        require("traces", folder.is_dir(), "name the folder of the editing traces in COEDIT_TRACES")
        path = folder / f"{name}.json.gz"
    return read_trace(path.read_bytes())


async def _replay(system: System, trace: Trace, name: str, **options: object) -> Report:
    chosen = ReplayOptions(url=system.url, document=name, **options)  # type: ignore[arg-type]
    report = await replay(trace, chosen, lambda: None)
    print("\n".join(report.lines()))
    assert report.problems == []
    return report


@pytest.mark.parametrize(
    ("name", "limit"), [("sequential", None), ("sveltecomponent", 2000), ("automerge-paper", 1000)]
)
async def test_each_transaction_is_a_revision(system: System, name: str, limit: int | None) -> None:
    trace = _trace(name)
    assert isinstance(trace, SequentialTrace)
    report = await _replay(system, trace, f"each-{name}", each=True, limit=limit, clients=2)
    changing = [delta for delta in transaction_deltas(trace.transactions[:limit]) if delta.ops]
    assert report.revisions == report.submissions == report.edits == len(changing)


@pytest.mark.parametrize("name", ["sequential", "sveltecomponent"])
async def test_composed_edits_end_in_the_recorded_text(system: System, name: str) -> None:
    trace = _trace(name)
    assert isinstance(trace, SequentialTrace)
    report = await _replay(
        system,
        trace,
        f"composed-{name}",
        clients=2,
        wait_for_snapshot=True,
        object_store_url=system.object_store_url,
    )
    assert report.revisions == report.submissions < report.edits
    assert f"server: the expected text, {len(trace.text):,} characters" in report.checks


@pytest.mark.parametrize("name", ["concurrent", "friendsforever"])
async def test_agents_agree_and_no_character_is_lost(system: System, name: str) -> None:
    trace = _trace(name)
    assert isinstance(trace, ConcurrentTrace)
    report = await _replay(
        system, trace, f"agents-{name}", clients=3, object_store_url=system.object_store_url
    )
    assert report.revisions == report.submissions
    assert report.edits > 0.5 * len(trace.transactions)


async def test_agents_who_pause_agree(system: System, seed: int) -> None:
    pause = random.Random(seed).choice([0.0003, 0.001, 0.003])
    await _replay(system, _trace("concurrent"), "pausing", delay_seconds=pause, seed=seed)


async def test_agents_in_turn_leave_the_recorded_text(system: System) -> None:
    """Where everybody has everything before the next transaction, hardly anything is left to meet in one place."""
    trace = _trace("concurrent")
    report = await _replay(system, trace, "in-turn", each=True)
    assert report.revisions == report.edits
    async with connect(system.url) as session:
        text = (await session.open("in-turn")).text
    assert len(text) == pytest.approx(len(trace.text), rel=0.2)


async def test_document_that_is_not_new_is_refused(system: System) -> None:
    async with connect(system.url) as session:
        document = await session.open("taken")
        await document.insert(0, "x")
        await document.settle()
    with pytest.raises(ReplayError, match="is at revision 1"):
        await _replay(system, _trace("sequential"), "taken")


async def test_text_that_somebody_else_changed_is_a_problem(system: System) -> None:
    """The checks are worth something: a single foreign character fails them."""
    trace = _trace("sequential")
    async with connect(system.url) as session:
        document = await session.open("disturbed")
        done = asyncio.Event()

        async def disturb() -> None:
            await document.until(lambda: document.revision >= 20)
            await document.insert(document.content.document_length, "!")
            await document.settle()
            done.set()

        disturbing = asyncio.create_task(disturb())
        chosen = ReplayOptions(url=system.url, document="disturbed", each=True)
        report = await replay(trace, chosen, lambda: None)
        await disturbing
    assert done.is_set()
    assert any(problem.startswith("server: ") and "!" in problem for problem in report.problems)
    assert any(problem.startswith("the head is ") for problem in report.problems)
