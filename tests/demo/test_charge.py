"""A charge of the live demo: what it costs, and that its Session and CDR are good OCPI objects wherever somebody can charge."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hub.demo.charge import MINUTES_MAX, MINUTES_MIN, MINUTES_STEP, Charge, Spot, kw_of, minutes_for, spots_of
from hub.demo.prices import Charged, costs, is_plain
from hub.demo.world import read_casts, read_drivers, read_objects
from ocpi_modules.cdrs import CDR
from ocpi_modules.sessions import Session
from ocpi_modules.types import decode_json, encode_json, validate_partial

NOW = "2026-11-20T12:00:00Z"

Component = dict[str, Any]


def component(kind: str, price: str, vat: str | None = "20", step_size: int = 1) -> Component:
    made: Component = {"type": kind, "price": Decimal(price), "step_size": step_size}
    return made if vat is None else {**made, "vat": Decimal(vat)}


def tariff(*components: Component, **more: Any) -> dict[str, Any]:
    return {"elements": [{"price_components": list(components)}], **more}


def charged(kwh: str, hours: str) -> Charged:
    return Charged(Decimal(kwh), Decimal(hours))


@pytest.mark.parametrize(
    ("priced", "what", "excl_vat", "incl_vat"),
    [
        pytest.param(tariff(component("ENERGY", "0.50")), charged("10", "1"), "5", "6", id="energy"),
        pytest.param(tariff(component("TIME", "3")), charged("10", "0.5"), "1.5", "1.8", id="time"),
        pytest.param(tariff(component("FLAT", "1")), charged("10", "1"), "1", "1.2", id="a flat part once"),
        pytest.param(
            tariff(component("FLAT", "1"), component("ENERGY", "0.5", "10")),
            charged("2", "1"),
            "2",
            "2.3",
            id="parts are added, each with its own VAT",
        ),
        pytest.param(
            tariff(component("ENERGY", "1", "20", 500)), charged("1.001", "1"), "1.5", "1.8", id="energy in steps"
        ),
        pytest.param(tariff(component("TIME", "6", "20", 600)), charged("1", "0.2"), "2", "2.4", id="time in steps"),
        pytest.param(
            tariff(component("ENERGY", "0.27", None)),
            charged("10", "1"),
            "2.7",
            None,
            id="without VAT it is not stated",
        ),
        pytest.param(
            tariff(component("ENERGY", "0.5"), min_price={"excl_vat": Decimal(4), "incl_vat": Decimal("4.8")}),
            charged("1", "1"),
            "4",
            "4.8",
            id="at least the least price",
        ),
        pytest.param(
            tariff(component("ENERGY", "0.5"), max_price={"excl_vat": Decimal(3), "incl_vat": Decimal("3.6")}),
            charged("9", "1"),
            "3",
            "3.6",
            id="at most the highest",
        ),
    ],
)
def test_a_charge_costs(priced: dict[str, Any], what: Charged, excl_vat: str, incl_vat: str | None) -> None:
    total = costs(priced, what)["total_cost"]
    assert total["excl_vat"] == Decimal(excl_vat)
    assert total.get("incl_vat") == (None if incl_vat is None else Decimal(incl_vat))


@pytest.mark.parametrize(
    ("elements", "plain"),
    [
        pytest.param([{"price_components": [component("ENERGY", "1")]}], True, id="no restriction"),
        pytest.param(
            [{"price_components": [component("ENERGY", "1")], "restrictions": {"min_power": 50}}],
            False,
            id="a tier of power",
        ),
        pytest.param(
            [{"price_components": [component("PARKING_TIME", "1")], "restrictions": {"min_duration": 9}}],
            True,
            id="parking, which nobody does here",
        ),
    ],
)
def test_only_tariffs_for_the_head_are_plain(elements: list[dict[str, Any]], plain: bool) -> None:
    assert is_plain({"elements": elements}) is plain


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
