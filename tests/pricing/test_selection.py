"""Which tariff prices which period (T1 to T8, X1)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.pricing.build import Content, at, cdr, component, element, kinds, period, priced, tariff, total


def per_kwh(price: str, id: str = "T1", **more: Any) -> Content:
    return tariff(element(component("ENERGY", price)), id=id, **more)


def charge(*tariffs: Content, tariff_id: str | None = "T1", **more: Any) -> Content:
    return cdr(period(at(0), tariff_id, ENERGY=1), tariffs=list(tariffs), **more)


def price_of(answer: Content) -> Decimal:
    return total(answer)[0]


def test_the_snapshot_in_the_cdr_goes_before_the_store() -> None:
    """T1."""
    assert price_of(priced(charge(per_kwh("0.25")), per_kwh("0.50"))) == Decimal("0.25")


def test_a_named_tariff_is_found_in_the_store_of_its_owner_whatever_its_case() -> None:
    """T1, Y-04."""
    foreign = per_kwh("9", party_id="OTH")
    assert price_of(priced(charge(tariff_id="t1"), foreign, per_kwh("0.50"))) == Decimal("0.50")


def test_two_tariffs_in_one_cdr_price_their_own_periods() -> None:
    """T5."""
    two = cdr(
        period(at(0), "A", ENERGY=1), period(at(30), "B", ENERGY=1), tariffs=[per_kwh("1", "A"), per_kwh("2", "B")]
    )
    assert price_of(priced(two)) == 3


@pytest.mark.parametrize(
    ("mode", "names", "expected"),
    [
        pytest.param("fallback_if_none", (None, None), Decimal(2), id="none is named: one tariff for all"),
        pytest.param("fallback_if_none", ("T1", None), Decimal(1), id="some are named: the others cost nothing"),
        pytest.param("fallback_always", ("T1", None), Decimal(2), id="always a tariff"),
        pytest.param("unpriced", ("T1", None), Decimal(1), id="never a tariff"),
    ],
)
def test_periods_without_a_tariff(mode: str, names: tuple[str | None, ...], expected: Decimal) -> None:
    """T2, setting missing_tariff_id."""
    periods = [period(at(30 * index), name, ENERGY=1) for index, name in enumerate(names)]
    answer = priced(cdr(*periods, tariffs=[per_kwh("1")]), policy={"missing_tariff_id": mode})
    assert price_of(answer) == expected
    assert "TARIFF_ID_MISSING" in kinds(answer)


@pytest.mark.parametrize(
    ("request_more", "charge_more"),
    [
        pytest.param({}, {"tariff_id": "T9"}, id="named, and nowhere"),
        pytest.param({}, {"tariff_id": None}, id="not named, and none there"),
        pytest.param({"policy": {"missing_tariff_id": "unpriced"}}, {"tariff_id": None}, id="never a fallback"),
    ],
)
def test_without_a_tariff_there_is_no_price(request_more: Content, charge_more: Content) -> None:
    """T7: and never 0.00."""
    answer = priced(charge(**charge_more), **request_more)
    assert answer["unpriceable"] == "MISSING_TARIFF"
    assert "total_cost" not in answer


def test_no_currency_is_converted() -> None:
    """T8."""
    assert priced(charge(per_kwh("1", currency="SEK")))["unpriceable"] == "CURRENCY_MISMATCH"


@pytest.mark.parametrize(
    ("tariffs", "expected"),
    [
        pytest.param([per_kwh("1", "A", end_date_time=at(-1)), per_kwh("2", "B")], 2, id="over"),
        pytest.param([per_kwh("1", "A", start_date_time=at(1)), per_kwh("2", "B")], 2, id="not yet"),
        pytest.param([per_kwh("1", "A", start_date_time=at(0), end_date_time=at(0))], 1, id="both ends count"),
        pytest.param([per_kwh("1", "A", type="AD_HOC_PAYMENT"), per_kwh("2", "B", type="REGULAR")], 2, id="ad hoc"),
        pytest.param([per_kwh("1", "A", type="PROFILE_FAST"), per_kwh("2", "B")], 2, id="a profile nobody chose"),
        pytest.param([per_kwh("1", "A"), per_kwh("2", "B", start_date_time=at(-9))], 2, id="the later start"),
        pytest.param([per_kwh("1", "A"), per_kwh("2", "B")], 1, id="the order of the list"),
    ],
)
def test_a_session_that_names_none_gets_the_one_that_was_valid_at_its_start(
    tariffs: list[Content], expected: int
) -> None:
    """T3, T4."""
    assert price_of(priced(charge(*tariffs, tariff_id=None))) == expected


def test_the_end_of_a_tariff_may_be_exclusive() -> None:
    """T3, setting tariff_end."""
    ended = charge(per_kwh("1", end_date_time=at(0)), tariff_id=None)
    assert priced(ended, policy={"tariff_end": "exclusive"})["unpriceable"] == "MISSING_TARIFF"


@pytest.mark.parametrize(
    ("preference", "expected"), [("FAST", 2), ("fast", 2), ("GREEN", 1), ("REGULAR", 1), (None, 1)]
)
def test_a_charging_preference_chooses_its_profile(preference: str | None, expected: int) -> None:
    """T4."""
    tariffs = [per_kwh("1", "A", type="REGULAR"), per_kwh("2", "B", type="PROFILE_FAST")]
    assert price_of(priced(charge(*tariffs, tariff_id=None), charging_preference=preference)) == expected


def test_two_tariffs_at_once_are_ambiguous() -> None:
    """T3."""
    assert "AMBIGUOUS_TARIFF" in kinds(priced(charge(per_kwh("1", "A"), per_kwh("2", "B"), tariff_id=None)))


LOCATION = {"time_zone": "Europe/Amsterdam", "evses": [{"uid": "E1", "connectors": [{"id": "1", "tariff_ids": ["b"]}]}]}


def test_the_connector_says_which_tariffs_are_candidates() -> None:
    """T3."""
    place = {"evse_uid": "e1", "connector_id": "1"}
    answer = priced(charge(tariff_id=None, cdr_location=place), per_kwh("1", "A"), per_kwh("2", "B"), location=LOCATION)
    assert price_of(answer) == 2
    assert kinds(answer) == ["TARIFF_ID_MISSING"]


@pytest.mark.parametrize(
    ("named", "more"),
    [
        pytest.param(per_kwh("1", type="AD_HOC_PAYMENT"), {}, id="its type"),
        pytest.param(per_kwh("1", start_date_time=at(1)), {}, id="not valid yet"),
        pytest.param(per_kwh("1"), {"location": LOCATION}, id="not offered at the connector"),
    ],
)
def test_a_named_tariff_that_is_doubtful_is_used_and_reported(named: Content, more: Content) -> None:
    """T4."""
    answer = priced(charge(named, cdr_location={"evse_uid": "E1", "connector_id": "1"}), **more)
    assert price_of(answer) == 1
    assert kinds(answer) == ["WRONG_TARIFF"]


def test_a_tariff_that_ends_during_the_session_stays() -> None:
    """T5."""
    two = cdr(period(at(0), ENERGY=1), period(at(30), ENERGY=1), tariffs=[per_kwh("1", end_date_time=at(10))])
    answer = priced(two)
    assert price_of(answer) == 2
    assert kinds(answer) == []


def test_the_version_in_force_at_the_start_prices() -> None:
    """T6."""
    versions = [per_kwh(price, last_updated=at(minutes)) for price, minutes in (("1", -60), ("2", -30), ("3", 10))]
    assert price_of(priced(charge(), *versions)) == 2


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        pytest.param(per_kwh("2", last_updated=at(-10)), ["TARIFF_CONTENT_MISMATCH"], id="another price"),
        pytest.param(per_kwh("1.0", last_updated=at(-10)), [], id="the same price written otherwise"),
        pytest.param(per_kwh("2", last_updated=at(10)), [], id="changed after the start"),
    ],
)
def test_the_snapshot_is_compared_with_the_version_in_force(stored: Content, expected: list[str]) -> None:
    """T6."""
    assert kinds(priced(charge(per_kwh("1")), stored)) == expected


def test_a_session_of_unknown_start_needs_exactly_one_tariff() -> None:
    """X1."""
    unknown = {"start_date_time": "1970-1-1T00:00:00Z", "tariff_id": None}
    one = priced(charge(per_kwh("1", start_date_time=at(9)), **unknown))
    assert price_of(one) == 1
    assert "UNVERIFIABLE_TIME" in kinds(one)
    two = priced(charge(per_kwh("1", "A"), per_kwh("2", "B"), **unknown))
    assert two["unpriceable"] == "AMBIGUOUS_TARIFF"


def test_a_tariff_that_cannot_be_read_is_an_error() -> None:
    assert "tariff" in priced(charge({"id": "T1"}))["error"]
