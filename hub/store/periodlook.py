"""What is looked at in a whole period, and what was found there: kept apart from the findings of single CDRs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub.store.direct import Direct
from hub.store.verdicts import KeptFinding, keep_findings

SOURCE = "period"
FEE_CHECK = "M03"
"""Looked for by itself (`hub.store.billedfees`)."""

PairName = tuple[str, str, str]
"""Creditor, debtor and currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedEnergy:
    """What a CDR that stands for a charge claims, without VAT, and for how many kWh."""

    cdr_key: str
    cdr_id: str
    excl_vat: Decimal
    energy: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustedCdr:
    """A CDR that was corrected by an adjustment; `starts_at` is None where nobody knows when the charge began."""

    creditor: str
    debtor: str
    cdr_key: str
    cdr_id: str
    currency: str
    excl_vat: Decimal
    adjustment: int
    starts_at: datetime | None


class PeriodBook:
    """Reads periods as a whole."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def open_periods(self) -> list[str]:
        """The periods that are not closed, also those that only a view or a finding is of."""
        return [row["id"] for row in await self._direct.fetch(_OPEN)]

    async def mark(self, period: str) -> str:
        """A text that is another one when something about a period has changed."""
        (row,) = await self._direct.fetch(_MARK, period)
        return "|".join(map(str, row.values()))

    async def pairs(self, period: str) -> list[PairName]:
        """Who claims from whom in a period, in which currency."""
        rows = await self._direct.fetch(_PAIRS, period)
        return [(row["creditor"], row["debtor"], row["currency"]) for row in rows]

    async def claims(self, period: str, pair: PairName) -> list[ClaimedEnergy]:
        """The CDRs of a pair that stand for a charge: no credits, and none that is credited."""
        return [ClaimedEnergy(**dict(row)) for row in await self._direct.fetch(_CLAIMS, period, *pair)]

    async def adjusted(self, period: str) -> list[AdjustedCdr]:
        """The CDRs that adjustments correct in a period."""
        return [AdjustedCdr(**dict(row)) for row in await self._direct.fetch(_ADJUSTED, period)]

    async def owed(self, pairs: Sequence[PairName]) -> dict[PairName, Decimal]:
        """What debtors owe and have not paid, with VAT: of periods that are not closed."""
        if not pairs:
            return {}
        columns = ([pair[number] for pair in pairs] for number in range(3))
        rows = await self._direct.fetch(_OWED, *columns)
        return {(row["creditor"], row["debtor"], row["currency"]): row["owed"] for row in rows}

    async def keep(self, period: str, findings: Sequence[KeptFinding], now: datetime) -> None:
        """Keep what was found in a period; what is no longer so is cleared."""
        async with self._direct.transaction() as connection:
            await connection.execute(_CLEAR, period, [one.key for one in findings], now)
            await keep_findings(connection, findings, now)


_OPEN = (
    "select id from (select id from period union select period from emsp_view "
    f"union select period from finding where source = '{SOURCE}' and period <> '' and cleared_at is null) p where not exists ("
    "select 1 from period c where c.id = p.id and c.state in ('closed', 'sealed')) order by id"
)
_MARK = (
    "select (select looks from settling), (select count(*) from adjustment where period = $1), "
    "(select max(given_at) from emsp_view where period = $1), (select count(*) from emsp_view where period = $1), "
    "(select count(*) + count(ended_at) from profile where activated_at is not null)"
)
_PAIRS = "select distinct creditor, debtor, currency from verdict_total where period = $1 and cdrs > 0 order by 1, 2, 3"
_CLAIMS = (
    "select v.cdr_key, v.cdr_id, v.excl_vat, v.energy from verdict v where v.period = $1 and v.creditor = $2 and v.debtor = $3 "
    "and v.currency = $4 and v.disposition in ('SETTLE', 'HOLD') and not v.is_credit and not exists ("
    "select 1 from verdict c where c.creditor = v.creditor and c.credit_of = v.cdr_key and c.disposition = 'SETTLE') "
    "order by v.cdr_key"
)
_ADJUSTED = (
    "select a.creditor, a.debtor, a.cdr_key, a.cdr_id, a.currency, a.excl_vat, a.id as adjustment, v.starts_at from adjustment a "
    "left join verdict v using (creditor, cdr_key) where a.period = $1 and a.kind = 'adjustment' and a.state = 'agreed' order by a.id"
)
_OWED = (
    "select p.counterparty as creditor, p.party as debtor, p.currency, sum(p.incl_vat) as owed from posting p "
    "join unnest($1::text[], $2::text[], $3::text[]) k(creditor, debtor, currency) "
    "on p.counterparty = k.creditor and p.party = k.debtor and p.currency = k.currency "
    "join period t on t.id = p.period join journal_entry e on e.id = p.entry "
    "where t.state not in ('closed', 'sealed') and p.kind in ('claim:unbilled', 'claim:billed', 'claim:disputed') "
    "and e.event <> 'netted' group by 1, 2, 3"
)
_CLEAR = (
    f"update finding set cleared_at = $3 where source = '{SOURCE}' and check_id <> '{FEE_CHECK}' and period = $1 "
    "and cleared_at is null and key <> all($2::text[])"
)
