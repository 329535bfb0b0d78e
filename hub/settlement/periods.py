"""Settlement periods: calendar months in UTC, from open to sealed, and in which of them a CDR counts.

The states follow each other and never go back: open, cut off, advised, netted, closed, sealed. What arrives when its month is closed counts
in the oldest month that is open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

CLOSES_AFTER = timedelta(days=4, hours=18)
"""How long after its end a month takes CDRs in, unless it is set otherwise: the fifth day, 18:00 UTC."""

MONTHS_KEPT_MAX = 1024


class State(StrEnum):
    """How far a period is."""

    OPEN = "open"
    CUT_OFF = "cut_off"
    ADVISED = "advised"
    NETTED = "netted"
    CLOSED = "closed"
    SEALED = "sealed"


ORDER = tuple(State)


class NotNow(ValueError):
    """A step that a period cannot take in its state; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Period:
    """A period: `id` like ``2026-10``, [start, end) and when it closes, in UTC."""

    id: str
    start: datetime
    end: datetime
    closes_at: datetime
    state: State = State.OPEN

    @property
    def takes_cdrs(self) -> bool:
        """Whether CDRs may still come to count in it."""
        return self.state is State.OPEN

    def stepped(self, state: State) -> Period:
        """The period one state further. Raises NotNow for any other step."""
        if ORDER.index(state) != ORDER.index(self.state) + 1:
            raise NotNow(f"period {self.id} is {self.state}: it cannot become {state} now")
        return Period(self.id, self.start, self.end, self.closes_at, state)


def month_of(moment: datetime) -> Period:
    """The month of a moment, open."""
    utc = moment.astimezone(UTC)
    return _month(utc.year, utc.month)


@lru_cache(maxsize=MONTHS_KEPT_MAX)
def _month(year: int, month: int) -> Period:
    start = datetime(year, month, 1, tzinfo=UTC)
    end = (start + timedelta(days=32)).replace(day=1)
    return Period(f"{start:%Y-%m}", start, end, end + CLOSES_AFTER)


def counts_in(
    ended: datetime | None,
    received_at: datetime,
    known: Iterable[Period],
    *,
    is_credit: bool = False,
    cutoff: timedelta | None = None,
) -> Period:
    """The period in which a CDR counts: the month in which it ended, for a credit that in which it came (UTC).

    Where that takes no CDRs any more, or was closed when the CDR came, it is the first later one that does. `cutoff` is how long after
    its end a period takes CDRs of the two parties, where that is less.
    """
    by_id = {period.id: period for period in known}
    month = month_of(received_at if is_credit or ended is None else ended)
    while True:
        period = by_id.get(month.id, month)
        closes_at = period.closes_at if cutoff is None or is_credit else min(period.closes_at, period.end + cutoff)
        if period.takes_cdrs and (received_at < closes_at or received_at < period.end):
            return period
        month = month_of(period.end)
