"""A charge of the live demo: what it costs, and that its Session and CDR are good OCPI objects wherever somebody can charge."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from hub.demo.charge import (
    MINUTES_MAX,
    MINUTES_MIN,
    MINUTES_STEP,
    Charge,
    Spot,
    kw_of,
    minutes_for,
    on_grid,
    pieces,
    spots_of,
)
from hub.demo.prices import costs
from hub.demo.world import read_casts, read_drivers, read_objects
from ocpi_modules.cdrs import CDR
from ocpi_modules.parties import Party
from ocpi_modules.sessions import Session
from ocpi_modules.types import decode_json, encode_json, validate_partial

NOW = "2026-11-20T12:00:00Z"
SATURDAY_EVENING = datetime(2026, 11, 21, 20, 30, 9, tzinfo=UTC)  # 21:30 in Berlin, Vienna and Paris


def charge_under(tariff_id: str, start: datetime, minutes: int, kw: str) -> Charge:
    """A charge at a place of the world, under a Tariff of its CPO."""
    spot = next(spot for spot in _spots())
    tariff = next(one for one in read_objects(Party("DE", "VST"), "tariffs") if one["id"] == tariff_id)
    driver = read_drivers()[0]
    token = next(t for t in read_objects(driver.party, "tokens") if t["uid"] == driver.token_uid)
    return Charge("live-1", driver, token, replace(spot, tariff=tariff), "WHITELIST", None, start, minutes, Decimal(kw))


@pytest.mark.parametrize(
    ("tariff_id", "kw", "excl_vat"),
    [
        pytest.param("VST-FREE", "11", "0", id="free"),
        pytest.param("VST-AC", "11", "5.39", id="energy: 11 kWh at 0.49"),
        pytest.param("VST-AC-NIGHT", "12", "5.7458", id="a window from 22:00: 0.35 + 5.97 kWh at 0.52 + 6.03 at 0.38"),
        pytest.param("VST-HPC", "50", "31.5", id="a tier of power: 50 kWh at 0.63"),
        pytest.param("VST-DC", "5", "4", id="at least the least price"),
        pytest.param("VST-AC-CITY", "60", "14", id="at most the highest"),
    ],
)
def test_a_charge_costs_what_its_tariff_says(tariff_id: str, kw: str, excl_vat: str) -> None:
    cdr = charge_under(tariff_id, SATURDAY_EVENING, 60, kw).cdr(NOW)
    assert cdr["total_cost"]["excl_vat"] == Decimal(excl_vat)


def test_parts_are_stated_beside_the_total_and_so_is_vat() -> None:
    cdr = charge_under("VST-AC-CITY", SATURDAY_EVENING, 30, "8").cdr(NOW)
    assert cdr["total_energy_cost"] == {"excl_vat": Decimal("1.76"), "incl_vat": Decimal("2.0944")}
    assert cdr["total_time_cost"] == {"excl_vat": Decimal("0.3"), "incl_vat": Decimal("0.357")}
    assert "total_parking_cost" not in cdr


def test_a_session_costs_more_with_every_step_and_in_the_end_as_much_as_its_cdr() -> None:
    charge = charge_under("VST-AC", SATURDAY_EVENING, 30, "11")
    totals = [charge.progress(minute, NOW)["total_cost"] for minute in range(MINUTES_STEP, 31, MINUTES_STEP)]
    assert totals == sorted(totals, key=lambda total: total["excl_vat"])
    assert totals[-1] == charge.cdr(NOW)["total_cost"]


def test_a_charge_without_a_price_is_not_made_up() -> None:
    charge = charge_under("VST-AC", SATURDAY_EVENING, 30, "11")
    with pytest.raises(ValueError, match="live-1-CDR has no price"):
        costs({**charge.cdr(NOW), "tariffs": []}, "Europe/Berlin")


@pytest.mark.parametrize(
    ("start", "seconds", "expected"),
    [
        pytest.param(datetime(2026, 11, 20, 10, 5, tzinfo=UTC), 1800, [(0, 1800)], id="within an hour"),
        pytest.param(datetime(2026, 11, 20, 10, 50, tzinfo=UTC), 1800, [(0, 600), (600, 1800)], id="over the hour"),
        pytest.param(datetime(2026, 11, 20, 10, tzinfo=UTC), 3600, [(0, 3600)], id="the whole hour"),
        pytest.param(
            datetime(2026, 11, 20, 10, 59, 51, tzinfo=UTC), 3700, [(0, 9), (9, 3609), (3609, 3700)], id="over two hours"
        ),
    ],
)
def test_a_charge_is_cut_at_whole_hours(start: datetime, seconds: int, expected: list[tuple[int, int]]) -> None:
    assert pieces(start, seconds) == expected


def test_charges_begin_on_a_grid_of_exact_hours() -> None:
    begun = on_grid(datetime(2026, 11, 20, 10, 0, 17, 500_000, tzinfo=UTC))
    assert begun == datetime(2026, 11, 20, 10, 0, 9, tzinfo=UTC)


def test_every_cpo_has_places_to_charge_and_each_gives_good_objects() -> None:
    """Session and CDR against their classes; times and volumes agree (SE-09, CD-06)."""
    drivers, spots = read_drivers(), _spots()
    assert {str(spot.owner) for spot in spots} == {"DE/VST", "AT/VSA", "FR/BRN"}
    for index, spot in enumerate(spots):
        driver = drivers[index % len(drivers)]
        token = next(t for t in read_objects(driver.party, "tokens") if t["uid"] == driver.token_uid)
        kw = kw_of(spot, driver)
        minutes = minutes_for(Decimal("0.45"), driver.battery_kwh, kw)
        start = datetime(2026, 11, 20, 10, tzinfo=UTC)
        charge = Charge("live-1", driver, token, spot, "WHITELIST", None, start, minutes, kw)
        Session.model_validate(decode_json(encode_json(charge.session(NOW))))
        validate_partial(Session, decode_json(encode_json(charge.progress(MINUTES_STEP, NOW))))
        validate_partial(Session, decode_json(encode_json(charge.ending(NOW))))
        cdr = CDR.model_validate(decode_json(encode_json(charge.cdr(NOW))))
        assert (cdr.end_date_time - cdr.start_date_time).total_seconds() == cdr.total_time * 3600
        stated = [one for period in cdr.charging_periods for one in period.dimensions]
        assert sum(one.volume for one in stated if one.type == "TIME") == cdr.total_time
        assert 0 < cdr.total_energy <= kw * cdr.total_time + Decimal("0.001")


@pytest.mark.parametrize(
    ("share", "kwh", "kw", "minutes"),
    [
        pytest.param("0.2", 50, "20", 30, id="as long as it takes"),
        pytest.param("0.6", 90, "3.7", MINUTES_MAX, id="not for hours"),
        pytest.param("0.2", 40, "150", MINUTES_MIN, id="nor for a moment"),
        pytest.param("0.2", 50, "19", 30, id="in steps of three minutes"),
    ],
)
def test_a_charge_takes_minutes(share: str, kwh: int, kw: str, minutes: int) -> None:
    assert minutes_for(Decimal(share), kwh, Decimal(kw)) == minutes


def _spots() -> list[Spot]:
    return [
        spot
        for cast in read_casts()
        for party in cast.parties
        for spot in spots_of(party, read_objects(party, "locations"), read_objects(party, "tariffs"))
    ]
