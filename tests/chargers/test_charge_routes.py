"""An operator's look at charges, and decisions about those that were kept back, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError

from hub.store.database import Database
from hub.web.charges import ChargesDesk, charges_router
from hub.web.errors import on_ocpi_error, on_validation_error
from ocpi_modules.errors import OcpiError
from tests.chargers.charges import started, stopped
from tests.chargers.test_chargedesk import House, Partners

TOKEN = "operators-only"
ASKED = {"actor": "Ines", "reason": "the meter was replaced"}


class Office:
    """A house with an operator at its door."""

    def __init__(self, database: Database) -> None:
        self.partners = Partners()
        self.house = House(database, self.partners)
        app = FastAPI()
        app.add_exception_handler(OcpiError, on_ocpi_error)
        app.add_exception_handler(RequestValidationError, on_validation_error)
        app.include_router(charges_router(ChargesDesk(self.house.charges, self.house.desk), TOKEN))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub/admin", headers=headers)

    async def get(self, path: str) -> Any:
        """An answer that is good."""
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, status: int = 200, **more: Any) -> Any:
        """An answer with this status."""
        answer = await self.http.post(path, json={**ASKED, **more})
        assert answer.status_code == status, answer.text
        return answer.json()

    async def keep_back(self) -> None:
        """A charge of which nobody knows what it took."""
        await self.house.say(started(0), stopped(509_500))
        await self.house.reporting.step()


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    made = Office(database)
    yield made
    await made.http.aclose()


async def test_charges_are_listed_and_released_with_the_right_energy(office: Office) -> None:
    await office.keep_back()
    assert office.partners.cdrs() == []
    (kept,) = (await office.get("/charges?state=QUARANTINED"))["items"]
    assert (kept["station"], kept["state"], kept["flags"]) == ("CP-1", "QUARANTINED", ["ENERGY_ABOVE_POWER"])
    await office.post("/charges/1/release", energy_kwh=9.1234)
    await office.house.reporting.step()
    assert Decimal(office.partners.cdrs()[0]["total_energy"]) == Decimal("9.1234")
    shown = await office.get("/charges/1")
    assert (shown["state"], Decimal(shown["energy_kwh"])) == ("COMPLETED", Decimal("9.1234"))
    assert "RELEASED with 9123.4 Wh by Ines: the meter was replaced" in shown["flags"]


async def test_a_dropped_charge_is_never_billed(office: Office) -> None:
    await office.keep_back()
    assert (await office.post("/charges/1/drop"))["state"] == "INVALID"
    await office.house.reporting.step()
    assert (office.partners.cdrs(), office.partners.session()["status"]) == ([], "INVALID")


async def test_a_charge_that_runs_is_closed_for_a_decision(office: Office) -> None:
    await office.house.say(started())
    shown = await office.post("/charges/1/close")
    assert (shown["state"], "CLOSED by Ines: the meter was replaced" in shown["flags"]) == ("ENDED", True)


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        pytest.param("/charges/1/release", {}, 409, id="it is not kept back"),
        pytest.param("/charges/1/drop", {}, 409, id="nor can it be dropped"),
        pytest.param("/charges/99/drop", {}, 404, id="no such charge"),
        pytest.param("/charges/1/release", {"energy_kwh": -1}, 400, id="less than nothing"),
        pytest.param("/charges/1/release", {"energy_kwh": 1.00001}, 400, id="finer than a CDR can say"),
        pytest.param("/charges/1/drop", {"reason": " "}, 400, id="no reason"),
    ],
)
async def test_what_cannot_be_decided_is_refused(office: Office, path: str, more: dict[str, Any], status: int) -> None:
    await office.house.say(started(), stopped())
    await office.house.reporting.step()
    answer = await office.post(path, status, **more)
    assert 2000 <= answer["status_code"] < 3000
    assert len(office.partners.cdrs()) == 1


async def test_nobody_else_sees_charges(office: Office) -> None:
    answer = await office.http.get("/charges", headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401
