"""Commands to local stations (mod_commands; C-T4): what eMSPs are answered, and what they are told, whatever stations do."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from hub.chargers.commands import require_connector
from hub.chargers.events import (
    Answered,
    CancelReservation,
    IdToken,
    Outcome,
    RemoteStart,
    RemoteStop,
    Reserve,
    Spot,
    Unlock,
)
from hub.chargers.features import RESERVATION, SMART_CHARGING, lacks
from hub.chargers.places import Site
from hub.chargers.promises import PROMISED_SECONDS
from hub.clock import SystemClock
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.types import parse_datetime
from tests.chargers.faces import APP, APP_NAMED, CARD, CARD_NAMED, Face, plug, within

Object = dict[str, Any]

AT_E1 = plug("CS1", 1, "E1")
WHERE = {"location_id": "S1", "evse_uid": "E1", "connector_id": "1"}
START = {"token": APP, **WHERE, "authorization_reference": "ref-7"}
UNLOCK = {"location_id": "S1", "evse_uid": "E1", "connector_id": "1"}
OTHERS = {**APP, "country_code": "BE", "party_id": "MS2"}


def reserve(reservation_id: str = "r-1", token: Object = APP, **changes: Any) -> Object:
    asked = {"token": token, "reservation_id": reservation_id, "location_id": "S1", "evse_uid": "E1"}
    return {**asked, "expiry_date": within(hours=1), "authorization_reference": "ref-8", **changes}


COMMANDS: dict[str, tuple[Object, type]] = {
    "START_SESSION": (START, RemoteStart),
    "STOP_SESSION": ({"session_id": "sess-1"}, RemoteStop),
    "RESERVE_NOW": (reserve("r-new"), Reserve),
    "CANCEL_RESERVATION": ({"reservation_id": "r-1"}, CancelReservation),
    "UNLOCK_CONNECTOR": (UNLOCK, Unlock),
}


async def prepared(face: Face, command: str) -> None:
    """What has to be there for a command to mean something."""
    if command == "STOP_SESSION":
        await face.charge("sess-1", AT_E1, APP_NAMED)
    if command == "CANCEL_RESERVATION":
        _, result = await face.command("RESERVE_NOW", reserve())
        assert await face.result(result) == {"result": "ACCEPTED"}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("answered", "told"),
    [
        pytest.param(Answered.ACCEPTED, "ACCEPTED", id="Accepted"),
        pytest.param(Answered.REJECTED, "REJECTED", id="Rejected"),
        pytest.param(Answered.FAILED, "FAILED", id="CALLERROR of any kind"),
        pytest.param(Answered.NOT_SUPPORTED, "NOT_SUPPORTED", id="CALLERROR NotImplemented"),
        pytest.param(Answered.TIMEOUT, "TIMEOUT", id="silence"),
        pytest.param(Answered.NOT_CONNECTED, "REJECTED", id="disconnected meanwhile"),
        pytest.param(Answered.OCCUPIED, "EVSE_OCCUPIED", id="Occupied"),
        pytest.param(Answered.FAULTED, "EVSE_INOPERATIVE", id="Faulted"),
        pytest.param(Answered.UNAVAILABLE, "EVSE_INOPERATIVE", id="Unavailable"),
    ],
)
async def test_what_a_station_answers_is_the_result_of_a_command(
    face: Face, command: str, answered: Answered, told: str
) -> None:
    """C-T4: every command with every answer."""
    await prepared(face, command)
    asked, question = COMMANDS[command]
    face.stations.answers[question] = Outcome(answered)
    heard, result = await face.command(command, asked)
    assert heard.data == {"result": "ACCEPTED", "timeout": PROMISED_SECONDS}
    assert await face.result(result) == {"result": told}
    assert any(type(one) is question for _, one in face.stations.asked)


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_station_without_a_socket_is_rejected_at_once(face: Face, command: str) -> None:
    """C-T4: disconnected."""
    await prepared(face, command)
    await face.execute("update charge_station set connection = '' where identity = 'CS1'")
    face.stations.asked.clear()
    heard, _ = await face.command(command, COMMANDS[command][0])
    assert heard.data == {"result": "REJECTED", "timeout": 0}
    assert face.stations.asked == []


# --- starting -------------------------------------------------------------------------------------


@pytest.mark.proves("SE-12", "CM-15")
async def test_a_start_carries_an_alias_and_the_number_by_which_its_driver_is_known_again(face: Face) -> None:
    """C-T1: the session that begins is the eMSP's, with its authorization_reference."""
    _, result = await face.command("START_SESSION", START)
    await face.result(result)
    ((station, ask),) = face.stations.asked
    assert (station, ask.spot, len(ask.id_token.uid)) == ("CS1", Spot(0, 1), 20)
    by_number = await face.authoriser.recognise("CS1", None, None, ask.number)
    by_alias = await face.authoriser.recognise("CS1", IdToken(ask.id_token.uid), None, None)
    for permit in (by_number, by_alias):
        assert (permit.is_granted, permit.auth_method, permit.reference) == (True, "COMMAND", "ref-7")
        assert permit.token == APP_NAMED
    foreign = await face.authoriser.recognise("CS2", None, None, ask.number)
    assert foreign.token is None, "a number counts at the station that got it"


@pytest.mark.parametrize(
    ("where", "code"),
    [
        pytest.param({"location_id": "S9"}, 2003, id="no such Location"),
        pytest.param({"location_id": "S1", "evse_uid": "E9"}, 2003, id="no such EVSE"),
        pytest.param({"location_id": "S1", "evse_uid": "E1", "connector_id": "9"}, 2003, id="no such Connector"),
    ],
)
@pytest.mark.proves("S-04:chargers")
async def test_a_place_that_is_not_there_is_2003(face: Face, where: Object, code: int) -> None:
    heard, _ = await face.command("START_SESSION", {"token": APP, **where})
    assert heard.status_code == code


PLACED = {"location_id": "S1", "evse_uid": "E1", "connector_id": "1"}
WHOLE: dict[str, Object] = {
    "START_SESSION": {"token": APP, "location_id": "S1"},
    "RESERVE_NOW": {"token": APP, "location_id": "S1", "expiry_date": within(hours=1), "reservation_id": "r-9"},
    "UNLOCK_CONNECTOR": PLACED,
    "STOP_SESSION": {"session_id": "sess-1"},
    "CANCEL_RESERVATION": {"reservation_id": "r-9"},
}


@pytest.mark.proves("CM-13")
@pytest.mark.parametrize(
    ("command", "left_out"),
    # without a Location nobody says to whom it goes: these are sent to the local CPO by name
    [(command, name) for command, whole in WHOLE.items() for name in whole],
)
async def test_what_a_command_lacks_is_2001(face: Face, command: str, left_out: str) -> None:
    content = {name: value for name, value in WHOLE[command].items() if name != left_out}
    heard, _ = await face.command(command, content)
    assert heard.status_code == 2001


@pytest.mark.proves("CM-13")
def test_an_evse_may_want_to_be_told_which_connector_is_meant() -> None:
    evse = {"uid": "E1", "capabilities": ["START_SESSION_CONNECTOR_REQUIRED"], "connectors": [{"id": "1"}]}
    one = Site(id="S1", location={"id": "S1", "evses": [evse]}, plugs=(AT_E1,))
    require_connector(one, one.plugs, {"location_id": "S1", "evse_uid": "E1", "connector_id": "1"})
    with pytest.raises(InvalidParameters):
        require_connector(one, one.plugs, {"location_id": "S1", "evse_uid": "E1"})


@pytest.mark.parametrize(
    ("status", "told"),
    [
        pytest.param("Charging", "EVSE_OCCUPIED", id="somebody charges"),
        pytest.param("SuspendedEV", "EVSE_OCCUPIED", id="somebody charges, and pauses"),
        pytest.param("Preparing", "ACCEPTED", id="the driver has plugged in"),
        pytest.param("Occupied", "ACCEPTED", id="2.x: the driver has plugged in"),
        pytest.param("Faulted", "EVSE_INOPERATIVE", id="broken"),
        pytest.param("Unavailable", "EVSE_INOPERATIVE", id="out of use"),
    ],
)
async def test_how_a_connector_stands_decides_before_the_station_is_asked(face: Face, status: str, told: str) -> None:
    await face.status("CS1", 1, status)
    heard, result = await face.command("START_SESSION", START)
    assert heard.data["result"] == "ACCEPTED"
    assert await face.result(result) == {"result": told}
    assert bool(face.stations.asked) == (told == "ACCEPTED")


async def test_a_charge_that_goes_on_occupies_its_evse_whatever_the_status(face: Face) -> None:
    await face.charge("sess-1", AT_E1, CARD_NAMED)
    _, result = await face.command("START_SESSION", START)
    assert await face.result(result) == {"result": "EVSE_OCCUPIED"}


async def test_staff_can_block_an_evse(face: Face) -> None:
    await face.execute(
        "insert into charge_evse (site, evse_uid, changed_at, blocked_by) values ('S1', 'E1', now(), 'otto')"
    )
    _, result = await face.command("START_SESSION", START)
    assert await face.result(result) == {"result": "EVSE_INOPERATIVE"}


async def test_without_an_evse_the_first_free_one_is_taken(face: Face) -> None:
    await face.status("CS1", 1, "Charging")
    await face.execute("update charge_station set connection = '' where identity = 'CS2'")
    _, result = await face.command("START_SESSION", {"token": APP, "location_id": "S1"})
    await face.result(result)
    ((_, ask),) = face.stations.asked
    assert ask.spot == Spot(0, 2)


# --- stopping -------------------------------------------------------------------------------------


@pytest.mark.proves("CM-17")
async def test_a_session_is_stopped_by_whoever_pays_for_it(face: Face) -> None:
    number = await face.charge("sess-1", AT_E1, APP_NAMED)
    other, _ = await face.command("STOP_SESSION", {"session_id": "sess-1"}, face.other)
    assert other.data == {"result": "REJECTED", "timeout": 0}
    unknown, _ = await face.command("STOP_SESSION", {"session_id": "sess-2"})
    assert unknown.data["result"] == "UNKNOWN_SESSION"
    _, result = await face.command("STOP_SESSION", {"session_id": "sess-1"})
    await face.result(result)
    ((_, ask),) = face.stations.asked
    assert ask.transaction.number == number


# --- reserving ------------------------------------------------------------------------------------


async def made(face: Face, **changes: Any) -> Any:
    _, result = await face.command("RESERVE_NOW", reserve(**changes))
    assert await face.result(result) == {"result": "ACCEPTED"}
    return face.stations.asked[-1][1]


@pytest.mark.proves("CM-16")
async def test_an_id_of_a_reservation_is_its_senders_own(face: Face) -> None:
    await made(face)
    unknown, result = await face.command("CANCEL_RESERVATION", {"reservation_id": "r-1"}, face.other)
    assert unknown.data["result"] == "ACCEPTED"
    assert await face.result(result, face.other) == {"result": "UNKNOWN_RESERVATION"}
    _, result = await face.command("CANCEL_RESERVATION", {"reservation_id": "R-1"})
    assert await face.result(result) == {"result": "ACCEPTED"}
    _, result = await face.command("CANCEL_RESERVATION", {"reservation_id": "r-1"})
    assert await face.result(result) == {"result": "UNKNOWN_RESERVATION"}


async def test_a_known_id_replaces_its_reservation_at_the_same_station(face: Face) -> None:
    first = await made(face)
    again = await made(face, expiry_date=within(hours=2))
    assert (again.number, again.expires_at > first.expires_at) == (first.number, True)
    rows = await face.fetch("select state, expires_at from charge_reservation")
    assert [(row["state"], row["expires_at"]) for row in rows] == [("ACTIVE", again.expires_at)]


async def test_a_known_id_at_another_station_gives_the_old_place_back(face: Face) -> None:
    first = await made(face)
    await made(face, evse_uid="E3")
    assert ("CS1", CancelReservation(first.number)) in face.stations.asked
    rows = await face.fetch("select identity, state from charge_reservation order by number")
    assert [tuple(row.values()) for row in rows] == [("CS1", "CANCELLED"), ("CS2", "ACTIVE")]


async def test_a_replacement_that_a_station_refuses_leaves_what_was(face: Face) -> None:
    first = await made(face)
    face.stations.answers[Reserve] = Outcome(Answered.REJECTED)
    _, result = await face.command("RESERVE_NOW", reserve(expiry_date=within(hours=2)))
    assert await face.result(result) == {"result": "REJECTED"}
    (row,) = await face.fetch("select state, expires_at from charge_reservation")
    assert (row["state"], row["expires_at"]) == ("ACTIVE", first.expires_at)


async def test_a_reserved_evse_is_occupied_for_others_and_free_for_its_holder(face: Face) -> None:
    reserved = await made(face)
    others = {**START, "token": OTHERS}
    _, result = await face.command("START_SESSION", others, face.other)
    assert await face.result(result, face.other) == {"result": "EVSE_OCCUPIED"}
    _, result = await face.command("START_SESSION", START)
    assert await face.result(result) == {"result": "ACCEPTED"}
    assert face.stations.asked[-1][1].id_token.uid == reserved.id_token.uid, "stations compare the two"


async def test_a_card_opens_its_reservation_at_the_station_with_the_reference(face: Face) -> None:
    """The session started carries the authorization_reference."""
    reserved = await made(face, token=CARD)
    assert reserved.id_token == IdToken("CARD1", "ISO14443")
    place = face.book().place("CS1", Spot(0, 1))
    permit = await face.authoriser.recognise("CS1", IdToken("card1"), place, None)
    assert (permit.token, permit.auth_method, permit.reference) == (CARD_NAMED, "COMMAND", "ref-8")
    assert await face.authoriser.recognise("CS1", IdToken("card1"), place, None) == permit, "told twice"


@pytest.mark.parametrize("token", [pytest.param(APP, id="alias"), pytest.param(CARD, id="card")])
async def test_who_starts_at_a_kept_place_by_a_command_has_the_reference_of_that(face: Face, token: Object) -> None:
    reserved = await made(face, token=token)
    _, result = await face.command("START_SESSION", {**START, "token": token})
    assert await face.result(result) == {"result": "ACCEPTED"}
    started = face.stations.asked[-1][1]
    assert started.id_token == reserved.id_token
    permit = await face.authoriser.recognise("CS1", started.id_token, face.book().place("CS1", Spot(0, 1)), None)
    assert (permit.is_granted, permit.auth_method, permit.reference) == (True, "COMMAND", "ref-7")


@pytest.mark.parametrize(
    ("changes", "response"),
    [
        pytest.param({"expiry_date": "2020-01-01T00:00:00Z"}, "REJECTED", id="its time is over"),
        pytest.param({}, "NOT_SUPPORTED", id="the station cannot"),
    ],
)
async def test_what_cannot_be_reserved_is_said_at_once(face: Face, changes: Object, response: str) -> None:
    features = json.dumps({"SupportedFeatureProfiles": "Core,SmartCharging"})
    await face.execute("update charge_station set features = $1", features)
    heard, _ = await face.command("RESERVE_NOW", reserve(**changes))
    assert heard.data == {"result": response, "timeout": 0}


async def test_a_place_where_a_car_stands_is_not_reserved(face: Face) -> None:
    await face.status("CS1", 1, "Preparing")
    _, result = await face.command("RESERVE_NOW", reserve())
    assert await face.result(result) == {"result": "EVSE_OCCUPIED"}


async def test_a_station_that_needs_the_place_is_told_on_to_the_sender(face: Face) -> None:
    reserved = await made(face)
    await face.reservations.reservation_ended("CS2", reserved.number, "Removed")
    (result,) = [one[0] for one in face.emsp.desk.results]
    await face.reservations.reservation_ended("CS1", reserved.number, "Removed")
    told = [content["result"] for name, content in face.emsp.desk.results if name == result]
    assert told == ["ACCEPTED", "CANCELED_RESERVATION"]


async def test_a_reservation_that_may_have_come_about_is_taken_back(face: Face) -> None:
    face.stations.answers[Reserve] = Outcome(Answered.TIMEOUT)
    _, result = await face.command("RESERVE_NOW", reserve())
    assert await face.result(result) == {"result": "TIMEOUT"}
    assert type(face.stations.asked[-1][1]) is CancelReservation


async def test_a_reservation_whose_time_is_over_is_no_longer_one(face: Face) -> None:
    await made(face)
    await face.execute("update charge_reservation set expires_at = now() - interval '1 second'")
    await face.keeper.look()
    (row,) = await face.fetch("select state from charge_reservation")
    assert row["state"] == "EXPIRED"
    _, result = await face.command("START_SESSION", {**START, "token": OTHERS}, face.other)
    assert await face.result(result, face.other) == {"result": "ACCEPTED"}


# --- promises -------------------------------------------------------------------------------------


async def kept_command(face: Face) -> tuple[int, str]:
    """A command as a process leaves it that is killed while the station thinks; its number, and the name of its result."""
    _, result = await face.command("UNLOCK_CONNECTOR", UNLOCK)
    await face.result(result)
    await face.idle()
    face.emsp.desk.results.clear()
    await face.execute("update charge_command set is_told = false, result = '', due_at = now() + interval '1 hour'")
    (row,) = await face.fetch("select number from charge_command")
    return int(row["number"]), result


async def test_what_a_killed_process_promised_is_answered_by_whoever_leads(face: Face) -> None:
    number, result = await kept_command(face)
    await face.keeper.look()
    assert not face.emsp.desk.results, "its time is not over"
    await face.execute("update charge_command set due_at = now() - interval '1 second'")
    await face.keeper.look()
    await face.keeper.look()
    assert list(face.emsp.desk.results) == [(result, {"result": "TIMEOUT"})], "told once"
    command = await face.kept.command(number)
    assert command is not None
    assert command.result == '{"result":"TIMEOUT"}'


async def test_the_first_result_counts(face: Face) -> None:
    number, _ = await kept_command(face)
    now = SystemClock().now()
    assert await face.kept.settle(number, '{"result":"ACCEPTED"}', now)
    assert not await face.kept.settle(number, '{"result":"TIMEOUT"}', now)


async def test_a_result_that_an_emsp_does_not_take_is_tried_once_more_and_then_given_up(face: Face) -> None:
    _, _ = await kept_command(face)
    await face.execute("update charge_command set due_at = now() - interval '1 second'")
    async with face.emsp.down():
        await face.keeper.look()
    (row,) = await face.fetch("select is_told from charge_command")
    assert row["is_told"]
    await face.emsp.client_infos()


async def test_what_is_long_over_is_forgotten(face: Face) -> None:
    await made(face)
    await face.idle()
    before = SystemClock().now() + timedelta(days=1)
    await face.kept.tidy(before)
    assert await face.fetch("select 1 from charge_reservation"), "its Session is told to nobody yet"
    await face.execute("update charge_reservation set told_version = version")
    await face.kept.tidy(before)
    for table in ("charge_command", "charge_alias", "charge_reservation"):
        assert await face.fetch(f"select 1 from {table}") == []


# --- pure ---


@pytest.mark.parametrize(
    ("features", "lacking"),
    [
        pytest.param({}, False, id="nothing is known: it is asked"),
        pytest.param({"SupportedFeatureProfiles": "Core, smartcharging"}, False, id="1.6, in any case"),
        pytest.param({"SupportedFeatureProfiles": "Core,Reservation"}, True, id="1.6 without it"),
        pytest.param({"SmartChargingCtrlr.Available": "true"}, False, id="2.x"),
        pytest.param({"SmartChargingCtrlr.Enabled": "False"}, True, id="2.x, switched off"),
        pytest.param({"OCPPCommCtrlr.HeartbeatInterval": "60"}, True, id="2.x without the component"),
        pytest.param({"HeartbeatInterval": "60"}, False, id="1.6 that does not say"),
    ],
)
def test_what_a_station_lacks_is_read_from_what_it_told(features: dict[str, str], lacking: bool) -> None:
    assert lacks(features, SMART_CHARGING) == lacking


def test_reservations_have_a_feature_of_their_own() -> None:
    assert lacks({"SupportedFeatureProfiles": "Core,SmartCharging"}, RESERVATION)


def test_moments_are_written_as_ocpi_has_them() -> None:
    assert parse_datetime(within(hours=1)) > SystemClock().now()
