"""What is odd about a charge is told beside its price (section by section: D, E, X, N1)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.pricing.build import Content, at, cdr, component, element, kinds, period, priced, tariff

PER_KWH = tariff(element(component("ENERGY", "1")))
PER_HOUR = tariff(element(component("TIME", "1")))
BY_DAY = tariff(
    element(component("ENERGY", "1"), start_time="13:00", end_time="14:00"), element(component("ENERGY", "2"))
)
UNKNOWN = "1970-1-1T00:00:00Z"


@pytest.mark.parametrize(
    ("charge", "expected"),
    [
        pytest.param(cdr(period(at(0), ENERGY=1), total_energy=1, total_time=1), [], id="nothing odd"),
        pytest.param(cdr(period(at(0), ENERGY=1), total_energy=2), ["ENERGY_SUM_MISMATCH"], id="ENERGY_SUM"),
        pytest.param(
            cdr(period(at(0), ENERGY=1), total_energy=Decimal("1.001")), [], id="ENERGY_SUM: tolerance of a Wh"
        ),
        pytest.param(
            cdr(period(at(0), ENERGY=1), total_energy=Decimal("1.0011")), ["ENERGY_SUM_MISMATCH"], id="and no more"
        ),
        pytest.param(cdr(period(at(0), ENERGY=1), total_time=2), ["TIME_SUM_MISMATCH"], id="D6: total_time"),
        pytest.param(cdr(period(at(0), ENERGY=1, TIME="0.5")), ["TIME_SUM_MISMATCH"], id="D2: hours of a period"),
        pytest.param(cdr(period(at(0), TIME="0.1167"), minutes=7, tariffs=[PER_HOUR]), [], id="D2: notation"),
        pytest.param(cdr(period(at(0), TIME="0.5", PARKING_TIME="0.5"), tariffs=[PER_HOUR]), [], id="D2: both times"),
        pytest.param(cdr(period(at(0), ENERGY=1), total_parking_time=1), ["PARKING_TIME_MISMATCH"], id="PARKING_TIME"),
        pytest.param(
            cdr(period(at(0), ENERGY=1), minutes=-5), ["NEGATIVE_DURATION", "PERIOD_OUTSIDE_SESSION"], id="ends first"
        ),
        pytest.param(cdr(period(at(0), ENERGY=1), minutes=8 * 1440), ["IMPLAUSIBLE_DURATION"], id="eight days"),
        pytest.param(cdr(period(at(-20), ENERGY=1)), ["PERIOD_OUTSIDE_SESSION"], id="X3: early"),
        pytest.param(cdr(period(at(61), ENERGY=1)), ["PERIOD_OUTSIDE_SESSION"], id="X3: late"),
        pytest.param(cdr(period(at(0), ENERGY=1), end_date_time=UNKNOWN), ["UNVERIFIABLE_TIME"], id="X1: unknown end"),
        pytest.param(cdr(period(UNKNOWN, ENERGY=1)), ["UNVERIFIABLE_TIME"], id="X1: unknown period"),
        pytest.param(cdr(period(at(0)[:-1] + "+00:00", ENERGY=1)), ["UNVERIFIABLE_TIME"], id="X2: an offset"),
        pytest.param(cdr(period(at(0)[:-1], ENERGY=1)), [], id="X2: no Z"),
        pytest.param(cdr(period(at(0), ENERGY="1.00001")), ["NUMBER_PRECISION"], id="N1: five decimals"),
        pytest.param(cdr(period(at(0), ENERGY=1), tariffs=[PER_HOUR]), ["DIMENSION_MISSING"], id="D1: no TIME"),
        pytest.param(cdr(period(at(0), PARKING_TIME=1), tariffs=[PER_HOUR]), [], id="D1: parking is a time"),
    ],
)
def test_a_finding(charge: Content, expected: list[str]) -> None:
    store = [] if "tariffs" in charge else [PER_KWH]
    assert kinds(priced(charge, *store)) == expected


def test_energy_in_wh_is_priced_both_ways() -> None:
    """D4: and not corrected silently."""
    answer = priced(cdr(period(at(0), ENERGY=41000), total_energy=41), PER_KWH)
    assert answer["total_cost"]["excl_vat"] == 41000
    (warning,) = answer["warnings"]
    assert warning["kind"] == "ENERGY_UNIT_ERROR"
    assert warning["total_cost_in_kwh"]["excl_vat"] == 41


def test_a_total_in_wh_is_told() -> None:
    """D4."""
    assert kinds(priced(cdr(period(at(0), ENERGY=41), total_energy=41000), PER_KWH)) == ["ENERGY_UNIT_ERROR"]


def test_a_restriction_nobody_can_prove_is_told() -> None:
    """E5."""
    fast = tariff(element(component("ENERGY", "2"), min_current=Decimal(32)), element(component("ENERGY", "1")))
    assert kinds(priced(cdr(period(at(0), ENERGY=1), tariffs=[fast]))) == ["INSUFFICIENT_DATA"]
    assert kinds(priced(cdr(period(at(0), ENERGY=1, MAX_CURRENT=16), tariffs=[fast]))) == []
    straddling = priced(cdr(period(at(0), ENERGY=1, MIN_CURRENT=16, MAX_CURRENT=32), tariffs=[fast]))
    assert kinds(straddling) == ["MISSING_PERIOD_BOUNDARY"]


def test_the_average_power_is_evidence_too() -> None:
    """E5: 11 kWh in an hour are 11 kW."""
    fast = tariff(element(component("ENERGY", "2"), min_power=Decimal(11)), element(component("ENERGY", "1")))
    answer = priced(cdr(period(at(0), ENERGY=11), tariffs=[fast]))
    assert answer["total_cost"]["excl_vat"] == 22
    assert kinds(answer) == []


def test_without_a_time_zone_no_local_time_holds() -> None:
    """E3."""
    answer = priced(cdr(period(at(70), ENERGY=1), minutes=120, tariffs=[BY_DAY]), timezone=None)
    assert answer["total_cost"]["excl_vat"] == 2
    assert kinds(answer) == ["UNVERIFIABLE_TIME"]


# --- boundaries (E6) -------------------------------------------------------------------------


def boundary(charge: Content) -> Any:
    """The price of record of a period that lacks a cut, and the one with the cut."""
    found = [item for item in priced(charge)["warnings"] if item["kind"] == "MISSING_PERIOD_BOUNDARY"]
    return None if not found else (Decimal(found[0]["excl_vat"]), Decimal(found[0]["pro_rata_excl_vat"]))


TIERS = tariff(element(component("ENERGY", "1"), max_kwh=10), element(component("ENERGY", "2")))
GRACE = tariff(element(component("TIME", "0"), max_duration=1800), element(component("TIME", "4")))
NIGHT = tariff(
    element(component("ENERGY", "1"), start_time="22:00", end_time="06:00"), element(component("ENERGY", "3"))
)
MONDAY = tariff(element(component("ENERGY", "1"), day_of_week=["MONDAY"]), element(component("ENERGY", "3")))
SPRING = tariff(
    element(component("ENERGY", "1"), start_time="02:15", end_time="02:45"), element(component("ENERGY", "3"))
)
LATE_FLAT = tariff(element(component("FLAT", "5"), min_kwh=10), element(component("ENERGY", "1")))
SAME = tariff(element(component("TIME", "1"), start_time="13:00"), element(component("ENERGY", "1")))


@pytest.mark.parametrize(
    ("charge", "expected"),
    [
        pytest.param(cdr(period(at(0), ENERGY=20), tariffs=[TIERS]), (20, 30), id="half of the energy is dearer"),
        pytest.param(cdr(period(at(0), ENERGY=10), tariffs=[TIERS]), None, id="the threshold is at its end"),
        pytest.param(cdr(period(at(0), TIME=1), tariffs=[GRACE]), (0, 2), id="half of the hour is free"),
        pytest.param(
            cdr(period(at(0), TIME="0.5"), minutes=30, tariffs=[GRACE]), None, id="the whole half hour is free"
        ),
        pytest.param(cdr(period(at(540), ENERGY=4), minutes=660, tariffs=[NIGHT]), (12, 8), id="the night begins"),
        pytest.param(
            cdr(period(at(540), ENERGY=4), minutes=600, tariffs=[NIGHT]), None, id="the night begins at the end"
        ),
        pytest.param(
            cdr(period(at(540), ENERGY=24), minutes=1260, tariffs=[NIGHT]), (72, 40), id="a whole night passes"
        ),
        pytest.param(cdr(period(at(600), ENERGY=4), minutes=840, tariffs=[MONDAY]), (4, 8), id="Tuesday begins"),
        pytest.param(cdr(period(at(0), ENERGY=20), tariffs=[LATE_FLAT]), (20, 20), id="a FLAT would become due"),
        pytest.param(
            cdr(period(at(30), ENERGY=4), minutes=90, tariffs=[SAME]), None, id="nothing that is priced changes"
        ),
    ],
)
def test_a_price_that_changes_inside_a_period_is_told(charge: Content, expected: tuple[int, int] | None) -> None:
    """E6: the price of record stays; the one with a cut is information."""
    assert boundary(charge) == expected


def test_a_window_in_the_missing_hour_never_opens() -> None:
    """E3, E6: the night of spring."""
    night: Any = {"start_date_time": "2026-03-29T00:30:00Z", "end_date_time": "2026-03-29T01:30:00Z"}
    assert boundary(cdr(period("2026-03-29T00:30:00Z", ENERGY=4), tariffs=[SPRING], **night)) is None


def test_a_window_in_the_repeated_hour_opens_twice() -> None:
    """E3, E6: the night of autumn; half an hour of two."""
    night: Any = {"start_date_time": "2026-10-25T00:00:00Z", "end_date_time": "2026-10-25T02:00:00Z"}
    assert boundary(cdr(period("2026-10-25T00:00:00Z", ENERGY=4), tariffs=[SPRING], **night)) == (12, 8)


def test_a_clock_that_jumps_over_an_opening_opens_the_window_at_the_jump() -> None:
    """E3, E6."""
    later = tariff(
        element(component("ENERGY", "1"), start_time="02:30", end_time="05:00"), element(component("ENERGY", "3"))
    )
    night: Any = {"start_date_time": "2026-03-29T00:30:00Z", "end_date_time": "2026-03-29T01:30:00Z"}
    assert boundary(cdr(period("2026-03-29T00:30:00Z", ENERGY=4), tariffs=[later], **night)) == (12, 8)
