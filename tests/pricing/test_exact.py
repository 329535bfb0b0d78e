"""Numbers are exact however they are read (N1)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.pricing.exact import SHORT_UNITS, ceiling, half_up, millionths, plainest, to_decimal
from hub.pricing.tariff import EXCL_UNITS, INCL_UNITS


@given(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(0, 15))
def test_a_float_of_fifteen_digits_is_what_was_written(digits: int, decimals: int) -> None:
    text = f"{Decimal(digits).scaleb(-decimals):f}"
    assert millionths(float(text)) == Fraction(text) * 10**6


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**12), max_value=10**12))
def test_a_decimal_is_what_was_written(number: Decimal) -> None:
    assert millionths(number) == Fraction(number) * 10**6


@pytest.mark.parametrize("number", [Decimal("NaN"), Decimal("Infinity"), Decimal("1e200")])
def test_what_is_beyond_reason_is_no_number(number: Decimal) -> None:
    with pytest.raises(ValueError, match="beyond all reason"):
        millionths(number)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        pytest.param(Fraction(1, 8), "0.125", id="it ends"),
        pytest.param(Fraction(-7, 3), "-2.33333333333333333333", id="it never ends: twenty decimals"),
        pytest.param(1500, "1500", id="whole"),
        pytest.param(Fraction(1, 5**30), str(Decimal(2**30).scaleb(-30)), id="long, but it ends"),
    ],
)
def test_numbers_are_told_with_all_their_digits(number: Fraction | int, text: str) -> None:
    assert to_decimal(number) == Decimal(text)


@pytest.mark.parametrize(("number", "rounded"), [(149, 100), (150, 200), (-150, -200), (-149, -100), (0, 0)])
def test_halves_go_away_from_zero(number: int, rounded: int) -> None:
    assert half_up(number, 100) == rounded


@pytest.mark.parametrize(("number", "multiple"), [(0, 0), (1, 500), (500, 500), (501, 1000), (-499, 0)])
def test_a_ceiling_keeps_an_exact_multiple(number: int, multiple: int) -> None:
    assert ceiling(number, 500) == multiple


@given(st.one_of(st.integers(-(10**24), 10**24), st.fractions()), st.sampled_from((1, EXCL_UNITS, INCL_UNITS)))
def test_a_plain_amount_is_the_same_amount(number: int | Fraction, units: int) -> None:
    """N1: a Decimal or not, nothing is cut."""
    plain = plainest(number, units)
    assert Fraction(plain) == Fraction(number) / units
    assert type(plain) is Decimal or (plain * SHORT_UNITS).denominator != 1 or type(number) is Fraction
