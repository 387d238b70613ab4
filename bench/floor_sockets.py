"""``python -m bench.floor_sockets [PORT]``: below this no server on aiohttp gets: a frame comes in, and out.

It is written to everyone in the room. Prints its port. Nothing is checked, stored, ordered or decoded; the frame is
made once and shared.
"""

import asyncio
import sys
from collections import defaultdict

import uvloop
from aiohttp import WSMsgType, web

from coedit.protocol.codec import Codec
from coedit.protocol.frames import encode_frame

_rooms: defaultdict[str, set[asyncio.Transport]] = defaultdict(set)


async def _forward(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=(Codec.MSGPACK.value,), compress=False)
    await socket.prepare(request)
    room, transport = _rooms[request.match_info["room"]], request.transport
    assert transport is not None
    room.add(transport)
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            frame = encode_frame(Codec.MSGPACK, message.data)
            for member in room:
                member.write(frame)
    room.discard(transport)
    return socket


async def _serve(port: int) -> None:
    app = web.Application()
    app.router.add_get("/room/{room}", _forward)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
