"""E01, D05: a session is found where its CDR does not name it, one to one, and nothing is judged by a mere hint (point 2)."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from hub.settlement.agreements import Agreements
from hub.settlement.checks.sessions import e01_session_is_known
from hub.settlement.evidence import Evidence
from hub.settlement.findings import Disposition, Severity
from hub.settlement.matching import BY_PLACE, BY_REFERENCE, BY_START
from hub.settlement.relations import relate
from hub.settlement.run import settle
from tests.settlement.cases import (
    ABSENT,
    Arrival,
    Content,
    case_in,
    cdr,
    credit_of,
    evidence_of,
    findings_of,
    session_of,
)

BEFORE, AT_LIMIT, LATE = "2026-10-10T07:58:00Z", "2026-10-10T08:02:00Z", "2026-10-10T08:02:01Z"


def sent(**changes: Any) -> Content:
    """The session of the CDR of the world, as its CPO sent it under another id."""
    return session_of(cdr(), **{"id": "S-REWRITTEN", **changes})


def named(**changes: Any) -> Content:
    """The CDR of the world; it names a session that nobody sent."""
    return cdr(**{"session_id": "S-OWN", **changes})


def found_in(evidence: Evidence) -> dict[str, tuple[str, str, Decimal]]:
    """Which session was found for which CDR, how, and how sure that is."""
    ids = {one.index: one.id for one in evidence.cdrs}
    matches = relate(evidence).matches.found
    return {ids[index]: (one.session.id, one.method, one.score) for index, one in matches.items()}


@pytest.mark.parametrize(
    ("content", "session", "method"),
    [
        pytest.param(named(), sent(), BY_START, id="token, EVSE and start"),
        pytest.param(named(), sent(start_date_time=BEFORE), BY_START, id="two minutes earlier"),
        pytest.param(named(), sent(start_date_time=AT_LIMIT), BY_START, id="two minutes later"),
        pytest.param(named(), sent(start_date_time=LATE), None, id="more than two minutes later"),
        pytest.param(named(), sent(evse_uid="E2"), None, id="another EVSE"),
        pytest.param(named(), sent(cdr_token__uid="X"), None, id="another token"),
        pytest.param(named(), sent(cdr_token__party_id="XXX"), None, id="a token of another eMSP"),
        pytest.param(named(), sent(country_code="NL"), None, id="another CPO"),
        pytest.param(named(), sent(status="ACTIVE"), None, id="a session that is not over"),
        pytest.param(named(), sent(status="INVALID"), None, id="a session that is not billed"),
        pytest.param(
            named(),
            sent(start_date_time=BEFORE, end_date_time="2026-10-10T07:59:30Z"),
            None,
            id="a session that was over when the charge began",
        ),
        pytest.param(
            named(authorization_reference="a1"),
            sent(authorization_reference="A1", evse_uid="E2", start_date_time=LATE),
            BY_REFERENCE,
            id="the reference, without case",
        ),
        pytest.param(
            named(authorization_reference="A1"),
            sent(
                authorization_reference="A1",
                start_date_time="2026-10-09T08:00:00Z",
                end_date_time="2026-10-09T10:00:00Z",
            ),
            None,
            id="a reference that is given again every day",
        ),
        pytest.param(named(start_date_time="1970-01-01T00:00:00Z"), sent(), None, id="nobody knows when it began"),
        pytest.param(cdr(session_id=ABSENT), sent(), BY_START, id="a CDR that names no session"),
        pytest.param(
            cdr(session_id="s-rewritten"), sent(), None, id="found by its id, so that nothing else is looked at"
        ),
    ],
)
def test_a_session_is_found_by_reference_or_by_token_evse_and_start(
    content: Content, session: Content, method: str | None
) -> None:
    """E01."""
    scores = {BY_REFERENCE: Decimal("0.95"), BY_START: Decimal("0.9")}
    wanted = {} if method is None else {"C1": ("S-REWRITTEN", method, scores[method])}
    assert found_in(evidence_of(content, sessions=[session])) == wanted


def test_two_sessions_that_fit_are_none() -> None:
    """The first way that yields exactly one."""
    twin = sent(id="S-TWIN")
    assert found_in(evidence_of(named(), sessions=[sent(), twin])) == {}
    referred = named(authorization_reference="A1")
    assert found_in(evidence_of(referred, sessions=[sent(), sent(id="S-TWIN", authorization_reference="A1")])) == {
        "C1": ("S-TWIN", BY_REFERENCE, Decimal("0.95"))
    }


def test_a_session_that_another_cdr_names_is_taken_until_that_is_credited() -> None:
    """One to one for each chain of CDR, credit and replacement."""
    owner, other = cdr(id="C-OWNER", session_id="S-REWRITTEN"), named(start_date_time=BEFORE)
    assert found_in(evidence_of(owner, other, sessions=[sent()])) == {}
    assert set(found_in(evidence_of(owner, credit_of(owner), other, sessions=[sent()]))) == {"C1"}


@pytest.mark.parametrize("order", [*permutations(range(3))], ids=str)
def test_the_earlier_of_two_gets_the_session_in_whatever_order_they_are_given(order: tuple[int, ...]) -> None:
    arrivals = [
        Arrival(named(id="C-LATE"), "2026-10-10T12:00:00Z"),
        Arrival(named(id="C-EARLY", start_date_time=BEFORE), "2026-10-10T10:05:00Z"),
        Arrival(cdr(id="C-OTHER", session_id=ABSENT, start_date_time="2026-10-11T08:00:00Z"), "2026-10-12T10:05:00Z"),
    ]
    assert set(found_in(evidence_of(*(arrivals[place] for place in order), sessions=[sent()]))) == {"C-EARLY"}


def test_a_session_under_another_id_is_told_once_and_is_billed() -> None:
    """E01: the id that the CDR names was never pushed (MISSING_SESSION); the session that was found is not one without a CDR (D05)."""
    evidence = evidence_of(named(), sessions=[sent()])
    assert findings_of(evidence) == [("MISSING_SESSION", "C1")]
    (finding,) = e01_session_is_known(case_in(evidence))
    assert (finding.severity, finding.disposition) == (Severity.WARNING, Disposition.SETTLE)
    assert finding.details == {"session_id": "S-OWN", "found_session_id": "S-REWRITTEN", "method": BY_START}
    assert "found by token, EVSE and start" in finding.sentence


def test_a_cdr_that_names_no_session_is_judged_by_the_one_that_is_found() -> None:
    """E03; that it names none is no finding."""
    evidence = evidence_of(cdr(session_id=ABSENT), sessions=[sent(kwh=25)])
    assert findings_of(evidence) == [("SESSION_CDR_ENERGY_MISMATCH", "C1")]


@pytest.mark.parametrize(
    ("session", "share"),
    [
        pytest.param(sent(evse_uid="E2", start_date_time="2026-10-10T08:24:00Z"), "0.8", id="four fifths of the time"),
        pytest.param(sent(evse_uid="E2", start_date_time="2026-10-10T08:25:00Z"), None, id="less"),
        pytest.param(sent(evse_uid="E2", location_id="LOC9"), None, id="at another Location"),
        pytest.param(sent(evse_uid="E2", cdr_token__uid="X"), None, id="with another token"),
        pytest.param(sent(evse_uid="E2", end_date_time=ABSENT), None, id="nobody knows when it ended"),
    ],
)
def test_token_location_and_time_are_a_hint_that_nothing_is_judged_by(session: Content, share: str | None) -> None:
    """E01: MISSING_SESSION stays, with the session that a person may want to look at."""
    evidence = evidence_of(named(), sessions=[{**session, "kwh": 3}])
    (finding,) = e01_session_is_known(case_in(evidence))
    assert (finding.check.kind, case_in(evidence).session) == ("MISSING_SESSION", None)
    hints = settle(evidence, Agreements()).matches.hints
    wanted = {} if share is None else {0: ("S-REWRITTEN", BY_PLACE, Decimal(share))}
    assert {index: (one.session.id, one.method, one.score) for index, one in hints.items()} == wanted
    assert finding.details.get("perhaps_session_id") == (None if share is None else "S-REWRITTEN")
