"""`/nav/v1/price` over HTTP, behind the door: whom it answers what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hub.navigation.doorkeeper import Doorkeeper, Terms
from hub.navigation.formats.openocpi import location_json
from hub.navigation.location import PublicLocation
from hub.navigation.prices import Prices
from hub.navigation.problems import ReadingFault
from hub.navigation.projector import Projecting, Projector
from hub.navigation.routes.door import Licence, front, on_reading_fault
from hub.navigation.routes.price import PriceDesk, price_router
from hub.partners.directory import Directory, Member, Presence
from hub.partners.permissions import Permissions, Rule
from hub.store.copies import Copies
from hub.store.database import Database
from hub.store.publicplaces import PublicPlaces, Standing
from hub.store.publictariffs import PublicTariffs
from hub.store.readers import Readers
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import decode_json
from tests.navigation.driving import OWNER, ad_hoc, connector, evse, place
from tests.navigation.test_prices import Watch
from tests.pricing.build import START, Content, component, element
from tests.pricing.build import tariff as roaming
from tests.store import push

CPO, EMSP, OTHER_EMSP, GONE_EMSP = Party.parse(OWNER), Party("NL", "MS1"), Party("BE", "MS2"), Party("NL", "MS3")
LICENCE = Licence("CC0", "https://licences.example/cc0", "The hub")
AD_HOC = ad_hoc(element(component("ENERGY", "0.50", vat="20")), id="A")
CONTRACT = roaming(element(component("ENERGY", "0.30", vat="20")), id="R")
OF_EMSP = roaming(element(component("ENERGY", "0.10", vat="20")), id="R")
THERE = place(
    evse(connector(tariff_ids=("A", "R"))),
    evse(connector(tariff_ids=("R",)), connector(id="2", tariff_ids=("A",)), uid="U2", evse_id=None),
)


def members() -> tuple[Member, ...]:
    """A CPO and two eMSPs, and one that was suspended."""
    roles = {CPO: Role.CPO, EMSP: Role.EMSP, OTHER_EMSP: Role.EMSP, GONE_EMSP: Role.EMSP}
    return tuple(
        Member(
            party=party,
            role=role,
            name=str(party),
            status=Presence.SUSPENDED if party == GONE_EMSP else Presence.CONNECTED,
            last_updated=START,
            partner_id=1,
        )
        for party, role in roles.items()
    )


@dataclass
class Hub:
    """The route behind the door, and what it reads."""

    http: httpx.AsyncClient
    doorkeeper: Doorkeeper
    copies: Copies
    places: PublicPlaces
    directory: Directory

    async def key_of(self, party: str) -> str:
        """A key that belongs to a party, or to none."""
        return (await self.doorkeeper.add(f"key of {party}", party, 100, 1000))[1]

    async def ask(self, key: str | None = None, **said: str) -> httpx.Response:
        """20 kWh at the first EVSE, unless something else is said."""
        usual = {"location": THERE.ref, "evse": "U1", "kwh": "20"}
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        wanted = {name: value for name, value in {**usual, **said}.items() if value}
        return await self.http.get("/nav/v1/price", params=wanted, headers=headers)

    async def publish(self, location: PublicLocation, **bent: Any) -> None:
        """Its owner pushes a Location, and it passes the gate where it may."""
        content = {**decode_json(location_json(location)), **bent}
        await self.copies.keep(push("locations", content))
        standings = {CPO: Standing(is_member=True, silent_since=None)}
        means = Projecting(places=self.places, clock=Watch(), standings=lambda: standings, changed=lambda: None)
        await Projector(means).look()


@pytest.fixture
async def hub(database: Database) -> AsyncIterator[Hub]:
    watch, direct = Watch(), database.direct
    copies, places = Copies(direct), PublicPlaces(direct)
    doorkeeper = Doorkeeper(Readers(direct), watch, Terms(anonymous_per_second=100))
    made: list[Hub] = []
    desk = PriceDesk(
        places=places,
        prices=Prices(PublicTariffs(direct), watch),
        directory=lambda: made[0].directory,
        clock=watch,
        licence=LICENCE,
    )
    app = FastAPI()
    app.include_router(price_router(desk))
    app.add_exception_handler(ReadingFault, on_reading_fault)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(front(app, lambda _: ["GET"], doorkeeper, LICENCE)), base_url="http://hub"
    ) as http:
        made.append(Hub(http, doorkeeper, copies, places, Directory(Party("NL", "HUB"), members=members())))
        await made[0].publish(THERE)
        for content, audience in ((AD_HOC, None), (CONTRACT, None), (OF_EMSP, EMSP)):
            await copies.keep(push("tariffs", content, audience=audience))
        yield made[0]
    await copies.close()


async def test_somebody_without_a_contract_pays_the_ad_hoc_price_with_vat(hub: Hub) -> None:
    answer = await hub.ask()
    body = answer.json()
    assert answer.status_code == 200
    assert body["price"] == {"currency": "EUR", "incl_vat": "12.00", "excl_vat": "10.00"}
    assert (body["location"], body["evse"], body["connector"]) == (
        THERE.ref,
        {"uid": "U1", "evse_id": "NL*TNM*E1"},
        "1",
    )
    assert (body["as"], body["tariff"], body["licence"]) == ("adhoc", "NL/TNM/A", "CC0")
    assert answer.headers["cache-control"] == "no-store"


async def test_a_roaming_price_is_never_the_ad_hoc_price(hub: Hub) -> None:
    """N7."""
    body = (await hub.ask(evse="U2", connector="1")).json()
    assert (body["price"], body["reason"]) == ("unknown", "NO_TARIFF")
    assert "tariff" not in body
    assert '"R"' not in str(body)


async def test_an_emsp_asks_for_its_own_price_with_its_own_key(hub: Hub) -> None:
    """What it was told alone stands in the place of what everybody was told (X-13)."""
    own = (await hub.ask(await hub.key_of("NL/MS1"), **{"as": "nl/ms1"})).json()
    other = (await hub.ask(await hub.key_of("BE/MS2"), **{"as": "BE/MS2"})).json()
    assert (own["price"]["excl_vat"], own["as"], own["tariff"]) == ("2.00", "NL/MS1", "NL/TNM/R")
    assert other["price"]["excl_vat"] == "6.00"


async def test_an_emsp_never_pays_the_ad_hoc_price(hub: Hub) -> None:
    body = (await hub.ask(await hub.key_of("NL/MS1"), evse="U2", connector="2", **{"as": "NL/MS1"})).json()
    assert (body["price"], body["reason"]) == ("unknown", "NO_TARIFF")


async def test_a_tariff_of_an_owner_that_is_closed_to_an_emsp_is_not_known_to_it(hub: Hub) -> None:
    closed = Rule(id=1, one=CPO, other=EMSP, module_id="tariffs", is_allowed=False, starts_at=START)
    hub.directory = Directory(Party("NL", "HUB"), members=members(), permissions=Permissions((closed,), START))
    body = (await hub.ask(await hub.key_of("NL/MS1"), **{"as": "NL/MS1"})).json()
    assert (body["price"], body["reason"]) == ("unknown", "NO_TARIFF")
    assert (await hub.ask(await hub.key_of("BE/MS2"), **{"as": "BE/MS2"})).json()["price"]["excl_vat"] == "6.00"


@pytest.mark.parametrize(
    ("party", "asked"),
    [
        pytest.param(None, "NL/MS1", id="without a key"),
        pytest.param("", "NL/MS1", id="with a key that belongs to no eMSP"),
        pytest.param("BE/MS2", "NL/MS1", id="as another eMSP"),
        pytest.param("BE/MS2", "XX/YYY", id="as nobody"),
        pytest.param("BE/MS2", "*", id="as everybody"),
        pytest.param("NL/MS3", "NL/MS3", id="as an eMSP that was suspended"),
        pytest.param("NL/TNM", "NL/TNM", id="as a CPO"),
    ],
)
async def test_nobody_asks_as_another_party(hub: Hub, party: str | None, asked: str) -> None:
    key = None if party is None else await hub.key_of(party)
    answer = await hub.ask(key, **{"as": asked})
    assert (answer.status_code, answer.json()["parameter"]) == (403, "as")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_cannot_be_meant_is_said_clearly(hub: Hub) -> None:
    wrong = [{"location": ""}, {"evse": ""}, {"kwh": "1e2"}, {"evse": "U2"}]
    answers = [await hub.ask(**said) for said in wrong]
    assert [answer.json()["parameter"] for answer in answers] == ["location", "evse", "kwh", "connector"]
    assert {answer.status_code for answer in answers} == {400}
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}


async def test_what_is_not_public_is_not_there(hub: Hub) -> None:
    await hub.publish(place(id="L2"), publish=False)
    names = [{"location": name} for name in ("NL/TNM/L9", "NL/TNM/L2", "2", "9")]
    unknown = [*names, {"evse": "U9"}, {"connector": "9"}]
    assert {(await hub.ask(**said)).status_code for said in unknown} == {404}


async def test_a_location_may_be_named_by_its_number(hub: Hub) -> None:
    assert (await hub.ask(location="1")).json()["location"] == THERE.ref


async def test_a_tariff_that_begins_later_prices_what_begins_later(hub: Hub) -> None:
    dearer = {**AD_HOC, "elements": [element(component("ENERGY", "1", vat="20"))], "id": "R"}
    later: Content = {**dearer, "start_date_time": "2026-06-02T00:00:00Z"}
    await hub.copies.keep(push("tariffs", later))
    assert (await hub.ask()).json()["price"]["incl_vat"] == "12.00"
    assert (await hub.ask(start="2026-06-02T10:00:00Z")).json()["price"]["incl_vat"] == "24.00"
