"""What is true of every price: properties of charges that nobody chose.

Some of them hold only where `step_size`, limits or thresholds cannot turn them over; each says under which conditions.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hub.pricing.interface import price_line, price_object
from ocpi_modules.types import decode_json, encode_decoded
from tests.pricing.cases import PARTS
from tests.pricing.charges import (
    ANY_ENERGY,
    FAIR_PRICE,
    SOME_ENERGY,
    TIME_LIMITS,
    ZONES,
    Content,
    cdrs,
    decimals,
    dimension,
    price_limits,
    requests,
    tariffs,
)

Answer = dict[str, Any]
SIDES = ("excl_vat", "incl_vat")
SHARES = [Fraction(1, 2), Fraction(1, 4), Fraction(1, 5), Fraction(3, 4)]

often = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)


def amounts(answer: Answer) -> Answer:
    """All that is owed and billed, as exact numbers that do not depend on how they are written."""
    prices = {name: sides(answer[name]) for name in ("total_cost", *PARTS) if name in answer}
    billed = {name: Fraction(quantity) for name, quantity in answer["billed"].items()}
    return {**prices, **billed}


def sides(price: Content) -> tuple[Fraction, Fraction]:
    return Fraction(price["excl_vat"]), Fraction(price["incl_vat"])


def with_cdr(request: Content, **changes: Any) -> Content:
    return {**request, "cdr": {**request["cdr"], **changes}}


def kinds(answer: Answer) -> set[str]:
    return {warning["kind"] for warning in answer["warnings"]}


def is_priced(answer: Answer) -> bool:
    return "total_cost" in answer


# --- order, splitting --------------------------------------------------------------------------


@given(requests(), st.randoms(use_true_random=False))
@often
def test_the_order_in_which_periods_are_listed_does_not_matter(request: Content, chance: Any) -> None:
    """D3"""
    shuffled = list(request["cdr"]["charging_periods"])
    chance.shuffle(shuffled)

    assert price_object(with_cdr(request, charging_periods=shuffled)) == price_object(request)


@given(requests(), st.sampled_from(SHARES), st.integers(0, 9))
@often
def test_a_period_may_be_cut_wherever_nothing_changes(request: Content, share: Fraction, place: int) -> None:
    """E6, S2: volumes are cut exactly and in proportion, without the guard of hours, which counts periods."""
    exactly = {**request, "policy": {"hour_guard": "off"}}
    whole = price_object(exactly)
    assume(is_priced(whole) and "MISSING_PERIOD_BOUNDARY" not in kinds(whole))

    cut = price_object(with_cdr(exactly, charging_periods=cut_one(request["cdr"], place, share)))

    assert amounts(cut) == amounts(whole)


def cut_one(cdr: Content, place: int, share: Fraction) -> list[Content]:
    periods = cdr["charging_periods"]
    index = place % len(periods)
    ends = [*(period["start_date_time"] for period in periods[1:]), cdr["end_date_time"]]
    return [*periods[:index], *halves(periods[index], ends[index], share), *periods[index + 1 :]]


def halves(period: Content, end: str, share: Fraction) -> list[Content]:
    start = datetime.fromisoformat(period["start_date_time"])
    at = start + timedelta(seconds=int((datetime.fromisoformat(end) - start).total_seconds() * share))
    first = {**period, "dimensions": [shrunk(one, share) for one in period["dimensions"]]}
    second = {**period, "dimensions": [shrunk(one, 1 - share) for one in period["dimensions"]]}
    return [first, {**second, "start_date_time": at.strftime("%Y-%m-%dT%H:%M:%SZ")}]


def shrunk(one: Content, share: Fraction) -> Content:
    if one["type"].startswith(("MIN_", "MAX_")):
        return one
    return dimension(one["type"], Decimal(one["volume"]) * share.numerator / share.denominator)


# --- credits, parts ----------------------------------------------------------------------------


@given(requests())
@often
def test_a_charge_and_its_credit_are_nothing_together(request: Content) -> None:
    """C1"""
    original = price_object(with_cdr(request, credit=False))
    credit = price_object(with_cdr(request, credit=True, credit_reference_id="CDR-0"))
    assume(is_priced(original))

    for side in SIDES:
        assert original["total_cost"][side] + credit["total_cost"][side] == 0
    assert {part: original.get(part) for part in PARTS} == {part: credit.get(part) for part in PARTS}


@given(requests())
@often
def test_the_parts_are_the_total_where_no_limit_binds(request: Content) -> None:
    """M5"""
    answer = price_object({**request, "policy": {"limits": "ignored"}})
    assume(is_priced(answer))

    for side in SIDES:
        parts = sum((Fraction(answer[part][side]) for part in PARTS if part in answer), Fraction(0))
        assert abs(abs(parts) - abs(Fraction(answer["total_cost"][side]))) < Fraction(1, 10**15)


@given(requests())
@often
def test_the_lines_of_a_part_are_the_part(request: Content) -> None:
    answer = price_object(request)
    assume(is_priced(answer))

    for part in PARTS:
        lines = [line for line in answer["lines"] if f"total_{line['part']}_cost" == part]
        assert bool(lines) == (part in answer)
        for side in SIDES if lines else ():
            assert abs(sum(Fraction(line[side]) for line in lines) - Fraction(answer[part][side])) < Fraction(1, 10**15)


# --- more costs more ---------------------------------------------------------------------------


@st.composite
def fair_requests(draw: st.DrawFn, bounds: Any) -> Content:
    """A charge without anything below zero, under a tariff that does not look at kWh, power or current."""
    tariff = draw(tariffs("DAY", limits=TIME_LIMITS, prices=FAIR_PRICE, bounds=bounds))
    cdr = {**draw(cdrs(st.just("DAY"), volumes=SOME_ENERGY)), "credit": False, "tariffs": [tariff]}
    return {"cdr": cdr, "tariffs": [], "timezone": draw(st.sampled_from(ZONES))}


def with_incl(made: tuple[Decimal, Decimal]) -> Content:
    return {"excl_vat": made[0], "incl_vat": made[0] + made[1]}


COMPLETE_BOUNDS = st.none() | st.tuples(decimals("0", "12", 2), decimals("0", "2", 2)).map(with_incl)
ANY_BOUNDS = st.none() | price_limits(decimals("0", "12", places=2))


@given(fair_requests(COMPLETE_BOUNDS), decimals("0.0001", "20"), st.integers(0, 9))
@often
def test_without_steps_more_energy_never_costs_less(request: Content, more: Decimal, place: int) -> None:
    """Limits state both sides: one that only follows in proportion (M2) can fall with the mix of rates."""
    unrounded = {**request, "policy": {"step_size": "none"}}
    index = place % len(request["cdr"]["charging_periods"])

    assert_not_cheaper(unrounded, with_more_energy(unrounded, index, more))


@given(fair_requests(COMPLETE_BOUNDS), decimals("0.0001", "20"))
@often
def test_more_energy_at_the_end_never_costs_less(request: Content, more: Decimal) -> None:
    """S3: earlier kWh may take the place of a dearer surplus, and a period that had none may bring another step."""
    charged = [index for index, period in enumerate(request["cdr"]["charging_periods"]) if energy_of(period) > 0]
    assume(charged)

    assert_not_cheaper(request, with_more_energy(request, charged[-1], more))


def assert_not_cheaper(request: Content, dearer: Content) -> None:
    before, after = price_object(request), price_object(dearer)
    for side in SIDES:
        assert after["total_cost"][side] >= before["total_cost"][side]


def energy_of(period: Content) -> Decimal:
    return sum((Decimal(one["volume"]) for one in period["dimensions"] if one["type"] == "ENERGY"), Decimal(0))


def with_more_energy(request: Content, index: int, more: Decimal) -> Content:
    periods = list(request["cdr"]["charging_periods"])
    others = [one for one in periods[index]["dimensions"] if one["type"] != "ENERGY"]
    grown = dimension("ENERGY", energy_of(periods[index]) + more)
    is_reserved = any(one["type"] == "RESERVATION_TIME" for one in others)
    periods[index] = {**periods[index], "dimensions": others if is_reserved else [*others, grown]}
    return with_cdr(request, charging_periods=periods)


@given(fair_requests(ANY_BOUNDS))
@often
def test_vat_never_makes_it_cheaper(request: Content) -> None:
    """V1, M1, M2: for prices, volumes and rates from zero up, when no limit is lower with VAT than without."""
    total = price_object(request)["total_cost"]

    assert total["incl_vat"] >= total["excl_vat"]


# --- how it is written -------------------------------------------------------------------------

NOTATIONS = ["plain", "zeros", "many zeros", "exponent", "capital exponent"]


def written(number: Decimal, notation: str) -> str:
    digits = f"{number:f}"
    zeros = digits + ("" if "." in digits else ".")
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    shifted = f"{number.scaleb(-exponent):f}"
    return {
        "plain": digits,
        "zeros": zeros + "0",
        "many zeros": zeros + "0" * 17,
        "exponent": f"{shifted}e{exponent}",
        "capital exponent": f"{number.scaleb(1 - exponent):f}E{exponent - 1:+d}",
    }[notation]


def in_notation(text: bytes, notation: str) -> bytes:
    """The same request with every volume and price in another notation."""
    request = decode_json(text)
    texts: list[str] = []
    marked = encode_decoded(_marked(request, notation, texts)).decode()
    for index, number in enumerate(texts):
        marked = marked.replace(f'"#{index}#"', number, 1)
    return marked.encode()


def _marked(value: Any, notation: str, texts: list[str]) -> Any:
    if isinstance(value, list):
        return [_marked(item, notation, texts) for item in value]
    if isinstance(value, dict):
        return {
            k: _number(v, notation, texts) if k in NUMBERS else _marked(v, notation, texts) for k, v in value.items()
        }
    return value


NUMBERS = {"volume", "price", "vat", "excl_vat", "incl_vat", "min_kwh", "max_kwh", "min_power", "max_power"}


def _number(number: Any, notation: str, texts: list[str]) -> str:
    texts.append(written(Decimal(number), notation))
    return f"#{len(texts) - 1}#"


@given(requests(), st.sampled_from(NOTATIONS))
@often
def test_how_a_number_is_written_does_not_matter(request: Content, notation: str) -> None:
    """N1: 1.5, 1.50 and 15e-1 are one number."""
    text = encode_decoded(request)

    assert decode_json(price_line(in_notation(text, notation))) == decode_json(price_line(text))


@given(requests(), st.sampled_from([str.lower, str.upper, str.title]))
@often
def test_ids_are_compared_without_case(request: Content, written_as: Any) -> None:
    """T1"""
    named = [
        {key: written_as(value) if key == "tariff_id" else value for key, value in period.items()}
        for period in request["cdr"]["charging_periods"]
    ]
    answer = price_object(with_cdr(request, charging_periods=named))

    assert (amounts(answer) if is_priced(answer) else answer["unpriceable"]) == outcome(request)


def outcome(request: Content) -> Any:
    answer = price_object(request)
    return amounts(answer) if is_priced(answer) else answer["unpriceable"]


@given(requests(), st.sampled_from([{"nested": [{"price": 7}]}, 5, None, "€", Decimal("0.1")]))
@often
def test_unknown_fields_change_nothing(request: Content, unknown: Any) -> None:
    assert price_object(_with_unknown(request, unknown)) == price_object(request)


def _with_unknown(value: Any, unknown: Any) -> Any:
    if isinstance(value, list):
        return [_with_unknown(item, unknown) for item in value]
    if isinstance(value, dict):
        return {**{key: _with_unknown(item, unknown) for key, item in value.items()}, "x_unknown": unknown}
    return value


@given(cdrs(st.just("DAY"), volumes=ANY_ENERGY))
@often
def test_a_charge_without_a_tariff_never_costs_nothing(cdr: Content) -> None:
    """T7"""
    assert price_object({"cdr": cdr}).keys() >= {"unpriceable", "detail"}
