"""What eMSPs say that they hold, by eMSP and period. The last one counts; it replaces the one before as a whole."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from hub.store.direct import Connection, Direct
from hub.store.pack import pack, unpack

Held = tuple[str, str]
"""Owner (empty where it is not said) and folded id of a CDR."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptView:
    """A view without its content: of the CDRs that ended in [starts_at, ends_at), UTC; `digest` is the SHA-256 of its content."""

    emsp: str
    period: str
    starts_at: datetime
    ends_at: datetime
    digest: bytes = field(repr=False)
    cdrs: int
    given_by: str
    given_at: datetime


class EmspViews:
    """The table of views. What they change is examined again, but for what is billed."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def put(self, kept: KeptView, content: bytes) -> None:
        """Keep a view in the place of the one before."""
        values = [getattr(kept, name) for name in _COLUMNS]
        async with self._direct.transaction() as connection:
            await connection.execute(_PUT, *values, pack(content))
            await _examine_again(connection, kept)

    async def take(self, emsp: str, period: str) -> bool:
        """Forget a view; False where there is none."""
        async with self._direct.transaction() as connection:
            rows = await connection.fetch(
                f"delete from emsp_view where emsp = $1 and period = $2 returning {_ALL}", emsp, period
            )
            for row in rows:
                await _examine_again(connection, KeptView(**dict(row)))
            return bool(rows)

    async def of_emsps(self, emsps: Collection[str]) -> list[KeptView]:
        """The views of some eMSPs, by eMSP and period."""
        statement = f"select {_ALL} from emsp_view where emsp = any($1::text[]) order by emsp, period"
        return [KeptView(**dict(row)) for row in await self._direct.fetch(statement, sorted(emsps))]

    async def of_period(self, period: str) -> list[KeptView]:
        """The views of a period, by eMSP."""
        statement = f"select {_ALL} from emsp_view where period = $1 order by emsp"
        return [KeptView(**dict(row)) for row in await self._direct.fetch(statement, period)]

    async def page(self, asked: tuple[str | None, str | None], after: tuple[str, str], most: int) -> list[KeptView]:
        """Views by eMSP and period, of an eMSP and a period where they are given, after one."""
        return [KeptView(**dict(row)) for row in await self._direct.fetch(_PAGE, *asked, *after, most)]

    async def content(self, emsp: str, period: str) -> bytes | None:
        """What a view says; None where there is none."""
        rows = await self._direct.fetch("select packed from emsp_view where emsp = $1 and period = $2", emsp, period)
        return unpack(rows[0]["packed"]) if rows else None

    async def unknown(self, emsp: str, held: Sequence[Held]) -> set[Held]:
        """Those of some CDRs that never came to an eMSP through the hub."""
        columns = [name[0] for name in held], [name[1] for name in held]
        rows = await self._direct.fetch(_UNKNOWN, *columns, emsp)
        return {(row["owner"], row["key"]) for row in rows}


def digest_of(content: bytes) -> bytes:
    """What names the content of a view."""
    return sha256(content).digest()


async def _examine_again(connection: Connection, view: KeptView) -> None:
    await connection.execute(_EXAMINE_AGAIN, view.emsp, view.starts_at, view.ends_at)


_COLUMNS = tuple(KeptView.__dataclass_fields__)
_ALL = ", ".join(_COLUMNS)
_PUT = (
    f"insert into emsp_view ({_ALL}, packed) values ({', '.join(f'${n}' for n in range(1, len(_COLUMNS) + 2))}) "
    "on conflict (emsp, period) do update set "
    + ", ".join(f"{name} = excluded.{name}" for name in (*_COLUMNS[2:], "packed"))
)
_PAGE = (
    f"select {_ALL} from emsp_view where ($1::text is null or emsp = $1) and ($2::text is null or period = $2) "
    "and (emsp, period) > ($3::text, $4::text) order by emsp, period limit $5"
)
_UNKNOWN = (
    "select k.owner, k.key from unnest($1::text[], $2::text[]) k(owner, key) where not exists ("
    "select 1 from claim c where c.cdr_key = k.key and c.debtor = $3 and (k.owner = '' or c.creditor = k.owner))"
)

# a credit counts when it came; those that wait already are touched too (`hub.store.verdicts`)
_EXAMINE_AGAIN = (
    "update claim set examined_at = null where debtor = $1 and ("
    "(not is_credit and end_date_time >= $2 and end_date_time < $3) or (is_credit and accepted_at >= $2 and accepted_at < $3)) "
    "and not exists (select 1 from verdict v where v.creditor = claim.creditor and v.cdr_key = claim.cdr_key "
    "and v.statement is not null)"
)
