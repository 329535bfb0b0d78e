"""An amount is rounded once, in one place (N2)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.pricing.rounding import RoundingMode, currency_exponent, rounded


@pytest.mark.parametrize(
    ("currency", "exponent"),
    [("EUR", 2), ("JPY", 0), ("KRW", 0), ("ISK", 0), ("CLP", 0), ("KWD", 3), ("BHD", 3), ("TND", 3), ("HUF", 2)],
)
def test_currencies_have_their_own_minor_units(currency: str, exponent: int) -> None:
    assert currency_exponent(currency) == exponent


@pytest.mark.parametrize(
    ("amount", "mode", "expected"),
    [
        ("2.345", "half_away_from_zero", "2.35"),
        ("-2.345", "half_away_from_zero", "-2.35"),
        ("2.345", "half_even", "2.34"),
        ("2.355", "half_even", "2.36"),
        ("2.345", "half_towards_zero", "2.34"),
        ("2.3451", "half_towards_zero", "2.35"),
        ("2.341", "away_from_zero", "2.35"),
        ("-2.341", "away_from_zero", "-2.35"),
        ("2.349", "towards_zero", "2.34"),
    ],
)
def test_a_mode_decides(amount: str, mode: RoundingMode, expected: str) -> None:
    assert rounded(Decimal(amount), "EUR", mode) == Decimal(expected)


def test_a_fraction_is_rounded_as_what_it_is() -> None:
    assert rounded(Fraction(1, 3), "KWD") == Decimal("0.333")


def test_a_contract_may_say_how_many_decimals() -> None:
    assert rounded(Decimal("1.23456"), "EUR", exponent=4) == Decimal("1.2346")


def test_vat_is_computed_on_exact_amounts() -> None:
    """N2: 9.38 kWh at 0.25 and 20 %, once rounded first and once not."""
    exact = Decimal("9.38") * Decimal("0.25")
    assert rounded(exact * Decimal("1.2"), "EUR") == Decimal("2.81")
    assert rounded(rounded(exact, "EUR") * Decimal("1.2"), "EUR") == Decimal("2.82")


@given(
    st.decimals(-(10**9), 10**9, places=7),
    st.sampled_from(get_args(RoundingMode)),
    st.integers(0, 5),
)
def test_a_decimal_is_rounded_as_the_fraction_that_it_is(amount: Decimal, mode: RoundingMode, exponent: int) -> None:
    """N2: to the last sign and digit."""
    assert str(rounded(amount, "EUR", mode, exponent)) == str(rounded(Fraction(amount), "EUR", mode, exponent))
