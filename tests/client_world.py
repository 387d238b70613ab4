"""Some clients' machines, one authority, and a network between them that delays, cuts off and repeats.

The wire is TCP's: in order per connection. A cut loses what is under way to the client; what is under way to the
server may still arrive, late, after what the client sent on its next connection.
"""

from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from coedit.identifiers import ClientId, DocumentId
from coedit.ot.apply import apply
from coedit.ot.delta import Delta
from coedit.protocol.client_session import Change, ClientDocument, Message
from tests.memory_server import MemoryServer


@dataclass
class Connection:
    """What is under way between a client and the server."""

    up: deque[Message] = field(default_factory=deque)
    down: deque[Message] = field(default_factory=deque)


class Client:
    """A replica with its connection, and how an application would follow it: change by change."""

    def __init__(self, number: int, server: MemoryServer) -> None:
        self.number = number
        self.client_id = ClientId(f"client-{number}")
        self.document = ClientDocument(DocumentId("d"))
        self.connection: Connection | None = None
        self.late: deque[Message] = deque()
        """What earlier connections left under way to the server."""
        self.submitted = 0
        """The newest sequence that the machine ever made."""
        self.mirror: Delta = Delta()
        self.on_sent: Callable[[Sequence[Message]], None] = lambda messages: None
        """Called with all that the machine sends, be there a connection or not."""
        self._server = server

    @property
    def is_loaded(self) -> bool:
        """Whether the content was ever received, so that it can be edited."""
        return bool(self.document.epoch)

    def connect(self) -> None:
        self.connection = Connection()
        self._send((self.document.open_message(),))

    def cut(self) -> None:
        assert self.connection is not None
        self.late.extend(message for message in self.connection.up if message["type"] == "submit")
        self.connection = None
        self._server.forget(self.client_id)
        self.document.lost()

    def edit(self, delta: Delta, group: Hashable = None) -> None:
        messages = self.document.edit(delta, group=group)
        self.mirror = apply(self.mirror, delta)
        self._send(messages)

    def undo(self) -> None:
        self._step(*self.document.undo())

    def redo(self) -> None:
        self._step(*self.document.redo())

    def resend(self) -> None:
        """Do as after five seconds without an answer."""
        self._send(self.document.resend())

    def deliver_up(self) -> None:
        assert self.connection is not None
        self._server.receive(self.client_id, self.connection.up.popleft(), self.connection.down)

    def deliver_late(self) -> None:
        """Let the server get what came from an earlier connection; the answer goes nowhere."""
        self._server.receive(self.client_id, self.late.popleft(), deque())

    def next_down(self, *, batch: bool = False) -> Message:
        """Take what the client gets next; with ``batch``, commits in a row are one message."""
        assert self.connection is not None
        down = self.connection.down
        message = down.popleft()
        while batch and message["type"] == "commit" and down and down[0]["type"] == "commit":
            message = message | {"commits": [*message["commits"], *down.popleft()["commits"]]}
        return message

    def receive(self, message: Message) -> None:
        if message["type"] == "opened":
            content = Delta.from_json(message["content"]) if message["mode"] == "content" else None
            self._follow(self.document.opened(message, content))
            self._send(self.document.resend())
        elif message["type"] == "ack":
            self._send(self.document.receive_ack(message))
        else:
            for change in self.document.receive_commits(message):
                self.mirror = apply(self.mirror, change.delta)
            assert self.mirror == self.document.content

    def _step(self, delta: Delta | None, messages: Sequence[Message]) -> None:
        self.mirror = apply(self.mirror, delta or Delta())
        assert self.mirror == self.document.content
        self._send(messages)

    def _follow(self, change: Change | None) -> None:
        if change is not None:
            self.mirror = apply(self.mirror, change.delta)
        assert self.mirror == self.document.content

    def _send(self, messages: Sequence[Message]) -> None:
        self.submitted = max(self.submitted, self.document.client_sequence)
        self.on_sent(messages)
        if self.connection is not None:
            self.connection.up.extend(messages)


class World:
    """Some clients and one server."""

    def __init__(self, client_count: int) -> None:
        self.server = MemoryServer()
        self.clients = [Client(number, self.server) for number in range(client_count)]

    def check(self) -> None:
        """Check what must hold once nothing is under way."""
        authority = self.server.authority
        for client in self.clients:
            assert client.document.saved, f"{client.client_id} is blocked"
            assert client.document.revision == authority.head
            assert client.document.content == authority.document == client.mirror
            assert client.document.mac == authority.mac
        assert self.committed() == Counter(
            (client.client_id, number + 1) for client in self.clients for number in range(client.submitted)
        )

    def check_always(self) -> None:
        """Check what must hold at any time: nothing twice, and what a client takes for acked is committed."""
        committed = self.committed()
        assert all(count == 1 for count in committed.values())
        for client in self.clients:
            acked = client.submitted if client.document.saved else client.submitted - 1
            assert all((client.client_id, number + 1) in committed for number in range(acked))
            assert client.document.revision <= self.server.authority.head

    def committed(self) -> Counter[tuple[ClientId, int]]:
        return Counter((commit.client_id, int(commit.client_sequence)) for commit in self.server.log)
