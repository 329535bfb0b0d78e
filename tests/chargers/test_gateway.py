"""The door for charge points: who is let in, and what happens to what comes over a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from hub.chargers.events import (
    Answered,
    IdToken,
    Login,
    Outcome,
    RemoteStart,
    Spot,
    StationState,
    TellStatus,
)
from hub.chargers.ocpp import link as link_module
from hub.server import FRAME_MAX_BYTES
from tests.chargers.desks import NotingDesk, Said
from tests.chargers.gateways import Door, RawStation, basic, raw_station, running_gateway

VERSIONS = ("1.6", "2.0.1", "2.1")
START = RemoteStart(spot=Spot(0, 1), id_token=IdToken("TAG"), number=7)


@pytest.fixture(scope="module")
async def open_door() -> AsyncIterator[Door]:
    async with running_gateway() as made:
        yield made


@pytest.fixture
def door(open_door: Door) -> Door:
    open_door.desk.forget()
    open_door.spots.clear()
    return open_door


async def refused(door: Door, path: str, headers: dict[str, str] | None = None) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"{door.url}/{path}", subprotocols=[Subprotocol("ocpp1.6")], additional_headers=headers)
    return caught.value


# --- who is let in ---


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("", 404, id="no identity"),
        pytest.param("A/B", 404, id="a folder and more"),
        pytest.param("A%20B", 400, id="a space"),
        pytest.param("%C3%A9", 400, id="no ASCII"),
        pytest.param("A%00B", 400, id="a control character"),
        pytest.param("A" * 49, 400, id="49 characters"),
    ],
)
async def test_what_is_no_identity_is_refused_by_http(door: Door, path: str, status: int) -> None:
    assert (await refused(door, path)).response.status_code == status
    assert door.desk.said == []


async def test_an_identity_is_percent_decoded(door: Door) -> None:
    identity = "A|B:" + "C" * 44
    async with raw_station(door, identity.replace("|", "%7C").replace(":", "%3A")) as station:
        await station.boot()
    assert door.desk.said[0].identity == identity


async def test_c_t5_c6_a_bad_login_is_answered_401_with_a_challenge(door: Door) -> None:
    door.desk.passwords["S1"] = "right"
    for headers in (None, basic("S1", "wrong"), basic("S2", "right"), {"Authorization": "Bearer x"}):
        error = await refused(door, "S1", headers)
        assert error.response.status_code == 401
        assert error.response.headers["WWW-Authenticate"].startswith("Basic ")
    async with raw_station(door, headers=basic("S1", "right")) as station:
        assert (await station.boot())[2]["status"] == "Accepted"


@pytest.mark.parametrize(
    ("sent", "password"),
    [
        pytest.param("pass:word", "pass:word", id="a colon in it"),
        pytest.param("pâté", "pâté", id="UTF-8"),
        pytest.param(b"\x00\xff" * 10, "00ff" * 10, id="20 bytes that are no text: hexadecimal"),
        pytest.param(b"\x01\x02abc", "0102616263", id="bytes that decode but are not to be printed"),
        pytest.param("00ff" * 10, "00ff" * 10, id="the same key as text"),
    ],
)
async def test_passwords_may_be_bytes(door: Door, sent: str | bytes, password: str) -> None:
    door.desk.passwords["S1"] = password
    async with raw_station(door, headers=basic("S1", sent)):
        await door.desk.until("connected")
    assert door.desk.of("admit") == [(Login("S1", password), "127.0.0.1", False)]


async def test_an_identity_with_colons_has_a_login_too(door: Door) -> None:
    door.desk.passwords["DE:1"] = "a:b"
    async with raw_station(door, "DE:1", headers=basic("DE:1", "a:b")):
        await door.desk.until("connected")


async def test_c_t5_c7_a_certificate_is_believed_of_the_front_only() -> None:
    told = {"x-client-certificate-name": "S1", "x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "https"}
    async with running_gateway(front=frozenset({"127.0.0.1"})) as door:
        door.desk.passwords["S1"] = "secret"
        async with raw_station(door, headers=told) as station:
            await station.boot()
        assert door.desk.of("admit") == [(Login("S1", "", is_certified=True), "198.51.100.7", True)]
        other = await refused(door, "S1", told | {"x-client-certificate-name": "S2"})
        assert other.response.status_code == 401
    async with running_gateway() as door:
        door.desk.passwords["S1"] = "secret"
        assert (await refused(door, "S1", told)).response.status_code == 401
        assert door.desk.of("admit") == [(None, "127.0.0.1", False)]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        pytest.param(["ocpp2.0.1", "ocpp1.6"], "ocpp2.0.1", id="the station's order"),
        pytest.param(["ocpp1.6", "ocpp2.0.1"], "ocpp1.6", id="the other way round"),
        pytest.param(["ocpp3.0", "ocpp2.1"], "ocpp2.1", id="the first that is known"),
        pytest.param(["OCPP1.6"], "OCPP1.6", id="in capitals"),
    ],
)
async def test_the_version_is_the_first_that_the_station_offers(door: Door, offered: list[str], chosen: str) -> None:
    async with connect(f"{door.url}/S1", subprotocols=[Subprotocol(one) for one in offered]) as socket:
        assert socket.subprotocol == chosen
        await door.desk.until("connected")
    assert door.desk.of("connected")[0][0] == chosen.lower().removeprefix("ocpp")


@pytest.mark.parametrize("offered", [None, ["ocpp1.5"]], ids=["none offered", "none known"])
async def test_without_a_version_in_common_the_socket_is_closed_1002(door: Door, offered: list[str] | None) -> None:
    protocols = [Subprotocol(one) for one in offered] if offered else None
    async with connect(f"{door.url}/S1", subprotocols=protocols) as socket:
        assert (await RawStation(socket).until_closed())[0] == 1002
    assert door.desk.of("connected") == []


async def test_a_desk_that_fails_lets_nobody_in_and_breaks_nothing(door: Door) -> None:
    async def fail(said: Said) -> None:
        raise RuntimeError("no database")

    door.desk.before = fail
    error = await refused(door, "S1")
    assert (error.response.status_code, error.response.headers["Retry-After"]) == (503, "30")
    door.desk.before = None
    async with raw_station(door) as station:
        assert (await station.boot())[0] == 3


# --- frames ---


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("text", "codes"),
    [
        pytest.param("{", ("-1", "FormationViolation", "RpcFrameworkError"), id="no JSON"),
        pytest.param("{}", ("-1", "FormationViolation", "RpcFrameworkError"), id="no list"),
        pytest.param("[]", ("-1", "FormationViolation", "RpcFrameworkError"), id="an empty list"),
        pytest.param("[" * 60_000, ("-1", "FormationViolation", "RpcFrameworkError"), id="nested without end"),
        pytest.param('[2,"x"]', ("x", "FormationViolation", "RpcFrameworkError"), id="a call without an action"),
        pytest.param('[2,7,"Heartbeat",{}]', ("-1", "FormationViolation", "RpcFrameworkError"), id="a number as id"),
        pytest.param('[2,"","Heartbeat",{}]', ("-1", "FormationViolation", "RpcFrameworkError"), id="an empty id"),
        pytest.param('[9,"x"]', ("x", "FormationViolation", "MessageTypeNotSupported"), id="an unknown type"),
        pytest.param('[2,"x","Nonsense",{}]', ("x", "NotImplemented", "NotImplemented"), id="C4: an unknown action"),
        pytest.param('[2,"x","ClearCache",{}]', ("x", "NotSupported", "NotSupported"), id="C4: the hub's own action"),
        pytest.param(
            '[2,"x","SecurityEventNotification",{"type":1,"timestamp":"2026-03-01T12:00:00Z"}]',
            ("x", "TypeConstraintViolation", "TypeConstraintViolation"),
            id="a number for a text",
        ),
        pytest.param(
            '[2,"x","Heartbeat",{"more":1}]', ("x", "FormationViolation", "FormatViolation"), id="more than is known"
        ),
    ],
)
async def test_c_t7_what_cannot_be_read_is_answered_in_the_words_of_the_version(
    door: Door, version: str, text: str, codes: tuple[str, str, str]
) -> None:
    async with raw_station(door, version=version) as station:
        await station.boot(version)
        await station.say(text)
        answer = await station.hear()
        code = codes[1] if version == "1.6" else codes[2]
        assert answer[:3] == [4, codes[0], code]
        assert (await station.ask("Heartbeat", {}))[0] == 3


@pytest.mark.parametrize(
    ("version", "code"),
    [("1.6", "ProtocolError"), ("2.0.1", "OccurenceConstraintViolation"), ("2.1", "OccurrenceConstraintViolation")],
)
async def test_c_t7_what_is_missing_is_named(door: Door, version: str, code: str) -> None:
    async with raw_station(door, version=version) as station:
        answer = await station.ask("Authorize", {})
        assert answer[2] == code
        assert "idT" in answer[3]


async def test_c_t7_a_value_that_no_list_knows_is_a_constraint(door: Door) -> None:
    async with raw_station(door) as station:
        answer = await station.ask("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Odd"})
        assert answer[2:4] == ["PropertyConstraintViolation", "status: enum"]


async def test_numbers_beyond_what_counts_are_refused(door: Door) -> None:
    async with raw_station(door) as station:
        status = {"errorCode": "NoError", "status": "Available"}
        for number in (-1, 2**31):
            answer = await station.ask("StatusNotification", {"connectorId": number, **status})
            assert answer[2] == "PropertyConstraintViolation"


async def test_what_no_database_keeps_is_cleaned_out(door: Door) -> None:
    async with raw_station(door) as station:
        said = {"chargePointVendor": "V\0\0", "chargePointModel": "M"}
        assert (await station.ask("BootNotification", said))[0] == 3
        await station.say('[2,"x","BootNotification",{"chargePointVendor":"\\ud800","chargePointModel":"M"}]')
        assert (await station.hear())[2] == "FormationViolation"
    assert [boot.vendor for boot in door.desk.of("booted")] == ["V"]


async def test_binary_frames_close_the_socket_1003(door: Door) -> None:
    async with raw_station(door) as station:
        await station.say(b"[2]")
        assert (await station.until_closed())[0] == 1003


async def test_a_frame_beyond_the_bound_closes_the_socket_1009(door: Door) -> None:
    async with raw_station(door) as station:
        await station.say("x" * (FRAME_MAX_BYTES + 1))
        assert (await station.until_closed())[0] == 1009
    async with raw_station(door) as station:
        assert (await station.boot())[0] == 3


async def test_2_1_a_send_is_taken_without_an_answer(door: Door) -> None:
    async with raw_station(door, version="2.1") as station:
        await station.boot("2.1")
        await station.say('[6,"x","NotifyPeriodicEventStream",{}]')
        await station.say('[5,"y","InternalError","",{}]')
        assert (await station.ask("Heartbeat", {}))[0] == 3


async def test_a_fault_of_ours_is_an_internal_error_and_the_socket_lives(door: Door) -> None:
    async def fail(said: Said) -> None:
        if said.kind == "heard":
            raise RuntimeError("no database")

    async with raw_station(door) as station:
        await station.boot()
        door.desk.before = fail
        assert (await station.ask("Heartbeat", {}))[2:4] == ["InternalError", "the hub could not do that"]
        door.desk.before = None
        assert (await station.ask("Heartbeat", {}))[0] == 3


async def test_messages_of_a_station_are_answered_in_order_and_a_slow_one_holds_up_nobody_else(door: Door) -> None:
    gate = asyncio.Event()

    async def wait(said: Said) -> None:
        if said.kind == "heard" and said.identity == "SLOW":
            await gate.wait()

    door.desk.before = wait
    async with raw_station(door, "SLOW") as slow, raw_station(door, "FAST") as fast:
        await slow.boot()
        await slow.say('[2,"1","Heartbeat",{}]')
        await slow.say('[2,"2","DataTransfer",{"vendorId":"x"}]')
        await door.desk.until("heard")
        await fast.boot()
        assert (await fast.ask("Heartbeat", {}))[0] == 3
        gate.set()
        assert [(await slow.hear())[1] for _ in range(2)] == ["1", "2"]


async def test_who_floods_is_read_slower_then_closed_1008(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "FLOOD_MAX_SECONDS", 0.2)
    async with raw_station(door, "LOUD") as loud, raw_station(door, "QUIET") as quiet:

        async def shout() -> None:
            while True:
                await loud.say("nonsense")
                await asyncio.sleep(0)

        async def listen() -> None:
            async for _ in loud.socket:
                pass

        tasks = [asyncio.create_task(step()) for step in (shout, listen)]
        assert (await quiet.boot())[0] == 3
        assert await loud.until_closed() == (1008, "too many messages")
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (await quiet.ask("Heartbeat", {}))[0] == 3


async def test_who_says_much_but_waits_for_answers_is_not_closed(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "FLOOD_MAX_SECONDS", 0.2)
    async with raw_station(door) as station:
        await station.boot()
        for _ in range(link_module.MESSAGES_AT_ONCE + 2 * link_module.MESSAGES_PER_SECOND):
            assert (await station.ask("Heartbeat", {}))[0] == 3


# --- stations that are not accepted ---


@pytest.mark.parametrize("version", VERSIONS)
async def test_who_is_pending_may_boot_and_say_what_it_is_asked_for(door: Door, version: str) -> None:
    door.desk.states["S1"] = StationState.PENDING
    status: dict[str, Any] = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    if version != "1.6":
        status = {"timestamp": "2026-03-01T12:00:00Z", "evseId": 1, "connectorId": 1, "connectorStatus": "Available"}
    async with raw_station(door, version=version) as station:
        assert (await station.ask("StatusNotification", status))[2] == "SecurityError"
        assert (await station.boot(version))[2]["status"] == "Pending"
        assert (await station.ask("StatusNotification", status))[2] == "SecurityError"
        start = await door.sockets.ask("S1", START, 5)
        assert start.answered is Answered.NOT_CONNECTED
        asking = asyncio.create_task(door.sockets.ask("S1", TellStatus(), 5))
        await station.answer({"status": "Accepted"})
        assert (await asking).is_good
        assert (await station.ask("StatusNotification", status))[0] == 3
        door.desk.states["S1"] = StationState.ACCEPTED
        assert (await station.boot(version))[2]["status"] == "Accepted"
        assert (await station.ask("Heartbeat", {}))[0] == 3
    assert len(door.desk.of("told_status")) == 1


async def test_a_reconnection_without_boot_is_normal_and_asked_for_the_status(door: Door) -> None:
    door.spots[:] = [Spot(0, 1), Spot(0, 2)]
    async with raw_station(door) as station:
        await station.say('[2,"1","Heartbeat",{}]')
        assert (await station.hear())[:2] == [3, "1"]
        for number in (1, 2):
            asked = await station.answer({"status": "Accepted"})
            assert asked == ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": number})


async def test_who_boots_is_asked_for_no_status(door: Door) -> None:
    async with raw_station(door) as station:
        await station.boot()
        assert (await station.ask("Heartbeat", {}))[0] == 3
        asking = asyncio.create_task(door.sockets.ask("S1", START, 5))
        assert (await station.hear_question())[1] == "RemoteStartTransaction"
        asking.cancel()


# --- two sockets of one station ---


async def test_the_newest_socket_counts_and_takes_over_what_was_asked(door: Door) -> None:
    async with raw_station(door) as older:
        await older.boot()
        asking = asyncio.create_task(door.sockets.ask("S1", START, 20))
        assert (await older.hear_question())[1] == "RemoteStartTransaction"
        async with raw_station(door) as newer:
            assert (await newer.answer({"status": "Accepted"}, "RemoteStartTransaction"))[1]["idTag"] == "TAG"
            assert (await asking).answered is Answered.ACCEPTED
            assert (await older.until_closed())[0] == 1000
            first, second = (connection for _, connection in await door.desk.until("connected", 2))
            assert await door.desk.until("disconnected") == [first]
            assert door.sockets.is_here("S1")
        assert await door.desk.until("disconnected", 2) == [first, second]
    assert not door.sockets.is_here("S1")


# --- asking ---


async def test_c_t4_what_comes_of_a_question(door: Door) -> None:
    async with raw_station(door) as station:
        await station.boot()

        async def outcome_when(frame: Any) -> Outcome:
            asking = asyncio.create_task(door.sockets.ask("S1", START, 5))
            id, _, _ = await station.hear_question()
            await station.say(json.dumps([frame[0], id, *frame[1:]]))
            return await asking

        assert (await outcome_when([3, {"status": "Accepted"}])).answered is Answered.ACCEPTED
        assert (await outcome_when([3, {"status": "Rejected"}])).answered is Answered.REJECTED
        for odd in ({}, {"status": 7}, {"status": "Sure"}, {"status": ["Accepted"]}):
            assert (await outcome_when([3, odd])).answered is Answered.FAILED
        for code in ("NotImplemented", "NotSupported"):
            denied = await outcome_when([4, code, "no", {}])
            assert (denied.answered, denied.said) == (Answered.NOT_SUPPORTED, f"{code}: no")
        for code in ("InternalError", "Nonsense"):
            assert (await outcome_when([4, code, "no", {}])).answered is Answered.FAILED


async def test_c_t4_c5_silence_ends_with_the_time_that_was_given_and_a_late_answer_disturbs_nothing(door: Door) -> None:
    async with raw_station(door) as station:
        await station.boot()
        asking = asyncio.create_task(door.sockets.ask("S1", START, 0.2))
        late, _, _ = await station.hear_question()
        assert (await asking).answered is Answered.TIMEOUT
        asking = asyncio.create_task(door.sockets.ask("S1", START, 20))
        id, _, _ = await station.hear_question()
        await station.say(json.dumps([3, late, {"status": "Rejected"}]))
        await station.say(json.dumps([3, id, {"status": "Accepted"}]))
        assert (await asking).answered is Answered.ACCEPTED


async def test_c_t4_who_is_not_there_is_not_waited_for(door: Door) -> None:
    assert (await door.sockets.ask("S1", START, 60)).answered is Answered.NOT_CONNECTED
    async with raw_station(door) as station:
        await station.boot()
        asking = asyncio.create_task(door.sockets.ask("S1", START, 60))
        await station.hear_question()
    assert (await asking).answered is Answered.NOT_CONNECTED


async def test_the_queue_of_questions_is_bounded(door: Door) -> None:
    async with raw_station(door) as station:
        await station.boot()
        most = link_module.QUESTIONS_MAX_WAITING
        asking = [asyncio.create_task(door.sockets.ask("S1", START, 20)) for _ in range(most + 1)]
        for _ in range(most):
            await station.answer({"status": "Accepted"})
        answered = [(await one).answered for one in asking]
        assert answered == [*[Answered.ACCEPTED] * most, Answered.FAILED]


async def test_c2_a_desk_may_ask_a_station_while_it_answers_it() -> None:
    desk = NotingDesk()
    async with running_gateway(desk) as door:
        outcomes: list[Outcome] = []

        async def ask_back(said: Said) -> None:
            if said.kind in {"connected", "heard"}:
                outcomes.append(await door.sockets.ask(said.identity, TellStatus(Spot(0, 1)), 20))

        desk.before = ask_back
        async with raw_station(door) as station:
            await station.answer({"status": "Accepted"})
            await station.boot()
            await station.say('[2,"1","Heartbeat",{}]')
            await station.answer({"status": "Accepted"})
            assert (await station.hear())[:2] == [3, "1"]
        assert [one.answered for one in outcomes] == [Answered.ACCEPTED] * 2
