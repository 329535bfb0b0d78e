"""What stations say, in the words that are the same for every version."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from ocpp.charge_point import ChargePoint

from hub.chargers.events import (
    Alarm,
    Boot,
    IdToken,
    Metered,
    MeterValue,
    Sample,
    SignedValue,
    Spot,
    Started,
    StatusTold,
    Stopped,
    TransactionRef,
)
from hub.chargers.gateway import SUBPROTOCOLS
from hub.chargers.ocpp.link import Link
from hub.chargers.ocpp.words import read_time, reading_text
from tests.chargers.desks import NOW, NotingDesk
from tests.chargers.memory import said

AT = datetime(2026, 3, 1, 11, 30, tzinfo=UTC)
OCMF = 'OCMF|{"FV":"1.0","RD":[]}|{"SD":"00"}'
TX = TransactionRef(id="tx-1")


def heard(version: str, action: str, payload: Any) -> tuple[Any, list[tuple[str, Any]]]:
    """The answer, and what the desk was told."""
    desk = NotingDesk()
    answer = said(version, action, payload, desk)
    assert answer[0] == 3, answer
    return answer[2], [(one.kind, one.what) for one in desk.said if one.kind != "heard"]


def told(version: str, action: str, payload: Any) -> Any:
    """The one thing that the desk was told."""
    _, ((_, what),) = heard(version, action, payload)
    return what


# --- 1.6 ---


def test_1_6_boot() -> None:
    payload = {
        "chargePointVendor": "V",
        "chargePointModel": "M",
        "chargeBoxSerialNumber": "B",
        "firmwareVersion": "1.2",
    }
    answer, ((kind, boot),) = heard("1.6", "BootNotification", payload)
    assert answer == {"currentTime": "2026-03-01T12:00:00.000Z", "interval": 300, "status": "Accepted"}
    assert (kind, boot) == ("booted", Boot(vendor="V", model="M", serial="B", firmware="1.2"))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param({"errorCode": "NoError"}, {}, id="no error"),
        pytest.param(
            {"errorCode": "GroundFailure", "info": "wet", "vendorErrorCode": "E7", "timestamp": "2026-03-01T11:30:00Z"},
            {"error": "GroundFailure", "info": "wet; E7", "happened_at": AT},
            id="a fault with a time",
        ),
        pytest.param({"errorCode": "NoError", "timestamp": "yesterday"}, {"happened_at": None}, id="no time at all"),
    ],
)
def test_1_6_status(more: dict[str, Any], expected: dict[str, Any]) -> None:
    what = told("1.6", "StatusNotification", {"connectorId": 2, "status": "Faulted", **more})
    assert what == StatusTold(spot=Spot(0, 2), status="Faulted", **expected)


def test_1_6_start() -> None:
    payload = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": "2026-03-01T11:30:00Z"}
    answer, ((_, started),) = heard("1.6", "StartTransaction", payload | {"reservationId": 4})
    assert answer == {"transactionId": 1, "idTagInfo": {"status": "Accepted"}}
    plain = Started(spot=Spot(0, 1), at=AT, id_token=IdToken("TAG"), meter_wh=Decimal(1000), reservation=4)
    assert started == plain


@pytest.mark.parametrize(
    ("time", "at"),
    [
        pytest.param("2026-03-01T11:30:00", AT, id="no zone: UTC"),
        pytest.param("2026-03-01T12:30:00+01:00", AT, id="another zone"),
        pytest.param(
            "1970-01-01T00:00:07Z", datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC), id="a clock that was never set"
        ),
        pytest.param("soon", NOW, id="unreadable: when it came"),
        pytest.param("0001-01-01T00:00:00+14:00", NOW, id="before all times"),
    ],
)
def test_1_6_times_are_the_stations_own(time: str, at: datetime) -> None:
    payload = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": time}
    assert told("1.6", "StartTransaction", payload).at == at


def test_1_6_a_whole_number_with_a_fraction_of_nothing_counts() -> None:
    payload = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000.0, "timestamp": "2026-03-01T11:30:00Z"}
    assert told("1.6", "StartTransaction", payload).meter_wh == 1000


def test_1_6_a_reservation_below_zero_is_none() -> None:
    payload = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-03-01T11:30:00Z"}
    assert told("1.6", "StartTransaction", payload | {"reservationId": -1}).reservation is None


def test_1_6_stop_with_readings() -> None:
    reading = {"timestamp": "2026-03-01T11:00:00Z", "sampledValue": [{"value": "5.5", "unit": "kWh"}]}
    payload = {"transactionId": 7, "meterStop": 5500, "timestamp": "2026-03-01T11:30:00Z", "transactionData": [reading]}
    answer, ((_, stopped),) = heard("1.6", "StopTransaction", payload)
    assert answer == {}
    values = (MeterValue(at=AT - timedelta(minutes=30), samples=(Sample(value="5.5", unit="kWh"),)),)
    plain = Stopped(transaction=TransactionRef(7), at=AT, meter_wh=Decimal(5500), reason="Local", values=values)
    assert stopped == plain


def test_1_6_meter_values() -> None:
    sample = {
        "value": "16.2",
        "measurand": "Current.Import",
        "unit": "A",
        "phase": "L1",
        "context": "Trigger",
        "location": "Cable",
    }
    payload = {"connectorId": 1, "meterValue": [{"timestamp": "2026-03-01T11:30:00Z", "sampledValue": [sample]}]}
    plain = Sample(value="16.2", measurand="Current.Import", unit="A", phase="L1", context="Trigger", location="Cable")
    for number in ({}, {"transactionId": -1}):
        metered = told("1.6", "MeterValues", payload | number)
        assert metered == Metered(
            spot=Spot(0, 1), transaction=TransactionRef(), values=(MeterValue(at=AT, samples=(plain,)),)
        )
    assert told("1.6", "MeterValues", payload | {"transactionId": 7}).transaction == TransactionRef(7)


SIGNED = {"signedMeterData": base64.b64encode(OCMF.encode()).decode(), "encodingMethod": "OCMF", "signingMethod": "EC"}


@pytest.mark.parametrize(
    ("value", "signed"),
    [
        pytest.param(OCMF, SignedValue(text=OCMF, encoding="OCMF"), id="as it is"),
        pytest.param(SIGNED["signedMeterData"], SignedValue(text=OCMF, encoding="OCMF"), id="base64"),
        pytest.param(OCMF.encode().hex(), SignedValue(text=OCMF, encoding="OCMF"), id="hexadecimal"),
        pytest.param(json.dumps(SIGNED), SignedValue(text=OCMF, encoding="OCMF", method="EC"), id="the object of 2.x"),
        pytest.param("{broken", SignedValue(text="{broken", encoding=""), id="nothing that is known"),
    ],
)
def test_1_6_signed_readings(value: str, signed: SignedValue) -> None:
    sample = {"value": value, "format": "SignedData", "context": "Transaction.End"}
    payload = {"connectorId": 1, "meterValue": [{"timestamp": "2026-03-01T11:30:00Z", "sampledValue": [sample]}]}
    plain = Sample(value="", context="Transaction.End", signed=signed)
    assert told("1.6", "MeterValues", payload).values[0].samples == (plain,)


# --- 2.x ---


def event(kind: str, **more: Any) -> dict[str, Any]:
    info = {"transactionId": "tx-1", **more.pop("info", {})}
    about = {"timestamp": "2026-03-01T11:30:00Z", "triggerReason": "Trigger", "seqNo": 3, "transactionInfo": info}
    return {"eventType": kind, **about, **more}


CARD = {"idToken": "TAG", "type": "ISO14443"}
ENERGY = {
    "value": 1.2345,
    "unitOfMeasure": {"unit": "Wh", "multiplier": 3},
    "signedMeterValue": SIGNED | {"publicKey": "K"},
}
READ = {"timestamp": "2026-03-01T11:30:00Z", "sampledValue": [ENERGY]}
READ_PLAIN = MeterValue(
    at=AT,
    samples=(
        Sample(
            value="1.2345",
            multiplier=3,
            signed=SignedValue(text=OCMF, encoding="OCMF", method="EC", public_key="K"),
        ),
    ),
)


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
@pytest.mark.parametrize(
    ("payload", "expected", "answer"),
    [
        pytest.param(
            event(
                "Started",
                evse={"id": 1, "connectorId": 2},
                idToken=CARD,
                meterValue=[READ],
                reservationId=5,
                info={"remoteStartId": 9, "chargingState": "Charging"},
            ),
            Started(
                spot=Spot(1, 2),
                at=AT,
                id_token=IdToken("TAG", "ISO14443"),
                transaction=TX,
                reservation=5,
                remote_start=9,
                sequence=3,
                values=(READ_PLAIN,),
                charging_state="Charging",
            ),
            {"idTokenInfo": {"status": "Accepted"}},
            id="started",
        ),
        pytest.param(
            event("Started", offline=True),
            Started(spot=Spot(0, 0), at=AT, id_token=None, transaction=TX, sequence=3, is_offline=True),
            {},
            id="started by nobody, nowhere, offline",
        ),
        pytest.param(
            event("Updated", evse={"id": 1}, meterValue=[READ], info={"chargingState": "SuspendedEV"}),
            Metered(
                spot=Spot(1, 0),
                transaction=TX,
                values=(READ_PLAIN,),
                at=AT,
                sequence=3,
                charging_state="SuspendedEV",
            ),
            {},
            id="updated",
        ),
        pytest.param(
            event("Updated", idToken=CARD),
            Metered(spot=Spot(0, 0), transaction=TX, values=(), at=AT, id_token=IdToken("TAG", "ISO14443"), sequence=3),
            {"idTokenInfo": {"status": "Accepted"}},
            id="somebody shows a card later",
        ),
        pytest.param(
            event("Ended", info={"stoppedReason": "EVDisconnected"}, meterValue=[READ]),
            Stopped(transaction=TX, at=AT, reason="EVDisconnected", sequence=3, values=(READ_PLAIN,)),
            {},
            id="ended",
        ),
    ],
)
def test_2_x_transaction_events(version: str, payload: Any, expected: Any, answer: Any) -> None:
    answered, ((_, what),) = heard(version, "TransactionEvent", payload)
    assert (answered, what) == (answer, expected)


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
@pytest.mark.parametrize(
    ("action", "payload", "expected"),
    [
        pytest.param(
            "BootNotification",
            {"reason": "Watchdog", "chargingStation": {"vendorName": "V", "model": "M", "serialNumber": "S"}},
            [("booted", Boot(vendor="V", model="M", serial="S", reason="Watchdog"))],
            id="boot",
        ),
        pytest.param(
            "StatusNotification",
            {"timestamp": "2026-03-01T11:30:00Z", "connectorStatus": "Occupied", "evseId": 2, "connectorId": 1},
            [("told_status", StatusTold(spot=Spot(2, 1), status="Occupied", happened_at=AT))],
            id="status",
        ),
        pytest.param("Authorize", {"idToken": CARD}, [("authorise", IdToken("TAG", "ISO14443"))], id="authorize"),
        pytest.param(
            "MeterValues",
            {"evseId": 1, "meterValue": [READ]},
            [("metered", Metered(spot=Spot(1, 0), transaction=TransactionRef(), values=(READ_PLAIN,)))],
            id="meter values",
        ),
        pytest.param(
            "ReservationStatusUpdate",
            {"reservationId": 5, "reservationUpdateStatus": "Expired"},
            [("reservation_ended", (5, "Expired"))],
            id="a reservation is over",
        ),
        pytest.param(
            "SecurityEventNotification",
            {"type": "TamperDetectionActivated", "timestamp": "2026-03-01T11:30:00Z", "techInfo": "lid"},
            [("alarmed", Alarm(kind="TamperDetectionActivated", info="lid", at=AT, is_critical=True))],
            id="a grave security event",
        ),
        pytest.param(
            "FirmwareStatusNotification",
            {"status": "Installed"},
            [("alarmed", Alarm(kind="FirmwareStatusNotification", info="Installed"))],
            id="firmware",
        ),
        pytest.param("NotifyMonitoringReport", {"requestId": 1, "seqNo": 0, "generatedAt": "x"}, [], id="monitoring"),
        pytest.param("DataTransfer", {"vendorId": "V"}, [], id="data transfer"),
    ],
)
def test_2_x_messages(version: str, action: str, payload: Any, expected: Any) -> None:
    assert heard(version, action, payload)[1] == expected


def notice(variable: str, value: str, **more: Any) -> dict[str, Any]:
    one = {
        "eventId": 1,
        "timestamp": "2026-03-01T11:30:00Z",
        "trigger": "Alerting",
        "actualValue": value,
        "eventNotificationType": "HardWiredNotification",
        "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 2}},
        "variable": {"name": variable},
        **more,
    }
    return {"generatedAt": "2026-03-01T11:30:00Z", "seqNo": 0, "eventData": [one]}


@pytest.mark.parametrize(
    ("version", "payload", "info", "is_critical"),
    [
        pytest.param("2.0.1", notice("Problem", "true", techCode="E7"), "true; E7", True, id="a problem"),
        pytest.param("2.0.1", notice("Problem", "true", cleared=True), "true; cleared", False, id="no longer"),
        pytest.param("2.0.1", notice("Tripped", "true"), "true", False, id="something else"),
        pytest.param("2.1", notice("Tripped", "true", severity=2), "true", True, id="2.1 says how severe"),
        pytest.param("2.1", notice("Problem", "true", severity=8), "true", False, id="2.1 says that it is not"),
    ],
)
def test_2_x_notices(version: str, payload: Any, info: str, is_critical: bool) -> None:
    alarm = told(version, "NotifyEvent", payload)
    assert (alarm.info, alarm.is_critical, alarm.at) == (info, is_critical, AT)
    assert alarm.kind.startswith("Connector@1.2.")


def test_2_x_features_come_in_parts_and_are_told_as_one() -> None:
    from tests.chargers.memory import answers

    def part(number: int, tbc: bool, name: str, **attribute: Any) -> str:
        data = {
            "component": {"name": name, "evse": {"id": 1}},
            "variable": {"name": "Available", "instance": "x"},
            "variableAttribute": [{"type": "Target", "value": "no"}, {"value": "true", **attribute}],
        }
        report = {"requestId": 1, "generatedAt": "x", "seqNo": number, "tbc": tbc, "reportData": [data]}
        return json.dumps([2, str(number), "NotifyReport", report])

    desk = NotingDesk()
    answers("2.0.1", [part(0, True, "A"), part(1, False, "B")], desk)
    assert desk.of("featured") == [{"A@1.Available[x]": "true", "B@1.Available[x]": "true"}]


# --- all ---


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("12.50", "12.50", id="a number as it came"),
        pytest.param("1e999999999", "", id="beyond all reason"),
        pytest.param("NaN", "NaN", id="no number"),
        pytest.param("abc", "abc", id="no number at all"),
        pytest.param("0e-999999", "0e-999999", id="nothing, however written"),
        pytest.param(Decimal("1.2345"), "1.2345", id="a number of 2.x, exactly"),
        pytest.param("9" * 500, "", id="500 digits"),
    ],
)
def test_readings_come_as_they_are(value: Any, text: str) -> None:
    assert reading_text(value) == text


@pytest.mark.parametrize("text", ["", "2026", "2026-13-01T00:00:00Z", "25:00", None, 7])
def test_what_is_no_time_is_none(text: Any) -> None:
    assert read_time(text) is None


def test_c1_no_handler_hides_what_the_library_calls() -> None:
    own = {name for name in vars(ChargePoint) if not name.startswith("__")}
    meant = {"start", "route_message", "_handle_call", "_send"}
    for link in SUBPROTOCOLS.values():
        handlers = {name for name in dir(link) if hasattr(getattr(link, name), "_on_action")}
        assert handlers
        assert all(name.startswith("on_") for name in handlers)
        assert not handlers & own
    instance = set(vars(ChargePoint("x", None))) | own
    assert {name for name in vars(Link) if name in instance} == meant
