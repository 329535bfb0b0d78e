"""The one place where money is rounded: an exact amount becomes what is settled.

OCPI leaves rounding to law, contract and currency (mod_tariffs, Tariff object). Here an amount is rounded once, at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import (
    MAX_EMAX,
    MAX_PREC,
    MIN_EMIN,
    ROUND_DOWN,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
)
from fractions import Fraction
from typing import Literal

RoundingMode = Literal["half_away_from_zero", "half_even", "half_towards_zero", "away_from_zero", "towards_zero"]

DEFAULT_EXPONENT = 2
EXPONENTS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND"), 0),
    **dict.fromkeys(("VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""The decimals of currencies that do not have two (ISO 4217, list one). HUF has two, although its cash has none."""

_EXACT = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX)
_OF_DECIMALS: Mapping[RoundingMode, str] = {
    "half_away_from_zero": ROUND_HALF_UP,
    "half_even": ROUND_HALF_EVEN,
    "half_towards_zero": ROUND_HALF_DOWN,
    "away_from_zero": ROUND_UP,
    "towards_zero": ROUND_DOWN,
}
_ONE = Decimal(1)


def currency_exponent(currency: str) -> int:
    """How many decimals amounts of a currency have (ISO 4217)."""
    return EXPONENTS.get(currency.upper(), DEFAULT_EXPONENT)


def rounded(
    amount: Decimal | Fraction | int,
    currency: str,
    mode: RoundingMode = "half_away_from_zero",
    exponent: int | None = None,
) -> Decimal:
    """`amount` in whole minor units of its currency, or with `exponent` decimals where a contract says so."""
    decimals = currency_exponent(currency) if exponent is None else exponent
    if type(amount) is Decimal:
        whole = amount.quantize(_ONE.scaleb(-decimals, _EXACT), _OF_DECIMALS[mode], _EXACT)
        return whole or whole.copy_abs()  # no zero has a sign
    numerator, denominator = amount.as_integer_ratio()
    units = _whole(numerator * 10**decimals, denominator, mode)
    return Decimal(units).scaleb(-decimals, _EXACT)


def _whole(numerator: int, denominator: int, mode: RoundingMode) -> int:
    size, rest = divmod(abs(numerator), denominator)
    whole = size + _goes_up(size, 2 * rest, denominator, mode)
    return whole if numerator >= 0 else -whole


def _goes_up(size: int, doubled: int, denominator: int, mode: RoundingMode) -> bool:
    """Whether a rest, doubled to be compared with half, makes one unit more."""
    match mode:
        case "half_away_from_zero":
            return doubled >= denominator
        case "half_towards_zero":
            return doubled > denominator
        case "half_even":
            return doubled > denominator or (doubled == denominator and size % 2 == 1)
        case "away_from_zero":
            return doubled > 0
        case "towards_zero":
            return False
