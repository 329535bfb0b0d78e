"""D06, D08: what eMSPs hold beside what the hub holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from hub.settlement.checks.views import d06_emsp_holds_it, d08_emsp_holds_no_other, d08_emsp_holds_the_same
from hub.settlement.evidence import Evidence, Held, HeldName, View
from hub.settlement.facts import Cost
from hub.settlement.findings import Disposition, Severity
from hub.settlement.outputs import finding_content
from hub.settlement.relations import relate
from ocpi_modules.parties import Party
from tests.settlement.cases import CPO, EMSP, OTHER_EMSP, Arrival, Content, case_in, cdr, dc_cdr, evidence_of, said_by

OTHER_CPO = Party("DE", "XYZ")
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


# --- whose it is -------------------------------------------------------------------------------


def with_view(evidence: Evidence, view: View) -> Evidence:
    """The same where the eMSP was asked."""
    return replace(evidence, views={EMSP: view})


@pytest.mark.parametrize(
    ("view", "said"),
    [
        pytest.param({(CPO, "C1"): Held("C1", RIGHT)}, [], id="it names the CPO"),
        pytest.param({(OTHER_CPO, "C1"): Held("C1", RIGHT)}, ["EMSP_CDR_MISSING"], id="that of another CPO"),
        pytest.param(
            {(OTHER_CPO, "C1"): Held("C1"), (CPO, "C1"): Held("C1", RIGHT)}, [], id="one of each under the same id"
        ),
        pytest.param(
            {(None, "C1"): Held("C1", RIGHT), (CPO, "C1"): Held("C1")},
            ["EMSP_CDR_DIFFERS"],
            id="that of the CPO goes before one of nobody",
        ),
    ],
)
def test_a_cdr_is_looked_for_under_its_owner_where_the_emsp_names_owners(view: View, said: list[str]) -> None:
    """D06, D08."""
    case = case_in(with_view(evidence_of(cdr()), view))
    raised = [*said_by(d06_emsp_holds_it, case), *said_by(d08_emsp_holds_the_same, case)]
    assert [kind for kind, _ in raised] == said


# --- what the hub has not ----------------------------------------------------------------------

OCTOBER = datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
SEPTEMBER = datetime(2026, 9, 30, 23, 59, 59, tzinfo=UTC)
UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "held", "raised"),
    [
        pytest.param((None, "C1"), Held("C1", RIGHT), False, id="the hub has it"),
        pytest.param((CPO, "C1"), Held("C1"), False, id="the hub has it, with another total, which is told elsewhere"),
        pytest.param((None, "GHOST"), Held("ghost", RIGHT), True, id="the hub has it not"),
        pytest.param((OTHER_CPO, "C1"), Held("C1", RIGHT), True, id="the hub has that of another CPO"),
        pytest.param((None, "U2"), Held("U2", RIGHT), True, id="the hub has it for another eMSP"),
        pytest.param((None, "GHOST"), Held("GHOST", RIGHT, OCTOBER), True, id="it ended in the period"),
        pytest.param((None, "GHOST"), Held("GHOST", RIGHT, NOVEMBER), False, id="it ended after the period"),
        pytest.param((None, "GHOST"), Held("GHOST", RIGHT, SEPTEMBER), False, id="it ended before the period"),
        pytest.param((None, "GHOST"), Held("GHOST", RIGHT, UNKNOWN), True, id="nobody knows when it ended"),
    ],
)
def test_a_cdr_that_only_the_emsp_has_is_told_of_the_emsp(name: HeldName, held: Held, raised: bool) -> None:
    """D08: told, not held, as no claim of the hub depends on it."""
    evidence = with_view(evidence_of(cdr(), dc_cdr(id="U2", session_id="S2")), {name: held})
    found = list(d08_emsp_holds_no_other(evidence, relate(evidence), {}))
    assert [(one.check.kind, one.severity, one.disposition, one.subject.party) for one in found] == (
        [("EMSP_CDR_DIFFERS", Severity.WARNING, Disposition.REPORT, EMSP)] if raised else []
    )


def test_the_sentence_names_the_cdr_as_the_emsp_writes_it_and_its_cpo() -> None:
    """D08."""
    evidence = with_view(evidence_of(cdr()), {(OTHER_CPO, "GHOST-1"): Held("Ghost-1", Cost(Decimal("4.20")))})
    (found,) = map(finding_content, d08_emsp_holds_no_other(evidence, relate(evidence), {}))
    assert found["sentence"] == "NL/MSP holds CDR Ghost-1 of DE/XYZ, which the hub has not received for it."
    assert found["subject"] == {"party": "NL-MSP"}
    assert found["details"]["cdr_id"] == "Ghost-1"
    assert found["details"]["emsp_excl_vat"] == "4.20"


def test_the_order_of_a_view_does_not_matter() -> None:
    """D08."""
    view = {(None, "G2"): Held("G2"), (CPO, "G1"): Held("G1"), (None, "G1"): Held("G1")}
    one, other = (with_view(evidence_of(), dict(order)) for order in (view.items(), reversed(view.items())))
    found = [one.sentence for one in d08_emsp_holds_no_other(one, relate(one), {})]
    assert found == [one.sentence for one in d08_emsp_holds_no_other(other, relate(other), {})]
    assert len(found) == 3
