"""Random sessions of OT and Yjs clients end with one document. ``make yjs-sessions`` runs more of them."""

import asyncio

from tests.conftest import MakeSystem
from tests.yjs.node_clients import NodeClients
from tests.yjs.session import run_session

_SESSIONS = 8


async def test_ot_and_yjs_clients_end_with_one_document(
    make_system: MakeSystem, yjs: NodeClients, seed: int
) -> None:
    """The seed of session n is the test's + n; COEDIT_SEED replays them."""
    system = make_system(gateways=2, transformers=2)
    seeds = range(seed, seed + _SESSIONS)
    sessions = [run_session(system.gateways, f"session {each}", yjs, each) for each in seeds]
    outcomes = await asyncio.gather(*sessions, return_exceptions=True)
    failed = {
        each: outcome
        for each, outcome in zip(seeds, outcomes, strict=True)
        if isinstance(outcome, BaseException)
    }
    assert not failed, "\n".join(f"COEDIT_SEED={each}: {error}" for each, error in failed.items())
