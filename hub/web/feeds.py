"""The settlement desk's interface to control totals: what each party sent on a day, and what became of it."""

from __future__ import annotations

from datetime import date

from fastapi import APIRouter
from pydantic import BaseModel

from hub.store.feeds import FeedDay, Feeds
from hub.web.listing import (
    PAGE_ROWS,
    After,
    Limit,
    Page,
    PartyText,
    page_of,
    read_cursor,
    read_parts,
    settlement_routes,
)


class FeedShown(BaseModel):
    """CDRs of a party on a day (UTC). `received` is the sum of the others; `waiting` is 0 once all were looked at."""

    feed: str
    day: date
    received: int
    settled: int
    held: int
    dropped: int
    deferred: int
    waiting: int
    returned: int
    duplicates: int


def feeds_router(feeds: Feeds, admin_token: str | None) -> APIRouter:
    """The route of `/settlement/feeds`, open to the admin token only."""
    router = settlement_routes(admin_token)

    @router.get("/feeds")
    async def list_feeds(
        feed: PartyText | None = None, after: After = None, limit: Limit = PAGE_ROWS
    ) -> Page[FeedShown]:
        """What came in by party and day, the last day first: settled, held, dropped, deferred, returned at the door, or sent again."""
        place = read_parts(read_cursor(after, 2), lambda parts: (date.fromisoformat(parts[0]), parts[1]))
        found = await feeds.page(feed, place, limit + 1)
        return page_of(found, limit, _shown, lambda one: (one.day.isoformat(), one.feed))

    return router


def _shown(day: FeedDay) -> FeedShown:
    return FeedShown.model_validate(day, from_attributes=True)
