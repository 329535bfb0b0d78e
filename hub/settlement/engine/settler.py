"""Settlement while the hub runs: new CDRs are priced, checked and posted within a minute, never inside a request.

A look takes a batch of CDRs that were never examined, with all that bears on them and on the CDRs related to them; what it came to is
kept in one transaction. Killed in the middle, nothing is kept, and the next look does the same again.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from hub.clock import Clock
from hub.settlement.agreements import Agreements
from hub.settlement.decisions import Decision, limited
from hub.settlement.engine.deciding import Weighed, after_decisions, read_decision, targets_of, waived_by, weighed
from hub.settlement.engine.gathering import Gathered, Gatherer
from hub.settlement.engine.records import Before, entries_of, entry_lines, kept_finding, read_entry, turned, verdict_of
from hub.settlement.engine.terms import TermsBook
from hub.settlement.facts import CdrFact
from hub.settlement.findings import Disposition, Finding
from hub.settlement.periods import Period, State, counts_in
from hub.settlement.run import Outcome, obligations_of, settle
from hub.store.decisions import Decisions
from hub.store.direct import Unavailable
from hub.store.journal import EntryLines, JournalBook
from hub.store.periods import KeptPeriod, Periods
from hub.store.verdicts import Examined, KeptFinding, Name, ReceivedCdr, Verdict, Verdicts

BATCH_MAX_CDRS = 2_000
LOOKS_MAX = 5  # while people decide

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Where the engine keeps what it finds."""

    verdicts: Verdicts
    decisions: Decisions
    periods: Periods
    journal: JournalBook
    gatherer: Gatherer
    terms: TermsBook


class Settler:
    """Examines CDRs and keeps the books."""

    def __init__(self, books: Books, clock: Clock, agreements: Agreements) -> None:
        self._books, self._clock, self._agreements = books, clock, agreements

    async def settle_due(self, creditors: Collection[str] | None = None) -> int:
        """Examine one batch of CDRs that wait, of all creditors or of some (``DE/ABC``); returns how many there were.

        Once more does nothing to those that were examined.
        """
        with _many_objects():
            return await self._settle_waiting(creditors)

    async def _settle_waiting(self, creditors: Collection[str] | None) -> int:
        revision = await self._books.decisions.revision()
        waiting = await self._books.verdicts.waiting(BATCH_MAX_CDRS, creditors)
        try:
            await self._look_at(waiting, revision)
        except Unavailable:
            raise
        except Exception:
            if len(waiting) > 1:  # one CDR must not keep the others waiting
                return await self._settle_halves(waiting, revision)
            raise
        return len(waiting)

    async def waiting_by_creditor(self, most: int) -> Mapping[str, int]:
        """How many of the CDRs that wait, of the oldest `most`, are of each creditor (``DE/ABC``)."""
        return await self._books.verdicts.waiting_by_creditor(most)

    async def _settle_halves(self, received: Sequence[ReceivedCdr], revision: int) -> int:
        """Examine CDRs that cannot be examined together, half of them at a time; returns for how many that went well."""
        middle = len(received) // 2
        first = await self._settle_part(received[:middle], revision)
        return first + await self._settle_part(received[middle:], revision)

    async def _settle_part(self, received: Sequence[ReceivedCdr], revision: int) -> int:
        """Examine some CDRs; one that fails alone waits behind all others."""
        try:
            await self._look_at(received, revision)
        except Unavailable:
            raise
        except Exception:
            if len(received) > 1:
                return await self._settle_halves(received, revision)
            _log.exception("cdr_not_examined", creditor=str(received[0].creditor), cdr_key=received[0].key)
            await self._books.verdicts.failed(received[0].name)
            return 0
        return len(received)

    async def _look_at(self, waiting: Sequence[ReceivedCdr], revision: int) -> None:
        """Look until nothing changed meanwhile. The revision is older than all that is read, so that no change of it is missed."""
        for _ in range(LOOKS_MAX if waiting else 0):
            gathered = await self._books.gatherer.gather(waiting)
            if await self._books.verdicts.keep(await self._examined(gathered, revision)):
                return  # else somebody decided something in the meantime, and that counts already
            revision = await self._books.decisions.revision()
            waiting = await self._books.verdicts.cdrs([received.name for received in waiting])

    async def _examined(self, gathered: Gathered, revision: int) -> Examined:
        agreements = await self._agreements_now()
        found = await asyncio.to_thread(settle, gathered.evidence, agreements, period_checks=())
        findings = [weighed(finding, found) for finding in found.findings]
        asked = [cdr for cdr in gathered.evidence.cdrs if cdr.index in gathered.asked and cdr.total is not None]
        before = await self._before(asked)
        open_cdrs = [
            cdr for cdr in asked if not _is_billed(before[_name(cdr)])
        ]  # what was advised does not change any more
        standing = await self._standing(found, findings)
        decisions = [await self._limited(one, findings, open_cdrs) for one in standing]
        outcome = replace(found, verdicts=after_decisions(found, findings, decisions))
        periods = await self._periods_of(open_cdrs, before, agreements)
        owed = {cdr.index: tuple(obligations_of(cdr, agreements)) for cdr in open_cdrs}
        verdicts = {
            cdr.index: turned(
                verdict_of(cdr, outcome, periods[cdr.index].id, before[_name(cdr)].verdict),
                owed[cdr.index],
                before[_name(cdr)],
            )
            for cdr in open_cdrs
        }
        entries = [
            entry_lines(entry)
            for cdr in open_cdrs
            for entry in entries_of(verdicts[cdr.index], owed[cdr.index], before[_name(cdr)])
        ]
        return Examined(
            verdicts=[*verdicts.values()],
            findings=[_kept(one, periods) for one in findings if _concerns(one.finding, frozenset(verdicts))],
            entries=entries,
            at=self._clock.now(),
            unchanged=[_name(cdr) for cdr in asked if cdr.index not in verdicts],
            seen=gathered.seen,
            revision=revision,
            states={period.id: str(period.state) for period in periods.values()},
            before={name: kept.verdict.version for name, kept in before.items() if kept.verdict is not None},
            limits=_new_limits(standing, decisions),
            is_limited=any(one.may_grow and one.most is not None for one in standing),
            around=gathered.around,
        )

    async def _standing(self, outcome: Outcome, findings: Sequence[Weighed]) -> list[Decision]:
        """What people decided about CDRs and what is found of them."""
        targets = targets_of(outcome.evidence.cdrs, findings)
        return [read_decision(kept) for kept in await self._books.decisions.standing(targets)]

    async def _limited(self, decision: Decision, findings: Sequence[Weighed], cdrs: Sequence[CdrFact]) -> Decision:
        """A decision as far as one person may decide with all that came since."""
        if not decision.may_grow or decision.most is None:
            return decision
        names, new = [_name(cdr) for cdr in cdrs], waived_by(decision, findings, cdrs)
        return limited(decision, await self._books.decisions.beyond(decision.target, decision.most, names, new))

    async def _agreements_now(self) -> Agreements:
        """The agreements that hold, read after the CDRs: one that is activated meanwhile changes the CDRs that it is about."""
        return await self._books.terms.in_force(self._agreements)

    async def _before(self, cdrs: Sequence[CdrFact]) -> Mapping[Name, Before]:
        """What is kept of each CDR already."""
        verdicts = await self._books.verdicts.load([_name(cdr) for cdr in cdrs])
        keys = {name: _entry_key(one) for name, one in verdicts.items() if one.disposition == Disposition.SETTLE}
        entries = await self._books.journal.named([*keys.values()])
        return {_name(cdr): _before(verdicts.get(_name(cdr)), entries.get(keys.get(_name(cdr), ""))) for cdr in cdrs}

    async def _periods_of(
        self, cdrs: Iterable[CdrFact], before: Mapping[Name, Before], agreements: Agreements
    ) -> Mapping[int, Period]:
        """The period in which each CDR counts: where it counted before, else by its dates; new periods are added."""
        known = [read_period(kept) for kept in await self._books.periods.load()]
        found: dict[int, Period] = {}
        for cdr in cdrs:
            verdict = before[_name(cdr)].verdict
            kept = next((period for period in known if verdict is not None and _stays_in(verdict, period)), None)
            cutoff = agreements.of(cdr).cutoff
            found[cdr.index] = kept or counts_in(
                cdr.end, cdr.received_at, known, is_credit=cdr.is_credit, cutoff=cutoff
            )
        new = {period.id: period for period in found.values() if period not in known}
        await self._books.periods.add([_kept_period(period) for period in new.values()], self._clock.now())
        return found


@contextmanager
def _many_objects() -> Iterator[None]:
    """A batch is a million values in no circles, which all go at its end: looking for waste among them would take a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def read_period(kept: KeptPeriod) -> Period:
    """A period out of its row."""
    return Period(kept.id, kept.starts_at, kept.ends_at, kept.closes_at, State(kept.state))


def _kept_period(period: Period) -> KeptPeriod:
    return KeptPeriod(period.id, period.start, period.end, period.closes_at, str(period.state))


def _entry_key(verdict: Verdict) -> str:
    """The entry under which a CDR that is settled stands in the books."""
    return f"accepted:{'/'.join(verdict.name)}:{verdict.turn}"


def _before(verdict: Verdict | None, lines: EntryLines | None) -> Before:
    return Before(verdict=verdict, entry=None if lines is None else read_entry(lines))


def _name(cdr: CdrFact) -> Name:
    return (str(cdr.owner), cdr.key)


def _stays_in(verdict: Verdict, period: Period) -> bool:
    """Whether a CDR goes on to count where it counted: what is released after the statements of a period counts in a later one."""
    is_in_time = period.state in {State.OPEN, State.CUT_OFF}
    return verdict.period == period.id and (is_in_time or verdict.disposition == Disposition.SETTLE)


def _new_limits(standing: Iterable[Decision], decisions: Iterable[Decision]) -> Mapping[int, datetime]:
    """From when on decisions bear on nothing, where that was not known."""
    pairs = zip(standing, decisions, strict=True)
    return {after.id: after.until for one, after in pairs if after.until is not None and after.until != one.until}


def _is_billed(before: Before) -> bool:
    return before.verdict is not None and before.verdict.statement is not None


def _concerns(finding: Finding, indexes: frozenset[int]) -> bool:
    return any(cdr.index in indexes for cdr in finding.subject.cdrs)


def _kept(one: Weighed, periods: Mapping[int, Period]) -> KeptFinding:
    """A finding in the period of the first of its CDRs that is looked at."""
    cdrs = one.finding.subject.cdrs
    period = next((periods[cdr.index].id for cdr in cdrs if cdr.index in periods), "")
    return kept_finding(one.finding, one.cause, period, one.risks)
