"""Load management of a running hub: twenty stations of both versions, over real sockets, below one limit (L-T1, L-T3, L-T4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hub.chargers.loads.control import LEASE_SECONDS
from hub.demo.station import DEFAULT, TRANSACTION, NotHeard, Plug
from ocpi_modules.parties import Party
from ocpi_modules.types import format_datetime
from tests.chargers.sitehouse import tariff
from tests.chargers.station import Address, Station, station16, station201
from tests.chargers.test_joining import open_hub, send
from tests.conftest import World

COUNT = 20
SITE_KW, EVENT_KW = 60, 25
CAR_KW = Decimal("22.08")
SPARE_KW = 8  # less than that is left over where cars take 6 A or nothing
OBEYED_SECONDS = 30.0
WATCHED_SECONDS = 10.0
WAIT_SECONDS = 120.0
LOOK_SECONDS = 0.1
MSP = Party("NL", "MS1")

pytestmark = pytest.mark.stations


@dataclass
class Garage:
    """The site as it is in the world; `ahead` is how far its time is ahead of ours. `hub` ends the hub."""

    world: World
    hub: AsyncExitStack
    stations: list[Station] = field(default_factory=list)
    ahead: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    @property
    def plugs(self) -> list[Plug]:
        return [station.plugs[1] for station in self.stations]

    def kilowatts(self) -> Decimal:
        """What all cars take now."""
        return sum((plug.power_w(self.now()) for plug in self.plugs), Decimal(0)) / 1000

    def is_led(self) -> bool:
        """Whether every car was told what it may take, and what there is is shared out."""
        is_told = all(has(plug, TRANSACTION) for plug in self.plugs)
        return is_told and SITE_KW - SPARE_KW < self.kilowatts() <= SITE_KW

    async def until(self, holds: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
        """Wait until something holds. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 - cars tell nobody
                await asyncio.sleep(LOOK_SECONDS)

    async def peak(self, seconds: float) -> Decimal:
        """The most that all cars take within some time."""
        ends_at, most = asyncio.get_running_loop().time() + seconds, Decimal(0)
        while asyncio.get_running_loop().time() < ends_at:
            most = max(most, self.kilowatts())
            await asyncio.sleep(LOOK_SECONDS)
        return most

    async def limit(self, kilowatts: int) -> None:
        """The operator limits the site for an hour."""
        until = format_datetime(datetime.now(UTC) + timedelta(hours=1))
        await send(self.world, "PUT", "sites/GARAGE/limits", {"node": "grid", "limit_kw": kilowatts, "until": until})


def identity(number: int) -> str:
    return f"BOX-{number:02}"


def connector(number: int) -> dict[str, Any]:
    """Odd stations speak 1.6, even ones 2.0.1."""
    return {
        "id": "1",
        "station": identity(number),
        "number": 1,
        **({} if number % 2 else {"evse_number": 1}),
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 32,
        "tariff_ids": ["T1"],
    }


def provisions() -> dict[str, Any]:
    site = {
        "id": "GARAGE",
        "publish": True,
        "name": "The garage",
        "address": "Kade 2",
        "city": "Utrecht",
        "country": "NLD",
        "coordinates": {"latitude": "52.09083", "longitude": "5.12142"},
        "time_zone": "Europe/Amsterdam",
        "limits": {"id": "grid", "limit_kw": SITE_KW},
        "evses": [{"uid": f"{number:02}", "connectors": [connector(number)]} for number in range(1, COUNT + 1)],
    }
    stations = [{"identity": identity(number), "secret": secret(number)} for number in range(1, COUNT + 1)]
    return {"sites": [site], "tariffs": [tariff()], "stations": stations}


def secret(number: int) -> str:
    return f"the-secret-of-box-{number:02}"


def card(number: int) -> dict[str, Any]:
    return {
        "country_code": "NL",
        "party_id": "MS1",
        "uid": f"CARD{number:02}",
        "type": "RFID",
        "contract_id": f"NL-MS1-C{number:08}",
        "issuer": "MS1",
        "valid": True,
        "whitelist": "ALWAYS",
        "last_updated": "2026-01-01T00:00:00Z",
    }


@asynccontextmanager
async def garage(database_url: str, folder: Path) -> AsyncIterator[Garage]:
    """A hub with the garage, its stations there with their fall-backs, and a car that charges at each."""
    async with AsyncExitStack() as hub:
        world, url = await hub.enter_async_context(open_hub(database_url, folder, load_step_seconds=1.0))
        made = Garage(world, hub)
        await provision(world)
        made.stations = [station_at(url, number, made.now) for number in range(1, COUNT + 1)]
        try:
            await asyncio.gather(*(station.start() for station in made.stations))
            await made.until(lambda: all(has(plug, DEFAULT) for plug in made.plugs))
            for number, station in enumerate(made.stations, 1):
                await station.begin(1, f"CARD{number:02}")
            await made.until(made.is_led)
            yield made
        finally:
            await asyncio.gather(*(station.close() for station in made.stations))


async def provision(world: World) -> None:
    """The garage, and an eMSP whose cards charge there."""
    emsp = await world.join("E", ("EMSP", "NL/MS1"))
    await send(world, "POST", "sites/import", provisions())
    for number in range(1, COUNT + 1):
        token = card(number)
        assert (await emsp.push("tokens", MSP, (token["uid"],), token, receiver=None)).is_success


def station_at(url: str, number: int, now: Callable[[], datetime]) -> Station:
    make = station16 if number % 2 else station201
    address = Address(url, identity(number), secret(number))
    return make(address, max_w=CAR_KW * 1000, meter_seconds=2.0, now=now)


def has(plug: Plug, purpose: str) -> bool:
    return any(one.purpose == purpose for one in plug.profiles.values())


async def test_a_limit_of_the_operator_is_obeyed_and_when_the_hub_is_gone_the_fall_backs_hold_l_t1_l_t4(
    database_url: str, tmp_path: Path
) -> None:
    async with garage(database_url, tmp_path) as site:
        assert await site.peak(3.0) <= SITE_KW
        await site.limit(EVENT_KW)
        await site.until(lambda: site.kilowatts() <= EVENT_KW, OBEYED_SECONDS)
        assert EVENT_KW - SPARE_KW < await site.peak(WATCHED_SECONDS) <= EVENT_KW
        charges = await send(site.world, "GET", "charges?state=ACTIVE&limit=100")
        assert len(charges["items"]) == COUNT
        await site.hub.aclose()
        for station in site.stations:
            with pytest.raises(NotHeard):
                await station.say(None)
        assert await site.peak(3.0) <= EVENT_KW, "what was told holds for a while"
        site.ahead = timedelta(seconds=LEASE_SECONDS + 1)
        assert SITE_KW - SPARE_KW < await site.peak(3.0) <= SITE_KW, "the fall-backs know of the provisioned limit only"
        assert all(plug.transaction is not None for plug in site.plugs), "no charge is dropped"


async def test_a_station_that_ignores_profiles_takes_from_the_others_l_t3(database_url: str, tmp_path: Path) -> None:
    async with garage(database_url, tmp_path) as site:
        deaf = site.stations[0]
        deaf.obey = lambda plug, profile: None  # type: ignore[method-assign]  # it says Accepted, and does nothing
        deaf.plugs[1].profiles.clear()
        assert site.kilowatts() > SITE_KW
        await site.until(lambda: site.kilowatts() <= SITE_KW)
        assert SITE_KW - SPARE_KW < await site.peak(WATCHED_SECONDS) <= SITE_KW
        await site.limit(EVENT_KW)
        await site.until(lambda: site.kilowatts() <= EVENT_KW, OBEYED_SECONDS)
        assert CAR_KW <= await site.peak(WATCHED_SECONDS) <= EVENT_KW
        assert deaf.plugs[1].power_w(site.now()) == CAR_KW * 1000
        assert all(plug.transaction is not None for plug in site.plugs), "no charge is dropped"
