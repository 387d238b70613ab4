"""A process with Yjs clients, for the tests of this folder."""

from collections.abc import AsyncIterator

import pytest

from tests.yjs.node_clients import NodeClients, node_clients


@pytest.fixture
async def yjs() -> AsyncIterator[NodeClients]:
    """Yjs clients as npm has them; what goes wrong in one of them fails the test."""
    async with node_clients() as clients:
        yield clients
