"""The operator's interface to local chargers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hub.chargers.events import Answered, Outcome, Reset, SetAvailability, Spot, Unlock
from hub.store.database import Database
from hub.web.chargers import ChargersDesk, chargers_router
from hub.web.errors import on_ocpi_error
from ocpi_modules.errors import OcpiError
from ocpi_modules.types import decode_json, encode_json
from tests.chargers.sitehouse import BOOT, House, depot, provisions, tariff
from tests.conftest import ADMIN_TOKEN

JSON = {"Content-Type": "application/json"}


class Office:
    """A house and a client of its interface."""

    def __init__(self, house: House, http: httpx.AsyncClient) -> None:
        self.house, self.http = house, http

    async def send(self, method: str, path: str, content: Any = None, status: int = 200) -> Any:
        """The decoded answer; its HTTP status is as expected."""
        body = None if content is None else encode_json(content)
        answer = await self.http.request(method, f"/admin/{path}", content=body, headers=JSON)
        assert answer.status_code == status, answer.text
        return decode_json(answer.content) if answer.content else None


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    """An interface over an empty database."""
    house = House(database)
    app = FastAPI()
    app.include_router(chargers_router(ChargersDesk(house.keeper, house.sites, house.office, house.clock), ADMIN_TOKEN))
    app.add_exception_handler(OcpiError, on_ocpi_error)
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://hub", headers=headers) as http:
        yield Office(house, http)
    await house.close()


async def test_nobody_else_gets_in(office: Office) -> None:
    for method, path in (("GET", "sites"), ("POST", "sites/import"), ("GET", "stations"), ("POST", "stations/CP-1")):
        answer = await office.http.request(method, f"/admin/{path}", headers={"Authorization": "Bearer x"})
        assert answer.status_code == 401


async def test_an_import_is_shown_as_it_was_with_every_digit(office: Office) -> None:
    made = await office.send("POST", "sites/import", provisions(stations=[{"identity": "CP-1"}]))
    assert (made["sites"], made["tariffs"], made["stations"]) == (["DEPOT"], ["T1"], ["CP-1"])
    assert [*made["secrets"]] == ["CP-1"]
    (site,) = await office.send("GET", "sites")
    assert site["content"] == decode_json(encode_json(depot()))
    assert [(evse["uid"], evse["status"], evse["is_told"]) for evse in site["evses"]] == [
        ("1", "UNKNOWN", False),
        ("2", "UNKNOWN", False),
    ]
    answer = await office.http.get("/admin/charge-tariffs/T1")
    assert '"price":0.35' in answer.text
    # what is shown can be sent back
    await office.send("PUT", "sites/DEPOT", site["content"])
    assert (await office.house.sites.load()).sites["DEPOT"].version == 1


async def test_every_fault_is_answered_with_its_place(office: Office) -> None:
    content = provisions()
    content["sites"][0]["evses"][0]["connectors"][0]["station"] = None
    content["tariffs"][0]["currency"] = "euro"
    answer = await office.send("POST", "sites/import", content, 400)
    assert answer["status_code"] == 2001
    assert [fault["place"] for fault in answer["data"]["faults"]] == [
        "tariffs[0].currency",
        "sites[0].evses[0].connectors[0].station",
    ]
    assert await office.send("GET", "sites") == []


async def test_yaml_is_read_by_its_content_type(office: Office) -> None:
    text = "stations:\n  - identity: CP-1\n    note: gate\n"
    answer = await office.http.post("/admin/sites/import", content=text, headers={"Content-Type": "application/yaml"})
    assert answer.json()["stations"] == ["CP-1"]
    (station,) = await office.send("GET", "stations")
    assert (station["identity"], station["state"], station["note"]) == ("CP-1", "Accepted", "gate")
    assert "secret_hash" not in station


async def test_one_site_and_one_tariff_are_put_and_taken_away(office: Office) -> None:
    await office.send("PUT", "charge-tariffs/T1", tariff())
    named = depot()
    named.pop("id")
    await office.send("PUT", "sites/DEPOT", named)
    assert (await office.send("GET", "sites/DEPOT"))["id"] == "DEPOT"
    await office.send("PUT", "sites/ELSEWHERE", depot(), 400)
    await office.send("DELETE", "charge-tariffs/T1", status=409)
    await office.send("DELETE", "sites/DEPOT", status=204)
    await office.send("GET", "sites/DEPOT", status=404)
    await office.send("DELETE", "sites/DEPOT", status=404)
    await office.send("DELETE", "charge-tariffs/T1", status=204)
    await office.send("GET", "charge-tariffs/T1", status=404)


async def test_a_station_goes_from_the_inbox_to_its_first_status(office: Office) -> None:
    house = office.house
    await house.furnish(stations=[])
    await house.book.admit("CP-1", None, "203.0.113.7", is_secure=True)
    await house.join()
    (waiting,) = await office.send("GET", "stations")
    assert (waiting["state"], waiting["is_connected"], waiting["vendor"]) == ("Pending", True, "Volt")
    made = await office.send("POST", "stations/CP-1", {"note": "at the gate"}, 201)
    assert len(made["secret"]) == 40
    await house.book.booted("CP-1", BOOT)
    await house.say(3, "Available")
    shown = await office.send("GET", "stations/CP-1")
    assert (shown["state"], shown["note"], shown["has_secret"]) == ("Accepted", "at the gate", True)
    assert [(one["evse"], one["connector"], one["status"]) for one in shown["connectors"]] == [(0, 3, "Available")]
    assert (await office.send("GET", "sites/DEPOT"))["evses"][1]["status"] == "AVAILABLE"
    await office.send("POST", "stations/CP-1", {}, 404)  # it is let in already
    await office.send("POST", "stations/CP-1/reject", status=204)
    await office.send("DELETE", "stations/CP-1", status=204)
    await office.send("GET", "stations/CP-1", status=404)


async def test_stations_are_asked(office: Office) -> None:
    house = office.house
    await house.furnish()
    away = await office.send("POST", "stations/CP-1/reset")
    assert away["answered"] == "not connected"
    await house.join()
    house.asker.asked.clear()
    house.asker.outcome = Outcome(Answered.SCHEDULED)
    assert (await office.send("POST", "stations/CP-1/reset", {"is_hard": True}))["answered"] == "scheduled"
    out_of_service = {"evse": 1, "connector": 0, "is_operative": False}
    await office.send("POST", "stations/CP-1/availability", out_of_service)
    await office.send("POST", "stations/CP-1/unlock", {"connector": 2})
    assert [ask for _, ask in house.asker.asked] == [
        Reset(True),
        SetAvailability(Spot(1, 0), False),
        Unlock(Spot(0, 2)),
    ]
    await office.send("POST", "stations/CP-9/reset", status=404)
    await office.send("POST", "stations/CP-1/unlock", {"connector": -1}, 400)


async def test_a_secret_is_shown_only_where_the_station_did_not_take_it(office: Office) -> None:
    await office.house.furnish()
    taken = await office.send("POST", "stations/CP-1/secret")
    assert (taken["answered"], taken["secret"]) == ("accepted", None)
    office.house.asker.outcome = Outcome(Answered.NOT_CONNECTED)
    brought = await office.send("POST", "stations/CP-1/secret")
    assert len(brought["secret"]) == 40
    assert (await office.send("GET", "stations/CP-1"))["is_secret_changing"] is True


async def test_an_evse_is_blocked_by_name(office: Office) -> None:
    await office.house.furnish()
    await office.send("POST", "sites/DEPOT/evses/2/blocked", {"is_blocked": True, "actor": "Otto"}, 204)
    blocked = (await office.send("GET", "sites/DEPOT"))["evses"][1]
    assert (blocked["status"], blocked["blocked_by"]) == ("BLOCKED", "Otto")
    await office.send("POST", "sites/DEPOT/evses/2/blocked", {"is_blocked": False, "actor": "Otto"}, 204)
    assert (await office.send("GET", "sites/DEPOT"))["evses"][1]["status"] == "UNKNOWN"
    await office.send("POST", "sites/DEPOT/evses/9/blocked", {"is_blocked": True, "actor": "Otto"}, 404)
