"""Drivers are taken out of what is settled for long, where the operator sets after how many months."""

from __future__ import annotations

from datetime import UTC, date, datetime

import structlog

from hub.clock import Clock
from hub.store.forgetting import Forgetting

_log = structlog.get_logger()


class Retention:
    """Looks once a day whether a month is old enough; 0 months keep everything."""

    def __init__(self, forgetting: Forgetting, clock: Clock, months: int) -> None:
        self._forgetting, self._clock, self._months = forgetting, clock, months
        self._done: date | None = None

    async def run_due(self) -> int:
        """Take drivers out of one batch of CDRs; returns how many there were, 0 when there are none left today."""
        now = self._clock.now()
        if not self._months or self._done == now.date():
            return 0
        before = months_before(now, self._months)
        forgotten = await self._forgetting.forget_old(before)
        if not forgotten:
            dropped = await self._forgetting.drop_old(before)
            self._done = now.date()
            _log.info("retention_done", before=before.isoformat(), dropped=dropped)
        return forgotten


def months_before(moment: datetime, months: int) -> datetime:
    """The beginning of the month that lies so many whole months before that of a moment, in UTC."""
    number = moment.astimezone(UTC).year * 12 + moment.astimezone(UTC).month - 1 - months
    return datetime(max(number // 12, 1), number % 12 + 1, 1, tzinfo=UTC)
