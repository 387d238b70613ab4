"""Updates as pycrdt makes them, and as nobody would: read as it means them, or refused by a code."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import hypothesis
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Text

from coedit.errors import CoeditError
from coedit.ot.parts.utf16 import unit_length
from coedit.protocol.yjs.awareness import read_entries
from coedit.protocol.yjs.gate import Needs, check_text, is_text, lacks
from coedit.protocol.yjs.hocuspocus import read_frame
from coedit.protocol.yjs.shadow import shadow
from coedit.protocol.yjs.sync import read_messages
from coedit.protocol.yjs.update import decode_state_vector, decode_update, encode_state_vector
from coedit.testing.strategies import embeds, format_changes, texts
from tests.laws import CASES, SEED


def few(test: Callable[..., None]) -> Callable[..., None]:
    """Run a Hypothesis test of which one case is a whole session."""
    return hypothesis.seed(SEED)(settings(max_examples=CASES // 16, deadline=None, print_blob=True)(test))


class Site:
    """A Yjs client that edits, and keeps the update of each transaction."""

    def __init__(self, client: int) -> None:
        self.doc: Doc[Any] = Doc(client_id=client)
        self.text = self.doc.get("content", type=Text)
        self.updates: list[bytes] = []
        self._subscription = self.doc.observe(lambda event: self.updates.append(event.update))

    def edit(self, draw: st.DrawFn) -> None:
        places = _places(str(self.text)) if self.text.diff() else [0]
        place = draw(st.sampled_from(places))
        match draw(st.sampled_from("tedf")):
            case "t":
                self.text.insert(place, draw(texts))
            case "e":
                self.text.insert_embed(place, draw(embeds))
            case "d" if place < places[-1]:
                del self.text[place : draw(st.sampled_from([end for end in places if end > place]))]
            case "f" if place < places[-1]:
                self.text.format(place, places[-1], draw(format_changes))


def _places(text: str) -> list[int]:
    """Return where a character begins, in bytes; behind embeds, which `str` leaves out, there are more."""
    places = [0]
    for character in text:
        places.append(places[-1] + len(character.encode()))
    return places


@st.composite
def sessions(draw: st.DrawFn) -> list[Site]:
    """Draw two or three sites that edited, and now and then heard of each other."""
    sites = [Site(client) for client in (1, 2**31, 2**53 - 1)[: draw(st.integers(2, 3))]]
    for _ in range(draw(st.integers(1, 8))):
        site = draw(st.sampled_from(sites))
        if draw(st.booleans()):
            site.doc.apply_update(draw(st.sampled_from(sites)).doc.get_update())
        without_embeds = all(isinstance(run[0], str) for run in site.text.diff())
        if without_embeds:
            site.edit(draw)
        else:
            site.text.insert(0, draw(texts))
    return sites


@few
@given(sessions())
def test_what_is_read_is_what_pycrdt_means(sites: list[Site]) -> None:
    for site in sites:
        update, state = decode_update(site.doc.get_update()), decode_state_vector(site.doc.get_state())
        assert {client: end for client, _, end in update.blocks} == state
        assert encode_state_vector(state) == encode_state_vector(
            decode_state_vector(encode_state_vector(state))
        )
        assert not lacks(update, {})
        assert is_text(update, "content") or not update.blocks
        assert update.roots <= {"content"}


@few
@given(sessions())
def test_updates_in_the_order_they_were_made_lack_nothing(sites: list[Site]) -> None:
    """And told to one who has nothing, each of them says so until it has what came before."""
    for site in sites:
        replica: Doc[Any] = Doc()
        for update in site.updates:
            known = decode_state_vector(replica.get_state())
            assert not lacks(decode_update(update), known)
            replica.apply_update(update)
        assert decode_state_vector(replica.get_state()) == decode_state_vector(site.doc.get_state())


@few
@given(sessions(), st.data())
def test_what_the_gate_lets_through_leaves_nothing_pending(sites: list[Site], data: st.DataObject) -> None:
    """In any order, with what is held back tried again: all replicas end alike."""
    updates = data.draw(st.permutations([update for site in sites for update in site.updates]))
    replica: Doc[Any] = Doc()
    while updates:
        known = decode_state_vector(replica.get_state())
        ready = [update for update in updates if not lacks(decode_update(update), known)]
        assert ready
        assert ready == [update for update in updates if Needs(decode_update(update)).are_met(known)]
        replica.apply_update(ready[0])
        after = decode_state_vector(replica.get_state())
        assert all(after[client] >= end for client, _, end in decode_update(ready[0]).blocks)
        updates = [update for update in updates if update is not ready[0]]
    whole: Doc[Any] = Doc()
    for site in sites:
        whole.apply_update(site.doc.get_update())
    assert replica.get("content", type=Text).diff() == whole.get("content", type=Text).diff()


@few
@given(sessions())
def test_shadow_has_the_items_and_one_byte_a_unit(sites: list[Site]) -> None:
    for site in sites:
        replica: Doc[Any] = Doc()
        for update in site.updates:
            replica.apply_update(shadow(update))
        assert decode_state_vector(replica.get_state()) == decode_state_vector(site.doc.get_state())
        shown = replica.get("content", type=Text)
        runs = [run[0] for run in site.text.diff()]
        assert len(shown) == sum(unit_length(run) if isinstance(run, str) else 1 for run in runs)
        twice = shadow(site.doc.get_update())
        assert shadow(twice) == twice


@few
@given(sessions(), st.data())
def test_damaged_update_is_refused_by_a_code_or_read(sites: list[Site], data: st.DataObject) -> None:
    damaged = bytearray(sites[0].doc.get_update())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        match data.draw(st.sampled_from("cit")):
            case "c":
                damaged[place] = data.draw(st.integers(0, 255))
            case "i":
                damaged[place:place] = data.draw(st.binary(max_size=4))
            case "t":
                del damaged[place + 1 :]
    _try_all(bytes(damaged))


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_by_a_code_or_read(data: bytes) -> None:
    _try_all(data)


def _try_all(data: bytes) -> None:
    for read in (_decide, shadow, decode_state_vector, read_entries, read_messages, read_frame):
        with suppress(CoeditError):
            read(data)


def _decide(data: bytes) -> None:
    update = decode_update(data)
    lacks(update, {1: 3})
    check_text(update, "content")
