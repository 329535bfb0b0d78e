"""A15, F01 to F04: whose token it was, and whether it was valid."""

from __future__ import annotations

from typing import Any

import pytest

from hub.settlement.case import Case
from hub.settlement.checks.tokens import (
    a15_token_party,
    f01_token_is_known,
    f02_token_is_valid,
    f03_contract,
    f04_auth_method,
)
from hub.settlement.findings import Disposition
from tests.settlement.cases import (
    ABSENT,
    EMSP,
    OTHER_EMSP,
    Arrival,
    Content,
    case_in,
    cdr,
    evidence_of,
    other_token,
    said_by,
    session_of,
    token,
)

HOLD, REPORT = Disposition.HOLD, Disposition.REPORT


def with_tokens(*tokens: Content, to: Any = None, **changes: Any) -> Case:
    """The CDR of the world, changed, while eMSPs have sent these tokens."""
    return case_in(evidence_of(Arrival(cdr(**changes), to=to), tokens=tokens, sessions=[]))


@pytest.mark.parametrize(
    ("case", "said"),
    [
        pytest.param(with_tokens(token()), [], id="in the list"),
        pytest.param(with_tokens(token(uid="token1")), [], id="uids are compared without case"),
        pytest.param(with_tokens(token(uid="X")), [("UNKNOWN_TOKEN", HOLD)], id="not in the list"),
        pytest.param(with_tokens(token(type="OTHER")), [("UNKNOWN_TOKEN", HOLD)], id="in the list with another type"),
        pytest.param(with_tokens(), [], id="nobody sends tokens"),
        pytest.param(with_tokens(other_token()), [], id="the eMSP sends no tokens, another one does"),
        pytest.param(
            with_tokens(token(uid="X"), other_token(uid="TOKEN1", type="RFID")), [], id="in the list of another eMSP"
        ),
        pytest.param(with_tokens(token(uid="X"), to=OTHER_EMSP), [], id="sent to another eMSP, which is told instead"),
        pytest.param(with_tokens(token(), cdr_token__uid=ABSENT), [], id="no uid, which the form of the CDR tells"),
        pytest.param(with_tokens(token(), cdr_token=ABSENT, to=EMSP), [], id="no token at all"),
    ],
)
def test_a_token_that_is_in_no_list_is_unknown(case: Case, said: list[tuple[str, Disposition]]) -> None:
    """F01."""
    assert said_by(f01_token_is_known, case) == said


@pytest.mark.parametrize(
    ("case", "kinds"),
    [
        pytest.param(with_tokens(token()), [], id="stated, routed to and listed by one"),
        pytest.param(with_tokens(token(), to=OTHER_EMSP), ["TOKEN_PARTY_MISMATCH"], id="sent to another eMSP"),
        pytest.param(
            with_tokens(token(uid="X"), other_token(uid="TOKEN1", type="RFID")),
            ["TOKEN_PARTY_MISMATCH"],
            id="another eMSP's",
        ),
        pytest.param(
            with_tokens(other_token(uid="TOKEN1", type="RFID")),
            ["TOKEN_PARTY_MISMATCH"],
            id="another eMSP's, and the stated one sends no tokens",
        ),
        pytest.param(
            with_tokens(token(), other_token(uid="TOKEN1", type="RFID")), [], id="a uid that two eMSPs give out"
        ),
        pytest.param(with_tokens(token(), cdr_token__party_id="msp"), [], id="ids are compared without case"),
        pytest.param(with_tokens(token(), cdr_token__party_id=ABSENT, to=EMSP), [], id="no eMSP is stated"),
    ],
)
def test_a_token_is_that_of_the_emsp_that_is_stated_and_sent_to(case: Case, kinds: list[str]) -> None:
    """A15."""
    assert [kind for kind, _ in said_by(a15_token_party, case)] == kinds


START = "2026-10-10T08:00:00Z"
BEFORE, AFTER = "2026-10-10T07:59:59Z", "2026-10-10T08:00:01Z"


def blocked(at: str = BEFORE, **changes: Any) -> Content:
    """The token of the world, no longer valid from a moment on."""
    return token(valid=False, last_updated=at, **changes)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        pytest.param(with_tokens(token()), [], id="valid"),
        pytest.param(with_tokens(token(), blocked()), [HOLD], id="blocked a second before"),
        pytest.param(with_tokens(token(), blocked(START)), [HOLD], id="blocked at the very moment"),
        pytest.param(with_tokens(token(), blocked(AFTER)), [], id="blocked a second after"),
        pytest.param(with_tokens(blocked(AFTER)), [], id="known only from later, as blocked"),
        pytest.param(
            with_tokens(blocked("2026-10-01T00:00:00Z"), token(last_updated="2026-10-02T00:00:00Z")), [], id="released"
        ),
        pytest.param(
            with_tokens(token(last_updated="2026-10-02T00:00:00Z"), blocked("2026-10-03T00:00:00Z")),
            [HOLD],
            id="the last version counts",
        ),
        pytest.param(with_tokens(blocked(whitelist="ALWAYS")), [REPORT], id="always whitelisted, so only told"),
        pytest.param(with_tokens(blocked(whitelist="ALLOWED_OFFLINE")), [HOLD], id="offline is nothing agreed"),
        pytest.param(
            with_tokens(token(), blocked(), start_date_time="never"), [], id="nobody knows when the session began"
        ),
    ],
)
def test_a_token_is_valid_by_its_last_version_before_the_start(case: Case, said: list[Disposition]) -> None:
    """F02: tokens have no expiry date in OCPI."""
    assert said_by(f02_token_is_valid, case) == [("TOKEN_INVALID_AT_START", disposition) for disposition in said]


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        pytest.param({}, [], id="the contract of the token"),
        pytest.param({"cdr_token__contract_id": "nl-msp-c00000001-1"}, [], id="without case"),
        pytest.param({"cdr_token__contract_id": "NL-MSP-C00000009-9"}, ["CONTRACT_MISMATCH"], id="another contract"),
        pytest.param({"cdr_token__contract_id": ABSENT}, [], id="no contract"),
    ],
)
def test_the_contract_is_that_of_the_token(changes: Content, kinds: list[str]) -> None:
    """F03."""
    assert [kind for kind, _ in said_by(f03_contract, with_tokens(token(), **changes))] == kinds


@pytest.mark.parametrize(
    ("whitelist", "auth_method", "kinds"),
    [
        pytest.param("NEVER", "WHITELIST", ["AUTH_METHOD_VIOLATION"], id="never, and it was"),
        pytest.param("NEVER", "AUTH_REQUEST", [], id="never, and it was asked for"),
        pytest.param("ALLOWED", "WHITELIST", [], id="allowed, and it was"),
    ],
)
def test_a_token_that_is_never_whitelisted_was_not(whitelist: str, auth_method: str, kinds: list[str]) -> None:
    """F04."""
    case = with_tokens(token(whitelist=whitelist), auth_method=auth_method)
    assert [kind for kind, _ in said_by(f04_auth_method, case)] == kinds


@pytest.mark.parametrize(
    ("in_session", "in_cdr", "kinds"),
    [
        pytest.param("A1", "A1", [], id="repeated"),
        pytest.param("A1", ABSENT, ["AUTH_METHOD_VIOLATION"], id="not repeated"),
        pytest.param(None, ABSENT, [], id="none was given as far as anybody knows"),
    ],
)
def test_a_cdr_repeats_the_authorization_reference_of_its_session(
    in_session: str | None, in_cdr: Any, kinds: list[str]
) -> None:
    """F04: authorisations are not in the evidence, sessions are."""
    content = cdr(auth_method="AUTH_REQUEST", authorization_reference="A1")
    changed = cdr(auth_method="AUTH_REQUEST") if in_cdr is ABSENT else content
    session = session_of(content) if in_session is None else session_of(content, authorization_reference=in_session)
    assert [kind for kind, _ in said_by(f04_auth_method, case_in(evidence_of(changed, sessions=[session])))] == kinds
