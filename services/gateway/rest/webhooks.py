"""What could not be delivered to whom the application wants to be told, and having it sent again."""

from typing import Any

from aiohttp import web

from coedit.errors import InvalidRequestError
from coedit.store.redis.topology import Nodes
from coedit.store.webhooks.failures import Failure, Failures
from coedit.store.webhooks.states import EndpointStates
from services.gateway.rest.answers import refusal_response
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.route import Body, Query, Served
from services.gateway.rest.routes.webhooks import ENABLE, ENDPOINTS, FAILURES, RETRY, FailuresQuery


class WebhookRoutes:
    """Looks at failures and endpoints in Redis; whoever tells them is another service."""

    def __init__(self, nodes: Nodes, shard_count: int) -> None:
        self._failures = Failures(nodes, shard_count)
        self._states = EndpointStates(nodes)

    def served(self) -> list[Served]:
        """Return what is served here."""
        return [
            ENDPOINTS.by(self._list_endpoints),
            ENABLE.by(self._enable),
            FAILURES.by(self._list_failures),
            RETRY.by(self._retry),
        ]

    async def _list_endpoints(self, _: Call[Query, Body]) -> web.Response:
        states = await self._states.all()
        endpoints = [
            {"name": name, "events": state.events, "disabled_at": state.disabled_at_ms or None}
            for name, state in sorted(states.items())
        ]
        return web.json_response({"endpoints": endpoints})

    async def _enable(self, call: Call[Query, Body]) -> web.Response:
        name = call.request.match_info["name"]
        if not await self._states.enable(name):
            return refusal_response("not-found", "there is no such endpoint")
        return web.json_response({"enabled": name}, status=202)

    async def _list_failures(self, call: Call[FailuresQuery, Body]) -> web.Response:
        found = await self._failures.list(call.query.before, call.query.limit)
        before = found[-1].id if len(found) == call.query.limit else None
        return web.json_response({"failures": list(map(_shown, found)), "before": before})

    async def _retry(self, call: Call[Query, Body]) -> web.Response:
        failure_id = call.request.match_info["failure"]
        endpoint = await self._failures.endpoint_of(failure_id)
        if endpoint is None:
            return _no_failure()
        state = (await self._states.all()).get(endpoint)
        if state is None:
            raise InvalidRequestError(f"the endpoint {endpoint} is none any more")
        if state.is_disabled:
            raise InvalidRequestError(f"the endpoint {endpoint} is disabled; enable it first")
        if not await self._failures.send_again(failure_id, endpoint):
            return _no_failure()
        return web.json_response({"sent": failure_id}, status=202)


def _no_failure() -> web.Response:
    return refusal_response("not-found", "there is no such failure; it may have been sent again")


def _shown(failure: Failure) -> dict[str, Any]:
    return {
        "id": failure.id,
        "webhook_id": failure.message_id,
        "endpoint": failure.endpoint,
        "type": failure.kind,
        "attempts": failure.attempts,
        "reason": failure.reason,
        "happened_at": failure.happened_at_ms,
        "failed_at": failure.failed_at_ms,
        "body": failure.body,
    }
