"""A short run of `make chaos` with attackers: whatever they do, everybody else's promises are kept."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.chaos.people.kinds import ATTACKS
from tests.system import ROOT

_SEED = "2"
_SECONDS = "66"
_KINDS = "bad-tokens,cut-pairs,emoji-flood,forged-claims,many-names"


@pytest.mark.chaos
@pytest.mark.timeout(400)
async def test_people_hurt_nobody_but_themselves(tmp_path: Path) -> None:
    seed = os.environ.get("COEDIT_SEED", _SEED)
    print(f"COEDIT_SEED={seed}; again with: make chaos SEED={seed} DURATION={_SECONDS} FAULTS={_KINDS}")
    about = ("--seed", seed, "--duration", _SECONDS, "--faults", _KINDS, "--safety-only")
    command = (sys.executable, "-m", "tests.chaos", *about, "--folder", str(tmp_path / "run"))
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    assert await process.wait() == 0


@pytest.mark.parametrize("kind", sorted(ATTACKS))
def test_attack_says_what_it_does(kind: str) -> None:
    assert ATTACKS[kind].__doc__
    assert set(_KINDS.split(",")) <= ATTACKS.keys()
