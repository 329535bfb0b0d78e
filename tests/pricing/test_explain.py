"""The mistake that a claim was made with is named (the findings about amounts and tariffs, in their order)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hub.pricing.policy import settings
from hub.pricing.readings import EQUAL_IF, rounding_words
from tests.pricing.build import Content, at, cdr, component, element, period, priced, tariff

D = Decimal


def explained(charge: Content, excl: str, incl: str | None = None, *tariffs: Content, **more: Any) -> Content:
    """The explanation of a claim."""
    claim = {"excl_vat": D(excl)} if incl is None else {"excl_vat": D(excl), "incl_vat": D(incl)}
    found: Content = priced({**charge, "total_cost": claim}, *tariffs, explain=True, **more)["explanation"]
    return found


ENERGY = tariff(element(component("ENERGY", "0.30", vat="20")))
STEPS = tariff(element(component("ENERGY", "1", step=1000)))
TIMED = tariff(element(component("TIME", "6", step=600)))
DAY = tariff(
    element(component("ENERGY", "0.5"), start_time="08:00", end_time="11:00"), element(component("ENERGY", "1"))
)
FEE = tariff(element(component("FLAT", "2", vat="20"), component("ENERGY", "1", vat="20")))
LIMITED = tariff(element(component("ENERGY", "1")), min_price={"excl_vat": 5})
CAPPED = tariff(element(component("ENERGY", "1")), max_price={"excl_vat": 5})
NIGHT = tariff(
    element(component("ENERGY", "1"), start_time="22:00", end_time="06:00", day_of_week=["SUNDAY"]),
    element(component("ENERGY", "3")),
)
EVENING = tariff(
    element(component("ENERGY", "0.5"), start_time="11:00", end_time="12:00"), element(component("ENERGY", "1"))
)


def energy(kwh: str, tariff: Content, **more: Any) -> Content:
    return cdr(period(at(0), ENERGY=kwh), tariffs=[tariff], **more)


@pytest.mark.parametrize(
    ("charge", "excl", "kind", "counterfactual", "equal_if"),
    [
        pytest.param(
            energy("41000", ENERGY), "12.30", "ENERGY_UNIT_ERROR", "energy_in_wh", "in Wh, not in kWh", id="Wh"
        ),
        pytest.param(
            energy("41", ENERGY), "12300", "ENERGY_UNIT_ERROR", "energy_priced_as_wh", "priced as 1000 kWh", id="kWh"
        ),
        pytest.param(energy("10", DAY), "5", "WRONG_TIMEZONE", "windows_in_utc", "taken in UTC", id="windows in UTC"),
        pytest.param(
            energy("10", EVENING),
            "5",
            "WRONG_TIMEZONE",
            "fixed_offset:+01:00",
            "fixed +01:00 from UTC",
            id="winter time",
        ),
        pytest.param(
            energy("10.1", STEPS),
            "10.10",
            "STEP_SIZE_NOT_APPLIED",
            "step_size:none",
            "no step_size is applied",
            id="no step",
        ),
        pytest.param(
            cdr(period(at(0), TIME="0.1"), period(at(20), TIME="0.1"), period(at(40), TIME="0.1"), tariffs=[TIMED]),
            "3",
            "STEP_SIZE_APPLIED_PER_PERIOD",
            "step_size:period",
            "step_size is rounded in every period",
            id="a step in every period",
        ),
        pytest.param(
            energy("2", LIMITED),
            "2",
            "MIN_PRICE_NOT_APPLIED",
            "limits:ignored",
            "min_price is not applied",
            id="minimum",
        ),
        pytest.param(
            energy("7", CAPPED),
            "7",
            "MAX_PRICE_NOT_APPLIED",
            "limits:ignored",
            "max_price is not applied",
            id="maximum",
        ),
        pytest.param(
            energy("5", FEE),
            "11",
            "FLAT_COUNT_MISMATCH",
            "flat_count:3",
            "the fee of 2.00 EUR is charged 3 times instead of once",
            id="a fee three times",
        ),
        pytest.param(
            energy("5", FEE),
            "5",
            "FLAT_COUNT_MISMATCH",
            "flat_count:0",
            "the fee of 2.00 EUR is charged not at all instead of once",
            id="no fee",
        ),
        pytest.param(
            energy("10", STEPS, total_energy=12),
            "12",
            "ENERGY_SUM_MISMATCH",
            "total_energy",
            "total_energy is priced",
            id="total_energy",
        ),
        pytest.param(
            energy("10", NIGHT, start_date_time="2026-06-01T00:00:00Z", end_date_time=at(0))
            | {"charging_periods": [period("2026-06-01T00:00:00Z", ENERGY=10)]},
            "10",
            "PRICE_MISMATCH",
            "weekday_anchor:window_start",
            "belongs to the weekday on which the night began",
            id="another reading",
        ),
        pytest.param(energy("10", STEPS), "9", "PRICE_MISMATCH", None, "nothing explains it", id="nothing explains it"),
        pytest.param(
            energy("10", STEPS, credit=True, credit_reference_id="C0"),
            "10",
            "CREDIT_AMOUNT_MISMATCH",
            "other_sign",
            "sign",
            id="credit",
        ),
        pytest.param(energy("10", STEPS), "10", "EXACT", None, "to the cent", id="equal"),
        pytest.param(
            energy("10", STEPS), "10.01", "ROUNDING_DIFFERENCE", None, "no more than rounding explains", id="a cent"
        ),
    ],
)
def test_a_mistake_is_named(charge: Content, excl: str, kind: str, counterfactual: str | None, equal_if: str) -> None:
    found = explained(charge, excl)
    assert (found["kind"], found["counterfactual"]) == (kind, counterfactual)
    assert equal_if in found["sentence"]
    assert found["sentence"].endswith(".")


@pytest.mark.parametrize(("minutes", "opens"), [(60, "13:00"), (120, "14:00")])
def test_a_clock_that_is_wrong_by_an_hour_or_two_is_named(minutes: int, opens: str) -> None:
    window = element(component("ENERGY", "0.5"), start_time=opens, end_time=opens[:2] + ":30")
    found = explained(energy("10", tariff(window, element(component("ENERGY", "1")))), "5")
    assert (found["kind"], found["counterfactual"]) == ("WRONG_TIMEZONE", f"clock_shift_minutes:{minutes}")


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_period_at_an_end_of_the_calendar_has_no_other_clock(moment: str) -> None:
    """Nothing explains such a charge, but it is said."""
    periods = [period(at(0), ENERGY=10), period(moment, TIME=1)]
    found = explained(energy("10", STEPS) | {"charging_periods": periods}, "7")
    assert found["counterfactual"] is None


def test_another_version_of_the_tariff_is_named() -> None:
    """T6."""
    stored = tariff(element(component("ENERGY", "0.35", vat="20")), last_updated=at(60))
    found = explained(energy("10", ENERGY), "3.50", "4.20", stored)
    assert (found["kind"], found["counterfactual"]) == ("TARIFF_CONTENT_MISMATCH", "other_tariff_version")
    assert "last updated 2026-06-01 11:00 UTC" in found["sentence"]


def test_another_tariff_is_named() -> None:
    """T3."""
    found = explained(energy("10", ENERGY), "4.00", None, tariff(element(component("ENERGY", "0.40")), id="B"))
    assert (found["kind"], found["counterfactual"]) == ("WRONG_TARIFF", "tariff:B")


@pytest.mark.parametrize(
    ("incl", "kind", "counterfactual"),
    [
        pytest.param("3.57", "VAT_MISMATCH", "vat:19", id="another rate"),
        pytest.param("3.60", "EXACT", None, id="right"),
        pytest.param(None, "EXACT", None, id="not stated is not compared"),
        pytest.param("2.00", "VAT_MISMATCH", None, id="less than without VAT"),
    ],
)
def test_another_rate_of_vat_is_named(incl: str | None, kind: str, counterfactual: str | None) -> None:
    """V1, V3."""
    found = explained(energy("10", ENERGY), "3", incl)
    assert (found["kind"], found["counterfactual"]) == (kind, counterfactual)


@pytest.mark.parametrize(
    ("kwh", "excl", "incl", "counterfactual"),
    [
        pytest.param("9.38", "2.35", "2.82", "vat_on_rounded", id="VAT on the rounded amount"),
        pytest.param("9.38", "2.34", "2.81", "rounding_mode:half_even", id="half even"),
        pytest.param("9.39", "2.34", "2.81", "rounding_mode:towards_zero", id="cut"),
    ],
)
def test_a_way_of_rounding_is_named(kwh: str, excl: str, incl: str, counterfactual: str) -> None:
    """N2, N3."""
    charge = energy(kwh, tariff(element(component("ENERGY", "0.25", vat="20"))))
    found = explained(charge, excl, incl)
    assert (found["kind"], found["counterfactual"]) == ("ROUNDING_DIFFERENCE", counterfactual)


def test_many_rounded_lines_are_more_than_a_cent() -> None:
    """N2."""
    periods = [period(at(5 * index), ENERGY="1.004") for index in range(12)]
    found = explained(cdr(*periods, tariffs=[tariff(element(component("ENERGY", "1")))]), "12")
    assert (found["kind"], found["counterfactual"]) == ("ROUNDING_DIFFERENCE", "rounded_each_line")
    assert found["difference"] == D("-0.05")


@pytest.mark.parametrize(
    ("currency", "claimed", "kind"),
    [("JPY", "1001", "ROUNDING_DIFFERENCE"), ("JPY", "1002", "PRICE_MISMATCH"), ("KWD", "1000.002", "PRICE_MISMATCH")],
)
def test_the_tolerance_is_a_minor_unit_of_the_currency(currency: str, claimed: str, kind: str) -> None:
    """N3."""
    charged = tariff(element(component("ENERGY", "100")), currency=currency)
    assert explained(energy("10", charged, currency=currency), claimed)["kind"] == kind


def test_an_explanation_is_data_too() -> None:
    found = explained(energy("10.1", STEPS), "10.10", "10.10")
    assert found["claimed"] == {"excl_vat": D("10.1"), "incl_vat": D("10.1")}
    assert found["computed"] == {"excl_vat": 11, "incl_vat": 11}
    assert found["reproduced"] == {"excl_vat": D("10.1"), "incl_vat": D("10.1")}
    assert found["difference"] == D("-0.9")
    assert found["also"] == []


@pytest.mark.parametrize(
    ("parts", "also"),
    [
        pytest.param({"total_fixed_cost": "2", "total_energy_cost": "5"}, [], id="right"),
        pytest.param(
            {"total_fixed_cost": "3", "total_energy_cost": "4"}, ["PART_MISMATCH", "PART_MISMATCH"], id="wrong"
        ),
        pytest.param({"total_fixed_cost": "3"}, ["PART_MISMATCH"], id="one of them wrong"),
        pytest.param(
            {"total_fixed_cost": "2", "total_energy_cost": "5", "total_time_cost": "1"},
            ["PART_MISMATCH", "TOTAL_NOT_SUM_OF_PARTS"],
            id="one too many",
        ),
    ],
)
def test_parts_are_compared_beside_the_total(parts: dict[str, str], also: list[str]) -> None:
    charge = energy("5", FEE) | {name: {"excl_vat": D(value)} for name, value in parts.items()}
    assert [finding["kind"] for finding in explained(charge, "7")["also"]] == also


def test_a_flat_may_stand_in_either_of_two_parts() -> None:
    """F3."""
    parking = tariff(element(component("FLAT", "3"), component("PARKING_TIME", "2")))
    charge = energy("5", parking, total_fixed_cost={"excl_vat": 3})
    assert explained(charge, "3")["also"] == []


def test_without_a_claim_there_is_nothing_to_explain() -> None:
    assert priced(energy("5", FEE), explain=True)["explanation"] is None
    assert "explanation" not in priced(energy("5", FEE))


def test_without_a_price_there_is_nothing_to_compare() -> None:
    """T7."""
    found = explained(cdr(period(at(0), ENERGY=1)), "5")
    assert found["kind"] == "MISSING_TARIFF"
    assert found["computed"] is None


def test_a_claim_that_cannot_be_read_leaves_the_price() -> None:
    answer = priced({**energy("5", FEE), "total_cost": 5}, explain=True)
    assert answer["total_cost"]["excl_vat"] == 7
    assert "the amounts of the CDR cannot be read" in answer["explanation"]["error"]


# --- units (D4) ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("charge", "excl"),
    [
        pytest.param(energy("10", ENERGY), "0", id="a claim of nothing"),
        pytest.param(
            energy("10", tariff(element(component("ENERGY", "0.30"), component("FLAT", "2")))), "2", id="FLAT"
        ),
        pytest.param(energy("10", ENERGY), "0.01", id="a claim of a cent"),
        pytest.param(energy("41000", ENERGY), "12.20", id="a ratio that is 1008"),
        pytest.param(
            cdr(period(at(0), TIME=1), tariffs=[tariff(element(component("TIME", "6")))]), "0", id="no energy"
        ),
    ],
)
def test_a_claim_near_to_nothing_is_no_error_of_units(charge: Content, excl: str) -> None:
    """D4."""
    assert explained(charge, excl)["kind"] != "ENERGY_UNIT_ERROR"


@pytest.mark.parametrize(
    ("excl", "words"),
    [
        pytest.param("3000", "every Wh is claimed at the price of a kWh; in kWh the price is 3.00 EUR", id="as stated"),
        pytest.param("3", "equal if the energy of the periods is in Wh", id="in kWh"),
        pytest.param("17", "in kWh the price is 3.00 EUR, which the claim is not either", id="neither"),
    ],
)
def test_periods_in_wh_come_first_whatever_is_claimed(excl: str, words: str) -> None:
    """D4."""
    found = explained(energy("10000", ENERGY, total_energy=10), excl)
    assert (found["kind"], found["counterfactual"]) == ("ENERGY_UNIT_ERROR", "energy_in_wh")
    assert words in found["sentence"]
    assert found["reproduced"] == {"excl_vat": 3, "incl_vat": D("3.6")}


def test_wh_that_nothing_is_charged_for_change_no_price() -> None:
    """D4."""
    timed = tariff(element(component("TIME", "6")))
    charge = cdr(period(at(0), TIME=1, ENERGY=10000), tariffs=[timed], total_energy=10)
    assert explained(charge, "6")["kind"] == "EXACT"


# --- tariffs of some periods (T1, T5) ------------------------------------------------------------

A, B = (tariff(element(component("ENERGY", price)), id=name) for name, price in (("A", "0.30"), ("B", "0.50")))
C = tariff(element(component("ENERGY", "0.70")), id="C")
SWITCHED = cdr(
    period(at(0), "A", ENERGY=10), period(at(20), "B", ENERGY=4), period(at(40), "A", ENERGY=1), tariffs=[A, B]
)


@pytest.mark.parametrize(
    ("excl", "counterfactual", "words"),
    [
        pytest.param("4.50", "tariff:A", "the tariff A is used in every period", id="all under one"),
        pytest.param("7.50", "tariff:B", "the tariff B is used in every period", id="all under the other"),
        pytest.param("9.70", "tariff:C:for:A", "the tariff C is used in place of A", id="one in place of another"),
        pytest.param("5.50", "tariff:B:period:2", "the tariff B is used in period 3", id="in one period"),
        pytest.param("10.50", "tariff:C", "the tariff C is used.", id="one that the CDR does not name"),
    ],
)
def test_a_tariff_that_some_periods_were_priced_with_is_named(excl: str, counterfactual: str, words: str) -> None:
    found = explained(SWITCHED, excl, None, C)
    assert (found["kind"], found["counterfactual"]) == ("WRONG_TARIFF", counterfactual)
    assert words in found["sentence"]


def test_a_tariff_out_of_a_large_book_is_not_tried_in_one_period() -> None:
    """One of a hundred prices gives nearly any claim in some period."""
    many = [tariff(element(component("ENERGY", f"0.{price}")), id=f"X{price}") for price in range(10, 99)]
    assert explained(SWITCHED, "5.90", None, *many)["kind"] == "PRICE_MISMATCH"  # 1 kWh at 0.90


# --- words -----------------------------------------------------------------------------------


def test_every_reading_has_a_sentence_without_the_name_of_a_setting() -> None:
    fields = {"step_size", "min_price", "max_price"}  # of OCPI
    for setting in settings():
        for value in setting.values if not setting.name.startswith("rounding_") else ():
            words = EQUAL_IF[setting.name][value]
            assert all("_" not in word or word in fields for word in words.replace(",", "").split()), words


@pytest.mark.parametrize("mode", next(setting.values for setting in settings() if setting.name == "rounding_mode"))
def test_every_way_of_rounding_has_a_sentence(mode: str) -> None:
    assert "cent" in rounding_words(mode, 2)
    assert "unit of the currency" in rounding_words(mode, 0)


@pytest.mark.parametrize(
    ("claimed", "sentence"),
    [
        pytest.param("9", "The claim is 1.00 EUR less than the price, and nothing explains it.", id="less"),
        pytest.param("11.105", "The claim is 1.105 EUR more than the price, and nothing explains it.", id="more"),
    ],
)
def test_amounts_have_a_currency_and_its_decimals(claimed: str, sentence: str) -> None:
    assert explained(energy("10", STEPS), claimed)["sentence"] == sentence


# --- VAT (V1, M2) ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("incl", "counterfactual"),
    [
        pytest.param("105.50", "vat:5.5", id="half a percent"),
        pytest.param("107.70", "vat:7.7", id="a tenth"),
        pytest.param("127", "vat:27", id="the highest there is"),
        pytest.param("128", None, id="no such rate"),
        pytest.param("107.77", None, id="two decimals are no rate"),
        pytest.param("142", "vat:42", id="but what a tariff states is one"),
    ],
)
def test_a_rate_is_named_only_if_there_may_be_one(incl: str, counterfactual: str | None) -> None:
    charged = tariff(element(component("ENERGY", "1", vat="20")), element(component("PARKING_TIME", "1", vat="42")))
    found = explained(energy("100", charged), "100", incl)
    assert (found["kind"], found["counterfactual"]) == ("VAT_MISMATCH", counterfactual)


def test_a_limit_without_vat_that_leaves_the_amount_with_vat_is_no_other_rate() -> None:
    """M2."""
    capped = tariff(element(component("ENERGY", "1", vat="20")), max_price={"excl_vat": 50})
    found = explained(energy("100", capped), "50", "120")
    assert (found["kind"], found["counterfactual"]) == ("VAT_MISMATCH", "limit_without_incl:unlimited")


# --- parts -----------------------------------------------------------------------------------------


def test_parts_of_a_wrong_total_are_not_compared() -> None:
    charge = energy("5", FEE) | {"total_energy_cost": {"excl_vat": 9}, "total_fixed_cost": {"excl_vat": 2}}
    assert explained(charge, "11")["also"] == []


def test_a_total_is_the_sum_of_its_parts_only_where_a_part_was_priced() -> None:
    free = tariff(element(component("TIME", "1")))
    assert explained(energy("5", free), "5")["also"] == []
