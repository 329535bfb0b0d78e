"""Nothing is answered from a memory that is not whole yet."""

from __future__ import annotations

from datetime import datetime

from hub.navigation.follower import Follower
from hub.navigation.ports import PricePort
from hub.navigation.problems import ReadingFault
from hub.navigation.routes.answers import settled

LOADING_RETRY_SECONDS = 2


def when_ready(follower: Follower) -> None:
    """Raises ReadingFault (503) while the Locations are still read into memory."""
    if not follower.is_ready:
        raise ReadingFault(
            503,
            "LOADING",
            "the hub has just begun and reads its map",
            headers={"Retry-After": str(LOADING_RETRY_SECONDS)},
        )


def published_at(follower: Follower, prices: PricePort, now: datetime) -> datetime | None:
    """When anything that is published changed last (UTC), where that can be told in seconds.

    Not when something in the answer changed: what went from it is not there to say so.
    """
    moments = [moment for moment in (follower.changed_at, prices.changed_at) if moment is not None]
    return settled(max(moments, default=None), now)
