"""How often an owner's objects were not what they should be."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from hub.store import defects as defects_module
from hub.store.database import Database
from hub.store.defects import Defects, Seen
from tests.store import CP1, CP2

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CITY, STATUS = "city is required", "evses.status is not one of AVAILABLE"


@pytest.fixture
def defects(database: Database) -> Defects:
    return Defects(database)


def of_cp1(object_id: str, *found: str, is_kept: bool = False, module_id: str = "locations") -> Seen:
    return Seen(CP1, module_id, object_id, found, is_kept)


async def told(defects: Defects) -> list[tuple[str, str, str, int, int, str]]:
    rows = await defects.load()
    return [(row.owner, row.module, row.defect, row.kept, row.refused, row.last_id) for row in rows]


async def test_each_kind_is_counted_and_shows_the_object_that_had_it_last(defects: Defects) -> None:
    await defects.count(of_cp1("L1", CITY, STATUS), NOW)
    await defects.count(of_cp1("L2", CITY), NOW + MINUTE)
    assert await told(defects) == [
        ("DE/CP1", "locations", CITY, 0, 2, "L2"),
        ("DE/CP1", "locations", STATUS, 0, 1, "L1"),
    ]
    assert [row.last_at for row in await defects.load()] == [NOW + MINUTE, NOW]


async def test_what_was_kept_all_the_same_is_counted_apart_from_what_was_refused(defects: Defects) -> None:
    for number in range(3):
        await defects.count(of_cp1(f"L{number}", CITY, is_kept=True), NOW)
    await defects.count(of_cp1("L9", CITY), NOW)
    assert await told(defects) == [("DE/CP1", "locations", CITY, 3, 1, "L9")]


async def test_owners_and_modules_are_counted_apart(defects: Defects) -> None:
    await defects.count(of_cp1("L1", CITY), NOW)
    await defects.count(of_cp1("T1", CITY, module_id="tariffs"), NOW)
    await defects.count(Seen(CP2, "locations", "L1", (CITY,), is_kept=False), NOW)
    assert {(row.owner, row.module): row.refused for row in await defects.load()} == {
        ("DE/CP1", "locations"): 1,
        ("DE/CP1", "tariffs"): 1,
        ("BE/CP2", "locations"): 1,
    }
    assert [row.owner for row in await defects.load(CP2)] == ["BE/CP2"]


async def test_an_object_without_defects_counts_nothing(defects: Defects) -> None:
    await defects.count(of_cp1("L1"), NOW)
    assert await told(defects) == []


async def test_the_most_frequent_come_first_and_there_is_an_end(
    defects: Defects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defects_module, "LISTED_MAX_DEFECTS", 2)
    for times, name in ((1, "a"), (3, "b"), (2, "c")):
        for number in range(times):
            await defects.count(of_cp1("L1", name, is_kept=bool(number % 2)), NOW)
    assert [(row.defect, row.kept + row.refused) for row in await defects.load()] == [("b", 3), ("c", 2)]


async def test_counts_that_come_together_are_all_counted(defects: Defects) -> None:
    """The same kinds in another order: nobody waits for anybody for ever."""
    found = (CITY, STATUS)
    seen = [of_cp1(f"L{number}", *(found if number % 2 else found[::-1])) for number in range(20)]
    await asyncio.gather(*(defects.count(one, NOW) for one in seen))
    assert {row.defect: row.refused for row in await defects.load()} == {CITY: 20, STATUS: 20}
