"""Disputes as rows, with their steps, and what is billed for the CDRs that they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub.store.corrections import Fits, KeptAdjustment, add_adjustments, taken
from hub.store.direct import Connection, Direct, Record
from hub.store.journal import EntryLines, write_entries
from hub.store.ordering import Order, Part, Parts, Place, Placed, placed
from hub.store.verdicts import Name
from hub.store.where import Clause, where


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledCdr:
    """A CDR on an advised statement: what the statement bills for it, since when (UTC), and how far its period is.

    `credit_id` is the CDR that credits it, None where none does, or it is held.
    """

    creditor: str
    debtor: str
    cdr_key: str
    cdr_id: str
    currency: str
    statement: str
    period: str
    period_state: str
    billed_at: datetime
    excl_vat: Decimal
    incl_vat: Decimal
    credit_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDispute:
    """A dispute; the fields are those of `DisputeRow`."""

    id: int
    creditor: str
    debtor: str
    cdr_key: str
    currency: str
    excl_vat: Decimal
    incl_vat: Decimal
    reason: str
    state: str
    yielded: str
    statement: str
    period: str
    posted_in: str
    due_at: datetime
    opened_at: datetime

    @property
    def name(self) -> Name:
        """The CDR that it is about."""
        return (self.creditor, self.cdr_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStep:
    """One step of a dispute: the state that it led to, who made it, and when (UTC)."""

    state: str
    actor: str
    note: str
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeMove:
    """All that one step of a dispute changes, to be kept as one. `period_state` is in which state the period of its statement was.

    `posts_in` is a period that takes entries and is to be open still, empty where none is.
    """

    kept: KeptDispute
    step: KeptStep
    period_state: str
    posts_in: str = ""
    entries: Sequence[EntryLines] = ()
    adjustments: Sequence[KeptAdjustment] = ()


_ID = Part("id", "bigint")

DISPUTES_BY_NUMBER = Order((_ID,))
DISPUTE_SORTS: Mapping[str, Parts] = {
    "due": (
        Part(
            "case when state in ('draft', 'raised', 'countered', 'insisted') then due_at else 'infinity' end",
            "timestamptz",
        ),
        _ID,
    ),
    "amount": (Part("currency"), Part("excl_vat", "numeric"), _ID),
    "opened": (Part("opened_at", "timestamptz"), _ID),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeQuery:
    """Which disputes; None is any. Those that wait for nobody are due after all others; `after` is a place in their order.

    `phase` is `open` (it goes on) or `raised` (all but drafts and what came too late). They began at `opened_from` or later, and before
    `opened_before` (UTC).
    """

    creditor: str | None = None
    debtor: str | None = None
    currency: str | None = None
    state: str | None = None
    phase: str | None = None
    period: str | None = None
    statement: str | None = None
    cdr_key: str | None = None
    opened_from: datetime | None = None
    opened_before: datetime | None = None
    order: Order = DISPUTES_BY_NUMBER
    after: Place | None = None
    most: int = 100


class DisputeBook:
    """The tables of disputes."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def billed(self, name: Name) -> BilledCdr | None:
        """What an advised statement bills for a CDR; None where none does."""
        rows = await self._direct.fetch(_BILLED, *name)
        return BilledCdr(**dict(rows[0])) if rows else None

    async def new_id(self) -> int:
        """A number for a dispute that is about to be kept."""
        (row,) = await self._direct.fetch("select nextval(pg_get_serial_sequence('dispute', 'id')) as id")
        return int(row["id"])

    async def open(self, move: DisputeMove, fits: Fits) -> bool:
        """Keep a new dispute; False where its amount does not fit beside the others about the same CDR, or its period went on."""
        async with self._direct.transaction() as connection:
            if not fits(*await taken(connection, move.kept.name)) or not await _is_in(connection, move):
                return False
            await connection.execute(_ADD, *(getattr(move.kept, name) for name in _COLUMNS))
            await _keep_move(connection, move)
            return True

    async def step(self, move: DisputeMove, was: str) -> bool:
        """Keep a step of a dispute; False where somebody else made one in the meantime, or its period went on."""
        kept = move.kept
        async with self._direct.transaction() as connection:
            if not await _is_in(connection, move):
                return False
            changed = await connection.fetch(_STEP, kept.id, was, kept.state, kept.yielded, kept.posted_in, kept.due_at)
            if changed:
                await _keep_move(connection, move)
            return bool(changed)

    async def one(self, dispute: int) -> KeptDispute | None:
        """One dispute."""
        rows = await self._direct.fetch(f"{_SELECT} where id = $1", dispute)
        return _kept(rows)[0] if rows else None

    async def page(self, query: DisputeQuery) -> list[Placed[KeptDispute]]:
        """Disputes in their order."""
        condition, values = where([*_clauses(query), query.order.behind(query.after)])
        statement = (
            f"select {', '.join(_COLUMNS)}, {query.order.place} from dispute {condition} "
            f"order by {query.order.by} limit {int(query.most)}"
        )
        return placed(await self._direct.fetch(statement, *values), _kept_one)

    async def due(self, now: datetime, most: int) -> list[KeptDispute]:
        """Disputes whose deadline is over, the longest first."""
        return _kept(await self._direct.fetch(_DUE, now, most))

    async def credited(self, most: int) -> list[tuple[int, str]]:
        """Disputes that go on although a credit of their CDR settles, by number, with the id of that credit."""
        return [(row["id"], row["credit_id"]) for row in await self._direct.fetch(_CREDITED, most)]

    async def steps(self, dispute: int) -> list[KeptStep]:
        """The steps of a dispute, the first one first."""
        rows = await self._direct.fetch(_STEPS, dispute)
        return [KeptStep(**dict(row)) for row in rows]


def _clauses(query: DisputeQuery) -> list[Clause]:
    names = ("creditor", "debtor", "currency", "state", "period", "statement", "cdr_key")
    return [
        *((f"{name} = ?", getattr(query, name)) for name in names),
        ("opened_at >= ?", query.opened_from),
        ("opened_at < ?", query.opened_before),
        *((f"{condition} and ?", query.phase == name or None) for name, condition in _PHASES.items()),
    ]


async def _keep_move(connection: Connection, move: DisputeMove) -> None:
    step = move.step
    await connection.execute(_ADD_STEP, move.kept.id, step.state, step.actor, step.note, step.made_at)
    await write_entries(connection, move.entries, step.made_at)
    await add_adjustments(connection, move.adjustments)


async def _is_in(connection: Connection, move: DisputeMove) -> bool:
    """Whether the periods of a dispute are still in the states that its entries are made for; they stay so until those are kept."""
    wanted = {move.posts_in: "open"} if move.posts_in else {}
    wanted[move.kept.period] = move.period_state
    rows = await connection.fetch(_STATES, sorted(wanted))
    return {row["id"]: row["state"] for row in rows} == wanted


IS_OPEN = "state in ('raised', 'countered', 'insisted', 'arbitration')"
"""Whether a dispute goes on."""

IS_RAISED = "state not in ('draft', 'refused')"
"""Whether a dispute was raised, and in time."""

_PHASES: Mapping[str, str] = {"open": IS_OPEN, "raised": IS_RAISED}

_STATES = "select id, state from period where id = any($1::text[]) order by id for share"

_COLUMNS = tuple(KeptDispute.__dataclass_fields__)
_SELECT = f"select {', '.join(_COLUMNS)} from dispute"

_CREDIT = (
    "select c.cdr_id from verdict c where c.creditor = {of}.creditor and c.credit_of = {of}.cdr_key and c.is_credit "
    "and c.disposition = 'SETTLE' order by c.received_at, c.cdr_key limit 1"
)
_CREDITED = (
    f"select d.id, c.cdr_id as credit_id from dispute d cross join lateral ({_CREDIT.format(of='d')}) c "
    "where d.state in ('draft', 'raised', 'countered', 'insisted', 'arbitration') order by d.id limit $1"
)

_BILLED = (
    "select v.creditor, v.debtor, v.cdr_key, v.cdr_id, v.currency, v.statement, s.period, p.state as period_state, "
    "coalesce((select e.known_at from journal_entry e where e.key = 'billed:' || s.id), s.made_at) as billed_at, "
    f"sum(l.excl_vat) as excl_vat, sum(l.incl_vat) as incl_vat, ({_CREDIT.format(of='v')}) as credit_id from verdict v "
    "join settlement_statement s on s.id = v.statement join period p on p.id = s.period "
    "join statement_line l on l.statement = s.id and l.cdr_creditor = v.creditor and l.cdr_key = v.cdr_key and l.kind in ('cdr', 'credit') "
    "where v.creditor = $1 and v.cdr_key = $2 group by v.creditor, v.cdr_key, s.id, p.id"
)
_ADD = f"insert into dispute ({', '.join(_COLUMNS)}) values ({', '.join(f'${n}' for n, _ in enumerate(_COLUMNS, 1))})"
_STEP = (
    "update dispute set state = $3, yielded = $4, posted_in = $5, due_at = $6 where id = $1 and state = $2 returning id"
)
_ADD_STEP = "insert into dispute_step (dispute, state, actor, note, made_at) values ($1, $2, $3, $4, $5)"
_STEPS = "select state, actor, note, made_at from dispute_step where dispute = $1 order by id"
_DUE = f"{_SELECT} where state in ('draft', 'raised', 'countered', 'insisted') and due_at <= $1 order by due_at, id limit $2"


def _kept(rows: Sequence[Record]) -> list[KeptDispute]:
    return [*map(_kept_one, rows)]


def _kept_one(row: Record) -> KeptDispute:
    return KeptDispute(**{name: row[name] for name in _COLUMNS})
