"""The operator's interface to local chargers: sites, tariffs, stations and their secrets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from hub.chargers.events import Ask, Outcome, Reset, SetAvailability, Spot, StationState, Unlock
from hub.chargers.provisioning import IDENTITY_MAX_CHARACTERS, NOTE_MAX_CHARACTERS, BadProvisions, decode_provisions
from hub.chargers.sites import Imported, SiteKeeper, content_of
from hub.chargers.stationoffice import StationOffice, StationSeen
from hub.clock import Clock
from hub.store.chargesites import ChargeSites, KeptEvse, KeptThing
from hub.store.chargestations import STATION_SORTS, STATIONS_BY_IDENTITY, KeptConnector, StationsAsked
from hub.web.admin import admin_routes
from hub.web.asked import Asked
from hub.web.listing import Actor, Filters, Page, Text, asked_order, placed_page
from hub.web.ocpi import read_body
from ocpi_modules.envelope import write_envelope
from ocpi_modules.errors import ClientFault, InvalidParameters, UnknownPath
from ocpi_modules.types import DateTime, String, encode_json

IMPORT_MAX_BYTES = 4 * 1024 * 1024
OCPP_NUMBER_MAX = 1_000
OBJECT_ID_MAX_CHARACTERS = 36

ObjectId = Annotated[str, Path(min_length=1, max_length=OBJECT_ID_MAX_CHARACTERS)]
Identity = Annotated[str, Path(min_length=1, max_length=IDENTITY_MAX_CHARACTERS)]
Number = Annotated[int, Field(ge=0, le=OCPP_NUMBER_MAX)]
Note = Annotated[str, String(NOTE_MAX_CHARACTERS)]


# --- what is asked ---


class AcceptAsked(Asked):
    """What somebody wants to remember about a station."""

    note: Note | None = None


class ResetAsked(Asked):
    """Whether to wait for charges to end."""

    is_hard: bool = False


class SpotAsked(Asked):
    """A connector in OCPP's numbers: `evse` is 0 under OCPP 1.6; `connector` 0 is the EVSE, both 0 the station."""

    evse: Number = 0
    connector: Number = 0

    def as_spot(self) -> Spot:
        """The same as a value."""
        return Spot(self.evse, self.connector)


class AvailabilityAsked(SpotAsked):
    """Whether something may be used."""

    is_operative: bool


StationSort = Literal["identity", "-identity", "heard", "-heard", "connected", "-connected", "clock", "-clock"]


class StationFilters(Filters):
    """Which stations are wanted: `identity` stands anywhere in theirs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    identity: Text | None = None
    state: StationState | None = None
    is_connected: bool | None = None
    sort: StationSort | None = None

    def asked(self) -> StationsAsked:
        """The same for the store. Raises InvalidParameters for a cursor that is none."""
        order, after = asked_order(STATION_SORTS, self, STATIONS_BY_IDENTITY)
        return StationsAsked(
            part=self.identity, state=self.state, is_connected=self.is_connected, order=order, after=after
        )


class BlockedAsked(Asked):
    """Whether something stands before an EVSE, and who says so."""

    is_blocked: bool
    actor: Actor


# --- what is answered ---


class EvseShown(BaseModel):
    """The status of an EVSE, and whether partners were told."""

    uid: str
    status: str
    changed_at: DateTime
    blocked_by: str
    is_told: bool


class SiteShown(BaseModel):
    """A site: `content` as it was provisioned; `is_told`: partners know it."""

    id: str
    updated_at: DateTime
    is_told: bool
    content: dict[str, Any]
    evses: list[EvseShown]


class TariffShown(BaseModel):
    """A tariff: `content` as it was provisioned; `is_told`: partners know it."""

    id: str
    updated_at: DateTime
    is_told: bool
    content: dict[str, Any]


class ImportedShown(BaseModel):
    """What was kept, by id; `secrets`: those of new stations that came without one. They are not shown again."""

    sites: list[str]
    tariffs: list[str]
    stations: list[str]
    secrets: dict[str, str]


class ConnectorShown(BaseModel):
    """What a connector said last, in OCPP's words."""

    evse: int
    connector: int
    status: str
    error: str
    info: str
    happened_at: DateTime


class StationShown(BaseModel):
    """A station: `state` is Accepted, Pending (in the inbox) or Rejected; `clock_offset_seconds`: how far its clock is ahead of ours."""

    identity: str
    state: str
    is_connected: bool
    is_lost: bool
    heard_at: DateTime | None
    connected_at: DateTime | None
    disconnected_at: DateTime | None
    booted_at: DateTime | None
    first_seen_at: DateTime
    protocol: str
    vendor: str
    model: str
    serial: str
    firmware: str
    remote: str
    note: str
    has_secret: bool
    is_secret_changing: bool
    clock_offset_seconds: float
    connectors: list[ConnectorShown]


class StationWholeShown(StationShown):
    """The same with what it said that it can: configuration keys (OCPP 1.6) or variables (2.x)."""

    features: dict[str, str]


class SecretMade(BaseModel):
    """A secret, which is not shown again."""

    identity: str
    secret: str


class RotationShown(BaseModel):
    """What came of a new secret: null where the station took it; else it has to be brought there. Until it is used the old one is good."""

    identity: str
    answered: str
    said: str
    secret: str | None


class OutcomeShown(BaseModel):
    """What a station answered: accepted, scheduled, rejected, not supported, timeout, not connected, …"""

    answered: str
    said: str


@dataclass(frozen=True, slots=True)
class ChargersDesk:
    """What the operator's requests are carried out with."""

    keeper: SiteKeeper
    sites: ChargeSites
    office: StationOffice
    clock: Clock

    async def show_sites(self) -> list[SiteShown]:
        """Every site, by id."""
        kept = await self.sites.load()
        evses = await self.sites.evses()
        present = sorted((one for one in kept.sites.values() if not one.is_gone), key=lambda one: one.id)
        by_site = defaultdict[str, list[KeptEvse]](list)
        for evse in evses:
            by_site[evse.site].append(evse)
        return [show_site(one, by_site[one.id]) for one in present]

    async def show_site(self, site_id: str) -> SiteShown:
        """One site. Raises UnknownPath (404)."""
        one = present_one((await self.sites.load()).sites.get(site_id), "site")
        return show_site(one, await self.sites.evses(site_id))

    async def show_tariffs(self) -> list[TariffShown]:
        """Every tariff, by id."""
        kept = await self.sites.load()
        return [show_tariff(one) for _, one in sorted(kept.tariffs.items()) if not one.is_gone]

    async def show_tariff(self, tariff_id: str) -> TariffShown:
        """One tariff. Raises UnknownPath (404)."""
        return show_tariff(present_one((await self.sites.load()).tariffs.get(tariff_id), "tariff"))

    async def stations(self, filters: StationFilters) -> Page[StationShown]:
        """A page of stations."""
        asked = filters.asked()
        return placed_page(await self.office.page(asked, filters.limit + 1), filters.limit, show_station, asked.order)

    async def station(self, identity: str) -> StationWholeShown:
        """One station, with what it said that it can. Raises UnknownPath (404)."""
        with missing_told():
            shown = show_station(await self.office.one(identity))
            return StationWholeShown(**dict(shown), features=await self.office.features(identity))


def _body(what: str) -> dict[str, Any]:
    content = {
        "application/json": {"schema": {"type": "object"}},
        "application/yaml": {"schema": {"type": "string", "description": f"the same of {what} as YAML"}},
    }
    return {"requestBody": {"required": True, "content": content}}


def chargers_router(desk: ChargersDesk, admin_token: str | None) -> APIRouter:
    """The routes under `/admin` that concern local chargers, for the admin token only."""
    router = admin_routes(admin_token)
    _add_sites(router, desk)
    _add_tariffs(router, desk)
    _add_stations(router, desk)
    _add_questions(router, desk)
    return router


def _add_sites(router: APIRouter, desk: ChargersDesk) -> None:
    @router.get("/sites", response_model=list[SiteShown])
    async def list_sites() -> Response:
        """Every site as it was provisioned, with the status of its EVSEs."""
        return exact(await desk.show_sites())

    @router.post("/sites/import", openapi_extra=_body("sites, tariffs and stations"), response_model=ImportedShown)
    async def import_all(request: Request) -> Response:
        """Keep what is in a file, as JSON or YAML (by its Content-Type), all of it or nothing. What it does not name stays as it is."""
        return await _provision(desk, request, lambda content: content)

    @router.get("/sites/{site_id}", response_model=SiteShown)
    async def show_site(site_id: ObjectId) -> Response:
        """One site."""
        return exact(await desk.show_site(site_id))

    @router.put("/sites/{site_id}", openapi_extra=_body("a site"), response_model=ImportedShown)
    async def put_site(site_id: ObjectId, request: Request) -> Response:
        """Keep one site, as JSON or YAML. EVSEs that it has no more are told to be REMOVED."""
        return await _provision(desk, request, lambda content: {"sites": [named(content, site_id)]})

    @router.delete("/sites/{site_id}", status_code=204)
    async def drop_site(site_id: ObjectId) -> None:
        """A site is no more: its EVSEs are told to be REMOVED."""
        if not await desk.keeper.drop_site(site_id):
            raise UnknownPath("there is no such site")

    @router.post("/sites/{site_id}/evses/{uid}/blocked", status_code=204)
    async def block(site_id: ObjectId, uid: ObjectId, asked: BlockedAsked) -> None:
        """Say that something stands before an EVSE, or does not any more; while a car charges there it is told as CHARGING."""
        with missing_told():
            await desk.office.block(site_id, uid, asked.actor if asked.is_blocked else "")


def _add_tariffs(router: APIRouter, desk: ChargersDesk) -> None:
    @router.get("/charge-tariffs", response_model=list[TariffShown])
    async def list_tariffs() -> Response:
        """Every tariff of the local CPO."""
        return exact(await desk.show_tariffs())

    @router.get("/charge-tariffs/{tariff_id}", response_model=TariffShown)
    async def show_tariff(tariff_id: ObjectId) -> Response:
        """One tariff."""
        return exact(await desk.show_tariff(tariff_id))

    @router.put("/charge-tariffs/{tariff_id}", openapi_extra=_body("a tariff"), response_model=ImportedShown)
    async def put_tariff(tariff_id: ObjectId, request: Request) -> Response:
        """Keep one tariff, as JSON or YAML. Charges that are under way keep the price that they began with."""
        return await _provision(desk, request, lambda content: {"tariffs": [named(content, tariff_id)]})

    @router.delete("/charge-tariffs/{tariff_id}", status_code=204)
    async def drop_tariff(tariff_id: ObjectId) -> None:
        """A tariff is no more; 409 where a connector names it."""
        try:
            dropped = await desk.keeper.drop_tariff(tariff_id)
        except BadProvisions as named_somewhere:
            raise ClientFault(str(named_somewhere), http_status=409) from named_somewhere
        if not dropped:
            raise UnknownPath("there is no such tariff")


def _add_stations(router: APIRouter, desk: ChargersDesk) -> None:
    @router.get("/stations")
    async def list_stations() -> list[StationShown]:
        """Every station, those in the inbox (Pending) too."""
        return [show_station(seen) for seen in await desk.office.all()]

    @router.get("/stations/{identity}")
    async def show_one(identity: Identity) -> StationWholeShown:
        """One station, with what it said that it can."""
        return await desk.station(identity)

    @router.post("/stations/{identity}", status_code=201)
    async def accept(identity: Identity, asked: AcceptAsked | None = None) -> SecretMade:
        """Let a station in that is in the inbox or was rejected: the answer holds its secret, which is not shown again."""
        with missing_told():
            secret = await desk.office.accept(identity, asked.note if asked else None)
            return SecretMade(identity=identity, secret=secret)

    @router.post("/stations/{identity}/reject", status_code=204)
    async def reject(identity: Identity) -> None:
        """Keep a station out."""
        with missing_told():
            await desk.office.reject(identity)

    @router.delete("/stations/{identity}", status_code=204)
    async def drop(identity: Identity) -> None:
        """Forget a station; if it knocks again it is in the inbox."""
        with missing_told():
            await desk.office.drop(identity)

    @router.post("/stations/{identity}/secret")
    async def rotate(identity: Identity) -> RotationShown:
        """Give a station a new secret over its own connection. Both secrets are good until it has used the new one."""
        with missing_told():
            done = await desk.office.rotate(identity)
        answered = done.outcome.answered.value
        return RotationShown(identity=identity, answered=answered, said=done.outcome.said, secret=done.secret)


def _add_questions(router: APIRouter, desk: ChargersDesk) -> None:
    async def ask(identity: str, question: Ask) -> OutcomeShown:
        with missing_told():
            return show_outcome(await desk.office.ask(identity, question))

    @router.post("/stations/{identity}/reset")
    async def reset(identity: Identity, asked: ResetAsked | None = None) -> OutcomeShown:
        """Start a station anew; it ends its charges first, unless the reset `is_hard`."""
        return await ask(identity, Reset(asked.is_hard if asked else False))

    @router.post("/stations/{identity}/availability")
    async def set_availability(identity: Identity, asked: AvailabilityAsked) -> OutcomeShown:
        """Take a connector, an EVSE or a station out of service, or back into it; it ends its charges first (`scheduled`)."""
        return await ask(identity, SetAvailability(asked.as_spot(), asked.is_operative))

    @router.post("/stations/{identity}/unlock")
    async def unlock(identity: Identity, asked: SpotAsked) -> OutcomeShown:
        """Let go of a cable."""
        return await ask(identity, Unlock(asked.as_spot()))


# --- steps ---


async def _provision(desk: ChargersDesk, request: Request, wrap: Callable[[Any], Any]) -> Response:
    body = await read_body(request.receive, request.headers, IMPORT_MAX_BYTES)
    try:
        content = decode_provisions(body, is_yaml="yaml" in request.headers.get("content-type", ""))
        imported = await desk.keeper.provision(wrap(content))
    except BadProvisions as bad:
        return refused(bad, desk.clock.now())
    await desk.office.settle(imported.sites)
    return Response(show_imported(imported).model_dump_json(), media_type="application/json")


def refused(bad: BadProvisions, now: datetime) -> Response:
    """Every fault with its place, in the envelope; 400."""
    faults = [{"place": fault.place, "reason": fault.reason} for fault in bad.faults]
    count = f"{len(faults)} faults, of which the first: " if len(faults) > 1 else ""
    error = InvalidParameters(f"nothing was kept: {count}{bad.faults[0]}")
    body = write_envelope(now, error.status_code, error.message, encode_json({"faults": faults}))
    return Response(body, status_code=400, media_type="application/json")


def named(content: Any, id: str) -> Any:
    """An object with the id of its address, which it may leave out. Raises InvalidParameters where it has another one."""
    if not isinstance(content, dict):
        return content
    if content.get("id", id) != id:
        raise InvalidParameters("the id in the body is not the one in the address")
    return {**content, "id": id}


def exact(shown: BaseModel | Sequence[BaseModel]) -> Response:
    """An answer whose numbers have the digits that they were provisioned with."""
    content = shown.model_dump() if isinstance(shown, BaseModel) else [one.model_dump() for one in shown]
    return Response(encode_json(content), media_type="application/json")


def present_one(one: KeptThing | None, what: str) -> KeptThing:
    """What is there. Raises UnknownPath (404)."""
    if one is None or one.is_gone:
        raise UnknownPath(f"there is no such {what}")
    return one


@contextmanager
def missing_told() -> Iterator[None]:
    """Whoever asks for something that is not there gets UnknownPath (404)."""
    try:
        yield
    except LookupError as missing:
        if isinstance(missing, KeyError | IndexError):
            raise
        raise UnknownPath(str(missing)) from missing


def show_site(one: KeptThing, evses: list[KeptEvse]) -> SiteShown:
    """A site as the operator sees it."""
    shown = [
        EvseShown(
            uid=evse.evse_uid,
            status=evse.status,
            changed_at=evse.changed_at,
            blocked_by=evse.blocked_by,
            is_told=not evse.is_due,
        )
        for evse in evses
    ]
    content = {name: value for name, value in content_of(one).items() if name != "removed"}
    return SiteShown(id=one.id, updated_at=one.updated_at, is_told=not one.is_due, content=content, evses=shown)


def show_tariff(one: KeptThing) -> TariffShown:
    """A tariff as the operator sees it."""
    return TariffShown(id=one.id, updated_at=one.updated_at, is_told=not one.is_due, content=dict(content_of(one)))


def show_station(seen: StationSeen) -> StationShown:
    """A station as the operator sees it."""
    station = seen.station
    same = {
        name: getattr(station, name)
        for name in StationShown.model_fields
        if name not in {"has_secret", "is_secret_changing", "clock_offset_seconds", "connectors"}
    }
    return StationShown(
        **same,
        has_secret=bool(station.secret_hash),
        is_secret_changing=bool(station.next_secret_hash),
        clock_offset_seconds=station.clock_offset_milliseconds / 1000,
        connectors=[show_connector(connector) for connector in seen.connectors],
    )


def show_connector(connector: KeptConnector) -> ConnectorShown:
    """A connector as the operator sees it."""
    return ConnectorShown(**{name: getattr(connector, name) for name in ConnectorShown.model_fields})


def show_imported(imported: Imported) -> ImportedShown:
    """What was provisioned as the operator sees it."""
    return ImportedShown(
        sites=[*imported.sites],
        tariffs=[*imported.tariffs],
        stations=[*imported.stations],
        secrets=dict(imported.secrets),
    )


def show_outcome(outcome: Outcome) -> OutcomeShown:
    """An answer as the operator sees it."""
    return OutcomeShown(answered=outcome.answered.value, said=outcome.said)
