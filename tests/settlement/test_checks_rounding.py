"""P07: rounding that does not average out."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import pytest

from hub.pricing.policy import DEFAULT
from hub.settlement.agreements import Agreements
from hub.settlement.checks.rounding import p07_rounding_bias
from hub.settlement.evidence import Tolerances
from hub.settlement.findings import Finding
from hub.settlement.prices import price_cdr
from hub.settlement.relations import relate
from hub.settlement.run import settle
from tests.settlement.cases import ABSENT, Arrival, Content, cdr, credit_of, evidence_of, period


def charge(name: str, difference: str = "0", price: str = "100") -> Content:
    """A CDR that claims a price, and a difference."""
    energy = int(Decimal(price) / Decimal("0.4"))
    return cdr(
        id=name,
        session_id=name,
        total_cost={"excl_vat": Decimal(price) + Decimal(difference)},
        total_energy=energy,
        charging_periods=[period("2026-10-10T08:00:00Z", ENERGY=energy)],
        total_energy_cost=ABSENT,
        total_parking_cost=ABSENT,
    )


def charges(*differences: str, price: str = "100") -> list[Content]:
    """CDRs that claim a price, each with a difference."""
    return [charge(f"C{number}", difference, price) for number, difference in enumerate(differences)]


def biases(contents: Iterable[Content | Arrival], tolerances: Tolerances | None = None) -> list[Finding]:
    """What is said of the rounding of these CDRs."""
    evidence = evidence_of(*contents, tolerances=tolerances)
    pricings = {one.index: price_cdr(one, evidence, evidence.place_of(one), DEFAULT) for one in evidence.cdrs}
    return list(p07_rounding_bias(evidence, relate(evidence), pricings))


UP, DOWN, RIGHT, SLIGHTLY = "0.01", "-0.01", "0", "0.005"


@pytest.mark.parametrize(
    ("contents", "raised"),
    [
        pytest.param(charges(*[UP] * 10), True, id="ten, all up"),
        pytest.param(charges(*[UP] * 9), False, id="nine are too few"),
        pytest.param(charges(*[DOWN] * 10), True, id="ten, all down"),
        pytest.param(charges(*[UP] * 8, *[DOWN] * 2), True, id="a mean of 0.6 minor units"),
        pytest.param(charges(*[UP] * 15, *[DOWN] * 5), False, id="a mean of just 0.5 minor units"),
        pytest.param(charges(*[UP] * 5, *[DOWN] * 5), False, id="they average out"),
        pytest.param(charges(*[SLIGHTLY] * 10), False, id="less than a minor unit each, and little of the turnover"),
        pytest.param(charges(*[SLIGHTLY] * 10, price="4"), True, id="more than 0.1 % of the turnover"),
        pytest.param(charges(*[UP] * 10, *[RIGHT] * 30), True, id="what is right is no rounding difference"),
        pytest.param([], False, id="nothing at all"),
    ],
)
def test_ten_rounding_differences_of_a_cpo_average_out(contents: list[Content], raised: bool) -> None:
    """P07: a mean of more than half a minor unit, or more than 0.1 % of the turnover."""
    found = biases(contents)
    assert [str(finding.subject.party) for finding in found] == (["DE/ABC"] if raised else [])


def test_the_tolerances_of_rounding_can_be_set() -> None:
    """P07: `bias_min_count` and `bias_mean_minor_units`."""
    assert len(biases(charges(*[UP] * 3), Tolerances(bias_min_count=Decimal(3)))) == 1
    assert biases(charges(*[UP] * 10), Tolerances(bias_mean_minor_units=Decimal(1))) == []


def test_what_does_not_settle_here_does_not_count() -> None:
    """P07: credits and what they credit, copies, wrong prices, and charges that ended when the period was over."""
    usual = charges(*[UP] * 9)
    credited = charge("X", UP)
    later = {**charge("Y", UP), "end_date_time": "2026-11-01T00:00:00Z"}
    assert biases([*usual, credited, credit_of(credited)]) == []
    assert biases([*usual, usual[0]]) == []
    assert biases([*usual, charge("Z", "0.50")]) == []
    assert biases([*usual, later]) == []


def test_what_is_claimed_for_wh_is_no_turnover() -> None:
    """P07, C04: one CDR in the wrong unit would hide the habit of a thousand others."""
    evidence = evidence_of(*charges(*[SLIGHTLY] * 10, price="4"), charge("W", price="4000"))
    kinds = {finding.check.kind for finding in settle(evidence, Agreements()).findings}
    assert kinds >= {"ENERGY_UNIT_ERROR", "SYSTEMATIC_ROUNDING_BIAS"}


def test_the_sentence_tells_direction_count_and_amounts() -> None:
    """P07."""
    (finding,) = biases(charges(*[UP] * 10))
    assert finding.sentence == (
        "DE/ABC rounds up: 10 rounding differences come to EUR 0.10 on a turnover of EUR 1000.10."
    )
    assert finding.details["sum"] == Decimal("0.10")
