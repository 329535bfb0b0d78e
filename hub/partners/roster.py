"""Who fills the directory: the partner tables, read into one frozen picture whenever something changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from hub.clock import Clock
from hub.partners.directory import Directory, Member, Partner, Presence
from hub.partners.permissions import Permissions, Rule
from hub.partners.quirks import read_quirks
from hub.store.partners import JOINED, LEFT, Partners, Rows
from hub.store.permissions import PermissionRules
from hub.store.secrets import Safe
from hub.store.tables import PartnerRow, PartyRow, PermissionRow
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party, Role

LOOK_EVERY_SECONDS = 0.5
READ_EVERY_SECONDS = 10.0
READ_UNTOLD_EVERY_SECONDS = 1.0  # while other processes cannot tell what they changed

Listener = Callable[[Directory, Directory], None]
Tables = tuple[Partners, PermissionRules]

_log = structlog.get_logger()


class Roster:
    """Holds the current picture; `refresh` replaces it and tells the listeners what it was before and is now."""

    def __init__(self, tables: Tables, safe: Safe, hub: Party, clock: Clock) -> None:
        self._partners, self._rules = tables
        self._safe = safe
        self._clock = clock
        self._reading = asyncio.Lock()
        self._is_outdated = False
        self._catching_up: asyncio.Task[None] | None = None
        self._tell: Callable[[], Awaitable[None]] | None = None
        self._read_every_seconds = READ_EVERY_SECONDS
        self._listeners: list[Listener] = []
        self.directory = Directory(hub)
        self.read_at = clock.now()

    def listen(self, listener: Listener) -> None:
        """Call `listener(before, now)` after each refresh."""
        self._listeners.append(listener)

    def tell_changes(self, tell: Callable[[], Awaitable[None]]) -> None:
        """Await `tell()` whenever this process changed the tables: other processes have to read them again. It takes a bounded time."""
        self._tell = tell

    def hears_of_changes(self, does: bool) -> None:
        """Whether other processes can tell what they change; while they cannot, the tables are read more often."""
        self._read_every_seconds = READ_EVERY_SECONDS if does else READ_UNTOLD_EVERY_SECONDS

    async def refresh(self) -> Directory:
        """Read the tables after they were changed here; when this returns, other processes have read them too (or are out of reach)."""
        directory = await self.reread()
        if self._tell is not None:
            await self._tell()
        return directory

    async def catch_up(self) -> None:
        """Another process changed the tables and waits until they have been read here."""
        self.changed_elsewhere()
        if self._catching_up is not None:
            await asyncio.shield(self._catching_up)

    def changed_elsewhere(self) -> None:
        """Another process changed the tables: they are read at once, and once more if that is said again meanwhile."""
        self._is_outdated = True
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.create_task(self._catch_up())

    async def close(self) -> None:
        """Read nothing more on behalf of others."""
        if self._catching_up is not None:
            self._catching_up.cancel()
            await asyncio.gather(self._catching_up, return_exceptions=True)

    async def _catch_up(self) -> None:
        while self._is_outdated:
            self._is_outdated = False
            if not await self._reread_or_wait():
                self._is_outdated = True
                return

    async def reread(self) -> Directory:
        """Read the tables, which another process may have changed; one at a time, so that an older picture never replaces a newer one."""
        async with self._reading:
            return await self._read()

    async def _read(self) -> Directory:
        before, rows = self.directory, await self._partners.load()
        self.read_at = self._clock.now()
        permissions = read_permissions(await self._rules.load(), self.read_at)
        self.directory = replace(read_directory(rows, self._safe, before.hub), permissions=permissions)
        for listener in self._listeners:
            listener(before, self.directory)
        return self.directory

    async def keep_dates(self) -> None:
        """Read the tables again whenever a rule begins or ends, and from time to time for what others wrote; until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            now, due = self._clock.now(), self.directory.permissions.next_change
            is_old = now - self.read_at >= timedelta(seconds=self._read_every_seconds)
            if self._is_outdated:
                self.changed_elsewhere()
            elif is_old or (due is not None and due <= now):
                await self._reread_or_wait()

    async def _reread_or_wait(self) -> bool:
        try:
            await asyncio.shield(self.reread())  # a connection that is just being made would be lost
        except Exception as exc:  # the database is away: the next look tries again
            _log.warning("directory_not_read", error=type(exc).__name__)
            return False
        return True


def read_directory(rows: Rows, safe: Safe, hub: Party) -> Directory:
    """The picture that the rows show."""
    endpoints: dict[int, dict[tuple[str, Interface], str]] = {}
    for row in rows.endpoints:
        endpoints.setdefault(row.partner_id, {})[(row.module_id, Interface(row.interface))] = row.url
    partners = {
        row.id: _partner(row, safe, endpoints.get(row.id, {}))
        for row in rows.partners
        if row.id is not None and row.state != LEFT
    }
    return Directory(hub, partners, tuple(_member(row) for row in rows.parties))


def read_permissions(rows: Sequence[PermissionRow], now: datetime) -> Permissions:
    """The rules as they stand now."""
    return Permissions(tuple(_rule(row) for row in rows), now) if rows else Permissions()


def _rule(row: PermissionRow) -> Rule:
    assert row.id is not None
    one, other = (Party.parse(name) if name else None for name in (row.one, row.other))
    return Rule(row.id, one, other, row.module or None, row.is_allowed, row.starts_at, row.ends_at)


def _partner(row: PartnerRow, safe: Safe, endpoints: dict[tuple[str, Interface], str]) -> Partner:
    assert row.id is not None
    token = safe.open(row.token_sealed) if row.token_sealed else ""
    quirks = read_quirks(row.quirks)
    added = {(entry.identifier, entry.role): entry.url for entry in quirks.endpoints}
    return Partner(
        id=row.id,
        name=row.name,
        versions_url=row.versions_url,
        is_joined=row.state == JOINED,
        token_hash=row.token_hash or b"",
        token=token,
        endpoints=endpoints | added,
        quirks=quirks,
        is_examined=row.report is not None,
    )


def _member(row: PartyRow) -> Member:
    party = Party(row.country_code, row.party_id)
    return Member(party, Role(row.role), row.name, Presence(row.status), row.last_updated, row.partner_id)
