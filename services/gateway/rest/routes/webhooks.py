"""What applications are told by webhooks, for the description; what could not be told, and having it told again."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, JsonValue

from coedit.protocol.webhooks.events import EventType, body_models
from services.gateway.rest.routes.fields import Number
from services.gateway.rest.routes.route import Answer, Body, Query, Route, Said

_MAX_LIMIT = 100

_Limit = Annotated[Number, AfterValidator(lambda limit: min(_MAX_LIMIT, max(1, limit)))]


@dataclass(frozen=True, slots=True)
class Webhook:
    """An event: its name (``document.changed``), what it says, and the model of the body that is sent."""

    name: str
    summary: str
    model: type[BaseModel]


WEBHOOKS = tuple(
    Webhook(name, (model.__doc__ or "").partition("\n")[0], model) for name, model in body_models().items()
)


class EndpointSaid(Said):
    """Whom to tell."""

    name: str
    events: list[EventType]
    disabled_at: int | None
    """Since when it is told nothing, since it said that it is gone (410); ms since 1970. Null: it is told."""


class EndpointsSaid(Said):
    """All of them, by name."""

    endpoints: list[EndpointSaid]


class EnabledSaid(Said):
    """It is told what happens from now on."""

    enabled: str


class FailuresQuery(Query):
    """Which failures."""

    before: str = ""
    """The `before` of the answer before; empty: from the newest on."""
    limit: _Limit = 50


class FailureSaid(Said):
    """An event that an endpoint was not told."""

    id: str
    webhook_id: str
    """By which the endpoint knows it, however often it is sent."""
    endpoint: str
    type: EventType
    attempts: int
    reason: str
    happened_at: int
    """When it was put into the endpoint's queue; ms since 1970."""
    failed_at: int
    body: dict[str, JsonValue]


class FailuresSaid(Said):
    """The newest first; go on with `before=`, until it is null."""

    failures: list[FailureSaid]
    before: str | None


class SentAgainSaid(Said):
    """It is in the endpoint's queue once more."""

    sent: str


ENDPOINTS = Route[Query, Body](
    "GET",
    "/v1/webhooks/endpoints",
    "listWebhookEndpoints",
    "Whom the deployment tells what happens",
    {200: Answer("They are listed", EndpointsSaid)},
    needs=("admin",),
    on="everything",
)
ENABLE = Route[Query, Body](
    "POST",
    "/v1/webhooks/endpoints/{name}/enable",
    "enableWebhookEndpoint",
    "Tell an endpoint again that said that it is gone",
    {202: Answer("It is told from now on", EnabledSaid)},
    needs=("admin",),
    on="everything",
    refusals=frozenset({"not-found"}),
)
FAILURES = Route[FailuresQuery, Body](
    "GET",
    "/v1/webhooks/failures",
    "listWebhookFailures",
    "What could not be delivered, the newest first",
    {200: Answer("They are listed", FailuresSaid)},
    needs=("admin",),
    on="everything",
    query=FailuresQuery,
)
RETRY = Route[Query, Body](
    "POST",
    "/v1/webhooks/failures/{failure}/retry",
    "retryWebhookFailure",
    "Send again what could not be delivered",
    {202: Answer("It is in its endpoint's queue", SentAgainSaid)},
    needs=("admin",),
    on="everything",
    refusals=frozenset({"not-found"}),
)

ROUTES = (ENDPOINTS, ENABLE, FAILURES, RETRY)
