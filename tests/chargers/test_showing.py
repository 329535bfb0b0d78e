"""Partners are told of each change of sites, tariffs and statuses exactly once, in order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.chargers.showing import AGAIN_MAX_SECONDS, AGAIN_MIN_SECONDS, Pace
from hub.store.chargesites import ChargeSites
from ocpi_modules.errors import OcpiError, UnknownPath
from ocpi_modules.locations import Location
from ocpi_modules.message import judge_whole
from ocpi_modules.tariffs import Tariff
from ocpi_modules.types import decode_json, encode_json
from tests.chargers.sitehouse import House, depot, plug, tariff

Object = dict[str, Any]


def as_sent(content: Any) -> Any:
    return decode_json(encode_json(content))


@pytest.mark.proves("L-23")
async def test_a_tariff_is_told_before_the_location_that_names_it_and_both_are_valid(house: House) -> None:
    await house.keeper.provision({"tariffs": [tariff()], "sites": [depot()]})
    await house.showing.tell_all()
    first, second = house.outlet.told
    assert (first.line, second.line) == ("tariffs replace T1", "locations replace DEPOT")
    judge_whole(Tariff, as_sent(first.content))
    location = as_sent(second.content)
    judge_whole(Location, location)
    assert (location["country_code"], location["party_id"]) == ("NL", "LOC")
    assert [evse["status"] for evse in location["evses"]] == ["UNKNOWN", "UNKNOWN"]
    assert not {"station", "number", "evse_number"} & {*location["evses"][0]["connectors"][0]}
    assert "limits" not in location


async def test_what_did_not_change_is_not_told_again(house: House) -> None:
    await house.furnish()
    house.clock.later(seconds=5)
    await house.furnish()
    assert await house.show() == []


async def test_a_status_is_told_alone_and_later_than_all_before(house: House) -> None:
    await house.furnish()
    await house.join()
    stamps: list[str] = []
    for status in ("Available", "Charging", "Available"):  # the clock stands still: stamps grow all the same
        await house.say(3, status)
        await house.showing.tell_all()
        (told,) = house.outlet.told
        assert told.line == "locations update DEPOT/2"
        assert {*told.content} == {"status", "last_updated"}
        stamps.append(told.content["last_updated"])
        house.outlet.take()
    assert stamps == sorted(set(stamps))


async def test_a_location_that_changed_is_told_with_the_statuses_of_that_moment_and_they_are_not_told_again(
    house: House,
) -> None:
    await house.furnish()
    await house.join()
    await house.say(3, "Available")
    await house.keeper.provision({"sites": [depot(name="Another name")]})
    await house.showing.tell_all()
    (told,) = house.outlet.told
    location = as_sent(told.content)
    assert [(evse["uid"], evse["status"]) for evse in location["evses"]] == [("1", "UNKNOWN"), ("2", "AVAILABLE")]
    assert location["last_updated"] >= max(evse["last_updated"] for evse in location["evses"])
    house.outlet.take()
    assert await house.show() == []


async def test_an_evse_that_is_gone_is_told_as_removed_and_can_come_back(house: House) -> None:
    """L-15."""
    await house.furnish()
    (one, two) = depot()["evses"]
    for evses, told in (
        ([one], {"1": "UNKNOWN", "2": "REMOVED"}),
        ([one, two], {"1": "UNKNOWN", "2": "UNKNOWN"}),
    ):
        house.clock.later(seconds=1)
        await house.keeper.provision({"sites": [depot(evses=evses)]})
        await house.showing.tell_all()
        location = as_sent(house.outlet.told[-1].content)
        judge_whole(Location, location)
        assert {evse["uid"]: evse["status"] for evse in location["evses"]} == told


async def test_a_site_that_is_gone_is_told_with_all_evses_removed_and_then_forgotten(
    house: House, database: Any
) -> None:
    await house.furnish()
    assert await house.keeper.drop_site("DEPOT")
    assert not await house.keeper.drop_site("DEPOT")
    assert house.keeper.book.sites == {}
    await house.showing.tell_all()
    location = as_sent(house.outlet.told[-1].content)
    assert {evse["status"] for evse in location["evses"]} == {"REMOVED"}
    assert (await ChargeSites(database.direct).load()).sites == {}
    assert await house.sites.evses() == []
    assert await house.keeper.drop_tariff("T1")
    house.outlet.take()
    assert await house.show() == ["tariffs remove T1"]
    assert (await house.sites.load()).tariffs == {}


async def test_what_partners_never_heard_of_is_forgotten_without_a_word(house: House) -> None:
    await house.keeper.provision({"tariffs": [tariff()]})
    await house.keeper.drop_tariff("T1")
    assert await house.show() == []
    assert (await house.sites.load()).tariffs == {}


async def test_a_tariff_that_is_gone_at_the_hub_already_is_gone(house: House) -> None:
    await house.keeper.provision({"tariffs": [tariff()]})
    await house.show()
    await house.keeper.drop_tariff("T1")
    house.outlet.refused, house.outlet.error = ["tariffs remove T1"], UnknownPath("there is no T1")
    await house.show()
    assert (await house.sites.load()).tariffs == {}


@pytest.mark.parametrize(
    "error", [pytest.param(OcpiError("no"), id="refused"), pytest.param(RuntimeError("bug"), id="a fault of ours")]
)
async def test_what_was_refused_holds_back_what_needs_it_and_nothing_else(house: House, error: Exception) -> None:
    free = depot(id="OTHER", evses=[{"uid": "9", "connectors": [plug("A", "CP-9", 1, tariff_ids=[])]}])
    await house.keeper.provision({"tariffs": [tariff()], "sites": [depot(), free]})
    house.outlet.refused, house.outlet.error = ["tariffs replace T1"], error
    assert await house.show() == ["locations replace OTHER"]
    assert await house.show() == []  # it rests
    await house.keeper.provision({"tariffs": [tariff(currency="CHF")]})  # something newer need not wait
    assert await house.show() == ["tariffs replace T1", "locations replace DEPOT"]


def test_what_is_refused_rests_twice_as_long_each_time_with_a_bound() -> None:
    pace, key, now = Pace(), ("locations", "DEPOT"), 100.0
    pauses = []
    for _ in range(12):
        pauses.append(pace.refused(key, 1, now))
        assert not pace.may(key, 1, now + pauses[-1] - 0.1)
        now += pauses[-1]
        assert pace.may(key, 1, now)
    assert pauses[0] == AGAIN_MIN_SECONDS
    assert pauses[1] == 2 * AGAIN_MIN_SECONDS
    assert pauses[-1] == AGAIN_MAX_SECONDS


async def test_a_push_that_was_not_noted_is_made_again_with_the_same_content(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the push and the note of it."""
    await house.furnish()
    await house.join()
    await house.say(3, "Available")

    async def killed(evse: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(house.sites, "told_evse", killed)
        with pytest.raises(ConnectionError):
            await house.showing.tell_all()
    (first,) = house.outlet.told
    house.outlet.take()
    house.clock.later(minutes=5)
    await house.showing.tell_all()
    (again,) = house.outlet.told
    assert (again.line, again.content) == (first.line, first.content)


async def test_it_tells_when_woken_and_stops_when_closed(house: House) -> None:
    await house.keeper.provision({"tariffs": [tariff()]})
    house.showing.start()
    house.showing.wake()
    async with asyncio.timeout(60):
        while not (await house.sites.load()).tariffs["T1"].told_version:  # noqa: ASYNC110 - the table tells nobody
            await asyncio.sleep(0.01)
    await house.showing.close()
    assert house.outlet.take() == ["tariffs replace T1"]
