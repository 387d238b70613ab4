"""A document that Yjs clients open, and one of them."""

import pytest

from tests.unit.gateway.yjs.fakes import FakeYjsOutlet, FakeYjsStore


@pytest.fixture
def store() -> FakeYjsStore:
    store = FakeYjsStore()
    store.commit(3)
    return store


@pytest.fixture
def outlet() -> FakeYjsOutlet:
    return FakeYjsOutlet()
