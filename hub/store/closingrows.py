"""What is counted before a period is closed, row by row: CDRs that wait, lines that are not as they should be, pairs with other sums.

Pages are read from a place on; amounts are exact, in the currency of their row, moments are UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from hub.store.closing import ADVISED, BILLED, IS_ASTRAY, LINED_UP, LINES, WAITS_BEFORE
from hub.store.direct import Direct, Record, take_time
from hub.store.ordering import Order, Part, Place, Placed, placed
from hub.store.where import where

WAITING_IN_TURN = Order(
    (Part("c.failures", "bigint"), Part("c.accepted_at", "timestamptz"), Part("c.creditor"), Part("c.cdr_key"))
)
"""As they are looked at: those that could be looked at first, the oldest first."""
ODD_LINES_BY_CDR = Order(
    (Part("r.what"), Part("r.creditor"), Part("r.cdr_key"), Part("r.statement"), Part("r.line", "bigint"))
)
ODD_SUMS_BY_PAIR = Order((Part("r.creditor"), Part("r.debtor"), Part("r.currency")))


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingAsked:
    """Which CDRs that wait are wanted, None for all.

    `period`: those that its cut-off left (all, before that); `is_failed`: the hub tried to look at it in vain; they came before
    `accepted_before` (UTC). `after` is a place in their order.
    """

    period: str | None = None
    creditor: str | None = None
    is_failed: bool | None = None
    accepted_before: datetime | None = None
    after: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCdr:
    """A CDR that waits to be looked at, for the first time or again; `failures` is how often that was tried in vain."""

    creditor: str
    cdr_key: str
    cdr_id: str
    debtor: str
    currency: str
    excl_vat: Decimal
    accepted_at: datetime
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OddLine:
    """What keeps the lines of a period from being what settles.

    `what` is `unlined`: a CDR that settles and is on no statement (empty `statement`), or a line too many for it; or `astray`: a line for
    what does not settle, or not so. `settled` and `billed` are what the books and the line say without VAT, None where they say nothing.
    """

    what: str
    creditor: str
    cdr_key: str
    currency: str
    settled: Decimal | None
    billed: Decimal | None
    statement: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OddSum:
    """A pair whose advised statement (`stated`) and whose entries in the journal (`posted`) have other sums, without and with VAT."""

    creditor: str
    debtor: str
    currency: str
    stated_excl_vat: Decimal
    stated_incl_vat: Decimal
    posted_excl_vat: Decimal
    posted_incl_vat: Decimal


class ClosingRows:
    """Reads the rows behind the counts of a period."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def waiting(self, asked: WaitingAsked, most: int) -> list[Placed[WaitingCdr]]:
        """CDRs that wait to be looked at, as they are looked at."""
        condition, values = where(
            [
                ("c.examined_at is null and ?", True),
                (f"c.accepted_at < {WAITS_BEFORE.format('?')}", asked.period),
                ("c.creditor = ?", asked.creditor),
                ("(c.failures > 0) = ?", asked.is_failed),
                ("c.accepted_at < ?", asked.accepted_before),
                WAITING_IN_TURN.behind(asked.after),
            ]
        )
        statement = f"{_WAITING.format(place=WAITING_IN_TURN.place)} {condition} order by {WAITING_IN_TURN.by} limit {int(most)}"
        rows = await self._direct.fetch(statement, *values)
        return placed(rows, lambda row: WaitingCdr(**_fields(row, WaitingCdr)))

    async def lines(self, period: str, what: str | None, after: Place | None, most: int) -> list[Placed[OddLine]]:
        """Lines of a period that are not as they should be, and CDRs without one."""
        condition, values = where([("r.what = ?", what), ODD_LINES_BY_CDR.behind(after)], period)
        rows = await self._whole(_ODD_LINES, ODD_LINES_BY_CDR, condition, values, most)
        return placed(rows, lambda row: OddLine(**_fields(row, OddLine)))

    async def sums(self, period: str, after: Place | None, most: int) -> list[Placed[OddSum]]:
        """Pairs of a period whose statements and entries have other sums."""
        condition, values = where([ODD_SUMS_BY_PAIR.behind(after)], period)
        rows = await self._whole(_ODD_SUMS, ODD_SUMS_BY_PAIR, condition, values, most)
        return placed(rows, lambda row: OddSum(**_fields(row, OddSum)))

    async def _whole(self, rows: str, order: Order, condition: str, values: Sequence[Any], most: int) -> list[Record]:
        """Rows that all of a period has to be read for."""
        statement = f"select r.*, {order.place} from ({rows}) r {condition} order by {order.by} limit {int(most)}"
        async with self._direct.transaction(is_long=True) as connection:
            await take_time(connection)
            return [*await connection.fetch(statement, *values)]


def _fields(row: Record, kind: type[Any]) -> dict[str, Any]:
    return {name: row[name] for name in kind.__dataclass_fields__}


_WAITING = "select c.creditor, c.cdr_key, c.cdr_id, c.debtor, c.currency, c.excl_vat, c.accepted_at, c.failures, {place} from claim c"

# a CDR on several lines is there once for each line too many, as it is counted
_ODD_LINES = (
    "select case when l.cdr_key is null then 'unlined' else 'astray' end as what, coalesce(v.creditor, l.cdr_creditor) as creditor, "
    "coalesce(v.cdr_key, l.cdr_key) as cdr_key, coalesce(v.currency, l.currency) as currency, v.excl_vat as settled, "
    "l.excl_vat as billed, coalesce(l.statement, '') as statement, coalesce(l.line, 0) as line "
    f"from {LINED_UP} where l.cdr_key is null or {IS_ASTRAY} "
    "union all select 'unlined', v.creditor, v.cdr_key, v.currency, v.excl_vat, l.excl_vat, l.statement, l.line from verdict v join "
    f"(select l.*, row_number() over (partition by l.cdr_creditor, l.cdr_key order by l.statement, l.line) as place from ({LINES}) l "
    f"where (l.cdr_creditor, l.cdr_key) in (select l.cdr_creditor, l.cdr_key from ({LINES}) l group by 1, 2 having count(*) > 1)) l "
    "on l.cdr_creditor = v.creditor and l.cdr_key = v.cdr_key "
    "where v.period = $1 and v.disposition = 'SETTLE' and l.place > 1"
)

_ODD_SUMS = (
    "select creditor, debtor, currency, coalesce(a.excl_vat, 0) as stated_excl_vat, coalesce(a.incl_vat, 0) as stated_incl_vat, "
    "coalesce(b.excl_vat, 0) as posted_excl_vat, coalesce(b.incl_vat, 0) as posted_incl_vat "
    f"from ({ADVISED}) a full join ({BILLED}) b using (creditor, debtor, currency) "
    "where (coalesce(a.excl_vat, 0), coalesce(a.incl_vat, 0)) <> (coalesce(b.excl_vat, 0), coalesce(b.incl_vat, 0))"
)
