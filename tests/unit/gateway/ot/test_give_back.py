"""A client that holds more than Redis does: whether it has another history is said only when that is certain."""

from typing import Any, cast

import pytest

from coedit.errors import CoeditError, DivergedError, UnavailableError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.commit import Commit
from coedit.ot.delta import Delta
from coedit.protocol.log_entry import ChainKey, commit_fields
from coedit.protocol.messages import Offer
from coedit.store.streams.offers import Given, OffersStream, Seen
from services.gateway.documents import stored as stored_module
from services.gateway.documents.feed import Place
from services.gateway.ot.connection import Connection, Recalled
from services.gateway.ot.give_back import GiveBack
from tests.unit.gateway.fakes import DOCUMENT, FakeStore

_HELD = 1, Revision(8), "1/8"


class Ahead:
    """A client's connection; ``given`` is what it gave."""

    def __init__(self, *given: str) -> None:
        self.given = {(DOCUMENT, mac) for mac in given}
        self.recalls: list[dict[str, Any]] = []

    def recall(self, message: dict[str, Any]) -> None:
        self.recalls.append(message)


class Taking:
    """A connection that was asked."""

    def __init__(self) -> None:
        self.client_id = "ada"
        self.recalled: dict[DocumentId, Recalled] = {}
        self.given: frozenset[tuple[DocumentId, str]] = frozenset()
        self.errors: list[str] = []

    def send_error(self, error: CoeditError, _: str) -> None:
        self.errors.append(error.code)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_module, "_GIVING_SECONDS", 0.01)
    monkeypatch.setattr(stored_module, "_LOOK_AGAIN_SECONDS", 0.001)


async def _asked(store: FakeStore, connection: Ahead) -> Place:
    give_back = GiveBack(cast("OffersStream", store), ChainKey.derive(b"secret"), 8)
    place = Place(1, Revision(store.head), f"1/{store.head}", Revision(0))
    return await give_back.ask(cast("Connection", connection), store.document(), place, _HELD)


async def test_client_whose_commits_are_restored_goes_on_from_there() -> None:
    store, connection = FakeStore(head=8), Ahead()
    assert (await _asked(store, connection)).head == 8
    assert [recall["document"] for recall in connection.recalls] == [DocumentId("notes")]


@pytest.mark.parametrize(
    ("given", "snapshot_revision", "error"),
    [
        ((), 5, DivergedError),
        (("1/4",), 5, DivergedError),
        (("1/5", "1/6"), 5, UnavailableError),
        (("1/7",), 7, UnavailableError),
    ],
    ids=[
        "gave nothing",
        "gave another history",
        "gave what continues ours",
        "a snapshot is further than Redis",
    ],
)
async def test_client_that_is_still_ahead_has_another_history_only_if_nothing_is_to_come(
    given: tuple[str, ...], snapshot_revision: int, error: type[Exception]
) -> None:
    store = FakeStore(head=5)
    store.furthest = snapshot_revision
    with pytest.raises(error):
        await _asked(store, Ahead(*given))
    # What the client says is no proof: the owner is told of what a snapshot has, and of nothing else.
    seen = [Seen(DOCUMENT, 1, Revision(7), "1/7")] if snapshot_revision == 7 else []
    assert store.offers == seen


@pytest.mark.parametrize("first", [6, 1], ids=["is lost", "is a repetition"])
async def test_only_what_the_server_lacks_is_passed_on(first: int) -> None:
    """Whoever replays what Redis has, again and again, would fill it."""
    store, connection, key = FakeStore(head=5), Taking(), ChainKey.derive(b"secret")
    give_back = GiveBack(cast("OffersStream", store), key, 8)
    connection.recalled[DOCUMENT] = Recalled(above=5)
    offer = _offer(key, first, count=3, text="x")
    await give_back.take(cast("Connection", connection), offer)
    if first == 6:
        assert [type(given) for given in store.offers] == [Given]
        assert connection.errors == []
    else:
        assert (store.offers, connection.errors) == ([], ["unexpected-message"])


async def test_no_more_is_taken_than_a_client_can_keep() -> None:
    store, connection, key = FakeStore(head=5), Taking(), ChainKey.derive(b"secret")
    give_back = GiveBack(cast("OffersStream", store), key, 8)
    connection.recalled[DOCUMENT] = Recalled(above=5)
    offer = _offer(key, 6, count=1, text="x" * 3 * 1024 * 1024)
    for _ in range(12):
        await give_back.take(cast("Connection", connection), offer)
    assert len(store.offers) == 10
    assert connection.errors == ["unexpected-message"] * 2


def _offer(key: ChainKey, first: int, count: int, text: str) -> Offer:
    before, commits = "", list[dict[str, Any]]()
    for revision in range(first, first + count):
        commit = Commit(
            Revision(revision),
            Delta().insert(text),
            AuthorId("ada"),
            ClientId("ada"),
            ClientSequence(revision),
            at=0,
            epoch=1,
        )
        commits.append(commit_fields(sealed := key.seal(DOCUMENT, commit, before)))
        before = sealed.mac
    return Offer.model_validate({"type": "offer", "document": DOCUMENT, "before": "", "commits": commits})
