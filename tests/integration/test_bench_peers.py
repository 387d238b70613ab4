"""The bench beside the peers runs, with coedit alone: no peer is installed for it."""

import pytest

from bench.peers.report import report
from bench.peers.systems.catalogue import COEDIT, SYSTEMS
from bench.peers.watch import measure
from bench.peers.workloads.w4_hot_document import HOT_DOCUMENT


@pytest.mark.timeout(60)
def test_a_quick_workload_converges_and_makes_a_table() -> None:
    coedit = next(entry for entry in SYSTEMS if entry.name == COEDIT)
    figures = HOT_DOCUMENT.conclude(measure(coedit, HOT_DOCUMENT, (0.2, 1.0), "quick"))
    assert figures["us/delivery"] > 0
    table = report([HOT_DOCUMENT], SYSTEMS, {(HOT_DOCUMENT.name, COEDIT): [figures]})
    assert "| coedit |" in table
