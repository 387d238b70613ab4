"""The answer over plain HTTP to a wish that the gateway carries out by an edit of its own."""

import logging
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from coedit.identifiers import DocumentId
from coedit.ot.delta import Delta
from coedit.ot.wire import check_bounds
from coedit.protocol.tokens import Identity
from coedit.store.documents.history import Past
from services.gateway.rest.answers import refusal_response
from services.gateway.rest.editing.conditions import tag_of
from services.gateway.rest.editing.one_edit import Base, OneEdits, Terms

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wish:
    """What an edit is made for."""

    what: list[Any]
    """In plain JSON, beginning with its name: the same on the same base is carried out once."""
    facts: dict[str, Any]
    """Told in the answer and the log."""
    terms: Terms = Terms()
    creates: bool | None = None
    """Whether a document begins by it, which is told, and done even if nothing changes; None: that is no question."""


async def edit_response(
    edits: OneEdits, document_id: DocumentId, base: Past, identity: Identity, wish: Wish, delta: Delta
) -> web.Response:
    """Make an edit, unless it changes nothing, and answer as which revision.

    Raises:
        TooLargeError: the edit is larger than one may be.
        CoeditError, RedisError, OSError: see `OneEdits.make`.
    """
    created = {} if wish.creates is None else {"created": wish.creates}
    answer = {"document": document_id, "base_revision": base.revision} | wish.facts | created
    if not delta.ops and not wish.creates:
        epoch = wish.terms.exact_epoch or base.epoch
        return edited(answer | {"epoch": epoch, "revision": base.revision, "changed": False})
    check_bounds(delta.to_json())
    made_on = Base(document_id, base.epoch, base.revision, base.mac)
    client_id = edits.client_id(made_on, identity.author, wish.what)
    told = await edits.make(made_on, identity.author, client_id, delta, wish.terms)
    if told["type"] == "error":
        return refusal_response(told["code"], told["message"])
    about = {"event": wish.what[0], "document_id": document_id, "author": identity.author}
    logger.info("an edit was made for a request", extra=about | wish.facts | {"revision": told["revision"]})
    return edited(answer | {"epoch": told["epoch"], "revision": told["revision"], "changed": True})


def edited(answer: dict[str, Any]) -> web.Response:
    """Return the answer that tells of an edit, with the tag of the document as it was left by it."""
    response = json_response(answer, 201 if answer.get("created") else 200)
    response.headers["ETag"] = tag_of(answer["epoch"], answer["revision"])
    return response


def json_response(answer: dict[str, Any], status: int = 200) -> web.Response:
    """Return JSON."""
    return web.Response(body=orjson.dumps(answer), content_type="application/json", status=status)
