"""Every file in `fixtures/pricing` is priced, and the answer is compared to the last digit with what a person worked out."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest

from hub.pricing.interface import price_object
from hub.pricing.policy import settings
from tests.pricing.cases import (
    FOLDER,
    PARTS,
    RULES,
    BadCase,
    Case,
    all_cases,
    answered_price,
    as_answered,
    exact,
    make_case,
    settings_in,
    stated_price,
)

Content = dict[str, Any]

CASES = all_cases()
LIMIT_KEYS = ("limit", "tariff_id", "side")
README = (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_a_charge_costs_what_a_person_reckoned(case: Case) -> None:
    answer, expected = price_object(case.request), case.expected

    assert kinds(answer) == sorted(expected.get("warnings", []))
    if "unpriceable" in expected:
        assert answer["unpriceable"] == expected["unpriceable"]
        assert "total_cost" not in answer
    else:
        assert priced(answer, expected) == stated(expected)


def kinds(answer: Content) -> list[str]:
    return sorted({warning["kind"] for warning in answer["warnings"]})


# --- what a case states, and the same out of an answer -----------------------------------------


def stated(expected: Content) -> Content:
    prices = {name: stated_price(expected[name]) for name in ("total_cost", *parts(expected)) if name in expected}
    return {
        **prices,
        "billed": {name: as_answered(exact(quantity)) for name, quantity in expected.get("billed", {}).items()},
        "rounded": {side: Fraction(amount) for side, amount in expected.get("rounded", {}).items()},
        "vat_unknown": expected.get("vat_unknown"),
        "limits": [limit(one) for one in expected.get("limits", [])],
        "facts": {name: fact(value) for name, value in expected.get("facts", {}).items()},
    }


def priced(answer: Content, expected: Content) -> Content:
    """The part of an answer that a case speaks of; parts are all stated or none."""
    prices = {name: answered_price(answer[name]) for name in ("total_cost", *parts(expected)) if name in answer}
    return {
        **prices,
        "billed": {name: Fraction(answer["billed"][name]) for name in expected.get("billed", {})},
        "rounded": {side: Fraction(answer["settlement_amount"][side]) for side in expected.get("rounded", {})},
        "vat_unknown": answer["vat_unknown"] if "vat_unknown" in expected else None,
        "limits": [limit(one) for one in answer["limits"]] if "limits" in expected else [],
        "facts": {name: fact(value) for name, value in facts(answer).items() if name in expected.get("facts", {})},
    }


def facts(answer: Content) -> Content:
    """What the warnings know in numbers."""
    return {name: value for warning in answer["warnings"] for name, value in warning.items()}


def fact(value: Any) -> Any:
    return answered_price(value) if isinstance(value, dict) else Fraction(value)


def parts(expected: Content) -> tuple[str, ...]:
    return PARTS if any(part in expected for part in PARTS) else ()


def limit(one: Content) -> Content:
    return {key: one[key] for key in LIMIT_KEYS} | {key: Fraction(one[key]) for key in ("from", "to")}


CLAIMED = [case for case in CASES if "claim_difference" in case.expected]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CLAIMED])
def test_a_claim_is_compared_with_the_rounded_amount(case: Case) -> None:
    """N3"""
    settled, claim = price_object(case.request)["settlement_amount"], case.request["cdr"]["total_cost"]

    assert {side: claim[side] - settled[side] for side in claim} == case.expected["claim_difference"]


# --- what holds for all of them ----------------------------------------------------------------


def test_the_answer_adds_up_in_every_case() -> None:
    """The lines are the parts, and the parts are the total wherever no limit binds (M5, C1)."""
    for case in CASES:
        answer = price_object(case.request)
        if "total_cost" in answer and not answer["limits"] and answer["total_cost"]["incl_vat"] is not None:
            sign = -1 if case.request["cdr"].get("credit") else 1
            total = {side: near(Fraction(answer["total_cost"][side]) * sign) for side in SIDES}
            assert {side: near(sum_of_parts(answer, side)) for side in SIDES} == total, case.name
            assert {side: near(sum_of_lines(answer, side)) for side in SIDES} == total, case.name


SIDES = ("excl_vat", "incl_vat")


def near(amount: Fraction) -> Fraction:
    return round(amount, 15)


def sum_of_parts(answer: Content, side: str) -> Fraction:
    return sum((Fraction(answer[part][side]) for part in PARTS if part in answer), Fraction(0))


def sum_of_lines(answer: Content, side: str) -> Fraction:
    return sum((Fraction(line[side]) for line in answer["lines"]), Fraction(0))


def test_every_rule_has_a_case() -> None:
    assert {rule for case in CASES for rule in case.rules} == RULES


def test_every_value_of_every_setting_has_a_case() -> None:
    every = {(setting.name, value) for setting in settings() for value in setting.values}

    assert set(settings_in(CASES)) == every


def test_there_are_many_cases_and_no_two_have_one_name() -> None:
    names = [case.name for case in CASES]

    assert len(names) >= 140
    assert len(set(names)) == len(names)


# --- the README --------------------------------------------------------------------------------


def test_the_case_in_the_readme_is_priced_as_it_says() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)

    test_a_charge_costs_what_a_person_reckoned(make_case("readme", text))


def test_the_readme_names_every_folder() -> None:
    assert set(re.findall(r"^\| `(\w+)/` \|", README, re.MULTILINE)) == {p.name for p in FOLDER.iterdir() if p.is_dir()}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("story =", "tale =", id="a key that nobody reads"),
        pytest.param('rules = ["', 'rules = ["Z9", "', id="a rule that does not exist"),
        pytest.param("why =", "because =", id="no reckoning"),
        pytest.param("total_cost", "total_energy_cost", id="no outcome"),
        pytest.param("TIME =", "time =", id="a quantity in small letters"),
    ],
)
def test_a_case_that_would_not_be_read_is_refused(old: str, new: str) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert old in text

    with pytest.raises(BadCase):
        make_case("readme", text.replace(old, new))
