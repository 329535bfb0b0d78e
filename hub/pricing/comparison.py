"""What a CDR claims, beside what it should have cost (rule N3; the tolerances of the findings about amounts)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

import msgspec

from hub.pricing.exact import PER_ONE, Number, millionths, named_millionths
from hub.pricing.policy import Policy
from hub.pricing.result import Money
from hub.pricing.rounding import currency_exponent, rounded
from ocpi_modules.types import NotJsonText, decode_json

TOLERANCE_MIN = Fraction(1, 10_000)
SCALES_KEPT_MAX = 1024
PARTS_OF_ONE_UNIT = 3
"""Up to so many priced parts may differ by one minor unit; more by two."""


class PriceText(msgspec.Struct, gc=False):
    """A Price as it is written."""

    excl_vat: Number
    incl_vat: Number | None = None


class ClaimText(msgspec.Struct, gc=False):
    """The amounts of a CDR."""

    total_cost: PriceText | None = None
    total_fixed_cost: PriceText | None = None
    total_energy_cost: PriceText | None = None
    total_time_cost: PriceText | None = None
    total_parking_cost: PriceText | None = None
    total_reservation_cost: PriceText | None = None


class NoClaim(ValueError):
    """The amounts of this CDR cannot be read; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Amount:
    """What is claimed or computed, in the currency of the CDR; `incl_vat` None where it is not stated (V3)."""

    excl_vat: Fraction
    incl_vat: Fraction | None


@dataclass(frozen=True, slots=True)
class Claim:
    """The total that a CDR claims, and those of its parts that it states, by the name of the part."""

    total: Amount
    parts: dict[str, Amount]


def read_claim(cdr: bytes) -> Claim | None:
    """What the JSON text of a CDR claims; None where it states no total. Raises NoClaim."""
    try:
        text = msgspec.convert(decode_json(cdr), ClaimText, builtin_types=(Decimal,))
        for name, price in msgspec.structs.asdict(text).items():
            _check(price, f"$.{name}")
    except (msgspec.ValidationError, NotJsonText, ValueError) as exc:
        raise NoClaim(f"the amounts of the CDR cannot be read: {exc}") from exc
    if text.total_cost is None:
        return None
    stated = {
        "fixed": text.total_fixed_cost,
        "energy": text.total_energy_cost,
        "time": text.total_time_cost,
        "parking": text.total_parking_cost,
        "reservation": text.total_reservation_cost,
    }
    return Claim(
        _amount(text.total_cost), {name: _amount(price) for name, price in stated.items() if price is not None}
    )


def _check(price: PriceText | None, place: str) -> None:
    if price is not None:
        named_millionths(price.excl_vat, f"{place}.excl_vat")
    if price is not None and price.incl_vat is not None:
        named_millionths(price.incl_vat, f"{place}.incl_vat")


def _amount(price: PriceText) -> Amount:
    incl = None if price.incl_vat is None else Fraction(millionths(price.incl_vat), PER_ONE)
    return Amount(Fraction(millionths(price.excl_vat), PER_ONE), incl)


def amount_of(money: Money) -> Amount:
    """The same, exact, for what was computed."""
    return Amount(money.excl_vat, money.incl_vat)


@dataclass(frozen=True, slots=True)
class Scale:
    """How amounts of a charge are rounded, and how much they may differ after that."""

    currency: str
    policy: Policy
    tolerance: Fraction

    @classmethod
    def of(cls, currency: str, policy: Policy, priced_parts: int) -> Scale:
        """The scale for a charge with so many priced parts."""
        return _scale(currency, policy, 1 if priced_parts <= PARTS_OF_ONE_UNIT else 2)

    def settled(self, amount: Fraction) -> Fraction:
        """An exact amount as it is settled (N2)."""
        exponent = None if self.policy.rounding_exponent == "iso_4217" else int(self.policy.rounding_exponent)
        return Fraction(rounded(amount, self.currency, self.policy.rounding_mode, exponent))

    def is_far(self, claimed: Decimal | Fraction, computed: Decimal | Fraction) -> bool:
        """Whether two amounts differ by more than any rounding and the tolerance together: told without rounding anything."""
        over, under = claimed.as_integer_ratio()
        other_over, other_under = computed.as_integer_ratio()
        most, of = self._far
        return abs(over * other_under - other_over * under) * of > most * under * other_under

    @property
    def _far(self) -> tuple[int, int]:
        """Twice the tolerance, which is a minor unit at least: rounding changes an amount by less than one."""
        most, of = self.tolerance.as_integer_ratio()
        return 2 * most, of

    def is_near(self, claimed: Fraction, computed: Fraction) -> bool:
        """Whether a claim differs from what was computed by no more than rounding explains."""
        return not self.is_far(claimed, computed) and abs(claimed - self.settled(computed)) <= self.tolerance


@lru_cache(maxsize=SCALES_KEPT_MAX)
def _scale(currency: str, policy: Policy, units: int) -> Scale:
    exponent = currency_exponent(currency) if policy.rounding_exponent == "iso_4217" else int(policy.rounding_exponent)
    return Scale(currency, policy, max(Fraction(units, 10**exponent), TOLERANCE_MIN))


def reproduces(claimed: Amount, computed: Amount, scale: Scale) -> bool:
    """Whether a computed amount is the claim, on both sides where both are known."""
    return scale.is_near(claimed.excl_vat, computed.excl_vat) and has_same_vat(claimed, computed, scale)


def has_same_vat(claimed: Amount, computed: Amount, scale: Scale) -> bool:
    """Whether the amounts including VAT agree; one that is not stated is never compared (V3)."""
    if claimed.incl_vat is None or computed.incl_vat is None:
        return True
    return scale.is_near(claimed.incl_vat, computed.incl_vat)
