"""Versions of profiles of parties as rows: proposed by one, activated by another, ended. What they say is kept as JSON text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.store.agreements import Window
from hub.store.direct import Connection, Direct, Record

VERSIONS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptProfile:
    """A version of a profile; the fields are those of `ProfileRow`."""

    party: str
    version: int
    content: str
    proposed_by: str
    proposed_at: datetime
    activated_by: str = ""
    activated_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str = ""


class ProfileTable:
    """The table of profiles."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def propose(self, kept: KeptProfile) -> bool:
        """Add a version; False where there is one of that number already."""
        values = [getattr(kept, name) for name in _COLUMNS]
        async with self._direct.transaction() as connection:
            return bool(await connection.fetch(_ADD, *values))

    async def of_party(self, party: str) -> list[KeptProfile]:
        """All versions of one party, the oldest first."""
        return _kept(await self._direct.fetch(f"{_SELECT} where party = $1 order by version", party))

    async def activated(self) -> list[KeptProfile]:
        """All versions that were ever activated. VERSIONS_MAX at most."""
        return _kept(await self._direct.fetch(_ACTIVATED, VERSIONS_MAX))

    async def page(self, party: str | None, after: tuple[str, int], most: int) -> list[KeptProfile]:
        """Versions by party and number, after one."""
        return _kept(await self._direct.fetch(_PAGE, party, *after, most))

    async def activate(self, kept: KeptProfile, window: Window, seen: int) -> bool:
        """Let a version count from now on, and have the CDRs in its window that are not billed examined again.

        `seen` is how many versions of the party were activated when it was judged; False where there are others now, or it is active.
        """
        async with self._direct.transaction() as connection:
            await connection.execute(_LOCK)
            (row,) = await connection.fetch(_COUNT, kept.party)
            if row["n"] != seen:
                return False
            changed = await connection.fetch(_ACTIVATE, kept.party, kept.version, kept.activated_by, kept.activated_at)
            return await _changed(connection, kept, (window, changed))

    async def end(self, kept: KeptProfile, window: Window) -> bool:
        """Let a version end, and have the CDRs from then on that are not billed examined again; False where it cannot end."""
        async with self._direct.transaction() as connection:
            await connection.execute(_LOCK)
            changed = await connection.fetch(_END, kept.party, kept.version, kept.ended_at, kept.ended_by)
            return await _changed(connection, kept, (window, changed))


async def _changed(connection: Connection, kept: KeptProfile, change: tuple[Window, Sequence[Record]]) -> bool:
    window, rows = change
    if rows:
        await connection.execute(_EXAMINE_AGAIN, kept.party, window.start, window.end)
    return bool(rows)


_COLUMNS = tuple(KeptProfile.__dataclass_fields__)
_SELECT = f"select {', '.join(_COLUMNS)} from profile"
_ADD = (
    f"insert into profile ({', '.join(_COLUMNS)}) values ({', '.join(f'${n}' for n, _ in enumerate(_COLUMNS, 1))}) "
    "on conflict (party, version) do nothing returning party"
)
_ACTIVATED = f"{_SELECT} where activated_at is not null order by party, version limit $1"
_PAGE = (
    f"{_SELECT} where ($1::text is null or party = $1) and (party, version) > ($2::text, $3::int) "
    "order by party, version limit $4"
)
_LOCK = "lock table profile in share row exclusive mode"  # two that overlap must not be activated side by side
_COUNT = "select count(*) as n from profile where party = $1 and activated_at is not null"
_ACTIVATE = (
    "update profile set activated_by = $3, activated_at = $4 where party = $1 and version = $2 and activated_at is null "
    "returning party"
)
_END = (
    "update profile set ended_at = $3, ended_by = $4 where party = $1 and version = $2 and activated_at is not null "
    "and ended_at is null returning party"
)

# those that wait already are touched too: who examines one meanwhile sees that it changed (`hub.store.verdicts`)
_EXAMINE_AGAIN = (
    "update claim set examined_at = null where (creditor = $1 or debtor = $1) and not exists ("
    "select 1 from verdict v where v.creditor = claim.creditor and v.cdr_key = claim.cdr_key and (v.statement is not null "
    "or v.starts_at < $2::timestamptz or v.starts_at >= $3::timestamptz))"
)


def _kept(rows: Sequence[Record]) -> list[KeptProfile]:
    return [KeptProfile(**dict(row)) for row in rows]
