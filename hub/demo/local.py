"""Charge points that are joined to the hub itself: one of OCPP 1.6, one of 2.0.1, both simulated, and drivers who start them from afar."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import yaml

from hub.demo.remote import Remote, Said
from hub.demo.shelf import Object
from hub.demo.stage import Stage
from hub.demo.station import Address, Station
from hub.demo.station16 import station16
from hub.demo.station201 import station201
from ocpi_modules.parties import Party

LOCAL = Party("NL", "LOC")
PROVISIONED = Path(__file__).resolve().parents[2] / "fixtures" / "chargers" / "demo.yaml"
SECRET_BYTES = 10  # OCPP 1.6 keeps 20 characters of a key in any case
METER_SECONDS = 1.0
AC_W, DC_W = Decimal(11_040), Decimal(90_000)
SEEN_WAIT_SECONDS = 30.0
POLL_SECONDS = 0.2

_MAKERS = {"LOC-16-1": (station16, AC_W), "LOC-201-1": (station201, DC_W)}


class LocalChargers:
    """The stations of the demo, between `open` and its end; `spots` are where somebody can charge: Location and EVSE."""

    def __init__(self, stations: dict[str, Station], spots: tuple[tuple[Object, Object], ...]) -> None:
        self.stations, self.spots = stations, spots

    @classmethod
    @asynccontextmanager
    async def open(cls, stage: Stage) -> AsyncIterator[LocalChargers]:
        """Tell the hub of the site, and plug the stations in. Raises HubRefused when the hub does not take it."""
        content = _with_secrets(yaml.safe_load(PROVISIONED.read_text()), stage.script.station_secrets)
        stage.remember()
        await stage.hub.provision(content)
        url = stage.hub.url.replace("http://", "ws://", 1) + "/ocpp"
        made: dict[str, Station] = {}
        for entry in content["stations"]:
            make, most_w = _MAKERS[entry["identity"]]
            address = Address(url, entry["identity"], entry["secret"])
            made[entry["identity"]] = make(address, max_w=most_w, meter_seconds=METER_SECONDS)
        try:
            await asyncio.gather(*(station.start() for station in made.values()))
            yield cls(made, tuple((site, evse) for site in content["sites"] for evse in site["evses"]))
        finally:
            await asyncio.gather(*(station.close() for station in made.values()))

    def station_of(self, evse: Object) -> Station:
        """The station that an EVSE is at."""
        return self.stations[evse["connectors"][0]["station"]]


async def start(emsp: Remote, party: Party, token: Object, spot: tuple[Object, Object]) -> Said:
    """An eMSP starts a charge from afar (mod_commands, "StartSession")."""
    location, evse = spot
    place = {
        "location_id": location["id"],
        "evse_uid": evse["uid"],
        "connector_id": evse["connectors"][0]["id"],
    }
    return await emsp.command("START_SESSION", party, LOCAL, {"token": token, **place})


async def stop(emsp: Remote, party: Party, session_id: str) -> Said:
    """An eMSP ends it (mod_commands, "StopSession")."""
    return await emsp.command("STOP_SESSION", party, LOCAL, {"session_id": session_id})


async def sessions(emsp: Remote) -> set[str]:
    """The sessions at the local CPO that an eMSP knows."""
    return {session["id"] for session in await emsp.kept_objects("sessions", LOCAL)}


async def new_session(emsp: Remote, token: Object, before: set[str]) -> Object | None:
    """The session that a token begins at the local CPO, as soon as its eMSP knows it; None after SEEN_WAIT_SECONDS."""

    def fits(session: Object) -> bool:
        return session["id"] not in before and session["cdr_token"]["uid"] == token["uid"]

    return await _awaited(emsp, "sessions", fits)


async def cdr_of(emsp: Remote, session_id: str) -> Object | None:
    """The CDR of a session, as soon as its eMSP has it; None after SEEN_WAIT_SECONDS."""
    return await _awaited(emsp, "cdrs", lambda cdr: cdr.get("session_id") == session_id)


async def _awaited(emsp: Remote, module_id: str, fits: Callable[[Object], bool]) -> Object | None:
    for _ in range(int(SEEN_WAIT_SECONDS / POLL_SECONDS)):
        found = next((one for one in await emsp.kept_objects(module_id, LOCAL) if fits(one)), None)
        if found is not None:
            return found
        await asyncio.sleep(POLL_SECONDS)
    return None


def _with_secrets(content: Object, kept: dict[str, str]) -> Object:
    """What is provisioned, with the passwords that this demo has given its stations."""
    for entry in content["stations"]:
        entry["secret"] = kept.setdefault(entry["identity"], secrets.token_hex(SECRET_BYTES))
    return content
