"""How the whole deployment is, for who looks after it."""

import asyncio

from aiohttp import web

from coedit.store.deployment.report import report_of
from coedit.store.deployment.status import Survey
from services.gateway.heavy.places import Places
from services.gateway.rest.editing.edit_response import json_response
from services.gateway.rest.routes.call import Call
from services.gateway.rest.routes.operations import STATUS
from services.gateway.rest.routes.route import Body, Query, Served

_LOOKS = 2
"""So many looks at a time; each asks Redis for every shard."""


class StatusRoute:
    """Looks at the deployment, a few times at once."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._looks = Places("status", _LOOKS)

    def served(self) -> list[Served]:
        """Return what is served here."""
        return [STATUS.by(self._get)]

    async def _get(self, call: Call[Query, Body]) -> web.Response:
        async with self._looks.taken(call.identity.author):
            status = await self._survey.look()
            return await asyncio.to_thread(lambda: json_response(report_of(status)))
