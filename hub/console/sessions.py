"""The page of a Session: who charged where, its periods, its CDR, its messages in the journal, and the text that is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request, Response

from hub.console.accounts import Permission, Person
from hub.console.exports import attachment
from hub.console.locations import PlaceDesks
from hub.console.messages import MESSAGES_PATH
from hub.console.places import location_path
from hub.console.routes import Console
from hub.settlement.facts import SessionFact, read_session
from hub.store.places import KeptCopy
from hub.web.books import BooksDesk, CdrFilters, CdrShown, read_creditor
from hub.web.charges import ChargesDesk
from hub.web.messages import MessageFilters, MessagesDesk
from ocpi_modules.errors import UnknownPath
from ocpi_modules.parties import Party
from ocpi_modules.sessions import SESSIONS
from ocpi_modules.types import decode_json, lenient_datetime

SESSIONS_PATH = "/console/sessions"
TEXT, MESSAGES = "text", "messages"
PERIODS_SHOWN_MAX = 200
MESSAGES_SHOWN_MAX = 20
CDRS_SHOWN_MAX = 20
BEFORE_START_HOURS = 1
AFTER_PUSH_HOURS = 1

_ENERGY = dict.fromkeys(("ENERGY", "ENERGY_EXPORT", "ENERGY_IMPORT"), "kWh")
_TIMES = dict.fromkeys(("TIME", "PARKING_TIME", "RESERVATION_TIME"), "h")
_CURRENTS = dict.fromkeys(("CURRENT", "MIN_CURRENT", "MAX_CURRENT"), "A")
_POWERS = dict.fromkeys(("POWER", "MIN_POWER", "MAX_POWER"), "kW")
DIMENSION_UNITS = {**_ENERGY, **_TIMES, **_CURRENTS, **_POWERS, "STATE_OF_CHARGE": "%"}
"""In what CdrDimensions are stated (mod_cdrs, CdrDimensionType enum)."""


def session_path(owner: str, session_id: str) -> str:
    """The page of a Session."""
    return f"{SESSIONS_PATH}/{owner}/{quote(session_id, safe='')}"


@dataclass(frozen=True, slots=True)
class SessionDesks:
    """What the page is made of; `party` is the local CPO, whose Sessions are charges."""

    places: PlaceDesks
    books: BooksDesk
    messages: MessagesDesk
    charges: ChargesDesk
    party: Party


@dataclass(frozen=True, slots=True)
class SessionPeriod:
    """A ChargingPeriod as its CPO stated it; `dimensions` are types with their volumes."""

    start: datetime | None
    dimensions: Sequence[tuple[str, Any]]
    tariff_id: str


def sessions_router(console: Console, desks: SessionDesks) -> APIRouter:
    """The page of a Session."""
    router = console.router()

    @router.get("/sessions/{country_code}/{party_id}/{session_id:path}")
    async def show(request: Request, country_code: str, party_id: str, session_id: str, format: str = "") -> Response:
        person = console.person(request, Permission.OPERATE if format == MESSAGES else Permission.READ)
        copy = await _copy(desks, read_creditor(country_code, party_id), session_id)
        if format == TEXT:
            name = f"session-{session_id}.json"
            return Response(copy.text, media_type="application/json", headers=attachment(name))
        one = read_session(decode_json(copy.text))
        if format == MESSAGES:
            found = await desks.messages.page(_of_session(one, copy))
            return await console.page(
                request, "session_messages.html", {"messages": found.items, **_journal(one, copy)}
            )
        return await console.page(request, "session.html", await _values(desks, one, copy, person))

    return router


async def _copy(desks: SessionDesks, owner: Party, session_id: str) -> KeptCopy:
    copies = await desks.places.places.copies(owner, session_id, SESSIONS.id)
    if not copies:
        raise UnknownPath("The hub keeps no such session: its CPO never sent it.")
    return copies[0]


async def _values(desks: SessionDesks, one: SessionFact, copy: KeptCopy, person: Person) -> dict[str, Any]:
    """What the page of a Session shows."""
    periods = periods_of(one.content)
    return {
        "one": one,
        "copy": copy,
        "owner": str(one.owner),
        "debtor": str(one.token_party),
        "own_path": session_path(str(one.owner), one.id),
        "location_path": await _location_path(desks, one),
        "periods": periods[-PERIODS_SHOWN_MAX:],
        "units": DIMENSION_UNITS,
        "period_count": len(periods),
        "cdrs": await _cdrs(desks.books, one),
        "charge": await desks.charges.charges.of_session(one.id) if one.owner == desks.party else None,
        "may_read_messages": person.may(Permission.OPERATE),
        **_journal(one, copy),
    }


async def _location_path(desks: SessionDesks, one: SessionFact) -> str | None:
    """The page of the Location that a Session names; None where the hub was told of none."""
    location_id = one.content.get("location_id")
    if not isinstance(location_id, str) or not await desks.places.places.copies(one.owner, location_id):
        return None
    return location_path(str(one.owner), location_id)


async def _cdrs(books: BooksDesk, one: SessionFact) -> Sequence[CdrShown]:
    """The CDRs that name a Session: one, or it is billed twice."""
    asked = CdrFilters(creditor=str(one.owner), session_id=one.id).asked()
    return (await books.cdrs(asked, CDRS_SHOWN_MAX)).items


def periods_of(content: Mapping[str, Any]) -> list[SessionPeriod]:
    """The periods that a Session states, in its order; what is none is left out."""
    stated = content.get("charging_periods")
    return [_period(one) for one in stated if isinstance(one, Mapping)] if isinstance(stated, list) else []


def _period(stated: Mapping[str, Any]) -> SessionPeriod:
    dimensions = stated.get("dimensions")
    return SessionPeriod(
        start=lenient_datetime(stated.get("start_date_time")),
        dimensions=[
            (str(one.get("type") or "?"), one.get("volume"))
            for one in (dimensions if isinstance(dimensions, list) else [])
            if isinstance(one, Mapping)
        ],
        tariff_id=str(stated.get("tariff_id") or ""),
    )


def _of_session(one: SessionFact, copy: KeptCopy) -> MessageFilters:
    """The messages whose address names a Session."""
    return MessageFilters(party=str(one.owner), limit=MESSAGES_SHOWN_MAX, **_search(one, copy))


def _search(one: SessionFact, copy: KeptCopy) -> dict[str, Any]:
    """By a part of the path, since the Session began, until its owner pushed it last: that may be weeks after it was over."""
    return {
        "path": quote(one.id, safe=""),
        "date_from": one.start - timedelta(hours=BEFORE_START_HOURS) if one.start else None,
        "date_to": copy.pushed_at + timedelta(hours=AFTER_PUSH_HOURS) if copy.pushed_at else None,
    }


def _journal(one: SessionFact, copy: KeptCopy) -> dict[str, str]:
    """Where all its messages are."""
    asked = {name: str(value) for name, value in _search(one, copy).items() if value is not None}
    return {"journal_path": f"{MESSAGES_PATH}?{urlencode({'party': str(one.owner), **asked})}"}
