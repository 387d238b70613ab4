"""Somebody who edits an own document over OT and another one over Yjs, and goes on whatever others send."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from coedit.client import connect
from tests.integration.yjs_client import YjsClient

_PAUSE_SECONDS = 0.3
_PATIENCE_SECONDS = 60.0
"""For an edit: whoever has waited for so long does not wait any more."""


@dataclass(slots=True)
class Bystander:
    """``waits`` are the seconds that each edit took; ``troubles`` what ended in none."""

    url: str
    token: str | None = None
    waits: list[float] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    is_over: bool = False

    async def edit(self) -> None:
        """Edit until it is over, and come back after any trouble."""
        await asyncio.gather(self._again("ot", self._by_ot), self._again("yjs", self._by_yjs))

    async def _again(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while not self.is_over:
            try:
                await work()
            except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding
                self.troubles.append(f"{name}: {error!r}"[:500])
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _by_ot(self) -> None:
        async with connect(self.url, author="bystander", token=self.token) as session:
            document = await session.open("bystander")
            while not self.is_over:
                began_at = time.monotonic()
                await document.insert(0, "x")
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await document.settle()
                self.waits.append(time.monotonic() - began_at)
                if document.rejections:
                    raise AssertionError(f"refused: {document.rejections}")
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _by_yjs(self) -> None:
        client = YjsClient(self.url, "bystander by yjs")
        client.query |= {"token": self.token} if self.token else {}
        async with client:
            await client.until_synced()
            while not self.is_over:
                began_at, told = time.monotonic(), len(client.received)
                await client.edit(lambda text: text.insert(0, "y"))
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    while not any(message[:2] == b"\x00\x02" for message in client.received[told:]):
                        if client.close_code is not None:
                            raise AssertionError(f"closed with {client.close_code}")
                        with suppress(TimeoutError):
                            await asyncio.wait_for(client._changed.wait(), 0.05)
                        client._changed.clear()
                self.waits.append(time.monotonic() - began_at)
                await asyncio.sleep(_PAUSE_SECONDS)
