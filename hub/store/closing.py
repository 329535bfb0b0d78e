"""The steps of a period as rows: each is one transaction that holds the period, and one row that says who took it and what it came to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import asyncpg

from hub.store.books import IS_ACCEPTED
from hub.store.direct import Connection, Direct, Record, take_time
from hub.store.drafting import Drafting
from hub.store.journal import EntryLines, write_entries
from hub.store.periods import KeptPeriod
from hub.store.pseudonyms import digests_of
from hub.store.statements import (
    KeptStatement,
    StepMade,
    Values,
    advise,
    live_statements,
    note_step,
    portions,
    portions_ahead,
    sealed_kept_out,
    sealed_lines,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSeal:
    """A seal as it is kept; `content` is its file as JSON."""

    period: str
    root: bytes
    previous: bytes | None
    leaves: int
    content: str
    signature: bytes
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class PairSum:
    """A sum of a pair."""

    creditor: str
    debtor: str
    currency: str
    excl_vat: Decimal
    incl_vat: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFigures:
    """What the tables say about a period, as rows."""

    waiting: int
    proposed: int
    wrong_fees: int
    came_in: Sequence[Record]
    dispositions: Sequence[Record]
    unlined: int
    astray: int
    advised: Sequence[PairSum]
    billed: Sequence[PairSum]
    trial_balance: Sequence[Record]
    unbilled_accounts: int
    billed_accounts: int
    positions: Sequence[Record]
    returned: Sequence[Record]


class StepUnderWay(Exception):
    """Somebody else takes a step, and it takes long."""


class ClosingBook:
    """Reads periods with their steps and seals, and opens steps."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    @asynccontextmanager
    async def step(self, period: str, now: datetime) -> AsyncIterator[PeriodStep | None]:
        """A step of a period, None where there is no such period: what it does is kept as one, or not at all.

        Raises StepUnderWay.
        """
        async with self._direct.transaction(is_long=True) as connection:
            await _take(connection)
            await take_time(connection)
            rows = await connection.fetch(f"{_PERIOD} where id = $1 for update", period)
            yield PeriodStep(connection, KeptPeriod(*rows[0].values()), now) if rows else None

    @asynccontextmanager
    async def drafting(self, period: str) -> AsyncIterator[tuple[KeptPeriod, Drafting] | None]:
        """Making drafts, all of them or none, over the books as they are when it begins; settlement goes on meanwhile.

        None where there is no such period. Raises StepUnderWay.
        """
        async with self._direct.transaction(is_long=True) as connection:
            await connection.execute("set transaction isolation level repeatable read")
            await _take(connection)
            await take_time(connection)
            rows = await connection.fetch(f"{_PERIOD} where id = $1 for share", period)
            yield (KeptPeriod(*rows[0].values()), Drafting(connection, period)) if rows else None

    async def load(self, period: str) -> KeptPeriod | None:
        """One period."""
        rows = await self._direct.fetch(f"{_PERIOD} where id = $1", period)
        return KeptPeriod(*rows[0].values()) if rows else None

    async def page(self, before: str | None, most: int) -> list[KeptPeriod]:
        """Periods, the newest first; those before an id."""
        rows = await self._direct.fetch(_PERIODS, before, most)
        return [KeptPeriod(*row.values()) for row in rows]

    async def due(self, now: datetime) -> list[KeptPeriod]:
        """The open periods that are to be cut off."""
        return [KeptPeriod(*row.values()) for row in await self._direct.fetch(_DUE, now)]

    async def waiting(self, before: datetime) -> int:
        """How many CDRs that came before a moment wait to be looked at, but for those that could not be."""
        (row,) = await self._direct.fetch(_WAITING, before)
        return int(row["n"])

    async def steps(self, period: str) -> list[StepMade]:
        """The steps of a period, the oldest first."""
        rows = await self._direct.fetch(_STEPS, period)
        return [StepMade(**dict(row)) for row in rows]

    async def figures(self, period: str) -> KeptFigures:
        """What the tables say about a period now."""
        async with self._direct.transaction(is_long=True) as connection:
            await take_time(connection)
            return await read_figures(connection, period)

    async def owed(self, period: str) -> list[PairSum]:
        """What is billed and not disputed, within pairs."""
        return [PairSum(*row.values()) for row in await self._direct.fetch(_OWED, period)]

    async def claimed(self, period: str) -> list[PairSum]:
        """What is posted and not billed yet, within pairs."""
        return [PairSum(*row.values()) for row in await self._direct.fetch(_CLAIMED, period)]

    async def seals(self, before: datetime | None, most: int) -> list[KeptSeal]:
        """Seals, the newest first."""
        return [KeptSeal(**dict(row)) for row in await self._direct.fetch(_SEALS, before, most)]

    async def seal(self, period: str) -> KeptSeal | None:
        """The seal of a period."""
        rows = await self._direct.fetch("select * from seal where period = $1", period)
        return KeptSeal(**dict(rows[0])) if rows else None


class PeriodStep:
    """One step of a period, as it is taken: reads and writes on one connection."""

    def __init__(self, connection: Connection, period: KeptPeriod, now: datetime) -> None:
        self._connection, self.period, self._now = connection, period, now

    async def become(self, state: str, actor: str, content: str = "{}") -> None:
        """The period takes on a state."""
        self.period = replace(self.period, state=state)
        await self._connection.execute(
            _BECOME, self.period.id, state, self.period.closes_at, self.period.closed_by, self._now
        )
        await self.note(state, actor, content)

    async def cut_off(self, closes_at: datetime, actor: str) -> None:
        """The period takes no CDRs any more, and closed at a moment."""
        self.period = replace(self.period, closes_at=closes_at)
        await self.become("cut_off", actor)

    async def sign(self, closed_by: str, actor: str) -> None:
        """One of two closes the period."""
        self.period = replace(self.period, closed_by=closed_by)
        await self._connection.execute(
            "update period set closed_by = $2, changed_at = $3 where id = $1", self.period.id, closed_by, self._now
        )
        await self.note("signed", actor, "{}")

    async def close(self, closed_by: str, actor: str, content: str) -> None:
        """The second of two closes the period."""
        self.period = replace(self.period, closed_by=closed_by)
        await self.become("closed", actor, content)

    async def note(self, step: str, actor: str, content: str) -> None:
        """Say that a step was taken, and what it came to."""
        await note_step(
            self._connection, self.period.id, StepMade(step=step, actor=actor, made_at=self._now, content=content)
        )

    async def statements(self) -> list[KeptStatement]:
        """The live statements, by pair."""
        return await live_statements(self._connection, self.period.id)

    async def stale(self) -> int:
        """How many CDRs, lines and accounts say that the drafts are not what the books are now."""
        unlined, astray = await _lined(self._connection, self.period.id)
        (row,) = await self._connection.fetch(_ACCOUNTS_OFF, self.period.id)
        (out,) = await self._connection.fetch(_STALE_KEPT_OUT, self.period.id)
        return int(unlined + astray + row["accounts"] + out["n"])

    async def unsettled(self) -> int:
        """How many CDRs of the period wait for another look."""
        (row,) = await self._connection.fetch(_UNSETTLED, self.period.id)
        return int(row["n"])

    async def advise(self, statements: Sequence[KeptStatement]) -> None:
        """Drafts become advised."""
        await advise(self._connection, statements)

    async def post(self, entries: Sequence[EntryLines]) -> None:
        """Write entries into the journal."""
        await write_entries(self._connection, entries, self._now)

    async def owed(self) -> list[PairSum]:
        """What is billed and not disputed, within pairs."""
        return [PairSum(*row.values()) for row in await self._connection.fetch(_OWED, self.period.id)]

    async def figures(self) -> KeptFigures:
        """What the tables say about the period."""
        return await read_figures(self._connection, self.period.id)

    async def earlier_unsealed(self) -> str | None:
        """The oldest period before this one that is not sealed."""
        rows = await self._connection.fetch(_UNSEALED, self.period.starts_at)
        return rows[0]["id"] if rows else None

    async def last_step(self, step: str) -> StepMade | None:
        """The last step of a name."""
        rows = await self._connection.fetch(_LAST_STEP, self.period.id, step)
        return StepMade(**dict(rows[0])) if rows else None

    async def seal_before(self) -> KeptSeal | None:
        """The seal of the period before."""
        rows = await self._connection.fetch(
            "select * from seal where period < $1 order by period desc limit 1", self.period.id
        )
        return KeptSeal(**dict(rows[0])) if rows else None

    async def own_seal(self) -> KeptSeal | None:
        """The seal of this period."""
        rows = await self._connection.fetch("select * from seal where period = $1", self.period.id)
        return KeptSeal(**dict(rows[0])) if rows else None

    async def postings(self) -> AsyncIterator[Sequence[Values]]:
        """All postings of the period, added up by what they are about and their account, in a fixed order and in portions.

        As they are sealed: texts, in the order of the names of their columns.
        """
        await self._connection.execute(_POSTINGS, self.period.id)
        async for rows in portions_ahead(self._connection, "sealed_postings"):
            yield rows

    async def sealed_lines(self) -> AsyncIterator[Sequence[Values]]:
        """The lines of all live statements in portions: the statement, and the line as it is sealed."""
        async for rows in sealed_lines(self._connection, self.period.id):
            yield rows

    async def sealed_kept_out(self) -> AsyncIterator[Sequence[Record]]:
        """What was kept out of all live statements, by statement and in its order, in portions."""
        async for rows in sealed_kept_out(self._connection, self.period.id):
            yield rows

    async def decisions(self, since: datetime, until: datetime) -> AsyncIterator[Sequence[Record]]:
        """The decisions that were made, confirmed or taken back from one moment until before another, in a fixed order and in portions.

        Until the transaction ends nobody is forgotten: what stands for a token under the seal must not outlive its name.
        """
        await self._connection.execute("lock table forgetting in share mode")
        await self._connection.execute(_DECISIONS, since, until)
        async for rows in portions(self._connection, "sealed_decisions"):
            yield rows

    async def limits(self, since: datetime, until: datetime) -> AsyncIterator[Sequence[Record]]:
        """The limits of decisions that became known from one moment until before another, as `decisions` says those.

        Until the transaction ends no other one is added, and those that are added afterwards are known after it (`hub.store.decisions`).
        """
        await self._connection.execute("lock table forgetting, decision_limit in share mode")
        await self._connection.execute(_LIMITS, since, until)
        async for rows in portions(self._connection, "sealed_limits"):
            yield rows

    async def digests(self, values: Collection[str]) -> dict[str, str]:
        """What stands for personal values under the seal of the period."""
        return await digests_of(self._connection, self.period.id, values)

    async def seal(self, seal: KeptSeal) -> None:
        """Keep the seal."""
        await self._connection.execute(_ADD_SEAL, *(getattr(seal, name) for name in KeptSeal.__dataclass_fields__))


async def read_figures(connection: Connection, period: str) -> KeptFigures:
    """What the tables say about a period."""
    (counts,) = await connection.fetch(_COUNTS, period)
    unlined, astray = await _lined(connection, period)
    accounts = await connection.fetch(_ACCOUNTS, period)
    return KeptFigures(
        **dict(counts),
        unlined=unlined,
        astray=astray,
        came_in=await connection.fetch(_CAME_IN, period),
        dispositions=await connection.fetch(_DISPOSITIONS, period),
        returned=await connection.fetch(_RETURNED, period),
        advised=[PairSum(*row.values()) for row in await connection.fetch(ADVISED, period)],
        billed=[PairSum(*row.values()) for row in await connection.fetch(BILLED, period)],
        trial_balance=_of_kind(accounts, None),
        unbilled_accounts=_how_many(accounts, "claim:unbilled"),
        billed_accounts=_how_many(accounts, "claim:billed"),
        positions=_of_kind(accounts, "claim:net"),
    )


def _of_kind(accounts: Sequence[Record], kind: str | None) -> list[Record]:
    """What the accounts of a kind add up to, by currency; None: those of all kinds."""
    return [row for row in accounts if row["kind"] == kind]


def _how_many(accounts: Sequence[Record], kind: str) -> int:
    """How many accounts of a kind hold anything."""
    return sum(row["accounts"] for row in _of_kind(accounts, kind))


async def _lined(connection: Connection, period: str) -> tuple[int, int]:
    """How many settled CDRs are not on exactly one live statement, and how many lines are for what is not settled, or not so.

    A CDR on several lines counts once for each line too many.
    """
    (row,) = await connection.fetch(_LINED, period)
    too_many = row["matched"] - (row["settled"] - row["missing"])
    return row["missing"] + too_many, row["astray"]


async def _take(connection: Connection) -> None:
    """One step at a time; in a transaction that has read nothing yet, it sees what the step before left. Raises StepUnderWay."""
    try:
        await connection.execute("lock table period_step in share row exclusive mode")
    except asyncpg.QueryCanceledError as exc:  # it takes longer than a statement may wait
        raise StepUnderWay from exc


_PERIOD = "select id, starts_at, ends_at, closes_at, state, closed_by from period"
_PERIODS = f"{_PERIOD} where $1::text is null or id < $1 order by id desc limit $2"
_DUE = f"{_PERIOD} where state = 'open' and closes_at <= $1 order by starts_at"
_UNSEALED = f"{_PERIOD} where starts_at < $1 and state <> 'sealed' order by starts_at limit 1"

_WAITING = "select count(*) as n from claim where examined_at is null and failures = 0 and accepted_at < $1"

_STEP = "select step, actor, made_at, content from period_step"
_STEPS = f"{_STEP} where period = $1 order by id"
_LAST_STEP = f"{_STEP} where period = $1 and step = $2 order by id desc limit 1"
_BECOME = "update period set state = $2, closes_at = $3, closed_by = $4, changed_at = $5 where id = $1"

_SEALS = (
    "select * from seal where $1::timestamptz is null or sealed_at < $1 order by sealed_at desc, period desc limit $2"
)
_ADD_SEAL = "insert into seal (period, root, previous, leaves, content, signature, sealed_at) values ($1, $2, $3, $4, $5, $6, $7)"

# an entry has two postings for each claim in a class of accounts, the debtor's first
_DIRECTED = (
    "select p.counterparty as creditor, p.party as debtor, p.currency, sum(p.excl_vat) as excl_vat, sum(p.incl_vat) as incl_vat "
    "from (select p.*, e.event, row_number() over (partition by p.entry order by p.id) as place "
    "from posting p join journal_entry e on e.id = p.entry where p.period = $1 and p.kind = '{kind}' and e.event {events}) p "
    "where p.place % 2 = 1 group by 1, 2, 3 order by 1, 2, 3"
)
BILLED = _DIRECTED.format(kind="claim:billed", events="= 'billed'")
"""What entries bill within the pairs of a period."""
_OWED = _DIRECTED.format(kind="claim:billed", events="in ('billed', 'disputed', 'resolved', 'written_off')")
_CLAIMED = _DIRECTED.format(kind="claim:unbilled", events="<> 'netted'")

ADVISED = (
    "select creditor, debtor, currency, excl_vat, incl_vat from settlement_statement where period = $1 and state = 'advised' "
    "order by 1, 2, 3"
)
"""What advised statements of a period bill within pairs."""

_CAME_IN = (
    "select c.currency, count(*) as cdrs, sum(c.excl_vat) as excl_vat from claim c join verdict v using (creditor, cdr_key) "
    "where v.period = $1 group by 1 order by 1"
)
_DISPOSITIONS = (
    "select currency, disposition, count(*) as cdrs, sum(excl_vat) as excl_vat from verdict where period = $1 "
    "group by 1, 2 order by 1, 2"
)

_RETURNED = (
    "select currency, count(*) as cdrs, coalesce(sum((details::json->>'claimed_excl_vat')::numeric), 0) as excl_vat from finding "
    "where source = 'refused' and period = $1 and cleared_at is null group by 1 order by 1"
)

WAITS_BEFORE = (
    "coalesce((select max(made_at) from period_step where period = {} and step = 'cut_off'), 'infinity'::timestamptz)"
)
"""Before when a CDR came that a period waits for: before its cut-off, or whenever it was not cut off yet."""

_COUNTS = (
    f"select (select count(*) from claim where examined_at is null and accepted_at < {WAITS_BEFORE.format('$1')}) as waiting, "
    "(select count(*) from decision where stands_since is null and revoked_at is null) as proposed, "
    "(select count(*) from finding f where f.period = $1 and f.check_id = 'M03' and f.disposition = 'HOLD' "
    f"and f.cleared_at is null and not {IS_ACCEPTED}) as wrong_fees"
)

# postings are added up once, by account; `accounts` is how many of them hold anything
_ACCOUNTS = (
    "with accounts as materialized (select kind, party, counterparty, currency, sum(excl_vat) as excl_vat, sum(incl_vat) as incl_vat "
    "from posting where period = $1 group by 1, 2, 3, 4) "
    "select kind, currency, sum(excl_vat) as excl_vat, sum(incl_vat) as incl_vat, "
    "count(*) filter (where excl_vat <> 0 or incl_vat <> 0) as accounts from accounts "
    "group by grouping sets ((kind, currency), (currency)) order by kind nulls first, currency"
)

LINES = (
    "select s.state, s.currency, l.statement, l.line, l.cdr_creditor, l.cdr_key, l.excl_vat, l.incl_vat from settlement_statement s "
    "join statement_line l on l.statement = s.id where s.period = $1 and s.state <> 'superseded' and l.kind in ('cdr', 'credit')"
)
"""The lines for CDRs of the live statements of a period."""

LINED_UP = (
    "(select creditor, cdr_key, currency, excl_vat, incl_vat, statement from verdict where period = $1 and disposition = 'SETTLE') v "
    f"full join ({LINES}) l on l.cdr_creditor = v.creditor and l.cdr_key = v.cdr_key"
)
"""Every live line beside the settled CDR that it is for, and every settled CDR beside its line, in one join."""

IS_ASTRAY = (
    "l.cdr_key is not null and (v.cdr_key is null or v.excl_vat <> l.excl_vat or v.incl_vat is distinct from l.incl_vat "
    "or v.statement is distinct from case when l.state = 'advised' then l.statement end)"
)
"""Whether a line bills what is not settled, or not so."""

_LINED = (
    "select count(*) filter (where v.cdr_key is not null and l.cdr_key is not null) as matched, "
    "count(*) filter (where l.cdr_key is null) as missing, "
    f"count(*) filter (where {IS_ASTRAY}) as astray, "
    f"(select count(*) from verdict where period = $1 and disposition = 'SETTLE') as settled from {LINED_UP}"
)

# accounts of which drafts and journal say different things
_ACCOUNTS_OFF = (
    "with totals as (select party, counterparty, currency, excl_vat, incl_vat from posting "
    "where period = $1 and kind = 'claim:unbilled' union all "
    "select debtor, creditor, currency, -excl_vat, -incl_vat from settlement_statement where period = $1 and state = 'draft' union all "
    "select creditor, debtor, currency, excl_vat, incl_vat from settlement_statement where period = $1 and state = 'draft') "
    "select count(*) as accounts from (select 1 from totals group by party, counterparty, currency "
    "having sum(excl_vat) <> 0 or sum(incl_vat) <> 0) t"
)

_UNSETTLED = (
    "select count(*) as n from claim join verdict v using (creditor, cdr_key) "
    "where claim.examined_at is null and v.period = $1 and v.statement is null"
)

# CDRs that are kept out and not listed as that, or listed and not kept out any more
_STALE_KEPT_OUT = (
    "with listed as (select k.cdr_creditor, k.cdr_key, k.disposition from settlement_statement s "
    "join statement_kept_out k on k.statement = s.id where s.period = $1 and s.state = 'draft'), "
    "out as (select creditor, cdr_key, disposition from verdict where period = $1 and disposition <> 'SETTLE') "
    "select count(*) as n from out full join listed l on l.cdr_creditor = out.creditor and l.cdr_key = out.cdr_key "
    "where l.disposition is distinct from out.disposition"
)

# grouped under the collation in which they are ordered, so that one sort does for both
_ABOUT = tuple(f'{name} collate "C"' for name in ("e.reference", "p.kind", "p.party", "p.counterparty", "p.currency"))

_POSTINGS = (
    "declare sealed_postings no scroll cursor for select counterparty, currency, trim_scale(excl_vat)::text as excl_vat, "
    "trim_scale(incl_vat)::text as incl_vat, kind, party, reference from (select {} as reference, {} as kind, {} as party, "
    "{} as counterparty, {} as currency, sum(p.excl_vat) as excl_vat, sum(p.incl_vat) as incl_vat from posting p "
    "join journal_entry e on e.id = p.entry where p.period = $1 group by 1, 2, 3, 4, 5 "
    "having sum(p.excl_vat) <> 0 or sum(p.incl_vat) <> 0 order by 1, 2, 3, 4, 5) p"
).format(*_ABOUT)

_DECISIONS = (
    "declare sealed_decisions no scroll cursor for select scope, target, action, reason, actor, decided_at, "
    "case when confirmed_at < $2 then confirmed_by else '' end as confirmed_by, "
    "case when stands_since < $2 then stands_since end as stands_since, "
    "case when revoked_at < $2 then revoked_by else '' end as revoked_by, "
    "case when revoked_at < $2 then revoked_at end as revoked_at from decision where (decided_at >= $1 and decided_at < $2) "
    "or (stands_since >= $1 and stands_since < $2) or (confirmed_at >= $1 and confirmed_at < $2) or (revoked_at >= $1 and revoked_at < $2) "
    'order by decided_at, scope collate "C", action collate "C", actor collate "C", id'
)

_LIMITS = (
    "declare sealed_limits no scroll cursor for select scope, target, action, actor, decided_at, beyond_from, known_at "
    "from decision_limit join decision on decision.id = decision where known_at >= $1 and known_at < $2 "
    'order by known_at, beyond_from, scope collate "C", action collate "C", actor collate "C", decision.id'
)
