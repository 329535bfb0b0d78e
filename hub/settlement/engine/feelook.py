"""Computes the fees on statements again (M03), a few lines in each round: after every step of a period, and when agreements have changed.

What is wrong is told and keeps its month from being closed. A CDR that is not billed yet is examined again at once, which posts the right
fee; the next drafts have it. What is billed is put right by an adjustment, and a person who has seen to that accepts the cause.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hub.clock import Clock
from hub.settlement.agreements import Agreements
from hub.settlement.causes import root_of
from hub.settlement.engine.gathering import read_received
from hub.settlement.engine.records import kept_finding
from hub.settlement.fees import Fees, fee_risk, fees_by_pair, m03_fees, pairs_with_fees
from hub.settlement.netting import Amount, Pair
from hub.store.billedfees import Billing, Drafted, FeeBook, FeeLine
from hub.store.periodlook import SOURCE
from hub.store.verdicts import KeptFinding, Name, ReceivedCdr, Verdicts
from ocpi_modules.parties import Party

LINES_AT_ONCE_MAX = 500


@dataclass(frozen=True, slots=True)
class _Scan:
    """A look at a period that is under way: by which terms, the statements that are left, and the last line of the first that it saw."""

    drafted: Drafted
    agreements: Agreements
    left: tuple[Billing, ...]
    after: int = 0


class FeeLook:
    """Looks at all periods with statements that are not closed, at most every `every_seconds`."""

    def __init__(
        self,
        books: tuple[FeeBook, Verdicts],
        clock: Clock,
        agreements: Callable[[], Awaitable[Agreements]],
        every_seconds: float,
    ) -> None:
        (self._book, self._verdicts), self._clock, self._agreements = books, clock, agreements
        self._every = timedelta(seconds=every_seconds)
        self._next: datetime | None = None
        self._seen: dict[str, object] = {}
        self._scan: _Scan | None = None

    async def run_due(self) -> int:
        """Look at some lines; returns how many, 0 where nothing is left to look at."""
        scan = self._scan = self._scan or await self._due()
        if scan is None:
            return 0
        if not scan.left:
            await self._end(scan)
            return 0
        portion = await self._book.portion(scan.left[0], scan.after, LINES_AT_ONCE_MAX)
        await self._look_at(scan, sorted(portion.names))
        is_whole = portion.lines < LINES_AT_ONCE_MAX
        self._scan = replace(scan, left=scan.left[1:], after=0) if is_whole else replace(scan, after=portion.last)
        return max(portion.lines, 1)

    async def _due(self) -> _Scan | None:
        """The next period that took a step, or whose terms may be others, since it was looked at."""
        now = self._clock.now()
        if self._next is not None and now < self._next:
            return None
        agreements = await self._agreements()
        for drafted in await self._book.drafted():
            if self._seen.get(drafted.period) != _mark(drafted, agreements):
                return _Scan(drafted, agreements, tuple(await self._book.billing(drafted.period, _pairs(agreements))))
        self._next = now + self._every
        return None

    async def _look_at(self, scan: _Scan, names: Sequence[Name]) -> None:
        if not names:
            return
        period = scan.drafted.period
        billed = fees_by_name(await self._book.fees(period, names))
        received = await self._verdicts.cdrs(names)
        found = await asyncio.to_thread(lambda: [*_found(received, billed, scan.agreements, period)])
        await self._book.keep(found, names, self._clock.now())

    async def _end(self, scan: _Scan) -> None:
        await self._book.clear_gone(scan.drafted.period, self._clock.now())
        self._seen[scan.drafted.period] = _mark(scan.drafted, scan.agreements)
        self._scan = None


def fees_by_name(lines: Iterable[FeeLine]) -> Mapping[Name, Fees]:
    """The fees that are billed for each CDR."""
    found: defaultdict[Name, dict[Pair, Amount]] = defaultdict(dict)
    for one in lines:
        pair = Pair(Party.parse(one.payee), Party.parse(one.payer), one.currency)
        found[one.name][pair] = Amount(one.excl_vat, one.incl_vat)
    return found


def _pairs(agreements: Agreements) -> list[tuple[str, str]]:
    return [(str(cpo), str(emsp)) for cpo, emsp in pairs_with_fees(agreements.known)]


def _mark(drafted: Drafted, agreements: Agreements) -> object:
    return drafted.step, tuple((one.id, one.version, one.valid_to) for one in agreements.known if one.fees)


def _found(
    received: Iterable[ReceivedCdr], billed: Mapping[Name, Fees], agreements: Agreements, period: str
) -> Iterator[KeptFinding]:
    for one in received:
        cdr = read_received(one)
        is_billed, is_agreed = billed.get(one.name, {}), fees_by_pair(agreements.fees(cdr))
        told = m03_fees(cdr, is_billed, is_agreed)
        if told is not None:
            finding, risk = agreements.applied(told), fee_risk(is_billed, is_agreed)
            yield replace(kept_finding(finding, root_of(finding).key, period, (risk,)), source=SOURCE)
