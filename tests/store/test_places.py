"""Places: where Locations are and how their EVSEs are, written with their copies."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, text

from hub.store import places as module
from hub.store.copies import Copies, Crawled
from hub.store.database import Database, execute
from hub.store.places import (
    PLACE_COLUMNS,
    Box,
    Cell,
    Counts,
    NewsReader,
    Place,
    PlaceQuery,
    Places,
    PlaceState,
    cell_size,
    place_values,
)
from ocpi_modules.catalog import MODULES
from ocpi_modules.module import Purpose
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, encode_json, format_datetime
from tests.settlement.cases import location as berlin
from tests.store import CP1, CP2, MS1, MS2, Object, owned_by, push

T = datetime(2027, 3, 1, 12, tzinfo=UTC)
WORLD = Box(west=-180, south=-90, east=180, north=90)


@pytest.fixture
async def copies(database: Database) -> AsyncIterator[Copies]:
    opened = Copies(database.direct)
    yield opened
    await opened.close()


@pytest.fixture
def places(database: Database) -> Places:
    return Places(database.direct)


def located(owner: Party = CP1, id: str = "L1", statuses: str = "AVAILABLE CHARGING", **changes: Any) -> Object:
    evse = berlin()["evses"][0]
    evses = [{**evse, "uid": f"E{n}", "status": status} for n, status in enumerate(statuses.split())]
    return berlin(**owned_by(owner, id=id), evses=evses, **changes)


async def all_of(places: Places, **query: Any) -> list[Place]:
    return await places.page(PlaceQuery(**query), None, 100)


async def ids_of(places: Places, **query: Any) -> list[str]:
    return [one.id for one in await all_of(places, **query)]


def values(content: Any) -> dict[str, Any]:
    return dict(zip(PLACE_COLUMNS, place_values("KEY", encode_json(content)), strict=True))


# --- out of a text ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("latitude", "longitude", "read"),
    [
        pytest.param("52.530644", "13.383068", (52.530644, 13.383068), id="as OCPI writes them (L-18)"),
        pytest.param(52.5, 13, (52.5, 13.0), id="as numbers, by a lenient partner"),
        pytest.param("-90.00000", "180.00000", (-90.0, 180.0), id="at the edges"),
        pytest.param("91.00000", "13.00000", (None, None), id="beyond the pole: no place on a map"),
        pytest.param("NaN", "13.0", (None, None), id="not a number"),
        pytest.param("52,5", "13,4", (None, None), id="with commas"),
    ],
)
def test_coordinates_are_read_as_degrees(latitude: Any, longitude: Any, read: tuple[Any, Any]) -> None:
    found = values(located(coordinates={"latitude": latitude, "longitude": longitude}))
    assert (found["latitude"], found["longitude"]) == read


@pytest.mark.parametrize(
    ("statuses", "counts"),
    [
        pytest.param("AVAILABLE CHARGING", Counts(available=1, charging=1), id="one free"),
        pytest.param("RESERVED BLOCKED", Counts(blocked=2), id="what is reserved cannot be had"),
        pytest.param("INOPERATIVE OUTOFORDER", Counts(out_of_order=2), id="two words for out of order"),
        pytest.param("PLANNED UNKNOWN SLEEPING", Counts(unknown=3), id="not there yet, and words that are not OCPI's"),
        pytest.param("REMOVED AVAILABLE", Counts(available=1), id="what is removed is counted nowhere (L-15)"),
        pytest.param("", Counts(), id="no EVSE"),
    ],
)
def test_evses_are_counted_by_what_their_status_comes_to(statuses: str, counts: Counts) -> None:
    found = values(located(statuses=statuses))
    assert Counts(**{state.value: found[state.value] for state in PlaceState}) == counts


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        pytest.param(Counts(available=1, out_of_order=5), PlaceState.AVAILABLE, id="one is free"),
        pytest.param(Counts(charging=1, blocked=2), PlaceState.CHARGING, id="taken, but it works"),
        pytest.param(Counts(out_of_order=1, unknown=1), PlaceState.OUT_OF_ORDER, id="known to be broken"),
        pytest.param(Counts(), PlaceState.UNKNOWN, id="nothing is there"),
    ],
)
def test_a_place_is_in_the_best_state_of_its_evses(counts: Counts, state: PlaceState) -> None:
    assert counts.state is state


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"id": 5, "evses": "none"}, id="fields of other kinds"),
        pytest.param([], id="no object"),
        pytest.param({"id": "L1", "name": "a\x00b" + "x" * 500}, id="a character that no row holds, and too much text"),
        pytest.param({"id": "L1", "evses": [{"uid": 7, "evse_id": ["x"]}]}, id="EVSEs that are called nothing"),
    ],
)
def test_a_text_that_is_no_location_is_kept_without_a_place_on_the_map(content: Any) -> None:
    found = values(content)
    assert found["latitude"] is None
    assert found["id"] in {"KEY", "L1"}
    assert "\x00" not in found["name"]
    assert len(found["name"]) <= module.TEXT_MAX_CHARACTERS


# --- with the copies --------------------------------------------------------------------------------


async def test_a_place_follows_its_copy(copies: Copies, places: Places) -> None:
    """A PATCH of an EVSE's status moves its counts; what changes nothing that a map shows is no change of the place."""
    await copies.keep(push("locations", located()))
    (before,) = await all_of(places)
    assert (before.owner, before.id, before.city, before.country) == ("DE/CP1", "L1", "Berlin", "DEU")
    assert before.counts == Counts(available=1, charging=1)
    again = located(last_updated=format_datetime(T))
    await copies.keep(push("locations", again))
    assert await all_of(places) == [before]
    patch = {"status": "OUTOFORDER", "last_updated": format_datetime(T + timedelta(seconds=1))}
    await copies.keep(push("locations", patch, owner=CP1, ids=("L1", "E0"), purpose=Purpose.UPDATE))
    (after,) = await all_of(places)
    assert after.counts == Counts(charging=1, out_of_order=1)
    assert after.changed_at > before.changed_at


async def test_pushes_that_are_kept_together_are_all_placed(copies: Copies, places: Places) -> None:
    """One group of pushes, of Locations and of tokens."""
    token = {**owned_by(MS1, uid="U1"), "type": "RFID", "contract_id": "C", "issuer": "I", "valid": True}
    token |= {"whitelist": "ALWAYS", "last_updated": format_datetime(T)}
    pushes = [push("locations", located(id=f"L{n}")) for n in range(5)]
    await asyncio.gather(*map(copies.keep, [*pushes, push("tokens", token)]))
    assert await ids_of(places) == [f"L{n}" for n in range(5)]
    assert (await copies.count()) == {"locations": 5, "tokens": 1}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param({}, ["L9", "L1", "L2"], id="all, by owner and id"),
        pytest.param({"party": "DE/CP1"}, ["L1", "L2"], id="of a party"),
        pytest.param({"state": PlaceState.CHARGING}, ["L1"], id="with an EVSE that charges"),
        pytest.param({"country": "BEL"}, ["L9"], id="in a country"),
        pytest.param({"text": "GENT"}, ["L9"], id="a text in whatever case"),
        pytest.param({"text": "%"}, [], id="a text is no pattern"),
        pytest.param({"is_published": False}, ["L2"], id="not published"),
        pytest.param({"party": "DE/CP1", "text": "l2"}, ["L2"], id="both"),
    ],
)
async def test_places_are_filtered(copies: Copies, places: Places, query: dict[str, Any], found: list[str]) -> None:
    await copies.keep(push("locations", located(id="L1")))
    await copies.keep(push("locations", located(id="L2", statuses="BLOCKED", publish=False)))
    await copies.keep(push("locations", located(CP2, "L9", "AVAILABLE", city="Gent", country="BEL")))
    assert await ids_of(places, **query) == found


async def test_a_list_goes_on_behind_the_last_place_of_a_page(copies: Copies, places: Places) -> None:
    for n in range(4):
        await copies.keep(push("locations", located(id=f"L{n}")))
    one, two = await places.page(PlaceQuery(), None, 2)
    after = (*two.owner.split("/"), two.key, two.audience)
    rest = await places.page(PlaceQuery(), (after[0], after[1], after[2], after[3]), 5)
    assert [one.id, two.id, *(place.id for place in rest)] == ["L0", "L1", "L2", "L3"]


async def test_what_several_were_told_apart_is_one_place(copies: Copies, places: Places) -> None:
    """X-13: each has a copy; the map shows the Location once, for everybody where it is for everybody."""
    for audience in (MS1, MS2):
        await copies.keep(push("locations", located(), audience=audience))
    (one,) = await all_of(places)
    assert one.audience == str(min(MS1, MS2))
    assert await places.totals() == Counts(available=1, charging=1)
    await copies.keep(push("locations", located(statuses="BLOCKED")))
    (one,) = await all_of(places)
    assert (one.audience, one.counts) == ("", Counts(blocked=1))
    assert [copy.audience for copy in await places.copies(CP1, "l1")] == ["", *sorted(map(str, (MS1, MS2)))]


async def test_what_a_complete_list_no_longer_holds_is_on_no_map(copies: Copies, places: Places) -> None:
    """X-29."""
    for n in range(2):
        await copies.keep(push("locations", located(id=f"L{n}"), is_pulled=True))
    await copies.mark_missing(_crawled("L1"))
    assert await ids_of(places) == ["L1"]
    await copies.mark_missing(_crawled("L0", "L1"))
    assert await ids_of(places) == ["L0", "L1"]
    await copies.mark_missing(_crawled())
    assert await ids_of(places) == []
    await copies.keep(push("locations", located(id="L0", last_updated=format_datetime(T))))
    assert await ids_of(places) == ["L0"]


def _crawled(*ids: str) -> Crawled:
    return Crawled(module=MODULES["locations"], owner=CP1, seen={(one, "") for one in ids}, at=T, crawled_before=T)


async def test_copies_that_were_there_before_get_their_places(
    database: Database, copies: Copies, places: Places
) -> None:
    await copies.keep(push("locations", located()))
    await copies.keep(push("locations", located(CP2, "L2"), audience=MS1))
    before = [replace(one, changed_at=T) for one in await all_of(places)]
    async with database.transaction() as session:
        await execute(session, text("delete from place"), {})
        connection = await session.connection()
        await connection.run_sync(_fill)
    assert [replace(one, changed_at=T) for one in await all_of(places)] == before
    assert len(before) == 2
    assert {one.id for one in await places.named("e1", 9)} == {"L1", "L2"}, "their EVSEs are known too"


def _fill(connection: Connection) -> None:
    """What migrations 19 and 21 do with the copies that they find."""
    with Operations.context(MigrationContext.configure(connection)):
        _migration("0019_places")._fill()
        _migration("0021_kept_out")._name_evses()


def _migration(name: str) -> Any:
    return importlib.import_module(f"hub.store.migrations.versions.{name}")


@pytest.mark.parametrize(
    ("word", "found"),
    [
        pytest.param("l1", [("L1", True)], id="an id, in whatever case"),
        pytest.param("mühle", [("L1", False), ("L2", False)], id="a word of the name"),
        pytest.param("hafen", [("L2", False)], id="the beginning of a street"),
        pytest.param("de*abc*e9", [("L2", True)], id="the id of an EVSE: it is called so"),
        pytest.param("DE*ABC*E", [("L1", False), ("L2", False)], id="a part of the id of an EVSE"),
        pytest.param("E1", [("L1", True), ("L2", True)], id="the uid of EVSEs"),
        pytest.param("100%_", [], id="what would be a pattern elsewhere"),
    ],
)
async def test_a_location_is_found_by_what_it_and_its_evses_are_called(
    copies: Copies, places: Places, word: str, found: list[tuple[str, bool]]
) -> None:
    await copies.keep(push("locations", located()))
    other = located(id="L2", address="Hafenstraße 1")
    other["evses"][1]["evse_id"] = "DE*ABC*E9"
    await copies.keep(push("locations", other))
    assert [(one.id, one.is_exact) for one in await places.named(word, 9)] == found
    assert await ids_of(places, text=word) == [id for id, _ in found]


async def test_an_evse_that_was_added_is_found_at_once(copies: Copies, places: Places) -> None:
    await copies.keep(push("locations", located(statuses="AVAILABLE")))
    assert [one.is_exact for one in await places.named("E1", 9)] == [False], "only a part of another id"
    await copies.keep(push("locations", located(last_updated=format_datetime(T))))
    assert [one.is_exact for one in await places.named("E1", 9)] == [True]


# --- on a map ---------------------------------------------------------------------------------------


async def test_many_places_are_shown_as_cells_and_none_is_lost(
    copies: Copies, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [(52.5, 13.4), (52.501, 13.401), (48.1, 11.5), (-33.9, 151.2)]
    for n, (latitude, longitude) in enumerate(points):
        place = {"latitude": f"{latitude:.6f}", "longitude": f"{longitude:.6f}"}
        await copies.keep(push("locations", located(id=f"L{n}", coordinates=place)))
    assert len([one for one in await places.within(PlaceQuery(), WORLD) if isinstance(one, Place)]) == 4
    monkeypatch.setattr(module, "POINTS_MAX", 3)
    cells = [one for one in await places.within(PlaceQuery(), WORLD) if isinstance(one, Cell)]
    assert sorted(cell.places for cell in cells) == [1, 1, 2]
    assert sum(cell.counts.evses for cell in cells) == 8
    europe = await places.within(PlaceQuery(), Box(west=-10, south=40, east=30, north=60))
    assert {one.id for one in europe if isinstance(one, Place)} == {"L0", "L1", "L2"}
    assert await places.bounds(PlaceQuery()) == Box(west=11.5, south=-33.9, east=151.2, north=52.501)
    assert await places.bounds(PlaceQuery(party="NL/XXX")) is None


@pytest.mark.parametrize(
    "box",
    [
        pytest.param(WORLD, id="the world"),
        pytest.param(Box(west=5, south=47, east=15, north=55), id="a country"),
        pytest.param(Box(west=13, south=-90, east=13.001, north=90), id="a thread from pole to pole"),
        pytest.param(Box(west=13, south=52, east=13, north=52), id="a point"),
    ],
)
def test_no_part_of_the_map_has_more_cells_than_are_asked_for(box: Box) -> None:
    wide, high = cell_size(box)
    across, down = (box.east - box.west) / wide + 1, (box.north - box.south) / high + 1
    assert across * down <= module.CELLS_MAX
    moved = Box(west=box.west + 1, south=box.south, east=box.east + 1, north=box.north)
    assert cell_size(moved) == (wide, high), "cells stay when the map is moved"


# --- news -------------------------------------------------------------------------------------------


async def test_a_change_is_told_once(copies: Copies, places: Places) -> None:
    await copies.keep(push("locations", located(id="L1")))
    news = NewsReader(places)
    assert await news.read() == []
    assert await news.read() == []
    await copies.keep(push("locations", located(id="L2")))
    assert [one.id for one in await news.read()] == ["L2"]
    assert await news.read() == []
    await copies.keep(push("locations", located(id="L2", statuses="BLOCKED", last_updated=format_datetime(T))))
    assert [one.counts.state for one in await news.read()] == [PlaceState.BLOCKED]
    assert await news.read() == []


async def test_a_change_that_is_committed_after_a_later_one_is_told_too(
    database: Database, copies: Copies, places: Places
) -> None:
    """Two processes write: what was dated first may be seen last."""
    await copies.keep(push("locations", located(id="L1")))
    await copies.keep(push("locations", located(id="L2")))
    news = NewsReader(places)
    await news.read()
    async with database.transaction() as late:
        await execute(late, text("update place set charging = 9, changed_at = clock_timestamp() where key = 'L1'"), {})
        await copies.keep(push("locations", located(id="L2", statuses="BLOCKED", last_updated=format_datetime(T))))
        assert [one.id for one in await news.read()] == ["L2"]
    assert [one.id for one in await news.read()] == ["L1"]
    assert await news.read() == []


async def test_the_copy_of_a_place_is_its_text_as_it_came(copies: Copies, places: Places) -> None:
    change = push("locations", located(x_more={"a": 1}))
    await copies.keep(change)
    (copy,) = await places.copies(CP1, "L1")
    assert (copy.text, copy.stale_at) == (change.text, None)
    assert decode_json(copy.text)["id"] == "L1"
