"""A period at a glance: what each pair of parties claims, what of it is kept out, and how far its statement is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from hub.store.direct import Direct, Record
from hub.store.disputes import IS_OPEN
from hub.store.ordering import Order, Part, Parts, Place, Placed, placed
from hub.store.where import where

_PAIR_NAME = (Part("r.creditor"), Part("r.debtor"), Part("r.currency"))
_CURRENCY = Part("r.currency", is_coarse=True)

PAIRS_BY_MONEY = Order(
    (Part("r.currency"), Part("-(r.settled + r.held)", "numeric"), Part("r.creditor"), Part("r.debtor"))
)
"""Those with the most money first, one currency after the other."""
PAIR_SORTS: Mapping[str, Parts] = {
    "cdrs": (Part("r.cdrs", "bigint"), *_PAIR_NAME),
    "settled": (_CURRENCY, Part("r.settled", "numeric"), *_PAIR_NAME),
    "held_cdrs": (Part("r.held_cdrs", "bigint"), *_PAIR_NAME),
    "held": (_CURRENCY, Part("r.held", "numeric"), *_PAIR_NAME),
    "disputed": (Part("r.disputed", "bigint"), *_PAIR_NAME),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsAsked:
    """Which pairs of a period are wanted, None for all; `state` is how far the statement is. `after` is a place in their order."""

    period: str
    creditor: str | None = None
    debtor: str | None = None
    currency: str | None = None
    state: str | None = None
    order: Order = PAIRS_BY_MONEY
    after: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLine:
    """A creditor, a debtor and a currency in a period; amounts without VAT. `statement` is the live one, empty without any."""

    period: str
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

    async def pairs(self, asked: PairsAsked, most: int) -> list[Placed[PairLine]]:
        """The pairs of a period in their order."""
        names = ("creditor", "debtor", "currency", "state")
        chosen = [(f"r.{name} = ?", getattr(asked, name)) for name in names]
        condition, values = where([*chosen, asked.order.behind(asked.after)], asked.period)
        statement = (
            f"select r.*, {asked.order.place} from ({_PAIRS}) r {condition} order by {asked.order.by} limit {int(most)}"
        )
        return placed(await self._direct.fetch(statement, *values), _pair)


def _pair(row: Record) -> PairLine:
    return PairLine(**{name: row[name] for name in PairLine.__dataclass_fields__})


_PAIRS = (
    "with v as (select creditor, debtor, currency, sum(cdrs) as cdrs, "
    "coalesce(sum(excl_vat) filter (where disposition = 'SETTLE'), 0) as settled, "
    "coalesce(sum(cdrs) filter (where disposition in ('HOLD', 'DROP')), 0) as held_cdrs, "
    "coalesce(sum(excl_vat) filter (where disposition in ('HOLD', 'DROP')), 0) as held "
    "from verdict_total where period = $1 and cdrs > 0 group by 1, 2, 3), "
    "s as (select creditor, debtor, currency, id, state from settlement_statement where period = $1 and state <> 'superseded') "
    "select $1::text as period, creditor, debtor, currency, coalesce(v.cdrs, 0)::bigint as cdrs, coalesce(v.settled, 0) as settled, "
    "coalesce(v.held_cdrs, 0)::bigint as held_cdrs, coalesce(v.held, 0) as held, coalesce(s.id, '') as statement, "
    "coalesce(s.state, 'open') as state, "
    f"(select count(*) from dispute d where d.statement = s.id and d.{IS_OPEN}) as disputed "
    "from v full join s using (creditor, debtor, currency)"
)
