"""Sessions that should have a CDR by now: who owes them, and asking for them, by the process that leads.

A CPO that offers its list of CDRs is asked for what it updated since the first session that is missed, at most once in a while, or when a
person wishes so. What it lists is taken as if it had been pushed; a session that gets its CDR is missed no longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from hub.clock import Clock
from hub.settlement.engine.rounds import Rounds
from hub.settlement.facts import SessionFact, read_session
from hub.store.chases import Chase, Chased, Chases, MissingAsked, MissingCdr, MissingOf
from hub.store.verdicts import Verdicts
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json

CHASED_BACK_MAX_DAYS = 62
"""Sessions that were complete before are still missed, but nobody is asked for them of the hub's own accord."""

SESSION_MAX_DAYS = 93
OVERLAP = timedelta(hours=1)
CHASES_AT_ONCE_MAX = 100
SESSIONS_LOOKED_AT_MAX = 1000
LOOK_SECONDS_MAX = 600.0
NOTED_AT_ONCE_MAX = 20_000
LOOKS_PER_TERM = 24

_log = structlog.get_logger()


class Answered(Protocol):
    """What became of asking a CPO: how many CDRs it listed, those that were refused, and why the list was not read to its end."""

    @property
    def objects(self) -> int: ...
    @property
    def refused(self) -> int: ...
    @property
    def said(self) -> str: ...


Ask = Callable[[Party, datetime, datetime], Awaitable[Answered | None]]
"""Asks a CPO for the CDRs that it updated from one moment until before another (UTC); None where it cannot be asked now."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A session without a CDR, with its last state where that is kept."""

    cdr: MissingCdr
    session: SessionFact | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """After how long a session without a CDR is missed, and how often, at most, a CPO is asked of the hub's own accord."""

    missed_after: timedelta
    asked_every: timedelta


class MissingBoard:
    """What is missed, and the chases."""

    def __init__(self, chases: Chases, verdicts: Verdicts, clock: Clock, terms: Terms) -> None:
        self._chases, self._verdicts, self._clock, self._terms = chases, verdicts, clock, terms

    @property
    def before(self) -> datetime:
        """What was complete before this moment is missed now (UTC)."""
        return self._clock.now() - self._terms.missed_after

    async def page(self, asked: MissingAsked, most: int) -> list[Missing]:
        """Sessions without a CDR, with what their CPOs said of them."""
        missing = await self._chases.missing(asked, most)
        sessions = await self._sessions(missing)
        return [Missing(one, sessions.get((one.creditor, one.session_key))) for one in missing]

    async def _sessions(self, missing: Iterable[MissingCdr]) -> dict[tuple[str, str], SessionFact]:
        texts = await self._verdicts.copies("sessions", {(one.creditor, one.session_key) for one in missing})
        facts = [read_session(decode_json(text)) for text in texts]
        return {(str(fact.owner), fact.key): fact for fact in facts}

    async def owing(self) -> list[tuple[MissingOf, Chase | None]]:
        """CPOs with sessions that have no CDR, the most first, and when each was last asked."""
        owing = await self._chases.by_creditor(MissingAsked(before=self.before))
        last = await self._chases.last([one.creditor for one in owing])
        return [(one, last.get(one.creditor)) for one in owing]

    async def wish(self, creditor: str | None, actor: str) -> list[Chase]:
        """Have CPOs asked that owe CDRs: one of them, or all."""
        asked = MissingAsked(before=self.before, creditor=creditor)
        now = self._clock.now()
        return [await self._chases.wish(one.creditor, actor, now) for one in await self._chases.by_creditor(asked)]

    async def wish_due(self) -> None:
        """Have those asked whose time has come."""
        asked = MissingAsked(before=self.before, since=self._clock.now() - timedelta(days=CHASED_BACK_MAX_DAYS))
        owing = await self._chases.by_creditor(asked)
        last = await self._chases.last([one.creditor for one in owing])
        now = self._clock.now()
        for one in owing:
            if is_due(last.get(one.creditor), now, self._terms.asked_every):
                await self._chases.wish(one.creditor, "", now)

    async def note_cdrs(self) -> None:
        """Note which sessions have their CDR."""
        while await self._chases.note_cdrs(self.before, NOTED_AT_ONCE_MAX) == NOTED_AT_ONCE_MAX:
            pass

    async def chase_wished(self, ask: Ask) -> int:
        """Ask those that are to be asked; returns how many were. Those that are not there are asked when they are."""
        return sum([await self._chase(chase, ask) for chase in await self._chases.wishes(CHASES_AT_ONCE_MAX)])

    async def _chase(self, chase: Chase, ask: Ask) -> bool:
        now = self._clock.now()
        missing = await self.page(MissingAsked(before=self.before, creditor=chase.creditor), SESSIONS_LOOKED_AT_MAX)
        since = window_start(missing)
        if since is None:
            await self._chases.done(chase, Chased(sessions=0, said="nothing is missed any more"), now)
            return True
        answered = await ask(Party.parse(chase.creditor), since, now)
        if answered is None:
            return False
        chased = Chased(
            sessions=len(missing),
            date_from=since,
            objects=answered.objects,
            refused=answered.refused,
            said=answered.said,
        )
        await self._chases.done(chase, chased, self._clock.now())
        _log.info("cdrs_chased", creditor=chase.creditor, sessions=len(missing), objects=answered.objects)
        return True


class Chasing(Rounds):
    """The rounds of asking, between `start` and `close`."""

    def __init__(self, board: MissingBoard, ask: Ask, *, every_seconds: float, look_seconds: float) -> None:
        self._board, self._ask = board, ask
        self._every_seconds, self._look_seconds = every_seconds, look_seconds

    async def _run(self) -> None:
        waited_seconds = self._look_seconds
        while True:
            is_time = waited_seconds >= self._look_seconds
            await self._round(is_time=is_time)
            await asyncio.sleep(self._every_seconds)
            waited_seconds = self._every_seconds if is_time else waited_seconds + self._every_seconds

    async def _round(self, *, is_time: bool) -> None:
        try:
            if is_time:
                await self._board.note_cdrs()
                await self._board.wish_due()
            await self._board.chase_wished(self._ask)
        except Exception as exc:  # the database is away: the next round tries again
            _log.exception("cdrs_not_chased", error=type(exc).__name__)


def is_due(last: Chase | None, now: datetime, every: timedelta) -> bool:
    """Whether a CPO is to be asked again."""
    return last is None or last.done_at is None or now - last.done_at >= every


def window_start(missing: Sequence[Missing]) -> datetime | None:
    """From when on the CDRs of some sessions can have been written: since the first of them began, and a little earlier; None of none."""
    return min(map(_began_at, missing)) - OVERLAP if missing else None


def _began_at(missing: Missing) -> datetime:
    """When a session began; one that says it began long before it was complete is not believed."""
    completed_at, session = missing.cdr.completed_at, missing.session
    if session is None or session.start is None:
        return completed_at
    return min(completed_at, max(session.start, completed_at - timedelta(days=SESSION_MAX_DAYS)))


def look_seconds(terms: Terms) -> float:
    """How often to look whose time has come."""
    term_seconds = min(terms.missed_after, terms.asked_every).total_seconds()
    return min(LOOK_SECONDS_MAX, term_seconds / LOOKS_PER_TERM)
