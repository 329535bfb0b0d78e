"""Periods are cut off by the hub itself when their time has come. That one could not be is kept, for its page and for an alert."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from hub.clock import Clock
from hub.settlement.engine.closing import BY_ITSELF, Closing
from hub.settlement.periods import NotNow
from hub.store.closing import StepUnderWay
from hub.store.stepfailures import NewStepFailure, StepFailures

AGAIN = timedelta(minutes=1)
STEP, ACTOR = "Cut off", "the hub itself"

_log = structlog.get_logger()


class CuttingOff:
    """Cuts off what is due; one that failed is tried again after AGAIN, and keeps nobody else waiting."""

    def __init__(self, closing: Closing, failures: StepFailures, clock: Clock) -> None:
        self._closing, self._failures, self._clock = closing, failures, clock
        self._again_at: dict[str, datetime] = {}

    async def run_due(self) -> int:
        """Cut off the periods whose time has come, once all that came in time is looked at; returns how many those were.

        Raises where neither that nor a note of it is possible: the database is away.
        """
        now = self._clock.now()
        due = [period.id for period in await self._closing.due()]
        return sum([await self._cut_off(one) for one in due if self._again_at.get(one, now) <= now])

    async def _cut_off(self, period: str) -> bool:
        try:
            await self._closing.cut_off(period, BY_ITSELF)
        except (NotNow, StepUnderWay):  # something came in meanwhile, or somebody is at it: the next round sees
            return False
        except Exception as exc:
            _log.exception("not_cut_off", period=period, error=type(exc).__name__)
            await self._note(period, exc)
            return False
        self._again_at.pop(period, None)
        return True

    async def _note(self, period: str, error: Exception) -> None:
        now = self._clock.now()
        self._again_at[period] = now + AGAIN
        said = f"the hub failed ({type(error).__name__}) and tries again every minute; what was there before is still there"
        await self._failures.note(NewStepFailure(period=period, step=STEP, actor=ACTOR, said=said, failed_at=now))
