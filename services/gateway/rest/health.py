"""What load balancers ask of a gateway where its clients come in."""

from aiohttp import web

from coedit.runtime.health import Ready, alive_answer, ready_answer
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.operations import HEALTHZ, READYZ
from services.gateway.rest.routes.route import Body, Query, Served


def health_served(ready: Ready) -> list[Served]:
    """Return what is served; ``ready`` says why the process cannot serve."""

    async def healthz(_: Call[Query, Body]) -> web.Response:
        return alive_answer()

    async def readyz(_: Call[Query, Body]) -> web.Response:
        return await ready_answer(ready)

    return [HEALTHZ.by(healthz), READYZ.by(readyz)]
