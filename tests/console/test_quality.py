"""The pages of Location quality: the score of each CPO, what lowers it, and the Locations behind every number."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest

from hub.console.accounts import Role
from hub.console.formats import percent
from tests.console.visitors import Visitor, said, visitor
from tests.settlement.cases import Content, location
from tests.web.clearing import Clearing, clearing_hub

PAGE = "/console/quality/DE/ABC"
LOOKS_MAX = 600
LOOK_SECONDS = 0.1


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Clearing]:
    async with clearing_hub(database_url, tmp_path, navigation=True) as made:
        yield made


def dirty(id_: str, **changes: object) -> Content:
    return {**location(id=id_), **changes}


async def judged(desk: Clearing, *contents: Content) -> None:
    """The CPO pushes Locations, and the hub has looked at all that it has."""
    for content in contents:
        assert (await desk.push("locations", content)).json()["status_code"] == 1000
    for _ in range(LOOKS_MAX):
        answer = await desk.world.admin.get("/admin/quality/DE/ABC")
        if answer.status_code == 200 and answer.json()["locations"] == 1 + len(contents):
            return
        await asyncio.sleep(LOOK_SECONDS)
    pytest.fail("the Locations were not looked at")


def links(page: str) -> list[tuple[str, str]]:
    """The path and the text of all links."""
    return [
        (unescape(path), said(text)) for path, text in re.findall(r'<a[^>]* href="([^"]+)"[^>]*>(.*?)</a>', page, re.S)
    ]


async def rows(somebody: Visitor, path: str) -> list[str]:
    """The Locations of a list."""
    answer = await somebody.http.get(path, params={"format": "csv"} if "?" not in path else None)
    assert answer.status_code == 200
    return [row["key"] for row in csv.DictReader(io.StringIO(answer.text))]


async def test_each_number_leads_to_the_locations_that_it_counts(desk: Clearing) -> None:
    """A swapped point is not shown; without a postal code one is shown, and less is known of it."""
    swapped = dirty("SWAPPED", coordinates={"latitude": "13.383068", "longitude": "52.530644"})
    unsaid = dirty("UNSAID")
    del unsaid["postal_code"]
    typed = dirty("TYPED")
    typed["evses"] = [{**evse, "evse_id": "first floor"} for evse in typed["evses"]]
    await judged(desk, swapped, unsaid, typed)
    otto = await visitor(desk.world, "otto", Role.OPERATOR)
    overview = await otto.get("/console/quality")
    assert (PAGE, "DE/ABC") in links(overview)
    assert ("/console/quality/locations?party=DE%2FABC&shown=no", "1") in links(overview)
    page = await otto.get(PAGE)
    assert "3 of 4 Locations; 1 cannot be shown" in said(page)
    assert "with latitude and longitude swapped it is" in said(page)
    assert ("/console/locations/DE/ABC/SWAPPED", "SWAPPED") in links(page), "an example"
    expected = {
        "fault=COORDINATES_SWAPPED": ["SWAPPED"],
        "fault=EVSE_ID_FORM": ["TYPED"],
        "check=COORDINATES": ["SWAPPED"],
        "check=EVSE_IDS": ["TYPED"],
        "item=POSTAL_CODE": ["UNSAID"],
        "shown=no": ["SWAPPED"],
        "shown=yes": ["LOC1", "TYPED", "UNSAID"],
    }
    shown = dict(links(page))
    for query, keys in expected.items():
        path = f"/console/quality/locations?party=DE%2FABC&{query}"
        assert path in shown, query
        assert await rows(otto, f"{path}&format=csv") == keys, query


async def test_lists_go_on_behind_their_pages_and_know_other_cpos(desk: Clearing) -> None:
    await judged(desk, *(dirty(f"L{number}") for number in range(4)))
    otto = await visitor(desk.world, "otto", Role.OPERATOR)
    first = await otto.get("/console/quality/locations?limit=3")
    assert [text for path, text in links(first) if path.startswith("/console/locations/DE/ABC/")][::3] == [
        "L0",
        "L1",
        "L2",
    ]
    (behind,) = (path for path, text in links(first) if text == "Next page")
    second = await otto.get(behind)
    assert "LOC1" in said(second)
    assert "Next page" not in said(second)
    assert "No row is like that" in said(await otto.get("/console/quality/locations?party=NL/XXX"))
    assert "nothing is known of Locations of that party" in said(await otto.get("/console/quality/NL/XXX", 404))
    vera = await visitor(desk.world, "vera", Role.VIEWER)
    for path in ("/console/quality", PAGE, "/console/quality/locations"):
        await vera.get(path, 403)
    assert "/console/quality" not in await vera.get("/console/overview")


@pytest.mark.parametrize(
    ("share", "text"),
    [
        pytest.param(1.0, "100", id="all"),
        pytest.param(0.99999, "99.9", id="nearly all is not all"),
        pytest.param(0.5, "50", id="half"),
        pytest.param(0.123, "12.3", id="a tenth of a percent"),
        pytest.param(12.0, "1\N{NARROW NO-BREAK SPACE}200", id="more than was allowed"),
        pytest.param(0.0, "0", id="nothing"),
    ],
)
def test_shares_in_percent(share: float, text: str) -> None:
    assert percent(share) == f"{text}\N{NARROW NO-BREAK SPACE}%"
