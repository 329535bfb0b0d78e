"""Statements as rows: read for everybody, made and advised within a step of their period.

Which lines a statement has is said once, by the SQL below: settled CDRs that nothing bills yet, the fees that were posted with them, and
adjustments. What it writes is kept by triggers too: advised statements and their lines never change.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub.store.direct import Connection, Direct, Record
from hub.store.where import Clause, where

CHUNK_LINES = 5_000

PairName = tuple[str, str, str]
"""Creditor, debtor (``DE/ABC``) and currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStatement:
    """A statement as it is kept; the fields are those of `StatementRow`."""

    id: str
    period: str
    creditor: str
    debtor: str
    currency: str
    draft: int
    state: str
    excl_vat: Decimal
    incl_vat: Decimal
    cdrs: int
    credits: int
    fees: int
    adjustments: int
    kept_out: int
    energy: Decimal
    digest: bytes
    kept_out_digest: bytes
    made_at: datetime

    @property
    def pair(self) -> PairName:
        """Whose it is."""
        return (self.creditor, self.debtor, self.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementsAsked:
    """Which statements are wanted, None for all; `after` is the id of the last one of the page before."""

    period: str | None = None
    creditor: str | None = None
    debtor: str | None = None
    currency: str | None = None
    state: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMade:
    """A step of a period that was taken: `content` is JSON, `actor` is empty where the hub took it by itself."""

    step: str
    actor: str
    made_at: datetime
    content: str


class Statements:
    """Reads statements."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def load(self, statement: str) -> KeptStatement | None:
        """One statement."""
        rows = await self._direct.fetch(f"{_SELECT} where id = $1", statement)
        return _kept(rows[0]) if rows else None

    async def page(self, asked: StatementsAsked, most: int) -> list[KeptStatement]:
        """Statements in the order of their ids."""
        clauses: list[Clause] = [
            ("period = ?", asked.period),
            ("creditor = ?", asked.creditor),
            ("debtor = ?", asked.debtor),
            ("currency = ?", asked.currency),
            ("state = ?", asked.state),
            ('id collate "C" > ?', asked.after),
        ]
        condition, values = where(clauses)
        rows = await self._direct.fetch(f'{_SELECT} {condition} order by id collate "C" limit {int(most)}', *values)
        return [*map(_kept, rows)]

    async def live(self, period: str) -> list[KeptStatement]:
        """The statements of a period that are not superseded, by pair."""
        return [*map(_kept, await self._direct.fetch(_LIVE, period))]

    async def before(self, statement: KeptStatement) -> KeptStatement | None:
        """The draft that a statement superseded."""
        rows = await self._direct.fetch(_BEFORE, statement.period, *statement.pair, statement.draft)
        return _kept(rows[0]) if rows else None

    async def lines(self, statement: str) -> AsyncIterator[Sequence[Record]]:
        """All lines of a statement in their order, in portions."""
        last = 0
        while rows := await self._direct.fetch(_LINES, statement, last, CHUNK_LINES):
            yield rows
            last = rows[-1]["line"]

    async def kept_out(self, statement: str) -> list[Record]:
        """What was kept out when a statement was made."""
        return [*await self._direct.fetch(_KEPT_OUT, statement)]


# --- within a step -----------------------------------------------------------------------------


class Drafting:
    """What a period's statements would be now, on a connection that has a transaction: gathered once, then read by pair."""

    def __init__(self, connection: Connection, period: str) -> None:
        self._connection, self._period = connection, period

    async def gather(self) -> list[PairName]:
        """Gather all lines; returns the pairs that have any, or a CDR that is kept out, in their order."""
        await self._connection.execute(_DRAFTING)
        for row in await self._connection.fetch(_CREDITORS, self._period):
            await self._connection.execute(_GATHER_CDRS, self._period, row["creditor"])
        await self._connection.execute(_GATHER_ADJUSTMENTS, self._period)
        await self._connection.execute("create index on drafting (creditor, debtor, currency)")
        rows = await self._connection.fetch(_PAIRS, self._period)
        return [(row["creditor"], row["debtor"], row["currency"]) for row in rows]

    async def lines(self, pair: PairName) -> AsyncIterator[Sequence[Record]]:
        """The lines of a pair in the order of its statement, in portions."""
        await self._connection.execute(_NUMBERED, *pair)
        async for rows in portions(self._connection, "draft_lines"):
            yield rows

    async def kept_out(self, pair: PairName) -> list[Record]:
        """The CDRs of a pair that do not count now, and why."""
        return [*await self._connection.fetch(_KEPT_OUT_NOW, self._period, *pair)]

    async def live(self) -> dict[PairName, KeptStatement]:
        """The drafts as they are, by pair."""
        rows = await self._connection.fetch(_LIVE, self._period)
        return {kept.pair: kept for kept in map(_kept, rows)}

    async def last_draft(self, pair: PairName) -> int:
        """The number of the last draft of a pair, 0 where there was none."""
        (row,) = await self._connection.fetch(_LAST_DRAFT, self._period, *pair)
        return int(row["n"])

    async def supersede(self, statement: str) -> None:
        """A draft is none any more."""
        await self._connection.execute(
            "update settlement_statement set state = 'superseded' where id = $1 and state = 'draft'", statement
        )

    async def note(self, actor: str, now: datetime, content: str) -> None:
        """Say that drafts were made."""
        made = StepMade(step="drafted", actor=actor, made_at=now, content=content)
        await note_step(self._connection, self._period, made)

    async def add(self, statement: KeptStatement, kept_out: Sequence[Record]) -> None:
        """Keep a draft with the lines of its pair."""
        await self._connection.execute(_ADD, *(getattr(statement, name) for name in _FIELDS))
        await self._connection.execute(_ADD_LINES, statement.id, *statement.pair)
        if kept_out:
            await self._connection.execute(
                _ADD_KEPT_OUT,
                statement.id,
                [row["creditor"] for row in kept_out],
                [row["cdr_key"] for row in kept_out],
                [row["disposition"] for row in kept_out],
                [row["notes_text"] for row in kept_out],
            )


async def note_step(connection: Connection, period: str, made: StepMade) -> None:
    """Say that a step was taken, and what it came to."""
    await connection.execute(_NOTE, period, made.step, made.actor, made.made_at, made.content)


async def portions(connection: Connection, cursor: str) -> AsyncIterator[Sequence[Record]]:
    """The rows of an open cursor, in portions; it is closed at the end."""
    while rows := await connection.fetch(f"fetch {CHUNK_LINES} from {cursor}"):
        yield rows
    await connection.execute(f"close {cursor}")


async def advise(connection: Connection, statement: KeptStatement) -> None:
    """A draft becomes advised, and its CDRs are billed by it."""
    await connection.execute("update settlement_statement set state = 'advised' where id = $1", statement.id)
    await connection.execute(_BILL, statement.id)


async def live_statements(connection: Connection, period: str) -> list[KeptStatement]:
    """The statements of a period that are not superseded, by pair."""
    return [*map(_kept, await connection.fetch(_LIVE, period))]


def _kept(row: Record) -> KeptStatement:
    return KeptStatement(**{name: row[name] for name in _FIELDS})


_NOTE = "insert into period_step (period, step, actor, made_at, content) values ($1, $2, $3, $4, $5)"

_FIELDS = tuple(KeptStatement.__dataclass_fields__)
_SELECT = f"select {', '.join(_FIELDS)} from settlement_statement"
_PLACES = ", ".join(f"${number}" for number in range(1, len(_FIELDS) + 1))
_ADD = f"insert into settlement_statement ({', '.join(_FIELDS)}) values ({_PLACES})"

_LIVE = f'{_SELECT} where period = $1 and state <> \'superseded\' order by creditor collate "C", debtor collate "C", currency collate "C"'

_BEFORE = f"{_SELECT} where period = $1 and creditor = $2 and debtor = $3 and currency = $4 and draft < $5 order by draft desc limit 1"

_LAST_DRAFT = (
    "select coalesce(max(draft), 0) as n from settlement_statement "
    "where period = $1 and creditor = $2 and debtor = $3 and currency = $4"
)

# what a line says of its charge, where it has one
_CHARGE = (
    "coalesce(v.cdr_id, l.cdr_key) as cdr_id, v.session_id, v.starts_at, v.ends_at, "
    "case when l.kind <> 'adjustment' then v.energy end as energy"
)
_OF_LINE = "left join verdict v on v.creditor = l.cdr_creditor and v.cdr_key = l.cdr_key and l.kind <> 'adjustment'"

_LINES = (
    f"select l.line, l.kind, l.cdr_creditor, l.cdr_key, l.excl_vat, l.incl_vat, {_CHARGE} from statement_line l {_OF_LINE} "
    "where l.statement = $1 and l.line > $2 order by l.line limit $3"
)

_NOTES = (
    "coalesce((select array_agg(distinct f.check_id || ' ' || f.kind) from finding_cdr c join finding f on f.key = c.finding "
    "where c.creditor = v.creditor and c.cdr_key = v.cdr_key and f.cleared_at is null), '{}')"
)
"""The kinds of finding that speak of a CDR, in the order of their checks."""

_KEPT_OUT = (
    "select k.line, v.cdr_id, v.session_id, v.starts_at, v.ends_at, v.energy, v.excl_vat, v.incl_vat, k.disposition, "
    "array(select jsonb_array_elements_text(k.notes::jsonb)) as notes "
    "from statement_kept_out k join verdict v on v.creditor = k.cdr_creditor and v.cdr_key = k.cdr_key "
    "where k.statement = $1 order by k.line"
)

_DRAFTING = (
    "create temporary table drafting (creditor text, debtor text, currency text, kind text, cdr_creditor text, cdr_key text, "
    "excl_vat numeric, incl_vat numeric, ends_at timestamptz) on commit drop"
)

_CREDITORS = "select distinct creditor from verdict where period = $1 and disposition = 'SETTLE' and statement is null order by 1"

# an entry has two postings for each obligation, the debtor's first; the first obligation is the claim itself
_GATHER_CDRS = (
    "insert into drafting select p.counterparty, p.party, p.currency, "
    "case when p.place > 1 then 'fee' when v.is_credit then 'credit' else 'cdr' end, v.creditor, v.cdr_key, "
    "case when p.place > 1 then p.excl_vat else v.excl_vat end, case when p.place > 1 then p.incl_vat else v.incl_vat end, v.ends_at "
    "from verdict v cross join lateral (select id from journal_entry "
    "where key = 'accepted:' || v.creditor || '/' || v.cdr_key || ':' || v.turn offset 0) e "  # by its index, never all entries
    "cross join lateral (select p.*, row_number() over (order by p.id) as place from posting p where p.entry = e.id) p "
    "where v.period = $1 and v.creditor = $2 and v.disposition = 'SETTLE' and v.statement is null and p.place % 2 = 1"
)

_GATHER_ADJUSTMENTS = (
    "insert into drafting select p.counterparty, p.party, p.currency, 'adjustment', p.counterparty, e.reference, "
    "p.excl_vat, p.incl_vat, null from journal_entry e "
    "cross join lateral (select p.*, row_number() over (order by p.id) as place from posting p where p.entry = e.id) p "
    "where e.event = 'adjusted' and p.period = $1 and p.kind = 'claim:unbilled' and p.place % 2 = 1"
)

_PAIRS = (
    'select creditor collate "C" as creditor, debtor collate "C" as debtor, currency collate "C" as currency from ('
    "select creditor, debtor, currency from drafting union "
    "select creditor, debtor, currency from verdict where period = $1 and disposition <> 'SETTLE') p order by 1, 2, 3"
)

_ORDER = 'ends_at nulls last, cdr_key collate "C", cdr_creditor collate "C", kind collate "C", excl_vat, incl_vat nulls first'

_NUMBERED = (
    "declare draft_lines no scroll cursor for "
    f"select l.*, {_CHARGE} from (select row_number() over (order by {_ORDER}) as line, kind, cdr_creditor, cdr_key, excl_vat, incl_vat "
    f"from drafting where creditor = $1 and debtor = $2 and currency = $3) l {_OF_LINE} order by l.line"
)

_ADD_LINES = (
    "insert into statement_line (statement, line, kind, cdr_creditor, cdr_key, excl_vat, incl_vat) "
    f"select $1, row_number() over (order by {_ORDER}), kind, cdr_creditor, cdr_key, excl_vat, incl_vat from drafting "
    "where creditor = $2 and debtor = $3 and currency = $4"
)

_KEPT_OUT_NOW = (
    "select creditor, cdr_key, cdr_id, session_id, starts_at, ends_at, energy, excl_vat, incl_vat, disposition, notes, "
    "to_jsonb(notes)::text as notes_text from (select v.*, "
    "case when found = '{}' then array['LATER_PERIOD'] else array(select split_part(n, ' ', 2) from unnest(found) n) end as notes "
    f"from verdict v cross join lateral (select {_NOTES} as found) n "
    "where v.period = $1 and v.creditor = $2 and v.debtor = $3 and v.currency = $4 and v.disposition <> 'SETTLE') v "
    'order by ends_at nulls last, cdr_key collate "C"'
)

_ADD_KEPT_OUT = (
    "insert into statement_kept_out (statement, line, cdr_creditor, cdr_key, disposition, notes) "
    "select $1, n, creditor, cdr_key, disposition, notes "
    "from unnest($2::text[], $3::text[], $4::text[], $5::text[]) with ordinality k(creditor, cdr_key, disposition, notes, n)"
)

_BILL = (
    "update verdict v set statement = l.statement from statement_line l "
    "where l.statement = $1 and l.kind in ('cdr', 'credit') and v.creditor = l.cdr_creditor and v.cdr_key = l.cdr_key"
)
