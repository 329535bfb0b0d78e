"""CDRs that were refused at the door, as findings (point 2): judged as the door judges, one finding each, never billed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.settlement.engine.refusing import at_the_door, kept_refusal
from hub.settlement.facts import read_cdr
from hub.settlement.findings import Disposition, Severity
from hub.settlement.refused import AtTheDoor, finding_of, is_of_refused, root_of_refused
from hub.store.refused import RefusedCdr
from ocpi_modules.types import decode_json, encode_json
from tests.settlement.cases import CPO, EMSP, Content, cdr, changed, credit_of

NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)


def refused(content: Any, answer: str = "it says no", at: datetime = NOW) -> AtTheDoor:
    decoded = decode_json(encode_json(content)) if isinstance(content, dict) else None
    return AtTheDoor(content=decoded, first_at=at, owner=CPO, cdr_id="C1", status_code=2001, answer=answer)


def accepted(content: Content, at: datetime = NOW - timedelta(hours=1)) -> Any:
    return [read_cdr(0, at, EMSP, decode_json(encode_json(content)))]


@pytest.mark.parametrize(
    ("content", "known", "kind"),
    [
        pytest.param(cdr(total_energy=99), accepted(cdr()), "CDR_ID_REUSED", id="A06: an id with other content"),
        pytest.param(
            cdr(total_energy=99), accepted(cdr(), NOW + timedelta(hours=1)), "CDR_NOT_TAKEN", id="the other came later"
        ),
        pytest.param(cdr(credit=True), [], "CREDIT_FLAG_INCONSISTENT", id="J01: a credit of nothing"),
        pytest.param(cdr(credit_reference_id="C0"), [], "CREDIT_FLAG_INCONSISTENT", id="J01: a reference without flag"),
        pytest.param(changed(cdr(), total_cost=None), [], "INVALID_CDR", id="A01: no total"),
        pytest.param(
            changed(cdr(), cdr_location__postal_code="x" * 11), [], "TEXT_TOO_LONG", id="A02: a long postal code"
        ),
        pytest.param(cdr(), [], "CDR_NOT_TAKEN", id="A15: nothing is wrong with it but where it goes"),
        pytest.param(cdr(), accepted(cdr()), "CDR_NOT_TAKEN", id="the same came well before"),
        pytest.param(credit_of(cdr()), [], "CDR_NOT_TAKEN", id="a good credit"),
        pytest.param("no JSON", [], "INVALID_CDR", id="no object at all"),
    ],
)
def test_a_refused_cdr_is_one_finding_of_the_right_kind(content: Any, known: Any, kind: str) -> None:
    finding = finding_of(refused(content), known)
    assert (finding.check.kind, finding.severity, finding.disposition) == (kind, Severity.ERROR, Disposition.HOLD)
    assert (finding.details["refused"], finding.details["answer"]) == (True, "it says no")


def test_where_no_check_sees_anything_the_answer_is_the_finding() -> None:
    assert (
        finding_of(refused(cdr(), "NL/MSP is not connected")).sentence == "CDR C1 was refused: NL/MSP is not connected."
    )


def test_its_cause_is_apart_from_those_of_accepted_cdrs() -> None:
    finding = finding_of(refused(cdr(total_energy=99)), accepted(cdr()))
    key = root_of_refused(finding, refused(cdr())).key
    assert key == "A06|CDR_ID_REUSED|DE/ABC|EUR|refused|at the door"
    assert is_of_refused(key)
    assert not is_of_refused("A06|CDR_ID_REUSED|DE/ABC|EUR")


def row(content: Content, caller: str = "CPO", digest: bytes = b"\x01" * 32) -> RefusedCdr:
    return RefusedCdr(
        caller=caller,
        digest=digest,
        creditor=str(CPO),
        cdr_key="C1",
        receiver="NL/HUB",
        status_code=2001,
        answer="",
        first_at=NOW,
        text=encode_json(content),
    )


def test_a_finding_names_the_cdr_its_owner_and_what_it_claims() -> None:
    one = row(cdr())
    kept = kept_refusal(finding_of(at_the_door(one)), one, "2026-10")
    assert decode_json(kept.subject.encode()) == {"cdr_id": "C1", "owner": "DE/ABC", "sha256": "01" * 32}
    assert (kept.party, kept.counterparty, kept.currency, kept.at_risk) == ("DE/ABC", "NL/MSP", "EUR", Decimal("10.71"))
    assert (kept.cdrs, kept.source, kept.period) == ((), "refused", "2026-10")


def test_the_same_bytes_are_one_finding_and_others_are_another() -> None:
    def key(one: RefusedCdr) -> str:
        return kept_refusal(finding_of(at_the_door(one)), one, "2026-10").key

    assert key(row(cdr())) == key(row(cdr(), caller="another"))
    assert key(row(cdr())) != key(row(cdr(), digest=b"\x02" * 32))
