"""Carries out routes: choose, keep, act, answer. No transaction is ever held over a call to a partner."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import structlog

from hub.partners.directory import Directory, Partner
from hub.routing.forwarder import Forwarder
from hub.routing.keeper import Keeper
from hub.routing.paging import Paging
from hub.routing.ports import Ports
from hub.routing.reader import Reader
from hub.routing.routes import Broadcast, Deliver, Forward, FromCopies, choose_route, question, require_owner
from hub.routing.witness import Witness
from hub.store.changes import not_there
from hub.store.refusals import Refusal
from ocpi_modules.errors import InvalidParameters, OcpiError
from ocpi_modules.message import Message, Reply, judge_identity
from ocpi_modules.module import Purpose
from ocpi_modules.parties import Party

_log = structlog.get_logger()


class Router:
    """Handles one message at a time; everything it needs is handed in."""

    def __init__(self, ports: Ports, public_url: str, paging: Paging) -> None:
        self._ports = ports
        base_url = f"{public_url.rstrip('/')}/ocpi/2.2.1"
        self._reader, self._keeper = Reader(ports, base_url, paging), Keeper(ports, base_url)
        self._forwarder = Forwarder(ports, base_url, (self._reader, self._keeper))
        self._witness = Witness(ports.permits, ports.clock)

    @property
    def _directory(self) -> Directory:
        return self._ports.roster.directory

    async def handle(self, message: Message, caller: Partner) -> Reply:
        """The reply to a message of a caller. Raises OcpiError for every refusal; of a CDR that is refused the bytes are kept."""
        asked_at = self._ports.clock.now()
        try:
            reply = await self._handle(message, caller)
        except OcpiError as refused:
            if message.module.is_final and message.purpose is Purpose.ADD:
                await self._keep_refused(message, caller, refused)
            self._witness.authorised(message, refused, asked_at)
            raise
        self._witness.authorised(message, reply, asked_at)
        return reply

    async def _keep_refused(self, message: Message, caller: Partner, refused: OcpiError) -> None:
        refusal = Refusal(
            caller=caller.name,
            owner=message.owner,
            object_id=next(iter(message.object_keys), ""),
            receiver=message.receiver,
            text=message.body,
            status_code=refused.status_code,
            answer=refused.message,
        )
        try:
            await self._ports.refusals.keep(refusal, self._ports.clock.now())
        except Exception as exc:  # the caller is refused in any case
            _log.warning("refused_cdr_not_kept", caller=caller.name, error=type(exc).__name__)

    async def _handle(self, message: Message, caller: Partner) -> Reply:
        judge_identity(message)
        require_owner(message, self._directory, self._directory.parties_of(caller))
        if self._is_remote_cdr(message):
            return await self._forwarder.read_remote(message, caller)
        if message.purpose is Purpose.RESULT:
            return await self._forwarder.take_result(message, caller)
        route = choose_route(message, self._directory, await self._found(message))
        match route:
            case Forward():
                return await self._forwarder.forward(message, route, caller)
            case Broadcast():
                return await self._keeper.broadcast(message, route, caller)
            case Deliver():
                return await self._keeper.deliver(message, route, caller)
            case FromCopies():
                reply = await self._reader.from_copies(message)
                return replace(reply, sender=self._directory.hub, receiver=message.sender)

    async def take_pulled(self, message: Message, partner: Partner) -> None:
        """Keep an object that the hub asked a partner for, and tell others what is new, as if it had been pushed. Raises OcpiError."""
        judge_identity(message)
        require_owner(message, self._directory, self._directory.parties_of(partner))
        route = choose_route(message, self._directory, await self._found(message))
        if isinstance(route, Broadcast):
            if await self._is_private(message):
                return  # what was pushed to one party is not for everybody, though its owner lists it
            await self._keeper.broadcast(message, route, partner, is_pulled=True)
        elif isinstance(route, Deliver):
            await self._keeper.deliver(message, route, partner, is_pulled=True)

    async def _is_private(self, message: Message) -> bool:
        owner = message.owner
        assert owner is not None
        key, variant = message.object_keys[0], message.variant
        return await self._ports.copies.is_private(message.module, owner, key, variant)

    async def follow(self, sealed: str, message: Message, caller: Partner) -> Reply:
        """The next page behind one of our own Links. Raises OcpiError."""
        return await self._forwarder.follow(sealed, message, caller)

    async def _found(self, message: Message) -> Collection[Party]:
        if message.purpose.is_push and message.module.is_addressed:
            return await self._addressees(message)
        look = question(message, self._directory.hub)
        owners = await self._ports.copies.owners(look) if look else frozenset[Party]()
        permissions, module_id = self._directory.permissions, message.module.id
        return [owner for owner in owners if permissions.allows(message.sender, owner, module_id)]

    async def _addressees(self, message: Message) -> Collection[Party]:
        named = message.token_party
        if named is not None:
            return (named,)
        if message.receiver not in {None, self._directory.hub}:
            return ()
        if message.purpose is not Purpose.UPDATE:
            raise InvalidParameters("cdr_token does not name an eMSP")
        copy = await self._reader.owned(message)
        if copy is None and message.receiver is None:
            return ()
        if copy is None:
            raise not_there(message.module, message.object_keys)
        return (copy.addressee,) if copy.addressee else ()

    def _is_remote_cdr(self, message: Message) -> bool:
        return message.module.is_final and message.purpose is Purpose.READ and message.receiver != self._directory.hub
