"""The pages of local chargers: who knocks is let in with a secret that is shown once, stations are asked, charges are decided about."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.chargers import charging, closing, settling
from hub.chargers.billing import cdr_id
from hub.clock import SystemClock
from hub.console.accounts import Role
from hub.console.charges import FLAGS, kinds_of, meaning_of
from hub.demo.station import Address, Station
from hub.demo.station16 import station16
from hub.store.charges import Change, Charge, Charges, ChargeState, Wanted
from hub.store.chargestations import ChargeStations, Knock
from hub.store.database import Database
from ocpi_modules.types import encode_json
from tests.chargers.charges import NOW, PARTY, Told, started, stopped
from tests.chargers.sitehouse import AFAR, depot, provisions
from tests.chargers.test_joining import open_hub
from tests.conftest import World
from tests.console.visitors import Visitor, said, visitor

STATIONS, SITES, CHARGES = "/console/stations", "/console/sites", "/console/charges"
KNOCKER, OTHER = "CP-1", "CP-2"
SEEN_WAIT_SECONDS = 60.0
LIMITS = {"id": "grid", "name": "Grid", "limit_kw": 60, "evses": ["1", "2"]}
_SECRET = re.compile(r'id="secret" readonly value="([^"]+)"')


async def provision(world: World, **changes: object) -> None:
    """The depot."""
    body = encode_json(provisions(stations=[], **changes))
    answer = await world.admin.post("/admin/sites/import", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text


@asynccontextmanager
async def database_of(world: World) -> AsyncIterator[Database]:
    made = Database(world.database_url)
    try:
        yield made
    finally:
        await made.close()


async def knock(world: World, *identities: str) -> None:
    """Stations that nobody named."""
    async with database_of(world) as database:
        for one in identities:
            assert await ChargeStations(database.direct).knock(one, AFAR, SystemClock().now()) is Knock.IN_INBOX


async def charge(world: World, **changes: object) -> None:
    """A charge of CP-1 that took more than it can have: it is kept back."""
    told = Told().say(started(0), stopped(509_500))
    assert told.charge is not None
    made = replace(closing.closed(told.charge, told.readings, PARTY, NOW), **changes)  # type: ignore[arg-type]  # handed on
    async with database_of(world) as database:
        wanted = Wanted(identity=made.identity, start_key=made.start_key)
        await Charges(database.direct).change(wanted, lambda found, others: Change(made, tuple(told.readings)))


async def one_charge(world: World, number: int) -> Charge:
    """A charge as it is kept."""
    async with database_of(world) as database:
        found = await Charges(database.direct).one(number)
    assert found is not None
    return found


async def shown(who: Visitor, path: str, *words: str) -> str:
    """What a page says once it says all these words."""
    async with asyncio.timeout(SEEN_WAIT_SECONDS):
        while True:
            page = said(await who.get(path))
            if all(word in page for word in words):
                return page
            await asyncio.sleep(0.05)


async def test_who_knocks_is_let_in_with_a_secret_that_is_shown_once(database_url: str, tmp_path: Path) -> None:
    async with open_hub(database_url, tmp_path) as (world, address):
        await _let_in(world, address)


async def _let_in(world: World, address: str) -> None:
    await provision(world, sites=[depot(limits=LIMITS)])
    await knock(world, KNOCKER, OTHER)
    otto = await visitor(world, "otto", Role.OPERATOR)
    page = said(await otto.get(STATIONS))
    assert "2 knock : nothing that they say counts until they are let in" in page
    assert AFAR in page
    made = await otto.post(f"{STATIONS}/{KNOCKER}/accept", 201, STATIONS, note="at the gate")
    secret = _SECRET.findall(made.text)[0]
    assert "The secret is not shown again" in said(made.text)
    assert secret not in await otto.get(f"{STATIONS}/{KNOCKER}")
    assert "at the gate" in said(await otto.get(f"{STATIONS}/{KNOCKER}"))
    await otto.post(f"{STATIONS}/{OTHER}/reject", page=STATIONS)
    assert OTHER in said(await otto.get(f"{STATIONS}?state=Rejected"))
    assert KNOCKER not in said(await otto.get(f"{STATIONS}?state=Rejected"))
    station = station16(Address(address, KNOCKER, secret), plugs=3)
    await station.start()
    try:
        await _ask(otto, station, secret)
    finally:
        await station.close()
    ada = await visitor(world, "ada", Role.ADMIN)
    log = said(await ada.get("/console/audit"))
    for action in ("accepted", "rejected", "unlocked", "reset", "secret rotated"):
        assert f"station {action}" in log
    assert secret not in log


async def _ask(otto: Visitor, station: Station, secret: str) -> None:
    """What a connected station is asked on its page, and where it is seen."""
    path = f"{STATIONS}/{KNOCKER}"
    page = await shown(otto, path, "connected", "Protocol OCPP 1.6", "DEPOT / 2", "3 Available")
    assert "Clock right" in page
    site = await shown(otto, f"{SITES}/DEPOT", "1 AVAILABLE", "2 AVAILABLE")
    assert "Grid 60.0 kW" in await shown(otto, f"{SITES}/DEPOT", "Grid 60.0 kW")
    assert "CP-1" in site
    assert "CP-1" in said(await otto.get(f"{STATIONS}?is_connected=true&sort=-heard"))
    await otto.post(f"{path}/unlock", page=path, evse=0, connector=1)
    assert "The station answered “accepted”" in said(await otto.get(path))
    await otto.post(f"{path}/secret", page=path)
    assert "has its new secret" in said(await otto.get(path))
    assert station.address.password != secret
    await otto.post(f"{path}/reset", page=path)
    assert "The station answered “accepted”" in said(await otto.get(path))


async def test_a_station_that_is_away_gets_its_new_secret_from_somebody(world: World) -> None:
    await knock(world, KNOCKER)
    otto = await visitor(world, "otto", Role.OPERATOR)
    path = f"{STATIONS}/{KNOCKER}"
    await otto.post(f"{path}/accept", 201, STATIONS)
    made = await otto.post(f"{path}/secret", 201, path)
    assert _SECRET.findall(made.text)
    assert "The station is not connected. Somebody has to bring it there" in said(made.text)
    assert "a new one is offered" in said(await otto.get(path))
    await otto.post(f"{path}/reject", page=path)
    await otto.post(f"{path}/forget", page=path)
    assert "there is no station" in said(await otto.get(path, 404))
    await otto.post(f"{path}/reject", 404)


async def test_an_evse_is_blocked_and_it_is_said_by_whom(world: World) -> None:
    await provision(world)
    otto = await visitor(world, "otto", Role.OPERATOR)
    path = f"{SITES}/DEPOT"
    page = said(await otto.get(path))
    assert "No limits are managed here" in page
    assert "Utrecht" in said(await otto.get(f"{SITES}?name=utrecht&sort=-evses"))
    assert "No row is like that" in said(await otto.get(f"{SITES}?is_managed=true"))
    await otto.post(f"{path}/evses/2/blocked", page=path, is_blocked="yes")
    assert "blocked, says otto" in said(await otto.get(path))
    await otto.post(f"{path}/evses/2/blocked", page=path)
    assert "blocked, says otto" not in said(await otto.get(path))
    await otto.post(f"{path}/evses/99/blocked", 404, path, is_blocked="yes")
    assert "there is no such site" in said(await otto.get(f"{SITES}/NOWHERE", 404))


async def test_a_site_is_limited_for_a_while_and_it_is_said_until_when(world: World) -> None:
    await provision(world, sites=[depot(limits=LIMITS)])
    otto = await visitor(world, "otto", Role.OPERATOR)
    path = f"{SITES}/DEPOT"
    page = said(await otto.get(path))
    assert "Grid, provisioned with 60.0 kW" in page
    assert "Until, Europe/Berlin" in page
    assert "Nothing holds besides" in page
    soon = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=2)  # of which each day has 24
    until = soon.astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=None)
    asked: dict[str, Any] = {"node": "grid", "limit_kw": "22.5", "until": until.isoformat(timespec="minutes")}
    for changes, fault in (
        ({"until": ""}, "until: a date and a time (Europe/Berlin) are wanted"),
        ({"until": "2020-01-01T00:00"}, "a moment to come"),
        ({"until": "2099-01-01T00:00"}, "within 31 days"),
        ({"limit_kw": "much"}, "limit_kw"),
        ({"limit_kw": "-1"}, "limit_kw"),
        ({"node": "moon"}, "is not a node of this site"),
    ):
        answer = await otto.post(f"{path}/limits", 400, path, **{**asked, **changes})
        assert fault in said(answer.text), changes
    await otto.post(f"{path}/limits", page=path, **asked)
    page = said(await otto.get(path))
    assert "grid limit for a while 22.5 kW" in page
    assert f"{until:%Y-%m-%d %H:%M} CE" in page, "with the zone"
    kept = (await world.admin.get("/admin/sites/DEPOT/limits")).json()["kept"]
    assert [(one["node"], one["watts"]) for one in kept] == [("grid", 22_500)]
    await otto.post(f"{path}/limits/lift", page=path, node="grid")
    assert "Nothing holds besides" in said(await otto.get(path))
    await otto.post(f"{path}/limits/lift", 404, path, node="grid")
    log = said(await (await visitor(world, "ada", Role.ADMIN)).get("/console/audit"))
    assert "limit set" in log
    assert "limit lifted" in log


async def test_a_charge_that_was_kept_back_is_released_with_what_it_took(world: World) -> None:
    await charge(world)
    otto = await visitor(world, "otto", Role.OPERATOR)
    assert "1 kept back, for you to decide" in said(await otto.get(CHARGES))
    path = f"{CHARGES}/1"
    page = said(await otto.get(path))
    assert "More energy than the connector can deliver in that time" in page
    assert "Proposed energy" in page
    assert "reason" in said((await otto.post(f"{path}/release", 400, path, energy_kwh="9.1")).text)
    assert "energy_kwh" in said((await otto.post(f"{path}/release", 400, path, reason="x", energy_kwh="many")).text)
    await otto.post(f"{path}/release", page=path, reason="the meter was replaced", energy_kwh="9.1234")
    await shown(otto, path, "It is billed.")
    kept = await one_charge(world, 1)
    assert (kept.state, kept.corrected_wh, kept.released_by) == (ChargeState.COMPLETED, Decimal("9123.4"), "otto")
    page = said(await otto.get(path))
    assert "RELEASED with 9123.4 Wh by otto: the meter was replaced" in page
    async with database_of(world) as database:
        await Charges(database.direct).mark_cdr_told(1)
    cdr = f"/console/cdrs/NL/LOC/{cdr_id(kept)}"
    assert f'href="{cdr}"' in await otto.get(path)
    assert f'href="{cdr}"' in await otto.get(f"{CHARGES}?state=COMPLETED&station=CP-1")
    assert "only one that is QUARANTINED" in said((await otto.post(f"{path}/drop", 409, path, reason="x")).text)


async def test_a_charge_is_dropped_and_one_that_runs_is_closed(world: World) -> None:
    await charge(world)
    await charge(
        world, start_key="other", session_id="S-2", state=ChargeState.ACTIVE, ended_at=None, read_at=SystemClock().now()
    )
    otto = await visitor(world, "otto", Role.OPERATOR)
    await otto.post(f"{CHARGES}/1/drop", page=f"{CHARGES}/1", reason="a test of the fitter")
    assert "DROPPED by otto: a test of the fitter" in said(await otto.get(f"{CHARGES}/1"))
    await otto.post(f"{CHARGES}/2/close", page=f"{CHARGES}/2", reason="the station was removed")
    assert "CLOSED by otto: the station was removed" in said(await otto.get(f"{CHARGES}/2"))
    page = await otto.get(CHARGES)
    assert "1 not billed" in said(page)
    assert page.index(f'href="{CHARGES}/2"') < page.index(f'href="{CHARGES}/1"')
    turned = await otto.get(f"{CHARGES}?sort=number")
    assert turned.index(f'href="{CHARGES}/1"') < turned.index(f'href="{CHARGES}/2"')
    ada = await visitor(world, "ada", Role.ADMIN)
    log = said(await ada.get("/console/audit"))
    assert "charge dropped" in log
    assert "charge closed" in log


async def test_others_look_and_change_nothing(world: World) -> None:
    await provision(world)
    await knock(world, KNOCKER)
    await charge(world)
    ines = await visitor(world, "ines", Role.CLERK)
    for path in (STATIONS, f"{STATIONS}/{KNOCKER}", f"{SITES}/DEPOT", f"{CHARGES}/1"):
        assert 'type="submit" aria-label' not in (page := await ines.get(path))
        assert f'method="post" action="{path}' not in page
    for path in (
        f"{STATIONS}/{KNOCKER}/accept",
        f"{STATIONS}/{KNOCKER}/reject",
        f"{STATIONS}/{KNOCKER}/forget",
        f"{STATIONS}/{KNOCKER}/secret",
        f"{STATIONS}/{KNOCKER}/reset",
        f"{STATIONS}/{KNOCKER}/unlock",
        f"{SITES}/DEPOT/evses/1/blocked",
        f"{SITES}/DEPOT/limits",
        f"{SITES}/DEPOT/limits/lift",
        f"{CHARGES}/1/release",
        f"{CHARGES}/1/drop",
        f"{CHARGES}/1/close",
    ):
        await ines.post(path, 403, reason="x", node="grid")
    assert (await one_charge(world, 1)).state == ChargeState.QUARANTINED


@pytest.mark.parametrize("module", [charging, settling, closing], ids=lambda module: module.__name__)
def test_every_remark_has_words_for_people(module: object) -> None:
    words = {
        value
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str) and re.fullmatch("[A-Z_]{4,}", value)
    }
    assert words
    assert words - {ROUND_FLOOR} <= FLAGS.keys()


def test_a_remark_with_more_words_is_known_by_its_first() -> None:
    assert meaning_of("UNPRICED: TooMany") == FLAGS["UNPRICED"]
    assert meaning_of("DROPPED by Ines: why") == ""
    assert kinds_of(["UNPRICED: x", "UNPRICED: y", "LATE"]) == ["UNPRICED", "LATE"]
