"""Drivers are taken out of what is settled for long, where the operator sets after how many months.

Authorisations and commands go after KEPT_MAX_MONTHS in any case: what they are evidence for is settled by then.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

import structlog

from hub.clock import Clock
from hub.store.forgetting import Forgetting
from hub.store.permits import KEPT_MAX_MONTHS

DAY_MAX_BATCHES = 1_000
"""Of charges at local chargers; what is left is for the next day."""

_log = structlog.get_logger()


class Retention:
    """Looks once a day whether a month is old enough; 0 months keep the drivers of everything that is billed."""

    def __init__(self, forgetting: Forgetting, clock: Clock, months: int) -> None:
        self._forgetting, self._clock, self._months = forgetting, clock, months
        self._done: date | None = None

    async def run_due(self) -> int:
        """Take drivers out of one batch of CDRs; returns how many there were, 0 when there are none left today."""
        now = self._clock.now()
        if self._done == now.date():
            return 0
        forgotten = await self._forget_old(now) if self._months else 0
        if not forgotten:
            before = months_before(now, min(self._months or KEPT_MAX_MONTHS, KEPT_MAX_MONTHS))
            dropped = await self._forgetting.drop_permits(before)
            self._done = now.date()
            _log.info("permits_dropped", before=before.isoformat(), dropped=dropped)
        return forgotten

    async def _forget_old(self, now: datetime) -> int:
        before = months_before(now, self._months)
        forgotten = await self._forgetting.forget_old(before)
        if not forgotten:
            charges = await self._forget_old_charges(before)
            dropped = await self._forgetting.drop_old(before)
            _log.info("retention_done", before=before.isoformat(), dropped=dropped, charges=charges)
        return forgotten

    async def _forget_old_charges(self, before: datetime) -> int:
        charges = 0
        for _ in range(DAY_MAX_BATCHES):
            if not (count := await self._forgetting.forget_old_charges(before)):
                break
            charges += count
        return charges


def months_before(moment: datetime, months: int) -> datetime:
    """The beginning of the month that lies so many whole months before that of a moment, in UTC."""
    number = moment.astimezone(UTC).year * 12 + moment.astimezone(UTC).month - 1 - months
    return datetime(max(number // 12, 1), number % 12 + 1, 1, tzinfo=UTC)
