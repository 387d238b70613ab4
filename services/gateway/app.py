"""The gateway put together: HTTP, WebSockets, the loops behind them, and an orderly end."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from redis.asyncio import Redis

from coedit.protocol.codec import Codec, choose_codec
from coedit.protocol.log_entry import ChainKey
from coedit.protocol.server_session import MOST_BYTES_BEFORE_WELCOME
from coedit.runtime.health import serve_health
from coedit.runtime.lanes import Lanes
from coedit.runtime.lifecycle import every, survive
from coedit.runtime.process_metrics import ROUND_TRIP_SECONDS, VERSION, value_of
from coedit.runtime.serving import serve
from coedit.runtime.tracing.active import TRACES
from coedit.store.deletion.decisions import Decisions
from coedit.store.deployment.deployment import Deployment
from coedit.store.deployment.notes import NOTE_SECONDS, Notes, living
from coedit.store.deployment.status import Survey
from coedit.store.documents.asked import Asked
from coedit.store.documents.history import History
from coedit.store.documents.listing import Listing
from coedit.store.documents.log import DocumentLog
from coedit.store.documents.quarantine import Quarantine
from coedit.store.documents.reader import DocumentReader
from coedit.store.limits.author_rates import AuthorRates
from coedit.store.objects.archive import Archive
from coedit.store.objects.object_store import open_object_store
from coedit.store.objects.snapshots import Snapshots
from coedit.store.objects.unerased import UnerasedObjects
from coedit.store.objects.versions import Versions
from coedit.store.presence.store import PresenceStore
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.discovery import connect_nodes
from coedit.store.redis.durability import Durability
from coedit.store.streams.looks import Looks
from coedit.store.streams.offers import OffersStream
from coedit.store.streams.ops import OpsStream
from coedit.store.streams.orders import OrdersStream
from services.gateway.access.access import Access
from services.gateway.access.looks import Connected
from services.gateway.access.orders import Orders
from services.gateway.documents.heal import Healer
from services.gateway.documents.hub import Hub
from services.gateway.documents.kept import KeptContents
from services.gateway.limits.addresses import Addresses
from services.gateway.limits.authors import Authors
from services.gateway.limits.pace import Pace
from services.gateway.metrics import (
    CONNECTIONS,
    DOCUMENTS,
    LOOP_ERRORS,
    SUBSCRIPTIONS,
    YJS_CONNECTIONS,
    YJS_SEATS,
)
from services.gateway.ot.connection import Connection
from services.gateway.ot.desk import GatewayDesk
from services.gateway.ot.give_back import GiveBack
from services.gateway.redis.channels import Channels
from services.gateway.redis.presences import Presences
from services.gateway.redis.submit import Submitter
from services.gateway.rest.answers import refuse_as_problems
from services.gateway.rest.connections import ConnectionRoutes
from services.gateway.rest.deletion import DeletionRoutes
from services.gateway.rest.documents import DocumentRoutes
from services.gateway.rest.editing.keyed import Keyed
from services.gateway.rest.editing.one_edit import OneEdits
from services.gateway.rest.editing.programs import EditRoutes
from services.gateway.rest.formats import FormatRoutes
from services.gateway.rest.health import health_served
from services.gateway.rest.history import HistoryRoutes
from services.gateway.rest.moments import Moments
from services.gateway.rest.now.listing import ListRoute
from services.gateway.rest.now.presences import NAME as PROGRAMS
from services.gateway.rest.now.presences import PresenceRoutes
from services.gateway.rest.orders import OrderRoutes
from services.gateway.rest.pages.descriptions import described
from services.gateway.rest.pages.open_mode import refuse_other_pages
from services.gateway.rest.pages.other_pages import share_with_named_pages
from services.gateway.rest.pages.page import add_page
from services.gateway.rest.routes.route import Served
from services.gateway.rest.serving import Door
from services.gateway.rest.status import StatusRoute
from services.gateway.rest.vouching import note_unchecked
from services.gateway.rest.webhooks import WebhookRoutes
from services.gateway.settings import GatewaySettings
from services.gateway.sockets.keeper import Begun, Sockets
from services.gateway.sockets.server_socket import ServerSocket
from services.gateway.yjs.desk import YjsDesk
from services.gateway.yjs.routes import YjsRoutes

logger = logging.getLogger(__name__)

_ANSWERS_SECONDS = 1.0
"""How long the answers to what was submitted are waited for, on the way out."""
_BUSIEST = 20
"""So many documents and clients a gateway names."""
_OFFERED = tuple(codec.value for codec in Codec)


class Gateway:
    """One gateway process."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._durability = Durability(settings.durability, settings.replica_count)
        self._nodes = connect_nodes(settings.redis_url)
        token = secrets.token_urlsafe(12)
        self._notes = Notes(self._nodes, "gateway", token, VERSION, self._about)
        self._authors = Authors(settings, AuthorRates(self._nodes))
        self._access = Access(settings, self._notes.clocks.seconds, self._authors)
        log = DocumentLog(self._nodes, settings.shard_count, self._durability)
        objects = UnerasedObjects(
            open_object_store(
                settings.object_store_url, settings.object_store_endpoint, settings.object_store_region
            )
        )
        chain_key = ChainKey.derive(*settings.chain_secrets())
        self._deployment = Deployment(self._nodes, objects, settings.shard_count, chain_key)
        snapshots = Snapshots(objects)
        self._reader = DocumentReader(log, snapshots, Archive(objects), chain_key, note_unchecked)
        self._quarantine = Quarantine(self._nodes, settings.shard_count, "gateway")
        self._channels = Channels(self._nodes, self._notes.clocks)
        ops = self._ops = OpsStream(self._nodes)
        self._submitter = Submitter(
            ops, log, settings.gateway_backlog_entries, settings.gateway_gather_seconds
        )
        rosters = PresenceStore(
            self._nodes, settings.shard_count, secrets.token_urlsafe(9), settings.presence_ttl_seconds
        )
        self._presences = Presences(rosters, settings.presence_ttl_seconds)
        offers = OffersStream(self._nodes)
        kept = KeptContents(settings.gateway_kept_bytes)
        healer = Healer(offers, log.shard)
        unsaved_bytes = settings.gateway_unsaved_bytes
        hub = Hub(log, self._reader, self._channels, healer, self._quarantine, kept, unsaved_bytes)
        give_back = GiveBack(offers, chain_key, settings.shard_count)
        self._desk = GatewayDesk(
            settings, self._access, hub, self._submitter, self._presences, rosters, give_back
        )
        edits = OneEdits(hub, self._submitter, settings.secret.get_secret_value(), settings.durability)
        history = History(log, self._reader, snapshots)
        addresses = Addresses(settings)
        self._sockets = Sockets(
            settings.gateway_ping_seconds, settings.gateway_half_received_bytes, addresses, Pace.of(settings)
        )
        self._yjs = YjsDesk(
            self._access,
            hub,
            self._reader,
            self._submitter,
            self._presences,
            rosters,
            self._notes.clocks.seconds,
        )
        self._yjs_routes = YjsRoutes(
            settings, self._access, self._yjs, self._sockets, addresses, lambda: self._is_draining
        )
        self._orders_stream = OrdersStream(self._nodes)
        self._orders = Orders(
            self._orders_stream, self._access.permissions, self._sockets.wires, hub.end_deleted
        )
        gateways = partial(living, self._nodes, "gateway")
        self._connected = Connected(Looks(self._nodes), token, self._sockets.wires, gateways)
        versions = Versions(objects)
        moments = Moments(history, versions)
        self._history = HistoryRoutes(history, versions, moments, edits, self._nodes)
        keyed = Keyed(Asked(self._nodes, log.shard))
        self._edits = EditRoutes(moments, edits, keyed, settings)
        self._formats = FormatRoutes(self._access, self._reader, moments, edits, keyed, settings)
        self._documents = DocumentRoutes(self._reader, history, self._quarantine)
        self._list = ListRoute(self._access, Listing(self._nodes, objects, settings.shard_count))
        programs = PresenceStore(self._nodes, settings.shard_count, PROGRAMS, settings.presence_ttl_seconds)
        self._seen = PresenceRoutes(
            programs, moments, settings.secret.get_secret_value(), settings.presence_ttl_seconds
        )
        decisions = Decisions(self._nodes, log.shard, snapshots.deletions)
        self._deletions = DeletionRoutes(self._access, decisions, history, settings.trash_seconds)
        self._status = StatusRoute(
            Survey(
                self._nodes,
                objects,
                settings.shard_count,
                (settings.durability, settings.replica_count),
                urlsplit(settings.object_store_url).scheme,
            ),
        )
        self._is_draining = False

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop``, then send every client elsewhere.

        Raises:
            CoeditError: the configuration is not that of this Redis, or of this deployment.
        """
        await self._durability.check(self._nodes)
        await self._notes.clocks.begin()
        await self._deployment.compare_if_possible()
        async with self._deployment.watched(stop):
            await self._serve(stop)

    async def _serve(self, stop: asyncio.Event) -> None:
        settings = self._settings
        server = await serve(self._application(), settings.gateway_host, settings.gateway_port)
        health = await serve_health(self._ready, settings.health_host, settings.gateway_health_port)
        facts = {"event": "started", "host": settings.gateway_host, "port": settings.gateway_port}
        logger.info("gateway started", extra=facts)
        drained = asyncio.Event()  # not `stop`: whoever drains needs every loop
        loops = {
            "topology": self._channels.step,
            "submit": self._submitter.step,
            "backlog": self._submitter.watch_backlog,
            "presence": self._presences.report_step,
            "alive": self._presences.alive_step,
            "yjs": self._yjs.step,
            "ping": self._sockets.ping_step,
            "token-keys": self._access.ring.step,
            "author-rates": self._authors.step,
            "orders": self._orders.step,
            "looks": self._connected.step,
            "note": every(NOTE_SECONDS, partial(self._notes.write, ROUND_TRIP_SECONDS.observe), drained),
        }
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(survive(name, step, drained, LOOP_ERRORS.labels(name).inc))
                for name, step in loops.items()
            ]
            lines: Lanes[Redis] = Lanes(tasks, "channels", stop, LOOP_ERRORS.labels("channels").inc)
            self._channels.run_on(lines)
            await stop.wait()
            await self._drain()
            drained.set()
            for task in running:
                task.cancel()
            lines.end_all()
        await self._be_counted_no_more()
        await server.cleanup()
        await health.cleanup()
        await self._access.permissions.aclose()
        self._channels.close()
        self._ops.close()
        await self._nodes.aclose()
        logger.info("gateway stopped", extra={"event": "stopped"})

    def _application(self) -> web.Application:
        middlewares = [] if TRACES.tracer is None else [TRACES.tracer.http.requests]
        middlewares.append(share_with_named_pages(self._access))
        if self._settings.gateway_open:
            middlewares.append(refuse_other_pages(self._access))
        middlewares.append(refuse_as_problems)
        app = web.Application(middlewares=middlewares)
        app.router.add_get("/v1/ws", self._serve_socket)
        self._yjs_routes.add_to(app)
        door = Door(self._access, self._settings.gateway_body_seconds, self._reader.refuse_deleted)
        door.add_to(app, self._served())
        add_page(app, self._settings.gateway_page)
        return app

    def _served(self) -> list[Served]:
        """Return who serves which route of the table."""
        return [
            *self._list.served(),
            *self._documents.served(),
            *self._seen.served(),
            *self._deletions.served(),
            *self._edits.served(),
            *self._history.served(),
            *self._formats.served(),
            *self._status.served(),
            *ConnectionRoutes(self._connected).served(),
            *OrderRoutes(self._orders_stream).served(),
            *WebhookRoutes(self._nodes, self._settings.shard_count).served(),
            *health_served(self._ready),
            *described(VERSION),
        ]

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        settings = self._settings
        if self._is_draining:
            return web.Response(status=503, text="shutting down")
        origin, host = request.headers.get("Origin"), request.host
        offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")

        def begin(socket: ServerSocket) -> Begun:
            self._access.check_origin(origin, host)
            codec = choose_codec([name.strip() for name in offered])
            connection = Connection(socket, codec, settings)
            return connection, connection.run(self._desk)

        # Above this bound the parser ends the connection; up to there we answer, and the client learns why.
        return await self._sockets.take(request, _OFFERED, 4 * MOST_BYTES_BEFORE_WELCOME, begin)

    async def _drain(self) -> None:
        """Let what was submitted be answered, then ask every client to come back elsewhere; bounded."""
        self._is_draining = True
        begun_at = asyncio.get_running_loop().time()
        seconds = self._settings.gateway_drain_seconds
        # What has no answer by then is sent again, elsewhere.
        answers_until = begun_at + min(_ANSWERS_SECONDS, seconds / 2)
        answers = asyncio.gather(self._desk.drain(), self._yjs.drain())
        await _within(answers_until, answers, "not every submission was answered")
        facts = {"event": "drained", "clients": await self._sockets.send_away(begun_at + seconds)}
        logger.info("clients were sent elsewhere", extra=facts | {"seconds": _since(begun_at)})

    async def _be_counted_no_more(self) -> None:
        try:
            await self._notes.withdraw()
        except TROUBLE as error:
            facts = {"event": "leave-error", "role": "gateway", "error": repr(error)}
            logger.warning("this gateway is shown for some seconds more", extra=facts)

    def _about(self) -> dict[str, Any]:
        """Return what is shown of this process to who looks after the deployment."""
        yjs = int(value_of(YJS_CONNECTIONS))
        return {
            "connections": {"ot": max(0, int(value_of(CONNECTIONS)) - yjs), "yjs": yjs},
            "documents": int(value_of(DOCUMENTS)),
            "subscriptions": int(value_of(SUBSCRIPTIONS) + value_of(YJS_SEATS)),
            "is_draining": self._is_draining,
            "busiest_documents": self._submitter.busiest_documents.top(_BUSIEST),
            "busiest_clients": [
                [client_id, author, per_second]
                for (client_id, author), per_second in self._submitter.busiest_clients.top(_BUSIEST)
            ],
        }

    async def _ready(self) -> str:
        if self._is_draining:
            return "draining"
        try:
            await self._nodes.ping()
        except TROUBLE as error:
            return f"Redis: {type(error).__name__}"  # no more: clients can ask, too
        return ""


async def _within(deadline: float, work: Awaitable[object], otherwise: str) -> None:
    """Wait for ``work`` until ``deadline``, by the loop's clock; then log that it was not done."""
    try:
        async with asyncio.timeout_at(deadline):
            await work
    except TimeoutError:
        logger.warning(otherwise, extra={"event": "drain-timeout"})


def _since(moment: float) -> float:
    return round(asyncio.get_running_loop().time() - moment, 3)
