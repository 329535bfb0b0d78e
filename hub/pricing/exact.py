"""Exact numbers: whole numbers of millionths, and fractions where that is not fine enough.

A price of 0.25 is 250000 millionths, an int. A number with more than six decimals is a Fraction of millionths: sums, products
and comparisons of the two mix, so nothing is ever cut and the common case costs no more than integers do.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from fractions import Fraction
from functools import lru_cache

Exact = int | Fraction

Number = int | Decimal
"""A number as `ocpi_modules.types.decode_json` reads it."""

PER_ONE = 10**6
"""Millionths in one."""

FLOAT_MAX_MILLIONTHS = 10**15
ENDLESS_DECIMALS = 20
NUMBER_MAX_EXPONENT = 100
SCALES_KEPT_MAX = 1024
SHORT_DECIMALS = 4
SHORT_UNITS = 10**SHORT_DECIMALS
SHORT_NUMBERS_KEPT_MAX = 65536

_EXACT = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX)


def millionths(number: float | Decimal) -> Exact:
    """`number` in millionths, exactly as it was written.

    A float is what a text of at most 15 significant digits was read into (`hub.pricing.charge`). Texts that short have
    floats of their own, and division rounds correctly: when the quotient of a whole number of millionths is that float,
    the text said just that. Raises ValueError for what is no number or beyond all reason.
    """
    if type(number) is float:
        whole = round(number * PER_ONE)
        if whole / PER_ONE == number and -FLOAT_MAX_MILLIONTHS < whole < FLOAT_MAX_MILLIONTHS:
            return whole
        return _millionths_of(Decimal(repr(number)))
    if type(number) is int:
        return number * PER_ONE
    return _millionths_of(number)


def _millionths_of(number: object) -> Exact:
    if type(number) is not Decimal:
        raise ValueError("what should be a number is none")
    if not number.is_finite() or (number and abs(number.adjusted()) > NUMBER_MAX_EXPONENT):
        raise ValueError("a number is beyond all reason")
    numerator, denominator = number.as_integer_ratio()
    whole, rest = divmod(numerator * PER_ONE, denominator)
    return Fraction(numerator * PER_ONE, denominator) if rest else whole


def named_millionths(number: Number, place: str) -> Exact:
    """`millionths`, where a refusal says at which place of a JSON text the number stands."""
    try:
        return millionths(number)
    except ValueError as exc:
        raise ValueError(f"{exc} - at `{place}`") from exc


def simplest(number: Exact) -> Exact:
    """The same number, as an int where it is whole."""
    return number.numerator if number.denominator == 1 else number


def to_decimal(number: Exact) -> Decimal:
    """`number` with all its digits, or with 20 decimals where they never end."""
    return quotient(number, 1)


def quotient(number: Exact, units: int) -> Decimal:
    """`number` divided by `units`, with all its digits, or with 20 decimals where they never end."""
    if type(number) is int:
        short, rest = divmod(number * SHORT_UNITS, units)
        if not rest:  # nearly every amount and quantity
            return _short(short)
        count, per = number, units
    else:
        count, per = number.numerator, number.denominator * units
    endless, multiplier, decimals = _scale(per)
    if count % endless:
        nearest = (2 * count * 10**ENDLESS_DECIMALS + per) // (2 * per)  # there is no half way to a number without end
        return Decimal(nearest).scaleb(-ENDLESS_DECIMALS, _EXACT)
    return _decimal(count // endless * multiplier, decimals)


def plainest(number: Exact, units: int) -> Decimal | Fraction:
    """`number` divided by `units`, exactly: a Decimal where its digits end soon, as those of nearly all amounts do."""
    if type(number) is int:
        short, rest = divmod(number * SHORT_UNITS, units)
        if not rest:
            return _short(short)
    return Fraction(number, units)


@lru_cache(maxsize=SHORT_NUMBERS_KEPT_MAX)
def _short(digits: int) -> Decimal:
    return _decimal(digits, SHORT_DECIMALS)


@lru_cache(maxsize=SCALES_KEPT_MAX)
def _scale(units: int) -> tuple[int, int, int]:
    """What of `units` makes decimals without end, and by which factor the rest becomes a power of ten, and which."""
    twos, fives, rest = 0, 0, units
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    decimals = max(twos, fives)
    return rest, 10**decimals // (units // rest), decimals


def _decimal(digits: int, decimals: int) -> Decimal:
    """`digits` with their last `decimals` behind the point, without zeros at the end."""
    if digits % 10**decimals == 0:
        return Decimal(digits // 10**decimals)
    text = f"{abs(digits):0{decimals + 1}d}"  # read as text, which is quicker than arithmetic with Decimals
    sign = "-" if digits < 0 else ""
    return Decimal(f"{sign}{text[:-decimals]}.{text[-decimals:].rstrip('0')}")


def size(number: Exact) -> Exact:
    """`number` without its sign."""
    return number if number >= 0 else -number


def half_up(number: Exact, step: int) -> int:
    """`number` rounded to whole steps, half away from zero."""
    halves = int((2 * size(number) + step) // (2 * step)) * step
    return halves if number >= 0 else -halves


def ceiling(number: Exact, step: Exact) -> Exact:
    """The smallest multiple of `step` that is not less than `number`."""
    return -(-number // step) * step
