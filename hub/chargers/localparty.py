"""How the local CPO is a party like any other: its rows among the partners, and the platform that answers the calls to it, in process.

The hub routes, broadcasts, shows and permits as for every partner; only the way of a call is shorter.
Source: mod_versions, mod_commands, mod_charging_profiles (receiver interfaces).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

import structlog

from hub.clock import Clock
from hub.partners.client import Answer, Call
from hub.partners.directory import Directory
from hub.partners.local import LOCAL_SCHEME
from hub.partners.quirks import Quirks, write_quirks
from hub.partners.roster import Roster
from hub.store.partners import Partners, PartyRole, Registration
from ocpi_modules.catalog import MODULES, VERSION
from ocpi_modules.envelope import write_envelope
from ocpi_modules.errors import InvalidParameters, MethodNotAllowed, OcpiError, ServerFault, UnknownPath
from ocpi_modules.headers import read_party
from ocpi_modules.message import Message, Reply, decode_body, judge_identity, judge_object, refusal
from ocpi_modules.module import Interface, Module
from ocpi_modules.parties import Party, Role
from ocpi_modules.tokens import TOKENS
from ocpi_modules.types import encode_json

VERSIONS_URL = f"{LOCAL_SCHEME}chargers"
DETAILS_URL = f"{VERSIONS_URL}/{VERSION}"

Take = Callable[[Message], Awaitable[Reply]]
"""Answers a message to one of the interfaces of the local CPO. Raises OcpiError for what it refuses."""

Desks = Mapping[tuple[str, Interface], Take]
"""Who answers, by module id and interface: these are the endpoints."""

OFFERED = (
    *((module_id, Interface.SENDER) for module_id in ("locations", "sessions", "cdrs", "tariffs")),
    *((module_id, Interface.RECEIVER) for module_id in ("tokens", "commands", "chargingprofiles")),
)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LocalCpo:
    """Who the local CPO is: its party and the name that others see."""

    party: Party
    name: str


class LocalParty:
    """Lets the local CPO be there from the first site on."""

    def __init__(self, cpo: LocalCpo, partners: Partners, roster: Roster, clock: Clock) -> None:
        self._cpo, self._partners, self._roster, self._clock = cpo, partners, roster, clock

    def require_free(self) -> None:
        """Nobody else may be the party of the local CPO. Raises InvalidParameters with what to do about it."""
        party, directory = self._cpo.party, self._roster.directory
        if party == directory.hub:
            raise InvalidParameters(f"{party} is this hub itself: set HUB_LOCAL_CPO to another party")
        holder = directory.partner_behind(party)
        if holder is not None and not holder.is_local:
            raise InvalidParameters(f"{party} belongs to the partner {holder.name}: set HUB_LOCAL_CPO to another party")

    async def join(self) -> None:
        """Be a partner with what the local CPO is now; nothing happens where it is one already. Raises InvalidParameters as above.

        Any process may do this, again and again: whoever comes second finds it done.
        """
        self.require_free()
        try:
            is_new = await self._partners.hold(registration(self._cpo), self._clock.now())
        except InvalidParameters as taken:
            raise InvalidParameters(f"{taken.message}: set HUB_LOCAL_CPO to another party") from taken
        if is_new:
            await self._roster.refresh()


class LocalDesk:
    """The platform of the local CPO (`hub.partners.client.LocalPlatform`)."""

    def __init__(self, desks: Desks, clock: Clock) -> None:
        self._desks, self._clock = desks, clock

    async def answer(self, call: Call) -> Answer:
        """The answer to a call, refusals and faults of ours too, with the envelope and both message ids."""
        headers = {name.lower(): value for name, value in call.headers.items()}
        try:
            reply = await self._reply(call, headers)
        except OcpiError as refused:
            reply = refusal(refused)
        except Exception:
            _log.exception("local_call_failed", method=call.method, module=call.module_id)
            reply = refusal(ServerFault())
        ids = {name: value for name, value in headers.items() if name in {"x-request-id", "x-correlation-id"}}
        body = write_envelope(self._clock.now(), reply.status_code, reply.message, reply.data)
        own = {name.lower(): value for name, value in reply.headers.items()}
        return Answer(reply.http_status, {**ids, "content-type": "application/json", **own}, body)

    async def _reply(self, call: Call, headers: Mapping[str, str]) -> Reply:
        path, _, query = call.url.partition("?")
        if path in {VERSIONS_URL, DETAILS_URL}:
            if call.method != "GET":
                raise MethodNotAllowed(("GET",))
            return Reply(data=encode_json(_versions() if path == VERSIONS_URL else _details(self._desks)))
        module, interface, raw = _place(path)
        take = self._desks.get((module.id, interface))
        if take is None:
            raise UnknownPath
        message = _message(call, headers, (module, interface), (raw, query))
        judge_identity(message)
        judge_object(message)
        return await take(message)


def registration(cpo: LocalCpo) -> Registration:
    """What the local CPO says of itself, as every partner does in the handshake; there are no tokens."""
    details = encode_json({"name": cpo.name}).decode()
    return Registration(
        versions_url=VERSIONS_URL,
        name=cpo.name,
        roles={PartyRole(cpo.party, Role.CPO): details},
        endpoints={(module_id, interface.value): url_of(module_id, interface) for module_id, interface in OFFERED},
        inbound_hash=b"",
        outbound_sealed=b"",
        quirks=write_quirks(
            Quirks(links="rebuild")
        ),  # its pages are counted on: no Link of a partner leads to local addresses
    )


def url_of(module_id: str, interface: Interface) -> str:
    """The address of an interface of the local CPO."""
    return f"{DETAILS_URL}/{interface.value.lower()}/{module_id}"


def _versions() -> list[dict[str, str]]:
    return [{"version": VERSION, "url": DETAILS_URL}]


def _details(desks: Desks) -> dict[str, object]:
    endpoints = [
        {"identifier": module_id, "role": interface.value, "url": url_of(module_id, interface)}
        for module_id, interface in desks
    ]
    return {"version": VERSION, "endpoints": endpoints}


def _place(path: str) -> tuple[Module, Interface, tuple[str, ...]]:
    """Module, interface and raw segments below it. Raises UnknownPath."""
    interface, _, rest = path.removeprefix(f"{DETAILS_URL}/").partition("/")
    module_id, *raw = rest.rstrip("/").split("/")
    if interface.upper() not in Interface.__members__ or module_id not in MODULES:
        raise UnknownPath
    return MODULES[module_id], Interface(interface.upper()), tuple(raw)


def _message(
    call: Call, headers: Mapping[str, str], at: tuple[Module, Interface], asked: tuple[tuple[str, ...], str]
) -> Message:
    """A call as the message that it carries; `asked` are the raw segments and the raw query. Raises OcpiError."""
    (module, interface), (raw, query) = at, asked
    segments = tuple(map(unquote, raw))
    operation = module.find(interface, call.method, segments)
    sender = read_party(headers, "from")
    if sender is None:
        raise InvalidParameters("the OCPI-from headers are missing")
    body = call.body or b""
    return Message(
        module=module,
        interface=interface,
        operation=operation,
        keys=operation.keys_of(segments),
        suffix="/".join(raw),
        raw_query=query,
        query=dict(parse_qsl(query, keep_blank_values=True)),
        body=body,
        content=decode_body(operation, body),
        sender=sender,
        receiver=read_party(headers, "to"),
        request_id=headers.get("x-request-id", ""),
        correlation_id=headers.get("x-correlation-id", ""),
    )


def owns_tokens(directory: Directory, cpo: Party, owner: Party) -> bool:
    """Whether tokens of a party are good at local chargers now: it is there as an eMSP, and nobody has parted the two."""
    return bool(directory.roles(owner) & TOKENS.senders) and directory.permissions.allows(cpo, owner, TOKENS.id)
