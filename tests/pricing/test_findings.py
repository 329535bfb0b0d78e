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
        pytest.param(cdr(period(at(0), ENERGY=1, BANANA=3)), ["DIMENSION_MISSING"], id="no dimension"),
        pytest.param(cdr(period(at(0), ENERGY=1, energy=3)), ["DIMENSION_MISSING"], id="one in small letters"),
        pytest.param(cdr(period(at(0), ENERGY=1, STATE_OF_CHARGE=50, POWER=9)), [], id="one that is never priced"),
        pytest.param(
            cdr(period(at(0), ENERGY=1), currency="ZZZ", tariffs=[{**PER_KWH, "currency": "ZZZ"}]),
            ["TARIFF_INVALID"],
            id="a currency of nobody",
        ),
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


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        pytest.param(element(component("BANANA", "1")), "Element 2 has a price for 'BANANA'", id="no dimension"),
        pytest.param(element(component("energy", "1")), "Element 2 has a price for 'energy'", id="in small letters"),
        pytest.param(
            element(component("FLAT", "1"), reservation="MAYBE"), "reservations of the unknown kind 'MAYBE'", id="kind"
        ),
        pytest.param(
            element({"type": "TIME", "price": 1, "step_size": Decimal("0.5")}), "not a whole number", id="half a step"
        ),
    ],
)
def test_a_tariff_that_says_what_nobody_understands_is_told(odd: Any, words: str) -> None:
    """E1, S7: nothing is silently free."""
    both = tariff(element(component("ENERGY", "1")), odd)
    (warning,) = priced(cdr(period(at(0), ENERGY=1, TIME=1), tariffs=[both]))["warnings"]
    assert warning["kind"] == "TARIFF_INVALID"
    assert words in warning["detail"]


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
TWINS = tariff(element(component("ENERGY", "1"), max_kwh=10), element(component("ENERGY", "1")))
FREE = tariff(element(component("TIME", "0"), max_duration=1800))
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
        pytest.param(cdr(period(at(0), ENERGY=20), tariffs=[TWINS]), None, id="the other element costs the same"),
        pytest.param(cdr(period(at(0), TIME=1), tariffs=[FREE]), None, id="from free to without a price"),
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


@pytest.mark.parametrize(
    ("price", "expected"),
    [pytest.param("1", [], id="same"), pytest.param("3", ["MISSING_PERIOD_BOUNDARY"], id="other")],
)
def test_currents_on_both_sides_matter_only_where_the_price_differs(price: str, expected: list[str]) -> None:
    """E5, E6."""
    fast = tariff(element(component("ENERGY", price), min_current=32), element(component("ENERGY", "1")))
    assert kinds(priced(cdr(period(at(0), ENERGY=1, MIN_CURRENT=16, MAX_CURRENT=40), tariffs=[fast]))) == expected


def test_no_least_duration_holds_before_the_session() -> None:
    """E4, X3."""
    later = tariff(element(component("ENERGY", "5"), min_duration=0), element(component("ENERGY", "1")))
    early = cdr(period(at(-20), ENERGY=1), period(at(0), ENERGY=1), tariffs=[later])
    assert priced(early)["total_cost"]["excl_vat"] == 6


# --- what a connector can give -----------------------------------------------------------------

AC_16 = {"power_type": "AC_3_PHASE", "max_voltage": 230, "max_amperage": 16}


@pytest.mark.parametrize(
    ("connector", "kwh", "minutes", "expected"),
    [
        pytest.param({"max_electric_power": 11000}, "11.55", 60, [], id="5 % more"),
        pytest.param({"max_electric_power": 11000}, "11.56", 60, ["ENERGY_ABOVE_PHYSICAL_LIMIT"], id="and no more"),
        pytest.param({"max_electric_power": 11000}, "1.06", 5, [], id="0.1 kWh more in a short time"),
        pytest.param(
            {"max_electric_power": 11000}, "1.07", 5, ["ENERGY_ABOVE_PHYSICAL_LIMIT"], id="and no more either"
        ),
        pytest.param(AC_16, "11.5", 60, [], id="three phases"),
        pytest.param(AC_16, "11.6", 60, ["ENERGY_ABOVE_PHYSICAL_LIMIT"], id="three phases and no more"),
        pytest.param({}, "999", 60, [], id="nobody knows"),
        pytest.param({"max_electric_power": "much"}, "999", 60, [], id="nobody can read it"),
    ],
)
def test_energy_above_the_power_of_the_connector_is_told(
    connector: Any, kwh: str, minutes: int, expected: list[str]
) -> None:
    place: Any = {"evse_uid": "E1", "connector_id": "1"}
    location = {"evses": [{"uid": "E1", "connectors": [{"id": "1", "tariff_ids": ["T1"], **connector}]}]}
    charge = cdr(period(at(0), ENERGY=kwh), minutes=minutes, cdr_location=place)
    assert kinds(priced(charge, PER_KWH, location=location)) == expected


def test_a_period_alone_may_have_too_much_energy() -> None:
    place: Any = {"evse_uid": "E1", "connector_id": "1"}
    connector = {"id": "1", "tariff_ids": ["T1"], "max_electric_power": 11000}
    location = {"evses": [{"uid": "E1", "connectors": [connector]}]}
    charge = cdr(period(at(0), ENERGY=1), period(at(30), ENERGY=7), cdr_location=place)
    (warning,) = priced(charge, PER_KWH, location=location)["warnings"]
    assert (warning["kind"], warning["period"], warning["power_w"]) == ("ENERGY_ABOVE_PHYSICAL_LIMIT", 1, 11000)
    assert (warning["energy_kwh"], warning["limit_kwh"]) == (7, Decimal("5.775"))


# --- what nothing prices -------------------------------------------------------------------------


def test_what_nothing_prices_is_shown() -> None:
    """D1, T2."""
    charge = cdr(period(at(0), ENERGY=1, TIME="0.5"), period(at(30), None, ENERGY=2, PARKING_TIME=0))
    answer = priced(charge, PER_KWH)
    shown = [
        (one["period"], one["dimension"], one["quantity"], one["unit"], one["tariff_id"], one["priced"], one["rules"])
        for one in answer["unpriced"]
    ]
    assert shown == [
        (0, "TIME", 1800, "s", "T1", False, ["D1", "E1"]),
        (1, "ENERGY", 2, "kWh", None, False, ["D1", "T2"]),
    ]
    assert all("price" not in one for one in answer["unpriced"])
