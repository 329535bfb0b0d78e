"""D05, E01 to E06: CDRs against the sessions that they bill."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hub.settlement.case import Case
from hub.settlement.checks.sessions import (
    d05_session_without_cdr,
    e01_session_is_known,
    e02_session_is_valid,
    e03_energy,
    e04_time,
    e05_cost,
    e06_identity,
)
from hub.settlement.evidence import Tolerances
from hub.settlement.findings import Disposition, Severity
from hub.settlement.relations import relate
from tests.settlement.cases import (
    ABSENT,
    Content,
    case_in,
    cdr,
    credit_of,
    dc_cdr,
    evidence_of,
    said_by,
    session_of,
    token,
    volumes,
)

HOLD, SETTLE, REPORT = Disposition.HOLD, Disposition.SETTLE, Disposition.REPORT


def beside(session: Content | None, tolerances: Tolerances | None = None, **changes: Any) -> Case:
    """The CDR of the world, changed, beside a session and that of another CDR."""
    sessions = [session_of(dc_cdr()), *([session] if session is not None else [])]
    return case_in(evidence_of(cdr(**changes), sessions=sessions, tolerances=tolerances))


def the_session(**changes: Any) -> Content:
    """The session of the CDR of the world."""
    return session_of(cdr(), **changes)


# --- E01, E02 --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "said"),
    [
        pytest.param(beside(the_session()), [], id="it was sent"),
        pytest.param(beside(the_session(id="s1")), [], id="ids are compared without case"),
        pytest.param(beside(None), [Severity.WARNING], id="it was never sent, others were"),
        pytest.param(beside(None, session_id=ABSENT), [], id="the CDR names none"),
        pytest.param(case_in(evidence_of(cdr(), sessions=[])), [Severity.WARNING], id="the CPO sent none at all"),
        pytest.param(
            case_in(evidence_of(cdr(), credit_of(cdr()), sessions=[session_of(dc_cdr())]), 0), [], id="it is credited"
        ),
        pytest.param(
            case_in(evidence_of(cdr(), credit_of(cdr()), sessions=[session_of(dc_cdr())]), 1), [], id="it is a credit"
        ),
        pytest.param(case_in(evidence_of(cdr(), cdr(), sessions=[session_of(dc_cdr())]), 1), [], id="it is a copy"),
    ],
)
def test_a_session_that_was_never_sent_is_missed_and_its_cdr_settles(case: Case, said: list[Severity]) -> None:
    """E01: MISSING_SESSION."""
    found = [(one.check.kind, one.severity, one.disposition) for one in e01_session_is_known(case)]
    assert found == [("MISSING_SESSION", severity, SETTLE) for severity in said]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        pytest.param("INVALID", [("SESSION_INVALID", HOLD)], id="called invalid"),
        pytest.param("COMPLETED", [], id="completed"),
        pytest.param("ACTIVE", [], id="its end was never sent"),
    ],
)
def test_a_session_that_its_cpo_called_invalid_is_not_billed(status: str, said: list[tuple[str, Disposition]]) -> None:
    """E02."""
    assert said_by(e02_session_is_valid, beside(the_session(status=status))) == said


# --- E03 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("energy", "kwh", "status", "raised"),
    [
        pytest.param(20, 20, "COMPLETED", False, id="the same"),
        pytest.param(20, 19.8, "COMPLETED", False, id="one percent less"),
        pytest.param(20, 19.79, "COMPLETED", True, id="more than one percent less"),
        pytest.param(20, 20.2, "COMPLETED", False, id="one percent more"),
        pytest.param(20, 20.21, "COMPLETED", True, id="more than one percent more"),
        pytest.param(1, 1.05, "COMPLETED", False, id="0.05 kWh of little energy"),
        pytest.param(1, 1.06, "COMPLETED", True, id="more than 0.05 kWh of little energy"),
        pytest.param(20, 10, "ACTIVE", False, id="the session is not over as far as anybody knows"),
        pytest.param(20, 10, "INVALID", False, id="an invalid session is told as that"),
        pytest.param(20, "much", "COMPLETED", False, id="the session states no energy"),
    ],
)
def test_the_energy_of_a_cdr_is_that_of_its_session(energy: float, kwh: Any, status: str, raised: bool) -> None:
    """E03: 1 % or 0.05 kWh, whichever is more."""
    changes: Content = {"total_energy": energy, "charging_periods__0__dimensions": volumes(ENERGY=energy, TIME=1.5)}
    case = beside(the_session(kwh=kwh, status=status), **changes)
    assert said_by(e03_energy, case) == ([("SESSION_CDR_ENERGY_MISMATCH", HOLD)] if raised else [])


def test_the_tolerance_of_energy_can_be_set() -> None:
    """E03: `session_energy_rel` and `session_energy_abs_kwh`."""
    wide = Tolerances(session_energy_rel=Decimal("0.1"))
    narrow = Tolerances(session_energy_rel=Decimal("0.0001"), session_energy_abs_kwh=Decimal("0.001"))
    assert said_by(e03_energy, beside(the_session(kwh=18.5), wide)) == []
    assert said_by(e03_energy, beside(the_session(kwh=19.99), narrow)) == [("SESSION_CDR_ENERGY_MISMATCH", HOLD)]


def test_a_wrong_total_of_right_periods_is_told_as_that_alone() -> None:
    """E03, B02: one cause, one finding."""
    assert said_by(e03_energy, beside(the_session(), total_energy=25)) == []


def test_a_credited_cdr_and_its_credit_are_not_held_against_the_session() -> None:
    """E03 to E06."""
    original = cdr()
    session = the_session(kwh=5, evse_uid="E2", start_date_time="2026-10-09T08:00:00Z", total_cost={"excl_vat": 1})
    evidence = evidence_of(original, credit_of(original), sessions=[session])
    for check in (e03_energy, e04_time, e05_cost, e06_identity):
        assert said_by(check, case_in(evidence, 0)) == []
        assert said_by(check, case_in(evidence, 1)) == []


# --- E04, E05, E06 ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session", "raised"),
    [
        pytest.param(the_session(start_date_time="2026-10-10T08:01:00Z"), False, id="a minute later"),
        pytest.param(the_session(start_date_time="2026-10-10T08:01:01Z"), True, id="more than a minute later"),
        pytest.param(the_session(end_date_time="2026-10-10T09:58:59Z"), True, id="an earlier end"),
        pytest.param(the_session(end_date_time=ABSENT), False, id="no end"),
        pytest.param(the_session(status="ACTIVE", end_date_time="2026-10-10T09:00:00Z"), False, id="not over"),
    ],
)
def test_the_times_of_a_cdr_are_those_of_its_session(session: Content, raised: bool) -> None:
    """E04."""
    assert said_by(e04_time, beside(session)) == ([("SESSION_CDR_TIME_MISMATCH", REPORT)] if raised else [])


@pytest.mark.parametrize(
    ("start", "raised"),
    [
        pytest.param("2026-10-10T08:30:00Z", False, id="with charging"),
        pytest.param("2026-10-10T08:00:00Z", False, id="with the reservation"),
        pytest.param("2026-10-10T08:15:00Z", True, id="in the midst of the reservation"),
    ],
)
def test_a_session_begins_with_charging_or_with_the_reservation_before_it(start: str, raised: bool) -> None:
    """E04, SE-13."""
    periods = [
        {"start_date_time": "2026-10-10T08:00:00Z", "dimensions": volumes(RESERVATION_TIME=0.5)},
        {"start_date_time": "2026-10-10T08:30:00Z", "dimensions": volumes(ENERGY=20, TIME=1.5)},
    ]
    case = beside(the_session(start_date_time=start), charging_periods=periods)
    assert said_by(e04_time, case) == ([("SESSION_CDR_TIME_MISMATCH", REPORT)] if raised else [])


def test_unknown_times_are_not_compared() -> None:
    """E04, X1."""
    assert said_by(e04_time, beside(the_session(), start_date_time="1970-01-01T00:00:00Z")) == []


@pytest.mark.parametrize(
    ("session", "changes", "raised"),
    [
        pytest.param(the_session(total_cost={"excl_vat": 9.01}), {}, False, id="a minor unit"),
        pytest.param(the_session(total_cost={"excl_vat": 9.02}), {}, True, id="two minor units"),
        pytest.param(the_session(total_cost={"excl_vat": 9, "incl_vat": 10.72}), {}, False, id="one with VAT"),
        pytest.param(the_session(total_cost={"excl_vat": 9, "incl_vat": 10.73}), {}, True, id="two with VAT"),
        pytest.param(
            the_session(), {"total_cost": {"excl_vat": 9, "incl_vat": 11}}, False, id="the VAT is wrong: told alone"
        ),
        pytest.param(the_session(total_cost=ABSENT), {}, False, id="the session states no cost"),
        pytest.param(the_session(total_cost={"excl_vat": 1}, currency="CHF"), {}, False, id="another currency"),
        pytest.param(
            the_session(), {"total_cost": {"excl_vat": 11}}, False, id="the claim is not its price: told alone"
        ),
        pytest.param(
            the_session(kwh=10, total_cost={"excl_vat": 5}),
            {},
            False,
            id="another energy costs another amount: told alone",
        ),
    ],
)
def test_the_cost_of_a_cdr_is_that_of_its_session(session: Content, changes: Content, raised: bool) -> None:
    """E05."""
    assert said_by(e05_cost, beside(session, **changes)) == ([("SESSION_CDR_COST_MISMATCH", REPORT)] if raised else [])


@pytest.mark.parametrize(
    ("session", "fields"),
    [
        pytest.param(the_session(), [], id="the same"),
        pytest.param(the_session(evse_uid="e1"), [], id="ids are compared without case"),
        pytest.param(the_session(evse_uid="E2"), [["the EVSE"]], id="another EVSE"),
        pytest.param(the_session(cdr_token__uid="OTHER"), [["the token"]], id="another token"),
        pytest.param(the_session(cdr_token__uid="OTHER", evse_uid="E2"), [["the token", "the EVSE"]], id="both"),
        pytest.param(the_session(evse_uid="E2", status="INVALID"), [], id="an invalid session is told as that"),
        pytest.param(the_session(cdr_token=ABSENT), [], id="the session states no token"),
    ],
)
def test_token_and_evse_of_a_cdr_are_those_of_its_session(session: Content, fields: list[list[str]]) -> None:
    """E06."""
    found = list(e06_identity(beside(session)))
    assert [finding.details["fields"] for finding in found] == fields
    assert all(finding.disposition is HOLD for finding in found)


def test_a_token_that_nobody_knows_is_told_as_that_alone() -> None:
    """E06, F01: one cause, one finding."""
    evidence = evidence_of(cdr(cdr_token__uid="X"), sessions=[the_session()], tokens=[token()])
    assert said_by(e06_identity, case_in(evidence)) == []


# --- D05 -------------------------------------------------------------------------------------

AS_OF = Tolerances(as_of=datetime(2026, 10, 24, 10, 0, tzinfo=UTC))
"""Exactly 14 days after the session of the world was completed."""

LATER = Tolerances(as_of=datetime(2026, 10, 24, 10, 0, 1, tzinfo=UTC))
LONG_GRACE = Tolerances(as_of=LATER.as_of, cdr_grace_days=Decimal("14.5"))


def without_cdr(*cdrs: Content, session: Content, tolerances: Tolerances = LATER) -> list[str | None]:
    """The sessions that are reported for having no CDR."""
    evidence = evidence_of(*cdrs, sessions=[session], tolerances=tolerances)
    return [finding.subject.session_id for finding in d05_session_without_cdr(evidence, relate(evidence), {})]


@pytest.mark.parametrize(
    ("session", "tolerances", "said"),
    [
        pytest.param(the_session(), LATER, ["S1"], id="more than the days of grace ago"),
        pytest.param(the_session(), AS_OF, [], id="just the days of grace ago"),
        pytest.param(the_session(), LONG_GRACE, [], id="more days of grace"),
        pytest.param(the_session(status="INVALID"), LATER, [], id="invalid"),
        pytest.param(the_session(status="ACTIVE"), LATER, [], id="active"),
        pytest.param(the_session(end_date_time=ABSENT), LATER, ["S1"], id="no end: when it was said to be completed"),
        pytest.param(the_session(end_date_time=ABSENT, last_updated="soon"), LATER, [], id="nobody knows when"),
        pytest.param(the_session(kwh=0, total_cost={"excl_vat": 0}), LATER, [], id="it took and costs nothing"),
        pytest.param(the_session(kwh=0, total_cost=ABSENT), LATER, ["S1"], id="it does not say what it costs"),
        pytest.param(the_session(kwh=0), LATER, ["S1"], id="it took nothing and costs something"),
    ],
)
def test_a_completed_session_without_a_cdr_is_reported_after_the_days_of_grace(
    session: Content, tolerances: Tolerances, said: list[str]
) -> None:
    """D05: SESSION_WITHOUT_CDR."""
    assert without_cdr(session=session, tolerances=tolerances) == said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(cdr(), [], id="it names the session"),
        pytest.param(cdr(session_id="s1"), [], id="without case"),
        pytest.param(cdr(cdr_token__uid="X", total_cost={"excl_vat": 99}), [], id="whatever becomes of it"),
        pytest.param(cdr(session_id=ABSENT), [], id="it names none, but is for the same token, EVSE and start"),
        pytest.param(
            cdr(session_id=ABSENT, start_date_time="2026-10-10T08:02:01Z"), ["S1"], id="it names none, and began later"
        ),
        pytest.param(dc_cdr(), ["S1"], id="it is for another session"),
    ],
)
def test_any_cdr_of_a_session_is_enough(content: Content, said: list[str]) -> None:
    """D05."""
    assert without_cdr(content, session=the_session()) == said


def test_sessions_are_reported_in_the_order_of_their_ids_whatever_the_input() -> None:
    """D05: deterministic."""
    sessions = [the_session(id=name) for name in ("S3", "S1", "S2")]
    evidence = evidence_of(sessions=sessions, tolerances=LATER)
    found = d05_session_without_cdr(evidence, relate(evidence), {})
    assert [finding.subject.session_id for finding in found] == ["S1", "S2", "S3"]
