"""A05, A06, D01 to D04: one charge is billed once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hub.settlement.checks.uniqueness import (
    a05_same_cdr_again,
    a06_same_id_other_content,
    d01_session_billed_twice,
    d02_near_duplicate,
    d03_two_cars_at_one_connector,
    d04_one_token_at_two_evses,
)
from hub.settlement.evidence import Tolerances
from hub.settlement.findings import Disposition
from tests.settlement.cases import (
    ABSENT,
    Arrival,
    Content,
    case_in,
    cdr,
    credit_of,
    evidence_of,
    said_by,
)

HOLD, DROP, REPORT = Disposition.HOLD, Disposition.DROP, Disposition.REPORT
FIRST, LATER = "2026-10-11T00:00:00Z", "2026-10-12T00:00:00Z"


def second(**changes: Any) -> Content:
    """Another charge, a day later at the same connector by the same token."""
    usual = {
        "id": "C2",
        "session_id": "S2",
        "start_date_time": "2026-10-11T08:00:00Z",
        "end_date_time": "2026-10-11T10:00:00Z",
    }
    return cdr(**{**usual, **changes})


def at_once(**changes: Any) -> Content:
    """Another charge at the same time as the one of the world."""
    return second(start_date_time="2026-10-10T08:00:00Z", end_date_time="2026-10-10T10:00:00Z", **changes)


# --- A05, A06 --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        pytest.param(cdr(), "DUPLICATE_CDR", id="the same text"),
        pytest.param(cdr(id="c1"), "DUPLICATE_CDR", id="its id in other case"),
        pytest.param(cdr(total_energy=20.0), "DUPLICATE_CDR", id="a number written otherwise"),
        pytest.param(dict(reversed(list(cdr().items()))), "DUPLICATE_CDR", id="fields in another order"),
        pytest.param(cdr(total_energy=21), "CDR_ID_REUSED", id="another number"),
        pytest.param(cdr(remark="again"), "CDR_ID_REUSED", id="another field"),
        pytest.param(cdr(id="C2"), None, id="another id"),
        pytest.param(cdr(party_id="XYZ"), None, id="another owner"),
    ],
)
def test_the_later_of_two_cdrs_under_one_id_is_dropped_or_held(other: Content, kind: str | None) -> None:
    """A05, A06, Y-04: by content; the earlier one is left alone, wherever it stands in the input."""
    for cdrs, later in (
        ([Arrival(cdr(), FIRST), Arrival(other, LATER)], 1),
        ([Arrival(other, LATER), Arrival(cdr(), FIRST)], 0),
    ):
        evidence = evidence_of(*cdrs, sessions=[])
        said = {
            index: [
                *said_by(a05_same_cdr_again, case_in(evidence, index)),
                *said_by(a06_same_id_other_content, case_in(evidence, index)),
            ]
            for index in (0, 1)
        }
        disposition = DROP if kind == "DUPLICATE_CDR" else HOLD
        assert said[later] == ([(kind, disposition)] if kind else [])
        assert said[1 - later] == []


def test_what_changed_is_named() -> None:
    """A06."""
    evidence = evidence_of(Arrival(cdr(), FIRST), Arrival(cdr(total_energy=21, remark="again"), LATER))
    (finding,) = a06_same_id_other_content(case_in(evidence, 1))
    assert finding.details == {"first_index": 0, "changed": ["remark", "total_energy"]}


def test_of_three_copies_two_are_dropped() -> None:
    """A05."""
    evidence = evidence_of(*(Arrival(cdr(), LATER) for _ in range(3)))
    assert [len(said_by(a05_same_cdr_again, case_in(evidence, index))) for index in range(3)] == [0, 1, 1]


# --- D01, D02 --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("others", "raised"),
    [
        pytest.param([second(session_id="S1")], True, id="one session, two CDRs"),
        pytest.param([second(session_id="s1")], True, id="ids are compared without case"),
        pytest.param([second()], False, id="two sessions"),
        pytest.param([second(session_id=ABSENT)], False, id="no session named"),
        pytest.param([second(session_id="S1", party_id="XYZ")], False, id="the session of another owner"),
        pytest.param([credit_of(cdr()), second(session_id="S1")], False, id="the first one is credited"),
        pytest.param(
            [credit_of(second(session_id="S1")), second(session_id="S1")], False, id="the second one is credited"
        ),
        pytest.param(
            [credit_of(cdr(), total_cost={"excl_vat": -1}), second(session_id="S1")], True, id="by a wrong credit"
        ),
    ],
)
def test_a_session_has_one_cdr_that_is_not_credited(others: list[Content], raised: bool) -> None:
    """D01: the later one is held."""
    evidence = evidence_of(Arrival(cdr(), FIRST), *(Arrival(one, LATER) for one in others))
    last = len(others)
    assert said_by(d01_session_billed_twice, case_in(evidence, last)) == (
        [("SESSION_BILLED_TWICE", HOLD)] if raised else []
    )
    assert said_by(d01_session_billed_twice, case_in(evidence, 0)) == []


@pytest.mark.parametrize(
    ("changes", "raised"),
    [
        pytest.param({"session_id": ABSENT}, False, id="overlapping, which is told instead"),
        pytest.param({"session_id": ABSENT, "cdr_location__connector_id": "2"}, True, id="on another connector"),
        pytest.param(
            {"session_id": "S1", "cdr_location__connector_id": "2"}, False, id="one session, which is told instead"
        ),
        pytest.param({"cdr_location__connector_id": "2", "total_energy": 20.2}, True, id="a percent more energy"),
        pytest.param({"cdr_location__connector_id": "2", "total_energy": 20.3}, False, id="more than a percent more"),
        pytest.param({"cdr_location__connector_id": "2", "cdr_token__uid": "X"}, False, id="another token"),
        pytest.param({"cdr_location__evse_uid": "E2"}, False, id="another EVSE"),
    ],
)
def test_what_looks_like_the_same_charge_under_another_id_is_held(changes: Content, raised: bool) -> None:
    """D02."""
    evidence = evidence_of(Arrival(cdr(), FIRST), Arrival(at_once(**changes), LATER))
    assert said_by(d02_near_duplicate, case_in(evidence, 1)) == ([("NEAR_DUPLICATE", HOLD)] if raised else [])


# --- D03, D04 --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "raised"),
    [
        pytest.param({"start_date_time": "2026-10-10T10:00:00Z"}, False, id="one begins when the other ends"),
        pytest.param({"start_date_time": "2026-10-10T09:59:00Z"}, False, id="by just the tolerated minute"),
        pytest.param({"start_date_time": "2026-10-10T09:58:59Z"}, True, id="by more than the tolerated minute"),
        pytest.param(
            {"start_date_time": "2026-10-10T08:30:00Z", "end_date_time": "2026-10-10T08:40:00Z"}, True, id="within"
        ),
        pytest.param({"start_date_time": "2026-10-10T08:00:00Z", "party_id": "XYZ"}, False, id="of another owner"),
        pytest.param(
            {"start_date_time": "2026-10-10T08:00:00Z", "cdr_location__evse_uid": "E9"}, False, id="elsewhere"
        ),
        pytest.param(
            {"start_date_time": "2026-10-10T08:00:00Z", "cdr_location__evse_uid": "e1"}, True, id="without case"
        ),
        pytest.param({"start_date_time": "2026-10-10T08:00:00Z", "session_id": "S1"}, False, id="one session"),
        pytest.param({"start_date_time": "1970-01-01T00:00:00Z"}, False, id="an unknown start"),
        pytest.param({"end_date_time": "2026-10-10T07:00:00Z"}, False, id="an end before the start"),
    ],
)
def test_two_charges_do_not_overlap_on_one_connector(changes: Content, raised: bool) -> None:
    """D03: half-open intervals; both are held, told once and with the later one."""
    other = second(**{"cdr_token__uid": "X", **changes})
    evidence = evidence_of(Arrival(cdr(), FIRST), Arrival(other, LATER), sessions=[])
    assert said_by(d03_two_cars_at_one_connector, case_in(evidence, 0)) == []
    found = list(d03_two_cars_at_one_connector(case_in(evidence, 1)))
    assert [(one.check.kind, one.disposition) for one in found] == ([("OVERLAPPING_SESSIONS", HOLD)] if raised else [])
    assert [[one.index for one in finding.subject.cdrs] for finding in found] == ([[0, 1]] if raised else [])


@pytest.mark.parametrize(
    "credited", [pytest.param("C1", id="the first is credited"), pytest.param("C2", id="the second is credited")]
)
def test_a_credited_cdr_does_not_overlap(credited: str) -> None:
    """D03, D04: nor does a credit."""
    contents = [cdr(), at_once(cdr_token__uid="X")]
    credit = credit_of(next(one for one in contents if one["id"] == credited))
    evidence = evidence_of(*(Arrival(one, LATER) for one in (*contents, credit)))
    for check in (d02_near_duplicate, d03_two_cars_at_one_connector, d04_one_token_at_two_evses):
        assert [said_by(check, case_in(evidence, index)) for index in range(3)] == [[], [], []]


def test_the_tolerated_overlap_can_be_set() -> None:
    """D03: `overlap_seconds`."""
    other = second(start_date_time="2026-10-10T09:50:00Z", cdr_token__uid="X")
    wide = evidence_of(
        Arrival(cdr(), FIRST), Arrival(other, LATER), tolerances=Tolerances(overlap_seconds=Decimal(600))
    )
    assert said_by(d03_two_cars_at_one_connector, case_in(wide, 1)) == []


@pytest.mark.parametrize(
    ("changes", "raised"),
    [
        pytest.param({"cdr_location__evse_uid": "E2"}, True, id="another EVSE"),
        pytest.param({}, False, id="the same EVSE: an overlap, not two places"),
        pytest.param({"cdr_location__evse_uid": "E2", "cdr_token__uid": "X"}, False, id="another token"),
        pytest.param({"cdr_location__evse_uid": "E2", "session_id": "S1"}, False, id="one session"),
    ],
)
def test_a_token_at_two_evses_at_once_is_told(changes: Content, raised: bool) -> None:
    """D04: some tokens are lent, so nothing is held."""
    evidence = evidence_of(Arrival(cdr(), FIRST), Arrival(at_once(**changes), LATER))
    assert said_by(d04_one_token_at_two_evses, case_in(evidence, 1)) == (
        [("TOKEN_CONCURRENT_USE", REPORT)] if raised else []
    )
