"""What a CDR claims beside what its tariff makes of it: how close the two are, and which way they differ.

Amounts are compared with the price rounded once, in minor units of the currency, and with the exact one (N2, N3). Source:
pricing-semantics, discrepancies: one minor unit per amount, two where more than three parts were priced, never below 0.0001.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction

from hub.pricing.comparison import Amount, Scale
from hub.pricing.exact import to_decimal
from hub.pricing.pricer import Priced
from hub.pricing.result import Money
from hub.pricing.rounding import currency_exponent, rounded
from hub.settlement.facts import CdrFact, Cost

STATED_DECIMALS = 4
"""How many decimals OCPI gives a number (types, number)."""

Sum = Decimal | Fraction
"""An exact amount: a Decimal where its digits end soon, which is quicker to compare."""


@dataclass(frozen=True, slots=True)
class Price:
    """What something costs by its tariff, exact, in the currency of the CDR; `incl_vat` None where nobody knows it."""

    excl_vat: Sum
    incl_vat: Sum | None

    @classmethod
    def of(cls, amount: Amount) -> Price:
        """The same out of an amount of the pricer."""
        return cls(amount.excl_vat, amount.incl_vat)


NOTHING = Price(Decimal(0), Decimal(0))


class Closeness(IntEnum):
    """How close an amount is to what it should be: right, off by rounding only, or wrong."""

    RIGHT = 0
    ROUNDED = 1
    WRONG = 2


@dataclass(frozen=True, slots=True)
class Comparison:
    """A claim beside a price, both as those of the original where the CDR is a credit (C1).

    `incl_vat` is None where the claim does not state it, or the price does not know it (V3).
    """

    claimed: Cost
    price: Price
    scale: Scale
    excl_vat: Closeness
    incl_vat: Closeness | None

    @property
    def worst(self) -> Closeness:
        """How close the claim is in the amount that is further off."""
        return max(self.excl_vat, self.incl_vat or Closeness.RIGHT)

    @property
    def is_vat_wrong(self) -> bool:
        """Whether the amount without VAT is right and the one with VAT is wrong."""
        return self.excl_vat < Closeness.WRONG and self.incl_vat is Closeness.WRONG

    @property
    def expected(self) -> Cost:
        """What is to be paid: the price, rounded once."""
        excl_vat, incl_vat = self.price.excl_vat, self.price.incl_vat
        return Cost(settled(excl_vat, self.scale), None if incl_vat is None else settled(incl_vat, self.scale))

    @property
    def excess(self) -> Decimal:
        """By how much more is claimed than is to be paid, in the first amount that is furthest off; negative for too little."""
        return self._excess_without_vat if self.excl_vat is self.worst else self._excess_with_vat

    @property
    def is_over_claim(self) -> bool:
        """Whether any amount that is wrong is too much."""
        return (self.excl_vat is Closeness.WRONG and self._excess_without_vat > 0) or (
            self.incl_vat is Closeness.WRONG and self._excess_with_vat > 0
        )

    @property
    def _excess_without_vat(self) -> Decimal:
        return _excess(self.claimed.excl_vat, self.price.excl_vat, self.scale)

    @property
    def _excess_with_vat(self) -> Decimal:
        if self.claimed.incl_vat is None or self.price.incl_vat is None:
            return Decimal(0)
        return _excess(self.claimed.incl_vat, self.price.incl_vat, self.scale)


def compare(cdr: CdrFact, priced: Priced) -> Comparison | None:
    """The claim of a CDR beside its price; None where nothing is claimed."""
    scale = Scale.of(cdr.currency, priced.policy, len(priced.parts))
    return None if cdr.total is None else compared(claimed_by(cdr, cdr.total), price_of(priced), scale)


def claimed_by(cdr: CdrFact, total: Cost) -> Cost:
    """What a CDR claims, or claimed where it is credited by this one."""
    return -total if cdr.is_credit else total


def price_of(priced: Priced) -> Price:
    """The price of a charge, or of the original where it is a credit; without `incl_vat` where nothing states a VAT (V3)."""
    cost = priced.total_cost
    if priced.charge.is_credit:
        cost = Money(-cost.excl, None if cost.incl is None else -cost.incl)
    return price_in(priced, cost)


def price_in(priced: Priced, cost: Money) -> Price:
    """What a price or a part of it comes to; without `incl_vat` where nothing states a VAT (V3)."""
    return Price(cost.plain_excl_vat, None if priced.vat_unknown else cost.plain_incl_vat)


def compared(claimed: Cost, price: Price, scale: Scale) -> Comparison:
    """A claimed amount beside a price."""
    knows_vat = claimed.incl_vat is not None and price.incl_vat is not None
    incl_vat = closeness(claimed.incl_vat, price.incl_vat, scale) if knows_vat else None
    return Comparison(claimed, price, scale, closeness(claimed.excl_vat, price.excl_vat, scale), incl_vat)


def is_close(claimed: Cost, price: Price, scale: Scale) -> bool:
    """Whether a claimed amount is a price, rounding aside."""
    if closeness(claimed.excl_vat, price.excl_vat, scale) is Closeness.WRONG:
        return False
    return claimed.incl_vat is None or closeness(claimed.incl_vat, price.incl_vat, scale) is not Closeness.WRONG


def closeness(claimed: Decimal | None, exact: Sum | None, scale: Scale) -> Closeness:
    """How close a claimed amount is to the exact one; what is not known is right."""
    if claimed is None or exact is None or claimed == exact:
        return Closeness.RIGHT
    if claimed == settled(exact, scale) or claimed == rounded(exact, scale.currency, exponent=STATED_DECIMALS):
        return Closeness.RIGHT
    stated, due = Fraction(claimed), Fraction(exact)
    is_near = scale.is_near(stated, due) or abs(stated - due) <= scale.tolerance
    return Closeness.ROUNDED if is_near else Closeness.WRONG


def settled(amount: Sum, scale: Scale) -> Decimal:
    """An exact amount as it is paid, with the decimals of its currency."""
    exponent = scale.policy.rounding_exponent
    return rounded(
        amount, scale.currency, scale.policy.rounding_mode, None if exponent == "iso_4217" else int(exponent)
    )


def written(amount: Decimal, currency: str) -> str:
    """An amount for people: all its digits, and at least those of its currency."""
    exponent = amount.as_tuple().exponent
    decimals = max(currency_exponent(currency), -exponent if isinstance(exponent, int) else 0)
    return f"{currency} {amount:.{decimals}f}"


def _excess(claimed: Decimal, exact: Sum, scale: Scale) -> Decimal:
    return to_decimal(Fraction(claimed) - Fraction(settled(exact, scale)))
