"""Webhooks without I/O: whom to tell, what a body is, and when it is sent again."""

import json
from datetime import UTC, datetime

import pytest

from coedit.errors import ProtocolError
from coedit.protocol.webhooks.endpoints import endpoints_of
from coedit.protocol.webhooks.events import (
    EVENTS,
    DocumentChanged,
    DocumentLeft,
    body_models,
    body_of,
    packed,
    unpacked,
)
from coedit.protocol.webhooks.retries import (
    DELAYS_SECONDS,
    JITTER,
    delay_seconds,
    longest_seconds,
    retry_after_seconds,
)

_SECRET = "whsec_" + "c2lnbmVkIGJ5IHRoaXMgc2VjcmV0IG9mIG1hbnkgYnl0ZXM="


def said(**fields: object) -> str:
    return json.dumps({"app": {"url": "https://app.example/hooks", "secret": _SECRET} | fields})


def test_attempts_go_on_for_a_day() -> None:
    """As Standard Webhooks recommends: seconds at first, hours at last."""
    since = [sum(DELAYS_SECONDS[:count]) for count in range(len(DELAYS_SECONDS) + 1)]
    hours = [0, 5 / 3600, 305 / 3600, 1805 / 3600, 7205 / 3600, 18005 / 3600]
    assert [seconds / 3600 for seconds in since[:6]] == hours
    assert 24 * 3600 <= longest_seconds(DELAYS_SECONDS) <= 27 * 3600


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_chance_makes_a_delay_longer_by_a_tenth_at_most(chance: float) -> None:
    for attempts, delay in enumerate(DELAYS_SECONDS, 1):
        assert delay_seconds(DELAYS_SECONDS, attempts, chance) == delay * (1 + JITTER * chance)


def test_no_attempt_follows_the_last() -> None:
    assert delay_seconds((1.0, 2.0), 2, 0.0) == 2.0
    assert delay_seconds((1.0, 2.0), 3, 0.0) is None
    assert delay_seconds((1.0, 2.0), 3, 0.0, 60.0) is None
    assert delay_seconds((), 1, 0.0) is None


def test_receiver_makes_it_later_and_never_sooner() -> None:
    assert delay_seconds((5.0,), 1, 0.0, 120.0) == 120.0
    assert delay_seconds((300.0,), 1, 0.0, 1.0) == 300.0
    assert delay_seconds((5.0,), 1, 0.0, 10.0**9) == 86_400.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("120", 120),
        (" 7 ", 7),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2026 07:28:30 -0000", 30),
        ("Wed, 21 Oct 2020 07:28:00 GMT", 0),
        ("-3", 0),
        ("1e9", 0),
        ("soon", 0),
        ("", 0),
        ("9" * 400, 999_999_999),
    ],
)
def test_retry_after_is_a_count_or_a_date(header: str | None, seconds: float) -> None:
    now = datetime(2026, 10, 21, 7, 28, tzinfo=UTC).timestamp()
    assert retry_after_seconds(header, now) == seconds


def test_endpoint_is_told_all_unless_it_says_of_what() -> None:
    (everything,) = endpoints_of(said(), private=False)
    assert (everything.name, everything.url, everything.events) == (
        "app",
        "https://app.example/hooks",
        frozenset(EVENTS),
    )
    (one,) = endpoints_of(said(events=["document.deleted"]), private=False)
    assert one.events == {"document.deleted"}
    (two,) = endpoints_of(said(secret=f"{_SECRET} {_SECRET}"), private=False)
    assert len(two.keys) == 2
    assert endpoints_of("", private=False) == endpoints_of("{}", private=False) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "JSON"),
        ("[]", "object"),
        (said(secret=""), "app: there is no secret"),
        (said(secret="whsec_c2hvcnQ="), "app: a secret has 24"),
        (said(secret="whsec_geheim!"), "app: a secret is whsec_ and base64"),
        (said(url="http://app.example/"), "app: the url"),
        (said(url="ftp://app.example/"), "app: the url"),
        (said(url="https://user:geheim@app.example/"), "app: the url"),
        (said(url="https://"), "app: the url"),
        (said(events=["document.renamed"]), "app.events.0"),
        (said(events=[]), "app.events"),
        (said(colour="red"), "app.colour"),
        (said().replace('"app"', '"App 1"'), "no name"),
        (json.dumps({f"e{n}": {"url": "https://a.example", "secret": _SECRET} for n in range(21)}), "20"),
    ],
)
def test_what_is_no_endpoint_is_refused_without_its_secret(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what) as refused:
        endpoints_of(text, private=False)
    assert "geheim" not in str(refused.value)
    assert _SECRET not in str(refused.value)


def test_plain_http_is_for_private_networks() -> None:
    (endpoint,) = endpoints_of(said(url="http://app.internal/hooks"), private=True)
    assert endpoint.url == "http://app.internal/hooks"


def test_address_is_told_from_another_without_saying_it() -> None:
    digests = {endpoints_of(said(url=f"https://app.example/{n}"), private=False)[0].digest for n in range(3)}
    assert len(digests) == 3
    assert not any("app" in digest for digest in digests)


def test_event_is_what_was_kept_of_it() -> None:
    event = DocumentChanged(document="a/b:ü", epoch=1, first_revision=3, last_revision=9, authors=["ada"])
    kind, data = unpacked(packed(event))
    body = body_of(kind, data, 1_764_547_200_123)
    assert json.loads(body) == {
        "type": "document.changed",
        "timestamp": "2025-12-01T00:00:00.123Z",
        "data": {
            "document": "a/b:ü",
            "epoch": 1,
            "first_revision": 3,
            "last_revision": 9,
            "authors": ["ada"],
        },
    }
    body_models()[kind].model_validate_json(body)


def test_each_event_has_a_model_of_its_body() -> None:
    """Whatever describes them describes all of them, by these names."""
    models = body_models()
    assert models.keys() == EVENTS.keys()
    for kind, model in models.items():
        schema = model.model_json_schema()
        assert schema["required"] == ["type", "timestamp", "data"]
        assert schema["properties"]["type"]["const"] == kind
    left = DocumentLeft(document="notes", client_id="c1", author=None)
    body_models()["document.left"].model_validate_json(body_of(*unpacked(packed(left)), 0))


@pytest.mark.parametrize(
    "kept", [b"", b"[]", b"{}", b'["document.renamed",{}]', b'["document.left",1]', b"\xff"]
)
def test_what_is_no_event_is_told_apart(kept: bytes) -> None:
    with pytest.raises(ProtocolError):
        unpacked(kept)
