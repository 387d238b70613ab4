"""What a request is answered that runs into an error, over plain HTTP."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from coedit.errors import CoeditError, ForbiddenError, InternalError, OverloadedError, UnauthorizedError
from coedit.protocol.grants import Facet
from coedit.runtime.problems import PROBLEM_JSON, plain_problem, problem
from coedit.runtime.said import named
from services.gateway.documents.answers import as_answer
from services.gateway.metrics import ERRORS
from services.gateway.rest.routes.problems import LATER, OTHER, PROBLEMS
from services.gateway.rest.vouching import HEADER, counting

logger = logging.getLogger(__name__)


def answered(
    handle: Callable[[web.Request], Awaitable[web.Response]], needs: tuple[Facet, ...] = ()
) -> Handler:
    """Return a handler that answers every error with its code, and says how much could not be checked.

    ``needs`` are the facets that whoever has no token is told of.
    """

    async def handler(request: web.Request) -> web.Response:
        try:
            with counting() as unchecked:
                response = await handle(request)
            if unchecked:
                response.headers[HEADER] = str(len(unchecked))
            return response
        except (asyncio.CancelledError, web.HTTPException):
            raise
        except Exception as error:
            answer = as_answer(error)
            if isinstance(answer, InternalError):
                facts = {"event": "rest-error", "path": request.path, "error": named(error)}
                logger.warning("a request ran into a defect", extra=facts, exc_info=error)
            return error_response(answer, needs)

    return handler


@web.middleware
async def refuse_as_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer as a problem what the router refuses: a path that is none, a method that is none of the path's."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        said = plain_problem(error.status)
        ERRORS.labels(said["code"]).inc()
        allow = {name: text for name, text in error.headers.items() if name == hdrs.ALLOW}
        return problem_response(said, allow)


def error_response(error: CoeditError, needs: tuple[Facet, ...] = ()) -> web.Response:
    """Return the answer that an error is; ``needs`` are the facets of what was asked for."""
    after_seconds = error.retry_after_seconds if isinstance(error, OverloadedError) else 0
    missing: tuple[str, ...] = needs if isinstance(error, UnauthorizedError) else ()
    if isinstance(error, ForbiddenError) and error.required:
        missing = (error.required,)
    return refusal_response(error.code, str(error), after_seconds, missing)


def refusal_response(
    code: str, detail: str, after_seconds: int = 0, missing: tuple[str, ...] = ()
) -> web.Response:
    """Return the answer to what is refused; who may succeed later is told after how long, at least a second.

    ``missing`` are the facets that were not granted, the first of them first.
    """
    ERRORS.labels(code).inc()
    status, title = PROBLEMS.get(code, OTHER)
    more: dict[str, str | int] = {"required": missing[0]} if missing else {}
    headers = {}
    if status in (401, 403) and (missing or status == 401):
        headers["WWW-Authenticate"] = _challenge(status, missing)
    if code in LATER:
        more["retry_after_seconds"] = max(1, after_seconds)
        headers["Retry-After"] = str(more["retry_after_seconds"])
    return problem_response(problem(status, code, title, detail, **more), headers)


def problem_response(said: dict[str, Any], headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a problem as an answer."""
    # Not by orjson, which refuses half a character: what was wrong may be quoted.
    body = json.dumps(said).encode()
    return web.Response(body=body, status=said["status"], content_type=PROBLEM_JSON, headers=headers)


def _challenge(status: int, missing: tuple[str, ...]) -> str:
    """Return what kind of token is needed. Source: RFC 6750, 3."""
    said = ['realm="coedit"']
    if missing:
        said.append(f'scope="{" ".join(missing)}"')
    if status == 403:
        said.append('error="insufficient_scope"')
    return f"Bearer {', '.join(said)}"
