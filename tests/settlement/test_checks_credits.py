"""J: credits."""

from __future__ import annotations

from typing import Any

import pytest

from hub.settlement.agreements import Agreements
from hub.settlement.run import settle
from tests.settlement.cases import (
    ABSENT,
    CPO,
    EMSP,
    OTHER_EMSP,
    Arrival,
    cdr,
    credit_of,
    dc_cdr,
    evidence_of,
    findings_of,
    other_token,
    session_of,
    verdicts_of,
)


def net_of(*contents: Any, **known: Any) -> list[str]:
    """What the CPO gets, without and with VAT."""
    amount = settle(evidence_of(*contents, **known), Agreements()).net.get((CPO, "EUR"))
    return ["0", "0"] if amount is None else [str(amount.excl_vat.normalize()), str(amount.incl_vat.normalize())]


def test_a_credit_and_its_original_are_nothing_together() -> None:
    """J03, C1, CD-06."""
    assert findings_of(evidence_of(cdr(), credit_of(cdr()))) == []
    assert net_of(cdr(), credit_of(cdr())) == ["0", "0"]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        pytest.param({"credit_reference_id": ABSENT}, "CREDIT_FLAG_INCONSISTENT", id="a credit of nothing"),
        pytest.param({"credit": ABSENT}, "CREDIT_FLAG_INCONSISTENT", id="a reference in no credit"),
        pytest.param({"credit": False}, "CREDIT_FLAG_INCONSISTENT", id="a reference, and credit is false"),
        pytest.param({"credit_reference_id": "C9"}, "CREDIT_WITHOUT_ORIGINAL", id="of a CDR that is not there"),
        pytest.param({"party_id": "XYZ"}, "CREDIT_WITHOUT_ORIGINAL", id="of a CDR of another owner"),
        pytest.param({"credit_reference_id": "c1"}, None, id="an id in another case (Y-04)"),
        pytest.param({"total_cost__excl_vat": -8.99}, "CREDIT_AMOUNT_MISMATCH", id="a cent less"),
        pytest.param({"total_cost__incl_vat": -10.72}, "CREDIT_AMOUNT_MISMATCH", id="a cent more with VAT"),
        pytest.param({"total_cost__incl_vat": ABSENT}, "CREDIT_AMOUNT_MISMATCH", id="nothing with VAT"),
        pytest.param({"total_cost": {"excl_vat": 9, "incl_vat": 10.71}}, "CREDIT_AMOUNT_MISMATCH", id="not negated"),
        pytest.param({"currency": "CHF"}, "CREDIT_AMOUNT_MISMATCH", id="another currency"),
    ],
)
def test_a_credit_that_is_wrong_is_held_and_its_original_stands(changes: dict[str, Any], kind: str | None) -> None:
    """J01, J02, J03."""
    evidence = evidence_of(cdr(), credit_of(cdr(), **changes), parties={})
    assert findings_of(evidence) == ([] if kind is None else [(kind, "C1-C")])
    assert verdicts_of(evidence) == ["SETTLE", "SETTLE" if kind is None else "HOLD"]


def test_a_credit_of_a_credit_has_no_original() -> None:
    """J02."""
    credit = credit_of(cdr())
    again = credit_of(credit, id="C1-CC")
    evidence = evidence_of(cdr(), credit, again)
    assert findings_of(evidence) == [("CREDIT_WITHOUT_ORIGINAL", "C1-CC")]


def test_a_credit_of_itself_has_no_original() -> None:
    """J02."""
    alone = credit_of(cdr(), id="C1-C", credit_reference_id="C1-C")
    assert findings_of(evidence_of(alone)) == [("CREDIT_WITHOUT_ORIGINAL", "C1-C")]


def test_a_credit_for_another_emsp_than_its_original_has_no_original_there() -> None:
    """J02: else one eMSP would pay for a charge, and another get the money back."""
    original = Arrival(cdr())
    stray = Arrival(
        credit_of(cdr(), cdr_token={**other_token(), "contract_id": "BE-EMO-C00000001-1"}),
        "2026-10-12T00:00:00Z",
        to=OTHER_EMSP,
    )
    evidence = evidence_of(original, stray)
    assert ("CREDIT_WITHOUT_ORIGINAL", "C1-C") in findings_of(evidence)
    assert verdicts_of(evidence) == ["SETTLE", "HOLD"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_later_of_two_credits_is_held_whatever_the_order_of_the_input(order: tuple[int, ...]) -> None:
    """J02."""
    arrivals = [
        Arrival(cdr()),
        Arrival(credit_of(cdr()), "2026-10-12T00:00:00Z"),
        Arrival(credit_of(cdr(), id="C1-D"), "2026-10-13T00:00:00Z"),
    ]
    evidence = evidence_of(*(arrivals[place] for place in order))
    assert findings_of(evidence) == [("CREDIT_REPEATED", "C1-D")]


def test_a_wrong_credit_does_not_stand_in_the_way_of_the_right_one() -> None:
    """J02, J03."""
    wrong = Arrival(credit_of(cdr(), id="C1-W", total_cost={"excl_vat": -1, "incl_vat": -1.19}), "2026-10-12T00:00:00Z")
    right = Arrival(credit_of(cdr()), "2026-10-13T00:00:00Z")
    evidence = evidence_of(cdr(), wrong, right)
    assert findings_of(evidence) == [("CREDIT_AMOUNT_MISMATCH", "C1-W")]
    assert verdicts_of(evidence) == ["SETTLE", "HOLD", "SETTLE"]
    assert net_of(cdr(), wrong, right) == ["0", "0"]


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        pytest.param({"total_energy": -20}, [], id="energy negated too"),
        pytest.param({"total_energy_cost": {"excl_vat": -8, "incl_vat": -9.52}}, [], id="parts negated too"),
        pytest.param({"remark": "wrong tariff"}, [], id="a remark"),
        pytest.param({"total_energy": 19}, ["total_energy"], id="other energy"),
        pytest.param({"session_id": "S9"}, ["its session"], id="another session"),
        pytest.param({"cdr_token__uid": "TOKEN9"}, ["its token"], id="another token"),
    ],
)
def test_a_credit_that_says_something_else_than_its_original_is_told_and_settles(
    changes: dict[str, Any], changed: list[str]
) -> None:
    """J03."""
    evidence = evidence_of(cdr(), credit_of(cdr(), **changes))
    outcome = settle(evidence, Agreements())
    told = [finding.details["changed"] for finding in outcome.findings if finding.check.kind == "CREDIT_DATA_MISMATCH"]
    assert told == [changed] * bool(changed)
    assert [finding.disposition for finding in outcome.findings if finding.check.id == "J03"] == ["REPORT"] * bool(
        changed
    )


def test_original_credit_and_replacement_are_one_correction_and_the_replacement_is_paid() -> None:
    """J04: original + credit + replacement = replacement."""
    replacement = dc_cdr(id="C1-R", session_id="S2")
    original = dc_cdr(total_cost={"excl_vat": 28, "incl_vat": 33.32})
    later = Arrival(replacement, "2026-10-14T00:00:00Z")
    evidence = evidence_of(original, credit_of(original), later)
    assert findings_of(evidence) == [("CORRECTED_CDR", "C1-R")]
    assert net_of(original, credit_of(original), later) == ["28", "33.32"]


def test_a_replacement_of_a_cdr_whose_credit_is_wrong_bills_its_session_twice() -> None:
    """J03, D01: the original stands, so the replacement is held."""
    wrong = credit_of(cdr(), total_cost={"excl_vat": -1, "incl_vat": -1.19})
    evidence = evidence_of(cdr(), wrong, Arrival(cdr(id="C1-R"), "2026-10-14T00:00:00Z"))
    assert verdicts_of(evidence) == ["SETTLE", "HOLD", "HOLD"]


def test_a_credit_waits_with_its_original() -> None:
    """J02: an original that is held for its price must not be credited without having been paid."""
    dear = cdr(total_cost={"excl_vat": 99, "incl_vat": 117.81})
    evidence = evidence_of(dear, credit_of(dear))
    assert verdicts_of(evidence) == ["HOLD", "HOLD"]
    assert net_of(dear, credit_of(dear)) == ["0", "0"]


def test_a_credit_of_what_an_earlier_period_settled_counts_where_it_comes() -> None:
    """J05, I02: the original is there as evidence and is not paid again."""
    september = cdr(
        start_date_time="2026-09-10T08:00:00Z",
        end_date_time="2026-09-10T10:00:00Z",
        charging_periods__0__start_date_time="2026-09-10T08:00:00Z",
        charging_periods__1__start_date_time="2026-09-10T09:30:00Z",
        last_updated="2026-09-10T10:00:00Z",
    )
    arrivals = (
        Arrival(september, "2026-09-10T10:05:00Z"),
        Arrival(credit_of(september), "2026-10-03T00:00:00Z"),
    )
    assert findings_of(evidence_of(*arrivals)) == [("EARLIER_PERIOD", "C1")]
    assert verdicts_of(evidence_of(*arrivals)) == ["DROP", "SETTLE"]
    assert net_of(*arrivals) == ["-9", "-10.71"]


def test_a_credit_that_comes_after_the_close_waits_without_a_finding() -> None:
    """I02, J05: its original settles."""
    evidence = evidence_of(cdr(), Arrival(credit_of(cdr()), "2026-11-05T18:00:00Z"))
    assert findings_of(evidence) == []
    assert verdicts_of(evidence) == ["SETTLE", "DEFER"]


def test_the_second_of_two_equal_credits_is_a_copy_and_nothing_else() -> None:
    """A05, J02."""
    evidence = evidence_of(cdr(), credit_of(cdr()), credit_of(cdr()))
    assert findings_of(evidence) == [("DUPLICATE_CDR", "C1-C")]


def test_sessions_of_credits_are_those_of_their_originals() -> None:
    """J03: one session, one CDR, one credit; nothing is billed twice."""
    evidence = evidence_of(cdr(), credit_of(cdr()), sessions=[session_of(cdr())])
    assert findings_of(evidence) == []
    assert settle(evidence, Agreements()).net[EMSP, "EUR"].is_nothing
