"""What /openapi.json says of requests holds of whatever is sent: schemathesis makes it up, of it and beside it.

``COEDIT_API_EXAMPLES``: how many cases of each request; ``make api-cases`` tries more.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.integration.test_access import token
from tests.system import System

_EXAMPLES = int(os.environ.get("COEDIT_API_EXAMPLES", "6"))
_SEED = int(os.environ.get("COEDIT_SEED", "1"))
_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
_PATIENCE_SECONDS = 60
_RIGHTS: dict[str, Any] = {"*": ["read", "write", "presence", "history", "comment", "admin"]}
_MODES = {"open": "1", "token": "0"}


@pytest.fixture(scope="module", params=_MODES)
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One in open mode, and one that asks for tokens."""
    settings = {"COEDIT_GATEWAY_OPEN": _MODES[request.param]}
    system = System(tmp_path_factory.mktemp(request.param), settings=settings)
    system.start()
    yield system
    system.stop()


@pytest.mark.timeout(600)
def test_nothing_that_is_sent_is_answered_otherwise_than_described(system: System) -> None:
    schema = schemathesis.openapi.from_url(f"{system.url}/openapi.json")
    schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    statuses: Counter[int] = Counter()
    with requests.Session() as session:
        found: Any
        for found in schema.get_all_operations():
            _try(found.ok(), session, statuses)
    print(f"{sum(statuses.values())} cases: {dict(sorted(statuses.items()))}")
    assert {200, 400} <= statuses.keys()


def _try(operation: Any, session: requests.Session, statuses: Counter[int]) -> None:
    @seed(_SEED)
    @given(case=operation.as_strategy())
    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def test(case: Any) -> None:
        # One of the requests says that all rights have changed, so each has a token of its own.
        fresh = token(_RIGHTS, iat=time.time())
        response = _answer(case, session, {"Authorization": f"Bearer {fresh}"})
        statuses[response.status_code] += 1
        case.validate_response(response, checks=_CHECKS)

    test()


def _answer(case: Any, session: requests.Session, headers: dict[str, str]) -> Any:
    """Return the answer; on a machine that has no time for it a request may be put off, and is made again then."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        response = case.call(session=session, headers=headers, timeout=_PATIENCE_SECONDS)
        if "retry-after" not in response.headers or time.monotonic() > deadline:
            return response
        time.sleep(1)
