"""Two parties at a glance: what stands between them, how old it is, how well the creditor delivers, and what was billed.

Amounts are exact, in the currency of their row and without VAT where nothing else is said; moments are UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from hub.store.books import ENDED_AT
from hub.store.chases import IS_MISSED
from hub.store.direct import Direct
from hub.store.disputes import IS_OPEN, IS_RAISED

MONTHS_SHOWN = 6
STATEMENTS_SHOWN = 24
AGES_DAYS = (30, 60, 90)
"""Where one age ends and the next one begins, in days."""

Pair = tuple[str, str]
"""Creditor and debtor (``DE/ABC``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What an account between two parties holds, of all periods: plus is owed by the debtor."""

    kind: str
    currency: str
    excl_vat: Decimal
    incl_vat: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """What is `held`, `unbilled` or `disputed` in one currency and of one age (`band` 0 is the youngest): how many, and how much."""

    what: str
    currency: str
    band: int
    count: int
    excl_vat: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthCard:
    """How the CDRs of a period came: how many, how long after the end of the charge (hours), how many are kept out, billed and disputed.

    `missing` are sessions that were complete in its time (from `starts_at` on, before `ends_at`, UTC) and have no CDR.
    """

    period: str
    starts_at: datetime
    ends_at: datetime
    received: int
    lag_p50_hours: float | None
    lag_p95_hours: float | None
    held: int
    billed: int
    disputed: int
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """A statement that counts: a draft or an advised one."""

    id: str
    period: str
    currency: str
    state: str
    cdrs: int
    excl_vat: Decimal
    incl_vat: Decimal
    made_at: datetime


def age_edges(now: datetime) -> list[datetime]:
    """Where one age ends and the next one begins now (UTC): the youngest first, to the second, so that addresses can name them."""
    return [now.replace(microsecond=0) - timedelta(days=days) for days in AGES_DAYS]


class Scorecards:
    """Reads what there is between a creditor and a debtor."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def position(self, pair: Pair) -> list[Position]:
        """What the accounts between them hold; those that hold nothing are left out. What is closed and was never billed is nothing."""
        return [Position(**row) for row in await self._direct.fetch(_POSITION, *pair)]

    async def ageing(self, pair: Pair, edges: Sequence[datetime]) -> list[Aged]:
        """What is held, unbilled and disputed, by age: a CDR counts from the end of its charge, a dispute from its beginning.

        `edges` are where one age ends and the next one begins, the youngest first (UTC).
        """
        return [Aged(**row) for row in await self._direct.fetch(_AGEING, *pair, [*edges])]

    async def months(self, pair: Pair, missed_before: datetime) -> list[MonthCard]:
        """The last MONTHS_SHOWN periods in which anything was received, the newest first."""
        return [MonthCard(**row) for row in await self._direct.fetch(_MONTHS, *pair, missed_before)]

    async def statements(self, pair: Pair) -> list[Billed]:
        """The newest STATEMENTS_SHOWN statements that are not superseded."""
        return [Billed(**row) for row in await self._direct.fetch(_STATEMENTS, *pair)]


_POSITION = (
    "select p.kind, p.currency, sum(p.excl_vat) as excl_vat, sum(p.incl_vat) as incl_vat from account_balance p "
    "where p.party = $2 and p.counterparty = $1 and p.kind in ('claim:unbilled', 'claim:billed', 'claim:disputed', 'writeoff') "
    "group by 1, 2 having sum(p.excl_vat) <> 0 or sum(p.incl_vat) <> 0 order by 2, 1"
)

_BAND = (
    "case when {at} >= ($3::timestamptz[])[1] then 0 when {at} >= ($3::timestamptz[])[2] then 1 "
    "when {at} >= ($3::timestamptz[])[3] then 2 else 3 end"
)
_OF_CDR = _BAND.format(at=ENDED_AT)

_AGEING = (
    f"select 'held' as what, v.currency, {_OF_CDR} as band, count(*) as count, sum(v.excl_vat) as excl_vat "
    "from period m join verdict v on v.period = m.id and v.creditor = $1 and v.debtor = $2 and v.disposition = 'HOLD' group by 2, 3 "
    f"union all select 'unbilled', v.currency, {_OF_CDR}, count(*), sum(v.excl_vat) from period m join verdict v "
    "on v.period = m.id and v.creditor = $1 and v.debtor = $2 and v.disposition = 'SETTLE' and v.statement is null "
    "where m.state in ('open', 'cut_off') group by 2, 3 "
    f"union all select 'disputed', d.currency, {_BAND.format(at='d.opened_at')}, count(*), sum(d.excl_vat) from dispute d "
    f"where d.creditor = $1 and d.debtor = $2 and d.{IS_OPEN} group by 2, 3 "
    "order by 1, 2, 3"
)

_LAG = "extract(epoch from v.received_at - v.ends_at)::double precision / 3600"

_MONTHS = (
    "with m as (select * from period where exists (select 1 from verdict_total t where t.period = period.id "
    f"and t.creditor = $1 and t.debtor = $2 and t.cdrs > 0) order by starts_at desc limit {MONTHS_SHOWN}) "
    "select m.id as period, m.starts_at, m.ends_at, c.*, "
    "(select count(*) from dispute d where d.creditor = $1 and d.debtor = $2 and d.period = m.id "
    f"and d.{IS_RAISED}) as disputed, "
    "(select count(*) from completed_session s where s.creditor = $1 and s.debtor = $2 and s.completed_at >= m.starts_at "
    f"and s.completed_at < least(m.ends_at, $3::timestamptz) and {IS_MISSED}) as missing "
    "from m cross join lateral (select count(*) as received, "
    f"percentile_cont(0.5) within group (order by {_LAG}) as lag_p50_hours, "
    f"percentile_cont(0.95) within group (order by {_LAG}) as lag_p95_hours, "
    "count(*) filter (where v.disposition in ('HOLD', 'DROP')) as held, count(v.statement) as billed "
    "from verdict v where v.period = m.id and v.creditor = $1 and v.debtor = $2) c order by m.starts_at desc"
)

_STATEMENTS = (
    "select id, period, currency, state, cdrs, excl_vat, incl_vat, made_at from settlement_statement "
    "where creditor = $1 and debtor = $2 and state <> 'superseded' "
    f"order by period desc, currency limit {STATEMENTS_SHOWN}"
)
