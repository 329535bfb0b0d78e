"""Versions of agreements as rows: proposed by one, activated by another, ended. What they say is kept as JSON text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.store.direct import Connection, Direct, Record

VERSIONS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAgreement:
    """A version of an agreement; the fields are those of `AgreementRow`."""

    id: str
    version: int
    creditor: str
    debtor: str
    content: str
    proposed_by: str
    proposed_at: datetime
    activated_by: str = ""
    activated_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str = ""

    @property
    def pair(self) -> tuple[str, str]:
        """Creditor and debtor."""
        return (self.creditor, self.debtor)


@dataclass(frozen=True, slots=True)
class Window:
    """Charges that begin in [start, end), UTC; None is without end."""

    start: datetime | None
    end: datetime | None


class AgreementBook:
    """The table of agreements."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def propose(self, kept: KeptAgreement) -> bool:
        """Add a version; False where there is one of that number already."""
        values = [getattr(kept, name) for name in _COLUMNS]
        async with self._direct.transaction() as connection:
            return bool(await connection.fetch(_ADD, *values))

    async def of_id(self, agreement_id: str) -> list[KeptAgreement]:
        """All versions of one, the oldest first."""
        return _kept(await self._direct.fetch(f"{_SELECT} where id = $1 order by version", agreement_id))

    async def of_pair(self, creditor: str, debtor: str) -> list[KeptAgreement]:
        """All versions between two parties that were ever activated."""
        return _kept(
            await self._direct.fetch(
                f"{_SELECT} where creditor = $1 and debtor = $2 and activated_at is not null order by id, version",
                creditor,
                debtor,
            )
        )

    async def activated(self) -> list[KeptAgreement]:
        """All versions that were ever activated: those that ended still hold for older charges. VERSIONS_MAX at most."""
        return _kept(await self._direct.fetch(_ACTIVATED, VERSIONS_MAX))

    async def page(
        self, parties: tuple[str | None, str | None], after: tuple[str, int], most: int
    ) -> list[KeptAgreement]:
        """Versions by id and number, after one, of a creditor and a debtor where they are given."""
        return _kept(await self._direct.fetch(_PAGE, *parties, *after, most))

    async def activate(self, kept: KeptAgreement, window: Window, seen: int) -> bool:
        """Let a version count from now on, and have the CDRs in its window that are not billed examined again.

        `seen` is how many versions of the pair were activated when it was judged; False where there are others now, or it is active.
        """
        async with self._direct.transaction() as connection:
            await connection.execute(_LOCK)
            (row,) = await connection.fetch(_COUNT, *kept.pair)
            if row["n"] != seen:
                return False
            changed = await connection.fetch(_ACTIVATE, kept.id, kept.version, kept.activated_by, kept.activated_at)
            if changed:
                await _examine_again(connection, kept, window)
            return bool(changed)

    async def end(self, kept: KeptAgreement, window: Window) -> bool:
        """Let a version end, and have the CDRs from then on that are not billed examined again; False where it cannot end."""
        async with self._direct.transaction() as connection:
            await connection.execute(_LOCK)
            changed = await connection.fetch(_END, kept.id, kept.version, kept.ended_at, kept.ended_by)
            if changed:
                await _examine_again(connection, kept, window)
            return bool(changed)


async def _examine_again(connection: Connection, kept: KeptAgreement, window: Window) -> None:
    await connection.execute(_EXAMINE_AGAIN, *kept.pair, window.start, window.end)


_COLUMNS = tuple(KeptAgreement.__dataclass_fields__)
_SELECT = f"select {', '.join(_COLUMNS)} from agreement"

_ADD = (
    f"insert into agreement ({', '.join(_COLUMNS)}) values ({', '.join(f'${n}' for n, _ in enumerate(_COLUMNS, 1))}) "
    "on conflict (id, version) do nothing returning id"
)
_ACTIVATED = f"{_SELECT} where activated_at is not null order by id, version limit $1"
_PAGE = (
    f"{_SELECT} where ($1::text is null or creditor = $1) and ($2::text is null or debtor = $2) "
    "and (id, version) > ($3::text, $4::int) order by id, version limit $5"
)
_LOCK = "lock table agreement in share row exclusive mode"  # two that overlap must not be activated side by side
_COUNT = "select count(*) as n from agreement where creditor = $1 and debtor = $2 and activated_at is not null"
_ACTIVATE = (
    "update agreement set activated_by = $3, activated_at = $4 where id = $1 and version = $2 and activated_at is null "
    "returning id"
)
_END = (
    "update agreement set ended_at = $3, ended_by = $4 where id = $1 and version = $2 and activated_at is not null "
    "and ended_at is null returning id"
)

# those that wait already are touched too: who examines one meanwhile sees that it changed (`hub.store.verdicts`)
_EXAMINE_AGAIN = (
    "update claim set examined_at = null where creditor = $1 and debtor = $2 and not exists ("
    "select 1 from verdict v where v.creditor = claim.creditor and v.cdr_key = claim.cdr_key and (v.statement is not null "
    "or v.starts_at < $3::timestamptz or v.starts_at >= $4::timestamptz))"
)


def _kept(rows: Sequence[Record]) -> list[KeptAgreement]:
    return [KeptAgreement(**dict(row)) for row in rows]
