"""A period at a glance: what each pair of parties claims, what of it is kept out, and how far its statement is."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hub.store.direct import Direct
from hub.store.disputes import IS_OPEN

PAIRS_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLine:
    """A creditor, a debtor and a currency in a period; amounts without VAT. `statement` is the live one, empty without any."""

    creditor: str
    debtor: str
    currency: str
    cdrs: int
    settled: Decimal
    held_cdrs: int
    held: Decimal
    statement: str
    state: str
    disputed: int


class Cockpit:
    """Reads periods at a glance."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def pairs(self, period: str) -> list[PairLine]:
        """The pairs of a period, those with the most money first, one currency after the other."""
        return [PairLine(**row) for row in await self._direct.fetch(_PAIRS, period)]


_PAIRS = (
    "with v as (select creditor, debtor, currency, sum(cdrs) as cdrs, "
    "coalesce(sum(excl_vat) filter (where disposition = 'SETTLE'), 0) as settled, "
    "coalesce(sum(cdrs) filter (where disposition in ('HOLD', 'DROP')), 0) as held_cdrs, "
    "coalesce(sum(excl_vat) filter (where disposition in ('HOLD', 'DROP')), 0) as held "
    "from verdict_total where period = $1 and cdrs > 0 group by 1, 2, 3), "
    "s as (select creditor, debtor, currency, id, state from settlement_statement where period = $1 and state <> 'superseded') "
    "select creditor, debtor, currency, coalesce(v.cdrs, 0)::bigint as cdrs, coalesce(v.settled, 0) as settled, "
    "coalesce(v.held_cdrs, 0)::bigint as held_cdrs, coalesce(v.held, 0) as held, coalesce(s.id, '') as statement, "
    "coalesce(s.state, 'open') as state, "
    f"(select count(*) from dispute d where d.statement = s.id and d.{IS_OPEN}) as disputed "
    "from v full join s using (creditor, debtor, currency) "
    f"order by currency, settled + held desc, creditor, debtor limit {PAIRS_MAX}"
)
