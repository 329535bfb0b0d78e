"""What stations are asked: in the words of each version, as its schemas want them, and what comes of the answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.chargers.events import (
    Answered,
    Ask,
    AskSchedule,
    CancelReservation,
    ClearLimit,
    IdToken,
    LimitPeriod,
    LimitProfile,
    Outcome,
    ReadFeatures,
    RemoteStart,
    RemoteStop,
    Reserve,
    Reset,
    Schedule,
    SetAvailability,
    SetLimit,
    SetSecret,
    SetVariables,
    Spot,
    TellStatus,
    TransactionRef,
    Unlock,
)
from tests.chargers.desks import NOW
from tests.chargers.memory import asked
from tests.chargers.schemas import faults

VERSIONS = ("1.6", "2.0.1", "2.1")
PLUG = Spot(1, 2)
TOKEN = IdToken("ALIAS")
SOME = TransactionRef(number=7, id="tx-7")
LATER = NOW + timedelta(hours=1)


def profile(purpose: str, **more: Any) -> LimitProfile:
    periods = (LimitPeriod(0, Decimal("16.57")), LimitPeriod(60, Decimal(6), 1))
    return LimitProfile(id=3, purpose=purpose, stack_level=2, unit="A", periods=periods, **more)


ASKS: list[Ask] = [
    RemoteStart(spot=PLUG, id_token=TOKEN, number=9),
    RemoteStart(spot=None, id_token=TOKEN, number=9, profile=profile("TRANSACTION", min_rate=Decimal("6.01"))),
    RemoteStop(SOME),
    Reserve(number=5, spot=PLUG, id_token=TOKEN, expires_at=LATER),
    Reserve(number=5, spot=None, id_token=IdToken("A", "ISO14443"), expires_at=LATER),
    CancelReservation(5),
    Unlock(PLUG),
    SetLimit(spot=PLUG, profile=profile("TRANSACTION", start_at=NOW, duration_seconds=600), transaction=SOME),
    SetLimit(spot=Spot(0, 0), profile=profile("STATION")),
    SetLimit(spot=PLUG, profile=profile("DEFAULT")),
    ClearLimit(3),
    AskSchedule(spot=PLUG, duration_seconds=600),
    AskSchedule(spot=PLUG, duration_seconds=600, unit="W"),
    TellStatus(),
    TellStatus(PLUG),
    SetVariables({"A.B": "1", "C.D": "2"}),
    SetSecret("secret-of-forty-characters"),
    SetAvailability(PLUG, is_operative=False),
    SetAvailability(Spot(0, 0), is_operative=True),
    Reset(is_hard=True),
    Reset(is_hard=False),
    ReadFeatures(),
]


def good(action: str, payload: Any) -> Any:
    if action == "SetVariables":
        data = payload["setVariableData"][0]
        about = {"component": data["component"], "variable": data["variable"]}
        return {"setVariableResult": [{"attributeStatus": "Accepted", **about}]}
    if action == "GetConfiguration":
        return {"configurationKey": [{"key": "K", "readonly": False, "value": "V"}]}
    if action == "GetCompositeSchedule":
        periods = [{"startPeriod": 0, "limit": 11000.5, "numberPhases": 3}, {"startPeriod": 60, "limit": 0}]
        about = {"chargingRateUnit": "W", "chargingSchedulePeriod": periods, "duration": 600}
        return {"status": "Accepted", "chargingSchedule": about, "schedule": about}
    return {"status": "Unlocked" if action == "UnlockConnector" else "Accepted"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: type(ask).__name__)
def test_questions_are_as_the_schema_wants_them(version: str, ask: Ask) -> None:
    questions, outcome = asked(version, ask, good)
    assert outcome.answered is Answered.ACCEPTED
    assert questions
    for action, payload in questions:
        assert faults(version, action, payload) == []


TOKEN_WORDS = {"idToken": "ALIAS", "type": "Central"}
STARTED_NOW = "2026-03-01T12:00:00.000Z"


@pytest.mark.parametrize(
    ("ask", "old", "new"),
    [
        pytest.param(
            ASKS[0],
            ("RemoteStartTransaction", {"idTag": "ALIAS", "connectorId": 2}),
            ("RequestStartTransaction", {"idToken": TOKEN_WORDS, "remoteStartId": 9, "evseId": 1}),
            id="start",
        ),
        pytest.param(
            RemoteStop(SOME),
            ("RemoteStopTransaction", {"transactionId": 7}),
            ("RequestStopTransaction", {"transactionId": "tx-7"}),
            id="stop",
        ),
        pytest.param(
            ASKS[4],
            (
                "ReserveNow",
                {"connectorId": 0, "expiryDate": "2026-03-01T13:00:00.000Z", "idTag": "A", "reservationId": 5},
            ),
            (
                "ReserveNow",
                {
                    "id": 5,
                    "expiryDateTime": "2026-03-01T13:00:00.000Z",
                    "idToken": {"idToken": "A", "type": "ISO14443"},
                },
            ),
            id="reserve anywhere",
        ),
        pytest.param(
            SetSecret("s"),
            ("ChangeConfiguration", {"key": "AuthorizationKey", "value": "s"}),
            (
                "SetVariables",
                {
                    "setVariableData": [
                        {
                            "component": {"name": "SecurityCtrlr"},
                            "variable": {"name": "BasicAuthPassword"},
                            "attributeValue": "s",
                        }
                    ]
                },
            ),
            id="a secret",
        ),
        pytest.param(
            SetLimit(spot=Spot(0, 0), profile=profile("STATION")),
            (
                "SetChargingProfile",
                {
                    "connectorId": 0,
                    "csChargingProfiles": {
                        "chargingProfileId": 3,
                        "stackLevel": 2,
                        "chargingProfilePurpose": "ChargePointMaxProfile",
                        "chargingProfileKind": "Absolute",
                        "chargingSchedule": {
                            "chargingRateUnit": "A",
                            "chargingSchedulePeriod": [
                                {"startPeriod": 0, "limit": 16.5},
                                {"startPeriod": 60, "limit": 6.0, "numberPhases": 1},
                            ],
                            "startSchedule": STARTED_NOW,
                        },
                    },
                },
            ),
            (
                "SetChargingProfile",
                {
                    "evseId": 0,
                    "chargingProfile": {
                        "id": 3,
                        "stackLevel": 2,
                        "chargingProfilePurpose": "ChargingStationMaxProfile",
                        "chargingProfileKind": "Absolute",
                        "chargingSchedule": [
                            {
                                "id": 3,
                                "chargingRateUnit": "A",
                                "chargingSchedulePeriod": [
                                    {"startPeriod": 0, "limit": 16.57},
                                    {"startPeriod": 60, "limit": 6, "numberPhases": 1},
                                ],
                                "startSchedule": STARTED_NOW,
                            }
                        ],
                    },
                },
            ),
            id="the most of a station begins now, and 1.6 has one decimal",
        ),
        pytest.param(
            Reset(is_hard=False), ("Reset", {"type": "Soft"}), ("Reset", {"type": "OnIdle"}), id="a soft reset"
        ),
        pytest.param(
            SetAvailability(PLUG, is_operative=False),
            ("ChangeAvailability", {"connectorId": 2, "type": "Inoperative"}),
            ("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": 1, "connectorId": 2}}),
            id="out of use",
        ),
    ],
)
def test_the_words_of_the_versions(ask: Ask, old: tuple[str, Any], new: tuple[str, Any]) -> None:
    assert asked("1.6", ask, good)[0] == [old]
    assert asked("2.0.1", ask, good)[0] == asked("2.1", ask, good)[0] == [new]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_status_of_all_connectors_is_asked_for_one_by_one(version: str) -> None:
    questions, _ = asked(version, TellStatus(), good, spots=(Spot(1, 1), Spot(2, 1)))
    where = [payload.get("connectorId", payload.get("evse")) for _, payload in questions]
    assert where == ([1, 1] if version == "1.6" else [{"id": 1, "connectorId": 1}, {"id": 2, "connectorId": 1}])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_schedule_is_read_exactly(version: str) -> None:
    _, outcome = asked(version, AskSchedule(spot=PLUG, duration_seconds=600), good)
    periods = (LimitPeriod(0, Decimal("11000.5"), 3), LimitPeriod(60, Decimal(0)))
    assert outcome.schedule == Schedule(NOW, 600, "W", periods)


def test_c_t4_a_schedule_that_is_nonsense_is_none() -> None:
    for nonsense in ({}, {"chargingRateUnit": "W", "chargingSchedulePeriod": []}, 7, {"chargingRateUnit": "kW"}):
        answer = {"status": "Accepted", "chargingSchedule": nonsense}
        _, outcome = asked("1.6", AskSchedule(spot=PLUG, duration_seconds=600), lambda *_, a=answer: a)
        assert outcome == Outcome(Answered.FAILED, said="the schedule cannot be read")


@pytest.mark.parametrize(
    ("version", "ask", "answer", "answered"),
    [
        pytest.param("1.6", ASKS[3], {"status": "Occupied"}, Answered.OCCUPIED, id="reserve: occupied"),
        pytest.param("1.6", ASKS[3], {"status": "Faulted"}, Answered.FAULTED, id="reserve: faulted"),
        pytest.param("2.0.1", ASKS[3], {"status": "Unavailable"}, Answered.UNAVAILABLE, id="reserve: unavailable"),
        pytest.param("1.6", CancelReservation(5), {"status": "Rejected"}, Answered.UNKNOWN, id="cancel: none such"),
        pytest.param("2.1", CancelReservation(5), {"status": "Rejected"}, Answered.UNKNOWN, id="cancel 2.x: the same"),
        pytest.param("1.6", Unlock(PLUG), {"status": "UnlockFailed"}, Answered.FAILED, id="unlock: stuck"),
        pytest.param("1.6", Unlock(PLUG), {"status": "NotSupported"}, Answered.NOT_SUPPORTED, id="unlock: cannot"),
        pytest.param(
            "2.0.1", Unlock(PLUG), {"status": "OngoingAuthorizedTransaction"}, Answered.REJECTED, id="unlock: in use"
        ),
        pytest.param("2.0.1", Unlock(PLUG), {"status": "UnknownConnector"}, Answered.UNKNOWN, id="unlock: none such"),
        pytest.param("1.6", ClearLimit(3), {"status": "Unknown"}, Answered.UNKNOWN, id="clear: none such"),
        pytest.param("1.6", Reset(True), {"status": "Rejected"}, Answered.REJECTED, id="reset: no"),
        pytest.param("2.0.1", Reset(False), {"status": "Scheduled"}, Answered.SCHEDULED, id="reset: later"),
        pytest.param("1.6", SetSecret("s"), {"status": "RebootRequired"}, Answered.ACCEPTED, id="secret: after a boot"),
        pytest.param("1.6", TellStatus(), {"status": "NotImplemented"}, Answered.NOT_SUPPORTED, id="trigger: cannot"),
        pytest.param("2.0.1", SetVariables({"A.B": "1"}), {"setVariableResult": []}, Answered.FAILED, id="no result"),
        pytest.param(
            "2.0.1",
            SetVariables({"A.B": "1"}),
            {"setVariableResult": [{"attributeStatus": "UnknownVariable"}]},
            Answered.NOT_SUPPORTED,
            id="no such variable",
        ),
    ],
)
def test_c_t4_what_answers_come_to(version: str, ask: Ask, answer: Any, answered: Answered) -> None:
    assert asked(version, ask, lambda *_: answer)[1].answered is answered


def test_the_first_refusal_ends_a_question_of_several_parts() -> None:
    ask = SetVariables({"A": "1", "B": "2", "C": "3"})
    answers = {"A": "Accepted", "B": "Rejected"}
    questions, outcome = asked("1.6", ask, lambda _, payload: {"status": answers[payload["key"]]})
    assert [payload["key"] for _, payload in questions] == ["A", "B"]
    assert (outcome.answered, outcome.said) == (Answered.REJECTED, "B: Rejected")


def test_a_transaction_of_another_version_is_unknown() -> None:
    for version, transaction in (("1.6", TransactionRef(id="x")), ("2.0.1", TransactionRef(number=1))):
        questions, outcome = asked(version, RemoteStop(transaction), good)
        assert (questions, outcome.answered) == ([], Answered.UNKNOWN)


def test_a_remote_start_names_the_transaction_that_goes_on() -> None:
    _, outcome = asked("2.0.1", ASKS[0], lambda *_: {"status": "Accepted", "transactionId": "tx"})
    assert outcome.details == {"transactionId": "tx"}


def test_times_are_asked_for_in_utc() -> None:
    zone = datetime(2026, 3, 1, 14, 0, tzinfo=UTC).astimezone()
    questions, _ = asked("1.6", Reserve(number=1, spot=PLUG, id_token=TOKEN, expires_at=zone), good)
    assert questions[0][1]["expiryDate"] == "2026-03-01T14:00:00.000Z"
