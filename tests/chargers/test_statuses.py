"""From what connectors say to the status of EVSEs, and how far the clocks of stations are off."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from hub.chargers.places import Plug
from hub.chargers.statuses import clock_offset, effective_time, evse_status
from hub.store.chargesites import Seen
from hub.store.chargestations import KeptConnector
from tests.chargers.sitehouse import NOON

A = Plug(station="CP-1", evse=1, connector=1, evse_uid="1", connector_id="A")
B = Plug(station="CP-1", evse=1, connector=2, evse_uid="1", connector_id="B")
ELSEWHERE = Plug(station="CP-2", evse=1, connector=1, evse_uid="1", connector_id="C")


def said(status: str, evse: int, connector: int, station: str = "CP-1", heard_at: datetime = NOON) -> KeptConnector:
    return KeptConnector(
        identity=station,
        evse=evse,
        connector=connector,
        status=status,
        error="",
        info="",
        happened_at=NOON,
        heard_at=heard_at,
    )


def seen(*connectors: KeptConnector, lost: frozenset[str] = frozenset()) -> Seen:
    by_spot = {(one.identity, one.evse, one.connector): one for one in connectors}
    return Seen(connectors=by_spot, lost=lost, blocked={})


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Available", "AVAILABLE"),
        ("Preparing", "CHARGING"),
        ("Charging", "CHARGING"),
        ("SuspendedEV", "CHARGING"),
        ("SuspendedEVSE", "CHARGING"),
        ("Finishing", "CHARGING"),
        ("Occupied", "CHARGING"),
        ("Reserved", "RESERVED"),
        ("Unavailable", "INOPERATIVE"),
        ("Faulted", "OUTOFORDER"),
        pytest.param("Dancing", "UNKNOWN", id="a word that OCPP does not have"),
    ],
)
def test_a_word_of_ocpp_comes_to_a_status(word: str, status: str) -> None:
    assert evse_status([A], seen(said(word, 0, 1)), "") == status
    assert evse_status([A], seen(said(word, 1, 1)), "") == status


@pytest.mark.parametrize(
    ("words", "status"),
    [
        pytest.param("Available Charging", "CHARGING", id="one is in use: they share a power path"),
        pytest.param("Reserved Charging", "CHARGING", id="in use before reserved"),
        pytest.param("Available Reserved", "RESERVED", id="reserved before free"),
        pytest.param("Faulted Available", "AVAILABLE", id="one works"),
        pytest.param("Unavailable Available", "AVAILABLE", id="one is in service"),
        pytest.param("Faulted Unavailable", "INOPERATIVE", id="out of service before broken"),
        pytest.param("Faulted Faulted", "OUTOFORDER", id="both broken"),
        pytest.param("Faulted", "UNKNOWN", id="the other may work: nobody said"),
    ],
)
def test_an_evse_is_what_the_best_of_its_connectors_is(words: str, status: str) -> None:
    connectors = [said(word, 0, number) for number, word in enumerate(words.split(), 1)]
    assert evse_status([A, B], seen(*connectors), "") == status


@pytest.mark.parametrize(
    ("whole", "status"),
    [
        pytest.param("Faulted", "OUTOFORDER", id="broken as a whole"),
        pytest.param("Unavailable", "INOPERATIVE", id="out of service as a whole"),
        pytest.param("Available", "CHARGING", id="says nothing of its connectors"),
    ],
)
def test_connector_0_of_ocpp_1_6_is_the_whole_station(whole: str, status: str) -> None:
    assert evse_status([A], seen(said(whole, 0, 0), said("Charging", 0, 1)), "") == status


def test_a_station_that_is_lost_says_nothing_and_one_that_is_there_does() -> None:
    there = said("Available", 0, 1)
    assert evse_status([A], seen(there, lost=frozenset({"CP-1"})), "") == "UNKNOWN"
    beside = said("Charging", 1, 1, station="CP-2")
    assert evse_status([A, ELSEWHERE], seen(there, beside, lost=frozenset({"CP-1"})), "") == "CHARGING"
    assert evse_status([A], seen(), "") == "UNKNOWN"
    assert evse_status([], seen(), "") == "UNKNOWN"


@pytest.mark.parametrize(
    ("word", "status"),
    [("Available", "BLOCKED"), ("Faulted", "BLOCKED"), pytest.param("Charging", "CHARGING", id="a car charges")],
)
def test_staff_say_that_an_evse_is_blocked(word: str, status: str) -> None:
    assert evse_status([A], seen(said(word, 0, 1)), "Otto") == status


def test_the_newest_word_counts_where_a_station_changed_its_version_of_ocpp() -> None:
    before = said("Charging", 0, 1, heard_at=NOON - timedelta(days=1))
    assert evse_status([A], seen(before, said("Available", 1, 1)), "") == "AVAILABLE"


HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


@pytest.mark.parametrize(
    ("told", "offset", "effective"),
    [
        pytest.param(None, timedelta(), NOON, id="a message without a time: now"),
        pytest.param(NOON - HOUR, timedelta(), NOON - HOUR, id="an hour ago: it had to wait"),
        pytest.param(NOON - HOUR, -HOUR, NOON, id="an hour ago, by a clock that is an hour behind"),
        pytest.param(NOON + HOUR, timedelta(), NOON, id="to come: the clock is wrong"),
        pytest.param(NOON - timedelta(days=9000), timedelta(), NOON, id="by a clock that began anew in the year 2000"),
    ],
)
def test_a_time_is_what_our_clock_would_have_said(
    told: datetime | None, offset: timedelta, effective: datetime
) -> None:
    assert effective_time(told, NOON, offset) == effective


@pytest.mark.parametrize(
    ("told", "last", "offset"),
    [
        pytest.param(NOON - 3 * SECOND, None, timedelta(), id="a message takes its time"),
        pytest.param(NOON + HOUR, None, HOUR, id="to come: the clock is ahead"),
        pytest.param(NOON - HOUR, None, None, id="past: it may have had to wait"),
        pytest.param(
            NOON - HOUR, (NOON - 30 * SECOND, -HOUR), -HOUR, id="as far past half a minute ago: the clock is behind"
        ),
        pytest.param(NOON - HOUR, (NOON - SECOND, -HOUR), None, id="two messages that waited together"),
        pytest.param(NOON - HOUR, (NOON - 30 * SECOND, -2 * HOUR), None, id="two that waited, not as long"),
    ],
)
def test_how_far_a_clock_is_ahead(
    told: datetime, last: tuple[datetime, timedelta] | None, offset: timedelta | None
) -> None:
    assert clock_offset(told, NOON, last) == offset
