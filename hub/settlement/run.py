"""One settlement run: evidence in; findings, dispositions, positions and transfers out. A pure function, so that a run can be repeated.

The order of the input does not matter, and neither does the order in which CDRs are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hub.settlement.agreements import DEFAULT, Agreements
from hub.settlement.case import Case, PeriodCheck
from hub.settlement.catalogue import ENERGY_UNIT_ERROR
from hub.settlement.checks import CASE_CHECKS, PERIOD_CHECKS
from hub.settlement.evidence import Evidence
from hub.settlement.facts import CdrFact
from hub.settlement.findings import Disposition, Finding
from hub.settlement.matching import Matches
from hub.settlement.netting import Amount, Obligation, Owed, Pair, Transfer, owed_by_pair, positions
from hub.settlement.netting_modes import agreed_transfers
from hub.settlement.permits import permits_of
from hub.settlement.prices import Pricing, price_agreed
from hub.settlement.relations import Relations, relate
from hub.settlement.verdicts import (
    ALWAYS_JUDGED,
    dispositions,
    is_settled_elsewhere,
    with_their_originals,
    without_consequences,
)
from ocpi_modules.parties import Party

CASES_AT_ONCE = 64
"""So many CDRs go through one check after the other: their facts and the code of a check stay in the caches of the processor."""

Progress = Callable[[int], None]
"""Called with the number of CDRs that are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that a run found. `verdicts` and `pricings` are by index of the CDR; `matches` are the sessions that CDRs do not name."""

    evidence: Evidence
    findings: tuple[Finding, ...]
    verdicts: Mapping[int, Disposition]
    pricings: Mapping[int, Pricing]
    owed: Mapping[Pair, Owed]
    net: Mapping[tuple[Party, str], Amount]
    transfers: tuple[Transfer, ...]
    matches: Matches = field(default_factory=Matches)


def settle(
    evidence: Evidence,
    agreements: Agreements,
    progress: Progress = lambda _: None,
    period_checks: Sequence[PeriodCheck] = PERIOD_CHECKS,
) -> Outcome:
    """Settle a period; without `period_checks` only its CDRs are looked at."""
    relations = relate(evidence)
    raised: list[Finding] = []
    pricings: dict[int, Pricing] = {}
    for start in range(0, len(evidence.cdrs), CASES_AT_ONCE):
        cases = [_case(cdr, evidence, relations, agreements) for cdr in evidence.cdrs[start : start + CASES_AT_ONCE]]
        pricings.update((case.cdr.index, case.pricing) for case in cases)
        raised += _examined(cases)
        progress(start + len(cases))
    sound = _in_kwh(pricings, raised)
    raised += (finding for check in period_checks for finding in check(evidence, relations, sound))
    findings = without_consequences(agreements.applied(finding) for finding in raised)
    verdicts = with_their_originals(dispositions(evidence.cdrs, findings, evidence.period), relations)
    owed = owed_by_pair(_obligations(evidence.cdrs, verdicts, agreements))
    return Outcome(
        evidence=evidence,
        findings=tuple(findings),
        verdicts=verdicts,
        pricings=pricings,
        owed=owed,
        net=positions(owed),
        transfers=tuple(agreed_transfers(owed, agreements, evidence.period)),
        matches=relations.matches,
    )


def _in_kwh(pricings: Mapping[int, Pricing], raised: Iterable[Finding]) -> Mapping[int, Pricing]:
    """Prices without those of CDRs in the wrong unit (C04): what is claimed for a thousand times the energy is nobody's turnover."""
    wrong = {cdr.index for finding in raised if finding.check is ENERGY_UNIT_ERROR for cdr in finding.subject.cdrs}
    return {index: pricing for index, pricing in pricings.items() if index not in wrong} if wrong else pricings


def _case(cdr: CdrFact, evidence: Evidence, relations: Relations, agreements: Agreements) -> Case:
    place = evidence.place_of(cdr)
    agreement = agreements.of(cdr)
    return Case(
        cdr=cdr,
        evidence=evidence,
        relations=relations,
        session=relations.session_of(cdr, evidence),
        place=place,
        token=evidence.token_of(cdr),
        agreement=agreement,
        pricing=price_agreed(cdr, evidence, place, agreement),
        is_uncovered=agreement is DEFAULT and agreements.has_terms_for(cdr),
        permits=permits_of(cdr, evidence.permits),
    )


def _examined(cases: Sequence[Case]) -> list[Finding]:
    """What the checks say of some cases, check by check."""
    elsewhere = [is_settled_elsewhere(case.cdr, case.relations, case.evidence.period) for case in cases]
    return [
        finding
        for check in CASE_CHECKS
        for case, is_elsewhere in zip(cases, elsewhere, strict=True)
        for finding in check(case)
        if not is_elsewhere or finding.check.family in ALWAYS_JUDGED
    ]


def _obligations(
    cdrs: Iterable[CdrFact], verdicts: Mapping[int, Disposition], agreements: Agreements
) -> Iterable[Obligation]:
    """What settled CDRs make their parties owe each other, and what the agreements add to it."""
    for cdr in cdrs:
        if verdicts[cdr.index] is Disposition.SETTLE:
            yield from obligations_of(cdr, agreements)


def obligations_of(cdr: CdrFact, agreements: Agreements) -> Iterable[Obligation]:
    """What a settled CDR makes its parties owe each other: its claim as it is stated, and the fees of their agreement."""
    if cdr.total is not None:
        excl_vat, incl_vat = cdr.total.excl_vat, cdr.total.incl_vat
        amount = Amount(excl_vat, excl_vat if incl_vat is None else incl_vat)
        yield Obligation(Pair(cdr.owner, cdr.to, cdr.currency), amount)
        yield from agreements.fees(cdr)
