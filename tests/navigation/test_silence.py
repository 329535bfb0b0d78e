"""Silence is not staleness (N2): what is shown of those who cannot be reached, and of those who may not be here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ocpi_modules.types import format_datetime
from tests.databases import Databases
from tests.navigation.land import Content, Land, open_land
from tests.settlement.cases import location

LOC1 = "/nav/v1/locations/DE/ABC/LOC1"
BERLIN = "13,52,14,53"
SHORT_SECONDS = 1.0


@pytest.fixture(scope="module")
async def land(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Land]:
    """A land in which a second of silence is long."""
    short = {"still_alive_seconds": SHORT_SECONDS, "map_silent_seconds": SHORT_SECONDS}
    folder = tmp_path_factory.mktemp("hub")
    async with databases.lent() as url, open_land(url, folder, map_anonymous_per_second=10_000, **short) as made:
        await made.until_seen(LOC1)
        yield made


async def shown(land: Land) -> Content:
    properties: Content = (await land.get(LOC1)).json()["properties"]
    return properties


def statuses(properties: Content) -> list[tuple[str, str]]:
    return [(evse["status"], evse["said"]) for evse in properties["evse_list"]]


def without_hearing(properties: Content) -> Content:
    """What is said of a Location, but for when that was heard."""
    kept: Content = {name: value for name, value in properties.items() if name not in {"freshness", "heard_at"}}
    return kept


async def test_of_a_silent_source_everything_is_unknown_and_its_last_word_is_kept(land: Land) -> None:
    await land.says("CHARGING", "E1", at=format_datetime(datetime.now(UTC)))

    async def is_charging() -> bool:
        return statuses(await shown(land))[0] == ("CHARGING", "CHARGING")

    await land.until(is_charging)
    before = await shown(land)
    assert before["freshness"]["is_reachable"] is True
    async with land.cpo.down():

        async def is_silent() -> bool:
            return (await shown(land))["freshness"]["is_reachable"] is False

        await land.until(is_silent)
        silent = await shown(land)
        assert statuses(silent) == [("UNKNOWN", "CHARGING"), ("UNKNOWN", "AVAILABLE")]
        assert silent["evses"] == {"total": 2, "available": 0, "occupied": 0, "out_of_service": 0, "unknown": 2}
        assert silent["freshness"]["silent_since"] > before["freshness"]["heard_at"]
        assert silent["freshness"]["status_changed_at"] == before["freshness"]["status_changed_at"]
        in_ocpi = (await land.get("/open/ocpi/2.2.1/locations/DE/ABC/LOC1")).json()["data"]
        assert {evse["status"] for evse in in_ocpi["evses"]} == {"UNKNOWN"}
        assert await land.features(bbox=BERLIN, available_now="true") == {}
        (change,) = (await land.get("/nav/v1/changes")).json()["items"]
        assert change["feature"]["properties"]["evses"]["unknown"] == 2

    async def is_back() -> bool:
        return (await shown(land))["freshness"]["is_reachable"] is True

    await land.until(is_back)
    after = await shown(land)
    assert statuses(after) == statuses(before)
    assert after["freshness"]["silent_since"] is None
    assert without_hearing(after) == {**without_hearing(before), "evse_list": after["evse_list"]}


async def suspend(land: Land, word: str) -> Any:
    answer = await land.world.admin.post(f"/admin/parties/DE/ABC/CPO/{word}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_who_is_suspended_disappears_and_comes_back(land: Land) -> None:
    await land.put(location(id="LOC2"))
    await land.until_found("DE/ABC/LOC1", "DE/ABC/LOC2", bbox=BERLIN)
    cursor = (await land.get("/nav/v1/changes")).json()["next"]
    numbers = {ref: one["id"] for ref, one in (await land.features(bbox=BERLIN)).items()}
    await suspend(land, "suspend")
    await land.until_found(bbox=BERLIN)
    gone = (await land.get("/nav/v1/changes", cursor=cursor)).json()
    assert {(one["change"], one["ref"]) for one in gone["items"]} == {("gone", "DE/ABC/LOC1"), ("gone", "DE/ABC/LOC2")}
    assert (await land.get("/open/ocpi/2.2.1/locations")).headers["X-Total-Count"] == "0"
    assert "LOC1" not in (await land.get("/open/datex2/v3.7/status")).text
    await land.get(LOC1, 404)
    await suspend(land, "resume")
    await land.until_found("DE/ABC/LOC1", "DE/ABC/LOC2", bbox=BERLIN)
    assert {ref: one["id"] for ref, one in (await land.features(bbox=BERLIN)).items()} == numbers
    back = (await land.get("/nav/v1/changes", cursor=gone["next"])).json()["items"]
    assert {one["change"] for one in back} == {"upsert"}
