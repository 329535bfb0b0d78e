"""B, C07: a CDR adds up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hub.settlement.checks.arithmetic import (
    b01_periods_within_the_session,
    b02_energy_sum,
    b03_b04_time_sum,
    b03_parking_sum,
    b07_negative_amount,
    b08_nothing_claimed,
    b09_cost_without_volume,
    b10_part_without_volume,
    c07_parking_longer_than_session,
)
from hub.settlement.findings import Disposition
from tests.settlement.cases import (
    ABSENT,
    case_in,
    case_of,
    cdr,
    credit_of,
    dc_case_of,
    dc_cdr,
    dc_tariff,
    evidence_of,
    findings_of,
    period,
    said_by,
    tariff,
    volumes,
)

HOLD, REPORT, SETTLE = Disposition.HOLD, Disposition.REPORT, Disposition.SETTLE
START = "2026-10-10T08:00:00Z"


def time_tariff(price: float = 6, step_size: int = 1) -> dict[str, Any]:
    return tariff(
        elements=[{"price_components": [{"type": "TIME", "price": price, "vat": 19, "step_size": step_size}]}]
    )


# --- B01 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("starts", "said"),
    [
        pytest.param(["2026-10-10T08:00:00Z", "2026-10-10T09:30:00Z"], [], id="within"),
        pytest.param(["2026-10-10T09:30:00Z", "2026-10-10T08:00:00Z"], [], id="the order of the list proves nothing"),
        pytest.param(["2026-10-10T07:59:59Z", "2026-10-10T09:30:00Z"], [], id="a second early"),
        pytest.param(["2026-10-10T07:59:58Z", "2026-10-10T09:30:00Z"], [[0]], id="two seconds early"),
        pytest.param(["2026-10-10T08:00:00Z", "2026-10-10T10:00:01Z"], [], id="a second late"),
        pytest.param(["2026-10-10T08:00:00Z", "2026-10-10T10:00:02Z"], [[1]], id="two seconds late"),
        pytest.param(["2026-10-10T08:00:00Z", "2026-10-10T10:00:00Z"], [], id="at the very end"),
    ],
)
def test_periods_start_within_their_session(starts: list[str], said: list[list[int]]) -> None:
    """B01, X3."""
    case = case_of(
        charging_periods__0__start_date_time=starts[0],
        charging_periods__1__start_date_time=starts[1],
    )
    findings = list(b01_periods_within_the_session(case))
    assert [finding.details["periods"] for finding in findings] == said
    assert {finding.disposition for finding in findings} <= {REPORT}


def test_periods_of_a_session_with_unknown_times_are_nowhere_outside() -> None:
    """B01, X1."""
    case = case_of(start_date_time="1970-1-1T00:00:00Z", end_date_time="1970-01-01T00:00:00Z")
    assert said_by(b01_periods_within_the_session, case) == []


# --- B02 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "said"),
    [
        pytest.param(20, [], id="the same"),
        pytest.param(20.02, [], id="0.1 % more"),
        pytest.param(20.0201, [("ENERGY_SUM_MISMATCH", HOLD)], id="a trace more than 0.1 %"),
        pytest.param(19.98, [], id="a trace less than 0.1 % below"),
        pytest.param(19.97, [("ENERGY_SUM_MISMATCH", HOLD)], id="more than 0.1 % below"),
        pytest.param(0, [("ENERGY_SUM_MISMATCH", HOLD)], id="nothing in all"),
    ],
)
def test_total_energy_is_the_sum_of_the_periods(total: float, said: list[Any]) -> None:
    """B02."""
    assert said_by(b02_energy_sum, case_of(total_energy=total)) == said


@pytest.mark.parametrize(
    ("second", "said"),
    [
        pytest.param(0.102, [], id="two periods: two watt-hours"),
        pytest.param(0.1021, [("ENERGY_SUM_MISMATCH", HOLD)], id="more than two watt-hours"),
    ],
)
def test_each_period_may_be_off_by_a_watt_hour(second: float, said: list[Any]) -> None:
    """B02."""
    periods = [period(START, ENERGY=0.1, TIME=1), period("2026-10-10T09:00:00Z", ENERGY=second, TIME=1)]
    assert said_by(b02_energy_sum, case_of(charging_periods=periods, total_energy=0.2)) == said


def test_periods_that_state_no_energy_say_nothing_of_its_sum() -> None:
    """B02: a CPO that prices time alone."""
    periods = [period(START, TIME=2)]
    assert said_by(b02_energy_sum, case_of(charging_periods=periods, tariffs=[time_tariff()])) == []


def test_periods_that_state_no_energy_although_it_is_priced_do_not_add_up() -> None:
    """B02, D1."""
    assert said_by(b02_energy_sum, case_of(charging_periods=[period(START, TIME=2)])) == [("ENERGY_SUM_MISMATCH", HOLD)]


def test_energy_that_is_fed_back_is_subtracted() -> None:
    """B02, C3."""
    periods = [period(START, ENERGY=20, TIME=1), period("2026-10-10T09:00:00Z", ENERGY=-5, TIME=1)]
    assert said_by(b02_energy_sum, case_of(charging_periods=periods, total_energy=15)) == []


def test_the_energy_of_what_was_credited_is_not_looked_at() -> None:
    """B02: neither that of the CDR nor that of its credit."""
    original = cdr(total_energy=25)
    evidence = evidence_of(original, credit_of(original))
    assert [said_by(b02_energy_sum, case_in(evidence, index)) for index in (0, 1)] == [[], []]


# --- B03, B04, C07 -------------------------------------------------------------------------------


DEARER_FIRST = tariff(
    elements=[
        {
            "price_components": [{"type": "TIME", "price": 12, "step_size": 1}],
            "restrictions": {"max_duration": 3600},
        },
        {"price_components": [{"type": "TIME", "price": 6, "step_size": 1}]},
    ]
)


@pytest.mark.parametrize(
    ("hours", "book", "claim", "said"),
    [
        pytest.param((1.5, 0.5), time_tariff(), 12, REPORT, id="two hours in all, told in the wrong periods"),
        pytest.param((0.5, 1.5), time_tariff(), 12, REPORT, id="the other way round"),
        pytest.param((1.5, 1), time_tariff(), 15, HOLD, id="two hours and a half in two, claimed"),
        pytest.param((1.5, 1), time_tariff(), 12, REPORT, id="two hours and a half in two, claimed as two"),
        pytest.param((1.5, 0.5), DEARER_FIRST, 18, REPORT, id="the hours of the dearer period are those it had"),
        pytest.param((1.5, 0.5), DEARER_FIRST, 21, HOLD, id="more hours of the dearer period than it had, claimed"),
        pytest.param((1.5, None), time_tariff(), 9, REPORT, id="half an hour too much where another states none"),
    ],
)
def test_hours_in_the_wrong_period_are_held_only_where_they_make_it_dearer(
    hours: tuple[float | None, ...], book: Any, claim: int, said: Any
) -> None:
    """B03: with a right total and a right price they are told, and settle."""
    starts = (START, "2026-10-10T09:00:00Z")
    stated: list[dict[str, Any]] = [{} if one is None else {"TIME": one} for one in hours]
    periods = [period(start, **dimensions) for start, dimensions in zip(starts, stated, strict=True)]
    case = case_of(
        charging_periods=periods,
        tariffs=[book],
        total_cost={"excl_vat": claim},
        total_time=2,
    )
    assert said_by(b03_b04_time_sum, case) == [("TIME_SUM_MISMATCH", said)]


@pytest.mark.parametrize(
    ("hours", "seconds", "said"),
    [
        pytest.param("0.5000", 1800, [], id="exact"),
        pytest.param("0.3333", 1200, [], id="four decimals of a third"),
        pytest.param("0.3333", 1198, [("TIME_SUM_MISMATCH", REPORT)], id="four decimals, two seconds off"),
        pytest.param("0.333", 1201, [], id="three decimals are 1.8 seconds"),
        pytest.param("0.333", 1203, [("TIME_SUM_MISMATCH", REPORT)], id="three decimals, more than 1.8 and one"),
        pytest.param("0.33", 1200, [], id="two decimals are 18 seconds"),
        pytest.param("0.33", 1208, [("TIME_SUM_MISMATCH", REPORT)], id="two decimals, more than 18 and one"),
        pytest.param("0.5", 1819, [], id="zeros at the end are left out: two decimals at least"),
        pytest.param("0.5", 1820, [("TIME_SUM_MISMATCH", REPORT)], id="and no more than two"),
    ],
)
def test_total_time_is_the_time_from_start_to_end(hours: str, seconds: int, said: list[Any]) -> None:
    """B04, D2."""
    end = f"2026-10-12T16:{seconds // 60:02}:{seconds % 60:02}Z"
    periods = [period("2026-10-12T16:00:00Z", "T-DC", ENERGY=45)]
    case = dc_case_of(total_time=Decimal(hours), charging_periods=periods, end_date_time=end)
    assert said_by(b03_b04_time_sum, case) == said


@pytest.mark.parametrize(
    ("dimensions", "said"),
    [
        pytest.param({"TIME": 1.5}, [], id="as long as it lasted"),
        pytest.param({"TIME": 1, "PARKING_TIME": 0.5}, [], id="charging and parking in one"),
        pytest.param({"ENERGY": 20}, [], id="hours that are not stated"),
        pytest.param({"TIME": 1}, [("TIME_SUM_MISMATCH", REPORT)], id="shorter: nobody pays for it"),
        pytest.param({"TIME": 1.51}, [("TIME_SUM_MISMATCH", REPORT)], id="longer: nothing prices it"),
        pytest.param({"RESERVATION_TIME": 1.5}, [], id="a reservation"),
    ],
)
def test_the_hours_of_a_period_fill_it(dimensions: dict[str, float], said: list[Any]) -> None:
    """B03."""
    case = case_of(charging_periods__0__dimensions=volumes(**dimensions))
    assert said_by(b03_b04_time_sum, case) == said


@pytest.mark.parametrize(
    ("hours", "claim", "step_size", "said"),
    [
        pytest.param(2, 12, 1, [], id="two hours in two hours"),
        pytest.param(3, 18, 1, [("TIME_SUM_MISMATCH", HOLD)], id="three hours in two, claimed"),
        pytest.param(3, 12, 1, [("TIME_SUM_MISMATCH", REPORT)], id="three hours in two, claimed as two"),
        pytest.param(1, 6, 1, [("TIME_SUM_MISMATCH", REPORT)], id="one hour in two"),
        pytest.param(2.25, 13.5, 900, [("TIME_SUM_MISMATCH", HOLD)], id="a step of which none had begun"),
        pytest.param(2.5, 18, 3 * 3600, [("TIME_SUM_MISMATCH", REPORT)], id="the step bills as much anyway"),
    ],
)
def test_hours_that_nobody_had_are_held_where_they_are_priced_and_claimed(
    hours: float, claim: float, step_size: int, said: list[Any]
) -> None:
    """B03, D2."""
    case = case_of(
        tariffs=[time_tariff(step_size=step_size)],
        charging_periods=[period(START, ENERGY=20, TIME=hours)],
        total_time=hours,
        total_cost={"excl_vat": claim},
    )
    assert said_by(b03_b04_time_sum, case) == said


def test_a_period_that_is_written_once_for_each_dimension_is_one_stretch_of_time() -> None:
    """B03."""
    periods = [period(START, ENERGY=20), period(START, TIME=1.5), period("2026-10-10T09:30:00Z", PARKING_TIME=0.5)]
    assert said_by(b03_b04_time_sum, case_of(charging_periods=periods)) == []


def test_a_wrong_period_and_a_wrong_total_are_told_once() -> None:
    """B03, B04: one cause, one finding."""
    case = case_of(charging_periods__0__dimensions=volumes(ENERGY=20, TIME=1), total_time=1.5)
    assert said_by(b03_b04_time_sum, case) == [("TIME_SUM_MISMATCH", REPORT)]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"start_date_time": "1970-01-01T00:00:00Z"}, id="unknown start"),
        pytest.param({"end_date_time": "1970-1-1T00:00:00Z"}, id="unknown end"),
        pytest.param({"end_date_time": "2026-10-10T07:00:00Z"}, id="an end before the start is A08"),
    ],
)
def test_a_time_that_nobody_knows_is_not_added_up(changes: dict[str, str]) -> None:
    """B04, C07, X1."""
    case = case_of(**changes, charging_periods=[period(START, ENERGY=20)], total_parking_time=ABSENT)
    assert said_by(b03_b04_time_sum, case) == []
    assert said_by(c07_parking_longer_than_session, case) == []


@pytest.mark.parametrize(
    ("total", "said"),
    [
        pytest.param(0.5, [], id="the same"),
        pytest.param(0.51, [], id="two decimals, two periods: 36 seconds and one"),
        pytest.param(0.52, [("PARKING_TIME_MISMATCH", REPORT)], id="72 seconds"),
        pytest.param(0, [("PARKING_TIME_MISMATCH", REPORT)], id="none"),
        pytest.param(ABSENT, [], id="not stated"),
    ],
)
def test_total_parking_time_is_the_sum_of_the_periods(total: Any, said: list[Any]) -> None:
    """B03."""
    assert said_by(b03_parking_sum, case_of(total_parking_time=total)) == said


@pytest.mark.parametrize(
    ("parking", "total_time", "said"),
    [
        pytest.param(2, 2, [], id="all of it"),
        pytest.param(1.5, 0.5, [], id="total_time once was that of charging only (D6)"),
        pytest.param(2.02, 2, [("PARKING_LONGER_THAN_SESSION", HOLD)], id="a minute more than all of it"),
    ],
)
def test_nobody_parks_longer_than_the_session_lasts(parking: float, total_time: float, said: list[Any]) -> None:
    """C07: parking is priced at 2.00 an hour and claimed."""
    case = case_of(
        charging_periods=[period(START, ENERGY=20, PARKING_TIME=parking)],
        total_time=total_time,
        total_parking_time=parking,
        total_cost={"excl_vat": 8 + 2 * parking},
    )
    assert said_by(c07_parking_longer_than_session, case) == said
    if said:
        assert said_by(b03_b04_time_sum, case) == said_by(b03_parking_sum, case) == []


def test_parking_that_costs_nothing_is_told_and_not_held() -> None:
    """C07."""
    case = dc_case_of(charging_periods__0__dimensions=volumes(ENERGY=45, PARKING_TIME=1))
    assert said_by(c07_parking_longer_than_session, case) == [("PARKING_LONGER_THAN_SESSION", REPORT)]


def test_times_of_a_credit_are_told_of_its_original() -> None:
    """B03, B04."""
    original = cdr(total_time=3)
    assert findings_of(evidence_of(original, credit_of(original))) == [("TIME_SUM_MISMATCH", "C1")]


# --- B07 to B10 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({}, [], id="positive"),
        pytest.param({"total_cost": {"excl_vat": -9}}, [("NEGATIVE_AMOUNT", HOLD)], id="negative and no credit"),
        pytest.param(
            {"total_cost": {"excl_vat": -9}, "charging_periods__0__dimensions": volumes(ENERGY=-20, TIME=1.5)},
            [],
            id="energy fed back",
        ),
        pytest.param(
            {
                "total_cost": {"excl_vat": -7},
                "tariffs__0__elements__0__price_components__0__price": -0.4,
            },
            [],
            id="a negative price",
        ),
        pytest.param({"total_cost": {"excl_vat": -9}, "credit_reference_id": "C0"}, [], id="a wrong credit is J01"),
        pytest.param({"total_time": -2}, [("NEGATIVE_AMOUNT", HOLD)], id="negative hours in all"),
        pytest.param(
            {"charging_periods__1__dimensions": volumes(PARKING_TIME=-0.5)},
            [("NEGATIVE_AMOUNT", HOLD)],
            id="negative hours of a period",
        ),
    ],
)
def test_only_a_credit_and_energy_fed_back_and_a_negative_price_make_a_negative_claim(
    changes: dict[str, Any], said: list[Any]
) -> None:
    """B07, C3."""
    assert said_by(b07_negative_amount, case_of(**changes)) == said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"total_cost": {"excl_vat": 0}}, [("FREE_OF_CHARGE", SETTLE)], id="nothing for 20 kWh"),
        pytest.param({"total_cost": {"excl_vat": 0.01}}, [], id="a cent"),
        pytest.param(
            {"total_cost": {"excl_vat": 0}, "tariffs": [tariff(elements__0__price_components__0__price=0)]}
            | {"charging_periods": [period(START, ENERGY=20, TIME=2)]},
            [],
            id="a free tariff",
        ),
        pytest.param(
            {"total_cost": {"excl_vat": 0}, "charging_periods": [period(START, ENERGY=0.5)], "total_energy": 0.5},
            [],
            id="half a kWh",
        ),
    ],
)
def test_nothing_claimed_for_energy_that_has_a_price_is_told_and_settles(
    changes: dict[str, Any], said: list[Any]
) -> None:
    """B08."""
    assert said_by(b08_nothing_claimed, case_of(**changes)) == said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({}, [], id="the flat price of the tariff"),
        pytest.param({"total_cost": {"excl_vat": 1.01}}, [], id="a cent more"),
        pytest.param({"total_cost": {"excl_vat": 1.02}}, [("COST_WITHOUT_VOLUME", HOLD)], id="two cents more"),
        pytest.param({"total_cost": {"excl_vat": 3}, "total_time": 0.5}, [], id="some time"),
        pytest.param({"total_cost": {"excl_vat": 3}, "total_energy": 1}, [], id="some energy"),
        pytest.param(
            {"total_cost": {"excl_vat": 3}, "tariffs": [dc_tariff(min_price={"excl_vat": 3})]}, [], id="a least price"
        ),
    ],
)
def test_a_cost_has_a_volume_or_a_flat_price_behind_it(changes: dict[str, Any], said: list[Any]) -> None:
    """B09: the flat price of the DC tariff is 1.00."""
    nothing: dict[str, Any] = {
        "charging_periods": [period("2026-10-12T16:00:00Z", "T-DC", ENERGY=0, TIME=0)],
        "total_energy": 0,
        "total_time": 0,
        "total_cost": {"excl_vat": 1},
    }
    assert said_by(b09_cost_without_volume, dc_case_of(**(nothing | changes))) == said


def test_a_part_without_volume_is_told_where_there_is_no_price_to_tell_it() -> None:
    """B10."""
    no_parking = [period(START, "NONE", ENERGY=20, TIME=2)]
    changes: dict[str, Any] = {"charging_periods": no_parking, "total_parking_time": ABSENT}
    assert said_by(b10_part_without_volume, case_of(**changes)) == [("PART_WITHOUT_VOLUME", REPORT)]
    assert said_by(b10_part_without_volume, case_of(**changes, total_parking_cost__excl_vat=0.01)) == []
    assert said_by(b10_part_without_volume, dc_case_of()) == []


def test_the_arithmetic_of_a_cdr_that_cannot_be_read_is_left_alone() -> None:
    """B: its form is told."""
    case = case_of(charging_periods="none", total_energy="20")
    checks = (b01_periods_within_the_session, b02_energy_sum, b03_b04_time_sum, b03_parking_sum, b07_negative_amount)
    more = (b08_nothing_claimed, b09_cost_without_volume, b10_part_without_volume, c07_parking_longer_than_session)
    assert [finding for check in (*checks, *more) for finding in said_by(check, case)] == []


def test_a_sum_of_energy_that_is_wrong_is_told_beside_the_price_that_it_made_wrong() -> None:
    """B02, G03: both numbers are needed to dispute it."""
    wrong = dc_cdr(charging_periods__0__dimensions=volumes(ENERGY=50, TIME=0.5))
    assert findings_of(evidence_of(wrong)) == [("ENERGY_SUM_MISMATCH", "C2"), ("PRICE_MISMATCH", "C2")]
