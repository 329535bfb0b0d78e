"""Catching up with partners that could not, or do not, push (T-23, P-17, X-29, X-55)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from hub.demo.faults import Fault, Seen, web_page
from hub.demo.party import DemoPlatform, role
from hub.demo.shelf import key_of
from ocpi_modules.catalog import MODULES
from ocpi_modules.parties import Party
from ocpi_modules.types import format_datetime, parse_datetime
from tests.conftest import HUB, World, running_hub

CP1 = Party("DE", "CP1")
LOOKS_MAX = 600

Example = Callable[..., dict[str, Any]]


def offer(platform: DemoPlatform, module_id: str, content: dict[str, Any]) -> None:
    """Let a platform have an object in its own list."""
    module = MODULES[module_id]
    platform.desk.owned[module_id].put(key_of(module, content), content)


def of_cp1(example: Example, name: str = "location", **changes: Any) -> dict[str, Any]:
    return example(name, country_code="DE", party_id="CP1", **changes)


def asks_for(module_id: str) -> Callable[[Seen], bool]:
    """A request for a page as the hub pulls it; its probe asks for two objects only."""
    return lambda seen: (
        seen.method == "GET" and seen.path.endswith(f"/sender/{module_id}") and "limit=100" in seen.query
    )


def date_from(seen: Seen) -> datetime:
    return parse_datetime(parse_qs(seen.query)["date_from"][0])


async def ids_in_get_all(platform: DemoPlatform, module_id: str = "locations") -> set[str]:
    return {str(one["id"]) for one in (await platform.get_all(module_id, receiver=HUB)).objects}


async def joined(world: World) -> tuple[DemoPlatform, DemoPlatform]:
    ms1 = await world.join("P3", ("EMSP", "NL/MS1"))
    return await world.join("P1", ("CPO", "DE/CP1")), ms1


async def partner_id(world: World, name: str = "CPO DE/CP1") -> int:
    partners = (await world.admin.get("/admin/partners")).json()
    return next(int(one["id"]) for one in partners if one["name"] == name)


async def set_mode(world: World, module_id: str, mode: str) -> None:
    response = await world.admin.patch(
        f"/admin/partners/{await partner_id(world)}/pulls/{module_id}", json={"mode": mode}
    )
    assert response.status_code == 200, response.text


@pytest.mark.proves("P-17", "T-24")
async def test_what_a_pull_only_partner_has_is_read_when_it_joins(world: World, example: Example) -> None:
    p1 = await world.platform("P1", ("CPO", "DE/CP1"))
    ms1 = await world.join("P3", ("EMSP", "NL/MS1"))
    for number in range(120):
        offer(p1, "locations", of_cp1(example, id=f"L{number}"))
    await p1.join(await world.invite(p1.roles), world.versions_url)
    pages = await p1.wait_until_seen(
        lambda seen: seen.method == "GET" and "locations" in seen.path and "limit=2" not in seen.query, 3
    )
    assert all(seen.sender == HUB and seen.receiver == CP1 for seen in pages)
    assert "date_from" not in pages[0].query
    await ms1.wait_until_seen(lambda seen: seen.method == "PUT" and "/locations/DE/CP1/L119" in seen.path)
    assert await ids_in_get_all(ms1) == {f"L{number}" for number in range(120)}


@pytest.mark.proves("T-23", "X-55")
async def test_after_downtime_the_hub_asks_for_what_changed_since_an_hour_before_its_last_sync(
    database_url: str, tmp_path: Path, example: Example
) -> None:
    async with DemoPlatform("P1", [role("CPO", "DE/CP1")]).running() as p1:
        async with running_hub(database_url, tmp_path) as world:
            await p1.join(await world.invite(p1.roles), world.versions_url)
            await p1.wait_until_seen(asks_for("tariffs"))
            synced_at = datetime.now(UTC)
        p1.seen.clear()
        offer(p1, "locations", of_cp1(example, id="L-new", last_updated=format_datetime(datetime.now(UTC))))
        async with running_hub(database_url, tmp_path) as world:
            (asked,) = await p1.wait_until_seen(asks_for("locations"))
            assert abs(date_from(asked) - (synced_at - timedelta(hours=1))) < timedelta(seconds=20)
            ms1 = await world.join("P3", ("EMSP", "NL/MS1"))
            await until(lambda ids: "L-new" in ids, ms1)


@pytest.mark.proves("T-23", "X-55")
async def test_a_partner_that_was_offline_is_caught_up_with_from_an_hour_before_the_last_sync(
    database_url: str, tmp_path: Path, example: Example
) -> None:
    """What changed is told to others as if it had been pushed; CDRs and sessions are asked for as well."""
    async with running_hub(database_url, tmp_path, still_alive_seconds=0.5) as world:
        p1, ms1 = await joined(world)
        await p1.wait_until_seen(asks_for("tariffs"))
        joined_at = datetime.now(UTC)
        async with p1.down():
            heard = await p1_is(world, "OFFLINE")
            assert heard
            now = format_datetime(datetime.now(UTC))
            offer(p1, "locations", of_cp1(example, id="L-new", last_updated=now))
            p1.seen.clear()
        (asked,) = await p1.wait_until_seen(asks_for("locations"))
        assert abs(date_from(asked) - (joined_at - timedelta(hours=1))) < timedelta(seconds=20)
        for module_id in ("sessions", "cdrs"):
            (again,) = await p1.wait_until_seen(asks_for(module_id))
            assert date_from(again) < joined_at
        await ms1.wait_until_seen(lambda seen: seen.method == "PUT" and seen.path.endswith("/locations/DE/CP1/L-new"))
        assert "L-new" in await ids_in_get_all(ms1)


async def p1_is(world: World, status: str) -> bool:
    """Wait until DE/CP1 has a status."""
    for _ in range(LOOKS_MAX):
        partners = (await world.admin.get("/admin/partners")).json()
        if any(party["status"] == status for one in partners for party in one["parties"] if party["party_id"] == "CP1"):
            return True
        await asyncio.sleep(0.05)
    return False


@pytest.mark.proves("P-17")
async def test_the_good_objects_of_a_page_with_bad_ones_are_kept_and_the_bad_are_counted(
    world: World, example: Example
) -> None:
    p1 = await world.platform("P1", ("CPO", "DE/CP1"))
    ms1 = await world.join("P3", ("EMSP", "NL/MS1"))
    broken = of_cp1(example, id="L-bad")
    del broken["city"]
    for content in (of_cp1(example, id="L1"), broken, of_cp1(example, id="L2")):
        offer(p1, "locations", content)
    await p1.join(await world.invite(p1.roles), world.versions_url)
    await ms1.wait_until_seen(lambda seen: seen.method == "PUT" and seen.path.endswith("/locations/DE/CP1/L2"))
    assert await ids_in_get_all(ms1) == {"L1", "L2"}
    defects = (await world.admin.get("/admin/defects", params={"owner": "DE/CP1"})).json()
    assert [(one["defect"], one["refused"], one["kept"], one["last_id"]) for one in defects] == [
        ("city is required", 1, 0, "L-bad")
    ]


@pytest.mark.proves("X-29")
async def test_only_a_scheduled_crawl_makes_stale_what_it_no_longer_contains_and_never_what_was_pushed_since(
    database_url: str, tmp_path: Path, example: Example
) -> None:
    async with running_hub(database_url, tmp_path, pull_schedule_seconds=1.0) as world:
        p1 = await world.platform("P1", ("CPO", "DE/CP1"))
        ms1 = await world.join("P3", ("EMSP", "NL/MS1"))
        kept, gone = of_cp1(example, id="L-kept"), of_cp1(example, id="L-gone")
        offer(p1, "locations", kept)
        offer(p1, "locations", gone)
        await p1.join(await world.invite(p1.roles), world.versions_url)
        await ms1.wait_until_seen(lambda seen: "L-gone" in seen.path)
        p1.desk.owned["locations"].remove(key_of(MODULES["locations"], gone))
        await p1.push("locations", CP1, ("L-pushed",), of_cp1(example, id="L-pushed"), receiver=HUB)
        assert await ids_in_get_all(ms1) == {"L-kept", "L-gone", "L-pushed"}
        await set_mode(world, "locations", "schedule")
        await until(lambda ids: ids == {"L-kept", "L-pushed"}, ms1)
        offer(p1, "locations", gone)
        await until(lambda ids: "L-gone" in ids, ms1)


async def until(wanted: Callable[[set[str]], bool], platform: DemoPlatform) -> None:
    """Wait until GET All shows what is wanted."""
    for _ in range(LOOKS_MAX):
        ids = await ids_in_get_all(platform)
        if wanted(ids):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(ids)


async def test_never_means_never(world: World, example: Example) -> None:
    p1, _ = await joined(world)
    await p1.wait_until_seen(asks_for("tariffs"))
    await set_mode(world, "locations", "never")
    pulls = (await world.admin.get(f"/admin/partners/{await partner_id(world)}/pulls")).json()
    assert {one["module"]: one["mode"] for one in pulls}["locations"] == "never"
    assert all(one["synced_at"] for one in pulls if one["module"] in {"locations", "tariffs"})


async def pulled(world: World, module_id: str) -> dict[str, Any]:
    pulls = (await world.admin.get(f"/admin/partners/{await partner_id(world)}/pulls")).json()
    return next(one for one in pulls if one["module"] == module_id)


async def said(world: World, wanted: str) -> dict[str, Any]:
    """Wait until the last pull of locations says this."""
    for _ in range(LOOKS_MAX):
        found = await pulled(world, "locations")
        if found["said"] == wanted and found["tried_at"]:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(found)


def page_of(contents: list[dict[str, Any]]) -> bytes:
    return json.dumps({"data": contents, "status_code": 1000, "timestamp": "2026-01-15T07:00:00Z"}).encode()


@pytest.mark.proves("X-29")
@pytest.mark.parametrize(
    ("headers", "why"),
    [
        pytest.param({"X-Total-Count": "3"}, "the list ended before its X-Total-Count", id="more objects than pages"),
        pytest.param(
            {"X-Total-Count": "", "X-Limit": "", "Link": '<http://elsewhere.example/next>; rel="next"'},
            "the Link to the next page leads to another server",
            id="a next page that cannot be had",
        ),
    ],
)
async def test_a_crawl_that_did_not_see_the_whole_list_makes_nothing_stale(
    database_url: str, tmp_path: Path, example: Example, headers: dict[str, str], why: str
) -> None:
    async with running_hub(database_url, tmp_path, pull_schedule_seconds=1.0) as world:
        p1 = await world.platform("P1", ("CPO", "DE/CP1"))
        ms1 = await world.join("P3", ("EMSP", "NL/MS1"))
        contents = [of_cp1(example, id=f"L{number}") for number in range(3)]
        for content in contents:
            offer(p1, "locations", content)
        await p1.join(await world.invite(p1.roles), world.versions_url)
        await until(lambda ids: len(ids) == 3, ms1)
        crawled_at = (await said(world, ""))["crawled_at"]
        p1.faults.append(Fault(module_id="locations", body=page_of(contents[:1]), headers=headers))
        await set_mode(world, "locations", "schedule")
        assert (await said(world, why))["crawled_at"] == crawled_at
        assert await ids_in_get_all(ms1) == {"L0", "L1", "L2"}


@pytest.mark.proves("T-23")
async def test_a_pull_that_failed_need_not_wait_when_somebody_asks_for_it(world: World, example: Example) -> None:
    p1 = await world.platform("P1", ("CPO", "DE/CP1"))
    ms1 = await world.join("P3", ("EMSP", "NL/MS1"))
    offer(p1, "locations", of_cp1(example, id="L1"))
    p1.faults.append(web_page())
    p1.faults[0] = replace(p1.faults[0], module_id="locations")
    await p1.join(await world.invite(p1.roles), world.versions_url)
    await said(world, "HTTP 502: no OCPI answer")
    p1.faults.clear()
    answer = await world.admin.post(f"/admin/partners/{await partner_id(world)}/pulls/locations")
    assert answer.status_code == 202
    await until(lambda ids: ids == {"L1"}, ms1)


async def test_what_a_party_had_before_it_was_accepted_is_read_once_it_is(
    database_url: str, tmp_path: Path, example: Example
) -> None:
    async with running_hub(database_url, tmp_path, new_parties="hold") as world:
        p1, ms1 = await joined(world)
        offer(p1, "locations", example("location", country_code="DE", party_id="CP9", id="L9"))
        p1.roles.append(role("CPO", "DE/CP9"))
        await p1.renew()
        await p1.wait_until_seen(asks_for("tariffs"))
        assert await ids_in_get_all(ms1) == set()
        answer = await world.admin.post("/admin/parties/DE/CP9/CPO/accept")
        assert answer.status_code == 200, answer.text
        await until(lambda ids: ids == {"L9"}, ms1)


@pytest.mark.proves("G-03", "X-12")
async def test_what_was_pushed_to_one_party_is_not_made_public_by_a_pull(
    database_url: str, tmp_path: Path, example: Example
) -> None:
    """Though its owner lists it to whoever asks."""
    async with running_hub(database_url, tmp_path) as world:
        ms1, ms2 = await world.join("P3", ("EMSP", "NL/MS1")), await world.join("P4", ("EMSP", "BE/MS2"))
        p1 = await world.join("P1", ("CPO", "DE/CP1"))
        private = of_cp1(example, id="L-private")
        assert (await p1.push("locations", CP1, ("L-private",), private, receiver=Party("NL", "MS1"))).is_success
        for content in (private, of_cp1(example, id="L-public")):
            offer(p1, "locations", content)
        await world.admin.post(f"/admin/partners/{await partner_id(world)}/pulls/locations")
        await until(lambda ids: "L-public" in ids, ms2)
        assert await ids_in_get_all(ms2) == {"L-public"}
        assert await ids_in_get_all(ms1) == {"L-public", "L-private"}
