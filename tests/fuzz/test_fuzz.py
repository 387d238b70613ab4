"""A short run of `make fuzz`: whatever is sent at any door, no process dies, nothing leaks, and others edit on."""

import os
from pathlib import Path

import pytest

from tests.fuzz.figures import findings, render
from tests.fuzz.run import Options, run

_SEED = "1"
_SECONDS = 20.0


@pytest.mark.chaos
@pytest.mark.timeout(300)
async def test_whatever_is_sent_hurts_nobody_else(tmp_path: Path) -> None:
    seed = os.environ.get("COEDIT_SEED", _SEED)
    print(f"COEDIT_SEED={seed}; again with: make fuzz SEED={seed} DURATION={_SECONDS:.0f}")
    figures = await run(Options(int(seed), _SECONDS, tmp_path))
    print(render(figures))
    assert findings(figures) == []
