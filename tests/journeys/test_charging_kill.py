"""A charge at a local charger, and the reservation before it, outlive the hub: one Session and one CDR in the end (C-T1, C-T3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.demo.party import DemoPlatform, role
from hub.demo.station import Address, Station
from hub.demo.station16 import station16
from hub.demo.station201 import station201
from ocpi_modules.parties import Party
from ocpi_modules.types import format_datetime
from tests.conftest import ADMIN_TOKEN, loopback_client
from tests.journeys.test_kill import HubProcess, hub, join

__all__ = ["hub"]

pytestmark = pytest.mark.kill

MS1 = Party("NL", "MS1")
PROVISIONED = Path(__file__).parents[2] / "fixtures" / "chargers" / "demo.yaml"
SECRET = "a-secret-of-a-station"
SEEN_WAIT_SECONDS = 60.0
QUIET_SECONDS = 3.0
NOTICED_SECONDS = 1.0
MAKERS = {"LOC-16-1": station16, "LOC-201-1": station201}


async def provision(hub: HubProcess) -> None:
    content = yaml.safe_load(PROVISIONED.read_text())
    for entry in content["stations"]:
        entry["secret"] = SECRET
    async with loopback_client() as http:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        answer = await http.post(f"{hub.url}/admin/sites/import", json=content, headers=headers)
    assert answer.is_success, answer.text


async def seen(
    platform: DemoPlatform, module_id: str, wanted: int = 1, fits: Callable[[Any], bool] = bool
) -> list[Any]:
    """What the platform keeps of others in a module and fits, as soon as there is so much."""

    def fitting() -> list[Any]:
        return [one for one in kept(platform, module_id) if fits(one)]

    async with asyncio.timeout(SEEN_WAIT_SECONDS):
        while True:
            with suppress(TimeoutError):
                await platform.wait_until(lambda: len(fitting()) >= wanted)
                return fitting()


def kept(platform: DemoPlatform, module_id: str) -> list[Any]:
    return list(platform.desk.kept[module_id]._objects.values())


async def token_of(emsp: DemoPlatform, example: Any) -> Any:
    token = example("token", country_code="NL", party_id="MS1", whitelist="ALWAYS", valid=True, uid="0123456789ABCD")
    token.pop("group_id", None)
    emsp.desk.offer("tokens", token)
    heard = await emsp.push("tokens", MS1, (token["uid"],), token, receiver=None)
    assert heard.is_success, heard
    return token


@pytest.mark.parametrize("identity", MAKERS)
async def test_a_hub_that_is_killed_in_a_charge_bills_it_once(hub: HubProcess, identity: str, example: Any) -> None:
    emsp = DemoPlatform("P3", [role("EMSP", "NL/MS1")])
    address = Address(f"{hub.url.replace('http', 'ws', 1)}/ocpp", identity, SECRET)
    station: Station = MAKERS[identity](address, max_w=Decimal(11_000))
    async with emsp.running():
        await join(hub, emsp, ("EMSP", "NL/MS1"))
        await provision(hub)
        token = await token_of(emsp, example)
        await station.start()
        try:
            assert await station.tap(1, token["uid"])
            await station.until_ready()
            await seen(emsp, "sessions")
            plug = station.plugs[1]
            assert plug.transaction is not None
            began_wh = int(plug.transaction.start_wh)
            station.advance(20)
            hub.kill()
            await station.unplug(1)  # nobody hears it
            hub.start()
            await station.until_ready()
            (cdr,) = await seen(emsp, "cdrs")
            hub.kill()
            hub.start()
            await station.until_ready()
            await asyncio.sleep(QUIET_SECONDS)
        finally:
            await station.close()
        assert kept(emsp, "cdrs") == [cdr]
        (session,) = kept(emsp, "sessions")
        assert cdr["total_energy"] == session["kwh"] == Decimal(int(plug.energy_wh) - began_wh) / 1000 > 0
        assert (session["status"], cdr["session_id"]) == ("COMPLETED", session["id"])
        posts = [one.content for one in emsp.seen if one.module_id == "cdrs" and one.method == "POST"]
        assert all(
            post == cdr for post in posts
        )  # a hub that died before it noted the answer says it once more, word for word
    assert hub.stop() == 0
    assert hub.leftovers() == []


async def test_a_reservation_is_one_session_whenever_the_hub_is_killed(hub: HubProcess, example: Any) -> None:
    emsp = DemoPlatform("P3", [role("EMSP", "NL/MS1")])
    address = Address(f"{hub.url.replace('http', 'ws', 1)}/ocpp", "LOC-16-1", SECRET)
    station = station16(address, max_w=Decimal(11_000))
    async with emsp.running():
        await join(hub, emsp, ("EMSP", "NL/MS1"))
        await provision(hub)
        token = await token_of(emsp, example)
        await station.start()
        try:
            heard = await emsp.command(
                "RESERVE_NOW", reservation_of(token, emsp), sender=MS1, receiver=Party("NL", "LOC")
            )
            assert heard.data["result"] == "ACCEPTED"
            (reserved,) = await seen(emsp, "sessions")
            await again(hub, station)
            assert await station.tap(1, token["uid"])
            await seen(emsp, "sessions", 1, lambda one: one["status"] == "ACTIVE")
            station.advance(20)
            hub.kill()
            await station.unplug(1)  # nobody hears it
            hub.start()
            await station.until_ready()
            (cdr,) = await seen(emsp, "cdrs")
            await again(hub, station)
            await asyncio.sleep(QUIET_SECONDS)
        finally:
            await station.close()
        told = [one.content for one in emsp.seen if one.module_id == "sessions" and one.method == "PUT"]
        assert {one["id"] for one in told} == {reserved["id"]} == {cdr["session_id"]}
        assert list(dict.fromkeys(one["status"] for one in told)) == ["RESERVATION", "ACTIVE", "COMPLETED"]
    assert hub.stop() == 0
    assert hub.leftovers() == []


async def again(hub: HubProcess, station: Station) -> None:
    """The hub is killed and comes back; starting it keeps everybody here waiting, so the station has to notice before."""
    hub.kill()
    await asyncio.sleep(NOTICED_SECONDS)
    hub.start()
    await station.until_ready()


def reservation_of(token: Any, emsp: DemoPlatform) -> Any:
    return {
        "response_url": emsp.callback_url("commands", "R1"),
        "token": token,
        "reservation_id": "r-1",
        "location_id": "LOC-HARBOUR",
        "evse_uid": "LOC-HARBOUR-1",
        "expiry_date": format_datetime(datetime.now(UTC) + timedelta(hours=1)),
    }
