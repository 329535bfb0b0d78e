"""Steps of periods that take longer than somebody waits for a page: they go on by themselves, and the page of the period follows them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from hub.clock import Clock
from ocpi_modules.errors import OcpiError

WAIT_SECONDS = 3.0
TOLD_MAX = 100

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Underway:
    """A step that somebody takes, since when (UTC); `said` is why it came to nothing, empty while it goes on."""

    label: str
    actor: str
    since: datetime
    said: str = ""


class Steps:
    """The steps that this process is taking, one of each period at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[str, Underway] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def of(self, period: str) -> Underway | None:
        """What is being done to a period, or why the last step came to nothing."""
        return self._told.get(period)

    async def take(self, period: str, label: str, actor: str, work: Coroutine[Any, Any, None]) -> bool:
        """Take a step; whether it is done, else it goes on. Raises what it raises while somebody waits for it."""
        task = asyncio.create_task(work)
        self._told[period] = Underway(label, actor, self._clock.now())
        self._tasks[period] = task
        task.add_done_callback(lambda done: self._ended(period, done))
        await asyncio.wait({task}, timeout=WAIT_SECONDS)
        if task.done():
            self._told.pop(period, None)
            task.result()
        return task.done()

    def is_taking(self, period: str) -> bool:
        """Whether a step of a period is under way here."""
        return period in self._tasks

    async def close(self) -> None:
        """Give up what is under way: a step is kept whole or not at all."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _ended(self, period: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(period, None)
        told = self._told.pop(period, None)
        error = None if task.cancelled() else task.exception()
        if told is None or error is None:
            return
        if not isinstance(error, OcpiError):
            _log.error("step_failed", period=period, step=told.label, error=type(error).__name__)
        said = str(error) if isinstance(error, OcpiError) else "the hub failed; what was there before is still there"
        while len(self._told) >= TOLD_MAX:
            del self._told[next(iter(self._told))]
        self._told[period] = Underway(told.label, told.actor, told.since, said)
