"""A client that holds more than Redis does: whether it has another history is said only when that is certain."""

from typing import Any, cast

import pytest

from coedit.errors import DivergedError, UnavailableError
from coedit.identifiers import DocumentId, Revision
from coedit.protocol.log_entry import ChainKey
from coedit.store.offers_stream import OffersStream
from services.gateway import open_document as open_document_module
from services.gateway.connection import Connection
from services.gateway.feed import Place
from services.gateway.give_back import GiveBack
from tests.unit.gateway.fakes import DOCUMENT, FakeStore

_HELD = 1, Revision(8), "1/8"


class Ahead:
    """A client's connection; ``given`` is what it gave."""

    def __init__(self, *given: str) -> None:
        self.given = {(DOCUMENT, mac) for mac in given}
        self.recalls: list[dict[str, Any]] = []

    def recall(self, message: dict[str, Any]) -> None:
        self.recalls.append(message)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_document_module, "_GIVING_SECONDS", 0.01)
    monkeypatch.setattr(open_document_module, "_LOOK_AGAIN_SECONDS", 0.001)


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
