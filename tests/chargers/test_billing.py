"""The Session and the CDR of a charge: volumes are register differences, prices are those of two pricers, and nobody finds anything odd."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.chargers.billing import HARMLESS, cdr_id, session_update
from hub.chargers.closing import closed, shown_session
from hub.chargers.events import MeterValue, Sample, SignedValue, Spot, TransactionRef
from hub.metering import SignedReading, read_signed
from hub.pricing.interface import price_object
from hub.pricing.rounding import rounded
from hub.store.charges import Charge, ChargeState
from ocpi_modules.cdrs import CDR
from ocpi_modules.sessions import Session
from ocpi_modules.types import decode_json, encode_json
from tests.chargers.charges import (
    NOW,
    PARTY,
    PER_KWH,
    UNKNOWN,
    Content,
    Told,
    at,
    flags_of,
    readings,
    started,
    stopped,
    volumes,
    wh,
    where,
)
from tests.metering.records import payload, public, reading, signed
from tests.pricing.build import component, element, tariff
from tests.pricing.charges import NIGHTS, ZONES, tariffs
from tests.pricing.plain import plain_price

D = Decimal


def closed_of(told: Told) -> Charge:
    """A charge that is over, as it is kept."""
    assert told.charge is not None
    return closed(told.charge, told.readings, PARTY, NOW)


def cdr_of(told: Told) -> Content:
    """The CDR of a charge that is over."""
    charge = closed_of(told)
    assert charge.state == ChargeState.COMPLETED, charge.flags
    assert charge.cdr is not None
    content: Content = decode_json(charge.cdr.encode())
    CDR.model_validate(content)
    return content


def priced(cdr: Content, zone: str) -> Content:
    """What the pricer makes of a CDR, and of what it claims."""
    return price_object({"cdr": cdr, "timezone": zone, "explain": True})


def starts(cdr: Content) -> list[str]:
    """When its periods begin, on the clock in UTC."""
    return [period["start_date_time"][11:16] for period in cdr["charging_periods"]]


def charge_under(terms: Content, *values: MeterValue, zone: str = "Europe/Amsterdam", **end: Any) -> Content:
    """The CDR of an hour with 10 kWh under a tariff."""
    told = Told(where({**terms, "last_updated": "2026-05-01T00:00:00Z"}, zone))
    return cdr_of(told.say(started(), readings(*values), stopped(**end)))


@pytest.mark.proves("CD-10", "SE-12")
def test_a_charge_is_billed_by_its_register_and_names_who_pays() -> None:
    cdr = charge_under(PER_KWH)
    assert D(cdr["total_energy"]) == 10
    assert cdr["total_cost"] == {"excl_vat": D(3), "incl_vat": D("3.63")}
    assert cdr["cdr_token"]["uid"] == "TAG1"
    assert cdr["authorization_reference"] == "REF-1"
    assert cdr["cdr_location"]["evse_id"] == "NL*LOC*E1"
    assert len(cdr["id"]) == 36
    assert [one["id"] for one in cdr["tariffs"]] == ["PLAIN"]


DAY_AND_NIGHT = tariff(
    element(component("ENERGY", "0.30"), start_time="08:00", end_time="12:30"),
    element(component("ENERGY", "0.50")),
    id="CLOCK",
)
TIERS = tariff(
    element(component("ENERGY", "0.30"), max_kwh=4), element(component("ENERGY", "0.50"), component("TIME", "1"))
)
LATER = tariff(element(component("TIME", "1"), max_duration=1800), element(component("TIME", "3")))
FAST = tariff(element(component("ENERGY", "0.60"), min_power=16), element(component("ENERGY", "0.40")))
STRONG = tariff(element(component("ENERGY", "0.60"), min_current=48), element(component("ENERGY", "0.40")))


@pytest.mark.parametrize(
    ("terms", "values", "cut_at"),
    [
        pytest.param(PER_KWH, [wh(30, 9000)], ["10:00"], id="one price: readings make no periods"),
        pytest.param(DAY_AND_NIGHT, [], ["10:00", "10:30"], id="half past twelve in Amsterdam"),
        pytest.param(TIERS, [wh(30, 2000)], ["10:00", "10:40"], id="at 4 kWh, between two readings"),
        pytest.param(TIERS, [wh(30, 5000)], ["10:00", "10:30"], id="at 4 kWh, just when it is read"),
        pytest.param(LATER, [], ["10:00", "10:30"], id="after half an hour"),
        pytest.param(FAST, [wh(20, 7000)], ["10:00", "10:20"], id="18 kW, then 6 kW"),
        pytest.param(FAST, [wh(20, 5000), wh(40, 9000)], ["10:00"], id="12 kW and less is one side of 16 kW"),
        pytest.param(
            STRONG, [wh(20, 7000, A=60), wh(40, 8000, A=40)], ["10:00", "10:20"], id="as measured: 60 A, 40 A"
        ),
        pytest.param(STRONG, [wh(20, 7000)], ["10:00", "10:20"], id="by the voltage: 78 A, 26 A"),
    ],
)
def test_a_period_begins_where_a_price_changes(terms: Content, values: list[MeterValue], cut_at: list[str]) -> None:
    cdr = charge_under(terms, *values)
    assert starts(cdr) == cut_at
    assert sum(volumes(cdr, "ENERGY")) == 10
    assert priced(cdr, "Europe/Amsterdam")["warnings"] == []


def test_energy_at_a_boundary_is_what_the_readings_around_it_say() -> None:
    cdr = charge_under(DAY_AND_NIGHT, wh(20, 5000), wh(40, 7000))
    assert volumes(cdr, "ENERGY") == [D(5), D(5)]


def test_time_in_which_the_car_asks_for_nothing_is_parking_time() -> None:
    terms = tariff(element(component("ENERGY", "0.30"), component("PARKING_TIME", "6")))
    told = Told(where({**terms, "last_updated": "2026-05-01T00:00:00Z"}))
    told.say(started(), readings(wh(30, 10500), charging_state="Charging", at=at(1)))
    told.say(readings(at=at(40), charging_state="SuspendedEV"), stopped())
    cdr = cdr_of(told)
    assert starts(cdr) == ["10:00", "10:40"]
    assert volumes(cdr, "TIME") == [D("0.6667")]
    assert volumes(cdr, "PARKING_TIME") == [D("0.3333")]
    assert D(cdr["total_parking_time"]) == D("0.3333")
    assert cdr["total_parking_cost"]["excl_vat"] == 2
    assert sum(volumes(cdr, "ENERGY")) == 10


@pytest.mark.parametrize(
    ("states", "parked"),
    [
        pytest.param(["EVConnected"], 0, id="not yet charging is no parking"),
        pytest.param(["Charging", "EVConnected"], 1, id="charging is over"),
        pytest.param(["Charging", "SuspendedEVSE"], 0, id="the station holds back: the car asks"),
        pytest.param(["Charging", "SuspendedEV", "Charging"], 1, id="it resumed"),
        pytest.param(["Charging", "Finishing"], 1, id="1.6"),
    ],
)
def test_only_a_car_that_asks_for_nothing_parks(states: list[str], parked: int) -> None:
    told = Told().say(started())
    for minute, state in enumerate(states, start=10):
        told.say(readings(at=at(minute), charging_state=state))
    assert len(volumes(cdr_of(told.say(stopped())), "PARKING_TIME")) == parked


def test_a_reservation_that_has_a_price_is_a_period_before_the_charge() -> None:
    terms = tariff(
        element(component("TIME", "2"), reservation="RESERVATION"), element(component("ENERGY", "0.30")), id="R"
    )
    told = Told(where({**terms, "last_updated": "2026-05-01T00:00:00Z"}))
    told.say(started(reservation=7))
    assert told.charge is not None
    told.charge = replace(told.charge, reserved_at=at(-30))
    cdr = cdr_of(told.say(stopped()))
    assert volumes(cdr, "RESERVATION_TIME") == [D("0.5")]
    assert cdr["start_date_time"] == "2026-06-01T09:30:00Z"
    assert D(cdr["total_time"]) == D("1.5")
    assert cdr["total_reservation_cost"]["excl_vat"] == 1
    assert priced(cdr, "Europe/Amsterdam")["warnings"] == []


def test_a_charge_through_the_night_in_which_clocks_move_has_its_periods_where_prices_change() -> None:
    night = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)  # until 04:00 local, through the hour that comes twice
    terms = tariff(
        element(component("ENERGY", "0.10"), start_time="02:30", end_time="03:30"), element(component("ENERGY", "0.50"))
    )
    told = Told(where({**terms, "last_updated": "2026-05-01T00:00:00Z"}), now=night + timedelta(hours=9))
    told.say(started(at=night), stopped(31000, at=night + timedelta(hours=5)))
    cdr = cdr_of(told)
    assert priced(cdr, "Europe/Amsterdam")["warnings"] == []
    assert {"00:30", "01:00", "01:30", "02:30"} <= set(starts(cdr))


# --- what nobody chose ---


def limited() -> st.SearchStrategy[Content]:
    """Tariffs with every restriction that there is."""
    return tariffs("T1").map(lambda made: {**made, "country_code": "NL", "party_id": "LOC"})


@st.composite
def charges(draw: st.DrawFn) -> tuple[datetime, list[tuple[int, int]], list[tuple[int, str]]]:
    """When it began; (seconds, tenths of a Wh) of its readings, below 22 kW; and (seconds, state)."""
    start = datetime.fromisoformat(draw(st.sampled_from(NIGHTS))).replace(tzinfo=UTC)
    start += timedelta(minutes=draw(st.integers(0, 2880)), seconds=draw(st.integers(0, 59)))
    steps = draw(st.lists(st.tuples(st.integers(1, 7200), st.integers(0, 100)), min_size=1, max_size=8))
    second, tenths, found = 0, 0, list[tuple[int, int]]()
    for length, share in steps:
        second, tenths = second + length, tenths + length * 22000 * 10 * share // 360_000
        found.append((second, tenths))
    states = st.sampled_from(["Charging", "SuspendedEV", "SuspendedEVSE", "EVConnected"])
    told = draw(st.lists(st.tuples(st.integers(0, second), states), max_size=4))
    return start, found, told


def say_all(made: tuple[datetime, list[tuple[int, int]], list[tuple[int, str]]], told: Told) -> list[Any]:
    """The messages of a charge, in order."""
    start, knots, states = made

    def moment(second: int) -> datetime:
        return start + timedelta(seconds=second)

    def value(second: int, tenths: int) -> MeterValue:
        return MeterValue(at=moment(second), samples=(Sample(value=str(D(tenths) / 10 + 5000)),))

    messages = [readings(value(*knot)) for knot in knots[:-1]]
    messages += [readings(at=moment(second), charging_state=state) for second, state in states]
    end = stopped(float(D(knots[-1][1]) / 10 + 5000), at=moment(knots[-1][0]))
    return [started(5000, at=start), *messages, end]


@settings(max_examples=150, deadline=None)
@given(terms=limited(), made=charges(), zone=st.sampled_from(ZONES))
def test_whatever_the_tariff_and_the_charge_two_pricers_agree_and_nothing_is_odd(
    terms: Content, made: tuple[datetime, list[tuple[int, int]], list[tuple[int, str]]], zone: str
) -> None:
    told = Told(where(terms, zone), now=made[0] + timedelta(days=2))
    told.say(*say_all(made, told))
    charge = closed_of(told)
    if charge.state == ChargeState.INVALID:
        assert made[1][-1][1] == 0
        return
    cdr = cdr_of(told)
    assert sum(volumes(cdr, "ENERGY"), D(0)) == D(cdr["total_energy"]) == D(made[1][-1][1]) / 10_000
    answer = priced(cdr, zone)
    assert [one["kind"] for one in answer["warnings"] if one["kind"] not in HARMLESS] == []
    assert answer["explanation"]["kind"] == "EXACT"
    plain = plain_price({"cdr": cdr, "tariffs": [], "timezone": zone})
    assert D(cdr["total_cost"]["excl_vat"]) == settled(plain["total_cost"][0])
    assert D(cdr["total_cost"]["incl_vat"]) == settled(plain["total_cost"][1])


def settled(amount: Fraction) -> Decimal:
    """An amount of money in cents."""
    return rounded(amount, "EUR", "half_away_from_zero", None)


@settings(max_examples=100, deadline=None)
@given(made=charges(), data=st.data())
def test_in_whatever_order_and_however_often_a_charge_is_told_its_cdr_is_the_same(
    made: tuple[datetime, list[tuple[int, int]], list[tuple[int, str]]], data: st.DataObject
) -> None:
    """C-T3: what is replayed, doubled or late changes nothing."""
    now = made[0] + timedelta(days=2)
    messages = say_all(made, Told())
    plain = closed_of(Told(now=now).say(*messages))
    first, *others = messages
    shuffled = data.draw(st.permutations([*others, *data.draw(st.lists(st.sampled_from(messages), max_size=5))]))
    other = closed_of(Told(now=now).say(first, *shuffled))
    assert (other.state, other.cdr) == (plain.state, plain.cdr)


@settings(max_examples=50, deadline=None)
@given(made=charges(), data=st.data())
def test_a_transaction_that_a_station_named_may_be_told_in_any_order_at_all(
    made: tuple[datetime, list[tuple[int, int]], list[tuple[int, str]]], data: st.DataObject
) -> None:
    named = {"transaction": TransactionRef(id="TX-1"), "spot": Spot(1, 1)}
    messages = [
        type(one)(**{**{name: getattr(one, name) for name in one.__slots__}, **named, "sequence": index})
        for index, one in enumerate(say_all(made, Told()))
    ]
    now = made[0] + timedelta(days=2)
    plain = closed_of(Told(now=now).say(*messages))
    doubled = [*messages, *data.draw(st.lists(st.sampled_from(messages), max_size=4))]
    other = closed_of(Told(now=now).say(*data.draw(st.permutations(doubled))))
    assert (other.state, other.cdr) == (plain.state, plain.cdr)
    assert other.sequences == f"0-{len(messages) - 1}"


# --- sessions ---


def session_of(told: Told) -> Content:
    """The Session of a charge as partners see it."""
    assert told.charge is not None
    session = shown_session(told.charge, told.readings, PARTY, NOW)
    assert session is not None
    Session.model_validate(decode_json_of(session))
    return session


def decode_json_of(content: Content) -> Content:
    """Content as it arrives."""
    made: Content = decode_json(encode_json(content))
    return made


def test_the_session_of_a_charge_that_runs_shows_what_was_taken_so_far() -> None:
    session = session_of(Told().say(started(), readings(wh(20, 5000, W=11000))))
    assert (session["status"], session["kwh"]) == ("ACTIVE", D(4))
    assert session["total_cost"]["excl_vat"] == D("1.20")
    assert "end_date_time" not in session
    assert set(session_update(session)) == {"kwh", "total_cost", "status", "last_updated"}


def test_the_session_of_a_charge_that_was_billed_says_what_its_cdr_says() -> None:
    told = Told().say(started(), readings(wh(20, 5000)), stopped())
    told.charge = closed_of(told)
    session = session_of(told)
    assert (session["status"], D(session["kwh"])) == ("COMPLETED", D(10))
    assert session["end_date_time"] == "2026-06-01T11:00:00Z"
    assert session["id"] == told.charge.session_id != cdr_id(told.charge)


def test_nobody_is_told_of_a_charge_that_nobody_pays() -> None:
    told = Told(permit=UNKNOWN)
    told.say(started(), readings(wh(20, 5000)))
    assert told.charge is not None
    assert shown_session(told.charge, told.readings, PARTY, NOW) is None


# --- signed data ---


def signed_value(moment: str, kwh: str, context: str, minutes: float) -> MeterValue:
    """A signed reading as OCPP carries it."""
    text = signed(payload(reading(moment, kwh), page=7 if moment == "B" else 8))
    value = SignedValue(text=text, encoding="OCMF", public_key=public())
    return MeterValue(at=at(minutes), samples=(Sample(value=text, context=context, signed=value),))


def test_signed_readings_of_begin_and_end_verify_in_the_cdr() -> None:
    begin = signed_value("B", "1.000", "Transaction.Begin", 0)
    end = signed_value("E", "11.000", "Transaction.End", 60)
    cdr = cdr_of(Told().say(started(), readings(begin), stopped(values=(end,))))
    found = read_signed(cdr["signed_data"], public())
    assert isinstance(found, SignedReading)
    assert found.billed is not None
    assert found.billed.energy == D(cdr["total_energy"])
    assert cdr["meter_id"] == found.meter == "METER1"
    assert [one["nature"] for one in cdr["signed_data"]["signed_values"]] == ["Start", "End"]
    assert "GARBAGE" not in flags_of(closed_of(Told().say(started(), readings(begin), stopped(values=(end,)))))
