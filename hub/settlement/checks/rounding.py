"""P07: whether the rounding of a CPO averages out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from hub.pricing.comparison import Scale
from hub.settlement.amounts import EXACT
from hub.settlement.case import CaseCheck, PeriodCheck
from hub.settlement.catalogue import SYSTEMATIC_ROUNDING_BIAS
from hub.settlement.claims import Closeness, Comparison, compare, written
from hub.settlement.evidence import Evidence, Tolerances
from hub.settlement.facts import CdrFact
from hub.settlement.findings import Finding, Subject, found
from hub.settlement.prices import Pricing
from hub.settlement.relations import Relations
from hub.settlement.verdicts import belongs_later
from ocpi_modules.parties import Party

TURNOVER_PART_MAX = Decimal("0.001")
_ZERO = Decimal(0)


@dataclass(slots=True)
class Sums:
    """The rounding differences of a CPO in one currency: how many, their sum, and what it claimed in all."""

    count: int = 0
    difference: Decimal = _ZERO
    turnover: Decimal = _ZERO
    minor_unit: Fraction = Fraction()

    def add(self, comparison: Comparison) -> None:
        """One more CDR; the differences of those that are right to the minor unit are nothing."""
        self.turnover = EXACT.add(self.turnover, comparison.claimed.excl_vat)
        self.minor_unit = Scale.of(comparison.scale.currency, comparison.scale.policy, 1).tolerance
        if comparison.worst is Closeness.ROUNDED:
            self.count += 1
            self.difference = EXACT.add(self.difference, comparison.excess)

    def is_biased(self, tolerances: Tolerances) -> bool:
        """Whether there are enough of them, and they do not average out."""
        if not self.count or self.count < tolerances.bias_min_count:
            return False
        mean_max = Fraction(tolerances.bias_mean_minor_units) * self.minor_unit * self.count
        sum_max = EXACT.multiply(TURNOVER_PART_MAX, abs(self.turnover))
        return abs(self.difference) > mean_max or abs(self.difference) > sum_max


def p07_rounding_bias(evidence: Evidence, relations: Relations, pricings: Mapping[int, Pricing]) -> Iterable[Finding]:
    """SYSTEMATIC_ROUNDING_BIAS: enough rounding differences (`bias_min_count`) that average more than `bias_mean_minor_units`, or come to
    more than 0.1 % of the turnover of the CPO. Credits and what they credit are left out, and what belongs to a later period.
    """
    sums: defaultdict[tuple[Party, str], Sums] = defaultdict(Sums)
    for cdr, comparison in _compared(evidence, relations, pricings):
        sums[cdr.owner, cdr.currency].add(comparison)
    for (party, currency), found_sums in sorted(sums.items(), key=lambda item: item[0]):
        if found_sums.is_biased(evidence.tolerances):
            yield _bias(party, currency, found_sums)


def _compared(
    evidence: Evidence, relations: Relations, pricings: Mapping[int, Pricing]
) -> Iterator[tuple[CdrFact, Comparison]]:
    for cdr in evidence.cdrs:
        pricing = pricings.get(cdr.index)
        if (
            pricing is None
            or pricing.priced is None
            or not relations.is_open(cdr)
            or belongs_later(cdr, evidence.period)
        ):
            continue
        comparison = compare(cdr, pricing.priced)
        if comparison is not None and comparison.worst < Closeness.WRONG:
            yield cdr, comparison


def _bias(party: Party, currency: str, sums: Sums) -> Finding:
    direction = "up" if sums.difference > 0 else "down"
    sentence = (
        f"{party} rounds {direction}: {sums.count} rounding differences come to {written(abs(sums.difference), currency)} "
        f"on a turnover of {written(sums.turnover, currency)}."
    )
    return found(
        SYSTEMATIC_ROUNDING_BIAS,
        Subject(party=party),
        sentence,
        currency=currency,
        count=sums.count,
        sum=sums.difference,
        turnover=sums.turnover,
    )


CASE_CHECKS: tuple[CaseCheck, ...] = ()
PERIOD_CHECKS: tuple[PeriodCheck, ...] = (p07_rounding_bias,)
