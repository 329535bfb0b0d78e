"""Charge points that are joined to the hub: who knocks, who is let in, how each is, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Path, Request, Response

from hub.chargers.events import Answered, Ask, Outcome, Reset, Spot, StationState, Unlock
from hub.chargers.places import Place
from hub.chargers.provisioning import IDENTITY_MAX_CHARACTERS, NOTE_MAX_CHARACTERS
from hub.console.accounts import Permission
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.routes import Console, done
from hub.web.chargers import OCPP_NUMBER_MAX, ChargersDesk, ConnectorShown, StationFilters, StationShown, missing_told

STATIONS_PATH, SITES_PATH = "/console/stations", "/console/sites"
INBOX_SHOWN_MAX = 20

Identity = Annotated[str, Path(min_length=1, max_length=IDENTITY_MAX_CHARACTERS)]
Number = Annotated[int, Form(ge=0, le=OCPP_NUMBER_MAX)]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A connector: what it said last, None where it said nothing yet, and where it is, None where nobody provisioned it."""

    spot: Spot
    said: ConnectorShown | None
    place: Place | None


def station_path(identity: str) -> str:
    """The page of a station."""
    return f"{STATIONS_PATH}/{quote(identity, safe='')}"


def site_path(site: str) -> str:
    """The page of a site."""
    return f"{SITES_PATH}/{quote(site, safe='')}"


def stations_router(console: Console, desk: ChargersDesk) -> APIRouter:
    """The pages of stations."""
    router = console.router()
    add_listing(router, console, _stations(desk))
    _add_station(router, console, desk)
    _add_secrets(router, console, desk)
    _add_questions(router, console, desk)
    return router


def _add_station(router: APIRouter, console: Console, desk: ChargersDesk) -> None:
    @router.get("/stations/{identity}")
    async def show(request: Request, identity: Identity) -> Response:
        console.person(request)
        one = await desk.station(identity)
        values = {"one": one, "connectors": spoken(desk, one), "note_max": NOTE_MAX_CHARACTERS}
        return await console.page(request, "station.html", values)

    @router.post("/stations/{identity}/reject")
    async def reject(request: Request, identity: Identity) -> Response:
        person = console.person(request, Permission.OPERATE)
        with missing_told():
            await desk.office.reject(identity)
        await console.gate.note(request, person, "station_rejected", identity)
        return done(station_path(identity), f"{identity} is kept out, with whatever it says.")

    @router.post("/stations/{identity}/forget")
    async def forget(request: Request, identity: Identity) -> Response:
        person = console.person(request, Permission.OPERATE)
        with missing_told():
            await desk.office.drop(identity)
        await console.gate.note(request, person, "station_forgotten", identity)
        return done(STATIONS_PATH, f"{identity} is forgotten. If it knocks again, it is in the inbox.")


def _add_secrets(router: APIRouter, console: Console, desk: ChargersDesk) -> None:
    async def show(request: Request, identity: str, secret: str, why: str) -> Response:
        values = {"identity": identity, "secret": secret, "why": why, "path": station_path(identity)}
        return await console.page(request, "station_secret.html", values, 201)

    @router.post("/stations/{identity}/accept")
    async def accept(
        request: Request, identity: Identity, note: Annotated[str, Form(max_length=NOTE_MAX_CHARACTERS)] = ""
    ) -> Response:
        person = console.person(request, Permission.OPERATE)
        with missing_told():
            secret = await desk.office.accept(identity, note.strip() or None)
        await console.gate.note(request, person, "station_accepted", identity)
        return await show(request, identity, secret, "It is let in as soon as it connects with this secret.")

    @router.post("/stations/{identity}/secret")
    async def rotate(request: Request, identity: Identity) -> Response:
        person = console.person(request, Permission.OPERATE)
        with missing_told():
            rotation = await desk.office.rotate(identity)
        await console.gate.note(request, person, "station_secret_rotated", identity, answered=rotation.outcome.answered)
        if rotation.secret is None:
            return done(station_path(identity), f"{identity} has its new secret, and connects with it from now on.")
        why = f"{told_outcome(rotation.outcome)} Somebody has to bring it there; until it is used, the old one is good."
        return await show(request, identity, rotation.secret, why)


def _add_questions(router: APIRouter, console: Console, desk: ChargersDesk) -> None:
    async def ask(request: Request, identity: str, question: Ask, action: str) -> Response:
        person = console.person(request, Permission.OPERATE)
        with missing_told():
            outcome = await desk.office.ask(identity, question)
        await console.gate.note(request, person, action, identity, answered=outcome.answered)
        return done(station_path(identity), told_outcome(outcome), is_good=outcome.is_good)

    @router.post("/stations/{identity}/reset")
    async def reset(request: Request, identity: Identity, is_hard: Annotated[str, Form(max_length=3)] = "") -> Response:
        return await ask(request, identity, Reset(bool(is_hard)), "station_reset")

    @router.post("/stations/{identity}/unlock")
    async def unlock(request: Request, identity: Identity, evse: Number = 0, connector: Number = 0) -> Response:
        return await ask(request, identity, Unlock(Spot(evse, connector)), "station_unlocked")


def told_outcome(outcome: Outcome) -> str:
    """A sentence about what a station answered."""
    said = f": {outcome.said}" if outcome.said else ""
    if outcome.answered is Answered.TIMEOUT:
        return "The station did not answer in time."
    if outcome.answered is Answered.NOT_CONNECTED:
        return "The station is not connected."
    return f"The station answered “{outcome.answered}”{said}."


def spoken(desk: ChargersDesk, one: StationShown) -> list[Spoken]:
    """The connectors of a station: those that said something, and those that are provisioned, in the order of OCPP's numbers."""
    said = {(it.evse, it.connector): it for it in one.connectors}
    places = {(it.plug.evse, it.plug.connector): it for it in desk.keeper.book.at(one.identity)}
    found = []
    for spot in sorted({*said, *places}):
        place = places.get(spot) or desk.keeper.book.place(one.identity, Spot(*spot))
        found.append(Spoken(Spot(*spot), said.get(spot), place))
    return found


def presence_of(row: StationShown) -> str:
    """Whether a station is there, in a word."""
    return "connected" if row.is_connected else "lost" if row.is_lost else "away"


def statuses_of(row: StationShown) -> list[str]:
    """What its connectors said last, in OCPP's words; what it said of itself as a whole is left out."""
    return [one.status for one in row.connectors if (one.evse, one.connector) != (0, 0)]


def _stations(desk: ChargersDesk) -> Listing[StationShown, StationFilters]:
    async def extra(asked: StationFilters) -> dict[str, Any]:
        waiting = StationFilters(state=StationState.PENDING, sort="-heard", limit=INBOX_SHOWN_MAX)
        counts = await desk.office.count()
        inbox = await desk.stations(waiting) if counts.get(StationState.PENDING) else None
        return {"inbox": inbox.items if inbox else [], "counts": counts}

    return Listing(
        title="Stations",
        intro="Charge points that speak OCPP with the hub itself.",
        path=STATIONS_PATH,
        between="station_inbox.html",
        extra=extra,
        columns=(
            Column(
                key="identity",
                label="Station",
                value=lambda row: row.identity,
                kind="code",
                link=lambda row: station_path(row.identity),
                sort="identity",
            ),
            Column(key="state", label="Let in", value=lambda row: row.state, kind="tag"),
            Column(key="presence", label="Is", value=presence_of, kind="tag"),
            Column(key="connectors", label="Connectors", value=statuses_of, kind="tag"),
            Column(key="heard_at", label="Last heard", value=lambda row: row.heard_at, kind="moment", sort="heard"),
            Column(
                key="connected_at",
                label="Connected since",
                value=lambda row: row.connected_at if row.is_connected else None,
                kind="moment",
                sort="connected",
                is_minor=True,
            ),
            Column(key="model", label="Model", value=_model, is_minor=True),
            Column(key="firmware", label="Firmware", value=lambda row: row.firmware, is_rare=True),
            Column(key="protocol", label="Protocol", value=lambda row: row.protocol, kind="code", is_minor=True),
            Column(
                key="clock_offset_seconds",
                label="Clock, s",
                value=lambda row: round(row.clock_offset_seconds),
                kind="number",
                sort="clock",
                is_rare=True,
            ),
        ),
        filters=(
            FilterField(name="identity", label="Has in its name"),
            FilterField(
                name="state",
                label="Let in",
                choices=(("Accepted", "let in"), ("Pending", "in the inbox"), ("Rejected", "kept out")),
            ),
            FilterField(name="is_connected", label="Is", choices=(("true", "connected"), ("false", "not connected"))),
        ),
        asked=StationFilters,
        read=desk.stations,
        empty=(
            "No station is known. Name some in a file of sites (see “Join charge points”), "
            "or let one connect to /ocpp/ and accept it here."
        ),
    )


def _model(row: StationShown) -> str:
    return f"{row.vendor} {row.model}".strip()
