"""Sessions that are complete and have no CDR, and the times that their CPOs were asked for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.store.direct import Direct, Record
from hub.store.where import Clause, where


@dataclass(frozen=True, slots=True)
class MissingCdr:
    """A completed session without a CDR: whose, its folded id, who is to pay, and since when it is complete (UTC)."""

    creditor: str
    session_key: str
    debtor: str
    completed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingAsked:
    """Which are wanted: complete `before` a moment (and not before `since`), of whom, to be paid by whom.

    `after` is when, creditor and session of the last one on the page before. The oldest come first, or the newest.
    """

    before: datetime
    since: datetime | None = None
    creditor: str | None = None
    debtor: str | None = None
    is_newest_first: bool = False
    after: tuple[datetime, str, str] | None = None


@dataclass(frozen=True, slots=True)
class MissingOf:
    """How many sessions of a CPO have no CDR, and since when the oldest is complete."""

    creditor: str
    sessions: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Chase:
    """One time that a CPO's CDRs were, or are to be (no `done_at`), asked for; the fields are those of `ChaseRow`."""

    id: int
    creditor: str
    actor: str
    asked_at: datetime
    done_at: datetime | None
    sessions: int
    date_from: datetime | None
    objects: int
    refused: int
    new_cdrs: int
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chased:
    """What became of a chase."""

    sessions: int
    date_from: datetime | None = None
    objects: int = 0
    refused: int = 0
    said: str = ""


class Chases:
    """What is missed, and the table of chases."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def missing(self, asked: MissingAsked, most: int) -> list[MissingCdr]:
        """Sessions without a CDR, the oldest or the newest first (D05)."""
        condition, values = where(_clauses(asked))
        by = _NEWEST_FIRST if asked.is_newest_first else _PLACE
        statement = f"{_MISSING} {condition} and {IS_MISSED} order by {by} limit {int(most)}"
        return [MissingCdr(*row.values()) for row in await self._direct.fetch(statement, *values)]

    async def by_creditor(self, asked: MissingAsked) -> list[MissingOf]:
        """How many sessions of each CPO have no CDR, the most first."""
        condition, values = where(_clauses(asked))
        statement = f"{_BY_CREDITOR} {condition} and {IS_MISSED} group by s.creditor order by 2 desc, 1"
        return [MissingOf(*row.values()) for row in await self._direct.fetch(statement, *values)]

    async def wish(self, creditor: str, actor: str, now: datetime) -> Chase:
        """A chase that is to be done: the one that is waited for already, or a new one."""
        async with self._direct.transaction() as connection:
            await connection.execute("lock table chase in share row exclusive mode")
            waiting = await connection.fetch(f"{_SELECT} where creditor = $1 and done_at is null limit 1", creditor)
            rows = waiting or await connection.fetch(_WISH, creditor, actor, now)
            return _chase(rows[0])

    async def note_cdrs(self, before: datetime, most: int) -> int:
        """Note that sessions have their CDR, of those that were complete before a moment, `most` at most; returns of how many."""
        async with self._direct.transaction() as connection:
            return len(await connection.fetch(_NOTE, before, most))

    async def wishes(self, most: int) -> list[Chase]:
        """The chases that are to be done, the oldest first."""
        rows = await self._direct.fetch(f"{_SELECT} where done_at is null order by id limit $1", most)
        return [*map(_chase, rows)]

    async def last(self, creditors: Collection[str]) -> dict[str, Chase]:
        """The last chase of each of some CPOs."""
        return {row["creditor"]: _chase(row) for row in await self._direct.fetch(_LAST, [*creditors])}

    async def done(self, chase: Chase, chased: Chased, now: datetime) -> None:
        """Note what became of a chase; news are the CDRs of the CPO that were accepted since it began."""
        async with self._direct.transaction() as connection:
            values = (chased.sessions, chased.date_from, chased.objects, chased.refused, chased.said)
            await connection.execute(_DONE, chase.id, now, *values)

    async def page(self, creditor: str | None, before: int | None, most: int) -> Sequence[Chase]:
        """Chases, the newest first."""
        condition, values = where([("creditor = ?", creditor), ("id < ?", before)])
        rows = await self._direct.fetch(f"{_SELECT} {condition} order by id desc limit {int(most)}", *values)
        return [*map(_chase, rows)]


def _clauses(asked: MissingAsked) -> list[Clause]:
    return [
        ("s.completed_at < ?", asked.before),
        ("s.completed_at >= ?", asked.since),
        ("s.creditor = ?", asked.creditor),
        ("s.debtor = ?", asked.debtor),
        (f"({_PLACE}) {'<' if asked.is_newest_first else '>'} (?, ?, ?)", asked.after),
    ]


def _chase(row: Record) -> Chase:
    return Chase(**{name: row[name] for name in Chase.__dataclass_fields__})


_PLACE = "s.completed_at, s.creditor, s.session_key"
_NEWEST_FIRST = "s.completed_at desc, s.creditor desc, s.session_key desc"

_MISSING = "select s.creditor, s.session_key, s.debtor, s.completed_at from completed_session s"

# some CPOs leave the session out and call the CDR as they called it
_HAS_NONE = (
    "not exists (select 1 from verdict v where v.creditor = s.creditor and v.session_key = s.session_key) "
    "and not exists (select 1 from verdict v where v.creditor = s.creditor and v.found_session = s.session_key) "
    "and not exists (select 1 from verdict v where v.creditor = s.creditor and v.cdr_key = s.session_key and v.session_key is null)"
)

IS_MISSED = f"not s.has_cdr and {_HAS_NONE}"
"""Whether a completed session (`s`) has no CDR."""

# what has its CDR stands in the way of what has none: noted, it is not looked at again
_NOTE = (
    "update completed_session set has_cdr = true where (creditor, session_key) in (select s.creditor, s.session_key "
    f"from completed_session s where not s.has_cdr and s.completed_at < $1 and not ({_HAS_NONE}) "
    "order by s.completed_at, s.creditor, s.session_key limit $2) returning 1"
)

_BY_CREDITOR = "select s.creditor, count(*) as sessions, min(s.completed_at) as oldest_at from completed_session s"

_SELECT = f"select {', '.join(Chase.__dataclass_fields__)} from chase"

_WISH = (
    "insert into chase (creditor, actor, asked_at, sessions, objects, refused, new_cdrs, said) values ($1, $2, $3, 0, 0, 0, 0, '') "
    "returning *"
)

_LAST = (
    "select distinct on (creditor) * from chase where creditor = any($1::text[]) and done_at is not null "
    "order by creditor, id desc"
)

_DONE = (
    "update chase set done_at = $2, sessions = $3, date_from = $4, objects = $5, refused = $6, said = $7, new_cdrs = "
    "(select count(*) from claim where claim.creditor = chase.creditor and claim.accepted_at >= chase.asked_at) where id = $1"
)
