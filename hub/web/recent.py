"""What passed in the last minutes, for the front page: counts by minute, bounded in time and never with contents."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hub.web.metrics import status_class
from hub.web.ocpi import Seen

KEPT_MINUTES = 15
WELL = "1xxx"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a module and method, how many went well and how many did not."""

    module_id: str
    method: str
    well: int
    not_well: int


@dataclass(frozen=True, slots=True, order=True)
class Answers:
    """How many answers of one class (``2xxx``) a module gave in the minute that began at `start` (UTC)."""

    start: datetime
    module_id: str
    status_class: str
    count: int


@dataclass(slots=True)
class _Minute:
    start: datetime
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)


class Recent:
    """Counts of the last KEPT_MINUTES minutes."""

    def __init__(self) -> None:
        self._minutes: deque[_Minute] = deque(maxlen=KEPT_MINUTES)

    def add(self, seen: Seen, now: datetime) -> None:
        """Count one answer in its minute."""
        start = now.replace(second=0, microsecond=0)
        if not self._minutes or self._minutes[-1].start != start:
            self._minutes.append(_Minute(start))
        self._minutes[-1].counts[seen.module_id or "other", seen.method, status_class(seen.status_code)] += 1

    def rows(self, now: datetime) -> list[Row]:
        """The table of what passed, the busiest first."""
        well: Counter[tuple[str, str]] = Counter()
        not_well: Counter[tuple[str, str]] = Counter()
        for minute in self._kept(now):
            for (module_id, method, kind), count in minute.counts.items():
                (well if kind == WELL else not_well)[module_id, method] += count
        rows = [Row(*kind, well[kind], not_well[kind]) for kind in well.keys() | not_well.keys()]
        return sorted(rows, key=lambda row: (-row.well - row.not_well, row.module_id, row.method))

    def answers(self, now: datetime) -> list[Answers]:
        """The same by minute, module and class of the answer, the oldest first."""
        found: list[Answers] = []
        for minute in self._kept(now):
            total: Counter[tuple[str, str]] = Counter()
            for (module_id, _, kind), count in minute.counts.items():
                total[module_id, kind] += count
            found += (Answers(minute.start, *key, count) for key, count in sorted(total.items()))
        return found

    def _kept(self, now: datetime) -> list[_Minute]:
        return [minute for minute in self._minutes if minute.start > now - timedelta(minutes=KEPT_MINUTES)]
