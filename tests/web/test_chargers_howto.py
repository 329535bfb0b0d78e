"""The page about joining charge points works as it is written."""

from __future__ import annotations

import json
from pathlib import Path

from fastapi import FastAPI

from hub.chargers.events import Login
from hub.demo.server import LoopbackServer
from hub.store.database import Database
from hub.web.chargers import ChargersDesk, chargers_router
from hub.web.errors import on_ocpi_error
from ocpi_modules.errors import OcpiError
from tests.chargers.sitehouse import AFAR, House
from tests.conftest import ADMIN_TOKEN
from tests.pages import DOCS, Desk, blocks, steps

PAGE = DOCS / "howto" / "join-chargers.md"


async def test_charge_points_join_as_the_page_has_it(database: Database, tmp_path: Path) -> None:
    house = House(database)
    app = FastAPI()
    desk = ChargersDesk(house.keeper, house.sites, house.office, house.clock)
    app.include_router(chargers_router(desk, ADMIN_TOKEN))
    app.add_exception_handler(OcpiError, on_ocpi_error)
    server = LoopbackServer(app)
    await server.start()
    (sites,) = blocks(PAGE, "yaml")
    (tmp_path / "sites.yaml").write_text(sites, encoding="utf-8")
    await house.book.admit("CP-18", None, AFAR, is_secure=True)
    reader = Desk(tmp_path, {"HUB": f"http://127.0.0.1:{server.port}", "HUB_ADMIN_TOKEN": ADMIN_TOKEN})
    imported, listed, accepted, shown, rotated = map(json.loads, await reader.run(steps(PAGE)))
    await server.stop()
    assert (imported["sites"], imported["tariffs"], [*imported["secrets"]]) == (["DEPOT"], ["DAY"], ["CP-17"])
    assert {one["identity"]: one["state"] for one in listed} == {"CP-17": "Accepted", "CP-18": "Pending"}
    assert [evse["status"] for evse in shown["evses"]] == ["BLOCKED", "UNKNOWN"]
    assert (rotated["answered"], rotated["secret"]) == ("accepted", None)
    for login in (Login("CP-17", imported["secrets"]["CP-17"]), Login("CP-18", accepted["secret"])):
        assert await house.book.admit(login.user, login, AFAR, is_secure=True) is None
    assert await house.show() == ["tariffs replace DAY", "locations replace DEPOT"]
    await house.close()
