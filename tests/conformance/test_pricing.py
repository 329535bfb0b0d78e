"""What tariffs cost, from outside: the rules of section 15 of the checklist (TF-06 to TF-08, TF-10), and traps X-37, X-43, X-50."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ocpi_modules.types import decode_json, encode_json
from tests.web.conftest import Bench

Object = dict[str, Any]

# a Tuesday, on which Amsterdam is two hours ahead of UTC
START, LATER = "2026-10-06T{hour:02}:00:00Z", "2026-10-06T{hour:02}:30:00Z"
NIGHT_HOUR, DAY_HOUR = 20, 10
RESERVATION, EXPIRED = {"reservation": "RESERVATION"}, {"reservation": "RESERVATION_EXPIRES"}


def component(kind: str, price: str, step_size: int = 1, vat: str = "20") -> Object:
    return {"type": kind, "price": Decimal(price), "vat": Decimal(vat), "step_size": step_size}


def element(*components: Object, **restrictions: Any) -> Object:
    made: Object = {"price_components": list(components)}
    return {**made, "restrictions": restrictions} if restrictions else made


def tariff(*elements: Object, **more: Any) -> Object:
    made = {"country_code": "DE", "party_id": "CP1", "id": "T1", "currency": "EUR", "elements": list(elements)}
    return {**made, "last_updated": "2026-09-01T00:00:00Z", **more}


def period(start: str, **volumes: str) -> Object:
    dimensions = [{"type": kind, "volume": Decimal(volume)} for kind, volume in volumes.items()]
    return {"start_date_time": start, "tariff_id": "T1", "dimensions": dimensions}


def cdr(example: Object, *periods: Object, **more: Any) -> Object:
    """The example CDR with these periods of the first hour, under nothing but the given Tariff."""
    plain = {name: value for name, value in example.items() if name not in {"tariffs", "credit", "credit_reference_id"}}
    start = periods[0]["start_date_time"]
    times = {"start_date_time": start, "end_date_time": start.replace(":00:00Z", ":59:00Z")}
    return {**plain, **times, "currency": "EUR", "charging_periods": list(periods), **more}


async def priced(bench: Bench, asked: Object, by: Object) -> Object:
    """What the hub says that a CDR should have cost, its numbers exact."""
    body = encode_json({"cdr": asked, "tariffs": [by], "timezone": "Europe/Amsterdam"})
    answer = await bench.world.admin.post("/settlement/price", content=body)
    assert answer.status_code == 200, answer.text
    found = decode_json(answer.content)
    assert isinstance(found, dict)
    return found


def total(answer: Object) -> tuple[Decimal, Decimal]:
    return Decimal(answer["total_cost"]["excl_vat"]), Decimal(answer["total_cost"]["incl_vat"])


def part(answer: Object, name: str) -> Decimal | None:
    """A part excluding VAT; None where no component of it was active."""
    found = answer.get(f"total_{name}_cost")
    return None if found is None else Decimal(found["excl_vat"])


# --- which component counts ------------------------------------------------------------------------

BY_ELEMENTS = tariff(
    element(component("ENERGY", "0.20"), start_time="22:00", end_time="06:00"),
    element(component("TIME", "1.20"), min_duration=1800),
    element(component("FLAT", "1"), component("ENERGY", "0.40")),
    element(component("ENERGY", "9.99"), component("PARKING_TIME", "9.99"), day_of_week=["TUESDAY"]),
)


@pytest.mark.proves("TF-06")
@pytest.mark.parametrize(
    ("hour", "energy"),
    [
        pytest.param(NIGHT_HOUR, "1.60", id="in the window of the first element"),
        pytest.param(DAY_HOUR, "3.20", id="out of it: the next element that has energy"),
    ],
)
async def test_each_dimension_takes_the_first_element_that_has_it_and_fits(
    shared: Bench, cdr_example: Object, hour: int, energy: str
) -> None:
    periods = [
        period(START.format(hour=hour), ENERGY="5", TIME="0.5"),
        period(LATER.format(hour=hour), ENERGY="3", TIME="0.5"),
    ]
    answer = await priced(shared, cdr(cdr_example, *periods), BY_ELEMENTS)
    assert part(answer, "energy") == Decimal(energy)
    assert part(answer, "time") == Decimal("0.6"), "only from half an hour on, and then beside the energy"
    assert part(answer, "fixed") == 1
    assert total(answer)[0] == Decimal(energy) + Decimal("1.6")


@pytest.mark.proves("TF-06")
async def test_a_dimension_without_a_component_that_fits_costs_nothing(shared: Bench, cdr_example: Object) -> None:
    only_at_night = tariff(element(component("ENERGY", "0.20"), start_time="22:00", end_time="06:00"))
    answer = await priced(shared, cdr(cdr_example, period(START.format(hour=DAY_HOUR), ENERGY="5")), only_at_night)
    assert total(answer) == (Decimal(0), Decimal(0))
    assert part(answer, "energy") is None
    assert answer["lines"] == []


# --- steps ---------------------------------------------------------------------------------------


@pytest.mark.proves("TF-07")
async def test_steps_round_the_energy_of_the_session_once(shared: Bench, cdr_example: Object) -> None:
    periods = [period(START.format(hour=10), ENERGY="4.3"), period(LATER.format(hour=10), ENERGY="1.1")]
    answer = await priced(shared, cdr(cdr_example, *periods), tariff(element(component("ENERGY", "0.25", 500))))
    assert Decimal(answer["billed"]["energy_kwh"]) == Decimal("5.5")
    assert total(answer) == (Decimal("1.375"), Decimal("1.65"))


@pytest.mark.proves("TF-07")
async def test_steps_round_the_time_of_the_session_once(shared: Bench, cdr_example: Object) -> None:
    periods = [period(START.format(hour=10), TIME="0.1"), period(LATER.format(hour=10), TIME="0.3667")]
    answer = await priced(shared, cdr(cdr_example, *periods), tariff(element(component("TIME", "3", 600))))
    assert answer["billed"]["time_s"] == 1800
    assert total(answer) == (Decimal("1.5"), Decimal("1.8"))


@pytest.mark.proves("TF-07")
async def test_where_parking_is_priced_only_parking_is_rounded(shared: Bench, cdr_example: Object) -> None:
    periods = [period(START.format(hour=10), TIME="0.25"), period(LATER.format(hour=10), PARKING_TIME="0.2")]
    by = tariff(element(component("TIME", "1", 1200), component("PARKING_TIME", "2", 900)))
    answer = await priced(shared, cdr(cdr_example, *periods), by)
    assert (answer["billed"]["time_s"], answer["billed"]["parking_s"]) == (900, 900)
    assert (part(answer, "time"), part(answer, "parking")) == (Decimal("0.25"), Decimal("0.5"))


@pytest.mark.proves("X-43")
async def test_energy_is_billed_in_whole_steps(shared: Bench, cdr_example: Object) -> None:
    asked = cdr(cdr_example, period(START.format(hour=10), ENERGY="20.45"))
    answer = await priced(shared, asked, tariff(element(component("ENERGY", "0.25", 500))))
    assert Decimal(answer["billed"]["energy_kwh"]) == Decimal("20.5")
    assert total(answer)[0] == Decimal("5.125")


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.proves("TF-08")
@pytest.mark.parametrize(
    ("energy", "expected"),
    [
        pytest.param("50", ("10", "11"), id="above both"),
        pytest.param("30", ("8", "8.85"), id="below both"),
        pytest.param("36.5", ("9.625", "10.6375"), id="just below"),
        pytest.param("37.9", ("9.975", "11"), id="only including VAT"),
    ],
)
async def test_the_greatest_price_bounds_each_total_by_itself(
    shared: Bench, cdr_example: Object, energy: str, expected: tuple[str, str]
) -> None:
    by = tariff(
        element(component("FLAT", "0.50"), component("ENERGY", "0.25", vat="10")),
        max_price={"excl_vat": Decimal("10"), "incl_vat": Decimal("11")},
    )
    answer = await priced(shared, cdr(cdr_example, period(START.format(hour=10), ENERGY=energy)), by)
    assert total(answer) == tuple(map(Decimal, expected))


@pytest.mark.proves("TF-08")
async def test_the_least_price_is_due_for_next_to_nothing(shared: Bench, cdr_example: Object) -> None:
    by = tariff(
        element(component("ENERGY", "0.25")), min_price={"excl_vat": Decimal("0.5"), "incl_vat": Decimal("0.6")}
    )
    answer = await priced(shared, cdr(cdr_example, period(START.format(hour=10), ENERGY="1")), by)
    assert total(answer) == (Decimal("0.5"), Decimal("0.6"))
    assert part(answer, "energy") == Decimal("0.25"), "parts keep their sums"


# --- reservations and credits --------------------------------------------------------------------


@pytest.mark.proves("TF-10")
@pytest.mark.parametrize(
    ("by", "expected"),
    [
        pytest.param(
            tariff(
                element(component("FLAT", "4"), component("TIME", "2", 60), **EXPIRED),
                element(component("TIME", "5", 60), **RESERVATION),
                element(component("FLAT", "0.5"), component("TIME", "9", 60)),
            ),
            ("6", "7.2"),
            id="the components of an expired one count before those of any reservation",
        ),
        pytest.param(
            tariff(
                element(component("FLAT", "4"), **EXPIRED),
                element(component("TIME", "5", 60), **RESERVATION),
            ),
            ("9", "10.8"),
            id="others of the reservation still apply",
        ),
    ],
)
async def test_an_expired_reservation_costs_what_its_own_components_say(
    shared: Bench, cdr_example: Object, by: Object, expected: tuple[str, str]
) -> None:
    answer = await priced(shared, cdr(cdr_example, period(START.format(hour=10), RESERVATION_TIME="1")), by)
    assert total(answer) == tuple(map(Decimal, expected))
    assert part(answer, "reservation") == Decimal(expected[0])
    assert part(answer, "time") is None


@pytest.mark.proves("X-37")
async def test_time_that_is_stated_as_parking_is_priced_as_parking_and_as_nothing_else(
    shared: Bench, cdr_example: Object
) -> None:
    periods = [
        period(START.format(hour=10), TIME="0.5", ENERGY="4"),
        period(LATER.format(hour=10), PARKING_TIME="0.25"),
    ]
    by = tariff(element(component("TIME", "2"), component("PARKING_TIME", "8")))
    answer = await priced(shared, cdr(cdr_example, *periods), by)
    assert (part(answer, "time"), part(answer, "parking")) == (Decimal(1), Decimal(2))
    assert total(answer)[0] == Decimal(3)


@pytest.mark.proves("X-50")
async def test_a_credit_is_a_total_below_zero_over_parts_above_it(shared: Bench, cdr_example: Object) -> None:
    by = tariff(element(component("FLAT", "1"), component("ENERGY", "0.5")))
    credit = {"credit": True, "credit_reference_id": "CDR0"}
    answer = await priced(shared, cdr(cdr_example, period(START.format(hour=10), ENERGY="4"), **credit), by)
    assert total(answer) == (Decimal(-3), Decimal("-3.6"))
    assert (part(answer, "fixed"), part(answer, "energy")) == (Decimal(1), Decimal(2))


@pytest.fixture
def cdr_example(example: Any) -> Object:
    """A CDR of DE/CP1."""
    made: Object = example("cdr", country_code="DE", party_id="CP1", id="CDR1")
    return made
