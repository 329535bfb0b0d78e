"""What charging would cost, worked out by hand, and by the pricer with every minute apart."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub.navigation.estimate import Question, Session, Spot, cdr_of, estimate, policy_of, session_of
from hub.navigation.tariffs import KINDS, brief_of
from hub.pricing.interface import price_object
from tests.navigation.driving import ad_hoc, asked, evse, place, question, read, spot
from tests.pricing.build import START, Content, component, element

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "price-for-a-car.md"
HOURS = timedelta(hours=1)
ENERGY = component("ENERGY", "0.50", vat="20")
NIGHT = element(component("ENERGY", "0.20", vat="21"), start_time="22:00", end_time="06:00")
DAY = element(component("ENERGY", "0.40", vat="21"), component("PARKING_TIME", "6", vat="21"))
BY_POWER = (
    element(component("ENERGY", "0.30", vat="0"), max_power=12),
    element(component("ENERGY", "0.60", vat="0")),
)
FAST = {"max_electric_power": 50_000, "power_type": "DC", "max_voltage": 500}


@pytest.mark.parametrize(
    ("tariff", "what", "at", "excl", "incl"),
    [
        pytest.param(
            ad_hoc(element(component("ENERGY", "0.50", vat="21"), component("FLAT", "0.35", vat="21"))),
            {"kwh": "20"},
            {},
            "10.35",
            "12.52",
            id="20 kWh at 0.50 and 0.35 for the session make 10.35, 12.5235 with VAT",
        ),
        pytest.param(
            ad_hoc(element(component("ENERGY", "0.40", vat="10"), component("FLAT", "1", vat="20"))),
            {"kwh": "10"},
            {},
            "5.00",
            "5.60",
            id="each price has its own VAT (V1): 4.40 and 1.20",
        ),
        pytest.param(
            ad_hoc(element(component("ENERGY", "0.40", vat="10"), component("FLAT", "1"))),
            {"kwh": "10"},
            {},
            "5.00",
            "5.40",
            id="where one price has a VAT and another has none, none applies to that one (V2)",
        ),
        pytest.param(
            ad_hoc(NIGHT, DAY),
            {"kwh": "22", "parked_minutes": "30", "start": START + 9 * HOURS},
            {},
            "9.60",
            "11.62",
            id="from 21:00, two hours at 11 kW: 11 kWh by day 4.40, 11 kWh by night 2.20, and 30 minutes parked 3.00",
        ),
        pytest.param(
            ad_hoc(NIGHT, DAY),
            {"kwh": "22", "start": START + 9.5 * HOURS},
            {},
            "5.50",
            "6.66",
            id="the clock is that of the place: from 21:30 half an hour is by day, 2.20 and 3.30; 6.655 is rounded up",
        ),
        pytest.param(
            ad_hoc(NIGHT, DAY),
            {"minutes": "420", "start": START.replace(month=10, day=24, hour=23)},
            {},
            "17.60",
            "21.30",
            id="the night in which clocks go back is an hour longer: six hours of it, 13.20, then one by day, 4.40",
        ),
        pytest.param(
            ad_hoc(
                element(component("ENERGY", "0.30", vat="0"), max_kwh=10),
                element(component("ENERGY", "0.50", vat="0")),
            ),
            {"kwh": "15"},
            {},
            "5.50",
            "5.50",
            id="ten kWh at 0.30 and five at 0.50",
        ),
        pytest.param(
            ad_hoc(element(component("ENERGY", "0.50", vat="20", step=1000))),
            {"kwh": "10.2"},
            {},
            "5.50",
            "6.60",
            id="a step_size of 1000 Wh makes 11 kWh of 10.2",
        ),
        pytest.param(
            ad_hoc(element(component("TIME", "6", vat="20", step=900))),
            {"minutes": "61"},
            {},
            "7.50",
            "9.00",
            id="a step_size of 900 s makes 75 minutes of 61",
        ),
        pytest.param(
            ad_hoc(element(component("TIME", "6", vat="20", step=60))),
            {"minutes": "20"},
            {},
            "2.00",
            "2.40",
            id="a third of an hour is exactly 20 minutes: nothing is rounded up",
        ),
        pytest.param(
            ad_hoc(element(ENERGY), min_price={"excl_vat": Decimal("1"), "incl_vat": Decimal("1.20")}),
            {"kwh": "1"},
            {},
            "1.00",
            "1.20",
            id="min_price lifts 0.50",
        ),
        pytest.param(
            ad_hoc(element(ENERGY), max_price={"excl_vat": Decimal("5"), "incl_vat": Decimal("6")}),
            {"kwh": "20"},
            {},
            "5.00",
            "6.00",
            id="max_price caps 10.00",
        ),
        pytest.param(
            ad_hoc(element(component("ENERGY", "0"))),
            {"kwh": "20"},
            {},
            "0.00",
            "0.00",
            id="free is free with any VAT",
        ),
        pytest.param(
            ad_hoc(
                element(ENERGY),
                element(component("PARKING_TIME", "6", vat="20"), min_duration=4 * 3600),
            ),
            {"kwh": "11", "parked_minutes": "240"},
            {},
            "11.50",
            "13.80",
            id="who stays five hours pays for parking in the last one: 5.50 and 6.00",
        ),
        pytest.param(ad_hoc(*BY_POWER), {"kwh": "10"}, {}, "3.00", "3.00", id="a socket of 11 kW is below 12 kW"),
        pytest.param(ad_hoc(*BY_POWER), {"kwh": "10"}, FAST, "6.00", "6.00", id="a cable of 50 kW is not"),
        pytest.param(
            ad_hoc(*BY_POWER),
            {"kwh": "10", "max_kw": "11"},
            FAST,
            "3.00",
            "3.00",
            id="unless the car takes no more than 11 kW",
        ),
        pytest.param(
            ad_hoc(
                element(component("ENERGY", "0.30", vat="0"), max_current=40),
                element(component("ENERGY", "0.60", vat="0")),
            ),
            {"kwh": "10", "max_kw": "9.2"},
            {},
            "6.00",
            "6.00",
            id="9.2 kW at 230 V are 40 A over all phases, and that is not below 40 A",
        ),
        pytest.param(
            ad_hoc(
                element(component("ENERGY", "0.60", vat="0"), min_power=11),
                element(component("ENERGY", "0.30", vat="0")),
            ),
            {"kwh": "10"},
            {},
            "6.00",
            "6.00",
            id="11 kW are 11 kW, though 10 kWh take no whole number of microseconds",
        ),
        pytest.param(
            ad_hoc(element(ENERGY)), {"minutes": "30"}, {}, "2.75", "3.30", id="half an hour at 11 kW are 5.5 kWh"
        ),
        pytest.param(
            ad_hoc(element(component("ENERGY", "30", vat="10")), currency="JPY"),
            {"kwh": "10.05"},
            {},
            "302",
            "332",
            id="yen have no decimals: 301.5, and 331.65 with VAT",
        ),
        pytest.param(
            ad_hoc(element(component("FLAT", "2", vat="20"), ENERGY)),
            {"kwh": "0", "minutes": "0"},
            {},
            "2.00",
            "2.40",
            id="who only plugs in pays for the session",
        ),
    ],
)
def test_a_session_costs_what_its_tariff_makes_it_cost(
    tariff: Content, what: dict[str, Any], at: dict[str, Any], excl: str, incl: str
) -> None:
    answer = asked(tariff, spot(**at), **what)
    assert (answer["price"]["excl_vat"], answer["price"]["incl_vat"]) == (excl, incl)
    assert answer["price"]["currency"] == tariff["currency"]
    assert answer["warnings"] == []


EVERY_MINUTE = [
    element(
        component("ENERGY", "0.40", vat="21"), start_time=f"{minute // 60:02}:{minute % 60:02}", max_kwh=900 + minute
    )
    for minute in range(0, 1440, 3)
]


@pytest.mark.parametrize(
    ("tariff", "what", "at", "reason"),
    [
        pytest.param(None, {"kwh": "20"}, {}, "NO_TARIFF", id="nobody said what it costs"),
        pytest.param(
            ad_hoc(element(ENERGY)),
            {"kwh": "20"},
            {"max_electric_power": None},
            "POWER_UNKNOWN",
            id="neither the connector nor the car has a power: nobody knows how long it takes",
        ),
        pytest.param(
            ad_hoc(element(ENERGY)),
            {"minutes": "20"},
            {"max_electric_power": None},
            "POWER_UNKNOWN",
            id="nor how much flows",
        ),
        pytest.param(
            ad_hoc(element(ENERGY)),
            {"kwh": "1000", "max_kw": "1"},
            {},
            "SESSION_TOO_LONG",
            id="1000 kWh at 1 kW take six weeks",
        ),
        pytest.param(
            ad_hoc(*EVERY_MINUTE),
            {"kwh": "0", "minutes": "20160"},
            {},
            "NOT_PRICEABLE",
            id="a tariff that changes every three minutes for two weeks",
        ),
    ],
)
def test_what_nobody_can_tell_is_unknown_and_says_why(
    tariff: Content | None, what: dict[str, Any], at: dict[str, Any], reason: str
) -> None:
    answer = asked(tariff, spot(**at), **what)
    assert (answer["price"], answer["reason"]) == ("unknown", reason)
    assert answer["detail"]


def test_a_price_without_vat_is_not_shown_as_one_with_vat() -> None:
    """N7: consumers see gross amounts; where no VAT is stated nobody knows them."""
    answer = asked(ad_hoc(element(component("ENERGY", "0.50"))), kwh="10")
    assert answer["price"] == {"currency": "EUR", "incl_vat": "unknown", "excl_vat": "5.00"}
    assert answer["reason"] == "VAT_UNKNOWN"
    (energy,) = answer["components"]
    assert (energy["incl_vat"], energy["unit_price"]["incl_vat"], energy["vat"]) == ("unknown", "unknown", None)


def test_components_come_in_the_order_of_afir_with_quantities_and_unit_prices() -> None:
    steps = {"PARKING_TIME": 60, "FLAT": 1, "TIME": 60, "ENERGY": 1}
    kinds = [component(kind, "6", vat="20", step=step) for kind, step in steps.items()]
    answer = asked(ad_hoc(element(*kinds)), kwh="11", parked_minutes="9.5")
    assert [one["component"] for one in answer["components"]] == ["kwh", "minute", "session", "parking_minute"]
    assert [one["quantity"] for one in answer["components"]] == ["11", "60", "1", "10"]
    assert [one["unit_price"]["incl_vat"] for one in answer["components"]] == ["7.2", "0.12", "7.2", "0.12"]
    assert [one["incl_vat"] for one in answer["components"]] == ["79.2", "7.2", "7.2", "1.2"]


def test_an_answer_names_the_tariff_and_the_version_and_the_session_that_was_priced() -> None:
    answer = asked(ad_hoc(element(ENERGY), id="Ad-1"), kwh="11", parked_minutes="30")
    assert (answer["tariff"], answer["tariff_version"]) == ("NL/TNM/Ad-1", "2026-01-01T00:00:00Z")
    assert answer["session"] == {
        "start": "2026-06-01T10:00:00Z",
        "end": "2026-06-01T11:30:00Z",
        "kwh": "11",
        "minutes": "60",
        "parked_minutes": "30",
        "kw": "11",
    }


def test_a_limit_is_named_where_it_changed_the_total() -> None:
    capped = ad_hoc(element(ENERGY), max_price={"excl_vat": Decimal("5"), "incl_vat": Decimal("6")})
    assert asked(capped, kwh="20")["limits"] == [
        {"limit": "max_price", "side": "excl_vat", "from": "10", "to": "5"},
        {"limit": "max_price", "side": "incl_vat", "from": "12", "to": "6"},
    ]


def test_more_energy_than_the_connector_gives_is_priced_and_warned_of() -> None:
    answer = asked(ad_hoc(element(ENERGY)), kwh="50", minutes="10")
    assert [one["kind"] for one in answer["warnings"]] == ["ENERGY_ABOVE_PHYSICAL_LIMIT"]
    assert answer["price"]["incl_vat"] == "30.00"


@pytest.mark.parametrize(
    "what",
    [
        pytest.param({}, id="neither energy nor time"),
        pytest.param({"kwh": "5", "minutes": "0"}, id="energy in no time"),
    ],
)
def test_a_question_that_nobody_can_mean_is_refused(what: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="say"):
        asked(ad_hoc(element(ENERGY)), **what)


# --- against the pricer -----------------------------------------------------------------------------

KILOWATTS = 6
"""A tenth of a kWh a minute."""

prices = st.decimals(0, 3, places=2)
steps = st.sampled_from([1, 60, 300, 1000])
vats = st.sampled_from([None, "0", "7", "19", "21"])
clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 15, 37]))
limits: dict[str, st.SearchStrategy[Any]] = {
    "start_time": clocks,
    "end_time": clocks,
    "min_kwh": st.decimals(0, 30, places=1),
    "max_kwh": st.decimals(0, 30, places=1),
    "min_duration": st.integers(0, 400).map(lambda minutes: minutes * 60),
    "max_duration": st.integers(0, 400).map(lambda minutes: minutes * 60),
    "min_power": st.integers(5, 7),
    "day_of_week": st.lists(st.sampled_from(["MONDAY", "TUESDAY", "SUNDAY"]), min_size=1, unique=True),
    "end_date": st.sampled_from(["2026-06-01", "2026-06-02"]),
}


@st.composite
def elements(draw: st.DrawFn) -> Content:
    kinds = draw(st.lists(st.sampled_from([*KINDS]), min_size=1, unique=True))
    priced = [component(kind, str(draw(prices)), vat=draw(vats), step=draw(steps)) for kind in kinds]
    names = draw(st.lists(st.sampled_from([*limits]), max_size=2, unique=True))
    return element(*priced, **{name: draw(limits[name]) for name in names})


questions = st.builds(
    Question,
    start=st.integers(0, 2000).map(lambda minutes: START + timedelta(minutes=minutes)),
    minutes=st.integers(1, 300).map(Decimal),
    parked_minutes=st.integers(0, 240).map(Decimal),
)


def every_minute(session: Session) -> list[list[Fraction]]:
    minutes = [length // 60_000_000 for length in session.lengths]
    return [[Fraction(minute, whole) for minute in range(1, whole)] for whole in minutes]


LONG_STEPS = [element(component("PARKING_TIME", "0.02", step=1000))]


@settings(deadline=None, max_examples=60)
@example(
    LONG_STEPS, question(minutes="1", parked_minutes="217")
)  # 20 s over a step are no matter of how hours are written
@given(st.lists(elements(), min_size=1, max_size=4), questions)
def test_an_estimate_is_what_the_pricer_makes_of_a_cdr_with_a_period_for_every_minute(
    content: list[Content], asked_for: Question
) -> None:
    """No second price code: wherever restrictions change, whole minutes and tenths of a kWh, the fine CDR has a boundary too."""
    at, tariff = spot(max_electric_power=KILOWATTS * 1000), read(ad_hoc(*content))
    session = session_of(asked_for, at.connector)
    request = {
        "cdr": cdr_of(session, at, tariff, every_minute(session)),
        "timezone": at.location.time_zone,
        "policy": policy_of(tariff).as_content(),
    }
    expected, answer = price_object(request)["settlement_amount"], estimate(asked_for, at, tariff)
    assert Decimal(answer["price"]["excl_vat"]) == expected["excl_vat"]
    incl = answer["price"]["incl_vat"]
    assert (None if incl == "unknown" else Decimal(incl)) == expected["incl_vat"]
    assert [one["kind"] for one in answer["warnings"]] == []


def test_a_place_without_time_zone_is_priced_by_the_clock_at_its_coordinates() -> None:
    there = place(evse(), time_zone="")
    at = Spot(there, there.evses[0], there.evses[0].connectors[0])
    answer = estimate(question(kwh="22", start=START + 9 * HOURS), at, read(ad_hoc(NIGHT, DAY)))
    assert answer["price"]["excl_vat"] == "6.60"


def test_the_page_shows_what_comes_out() -> None:
    """`docs/reference/price-for-a-car.md`: its examples are answers."""
    short, whole = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL))
    content = {**ad_hoc(NIGHT, DAY, id="CITY"), "party_id": "ABC"}
    answer = asked(content, kwh="22", parked_minutes="30", start=START + 9 * HOURS)
    assert {name: whole[name] for name in answer} == answer
    assert short == brief_of([read(content)], START)
