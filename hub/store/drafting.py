"""What the statements of a period would be now, on a connection that has a transaction: gathered once, read in order, kept as drafts.

Which lines a statement has is said once, by the SQL below: settled CDRs that nothing bills yet, the fees that were posted with them, and
adjustments. What adds up is added up by the database; a pair is only ever a stretch of all that was gathered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from hub.store.direct import Connection, Record
from hub.store.statements import (
    AS_SEALED,
    FIELDS,
    KeptStatement,
    PairName,
    StepMade,
    Values,
    live_statements,
    note_step,
    portions,
    portions_ahead,
)

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What a statement would be now: its pair, its lines and what is kept out of it as stretches of all that was gathered (from `first` and
    `first_out` on), and what the lines add up to; `energy` in kWh."""

    pair: PairName
    first: int = 1
    lines: int = 0
    excl_vat: Decimal = _ZERO
    incl_vat: Decimal = _ZERO
    cdrs: int = 0
    credits: int = 0
    fees: int = 0
    adjustments: int = 0
    energy: Decimal = _ZERO
    first_out: int = 1
    kept_out: int = 0


class Drafting:
    """Makes drafts of a period."""

    def __init__(self, connection: Connection, period: str) -> None:
        self._connection, self._period = connection, period

    async def gather(self) -> list[Gathered]:
        """Gather all lines, and all that is kept out; returns the pairs that have any of either, in their order."""
        await self._connection.execute(_DRAFTING)
        await self._connection.execute(_GATHER, self._period)
        await self._connection.execute("create unique index on drafting (place)")
        await self._connection.execute(_DRAFTING_OUT)
        await self._connection.execute(_GATHER_OUT, self._period)
        await self._connection.execute("create unique index on drafting_out (place)")
        await self._connection.execute("analyze drafting, drafting_out")
        return [_gathered(row) for row in await self._connection.fetch(_SUMS)]

    async def lines(self) -> AsyncIterator[Sequence[Values]]:
        """The lines of all statements as they are sealed, in the order of pairs and of each statement, in portions."""
        await self._connection.execute(f"declare draft_lines no scroll cursor for {_LINES}")
        async for rows in portions_ahead(self._connection, "draft_lines"):
            yield rows

    async def kept_out(self) -> AsyncIterator[Sequence[Record]]:
        """The CDRs of all pairs that do not count now, and why, in the order of pairs and of each statement, in portions."""
        await self._connection.execute(f"declare draft_kept_out no scroll cursor for {_KEPT_OUT}")
        async for rows in portions(self._connection, "draft_kept_out"):
            yield rows

    async def live(self) -> dict[PairName, KeptStatement]:
        """The drafts as they are, by pair."""
        return {kept.pair: kept for kept in await live_statements(self._connection, self._period)}

    async def last_drafts(self) -> dict[PairName, int]:
        """The number of the last draft of each pair that ever had one."""
        rows = await self._connection.fetch(_LAST_DRAFTS, self._period)
        return {_pair(row): row["draft"] for row in rows}

    async def supersede(self, statements: Sequence[str]) -> None:
        """Some drafts are none any more."""
        await self._connection.execute(_SUPERSEDE, statements)

    async def note(self, actor: str, now: datetime, content: str) -> None:
        """Say that drafts were made."""
        made = StepMade(step="drafted", actor=actor, made_at=now, content=content)
        await note_step(self._connection, self._period, made)

    async def add(self, drafts: Sequence[tuple[KeptStatement, Gathered]]) -> None:
        """Keep drafts with what was gathered for them."""
        names = [statement.id for statement, _ in drafts]
        heads = [tuple(getattr(statement, name) for name in FIELDS) for statement, _ in drafts]
        await self._connection.executemany(_ADD, heads)
        lines = [(one.first, one.first + one.lines - 1) for _, one in drafts]
        await self._connection.execute(_ADD_LINES, names, *_columns(lines))
        out = [(one.first_out, one.first_out + one.kept_out - 1) for _, one in drafts]
        await self._connection.execute(_ADD_KEPT_OUT, names, *_columns(out))
        await self._connection.execute("analyze statement_line, statement_kept_out")  # the next steps are planned by it


def _columns(stretches: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [first for first, _ in stretches], [last for _, last in stretches]


def _gathered(row: Record) -> Gathered:
    return Gathered(pair=_pair(row), **{name: row[name] for name in _GATHERED})


def _pair(row: Record) -> PairName:
    return (row["creditor"], row["debtor"], row["currency"])


_GATHERED: tuple[Any, ...] = tuple(name for name in Gathered.__dataclass_fields__ if name != "pair")

_ADD = f"insert into settlement_statement ({', '.join(FIELDS)}) values ({', '.join(f'${n}' for n in range(1, len(FIELDS) + 1))})"

_SUPERSEDE = "update settlement_statement set state = 'superseded' where id = any($1::text[]) and state = 'draft'"

_LAST_DRAFTS = "select creditor, debtor, currency, max(draft) as draft from settlement_statement where period = $1 group by 1, 2, 3"

_BY_PAIR = 'creditor collate "C", debtor collate "C", currency collate "C"'

_CHARGE = "cdr_id text, session_id text, starts_at timestamptz, ends_at timestamptz, energy numeric"

_DRAFTING = (
    "create temporary table drafting (place bigint, creditor text, debtor text, currency text, kind text, cdr_creditor text, cdr_key text, "
    f"excl_vat numeric, incl_vat numeric, {_CHARGE}) on commit drop"
)

_ORDER = 'ends_at nulls last, cdr_key collate "C", cdr_creditor collate "C", kind collate "C", excl_vat, incl_vat nulls first'

_OF_CDR = "v.cdr_id, v.session_id, v.starts_at, v.ends_at, v.energy"

_UNBILLED = "v.period = $1 and v.disposition = 'SETTLE' and v.statement is null"

_CDR_LINES = (
    "select v.creditor, v.debtor, v.currency, case when v.is_credit then 'credit' else 'cdr' end as kind, v.creditor as cdr_creditor, "
    f"v.cdr_key, v.excl_vat, v.incl_vat, {_OF_CDR} from verdict v where {_UNBILLED}"
)

# an entry has two postings for each obligation, the debtor's first; the first obligation is the claim itself, the others are fees
_FEE_LINES = (
    f"select p.counterparty, p.party, p.currency, 'fee', v.creditor, v.cdr_key, p.excl_vat, p.incl_vat, {_OF_CDR} "
    "from (select entry, min(id) as claim from posting where period = $1 and kind = 'claim:unbilled' group by entry having count(*) > 2) m "
    "join journal_entry e on e.id = m.entry and e.event = 'accepted' join posting c on c.id = m.claim "
    "join verdict v on v.creditor = c.counterparty and v.cdr_key = substr(e.reference, length(c.counterparty) + 2) "
    "and e.key = 'accepted:' || e.reference || ':' || v.turn "
    "cross join lateral (select p.*, row_number() over (order by p.id) as place from posting p where p.entry = e.id) p "
    f"where {_UNBILLED} and p.place > 1 and p.place % 2 = 1"
)

_ADJUSTMENT_LINES = (
    "select p.counterparty, p.party, p.currency, 'adjustment', p.counterparty, e.reference, p.excl_vat, p.incl_vat, "
    "e.reference, null, null, null, null from journal_entry e "
    "cross join lateral (select p.*, row_number() over (order by p.id) as place from posting p where p.entry = e.id) p "
    "where e.event = 'adjusted' and p.period = $1 and p.kind = 'claim:unbilled' and p.place % 2 = 1"
)

_GATHER = (
    f"insert into drafting select row_number() over (order by {_BY_PAIR}, {_ORDER}), l.* "
    f"from ({_CDR_LINES} union all {_FEE_LINES} union all {_ADJUSTMENT_LINES}) l order by 1"
)

_DRAFTING_OUT = (
    "create temporary table drafting_out (place bigint, creditor text, debtor text, currency text, cdr_key text, "
    f"excl_vat numeric, incl_vat numeric, {_CHARGE}, disposition text, notes text[]) on commit drop"
)

# the kinds of finding that speak of a CDR, in the order of their checks
_NOTES = (
    "coalesce((select array_agg(distinct f.check_id || ' ' || f.kind) from finding_cdr c join finding f on f.key = c.finding "
    "where c.creditor = v.creditor and c.cdr_key = v.cdr_key and f.cleared_at is null), '{}')"
)

_GATHER_OUT = (
    f'insert into drafting_out select row_number() over (order by {_BY_PAIR}, ends_at nulls last, cdr_key collate "C"), '
    f"v.creditor, v.debtor, v.currency, v.cdr_key, v.excl_vat, v.incl_vat, {_OF_CDR}, v.disposition, "
    "case when found = '{}' then array['LATER_PERIOD'] else array(select split_part(n, ' ', 2) from unnest(found) n) end "
    f"from verdict v cross join lateral (select {_NOTES} as found) n where v.period = $1 and v.disposition <> 'SETTLE' order by 1"
)

_SUMS = (
    "select creditor, debtor, currency, coalesce(first, 1) as first, coalesce(lines, 0) as lines, coalesce(excl_vat, 0) as excl_vat, "
    "coalesce(incl_vat, 0) as incl_vat, coalesce(cdrs, 0) as cdrs, coalesce(credits, 0) as credits, coalesce(fees, 0) as fees, "
    "coalesce(adjustments, 0) as adjustments, coalesce(energy, 0) as energy, coalesce(first_out, 1) as first_out, "
    "coalesce(kept_out, 0) as kept_out from ("
    "select creditor, debtor, currency, min(place) as first, count(*) as lines, sum(excl_vat) as excl_vat, "
    "sum(coalesce(incl_vat, excl_vat)) as incl_vat, count(*) filter (where kind = 'cdr') as cdrs, "
    "count(*) filter (where kind = 'credit') as credits, count(*) filter (where kind = 'fee') as fees, "
    "count(*) filter (where kind = 'adjustment') as adjustments, "
    "sum(case kind when 'cdr' then energy when 'credit' then -energy end) as energy from drafting group by 1, 2, 3) l "
    "full join (select creditor, debtor, currency, min(place) as first_out, count(*) as kept_out from drafting_out group by 1, 2, 3) o "
    f"using (creditor, debtor, currency) order by {_BY_PAIR}"
)

_LINES = f"select {AS_SEALED} from drafting order by place"

_KEPT_OUT = "select cdr_id, session_id, starts_at, ends_at, energy, excl_vat, incl_vat, disposition, notes from drafting_out order by place"

_STRETCHES = "unnest($1::text[], $2::bigint[], $3::bigint[]) s(id, first, last)"


def _stretch(table: str) -> str:
    """The rows of each stretch, found by their places whatever the planner thinks of it."""
    return f"cross join lateral (select * from {table} d where d.place between s.first and s.last order by d.place offset 0) d"


_ADD_LINES = (
    "insert into statement_line (statement, line, kind, cdr_creditor, cdr_key, excl_vat, incl_vat) "
    "select s.id, d.place - s.first + 1, d.kind, d.cdr_creditor, d.cdr_key, d.excl_vat, d.incl_vat "
    f"from {_STRETCHES} {_stretch('drafting')}"
)

_ADD_KEPT_OUT = (
    "insert into statement_kept_out (statement, line, cdr_creditor, cdr_key, disposition, notes) "
    "select s.id, d.place - s.first + 1, d.creditor, d.cdr_key, d.disposition, to_jsonb(d.notes)::text "
    f"from {_STRETCHES} {_stretch('drafting_out')}"
)
