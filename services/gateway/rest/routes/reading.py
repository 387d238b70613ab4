"""A request's query and body, read as their models; in linear time, and up to the first thing that is wrong."""

from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from coedit.errors import InvalidRequestError
from services.gateway.rest.bodies import read_whole

M = TypeVar("M", bound=BaseModel)


def read_query(model: type[M], request: web.Request) -> M:
    """Return what the query says.

    Raises:
        InvalidRequestError: it is not as its model says.
        InvalidIdentifierError: a name in it is none.
    """
    # Of what is said twice the first counts, as in a look-up.
    return _validated(model, {name: request.query[name] for name in request.query})


async def read_fields(request: web.Request, seconds: float, most_bytes: int) -> dict[str, Any]:
    """Return the fields of a JSON object.

    Raises:
        InvalidRequestError: the body is none.
        TooLargeError, SlowBodyError: see `read_whole`.
    """
    packed = await read_whole(request, most_bytes, seconds)
    try:
        body = orjson.loads(packed)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise InvalidRequestError("the body is not a JSON object")
    return body


def read_one_of(models: tuple[type[M], ...], fields: dict[str, Any]) -> M:
    """Return what a body says: of several models, the one whose first field it has.

    Raises:
        InvalidRequestError: it is none of them, or several, or not as its model says.
    """
    if len(models) == 1:
        return _read(models[0], fields)
    firsts = {_names(model)[0]: model for model in models}
    said = [name for name in firsts if name in fields]
    if len(said) != 1:
        raise InvalidRequestError(f"say one of {', '.join(firsts)}")
    return _read(firsts[said[0]], fields)


def _read(model: type[M], fields: dict[str, Any]) -> M:
    known = set(_names(model))
    # At the first: pydantic makes an error of each unknown field, which of a million takes seconds.
    for name in fields:
        if name not in known:
            raise InvalidRequestError(f"unknown: {name[:80]}")
    return _validated(model, fields)


def _names(model: type[BaseModel]) -> list[str]:
    """Return the names of a model's fields as they are said, its own before those of what it is a kind of."""
    own = model.__annotations__
    fields = sorted(model.model_fields.items(), key=lambda item: item[0] not in own)
    return [field.alias or name for name, field in fields]


def _validated(model: type[M], fields: dict[str, Any]) -> M:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidRequestError(f"{where}: {first['msg']}" if where else first["msg"]) from None
