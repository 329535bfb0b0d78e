"""What the local CPO says: messages through the hub's own routing, from a partner like any other.

`Voice` is the `Outlet` of those who publish; the rest is what a CPO asks eMSPs for and what it owes them (mod_tokens, mod_commands,
mod_charging_profiles). Pushes go to the hub: objects for everybody are broadcast, sessions and CDRs go to the eMSP of their token, and CDRs
stay due until it has them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from hub.chargers.overheard import Overheard
from hub.partners.directory import Partner
from hub.partners.roster import Roster
from ocpi_modules.chargingprofiles import CHARGINGPROFILES
from ocpi_modules.errors import InvalidParameters, OcpiError, ReceiverNotConnected
from ocpi_modules.message import Message, Reply, refusal
from ocpi_modules.module import Interface, Module, Operation, Purpose
from ocpi_modules.parties import Party
from ocpi_modules.tokens import TOKENS
from ocpi_modules.types import decode_json, encode_json

Content = Mapping[str, Any]


class Routing(Protocol):
    """Handles messages (`hub.routing.router.Router`)."""

    async def handle(self, message: Message, caller: Partner) -> Reply:
        """The reply to a message of a caller. Raises OcpiError."""
        ...


class Voice:
    """Speaks as the local CPO; a party that is not joined, or suspended, has no voice: ReceiverNotConnected (4003)."""

    def __init__(
        self,
        party: Party,
        routing: Routing,
        roster: Roster,
        new_id: Callable[[], str],
        overheard: Overheard,
    ) -> None:
        self._party, self._routing, self._roster, self._new_id = party, routing, roster, new_id
        self._overheard = overheard

    @property
    def party(self) -> Party:
        """The local CPO."""
        return self._party

    async def push(self, module: Module, purpose: Purpose, ids: tuple[str, ...], content: Content) -> Reply:
        """Push an object or a part of it to whom it concerns; `ids` are those below the owner. Raises OcpiError where it is refused."""
        operation = next((one for one in module.receiver if one.purpose is purpose), None)
        if operation is None:
            raise InvalidParameters(f"{module.id} have no {purpose.value}")
        owner = (self._party.country_code, self._party.party_id)
        segments = (*owner, *ids) if operation.is_owned else ()
        said = _Saying(
            module=module,
            interface=Interface.RECEIVER,
            operation=operation,
            segments=segments,
            content=content,
            receiver=self._roster.directory.hub,
        )
        return await self._say(said)

    async def authorize(self, emsp: Party, token: tuple[str, str], place: Content | None) -> Reply:
        """Ask an eMSP whether a token (uid and type) may charge, at LocationReferences. Raises OcpiError (mod_tokens, "POST Method")."""
        uid, kind = token
        said = _sender(TOKENS, "POST", (uid, "authorize"), place)
        return await self._say(replace(said, receiver=emsp, query=urlencode({"type": kind})))

    async def result(self, module: Module, response_url: str, content: Content) -> Reply:
        """The result of a command or charging profile, to the address at the hub that came with it. Raises OcpiError."""
        callback = urlsplit(response_url).path.rstrip("/").rpartition("/")[2]
        return await self._say(_sender(module, "POST", (callback,), content))

    async def tell_profile(self, receiver: Party, session_id: str, content: Content) -> Reply:
        """The ActiveChargingProfile of a session has changed: to whoever set a profile. Raises OcpiError."""
        said = _sender(CHARGINGPROFILES, "PUT", (session_id,), content)
        return await self._say(replace(said, receiver=receiver))

    async def _say(self, said: _Saying) -> Reply:
        directory = self._roster.directory
        caller = directory.partner_of(self._party) or directory.partner_behind(self._party)
        if caller is None or not caller.is_local:
            raise ReceiverNotConnected(f"{self._party} is not connected")
        ids = (self._new_id(), self._new_id())
        message, started = _message(said, self._party, ids), time.perf_counter()
        reply: Reply | None = None
        try:
            reply = await self._routing.handle(message, caller)
        except OcpiError as refused:
            reply = refusal(refused)
            raise
        finally:
            self._overheard.take(message, caller.id, reply, started)
        return reply


@dataclass(frozen=True, slots=True, kw_only=True)
class _Saying:
    """A message before it has a sender and ids; `segments` are those below the endpoint, not encoded."""

    module: Module
    interface: Interface
    operation: Operation
    segments: tuple[str, ...]
    content: Content | None
    receiver: Party | None
    query: str = ""


def _sender(module: Module, method: str, segments: tuple[str, ...], content: Content | None) -> _Saying:
    """What is said to a SENDER interface, to nobody by name."""
    operation = module.find(Interface.SENDER, method, segments)
    return _Saying(
        module=module,
        interface=Interface.SENDER,
        operation=operation,
        segments=segments,
        content=content,
        receiver=None,
    )


def _message(said: _Saying, sender: Party, ids: tuple[str, str]) -> Message:
    body = encode_json(said.content) if said.content is not None and said.operation.has_body else b""
    return Message(
        module=said.module,
        interface=said.interface,
        operation=said.operation,
        keys=said.operation.keys_of(said.segments),
        suffix="/".join(quote(segment, safe="") for segment in said.segments),
        raw_query=said.query,
        query=dict(parse_qsl(said.query)),
        body=body,
        content=decode_json(body) if body else None,
        sender=sender,
        receiver=said.receiver,
        request_id=ids[0],
        correlation_id=ids[1],
    )
