"""What a charge should have cost: components, FLATs, reservations, steps, VAT, limits, credits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.pricing.build import Content, at, cdr, component, element, kinds, period, priced, tariff, total

D = Decimal


def cost(answer: Content, part: str = "total_cost", side: str = "excl_vat") -> Decimal:
    return D(answer[part][side])


# --- components ------------------------------------------------------------------------------


def test_each_dimension_takes_the_first_element_that_has_it() -> None:
    """E1, TF-06."""
    elements = [
        element(component("TIME", "1", step=1), start_time="13:00"),
        element(component("ENERGY", "0.25"), component("TIME", "6", step=1)),
        element(component("ENERGY", "9"), start_time="00:00"),
    ]
    answer = priced(
        cdr(period(at(0), ENERGY=1, TIME=1), period(at(60), ENERGY=1, TIME=1), minutes=120, tariffs=[tariff(*elements)])
    )
    assert cost(answer, "total_energy_cost") == D("0.5")
    assert cost(answer, "total_time_cost") == 7
    assert [(line["element"], line["component"]) for line in answer["lines"]] == [(1, 0), (1, 1), (1, 0), (0, 0)]


@pytest.mark.parametrize(("which", "expected"), [("first", 1), ("last", 2)])
def test_of_two_components_of_one_dimension_one_counts(which: str, expected: int) -> None:
    """E1, setting duplicate_component."""
    doubled = tariff(element(component("ENERGY", "1"), component("ENERGY", "2")))
    answer = priced(cdr(period(at(0), ENERGY=1), tariffs=[doubled]), policy={"duplicate_component": which})
    assert cost(answer) == expected
    assert kinds(answer) == ["TARIFF_INVALID"]


def test_what_no_component_prices_costs_nothing_and_has_no_part() -> None:
    """E1."""
    answer = priced(cdr(period(at(0), ENERGY=1, TIME=1), tariffs=[tariff(element(component("ENERGY", "1")))]))
    assert cost(answer) == 1
    assert "total_time_cost" not in answer


TIERS = tariff(element(component("ENERGY", "1"), max_kwh=10), element(component("ENERGY", "2")))


def test_kwh_before_the_period_decide_and_not_its_own() -> None:
    """E4: on the threshold the next price begins."""
    answer = priced(cdr(period(at(0), ENERGY=10), period(at(30), ENERGY=1), tariffs=[TIERS]))
    assert cost(answer) == 12


def test_energy_given_back_lowers_the_running_kwh_and_is_paid() -> None:
    """E4, C3."""
    answer = priced(cdr(period(at(0), ENERGY=10), period(at(20), ENERGY=-1), period(at(40), ENERGY=1), tariffs=[TIERS]))
    assert cost(answer) == 10 - 2 + 1


SLOW = tariff(element(component("TIME", "1", step=1), min_duration=1800))


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        pytest.param("charging", D("0.5"), id="since the start of the CDR"),
        pytest.param("cdr", D("0.5"), id="since the start of the CDR, always"),
        pytest.param("first_period", D(0), id="since the first period, which started later"),
    ],
)
def test_durations_count_from_the_start_of_the_session(start: str, expected: Decimal) -> None:
    """E4, setting duration_start."""
    charge = cdr(period(at(10), TIME="0.33"), period(at(30), TIME="0.5"), tariffs=[SLOW])
    assert cost(priced(charge, policy={"duration_start": start})) == expected


def test_durations_count_from_the_end_of_a_reservation() -> None:
    """E4."""
    charge = cdr(period(at(0), RESERVATION_TIME="0.5"), period(at(30), TIME="0.5"), tariffs=[SLOW])
    assert cost(priced(charge)) == 0
    assert cost(priced(charge, policy={"duration_start": "cdr"})) == D("0.5")


def test_volumes_go_before_timestamps_unless_a_policy_says_so() -> None:
    """D2, setting time_quantity."""
    charge = cdr(period(at(0), TIME="0.5"), tariffs=[tariff(element(component("TIME", "2", step=1)))])
    assert cost(priced(charge)) == 1
    assert kinds(priced(charge)) == ["TIME_SUM_MISMATCH"]
    assert cost(priced(charge, policy={"time_quantity": "timestamps"})) == 2


def test_numbers_may_be_cut_to_four_decimals_by_policy_only() -> None:
    """N1, setting number_reading."""
    charge = cdr(period(at(0), ENERGY="1.00006"), tariffs=[tariff(element(component("ENERGY", "0.123456")))])
    exact = priced(charge, policy={"step_size": "none"})
    assert cost(exact) == D("1.00006") * D("0.123456")
    assert kinds(exact) == ["NUMBER_PRECISION"] * 2
    coarse = priced(charge, policy={"step_size": "none", "number_reading": "four_decimals"})
    assert cost(coarse) == D("1.0001") * D("0.1235")
    assert kinds(coarse) == []


# --- FLAT ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "expected"), [("session", 1), ("tariff", 4), ("component", 6)])
def test_a_flat_is_due_once(mode: str, expected: int) -> None:
    """F1, setting flat."""
    one = tariff(element(component("FLAT", "1"), max_kwh=1), element(component("FLAT", "2")), id="A")
    two = tariff(element(component("FLAT", "3")), id="B")
    periods = [
        period(at(0), "A", ENERGY=1),
        period(at(15), "A", ENERGY=1),
        period(at(30), "A", ENERGY=1),
        period(at(45), "B"),
    ]
    assert cost(priced(cdr(*periods, tariffs=[one, two]), policy={"flat": mode})) == expected


def test_a_flat_whose_restrictions_hold_later_is_due_then() -> None:
    """F2."""
    late = tariff(element(component("FLAT", "5"), min_kwh=10))
    answer = priced(cdr(period(at(0), ENERGY=10), period(at(30), ENERGY=1), tariffs=[late]))
    assert [line["period"] for line in answer["lines"]] == [1]
    assert cost(priced(cdr(period(at(0), ENERGY=10), tariffs=[late]))) == 0


def test_a_flat_is_due_without_any_energy() -> None:
    """F4: its step_size means nothing."""
    assert cost(priced(cdr(period(at(0), ENERGY=0), tariffs=[tariff(element(component("FLAT", "1", step=0)))]))) == 1


@pytest.mark.parametrize(("mode", "part"), [("by_element", "total_parking_cost"), ("fixed", "total_fixed_cost")])
def test_the_flat_of_parking_belongs_to_parking(mode: str, part: str) -> None:
    """F3, setting flat_part."""
    parking = tariff(element(component("FLAT", "3"), component("PARKING_TIME", "2")))
    answer = priced(cdr(period(at(0), ENERGY=1), tariffs=[parking]), policy={"flat_part": mode})
    assert cost(answer, part) == 3


# --- reservations ----------------------------------------------------------------------------

RESERVED = tariff(
    element(
        component("FLAT", "4", vat="20"), component("TIME", "6", vat="20", step=600), reservation="RESERVATION_EXPIRES"
    ),
    element(component("FLAT", "2", vat="20"), component("TIME", "3", vat="20", step=600), reservation="RESERVATION"),
    element(component("FLAT", "0.5", vat="20"), component("ENERGY", "0.25", vat="10")),
)


def test_a_used_reservation_costs_its_own_price_apart_from_charging() -> None:
    """R2, R4, R5, R6: 22 minutes count as 30, and the start FLAT is due when charging starts."""
    answer = priced(cdr(period(at(0), RESERVATION_TIME="0.3667"), period(at(22), ENERGY=20), tariffs=[RESERVED]))
    assert cost(answer, "total_reservation_cost") == 2 + D("1.5")
    assert cost(answer, "total_reservation_cost", "incl_vat") == D("3.5") * D("1.2")
    assert cost(answer, "total_fixed_cost") == D("0.5")
    assert cost(answer) == D("3.5") + D("0.5") + 5
    assert answer["billed"]["reservation_s"] == 1800
    assert answer["billed"]["time_s"] == 0


@pytest.mark.parametrize(("mode", "flats"), [("expiry", 4), ("add", 6)])
def test_an_expired_reservation_costs_what_expiry_costs(mode: str, flats: int) -> None:
    """R3, R4, setting expired_flat."""
    answer = priced(cdr(period(at(0), RESERVATION_TIME=1), tariffs=[RESERVED]), policy={"expired_flat": mode})
    assert cost(answer) == flats + 6
    assert "total_fixed_cost" not in answer


def test_an_expired_reservation_falls_back_to_the_price_of_a_used_one() -> None:
    """R3: for each dimension."""
    fee = element(component("FLAT", "4"), reservation="RESERVATION_EXPIRES")
    hourly = element(component("TIME", "3"), reservation="RESERVATION")
    assert cost(priced(cdr(period(at(0), RESERVATION_TIME=1), tariffs=[tariff(fee, hourly)]))) == 7


@pytest.mark.parametrize(("mode", "seconds"), [("own", 1800), ("followed", D("1320.12"))])
def test_reservation_time_is_rounded_for_itself(mode: str, seconds: Decimal) -> None:
    """R5, setting reservation_step."""
    both = tariff(*RESERVED["elements"], element(component("TIME", "1")))
    charge = cdr(period(at(0), RESERVATION_TIME="0.3667"), period(at(22), TIME="0.6333"), tariffs=[both])
    assert priced(charge, policy={"reservation_step": mode})["billed"]["reservation_s"] == seconds


# --- step_size -------------------------------------------------------------------------------


def steps(first: Content, second: Content, *more: Content) -> Content:
    return tariff(element(first, max_kwh=4), element(second), *more)


def test_the_total_of_a_session_is_rounded_once_by_the_last_component() -> None:
    """S1, S2, S3, TF-07: 4.3 and 1.1 kWh in steps of 500 Wh are 5.5 kWh."""
    priced_at = steps(component("ENERGY", "0.20", step=10000), component("ENERGY", "0.27", step=500))
    answer = priced(cdr(period(at(0), ENERGY="4.3"), period(at(30), ENERGY="1.1"), tariffs=[priced_at]))
    assert answer["billed"]["energy_kwh"] == D("5.5")
    assert cost(answer) == D("4.3") * D("0.20") + D("1.2") * D("0.27")
    assert [line["quantity"] for line in answer["lines"] if line.get("surplus")] == [D("0.1")]


@pytest.mark.parametrize(
    ("kwh", "step", "billed"),
    [
        pytest.param("0.5", 500, "0.5", id="an exact multiple stays"),
        pytest.param("0.1152", 1, "0.116", id="one Wh rounds too"),
        pytest.param("0", 500, "0", id="nothing is a multiple"),
        pytest.param("-0.3", 500, "-0.3", id="what is given back is exact"),
    ],
)
def test_a_quantity_is_rounded_up(kwh: str, step: int, billed: str) -> None:
    """S1, S7."""
    answer = priced(cdr(period(at(0), ENERGY=kwh), tariffs=[tariff(element(component("ENERGY", "1", step=step)))]))
    assert answer["billed"]["energy_kwh"] == D(billed)


def test_a_negative_total_may_be_rounded_by_policy() -> None:
    """S7, setting negative_total."""
    charge = cdr(period(at(0), ENERGY="-1.3"), tariffs=[tariff(element(component("ENERGY", "1", step=500)))])
    answer = priced(charge, policy={"negative_total": "rounded", "last_period": "stated_volume"})
    assert answer["billed"]["energy_kwh"] == -1


@pytest.mark.parametrize("step", [0, None])
def test_without_a_step_nothing_is_rounded(step: int | None) -> None:
    """S7."""
    stepless = tariff(element({"type": "ENERGY", "price": 1, "step_size": step}))
    answer = priced(cdr(period(at(0), ENERGY="0.1152"), tariffs=[stepless]))
    assert cost(answer) == D("0.1152")
    assert kinds(answer) == ["TARIFF_INVALID"]


def test_only_what_is_priced_is_added_up() -> None:
    """S2: 8 minutes that cost something are 15; 12 that cost nothing are left out."""
    evening = tariff(element(component("PARKING_TIME", "1", step=900), end_time="13:00"))
    answer = priced(
        cdr(period(at(52), PARKING_TIME="0.1333"), period(at(60), PARKING_TIME="0.2"), minutes=72, tariffs=[evening])
    )
    assert cost(answer) == D("0.25")


PARKING = tariff(element(component("TIME", "1", step=300), component("PARKING_TIME", "2", step=300)))


@pytest.mark.parametrize(
    ("policy", "periods", "time", "parking"),
    [
        pytest.param({}, [("TIME", 21), ("PARKING_TIME", 7)], 21, 10, id="only parking is rounded"),
        pytest.param({}, [("TIME", 21)], 25, 0, id="without parking, charging is"),
        pytest.param({}, [("TIME", 21), ("PARKING_TIME", 0)], 25, 0, id="no parking, although it is stated"),
        pytest.param({}, [("PARKING_TIME", 7), ("TIME", 21)], 21, 10, id="charging resumed: parking all the same"),
        pytest.param(
            {"resumed_charging": "last"},
            [("PARKING_TIME", 7), ("TIME", 21)],
            25,
            7,
            id="charging resumed: what came last",
        ),
        pytest.param(
            {"step_size": "period"}, [("TIME", 21), ("TIME", 6), ("PARKING_TIME", 7)], 35, 10, id="in every period"
        ),
        pytest.param({"step_size": "none"}, [("TIME", 21), ("PARKING_TIME", 7)], 21, 7, id="never"),
    ],
)
def test_time_is_rounded_once(policy: Content, periods: list[tuple[str, int]], time: int, parking: int) -> None:
    """S4, settings resumed_charging and step_size."""
    content = [
        period(at(30 * index), **{name: str(round(D(minutes) / 60, 15))})
        for index, (name, minutes) in enumerate(periods)
    ]
    billed = priced(cdr(*content, tariffs=[PARKING]), policy={"hour_guard": "off", **policy})["billed"]
    assert abs(billed["time_s"] - time * 60) < D("1e-9")
    assert abs(billed["parking_s"] - parking * 60) < D("1e-9")


@pytest.mark.parametrize(("mode", "billed"), [("positive_volume", "0.5"), ("stated_volume", "10")])
def test_the_last_period_has_some_of_the_dimension(mode: str, billed: str) -> None:
    """S3, setting last_period."""
    priced_at = steps(component("ENERGY", "1", step=500), component("ENERGY", "1", step=10000))
    elements = [
        element(component("ENERGY", "1", step=500), max_duration=900),
        element(component("ENERGY", "1", step=10000)),
    ]
    charge = cdr(period(at(0), ENERGY="0.4"), period(at(30), ENERGY=0), tariffs=[{**priced_at, "elements": elements}])
    assert priced(charge, policy={"last_period": mode})["billed"]["energy_kwh"] == D(billed)


@pytest.mark.parametrize(("mode", "billed"), [("session", "2"), ("last_tariff", "1.8")])
def test_a_switch_of_tariffs_does_not_round(mode: str, billed: str) -> None:
    """S5, setting tariff_switch_step."""
    tariffs = [tariff(element(component("ENERGY", "1", step=1000)), id=name) for name in ("A", "B")]
    charge = cdr(period(at(0), "A", ENERGY="0.8"), period(at(30), "B", ENERGY="0.3"), tariffs=tariffs)
    assert priced(charge, policy={"tariff_switch_step": mode})["billed"]["energy_kwh"] == D(billed)


@pytest.mark.parametrize(
    ("hours", "step", "guard", "billed"),
    [
        pytest.param("0.1167", 60, "on", 420, id="7 minutes in four decimals are 7 minutes"),
        pytest.param("0.1167", 60, "off", 480, id="without the guard they are 8"),
        pytest.param("0.1168", 60, "on", 480, id="more than the notation explains"),
        pytest.param("0.1167", 1, "on", 421, id="more than a tenth of the step"),
        pytest.param("0.1166", 60, "on", 420, id="less than the multiple is rounded up"),
    ],
)
def test_hours_are_guarded(hours: str, step: int, guard: str, billed: int) -> None:
    """S6, setting hour_guard."""
    charge = cdr(period(at(0), TIME=hours), minutes=7, tariffs=[tariff(element(component("TIME", "1", step=step)))])
    assert priced(charge, policy={"hour_guard": guard})["billed"]["time_s"] == billed


def test_energy_is_not_guarded() -> None:
    """S8."""
    charge = cdr(period(at(0), ENERGY="1.0001"), tariffs=[tariff(element(component("ENERGY", "1", step=1000)))])
    assert priced(charge)["billed"]["energy_kwh"] == 2


# --- VAT -------------------------------------------------------------------------------------


def test_every_component_has_its_own_vat_and_the_surplus_too() -> None:
    """V1, V2: no VAT and a VAT of 0 cost the same."""
    elements = [
        element(component("FLAT", "1"), component("ENERGY", "1", vat="20", step=1000), component("TIME", "1", vat="0"))
    ]
    answer = priced(cdr(period(at(0), ENERGY="0.5", TIME=1), tariffs=[tariff(*elements)]))
    assert total(answer) == (D(3), D("3.2"))
    assert answer["vat_unknown"] is False
    assert ["vat" in line for line in answer["lines"]] == [False, True, True, True]


@pytest.mark.parametrize(("mode", "incl"), [("same_amount", 1), ("unknown", None)])
def test_without_any_vat_nobody_knows_the_amount_with_it(mode: str, incl: int | None) -> None:
    """V3, setting missing_vat."""
    answer = priced(
        cdr(period(at(0), ENERGY=1), tariffs=[tariff(element(component("ENERGY", "1")))]), policy={"missing_vat": mode}
    )
    assert answer["vat_unknown"] is True
    assert answer["total_cost"] == {"excl_vat": 1, "incl_vat": incl}
    assert answer["total_energy_cost"]["incl_vat"] == incl


# --- limits ----------------------------------------------------------------------------------


def limited(kwh: str, policy: Content | None = None, **limits: Any) -> Content:
    charged = tariff(element(component("ENERGY", "0.25", vat="10")), **_prices(limits))
    return priced(cdr(period(at(0), ENERGY=kwh), tariffs=[charged]), policy=policy or {})


def _prices(limits: Content) -> Any:
    return {name: _price(value) for name, value in limits.items()}


def _price(value: Any) -> Content:
    excl, incl = value
    return {"excl_vat": D(excl)} if incl is None else {"excl_vat": D(excl), "incl_vat": D(incl)}


@pytest.mark.parametrize(
    ("kwh", "limits", "policy", "expected"),
    [
        pytest.param("20", {"min_price": ("0.5", "0.55")}, {}, ("5", "5.5"), id="above the minimum"),
        pytest.param("1", {"min_price": ("0.5", "0.55")}, {}, ("0.5", "0.55"), id="below it"),
        pytest.param("1", {"min_price": ("0.2", "0.4")}, {}, ("0.25", "0.4"), id="each side for itself"),
        pytest.param("80", {"max_price": ("10", "11")}, {}, ("10", "11"), id="above the maximum"),
        pytest.param("80", {"max_price": ("10", "30")}, {}, ("10", "22"), id="above it without VAT only"),
        pytest.param("0", {"min_price": ("0.5", "0.55")}, {}, ("0.5", "0.55"), id="nothing charged"),
        pytest.param("1", {"min_price": ("0.5", None)}, {}, ("0.5", "0.55"), id="in proportion"),
        pytest.param("0", {"min_price": ("0.5", None)}, {}, ("0.5", "0.5"), id="in proportion to nothing"),
        pytest.param(
            "1",
            {"min_price": ("0.5", None)},
            {"limit_without_incl": "unlimited"},
            ("0.5", "0.275"),
            id="with VAT unlimited",
        ),
        pytest.param("1", {"min_price": ("0.5", "0.55")}, {"limits": "ignored"}, ("0.25", "0.275"), id="ignored"),
        pytest.param("-4", {"min_price": ("0", "0")}, {}, ("0", "0"), id="a minimum of zero is one"),
    ],
)
def test_limits_bind_the_total(kwh: str, limits: Content, policy: Content, expected: tuple[str, str]) -> None:
    """M1, M2, TF-08, settings limits and limit_without_incl."""
    answer = limited(kwh, policy, **limits)
    assert total(answer) == (D(expected[0]), D(expected[1]))
    assert cost(answer, "total_energy_cost") == D(kwh) * D("0.25")  # M5: parts keep what they are


def test_a_proportion_that_never_ends_is_told_with_twenty_decimals() -> None:
    """M2: 0.30 and 0.33 lifted to 0.50 is 0.55; 0.30 is scaled by five thirds."""
    answer = limited("3", min_price=("1", None))
    assert answer["total_cost"]["incl_vat"] == D("1.1")
    two = tariff(
        element(component("ENERGY", "1", vat="10")),
        element(component("TIME", "1", vat="20")),
        min_price=_price(("3.1", None)),
    )
    lifted = priced(cdr(period(at(0), ENERGY=1, TIME=2), minutes=120, tariffs=[two]))
    assert lifted["total_cost"]["incl_vat"] == D("3.61666666666666666667")


@pytest.mark.parametrize(("scope", "expected"), [("each_tariff", 5), ("last_tariff", 4)])
def test_each_tariff_limits_what_it_priced(scope: str, expected: int) -> None:
    """M3, setting limit_scope."""
    tariffs = [
        tariff(element(component("ENERGY", "1")), id=name, min_price=_price((least, least)))
        for name, least in (("A", "1"), ("B", "4"))
    ]
    charge = cdr(period(at(0), "A", ENERGY=1), period(at(30), "B", ENERGY=1), tariffs=tariffs)
    assert cost(priced(charge, policy={"limit_scope": scope})) == expected


@pytest.mark.parametrize(("mode", "expected"), [("not_applied", 6), ("applied", 50)])
def test_the_minimum_does_not_bind_an_unused_reservation(mode: str, expected: int) -> None:
    """M4, setting unused_reservation_min."""
    charged = tariff(element(component("TIME", "6"), reservation="RESERVATION"), min_price=_price(("50", "50")))
    charge = cdr(period(at(0), RESERVATION_TIME=1), tariffs=[charged])
    assert cost(priced(charge, policy={"unused_reservation_min": mode})) == expected


@pytest.mark.parametrize(("mode", "expected"), [("included", 5), ("excluded", 8)])
def test_the_maximum_limits_the_reservation_too(mode: str, expected: int) -> None:
    """M4, setting max_price_reservation."""
    elements = [element(component("TIME", "6"), reservation="RESERVATION"), element(component("ENERGY", "1"))]
    charge = cdr(
        period(at(0), RESERVATION_TIME="0.5"),
        period(at(30), ENERGY=10),
        tariffs=[tariff(*elements, max_price=_price(("5", "5")))],
    )
    assert cost(priced(charge, policy={"max_price_reservation": mode})) == expected


def test_limits_that_changed_something_are_told() -> None:
    """M1, M2."""
    assert limited("1", min_price=("0.5", None))["limits"] == [
        {"limit": "min_price", "tariff_id": "T1", "side": "excl_vat", "from": D("0.25"), "to": D("0.5"), "rule": "M1"},
        {
            "limit": "min_price",
            "tariff_id": "T1",
            "side": "incl_vat",
            "from": D("0.275"),
            "to": D("0.55"),
            "rule": "M2",
        },
    ]


# --- credits ---------------------------------------------------------------------------------


def test_a_credit_negates_the_total_and_nothing_else() -> None:
    """C1, CD-06."""
    charge = cdr(
        period(at(0), ENERGY=4), tariffs=[tariff(element(component("ENERGY", "1")), max_price=_price(("3", "3")))]
    )
    answer = priced({**charge, "credit": True, "credit_reference_id": "C0"})
    assert total(answer) == (D(-3), D(-3))
    assert cost(answer, "total_energy_cost") == 4
    assert kinds(answer) == []


@pytest.mark.parametrize("flags", [{"credit": True}, {"credit_reference_id": "C0"}])
def test_half_a_credit_is_reported(flags: Content) -> None:
    """C2."""
    charge = cdr(period(at(0), ENERGY=4), tariffs=[tariff(element(component("ENERGY", "1")))])
    assert kinds(priced({**charge, **flags})) == ["CREDIT_FLAG_INCONSISTENT"]


def test_money_for_charging_at_home_is_marked() -> None:
    """X4."""
    charge = cdr(
        period(at(0), ENERGY=4), tariffs=[tariff(element(component("ENERGY", "1")))], home_charging_compensation=True
    )
    assert priced(charge)["home_charging_compensation"] is True


# --- what is settled -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("currency", "policy", "expected"),
    [
        ("EUR", {}, "2.35"),
        ("JPY", {}, "2"),
        ("KWD", {}, "2.345"),
        ("EUR", {"rounding_mode": "half_even"}, "2.34"),
        ("EUR", {"rounding_exponent": "1"}, "2.3"),
    ],
)
def test_the_exact_total_is_rounded_once_for_settlement(currency: str, policy: Content, expected: str) -> None:
    """N2, settings rounding_mode and rounding_exponent."""
    charged = tariff(element(component("ENERGY", "0.25", vat="20")), currency=currency)
    answer = priced(cdr(period(at(0), ENERGY="9.38"), tariffs=[charged], currency=currency), policy=policy)
    assert cost(answer) == D("2.345")
    assert cost(answer, "settlement_amount") == D(expected)
