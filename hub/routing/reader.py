"""What is answered from the copies: pages, and single objects."""

from __future__ import annotations

from hub.partners.directory import Directory
from hub.routing.paging import Paging, Window, cursor_headers
from hub.routing.ports import Ports
from hub.store.changes import not_there
from hub.store.copies import Copy, PageQuery
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.message import Message, Reply
from ocpi_modules.module import Interface, LookFor, Module, Purpose
from ocpi_modules.parties import Role
from ocpi_modules.patch import find_part
from ocpi_modules.types import decode_json, encode_json


class Reader:
    """Answers from the copies."""

    def __init__(self, ports: Ports, base_url: str, paging: Paging) -> None:
        self._ports, self._base, self._paging = ports, base_url, paging

    @property
    def _directory(self) -> Directory:
        return self._ports.roster.directory

    async def from_copies(self, message: Message) -> Reply:
        """A page, an object, or a part of one. Raises the module's 404 for what is not there."""
        if message.purpose is Purpose.LIST:
            return await self._page(message)
        copy = await (self.owned(message) if message.interface is Interface.RECEIVER else self._seen_by_id(message))
        if copy is None:
            raise not_there(message.module, message.object_keys)
        if message.depth == 0:
            return Reply(data=copy.text)
        part = find_part(message.module, decode_json(copy.text), message.object_keys[1:])
        if part is None:
            raise not_there(message.module, message.object_keys)
        return Reply(data=encode_json(part))

    async def owned(self, message: Message) -> Copy | None:
        """The owner's object that a message is about, as the hub keeps it for everybody or its addressee."""
        owner = message.owner
        assert owner is not None
        return await self._ports.copies.owned(message.module, owner, message.object_keys[0], message.variant)

    async def _seen_by_id(self, message: Message) -> Copy | None:
        look = LookFor(message.module.id, message.object_keys[0], message.variant)
        found = await self._ports.copies.visible(self._page_query(message, self._paging.read(message.query)), look)
        if len(found) > 1:
            raise InvalidParameters("more than one owner has an object with this id; name the owner as receiver")
        return next(iter(found.values()), None)

    async def _page(self, message: Message) -> Reply:
        window = self._paging.read(message.query)
        page = await self._ports.copies.page(self._page_query(message, window))
        headers = cursor_headers(
            f"{self._base}/sender/{message.module.id}", message.query, window, (page.total, page.last)
        )
        return Reply(data=b"[" + b",".join(page.texts) + b"]", headers=headers)

    def _page_query(self, message: Message, window: Window) -> PageQuery:
        return PageQuery(
            module=message.module,
            reader=message.sender,
            sees_shared=sees_shared(message.module, self._directory.roles(message.sender)),
            date_from=window.date_from,
            date_to=window.date_to,
            offset=window.skipped,
            after=window.cursor,
            limit=window.limit,
            closed=self._directory.closed_to(message.sender, message.module),
        )


def sees_shared(module: Module, roles: frozenset[Role]) -> bool:
    """Whether a party in these roles reads what is meant for everybody: always, but tokens only those who charge cars (G-04)."""
    return bool(roles & module.receivers) or (Role.EMSP in module.receivers and bool(roles & module.senders))
