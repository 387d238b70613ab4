"""A short run of `make chaos`, with every kind of faults: nothing acked is lost or repeated, all agree in the end."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.chaos.bugged import PLANTS, plant
from tests.system import ROOT

_SEED = "4"
_SECONDS = "75"


@pytest.mark.chaos
@pytest.mark.timeout(400)
async def test_every_kind_of_faults_leaves_every_promise_kept(tmp_path: Path) -> None:
    seed = os.environ.get("COEDIT_SEED", _SEED)
    print(f"COEDIT_SEED={seed}; again with: make chaos SEED={seed} DURATION={_SECONDS} FAULTS=machines")
    arguments = (
        "--seed",
        seed,
        "--duration",
        _SECONDS,
        "--faults",
        "machines",
        "--folder",
        str(tmp_path / "run"),
    )
    command = (sys.executable, "-m", "tests.chaos", *arguments)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    assert await process.wait() == 0


@pytest.mark.parametrize("bug", PLANTS)
async def test_bug_of_the_proof_can_still_be_planted(bug: str) -> None:
    """`make chaos-proof` takes minutes; that it has not rotted is seen here."""
    (service,) = PLANTS[bug]
    code = f"from tests.chaos.bugged import plant; plant({bug!r}, {service!r})"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    assert await process.wait() == 0


def test_plant_that_has_nothing_to_replace_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.chaos.bugged.source", lambda name: "return 1")
    with pytest.raises(LookupError):
        plant("stale-owner", "transformer")
