"""What every answer to maps and open formats has in common: who may ask, from which pages, how answers are pressed, and the licence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_compress import CompressMiddleware, add_compress_type

from hub.navigation.doorkeeper import Doorkeeper
from hub.navigation.problems import ReadingFault
from ocpi_modules.envelope import write_envelope

PUBLIC_PATHS = ("/nav/", "/open/", "/ocm/", "/map")
OCPI_PATH = "/open/ocpi/"
INVALID = 2001
STREAM_PATH = "/nav/v1/stream"
PREFLIGHT_SECONDS = 86_400
COMPRESSED_MIN_BYTES = 500
METHODS = ("GET", "HEAD", "POST", "OPTIONS")
IS_HEAD = "hub.is_head"
VISITOR = "visitor"
"""Where in the state of a request the visitor is."""

_EXPOSED = [
    *("Allow", "Content-Range", "ETag", "Last-Modified", "Link", "RateLimit-Limit", "Retry-After"),
    *("X-Attribution", "X-Limit", "X-Total-Count"),
]


Handler = Callable[[Request, Exception], Awaitable[Response]]
"""Makes an answer of an error."""

Offered = Callable[[Scope], Sequence[str]]
"""The methods that the routes at the path of a request take; none where nothing is there."""

_CODES = {
    404: ("NOT_FOUND", "there is nothing at this address"),
    405: ("METHOD_NOT_ALLOWED", "this address is not for this method"),
    422: ("INVALID_PARAMETER", "a parameter cannot be read"),
    500: ("FAILED", "the hub made a mistake"),
}


@dataclass(frozen=True, slots=True)
class Licence:
    """Under which licence the data may be used, where its text is, and whom to name."""

    name: str
    url: str
    attribution: str

    @property
    def line(self) -> str:
        """All of it in a line of text."""
        return f"{self.attribution}, {self.name} ({self.url})"

    def as_json(self) -> dict[str, str]:
        """The line in every answer that has room for one."""
        return {"licence": self.name, "licence_url": self.url, "attribution": self.attribution}


def is_public(path: str) -> bool:
    """Whether a path is one of those that everybody may read."""
    return path.startswith(PUBLIC_PATHS[:3]) or path == "/map" or path.startswith("/map/")


def front(app: ASGIApp, offered: Offered, doorkeeper: Doorkeeper, licence: Licence) -> ASGIApp:
    """The application behind the door."""
    guarded = Methods(Door(app, doorkeeper), offered)
    add_compress_type("text/csv")
    pressed = CompressMiddleware(guarded, minimum_size=COMPRESSED_MIN_BYTES)
    shared = CORSMiddleware(
        Unpressed(pressed, guarded),
        allow_origins=["*"],
        allow_methods=METHODS,
        allow_headers=[
            "Authorization",
            "X-API-Key",
            "If-None-Match",
            "If-Modified-Since",
            "Last-Event-ID",
            "Content-Type",
            "Range",
        ],
        expose_headers=_EXPOSED,
        max_age=PREFLIGHT_SECONDS,
    )
    return Licensed(shared, licence)


class Methods:
    """Answers HEAD as GET, whose body the server leaves away, and OPTIONS where no browser asks for another page."""

    def __init__(self, app: ASGIApp, offered: Offered) -> None:
        self._app, self._offered = app, offered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS" and (offered := self._offered(scope)):
            await Response(None, 204, {"Allow": allowed(offered)})(scope, receive, send)
        elif scope["method"] == "HEAD":
            await self._app({**scope, "method": "GET", IS_HEAD: True}, receive, send)
        else:
            await self._app(scope, receive, send)


def allowed(offered: Iterable[str]) -> str:
    """What Allow says where routes take these methods: HEAD goes with GET, and OPTIONS with all of them."""
    methods = {*offered, "OPTIONS"}
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


def is_head(request: Request) -> bool:
    """Whether only the head of the answer is wanted: what would be long, or never end, is not begun."""
    return bool(request.scope.get(IS_HEAD))


def only_head(headers: Mapping[str, str], media_type: str) -> Response:
    """The head of what is told in pieces: how long it would be nobody knows before it is made, and 0 would be wrong (RFC 9110, 8.6)."""
    return StreamingResponse(iter(()), headers=headers, media_type=media_type)


class Unpressed:
    """Presses answers, but not streams (each event has to leave at once) nor parts of files (their bytes are numbered)."""

    def __init__(self, pressed: ASGIApp, plain: ASGIApp) -> None:
        self._pressed, self._plain = pressed, plain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_plain = scope["path"] == STREAM_PATH or scope["path"].endswith(".pmtiles")
        await (self._plain if is_plain else self._pressed)(scope, receive, send)


class Licensed:
    """Names the licence in the head of every answer."""

    def __init__(self, app: ASGIApp, licence: Licence) -> None:
        self._app = app
        self._link = f'<{licence.url}>; rel="license"'
        self._attribution = licence.attribution

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def licensed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.append("Link", self._link)
                headers["X-Attribution"] = self._attribution.encode("ascii", "replace").decode()
                headers.setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        await self._app(scope, receive, licensed)


class Door:
    """Asks the doorkeeper before every request; the map page and its files are for everybody."""

    def __init__(self, app: ASGIApp, doorkeeper: Doorkeeper) -> None:
        self._app, self._doorkeeper = app, doorkeeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith("/map"):
            await self._app(scope, receive, send)
            return
        try:
            visitor = await self._doorkeeper.let_in(_address(scope), _key(scope))
        except ReadingFault as fault:
            await problem(fault, scope["path"])(scope, receive, send)
            return
        scope.setdefault("state", {})[VISITOR] = visitor
        await self._app(scope, receive, send if self._doorkeeper.is_open else unshared(send))


def unshared(send: Send) -> Send:
    """Answers that no cache on the way may give to others: where a key is required, they are for its reader alone (RFC 9111, 3.5)."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Cache-Control"] = headers.get("Cache-Control", "no-store").replace("public", "private")
        await send(message)

    return sending


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else "unknown"


def _key(scope: Scope) -> str | None:
    """The key of a request: as a bearer token, in X-API-Key, or, for links and players that set no header, as `key` in the query."""
    headers = Headers(scope=scope)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return headers.get("x-api-key") or Request(scope).query_params.get("key")


def problem(fault: ReadingFault, path: str) -> Response:
    """A fault as an answer: in OCPI's envelope where OCPI is spoken, else a problem document (RFC 9457)."""
    headers = {"Cache-Control": "no-store", **fault.headers}
    if path.startswith(OCPI_PATH):
        body = write_envelope(datetime.now(UTC), INVALID, fault.detail)
        return Response(body, fault.status, headers, "application/json")
    return Response(msgspec.json.encode(fault.as_json()), fault.status, headers, "application/problem+json")


def told_to_readers(otherwise: Handler) -> Handler:
    """A handler of errors that tells readers of maps in their form (in OCPI's envelope where OCPI is spoken), and others as before."""

    async def handler(request: Request, error: Exception) -> Response:
        answer = await otherwise(request, error)
        path = request.url.path
        if not is_public(path):
            return answer
        answer.headers["Cache-Control"] = "no-store"
        if "Allow" in answer.headers:
            answer.headers["Allow"] = allowed(answer.headers["Allow"].split(", "))
        if path.startswith(OCPI_PATH):
            return answer
        code, detail = _CODES.get(answer.status_code, ("FAILED", "the hub cannot answer this"))
        kept = {name: answer.headers[name] for name in ("Allow", "Retry-After") if name in answer.headers}
        return problem(ReadingFault(answer.status_code, code, detail, headers=kept), path)

    return handler


async def on_reading_fault(request: Request, error: Exception) -> Response:
    """The handler of the application."""
    assert isinstance(error, ReadingFault)
    return problem(error, request.url.path)
