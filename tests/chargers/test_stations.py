"""Whole lives of stations at the gateway: the simulated ones of both dialects, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.chargers.events import (
    Answered,
    AskSchedule,
    CancelReservation,
    ClearLimit,
    IdToken,
    LimitPeriod,
    LimitProfile,
    ReadFeatures,
    RemoteStart,
    RemoteStop,
    Reserve,
    Reset,
    SetAvailability,
    SetLimit,
    SetSecret,
    SetVariables,
    Spot,
    TellStatus,
    TransactionRef,
    Unlock,
)
from tests.chargers.gateways import Door, running_gateway
from tests.chargers.station import Address, Station, station16, station201

WAIT_SECONDS = 60.0
PASSWORD = "a-password-of-a-station"


@pytest.fixture(scope="module")
async def open_door() -> AsyncIterator[Door]:
    async with running_gateway() as made:
        yield made


@pytest.fixture
def door(open_door: Door) -> Door:
    open_door.desk.forget()
    open_door.desk.passwords["S1"] = PASSWORD
    return open_door


@pytest.fixture(params=[station16, station201], ids=["1.6", "2.0.1"])
async def station(request: pytest.FixtureRequest, door: Door) -> AsyncIterator[Station]:
    made: Station = request.param(Address(door.url, "S1", PASSWORD), plugs=2)
    await made.start()
    yield made
    await made.close()


def spot_of(station: Station, plug: int) -> Spot:
    return Spot(0, plug) if station.subprotocol == "ocpp1.6" else Spot(plug, 1)


def energies(values: Any) -> list[Decimal]:
    return [
        Decimal(sample.value)
        for value in values
        for sample in value.samples
        if sample.measurand == "Energy.Active.Import.Register"
    ]


def transaction_of(station: Station, plug: int) -> TransactionRef:
    what = station.plugs[plug].transaction
    assert what is not None
    return TransactionRef(number=what.number) if station.subprotocol == "ocpp1.6" else TransactionRef(id=what.id)


async def test_c_t1_a_session_from_a_card_to_the_last_reading(door: Door, station: Station) -> None:
    assert await station.tap(1, "TAG")
    station.advance(3600)
    await station.tell_meter(1)
    await station.unplug(1)
    await station.until_ready()
    (boot,) = door.desk.of("booted")
    assert (boot.vendor, boot.firmware) == ("Play", "1.0")
    assert [token.uid for token in door.desk.of("authorise")] == ["TAG"]
    (started,) = door.desk.of("started")
    (metered,) = door.desk.of("metered")
    (stopped,) = door.desk.of("stopped")
    assert (started.spot, started.id_token.uid) == (spot_of(station, 1), "TAG")
    assert metered.transaction == stopped.transaction
    begin = started.meter_wh if started.meter_wh is not None else energies(started.values)[0]
    end = stopped.meter_wh if stopped.meter_wh is not None else energies(stopped.values)[0]
    assert (begin, energies(metered.values), end) == (Decimal(1000), [Decimal(12040)], Decimal(12040))
    statuses = [told.status for told in door.desk.of("told_status") if told.spot == spot_of(station, 1)]
    in_use = "Charging" if station.subprotocol == "ocpp1.6" else "Occupied"
    assert statuses == ["Available", in_use, "Available"]


async def test_who_may_not_charge_does_not(door: Door, station: Station) -> None:
    door.desk.blocked.add("TAG")
    assert not await station.tap(1, "TAG")
    assert door.desk.of("started") == []


async def test_c_t3_what_happened_offline_is_said_once_with_its_own_times(door: Door, station: Station) -> None:
    await station.tap(1, "TAG")
    await station.until_ready()
    await station.go_offline()
    station.advance(1800)
    ended_at = station.now()
    await station.unplug(1)
    await station.go_online()
    (stopped,) = await door.desk.until("stopped")
    assert abs(stopped.at - ended_at) < timedelta(minutes=1)
    assert len(door.desk.of("booted")) == 1
    if station.subprotocol != "ocpp1.6":
        assert (stopped.is_offline, stopped.sequence) == (True, 1)


async def test_c_t4_commands_are_obeyed(door: Door, station: Station) -> None:
    sockets, first, second = door.sockets, spot_of(station, 1), spot_of(station, 2)
    start = RemoteStart(spot=first, id_token=IdToken("ALIAS"), number=42)
    assert (await sockets.ask("S1", start, WAIT_SECONDS)).is_good
    (started,) = await door.desk.until("started")
    await station.until_ready()
    assert started.id_token.uid == "ALIAS"
    assert started.remote_start in {None, 42}
    assert (await sockets.ask("S1", start, WAIT_SECONDS)).answered is Answered.REJECTED
    reserve = Reserve(number=5, spot=first, id_token=IdToken("X"), expires_at=station.now() + timedelta(hours=1))
    assert (await sockets.ask("S1", reserve, WAIT_SECONDS)).answered is Answered.OCCUPIED
    reserve = Reserve(number=5, spot=second, id_token=IdToken("X"), expires_at=station.now() + timedelta(hours=1))
    assert (await sockets.ask("S1", reserve, WAIT_SECONDS)).is_good
    assert (await sockets.ask("S1", CancelReservation(5), WAIT_SECONDS)).is_good
    assert (await sockets.ask("S1", CancelReservation(5), WAIT_SECONDS)).answered is Answered.UNKNOWN
    assert (await sockets.ask("S1", SetAvailability(second, False), WAIT_SECONDS)).is_good
    stop = RemoteStop(transaction_of(station, 1))
    assert (await sockets.ask("S1", stop, WAIT_SECONDS)).is_good
    (stopped,) = await door.desk.until("stopped")
    assert stopped.reason == "Remote"
    assert (await sockets.ask("S1", stop, WAIT_SECONDS)).answered is Answered.REJECTED
    assert (await sockets.ask("S1", Unlock(first), WAIT_SECONDS)).is_good
    away = Unlock(spot_of(station, 9))
    assert (await sockets.ask("S1", away, WAIT_SECONDS)).answered in {Answered.NOT_SUPPORTED, Answered.UNKNOWN}


async def test_limits_are_set_told_and_taken_away(door: Door, station: Station) -> None:
    spot = spot_of(station, 1)
    await station.tap(1, "TAG")
    await station.until_ready()
    plug = station.plugs[1]
    assert plug.power_w(station.now()) == 11040
    periods = (LimitPeriod(0, Decimal(8)), LimitPeriod(600, Decimal("6.55")))
    profile = LimitProfile(
        id=3, purpose="TRANSACTION", stack_level=1, unit="A", periods=periods, start_at=datetime.now(UTC)
    )
    limit = SetLimit(spot=spot, profile=profile, transaction=transaction_of(station, 1))
    assert (await door.sockets.ask("S1", limit, WAIT_SECONDS)).is_good
    assert plug.power_w(station.now()) == 8 * 230 * 3
    most = LimitProfile(id=4, purpose="STATION", stack_level=0, unit="W", periods=(LimitPeriod(0, Decimal(5000)),))
    assert (await door.sockets.ask("S1", SetLimit(spot=Spot(0, 0), profile=most), WAIT_SECONDS)).is_good
    assert plug.power_w(station.now()) == 5000
    asked = AskSchedule(spot=spot, duration_seconds=900, unit="W")
    outcome = await door.sockets.ask("S1", asked, WAIT_SECONDS)
    assert outcome.schedule is not None
    second = Decimal("6.5") if station.subprotocol == "ocpp1.6" else Decimal("6.55")
    assert [period.limit for period in outcome.schedule.periods] == [5000, second * 690]
    assert (outcome.schedule.unit, outcome.schedule.duration_seconds) == ("W", 900)
    for number, answered in ((4, Answered.ACCEPTED), (3, Answered.ACCEPTED), (3, Answered.UNKNOWN)):
        assert (await door.sockets.ask("S1", ClearLimit(number), WAIT_SECONDS)).answered is answered
    assert plug.power_w(station.now()) == 11040


async def test_settings_are_read_and_changed(door: Door, station: Station) -> None:
    assert (await door.sockets.ask("S1", ReadFeatures(), WAIT_SECONDS)).is_good
    (features,) = await door.desk.until("featured")
    is_old = station.subprotocol == "ocpp1.6"
    if is_old:
        assert "SmartCharging" in features["SupportedFeatureProfiles"]
    else:
        assert features["SmartChargingCtrlr.Available"] == "true"
    name = "MeterValueSampleInterval" if is_old else "SampledDataCtrlr.MeterValueSampleInterval"
    assert (await door.sockets.ask("S1", SetVariables({name: "5"}), WAIT_SECONDS)).is_good
    assert station.configuration["MeterValueSampleInterval"] == "5"
    await door.desk.until("told_status", 2)
    assert (await door.sockets.ask("S1", TellStatus(spot_of(station, 2)), WAIT_SECONDS)).is_good
    assert (await door.desk.until("told_status", 3))[2].spot == spot_of(station, 2)


async def test_c_t5_a_new_secret_counts_from_the_next_connection_on(door: Door, station: Station) -> None:
    assert (await door.sockets.ask("S1", SetSecret("another-password-of-it"), WAIT_SECONDS)).is_good
    door.desk.passwords["S1"] = "another-password-of-it"
    assert (await door.sockets.ask("S1", Reset(is_hard=True), WAIT_SECONDS)).is_good
    assert len(await door.desk.until("booted", 2)) == 2
