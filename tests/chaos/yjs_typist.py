"""Programs that edit over Yjs, by pycrdt's own provider, in a document that OT clients edit as well."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp
from pycrdt import Doc, Provider, Text

from coedit.identifiers import escape
from coedit.ot import Delta
from coedit.ot.parts.ops import Insert
from coedit.protocol.server_session import CloseCode
from tests.chaos.history import History
from tests.writers import Ledger, Made
from tests.yjs.pycrdt_client import SocketChannel

_HEARTBEAT_SECONDS = 4.0
"""A connection on which nothing comes back for longer is given up, as a provider does by what it hears."""
_PAUSE_SECONDS = 0.2
_LONG_CHARACTERS = 800
"""In a longer document as much is deleted as is written."""
_EMBED = "\ufffc"


class YjsTypist:
    """One replica, which comes back whenever its connection is lost; ``door`` names where to."""

    def __init__(
        self,
        client: str,
        document: str,
        door: Callable[[], str],
        ledger: Ledger,
        history: History,
        rng: random.Random,
    ) -> None:
        self.client = client
        self.document = document
        self._door = door
        self._ledger = ledger
        self._history = history
        self._rng = rng
        self._begin_afresh()

    async def keep_connected(self) -> None:
        """Connect, and come back until cancelled; what ends it is recorded."""
        try:
            async with aiohttp.ClientSession() as session:
                while True:
                    with suppress(aiohttp.ClientError, OSError, TimeoutError):
                        await self._connect_once(session)
                    await asyncio.sleep(_PAUSE_SECONDS)
        except Exception as error:
            self._add("failed", error=repr(error))
            raise

    async def type(self, pause_seconds: float, is_over: Callable[[], bool]) -> None:
        """Make an edit every so often, connected or not."""
        while not is_over():
            self._step()
            await asyncio.sleep(pause_seconds * self._rng.uniform(0.5, 1.5))

    @property
    def content(self) -> Delta:
        """Its text, as a delta of inserts."""
        return Delta(Insert(content, attributes) for content, attributes in self._text.diff())

    def _begin_afresh(self) -> None:
        self._doc: Doc[Any] = Doc()
        self._text = self._doc.get("content", type=Text)

    async def _connect_once(self, session: aiohttp.ClientSession) -> None:
        address = f"{self._door().replace('http', 'ws', 1)}/yjs/{escape(self.document)}"
        async with asyncio.timeout(_HEARTBEAT_SECONDS):
            socket = await session.ws_connect(address, heartbeat=_HEARTBEAT_SECONDS, max_msg_size=0)
        async with socket:
            channel = SocketChannel(socket)
            async with Provider(self._doc, channel):
                await channel.is_closed.wait()
        match socket.close_code:
            case CloseCode.LOST_ITEMS:
                self._add("afresh")
                self._begin_afresh()
            case CloseCode.REFUSED:
                self._add("failed", error="an update was refused")

    def _step(self) -> None:
        characters = "".join(
            content if isinstance(content, str) else _EMBED for content, _ in self._text.diff()
        )
        is_long = len(characters) > _LONG_CHARACTERS
        kind = self._rng.choices(["insert", "delete", "format"], [3, 4 if is_long else 1, 1])[0]
        start = self._rng.randint(0, len(characters))
        end = min(len(characters), start + self._rng.randint(1, 3))
        if kind == "insert":
            text = self._ledger.take(self._rng.randint(1, 3))
            self._made(Made(inserted=text))
            self._text.insert(_bytes(characters[:start]), text, self._rng.choice([{}, {"bold": True}]))
        elif kind == "delete" and end > start:
            self._made(Made(deleted=characters[start:end]))
            del self._text[_bytes(characters[:start]) : _bytes(characters[:end])]
        elif kind == "format" and end > start:
            attributes = self._rng.choice([{"bold": True}, {"bold": None}, {"italic": True}])
            self._text.format(_bytes(characters[:start]), _bytes(characters[:end]), attributes)

    def _made(self, made: Made) -> None:
        self._ledger.deleted |= set(made.deleted)
        self._add("edit", **made._asdict())

    def _add(self, what: str, **fields: object) -> None:
        self._history.add(what, client=self.client, document=self.document, **fields)


def _bytes(characters: str) -> int:
    """Return how far pycrdt counts these: bytes of UTF-8, an embed as one."""
    return len(characters.replace(_EMBED, "\x01").encode())
