"""How fast one connection may speak: messages and bytes, each a bucket that fills up again with time."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from coedit.protocol.limits.token_bucket import Rate, TokenBucket
from services.gateway.limits.told import limited
from services.gateway.settings import GatewaySettings

_LEAST_SECONDS = 0.5
"""Whoever is held up is so for at least so long: what has come back by then is worth being read in one go."""
_MOST_SECONDS = 5.0
"""And for no longer at a time, since its pongs are not heard meanwhile; what is left to pay holds it up again."""

_OPENED_AT_ONCE = 16
"""So many documents are being opened for one author at a time: each takes a connection to Redis, and others need some
of those."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much each connection may say, and how many documents it may open."""

    messages: Rate
    bytes: Rate
    opens: Rate

    @classmethod
    def of(cls, settings: GatewaySettings) -> "Pace":
        """Return what the settings say."""
        return cls(
            Rate(settings.gateway_messages_per_second, settings.gateway_messages_at_once),
            Rate(settings.gateway_bytes_per_second, settings.gateway_bytes_at_once),
            Rate(settings.gateway_opens_per_second, settings.gateway_opens_at_once),
        )


class Holdable(Protocol):
    """A connection, as far as its author is held up."""

    def hold(self, seconds: float) -> None:
        """Read nothing of it for so long."""


class Account:
    """The connections of one author here, and what they have said since it was looked at last."""

    __slots__ = ("bytes", "connections", "messages", "openings")

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0
        self.connections: set[Holdable] = set()
        self.openings = asyncio.Semaphore(_OPENED_AT_ONCE)
        """Taken for as long as a document is being opened."""


class Meter:
    """What one connection has said, and what it may say; asked for each frame, so it is numbers alone."""

    __slots__ = ("_bytes", "_messages", "_opens", "_pace", "account")

    def __init__(self, pace: Pace) -> None:
        self.account: Account | None = None
        """Its author's, once it is known who that is."""
        self._pace = pace
        self._messages = TokenBucket()
        self._bytes = TokenBucket()
        self._opens = TokenBucket()

    def spend(self, messages: int, size_bytes: int, now: float) -> float:
        """Take note of what came; return for how many seconds nothing more is to be read: mostly 0."""
        account = self.account
        if account is not None:
            account.messages += messages
            account.bytes += size_bytes
        pace = self._pace
        of_messages = self._messages.spend(messages, now, pace.messages)
        of_bytes = self._bytes.spend(size_bytes, now, pace.bytes)
        if not of_messages and not of_bytes:
            return 0.0
        limited("messages" if of_messages >= of_bytes else "bytes")
        return within_a_pause(max(of_messages, of_bytes))

    def open_one(self, now: float) -> float:
        """Take note that a document is to be opened; where that is too many, return in how many seconds it is not."""
        seconds = self._opens.take(1.0, now, self._pace.opens)
        if seconds:
            limited("opens")
        return seconds


def within_a_pause(seconds: float) -> float:
    """Return for how long nothing is read of whoever has to wait for so long."""
    return min(max(seconds, _LEAST_SECONDS), _MOST_SECONDS)
