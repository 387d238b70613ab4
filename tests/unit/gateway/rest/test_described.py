"""What is here is described as the specifications say, and the page that shows it keeps to a strict policy."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from aiohttp import web
from jsonschema import Draft7Validator, Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from coedit import errors
from coedit.protocol.described.asyncapi import describe_messages
from coedit.protocol.messages import ClientMessage
from coedit.runtime.problems import plain_problem
from services.gateway.rest.pages.descriptions import described
from services.gateway.rest.routes.openapi import describe
from services.gateway.rest.routes.problems import PROBLEMS
from services.gateway.rest.routes.route import Query, Said
from services.gateway.rest.routes.table import TABLE
from services.gateway.rest.routes.webhooks import WEBHOOKS, Webhook
from services.gateway.rest.serving import Door
from tests.imports import ROOT
from tests.requirements import require

_SCHEMA = ROOT / "tests/unit/deploy/crd/node_modules/@asyncapi/specs/schemas/3.0.0.json"
_SERVED = ROOT / "services/gateway/rest/pages/described"


def _openapi() -> dict[str, Any]:
    return describe(TABLE, WEBHOOKS, "1.2.3")


def test_requests_are_described_as_openapi_says() -> None:
    OpenAPIV31SpecValidator(_openapi()).validate()


def test_webhooks_are_described_too() -> None:
    class Changed(Said):
        """A document has changed."""

        document: str

    said = describe(TABLE, [Webhook("document.changed", "It has changed", Changed)], "1.2.3")
    OpenAPIV31SpecValidator(said).validate()
    assert "Changed" in said["components"]["schemas"]
    assert "post" in said["webhooks"]["document.changed"]


def test_every_route_of_the_table_is_described() -> None:
    paths = _openapi()["paths"]
    found = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert found == {(route.method, route.path) for route in TABLE}
    assert len({route.name for route in TABLE}) == len(TABLE)


def test_every_code_of_the_table_has_a_status() -> None:
    codes = set[str]().union(*(route.codes for route in TABLE))
    assert codes <= PROBLEMS.keys()


def test_refusals_of_the_server_itself_mean_the_same() -> None:
    for status in (400, 404, 405, 413, 500):
        said = plain_problem(status)
        assert PROBLEMS[said["code"]] == (status, said["title"])


def test_whoever_serves_a_route_less_does_not_start() -> None:
    with pytest.raises(LookupError, match="readDocument"):
        Door(None, 1.0, None).add_to(web.Application(), described("1.2.3"))  # type: ignore[arg-type]  # not looked at


def test_messages_are_described_as_asyncapi_says() -> None:
    require("crd", _SCHEMA.is_file(), "scripts/page.sh crd")
    errors = list(Draft7Validator(json.loads(_SCHEMA.read_text())).iter_errors(describe_messages("1.2.3")))
    assert errors == []


def test_every_reference_among_the_descriptions_leads_somewhere() -> None:
    for document in (_openapi(), describe_messages("1.2.3")):
        for reference in re.findall(r'"\$ref": "#/([^"]*)"', json.dumps(document)):
            at: Any = document
            for step in reference.split("/"):
                at = at[step.replace("~1", "/")]


@pytest.mark.parametrize("model", get_args(ClientMessage), ids=lambda model: model.__name__)
def test_each_clients_message_is_described(model: type[BaseModel]) -> None:
    schemas = describe_messages("1.2.3")["components"]["schemas"]
    fields = schemas[model.__name__]["properties"]
    assert fields.keys() == model.model_fields.keys()


def test_a_described_message_is_told_from_others() -> None:
    document = describe_messages("1.2.3")
    schema = {"$ref": "#/components/schemas/Submit", "components": document["components"]}
    submit = {"type": "submit", "document": "d", "client_sequence": 1, "epoch": 1, "base_revision": 0}
    validator = Draft202012Validator(schema)
    assert validator.is_valid(submit | {"delta": [{"insert": "x"}]})
    odd: list[Any] = [[{"insert": 1}], [{"insert": "x", "retain": 1}], {"insert": "x"}, [{}]]
    for wrong in odd:
        assert not validator.is_valid(submit | {"delta": wrong})


def test_the_page_needs_nothing_that_a_strict_policy_forbids() -> None:
    """No script or style within the page, no handlers in attributes, and nothing of other hosts."""
    page = (_SERVED / "api.html").read_text()
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", page) == []
    for path in _SERVED.iterdir():
        text = path.read_text()
        assert re.findall(r"https?://|//[a-z]+\.|innerHTML|outerHTML|insertAdjacent|eval\(", text) == [], path


def test_every_error_that_a_request_can_meet_is_a_problem_with_a_title() -> None:
    """A new error is 503 to programs until somebody says what it is over HTTP."""

    kinds = {
        error.code for error in vars(errors).values() if isinstance(error, type) and hasattr(error, "code")
    }
    of_messages = {"malformed", "unknown-message", "unexpected-message", "unsupported-version"}
    of_messages |= {"server-id", "lost-items", "forged", "unknown-key"}
    assert kinds - of_messages <= PROBLEMS.keys()


def test_query_models_stay_open_and_all_have_an_author() -> None:
    assert all(issubclass(route.query, Query) for route in TABLE)


def test_schemas_are_valid_themselves() -> None:
    for schema in _openapi()["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_files_that_are_served_are_there() -> None:
    assert {path.name for path in Path(_SERVED).iterdir()} == {"api.html", "api.css", "api.js"}
