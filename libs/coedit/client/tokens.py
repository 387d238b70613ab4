"""The token that a session shows: always the same, or a new one as often as it is needed."""

from collections.abc import Awaitable, Callable

TokenSource = str | Callable[[], Awaitable[str]] | None
"""A token, or what gets one from the application; None: in open mode there is none."""

_SHARE = 0.8
"""Of a token's time, after which the next is asked for."""
_LEAST_SECONDS = 1.0
_MOST_REFUSED = 3
"""So many tokens in a row may be refused before the session gives up."""


class Tokens:
    """What a session shows; a source that raises is asked again when the session connects again."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._refused = 0
        self.current = source if isinstance(source, str) else ""
        """What was shown last."""

    async def next(self) -> str:
        """Return the token to show now; empty: none."""
        if callable(self._source):
            self.current = await self._source()
        return self.current

    def renew_after(self, token_seconds: float | None) -> float | None:
        """Return in how many seconds the next is to be shown, where the last was taken and holds so; None: never."""
        self._refused = 0
        if token_seconds is None or not callable(self._source):
            return None
        return max(_LEAST_SECONDS, token_seconds * _SHARE)

    def may_try_again(self) -> bool:
        """Take note that a token was refused; return whether another one may not be."""
        self._refused += 1
        return callable(self._source) and self._refused < _MOST_REFUSED
