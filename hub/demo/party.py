"""A whole OCPI 2.2.1 platform: it joins a hub (or another platform), serves every module of the table, and calls the other side.

In-process: ``async with DemoPlatform("P1", [role("CPO", "DE/CP1")]).running() as platform``; as a process of its own: `hub.demo.process`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.clock import SystemClock
from hub.demo.caller import Caller, Heard
from hub.demo.connection import (
    Connection,
    Endpoints,
    credentials_url,
    details_url,
    new_token,
    parties_of,
    read_endpoints,
)
from hub.demo.desk import Desk
from hub.demo.faults import Fault, Seen
from hub.demo.server import LOOPBACK, LoopbackServer
from hub.demo.shelf import Object
from ocpi_modules.catalog import MODULES, VERSION
from ocpi_modules.credentials import Credentials
from ocpi_modules.envelope import write_envelope
from ocpi_modules.errors import (
    MethodNotAllowed,
    OcpiError,
    Unauthenticated,
    UnknownPath,
    UnsupportedVersion,
)
from ocpi_modules.headers import routing_headers
from ocpi_modules.message import Message, Reply, decode_body, judge_whole, refusal
from ocpi_modules.module import Interface, Module, Operation
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import NotJsonText, decode_json, encode_json

SEEN_MAX_REQUESTS = 5000
SEEN_WAIT_SECONDS = 5.0
PAGES_MAX = 1000

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_NOBODY = Party("", "")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request went: an operation of an interface, its variable segments, and the raw path below the endpoint."""

    module: Module
    interface: Interface
    operation: Operation
    keys: tuple[str, ...]
    suffix: str


def role(name: str, party: str, business_name: str = "") -> Object:
    """A credentials role: ``role("CPO", "DE/CP1")``."""
    owner = Party.parse(party)
    return {
        "role": Role(name).value,
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "business_details": {"name": business_name or f"{name} {party}"},
    }


class DemoPlatform(Caller):
    """One platform with its parties.

    `desk` holds its objects and rules, `seen` the requests that reached it (the last SEEN_MAX_REQUESTS of `seen_count`), `faults` what is
    to go wrong: the first that concerns a request is used. `hidden` names interfaces that are left out of the version details.
    `remember` is told about every change of the connection.
    """

    def __init__(self, name: str, roles: Sequence[Object], *, port: int = 0) -> None:
        super().__init__(name, parties_of(roles))
        self.roles = list(roles)
        self.desk = Desk(self.url_of)
        self.seen: deque[Seen] = deque(maxlen=SEEN_MAX_REQUESTS)
        self.seen_count = 0
        self.faults: list[Fault] = []
        self.hidden: set[tuple[str, Interface]] = set()
        self.offered_version = VERSION
        self.remember: Callable[[Connection | None], None] = lambda _: None
        self._invitations: set[str] = set()
        self._open_token: str | None = None
        self._stirred = asyncio.Event()
        self._clock = SystemClock()
        self._server: LoopbackServer | None = None
        self._port = port

    # --- being there ----------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self, *extra_routes: BaseRoute) -> AsyncIterator[DemoPlatform]:
        """Serve on the loopback interface until the block ends."""
        app = Starlette(routes=[*extra_routes, Route("/{path:path}", self._serve, methods=_METHODS)])
        self._server = LoopbackServer(app, self._port)
        try:
            await self._server.start()
            yield self
        finally:
            await self._server.stop()
            await self.close()

    @asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Refuse every connection while the block lasts; the address stays the same."""
        await self._running_server().stop()
        try:
            yield
        finally:
            await self._running_server().start()

    @property
    def base_url(self) -> str:
        """The address of the platform, without a slash at the end."""
        return f"http://{LOOPBACK}:{self._running_server().port}"

    @property
    def versions_url(self) -> str:
        """Where the other side begins."""
        return f"{self.base_url}/versions"

    def url_of(self, module_id: str, interface: Interface) -> str:
        """The address of one of its interfaces."""
        return f"{self.base_url}/{VERSION}/{interface.value.lower()}/{module_id}"

    def invite(self) -> str:
        """A token A for somebody who wants to join this platform."""
        token = new_token()
        self._invitations.add(token)
        return token

    def credentials(self, token: str) -> Object:
        """Its credentials object with this token."""
        return {"token": token, "url": self.versions_url, "roles": self.roles}

    def callback_url(self, module_id: str, callback_id: str) -> str:
        """An address of this platform for the result of a command; results are kept in `desk.results`."""
        return f"{self.url_of(module_id, Interface.SENDER)}/{callback_id}"

    async def wait_until_seen(self, wanted: Callable[[Seen], bool], count: int = 1) -> list[Seen]:
        """The requests that fit, as soon as there are `count` of them. Raises TimeoutError after SEEN_WAIT_SECONDS."""
        await self.wait_until(lambda: len([seen for seen in self.seen if wanted(seen)]) >= count)
        return [seen for seen in self.seen if wanted(seen)]

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return when something holds; asked whenever a request came in or was answered. Raises TimeoutError after SEEN_WAIT_SECONDS."""
        async with asyncio.timeout(SEEN_WAIT_SECONDS):
            while not condition():
                self._stirred.clear()
                await self._stirred.wait()

    # --- the handshake --------------------------------------------------------------------------

    async def join(self, token_a: str, versions_url: str) -> Connection:
        """Register at the other side. Raises OcpiError when it does not let us."""
        endpoints = await self._discover(versions_url, token_a)
        return await self._exchange_credentials("POST", Connection(versions_url, token_a, "", endpoints))

    async def renew(self) -> Connection:
        """Give the other side a fresh token and take one: credentials PUT."""
        return await self._exchange_credentials("PUT", self._connected())

    async def move(self, versions_url: str) -> Connection:
        """Find the other side at another address, or tell it ours: its versions are read again, and tokens renewed."""
        known = self._connected()
        endpoints = await self._discover(versions_url, known.token)
        return await self._exchange_credentials("PUT", replace(known, endpoints=endpoints))

    async def leave(self) -> Heard:
        """Unregister: credentials DELETE."""
        known = self._connected()
        heard = await self._fetch("DELETE", credentials_url(dict(known.endpoints)), known.token)
        if heard.is_success:
            self._know(None)
        return heard

    async def _exchange_credentials(self, method: str, known: Connection) -> Connection:
        """The other side looks at our versions while this call is open: the new token is good from its start."""
        self._open_token = new_token()
        try:
            url, content = credentials_url(dict(known.endpoints)), self.credentials(self._open_token)
            theirs = (await self._wanted(method, url, known.token, content)).data
            endpoints = await self._discover(theirs["url"], theirs["token"])
            parties = parties_of(theirs["roles"])
            known = Connection(theirs["url"], theirs["token"], self._open_token, endpoints, parties)
            self._know(known)
        finally:
            self._open_token = None
        return known

    def _know(self, connection: Connection | None) -> None:
        self.connection = connection
        self.remember(connection)

    async def _discover(self, versions_url: str, token: str) -> Endpoints:
        versions = (await self._wanted("GET", versions_url, token)).data
        try:
            url = details_url(versions)
        except LookupError as exc:
            raise UnsupportedVersion(str(exc)) from exc
        return read_endpoints((await self._wanted("GET", url, token)).data["endpoints"])

    def _running_server(self) -> LoopbackServer:
        if self._server is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._server

    # --- being called ---------------------------------------------------------------------------

    async def _serve(self, request: Request) -> Response:
        seen = await _as_seen(request)
        self.seen.append(seen)
        self.seen_count += 1
        self._stirred.set()
        fault = self._next_fault(seen)
        await asyncio.sleep(fault.wait_seconds)
        reply = await self._reply(seen)
        self._stirred.set()
        return self._response(seen, reply, fault)

    def _next_fault(self, seen: Seen) -> Fault:
        fault = next((fault for fault in self.faults if fault.concerns(seen)), Fault())
        if fault.once:
            self.faults.remove(fault)
        return fault

    async def _reply(self, seen: Seen) -> Reply:
        try:
            return await self._judge(seen)
        except MethodNotAllowed as error:
            return _with_headers(refusal(error), {"Allow": ", ".join(error.allowed)})
        except OcpiError as error:
            return refusal(error)

    async def _judge(self, seen: Seen) -> Reply:
        is_connected = self._authenticate(seen.token)
        if seen.path == "/versions":
            return Reply(data=encode_json(self._versions(seen)))
        if seen.path == f"/{VERSION}":
            return Reply(data=encode_json(self._details(seen)))
        place = _place_of(seen)
        if place.module.id == "credentials":
            return await self._credentials(seen, is_connected)
        if not is_connected:
            raise Unauthenticated
        return self.desk.answer(self._message(seen, place))

    def _authenticate(self, token: str | None) -> bool:
        """True for the other side, false for somebody who is only invited or whose registration is still open."""
        if token is not None and self.connection is not None and token == self.connection.own_token:
            return True
        if token is None or (token not in self._invitations and token != self._open_token):
            raise Unauthenticated
        return False

    def _versions(self, seen: Seen) -> list[Object]:
        _require_get(seen)
        return [{"version": self.offered_version, "url": f"{self.base_url}/{VERSION}"}]

    def _details(self, seen: Seen) -> Object:
        _require_get(seen)
        return {"version": self.offered_version, "endpoints": self._endpoints()}

    def _endpoints(self) -> list[Object]:
        return [
            {"identifier": module.id, "role": interface.value, "url": self.url_of(module.id, interface)}
            for module in MODULES.values()
            for interface in Interface
            if self._offers(module, interface) and (module.id, interface) not in self.hidden
        ]

    def _offers(self, module: Module, interface: Interface) -> bool:
        if module.id == "credentials":
            return interface is Interface.SENDER
        own = {Role(entry["role"]) for entry in self.roles}
        return bool(module.operations(interface)) and bool(own & module.implementers(interface))

    async def _credentials(self, seen: Seen, is_connected: bool) -> Reply:
        token = seen.token or ""
        allowed = ("DELETE", "GET", "PUT") if is_connected else ("GET", "POST")
        if seen.method not in allowed:
            raise MethodNotAllowed(allowed)
        if seen.method == "GET":
            return Reply(data=encode_json(self.credentials(token)))
        if seen.method == "DELETE":
            self._know(None)
            return Reply()
        return await self._register(seen)

    async def _register(self, seen: Seen) -> Reply:
        content = decode_body(_place_of(seen).operation, seen.body)
        judge_whole(Credentials, content)
        endpoints = await self._discover(content["url"], content["token"])
        own_token, parties = new_token(), parties_of(content["roles"])
        self._invitations.discard(seen.token or "")
        self._know(Connection(content["url"], content["token"], own_token, endpoints, parties))
        return Reply(data=encode_json(self.credentials(own_token)))

    def _message(self, seen: Seen, place: Place) -> Message:
        return Message(
            module=place.module,
            interface=place.interface,
            operation=place.operation,
            keys=place.keys,
            suffix=place.suffix,
            raw_query=seen.query,
            query=dict(parse_qsl(seen.query, keep_blank_values=True)),
            body=seen.body,
            content=decode_body(place.operation, seen.body),
            sender=seen.sender or _NOBODY,
            receiver=seen.receiver,
            request_id=seen.headers.get("x-request-id", ""),
            correlation_id=seen.headers.get("x-correlation-id", ""),
        )

    def _response(self, seen: Seen, reply: Reply, fault: Fault) -> Response:
        if fault.status_code is not None:
            reply = Reply(fault.status_code, fault.message)
        envelope = write_envelope(self._clock.now(), reply.status_code, reply.message, reply.data)
        headers = {
            "Content-Type": "application/json",
            **_repeated_ids(seen),
            **_swapped_parties(seen),
            **reply.headers,
            **fault.headers,
        }
        status = fault.http_status or reply.http_status
        return Response(envelope if fault.body is None else fault.body, status, headers)


async def _as_seen(request: Request) -> Seen:
    body = await request.body()
    path = request.scope["raw_path"].decode("ascii").partition("?")[0].rstrip("/")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.raw}
    query = request.scope["query_string"].decode("ascii")
    return Seen(_module_of(path), request.method, path, query, headers, body, _content_of(body))


def _content_of(body: bytes) -> Any:
    try:
        return decode_json(body) if body else None
    except NotJsonText:
        return None


def _module_of(path: str) -> str:
    _, first, *rest = [*path.split("/"), ""]
    if first == "versions" or (first == VERSION and not any(rest)):
        return "versions"
    return rest[1] if first == VERSION and len(rest) > 1 and rest[1] in MODULES else ""


def _place_of(seen: Seen) -> Place:
    """Where a request goes. Raises UnknownPath, MethodNotAllowed."""
    version, interface_name, module_id, *raw = [*seen.path.removeprefix("/").split("/"), "", ""]
    raw = raw[: max(0, len(raw) - 2)]
    module = MODULES.get(module_id)
    if version != VERSION or module is None or interface_name.upper() not in Interface.__members__:
        raise UnknownPath
    interface = Interface(interface_name.upper())
    segments = tuple(unquote(segment) for segment in raw)
    operation = module.find(interface, seen.method, segments)
    return Place(module, interface, operation, operation.keys_of(segments), "/".join(raw))


def _require_get(seen: Seen) -> None:
    if seen.method != "GET":
        raise MethodNotAllowed(("GET",))


def _repeated_ids(seen: Seen) -> dict[str, str]:
    names = {"X-Request-ID": "x-request-id", "X-Correlation-ID": "x-correlation-id"}
    return {name: seen.headers[key] for name, key in names.items() if key in seen.headers}


def _swapped_parties(seen: Seen) -> dict[str, str]:
    try:
        return routing_headers(sender=seen.receiver, receiver=seen.sender)
    except OcpiError:
        return {}


def _with_headers(reply: Reply, headers: Mapping[str, str]) -> Reply:
    return Reply(reply.status_code, reply.message, http_status=reply.http_status, headers=headers)
