"""The local CPO's face to partners in a running hub: two real eMSPs over HTTP, and stations that answer what a test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from hub.app import new_id
from hub.chargers import face as faces
from hub.chargers.authorising import Authoriser
from hub.chargers.events import Answered, Ask, Outcome
from hub.chargers.face import FacePorts, open_face
from hub.chargers.keeper import CommandKeeper
from hub.chargers.lists import ListPorts
from hub.chargers.places import Plug, Site, SiteBook
from hub.chargers.profiles import ProfileDesk
from hub.chargers.reservations import Reservations
from hub.clock import SystemClock
from hub.demo.caller import Heard
from hub.demo.party import DemoPlatform
from hub.routing.paging import Paging
from hub.store.chargecommands import ChargeCommands
from ocpi_modules.parties import Party
from tests.chargers.localworld import LOC, LocalWorld, local_world

Object = dict[str, Any]

ACCEPTED = Outcome(Answered.ACCEPTED)
CARD: Object = {
    "country_code": "NL",
    "party_id": "MS1",
    "uid": "CARD1",
    "type": "RFID",
    "contract_id": "NL-MS1-C00000001-X",
    "issuer": "One",
    "valid": True,
    "whitelist": "ALWAYS",
    "last_updated": "2026-01-01T00:00:00Z",
}
APP: Object = {**CARD, "uid": "9b0c6c38-1234-5678-9abc-def012345678", "type": "APP_USER", "whitelist": "NEVER"}
CONNECTOR: Object = {
    "id": "1",
    "standard": "IEC_62196_T2",
    "format": "SOCKET",
    "power_type": "AC_3_PHASE",
    "max_voltage": 230,
    "max_amperage": 16,
}
CARD_NAMED = {name: str(CARD[name]) for name in ("country_code", "party_id", "uid", "type", "contract_id")}
APP_NAMED = {name: str(APP[name]) for name in ("country_code", "party_id", "uid", "type", "contract_id")}


def plug(station: str, connector: int, evse_uid: str) -> Plug:
    return Plug(station=station, evse=0, connector=connector, evse_uid=evse_uid, connector_id="1")


def site() -> Site:
    """A Location with two EVSEs at one station and a third at another."""
    evses = [{"uid": uid, "connectors": [CONNECTOR]} for uid in ("E1", "E2", "E3")]
    plugs = (plug("CS1", 1, "E1"), plug("CS1", 2, "E2"), plug("CS2", 1, "E3"))
    return Site(id="S1", location={"id": "S1", "evses": evses}, plugs=plugs)


@dataclass
class FakeStations:
    """Stations (`hub.chargers.events.Stations`): `answers` by the class of a question, ACCEPTED where nothing is said."""

    answers: dict[type, Outcome] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    async def ask(self, identity: str, ask: Ask, wait_seconds: float) -> Outcome:
        assert 0 < wait_seconds <= 30
        self.asked.append((identity, ask))
        return self.answers.get(type(ask), ACCEPTED)


@dataclass
class Face:
    """Everything that makes the face, and the eMSPs that look at it."""

    place: LocalWorld
    emsp: DemoPlatform
    other: DemoPlatform
    stations: FakeStations
    kept: ChargeCommands
    made: faces.Face
    results: Any = field(default_factory=lambda: count(1))

    @property
    def authoriser(self) -> Authoriser:
        """Decides who may charge."""
        return self.made.authoriser

    @property
    def reservations(self) -> Reservations:
        """Makes and ends reservations."""
        return self.made.reservations

    @property
    def profiles(self) -> ProfileDesk:
        """Sets charging profiles."""
        return self.made.profiles

    @property
    def keeper(self) -> CommandKeeper:
        """Answers for what others promised."""
        return self.made.keeper

    def book(self) -> SiteBook:
        """The sites."""
        return SiteBook({"S1": site()})

    async def execute(self, statement: str, *values: Any) -> None:
        await self.place.hub.database.direct.execute(statement, *values)

    async def fetch(self, statement: str, *values: Any) -> list[Any]:
        return list(await self.place.hub.database.direct.fetch(statement, *values))

    async def clean(self) -> None:
        """As it was in the beginning: two stations that are there, and nothing that goes on."""
        self.stations.answers.clear()
        self.stations.asked.clear()
        self.emsp.desk.results.clear()
        self.authoriser._cache.clear()
        self.profiles._told.clear()
        await self.execute(
            "truncate charge_reservation, charge_command, charge_alias, charge_profile, charge_preference, charge_reading, charge, "
            "charge_connector, charge_evse, charge_station"
        )
        for identity in ("CS1", "CS2"):
            await self.execute(
                "insert into charge_station (identity, state, connection, first_seen_at) "
                "values ($1, 'Accepted', 'c', now() - interval '1 hour')",
                identity,
            )

    async def idle(self) -> None:
        """Return when nothing is under way any more."""
        await asyncio.gather(*self.made.promises._tasks)

    async def status(self, identity: str, connector: int, status: str) -> None:
        await self.execute(
            "insert into charge_connector (identity, evse, connector, status, happened_at, heard_at) "
            "values ($1, 0, $2, $3, now(), now())",
            identity,
            connector,
            status,
        )

    async def charge(self, session_id: str, where: Plug, token: Object) -> int:
        """A charge that goes on."""
        now = SystemClock().now()
        rows = await self.place.hub.database.direct.fetch(
            "insert into charge (identity, start_key, evse, connector, site, evse_uid, connector_id, session_id, "
            "state, token, started_at, told_started_at, made_at) "
            "values ($1, $2::text, 0, $3, 'S1', $4, '1', $2::text, 'ACTIVE', $5, $6, $6, $6) returning number",
            where.station,
            session_id,
            where.connector,
            where.evse_uid,
            json.dumps(token),
            now,
        )
        return int(rows[0]["number"])

    async def push_token(self, platform: DemoPlatform, token: Object) -> None:
        """Its eMSP has a token, and tells everybody."""
        platform.desk.offer("tokens", token)
        owner = Party.of(token["country_code"], token["party_id"])
        heard = await platform.push("tokens", owner, (token["uid"],), token, receiver=None)
        assert heard.is_success, heard

    async def command(self, name: str, content: Object, platform: DemoPlatform | None = None) -> tuple[Heard, str]:
        """Send a command; its answer, and the name under which its result comes."""
        sender = platform or self.emsp
        result = f"R{next(self.results)}"
        asked = {**content, "response_url": sender.callback_url("commands", result)}
        return await sender.command(name, asked, sender=sender.parties[0], receiver=LOC), result

    async def result(self, name: str, platform: DemoPlatform | None = None) -> Object:
        """A result, as soon as it came."""
        sender = platform or self.emsp
        await sender.wait_until(lambda: any(one[0] == name for one in sender.desk.results))
        return next(one[1] for one in sender.desk.results if one[0] == name)


def within(now: datetime | None = None, **ahead: float) -> str:
    """A moment from now, as OCPI writes it."""
    return f"{(now or SystemClock().now()) + timedelta(**ahead):%Y-%m-%dT%H:%M:%SZ}"


@asynccontextmanager
async def running_face(database_url: str, folder: Path) -> AsyncIterator[Face]:
    """A hub with a face."""
    async with local_world(database_url, folder) as place:
        emsp = await place.world.join("E1", ("EMSP", "NL/MS1"), ("SCSP", "NL/SC1"))
        other = await place.world.join("E2", ("EMSP", "BE/MS2"))
        stations, kept, one_site = FakeStations(), ChargeCommands(place.hub.database.direct), SiteBook({"S1": site()})
        made = open_face(
            FacePorts(
                kept=kept,
                voice=place.voice,
                roster=place.hub.roster,
                stations=stations,
                book=lambda: one_site,
                lists=ListPorts(
                    copies=place.hub.copies, paging=Paging(10, 100), directory=lambda: place.hub.roster.directory
                ),
                clock=SystemClock(),
                changed=lambda: None,
                new_id=new_id,
            )
        )
        place.hub.client.serve_locally(made.platform)
        await place.party.join()
        try:
            yield Face(place=place, emsp=emsp, other=other, stations=stations, kept=kept, made=made)
        finally:
            await made.close()
