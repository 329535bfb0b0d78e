"""Who fills the directory: the partner tables, read into one frozen picture whenever something changed."""

from __future__ import annotations

from collections.abc import Callable

from hub.partners.directory import Directory, Member, Partner, Presence
from hub.store.partners import JOINED, LEFT, Partners, Rows
from hub.store.secrets import Safe
from hub.store.tables import PartnerRow, PartyRow
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party, Role

Listener = Callable[[Directory, Directory], None]


class Roster:
    """Holds the current picture; `refresh` replaces it and tells the listeners what it was before and is now."""

    def __init__(self, partners: Partners, safe: Safe, hub: Party) -> None:
        self._partners = partners
        self._safe = safe
        self._listeners: list[Listener] = []
        self.directory = Directory(hub)

    def listen(self, listener: Listener) -> None:
        """Call `listener(before, now)` after each refresh."""
        self._listeners.append(listener)

    async def refresh(self) -> Directory:
        """Read the tables again."""
        before, rows = self.directory, await self._partners.load()
        self.directory = read_directory(rows, self._safe, before.hub)
        for listener in self._listeners:
            listener(before, self.directory)
        return self.directory


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


def _partner(row: PartnerRow, safe: Safe, endpoints: dict[tuple[str, Interface], str]) -> Partner:
    assert row.id is not None
    token = safe.open(row.token_sealed) if row.token_sealed else ""
    return Partner(row.id, row.name, row.versions_url, row.state == JOINED, row.token_hash or b"", token, endpoints)


def _member(row: PartyRow) -> Member:
    party = Party(row.country_code, row.party_id)
    return Member(party, Role(row.role), row.name, Presence(row.status), row.last_updated, row.partner_id)
