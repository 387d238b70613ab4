"""An identity provider of few lines: real keys, a real JWKS over HTTP, and tokens that it signs."""

import json
import time
from typing import Any

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm


class Issuer:
    """Signs by its newest key (ES256), and tells all its keys at ``url``; ``failing`` is what it answers instead."""

    def __init__(self) -> None:
        self.asked = 0
        self.failing: web.Response | None = None
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.rotate()

    async def __aenter__(self) -> "Issuer":
        app = web.Application()
        app.router.add_get("/jwks.json", self._jwks)
        self._server = TestServer(app)
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("/jwks.json"))

    def rotate(self, *, keeps_old: bool = True) -> None:
        """Sign by another key from now on."""
        if not keeps_old:
            self._keys.clear()
        self._keys[f"key-{time.monotonic_ns()}"] = ec.generate_private_key(ec.SECP256R1())

    def token(self, documents: Any, *, kid: str | None = None, **claims: Any) -> str:
        """Return a token for an hour; a claim given as None is left out."""
        now = int(time.time())
        said = {"sub": "ada", "iat": now, "exp": now + 3600, "documents": documents} | claims
        newest = list(self._keys)[-1]
        present = {name: claim for name, claim in said.items() if claim is not None}
        return jwt.encode(present, self._keys[newest], "ES256", headers={"kid": kid or newest})

    async def _jwks(self, _: web.Request) -> web.Response:
        self.asked += 1
        if self.failing is not None:
            return web.Response(status=self.failing.status, headers=self.failing.headers)
        keys = [
            json.loads(ECAlgorithm.to_jwk(key.public_key())) | {"kid": key_id, "use": "sig"}
            for key_id, key in self._keys.items()
        ]
        return web.json_response({"keys": keys})
