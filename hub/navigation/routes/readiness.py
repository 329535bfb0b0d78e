"""Nothing is answered from a memory that is not whole yet."""

from __future__ import annotations

from hub.navigation.follower import Follower
from hub.navigation.problems import ReadingFault

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
