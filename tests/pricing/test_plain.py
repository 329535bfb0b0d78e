"""Two pricers that share no line agree on charges that nobody chose."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import given, settings

from hub.pricing.interface import price_object
from tests.pricing.cases import PARTS, as_answered
from tests.pricing.charges import requests
from tests.pricing.plain import plain_price

Content = dict[str, Any]


@given(requests())
@settings(max_examples=250, deadline=None)
def test_the_pricer_and_the_plain_one_agree(request: Content) -> None:
    answer, plain = price_object(request), plain_price(request)

    assert answer.get("unpriceable") == plain.get("unpriceable")
    if "unpriceable" not in plain:
        assert amounts(answer) == plain_amounts(plain)
        assert {name: Fraction(value) for name, value in answer["billed"].items()} == plain["billed"]


def amounts(answer: Content) -> Content:
    return {name: sides(answer[name]) for name in ("total_cost", *PARTS) if name in answer}


def sides(price: Content) -> tuple[Fraction, Fraction]:
    return Fraction(price["excl_vat"]), Fraction(price["incl_vat"])


def plain_amounts(plain: Content) -> Content:
    return {name: tuple(map(as_answered, plain[name])) for name in ("total_cost", *PARTS) if name in plain}
