"""What is not computed again for an explanation would be the same, or not the claim: the quick way beside the long one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.pricing import other_tariffs
from hub.pricing.charge import read_charge
from hub.pricing.comparison import PARTS_OF_ONE_UNIT, Amount, Claim, Scale, amount_of
from hub.pricing.explain import guesses
from hub.pricing.guess import Case, Guess, priced
from hub.pricing.interface import RequestText, book_of, zone_of
from hub.pricing.policy import DEFAULT, Policy
from hub.pricing.policy import settings as policy_settings
from hub.pricing.pricer import Priced
from hub.pricing.relevance import Plain
from hub.pricing.tariff import CompiledTariff
from ocpi_modules.types import encode_decoded
from tests.pricing.cases import all_cases
from tests.pricing.charges import OWNER, ZONES, Content, cdrs, requests, tariffs
from tests.pricing.test_explain import SWITCHED, C

often = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
CASES = [pytest.param(case.request, id=case.name) for case in all_cases()]
CLAIMED_EVERY = 3
FIXED = [UTC, *(timezone(timedelta(hours=hours)) for hours in (-5, 1, 2))]


def case_of(request: Content, claimed: Amount | None = None) -> Case:
    text = msgspec.json.decode(encode_decoded(dict(request)), type=RequestText)
    charge = read_charge(text.cdr)
    policy = Policy.read(text.policy) if text.policy else DEFAULT
    claim = Claim(claimed or Amount(Fraction(10**6), None), {})
    return Case(charge, claim, book_of(text, charge), policy, zone_of(text))


def amount(found: Priced | None) -> Amount | None:
    return None if found is None else amount_of(found.total_cost)


def check_settings(case: Case) -> int:
    """Compare every other value of every setting; returns how many were not computed from the beginning."""
    found, quick = priced(case), 0
    if found is None:
        return 0
    plain = Plain(found)
    for setting in policy_settings():
        for value in setting.values:
            told = plain.under_setting(setting.name, value, case.zone)
            if told is not None:
                changed = replace(case, policy=case.policy.changed(setting.name, value))
                assert told == amount(priced(changed)), (setting.name, value)
                quick += 1
    for zone in FIXED:
        assert plain.in_zone(zone) == amount(priced(replace(case, zone=zone))), zone
    return quick


@pytest.mark.parametrize("request_", CASES)
def test_a_setting_that_nobody_read_changes_nothing(request_: Content) -> None:
    check_settings(case_of(request_))


@often
@given(requests())
def test_that_holds_for_charges_that_nobody_chose(request: Content) -> None:
    check_settings(case_of(request))


def test_most_settings_are_not_asked_of_a_simple_charge() -> None:
    assert check_settings(case_of({"cdr": SWITCHED})) > 2 * len(policy_settings()) - 10


# --- mixtures of tariffs -------------------------------------------------------------------------


def named(names: list[str]) -> st.SearchStrategy[Content]:
    """A charge under some of three tariffs, each period under one that it names."""
    known = st.tuples(*(tariffs(name) for name in names))
    return st.builds(
        lambda cdr, given, zone: {"cdr": {**cdr, "tariffs": [*given]}, "tariffs": [], "timezone": zone},
        cdrs(st.sampled_from([name.upper() for name in names[:2]])),
        known,
        st.sampled_from(ZONES),
    )


def long_way(case: Case, plain: Priced) -> Iterator[Guess]:
    """All mixtures, each priced from the beginning."""
    with patch.object(other_tariffs, "_are_named", lambda _: False):
        yield from other_tariffs.mixed_tariffs(case, plain)


def check_mixtures(case: Case) -> int:
    """Compare all mixtures with claims of their own amounts and with one that is far off; returns how many there are."""
    plain = priced(case)
    if plain is None:
        return 0
    slow = [*long_way(case, plain)]
    for claimed in (*(one.amount for one in slow[::CLAIMED_EVERY]), Amount(Fraction(10**6), None)):
        quick = [*other_tariffs.mixed_tariffs(replace(case, claim=Claim(claimed, {})), plain)]
        scale = Scale.of(case.charge.currency, case.policy, PARTS_OF_ONE_UNIT + 1)
        told = [one for one in slow if one in quick or not scale.is_far(claimed.excl_vat, one.amount.excl_vat)]
        assert quick == told
    return len(slow)


@often
@given(named(["Day", "Night", "Peak"]))
def test_a_mixture_that_is_not_priced_is_not_the_claim(request: Content) -> None:
    check_mixtures(case_of(request))


@pytest.mark.parametrize("request_", CASES)
def test_that_holds_for_the_cases(request_: Content) -> None:
    check_mixtures(case_of(request_))


def test_mixtures_far_from_the_claim_are_not_priced() -> None:
    case = case_of({"cdr": SWITCHED, "tariffs": [C]})
    plain = priced(case)
    assert plain is not None
    assert check_mixtures(case) == 10
    assert [*other_tariffs.mixed_tariffs(case, plain)] == []


def under(case: Case, tariff: CompiledTariff, text: bytes) -> Amount | None:
    names = [tariff.key] * len(case.charge.periods)
    return amount(priced(other_tariffs._under(case, text, names)))


@often
@given(requests() | named(["Day", "Night", "Peak"]))
def test_one_tariff_for_everything_is_priced_as_from_the_beginning(request: Content) -> None:
    case = case_of(request)
    plain = priced(case)
    if plain is None:
        return
    quick = {one.name: one.amount for one in other_tariffs.other_tariffs(case, plain)}
    known: dict[str, Any] = {f"tariff:{one.id}": (one, text) for text, one in other_tariffs._known(case)}
    assert quick == {name: under(case, *known[name]) for name in quick}


def test_a_guess_is_made_of_every_reading() -> None:
    """Whether it was computed or not: an explanation names the first that gives the claim."""
    case = case_of({"cdr": {**SWITCHED, **OWNER}})
    plain = priced(case)
    assert plain is not None
    names = [one.name for one in guesses(case, plain)]
    assert {"windows_in_utc", "flat:component", "last_period:stated_volume", "reservation_step:followed"} <= {*names}
