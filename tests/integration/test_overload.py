"""Nobody reads the submissions for a while: they wait, then more are refused for now, and nothing is lost."""

import asyncio
from contextlib import AsyncExitStack

from coedit.client import connect
from tests.conftest import MakeSystem
from tests.integration.raw_client import RawClient
from tests.system import eventually


async def test_backlog_is_bounded_and_then_worked_off(make_system: MakeSystem) -> None:
    system = make_system(settings={"COEDIT_GATEWAY_BACKLOG_ENTRIES": "3", "COEDIT_SHARD_COUNT": "1"})
    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(connect(system.url, author=f"a{n}")) for n in range(6)]
        documents = [await session.open("waiting") for session in sessions]
        raw = await stack.enter_async_context(RawClient(system.url))
        await raw.hello()
        await raw.open("waiting")
        await asyncio.to_thread(system.processes["transformer-0"].kill)
        for number, document in enumerate(documents):
            await document.insert(0, f"<{number}>")
        assert not any(document.saved for document in documents)

        async def refused() -> bool:
            submit = {
                "type": "submit",
                "document": "waiting",
                "client_sequence": 1,
                "epoch": 1,
                "base_revision": 0,
            }
            await raw.send(submit | {"delta": [{"insert": "<raw>"}]})
            await asyncio.sleep(0.1)
            uncounted = 'coedit_gateway_errors_total{code="overloaded"} 0.0'
            return uncounted not in system.metrics("gateway-0")

        await eventually(refused, "a submission is refused as overloaded")
        error = await raw.expect("error")
        assert (error["code"], error["definite"], error["retryable"]) == ("overloaded", False, True)
        system.restart("transformer-0")
        async with asyncio.timeout(30):
            for document in documents:
                await document.settle()
            await documents[0].until(lambda: documents[0].text.count("<raw>") == 1)
        assert sorted(documents[0].text) == sorted("<raw>" + "".join(f"<{n}>" for n in range(6)))
