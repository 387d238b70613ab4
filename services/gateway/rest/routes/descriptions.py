"""What describes what is here: for programs, and for people."""

from services.gateway.rest.routes.route import Answer, Body, Query, Route

OPENAPI = Route[Query, Body](
    "GET",
    "/openapi.json",
    "describeRequests",
    "What programs can ask over plain HTTP: this document",
    {200: Answer("OpenAPI 3.1", media=("application/json",))},
    on="anyone",
)
ASYNCAPI = Route[Query, Body](
    "GET",
    "/asyncapi.json",
    "describeMessages",
    "What clients and the server say on a WebSocket",
    {200: Answer("AsyncAPI 3", media=("application/json",))},
    on="anyone",
)
PAGE = Route[Query, Body](
    "GET",
    "/docs/api",
    "showRequests",
    "This document as a page",
    {200: Answer("The page", media=("text/html",))},
    on="anyone",
)
SCRIPT = Route[Query, Body](
    "GET",
    "/docs/api.js",
    "showRequestsScript",
    "The script of the page",
    {200: Answer("The script", media=("text/javascript",))},
    on="anyone",
)
STYLE = Route[Query, Body](
    "GET",
    "/docs/api.css",
    "showRequestsStyle",
    "The style of the page",
    {200: Answer("The style", media=("text/css",))},
    on="anyone",
)

ROUTES = (OPENAPI, ASYNCAPI, PAGE, SCRIPT, STYLE)
