"""Settlement periods as rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.store.direct import Connection, Direct


@dataclass(frozen=True, slots=True)
class KeptPeriod:
    """A period as it is kept; `state` and `closed_by` as in `PeriodRow`."""

    id: str
    starts_at: datetime
    ends_at: datetime
    closes_at: datetime
    state: str
    closed_by: str = ""


class Periods:
    """The table of periods."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def load(self) -> list[KeptPeriod]:
        """All periods, the oldest first."""
        return [KeptPeriod(*row.values()) for row in await self._direct.fetch(_LOAD)]

    async def add(self, periods: Sequence[KeptPeriod], now: datetime) -> None:
        """Add periods that are not there yet."""
        async with self._direct.transaction() as connection:
            for one in periods:
                await connection.execute(
                    _ADD, one.id, one.starts_at, one.ends_at, one.closes_at, one.state, now, one.closed_by
                )

    async def step(self, period: KeptPeriod, was: str, now: datetime) -> bool:
        """Bring a period from one state into its new one; False where somebody else changed it in the meantime."""
        async with self._direct.transaction() as connection:
            rows = await connection.fetch(_STEP, period.id, was, period.state, period.closed_by, period.closes_at, now)
            return bool(rows)


_LOAD = "select id, starts_at, ends_at, closes_at, state, closed_by from period order by starts_at, id"

_ADD = (
    "insert into period (id, starts_at, ends_at, closes_at, state, changed_at, closed_by) values ($1, $2, $3, $4, $5, $6, $7) "
    "on conflict (id) do nothing"
)

_STEP = "update period set state = $3, closed_by = $4, closes_at = $5, changed_at = $6 where id = $1 and state = $2 returning id"


async def locked_states(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """The states of some periods; they stay so until the transaction of the connection ends.

    Raises Unavailable where one of them is taking a step: nothing is to be waited for that may take minutes.
    """
    if not ids:
        return {}
    rows = await connection.fetch(
        "select id, state from period where id = any($1::text[]) order by id for share nowait", sorted(ids)
    )
    return {row["id"]: row["state"] for row in rows}
