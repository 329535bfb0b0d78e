"""What changed on the map, found out once for all who look at it in this process."""

from __future__ import annotations

import asyncio
from collections import deque

from hub.console.live import Fresh
from hub.store.places import NEWS_MAX, NewsReader, Place, Places

ASKED_EVERY_SECONDS = 0.5
IDLE_MAX_SECONDS = 30.0


class PlaceNews:
    """The changes of late, numbered; whoever comes back too late is told that some are missing."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._reader = NewsReader(places)
        self._asked_at = 0.0
        self._number = 0
        self._kept: deque[tuple[int, Place]] = deque(maxlen=NEWS_MAX)
        self._look = Fresh(self._read, ASKED_EVERY_SECONDS)

    async def since(self, number: int | None) -> tuple[int, list[Place] | None]:
        """The number of the last change, and those after a number: each place once, as it was last; None where some are missing."""
        last = await self._look()
        if number is None or number < self._oldest - 1:
            return last, None
        return last, [*{(one.owner, one.key): one for place, one in self._kept if place > number}.values()]

    @property
    def _oldest(self) -> int:
        """The number of the oldest change that is kept, or of the next one."""
        return self._kept[0][0] if self._kept else self._number + 1

    async def _read(self) -> int:
        now = asyncio.get_running_loop().time()
        if now - self._asked_at > IDLE_MAX_SECONDS:  # nobody looked: what changed meanwhile is not news
            self._begin_again()
        self._asked_at = now
        found = await self._reader.read()
        if len(found) >= NEWS_MAX:
            self._begin_again()
        for one in found:
            self._number += 1
            self._kept.append((self._number, one))
        return self._number

    def _begin_again(self) -> None:
        self._reader = NewsReader(self._places)
        self._kept.clear()
        self._number += 1
