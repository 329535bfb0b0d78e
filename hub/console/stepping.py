"""Steps of periods that take longer than somebody waits for a page: they go on by themselves, and the page of the period follows them.

One that fails then is kept, for the page in whichever process and for the alert, until a step of the period goes through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from hub.clock import Clock
from hub.store.stepfailures import NewStepFailure, StepFailures
from ocpi_modules.errors import OcpiError

WAIT_SECONDS = 3.0
TOLD_MAX = 100
NOTE_TRIES_MAX = 20
NOTE_AGAIN_SECONDS = 15.0
NOTE_AT_END_SECONDS = 3.0

STOPPED = "the hub was stopped before it was done"

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

    def __init__(self, clock: Clock, failures: StepFailures) -> None:
        self._clock, self._failures = clock, failures
        self._told: dict[str, Underway] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._alone: set[str] = set()
        self._notes: set[asyncio.Task[None]] = set()

    async def of(self, period: str) -> Underway | None:
        """What is being done to a period, or why the last step came to nothing, in whichever process that was."""
        return self._told.get(period) or _failed(await self._failures.of(period))

    async def take(self, period: str, label: str, actor: str, work: Coroutine[Any, Any, None]) -> bool:
        """Take a step; whether it is done, else it goes on. Raises what it raises while somebody waits for it."""
        self._told[period] = step = Underway(label, actor, self._clock.now())
        task = self._tasks[period] = asyncio.create_task(self._carry_out(period, step, work))
        task.add_done_callback(lambda _: self._tasks.pop(period, None))
        try:
            await asyncio.wait({task}, timeout=WAIT_SECONDS)
        finally:
            if not task.done():
                self._alone.add(period)
        if not task.done():
            return False
        self._told.pop(period, None)
        task.result()
        return True

    def is_taking(self, period: str) -> bool:
        """Whether a step of a period is under way here."""
        return period in self._tasks

    async def close(self) -> None:
        """Give up what is under way: a step is kept whole or not at all."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._notes:
            await asyncio.wait(self._notes, timeout=NOTE_AT_END_SECONDS)
        for note in self._notes:
            note.cancel()

    async def _carry_out(self, period: str, step: Underway, work: Coroutine[Any, Any, None]) -> None:
        """Whoever waits is told by what it raises; what nobody waits for is kept."""
        try:
            await work
        except (Exception, asyncio.CancelledError) as error:
            if period not in self._alone:
                raise
            self._came_to_nothing(period, step, error)
        else:
            self._told.pop(period, None)
            await self._went_through(period)
        finally:
            self._alone.discard(period)

    async def _went_through(self, period: str) -> None:
        try:
            await self._failures.over(period)
        except Exception as exc:  # the step is done all the same; where it is written down, nothing failed since
            _log.warning("step_failure_not_cleared", period=period, error=type(exc).__name__)

    def _came_to_nothing(self, period: str, step: Underway, error: BaseException) -> None:
        if not isinstance(error, OcpiError):
            _log.error("step_failed", period=period, step=step.label, error=type(error).__name__)
        while len(self._told) >= TOLD_MAX:
            del self._told[next(iter(self._told))]
        self._told[period] = told = replace(step, said=why(error))
        note = asyncio.create_task(self._note(period, told))
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)

    async def _note(self, period: str, told: Underway) -> None:
        """Keep it, as soon as the database is there: that it was away may be why the step failed."""
        failure = NewStepFailure(
            period=period, step=told.label, actor=told.actor, said=told.said, failed_at=self._clock.now()
        )
        for _ in range(NOTE_TRIES_MAX):
            try:
                await self._failures.note(failure)
            except Exception as exc:
                _log.warning("step_failure_not_noted", period=period, error=type(exc).__name__)
                await asyncio.sleep(NOTE_AGAIN_SECONDS)
            else:
                if self._told.get(period) == told:
                    del self._told[period]
                return


def why(error: BaseException) -> str:
    """Why a step came to nothing, in words for whoever took it."""
    if isinstance(error, asyncio.CancelledError):
        return STOPPED
    return str(error) if isinstance(error, OcpiError) else "the hub failed; what was there before is still there"


def _failed(kept: NewStepFailure | None) -> Underway | None:
    return None if kept is None else Underway(kept.step, kept.actor, kept.failed_at, kept.said)
