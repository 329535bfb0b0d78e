"""What messages change, and what becomes of charges whose station breaks the rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.chargers import charging, settling
from hub.chargers.charging import Known, Timing, begin, is_whole, start_key
from hub.chargers.closing import Decision, NotQuarantined, closed, dropped, released
from hub.chargers.events import (
    IdToken,
    Metered,
    MeterValue,
    Permit,
    PermitStatus,
    Sample,
    Spot,
    Started,
    Stopped,
    TransactionRef,
)
from hub.store.charges import Charge, ChargeState
from ocpi_modules.types import decode_json
from tests.chargers.charges import (
    NOW,
    PARTY,
    STATION,
    TOKEN,
    UNKNOWN,
    Told,
    at,
    flags_of,
    readings,
    started,
    stopped,
    wh,
    where,
)

D = Decimal
KEPT_BACK, BILLED, NOT_BILLED = ChargeState.QUARANTINED, ChargeState.COMPLETED, ChargeState.INVALID
BLOCKED = Permit(status=PermitStatus.BLOCKED, token=TOKEN)
NAMED: dict[str, Any] = {"transaction": TransactionRef(id="TX-1"), "spot": Spot(1, 1)}


def become(told: Told) -> Charge:
    """A charge that is over, as it is kept."""
    assert told.charge is not None
    return closed(told.charge, told.readings, PARTY, NOW)


def kwh(charge: Charge) -> Decimal:
    assert charge.cdr is not None
    return D(decode_json(charge.cdr.encode())["total_energy"])


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        pytest.param({}, True, id="told again"),
        pytest.param({"is_offline": True}, True, id="told again out of a queue"),
        pytest.param({"minutes": 1}, False, id="another time"),
        pytest.param({"register": 1001}, False, id="another register"),
        pytest.param({"spot": Spot(0, 2)}, False, id="another connector"),
        pytest.param({"id_token": IdToken("TAG2")}, False, id="another driver"),
    ],
)
def test_a_begin_is_known_again(change: dict[str, Any], is_same: bool) -> None:
    assert (start_key(started(**change)) == start_key(started())) == is_same


@pytest.mark.parametrize(
    ("said", "state", "flag", "proposed"),
    [
        pytest.param([started(), stopped()], BILLED, None, 10000, id="as it should be"),
        pytest.param([started(0), readings(wh(1, 500_000), wh(59, 509_000)), stopped(509_500)], KEPT_BACK,
                     settling.ABOVE_POWER, 9_500, id="meterStart 0, then the lifetime register"),
        pytest.param([started(5000), readings(wh(10, 6000), wh(20, 100)), stopped(3100)], KEPT_BACK,
                     settling.WENT_BACK, 4000, id="the register begins anew when the station boots"),
        pytest.param([started(100), readings(wh(10, 5000), wh(20, 10), wh(40, 2000)), stopped(3100)], KEPT_BACK,
                     settling.WENT_BACK, 7990, id="the same, though the end is above the begin"),
        pytest.param([started(0), readings(wh(30, 5000)), stopped(10000)], BILLED, None, 10000, id="a register of the session"),
        pytest.param([started(100_000), readings(wh(10, 2000), wh(50, 9000)), stopped(110_000)], BILLED, None, None,
                     id="samples of another register do not count"),
        pytest.param([started(100_000), readings(wh(10, 2000), wh(50, 19000)), stopped(110_000)], KEPT_BACK,
                     settling.SAMPLES_UNLIKE, None, id="unless they counted more"),
        pytest.param([started(10), readings(*(wh(m, 10 + m // 6, W=10000) for m in range(0, 61, 6))), stopped(20)],
                     KEPT_BACK, settling.IN_KWH, 10, id="says Wh and counts kWh"),
        pytest.param([started(), readings(wh(0, 1000, W=2000), wh(30, 6000, W=2000)), stopped()], KEPT_BACK,
                     settling.UNLIKE_POWER, 10000, id="registers and powers tell of two charges"),
        pytest.param([started(), stopped(24_200)], KEPT_BACK, settling.ABOVE_POWER, 0, id="more than 22 kW in an hour"),
        pytest.param([started(), stopped(24_000)], BILLED, None, 23_000, id="a little more than 22 kW: meters err too"),
        pytest.param([started(), stopped(minutes=-5)], KEPT_BACK, settling.ENDS_BEFORE_START, None, id="ends before it began"),
        pytest.param([started(minutes=-60 * 24 * 8), stopped()], KEPT_BACK, settling.TOO_LONG, None, id="more than a week"),
        pytest.param([started(None), stopped(None)], KEPT_BACK, settling.NO_REGISTER, 0, id="an hour, and no register"),
        pytest.param([started(1000), stopped(1000, 0.5)], NOT_BILLED, settling.NEVER_DELIVERED, 0, id="plugged in and out"),
        pytest.param([started(1000), stopped(1000, 5)], BILLED, None, 0, id="five minutes of nothing have a CDR"),
        pytest.param([started(1000), stopped(1010, 0.5)], BILLED, None, 10, id="so have ten Wh"),
        pytest.param([started(None), readings(wh(5, 2000)), stopped(11000)], BILLED, settling.START_FROM_SAMPLE, 9000,
                     id="the first sample where no begin was told"),
        pytest.param([started(None), readings(wh(0, 1000, context="Transaction.Begin")), stopped(11000)], BILLED, None,
                     10000, id="the begin among the readings (2.x)"),
        pytest.param([started(), readings(wh(30, 6000)), stopped(None)], BILLED, settling.END_FROM_SAMPLE, 5000,
                     id="the last sample where no end was told"),
        pytest.param([started(None), readings(wh(0, 1000, context="Transaction.Begin")), stopped(None)], KEPT_BACK,
                     settling.NO_REGISTER, 0, id="an hour of which only the begin was read (2.x)"),
        pytest.param([started(None), stopped(None, values=(wh(60, 9000, context="Transaction.End"),))], KEPT_BACK,
                     settling.NO_REGISTER, 0, id="an hour of which only the end was read (2.x)"),
        pytest.param([started(None), readings(wh(30, 5000)), stopped(None)], KEPT_BACK, settling.NO_REGISTER, 0,
                     id="an hour of which one moment was read: a reading is not both ends"),
        pytest.param([started(None), readings(wh(0, 1000)), stopped(None, 0.5)], NOT_BILLED, settling.NEVER_DELIVERED, 0,
                     id="plugged in and out, read once"),
        pytest.param([started(None), readings(wh(5, 2000), wh(55, 9000)), stopped(None)], BILLED,
                     settling.END_FROM_SAMPLE, 7000, id="two samples are a begin and an end"),
        pytest.param([started(), readings(wh(30, "no number")), stopped()], BILLED, charging.GARBAGE, 10000, id="garbage is noted"),
    ],
)  # fmt: skip
def test_registers_that_cannot_be_are_never_billed_silently(
    said: list[Started | Metered | Stopped], state: ChargeState, flag: str | None, proposed: int | None
) -> None:
    """The quirks of registers: what is doubtful waits for an operator, with what it may have been."""
    charge = become(Told().say(*said))
    assert charge.state == state, charge.flags
    assert flag is None or flag in flags_of(charge)
    assert proposed is None or charge.energy_wh == proposed
    assert (charge.cdr is not None) == (state == BILLED)


def told_as(measurand: str, unit: str, minutes: float, register: float, value: float) -> MeterValue:
    """A register in Wh, and something else than power."""
    other = Sample(value=str(value), measurand=measurand, unit=unit)
    return MeterValue(at=at(minutes), samples=(Sample(value=str(register)), other))


def amperes(minutes: float, register: float, value: float) -> MeterValue:
    return told_as("Current.Import", "A", minutes, register, value)


def percent(minutes: float, register: float, value: float) -> MeterValue:
    return told_as("SoC", "Percent", minutes, register, value)


HOUR = range(0, 61, 6)


@pytest.mark.parametrize(
    ("said", "before_wh", "is_doubted"),
    [
        pytest.param([started(5_010), stopped(5_020)], 5_005_000, True, id="a thousandth of what it showed before"),
        pytest.param([started(5_010_000), stopped(5_020_000)], 5_005, True, id="a thousand times of it"),
        pytest.param([started(5_010_000), stopped(5_020_000)], 5_005_000, False, id="it went on"),
        pytest.param([started(0), stopped(10)], 5_005_000, False, id="it begins anew with each charge"),
        pytest.param([started(40), stopped(50)], 40_000, False, id="it may begin anew with each boot"),
        pytest.param([started(900_000), stopped(910_000)], 5_005_000, False, id="another meter"),
        pytest.param([started(5_010), stopped(5_020)], None, False, id="the first charge there"),
        pytest.param([started(10), readings(*(amperes(m, 10 + m // 6, 43) for m in HOUR)), stopped(20)], None, True,
                     id="the current of 10 kWh, and 10 Wh"),
        pytest.param([started(1000), readings(*(amperes(m, 1000 + 166 * m, 43) for m in HOUR)), stopped()], None, False,
                     id="the current of 10 kWh, and 10 kWh"),
        pytest.param([started(1000), readings(*(amperes(m, 1000 + m // 6, 0.05) for m in HOUR)), stopped(1010)], None, False,
                     id="a car that takes nothing but 10 Wh"),
        pytest.param([started(1000), readings(*(amperes(m, 1000 + m // 6, 43_000) for m in HOUR)), stopped(1010)], None, False,
                     id="a current that cannot be says nothing"),
        pytest.param([started(1000), readings(percent(1, 1000, 20), percent(59, 1010, 80)), stopped(1010)], None, True,
                     id="10 Wh for more than half a battery"),
        pytest.param([started(1000), readings(percent(1, 1000, 20), percent(59, 11000, 33)), stopped(11000)], None, False,
                     id="10 kWh for an eighth of a battery"),
        pytest.param([started(1000), readings(percent(1, 1000, 99), percent(59, 1010, 100)), stopped(1010)], None, False,
                     id="10 Wh for the last percent"),
        pytest.param([started(1000), readings(percent(1, 1000, 20), percent(59, 1000, 80)), stopped(1000)], None, False,
                     id="a register that stands still is in no other unit"),
    ],
)  # fmt: skip
def test_a_register_in_another_unit_is_found_without_power_and_a_car_that_takes_nothing_is_none(
    said: list[Started | Metered | Stopped], before_wh: int | None, *, is_doubted: bool
) -> None:
    told = Told().say(*said)
    assert told.charge is not None
    charge = closed(told.charge, told.readings, PARTY, NOW, None if before_wh is None else D(before_wh))
    assert (charge.state == KEPT_BACK, settling.IN_KWH in flags_of(charge)) == (is_doubted, is_doubted), charge.flags


def interval(minutes: float, text: str) -> MeterValue:
    sample = Sample(value=text, measurand="Energy.Active.Import.Interval")
    return MeterValue(at=at(minutes), samples=(sample,))


def test_a_station_that_tells_intervals_only_is_billed_by_their_sum() -> None:
    told = Told().say(
        started(None), readings(interval(20, "2000"), interval(40, "3000")), readings(interval(40, "3000"))
    )
    charge = become(told.say(stopped(None)))
    assert (kwh(charge), settling.FROM_INTERVALS in flags_of(charge)) == (D(5), True)


def test_a_meter_that_is_read_late_does_not_make_a_period_of_more_than_the_connector_gives() -> None:
    """Readings lag: 900 Wh in the last second are spread over the time before."""
    charge = become(Told().say(started(), readings(wh(59.98, 10100)), stopped()))
    assert charge.state == BILLED, charge.flags


@pytest.mark.parametrize(
    ("permit", "told_after_minutes", "more", "state", "flag"),
    [
        pytest.param(UNKNOWN, 0, {}, NOT_BILLED, settling.NO_TOKEN, id="nobody pays"),
        pytest.param(BLOCKED, 0, {}, NOT_BILLED, charging.NOT_PERMITTED, id="the station was told to stop"),
        pytest.param(BLOCKED, 2, {}, NOT_BILLED, charging.NOT_PERMITTED, id="it was told a little later"),
        pytest.param(
            BLOCKED,
            0,
            {"is_offline": True},
            KEPT_BACK,
            charging.OFFLINE_NOT_PERMITTED,
            id="it charged while nobody could be asked (2.x says so)",
        ),
        pytest.param(
            BLOCKED,
            3,
            {},
            KEPT_BACK,
            charging.OFFLINE_NOT_PERMITTED,
            id="told when nobody could be asked any more (1.6 cannot say so)",
        ),
    ],
)
def test_a_charge_that_was_not_permitted_is_not_simply_billed(
    permit: Permit, told_after_minutes: float, more: dict[str, Any], state: ChargeState, flag: str
) -> None:
    told = Told(permit=permit, now=at(told_after_minutes)).say(started(**more))
    told.known = replace(told.known, timing=Timing(NOW))
    charge = become(told.say(stopped()))
    assert (charge.state, flag in flags_of(charge)) == (state, True)


def test_nobody_is_asked_about_a_charge_that_was_not_permitted_and_took_nothing() -> None:
    charge = become(Told(permit=BLOCKED).say(started(is_offline=True), stopped(1000, 0.2)))
    assert (charge.state, settling.NEVER_DELIVERED in flags_of(charge)) == (NOT_BILLED, True)


@pytest.mark.parametrize(
    ("place", "flag"),
    [
        pytest.param(charging.NOWHERE, settling.NO_PLACE, id="nobody provisioned the connector"),
        pytest.param(where(None), settling.NO_TARIFF, id="it has no tariff"),
    ],
)
def test_what_cannot_be_priced_waits(place: charging.Where, flag: str) -> None:
    charge = become(Told(place).say(started(), stopped()))
    assert (charge.state, flag in flags_of(charge)) == (KEPT_BACK, True)


# --- clocks ---


@pytest.mark.parametrize(
    ("offset", "shifted_minutes", "flag"),
    [
        pytest.param(timedelta(seconds=30), 0, None, id="half a minute ahead is left as it is"),
        pytest.param(timedelta(hours=2), -120, charging.CLOCK_SHIFTED, id="two hours ahead"),
        pytest.param(timedelta(hours=-2), 120, charging.CLOCK_SHIFTED, id="two hours behind"),
    ],
)
def test_a_wrong_clock_is_put_right_and_its_own_time_kept(
    offset: timedelta, shifted_minutes: int, flag: str | None
) -> None:
    told = Told()
    told.known = replace(told.known, timing=Timing(NOW, offset))
    charge = told.say(started(), readings(wh(30, 6000)), stopped()).charge
    assert charge is not None
    assert (charge.started_at, charge.told_started_at) == (at(shifted_minutes), at(0))
    assert [(one.at, one.told_at) for one in told.readings] == [(at(30 + shifted_minutes), at(30))]
    assert flag is None or flag in flags_of(charge)


def test_a_time_beyond_belief_is_that_at_which_it_was_told() -> None:
    timing = Timing(NOW)
    assert timing.at(at(0) - timedelta(days=20_000)) == NOW
    assert timing.flags(at(0) - timedelta(days=20_000)) == (charging.CLOCK_IGNORED,)
    assert timing.at(NOW + timedelta(hours=1)) == NOW


def test_what_happened_hours_before_is_taken_as_it_happened() -> None:
    charge = become(Told().say(started(is_offline=True), stopped(is_offline=True)))
    assert decode_json((charge.cdr or "").encode())["start_date_time"] == "2026-06-01T10:00:00Z"


# --- what is missing ---


def named(*messages: Started | Metered | Stopped) -> list[Started | Metered | Stopped]:
    """Messages of a transaction that its station named and numbered (2.x)."""
    return [replace(one, **NAMED, sequence=index) for index, one in enumerate(messages)]


def test_a_gap_between_events_is_waited_for_and_noted() -> None:
    first, middle, last = named(started(), readings(wh(30, 6000)), stopped())
    told = Told().say(first, last)
    assert told.charge is not None
    assert not is_whole(told.charge)
    assert told.charge.due_at == NOW + timedelta(seconds=charging.MISSING_WAIT_SECONDS)
    assert settling.EVENTS_MISSING in flags_of(become(told))
    told.say(middle)
    assert told.charge.due_at == NOW
    assert settling.EVENTS_MISSING not in flags_of(become(told))


def test_a_station_that_numbers_all_its_events_0_misses_none() -> None:
    first, last = (replace(one, sequence=0) for one in named(started(), stopped()))
    told = Told().say(first, last)
    assert told.charge is not None
    assert (is_whole(told.charge), become(told).state) == (True, BILLED)


def test_an_end_without_begin_is_a_charge_that_an_operator_looks_at() -> None:
    values = wh(0, 1000, context="Transaction.Begin"), wh(60, 11000, context="Transaction.End")
    (end,) = named(stopped(None, id_token=IdToken("TAG1"), values=values))
    charge = become(Told().say(end))
    assert (charge.state, charge.energy_wh) == (KEPT_BACK, D(10000))
    assert charging.START_UNTOLD in flags_of(charge)


def test_a_begin_that_comes_after_the_end_completes_the_charge() -> None:
    first, last = named(started(), stopped())
    assert become(Told().say(last, first)).state == BILLED


def test_a_second_begin_at_a_connector_closes_the_first_charge_with_what_is_known() -> None:
    told = Told().say(started(), readings(wh(30, 6000)))
    assert told.charge is not None
    change = begin(None, [told.charge], started(6000, minutes=45), Known(timing=Timing(NOW)), STATION)
    (older,) = change.others
    assert (older.state, older.ended_at) == (ChargeState.ENDED, at(30))
    assert charging.SUPERSEDED in flags_of(older)
    assert kwh(closed(older, told.readings, PARTY, NOW)) == 5


def test_the_end_of_a_charge_that_was_closed_by_another_counts_while_it_waits() -> None:
    told = Told().say(started())
    assert told.charge is not None
    told.charge = charging.superseded(told.charge, at(70), Timing(NOW))
    assert kwh(become(told.say(stopped()))) == 10


def test_what_comes_after_the_bill_changes_nothing_but_a_note() -> None:
    told = Told().say(started(), stopped())
    billed = become(told)
    told.charge = billed
    told.say(readings(wh(30, 6000)), stopped(15000))
    assert told.charge is not None
    assert (told.charge.cdr, told.charge.version) == (billed.cdr, billed.version)
    assert charging.LATE in flags_of(told.charge)


# --- operators ---

DECISION = Decision(actor="Ines", reason="the meter was replaced", energy_wh=D(9000))


def kept_back() -> Told:
    told = Told().say(started(0), readings(wh(1, 500_000), wh(59, 509_000)), stopped(509_500))
    told.charge = become(told)
    return told


def test_an_operator_releases_a_charge_with_the_energy_that_is_right() -> None:
    told = kept_back()
    assert told.charge is not None
    told.charge = released(told.charge, DECISION, NOW)
    charge = become(told)
    assert (charge.state, kwh(charge)) == (BILLED, D(9))
    assert any("by Ines: the meter was replaced" in flag for flag in flags_of(charge))


def test_an_operator_who_says_no_energy_bills_what_was_proposed() -> None:
    told = kept_back()
    assert told.charge is not None
    told.charge = released(told.charge, replace(DECISION, energy_wh=None), NOW)
    assert kwh(become(told)) == D("9.5")


def test_an_operator_drops_a_charge_for_good() -> None:
    told = kept_back()
    assert told.charge is not None
    charge = dropped(told.charge, DECISION)
    assert (charge.state, charge.cdr) == (NOT_BILLED, None)
    assert "DROPPED by Ines: the meter was replaced" in flags_of(charge)


def test_nobody_decides_about_a_charge_that_is_billed() -> None:
    charge = become(Told().say(started(), stopped()))
    with pytest.raises(NotQuarantined):
        released(charge, DECISION, NOW)
    with pytest.raises(NotQuarantined):
        dropped(charge, DECISION)


def test_more_than_the_connector_gives_is_not_released_by_mistake() -> None:
    told = kept_back()
    assert told.charge is not None
    told.charge = released(told.charge, replace(DECISION, energy_wh=D(900_000)), NOW)
    charge = become(told)
    assert (charge.state, charge.released_by) == (KEPT_BACK, "")
    assert "UNPRICED: ENERGY_ABOVE_PHYSICAL_LIMIT" in flags_of(charge)
