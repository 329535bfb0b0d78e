"""What drivers want of their charges: judged, kept, and heeded when power is shared out (SE-03, SE-04)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hub.chargers.loads import plan
from hub.chargers.loads.underway import Underway
from hub.chargers.preferences import Possible, Wish, judge
from hub.chargers.provisioning import PREFERENCES_CAPABLE, read_site
from hub.clock import SystemClock
from hub.demo.caller import Heard
from hub.demo.party import DemoPlatform
from hub.demo.station import Address, Station
from hub.demo.station16 import station16
from hub.store.chargecommands import ChargeCommands, KeptPreference
from hub.store.charges import Charges
from hub.store.database import Database
from ocpi_modules.module import Interface
from ocpi_modules.sessions import ChargingPreferencesResponse
from ocpi_modules.types import format_datetime
from tests.chargers.localworld import LOC, MS1
from tests.chargers.sitehouse import depot, plug, tariff
from tests.chargers.test_joining import open_hub, send

Object = dict[str, Any]

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SECRET = "a-secret-of-a-station"
SEEN_WAIT_SECONDS = 90.0
LIMIT_KW = 11
CAN = Possible(energy_wh=Decimal(4_000), power_w=22_000, is_green=False)
SUNNY = replace(CAN, is_green=True)
IN_AN_HOUR = NOW + timedelta(hours=1)


def wish(profile_type: str, departs_at: datetime | None = None, wanted_kwh: float | None = None) -> Wish:
    wanted_wh = None if wanted_kwh is None else Decimal(str(wanted_kwh)) * 1000
    return Wish(profile_type=profile_type, departs_at=departs_at, wanted_wh=wanted_wh)


@pytest.mark.parametrize(
    ("wanted", "can", "answer"),
    [
        pytest.param(wish("REGULAR"), CAN, "ACCEPTED", id="nothing special"),
        pytest.param(wish("REGULAR", IN_AN_HOUR), CAN, "ACCEPTED", id="a departure alone"),
        pytest.param(wish("REGULAR", None, 500), CAN, "ACCEPTED", id="an energy alone"),
        pytest.param(wish("REGULAR", IN_AN_HOUR, 26), CAN, "ACCEPTED", id="22 kWh more in an hour at 22 kW"),
        pytest.param(wish("REGULAR", IN_AN_HOUR, 26.1), CAN, "NOT_POSSIBLE", id="more than the connector can give"),
        pytest.param(wish("REGULAR", NOW, 1), CAN, "NOT_POSSIBLE", id="gone already"),
        pytest.param(wish("REGULAR", IN_AN_HOUR, 500), replace(CAN, power_w=None), "ACCEPTED", id="of unknown power"),
        pytest.param(wish("FAST", IN_AN_HOUR, 5), CAN, "PROFILE_TYPE_NOT_SUPPORTED", id="priority is not sold"),
        pytest.param(
            wish("CHEAP", IN_AN_HOUR, 5), SUNNY, "PROFILE_TYPE_NOT_SUPPORTED", id="nor are cheap hours waited for"
        ),
        pytest.param(wish("GREEN", IN_AN_HOUR, 5), CAN, "PROFILE_TYPE_NOT_SUPPORTED", id="no sun is followed here"),
        pytest.param(wish("SOLAR", IN_AN_HOUR, 5), SUNNY, "PROFILE_TYPE_NOT_SUPPORTED", id="a word of somebody's own"),
        pytest.param(wish("GREEN", None, 5), SUNNY, "DEPARTURE_REQUIRED", id="green until when"),
        pytest.param(wish("GREEN", IN_AN_HOUR), SUNNY, "ENERGY_NEED_REQUIRED", id="green for how much"),
        pytest.param(wish("GREEN", IN_AN_HOUR, 5), SUNNY, "ACCEPTED", id="green"),
    ],
)
@pytest.mark.proves("SE-03")
def test_what_is_said_to_a_wish(wanted: Wish, can: Possible, answer: str) -> None:
    assert judge(wanted, can, NOW) is ChargingPreferencesResponse(answer)


@pytest.mark.parametrize(
    ("stated", "limits", "shown"),
    [
        pytest.param(None, {"id": "g", "limit_kw": 5}, [PREFERENCES_CAPABLE], id="its load is managed"),
        pytest.param(
            ["RFID_READER", PREFERENCES_CAPABLE],
            {"id": "g", "limit_kw": 5},
            ["RFID_READER", PREFERENCES_CAPABLE],
            id="once",
        ),
        pytest.param(
            ["RFID_READER", PREFERENCES_CAPABLE], None, ["RFID_READER"], id="it is not managed, whatever is stated"
        ),
        pytest.param(None, None, None, id="nothing is said"),
    ],
)
def test_evses_of_managed_sites_say_that_they_take_preferences(stated: Any, limits: Any, shown: Any) -> None:
    evse = {"uid": "1", "connectors": [plug("1", "CP-1", 1)], **({} if stated is None else {"capabilities": stated})}
    site = read_site("DEPOT", depot(evses=[evse], **({} if limits is None else {"limits": limits})), LOC)
    assert site.evses["1"].get("capabilities") == shown


async def test_a_wish_is_kept_the_newest_counts_and_is_forgotten_in_the_end(database: Database) -> None:
    kept = ChargeCommands(database.direct)
    await database.direct.execute(
        "insert into charge (identity, start_key, evse, connector, evse_uid, session_id, state, started_at, told_started_at, made_at) "
        "values ('CP-1', 'k', 0, 1, 'E1', 's-1', 'ACTIVE', $1, $1, $1)",
        NOW,
    )
    row = KeptPreference(
        session_id="s-1",
        sender="NL/MS1",
        profile_type="REGULAR",
        departs_at=IN_AN_HOUR,
        wanted_wh=Decimal(20_000),
        may_discharge=False,
        set_at=NOW,
    )
    await kept.keep_preference(row)
    await kept.keep_preference(replace(row, wanted_wh=None, set_at=NOW - timedelta(seconds=1)))
    underway = Underway(Charges(database.direct), ChargeCommands(database.direct), SystemClock())
    (active,) = await underway.active()
    assert (active.departs_at, active.wanted_wh) == (IN_AN_HOUR, Decimal(20_000))
    await kept.keep_preference(replace(row, departs_at=None, set_at=NOW + timedelta(seconds=1)))
    (active,) = await underway.active()
    assert active.departs_at is None
    await kept.tidy(NOW + timedelta(days=1))
    (active,) = await underway.active()
    assert active.wanted_wh is None


# --- from outside ---


def tight_site() -> Object:
    """Two connectors of 22 kW below 11 kW, and one beside them that nobody manages."""
    evses = [{"uid": uid, "connectors": [plug("1", f"CP-{uid}", 1)]} for uid in ("1", "2")]
    managed = depot(evses=evses, limits={"id": "grid", "limit_kw": LIMIT_KW, "evses": ["1", "2"]})
    alone = depot(id="ALONE", evses=[{"uid": "3", "connectors": [plug("1", "CP-3", 1)]}])
    stations = [{"identity": f"CP-{uid}", "secret": SECRET} for uid in ("1", "2", "3")]
    return {"sites": [managed, alone], "tariffs": [tariff()], "stations": stations}


async def prefer(emsp: DemoPlatform, session_id: str, **asked: Any) -> Heard:
    url = f"{emsp.endpoint('sessions', Interface.SENDER)}/{session_id}/charging_preferences"
    return await emsp.call("PUT", url, sender=MS1, receiver=LOC, content=asked)


def kilowatts(station: Station) -> float:
    return float(station.plugs[1].power_w(datetime.now(UTC))) / 1000


async def until(condition: Any) -> None:
    async with asyncio.timeout(SEEN_WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)


@pytest.mark.proves("SE-03", "SE-04")
async def test_what_a_driver_wants_changes_who_gets_how_much(
    database_url: str, tmp_path: Path, example: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "RAISE_EVERY_SECONDS", 0)  # nobody has to wait a minute to be given more
    async with open_hub(database_url, tmp_path, load_step_seconds=1) as (world, url):
        emsp = await world.join("E", ("EMSP", "NL/MS1"))
        await send(world, "POST", "sites/import", tight_site())
        stations = [station16(Address(url, f"CP-{uid}", SECRET), max_w=Decimal(22_080)) for uid in ("1", "2", "3")]
        sessions = []
        try:
            for number, station in enumerate(stations, 1):
                await station.start()
                card = example(
                    "token", country_code="NL", party_id="MS1", whitelist="ALWAYS", valid=True, uid=f"CARD{number}"
                )
                card.pop("group_id", None)
                assert (await emsp.push("tokens", MS1, (card["uid"],), card, receiver=None)).is_success
                assert await station.tap(1, card["uid"])
                await until(lambda: len(list(emsp.desk.kept["sessions"])) == number)  # noqa: B023 - awaited at once
                sessions.append(
                    next(one for one in emsp.desk.kept["sessions"] if one["cdr_token"]["uid"] == card["uid"])
                )
            one, other, alone = stations
            await until(lambda: 5 < kilowatts(one) <= 5.6 and 5 < kilowatts(other) <= 5.6)
            departs = format_datetime(datetime.now(UTC) + timedelta(hours=2))
            heard = await prefer(
                emsp, sessions[0]["id"], profile_type="REGULAR", departure_time=departs, energy_need=15
            )
            assert heard.data == "ACCEPTED"
            await until(lambda: kilowatts(one) > 6.5 and kilowatts(other) < 4.5)
            assert kilowatts(one) + kilowatts(other) <= LIMIT_KW
            assert await answers(emsp, sessions) == [
                "NOT_POSSIBLE",
                "PROFILE_TYPE_NOT_SUPPORTED",
                2001,
                2001,
                (404, 2001),
                (404, 2001),
            ]
            heard = await prefer(emsp, sessions[0]["id"], profile_type="REGULAR", energy_need=0)
            assert heard.data == "ACCEPTED"
            await until(lambda: kilowatts(other) > 9 and kilowatts(one) < 1)
            alone.advance(10)
            await alone.unplug(1)
            await until(lambda: any(one["status"] == "COMPLETED" for one in emsp.desk.kept["sessions"]))
            heard = await prefer(emsp, sessions[2]["id"], profile_type="REGULAR")
            assert heard.data == "NOT_POSSIBLE", "it is over"
        finally:
            for station in stations:
                await station.close()


async def answers(emsp: DemoPlatform, sessions: list[Object]) -> list[Any]:
    """What is said to wishes that cannot be."""
    soon = format_datetime(datetime.now(UTC) + timedelta(minutes=6))
    first, alone = sessions[0]["id"], sessions[2]["id"]
    heard = [
        await prefer(emsp, first, profile_type="REGULAR", departure_time=soon, energy_need=50),
        await prefer(emsp, first, profile_type="FAST"),
        await prefer(emsp, first, profile_type="REGULAR", energy_need=-1),
        await prefer(emsp, first, energy_need=1),
        await prefer(emsp, alone, profile_type="REGULAR"),
        await prefer(emsp, "nobody-s", profile_type="REGULAR"),
    ]
    words = [one.data for one in heard[:2]]
    return [
        *words,
        *(one.status_code for one in heard[2:4]),
        *((one.http_status, one.status_code) for one in heard[4:]),
    ]
