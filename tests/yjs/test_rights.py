"""What a token allows, it allows by Yjs too."""

import time
from typing import Any

import pytest

from coedit.client import connect
from coedit.identifiers import AuthorId
from coedit.ot import Delta
from coedit.protocol.grants import Grants, Right
from coedit.protocol.tokens import Identity, make_access_token
from tests.system import SECRET, System
from tests.yjs.convergence import all_equal
from tests.yjs.node_clients import NodeClients, Provider


@pytest.mark.parametrize("provider", ["y-websocket", "hocuspocus"])
async def test_who_may_only_read_sees_everything_and_changes_nothing(
    system: System, yjs: NodeClients, provider: Provider
) -> None:
    name = f"to be read by {provider}"
    async with connect(system.url) as session:
        ada = await session.open(name)
        await ada.insert(0, "mine")
        reader = await yjs.open(system.url, name, provider=provider, token=_token({name: "read"}))
        await all_equal([ada], [reader])
        await reader.edit(Delta().insert("not yours "))
        # When it comes back it is asked for what the server lacks, and gives it once more.
        await reader.disconnect()
        await reader.connect()
        await reader.becomes("is_synced", value=True)
        writer = await yjs.open(system.url, name, token=_token({name: "write"}))
        await writer.becomes("is_synced", value=True)
        await writer.edit(Delta().retain(4).insert(" only"))
        await all_equal([ada], [writer])
        assert ada.text == "mine only"
        await reader.becomes("is_connected", value=True)
        assert (await reader.state())["tries"]


async def test_hocuspocus_tells_who_may_only_read(system: System, yjs: NodeClients) -> None:
    reader = await yjs.open(system.url, "scope", provider="hocuspocus", token=_token({"scope": "read"}))
    writer = await yjs.open(system.url, "scope", provider="hocuspocus", token=_token({"scope": "write"}))
    await reader.becomes("scope", "readonly")
    await writer.becomes("scope", "read-write")


@pytest.mark.parametrize(
    "token", ["no token at all", {"other": "write"}], ids=["invalid", "of another document"]
)
async def test_who_has_no_right_is_refused_for_good(system: System, yjs: NodeClients, token: Any) -> None:
    token = token if isinstance(token, str) else _token(token)
    stranger = await yjs.open(system.url, "private", token=token)
    await stranger.becomes("tries", value=False)
    [code] = (await stranger.state())["closes"]
    assert 4400 <= code < 4500
    by_hocuspocus = await yjs.open(system.url, "private", provider="hocuspocus", token=token)
    await by_hocuspocus.becomes("refusals", ["permission-denied"])


def _token(grants: dict[str, Right]) -> str:
    documents: Any = grants
    return make_access_token(SECRET, Identity(AuthorId("eve"), Grants.of(documents)), int(time.time()) + 600)
