"""D06, D08: what eMSPs hold beside what the hub holds."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hub.settlement.checks.views import d06_emsp_holds_it, d08_emsp_holds_the_same
from hub.settlement.facts import Cost
from hub.settlement.findings import Disposition
from tests.settlement.cases import EMSP, OTHER_EMSP, Arrival, Content, case_in, cdr, dc_cdr, evidence_of, said_by

HOLD = Disposition.HOLD
RIGHT = Cost(Decimal("9.00"), Decimal("10.71"))


@pytest.mark.parametrize(
    ("held", "said"),
    [
        pytest.param({"C1": RIGHT}, [], id="it holds it"),
        pytest.param({}, [("EMSP_CDR_MISSING", HOLD)], id="it holds nothing"),
        pytest.param({"C2": RIGHT}, [("EMSP_CDR_MISSING", HOLD)], id="it holds another"),
    ],
)
def test_an_emsp_that_was_asked_holds_every_cdr_that_it_is_to_pay(
    held: dict[str, Cost | None], said: list[tuple[str, Disposition]]
) -> None:
    """D06."""
    assert said_by(d06_emsp_holds_it, case_in(evidence_of(cdr(), views={EMSP: held}))) == said


def test_an_emsp_that_was_not_asked_and_a_cdr_for_another_one_raise_nothing() -> None:
    """D06, D08: an empty view of one eMSP says nothing about what is addressed to another."""
    assert said_by(d06_emsp_holds_it, case_in(evidence_of(cdr()))) == []
    assert said_by(d06_emsp_holds_it, case_in(evidence_of(dc_cdr(), views={EMSP: {}}))) == []
    assert said_by(d06_emsp_holds_it, case_in(evidence_of(dc_cdr(), views={OTHER_EMSP: {}}))) != []


@pytest.mark.parametrize(
    ("arrivals", "index"),
    [
        pytest.param([cdr(), cdr()], 1, id="the same CDR again"),
        pytest.param([cdr(), Arrival(cdr(total_energy=21), "2026-10-11T00:00:00Z")], 1, id="another CDR under its id"),
        pytest.param([Arrival(cdr(), "2026-11-05T18:00:00Z")], 0, id="it came when the period was closed"),
        pytest.param([cdr(end_date_time="2026-11-01T00:00:00Z")], 0, id="it ended when the period was over"),
    ],
)
def test_what_is_not_to_be_paid_in_this_period_is_not_missed(arrivals: list[Content | Arrival], index: int) -> None:
    """D06, D08."""
    case = case_in(evidence_of(*arrivals, views={EMSP: {}}), index)
    assert [*said_by(d06_emsp_holds_it, case), *said_by(d08_emsp_holds_the_same, case)] == []


@pytest.mark.parametrize(
    ("theirs", "raised"),
    [
        pytest.param(RIGHT, False, id="the same"),
        pytest.param(Cost(Decimal(9), Decimal("10.710")), False, id="the same written otherwise"),
        pytest.param(Cost(Decimal(9)), False, id="without VAT, which is not compared"),
        pytest.param(Cost(Decimal("9.0001"), Decimal("10.71")), True, id="a little more"),
        pytest.param(Cost(Decimal(9), Decimal("10.72")), True, id="another VAT"),
        pytest.param(None, True, id="no total"),
    ],
)
def test_an_emsp_holds_the_same_total(theirs: Cost | None, raised: bool) -> None:
    """D08: two stores of one CDR need no tolerance."""
    case = case_in(evidence_of(cdr(), views={EMSP: {"C1": theirs}}))
    assert said_by(d08_emsp_holds_the_same, case) == ([("EMSP_CDR_DIFFERS", HOLD)] if raised else [])
