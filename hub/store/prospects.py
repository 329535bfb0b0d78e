"""What a decision about a cause would bear on: its CDRs as they stand, all that was found about them, and the same by counting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from hub.store.direct import Direct
from hub.store.verdicts import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class ProspectLine:
    """A CDR of a cause, or one that credits one of these or is credited by it (`is_asked` is False then)."""

    creditor: str
    debtor: str
    cdr_key: str
    currency: str
    excl_vat: Decimal
    incl_vat: Decimal | None
    disposition: str
    is_billed: bool
    is_asked: bool
    is_credit: bool
    credit_of: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RaisedLine:
    """A finding that is so now, of one of its CDRs."""

    creditor: str
    cdr_key: str
    key: str
    cause: str
    disposition: str
    at_risk: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLine:
    """CDRs of a cause that are alike; `own` and `other` are the strictest dispositions of findings of the cause and of others."""

    currency: str
    disposition: str
    own: str
    other: str | None
    is_billed: bool
    cdrs: int
    excl_vat: Decimal


class Prospects:
    """Reads what a decision would bear on."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def cdrs(self, cause: str, most: int) -> list[ProspectLine] | None:
        """The CDRs of a cause and what credits relate to them, in the order in which they came; None where they are more than `most`."""
        rows = await self._direct.fetch(_CDRS, cause, most + 1)
        lines = [ProspectLine(**row) for row in rows]
        return None if sum(line.is_asked for line in lines) > most else lines

    async def findings(self, names: Sequence[Name]) -> list[RaisedLine]:
        """All that is found about some CDRs now."""
        columns = [name[0] for name in names], [name[1] for name in names]
        return [RaisedLine(**row) for row in await self._direct.fetch(_FINDINGS, *columns)]

    async def groups(self, cause: str) -> list[GroupLine]:
        """The CDRs of a cause, counted."""
        return [GroupLine(**row) for row in await self._direct.fetch(_GROUPS, cause)]

    async def holders(self, cause: str) -> dict[str, int]:
        """Other causes whose findings keep CDRs of this one out that no statement bills, and how many of them, by cause."""
        return {row["cause"]: row["cdrs"] for row in await self._direct.fetch(_HOLDERS, cause)}


_OF_CAUSE = (
    "select distinct c.creditor, c.cdr_key from finding f join finding_cdr c on c.finding = f.key "
    "where f.cause = $1 and f.cleared_at is null"
)

_CDRS = (
    f"with k as (select * from ({_OF_CAUSE}) k limit $2), "
    "o as (select v.creditor, v.cdr_key, v.credit_of from k join verdict v using (creditor, cdr_key)), "
    "r as (select v.creditor, v.cdr_key, false as is_asked from o join verdict v on v.creditor = o.creditor and v.cdr_key = o.credit_of "
    "union all select v.creditor, v.cdr_key, false from o join verdict v on v.creditor = o.creditor and v.credit_of = o.cdr_key "
    "and v.credit_of is not null union all select creditor, cdr_key, true from k), "
    "a as (select creditor, cdr_key, bool_or(is_asked) as is_asked from r group by 1, 2) "
    "select v.creditor, v.debtor, v.cdr_key, v.currency, v.excl_vat, v.incl_vat, v.disposition, v.statement is not null as is_billed, "
    "a.is_asked, v.is_credit, v.credit_of "
    "from a join verdict v using (creditor, cdr_key) order by v.received_at, v.creditor, v.cdr_key"
)

_FINDINGS = (
    "select c.creditor, c.cdr_key, f.key, f.cause, f.disposition, f.at_risk from unnest($1::text[], $2::text[]) k(creditor, cdr_key) "
    "join finding_cdr c using (creditor, cdr_key) join finding f on f.key = c.finding where f.cleared_at is null"
)

_STRICTNESS = "case f.disposition when 'DROP' then 3 when 'HOLD' then 2 when 'DEFER' then 1 when 'SETTLE' then 0 when 'REPORT' then -1 end"
_NAMED = "(array['REPORT', 'SETTLE', 'DEFER', 'HOLD', 'DROP'])[{} + 2]"

_GROUPS = (
    f"with k as ({_OF_CAUSE}), w as (select v.currency, v.disposition, v.statement is not null as is_billed, v.excl_vat, "
    f"max({_STRICTNESS}) filter (where f.cause = $1) as own, max({_STRICTNESS}) filter (where f.cause <> $1) as other "
    "from k join verdict v using (creditor, cdr_key) join finding_cdr c using (creditor, cdr_key) "
    "join finding f on f.key = c.finding and f.cleared_at is null group by v.creditor, v.cdr_key) "
    f"select currency, disposition, {_NAMED.format('own')} as own, {_NAMED.format('other')} as other, is_billed, "
    "count(*) as cdrs, sum(excl_vat) as excl_vat from w group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5"
)

_HOLDERS = (
    f"with k as ({_OF_CAUSE}) select f.cause, count(distinct (c.creditor, c.cdr_key)) as cdrs from k "
    "join verdict v using (creditor, cdr_key) join finding_cdr c using (creditor, cdr_key) join finding f on f.key = c.finding "
    "where f.cause <> $1 and f.cleared_at is null and f.disposition in ('DEFER', 'HOLD', 'DROP') and v.statement is null "
    "and v.disposition <> 'SETTLE' group by f.cause"
)
