"""What is pulled from whom, and how far it came (T-23, X-29)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.store.database import Database
from hub.store.partners import JOINED
from hub.store.pulls import UNFINISHED, Pulled, PullMode, Pulls, PullState
from hub.store.tables import PartnerRow

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def pulls(database: Database) -> Pulls:
    return Pulls(database)


@pytest.fixture
async def partner_id(database: Database) -> int:
    async with database.transaction() as session:
        row = PartnerRow(name="P1", versions_url="https://p.example/versions", state=JOINED, joined_at=NOW)
        session.add(row)
        await session.flush()
        assert row.id is not None
        return row.id


def pulled(began_at: datetime, *, is_complete: bool = True, is_crawl: bool = False, said: str = "") -> Pulled:
    return Pulled(began_at=began_at, is_complete=is_complete, is_crawl=is_crawl, objects=7, refused=2, said=said)


async def test_what_nobody_spoke_of_is_pulled_after_a_gap(pulls: Pulls, partner_id: int) -> None:
    assert await pulls.state(partner_id, "locations") == PullState(PullMode.AFTER_GAP)
    assert list(await pulls.load(partner_id)) == []


async def test_the_mode_is_remembered_and_what_was_pulled_stays(pulls: Pulls, partner_id: int) -> None:
    await pulls.done(partner_id, "locations", pulled(NOW, is_crawl=True))
    for mode in (PullMode.NEVER, PullMode.SCHEDULE, PullMode.AFTER_GAP):
        await pulls.set_mode(partner_id, "locations", mode)
        assert await pulls.state(partner_id, "locations") == PullState(mode, NOW, NOW)
    assert await pulls.state(partner_id, "tariffs") == PullState()


async def test_a_complete_pull_moves_the_date_from_which_the_next_one_asks(pulls: Pulls, partner_id: int) -> None:
    await pulls.done(partner_id, "locations", pulled(NOW))
    assert await pulls.state(partner_id, "locations") == PullState(PullMode.AFTER_GAP, NOW, None)
    await pulls.done(partner_id, "locations", pulled(NOW + HOUR, is_crawl=True))
    assert await pulls.state(partner_id, "locations") == PullState(PullMode.AFTER_GAP, NOW + HOUR, NOW + HOUR)
    await pulls.done(partner_id, "locations", pulled(NOW + 2 * HOUR))
    assert await pulls.state(partner_id, "locations") == PullState(PullMode.AFTER_GAP, NOW + 2 * HOUR, NOW + HOUR)


async def test_a_pull_that_failed_moves_no_date_and_says_why(pulls: Pulls, partner_id: int) -> None:
    await pulls.done(partner_id, "locations", pulled(NOW, is_crawl=True))
    failed = pulled(NOW + HOUR, is_complete=False, is_crawl=True, said="HTTP 500")
    await pulls.done(partner_id, "locations", failed)
    assert await pulls.state(partner_id, "locations") == PullState(PullMode.AFTER_GAP, NOW, NOW, is_behind=True)
    (row,) = await pulls.load(partner_id)
    assert (row.tried_at, row.said, row.objects, row.refused) == (NOW + HOUR, "HTTP 500", 7, 2)
    await pulls.done(partner_id, "locations", pulled(NOW + 2 * HOUR))
    assert not (await pulls.state(partner_id, "locations")).is_behind
    (row,) = await pulls.load(partner_id)
    assert row.said == ""


async def test_a_pull_that_was_begun_and_never_ended_counts_as_failed(pulls: Pulls, partner_id: int) -> None:
    """A hub that was killed meanwhile must not take later pushes for a sync."""
    await pulls.done(partner_id, "locations", pulled(NOW))
    await pulls.begun(partner_id, "locations", NOW + HOUR)
    assert await pulls.state(partner_id, "locations") == PullState(PullMode.AFTER_GAP, NOW, None, is_behind=True)
    (row,) = await pulls.load(partner_id)
    assert (row.tried_at, row.said) == (NOW + HOUR, UNFINISHED)


async def test_a_first_pull_may_begin_before_anything_is_known(pulls: Pulls, partner_id: int) -> None:
    await pulls.begun(partner_id, "tariffs", NOW)
    assert await pulls.state(partner_id, "tariffs") == PullState(PullMode.AFTER_GAP, is_behind=True)


async def test_what_is_scheduled_is_listed_over_all_partners(pulls: Pulls, partner_id: int) -> None:
    await pulls.set_mode(partner_id, "locations", PullMode.SCHEDULE)
    await pulls.set_mode(partner_id, "tariffs", PullMode.NEVER)
    await pulls.done(partner_id, "tokens", pulled(NOW))
    assert [(row.partner_id, row.module) for row in await pulls.scheduled()] == [(partner_id, "locations")]
    assert [row.module for row in await pulls.load(partner_id)] == ["locations", "tariffs", "tokens"]
