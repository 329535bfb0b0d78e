"""Prices in words, bytes in pieces, countries."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from hub.navigation.formats.publishing import (
    CHUNK_MIN_BYTES,
    AdHocPrice,
    adhoc_price,
    degrees,
    in_chunks,
    in_words,
    joined,
)
from tests.navigation.formats.samples import PRICES
from tests.navigation.places import NOON, connector, place

CENT = Decimal("0.01")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        pytest.param({"per_kwh": Decimal("0.590")}, "0.590 EUR/kWh incl. VAT", id="one part, digits as they were"),
        pytest.param({"per_kwh": CENT, "per_minute": CENT}, "0.01 EUR/kWh + 0.01 EUR/min incl. VAT", id="two parts"),
        pytest.param(
            {"per_kwh": CENT, "per_session": Decimal(0)}, "0.01 EUR/kWh incl. VAT", id="a part of zero is none"
        ),
        pytest.param({"per_session": Decimal(0)}, "free of charge", id="zero is free"),
    ],
)
def test_a_price_is_said_in_words(parts: dict[str, Decimal], words: str) -> None:
    assert in_words(AdHocPrice("EUR", NOON, **parts)) == words


@pytest.mark.parametrize(
    ("tariff_ids", "found"),
    [
        pytest.param(("T0", "T1"), "T1", id="the first that is known"),
        pytest.param((), None, id="no Tariff: unknown"),
        pytest.param(("ROAMING",), None, id="N7: a Tariff without ad-hoc price is not one"),
        pytest.param(("EMPTY",), None, id="a price that says nothing is none, and not free"),
    ],
)
def test_the_adhoc_price_of_a_connector_is_that_of_its_tariffs_or_unknown(
    tariff_ids: tuple[str, ...], found: str | None
) -> None:
    prices = {**PRICES, ("DE/ABC", "EMPTY"): AdHocPrice("EUR", NOON)}
    price = adhoc_price(place(), connector(tariff_ids=tariff_ids), prices)
    assert (price and price[0]) == found


def test_a_price_of_another_party_with_the_same_tariff_id_is_not_taken() -> None:
    assert adhoc_price(place(party_id="XYZ"), connector(), PRICES) is None


def test_bytes_come_in_pieces_that_are_large_enough_and_one_at_a_time() -> None:
    taken = 0

    def parts() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield b"x" * 1000

    chunks = in_chunks(parts())
    assert CHUNK_MIN_BYTES <= len(next(chunks)) < CHUNK_MIN_BYTES + 1000
    assert taken < 70
    assert sum(map(len, chunks)) + taken * 1000 >= 1_000_000


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        pytest.param([], b"", id="none"),
        pytest.param([b"a"], b"a", id="one"),
        pytest.param([b"a", b"b", b"c"], b"a,b,c", id="three"),
    ],
)
def test_parts_are_joined(parts: list[bytes], whole: bytes) -> None:
    assert b"".join(joined(parts, b",")) == whole


def test_no_degrees_are_minus_zero() -> None:
    assert str(degrees(-0.00000001)) == "0.0"
    assert degrees(6.123456789) == 6.1234568
