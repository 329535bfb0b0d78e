"""What owners said of tokens and tariffs over time: `since` when it is true by their own date, and when the hub learned it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.store.direct import Direct, Record
from hub.store.pack import unpack
from ocpi_modules.parties import Party


@dataclass(frozen=True, slots=True)
class Said:
    """One version of an object: its JSON text, None where its owner took it away. `audience` is the one party it was said to, or None."""

    owner: Party
    key: str
    variant: str
    audience: Party | None
    since: datetime
    known_at: datetime
    text: bytes | None


class VersionHistory:
    """Reads versions; the copies write them (`hub.store.copies`)."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def of_keys(self, module_id: str, keys: Collection[str]) -> list[Said]:
        """All versions of the objects with these folded ids, whoever owns them, in the order in which they became known."""
        rows = await self._direct.fetch(
            f"{_SELECT} where module = $1 and key = any($2::text[]) {_ORDER}", module_id, list(keys)
        )
        return [*map(_said, rows)]

    async def of_owners(self, module_id: str, owners: Collection[Party]) -> list[Said]:
        """All versions of the objects of these owners, in the order in which they became known."""
        names = [str(owner) for owner in owners]
        statement = f"{_SELECT} where module = $1 and country_code || '/' || party_id = any($2::text[]) {_ORDER}"
        return [*map(_said, await self._direct.fetch(statement, module_id, names))]

    async def owners(self, module_id: str) -> Sequence[Party]:
        """Who ever said anything of a module."""
        rows = await self._direct.fetch(_OWNERS, module_id)
        return [Party(row["country_code"], row["party_id"]) for row in rows]


_SELECT = "select country_code, party_id, key, variant, audience, since, known_at, packed from version"
_ORDER = "order by known_at, id"
_OWNERS = "select distinct country_code, party_id from version where module = $1 order by 1, 2"


def _said(row: Record) -> Said:
    return Said(
        owner=Party(row["country_code"], row["party_id"]),
        key=row["key"],
        variant=row["variant"],
        audience=Party.parse(row["audience"]) if row["audience"] else None,
        since=row["since"],
        known_at=row["known_at"],
        text=None if row["packed"] is None else unpack(row["packed"]),
    )
