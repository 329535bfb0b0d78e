"""What passed in the last minutes, for the front page: counts by minute, bounded in time and never with contents."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hub.web.ocpi import Seen

KEPT_MINUTES = 15


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a module and method, how many went well and how many did not."""

    module_id: str
    method: str
    well: int
    not_well: int


@dataclass(slots=True)
class _Minute:
    start: datetime
    counts: Counter[tuple[str, str, bool]] = field(default_factory=Counter)


class Recent:
    """Counts of the last KEPT_MINUTES minutes."""

    def __init__(self) -> None:
        self._minutes: deque[_Minute] = deque(maxlen=KEPT_MINUTES)

    def add(self, seen: Seen, now: datetime) -> None:
        """Count one answer in its minute."""
        start = now.replace(second=0, microsecond=0)
        if not self._minutes or self._minutes[-1].start != start:
            self._minutes.append(_Minute(start))
        self._minutes[-1].counts[seen.module_id or "other", seen.method, 1000 <= seen.status_code < 2000] += 1

    def rows(self, now: datetime) -> list[Row]:
        """The table of what passed, the busiest first."""
        total: Counter[tuple[str, str, bool]] = Counter()
        for minute in self._minutes:
            if minute.start > now - timedelta(minutes=KEPT_MINUTES):
                total.update(minute.counts)
        kinds = {(module_id, method) for module_id, method, _ in total}
        rows = [Row(*kind, total[*kind, True], total[*kind, False]) for kind in kinds]
        return sorted(rows, key=lambda row: (-row.well - row.not_well, row.module_id, row.method))
