"""The answer over plain HTTP to a wish that the gateway carries out by an edit of its own."""

import logging
from typing import Any

import orjson
from aiohttp import web

from coedit.identifiers import DocumentId
from coedit.ot.delta import Delta
from coedit.ot.wire import check_bounds
from coedit.protocol.tokens import Identity
from coedit.store.documents.history import Past
from services.gateway.rest.answers import refusal_response
from services.gateway.rest.editing.one_edit import Base, OneEdits

logger = logging.getLogger(__name__)


async def edit_response(
    edits: OneEdits,
    document_id: DocumentId,
    base: Past,
    identity: Identity,
    what: list[Any],
    delta: Delta,
    facts: dict[str, Any],
) -> web.Response:
    """Make an edit, unless it changes nothing, and answer as which revision.

    ``what`` is the wish in plain JSON, beginning with its name: the same on the same base is carried out once.
    ``facts`` are told in the answer and the log.

    Raises:
        TooLargeError: the edit is larger than one may be.
        CoeditError, RedisError, OSError: see `OneEdits.make`.
    """
    answer = {"document": document_id, "base_revision": base.revision} | facts
    if not delta.ops:
        return json_response(answer | {"epoch": base.epoch, "revision": base.revision, "changed": False})
    check_bounds(delta.to_json())
    made_on = Base(document_id, base.epoch, base.revision, base.mac)
    client_id = edits.client_id(made_on, identity.author, what)
    told = await edits.make(made_on, identity.author, client_id, delta)
    if told["type"] == "error":
        return refusal_response(told["code"], told["message"])
    about = {"event": what[0], "document_id": document_id, "author": identity.author}
    logger.info("an edit was made for a request", extra=about | facts | {"revision": told["revision"]})
    return json_response(answer | {"epoch": told["epoch"], "revision": told["revision"], "changed": True})


def json_response(answer: dict[str, Any], status: int = 200) -> web.Response:
    """Return JSON."""
    return web.Response(body=orjson.dumps(answer), content_type="application/json", status=status)
