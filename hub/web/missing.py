"""The missing-CDR board: sessions that are complete and have no CDR, who owes them, and asking for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from hub.clock import Clock
from hub.settlement.engine.chasing import Missing, MissingBoard
from hub.settlement.outputs import amount_text
from hub.store.chases import Chase, Chases, MissingAsked, MissingOf
from hub.web.asked import Asked
from hub.web.books import Cost
from hub.web.decisions import read_place
from hub.web.listing import (
    PAGE_ROWS,
    Actor,
    After,
    Filters,
    Limit,
    Page,
    PartyText,
    page_of,
    read_cursor,
    read_moment,
    read_parts,
    settlement_routes,
)
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.types import DateTime

SECONDS_PER_HOUR = 3600
ESTIMATES_MAX_SESSIONS = 2000


class MissingShown(BaseModel):
    """A completed session without a CDR; `estimated` is its own total so far, null where it states none."""

    creditor: str
    debtor: str
    session_id: str
    completed_at: DateTime
    age_hours: int
    start_date_time: DateTime | None
    end_date_time: DateTime | None
    kwh: str | None
    currency: str | None
    estimated: Cost | None


class ChaseShown(BaseModel):
    """One time that a CPO was asked for its CDRs, by a person or by the hub itself (empty `actor`); it waits while `done_at` is null.

    `sessions` were missed then; of `objects` that were listed from `date_from` on `new_cdrs` were news; `said` is why it failed.
    """

    id: int
    creditor: str
    actor: str
    asked_at: DateTime
    done_at: DateTime | None
    sessions: int
    date_from: DateTime | None
    objects: int
    refused: int
    new_cdrs: int
    said: str


class OwingShown(BaseModel):
    """How many sessions of a CPO have no CDR, since when the oldest is complete, and the last time it was asked."""

    creditor: str
    sessions: int
    oldest_at: DateTime
    chase: ChaseShown | None


class BoardShown(Page[MissingShown]):
    """A page of sessions without a CDR, and who owes how many in all."""

    by_creditor: list[OwingShown]


MissingSort = Literal["age", "-age", "estimated", "-estimated"]


class MissingFilters(Filters):
    """Whose sessions are wanted, complete at `completed_from` or later, and before `completed_before`; without `sort` the oldest first."""

    creditor: PartyText | None = None
    debtor: PartyText | None = None
    completed_from: DateTime | None = None
    completed_before: DateTime | None = None
    sort: MissingSort | None = None


class ChaseAsked(Asked):
    """Whom to ask (null: everybody who owes CDRs), and who wants that."""

    creditor: PartyText | None = None
    actor: Actor


@dataclass(frozen=True, slots=True)
class MissingDesk:
    """What the board is shown with."""

    board: MissingBoard
    chases: Chases
    clock: Clock

    async def page(self, asked: MissingFilters) -> BoardShown:
        """A page of the board. Raises InvalidParameters for a cursor that is none, and for more to be sorted than can be."""
        page = await self.sessions(asked)
        return BoardShown(items=page.items, next=page.next, by_creditor=await self.owing())

    async def sessions(self, asked: MissingFilters) -> Page[MissingShown]:
        """A page of sessions without a CDR. Raises what `page` raises."""
        is_by_estimate = asked.sort in {"estimated", "-estimated"}
        return await (self._by_estimate(asked) if is_by_estimate else self._by_age(asked))

    async def owing(self) -> list[OwingShown]:
        """Who owes how many."""
        return [show_owing(*one) for one in await self.board.owing()]

    async def _by_age(self, asked: MissingFilters) -> Page[MissingShown]:
        place = read_parts(read_cursor(asked.after, 3), lambda parts: (read_moment(parts[0]), parts[1], parts[2]))
        wanted = replace(self._wanted(asked), is_newest_first=asked.sort == "age", after=place)
        now = self.clock.now()
        found = await self.board.page(wanted, asked.limit + 1)
        return page_of(found, asked.limit, lambda one: show_missing(one, now), _place)

    async def _by_estimate(self, asked: MissingFilters) -> Page[MissingShown]:
        """What a session says of its total is in its text, which is read to sort by it."""
        place = read_parts(read_cursor(asked.after, 4), _read_worth)
        found = await self.board.page(self._wanted(asked), ESTIMATES_MAX_SESSIONS + 1)
        if len(found) > ESTIMATES_MAX_SESSIONS:
            raise InvalidParameters(
                f"sort: of at most {ESTIMATES_MAX_SESSIONS} sessions; choose a creditor or a debtor"
            )
        now = self.clock.now()
        behind = by_estimate(found, place, is_descending=asked.sort == "-estimated")
        return page_of(behind[: asked.limit + 1], asked.limit, lambda one: show_missing(one, now), _written_worth)

    def _wanted(self, asked: MissingFilters) -> MissingAsked:
        before = self.board.before
        return MissingAsked(
            before=before if asked.completed_before is None else min(before, asked.completed_before),
            since=asked.completed_from,
            creditor=asked.creditor,
            debtor=asked.debtor,
        )

    async def chase(self, asked: ChaseAsked) -> list[ChaseShown]:
        """Have CPOs asked."""
        return [show_chase(one) for one in await self.board.wish(asked.creditor, asked.actor)]

    async def history(self, creditor: str | None, after: str | None, limit: int) -> Page[ChaseShown]:
        """A page of chases. Raises InvalidParameters for a cursor that is none."""
        found = await self.chases.page(creditor, read_place(after), limit + 1)
        return page_of(found, limit, show_chase, lambda one: (str(one.id),))


def missing_router(desk: MissingDesk, admin_token: str | None) -> APIRouter:
    """The routes of the board."""
    router = settlement_routes(admin_token)

    @router.get("/missing")
    async def list_missing(filters: Annotated[MissingFilters, Query()]) -> BoardShown:
        """Sessions that have been complete for `HUB_MISSING_CDR_HOURS` and have no CDR, the oldest first, and who owes how many.

        In another order with `sort`, descending with a minus: by age, or by what they say of their total (2000 at most).
        """
        return await desk.page(filters)

    @router.post("/missing/chase", status_code=202)
    async def chase(asked: ChaseAsked) -> list[ChaseShown]:
        """Read the lists of CPOs that owe CDRs, now, in the background; the hub does so by itself every `HUB_CHASE_HOURS`."""
        return await desk.chase(asked)

    @router.get("/missing/chases")
    async def list_chases(
        creditor: PartyText | None = None, after: After = None, limit: Limit = PAGE_ROWS
    ) -> Page[ChaseShown]:
        """When which CPO was asked for its CDRs and what came of it, the last time first."""
        return await desk.history(creditor, after, limit)

    return router


def show_missing(missing: Missing, now: datetime) -> MissingShown:
    """A session without a CDR in the list."""
    cdr, session = missing.cdr, missing.session
    total = session.total if session is not None else None
    return MissingShown(
        creditor=cdr.creditor,
        debtor=cdr.debtor,
        session_id=session.id if session is not None else cdr.session_key,
        completed_at=cdr.completed_at,
        age_hours=int((now - cdr.completed_at).total_seconds() // SECONDS_PER_HOUR),
        start_date_time=session.start if session is not None else None,
        end_date_time=session.end if session is not None else None,
        kwh=_amount(session.energy if session is not None else None),
        currency=(session.currency or None) if session is not None else None,
        estimated=None
        if total is None
        else Cost(excl_vat=amount_text(total.excl_vat), incl_vat=_amount(total.incl_vat)),
    )


def show_chase(chase: Chase) -> ChaseShown:
    """A chase in a list."""
    return ChaseShown.model_validate(chase, from_attributes=True)


def show_owing(owing: MissingOf, chase: Chase | None) -> OwingShown:
    """A CPO that owes CDRs."""
    return OwingShown(
        creditor=owing.creditor,
        sessions=owing.sessions,
        oldest_at=owing.oldest_at,
        chase=None if chase is None else show_chase(chase),
    )


Worth = tuple[str, Decimal, str, str]
"""Currency, total without VAT (less than any where none is stated), creditor and session."""


def by_estimate(found: Iterable[Missing], place: Worth | None, *, is_descending: bool) -> list[Missing]:
    """Sessions by what they say of their total, one currency after the other: those behind a place in that order."""
    ordered = sorted(found, key=_worth, reverse=is_descending)
    return [one for one in ordered if place is None or (_worth(one) < place if is_descending else _worth(one) > place)]


def _worth(missing: Missing) -> Worth:
    session = missing.session
    total = session.total if session is not None else None
    currency = session.currency if session is not None and total is not None else ""
    return (currency, Decimal("-Infinity") if total is None else total.excl_vat, *_name(missing))


def _name(missing: Missing) -> tuple[str, str]:
    return (missing.cdr.creditor, missing.cdr.session_key)


def _written_worth(missing: Missing) -> tuple[str, ...]:
    currency, total, *name = _worth(missing)
    return (currency, str(total), *name)


def _read_worth(parts: tuple[str, ...]) -> Worth:
    """Raises InvalidOperation, or ValueError for what cannot be compared."""
    total = Decimal(parts[1])
    if total.is_nan():
        raise ValueError("is no amount")
    return (parts[0], total, parts[2], parts[3])


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else amount_text(amount)


def _place(missing: Missing) -> tuple[str, ...]:
    return (missing.cdr.completed_at.isoformat(), missing.cdr.creditor, missing.cdr.session_key)
