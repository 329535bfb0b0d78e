"""Settlement while the hub runs: new CDRs are priced, checked and posted within a minute, never inside a request.

A look takes a batch of CDRs that were never examined, with all that bears on them and on the CDRs related to them; what it came to is
kept in one transaction. Killed in the middle, nothing is kept, and the next look does the same again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import structlog

from hub.clock import Clock
from hub.settlement.agreements import Agreements
from hub.settlement.amounts import EXACT
from hub.settlement.causes import risk_of, root_of
from hub.settlement.engine.gathering import Gathered, Gatherer
from hub.settlement.engine.records import Before, entries_of, entry_lines, kept_finding, read_entry, verdict_of
from hub.settlement.facts import CdrFact
from hub.settlement.findings import Disposition, Finding
from hub.settlement.periods import Period, State, counts_in
from hub.settlement.run import Outcome, obligations_of, settle
from hub.store.direct import Unavailable
from hub.store.journal import JournalBook
from hub.store.periods import KeptPeriod, Periods
from hub.store.verdicts import Examined, KeptFinding, Name, ReceivedCdr, Verdict, Verdicts

BATCH_MAX_CDRS = 200

_ZERO = Decimal(0)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Where the engine keeps what it finds."""

    verdicts: Verdicts
    periods: Periods
    journal: JournalBook
    gatherer: Gatherer


class Settler:
    """Examines CDRs and keeps the books."""

    def __init__(self, books: Books, clock: Clock, agreements: Agreements) -> None:
        self._books, self._clock, self._agreements = books, clock, agreements

    async def settle_due(self) -> int:
        """Examine one batch of CDRs that wait; returns how many there were. Once more does nothing to those that were examined."""
        waiting = await self._books.verdicts.waiting(BATCH_MAX_CDRS)
        try:
            await self._look_at(waiting)
        except Unavailable:
            raise
        except Exception:
            if len(waiting) > 1:  # one CDR must not keep the others waiting
                return sum([await self._settle_one(received) for received in waiting])
            raise
        return len(waiting)

    async def _settle_one(self, received: ReceivedCdr) -> int:
        """Examine one CDR; returns 0 where that failed, and then it waits behind the others."""
        try:
            await self._look_at([received])
        except Unavailable:
            raise
        except Exception:
            _log.exception("cdr_not_examined", creditor=str(received.creditor), cdr_key=received.key)
            await self._books.verdicts.failed(received.name)
            return 0
        return 1

    async def _look_at(self, waiting: Sequence[ReceivedCdr]) -> None:
        if waiting:
            gathered = await self._books.gatherer.gather(waiting)
            await self._books.verdicts.keep(await self._examined(gathered))

    async def _examined(self, gathered: Gathered) -> Examined:
        outcome = await asyncio.to_thread(settle, gathered.evidence, self._agreements, period_checks=())
        asked = [cdr for cdr in gathered.evidence.cdrs if cdr.index in gathered.asked and cdr.total is not None]
        before = await self._before(asked)
        open_cdrs = [
            cdr for cdr in asked if not _is_billed(before[_name(cdr)])
        ]  # what was advised does not change any more
        periods = await self._periods_of(open_cdrs, before)
        verdicts = {
            cdr.index: verdict_of(cdr, outcome, periods[cdr.index], before[_name(cdr)].verdict) for cdr in open_cdrs
        }
        entries = [
            entry_lines(entry)
            for cdr in open_cdrs
            for entry in entries_of(
                verdicts[cdr.index], tuple(obligations_of(cdr, self._agreements)), before[_name(cdr)]
            )
        ]
        findings = [
            _kept(finding, outcome, periods) for finding in outcome.findings if _concerns(finding, frozenset(verdicts))
        ]
        return Examined(verdicts=[*verdicts.values()], findings=findings, entries=entries, at=self._clock.now())

    async def _before(self, cdrs: Sequence[CdrFact]) -> Mapping[Name, Before]:
        """What is kept of each CDR already."""
        verdicts = await self._books.verdicts.load([_name(cdr) for cdr in cdrs])
        return {_name(cdr): await self._kept_of(verdicts.get(_name(cdr))) for cdr in cdrs}

    async def _kept_of(self, verdict: Verdict | None) -> Before:
        if verdict is None or verdict.disposition != Disposition.SETTLE:
            return Before(verdict=verdict)
        key = f"accepted:{'/'.join(verdict.name)}:{verdict.turn}"
        entries = await self._books.journal.of("/".join(verdict.name))
        entry = next((read_entry(lines) for lines in entries if lines.key == key), None)
        return Before(verdict=verdict, entry=entry)

    async def _periods_of(self, cdrs: Iterable[CdrFact], before: Mapping[Name, Before]) -> Mapping[int, str]:
        """The period in which each CDR counts: where it counted before, else by its dates; new periods are added."""
        known = [read_period(kept) for kept in await self._books.periods.load()]
        found: dict[int, Period] = {}
        for cdr in cdrs:
            verdict = before[_name(cdr)].verdict
            kept = next((period for period in known if verdict is not None and period.id == verdict.period), None)
            found[cdr.index] = kept or counts_in(cdr.end, cdr.received_at, known, is_credit=cdr.is_credit)
        new = {period.id: period for period in found.values() if period not in known}
        await self._books.periods.add([_kept_period(period) for period in new.values()], self._clock.now())
        return {index: period.id for index, period in found.items()}


def read_period(kept: KeptPeriod) -> Period:
    """A period out of its row."""
    return Period(kept.id, kept.starts_at, kept.ends_at, kept.closes_at, State(kept.state))


def _kept_period(period: Period) -> KeptPeriod:
    return KeptPeriod(period.id, period.start, period.end, period.closes_at, str(period.state))


def _name(cdr: CdrFact) -> Name:
    return (str(cdr.owner), cdr.key)


def _is_billed(before: Before) -> bool:
    return before.verdict is not None and before.verdict.statement is not None


def _concerns(finding: Finding, indexes: frozenset[int]) -> bool:
    return any(cdr.index in indexes for cdr in finding.subject.cdrs)


def _kept(finding: Finding, outcome: Outcome, periods: Mapping[int, str]) -> KeptFinding:
    """A finding with its cause, and with the period of the first of its CDRs that is looked at."""
    at_risk = _ZERO
    for cdr in finding.subject.cdrs:
        at_risk = EXACT.add(at_risk, risk_of(finding, cdr, outcome.pricings.get(cdr.index)))
    period = next((periods[cdr.index] for cdr in finding.subject.cdrs if cdr.index in periods), "")
    return kept_finding(finding, root_of(finding).key, period, at_risk)
