"""Finds CDRs whose session, or the result of whose command, came after they were looked at, and has them looked at again.

A walk through all that is not billed, the newest first, a stretch in each round. It compares when things became known, so that it can
begin anywhere: whoever leads next begins again, and what was missed while nobody led is found too.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from hub.clock import Clock
from hub.store.latecomers import LateBook, Place

CDRS_AT_ONCE_MAX = 2_500  # a sixth of a second of the database, once in a round
LOOKED_BACK_MAX_DAYS = 92
"""What came before is looked at again for other reasons only."""


class LateLook:
    """Walks at most every `every_seconds` through the CDRs of LOOKED_BACK_MAX_DAYS."""

    def __init__(self, book: LateBook, clock: Clock, every_seconds: float, most: int = CDRS_AT_ONCE_MAX) -> None:
        self._book, self._clock, self._most = book, clock, most
        self._every = timedelta(seconds=every_seconds)
        self._next: datetime | None = None
        self._place: Place | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether a walk has begun that is not at its end."""
        return self._place is not None

    async def run_due(self) -> int:
        """Walk a stretch; returns how many CDRs are to be looked at again."""
        now = self._clock.now()
        if self._place is None and self._next is not None and now < self._next:
            return 0
        start = self._place or Place(now + timedelta(days=1))
        walked = await self._book.walk(start, now - timedelta(days=LOOKED_BACK_MAX_DAYS), self._most)
        self._place, self._next = walked.to, now + self._every
        return walked.again
