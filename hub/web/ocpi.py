"""The OCPI interface: one ASGI handler for every module, read from the module table.

It works on the raw path, so that a percent-encoded id reaches its receiver as it was sent (R-09), answers with and without a trailing
slash, and gives every answer the envelope, both message ids and, for functional modules, the routing headers.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote

import structlog
from starlette.types import Receive, Scope, Send

from hub.clock import Clock
from hub.logs import REQUEST
from hub.partners.clientinfo import client_info, others
from hub.partners.dialect import spoken_reply
from hub.partners.directory import Partner
from hub.partners.exchanges import Inward
from hub.partners.handshake import Handshake
from hub.partners.progress import Step
from hub.partners.quirks import Quirks
from hub.partners.roster import Roster
from hub.routing.paging import Paging, page_headers
from hub.routing.router import Router
from hub.routing.routes import clear_sender, require_sender
from hub.store.exchanges import Head
from hub.store.group import Interrupted
from hub.store.partners import Partners
from hub.store.secrets import token_hash
from hub.web.registration import version_details, versions
from hub.web.replies import write_reply
from ocpi_modules.catalog import MODULES, VERSION
from ocpi_modules.errors import (
    BodyTooLarge,
    InvalidParameters,
    MethodNotAllowed,
    OcpiError,
    ServerFault,
    Unauthenticated,
    UnknownPath,
)
from ocpi_modules.headers import message_id, read_authorization, read_party, read_raw_authorization
from ocpi_modules.message import Message, Reply, decode_body, owner_named
from ocpi_modules.module import Interface, Module, Operation, Purpose
from ocpi_modules.parties import Party

QUERY_PARAMETERS_MAX = 100
TOKENS_KEPT_MAX = 4096

_log = structlog.get_logger()

Observer = Callable[["Seen"], None]


@dataclass(frozen=True, slots=True)
class Seen:
    """What passed: for the log, the metrics and the front page. Never a token."""

    method: str
    module_id: str
    caller: str
    sender: str
    receiver: str
    http_status: int
    status_code: int
    seconds: float


@dataclass(slots=True)
class Inbound:
    """One HTTP request on its way through the endpoint; `path` as it came, `raw_segments` as it is meant."""

    method: str
    path: str
    segments: tuple[str, ...]
    raw_segments: tuple[str, ...]
    raw_query: str
    headers: Mapping[str, str]
    receive: Receive
    request_id: str
    correlation_id: str
    module_id: str = ""
    caller: str = ""
    caller_id: int | None = None
    body: bytes = b""
    sender: Party | None = None
    receiver: Party | None = None
    query: dict[str, str] = field(default_factory=dict)
    quirks: Quirks = field(default_factory=Quirks)


@dataclass(frozen=True, slots=True, kw_only=True)
class OcpiPorts:
    """What the endpoint works with."""

    partners: Partners
    roster: Roster
    handshake: Handshake
    router: Router
    clock: Clock
    heard: Callable[[Partner], None]
    back: Callable[[Partner], Awaitable[None]]
    new_id: Callable[[], str]
    observe: Observer
    public_url: str
    body_max_bytes: int
    paging: Paging
    note: Callable[[Inward], None] | None = None
    """Takes every exchange down for the journal; None where none is kept."""


class OcpiEndpoint:
    """The ASGI application below `/ocpi`."""

    def __init__(self, ports: OcpiPorts) -> None:
        self._ports = ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        inbound = read_inbound(scope, receive, self._ports.new_id)
        REQUEST.set((inbound.request_id, inbound.correlation_id))  # each request has a context of its own
        reply = await self._answer(inbound)
        now = self._ports.clock.now()
        sent = await write_reply((scope, send), reply, inbound.request_id, inbound.correlation_id, now)
        seen = _seen(inbound, reply, time.perf_counter() - started)
        self._ports.observe(seen)
        if self._ports.note is not None:
            self._ports.note(_passed(inbound, (started, seen), sent))

    async def _answer(self, inbound: Inbound) -> Reply:
        try:
            return await self._dispatch(inbound)
        except OcpiError as error:
            headers = {"Allow": ", ".join(error.allowed)} if isinstance(error, MethodNotAllowed) else {}
            return self._refused(inbound, error, headers)
        except Interrupted as exc:  # the database is away: one line, and not where it was noticed
            _log.warning(
                "database_unavailable", method=inbound.method, module=inbound.module_id, error=repr(exc.__cause__)
            )
            return self._refused(inbound, ServerFault(), {})
        except Exception:
            _log.exception("request_failed", method=inbound.method, module=inbound.module_id)
            return self._refused(inbound, ServerFault(), {})

    def _refused(self, inbound: Inbound, error: OcpiError, headers: dict[str, str]) -> Reply:
        hub = self._ports.roster.directory.hub if inbound.sender else None
        return Reply(
            error.status_code,
            error.message,
            http_status=error.http_status,
            headers=headers,
            sender=hub,
            receiver=inbound.sender,
        )

    async def _dispatch(self, inbound: Inbound) -> Reply:
        match inbound.segments:
            case ("versions",) | ("2.2.1",):
                return await self._discovery(inbound)
            case ("2.2.1", "credentials"):
                return await self._credentials(inbound)
            case ("2.2.1", "sender" | "receiver" as interface, module_id, *_) if module_id in MODULES:
                return await self._module(inbound, Interface(interface.upper()), MODULES[module_id])
            case ("2.2.1", "pages", module_id, sealed) if module_id in MODULES:
                return await self._next_page(inbound, MODULES[module_id], sealed)
        await self._authenticate(inbound)
        raise UnknownPath

    # --- who is there ----------------------------------------------------------------------------

    async def _authenticate(self, inbound: Inbound) -> tuple[Partner | None, str]:
        """The caller, or None for the holder of an open invitation; with its token. Raises Unauthenticated (T-01, T-02)."""
        encoded, raw = read_tokens(inbound.headers.get("authorization"))
        partner, token = self._caller(encoded, raw)
        if partner is not None:
            inbound.caller, inbound.caller_id, inbound.quirks = partner.name, partner.id, partner.quirks
            await self._ports.back(partner)
            self._ports.heard(partner)
            return partner, token
        for given, is_raw in ((encoded, False), (raw, True)):
            if given and await self._ports.partners.invitation(given.hash, self._ports.clock.now()):
                inbound.quirks = Quirks(token="raw" if is_raw else "base64")
                return None, given.text
        raise Unauthenticated

    def _caller(self, encoded: Given | None, raw: Given | None) -> tuple[Partner | None, str]:
        """The partner of a token: in Base64 always, as it is where its quirks say so (T-05, X-03)."""
        directory = self._ports.roster.directory
        if encoded is not None and (partner := directory.caller(encoded.hash)):
            return partner, encoded.text
        if raw is not None and (partner := directory.caller(raw.hash)) and partner.quirks.token == "raw":
            return partner, raw.text
        return None, ""

    async def _partner(self, inbound: Inbound) -> Partner:
        partner, _ = await self._authenticate(inbound)
        if partner is None or not partner.is_joined:
            raise Unauthenticated("this token is good for versions and credentials only")
        return partner

    # --- configuration modules -------------------------------------------------------------------

    async def _discovery(self, inbound: Inbound) -> Reply:
        inbound.module_id = "versions"
        partner, token = await self._authenticate(inbound)
        if inbound.method != "GET":
            raise MethodNotAllowed(("GET",))
        is_list = inbound.segments == ("versions",)
        if partner is None:
            await self._ports.handshake.was_read(token, Step.VERSIONS if is_list else Step.DETAILS)
        if is_list:
            return Reply(data=versions(self._ports.public_url))
        return Reply(data=version_details(self._ports.public_url, ends_in_slash=inbound.quirks.slash))

    async def _credentials(self, inbound: Inbound) -> Reply:
        module = MODULES["credentials"]
        inbound.module_id = module.id
        partner, token = await self._authenticate(inbound)
        require_in_turn(inbound.method, partner)
        operation = module.find(Interface.SENDER, inbound.method, ())
        if operation.purpose is Purpose.READ:
            return Reply(data=self._ports.handshake.credentials_for(token))
        content = decode_body(operation, await self._body(inbound)) if operation.has_body else None
        if partner is None:
            is_raw = inbound.quirks.token == "raw"
            return Reply(data=await self._ports.handshake.register(token, content, is_raw=is_raw))
        if operation.purpose is Purpose.REPLACE:
            return Reply(data=await self._ports.handshake.update(partner, content))
        await self._ports.handshake.unregister(partner)
        return Reply()

    async def _client_infos(self, inbound: Inbound, partner: Partner) -> Reply:
        window = self._ports.paging.read(inbound.query)
        members = others(self._ports.roster.directory, partner, window.date_from, window.date_to)
        base = f"{self._ports.public_url}/ocpi/{VERSION}/sender/hubclientinfo"
        headers = page_headers(base, inbound.query, window, len(members))
        page = b",".join(client_info(member) for member in members[window.offset : window.offset + window.limit])
        return Reply(data=b"[" + page + b"]", headers=headers)

    # --- functional modules ----------------------------------------------------------------------

    async def _module(self, inbound: Inbound, interface: Interface, module: Module) -> Reply:
        inbound.module_id = module.id
        partner = await self._partner(inbound)
        inbound.query = read_query(inbound.raw_query)
        if module.id == "hubclientinfo":
            if interface is Interface.RECEIVER:
                raise UnknownPath
            module.find(interface, inbound.method, inbound.segments[3:])
            return await self._client_infos(inbound, partner)
        operation = module.find(interface, inbound.method, inbound.segments[3:])
        body = await self._body(inbound) if operation.has_body else b""
        content = decode_body(operation, body)
        candidates = self._candidates(partner, module, interface)
        owner = owner_named(operation, operation.keys_of(inbound.segments[3:]), content)
        is_known_anyway = operation.purpose is Purpose.RESULT  # to the callback that it is for
        self._read_parties(inbound, partner, candidates, min(candidates, default=None) if is_known_anyway else owner)
        message = self._message(inbound, module, interface, operation, (body, content))
        reply = await self._ports.router.handle(message, partner)
        inbound.receiver = inbound.receiver or reply.sender  # whom the hub found is logged
        return spoken_reply(reply, message, partner.quirks)

    async def _next_page(self, inbound: Inbound, module: Module, sealed: str) -> Reply:
        inbound.module_id = module.id
        partner = await self._partner(inbound)
        if inbound.method != "GET":
            raise MethodNotAllowed(("GET",))
        candidates = self._candidates(partner, module, Interface.SENDER)
        self._read_parties(
            inbound, partner, candidates, min(candidates, default=None)
        )  # the Link knows to whom it was given
        operation = module.find(Interface.SENDER, "GET", ())
        message = self._message(inbound, module, Interface.SENDER, operation, (b"", None))
        return spoken_reply(await self._ports.router.follow(sealed, message, partner), message, partner.quirks)

    def _candidates(self, partner: Partner, module: Module, interface: Interface) -> frozenset[Party]:
        """The parties of a caller that may speak here: those in a role that calls this, or all where none is."""
        directory = self._ports.roster.directory
        return directory.parties_of(partner, module.callers(interface)) or directory.parties_of(partner)

    def _read_parties(
        self, inbound: Inbound, partner: Partner, candidates: frozenset[Party], named: Party | None
    ) -> None:
        """The parties in the headers; `named` is the one that a request without them can only be from."""
        sender = read_party(inbound.headers, "from")
        if sender is None:
            sender = clear_sender(candidates, named)
        require_sender(sender, self._ports.roster.directory.parties_of(partner))
        inbound.sender = sender
        inbound.receiver = read_party(inbound.headers, "to")

    def _message(
        self,
        inbound: Inbound,
        module: Module,
        interface: Interface,
        operation: Operation,
        body: tuple[bytes, Any],
    ) -> Message:
        assert inbound.sender is not None
        return Message(
            module=module,
            interface=interface,
            operation=operation,
            keys=operation.keys_of(inbound.segments[3:]),
            suffix="/".join(inbound.raw_segments[3:]),
            raw_query=inbound.raw_query,
            query=inbound.query,
            body=body[0],
            content=body[1],
            sender=inbound.sender,
            receiver=inbound.receiver,
            request_id=inbound.request_id,
            correlation_id=inbound.correlation_id,
        )

    async def _body(self, inbound: Inbound) -> bytes:
        inbound.body = await read_body(inbound.receive, inbound.headers, self._ports.body_max_bytes)
        return inbound.body


@dataclass(frozen=True, slots=True)
class Given:
    """A token as it came in, and its hash."""

    text: str = field(repr=False)
    hash: bytes


@lru_cache(maxsize=TOKENS_KEPT_MAX)
def read_tokens(header: str | None) -> tuple[Given | None, Given | None]:
    """The token of an Authorization header, read as Base64 and as it stands. Whose it is, is asked each time."""
    encoded, raw = (read(header) for read in (read_authorization, read_raw_authorization))
    return (
        None if encoded is None else Given(encoded, token_hash(encoded)),
        None if raw is None else Given(raw, token_hash(raw)),
    )


def require_in_turn(method: str, partner: Partner | None) -> None:
    """Credentials are posted once, then replaced or taken back. Raises MethodNotAllowed with what this caller may do now (C-11, C-15)."""
    if partner is None:
        if method not in {"GET", "POST"}:
            raise MethodNotAllowed(("GET", "POST"), "not registered yet: use POST")
    elif method not in {"DELETE", "GET", "PUT"} or not (partner.is_joined or method == "GET"):
        raise MethodNotAllowed(("DELETE", "GET", "PUT"), "registered already: use PUT")


def read_inbound(scope: Scope, receive: Receive, new_id: Callable[[], str]) -> Inbound:
    """The request as far as it can be read without its body; missing message ids are made up (X-41)."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    raw = scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0]
    raw_segments = unglued(tuple(raw.removeprefix("/ocpi").strip("/").split("/")))
    return Inbound(
        method=scope["method"],
        path=raw,
        segments=tuple(unquote(segment, errors="replace") for segment in raw_segments) if "%" in raw else raw_segments,
        raw_segments=raw_segments,
        raw_query=scope["query_string"].decode("latin-1"),
        headers=headers,
        receive=receive,
        request_id=message_id(headers.get("x-request-id")) or new_id(),
        correlation_id=message_id(headers.get("x-correlation-id")) or new_id(),
    )


def unglued(segments: tuple[str, ...]) -> tuple[str, ...]:
    """The path of a client that put the owner behind our endpoint without a slash, or with two (X-42); any other path as it is."""
    head, rest = segments[:2], segments[2:]
    if len(rest) < 2 or head[1:] not in {("sender",), ("receiver",)}:
        return segments
    if rest[0] in MODULES:
        return (*head, rest[0], *rest[2:]) if rest[1] == "" else segments
    glued = next((name for name in MODULES if rest[0] in {name + rest[0][-2:]} and rest[0][-2:].isalpha()), None)
    return (*head, glued, rest[0][-2:], *rest[1:]) if glued and len(rest) > 2 else segments


def read_query(raw_query: str) -> dict[str, str]:
    """The query parameters; of a repeated one the first counts. Raises InvalidParameters for too many of them."""
    if not raw_query:
        return {}
    try:
        pairs = parse_qsl(raw_query, keep_blank_values=True, max_num_fields=QUERY_PARAMETERS_MAX)
    except ValueError as exc:
        raise InvalidParameters("too many query parameters") from exc
    return dict(reversed(pairs))


async def read_body(receive: Receive, headers: Mapping[str, str], max_bytes: int) -> bytes:
    """The whole body. Raises BodyTooLarge (413) as soon as it is known to be too large."""
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise BodyTooLarge
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        event: Any = await receive()
        if event["type"] == "http.disconnect":
            raise InvalidParameters("the caller went away")
        chunks.append(event.get("body", b""))
        size += len(chunks[-1])
        if size > max_bytes:
            raise BodyTooLarge
        more = event.get("more_body", False)
    return b"".join(chunks)


def _seen(inbound: Inbound, reply: Reply, seconds: float) -> Seen:
    return Seen(
        method=inbound.method,
        module_id=inbound.module_id,
        caller=inbound.caller,
        sender=str(inbound.sender or ""),
        receiver=str(inbound.receiver or ""),
        http_status=reply.http_status,
        status_code=reply.status_code,
        seconds=seconds,
    )


def _passed(inbound: Inbound, what: tuple[float, Seen], sent: tuple[tuple[bytes, ...], int]) -> Inward:
    (started, seen), (answer, answer_bytes), request_bytes = what, sent, len(inbound.body)
    sender, receiver = (seen.sender, seen.receiver) if seen.sender else _claimed(inbound.headers)
    head = Head(
        started,
        seen.seconds,
        True,
        inbound.module_id,
        inbound.method,
        inbound.path,
        inbound.raw_query,
        inbound.caller_id,
        sender,
        receiver,
        seen.http_status,
        seen.status_code,
        (inbound.request_id, inbound.correlation_id),
        request_bytes,
        answer_bytes,
    )
    authorization = inbound.headers.get("authorization")
    return Inward(head, authorization, inbound.body, answer, request_bytes + answer_bytes)


def _claimed(headers: Mapping[str, str]) -> tuple[str, str]:
    """Between whom a request says to be that was refused before that was looked at."""
    try:
        sender, receiver = read_party(headers, "from"), read_party(headers, "to")
    except OcpiError:
        return "", ""
    return str(sender or ""), str(receiver or "")
