"""Sites and statuses in the database: stamps grow, versions tell what is due, and nobody overwrites what another wrote."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from hub.store.chargesites import ChargeSites, Kept, Seen, Written
from hub.store.database import Database
from tests.chargers.sitehouse import NOON


@pytest.fixture
def sites(database: Database) -> ChargeSites:
    return ChargeSites(database.direct)


def wanted(content: str = "{}", **changes: frozenset[str]) -> Written:
    return Written(sites={"S": content}, evses={"S": frozenset({"1", "2"})}, **changes)


async def write(sites: ChargeSites, written: Written, minutes: float = 0) -> None:
    await sites.change(lambda kept: written, NOON + timedelta(minutes=minutes))


async def say(sites: ChargeSites, uid: str, status: str, minutes: float = 0) -> bool:
    return await sites.settle("S", frozenset(), lambda seen: {uid: status}, NOON + timedelta(minutes=minutes))


async def test_each_change_of_a_site_is_later_than_the_one_before_even_where_the_clock_goes_back(
    sites: ChargeSites,
) -> None:
    stamps = []
    await write(sites, wanted())
    for step in range(4):
        assert await say(sites, "1", f"A{step}", minutes=-step)
        stamps.append(max(evse.changed_at for evse in await sites.evses("S")))
        await write(sites, wanted(f'{{"step": {step}}}'), minutes=-step)
        stamps.append((await sites.load()).sites["S"].updated_at)
    assert stamps == sorted(set(stamps))
    assert {stamp.microsecond % 1000 for stamp in stamps} == {0}


async def test_what_changed_while_it_was_told_is_due_again(sites: ChargeSites) -> None:
    await write(sites, wanted())
    (due,) = await sites.due_sites()
    await say(sites, "1", "AVAILABLE")
    await sites.told_site(due)
    (left,) = await sites.due_sites()
    assert (left.site.is_due, [evse.evse_uid for evse in left.evses.values() if evse.is_due]) == (False, ["1"])
    await write(sites, wanted('{"name": "x"}'))
    await sites.told_site(left)  # an older version does not hide a newer one
    assert (await sites.due_sites())[0].site.is_due


async def test_an_older_note_does_not_take_a_newer_one_back(sites: ChargeSites) -> None:
    await write(sites, wanted())
    await say(sites, "1", "AVAILABLE")
    old = next(evse for evse in await sites.evses("S") if evse.evse_uid == "1")
    await say(sites, "1", "CHARGING")
    new = next(evse for evse in await sites.evses("S") if evse.evse_uid == "1")
    await sites.told_evse(new)
    await sites.told_evse(old)
    assert next(evse for evse in await sites.evses("S") if evse.evse_uid == "1").told_version == new.version


async def test_a_site_that_came_back_while_its_end_was_told_stays(sites: ChargeSites) -> None:
    await write(sites, wanted())
    (due,) = await sites.due_sites()
    await sites.told_site(due)
    await write(sites, Written(gone_sites=frozenset({"S"})))
    (end,) = await sites.due_sites()
    await write(sites, wanted())
    await sites.told_site(end)
    assert not (await sites.load()).sites["S"].is_gone
    assert len(await sites.evses("S")) == 2


async def test_what_says_the_same_changes_nothing(sites: ChargeSites) -> None:
    await write(sites, wanted())
    mark = await sites.mark()
    await write(sites, wanted(), minutes=1)
    assert await sites.mark() == mark
    assert await say(sites, "1", "AVAILABLE")
    assert not await say(sites, "1", "AVAILABLE")
    assert not await say(sites, "9", "AVAILABLE")
    assert await sites.mark() == mark  # statuses are no part of the picture of sites
    await write(sites, wanted('{"a": 1}'))
    assert await sites.mark() != mark


async def test_statuses_of_a_site_are_worked_out_one_after_another(sites: ChargeSites) -> None:
    await write(sites, wanted())
    order: list[str] = []

    async def settle(name: str) -> None:
        def derive(seen: Seen) -> dict[str, str]:
            order.append(name)
            return {"1": name}

        await sites.settle("S", frozenset(), derive, NOON)

    await asyncio.gather(*(settle(f"S{number}") for number in range(5)))
    (first, *_) = await sites.evses("S")
    assert (first.status, first.version) == (order[-1], 6)


async def test_a_plan_that_raises_changes_nothing(sites: ChargeSites) -> None:
    def plan(kept: Kept) -> Written:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await sites.change(plan, NOON)
    await write(sites, wanted())
    assert [*(await sites.load()).sites] == ["S"]
