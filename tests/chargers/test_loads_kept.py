"""What is kept of limits outlives the process; operators set and see it (point 5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hub.chargers.loads.control import LoadControl, LoadPorts
from hub.chargers.loads.memory import KeptLimits
from hub.chargers.loads.tree import LimitEvent, Reading
from hub.chargers.places import SiteBook
from hub.store.chargeloads import ChargeLimits
from hub.store.database import Database
from hub.web.errors import on_ocpi_error
from hub.web.loads import LoadDesk, loads_router
from ocpi_modules.errors import OcpiError
from tests.chargers.yard import SITE, START, Yard, garage
from tests.databases import Databases

KW = 1000
PATH = f"/admin/sites/{SITE}/limits"


class House:
    """The routes and the control over one table, beside a yard of stations."""

    def __init__(self, database: Database, yard: Yard) -> None:
        self.yard, self.rows, self.woken = yard, ChargeLimits(database.direct), 0
        self.kept = KeptLimits(self.rows, yard)
        desk = LoadDesk(lambda: SiteBook({SITE: yard.site}), self.rows, yard, self._wake)
        app = FastAPI()
        app.add_exception_handler(OcpiError, on_ocpi_error)
        app.include_router(loads_router(desk, "SECRET"))
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://hub", headers={"Authorization": "Bearer SECRET"}
        )
        self.lead()

    def _wake(self) -> None:
        self.woken += 1

    def lead(self) -> None:
        """Another process takes over: it knows what is in the database."""
        yard = self.yard
        yard.control = LoadControl(
            LoadPorts(
                book=lambda: SiteBook({SITE: yard.site}),
                charges=yard.charges,
                connected=yard.connected,
                stations=yard,
                limits=KeptLimits(self.rows, yard),
                clock=yard,
            )
        )

    async def put(self, path: str = "", status: int = 200, **asked: Any) -> Any:
        answer = await self.http.put(PATH + path, json=asked)
        assert answer.status_code == status, answer.text
        return answer.json()


def moment(later: timedelta) -> str:
    return (START + later).isoformat().replace("+00:00", "Z")


async def test_a_limit_by_an_operator_holds_after_a_restart_and_until_it_ends(database: Database) -> None:
    house = House(database, garage(6, 60))
    await house.yard.step(2)
    assert house.yard.watts() > 55 * KW
    await house.put(node="grid", limit_kw=25, until=moment(timedelta(minutes=5)))
    assert house.woken == 1
    house.lead()
    await house.yard.step(2)
    assert 20 * KW < house.yard.watts() <= 25 * KW
    house.yard.pass_time(timedelta(minutes=5))
    await house.yard.step(2)
    assert house.yard.watts() > 55 * KW


async def test_meters_are_believed_for_a_while(database: Database) -> None:
    house = House(database, garage(1))
    await house.put("/readings", node="grid", pv_kw=12.5, base_load_kw=3, valid_seconds=60)
    now = await house.kept.load(SITE, START)
    until = START + timedelta(seconds=60)
    assert now.pv == (Reading("grid", 12_500, until),)
    assert now.base_loads == (Reading("grid", 3_000, until),)
    assert now.limits == ()


async def test_what_was_seen_is_shown_whoever_is_asked(database: Database) -> None:
    house = House(database, garage(2, 22))
    await house.yard.step(2)
    await house.put(node="grid", limit_kw=10, until=moment(timedelta(hours=1)))
    shown = (await house.http.get(PATH)).json()
    assert [(one["node"], one["kind"], one["watts"]) for one in shown["kept"]] == [("grid", "LIMIT", 10_000)]
    assert [(one["uid"], one["is"]) for one in shown["evses"]] == [("01", "led"), ("02", "led")]
    (grid,) = shown["nodes"]
    assert Decimal(str(grid["counted"])) <= Decimal(str(grid["room"])) == 22 * KW
    assert (await house.http.delete(f"{PATH}/grid")).status_code == 204
    assert (await house.http.get(PATH)).json()["kept"] == []
    assert (await house.http.delete(f"{PATH}/grid")).status_code == 404


async def test_what_is_installed_in_stations_is_known_after_a_restart(database: Database) -> None:
    house = House(database, garage(3, 44))
    await house.yard.step()
    assert await house.kept.fallbacks(SITE) == {"01": 212, "02": 212, "03": 212}
    house.lead()
    house.yard.box("03").is_there, house.yard.box("03").charge = False, None
    await house.yard.step(2)
    assert house.yard.watts() > 28 * KW, "the one that is away is counted at its fall-back, not at its maximum"


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        pytest.param("", {"node": "x", "limit_kw": 5, "until": moment(timedelta(hours=1))}, 400, id="no such node"),
        pytest.param("", {"node": "grid", "limit_kw": -5, "until": moment(timedelta(hours=1))}, 400, id="below zero"),
        pytest.param("", {"node": "grid", "limit_kw": 5, "until": moment(timedelta(0))}, 400, id="over already"),
        pytest.param("", {"node": "grid", "limit_kw": 5, "until": moment(timedelta(days=32))}, 400, id="for too long"),
        pytest.param("", {"node": "grid", "limit_kw": 5}, 400, id="for ever"),
        pytest.param("/readings", {"node": "grid", "pv_kw": -1}, 400, id="a sun that takes"),
        pytest.param("/readings", {"node": "grid", "kw": 1}, 400, id="an unknown field"),
    ],
)
async def test_nothing_is_guessed(databases: Databases, path: str, asked: dict[str, Any], status: int) -> None:
    async with databases.lent() as url:
        database = Database(url)
        house = House(database, garage(1))
        await house.put(path, status, **asked)
        assert await house.rows.of(SITE) == []
        await database.close()


async def test_only_the_admin_token_opens_it_and_only_managed_sites_are_there(database: Database) -> None:
    house = House(database, garage(1))
    assert (await house.http.get(PATH, headers={"Authorization": "Bearer X"})).status_code == 401
    assert (await house.http.get("/admin/sites/ELSEWHERE/limits")).status_code == 404


async def test_an_older_word_does_not_replace_a_newer_one(database: Database) -> None:
    house = House(database, garage(1))
    until = START + timedelta(hours=1)
    await house.put(node="grid", limit_kw=25, until=moment(timedelta(hours=1)))
    house.yard.at = START - timedelta(minutes=1)
    await house.put(node="grid", limit_kw=50, until=moment(timedelta(hours=1)))
    assert (await house.kept.load(SITE, START)).limits == (LimitEvent("grid", 25_000, until),)


def test_a_moment_is_written_as_everywhere() -> None:
    assert moment(timedelta(hours=1)) == "2026-10-05T09:00:00Z"
    assert datetime.fromisoformat(moment(timedelta(0))) == START
