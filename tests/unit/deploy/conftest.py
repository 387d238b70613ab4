"""The manifests of every overlay, and of the one that is an example with each component."""

import pytest

from tests.unit.deploy.rendered import MANAGED_WITH, OVERLAYS, Manifest, overlay_at, parsed, render


@pytest.fixture(
    scope="session",
    params=[*((name, ()) for name in OVERLAYS), *(("managed", components) for components in MANAGED_WITH)],
    ids=lambda param: "+".join((param[0], *param[1])),
)
def manifests(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    name, components = request.param
    return parsed(render(overlay_at(tmp_path_factory.mktemp("k8s"), name, components)))
