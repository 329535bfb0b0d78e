"""One settlement run: evidence in; findings, dispositions, positions and transfers out. A pure function, so that a run can be repeated.

The order of the input does not matter, and neither does the order in which CDRs are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hub.settlement.agreements import DEFAULT, Agreements
from hub.settlement.case import Case, PeriodCheck
from hub.settlement.checks import CASE_CHECKS, PERIOD_CHECKS
from hub.settlement.evidence import Evidence
from hub.settlement.facts import CdrFact
from hub.settlement.findings import Disposition, Finding
from hub.settlement.netting import Amount, Obligation, Owed, Pair, Transfer, owed_by_pair, positions, transfers
from hub.settlement.prices import Pricing, price_cdr
from hub.settlement.relations import Relations, relate
from hub.settlement.verdicts import (
    ALWAYS_JUDGED,
    dispositions,
    is_settled_elsewhere,
    with_their_originals,
    without_consequences,
)
from ocpi_modules.parties import Party

Progress = Callable[[int], None]
"""Called with the number of CDRs that are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that a run found. `verdicts` and `pricings` are by index of the CDR."""

    evidence: Evidence
    findings: tuple[Finding, ...]
    verdicts: Mapping[int, Disposition]
    pricings: Mapping[int, Pricing]
    owed: Mapping[Pair, Owed]
    net: Mapping[tuple[Party, str], Amount]
    transfers: tuple[Transfer, ...]


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
    for done, cdr in enumerate(evidence.cdrs, 1):
        case = _case(cdr, evidence, relations, agreements)
        pricings[cdr.index] = case.pricing
        raised += _examined(case)
        progress(done)
    raised += (finding for check in period_checks for finding in check(evidence, relations, pricings))
    findings = without_consequences(agreements.applied(finding) for finding in raised)
    verdicts = with_their_originals(dispositions(evidence.cdrs, findings, evidence.period), relations)
    owed = owed_by_pair(_obligations(evidence.cdrs, verdicts, agreements))
    net = positions(owed)
    return Outcome(
        evidence=evidence,
        findings=tuple(findings),
        verdicts=verdicts,
        pricings=pricings,
        owed=owed,
        net=net,
        transfers=tuple(transfers(net)),
    )


def _case(cdr: CdrFact, evidence: Evidence, relations: Relations, agreements: Agreements) -> Case:
    place = evidence.place_of(cdr)
    agreement = agreements.of(cdr)
    return Case(
        cdr=cdr,
        evidence=evidence,
        relations=relations,
        session=evidence.session_of(cdr),
        place=place,
        token=evidence.token_of(cdr),
        agreement=agreement,
        pricing=price_cdr(cdr, evidence, place, agreement.policy),
        is_uncovered=agreement is DEFAULT and agreements.has_terms_for(cdr),
    )


def _examined(case: Case) -> Iterable[Finding]:
    findings = (finding for check in CASE_CHECKS for finding in check(case))
    if is_settled_elsewhere(case.cdr, case.relations, case.evidence.period):
        return (finding for finding in findings if finding.check.family in ALWAYS_JUDGED)
    return findings


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
