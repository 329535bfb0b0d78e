"""Looks at whole periods while the hub runs: prices that stand apart (G09), what eMSPs hold alone (D08), corrections of those who cannot
credit (J06), and what is owed beside its limit (M02). Told, never held; looked at again when something has changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256

from hub.clock import Clock
from hub.settlement.agreements import Agreements
from hub.settlement.catalogue import CORRECTED_BY_ADJUSTMENT, PRICE_OUTLIER
from hub.settlement.causes import root_of
from hub.settlement.checks.trends import RATE_DIGITS, outlier_sentence, rate_of
from hub.settlement.checks.views import held_alone
from hub.settlement.engine.records import details_text, subject_content
from hub.settlement.engine.views import ViewShelf
from hub.settlement.evidence import SettlementPeriod, View
from hub.settlement.exposure import limits_of, m02_exposure
from hub.settlement.findings import Finding, Subject, found
from hub.settlement.netting import Pair
from hub.settlement.outliers import outliers
from hub.settlement.profiles import Profiles
from hub.store.periodlook import SOURCE, AdjustedCdr, ClaimedEnergy, PairName, PeriodBook
from hub.store.verdicts import KeptFinding
from hub.store.views import KeptView
from ocpi_modules.parties import Party
from ocpi_modules.types import encode_json

ALL_PERIODS = ""
"""The period of what is of none."""


class PeriodLook:
    """Looks at all periods that are not closed, at most every `every_seconds`."""

    def __init__(
        self,
        books: tuple[PeriodBook, ViewShelf],
        clock: Clock,
        agreements: Callable[[], Awaitable[Agreements]],
        every_seconds: float,
    ) -> None:
        (self._book, self._views), self._clock, self._agreements = books, clock, agreements
        self._every = timedelta(seconds=every_seconds)
        self._next: datetime | None = None
        self._marks: dict[str, str] = {}

    def wake(self) -> None:
        """Look again in the next round."""
        self._next = None

    async def run_due(self) -> int:
        """Look at what has changed; returns 0, for there is never more to do at once."""
        now = self._clock.now()
        if self._next is not None and now < self._next:
            return 0
        self._next = now + self._every
        agreements = await self._agreements()
        await self._book.keep(ALL_PERIODS, await self._exposures(agreements, now), now)
        for period in await self._book.open_periods():
            mark = await self._book.mark(period)
            if self._marks.get(period) != mark:
                await self._book.keep(period, await self._found(period, agreements.profiles), now)
                self._marks[period] = mark
        return 0

    async def _exposures(self, agreements: Agreements, now: datetime) -> list[KeptFinding]:
        limits = limits_of(agreements.known, now)
        owed = await self._book.owed([(str(one.creditor), str(one.debtor), one.currency) for one in limits])
        return [*exposures_found(limits.items(), owed)]

    async def _found(self, period: str, profiles: Profiles) -> list[KeptFinding]:
        found_here = await self._outliers(period)
        found_here += (
            _corrected(one, period) for one in await self._book.adjusted(period) if _cannot_credit(one, profiles)
        )
        for view in await self._views.table.of_period(period):
            found_here += await self._alone(view)
        return found_here

    async def _outliers(self, period: str) -> list[KeptFinding]:
        kept: list[KeptFinding] = []
        for pair in await self._book.pairs(period):
            claims = await self._book.claims(period, pair)
            kept += await asyncio.to_thread(outliers_found, pair, claims, period)
        return kept

    async def _alone(self, kept: KeptView) -> Sequence[KeptFinding]:
        """What an eMSP holds that the hub does not have for it."""
        view, emsp = await self._views.view_of(kept), Party.parse(kept.emsp)
        names = {(str(name[0] or ""), name[1]): name for name in view}
        unknown = await self._views.table.unknown(kept.emsp, [*names])
        return [*_held_alone(emsp, {names[one]: view[names[one]] for one in unknown}, kept)]


def exposures_found(limits: Iterable[tuple[Pair, Decimal]], owed: Mapping[PairName, Decimal]) -> Iterator[KeptFinding]:
    """The debtors that are near their limit or above it."""
    for pair, limit in limits:
        name = (str(pair.creditor), str(pair.debtor), pair.currency)
        finding = m02_exposure(pair, owed.get(name, Decimal(0)), limit)
        if finding is not None:
            yield _of_party(finding, ALL_PERIODS, "|".join(name))


def outliers_found(pair: PairName, claims: Sequence[ClaimedEnergy], period: str) -> list[KeptFinding]:
    """The CDRs of a pair whose price per kWh stands apart (G09)."""
    rates = {number: rate_of(one.excl_vat, one.energy) for number, one in enumerate(claims)}
    seen = outliers({number: rate for number, rate in rates.items() if rate is not None})
    named = Pair(Party.parse(pair[0]), Party.parse(pair[1]), pair[2])
    kept = []
    for number, rate in sorted(seen.apart.items()):
        details = {"per_kwh": rate, "median_per_kwh": seen.median.quantize(RATE_DIGITS)}
        told = found(PRICE_OUTLIER, Subject(), outlier_sentence(claims[number].cdr_id, named, details), **details)
        kept.append(_of_cdr(told, (pair, claims[number].cdr_key, claims[number].cdr_id), period))
    return kept


def _cannot_credit(one: AdjustedCdr, profiles: Profiles) -> bool:
    return profiles.differs_at(Party.parse(one.creditor), "credits_possible", one.starts_at)


def _corrected(one: AdjustedCdr, period: str) -> KeptFinding:
    """J06: told of the CDR that an adjustment corrects."""
    sentence = f"{one.creditor} cannot credit: adjustment {one.adjustment} corrects CDR {one.cdr_id}."
    told = found(CORRECTED_BY_ADJUSTMENT, Subject(), sentence, adjustment=one.adjustment, excl_vat=one.excl_vat)
    return _of_cdr(told, ((one.creditor, one.debtor, one.currency), one.cdr_key, one.cdr_id), period)


def _held_alone(emsp: Party, alone: View, kept: KeptView) -> Iterator[KeptFinding]:
    period = SettlementPeriod(kept.starts_at, kept.ends_at, kept.ends_at)
    for finding in held_alone(emsp, alone, period):
        owner, cdr_id = finding.details["owner"], finding.details["cdr_id"]
        yield _of_party(finding, kept.period, f"{owner or ''}|{cdr_id}")


def _of_party(finding: Finding, period: str, name: str) -> KeptFinding:
    """A finding of a party; `name` tells it from others of the same check and party."""
    subject = subject_content(finding)
    return _kept(finding, ((str(finding.subject.party or ""), "", ""), subject, root_of(finding).key), (period, name))


def _of_cdr(finding: Finding, cdr: tuple[PairName, str, str], period: str) -> KeptFinding:
    """A finding of a CDR that is known by its name only."""
    pair, cdr_key, cdr_id = cdr
    subject = {"cdr_id": cdr_id, "owner": pair[0]}
    cause = "|".join((finding.check.id, finding.check.kind, pair[0], pair[2], "debtor", pair[1]))
    kept = _kept(finding, (pair, subject, cause), (period, "|".join((pair[0], cdr_key))))
    return replace(kept, cdrs=((pair[0], cdr_key),), risks=(Decimal(0),))


def _kept(finding: Finding, about: tuple[PairName, Mapping[str, object], str], place: tuple[str, str]) -> KeptFinding:
    pair, subject, cause = about
    key = "|".join((SOURCE, finding.check.id, finding.check.kind, *place, encode_json(subject).decode()))
    return KeptFinding(
        key=sha256(key.encode()).hexdigest(),
        check_id=finding.check.id,
        kind=finding.check.kind,
        severity=str(finding.severity),
        disposition=str(finding.disposition),
        cause=cause,
        period=place[0],
        party=pair[0],
        counterparty=pair[1],
        currency=pair[2],
        at_risk=Decimal(0),
        subject=encode_json(subject).decode(),
        details=details_text(finding),
        sentence=finding.sentence,
        cdrs=(),
        source=SOURCE,
    )
