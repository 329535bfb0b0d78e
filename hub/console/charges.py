"""Charges at the hub's own stations: what runs, what was kept back and why, and what operators decide about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request, Response

from hub.console.accounts import Permission
from hub.console.cdrs import cdr_path
from hub.console.listing import Column, FilterField, Listing, add_listing, validated
from hub.console.routes import Console, done
from hub.console.sessions import session_path
from hub.console.stations import site_path, station_path
from hub.store.charges import ChargeState
from hub.web.charges import (
    REASON_MAX_CHARACTERS,
    ChargeDecisionAsked,
    ChargeFilters,
    ChargesDesk,
    ChargeShown,
    ReleaseAsked,
)
from ocpi_modules.parties import Party
from ocpi_modules.types import INT_MAX

CHARGES_PATH = "/console/charges"
ENERGY_MAX_CHARACTERS = 20
READINGS_SHOWN_MAX = 100

Number = Annotated[int, Path(ge=1, le=INT_MAX)]
Reason = Annotated[str, Form(max_length=REASON_MAX_CHARACTERS)]

STATE_CHOICES = (
    ("ACTIVE", "running"),
    ("QUARANTINED", "kept back"),
    ("ENDED", "over, being billed"),
    ("COMPLETED", "billed"),
    ("INVALID", "not billed"),
)

FLAGS = {
    "CLOCK_IGNORED": "Times of the station are beyond belief; those of the hub count",
    "CLOCK_SHIFTED": "Times are put right: the clock of the station is wrong",
    "END_FROM_SAMPLE": "The station did not say what the meter showed at the end; its last reading counts",
    "ENDS_BEFORE_START": "It ended before it began",
    "ENERGY_ABOVE_POWER": "More energy than the connector can deliver in that time",
    "ENERGY_UNLIKE_POWER": "The energy is far from what the powers come to that were measured",
    "EVENTS_MISSING": "Events of the station are missing that would have told more",
    "FROM_INLET": "The energy was measured at the inlet of the station, not at the outlet",
    "FROM_INTERVALS": "The energy is the sum of intervals: the station told no register",
    "GARBAGE": "Some readings could not be read",
    "INCOMPLETE": "The station left some of its messages out",
    "LATE": "It was told long after it happened",
    "NEVER_DELIVERED": "Nothing was delivered, and it lasted seconds",
    "NOT_PERMITTED": "Nobody had permitted it",
    "NO_PLACE": "The connector belongs to no site",
    "NO_REGISTER": "Nobody knows what the meter showed",
    "NO_TARIFF": "The connector had no tariff when it began",
    "NO_TOKEN": "Nobody knows who pays",
    "OFFLINE_NOT_PERMITTED": "It began while the station was offline, and nobody would have permitted it",
    "REGISTER_IN_ANOTHER_UNIT": "The register seems to count in another unit than the station says",
    "REGISTER_WENT_BACK": "The meter went backwards",
    "SAMPLES_OF_ANOTHER_REGISTER": "Readings in between are of another register than begin and end",
    "START_FROM_SAMPLE": "The station did not say what the meter showed at the begin; its first reading counts",
    "START_UNTOLD": "The station never told that it began",
    "STATION_LOST": "The station said no more",
    "SUPERSEDED": "Another charge began at the connector while it was open",
    "TOO_LONG": "It lasted longer than anybody charges",
    "UNPRICED": "It cannot be priced",
}
"""What flags mean, for people."""


def charge_path(number: int) -> str:
    """The page of a charge."""
    return f"{CHARGES_PATH}/{number}"


def charges_router(console: Console, desk: ChargesDesk, party: Party) -> APIRouter:
    """The pages of charges; `party` is the local CPO, whose CDRs they become."""
    router = console.router()
    add_listing(router, console, _charges(desk, party))
    _add_decisions(router, console, desk)

    @router.get("/charges/{number}")
    async def show(request: Request, number: Number) -> Response:
        console.person(request)
        one = await desk.one(number)
        readings = await desk.charges.readings(number)
        values = {
            "one": one,
            "flags": [(flag, meaning_of(flag)) for flag in one.flags],
            "readings": [*reversed(readings[-READINGS_SHOWN_MAX:])],
            "reading_count": len(readings),
            "cdr_path": own_cdr_path(one, party),
            "session_path": session_path(str(party), one.session_id) if one.session_id else None,
            "reason_max": REASON_MAX_CHARACTERS,
        }
        return await console.page(request, "charge.html", values)

    return router


def _add_decisions(router: APIRouter, console: Console, desk: ChargesDesk) -> None:
    @router.post("/charges/{number}/release")
    async def release(
        request: Request,
        number: Number,
        reason: Reason = "",
        energy_kwh: Annotated[str, Form(max_length=ENERGY_MAX_CHARACTERS)] = "",
    ) -> Response:
        person = console.person(request, Permission.OPERATE)
        said = {"actor": person.name, "reason": reason, "energy_kwh": energy_kwh.strip()}
        one = await desk.release(number, validated(ReleaseAsked, {name: text for name, text in said.items() if text}))
        await console.gate.note(request, person, "charge_released", str(number), reason=reason, energy_kwh=energy_kwh)
        if one.state is ChargeState.QUARANTINED:
            return done(charge_path(number), "It still cannot be billed; it says why.", is_good=False)
        return done(charge_path(number), "The charge is released. Its CDR goes to the eMSP at once.")

    @router.post("/charges/{number}/drop")
    async def drop(request: Request, number: Number, reason: Reason = "") -> Response:
        person = console.person(request, Permission.OPERATE)
        await desk.drop(number, validated(ChargeDecisionAsked, {"actor": person.name, "reason": reason}))
        await console.gate.note(request, person, "charge_dropped", str(number), reason=reason)
        return done(charge_path(number), "The charge is never billed.")

    @router.post("/charges/{number}/close")
    async def close(request: Request, number: Number, reason: Reason = "") -> Response:
        person = console.person(request, Permission.OPERATE)
        await desk.close(number, validated(ChargeDecisionAsked, {"actor": person.name, "reason": reason}))
        await console.gate.note(request, person, "charge_closed", str(number), reason=reason)
        return done(charge_path(number), "The charge is over. What it took is looked at, and kept back for a decision.")


def own_cdr_path(one: ChargeShown, party: Party) -> str | None:
    """The page of the CDR of a charge; None while the hub has none from it."""
    return cdr_path(str(party), one.cdr_id) if one.cdr_id and one.is_cdr_told else None


def meaning_of(flag: str) -> str:
    """What a flag means; empty for one that is a sentence itself."""
    return FLAGS.get(flag.partition(" ")[0].partition(":")[0], "")


def kinds_of(flags: Sequence[str]) -> list[str]:
    """The first word of each flag, each once."""
    return [*dict.fromkeys(flag.partition(" ")[0].rstrip(":") for flag in flags)]


def _charges(desk: ChargesDesk, party: Party) -> Listing[ChargeShown, ChargeFilters]:
    async def extra(asked: ChargeFilters) -> dict[str, Any]:
        return {"counts": await desk.charges.count()}

    return Listing(
        title="Charges",
        intro="What was charged at the hub's own stations. Each becomes one CDR, or says why it does not.",
        path=CHARGES_PATH,
        between="charge_counts.html",
        extra=extra,
        columns=(
            Column(
                key="number",
                label="Charge",
                value=lambda row: str(row.number),
                link=lambda row: charge_path(row.number),
                sort="number",
            ),
            Column(key="state", label="State", value=lambda row: row.state.value, kind="tag"),
            Column(
                key="station",
                label="Station",
                value=lambda row: row.station,
                kind="code",
                link=lambda row: station_path(row.station),
            ),
            Column(
                key="site",
                label="Site",
                value=lambda row: row.location_id,
                kind="code",
                link=lambda row: site_path(row.location_id) if row.location_id else None,
                is_minor=True,
            ),
            Column(key="evse_uid", label="EVSE", value=lambda row: row.evse_uid, kind="code", is_rare=True),
            Column(key="started_at", label="Began", value=lambda row: row.started_at, kind="moment", sort="started"),
            Column(key="ended_at", label="Ended", value=lambda row: row.ended_at, kind="moment", is_minor=True),
            Column(
                key="energy_kwh",
                label="kWh",
                value=lambda row: row.energy_kwh,
                kind="number",
                link=lambda row: f"{charge_path(row.number)}#readings",
                sort="energy",
            ),
            Column(key="flags", label="Remarks", value=lambda row: kinds_of(row.flags), kind="tag"),
            Column(
                key="cdr",
                label="CDR",
                value=lambda row: row.cdr_id if row.is_cdr_told else None,
                kind="code",
                link=lambda row: own_cdr_path(row, party),
                is_rare=True,
            ),
        ),
        filters=(
            FilterField(name="state", label="State", choices=STATE_CHOICES),
            FilterField(name="station", label="Station"),
            FilterField(name="site", label="Site"),
            FilterField(name="evse_uid", label="EVSE"),
        ),
        asked=ChargeFilters,
        read=desk.listed,
        empty="Nobody has charged yet. A charge is here as soon as a station that is let in tells that it began.",
    )
