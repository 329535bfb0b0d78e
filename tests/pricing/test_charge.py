"""How a CDR is read."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from msgspec import structs

from hub.pricing.charge import NotACharge, is_plain, read_charge
from ocpi_modules.types import encode_json
from tests.pricing.build import at, cdr, period


def text(**changes: Any) -> bytes:
    return encode_json({**cdr(period(at(0), ENERGY="1.5", TIME="0.25")), **changes})


def test_both_readers_say_the_same() -> None:
    """N1: a long number anywhere sends the text to the patient reader."""
    quick, patient = text(), text(remark="1234567890123456")
    assert is_plain(quick)
    assert not is_plain(patient)
    assert structs.asdict(read_charge(quick)) | {"tariffs": ()} == structs.asdict(read_charge(patient)) | {
        "tariffs": ()
    }


def test_no_digit_is_lost() -> None:
    """N1: more digits than a float has."""
    charge = read_charge(encode_json(cdr(period(at(0), ENERGY="12.3456789012345678901"))))
    assert charge.periods[0].energy == Fraction("12.3456789012345678901") * 10**6


def test_an_hour_is_a_whole_number_of_microseconds() -> None:
    charge = read_charge(text())
    assert charge.periods[0].time == 900 * 10**6
    assert charge.periods[0].energy == 1_500_000


def test_periods_are_put_in_order_of_time() -> None:
    """D3."""
    charge = read_charge(encode_json(cdr(period(at(30), ENERGY=2), period(at(0), ENERGY=1))))
    assert [item.energy for item in charge.periods] == [1_000_000, 2_000_000]


@pytest.mark.parametrize("written", ["1970-1-1T00:00:00Z", "1970-01-01T00:00:00Z"])
def test_the_text_for_an_unknown_time_is_no_time(written: str) -> None:
    """X1."""
    assert read_charge(text(end_date_time=written)).end is None


@pytest.mark.parametrize(
    ("written", "has_offsets"),
    [
        pytest.param("2026-06-01T11:00:00Z", False, id="UTC"),
        pytest.param("2026-06-01T11:00:00", False, id="without Z it is UTC too"),
        pytest.param("2026-06-01T11:00:00+00:00", True, id="an offset of zero is not UTC"),
        pytest.param("2026-06-01T13:00:00+02:00", True, id="an offset is converted"),
    ],
)
def test_moments_are_read_as_utc(written: str, has_offsets: bool) -> None:
    """X2."""
    charge = read_charge(text(end_date_time=written))
    assert charge.end == datetime(2026, 6, 1, 11, tzinfo=UTC)
    assert charge.has_offsets is has_offsets


@pytest.mark.parametrize(
    ("volumes", "is_reservation"),
    [
        pytest.param({"RESERVATION_TIME": "0.25"}, True, id="nothing but a reservation"),
        pytest.param({"RESERVATION_TIME": "0"}, True, id="of no time"),
        pytest.param({"RESERVATION_TIME": "0.25", "ENERGY": "0", "TIME": "0"}, True, id="zeros are not there"),
        pytest.param({"RESERVATION_TIME": "0", "ENERGY": "0", "TIME": "0"}, False, id="all zeros: a charge"),
        pytest.param({"RESERVATION_TIME": "0.25", "ENERGY": "1"}, False, id="energy makes it a charge"),
        pytest.param({"TIME": "0.25"}, False, id="no reservation"),
    ],
)
def test_a_reservation_has_nothing_else(volumes: dict[str, str], is_reservation: bool) -> None:
    """R1."""
    charge = read_charge(encode_json(cdr(period(at(0), **volumes))))
    assert charge.periods[0].is_reservation is is_reservation


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"[]", id="no object"),
        pytest.param(text(start_date_time="yesterday"), id="no moment"),
        pytest.param(
            text(charging_periods=[{"start_date_time": at(0), "dimensions": [{"type": "TIME", "volume": "1"}]}]),
            id="a number as text",
        ),
        pytest.param(text(charging_periods=[period(at(0), ENERGY="1e300")]), id="beyond all reason"),
        pytest.param(text(charging_periods=[]), id="no periods"),
    ],
)
def test_what_is_no_cdr_is_refused_with_a_sentence(broken: bytes) -> None:
    with pytest.raises(NotACharge, match="the CDR cannot be read: "):
        read_charge(broken)


def test_a_zero_with_an_exponent_is_zero() -> None:
    assert read_charge(text(total_energy=Decimal("0E-7"))).total_energy == 0
