"""What is done about commands from time to time by the process that leads: promises kept, places given back, old rows forgotten."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import structlog

from hub.chargers.promises import Promises
from hub.chargers.reservations import Reservations
from hub.clock import Clock
from hub.store.chargecommands import ChargeCommands

LOOK_SECONDS = 2.0
TIDY_SECONDS = 3_600.0
KEPT_DAYS = 30
"""So long after a command or reservation is over its row, which names a driver, is of use."""

_log = structlog.get_logger()


class CommandKeeper:
    """Works in the background from `start` to `close`."""

    def __init__(self, kept: ChargeCommands, promises: Promises, reservations: Reservations, clock: Clock) -> None:
        self._kept, self._promises, self._reservations, self._clock = kept, promises, reservations, clock
        self._tidied_at: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End; what was not done is for whoever leads next."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def look(self) -> None:
        """Do what is due."""
        await self._promises.tell_overdue()
        await self._reservations.expire()
        now = self._clock.now()
        if self._tidied_at is None or now - self._tidied_at > timedelta(seconds=TIDY_SECONDS):
            await self._kept.tidy(now - timedelta(days=KEPT_DAYS))
            self._tidied_at = now

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Exception as exc:  # the database is away: the next look tries again
                _log.warning("commands_not_looked_at", error=type(exc).__name__)
