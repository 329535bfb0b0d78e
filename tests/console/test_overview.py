"""The overview: what needs somebody, where the money of the month is, what came on each day; every number leads to what it sums."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from html import unescape
from pathlib import Path

import pytest

from hub.console.accounts import Role
from hub.console.overview import (
    CURRENCIES_SHOWN_MAX,
    DAYS_SHOWN,
    LANES_SHOWN_MAX,
    day_edges,
    days_of,
    deepest,
    months_of,
)
from hub.store.glance import DayCount, MonthLine
from tests.conftest import World
from tests.console.test_network import events
from tests.console.test_places import with_status
from tests.console.visitors import Visitor, said, visitor
from tests.web.clearing import Clearing, clearing_hub, dear

OVERVIEW = "/console/overview"
CLOSES = datetime(2026, 11, 4, tzinfo=UTC)


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Clearing]:
    async with clearing_hub(database_url, tmp_path) as made:
        yield made


async def rows_behind(somebody: Visitor, page: str, label: str) -> tuple[int, int]:
    """The number in the row of a label, and how many rows the list behind it has."""
    found = re.search(rf"<th scope=\"row\">{label}</th><td[^>]*><a href=\"([^\"]+)\">([0-9]+)</a>", page)
    assert found, f"there is no {label}"
    listed = said(await somebody.get(unescape(found[1])))
    rows = re.search(r"(\d+) rows?\b", listed)
    return int(found[2]), int(rows[1]) if rows else 0


async def test_an_operator_sees_in_one_page_what_needs_somebody(desk: Clearing) -> None:
    await desk.bill(dear(1), dear(2), dear(3, "28"))
    assert (await desk.push("locations", with_status("CHARGING", "OUTOFORDER", id="LOC2"))).is_success
    otto = await visitor(desk.world, "otto", Role.OPERATOR)
    page = await otto.get(OVERVIEW)
    told = said(page)
    assert "Partners down 0 of 3 that have joined" in told
    assert "Parties connected 3 0 offline" in told
    assert "Available 2 Charging 1 Blocked 0 Out of order 1 Unknown 0" in told
    assert "23.80 EUR" in told.replace("\N{NARROW NO-BREAK SPACE}", " "), "both are 11.90 too dear, with VAT: one cause"
    assert 'href="/console/lanes"' in page
    for label, count in (("Came in", 3), ("Settles", 1), ("On hold", 2)):
        assert await rows_behind(otto, page, label) == (count, count)
    assert "Never paid" not in told, "there is nothing of it"
    (day,) = re.findall(r"<th scope=\"row\">(\d{4}-\d{2}-\d{2})</th>", page)
    assert await rows_behind(otto, page, day) == (3, 3)
    assert 'data-chart="data-days"' in page
    assert "style=" not in page, "the browser would refuse it"


async def test_the_upper_part_follows_by_itself(desk: Clearing, monkeypatch: pytest.MonkeyPatch) -> None:
    otto = await visitor(desk.world, "otto", Role.OPERATOR)
    heard = events(otto.http, f"{OVERVIEW}/live")
    assert "Available 2" in said(await anext(heard))
    await desk.patch("locations/DE/ABC/LOC1/E1", {"status": "CHARGING", "last_updated": "2027-03-01T12:00:00Z"})
    assert "Available 1 Charging 1" in said(await anext(heard))


async def test_a_hub_in_which_nothing_is_says_what_comes_next(world: World) -> None:
    vera = await visitor(world, "vera", Role.VIEWER)
    told = said(await vera.get(OVERVIEW))
    for sentence in (
        "Nothing is open.",
        "Nothing waits for anybody.",
        "No period is open. One begins with the first CDR that counts in it.",
        "Nothing was found that puts money at risk.",
        "No CDR came in the last 30 days.",
    ):
        assert sentence in told
    assert "/console/lanes" not in await vera.get(OVERVIEW), "which a viewer may not see"
    assert (await vera.http.get("/console")).headers["location"] == "/console/causes"


# --- pieces ----------------------------------------------------------------------------------------


def test_a_day_begins_at_midnight_by_the_clock_of_the_zone_also_when_the_clock_changes() -> None:
    edges = day_edges("Europe/Berlin", [date(2026, 10, 24), date(2026, 10, 25), date(2026, 10, 26)])
    assert [f"{edge:%d %H}" for edge in edges] == ["23 22", "24 22", "25 23", "26 23"]
    dates = [date(2026, 10, 24), date(2026, 10, 25), date(2026, 10, 26)]
    days = days_of(dates, edges, [DayCount(2, "HOLD", 3), DayCount(2, "SETTLE", 4), DayCount(3, "DROP", 1)])
    assert [day.total for day in days] == [0, 7, 1]
    assert days[1].path("HOLD") == (
        "/console/cdrs?received_from=2026-10-24T22%3A00%3A00Z&received_before=2026-10-25T23%3A00%3A00Z&disposition=HOLD"
    )
    assert DAYS_SHOWN == 30


def line(kind: str, count: int, excl_vat: str, currency: str = "EUR", period: str = "2026-10") -> MonthLine:
    return MonthLine(
        period=period,
        state="cut_off",
        closes_at=CLOSES,
        currency=currency,
        kind=kind,
        count=count,
        excl_vat=Decimal(excl_vat),
    )


def test_the_money_of_a_month_stands_by_stage_and_currency() -> None:
    (month,) = months_of(
        [line("SETTLE", 2, "20"), line("DROP", 1, "5"), line("draft", 1, "20"), line("SETTLE", 9, "90", "SEK")]
    )
    assert month.currencies == ["SEK", "EUR"]
    assert {label: [(one.count, one.excl_vat) for one in sums] for label, sums in month.stages} == {
        "Came in": [(9, Decimal(90)), (3, Decimal(25))],
        "Settles": [(9, Decimal(90)), (2, Decimal(20))],
        "On hold": [(0, Decimal(0)), (0, Decimal(0))],
        "Never paid": [(0, Decimal(0)), (1, Decimal(5))],
        "Drafted": [(0, Decimal(0)), (1, Decimal(20))],
    }
    drafted = dict(month.stages)["Drafted"]
    assert drafted[1].path == "/console/statements?period=2026-10&currency=EUR&state=draft"


def test_more_currencies_than_there_is_room_for_are_told() -> None:
    lines = [line("HOLD", number, "1", f"C{number:02}") for number in range(1, 9)]
    (month,) = months_of(lines)
    assert month.currencies == ["C08", "C07", "C06"]
    assert month.left_out == 8 - CURRENCIES_SHOWN_MAX


def test_a_period_without_cdrs_is_shown_with_its_date() -> None:
    first, second = months_of([line("", 0, "0", "", "2026-09"), line("HOLD", 1, "1")])
    assert (first.id, first.stages, first.closes_at) == ("2026-09", [], CLOSES)
    assert second.id == "2026-10"


def test_the_deepest_lanes_come_first_and_empty_ones_not_at_all() -> None:
    waiting = {f"DE/A{number:02}": number for number in range(9)}
    assert deepest(waiting)[:2] == [("DE/A08", 8), ("DE/A07", 7)]
    assert len(deepest(waiting)) == LANES_SHOWN_MAX
    assert deepest({"DE/ABC": 0}) == []
