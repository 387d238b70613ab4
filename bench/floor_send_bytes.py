"""``python -m bench.floor_send_bytes PORT``: aiohttp as most people use it: receive, and ``send_bytes`` to the room."""

import asyncio
import sys
from collections import defaultdict

from aiohttp import WSMsgType, web

_rooms: defaultdict[str, set[web.WebSocketResponse]] = defaultdict(set)


async def _forward(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=("coedit.v1.msgpack",), compress=False)
    await socket.prepare(request)
    room = _rooms[request.match_info["room"]]
    room.add(socket)
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            for member in list(room):
                await member.send_bytes(message.data)
    room.discard(socket)
    return socket


async def _serve(port: int) -> None:
    app = web.Application()
    app.router.add_get("/room/{room}", _forward)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
