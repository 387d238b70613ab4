"""What is measured of a client's edits and carets: each once, from when it came first."""

import pytest
from prometheus_client import REGISTRY

from coedit.identifiers import ClientId, ClientSequence
from coedit.presence.roster import presence_fields
from coedit.protocol.events import PresenceChanged, Rejected, encode_events
from services.gateway.documents import subscription as module
from tests.unit.gateway.documents.scenes import joined_at_5
from tests.unit.gateway.ot.test_roster import EVE


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "perf_counter", clock)
    return clock


def measured(name: str) -> tuple[float, float]:
    """How many there were, and their sum."""
    count, total = (
        REGISTRY.get_sample_value(f"coedit_gateway_{name}_seconds_{what}") for what in ("count", "sum")
    )
    return count or 0.0, round(total or 0.0, 6)


def _since(before: tuple[float, float], name: str) -> tuple[float, float]:
    count, total = measured(name)
    return count - before[0], round(total - before[1], 6)


async def test_ack_is_measured_from_the_submission_and_once(clock: Clock) -> None:
    before = measured("receipt_to_ack")
    store, document, _ = await joined_at_5("ada")
    (subscription,) = document.feed.subscriptions
    subscription.in_flight, subscription.submitted_at = 6, clock.now
    clock.now += 0.25
    store.commit()
    assert [one.in_flight for one in document.feed.subscriptions] == [None]
    store.commit()  # of the same client, which waits for nothing
    assert _since(before, "receipt_to_ack") == (1, 0.25)


async def test_refusal_is_no_ack(clock: Clock) -> None:
    before = measured("receipt_to_ack")
    store, document, _ = await joined_at_5("ada")
    (subscription,) = document.feed.subscriptions
    subscription.in_flight, subscription.submitted_at = 6, clock.now
    refused = Rejected(ClientId("ada"), ClientSequence(6), "too-large", "", definite=True, retryable=False)
    store.on_message(encode_events([refused]))
    assert [one.in_flight for one in document.feed.subscriptions] == [None]
    assert _since(before, "receipt_to_ack") == (0, 0.0)


async def test_caret_is_measured_from_the_first_move_that_was_not_told(clock: Clock) -> None:
    before = measured("presence")
    store, document, _ = await joined_at_5("eve")
    (subscription,) = document.feed.subscriptions
    moved = encode_events([PresenceChanged((presence_fields(EVE),), ())])
    store.on_message(moved)  # said before it was measured, or by another gateway's client
    subscription.said()
    clock.now += 0.05
    subscription.said()
    clock.now += 0.05
    store.on_message(moved)
    store.on_message(moved)
    assert _since(before, "presence") == (1, 0.1)


async def test_caret_that_was_never_told_is_forgotten(clock: Clock) -> None:
    before = measured("presence")
    store, document, _ = await joined_at_5("eve")
    (subscription,) = document.feed.subscriptions
    subscription.said()
    clock.now += 60
    subscription.said()
    clock.now += 0.1
    store.on_message(encode_events([PresenceChanged((presence_fields(EVE),), ())]))
    assert _since(before, "presence") == (1, 0.1)


async def test_channel_learns_when_redis_took_what_was_told() -> None:
    store, document, _ = await joined_at_5("ada")
    assert document.feed.on_message(encode_events([PresenceChanged((), ())])) == (0, "")
    told_of = []
    on_message = store.on_message
    store.on_message = lambda packed: told_of.append(on_message(packed))
    store.taken_at = 1234
    store.commit(2)
    assert told_of == [(1234, "")]
    for one in document.feed.subscriptions:
        one.is_live = False  # there is nobody to be told
    store.commit()
    assert told_of == [(1234, ""), (0, "")]
