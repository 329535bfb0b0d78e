"""Which tariffs everybody may see, and the short price of them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.navigation.tariffs import brief_at, brief_of, briefs_at, chosen, is_contractual, is_public, read_tariff
from ocpi_modules.types import encode_json
from tests.navigation.driving import OWNER, ad_hoc, connector, evse, place, read
from tests.pricing.build import START, Content, at, component, element
from tests.pricing.build import tariff as roaming

ENERGY = component("ENERGY", "0.50", vat="20")
ENDED = {"end_date_time": at(-1)}
TO_COME = {"start_date_time": at(1)}


@pytest.mark.parametrize(
    ("content", "everybody", "contract"),
    [
        pytest.param(ad_hoc(element(ENERGY)), True, False, id="for drivers without contract"),
        pytest.param(roaming(element(ENERGY)), False, True, id="N7: without a type it is a price between companies"),
        pytest.param(roaming(element(ENERGY), type="REGULAR"), False, True, id="N7: REGULAR is one too"),
        pytest.param(roaming(element(ENERGY), type="PROFILE_FAST"), False, False, id="for those who asked for FAST"),
        pytest.param(roaming(element(ENERGY), type="SPECIAL"), False, False, id="of a type that nobody knows"),
        pytest.param(ad_hoc(element(ENERGY), **ENDED), False, False, id="ended a minute ago"),
        pytest.param(ad_hoc(element(ENERGY), **TO_COME), False, False, id="begins in a minute"),
        pytest.param(roaming(element(ENERGY), **ENDED), False, False, id="a contract's that ended"),
        pytest.param(ad_hoc(element(ENERGY), end_date_time=at(0)), True, False, id="ends at this very moment (T3)"),
        pytest.param(ad_hoc(element(ENERGY), start_date_time=at(0)), True, False, id="begins at this very moment"),
    ],
)
def test_who_may_see_a_tariff_is_told_by_its_type_and_its_time(
    content: Content, everybody: bool, contract: bool
) -> None:
    tariff = read(content)
    assert (is_public(tariff, START), is_contractual(tariff, START)) == (everybody, contract)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a list"),
        pytest.param(encode_json(ad_hoc()), id="without elements"),
        pytest.param(encode_json(ad_hoc(element(ENERGY), currency="euro")), id="in a currency that is none"),
        pytest.param(encode_json(ad_hoc(element(ENERGY), type="ad_hoc_payment")), id="a type in another case"),
        pytest.param(
            encode_json(ad_hoc(element({"type": "ENERGY", "price": "0.50", "step_size": 1}))), id="a price as text"
        ),
    ],
)
def test_what_is_no_tariff_of_ocpi_is_none(text: bytes) -> None:
    assert read_tariff(OWNER, text) is None


def test_of_several_tariffs_the_one_that_began_last_counts_and_of_those_the_first() -> None:
    old, new, twin = (
        read(ad_hoc(element(ENERGY), id=name, start_date_time=at(minutes)))
        for name, minutes in (("old", -60), ("new", -30), ("twin", -30))
    )
    assert chosen([read(ad_hoc(element(ENERGY))), old, new, twin]) is new
    assert chosen([]) is None


def brief(*contents: Content, minutes: float = 0) -> Any:
    return brief_of([*map(read, contents)], START + timedelta(minutes=minutes))["ad_hoc"]


NIGHT = {"start_time": "22:00", "end_time": "06:00"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            ad_hoc(element(component("ENERGY", "0.49", vat="19"), component("FLAT", "0.35", vat="19"))),
            {"kwh": "0.5831", "minute": None, "session": "0.4165", "parking_minute": None, "varies": False},
            id="prices are shown with VAT",
        ),
        pytest.param(
            ad_hoc(element(component("TIME", "1", vat="20"), component("PARKING_TIME", "6", vat="20"))),
            {"kwh": None, "minute": "0.02", "session": None, "parking_minute": "0.12", "varies": False},
            id="hours are shown as minutes",
        ),
        pytest.param(
            ad_hoc(element(component("TIME", "1", vat="0"))),
            {"minute": "0.016667"},
            id="with six decimals",
        ),
        pytest.param(
            ad_hoc(
                element(component("ENERGY", "0.20", vat="0"), **NIGHT), element(component("ENERGY", "0.40", vat="0"))
            ),
            {"kwh": "0.4", "varies": True},
            id="of several prices the dearest, and that it varies",
        ),
        pytest.param(
            ad_hoc(element(component("ENERGY", "0.40", vat="0")), element(component("ENERGY", "0.90", vat="0"))),
            {"kwh": "0.4", "varies": False},
            id="what comes after one without restrictions never counts (E1)",
        ),
        pytest.param(
            ad_hoc(
                element(component("ENERGY", "0.90", vat="0"), end_date="2026-05-31"),
                element(component("ENERGY", "0.40", vat="0")),
            ),
            {"kwh": "0.4", "varies": False},
            id="what is over everywhere is not shown",
        ),
        pytest.param(
            ad_hoc(
                element(component("ENERGY", "0.90", vat="0"), start_date="2026-06-03"),
                element(component("ENERGY", "0.40", vat="0")),
            ),
            {"kwh": "0.4", "varies": False},
            id="nor what has not begun anywhere",
        ),
        pytest.param(
            ad_hoc(
                element(component("ENERGY", "0.90", vat="0"), start_date="2026-06-02"),
                element(component("ENERGY", "0.40", vat="0")),
            ),
            {"kwh": "0.9", "varies": True},
            id="tomorrow has begun somewhere",
        ),
        pytest.param(
            ad_hoc(element(ENERGY), element(component("FLAT", "5", vat="20"), reservation="RESERVATION")),
            {"kwh": "0.6", "session": None, "varies": False},
            id="who does not reserve pays for no reservation",
        ),
        pytest.param(
            ad_hoc(element(ENERGY), min_price={"excl_vat": Decimal(1), "incl_vat": Decimal("1.20")}),
            {"kwh": "0.6", "varies": True},
            id="a least price is more than quantity times price",
        ),
        pytest.param(
            ad_hoc(element(component("ENERGY", "0.50"))),
            {"kwh": "0.5", "incl_vat": False, "vat": "unknown"},
            id="N7: without a VAT the net price is shown, and said to be one",
        ),
        pytest.param(ad_hoc(element(component("ENERGY", "0"))), {"kwh": "0", "incl_vat": True}, id="free is free"),
        pytest.param(
            ad_hoc(element(component("ENERGY", "0")), min_price={"excl_vat": Decimal(1)}),
            {"kwh": "0", "incl_vat": False},
            id="unless there is a least price without VAT",
        ),
        pytest.param(roaming(element(ENERGY)), "unknown", id="N7: a price between companies is never that of a driver"),
    ],
)
def test_the_short_price_of_a_tariff(content: Content, expected: Any) -> None:
    found = brief(content)
    if expected == "unknown":
        assert found == "unknown"
        return
    assert {name: found.get(name) for name in expected} == expected
    assert (found["tariff"], found["tariff_version"]) == ("NL/TNM/T1", "2026-01-01T00:00:00Z")
    assert found["currency"] == "EUR"


def test_amounts_come_in_the_order_of_afir() -> None:
    assert [*brief(ad_hoc(element(ENERGY)))][:6] == [
        "currency",
        "kwh",
        "minute",
        "session",
        "parking_minute",
        "incl_vat",
    ]


def test_a_place_with_several_tariffs_shows_the_dearest_and_how_many_there_are() -> None:
    slow, fast = ad_hoc(element(ENERGY), id="AC"), ad_hoc(element(component("ENERGY", "0.70", vat="20")), id="DC")
    found = brief(slow, fast, roaming(element(component("ENERGY", "2")), id="R"))
    assert (found["kwh"], found["tariff"], found["tariffs"], found["varies"]) == ("0.84", "NL/TNM/DC", 2, True)


def test_a_price_that_begins_later_is_shown_from_then_on() -> None:
    old, new = (
        ad_hoc(element(ENERGY), id="O", end_date_time=at(9)),
        ad_hoc(element(ENERGY), id="N", start_date_time=at(10)),
    )
    assert [brief(old, new, minutes=minutes)["tariff"] for minutes in (0, 10)] == ["NL/TNM/O", "NL/TNM/N"]
    assert brief(old, new, minutes=9.5) == "unknown"


def test_every_connector_has_the_price_of_its_own_tariff() -> None:
    there = place(evse(connector(tariff_ids=("ac",)), connector(id="2", tariff_ids=("X", "R"))))
    known = [read(ad_hoc(element(ENERGY), id="AC")), read(roaming(element(ENERGY), id="R"))]
    briefs = briefs_at(there, {tariff.name: tariff for tariff in known}, START)
    assert [*briefs] == ["U1/1", "U1/2"]
    assert briefs["U1/1"]["ad_hoc"]["tariff"] == "NL/TNM/AC"
    assert briefs["U1/2"] == {"ad_hoc": "unknown"}


def test_the_tariff_of_another_owner_is_not_that_of_a_connector() -> None:
    foreign = read(ad_hoc(element(ENERGY), party_id="XYZ"))
    assert brief_at(connector(), OWNER, {foreign.name: foreign}, START) == {"ad_hoc": "unknown"}
