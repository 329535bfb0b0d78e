"""The hub at a glance: how far the months are that are not closed and what money is where in them, and how many CDRs came on each day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub.store.direct import Direct
from hub.store.disputes import IS_OPEN

MONTHS_MAX = 6
MONTH_LINES_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthLine:
    """What is of one kind and currency in a period that is not closed: how many, and how much without VAT.

    `kind` is a disposition of CDRs, or the state of statements (draft, advised), or `disputed`; empty for a period in which is nothing.
    """

    period: str
    state: str
    closes_at: datetime
    currency: str
    kind: str
    count: int
    excl_vat: Decimal


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many CDRs of one disposition came on a day: the number of its edge, counted from 1."""

    day: int
    disposition: str
    cdrs: int


class Glance:
    """Reads what an overview shows."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def months(self) -> list[MonthLine]:
        """The newest MONTHS_MAX periods that are not closed, the oldest first."""
        return [MonthLine(**row) for row in await self._direct.fetch(_MONTHS)]

    async def days(self, edges: Sequence[datetime]) -> list[DayCount]:
        """CDRs by when they came: between the first edge and the last, each day from its edge to the next one."""
        return [DayCount(*row.values()) for row in await self._direct.fetch(_DAYS, [*edges])]


_MONTHS = (
    "with m as (select id, state, closes_at, starts_at from period where state not in ('closed', 'sealed') "
    f"order by starts_at desc limit {MONTHS_MAX}), "
    "k as (select period, currency, disposition as kind, sum(cdrs) as count, sum(excl_vat) as excl_vat from verdict_total "
    "where period in (select id from m) and cdrs > 0 group by 1, 2, 3 "
    "union all select period, currency, state, count(*), sum(excl_vat) from settlement_statement "
    "where period in (select id from m) and state <> 'superseded' group by 1, 2, 3 "
    "union all select period, currency, 'disputed', count(*), sum(excl_vat) from dispute where period in (select id from m) "
    f"and {IS_OPEN} group by 1, 2) "
    "select m.id as period, m.state, m.closes_at, coalesce(k.currency, '') as currency, coalesce(k.kind, '') as kind, "
    "coalesce(k.count, 0)::bigint as count, coalesce(k.excl_vat, 0) as excl_vat from m left join k on k.period = m.id "
    f"order by m.starts_at, k.currency, k.kind limit {MONTH_LINES_MAX}"
)
_DAYS = (
    "select width_bucket(received_at, $1::timestamptz[]) as day, disposition, count(*) as cdrs from verdict "
    "where received_at >= ($1::timestamptz[])[1] and received_at < ($1::timestamptz[])[cardinality($1::timestamptz[])] "
    "group by 1, 2 order by 1, 2"
)
