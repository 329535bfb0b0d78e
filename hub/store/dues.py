"""CDRs that their payers do not have yet, as people read them: a page at a time, with what was answered last. Moments are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub.store.direct import Direct, Record
from hub.store.ordering import Order, Part, Parts, Place, Placed, placed
from hub.store.where import where

_NAME = (Part("d.creditor"), Part("d.cdr_key"))

DUES_BY_AGE = Order((Part("d.created_at", "timestamptz"), *_NAME))
DUE_SORTS: Mapping[str, Parts] = {
    "since": DUES_BY_AGE.parts,
    "attempts": (Part("d.attempts", "bigint"), *_NAME),
    "claimed": (Part("c.currency", is_coarse=True), Part("c.excl_vat", "numeric"), *_NAME),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DuesAsked:
    """Which are wanted, None for all; `partner` is who speaks for the payer, `is_refused`: the payer was asked and did not take it.

    `after` is a place in their order.
    """

    creditor: str | None = None
    payer: str | None = None
    partner: int | None = None
    is_refused: bool | None = None
    order: Order = DUES_BY_AGE
    after: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DueCdr:
    """A CDR that its payer does not have: since when it is due, how often it was offered in vain, and what was answered last."""

    creditor: str
    cdr_key: str
    cdr_id: str
    payer: str
    currency: str
    excl_vat: Decimal
    created_at: datetime
    attempts: int
    last_answer: str


class DueReader:
    """Reads what is due."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def page(self, asked: DuesAsked, most: int) -> list[Placed[DueCdr]]:
        """CDRs that are due in their order, those of a payer, of a partner, or all."""
        condition, values = where(
            [
                ("d.creditor = ?", asked.creditor),
                ("d.payer = ?", asked.payer),
                (_OF_PARTNER, asked.partner),
                ("(d.attempts > 0) = ?", asked.is_refused),
                asked.order.behind(asked.after),
            ]
        )
        statement = f"select {_COLUMNS}, {asked.order.place} from {_TABLES} {condition} order by {asked.order.by} limit {int(most)}"
        return placed(await self._direct.fetch(statement, *values), _due)


def _due(row: Record) -> DueCdr:
    return DueCdr(**{name: row[name] for name in DueCdr.__dataclass_fields__})


_OF_PARTNER = "d.payer in (select p.country_code || '/' || p.party_id from party p where p.partner_id = ?)"
_COLUMNS = "d.creditor, d.cdr_key, c.cdr_id, d.payer, c.currency, c.excl_vat, d.created_at, d.attempts, d.last_answer"
_TABLES = "due d join claim c using (creditor, cdr_key)"
