"""The fees that live statements bill, in portions, and what was found about them (M03)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub.store.direct import Direct
from hub.store.periodlook import FEE_CHECK, SOURCE
from hub.store.verdicts import KeptFinding, Name, keep_findings, look_again


@dataclass(frozen=True, slots=True)
class Drafted:
    """A period with live statements that is not closed: the number of the step that made its last drafts, and the mark of the last look
    at its fees that came to its end."""

    period: str
    step: int
    fees_seen: str


@dataclass(frozen=True, slots=True)
class FeeLine:
    """What a CDR costs one party beside its claim, in all lines of a period and corrections together; `incl_vat` as it counts."""

    name: Name
    payee: str
    payer: str
    currency: str
    excl_vat: Decimal
    incl_vat: Decimal


@dataclass(frozen=True, slots=True)
class Billing:
    """A live statement with fees, or between two who agreed on some (`has_terms`): then every CDR in it may have to have one."""

    statement: str
    has_terms: bool


@dataclass(frozen=True, slots=True)
class Portion:
    """Some lines of a statement: the number of the last one, how many there were, and their CDRs by name."""

    last: int
    lines: int
    names: frozenset[Name]


class FeeBook:
    """Reads lines of live statements."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def drafted(self) -> list[Drafted]:
        """The periods to look at."""
        return [Drafted(*row.values()) for row in await self._direct.fetch(_DRAFTED)]

    async def billing(self, period: str, pairs: Iterable[tuple[str, str]]) -> list[Billing]:
        """The statements of a period to look at; `pairs` are CPOs and eMSPs that have agreed on fees."""
        ordered = sorted(pairs)
        rows = await self._direct.fetch(_BILLING, period, [one[0] for one in ordered], [one[1] for one in ordered])
        return [Billing(row["id"], row["has_terms"]) for row in rows]

    async def portion(self, one: Billing, after: int, most: int) -> Portion:
        """The next lines of a statement: its fees, and where there are terms its CDRs and credits."""
        rows = await self._direct.fetch(_PORTION, one.statement, one.has_terms, after, most)
        names = frozenset((row["cdr_creditor"], row["cdr_key"]) for row in rows)
        return Portion(rows[-1]["line"] if rows else after, len(rows), names)

    async def fees(self, period: str, names: Collection[Name]) -> list[FeeLine]:
        """The fees that the live statements of a period bill for some CDRs, with what corrects them."""
        ordered = sorted(names)
        columns = [one[0] for one in ordered], [one[1] for one in ordered]
        rows = await self._direct.fetch(_FEES, period, *columns) if ordered else ()
        return [FeeLine((row["owner"], row["cdr_key"]), *[*row.values()][2:]) for row in rows]

    async def told_of(self, finding: str) -> Name | None:
        """The CDR of a finding about its fees that is so now; None where there is no such finding."""
        rows = await self._direct.fetch(_TOLD_OF, finding)
        return (rows[0]["creditor"], rows[0]["cdr_key"]) if rows else None

    async def keep(self, findings: Sequence[KeptFinding], names: Collection[Name], now: datetime) -> None:
        """Keep what was found about some CDRs, clear what is no longer so, and have those that are not billed yet examined again."""
        ordered = sorted(names)
        columns = [one[0] for one in ordered], [one[1] for one in ordered]
        async with self._direct.transaction() as connection:
            await connection.execute(_CLEAR, *columns, [one.key for one in findings], now)
            await keep_findings(connection, findings, now)
            await look_again(connection, {name for one in findings for name in one.cdrs})

    async def end(self, period: str, mark: str, now: datetime) -> None:
        """A look came to its end: clear what was found about CDRs that do not settle any more."""
        async with self._direct.transaction() as connection:
            await connection.execute(_CLEAR_GONE, period, now)
            await connection.execute(_SEEN, period, mark)


_DRAFTED = (
    "select p.id, coalesce((select max(s.id) from period_step s where s.period = p.id and s.step = 'drafted'), 0) as step, "
    "coalesce((select l.mark from fee_look l where l.period = p.id), '') as fees_seen from period p "
    "where p.state not in ('closed', 'sealed') and exists ("
    "select 1 from settlement_statement t where t.period = p.id and t.state <> 'superseded') order by p.id"
)

_BILLING = (
    "select id, has_terms from (select s.id, s.fees, exists (select 1 from unnest($2::text[], $3::text[]) k(creditor, debtor) "
    "where k.creditor = s.creditor and k.debtor = s.debtor) as has_terms from settlement_statement s where s.period = $1 "
    "and s.state <> 'superseded') s where has_terms or fees > 0 order by id"
)

_PORTION = (
    "select line, cdr_creditor, cdr_key from statement_line where statement = $1 and line > $3::bigint "
    "and (kind = 'fee' or ($2 and kind in ('cdr', 'credit'))) order by line limit $4"
)

_BILLED_FEES = (
    "select l.cdr_creditor as owner, l.cdr_key, s.creditor, s.debtor, s.currency, l.excl_vat, coalesce(l.incl_vat, l.excl_vat) as incl_vat "
    "from k join statement_line l on l.cdr_creditor = k.owner and l.cdr_key = k.cdr_key "
    "join settlement_statement s on s.id = l.statement where l.kind = 'fee' and s.period = $1 and s.state <> 'superseded'"
)

_CORRECTED_FEES = (
    "select a.owner, a.cdr_key, a.creditor, a.debtor, a.currency, a.excl_vat, a.incl_vat from k join adjustment a using (owner, cdr_key) "
    "where a.kind = 'fee' and a.state = 'agreed'"
)

_FEES = (
    "with k as (select * from unnest($2::text[], $3::text[]) k(owner, cdr_key)) "
    "select owner, cdr_key, creditor, debtor, currency, sum(excl_vat), sum(incl_vat) "
    f"from ({_BILLED_FEES} union all {_CORRECTED_FEES}) f group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5"
)

_SEEN = "insert into fee_look (period, mark) values ($1, $2) on conflict (period) do update set mark = excluded.mark"

_OF_FEES = f"cleared_at is null and source = '{SOURCE}' and check_id = '{FEE_CHECK}'"

_TOLD_OF = f"select c.creditor, c.cdr_key from finding f join finding_cdr c on c.finding = f.key where f.key = $1 and {_OF_FEES}"

_CLEAR = (
    f"update finding set cleared_at = $4 where {_OF_FEES} and key <> all($3::text[]) and key = any(array("
    "select c.finding from unnest($1::text[], $2::text[]) k(creditor, cdr_key) join finding_cdr c using (creditor, cdr_key)))"
)

_CLEAR_GONE = (
    f"update finding f set cleared_at = $2 where {_OF_FEES} and f.period = $1 and not exists ("
    "select 1 from finding_cdr c join verdict v using (creditor, cdr_key) "
    "where c.finding = f.key and v.period = $1 and v.disposition = 'SETTLE')"
)
