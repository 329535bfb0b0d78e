"""The rounds of settlement while the hub runs: what is due is settled every few seconds, by the process that leads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from hub.settlement.engine.crew import Crew
from hub.settlement.engine.rounds import Rounds

BETWEEN_BATCHES_SECONDS = 0.05  # other work of the process comes first
AFTER_FAILURE_SECONDS = 5.0

_log = structlog.get_logger()


Work = Callable[[], Awaitable[int]]
"""Something else that is due from time to time; returns how much of it was done."""


class Clearing(Rounds):
    """Settles what is due, every `every_seconds` and at once while there is more; `others` are done in the same rounds."""

    def __init__(self, crew: Crew, every_seconds: float, *others: Work) -> None:
        self._crew, self._every_seconds, self._others = crew, every_seconds, others

    async def _run(self) -> None:
        try:
            while True:
                wait_seconds = await self._round()
                await asyncio.sleep(wait_seconds)  # nothing tells of CDRs that other processes took in
        finally:
            self._crew.close()

    async def _round(self) -> float:
        """Do what is due, one batch of each; returns how long to wait before the next, in seconds."""
        try:
            done = await self._crew.settle_due() + sum([await work() for work in self._others])
        except Exception as exc:  # the database is away, or one batch is odd: the next round tries again
            _log.exception("not_settled", error=type(exc).__name__)
            return max(self._every_seconds, AFTER_FAILURE_SECONDS)
        return BETWEEN_BATCHES_SECONDS if done else self._every_seconds
