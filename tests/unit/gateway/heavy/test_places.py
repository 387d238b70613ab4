"""Places are shared out by author before by process."""

import asyncio

import pytest

from coedit.errors import OverloadedError
from coedit.identifiers import AuthorId
from services.gateway.heavy.places import Places

_ADA, _BOB, _EVE = AuthorId("ada"), AuthorId("bob"), AuthorId("eve")
_SOON = 60.0
"""Longer than anything here waits, if nothing is wrong."""


class Work:
    """Requests that stay at work until they are let go."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.done = asyncio.Event()
        self.at_work: list[AuthorId] = []
        self.served: list[AuthorId] = []
        self.most_of_one = 0

    def begin(self, author: AuthorId) -> "asyncio.Task[None]":
        return asyncio.create_task(self._run(author))

    async def _run(self, author: AuthorId) -> None:
        async with self._places.taken(author):
            self.at_work.append(author)
            self.served.append(author)
            self.most_of_one = max(self.most_of_one, self.at_work.count(author))
            await self.done.wait()
            self.at_work.remove(author)


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_who_asks_for_much_leaves_places_to_others() -> None:
    work = Work(Places("test", 2, _SOON))
    floods = [work.begin(_EVE) for _ in range(10)]
    await _settle()
    assert work.at_work == [_EVE]
    ada = work.begin(_ADA)
    await _settle()
    assert work.at_work == [_EVE, _ADA]
    work.done.set()
    await asyncio.gather(ada, *floods)
    assert work.most_of_one == 1


async def test_authors_take_turns_where_the_process_has_no_place_left() -> None:
    work = Work(Places("test", 1, _SOON))
    begun = [work.begin(author) for author in (_EVE, _EVE, _ADA, _BOB)]
    await _settle()
    work.done.set()
    await asyncio.gather(*begun)
    assert work.served == [_EVE, _ADA, _BOB, _EVE]


async def test_an_author_has_what_nobody_else_wants_up_to_a_share() -> None:
    work = Work(Places("test", 4, _SOON, at_once_of_one=3))
    floods = [work.begin(_EVE) for _ in range(10)]
    await _settle()
    assert work.at_work == [_EVE] * 3
    ada = work.begin(_ADA)
    await _settle()
    assert work.at_work == [*[_EVE] * 3, _ADA]
    work.done.set()
    await asyncio.gather(ada, *floods)
    assert work.most_of_one == 3


async def test_what_becomes_free_is_for_whoever_has_fewest() -> None:
    """Whatever others have in line, and however long."""
    places = Places("test", 3, _SOON, at_once_of_one=3, most_of_one=100)
    served: list[AuthorId] = []

    async def ask(author: AuthorId) -> None:
        async with places.taken(author):
            served.append(author)
            await asyncio.sleep(0)

    floods = [asyncio.create_task(ask(_EVE)) for _ in range(60)]
    await asyncio.sleep(0)
    assert served == [_EVE] * 3
    others = [asyncio.create_task(ask(author)) for author in (_ADA, _BOB, _ADA, _BOB)]
    await asyncio.gather(*others)
    assert len(served) <= 15, "they waited for the three at work, and then had their turns among hers"
    await asyncio.gather(*floods)
    assert (len(served), places._lines, places._free) == (64, {}, 3)


async def test_who_was_just_served_has_the_next_place_before_one_who_has_more() -> None:
    places = Places("test", 3, _SOON, at_once_of_one=3)
    work = Work(places)
    tasks = [work.begin(_EVE) for _ in range(2)]
    await _settle()
    async with places.taken(_ADA):
        tasks += [work.begin(_EVE), work.begin(_ADA)]
        await _settle()
        assert work.served == [_EVE, _EVE]
    await _settle()
    assert work.served == [_EVE, _EVE, _ADA]
    work.done.set()
    await asyncio.gather(*tasks)


async def test_who_goes_as_a_place_becomes_free_leaves_nothing_behind() -> None:
    places = Places("test", 1, _SOON)
    work = Work(places)
    async with places.taken(_EVE):
        goes = [work.begin(author) for author in (_ADA, _ADA, _BOB)]
        await _settle()
        goes[0].cancel()
        goes[1].cancel()
    # Now it is BOB's turn, who goes before that is told.
    goes[2].cancel()
    await asyncio.wait(goes)
    assert (work.served, places._lines, places._free) == ([], {}, 1)
    async with asyncio.timeout(5), places.taken(_ADA):
        pass


async def test_who_waits_too_long_is_told_after_how_long_to_ask_again() -> None:
    places = Places("test", 1, 0.05)
    work = Work(places)
    holder = work.begin(_EVE)
    await _settle()
    for author in (_EVE, _ADA):
        with pytest.raises(OverloadedError) as refused:
            async with places.taken(author):
                pass
        assert 1 <= refused.value.retry_after_seconds <= 60
        assert f"in {refused.value.retry_after_seconds} s" in str(refused.value)
    work.done.set()
    await holder
    async with places.taken(_ADA):
        pass


@pytest.mark.parametrize("most", [16, 3])
async def test_a_line_has_an_end(most: int) -> None:
    places = Places("test", 1, _SOON, most_of_one=most)
    work = Work(places)
    waiting = [work.begin(_EVE) for _ in range(most)]
    await _settle()
    with pytest.raises(OverloadedError):
        async with places.taken(_EVE):
            pass
    work.done.set()
    await asyncio.gather(*waiting)


async def test_who_is_gone_leaves_nothing_behind() -> None:
    places = Places("test", 1, _SOON)
    work = Work(places)
    holder, waiting = work.begin(_EVE), [work.begin(author) for author in (_EVE, _ADA, _ADA, _BOB)]
    await _settle()
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    work.done.set()
    await holder
    async with asyncio.timeout(5), places.taken(_BOB):
        pass
    assert not places._lines
