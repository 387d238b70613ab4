"""Catches up what fell behind on one connection: parts, pages of commits and rosters, as fast as the client reads.

Nothing is queued for a slow client: it has a revision, and the log has the rest.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from coedit.errors import CoeditError, InternalError
from coedit.identifiers import Revision
from coedit.store.redis.connection import TROUBLE
from services.gateway.documents.subscription import Outlet, Subscription
from services.gateway.metrics import LAGGING, LOOP_ERRORS
from services.gateway.settings import GatewaySettings
from services.gateway.sockets.turns import Turns

logger = logging.getLogger(__name__)

_LOOK_AGAIN_SECONDS = 0.02


class Source(Protocol):
    """Where what is missed is read."""

    turns: Turns
    """For the parts of large documents."""

    async def read_page(self, subscription: Subscription) -> list[dict[str, Any]]:
        """Return the commits that come next, as far as they fit one frame; none at the head."""

    async def read_roster(self, subscription: Subscription) -> list[dict[str, Any]]:
        """Return who is there."""

    def head_of(self, subscription: Subscription) -> Revision:
        """Return where the document stands."""


class SlowOutlet(Outlet, Protocol):
    """What catching up needs of a connection, which may take nothing more for a while."""

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent any more."""

    @property
    def buffered_bytes(self) -> int:
        """How much was written and not taken by the client yet."""

    def caught_up(self) -> None:
        """Take note that nothing is left to be caught up."""

    def drop_slow(self) -> None:
        """End a connection whose client does not read."""


class CatchUp:
    """The subscriptions of a connection that are behind; a task runs only while there are some."""

    __slots__ = ("_behind", "_lag_revisions", "_lag_seconds", "_outlet", "_rosters", "_source", "_task")

    def __init__(self, outlet: SlowOutlet, source: Source, settings: GatewaySettings) -> None:
        self._outlet = outlet
        self._source = source
        self._lag_seconds = settings.gateway_lag_seconds
        self._lag_revisions = settings.gateway_lag_revisions
        self._behind: dict[Subscription, None] = {}
        self._rosters: dict[Subscription, None] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, subscription: Subscription) -> None:
        """Catch a subscription up; with the roster, since what it missed of that stands in no log."""
        LAGGING.inc()
        self._behind[subscription] = self._rosters[subscription] = None
        self._start()

    def add_roster(self, subscription: Subscription) -> None:
        """Send a subscription the whole roster."""
        self._rosters[subscription] = None
        self._start()

    def remove(self, subscription: Subscription) -> None:
        """Leave a subscription off."""
        self._behind.pop(subscription, None)
        self._rosters.pop(subscription, None)

    def stop(self) -> None:
        """End the task."""
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while (self._behind or self._rosters) and not self._outlet.is_closed:
            for subscription in list(self._behind):
                await self._guard(subscription, self._step)
            for subscription in list(self._rosters):
                if subscription not in self._behind:
                    await self._guard(subscription, self._send_roster)
        self._outlet.caught_up()

    async def _guard(
        self, subscription: Subscription, step: Callable[[Subscription], Awaitable[None]]
    ) -> None:
        """Trouble of a store is waited out; what cannot be mended ends this one subscription."""
        try:
            await self._until_drained(subscription)
            await step(subscription)
        except TROUBLE as error:
            LOOP_ERRORS.labels("catch-up").inc()
            logger.warning("catching up failed", extra={"event": "catch-up-error", "error": repr(error)})
            await asyncio.sleep(0.2)
        except CoeditError as error:
            self._outlet.drop(subscription, error)
        except Exception:
            # The other documents of the connection need this task.
            LOOP_ERRORS.labels("catch-up").inc()
            facts = {"event": "defect", "document_id": subscription.document_id}
            logger.exception("a defect in catching up", extra=facts)
            self._outlet.drop(subscription, InternalError("a defect of the server; it is logged there"))

    async def _step(self, subscription: Subscription) -> None:
        if subscription not in self._behind:
            return
        if subscription.parts:
            await self._send_part(subscription)
            return
        page = await self._source.read_page(subscription)
        if subscription not in self._behind:
            return
        if page:
            subscription.deliver_own(page)
        else:
            # Between the empty page and this there was no await, so nothing came in between.
            del self._behind[subscription]
            subscription.is_live = True

    async def _send_part(self, subscription: Subscription) -> None:
        async with self._source.turns:
            if subscription in self._behind:
                self._outlet.write_frame(subscription.parts.pop(0).of(self._outlet.codec))

    async def _send_roster(self, subscription: Subscription) -> None:
        if subscription not in self._rosters:
            return
        present = await self._source.read_roster(subscription)
        if subscription in self._behind or subscription not in self._rosters:
            return  # it is sent when the commits have been, or it was closed
        del self._rosters[subscription]
        if subscription.is_live:
            document_id = subscription.document_id
            roster = {
                "type": "presence",
                "document": document_id,
                "full": True,
                "present": present,
                "left": [],
            }
            self._outlet.send(roster)

    async def _until_drained(self, subscription: Subscription) -> None:
        """Wait until the client has read; drop it where it reads nothing, or falls too far behind.

        A client that resumes from far back is not dropped for that: only while its buffer is full does it count.
        """
        least, since = self._outlet.buffered_bytes, time.monotonic()
        while not self._outlet.takes_more() and not self._outlet.is_closed:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            if subscription not in self._behind and subscription not in self._rosters:
                return  # closed meanwhile
            if self._outlet.buffered_bytes < least:
                least, since = self._outlet.buffered_bytes, time.monotonic()
            lag = self._source.head_of(subscription) - subscription.revision
            if time.monotonic() - since > self._lag_seconds or lag > self._lag_revisions:
                self._outlet.drop_slow()
