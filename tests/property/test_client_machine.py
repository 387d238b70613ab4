"""The client's machine against an authority, model-checked over a network that delays, cuts off, reorders and repeats.

Hypothesis chooses what happens next to whom, and shrinks a failing run to its shortest; the blob it prints replays it,
and so does the seed of the laws.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, event, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from coedit.errors import CoeditError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.commit import Caret, Commit
from coedit.ot.delta import Delta
from coedit.ot.roles.replica import Synchronized
from coedit.protocol.client_session import ClientDocument
from coedit.testing.strategies import atom_sizes, deltas
from tests.client_world import Client, World
from tests.laws import CASES, SEED
from tests.memory_server import commit_message

_WHO = st.integers(0, 11)


class ClientMachine(RuleBasedStateMachine):
    """1 to 4 clients. A rule takes the first client, from a drawn one on, to which it can happen."""

    @initialize(count=st.integers(1, 4), late=st.booleans())
    def start(self, count: int, late: bool) -> None:
        self.world = World(count)
        for client in self.world.clients:
            client.connect()
        for client in self.world.clients[: count - late]:
            _flush(client)

    @rule(who=_WHO, share=st.floats(0, 1), text=st.sampled_from(["a", "b", "😀"]))
    def type(self, who: int, share: float, text: str) -> None:
        if client := self._pick(who, _is_loaded):
            client.edit(Delta().retain(_place(client, share)).insert(text), "typing")

    @rule(who=_WHO, kind=st.sampled_from(["any", "delete", "undo", "redo", "caret"]), data=st.data())
    def write(self, who: int, kind: str, data: st.DataObject) -> None:
        if client := self._pick(who, _is_loaded):
            _write(client, kind, data)

    @rule(
        who=_WHO,
        turns=st.lists(st.sampled_from(["up", "down", "down twice", "batch"]), min_size=1, max_size=6),
    )
    def deliver(self, who: int, turns: list[str]) -> None:
        for turn in turns:
            if turn == "up" and (client := self._pick(who, _has_up)):
                client.deliver_up()
            elif turn != "up" and (client := self._pick(who, _has_down)):
                message = client.next_down(batch=turn == "batch")
                client.receive(message)
                if turn == "down twice" and message["type"] != "opened":
                    client.receive(message)

    @rule(who=_WHO, kind=st.sampled_from(["cut", "connect", "resend", "late", "late"]))
    def disturb(self, who: int, kind: str) -> None:
        """Cut a connection or make a new one; send again; let arrive what an earlier connection left."""
        if kind == "late" and (client := self._pick(who, lambda one: bool(one.late))):
            client.deliver_late()
        elif kind == "connect" and (client := self._pick(who, lambda one: one.connection is None)):
            client.connect()
        elif kind in {"cut", "resend"} and (
            client := self._pick(who, lambda one: one.connection is not None)
        ):
            (client.cut if kind == "cut" else client.resend)()

    @invariant()
    def nothing_is_committed_twice_and_what_is_acked_is_committed(self) -> None:
        if hasattr(self, "world"):
            self.world.check_always()

    def teardown(self) -> None:
        """Heal the network: then everything is acked, and everybody holds the same."""
        if hasattr(self, "world"):
            settle(self.world)
            self.world.check()
            event(f"revisions: {min(12, len(self.world.server.log) // 3 * 3)} or more")
            note(f"log: {[commit.delta for commit in self.world.server.log]}")

    def _pick(self, who: int, can: Callable[[Client], bool]) -> Client | None:
        clients = self.world.clients
        first = who % len(clients)
        return next((client for client in [*clients[first:], *clients[:first]] if can(client)), None)


def _write(client: Client, kind: str, data: st.DataObject) -> None:
    places = st.floats(0, 1).map(lambda share: _place(client, share))
    if kind == "any":
        client.edit(data.draw(deltas(client.document.content)))
    elif kind == "delete":
        first, last = sorted((data.draw(places), data.draw(places)))
        client.edit(Delta().retain(first).delete(last - first))
    elif kind == "caret":
        client.document.caret = Caret(data.draw(places), data.draw(places))
    else:
        (client.undo if kind == "undo" else client.redo)()


def _place(client: Client, share: float) -> int:
    """Return the place behind a share of the characters; it cuts no surrogate pair."""
    sizes = atom_sizes(client.document.content)
    return sum(sizes[: round(share * len(sizes))])


def _is_loaded(client: Client) -> bool:
    return client.is_loaded


def _has_up(client: Client) -> bool:
    return client.connection is not None and bool(client.connection.up)


def _has_down(client: Client) -> bool:
    return client.connection is not None and bool(client.connection.down)


def settle(world: World) -> None:
    """Let everything arrive."""
    for client in world.clients:
        if client.connection is None:
            client.connect()
    while any(_flush(client) for client in world.clients):
        pass


def _flush(client: Client) -> bool:
    connection = client.connection
    assert connection is not None
    moved = bool(connection.up or connection.down or client.late)
    while connection.up:
        client.deliver_up()
    while connection.down:
        client.receive(client.next_down())
    while client.late:
        client.deliver_late()
    return moved


seed(SEED)(ClientMachine)
TestClientMachine: Any = ClientMachine.TestCase
TestClientMachine.settings = settings(
    max_examples=CASES // 4,
    stateful_step_count=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_own_edit_carries_the_caret_along() -> None:
    document = ClientDocument(DocumentId("d"))
    document.edit(Delta().insert("abc"))
    document.caret = Caret(1, 3)
    document.edit(Delta().retain(1).insert("x"))
    assert document.caret == (2, 4)
    document.edit(Delta().delete(4))
    assert document.caret == (0, 0)


def test_rejected_client_keeps_its_edit_and_goes_on_under_another_id() -> None:
    document = ClientDocument(DocumentId("d"))
    answer = {"client_id": "one", "resume_token": "t", "access": "write", "epoch": 1, "mac": "m"}
    answer |= {"revision": 3, "snapshot_revision": 0}
    document.opened(answer, Delta().insert("abc"))
    document.edit(Delta().insert("x"))
    document.edit(Delta().retain(1).insert("y"))
    document.reject("sequence", "a gap")
    assert [rejection.delta for rejection in document.rejections] == [Delta().insert("xy")]
    assert document.open_message() == {"type": "open", "document": "d", "renew": True}
    change = document.opened(answer | {"client_id": "two"}, Delta().insert("abc"))
    assert change is not None
    assert (change.is_reset, change.delta) == (True, Delta().delete(2))
    assert isinstance(document.replica, Synchronized)
    (message,) = document.edit(Delta().insert("z"))
    assert (message["client_sequence"], message["base_revision"]) == (1, 3)


@pytest.mark.parametrize("revision", [2, 5])
def test_gap_in_what_arrives_is_an_error(revision: int) -> None:
    document = ClientDocument(DocumentId("d"))
    document.opened(
        {
            "client_id": "c",
            "resume_token": "t",
            "access": "write",
            "epoch": 1,
            "mac": "",
            "revision": 0,
            "snapshot_revision": 0,
        },
        Delta(),
    )
    commit = Commit(
        Revision(revision), Delta().insert("x"), AuthorId("a"), ClientId("o"), ClientSequence(1), 0, 1
    )
    with pytest.raises(CoeditError, match=f"revision {revision} came after 0"):
        document.receive_commits(commit_message(commit))
