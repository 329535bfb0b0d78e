"""Computes the fees on statements again (M03), a few lines in each round: when drafts were made, and when agreements have changed.

What is wrong is told and keeps its month from being closed. A CDR that is not billed yet is examined again at once, which posts the right
fee; the next drafts have it. What is billed is put right by a correction (`hub.settlement.engine.feecorrections`).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from hub import __version__
from hub.clock import Clock
from hub.settlement.agreements import Agreements
from hub.settlement.causes import root_of
from hub.settlement.engine.gathering import read_received
from hub.settlement.engine.records import kept_finding
from hub.settlement.facts import CdrFact
from hub.settlement.fees import Fees, fee_risk, fees_by_pair, is_close, m03_fees, pairs_with_fees
from hub.settlement.netting import Amount, Pair
from hub.store.billedfees import Billing, Drafted, FeeBook, FeeLine
from hub.store.periodlook import SOURCE
from hub.store.verdicts import KeptFinding, Name, ReceivedCdr, Verdicts
from ocpi_modules.parties import Party

LINES_AT_ONCE_MAX = 500
LINES_AT_CLOSE_MAX = 20_000
"""So many lines are looked at by who closes a month; more are left to the rounds."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The fees of a CDR: as they are billed and corrected, and as they are agreed now."""

    cdr: CdrFact
    billed: Fees
    agreed: Fees

    def lacking(self, pair: Pair) -> Amount:
        """What the payer owes the payee more (negative: less) than is billed; nothing where that is less than M03 tells."""
        billed, agreed = self.billed.get(pair, Amount()), self.agreed.get(pair, Amount())
        return Amount() if is_close(pair, billed, agreed) else agreed + -billed


class FeeCheck:
    """Computes fees of CDRs again, by the agreements of now."""

    def __init__(
        self, books: tuple[FeeBook, Verdicts], clock: Clock, agreements: Callable[[], Awaitable[Agreements]]
    ) -> None:
        (self.book, self._verdicts), self.clock, self.agreements = books, clock, agreements

    async def compared(self, name: Name, period: str) -> Compared:
        """The fees of a CDR on a statement of a period."""
        (one,) = await self._compared([name], period, await self.agreements())
        return one

    async def look_at(self, names: Sequence[Name], period: str, agreements: Agreements) -> None:
        """Tell what is wrong with the fees of some CDRs on statements of a period, and clear what is no longer so."""
        if names:
            compared = await self._compared(names, period, agreements)
            found = await asyncio.to_thread(lambda: [*_found(compared, agreements, period)])
            await self.book.keep(found, names, self.clock.now())

    async def _compared(self, names: Sequence[Name], period: str, agreements: Agreements) -> list[Compared]:
        billed = fees_by_name(await self.book.fees(period, names))
        received = await self._verdicts.cdrs(names)
        return await asyncio.to_thread(lambda: [*_paired(received, billed, agreements)])


@dataclass(frozen=True, slots=True)
class _Scan:
    """A look at a period that is under way: by which terms, the statements that are left, and the last line of the first that it saw."""

    period: str
    mark: str
    agreements: Agreements
    left: tuple[Billing, ...]
    after: int = 0


class FeeLook:
    """Looks at all periods with statements that are not closed, at most every `every_seconds`."""

    def __init__(self, check: FeeCheck, every_seconds: float) -> None:
        self._check, self._book, self._clock = check, check.book, check.clock
        self.agreements, self._every = check.agreements, timedelta(seconds=every_seconds)
        self._next: datetime | None = None
        self._scan: _Scan | None = None

    async def run_due(self) -> int:
        """Look at some lines; returns how many, 0 where nothing is left to look at."""
        scan = self._scan = self._scan or await self._due()
        if scan is None:
            return 0
        if not scan.left:
            await self._end(scan)
            self._scan = None
            return 0
        self._scan, lines = await self._step(scan)
        return max(lines, 1)

    async def has_seen(self, period: str) -> bool:
        """Whether the fees of a period were looked at as they are now; does that itself where it is not much."""
        agreements = await self.agreements()
        unseen = [one for one in await self._unseen(agreements) if one.period == period]
        scan = await self._begun(unseen[0], agreements) if unseen else None
        return scan is None or not scan.left or await self._sees(scan)

    async def _sees(self, scan: _Scan) -> bool:
        """Whether a look came to its end."""
        lines_left = LINES_AT_CLOSE_MAX
        while scan.left and lines_left > 0:
            scan, lines = await self._step(scan)
            lines_left -= lines
        if scan.left:
            return False
        await self._end(scan)
        return True

    async def _due(self) -> _Scan | None:
        """The next period with other statements, or whose terms may be others, than when it was looked at."""
        now = self._clock.now()
        if self._next is not None and now < self._next:
            return None
        agreements = await self.agreements()
        for drafted in await self._unseen(agreements):
            return await self._begun(drafted, agreements)
        self._next = now + self._every
        return None

    async def _unseen(self, agreements: Agreements) -> list[Drafted]:
        return [one for one in await self._book.drafted() if one.fees_seen != _mark(one, agreements)]

    async def _begun(self, drafted: Drafted, agreements: Agreements) -> _Scan:
        billing = await self._book.billing(drafted.period, _pairs(agreements))
        return _Scan(drafted.period, _mark(drafted, agreements), agreements, tuple(billing))

    async def _step(self, scan: _Scan) -> tuple[_Scan, int]:
        portion = await self._book.portion(scan.left[0], scan.after, LINES_AT_ONCE_MAX)
        await self._check.look_at(sorted(portion.names), scan.period, scan.agreements)
        is_whole = portion.lines < LINES_AT_ONCE_MAX
        after = replace(scan, left=scan.left[1:], after=0) if is_whole else replace(scan, after=portion.last)
        return after, portion.lines

    async def _end(self, scan: _Scan) -> None:
        await self._book.end(scan.period, scan.mark, self._clock.now())


def fees_by_name(lines: Iterable[FeeLine]) -> Mapping[Name, Fees]:
    """The fees that are billed for each CDR."""
    found: defaultdict[Name, dict[Pair, Amount]] = defaultdict(dict)
    for one in lines:
        pair = Pair(Party.parse(one.payee), Party.parse(one.payer), one.currency)
        found[one.name][pair] = Amount(one.excl_vat, one.incl_vat)
    return found


def _pairs(agreements: Agreements) -> list[tuple[str, str]]:
    return [(str(cpo), str(emsp)) for cpo, emsp in pairs_with_fees(agreements.known)]


def _mark(drafted: Drafted, agreements: Agreements) -> str:
    """Another text when other lines may stand on statements, or other fees be agreed, or the hub computes them otherwise."""
    terms = sorted((one.id, one.version, str(one.valid_to), repr(one.fees)) for one in agreements.known if one.fees)
    return sha256(repr((__version__, drafted.step, terms)).encode()).hexdigest()


def _paired(received: Iterable[ReceivedCdr], billed: Mapping[Name, Fees], agreements: Agreements) -> Iterator[Compared]:
    for one in received:
        cdr = read_received(one)
        yield Compared(cdr, billed.get(one.name, {}), fees_by_pair(agreements.fees(cdr)))


def _found(compared: Iterable[Compared], agreements: Agreements, period: str) -> Iterator[KeptFinding]:
    for one in compared:
        told = m03_fees(one.cdr, one.billed, one.agreed)
        if told is not None:
            finding, risk = agreements.applied(told), fee_risk(one.billed, one.agreed)
            yield replace(kept_finding(finding, root_of(finding).key, period, (risk,)), source=SOURCE)
