"""The rounds of settlement while the hub runs: what is due is settled every few seconds, by the process that leads."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from hub.settlement.engine.settler import Settler

BETWEEN_BATCHES_SECONDS = 0.05  # other work of the process comes first
AFTER_FAILURE_SECONDS = 5.0

_log = structlog.get_logger()


class Clearing:
    """Settles what is due, every `every_seconds` and at once while there is more."""

    def __init__(self, settler: Settler, every_seconds: float) -> None:
        self._settler, self._every_seconds = settler, every_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; this process leads."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop after the batch that is under way, which is kept or not at all."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            wait_seconds = await self._round()
            await asyncio.sleep(wait_seconds)  # nothing tells of CDRs that other processes took in

    async def _round(self) -> float:
        """Settle one batch; returns how long to wait before the next, in seconds."""
        try:
            settled = await self._settler.settle_due()
        except Exception as exc:  # the database is away, or one batch is odd: the next round tries again
            _log.exception("not_settled", error=type(exc).__name__)
            return max(self._every_seconds, AFTER_FAILURE_SECONDS)
        return BETWEEN_BATCHES_SECONDS if settled else self._every_seconds
