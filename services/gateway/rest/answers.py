"""What a request is answered that runs into an error, over plain HTTP."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from coedit.errors import ForbiddenError, InternalError, OverloadedError
from coedit.runtime.said import named
from services.gateway.documents.answers import as_answer
from services.gateway.metrics import ERRORS
from services.gateway.rest.vouching import HEADER, counting

logger = logging.getLogger(__name__)

_STATUS = {
    "unauthorized": 401,
    "forbidden": 403,
    "invalid-identifier": 400,
    "invalid-request": 400,
    "invalid-format": 400,
    "invalid-delta": 400,
    "lone-surrogate": 400,
    "unsupported-op": 400,
    "future-revision": 404,
    "unknown-version": 404,
    "too-slow": 408,
    "diverged": 409,
    "not-text": 409,
    "sequence": 409,
    "no-match": 409,
    "still-running": 409,
    "version-exists": 409,
    "revision-too-old": 410,
    "too-large": 413,
    "document-too-large": 413,
    "too-costly": 413,
    "history-too-long": 422,
    "another-request": 422,
}
_LATER = ("overloaded", "unavailable", "undecided")


def answered(handle: Callable[[web.Request], Awaitable[web.Response]]) -> Handler:
    """Return a handler that answers every error with its code, and says how much could not be checked."""

    async def handler(request: web.Request) -> web.Response:
        try:
            with counting() as unchecked:
                response = await handle(request)
            if unchecked:
                response.headers[HEADER] = str(len(unchecked))
            return response
        except asyncio.CancelledError:
            raise
        except Exception as error:
            answer = as_answer(error)
            if isinstance(answer, InternalError):
                facts = {"event": "rest-error", "path": request.path, "error": named(error)}
                logger.warning("a request ran into a defect", extra=facts, exc_info=error)
            after_seconds = answer.retry_after_seconds if isinstance(answer, OverloadedError) else 0
            required = answer.required if isinstance(answer, ForbiddenError) else ""
            return refusal_response(answer.code, str(answer), after_seconds, required)

    return handler


def refusal_response(code: str, message: str, after_seconds: int = 0, required: str = "") -> web.Response:
    """Return the answer that an error is; who may succeed later is told after how long, at least a second.

    ``required`` is the facet that was missing, if one was.
    """
    ERRORS.labels(code).inc()
    answer: dict[str, str | int] = {"code": code, "message": message}
    headers = {}
    if required:
        answer["required"] = required
    if code in _LATER:
        answer["retry_after_seconds"] = max(1, after_seconds)
        headers["Retry-After"] = str(answer["retry_after_seconds"])
    return web.json_response(answer, status=_STATUS.get(code, 503), headers=headers)
