"""A04, A12, K01 to K03: where it was."""

from __future__ import annotations

from typing import Any

import pytest

from hub.settlement.checks.places import (
    a04_operator_of_the_evse,
    a12_evse_named,
    k01_evse_published,
    k02_connector_as_published,
    k03_evse_in_service,
    metres_between,
)
from hub.settlement.findings import Disposition
from ocpi_modules.parties import Party, Role
from tests.settlement.cases import (
    ABSENT,
    PARTIES,
    case_in,
    case_of,
    cdr,
    evidence_of,
    findings_of,
    location,
    period,
    said_by,
    verdicts_of,
)

HOLD, REPORT = Disposition.HOLD, Disposition.REPORT
OTHER_CPO = Party("DE", "XYZ")
TWO_CPOS = {**PARTIES, OTHER_CPO: frozenset({Role.CPO})}
UNPUBLISHED = {"cdr_location__evse_uid": "X1", "cdr_location__evse_id": "DE*XYZ*EX1"}
THEIRS = location(party_id="XYZ", evses__0__uid="X1", evses__0__evse_id="de*xyz*ex1")


# --- A04 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "locations", "parties", "said"),
    [
        pytest.param({}, [location()], TWO_CPOS, [], id="the owner's id"),
        pytest.param(
            {"cdr_location__evse_id": "DE*XYZ*EX1"}, [location()], TWO_CPOS, [], id="the owner publishes the EVSE"
        ),
        pytest.param(UNPUBLISHED, [], PARTIES, [], id="an operator that is no party"),
        pytest.param(
            UNPUBLISHED, [location()], TWO_CPOS, [("EVSE_OPERATOR_MISMATCH", REPORT)], id="another CPO of the period"
        ),
        pytest.param(
            UNPUBLISHED,
            [location(), THEIRS],
            TWO_CPOS,
            [("EVSE_OPERATOR_MISMATCH", HOLD)],
            id="another CPO, who publishes that EVSE there",
        ),
        pytest.param(
            {**UNPUBLISHED, "cdr_location__evse_id": "DEXYZEX1"},
            [],
            TWO_CPOS,
            [("EVSE_OPERATOR_MISMATCH", REPORT)],
            id="an id without separators",
        ),
        pytest.param({**UNPUBLISHED, "cdr_location__evse_id": "#NA"}, [], TWO_CPOS, [], id="no EVSE id"),
        pytest.param({**UNPUBLISHED, "cdr_location__evse_id": ABSENT}, [], TWO_CPOS, [], id="no EVSE id at all"),
    ],
)
def test_an_evse_of_another_cpo_is_told_and_held_where_that_cpo_publishes_it(
    changes: dict[str, Any], locations: list[Any], parties: Any, said: list[Any]
) -> None:
    """A04."""
    case = case_in(evidence_of(cdr(**changes), locations=locations, parties=parties))
    assert said_by(a04_operator_of_the_evse, case) == said
    if said:
        assert said_by(k01_evse_published, case) == []


# --- A12 -----------------------------------------------------------------------------------------

RESERVED = [period("2026-10-10T08:00:00Z", RESERVATION_TIME=2)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"total_energy": 20}, [("EVSE_NOT_NAMED", HOLD)], id="energy from nowhere"),
        pytest.param({"total_energy": 0}, [("EVSE_NOT_NAMED", REPORT)], id="no energy and no reservation"),
        pytest.param({"total_energy": 0, "charging_periods": RESERVED}, [], id="a reservation that nobody used"),
        pytest.param(
            {"total_energy": 0, "total_reservation_cost": {"excl_vat": 3}},
            [],
            id="a cost of reservation without its time",
        ),
    ],
)
def test_only_a_reservation_that_nobody_used_has_no_evse(changes: dict[str, Any], said: list[Any]) -> None:
    """A12, Y-11."""
    nowhere = {"cdr_location__evse_uid": "#NA", "cdr_location__evse_id": "#NA", "cdr_location__connector_id": "#NA"}
    case = case_of(**nowhere, **changes)
    assert said_by(a12_evse_named, case) == said
    assert said_by(k01_evse_published, case) == []
    assert said_by(a12_evse_named, case_of(**changes)) == []


# --- K01 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "locations", "said"),
    [
        pytest.param({}, [location()], [], id="published"),
        pytest.param({}, [location(publish=False)], [], id="published to us alone"),
        pytest.param({"cdr_location__id": "loc1"}, [location()], [], id="another case (Y-04)"),
        pytest.param(
            {"cdr_location__id": "LOC9"}, [location()], [("WARNING", "UNKNOWN_LOCATION")], id="no such Location"
        ),
        pytest.param(
            {"cdr_location__evse_uid": "E9"}, [location()], [("WARNING", "UNKNOWN_LOCATION")], id="no such EVSE"
        ),
        pytest.param({}, [], [("INFO", "UNKNOWN_LOCATION")], id="no Locations at all"),
        pytest.param({}, [location(party_id="XYZ")], [("INFO", "UNKNOWN_LOCATION")], id="none of this owner"),
        pytest.param(
            {"cdr_location__id": "HOME", "home_charging_compensation": True}, [location()], [], id="charging at home"
        ),
    ],
)
def test_an_evse_that_nobody_published_is_told(changes: dict[str, Any], locations: list[Any], said: list[Any]) -> None:
    """K01."""
    findings = list(k01_evse_published(case_in(evidence_of(cdr(**changes), locations=locations))))
    assert [(finding.severity, finding.check.kind) for finding in findings] == said
    assert {finding.disposition for finding in findings} <= {REPORT}


def test_a_location_that_nobody_published_lets_its_cdr_settle() -> None:
    """K01."""
    evidence = evidence_of(cdr(cdr_location__id="LOC9"))
    assert findings_of(evidence) == [("UNKNOWN_LOCATION", "C1")]
    assert verdicts_of(evidence) == ["SETTLE"]


# --- K02, K03 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        pytest.param({}, [], id="as published"),
        pytest.param({"cdr_location__connector_standard": "CHADEMO"}, ["connector_standard"], id="standard"),
        pytest.param({"cdr_location__connector_power_type": "DC"}, ["connector_power_type"], id="current"),
        pytest.param({"cdr_location__country": "NLD"}, ["country"], id="country"),
        pytest.param({"cdr_location__country": "deu"}, [], id="country in lower case"),
        pytest.param({"cdr_location__connector_id": "7"}, ["connector 7, which is not published"], id="connector"),
        pytest.param({"cdr_location__coordinates__latitude": "52.535100"}, [], id="496 m away"),
        pytest.param({"cdr_location__coordinates__latitude": "52.535200"}, ["coordinates by 507 m"], id="507 m away"),
        pytest.param({"cdr_location__coordinates": ABSENT}, [], id="no coordinates"),
        pytest.param({"cdr_location__coordinates__latitude": "north"}, [], id="no coordinates that mean anything"),
    ],
)
def test_what_differs_from_the_published_location_is_told_in_one_finding(
    changes: dict[str, Any], differing: list[str]
) -> None:
    """K02."""
    findings = list(k02_connector_as_published(case_of(**changes)))
    assert [finding.details["differing"] for finding in findings] == [differing] * bool(differing)


def test_an_evse_may_be_far_from_the_entrance_of_its_location() -> None:
    """K02: near either is near."""
    far = location(evses__0__coordinates={"latitude": "52.540000", "longitude": "13.383068"})
    at_evse = cdr(cdr_location__coordinates__latitude="52.540000")
    assert said_by(k02_connector_as_published, case_in(evidence_of(at_evse, locations=[far]))) == []


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        pytest.param(("0", "0"), ("0", "1"), 111195, id="a degree of the equator"),
        pytest.param(("0", "179.9"), ("0", "-179.9"), 22239, id="over the date line"),
        pytest.param(("90", "0"), ("-90", "0"), 20015087, id="pole to pole"),
    ],
)
def test_distances_are_those_on_a_sphere(one: tuple[str, str], other: tuple[str, str], metres: int) -> None:
    """K02."""
    start, end = ({"latitude": place[0], "longitude": place[1]} for place in (one, other))
    distance = metres_between(start, end)
    assert distance is not None
    assert round(distance) == metres


@pytest.mark.parametrize(
    ("status", "since", "said"),
    [
        pytest.param("CHARGING", "2026-10-10T07:00:00Z", [], id="in use"),
        pytest.param("OUTOFORDER", "2026-10-10T08:00:00Z", ["OUTOFORDER"], id="out of order when it began"),
        pytest.param("REMOVED", "2026-10-09T08:00:00Z", ["REMOVED"], id="gone"),
        pytest.param("REMOVED", "2026-10-10T08:00:01Z", [], id="gone later"),
    ],
)
def test_a_charge_at_an_evse_that_was_out_of_service_is_told(status: str, since: str, said: list[str]) -> None:
    """K03."""
    broken = location(evses__0__status=status, evses__0__last_updated=since)
    findings = list(k03_evse_in_service(case_in(evidence_of(cdr(), locations=[broken]))))
    assert [finding.details["status"] for finding in findings] == said
    assert {finding.severity for finding in findings} <= {"INFO"}
