"""The door for charge points: a WebSocket at `/ocpp/{station}`, on the port of everything else.

OCPP-J over WebSocket (1.6 section 3; 2.0.1 and 2.1 part 4 section 3): the identity stands in the path, the version is negotiated as a
subprotocol, the login is HTTP Basic (security profiles 1 and 2). For profile 3, a front that has verified the client's certificate says its
common name in a header that is believed of the addresses in `front` only (trap C7).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog
from fastapi import APIRouter
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from hub.chargers.events import Login, Refusal, Spot, StationDesk, StationState
from hub.chargers.ocpp.link import Closed, Link, NotText, Ports
from hub.chargers.ocpp.v2 import Link21, Link201
from hub.chargers.ocpp.v16 import Link16
from hub.chargers.sockets import Sockets
from hub.clock import Clock, SystemClock

IDENTITY_MAX_CHARACTERS = 48
STATIONS_MAX_PER_PROCESS = 5_000
HANDSHAKES_MAX_AT_ONCE = 64
LOGIN_MAX_BYTES = 1_024

PATH = "/ocpp/"
CLIENT_NAME_HEADER = "x-client-certificate-name"
FORWARDED_FOR_HEADER, FORWARDED_PROTO_HEADER = "x-forwarded-for", "x-forwarded-proto"

SUBPROTOCOLS: Mapping[str, type[Link]] = {"ocpp1.6": Link16, "ocpp2.0.1": Link201, "ocpp2.1": Link21}
PROTOCOL_ERROR, NOT_NOW = 1002, 1013

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="OCPP", charset="UTF-8"'}
_REFUSALS = {
    Refusal.NO_LOGIN: HTTPStatus.UNAUTHORIZED,
    Refusal.WRONG_LOGIN: HTTPStatus.UNAUTHORIZED,
    Refusal.NOT_WELCOME: HTTPStatus.FORBIDDEN,
    Refusal.INBOX_FULL: HTTPStatus.SERVICE_UNAVAILABLE,
}

_log = structlog.get_logger()

Standing = Callable[[str], Awaitable[StationState]]
"""How the operator stands to a station that did not boot yet on this socket; PENDING where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPorts:
    """What a gateway is given. `spots`: the connectors of a station, as provisioned. `front`: addresses of proxies that are believed."""

    desk: StationDesk
    sockets: Sockets
    standing: Standing
    spots: Callable[[str], tuple[Spot, ...]] = lambda identity: ()
    clock: Clock = field(default_factory=SystemClock)
    front: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Knock:
    """A request to connect: who, with which login, from where (as a trusted front says it, if there is one)."""

    identity: str
    login: Login | None
    remote: str
    is_secure: bool
    offered: tuple[str, ...]


class BadKnock(Exception):
    """A request that is none; `status` is for HTTP."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


def charger_router(gateway: Gateway) -> APIRouter:
    """The route of charge points."""
    router = APIRouter()

    @router.websocket(PATH + "{station:path}")
    async def charger(socket: WebSocket) -> None:
        await gateway.serve(socket)

    return router


class Gateway:
    """Lets stations in, and keeps each on its socket until that is gone."""

    def __init__(self, ports: GatewayPorts) -> None:
        self._ports = ports
        self._knocking = 0

    async def serve(self, socket: WebSocket) -> None:
        """One socket from the handshake to its end. Raises nothing for what a station does."""
        try:
            knock = read_knock(socket.scope, self._ports.front)
        except BadKnock as bad:
            return await _deny(socket, bad.status, bad.why)
        if (denied := await self._admit(knock)) is not None:
            _log.info("station_not_admitted", station=knock.identity, remote=knock.remote, status=int(denied))
            return await _deny(socket, denied, denied.phrase)
        await self._welcome(socket, knock)

    async def _admit(self, knock: Knock) -> HTTPStatus | None:
        if self._knocking >= HANDSHAKES_MAX_AT_ONCE or self._ports.sockets.count >= STATIONS_MAX_PER_PROCESS:
            return HTTPStatus.SERVICE_UNAVAILABLE
        if knock.login is not None and knock.login.user != knock.identity:
            return HTTPStatus.UNAUTHORIZED
        self._knocking += 1
        try:
            refusal = await self._ports.desk.admit(knock.identity, knock.login, knock.remote, is_secure=knock.is_secure)
        except Exception as fault:
            _log.error("station_not_judged", station=knock.identity, exc_info=fault)
            return HTTPStatus.SERVICE_UNAVAILABLE
        finally:
            self._knocking -= 1
        return None if refusal is None else _REFUSALS[refusal]

    async def _welcome(self, socket: WebSocket, knock: Knock) -> None:
        chosen = choose_subprotocol(knock.offered)
        await socket.accept(subprotocol=chosen)
        if chosen is None:
            _log.warning("station_without_subprotocol", station=knock.identity, offered=knock.offered[:10])
            return await socket.close(PROTOCOL_ERROR, "no version of OCPP in common")
        text = TextSocket(socket)
        try:
            state = await self._ports.standing(knock.identity)
        except Exception as fault:
            _log.error("station_not_known", station=knock.identity, exc_info=fault)
            return await text.close(NOT_NOW, "the hub cannot take it now")
        ports = Ports(self._ports.desk, self._ports.clock, lambda: self._ports.spots(knock.identity))
        await self._keep(SUBPROTOCOLS[chosen.lower()](knock.identity, text, ports, state))

    async def _keep(self, link: Link) -> None:
        sockets, desk = self._ports.sockets, self._ports.desk

        async def tell() -> None:
            await desk.connected(link.identity, link.version, link.connection)
            _log.info("station_connected", station=link.identity, version=link.version)

        sockets.join(link)
        try:
            await link.start(lambda: sockets.tell_connected(link, tell))
        finally:
            sockets.leave(link)
            await self._part(link)

    async def _part(self, link: Link) -> None:
        _log.info("station_disconnected", station=link.identity)
        try:
            await self._ports.desk.disconnected(link.identity, link.connection)
        except Exception as fault:
            _log.error("station_not_missed", station=link.identity, exc_info=fault)


class TextSocket:
    """A WebSocket of Starlette, as links use it."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def recv(self) -> str:
        """The next text. Raises Closed, and NotText."""
        if self._socket.application_state is not WebSocketState.CONNECTED:
            raise Closed
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise Closed
        text = message.get("text")
        if text is None:
            raise NotText
        return str(text)

    async def send(self, text: str) -> None:
        """Send one. Raises Closed."""
        if self._socket.application_state is not WebSocketState.CONNECTED:
            raise Closed
        try:
            await self._socket.send_text(text)
        except (WebSocketDisconnect, RuntimeError, OSError) as error:
            raise Closed from error

    async def close(self, code: int, reason: str) -> None:
        """Close it, if it is open."""
        if self._socket.application_state is not WebSocketState.CONNECTED:
            return
        try:
            await self._socket.close(code, reason)
        except (WebSocketDisconnect, RuntimeError, OSError):
            return


# --- steps ---


def read_knock(scope: Mapping[str, Any], front: frozenset[str]) -> Knock:
    """Who knocks. Raises BadKnock for what is no identity or no login."""
    headers = _headers(scope)
    identity = read_identity(scope["raw_path"].decode("latin-1"), scope.get("root_path", ""))
    client = scope.get("client")
    remote = client[0] if client else ""
    is_secure = scope["scheme"] == "wss"
    login = read_login(headers["authorization"], identity) if "authorization" in headers else None
    if remote in front:
        name = headers.get(CLIENT_NAME_HEADER)
        login = login if name is None else certified(identity, name)
        remote = headers.get(FORWARDED_FOR_HEADER, remote).rpartition(",")[2].strip()
        is_secure = headers.get(FORWARDED_PROTO_HEADER, scope["scheme"]).strip().lower() in {"https", "wss"}
    return Knock(identity, login, remote, is_secure, tuple(scope.get("subprotocols", ())))


def read_identity(raw_path: str, root_path: str) -> str:
    """The identity in a path. Raises BadKnock: 404 where there is none, 400 where it is not one."""
    rest = raw_path.removeprefix(root_path).removeprefix(PATH)
    if not rest or "/" in rest:
        raise BadKnock(HTTPStatus.NOT_FOUND, f"a station connects at {PATH} and its identity")
    identity = unquote_to_bytes(rest).decode("latin-1")
    if len(identity) > IDENTITY_MAX_CHARACTERS or not all("!" <= one <= "~" for one in identity):
        raise BadKnock(
            HTTPStatus.BAD_REQUEST, f"an identity has up to {IDENTITY_MAX_CHARACTERS} visible characters of ASCII"
        )
    return identity


def read_login(header: str, identity: str) -> Login:
    """HTTP Basic. The password of OCPP 1.6 may be 20 bytes that are no text: it is then given in hexadecimal digits, in lower case.

    An identity may have colons in it, so the user ends where it ends. Raises BadKnock for what is no login.
    """
    kind, _, text = header.partition(" ")
    try:
        if kind.lower() != "basic" or len(text) > LOGIN_MAX_BYTES:
            raise BadKnock(HTTPStatus.UNAUTHORIZED, "HTTP Basic is wanted")
        sent, own = base64.b64decode(text.strip(), validate=True), identity.encode()
        if sent.startswith(own + b":"):
            return Login(identity, read_password(sent[len(own) + 1 :]))
        user, _, password = sent.partition(b":")
        return Login(user.decode(), read_password(password))
    except (binascii.Error, ValueError) as error:
        raise BadKnock(HTTPStatus.UNAUTHORIZED, "the login cannot be read") from error


def read_password(password: bytes) -> str:
    """A password as text."""
    try:
        text = password.decode()
    except UnicodeDecodeError:
        return password.hex()
    return text if text.isprintable() else password.hex()


def certified(identity: str, name: str) -> Login:
    """The login of a station whose certificate somebody has verified. Raises BadKnock where it names another one."""
    if name != identity:
        raise BadKnock(HTTPStatus.UNAUTHORIZED, "the certificate is another station's")
    return Login(identity, "", is_certified=True)


def choose_subprotocol(offered: tuple[str, ...]) -> str | None:
    """The first that a station offers and the hub speaks, as the station wrote it."""
    return next((one for one in offered if one.lower() in SUBPROTOCOLS), None)


def _headers(scope: Mapping[str, Any]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def _deny(socket: WebSocket, status: HTTPStatus, why: str) -> None:
    """Refuse the handshake with a status of HTTP (trap C6)."""
    headers = dict(_CHALLENGE) if status is HTTPStatus.UNAUTHORIZED else {}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "30"
    await socket.send_denial_response(PlainTextResponse(why, status, headers))
