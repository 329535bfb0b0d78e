"""What came in by feed and day, and what became of it: every CDR that a party sent is in exactly one of the counts (P02)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from hub.store.direct import Direct
from hub.store.where import where


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedDay:
    """CDRs of a party (`feed`) on a day (UTC): each is settled, held, dropped, deferred, waits, was returned at the door, or sent again."""

    feed: str
    day: date
    settled: int
    held: int
    dropped: int
    deferred: int
    waiting: int
    returned: int
    duplicates: int

    @property
    def received(self) -> int:
        """All that came."""
        accepted = self.settled + self.held + self.dropped + self.deferred + self.waiting
        return accepted + self.returned + self.duplicates


class Feeds:
    """Counts what came in."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def page(self, feed: str | None, after: tuple[date, str] | None, most: int) -> list[FeedDay]:
        """Days, the last one first, of one feed or of all; `after` is day and feed."""
        condition, values = where([("feed = ?", feed), ("(day, feed) < (?, ?)", after)])
        statement = f"select * from ({_DAYS}) d {condition} order by day desc, feed desc limit {int(most)}"
        return [FeedDay(**dict(row)) for row in await self._direct.fetch(statement, *values)]


_ACCEPTED = (
    "select c.creditor as feed, (c.accepted_at at time zone 'UTC')::date as day, "
    "count(*) filter (where v.disposition = 'SETTLE') as settled, count(*) filter (where v.disposition = 'HOLD') as held, "
    "count(*) filter (where v.disposition = 'DROP') as dropped, count(*) filter (where v.disposition = 'DEFER') as deferred, "
    "count(*) filter (where v.disposition is null) as waiting, 0 as returned, 0 as duplicates "
    "from claim c left join verdict v using (creditor, cdr_key) group by 1, 2"
)
_RETURNED = (
    "select creditor, (first_at at time zone 'UTC')::date, 0, 0, 0, 0, 0, count(*), 0 from refused_cdr group by 1, 2"
)
_AGAIN = "select feed, day, 0, 0, 0, 0, 0, 0, times from repeated_cdr"
_SUMS = ("settled", "held", "dropped", "deferred", "waiting", "returned", "duplicates")
_DAYS = (
    f"select feed, day, {', '.join(f'sum({name})::bigint as {name}' for name in _SUMS)} "
    f"from ({_ACCEPTED} union all {_RETURNED} union all {_AGAIN}) a group by 1, 2"
)
