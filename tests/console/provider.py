"""A small identity provider on loopback: it knows one person, and can be told to do wrong."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from hub.demo.server import LoopbackServer
from ocpi_modules.types import encode_json

CLIENT_ID, CLIENT_SECRET = "the-hub", "a-secret-of-32-characters-or-more"
KEY = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})
ANOTHER_KEY = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})
MINE: dict[str, Any] = {"sub": "0815", "preferred_username": "Ines", "name": "Ines Clerk", "groups": ["clerks"]}
Claims = dict[str, Any]


@dataclass
class IdentityProvider:
    """Who is signed in there (`claims`), and what it does wrong."""

    server: LoopbackServer
    claims: Claims = field(default_factory=lambda: dict(MINE))
    userinfo: Claims = field(default_factory=dict)
    wrong: Claims = field(default_factory=dict)
    """Claims that are not as they should be."""
    metadata: Claims = field(default_factory=dict)
    """What it says of itself that is not so."""
    refuses: str = ""
    forgets_codes: bool = False
    is_broken: bool = False
    sign: Callable[[Claims], str] = field(
        default=lambda claims: jwt.encode({"alg": "ES256", "kid": "one"}, claims, KEY)
    )
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def discovery(self, _: Request) -> Response:
        said = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "scopes_supported": ["openid", "groups"],
        }
        return Response("<html>", 500) if self.is_broken else JSONResponse({**said, **self.metadata})

    def keys(self, _: Request) -> Response:
        unknown = {"kty": "AKP", "kid": "two", "alg": "ML-DSA-44", "pub": "AA"}
        return JSONResponse({"keys": [unknown, KEY.as_dict(private=False)]})

    def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        answer = {"error": self.refuses} if self.refuses else {"code": code}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({**answer, 'state': asked['state']})}", 302)

    async def token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or self.forgets_codes:
            return JSONResponse({"error": "invalid_grant"}, 400)
        assert request.headers["authorization"] == basic(CLIENT_ID, CLIENT_SECRET)
        assert (form["redirect_uri"], form["grant_type"]) == (asked["redirect_uri"], "authorization_code")
        assert challenge(form["code_verifier"]) == asked["code_challenge"], "another browser began this"
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
        token = self.sign({**claims, **self.claims, **self.wrong})
        return JSONResponse({"id_token": token, "access_token": "opened", "token_type": "Bearer"})

    def userinfo_of(self, request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer opened"
        return JSONResponse(self.userinfo)


def signed_with(alg: str, key: ECKey | OctKey) -> Callable[[Claims], str]:
    """How claims are signed otherwise."""
    return lambda claims: jwt.encode({"alg": alg, "kid": "one"}, claims, key, algorithms=[alg])


def unsigned(claims: Claims) -> str:
    """A token that nobody signed."""
    _, claimed, _ = jwt.encode({"alg": "ES256"}, claims, KEY).split(".")
    return f"{_url64(encode_json({'alg': 'none'}))}.{claimed}."


def basic(name: str, secret: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{secret}'.encode()).decode()}"


def challenge(verifier: str) -> str:
    return _url64(hashlib.sha256(verifier.encode()).digest())


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@asynccontextmanager
async def identity_provider() -> AsyncIterator[IdentityProvider]:
    """A provider that runs."""
    app = Starlette()
    made = IdentityProvider(LoopbackServer(app))
    app.routes.extend(
        (
            Route("/.well-known/openid-configuration", made.discovery),
            Route("/keys", made.keys),
            Route("/authorize", made.authorize),
            Route("/token", made.token, methods=["POST"]),
            Route("/userinfo", made.userinfo_of),
        )
    )
    await made.server.start()
    yield made
    await made.server.stop()
