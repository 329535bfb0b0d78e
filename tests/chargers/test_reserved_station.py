"""A reservation from outside: an eMSP reserves over HTTP at a station on OCPP, and sees what becomes of the Session (SE-13)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.chargers import reservations
from hub.demo.party import DemoPlatform
from hub.demo.station import Address, Station
from hub.demo.station16 import station16
from hub.demo.station201 import station201
from ocpi_modules.types import format_datetime
from tests.chargers.localworld import LOC, MS1
from tests.chargers.test_joining import open_hub, send

Object = dict[str, Any]

PROVISIONED = Path(__file__).parents[2] / "fixtures" / "chargers" / "demo.yaml"
SECRET = "a-secret-of-a-station"
SEEN_WAIT_SECONDS = 60.0
MAKERS = {"LOC-16-1": (station16, "LOC-HARBOUR-1"), "LOC-201-1": (station201, "LOC-HARBOUR-2")}


@dataclass
class Scene:
    """An eMSP with a driver, and a station."""

    emsp: DemoPlatform
    station: Station
    evse_uid: str
    token: Object
    names: Any

    async def command(self, name: str, **asked: Any) -> str:
        """A command, and its result."""
        result = f"R{next(self.names)}"
        content = {**asked, "response_url": self.emsp.callback_url("commands", result)}
        heard = await self.emsp.command(name, content, sender=MS1, receiver=LOC)
        assert heard.data["result"] == "ACCEPTED", heard
        await until(lambda: any(one[0] == result for one in self.emsp.desk.results))
        return str(next(one[1]["result"] for one in self.emsp.desk.results if one[0] == result))

    async def reserve(self, reservation_id: str, seconds: float = 3600) -> str:
        await self.station.until_ready()
        ends = datetime.now(UTC) + timedelta(seconds=seconds)
        return await self.command(
            "RESERVE_NOW",
            token=self.token,
            reservation_id=reservation_id,
            location_id="LOC-HARBOUR",
            evse_uid=self.evse_uid,
            expiry_date=format_datetime(ends),
            authorization_reference=f"ref-{reservation_id}",
        )

    def told(self) -> dict[str, list[str]]:
        """The statuses that the eMSP was told, by Session, each as often as it came to be."""
        found: dict[str, list[str]] = {}
        for one in self.emsp.seen:
            if one.module_id == "sessions" and one.method == "PUT":
                found.setdefault(one.content["id"], []).append(one.content["status"])
        return {
            id: [status for at, status in enumerate(said) if at == 0 or said[at - 1] != status]
            for id, said in found.items()
        }

    async def session(self, status: str, but: tuple[str, ...] = ()) -> Object:
        """A Session in a state, as soon as the eMSP has it."""

        def found() -> Object | None:
            kept = self.emsp.desk.kept["sessions"]
            return next((one for one in kept if one["status"] == status and one["id"] not in but), None)

        await until(lambda: found() is not None)
        session = found()
        assert session is not None
        return session


async def until(condition: Any) -> None:
    async with asyncio.timeout(SEEN_WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("identity", MAKERS)
@pytest.mark.proves("SE-13")
async def test_a_reservation_becomes_a_session_and_lives_through_its_states(
    database_url: str, tmp_path: Path, example: Any, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reservations, "RETURNED_SECONDS", 0)  # the station was never away
    content = yaml.safe_load(PROVISIONED.read_text())
    content["stations"] = [{"identity": name, "secret": SECRET} for name in MAKERS]
    token = example("token", country_code="NL", party_id="MS1", whitelist="ALWAYS", valid=True, uid="0123456789ABCD")
    token.pop("group_id", None)
    maker, evse_uid = MAKERS[identity]
    async with open_hub(database_url, tmp_path) as (world, url):
        emsp = await world.join("E", ("EMSP", "NL/MS1"))
        await send(world, "POST", "sites/import", content)
        emsp.desk.offer("tokens", token)
        assert (await emsp.push("tokens", MS1, (token["uid"],), token, receiver=None)).is_success
        station = maker(Address(url, identity, SECRET), max_w=Decimal(11_000))
        await station.start()
        scene = Scene(emsp, station, evse_uid, token, count(1))
        try:
            used = await use(scene)
            cancelled = await cancel(scene, (used,))
            expired = await expire(scene, (used, cancelled))
        finally:
            await station.close()
        assert scene.told() == {
            used: ["RESERVATION", "ACTIVE", "COMPLETED"],
            cancelled: ["RESERVATION", "COMPLETED"],
            expired: ["RESERVATION", "COMPLETED"],
        }
        assert [one["session_id"] for one in emsp.desk.kept["cdrs"]] == [used]


async def use(scene: Scene) -> str:
    """A driver comes in time."""
    assert await scene.reserve("r-1") == "ACCEPTED"
    reserved = await scene.session("RESERVATION")
    assert (reserved["evse_uid"], reserved["kwh"], reserved["authorization_reference"]) == (
        scene.evse_uid,
        0,
        "ref-r-1",
    )
    assert reserved["cdr_token"]["uid"] == scene.token["uid"]
    listed = (await scene.emsp.get_all("sessions", sender=MS1, receiver=LOC)).objects
    assert [(one["id"], one["status"]) for one in listed] == [(reserved["id"], "RESERVATION")]
    await asyncio.sleep(1.1)  # OCPI's clock has seconds
    assert await scene.station.tap(1, scene.token["uid"])
    active = await scene.session("ACTIVE")
    assert active["id"] == reserved["id"]
    assert active["start_date_time"] > reserved["start_date_time"], "it begins with charging"
    scene.station.advance(20)
    await scene.station.unplug(1)
    completed = await scene.session("COMPLETED")
    assert (completed["id"], completed["start_date_time"]) == (reserved["id"], active["start_date_time"])
    await until(lambda: len(list(scene.emsp.desk.kept["cdrs"])) == 1)
    return str(reserved["id"])


async def cancel(scene: Scene, before: tuple[str, ...]) -> str:
    """An eMSP needs the place no longer."""
    assert await scene.reserve("r-2") == "ACCEPTED"
    reserved = await scene.session("RESERVATION")
    assert await scene.command("CANCEL_RESERVATION", reservation_id="r-2") == "ACCEPTED"
    await over(scene, reserved["id"], before)
    return str(reserved["id"])


async def expire(scene: Scene, before: tuple[str, ...]) -> str:
    """Nobody comes."""
    assert await scene.reserve("r-3", seconds=10) == "ACCEPTED"
    reserved = await scene.session("RESERVATION")
    await over(scene, reserved["id"], before)
    return str(reserved["id"])


async def over(scene: Scene, session_id: str, before: tuple[str, ...]) -> None:
    completed = await scene.session("COMPLETED", before)
    assert (completed["id"], completed["kwh"], completed["total_cost"]["excl_vat"]) == (session_id, 0, 0)
