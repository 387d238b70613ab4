"""Fixtures that several integration tests share."""

from collections.abc import Iterator

import pytest

from tests.system import System


@pytest.fixture(scope="module")
def two_gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with two gateways, for tests that use documents of different names."""
    system = System(tmp_path_factory.mktemp("system"), gateways=2)
    system.start()
    yield system
    system.stop()
