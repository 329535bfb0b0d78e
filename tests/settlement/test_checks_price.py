"""B05, B06, G03, G04, G06, G11: the amounts of a claim against what its tariff makes of the charge."""

from __future__ import annotations

from typing import Any

import pytest

from hub.pricing.policy import Policy
from hub.settlement.agreements import Agreement, Agreements
from hub.settlement.case import Case
from hub.settlement.checks.price import amounts_of_a_claim
from hub.settlement.findings import Disposition, Severity
from tests.settlement.cases import (
    ABSENT,
    CPO,
    EMSP,
    Content,
    case_in,
    case_of,
    cdr,
    credit_of,
    dc_case_of,
    evidence_of,
    location,
    period,
    said_by,
    tariff,
    verdicts_of,
    volumes,
)

HOLD, SETTLE, REPORT = Disposition.HOLD, Disposition.SETTLE, Disposition.REPORT

NO_PARTS = {"total_energy_cost": ABSENT, "total_parking_cost": ABSENT}
"""A CDR that states no parts, so that only its total is compared."""


def cost(excl_vat: Any, incl_vat: Any = None) -> Content:
    """A Price."""
    return {"excl_vat": excl_vat} if incl_vat is None else {"excl_vat": excl_vat, "incl_vat": incl_vat}


def element(restrictions: Content | None = None, **prices: Any) -> Content:
    """A tariff element of components that are prices, or (price, step_size), with 19 % VAT."""
    parts = {kind: price if isinstance(price, tuple) else (price, 1) for kind, price in prices.items()}
    components = [{"type": kind, "price": price, "vat": 19, "step_size": step} for kind, (price, step) in parts.items()]
    return {"price_components": components} | ({"restrictions": restrictions} if restrictions else {})


def priced_by(*elements: Content, total: Content, **changes: Any) -> Case:
    """The CDR of the world under other elements of its tariff, in the CDR and as published, with another total."""
    limits = {name: changes.pop(name) for name in ("min_price", "max_price") if name in changes}
    published = tariff(elements=list(elements), **limits)
    content = cdr(tariffs=[published], total_cost=total, **NO_PARTS, **changes)
    return case_in(evidence_of(content, tariffs=[published]))


# --- close to the price ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "kinds"),
    [
        pytest.param(cost(9, 10.71), [], id="the price"),
        pytest.param(cost(9), [], id="the price without VAT: what is not stated is not compared"),
        pytest.param(cost(9.01, 10.71), ["ROUNDING_DIFFERENCE"], id="a minor unit more"),
        pytest.param(cost(8.99, 10.70), ["ROUNDING_DIFFERENCE"], id="a minor unit less"),
        pytest.param(cost(9, 10.72), ["ROUNDING_DIFFERENCE"], id="a minor unit more of VAT"),
        pytest.param(cost(9.004, 10.71), ["ROUNDING_DIFFERENCE"], id="less than a minor unit more"),
        pytest.param(cost(9.0101, 10.71), ["PRICE_MISMATCH"], id="just more than a minor unit"),
        pytest.param(cost(9.02, 10.73), ["PRICE_MISMATCH"], id="two minor units of one amount"),
        pytest.param(cost(9, 10.73), ["VAT_MISMATCH"], id="two minor units of VAT"),
    ],
)
def test_a_claim_within_a_minor_unit_of_its_price_settles_as_it_stands(total: Content, kinds: list[str]) -> None:
    """G03: ROUNDING_DIFFERENCE is information, whichever way it goes."""
    case = case_of(total_cost=total, **NO_PARTS)
    found = list(amounts_of_a_claim(case))
    assert [finding.check.kind for finding in found] == kinds
    assert all(
        (finding.severity, finding.disposition) == (Severity.INFO, SETTLE)
        for finding in found
        if finding.check.kind == "ROUNDING_DIFFERENCE"
    )


@pytest.mark.parametrize(
    ("claimed", "kinds"),
    [
        pytest.param(2.35, [], id="rounded once, half away from zero"),
        pytest.param(2.345, [], id="exact"),
        pytest.param(2.34, ["ROUNDING_DIFFERENCE"], id="rounded down"),
    ],
)
def test_an_exact_price_between_minor_units_may_be_stated_exactly_or_rounded(claimed: float, kinds: list[str]) -> None:
    """G03, N2: 9.38 kWh at 0.25 are 2.345."""
    energy = period("2026-10-10T08:00:00Z", ENERGY=9.38, TIME=2)
    case = priced_by(element(ENERGY=0.25), total=cost(claimed), charging_periods=[energy], total_energy=9.38)
    assert [kind for kind, _ in said_by(amounts_of_a_claim, case)] == kinds


@pytest.mark.parametrize(
    ("claimed", "kinds"),
    [
        pytest.param(0.3333, [], id="four decimals of a number that never ends"),
        pytest.param(0.3334, ["ROUNDING_DIFFERENCE"], id="other four decimals"),
    ],
)
def test_four_decimals_of_the_exact_price_are_the_price(claimed: float, kinds: list[str]) -> None:
    """G03: a third of an hour of parking at 1.00, stated as OCPI writes numbers."""
    parked = period("2026-10-10T08:00:00Z", PARKING_TIME=0.333333)
    case = priced_by(element(PARKING_TIME=(1, 0)), total=cost(claimed), charging_periods=[parked], total_energy=0)
    assert [kind for kind, _ in said_by(amounts_of_a_claim, case)] == kinds


@pytest.mark.parametrize(
    ("claimed", "kinds"),
    [
        pytest.param(13.02, ["ROUNDING_DIFFERENCE"], id="two minor units for four parts"),
        pytest.param(13.03, ["PRICE_MISMATCH"], id="three are too many"),
    ],
)
def test_more_than_three_priced_parts_may_round_two_minor_units_together(claimed: float, kinds: list[str]) -> None:
    """G03: energy 8.00, parking 1.00, time 1.50, FLAT 2.00 and a reservation of 0.50."""
    reserved = element({"reservation": "RESERVATION"}, TIME=1)
    periods = [
        period("2026-10-10T07:30:00Z", RESERVATION_TIME=0.5),
        period("2026-10-10T08:00:00Z", ENERGY=20, TIME=1.5),
        period("2026-10-10T09:30:00Z", PARKING_TIME=0.5),
    ]
    usual = element(ENERGY=0.4, TIME=1, PARKING_TIME=2, FLAT=2)
    case = priced_by(reserved, usual, total=cost(claimed), charging_periods=periods)
    assert [kind for kind, _ in said_by(amounts_of_a_claim, case)] == kinds


@pytest.mark.parametrize(
    ("currency", "claimed", "kinds"),
    [
        pytest.param("JPY", 10, ["ROUNDING_DIFFERENCE"], id="a yen is a minor unit"),
        pytest.param("JPY", 11, ["PRICE_MISMATCH"], id="two yen"),
        pytest.param("KWD", 9.001, ["ROUNDING_DIFFERENCE"], id="a fils is a minor unit"),
        pytest.param("KWD", 9.01, ["PRICE_MISMATCH"], id="ten fils"),
    ],
)
def test_a_minor_unit_is_that_of_the_currency(currency: str, claimed: float, kinds: list[str]) -> None:
    """G03, N2."""
    published = tariff(currency=currency)
    content = cdr(tariffs=[published], currency=currency, total_cost=cost(claimed), **NO_PARTS)
    case = case_in(evidence_of(content, tariffs=[published]))
    assert [kind for kind, _ in said_by(amounts_of_a_claim, case)] == kinds


# --- VAT -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "incl_vat",
    [pytest.param(9, id="no VAT at all"), pytest.param(10.80, id="20 % for 19"), pytest.param(10, id="less")],
)
def test_a_wrong_amount_with_vat_is_held_whichever_way_it_is_wrong(incl_vat: float) -> None:
    """B06."""
    assert said_by(amounts_of_a_claim, case_of(total_cost=cost(9, incl_vat), **NO_PARTS)) == [("VAT_MISMATCH", HOLD)]


def test_vat_is_not_compared_where_the_tariff_states_none() -> None:
    """B06, V3: nobody knows the VAT of such a tariff, so that any amount with VAT may be right."""
    plain = {"price_components": [{"type": "ENERGY", "price": 0.45, "step_size": 1}]}
    assert said_by(amounts_of_a_claim, priced_by(plain, total=cost(9, 10.71))) == []


# --- beyond rounding -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "disposition"),
    [
        pytest.param(cost(9.5, 11.31), HOLD, id="too much is held"),
        pytest.param(cost(8.5, 10.12), SETTLE, id="too little settles as claimed"),
        pytest.param(cost(8.5, 11), HOLD, id="too little without VAT and too much with it is too much"),
    ],
)
def test_a_claim_that_nothing_explains_is_a_price_mismatch(total: Content, disposition: Disposition) -> None:
    """G03."""
    assert said_by(amounts_of_a_claim, case_of(total_cost=total, **NO_PARTS)) == [("PRICE_MISMATCH", disposition)]


def test_what_is_held_is_an_error_and_what_settles_is_a_warning() -> None:
    """G03: one kind, two severities."""
    found = [*amounts_of_a_claim(case_of(total_cost=cost(9.5), **NO_PARTS))]
    found += amounts_of_a_claim(case_of(total_cost=cost(8.5), **NO_PARTS))
    assert [finding.severity for finding in found] == [Severity.ERROR, Severity.WARNING]


def test_a_sentence_names_both_amounts_and_their_difference() -> None:
    """G03."""
    (finding,) = amounts_of_a_claim(case_of(total_cost=cost(9.5, 11.31), **NO_PARTS))
    assert finding.sentence.startswith(
        "CDR C1 claims EUR 9.50 (EUR 11.31 with VAT); its tariff makes EUR 9.00 (EUR 10.71 with VAT), EUR 0.50 too much"
    )


NIGHT = {"start_time": "10:00", "end_time": "12:00"}
"""In Berlin in summer time: the session of the world begins at 10:00 local time, 08:00 UTC."""

TWO_PERIODS = [period("2026-10-10T08:00:00Z", ENERGY=9.1), period("2026-10-10T09:00:00Z", ENERGY=10.2)]


@pytest.mark.parametrize(
    ("case", "kind", "disposition"),
    [
        pytest.param(
            priced_by(element(ENERGY=(0.4, 500)), total=cost(7.72), charging_periods=TWO_PERIODS),
            "STEP_SIZE_NOT_APPLIED",
            SETTLE,
            id="19.3 kWh are billed as 19.5, claimed are 19.3",
        ),
        pytest.param(
            priced_by(element(ENERGY=(0.4, 500)), total=cost(8.0), charging_periods=TWO_PERIODS),
            "STEP_SIZE_APPLIED_PER_PERIOD",
            HOLD,
            id="claimed are 9.5 and 10.5",
        ),
        pytest.param(
            priced_by(element(ENERGY=0.4), total=cost(8), min_price=cost(10)), "MIN_PRICE_NOT_APPLIED", SETTLE, id="min"
        ),
        pytest.param(
            priced_by(element(ENERGY=0.4), total=cost(8), max_price=cost(6)), "MAX_PRICE_NOT_APPLIED", HOLD, id="max"
        ),
        pytest.param(
            priced_by(element(ENERGY=0.4), total=cost(8, 9.52), max_price=cost(9, 9)),
            "MAX_PRICE_NOT_APPLIED",
            HOLD,
            id="a limit of the amount with VAT only",
        ),
        pytest.param(
            priced_by(element(ENERGY=0.4, FLAT=1.5), total=cost(8)), "FLAT_COUNT_MISMATCH", SETTLE, id="no FLAT for one"
        ),
        pytest.param(
            priced_by(element(ENERGY=0.4, FLAT=1.5), total=cost(11)),
            "FLAT_COUNT_MISMATCH",
            HOLD,
            id="two FLATs for one",
        ),
        pytest.param(
            priced_by(element(NIGHT, ENERGY=0.4), element(ENERGY=0.7), total=cost(14)),
            "WRONG_TIMEZONE",
            HOLD,
            id="the window of the day in UTC",
        ),
        pytest.param(
            priced_by(
                element({"start_time": "09:00", "end_time": "10:00"}, ENERGY=0.2), element(ENERGY=0.7), total=cost(4)
            ),
            "WRONG_TIMEZONE",
            SETTLE,
            id="the window in the winter time of Berlin",
        ),
        pytest.param(
            priced_by(element(ENERGY=0.4), total=cost(8000)), "ENERGY_UNIT_ERROR", HOLD, id="claimed as if kWh were Wh"
        ),
        pytest.param(
            priced_by(
                element(ENERGY=0.4),
                total=cost(8),
                charging_periods=[period("2026-10-10T08:00:00Z", ENERGY=20000)],
                total_energy=20000,
            ),
            "ENERGY_UNIT_ERROR",
            HOLD,
            id="stated in Wh, claimed as kWh: held though it is less",
        ),
    ],
)
def test_the_first_reading_that_gives_a_claim_names_its_cause(case: Case, kind: str, disposition: Disposition) -> None:
    """G03, G04, G06, G11, C04: attribution."""
    assert said_by(amounts_of_a_claim, case) == [(kind, disposition)]


def test_a_claim_by_an_older_version_of_a_tariff_is_told_as_that() -> None:
    """G01: the CDR embeds nothing; 0.40 was in force, 0.30 before it."""
    older = tariff(elements=[element(ENERGY=0.3)], last_updated="2026-08-01T00:00:00Z")
    now = tariff(elements=[element(ENERGY=0.4)])
    claims = {6: SETTLE, 8: None}
    for claimed, disposition in claims.items():
        content = cdr(tariffs=ABSENT, total_cost=cost(claimed), **NO_PARTS)
        said = said_by(amounts_of_a_claim, case_in(evidence_of(content, tariffs=[older, now])))
        assert said == ([("TARIFF_CONTENT_MISMATCH", disposition)] if disposition else [])


def test_a_claim_by_another_tariff_is_told_as_that() -> None:
    """G02: the tariff of the DC EVSE costs 0.60 a kWh and 1.00 once."""
    case = case_of(total_cost=cost(13), **NO_PARTS)
    assert said_by(amounts_of_a_claim, case) == [("WRONG_TARIFF", HOLD)]


def test_a_claim_by_total_energy_is_a_price_mismatch_that_says_so() -> None:
    """G03: the periods hold 20 kWh, the total 25; both numbers are needed to dispute it."""
    (finding,) = amounts_of_a_claim(priced_by(element(ENERGY=0.4), total=cost(10), total_energy=25))
    assert finding.check.kind == "PRICE_MISMATCH"
    assert finding.disposition is HOLD
    assert finding.details["counterfactual"] == "total_energy"


def test_a_claim_by_periods_cut_where_the_price_changes_is_a_price_mismatch_that_says_so() -> None:
    """G03, E6: half of the energy after 11:00 local time at another price."""
    morning = element({"start_time": "10:00", "end_time": "11:00"}, ENERGY=0.4)
    whole = [period("2026-10-10T08:00:00Z", ENERGY=20)]
    case = priced_by(morning, element(ENERGY=0.6), total=cost(10), charging_periods=whole)
    (finding,) = amounts_of_a_claim(case)
    assert finding.check.kind == "PRICE_MISMATCH"
    assert finding.details["counterfactual"] == "pro_rata"


# --- credits ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "said"),
    [
        pytest.param(cost(9, 10.71), [], id="the price negated"),
        pytest.param(cost(9.5, 11.31), [("PRICE_MISMATCH", HOLD)], id="of a claim that was too much"),
        pytest.param(cost(8.5, 10.12), [("PRICE_MISMATCH", SETTLE)], id="of a claim that was too little"),
    ],
)
def test_a_credit_is_judged_like_what_it_credits(total: Content, said: list[tuple[str, Disposition]]) -> None:
    """G03, C1: so that a claim and its credit stay out or go in together, and come to nothing."""
    original = cdr(total_cost=total, **NO_PARTS)
    evidence = evidence_of(original, credit_of(original))
    assert said_by(amounts_of_a_claim, case_in(evidence, 0)) == said
    assert said_by(amounts_of_a_claim, case_in(evidence, 1)) == said


# --- parts -----------------------------------------------------------------------------------

MOVED = cdr(total_parking_cost=cost(2), total_energy_cost=cost(7))
NEGATED: Content = {"total_energy_cost": cost(-8), "total_parking_cost": cost(-1)}


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        pytest.param({"total_cost": cost(9.03)}, ["TOTAL_NOT_SUM_OF_PARTS", "PRICE_MISMATCH"], id="another total"),
        pytest.param({"total_energy_cost": cost(8.03)}, ["TOTAL_NOT_SUM_OF_PARTS"], id="another part"),
        pytest.param({"total_energy_cost": cost(8.02)}, ["PART_MISMATCH"], id="two parts may be two minor units apart"),
        pytest.param({"total_energy_cost": cost(8.01)}, [], id="one minor unit of one part"),
        pytest.param({"total_parking_cost": ABSENT}, [], id="a priced part is not stated: no sum"),
        pytest.param(
            {"total_parking_cost": ABSENT, "total_energy_cost": cost(7)},
            ["PART_MISMATCH"],
            id="the stated one is wrong",
        ),
        pytest.param(
            {"total_parking_cost": cost(2), "total_energy_cost": cost(7)}, ["PART_MISMATCH"], id="moved between parts"
        ),
        pytest.param({"total_energy_cost": cost(8, 9.6)}, ["PART_MISMATCH"], id="the VAT of a part"),
        pytest.param({"total_time_cost": cost(0)}, [], id="a part that is not priced costs nothing"),
    ],
)
def test_a_total_is_the_sum_of_its_parts_and_each_part_is_priced(changes: Content, kinds: list[str]) -> None:
    """B05, G03: where the parts do not add up, no single one of them is told beside it."""
    found = said_by(amounts_of_a_claim, case_of(**changes))
    assert sorted(kind for kind, _ in found) == sorted(kinds)
    assert dict(found).get("TOTAL_NOT_SUM_OF_PARTS", HOLD) is HOLD
    assert dict(found).get("PART_MISMATCH", REPORT) is REPORT


@pytest.mark.parametrize(
    ("original", "credited_parts", "told"),
    [
        pytest.param(MOVED, {}, [["PART_MISMATCH"], []], id="wrong parts, said again"),
        pytest.param(MOVED, NEGATED, [["PART_MISMATCH"], []], id="wrong parts, negated with the total"),
        pytest.param(cdr(), NEGATED, [[], []], id="right parts, negated with the total"),
        pytest.param(cdr(), NO_PARTS, [[], []], id="right parts, left out"),
    ],
)
def test_what_is_odd_about_parts_is_told_of_the_original_and_not_of_its_credit(
    original: Content, credited_parts: Content, told: list[list[str]]
) -> None:
    """G03, C1: one cause, one finding; the two come to nothing."""
    evidence = evidence_of(original, credit_of(original, **credited_parts))
    said = [[kind for kind, _ in said_by(amounts_of_a_claim, case_in(evidence, index))] for index in (0, 1)]
    assert said == told
    assert verdicts_of(evidence) == ["SETTLE", "SETTLE"]


@pytest.mark.parametrize(
    ("limits", "total"),
    [
        pytest.param({"min_price": cost(12)}, cost(12), id="a least price made the total"),
        pytest.param({"max_price": cost(5)}, cost(5), id="a greatest price made the total"),
        pytest.param({"min_price": cost(12)}, cost(9), id="a least price should have made it"),
    ],
)
def test_a_total_that_a_limit_made_or_should_have_made_need_not_be_the_sum(limits: Content, total: Content) -> None:
    """B05, M5."""
    published = tariff(**limits)
    case = case_in(evidence_of(cdr(tariffs=[published], total_cost=total), tariffs=[published]))
    assert "TOTAL_NOT_SUM_OF_PARTS" not in [kind for kind, _ in said_by(amounts_of_a_claim, case)]


def test_a_limit_that_is_far_away_does_not_excuse_a_wrong_sum() -> None:
    """B05."""
    published = tariff(min_price=cost(0.5), max_price=cost(100))
    case = case_in(evidence_of(cdr(tariffs=[published], total_energy_cost=cost(6)), tariffs=[published]))
    assert said_by(amounts_of_a_claim, case) == [("TOTAL_NOT_SUM_OF_PARTS", HOLD)]


def test_the_parts_of_a_credit_are_not_negated_and_still_add_up() -> None:
    """B05, C1: sign-blind."""
    original = cdr()
    assert said_by(amounts_of_a_claim, case_in(evidence_of(original, credit_of(original)), 1)) == []


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        pytest.param(
            {"total_fixed_cost": ABSENT, "total_parking_cost": cost(1)}, [], id="the FLAT among parking costs"
        ),
        pytest.param({"total_fixed_cost": cost(2), "total_cost": cost(28)}, ["TOTAL_NOT_SUM_OF_PARTS"], id="two FLATs"),
    ],
)
def test_where_a_flat_is_put_does_not_matter(changes: Content, kinds: list[str]) -> None:
    """G03, F3: OCPI does not say which FLAT is one of parking."""
    assert [kind for kind, _ in said_by(amounts_of_a_claim, dc_case_of(**changes))] == kinds


# --- nothing to compare ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"total_cost": ABSENT}, id="no total"),
        pytest.param({"total_cost": {"incl_vat": 3}}, id="no amount without VAT"),
        pytest.param({"charging_periods__0__tariff_id": "NOBODY"}, id="no price"),
        pytest.param({"charging_periods": "none"}, id="no charge at all"),
        pytest.param({"total_energy_cost": "much"}, id="a part that is no price"),
    ],
)
def test_what_cannot_be_compared_raises_nothing(changes: Content) -> None:
    """G03: other checks say why."""
    assert said_by(amounts_of_a_claim, case_in(evidence_of(cdr(**changes), sessions=[]))) == []


def test_rounding_is_that_of_the_agreement() -> None:
    """G03: an agreement that rounds down makes 2.34 of 2.345."""
    energy = period("2026-10-10T08:00:00Z", ENERGY=9.38, TIME=2)
    published = tariff(elements=[element(ENERGY=0.25)])
    content = cdr(tariffs=[published], total_cost=cost(2.34), charging_periods=[energy], total_energy=9.38, **NO_PARTS)
    down = Agreement(id="A", creditor=CPO, debtor=EMSP, policy=Policy(rounding_mode="towards_zero"))
    evidence = evidence_of(content, tariffs=[published], locations=[location()])
    assert said_by(amounts_of_a_claim, case_in(evidence, 0, Agreements((down,)))) == []
    assert said_by(amounts_of_a_claim, case_in(evidence, 0)) == [("ROUNDING_DIFFERENCE", SETTLE)]


def test_volumes_of_nothing_claimed_at_nothing_are_right() -> None:
    """G03: a charge that did not happen."""
    case = case_of(
        total_cost=cost(0, 0),
        charging_periods__0__dimensions=volumes(ENERGY=0),
        charging_periods__1__dimensions=volumes(PARKING_TIME=0),
        **NO_PARTS,
    )
    assert said_by(amounts_of_a_claim, case) == []
