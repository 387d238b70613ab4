"""The drills, each for a moment: what they check must hold however short they are. How fast it was is not asked."""

import asyncio
import time
from pathlib import Path

import pytest

from coedit.client import ConnectionRefusedByServerError, connect
from coedit.identifiers import AuthorId
from coedit.protocol.grants import EVERYTHING
from coedit.protocol.tokens import Identity, make_access_token
from services.gateway.yjs.people import CLOCKS_A_SECOND
from tests.drills.backup import backup_and_restore
from tests.drills.clocks import OFF, clocked_system, clocks_off
from tests.drills.object_store import object_store_away
from tests.drills.slow_redis import slow_redis
from tests.integration.yjs_client import YjsClient
from tests.system import SECRET, System

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


async def test_redis_that_is_ten_milliseconds_away_only_takes_longer(tmp_path: Path) -> None:
    found = await slow_redis(tmp_path, 2)
    assert all(waits.saved_seconds for waits in found.values())


async def test_nothing_depends_on_the_clock_of_a_service(tmp_path: Path) -> None:
    found = await clocks_off(tmp_path, 2)
    assert len(found) == 3
    assert all(waits.saved_seconds for waits in found.values())


async def test_gateways_of_which_one_is_fast_and_one_slow_judge_by_one_clock(tmp_path: Path) -> None:
    with clocked_system(tmp_path) as (system, clocks):
        await clocks.set(1)
        await asyncio.to_thread(system.start)
        assert OFF["gateway-0"] > 0 > OFF["gateway-1"]
        await _tokens_end_when_they_should(system)
        await _carets_go_on_from_the_fast_to_the_slow(system)


async def _tokens_end_when_they_should(system: System) -> None:
    """A fast one would refuse what has just been given out, for good; a slow one would take what ended long ago."""
    ada = Identity(AuthorId("ada"), EVERYTHING)
    for url in system.gateways:
        async with connect(url, token=make_access_token(SECRET, ada, int(time.time()) + 600)) as session:
            document = await session.open("tokens")
            await document.insert(0, "x")
            await document.settle()
            assert session.author == "ada"
        stale = make_access_token(SECRET, ada, int(time.time()) - 600)
        with pytest.raises(ConnectionRefusedByServerError):
            async with connect(url, token=stale):
                raise AssertionError("it has expired")


async def _carets_go_on_from_the_fast_to_the_slow(system: System) -> None:
    """A Yjs client's provider passes over what has a lower clock than it saw before, wherever it saw that."""
    clocks_seen = []
    async with connect(system.url, author="ada") as session:
        ada = await session.open("seen", display_name="Ada")
        await ada.insert(0, "text")
        for position, url in enumerate(system.gateways):
            await ada.move_caret(position)
            async with YjsClient(url, "seen") as yara:
                clocks_seen.append(await _clock_seen(yara, "Ada"))
    fast, slow = clocks_seen
    assert abs(slow - fast) < 60 * CLOCKS_A_SECOND


async def _clock_seen(client: YjsClient, name: str) -> int:
    """Wait until somebody is seen, and come back as a provider does where the document cannot be opened yet."""
    while not _clock_of(client, name):
        await client.until(
            lambda: client.close_code is not None or _clock_of(client, name) > 0, f"{name} is seen"
        )
        if client.close_code is not None:
            assert client.close_code >= 4500
            await client.reconnect()
    return _clock_of(client, name)


def _clock_of(client: YjsClient, name: str) -> int:
    """Return the clock of a person's state; 0 if there is nobody of that name."""
    said = [entry for entry in client.states.values() if f'"{name}"' in entry.state]
    return max((entry.clock for entry in said), default=0)


async def test_object_store_that_is_late_or_says_503_keeps_nobody_from_writing(tmp_path: Path) -> None:
    found = await object_store_away(tmp_path, 4)
    assert len(found) == 2
    for outage in found.values():
        assert outage.waits.saved_seconds
    assert found["503"].snapshots_meanwhile <= 1, "what was under way at most"


async def test_backup_made_under_way_brings_back_what_was_saved(tmp_path: Path) -> None:
    restored = await backup_and_restore(tmp_path, 10)
    assert restored.kept_share > 0
