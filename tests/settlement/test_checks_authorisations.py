"""F01, F02, F05 to F08: CDRs against the authorisations and commands that the hub passed on (point 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.settlement.agreements import Agreements
from hub.settlement.case import Case
from hub.settlement.checks.authorisations import (
    f05_authorised,
    f06_last_reference,
    f07_command,
    f08_authorised_place,
)
from hub.settlement.checks.tokens import f01_token_is_known, f02_token_is_valid
from hub.settlement.evidence import Evidence
from hub.settlement.facts import Version, key_of, party_of, token_key
from hub.settlement.findings import Disposition
from hub.settlement.permits import BY_REFERENCE, BY_TOKEN, by_charge, permits_of, permitted_by, read_permit
from hub.settlement.run import settle
from ocpi_modules.types import format_datetime
from tests.settlement.cases import (
    ABSENT,
    CPO,
    EMSP,
    OTHER_EMSP,
    Content,
    case_in,
    cdr,
    credit_of,
    evidence_of,
    said_by,
    session_of,
    token,
)

HOLD, REPORT = Disposition.HOLD, Disposition.REPORT
START = datetime.fromisoformat("2026-10-10T08:00:00Z")
LONG_AGO = START - timedelta(days=9)
BOTH = {(CPO, "tokens"): LONG_AGO, (CPO, "commands"): LONG_AGO}
E1, E2 = {"location_id": "LOC1", "evse_uids": ["E1"]}, {"location_id": "LOC1", "evse_uids": ["E2"]}


def at(minutes: float) -> str:
    """A moment so many minutes after the start of the CDR of the world."""
    return format_datetime(START + timedelta(minutes=minutes))


def asked(minutes: float = -1, allowed: str = "ALLOWED", **changes: Any) -> Content:
    """An authorisation of the token of the world, answered so many minutes after the start."""
    content = {
        "kind": "AUTHORIZE",
        "asked_by": str(CPO),
        "answered_by": str(EMSP),
        "asked_at": at(minutes),
        "answered_at": at(minutes),
        "status_code": 1000,
        "cdr_token": cdr()["cdr_token"],
        "allowed": allowed,
        **changes,
    }
    return {name: value for name, value in content.items() if value is not ABSENT}


def commanded(minutes: float = -1, response: str = "ACCEPTED", **changes: Any) -> Content:
    """A START_SESSION for the EVSE of the world."""
    parties = {"asked_by": str(EMSP), "answered_by": str(CPO), "allowed": ABSENT, "location": E1}
    return asked(minutes, **{"kind": "START_SESSION", **parties, "response": response, **changes})


def seeing(evidence: Evidence, permits: Sequence[Content | tuple[Content, str]], first_asked: Any = None) -> Evidence:
    """The same, with what the hub saw pass; commands with the result that came for them."""
    pairs = [one if isinstance(one, tuple) else (one, "") for one in permits]
    read = [permit for pair in pairs if (permit := read_permit(*pair)) is not None]
    return replace(evidence, permits=by_charge(read), first_asked=BOTH if first_asked is None else first_asked)


def case(*permits: Content | tuple[Content, str], first_asked: Any = None, **changes: Any) -> Case:
    """The CDR of the world, changed; it says that it was authorised by request."""
    content = cdr(**{"auth_method": "AUTH_REQUEST", **changes})
    return case_in(seeing(evidence_of(content), permits, first_asked))


# --- F05 -------------------------------------------------------------------------------------

REFUSED, MISSING = [("TOKEN_INVALID_AT_START", HOLD)], [("AUTHORIZATION_MISSING", REPORT)]
TOLD = [("TOKEN_INVALID_AT_START", REPORT)]


@pytest.mark.parametrize(
    ("one", "said"),
    [
        pytest.param(case(asked()), [], id="allowed a minute before"),
        pytest.param(case(asked(-15)), [], id="allowed a quarter of an hour before"),
        pytest.param(case(asked(-15.1)), MISSING, id="allowed longer before"),
        pytest.param(case(asked(5)), [], id="allowed five minutes after the start: the car was plugged in first"),
        pytest.param(case(asked(5.1)), MISSING, id="allowed later"),
        pytest.param(
            case(asked(-60, authorization_reference="A1"), authorization_reference="a1"),
            [],
            id="allowed long before, and named by its reference",
        ),
        pytest.param(
            case(asked(126, authorization_reference="A1"), authorization_reference="A1"),
            MISSING,
            id="a reference that was given when the charge was over",
        ),
        pytest.param(case(asked(-2, "BLOCKED")), REFUSED, id="blocked"),
        pytest.param(case(asked(-2, "NO_CREDIT")), REFUSED, id="no credit"),
        pytest.param(case(asked(-3, "BLOCKED"), asked(-1)), [], id="blocked, then allowed"),
        pytest.param(case(asked(-3), asked(-1, "BLOCKED")), [], id="allowed, and blocked when it was asked once more"),
        pytest.param(
            case(asked(-2, "NOT_ALLOWED", location=E2)),
            MISSING,
            id="not allowed at another EVSE: nobody asked for this",
        ),
        pytest.param(case(asked(-2, "NOT_ALLOWED", location=E1)), REFUSED, id="not allowed at this EVSE"),
        pytest.param(case(asked(-2, ABSENT, status_code=4003)), MISSING, id="its eMSP was away"),
        pytest.param(
            case(asked(cdr_token={**cdr()["cdr_token"], "uid": "X"})), MISSING, id="another token was allowed"
        ),
        pytest.param(case(asked(answered_by=str(OTHER_EMSP))), MISSING, id="another eMSP allowed it"),
        pytest.param(case(asked(asked_by="NL/XXX")), MISSING, id="it was allowed to another CPO"),
        pytest.param(case(), MISSING, id="nobody asked, of a CPO that does ask through the hub"),
        pytest.param(case(first_asked={}), [], id="of a CPO that never asks through the hub"),
        pytest.param(
            case(first_asked={(CPO, "tokens"): START + timedelta(hours=1)}), [], id="of a CPO that began to ask later"
        ),
        pytest.param(case(auth_method="WHITELIST"), [], id="by whitelist, so that nobody has to be asked"),
        pytest.param(case(asked(-2, "BLOCKED"), auth_method="WHITELIST"), REFUSED, id="by a list, after a no"),
        pytest.param(case(asked(-2, "BLOCKED"), auth_method="COMMAND"), [], id="by command, after a no"),
        pytest.param(case(commanded()), [], id="a command of the eMSP is a yes"),
        pytest.param(case(commanded(response="REJECTED")), MISSING, id="a command that was rejected is none"),
        pytest.param(case(start_date_time="1970-01-01T00:00:00Z"), [], id="nobody knows when it began"),
        pytest.param(case(start_date_time="never"), [], id="nobody can read when it began"),
    ],
)
def test_a_charge_by_request_was_allowed_by_its_emsp(one: Case, said: list[tuple[str, Disposition]]) -> None:
    """F05; section 14: an authorisation that was answered other than ALLOWED is TOKEN_INVALID_AT_START."""
    assert said_by(f05_authorised, one) == said


def test_a_no_is_only_told_of_a_token_that_is_always_whitelisted() -> None:
    """F05, section 14."""
    evidence = evidence_of(cdr(auth_method="AUTH_REQUEST"), tokens=[token(whitelist="ALWAYS")])
    assert said_by(f05_authorised, case_in(seeing(evidence, [asked(-2, "BLOCKED")]))) == TOLD


def test_nothing_is_asked_of_a_credit_or_of_what_it_credits() -> None:
    """F05 to F08."""
    original = cdr(auth_method="AUTH_REQUEST", authorization_reference="X")
    evidence = seeing(
        evidence_of(original, credit_of(original)), [asked(allowed_location=E2, authorization_reference="A1")]
    )
    for check in (f05_authorised, f06_last_reference, f07_command, f08_authorised_place):
        assert said_by(check, case_in(evidence, 0)) == said_by(check, case_in(evidence, 1)) == []


def kinds(evidence: Evidence) -> list[tuple[str, str]]:
    """Ids and kinds of all that a run finds."""
    return [(one.check.id, one.check.kind) for one in settle(evidence, Agreements()).findings]


@pytest.mark.parametrize(
    ("tokens", "permits", "said"),
    [
        pytest.param([token()], [asked(-2, "BLOCKED")], [("F05", "TOKEN_INVALID_AT_START")], id="blocked when asked"),
        pytest.param(
            [token(), token(valid=False, last_updated=at(-60))],
            [asked(-2, "BLOCKED")],
            [("F05", "TOKEN_INVALID_AT_START")],
            id="blocked in the list, and when asked",
        ),
        pytest.param(
            [token(), token(valid=False, last_updated=at(-60))],
            [],
            [("F02", "TOKEN_INVALID_AT_START")],
            id="blocked in the list, and nobody asked",
        ),
        pytest.param([token(uid="X")], [], [("F01", "UNKNOWN_TOKEN")], id="unknown, and nobody asked"),
        pytest.param([token(uid="X")], [asked()], [], id="in no list, and allowed"),
    ],
)
def test_one_cause_is_one_finding(tokens: list[Content], permits: list[Content], said: list[tuple[str, str]]) -> None:
    """F01, F02 and F05; section 14: a token is unknown that is in no list and was not authorised."""
    assert kinds(seeing(evidence_of(cdr(auth_method="AUTH_REQUEST"), tokens=tokens), permits)) == said


def test_a_run_from_a_file_says_nothing_of_it() -> None:
    """Point 10: a bundle cannot hold the evidence."""
    content = cdr(auth_method="AUTH_REQUEST", authorization_reference="A1")
    assert kinds(evidence_of(content)) == kinds(evidence_of(cdr(auth_method="COMMAND"))) == []


# --- F06 -------------------------------------------------------------------------------------

WRONG, LOST = [("AUTHORIZATION_REFERENCE_MISMATCH", REPORT)], [("AUTH_METHOD_VIOLATION", REPORT)]
GIVEN = asked(-3, authorization_reference="A1")


@pytest.mark.parametrize(
    ("one", "said"),
    [
        pytest.param(case(GIVEN, authorization_reference="a1"), [], id="the one that was given, without case"),
        pytest.param(case(GIVEN, authorization_reference="A2"), WRONG, id="another one"),
        pytest.param(case(GIVEN), LOST, id="none"),
        pytest.param(case(asked(), authorization_reference="A2"), [], id="one that was given where nobody saw it"),
        pytest.param(case(asked()), [], id="none, and none was given"),
        pytest.param(
            case(GIVEN, asked(-1, authorization_reference="A2"), authorization_reference="A1"),
            WRONG,
            id="the first, and a later one was given",
        ),
        pytest.param(
            case(
                commanded(-3, authorization_reference="A1"),
                GIVEN | {"answered_at": at(-1)},
                authorization_reference="A1",
            ),
            [],
            id="that of a command",
        ),
        pytest.param(
            case(asked(-1, "BLOCKED", authorization_reference="A2"), GIVEN, authorization_reference="A1"),
            [],
            id="a no gives none",
        ),
        pytest.param(
            case(asked(-1, authorization_reference="A2", allowed_location=E2), GIVEN, authorization_reference="A1"),
            [],
            id="one for another EVSE is for another charge",
        ),
    ],
)
def test_a_cdr_states_the_last_reference_that_was_given(one: Case, said: list[tuple[str, Disposition]]) -> None:
    """F06."""
    assert said_by(f06_last_reference, one) == said


def test_a_reference_that_the_session_has_is_missed_once() -> None:
    """F04, F06: one cause, one finding."""
    content = cdr(auth_method="AUTH_REQUEST")
    evidence = evidence_of(content, sessions=[session_of(content, authorization_reference="A1")])
    assert kinds(seeing(evidence, [GIVEN])) == [("F04", "AUTH_METHOD_VIOLATION")]


# --- F07 -------------------------------------------------------------------------------------

NOT_ACCEPTED = [("COMMAND_NOT_ACCEPTED", REPORT)]


def started(*permits: Content | tuple[Content, str], **changes: Any) -> Case:
    """The CDR of the world; it says that it was started by command."""
    return case(*permits, **{"auth_method": "COMMAND", **changes})


def reserved(minutes: float, **changes: Any) -> Content:
    """A RESERVE_NOW."""
    return commanded(minutes, kind="RESERVE_NOW", **changes)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        pytest.param(started(commanded()), [], id="accepted, and no result came"),
        pytest.param(started((commanded(), "ACCEPTED")), [], id="accepted"),
        pytest.param(started((commanded(), "TIMEOUT")), [], id="accepted late: a charge may start after it"),
        pytest.param(started(commanded(response=ABSENT, status_code=4002)), [], id="the CPO was slow, and started it"),
        pytest.param(started((commanded(), "REJECTED")), NOT_ACCEPTED, id="rejected by the charge point"),
        pytest.param(started((commanded(), "EVSE_OCCUPIED")), NOT_ACCEPTED, id="the EVSE was occupied"),
        pytest.param(started(commanded(response="REJECTED")), NOT_ACCEPTED, id="rejected by the CPO"),
        pytest.param(
            started((commanded(-3), "FAILED"), commanded(-1)), [], id="failed, and accepted at the second try"
        ),
        pytest.param(started(asked()), [], id="an authorisation instead"),
        pytest.param(started(), NOT_ACCEPTED, id="none passed, to a CPO that does get commands through the hub"),
        pytest.param(started(first_asked={}), [], id="none passed, to a CPO that never gets any through the hub"),
        pytest.param(started(commanded(kind="UNLOCK_CONNECTOR")), NOT_ACCEPTED, id="a command that starts nothing"),
        pytest.param(started(reserved(-180, expiry_date=at(10))), [], id="reserved three hours before, and it stood"),
        pytest.param(started(reserved(-180, expiry_date=at(-30))), NOT_ACCEPTED, id="a reservation that was over"),
        pytest.param(started(reserved(-60)), [], id="a reservation whose end is not known"),
        pytest.param(case(), [], id="not by command"),
    ],
)
def test_a_charge_by_command_has_a_command_that_was_not_refused(one: Case, said: list[tuple[str, Disposition]]) -> None:
    """F07."""
    assert said_by(f07_command, one) == said


# --- F08 -------------------------------------------------------------------------------------

ELSEWHERE, MAYBE = [("AUTHORIZED_ELSEWHERE", HOLD)], [("AUTHORIZED_ELSEWHERE", REPORT)]


@pytest.mark.parametrize(
    ("one", "said"),
    [
        pytest.param(case(asked(allowed_location=E1)), [], id="the EVSE that was allowed"),
        pytest.param(
            case(asked(allowed_location={"location_id": "loc1", "evse_uids": []})), [], id="all of the Location"
        ),
        pytest.param(case(asked()), [], id="allowed anywhere"),
        pytest.param(case(asked(allowed_location=E2)), ELSEWHERE, id="another EVSE was allowed"),
        pytest.param(
            case(asked(location={"location_id": "LOC1", "evse_uids": ["E1", "E2"]}, allowed_location=E2)),
            ELSEWHERE,
            id="it was asked for, and another one was allowed",
        ),
        pytest.param(case(asked(location=E2)), MAYBE, id="asked for another EVSE, and the answer names none"),
        pytest.param(
            case(asked(allowed_location={"location_id": "LOC1", "evse_uids": ["DE*ABC*E1"]})),
            MAYBE,
            id="an EVSE that is not published: it may be the same by another name",
        ),
        pytest.param(
            case(asked(allowed_location={"location_id": "LOC9"})), MAYBE, id="a Location that is not published"
        ),
        pytest.param(
            case(asked(-3, allowed_location=E2), asked(-2, allowed_location=E1)), [], id="one of two covers it"
        ),
        pytest.param(case(asked(allowed_location=E2), auth_method="WHITELIST"), [], id="by whitelist, good everywhere"),
        pytest.param(case(asked(-1, "BLOCKED", location=E2)), [], id="a no names no place"),
        pytest.param(case(asked(allowed_location=E1), cdr_location__evse_uid="#NA"), [], id="no EVSE was used"),
        pytest.param(started(commanded(location=E2)), ELSEWHERE, id="a command for another EVSE"),
        pytest.param(started(commanded(location={"location_id": "LOC1"})), [], id="a command for the Location"),
    ],
)
def test_what_was_used_is_what_was_authorised(one: Case, said: list[tuple[str, Disposition]]) -> None:
    """F08: held only where both places are published, so that no honest CDR is."""
    assert said_by(f08_authorised_place, one) == said


# --- F02: what was known ---------------------------------------------------------------------


def blocked(known_hours_before: float | None, **changes: Any) -> Version:
    """The token of the world, blocked nine days before the start; the hub learned it so many hours before the start."""
    content = token(valid=False, last_updated=format_datetime(LONG_AGO), **changes)
    known_at = None if known_hours_before is None else START - timedelta(hours=known_hours_before)
    return Version(party_of(content), key_of(content["uid"]), LONG_AGO, content, known_at)


def listed(version: Version, *permits: Content, **changes: Any) -> Case:
    """The CDR of the world with this version of its token after the good one."""
    evidence = evidence_of(cdr(**changes))
    good = evidence.tokens[token_key(version.content)][EMSP]
    tokens = {**evidence.tokens, token_key(version.content): {EMSP: (*good, version)}}
    return case_in(seeing(replace(evidence, tokens=tokens), permits))


@pytest.mark.parametrize(
    ("one", "said"),
    [
        pytest.param(listed(blocked(24)), [HOLD], id="acknowledged a day before"),
        pytest.param(listed(blocked(23.9)), [REPORT], id="acknowledged less than a day before"),
        pytest.param(listed(blocked(-1)), [REPORT], id="true before the start, and known only after it"),
        pytest.param(listed(blocked(None)), [HOLD], id="nobody says when it became known, as in a file"),
        pytest.param(
            listed(blocked(48), asked(), auth_method="AUTH_REQUEST"), [REPORT], id="allowed when it was asked"
        ),
        pytest.param(listed(blocked(48, whitelist="ALWAYS")), [REPORT], id="always whitelisted"),
    ],
)
def test_a_block_counts_a_day_after_it_was_acknowledged(one: Case, said: list[Disposition]) -> None:
    """F02: what was true and what was known at the start."""
    assert said_by(f02_token_is_valid, one) == [("TOKEN_INVALID_AT_START", disposition) for disposition in said]
    assert said_by(f01_token_is_known, one) == []


# --- which of several ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("permits", "answered", "method"),
    [
        pytest.param([asked(-3, authorization_reference="A1"), asked(-1)], -3, BY_REFERENCE, id="what is named"),
        pytest.param([asked(-3), asked(-1)], -1, BY_TOKEN, id="the last yes"),
        pytest.param([asked(-3), asked(-1, "BLOCKED")], -3, BY_TOKEN, id="a yes before a no"),
        pytest.param(
            [asked(-3, allowed_location=E1), asked(-1, allowed_location=E2)], -3, BY_TOKEN, id="for its place"
        ),
        pytest.param([asked(-3, "BLOCKED"), asked(-2, "EXPIRED")], -2, BY_TOKEN, id="the last no"),
    ],
)
def test_a_cdr_is_matched_with_what_permitted_it(permits: list[Content], answered: float, method: str) -> None:
    """Method and score are stored (point 2)."""
    evidence = seeing(evidence_of(cdr(authorization_reference="A1")), permits)
    (fact,) = evidence.cdrs
    found = permitted_by(fact, permits_of(fact, evidence.permits))
    assert found is not None
    assert (format_datetime(found.permit.answered_at), found.method) == (at(answered), method)
    assert 0 < found.score <= 1
