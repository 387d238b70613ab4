"""What who looks after a deployment, or an application that gives rights, asks and orders."""

from typing import Any, Literal

from pydantic import JsonValue

from coedit.protocol.server_session import CloseCode
from services.gateway.access.orders import CLOSE_CODES
from services.gateway.rest.routes.fields import AuthorName, DocumentName, Limit
from services.gateway.rest.routes.route import Answer, Body, Query, Route, Said


class StatusSaid(Said):
    """How the deployment is: see docs/operations.md."""

    well: bool
    problems: list[dict[str, JsonValue]]
    processes: list[dict[str, JsonValue]]
    shards: list[dict[str, JsonValue]]
    documents: dict[str, JsonValue]
    connections: dict[str, JsonValue]
    redis: list[dict[str, JsonValue]]
    object_store: dict[str, JsonValue]
    durability: dict[str, JsonValue]
    busiest: dict[str, JsonValue]


class AliveSaid(Said):
    """The process runs."""

    status: Literal["alive"]


class ReadySaid(Said):
    """Whether the process can serve."""

    status: Literal["ready", "not ready"]
    reason: str | None = None


class ChangedBody(Body):
    """Whose rights have changed, and on which document; without one everybody's, on every one."""

    author: AuthorName | None = None
    document: DocumentName | None = None


class CloseBody(ChangedBody):
    """Whose connections end, or who has which document open: one of both is needed."""

    code: int = int(CloseCode.ENDED)
    """With which code they end."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Any:
        """Return its description, with the codes that are allowed."""
        schema = handler(core_schema)
        handler.resolve_ref_schema(schema)["properties"]["code"]["enum"] = sorted(map(int, CLOSE_CODES))
        return schema


class ConnectionsQuery(Query):
    """Which connections."""

    of: AuthorName | None = None
    """Only this author's."""
    document: DocumentName | None = None
    """Only those that have this document open."""
    limit: Limit = 100
    after: str = ""
    """Only connections behind this one: the `after` of the answer so far."""


class TrafficSaid(Said):
    """What went one way."""

    messages: int
    bytes: int


class ConnectionSaid(Said):
    """A connection."""

    id: str
    door: Literal["v1", "y-websocket", "hocuspocus", "none"]
    authors: list[str]
    """As whom it has its documents open; nobody's, before it has said who it is."""
    address: str
    """From where it is seen to come."""
    since: int
    """Milliseconds since 1970."""
    document_count: int
    documents: list[str]
    """A hundred of them at most."""
    received: TrafficSaid
    sent: TrafficSaid


class ConnectionsSaid(Said):
    """Connections, in an order that stays."""

    connections: list[ConnectionSaid]
    after: str | None
    """Where to go on; null: there are no more."""
    gateways: int
    """So many were asked."""
    silent: int
    """So many of them did not answer: of theirs nothing is told."""


class OrderedSaid(Said):
    """The order cannot be lost any more; all gateways obey within a second."""

    ordered: Literal["rights", "close"]


STATUS = Route[Query, Body](
    "GET",
    "/v1/status",
    "readStatus",
    "How the deployment is; 200 whether all is well or not",
    {200: Answer("The status", StatusSaid)},
    needs=("admin",),
    on="everything",
)
CONNECTIONS = Route[ConnectionsQuery, Body](
    "GET",
    "/v1/connections",
    "listConnections",
    "Who is connected, on all gateways",
    {200: Answer("Connections", ConnectionsSaid)},
    needs=("admin",),
    on="everything",
    query=ConnectionsQuery,
)
CHANGED = Route[Query, ChangedBody](
    "POST",
    "/v1/permissions/changed",
    "changePermissions",
    "Have all gateways look again what this author may do with this document",
    {202: Answer("It is ordered", OrderedSaid)},
    needs=("admin",),
    on="named",
    bodies=(ChangedBody,),
)
CLOSE = Route[Query, CloseBody](
    "POST",
    "/v1/connections/close",
    "closeConnections",
    "End the connections of an author, or that have a document open",
    {202: Answer("It is ordered", OrderedSaid)},
    needs=("admin",),
    on="named",
    bodies=(CloseBody,),
)
HEALTHZ = Route[Query, Body](
    "GET",
    "/healthz",
    "isAlive",
    "Whether the process runs",
    {200: Answer("It does", AliveSaid)},
    on="anyone",
)
READYZ = Route[Query, Body](
    "GET",
    "/readyz",
    "isReady",
    "Whether the process can serve: Redis answers, and it is not draining",
    {200: Answer("It can", ReadySaid), 503: Answer("It cannot", ReadySaid)},
    on="anyone",
)

ROUTES = (STATUS, CONNECTIONS, CHANGED, CLOSE, HEALTHZ, READYZ)
