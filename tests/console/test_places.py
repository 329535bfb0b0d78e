"""The map and the list of locations, one location, and how changes of status arrive by themselves."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.console.accounts import Role
from hub.console.locations import evses_of, power_words, price_words
from hub.console.placenews import PlaceNews
from hub.store.places import Counts, Place
from ocpi_modules.types import encode_json
from tests.console.test_network import events
from tests.console.visitors import Visitor, said, stranger, visitor
from tests.settlement.cases import Content, location
from tests.web.clearing import Clearing, clearing_hub

LATER = "2027-03-01T12:00:00Z"
SEEN_SECONDS_MAX = 10.0
FEATURES = "/console/map/places.json"


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Clearing]:
    async with clearing_hub(database_url, tmp_path) as made:
        yield made


async def features(somebody: Visitor, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(await somebody.get(f"{FEATURES}?{query}"))["features"]
    return [one["properties"] for one in found]


def with_status(*statuses: str, **changes: Any) -> Content:
    """The Location of the small world, its EVSEs in other states."""
    content = location(last_updated=LATER, **changes)
    evses = [{**evse, "status": status} for evse, status in zip(content["evses"], statuses, strict=True)]
    return {**content, "evses": evses}


async def patch_statuses(desk: Clearing, *statuses: str) -> None:
    """The CPO changes the EVSEs of the Location of the small world, one after the other."""
    for number, status in enumerate(statuses, 1):
        await desk.patch(f"locations/DE/ABC/LOC1/E{number}", {"status": status, "last_updated": LATER})


async def test_the_map_and_the_list_show_every_location_and_the_same_filters_count_for_both(desk: Clearing) -> None:
    hidden = with_status("CHARGING", "OUTOFORDER", id="LOC2", name="Depot", publish=False)
    assert (await desk.push("locations", hidden)).json()["status_code"] == 1000
    vera = await visitor(desk.world, "vera", Role.VIEWER)
    page = await vera.get("/console/map")
    assert 'data-bounds="13.383068,52.530644,13.383068,52.530644"' in page
    assert "Available 2 Charging 1 Blocked 0 Out of order 1 Unknown 0" in said(page)
    assert "DE/ABC" in said(page), "the table says the same"
    assert "style=" not in page, "the browser would refuse it"
    shown = {one["key"]: one for one in await features(vera)}
    assert {key: (one["state"], one["published"], one["places"]) for key, one in shown.items()} == {
        "DE/ABC/LOC1": ("available", 1, 1),
        "DE/ABC/LOC2": ("charging", 0, 1),
    }
    for query, found in (("status=out_of_order", ["LOC2"]), ("published=yes", ["LOC1"]), ("country=nld", [])):
        assert [one["key"].rpartition("/")[2] for one in await features(vera, query)] == found, query
        text = (await vera.http.get(f"/console/locations?format=csv&{query}")).text
        assert [row["location"] for row in csv.DictReader(io.StringIO(text))] == found, query
    assert await features(vera, "west=13.4") == []
    assert "west" in said(await vera.get(f"{FEATURES}?west=200", 400))
    assert "status: Input should be" in said(await vera.get("/console/map?status=nothing", 400))
    answer = await stranger(desk.world).http.get(FEATURES)
    assert answer.headers["location"].startswith("/console/sign-in")


async def test_a_change_of_status_arrives_at_the_map_by_itself(desk: Clearing) -> None:
    """L-14: a PATCH of an EVSE is seen without asking again, and only once."""
    otto = await visitor(desk.world, "otto", Role.OPERATOR)
    heard = events(otto.http, "/console/map/live")
    begun = _news(await anext(heard))
    assert (begun["is_whole"], begun["places"]) == (False, [])
    assert begun["totals"]["available"] == 2
    await desk.patch("locations/DE/ABC/LOC1/E1", {"status": "CHARGING", "last_updated": LATER})
    began = time.monotonic()
    news = [_news(one) async for one in _until_moved(heard)]
    assert time.monotonic() - began < SEEN_SECONDS_MAX
    (place,) = news[-1]["places"]
    said_of_it = place["properties"]
    assert (said_of_it["key"], said_of_it["available"], said_of_it["charging"]) == ("DE/ABC/LOC1", 1, 1)
    assert place["geometry"]["coordinates"] == [13.383068, 52.530644]


async def _until_moved(heard: AsyncIterator[str]) -> AsyncIterator[str]:
    async for one in heard:
        if one.startswith("data: "):
            yield one
            if _news(one)["places"]:
                return


def _news(text: str) -> Any:
    return json.loads(text.removeprefix("data: "))


async def test_a_location_says_how_it_is_who_may_see_it_and_what_its_owner_sent(desk: Clearing) -> None:
    otto = await visitor(desk.world, "otto", Role.OPERATOR)
    path = "/console/locations/DE/ABC/LOC1"
    page = await otto.get(path)
    text = said(page)
    assert "Alte Mühle" in text
    assert "150 kW, DC, 920 V, 200 A" in text
    assert "EUR: energy 0.40, parking time 2.00" in text
    assert "NL/MSP EMSP yes it is for everybody" in text
    assert 'href="/console/parties/NL/MSP"' in page
    rule = {"one": "DE/ABC", "other": "NL/MSP", "module": None, "allowed": False}
    assert (await desk.world.admin.post("/admin/permissions", json=rule)).status_code == 201
    assert "NL/MSP EMSP no a rule keeps them apart" in said(await otto.get(path))
    kept = await otto.http.get(path, params={"format": "text"})
    assert kept.content == encode_json(location())
    assert "no such location" in said(await otto.get("/console/locations/DE/ABC/NOWHERE", 404))
    assert "no such location" in said(await otto.get(f"{path}?audience=NL/MSP", 404))
    heard = events(otto.http, "/console/map/now/DE/ABC/LOC1")
    assert "Available" in said(await anext(heard))
    await patch_statuses(desk, "CHARGING", "OUTOFORDER")
    async with asyncio.timeout(SEEN_SECONDS_MAX):
        while "Out of order" not in said(await anext(heard)):
            continue
    short = said(await otto.get("/console/map/of/de/abc/loc1"))
    assert "Charging · DE*ABC*E1 · 22 kW" in short


# --- what owners write ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plug", "words"),
    [
        pytest.param(
            {"max_electric_power": 22080, "power_type": "AC_3_PHASE", "max_voltage": 230, "max_amperage": 32},
            "22.08 kW, AC 3 PHASE, 230 V, 32 A",
            id="all of it",
        ),
        pytest.param({"max_voltage": 400}, "400 V", id="some of it"),
        pytest.param({"max_electric_power": "22", "power_type": ["DC"]}, "", id="what is no value is left out"),
    ],
)
def test_the_power_of_a_plug_is_said_in_words(plug: Content, words: str) -> None:
    assert power_words(plug) == words


def test_a_tariff_says_each_of_its_prices_once() -> None:
    parts = [{"type": "ENERGY", "price": "0.40"}, {"type": "PARKING_TIME", "price": "2.00"}]
    tariff = {"currency": "EUR", "elements": [{"price_components": parts}, {"price_components": parts[:1]}, "odd"]}
    assert price_words(tariff) == "EUR: energy 0.40, parking time 2.00"


def test_whatever_a_lenient_partner_sent_as_evses_can_be_shown() -> None:
    (one,) = evses_of({"evses": ["E1", {"uid": 5, "connectors": {}, "last_updated": "once"}]})
    assert (one.uid, one.words, one.plugs, one.last_updated) == ("5", "Not said", [], None)
    assert evses_of({"evses": None}) == []


# --- news for many ----------------------------------------------------------------------------------

PLACE = Place(
    owner="DE/CP1",
    key="L1",
    audience="",
    id="L1",
    name="",
    address="",
    city="",
    country="",
    latitude=1.0,
    longitude=1.0,
    is_published=True,
    counts=Counts(),
    changed_at=datetime(2027, 1, 1, tzinfo=UTC),
)


class _Reader:
    """Says what it is told to say."""

    def __init__(self, *answers: Sequence[Place]) -> None:
        self._answers = list(answers)

    async def read(self) -> Sequence[Place]:
        return self._answers.pop(0) if self._answers else []


async def test_each_who_looks_hears_what_is_new_since_and_too_late_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.console.placenews.ASKED_EVERY_SECONDS", -1.0)
    monkeypatch.setattr("hub.console.placenews.NEWS_MAX", 3)
    many = [replace(PLACE, key=f"L{n}") for n in range(3)]
    reader = _Reader([], [PLACE], [PLACE, PLACE], many)
    monkeypatch.setattr("hub.console.placenews.NewsReader", lambda _: reader)
    news: Any = PlaceNews(None)  # type: ignore[arg-type]  # the reader above asks nobody
    start, nothing = await news.since(None)
    assert nothing is None
    first, one = await news.since(start)
    assert one == [PLACE]
    second, two = await news.since(first)
    assert two == [PLACE], "each place once, as it was last"
    assert await news.since(second) == (second + 4, None), "as many at once as are kept: there may be more"
    assert await news.since(second + 4) == (second + 4, [])
    assert await news.since(first) == (second + 4, None)
