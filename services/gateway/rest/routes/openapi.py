"""The table of routes as an OpenAPI 3.1 document: pure, and made once."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from coedit.identifiers import MAX_NAME_BYTES
from coedit.runtime.problems import PROBLEM_JSON
from services.gateway.rest.routes.headers import ANSWERED, ASKED
from services.gateway.rest.routes.problems import LATER, OTHER, PROBLEMS
from services.gateway.rest.routes.route import Answer, Route
from services.gateway.rest.routes.webhooks import Webhook

Json = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_TEXT: Json = {"type": "string"}
_DOCUMENT: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_NAME_BYTES,
    "description": "The document's id, percent-encoded, slashes too.",
}
_PROBLEM: Json = {
    "type": "object",
    "description": "Why a request is refused (RFC 9457). Programs look at `code`.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string", "description": "What the code means, always the same."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What it was here, for people."},
        "code": {"type": "string", "enum": sorted(PROBLEMS)},
        "required": {"type": "string", "description": "The facet that is not granted."},
        "retry_after_seconds": {"type": "integer", "minimum": 1},
    },
}


def describe(table: Iterable[Route[Any, Any]], webhooks: Iterable[Webhook], version: str) -> Json:
    """Return the document."""
    routes, hooks = list(table), list(webhooks)
    schemas = _Schemas([*_models(routes), *(hook.model for hook in hooks)])
    paths: dict[str, Json] = defaultdict(dict)
    for route in routes:
        paths[route.path][route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "coedit",
            "version": version,
            "summary": "Documents that people and programs edit together, over plain HTTP",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": dict(paths),
        "webhooks": {hook.name: {"post": _sent(hook, schemas)} for hook in hooks},
        "components": {
            "schemas": schemas.all | {"Problem": _PROBLEM},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Whose claim `documents` grants facets; in open mode nobody needs one.",
                }
            },
        },
    }


class _Schemas:
    """The models' schemas by name."""

    def __init__(self, models: list[type[BaseModel]]) -> None:
        found, top = models_json_schema(
            [(model, "validation") for model in dict.fromkeys(models)], ref_template=_SCHEMAS + "{model}"
        )
        self.all: Json = top.get("$defs", {})
        self._of = {model: reference for (model, _), reference in found.items()}

    def of(self, model: type[BaseModel]) -> Json:
        """Return a reference to a model's schema."""
        return dict(self._of[model])


def _models(routes: list[Route[Any, Any]]) -> Iterable[type[BaseModel]]:
    for route in routes:
        yield from route.bodies
        yield from (answer.model for answer in route.answers.values() if answer.model is not None)


def _operation(route: Route[Any, Any], schemas: _Schemas) -> Json:
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [_tag(route.path)],
        "security": [] if route.on == "anyone" else [{"token": list(route.needs)}],
        "parameters": [*_in_path(route), *_in_query(route), *_in_headers(route)],
        "responses": _responses(route, schemas),
    }
    if said := _said_of_rights(route):
        operation["description"] = said
    if route.has_body:
        operation["requestBody"] = {"required": True, "content": _body(route, schemas)}
    return operation


def _tag(path: str) -> str:
    first, _, rest = path.removeprefix("/").partition("/")
    return rest.partition("/")[0] if first == "v1" else "server"


def _said_of_rights(route: Route[Any, Any]) -> str:
    on = {
        "document": "on the document",
        "everything": "on `*`",
        "named": "on the document that the body names, or on `*`",
        "granted": "on what is to be in the answer",
    }
    needs = " and ".join(f"`{facet}`" for facet in route.needs)
    said = f"Needs {needs} {on[route.on]}." if route.needs else ""
    return "\n\n".join(filter(None, (route.more, said)))


def _in_path(route: Route[Any, Any]) -> Iterable[Json]:
    for name in route.names:
        schema = _DOCUMENT if name == "document" else _TEXT
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _in_query(route: Route[Any, Any]) -> Iterable[Json]:
    if route.on == "anyone":
        return
    schema = route.query.model_json_schema(ref_template=_SCHEMAS + "{model}")
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        about = {"name": name, "in": "query", "required": name in required}
        if "description" in field:
            about["description"] = field["description"]
        yield about | {"schema": _of_text(field)}


def _of_text(field: Json) -> Json:
    """Return a field's schema as it is in a query, where nothing is null."""
    kept = {name: value for name, value in field.items() if name not in ("title", "description")}
    if kept.get("default", "") is None:
        del kept["default"]
    kinds = [kind for kind in kept.pop("anyOf", ()) if kind != {"type": "null"}]
    return kept | kinds[0] if len(kinds) == 1 else kept


def _in_headers(route: Route[Any, Any]) -> Iterable[Json]:
    for name in route.headers:
        yield {"name": name, "in": "header", "required": False, "schema": _TEXT, "description": ASKED[name]}


def _body(route: Route[Any, Any], schemas: _Schemas) -> Json:
    if route.files:
        return {media: {} for media in route.files}
    said = [schemas.of(model) for model in route.bodies]
    return {"application/json": {"schema": said[0] if len(said) == 1 else {"oneOf": said}}}


def _responses(route: Route[Any, Any], schemas: _Schemas) -> Json:
    responses = {str(status): _answer(answer, schemas) for status, answer in route.answers.items()}
    by_status: dict[int, list[str]] = defaultdict(list)
    for code in sorted(route.codes):
        by_status[PROBLEMS.get(code, OTHER).status].append(code)
    for status, codes in sorted(by_status.items()):
        refusal = _refusal(status, codes)
        known = responses.setdefault(str(status), refusal)
        known.setdefault("content", {}).update(refusal["content"])
    return responses


def _answer(answer: Answer, schemas: _Schemas) -> Json:
    content: Json = {media: {} for media in answer.media}
    if answer.model is not None:
        content["application/json"] = {"schema": schemas.of(answer.model)}
    said: Json = {"description": answer.says}
    if content:
        said["content"] = content
    return said | _headers(answer.headers)


def _refusal(status: int, codes: list[str]) -> Json:
    titles = [f"`{code}`: {PROBLEMS.get(code, OTHER).title}" for code in codes]
    schema = {"allOf": [{"$ref": f"{_SCHEMAS}Problem"}, {"properties": {"code": {"enum": codes}}}]}
    names = [
        *(["WWW-Authenticate"] if status == 401 else []),
        *(["Retry-After"] if LATER.intersection(codes) else []),
    ]
    said = {"description": "; ".join(titles), "content": {PROBLEM_JSON: {"schema": schema}}}
    return said | _headers(names)


def _headers(names: Iterable[str]) -> Json:
    headers = {name: {"description": ANSWERED[name], "schema": _TEXT} for name in names}
    return {"headers": headers} if headers else {}


def _sent(hook: Webhook, schemas: _Schemas) -> Json:
    return {
        "operationId": hook.name,
        "summary": hook.summary,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schemas.of(hook.model)}},
        },
        "responses": {"2XX": {"description": "It was taken in, and is not sent again"}},
    }
