"""C: what a connector and a car can do."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hub.settlement.agreements import Agreement, Agreements
from hub.settlement.checks.physics import (
    c01_c02_power_of_the_connector,
    c03_energy_of_a_charge,
    c04_wh_for_kwh,
    c05_micro_session,
    c06_length_of_a_charge,
    power_of,
)
from hub.settlement.evidence import Place, Tolerances
from hub.settlement.findings import Disposition
from tests.settlement.cases import (
    ABSENT,
    CPO,
    EMSP,
    Arrival,
    case_in,
    case_of,
    cdr,
    credit_of,
    dc_case_of,
    dc_cdr,
    evidence_of,
    findings_of,
    location,
    period,
    said_by,
    session_of,
)

HOLD, REPORT = Disposition.HOLD, Disposition.REPORT
UNKNOWN = "1970-01-01T00:00:00Z"
START, DC_START = "2026-10-10T08:00:00Z", "2026-10-12T16:00:00Z"


def charge(kwh: float, **changes: Any) -> dict[str, Any]:
    """Two hours at 22 kW."""
    return cdr(charging_periods=[period(START, ENERGY=kwh, TIME=2)], total_energy=kwh, **changes)


# --- C01, C02 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kwh", "said"),
    [
        pytest.param(44, [], id="all that 22 kW give in two hours"),
        pytest.param(46.2, [], id="5 % more"),
        pytest.param(46.2001, [("C01", HOLD)], id="a trace more than 5 %"),
        pytest.param(0, [], id="nothing"),
        pytest.param(-10, [], id="energy fed back"),
    ],
)
def test_no_more_energy_flows_than_the_connector_gives(kwh: float, said: list[Any]) -> None:
    """C01."""
    findings = list(c01_c02_power_of_the_connector(case_in(evidence_of(charge(kwh)))))
    assert [(finding.check.id, finding.disposition) for finding in findings] == said
    assert {finding.check.kind for finding in findings} <= {"ENERGY_ABOVE_PHYSICAL_LIMIT"}


@pytest.mark.parametrize(
    ("kwh", "end", "said"),
    [
        pytest.param(14.475, "2026-10-12T16:05:30Z", [], id="below six minutes: 0.1 kWh and 5 % more"),
        pytest.param(14.5376, "2026-10-12T16:05:30Z", [("C01", HOLD)], id="below six minutes, a trace more than that"),
        pytest.param(15.75, "2026-10-12T16:06:00Z", [], id="six minutes: 5 % more"),
        pytest.param(15.76, "2026-10-12T16:06:00Z", [("C01", HOLD)], id="six minutes: 0.1 kWh is no more than 5 %"),
    ],
)
def test_short_charges_may_be_off_by_another_tenth_of_a_kwh(kwh: float, end: str, said: list[Any]) -> None:
    """C01: 150 kW."""
    periods = [period(DC_START, "T-DC", ENERGY=kwh)]
    case = dc_case_of(charging_periods=periods, total_energy=kwh, end_date_time=end)
    findings = list(c01_c02_power_of_the_connector(case))
    assert [(finding.check.id, finding.disposition) for finding in findings] == said


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        pytest.param(11, 9, [], id="as slow as one likes"),
        pytest.param(23.1, 0, [], id="5 % too fast for an hour"),
        pytest.param(23.2, 0, [("C02", HOLD)], id="too fast for an hour, not for the whole"),
        pytest.param(30, 30, [("C01", HOLD)], id="too fast for an hour and for the whole: told once"),
    ],
)
def test_no_period_is_faster_than_the_connector(first: float, second: float, said: list[Any]) -> None:
    """C02."""
    periods = [period(START, ENERGY=first, TIME=1), period("2026-10-10T09:00:00Z", ENERGY=second, TIME=1)]
    case = case_of(charging_periods=periods, total_energy=first + second)
    findings = list(c01_c02_power_of_the_connector(case))
    assert [(finding.check.id, finding.disposition) for finding in findings] == said


def test_what_a_meter_is_read_for_at_the_very_end_counts_with_the_whole() -> None:
    """C02: a last period without any length."""
    periods = [period(START, ENERGY=19, TIME=2), period("2026-10-10T10:00:00Z", ENERGY=1)]
    assert said_by(c01_c02_power_of_the_connector, case_of(charging_periods=periods)) == []


def test_the_margin_is_a_tolerance_of_the_run() -> None:
    """C01."""
    evidence = evidence_of(charge(46.2), tolerances=Tolerances(physical_margin=Decimal("0.04")))
    assert said_by(c01_c02_power_of_the_connector, case_in(evidence)) == [("ENERGY_ABOVE_PHYSICAL_LIMIT", HOLD)]


@pytest.mark.parametrize(
    ("connector", "watts"),
    [
        pytest.param({"max_electric_power": 11000, "max_voltage": 230, "max_amperage": 32}, 11000, id="as stated"),
        pytest.param(
            {"max_electric_power": 0, "max_voltage": 230, "max_amperage": 16, "power_type": "AC_1_PHASE"},
            3680,
            id="zero watts say nothing",
        ),
        pytest.param({"max_voltage": 230, "max_amperage": 32, "power_type": "AC_3_PHASE"}, 22080, id="three phases"),
        pytest.param({"max_voltage": 230, "max_amperage": 16, "power_type": "AC_2_PHASE"}, 7360, id="two phases"),
        pytest.param(
            {"max_voltage": 120, "max_amperage": 40, "power_type": "AC_2_PHASE_SPLIT"}, 9600, id="split phase"
        ),
        pytest.param({"max_voltage": 920, "max_amperage": 200, "power_type": "DC"}, 184000, id="direct current"),
        pytest.param({"max_voltage": 230, "power_type": "AC_1_PHASE"}, None, id="no amperage"),
        pytest.param(
            {"max_voltage": 230, "max_amperage": 32, "power_type": "STEAM"}, None, id="a current nobody knows"
        ),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_the_power_of_a_connector_is_stated_or_voltage_by_amperage_by_phases(
    connector: dict[str, Any], watts: int | None
) -> None:
    """C01."""
    assert power_of(Place(connector=connector)) == watts


def test_an_unknown_connector_gives_what_the_strongest_of_its_evse_gives() -> None:
    """C01."""
    assert power_of(Place(evse={"connectors": [{"max_electric_power": 7}, {"max_electric_power": 9}]})) == 9
    assert power_of(Place(evse={"connectors": [{"max_electric_power": 7}, {}]})) is None
    assert power_of(Place(evse={"connectors": []})) is None
    assert power_of(Place()) is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"start_date_time": UNKNOWN}, id="nobody knows when it began"),
        pytest.param({"end_date_time": UNKNOWN}, id="nobody knows when it ended"),
        pytest.param({"end_date_time": "2026-10-10T07:00:00Z"}, id="it ends before it began"),
    ],
)
def test_without_a_time_there_is_no_limit_for_the_whole(changes: dict[str, Any]) -> None:
    """C01, X1."""
    start = changes.get("start_date_time", START)
    case = case_of("2026-10-10T10:05:00Z", charging_periods=[period(start, ENERGY=400)], total_energy=400, **changes)
    assert [finding.check.id for finding in c01_c02_power_of_the_connector(case)] == []


# --- C03 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kwh", "said"),
    [
        pytest.param(150, [], id="a large car"),
        pytest.param(150.1, [("ENERGY_IMPLAUSIBLE", REPORT)], id="more than a car takes"),
        pytest.param(1000, [("ENERGY_IMPLAUSIBLE", REPORT)], id="a lorry"),
        pytest.param(1000.1, [("ENERGY_IMPLAUSIBLE", HOLD)], id="more than 1,000 kWh"),
    ],
)
def test_energy_that_no_connector_explains_is_told_and_from_1000_kwh_held(kwh: float, said: list[Any]) -> None:
    """C03."""
    assert said_by(c03_energy_of_a_charge, case_in(evidence_of(charge(kwh), locations=[]))) == said


def test_a_connector_that_gives_as_much_explains_any_energy() -> None:
    """C03: a megawatt for lorries."""
    strong = location(evses__1__connectors__0__max_electric_power=3_000_000)
    lorry = dc_cdr(charging_periods=[period(DC_START, "T-DC", ENERGY=1400)], total_energy=1400)
    case = case_in(evidence_of(lorry, locations=[strong]))
    assert said_by(c03_energy_of_a_charge, case) == said_by(c01_c02_power_of_the_connector, case) == []


# --- C04 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "total", "said"),
    [
        pytest.param(20, 20, [], id="kWh and kWh"),
        pytest.param(20000, 20, [("ENERGY_UNIT_ERROR", HOLD)], id="periods in Wh"),
        pytest.param(20, 20000, [("ENERGY_UNIT_ERROR", HOLD)], id="total in Wh"),
        pytest.param(20.02, 20000, [("ENERGY_UNIT_ERROR", HOLD)], id="0.1 % off"),
        pytest.param(20.03, 20000, [], id="more than 0.1 % off"),
        pytest.param(2, 20, [], id="a factor of ten"),
        pytest.param(0, 0, [], id="nothing"),
        pytest.param(0, 20, [], id="nothing in the periods"),
    ],
)
def test_a_factor_of_1000_between_periods_and_total_is_a_unit(stated: float, total: float, said: list[Any]) -> None:
    """C04, D4."""
    case = dc_case_of(
        charging_periods=[period(DC_START, "T-DC", ENERGY=stated)],
        total_energy=total,
        cdr_location__evse_uid="E9",
    )
    assert said_by(c04_wh_for_kwh, case) == said


@pytest.mark.parametrize(
    ("kwh", "status", "said"),
    [
        pytest.param(20, "COMPLETED", [], id="kWh"),
        pytest.param(20000, "COMPLETED", [("ENERGY_UNIT_ERROR", HOLD)], id="session in Wh"),
        pytest.param(0.02, "COMPLETED", [("ENERGY_UNIT_ERROR", HOLD)], id="session a thousand times less"),
        pytest.param(0.02, "ACTIVE", [], id="a session that is not over yet"),
    ],
)
def test_a_factor_of_1000_between_session_and_total_is_a_unit(kwh: float, status: str, said: list[Any]) -> None:
    """C04, D4."""
    evidence = evidence_of(cdr(), sessions=[session_of(cdr(), kwh=kwh, status=status)])
    assert said_by(c04_wh_for_kwh, case_in(evidence)) == said


@pytest.mark.parametrize(
    ("kwh", "kinds"),
    [
        pytest.param(20000, {"ENERGY_UNIT_ERROR"}, id="20 kWh in Wh"),
        pytest.param(60, {"ENERGY_ABOVE_PHYSICAL_LIMIT"}, id="a third too much"),
        pytest.param(462, {"ENERGY_ABOVE_PHYSICAL_LIMIT"}, id="ten times too much"),
    ],
)
def test_energy_far_beyond_the_connector_is_in_wh_and_that_is_told_alone(kwh: float, kinds: set[str]) -> None:
    """C04, C01: the unit silences energy and price."""
    wrong = charge(kwh, total_cost={"excl_vat": kwh * 0.4, "incl_vat": kwh * 0.476})
    found = {kind for kind, _ in findings_of(evidence_of(wrong, sessions=[session_of(wrong)]))}
    assert (
        found & {"ENERGY_UNIT_ERROR", "ENERGY_ABOVE_PHYSICAL_LIMIT", "PRICE_MISMATCH", "ENERGY_SUM_MISMATCH"} == kinds
    )


def test_a_time_that_is_too_short_is_no_unit() -> None:
    """C04: some energy in a session without length."""
    case = case_of(charging_periods=[period(START, ENERGY=5)], total_energy=5, end_date_time=START)
    assert said_by(c04_wh_for_kwh, case) == []
    assert said_by(c01_c02_power_of_the_connector, case) == [("ENERGY_ABOVE_PHYSICAL_LIMIT", HOLD)]


def test_the_energy_of_what_is_credited_is_not_looked_at() -> None:
    """C01 to C04."""
    wrong = charge(400, session_id=ABSENT)
    evidence = evidence_of(wrong, credit_of(wrong))
    checks = (c01_c02_power_of_the_connector, c03_energy_of_a_charge, c04_wh_for_kwh)
    assert [said_by(check, case_in(evidence, index)) for check in checks for index in (0, 1)] == [[]] * 6


# --- C05, C06 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kwh", "end", "claim", "said"),
    [
        pytest.param(0.09, "2026-10-10T08:01:59Z", 0.04, [("MICRO_SESSION", REPORT)], id="little and short"),
        pytest.param(0.1, "2026-10-10T08:01:59Z", 0.04, [], id="a tenth of a kWh"),
        pytest.param(0.09, "2026-10-10T08:02:00Z", 0.04, [], id="two minutes"),
        pytest.param(0.09, "2026-10-10T08:01:59Z", 0, [], id="nothing claimed"),
    ],
)
def test_a_micro_session_that_costs_something_is_told(kwh: float, end: str, claim: float, said: list[Any]) -> None:
    """C05."""
    case = case_of(
        charging_periods=[period(START, ENERGY=kwh)],
        total_energy=kwh,
        end_date_time=end,
        total_cost={"excl_vat": claim},
    )
    assert said_by(c05_micro_session, case) == said


def test_a_micro_session_is_held_where_the_agreement_says_that_it_costs_nothing() -> None:
    """C05."""
    micro = cdr(charging_periods=[period(START, ENERGY=0.05)], total_energy=0.05, end_date_time="2026-10-10T08:01:00Z")
    agreement = Agreement(id="A", creditor=CPO, debtor=EMSP, bills_micro_sessions=False)
    case = case_in(evidence_of(micro), agreements=Agreements((agreement,)))
    assert said_by(c05_micro_session, case) == [("MICRO_SESSION", HOLD)]


def test_a_reservation_is_no_micro_session() -> None:
    """C05."""
    case = case_of(
        charging_periods=[period(START, RESERVATION_TIME=0.01)], total_energy=0, end_date_time="2026-10-10T08:00:36Z"
    )
    assert said_by(c05_micro_session, case) == []


@pytest.mark.parametrize(
    ("end", "said"),
    [
        pytest.param("2026-10-11T08:00:00Z", [], id="a day"),
        pytest.param("2026-10-11T08:00:01Z", [("IMPLAUSIBLE_DURATION", REPORT)], id="more than a day"),
        pytest.param("2026-10-17T08:00:00Z", [("IMPLAUSIBLE_DURATION", REPORT)], id="seven days"),
        pytest.param("2026-10-17T08:00:01Z", [("IMPLAUSIBLE_DURATION", HOLD)], id="more than seven days"),
    ],
)
def test_a_charge_of_more_than_a_day_is_told_and_of_more_than_a_week_held(end: str, said: list[Any]) -> None:
    """C06."""
    assert said_by(c06_length_of_a_charge, case_of(end_date_time=end)) == said


def test_unknown_times_are_no_long_charge() -> None:
    """C06, X1: 1970 is not a date."""
    unknown = Arrival(cdr(start_date_time="1970-01-01T00:00:00Z"), "2026-10-10T10:05:00Z")
    assert said_by(c06_length_of_a_charge, case_in(evidence_of(unknown))) == []
