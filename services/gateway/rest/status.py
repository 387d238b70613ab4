"""How the whole deployment is, for who looks after it."""

import asyncio

from aiohttp import web

from coedit.protocol.grants import require
from coedit.store.deployment.report import report_of
from coedit.store.deployment.status import Survey
from services.gateway.access.access import Access
from services.gateway.heavy.places import Places
from services.gateway.rest.answers import answered
from services.gateway.rest.editing.edit_response import json_response
from services.gateway.rest.requests import identity_of

_LOOKS = 2
"""So many looks at a time; each asks Redis for every shard."""


class StatusRoute:
    """``GET /v1/status``, for whom ``*`` grants ``admin``: 200 whether all is well or not, which the answer says."""

    def __init__(self, access: Access, survey: Survey) -> None:
        self._access = access
        self._survey = survey
        self._looks = Places("status", _LOOKS)

    def add_to(self, app: web.Application) -> None:
        """Serve the route."""
        app.router.add_get("/v1/status", answered(self._get))

    async def _get(self, request: web.Request) -> web.Response:
        identity = await identity_of(self._access, request, request.query.get("author"))
        require(identity.grants.everywhere, "admin")
        self._access.permissions.check_fresh(identity, None)
        async with self._looks.taken(identity.author):
            status = await self._survey.look()
            return await asyncio.to_thread(lambda: json_response(report_of(status)))
