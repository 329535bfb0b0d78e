"""What a partner finds who names the local CPO in a request: its lists and objects, and a receiver for tokens that are meant for it alone.

The hub keeps copies of what the local CPO said, as of what every CPO said; these are what it says of itself. Sessions and CDRs are shown
to the eMSP of their token (checklist G-03).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hub.chargers.localparty import Desks
from hub.partners.directory import Directory
from hub.routing.paging import Paging
from hub.store.changes import not_there
from hub.store.copies import Copies, Copy, PageQuery
from ocpi_modules.cdrs import CDRS
from ocpi_modules.locations import LOCATIONS
from ocpi_modules.message import Message, Reply
from ocpi_modules.module import Interface, LookFor, Purpose
from ocpi_modules.parties import Party
from ocpi_modules.patch import find_part
from ocpi_modules.sessions import SESSIONS, ChargingPreferencesResponse
from ocpi_modules.tariffs import TARIFFS
from ocpi_modules.tokens import TOKENS
from ocpi_modules.types import decode_json, encode_json

LISTED = (LOCATIONS, TARIFFS, SESSIONS, CDRS)

Prefer = Callable[[Message], Awaitable[ChargingPreferencesResponse]]
"""Takes the charging preferences of a driver for a session (mod_sessions, "ChargingPreferences"). Raises OcpiError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPorts:
    """What lists are read with."""

    copies: Copies
    paging: Paging
    directory: Callable[[], Directory]


class ListDesk:
    """Answers for the SENDER interfaces of the local CPO, and takes tokens (`hub.chargers.localparty.Take`)."""

    def __init__(self, ports: ListPorts, cpo: Party, prefer: Prefer) -> None:
        self._ports, self._cpo, self._prefer = ports, cpo, prefer

    @property
    def desks(self) -> Desks:
        """Who answers, by module and interface."""
        listed = {(module.id, Interface.SENDER): self.take for module in LISTED}
        return {**listed, (TOKENS.id, Interface.RECEIVER): self.take_token}

    async def take(self, message: Message) -> Reply:
        """A page, an object or a part of one; the answer to charging preferences. Raises the module's 404 for what is not there."""
        if message.purpose is Purpose.LIST:
            return await self._page(message)
        if message.purpose is Purpose.ACT:
            return await self._preferred(message)
        return _shown(message, await self._object(message))

    async def take_token(self, message: Message) -> Reply:
        """A token that is meant for local chargers alone: the hub keeps what is accepted here, for them alone."""
        if message.purpose is Purpose.REPLACE:
            return Reply()
        owner = message.owner
        assert owner is not None, "the URL of a token names its owner"
        look = LookFor(TOKENS.id, message.object_keys[0], message.variant)
        query = PageQuery(module=TOKENS, reader=self._cpo, sees_shared=True)
        found = _shown(message, (await self._ports.copies.visible(query, look)).get(owner))
        return found if message.purpose is Purpose.READ else Reply()

    async def _page(self, message: Message) -> Reply:
        window = self._ports.paging.read(message.query)
        reader, closed = self._seen_by(message)
        query = PageQuery(
            module=message.module,
            reader=reader,
            sees_shared=False,
            date_from=window.date_from,
            date_to=window.date_to,
            offset=window.offset,
            limit=window.limit,
            closed=closed,
        )
        page = await self._ports.copies.page(query)
        headers = {"X-Total-Count": str(page.total), "X-Limit": str(window.limit)}
        return Reply(data=b"[" + b",".join(page.texts) + b"]", headers=headers)

    async def _object(self, message: Message) -> Copy | None:
        reader, closed = self._seen_by(message)
        query = PageQuery(module=message.module, reader=reader, sees_shared=False, closed=closed)
        look = LookFor(message.module.id, message.object_keys[0], message.variant)
        return (await self._ports.copies.visible(query, look)).get(self._cpo)

    def _seen_by(self, message: Message) -> tuple[Party, frozenset[Party]]:
        """As whom the copies are read, and of whom nothing is shown: what is for everybody as its owner sees it, the rest as its eMSP."""
        if not message.module.is_addressed:
            return self._cpo, frozenset()
        others = {member.party for member in self._ports.directory().members} - {self._cpo}
        return message.sender, frozenset(others)

    async def _preferred(self, message: Message) -> Reply:
        reader, closed = self._seen_by(message)
        query = PageQuery(module=SESSIONS, reader=reader, sees_shared=False, closed=closed)
        found = await self._ports.copies.visible(query, LookFor(SESSIONS.id, message.keys[0]))
        if self._cpo not in found:
            raise not_there(SESSIONS, message.keys)
        return Reply(data=encode_json((await self._prefer(message)).value))


def _shown(message: Message, copy: Copy | None) -> Reply:
    if copy is None:
        raise not_there(message.module, message.object_keys)
    if message.depth == 0:
        return Reply(data=copy.text)
    part = find_part(message.module, decode_json(copy.text), message.object_keys[1:])
    if part is None:
        raise not_there(message.module, message.object_keys)
    return Reply(data=encode_json(part))
