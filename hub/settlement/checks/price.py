"""G03, G04, G06, G11, B05, B06: the claim beside what the tariff makes of the charge.

The amount of a claim has one finding: rounding, VAT, or the reading that explains it; only TOTAL_NOT_SUM_OF_PARTS comes beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from hub.pricing.comparison import Scale
from hub.pricing.exact import to_decimal
from hub.pricing.pricer import Priced
from hub.pricing.tariff import EXCL_UNITS, PARTS
from hub.settlement.amounts import EXACT
from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import (
    PART_MISMATCH,
    PRICE_MISMATCH,
    ROUNDING_DIFFERENCE,
    TARIFF_CONTENT_MISMATCH,
    TOTAL_NOT_SUM_OF_PARTS,
    VAT_MISMATCH,
    WRONG_TARIFF,
)
from hub.settlement.checks.tariffs import is_told
from hub.settlement.claims import NOTHING, Closeness, Comparison, Price, compare, is_close, price_in, settled, written
from hub.settlement.counterfactuals import Reading, explained, limits_ignored
from hub.settlement.facts import CdrFact, Cost, cost_of
from hub.settlement.findings import Check, Finding, found, on, raised_to_hold
from hub.settlement.price_books import Mode

_SHARED = {"fixed", "parking", "reservation"}
"""The parts among which a FLAT may be put differently (F3)."""

_FIELDS = {name: f"total_{name}_cost" for name in PARTS}
"""Where a CDR states each part."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a total that a CDR states (`total_energy_cost` …), and what the tariff makes of each; never negated (C1).

    `scale` tolerates one minor unit.
    """

    stated: Mapping[str, Cost]
    priced: Mapping[str, Price]
    scale: Scale

    @property
    def are_complete(self) -> bool:
        """Whether every part that costs something is stated."""
        unstated = (price for name, price in self.priced.items() if name not in self.stated)
        return bool(self.stated) and not any(settled(price.excl_vat, self.scale) for price in unstated)

    @property
    def total(self) -> Decimal:
        """What the stated parts add up to, without VAT."""
        return _sum(cost.excl_vat for cost in self.stated.values())

    def is_right(self, name: str) -> bool:
        """Whether a stated part is what the tariff makes of it, rounding aside."""
        return is_close(self.stated[name], self.priced.get(name, NOTHING), self.scale)


@dataclass(frozen=True, slots=True)
class Claim:
    """The amounts of a CDR beside its price, compared once for all checks."""

    case: Case
    priced: Priced
    comparison: Comparison
    parts: Parts

    @property
    def cdr(self) -> CdrFact:
        """The CDR that claims."""
        return self.case.cdr


def amounts_of_a_claim(case: Case) -> Iterable[Finding]:
    """All that is said of the amounts of a CDR that has a price."""
    priced = case.pricing.priced
    comparison = None if priced is None else compare(case.cdr, priced)
    if priced is None or comparison is None:
        return
    claim = Claim(case, priced, comparison, _parts(case.cdr, priced))
    for check in AMOUNT_CHECKS if comparison.worst else PART_CHECKS:
        yield from check(claim)


# --- the total -------------------------------------------------------------------------------


def g03_rounding(claim: Claim) -> Iterable[Finding]:
    """ROUNDING_DIFFERENCE: within a minor unit per amount, two where more than three parts were priced; settles as claimed."""
    if claim.comparison.worst is Closeness.ROUNDED:
        yield _about(claim, ROUNDING_DIFFERENCE, "rounding explains it")


def b06_vat(claim: Claim) -> Iterable[Finding]:
    """VAT_MISMATCH: right without VAT, wrong with it; held both ways. What the CDR or the tariff does not tell is not compared."""
    if claim.comparison.is_vat_wrong and _limits_that_explain(claim) is None:
        yield _about(claim, VAT_MISMATCH, "the VAT is another")


def g03_price(claim: Claim) -> Iterable[Finding]:
    """PRICE_MISMATCH, or the kind of the first reading that gives the claim (attribution); an over-claim is held, else it settles.

    A tariff that the CDR should not have been priced with is told by its own checks, and not again here.
    """
    comparison = claim.comparison
    if comparison.worst is not Closeness.WRONG:
        return
    reading = (
        _limits_that_explain(claim)
        if comparison.is_vat_wrong
        else explained(claim.priced, comparison.claimed, _is_claim(claim))
    )
    if comparison.is_vat_wrong and reading is None:
        return
    check = PRICE_MISMATCH if reading is None else reading.check
    if check not in {WRONG_TARIFF, TARIFF_CONTENT_MISMATCH} or not is_told(check, claim.case):
        finding = _explained(claim, check, reading)
        yield raised_to_hold(finding) if comparison.is_over_claim else finding


def _limits_that_explain(claim: Claim) -> Reading | None:
    """A limit that was left out where only the amount with VAT is wrong: limits bind each amount for itself (M1)."""
    is_claim = _is_claim(claim)
    return next((reading for reading in limits_ignored(claim.priced) if is_claim(reading.price)), None)


def _is_claim(claim: Claim) -> Callable[[Price], bool]:
    """Whether another price is what is claimed, to the minor unit."""
    claimed, unit = claim.comparison.claimed, claim.parts.scale
    return lambda price: not unit.is_far(claimed.excl_vat, price.excl_vat) and is_close(claimed, price, unit)


def _explained(claim: Claim, check: Check, reading: Reading | None) -> Finding:
    if reading is None:
        return _about(claim, check, "no other reading of its tariffs gives the claim")
    return _about(claim, check, f"it is equal if {reading.equal_if}", counterfactual=reading.name)


def _about(claim: Claim, check: Check, why: str, **details: object) -> Finding:
    comparison, scale, mode = claim.comparison, claim.comparison.scale, claim.case.agreement.prices.mode
    expected, agreed = comparison.expected, {} if mode == "as_cdr" else {"priced_by": mode}
    sentence = (
        f"CDR {claim.cdr.id} claims {_in_words(comparison.claimed, scale)}; {_PRICED_BY[mode]} {_in_words(expected, scale)}, "
        f"{_difference(comparison)}: {why}."
    )
    return found(
        check,
        on(claim.cdr),
        sentence,
        claimed_excl_vat=comparison.claimed.excl_vat,
        claimed_incl_vat=comparison.claimed.incl_vat,
        expected_excl_vat=expected.excl_vat,
        expected_incl_vat=expected.incl_vat,
        difference=comparison.excess,
        tolerance=to_decimal(scale.tolerance),
        **agreed,
        **details,
    )


_PRICED_BY: Mapping[Mode, str] = {
    "as_cdr": "its tariff makes",
    "markup": "its tariff with the agreed markup makes",
    "agreed_book": "the agreed prices make",
}


def _in_words(cost: Cost, scale: Scale) -> str:
    with_vat = "" if cost.incl_vat is None else f" ({written(cost.incl_vat, scale.currency)} with VAT)"
    return f"{written(cost.excl_vat, scale.currency)}{with_vat}"


def _difference(comparison: Comparison) -> str:
    excess = written(comparison.excess.copy_abs(), comparison.scale.currency)
    return f"{excess} too {'much' if comparison.excess > 0 else 'little'}"


# --- the parts -------------------------------------------------------------------------------


def b05_total_is_sum(claim: Claim) -> Iterable[Finding]:
    """TOTAL_NOT_SUM_OF_PARTS: all priced parts are stated and the total is another, by more than a minor unit a part.

    Sign-blind for credits (C1). Not where a limit binds or could: then the total is another by rule (M5).
    """
    if not _is_other_than_sum(claim):
        return
    total, parts = claim.comparison.claimed.excl_vat, claim.parts
    sentence = (
        f"CDR {claim.cdr.id} claims {written(total, claim.cdr.currency)} in total, "
        f"and its parts add up to {written(parts.total, claim.cdr.currency)}."
    )
    stated = {f"total_{name}_cost": cost.excl_vat for name, cost in sorted(parts.stated.items())}
    yield found(TOTAL_NOT_SUM_OF_PARTS, on(claim.cdr), sentence, total=total, sum=parts.total, parts=stated)


def g03_parts(claim: Claim) -> Iterable[Finding]:
    """PART_MISMATCH: the total is right and a stated part is not, by more than a minor unit; where FLATs are put (F3) does not matter.

    Where the parts do not add up to the total either, that is told instead. Of a credit nothing is told: it repeats the parts of its
    original, of which they are told, or negates them with its total, as some do (C1).
    """
    if claim.comparison.worst is Closeness.WRONG or claim.case.is_told_elsewhere:
        return
    wrong = _wrong_parts(claim)
    if wrong and not _is_other_than_sum(claim):
        names = ", ".join(f"total_{name}_cost" for name in wrong)
        sentence = f"The total of CDR {claim.cdr.id} is right, and not what it states as {names}."
        yield found(PART_MISMATCH, on(claim.cdr), sentence, **_part_details(claim.parts, wrong))


def _wrong_parts(claim: Claim) -> list[str]:
    wrong = [name for name in claim.parts.stated if not claim.parts.is_right(name)]
    if not wrong:
        return []
    has_flat = any(line.component.dimension == "FLAT" for line in claim.priced.lines)
    return [] if has_flat and set(wrong) <= _SHARED and _is_put_elsewhere(claim.parts) else wrong


def _is_put_elsewhere(parts: Parts) -> bool:
    """Whether fixed, parking and reservation cost together what they should (F3)."""
    stated = Cost(_sum(parts.stated[name].excl_vat for name in _SHARED if name in parts.stated))
    due = sum((Fraction(parts.priced[name].excl_vat) for name in _SHARED if name in parts.priced), Fraction())
    return is_close(stated, Price(due, None), parts.scale)


def _part_details(parts: Parts, names: Iterable[str]) -> dict[str, Decimal]:
    return {
        detail: amount
        for name in names
        for detail, amount in (
            (f"stated_{name}", parts.stated[name].excl_vat),
            (f"expected_{name}", settled(parts.priced.get(name, NOTHING).excl_vat, parts.scale)),
        )
    }


def _parts(cdr: CdrFact, priced: Priced) -> Parts:
    stated = {name: cost_of(cdr.content.get(field)) for name, field in _FIELDS.items()}
    known = {name: cost for name, cost in stated.items() if cost is not None}
    due = {name: price_in(priced, cost) for name, cost in priced.parts.items()}
    return Parts(known, due, Scale.of(cdr.currency, priced.policy, 1))


def _is_other_than_sum(claim: Claim) -> bool:
    parts = claim.parts
    if not parts.are_complete:
        return False
    off = EXACT.subtract(claim.comparison.claimed.excl_vat.copy_abs(), parts.total.copy_abs()).copy_abs()
    return bool(off) and off > len(parts.stated) * parts.scale.tolerance and not _could_be_limited(claim)


def _could_be_limited(claim: Claim) -> bool:
    """Whether a least or greatest price made the total, or would make another of the stated parts, or is what is claimed."""
    claimed, total = claim.comparison.claimed.excl_vat, claim.parts.total
    return bool(claim.priced.total.limits) or any(
        claimed in (least, greatest) or total < (least or total) or total > (greatest or total)
        for least, greatest in _limits(claim.priced)
    )


def _limits(priced: Priced) -> list[tuple[Fraction | None, Fraction | None]]:
    tariffs = {tariff.key: tariff for tariff in priced.working.tariffs if tariff is not None}.values()
    return [
        (
            None if tariff.min_price is None else Fraction(tariff.min_price.excl, EXCL_UNITS),
            None if tariff.max_price is None else Fraction(tariff.max_price.excl, EXCL_UNITS),
        )
        for tariff in tariffs
    ]


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


ClaimCheck = Callable[[Claim], Iterable[Finding]]

PART_CHECKS: tuple[ClaimCheck, ...] = (b05_total_is_sum, g03_parts)
"""The checks of a claim whose total is right."""

AMOUNT_CHECKS: tuple[ClaimCheck, ...] = (g03_rounding, b06_vat, g03_price, *PART_CHECKS)
"""The checks of the amounts of one claim."""

CASE_CHECKS: tuple[CaseCheck, ...] = (amounts_of_a_claim,)
PERIOD_CHECKS: tuple[PeriodCheck, ...] = ()
