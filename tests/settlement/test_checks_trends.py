"""G09, G10: prices that are odd beside others."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hub.settlement.checks.trends import g09_price_outliers, g10_free_of_charge
from hub.settlement.findings import Disposition
from hub.settlement.outliers import median_of, outliers
from hub.settlement.relations import relate
from tests.settlement.cases import Content, case_of, cdr, credit_of, dc_cdr, evidence_of, said_by, tariff


def priced(*rates: str) -> dict[int, Decimal]:
    return {number: Decimal(rate) for number, rate in enumerate(rates)}


@pytest.mark.parametrize(
    ("rates", "apart"),
    [
        pytest.param(["0.40"] * 19 + ["0.61"], {19}, id="more than half above the median"),
        pytest.param(["0.40"] * 19 + ["0.60"], set(), id="just half above it"),
        pytest.param(["0.40"] * 19 + ["0.19"], {19}, id="less than half of it"),
        pytest.param(["0.40"] * 8 + ["4.00"], set(), id="nine are too few"),
        pytest.param(["0.40"] * 17 + ["0.80"] * 2, set(), id="more than one in twenty is another price"),
        pytest.param(
            [*["0.10"] * 5, *["0.20"] * 5, *["0.30"] * 5, *["0.40"] * 5, "0.55"],
            set(),
            id="prices that are spread wide",
        ),
        pytest.param([], set(), id="nothing"),
    ],
)
def test_few_values_far_from_the_median_stand_apart(rates: list[str], apart: set[int]) -> None:
    assert set(outliers(priced(*rates)).apart) == apart


def test_the_median_is_the_middle_one_or_the_mean_of_two() -> None:
    assert median_of([Decimal(1), Decimal(2), Decimal(9)]) == 2
    assert median_of([Decimal(1), Decimal(2), Decimal(3), Decimal(9)]) == Decimal("2.5")


def charges(count: int) -> list[Content]:
    return [cdr(id=f"CDR-{number}", session_id=f"S-{number}") for number in range(count)]


DEAR = cdr(id="DEAR", session_id="S-DEAR", total_cost={"excl_vat": 19.0, "incl_vat": 22.61})


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        pytest.param([*charges(20), DEAR], ["DEAR"], id="one above the others of its pair"),
        pytest.param([*charges(20), DEAR, credit_of(DEAR)], [], id="it is credited"),
        pytest.param([*charges(20), dc_cdr(total_cost={"excl_vat": 90.0})], [], id="another pair"),
        pytest.param([*charges(20), {**DEAR, "total_energy": Decimal("0.5")}], [], id="hardly any energy"),
        pytest.param([*charges(20), {**DEAR, "end_date_time": "2026-11-01T00:00:00Z"}], [], id="of a later period"),
    ],
)
def test_a_price_per_kwh_far_from_the_median_of_the_pair_is_told(contents: list[Content], expected: list[str]) -> None:
    """G09: INFO, and nothing is kept out for it."""
    evidence = evidence_of(*contents)
    found = list(g09_price_outliers(evidence, relate(evidence), {}))
    assert [one.subject.cdrs[0].id for one in found] == expected
    assert all(one.disposition is Disposition.REPORT for one in found)
    assert [(one.details["per_kwh"], one.details["median_per_kwh"]) for one in found] == [
        (Decimal("0.95"), Decimal("0.45")) for _ in expected
    ]


NOTHING = {"excl_vat": 0, "incl_vat": 0}
FREE = tariff(elements=[{"price_components": [{"type": "ENERGY", "price": 0, "step_size": 1}]}])
FLAT = {"type": "FLAT", "price": 0, "step_size": 1}
FREE_OF_CHARGE = tariff(elements=[{"price_components": [FLAT]}])
FREE_ON_SUNDAYS = tariff(elements=[{"price_components": [FLAT], "restrictions": {"day_of_week": ["SUNDAY"]}}])
TIME_ONLY = tariff(elements=[{"price_components": [{"type": "PARKING_TIME", "price": 0, "step_size": 1}]}])


@pytest.mark.parametrize(
    ("embedded", "expected"),
    [
        pytest.param(FREE, [], id="the tariff says that it is free"),
        pytest.param(FREE_OF_CHARGE, [], id="it says so in the form of OCPI (TF-09)"),
        pytest.param(FREE_ON_SUNDAYS, [("FREE_TARIFF", Disposition.REPORT)], id="it says so of some days only"),
        pytest.param(TIME_ONLY, [("FREE_TARIFF", Disposition.REPORT)], id="no tariff says anything of energy"),
    ],
)
def test_nothing_is_claimed_where_a_tariff_says_so(embedded: Content, expected: list[tuple[str, Disposition]]) -> None:
    """G10."""
    assert said_by(g10_free_of_charge, case_of(total_cost=NOTHING, tariffs=[embedded])) == expected


def test_a_claim_that_is_not_nothing_needs_no_free_tariff() -> None:
    assert said_by(g10_free_of_charge, case_of(tariffs=[TIME_ONLY])) == []
