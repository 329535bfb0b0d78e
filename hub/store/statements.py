"""Statements as rows: read for everybody, made and advised within a step of their period.

Drafts are made in `hub.store.drafting`. What is written is kept by triggers too: advised statements and their lines never change.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from hub.store.direct import Connection, Direct, Record
from hub.store.ordering import Order, Part, Parts, Place, Placed, placed
from hub.store.where import Clause, where

CHUNK_LINES = 5_000

PairName = tuple[str, str, str]
"""Creditor, debtor (``DE/ABC``) and currency."""

Values = Sequence[Any]
"""The values of a row in the order of its columns."""


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


_ID = Part('id collate "C"')

STATEMENTS_BY_ID = Order((_ID,))
STATEMENT_SORTS: Mapping[str, Parts] = {
    "excl_vat": (Part("currency"), Part("excl_vat", "numeric"), _ID),
    "incl_vat": (Part("currency"), Part("incl_vat", "numeric"), _ID),
    "cdrs": (Part("cdrs", "bigint"), _ID),
    "kept_out": (Part("kept_out", "bigint"), _ID),
    "made": (Part("made_at", "timestamptz"), _ID),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementsAsked:
    """Which statements are wanted, None for all; `after` is a place in their order."""

    period: str | None = None
    creditor: str | None = None
    debtor: str | None = None
    currency: str | None = None
    state: str | None = None
    order: Order = STATEMENTS_BY_ID
    after: Place | None = None


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

    async def page(self, asked: StatementsAsked, most: int) -> list[Placed[KeptStatement]]:
        """Statements in their order."""
        clauses: list[Clause] = [
            ("period = ?", asked.period),
            ("creditor = ?", asked.creditor),
            ("debtor = ?", asked.debtor),
            ("currency = ?", asked.currency),
            ("state = ?", asked.state),
            asked.order.behind(asked.after),
        ]
        condition, values = where(clauses)
        statement = (
            f"select {', '.join(FIELDS)}, {asked.order.place} from settlement_statement {condition} "
            f"order by {asked.order.by} limit {int(most)}"
        )
        return placed(await self._direct.fetch(statement, *values), _kept)

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

    async def first_lines(self, statement: str, most: int) -> Sequence[Record]:
        """The first lines of a statement."""
        return await self._direct.fetch(_LINES, statement, 0, most)

    async def count_lines(self, statement: str) -> int:
        """How many lines a statement has."""
        (row,) = await self._direct.fetch("select count(*) as n from statement_line where statement = $1", statement)
        return int(row["n"])

    async def kept_out(self, statement: str, most: int | None = None) -> list[Record]:
        """What was kept out when a statement was made, all of it or the first."""
        return [*await self._direct.fetch(f"{_KEPT_OUT} limit $2", statement, most)]


# --- within a step -----------------------------------------------------------------------------


async def note_step(connection: Connection, period: str, made: StepMade) -> None:
    """Say that a step was taken, and what it came to."""
    await connection.execute(_NOTE, period, made.step, made.actor, made.made_at, made.content)


async def portions(connection: Connection, cursor: str) -> AsyncIterator[Sequence[Record]]:
    """The rows of an open cursor, in portions; it is closed at the end."""
    while rows := await connection.fetch(f"fetch {CHUNK_LINES} from {cursor}"):
        yield rows
    await connection.execute(f"close {cursor}")


async def portions_ahead(connection: Connection, cursor: str) -> AsyncIterator[Sequence[Values]]:
    """The same, each row as its values. Each portion is fetched while the one before it is in use.

    Nothing else may be done on the connection meanwhile.
    """
    ahead = _fetched(connection, cursor)
    while rows := await ahead:
        ahead = _fetched(connection, cursor)
        yield cast("Sequence[Values]", rows)  # a row of the driver is a sequence of its values as well
    await connection.execute(f"close {cursor}")


def _fetched(connection: Connection, cursor: str) -> asyncio.Task[Sequence[Record]]:
    task = asyncio.create_task(_fetch(connection, cursor))
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody asks where the reader broke off
    return task


async def _fetch(connection: Connection, cursor: str) -> Sequence[Record]:
    return await connection.fetch(f"fetch {CHUNK_LINES} from {cursor}")


async def sealed_lines(connection: Connection, period: str) -> AsyncIterator[Sequence[Values]]:
    """The lines of all live statements of a period in portions: the statement, and the line as it is sealed, in the order of both."""
    await connection.execute(f"declare sealed_lines no scroll cursor for {_SEALED_LINES}", period)
    async for rows in portions_ahead(connection, "sealed_lines"):
        yield rows


async def sealed_kept_out(connection: Connection, period: str) -> AsyncIterator[Sequence[Record]]:
    """What was kept out of all live statements of a period, by statement and in its order, in portions."""
    await connection.execute(f"declare sealed_kept_out no scroll cursor for {_SEALED_KEPT_OUT}", period)
    async for rows in portions(connection, "sealed_kept_out"):
        yield rows


async def advise(connection: Connection, statements: Sequence[KeptStatement]) -> None:
    """Drafts become advised, and their CDRs and adjustments are billed by them."""
    names = [statement.id for statement in statements]
    await connection.execute("update settlement_statement set state = 'advised' where id = any($1::text[])", names)
    await connection.execute(_BILL, names)
    await connection.execute(_BILL_ADJUSTMENTS, [one.id for one in statements if one.adjustments])


async def live_statements(connection: Connection, period: str) -> list[KeptStatement]:
    """The statements of a period that are not superseded, by pair."""
    return [*map(_kept, await connection.fetch(_LIVE, period))]


def _kept(row: Record) -> KeptStatement:
    return KeptStatement(**{name: row[name] for name in FIELDS})


_NOTE = "insert into period_step (period, step, actor, made_at, content) values ($1, $2, $3, $4, $5)"

FIELDS = tuple(KeptStatement.__dataclass_fields__)
_SELECT = f"select {', '.join(FIELDS)} from settlement_statement"
_LIVE = f'{_SELECT} where period = $1 and state <> \'superseded\' order by creditor collate "C", debtor collate "C", currency collate "C"'

_BEFORE = f"{_SELECT} where period = $1 and creditor = $2 and debtor = $3 and currency = $4 and draft < $5 order by draft desc limit 1"

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

_OUT = (
    "v.cdr_id, v.session_id, v.starts_at, v.ends_at, v.energy, v.excl_vat, v.incl_vat, k.disposition, "
    "array(select jsonb_array_elements_text(k.notes::jsonb)) as notes "
    "from statement_kept_out k join verdict v on v.creditor = k.cdr_creditor and v.cdr_key = k.cdr_key "
)

_KEPT_OUT = f"select k.line, {_OUT} where k.statement = $1 order by k.line"

_SEALED_KEPT_OUT = (
    f"select k.statement, {_OUT} join settlement_statement s on s.id = k.statement "
    "where s.period = $1 and s.state <> 'superseded' order by k.statement, k.line"
)

AS_SEALED = (
    "kind, cdr_id, session_id, starts_at at time zone 'UTC' as starts_at, ends_at at time zone 'UTC' as ends_at, "
    "energy::text as energy, excl_vat::text as excl_vat, incl_vat::text as incl_vat"
)
"""What is sealed of a line, in the order in which `hub.settlement.drafts` reads it: moments in UTC, numbers as texts."""

_SEALED_LINES = (
    f"select statement, {AS_SEALED} from (select l.statement, l.line, l.kind, l.excl_vat, l.incl_vat, {_CHARGE} "
    f"from settlement_statement s join statement_line l on l.statement = s.id {_OF_LINE} "
    "where s.period = $1 and s.state <> 'superseded') l order by statement, line"
)

_BILL = (
    "update verdict v set statement = l.statement from statement_line l "
    "where l.statement = any($1::text[]) and l.kind in ('cdr', 'credit') and v.creditor = l.cdr_creditor and v.cdr_key = l.cdr_key"
)

# what names an adjustment in the journal: `hub.settlement.engine.corrections`, and for those of disputes `hub.settlement.engine.disputes`
_BILL_ADJUSTMENTS = (
    "update adjustment a set statement = l.statement from statement_line l "
    "where l.statement = any($1::text[]) and l.kind = 'adjustment' and a.kind <> 'write_off' and a.state = 'agreed' "
    "and l.cdr_key = "
    "case when a.dispute is not null then 'dispute-' || a.dispute when a.reverses is not null then 'reversal-' || a.id "
    "else 'adjustment-' || a.id end"
)
