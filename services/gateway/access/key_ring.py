"""The keys of ``COEDIT_TOKEN_KEYS``: where each comes from, and how it is had again when it changes."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
from pydantic import TypeAdapter, ValidationError

from coedit.errors import UndecidedError, UnknownTokenKeyError
from coedit.protocol.token_keys import InvalidTokenKeyError, TokenKey, keys_in, read_token, shared_secret
from coedit.protocol.tokens import Identity
from coedit.runtime.foreign_pages import is_loopback
from coedit.runtime.settings import SettingsError
from coedit.runtime.tracing.active import tracing_calls
from services.gateway.metrics import TOKEN_KEY_READS
from services.gateway.settings import GatewaySettings

logger = logging.getLogger(__name__)

_FETCH_SECONDS = 10.0
_MOST_BYTES = 256 * 1024
_PAUSE_SECONDS = 30.0
"""Keys that are not known are looked for at most so often: anybody can name one that does not exist."""


class _Source(Protocol):
    """Where keys are had from; ``name`` tells it in logs."""

    name: str

    async def keys(self) -> list[TokenKey]:
        """Return the keys that are there now.

        Raises:
            OSError, aiohttp.ClientError, TimeoutError: they cannot be had.
            InvalidTokenKeyError: they are none.
        """


class _File:
    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    async def keys(self) -> list[TokenKey]:
        return keys_in(await asyncio.to_thread(self._path.read_text))


class _Address:
    def __init__(self, url: str) -> None:
        self.name = url
        self._url = url

    async def keys(self) -> list[TokenKey]:
        timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, trace_configs=tracing_calls()) as session,
            # Where it would be sent on to, nobody has said that it may be asked.
            session.get(self._url, allow_redirects=False, raise_for_status=True) as response,
        ):
            if response.status != 200:
                raise InvalidTokenKeyError(f"answered with {response.status}")
            body = await response.content.read(_MOST_BYTES + 1)
            while len(body) <= _MOST_BYTES and (more := await response.content.read(_MOST_BYTES)):
                body += more
            if len(body) > _MOST_BYTES:
                raise InvalidTokenKeyError(f"it has more than {_MOST_BYTES} bytes")
            return keys_in(body.decode())


class KeyRing:
    """Tells whom tokens name that others made; keeps the keys that it had while their issuer is away.

    Raises:
        SettingsError: ``COEDIT_TOKEN_KEYS`` is not a list of what may stand there.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._issuers = tuple(filter(None, map(str.strip, settings.token_issuers.split(","))))
        self._audience = settings.token_audience
        self._seconds = settings.token_keys_seconds
        self._secrets: list[TokenKey] = []
        self._sources: list[_Source] = []
        for entry in _entries(settings.token_keys.get_secret_value()):
            self._add(entry)
        self._had: dict[str, list[TokenKey]] = {}
        """What each source gave last."""
        self._looking: asyncio.Task[None] | None = None
        self._looked_at = float("-inf")

    def __bool__(self) -> bool:
        return bool(self._secrets or self._sources)

    @property
    def missing(self) -> list[str]:
        """The sources that have given no keys yet."""
        return [source.name for source in self._sources if source.name not in self._had]

    async def read(self, token: str, now: float) -> Identity:
        """Return whom a token names at ``now``, in seconds since 1970.

        Raises:
            UnauthorizedError: it is not valid.
            UndecidedError: the keys cannot be had that it may be signed by.
        """
        try:
            return self._read(token, now)
        except UnknownTokenKeyError:
            if not self._sources:
                raise
        has_looked = await self._look_now()
        try:
            return self._read(token, now)
        except UnknownTokenKeyError:
            if self.missing or not has_looked:
                raise UndecidedError("the keys of who makes the tokens cannot be had now") from None
            raise

    async def step(self) -> None:
        """Have the keys again, some time after they were had last; sooner where there are none yet."""
        if not self._sources:
            await asyncio.Event().wait()
        due_at = self._looked_at + (_PAUSE_SECONDS if self.missing else self._seconds)
        await asyncio.sleep(max(0.0, due_at - time.monotonic()))
        await self._look()

    def _read(self, token: str, now: float) -> Identity:
        keys = [*self._secrets, *(key for keys in self._had.values() for key in keys)]
        return read_token(token, keys, self._issuers, self._audience, now)

    async def _look_now(self) -> bool:
        """Have the keys again, and return True; False: that was done a moment ago."""
        if self._looking is None and time.monotonic() - self._looked_at < _PAUSE_SECONDS:
            return False
        await self._look()
        return True

    async def _look(self) -> None:
        """Ask all sources, once for everybody who wants to know meanwhile."""
        if self._looking is None:
            self._looked_at = time.monotonic()
            self._looking = asyncio.get_running_loop().create_task(self._ask_all())
        await asyncio.shield(self._looking)

    async def _ask_all(self) -> None:
        try:
            await asyncio.gather(*map(self._ask, self._sources))
        finally:
            self._looking = None

    async def _ask(self, source: _Source) -> None:
        try:
            keys = await source.keys()
        except (OSError, aiohttp.ClientError, TimeoutError, ValueError) as error:
            TOKEN_KEY_READS.labels("failed").inc()
            failed = {"event": "token-keys-error", "source": source.name, "error": _told(error)}
            logger.warning("the keys of tokens cannot be had; those from before count", extra=failed)
            return
        TOKEN_KEY_READS.labels("read").inc()
        if [key.key_id for key in keys] != [key.key_id for key in self._had.get(source.name, [])]:
            facts: dict[str, object] = {"event": "token-keys", "source": source.name, "keys": len(keys)}
            logger.info("the keys of tokens were read", extra=facts)
        self._had[source.name] = keys

    def _add(self, entry: str) -> None:
        try:
            if entry.startswith("secret:"):
                self._secrets.append(shared_secret(entry.removeprefix("secret:")))
            elif entry.startswith("/"):
                self._sources.append(_File(Path(entry)))
            else:
                self._sources.append(_Address(_trusted(entry)))
        except InvalidTokenKeyError as error:
            raise SettingsError(f"COEDIT_TOKEN_KEYS: {error}") from None


def _entries(text: str) -> list[str]:
    if not text.startswith("["):
        return text.split()
    try:
        return TypeAdapter(list[str]).validate_json(text)
    except ValidationError:
        raise SettingsError("COEDIT_TOKEN_KEYS begins with [ and is no JSON list of texts") from None


def _trusted(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return url
    raise InvalidTokenKeyError(
        "an entry is an https:// address (http:// only on loopback), a path that begins with /, or secret:…"
    )


def _told(error: Exception) -> str:
    """Return what is wrong, without what was read: an aiohttp error tells the address, a ValueError of ours no key."""
    return str(error) if isinstance(error, InvalidTokenKeyError) else type(error).__name__
