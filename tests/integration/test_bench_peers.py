"""The bench beside the peers runs, with coedit alone: no peer is installed for it."""

import pytest

from bench.peers.report import report
from bench.peers.systems.catalogue import COEDIT, SYSTEMS
from bench.peers.watch import measure
from bench.peers.workload import Sample
from bench.peers.workloads.growth_tables import FIRST_EDIT, tables, used
from bench.peers.workloads.w4_hot_document import HOT_DOCUMENT


@pytest.mark.timeout(60)
def test_a_quick_workload_converges_and_makes_a_table() -> None:
    coedit = next(entry for entry in SYSTEMS if entry.name == COEDIT)
    figures = HOT_DOCUMENT.conclude(measure(coedit, HOT_DOCUMENT, (0.2, 1.0), "quick"))
    assert figures["us/delivery"] > 0
    table = report([HOT_DOCUMENT], SYSTEMS, {(HOT_DOCUMENT.name, COEDIT): [figures]})
    assert "| coedit |" in table


def test_growth_is_told_by_process_for_a_system_of_several() -> None:
    """What one document's snapshot costs is no part of what an edit costs, and neither is the memory of Redis."""
    before = Sample({"gateway": 1.0, "redis": 1.0}, {"gateway": 0, "redis": 0}, {})
    after = Sample({"gateway": 1.5, "redis": 2.0}, {"gateway": 70_000_000, "redis": 8_000_000}, {})
    alone = Sample({"server": 0.0}, {"server": 0}, {}), Sample({"server": 1.0}, {"server": 9_000_000}, {})
    step = f"100 documents: {FIRST_EDIT}"
    text = tables({"coedit": used(step, 100, before, after), "peer": used(step, 100, *alone)})
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    assert [step, "document", "15000", "70", "10000", "9"] in cells
    assert ["step", "us per", "gateway us", "redis us", "gateway MB", "redis MB"] in cells
    assert [step, "document", "5000", "10000", "70", "8"] in cells
    assert len(cells) == 6
