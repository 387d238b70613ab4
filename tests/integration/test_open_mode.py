"""What a gateway that asks for no token answers, and to whom; and where its metrics are."""

from collections.abc import Iterator

import aiohttp
import pytest
from yarl import URL

from tests.system import System
from tests.unit.runtime.test_health import _FOREIGN, _LINK, _OWN

_GETS = [
    *("/", "/d/notes", "/assets/page.js", "/healthz", "/readyz", "/nowhere", "/v1/status"),
    *(f"/v1/{what}/notes" for what in ("documents", "history", "at", "blame", "versions", "export")),
]
_OF_ANOTHER = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system in open mode, with a page, and a page elsewhere that may use it."""
    folder = tmp_path_factory.mktemp("system")
    page = folder / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("<title>coedit</title>")
    (page / "assets/page.js").write_text("1")
    settings = {"COEDIT_GATEWAY_PAGE": str(page), "COEDIT_GATEWAY_ORIGINS": "https://good.example"}
    system = System(folder, settings=settings)
    system.start()
    yield system
    system.stop()


async def get(system: System, path: str, headers: dict[str, str]) -> tuple[int, str, str]:
    url = URL(system.url + path, encoded=True)
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "coedit"
        return answer.status, answer.content_type, await answer.text()


@pytest.mark.parametrize("path", _GETS)
@pytest.mark.parametrize("headers", [*_FOREIGN.values(), _OF_ANOTHER, _LINK | _OF_ANOTHER])
async def test_pages_of_others_are_refused(system: System, path: str, headers: dict[str, str]) -> None:
    status, _, text = await get(system, path, headers)
    is_no_name = headers.get("Host") == "["
    assert (status, '"code"' in text) == (400 if is_no_name else 403, True)


@pytest.mark.parametrize("path", [path for path in _GETS if path not in ("/nowhere", "/v1/export/notes")])
@pytest.mark.parametrize("headers", _OWN.values(), ids=_OWN)
async def test_programs_and_own_pages_are_answered(
    system: System, path: str, headers: dict[str, str]
) -> None:
    assert (await get(system, path, headers))[0] == 200


async def test_a_page_that_is_allowed_is_answered(system: System) -> None:
    headers = {"Origin": "https://good.example", "Sec-Fetch-Site": "cross-site"}
    assert (await get(system, "/v1/documents/notes", headers))[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/%6detrics", "/%6Detrics", "//metrics", "/./metrics", "/metrics/", "/d/%2e%2e/metrics"],
)
async def test_metrics_are_nowhere_where_clients_come(system: System, path: str) -> None:
    _, _, text = await get(system, path, {})
    assert "coedit_gateway" not in text


async def test_every_service_has_metrics_of_its_own(system: System) -> None:
    for name in system.processes.keys() - {"redis"}:
        assert "coedit_loop_lag_seconds" in system.metrics(name)
