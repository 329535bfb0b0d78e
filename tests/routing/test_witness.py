"""What the hub notes of authorisations and commands: who asked, who answered, what, and nothing more of a token than its name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.clock import SystemClock
from hub.routing.witness import Exchange, Outcome, Witness, authorisation_of, command_of, is_authorisation
from hub.store.callbacks import Callback
from hub.store.permits import KeptPermit, KeptResult
from ocpi_modules.envelope import write_envelope
from ocpi_modules.errors import ReceiverNotConnected, ReceiverTimeout, UnknownToken
from ocpi_modules.message import Message, Reply
from ocpi_modules.parties import Party
from ocpi_modules.types import encode_json
from tests.routing import CP1, MS1, message_of

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
TOKEN = {
    "country_code": "NL",
    "party_id": "MS1",
    "uid": "u1",
    "type": "APP_USER",
    "contract_id": "NL-MS1-C1",
    "visual_number": "DF000-2001-8999",
    "valid": True,
}
NAMED = {name: TOKEN[name] for name in ("country_code", "party_id", "uid", "type", "contract_id")}
CALLBACK = Callback("CB", "commands", "https://m.example/r", MS1, CP1, "c", NOW, NOW + timedelta(days=1))


def authorize(receiver: Party | None = MS1, content: Any = None, query: str = "") -> Message:
    return message_of("POST", "sender/tokens/U1/authorize", sender=CP1, receiver=receiver, content=content, query=query)


def answered(data: Any, *, is_raw: bool = True) -> Reply:
    """The eMSP's answer on its way back."""
    text = encode_json(data)
    return Reply(raw=write_envelope(NOW, 1000, None, text), sender=MS1) if is_raw else Reply(data=text, sender=MS1)


def noted(message: Message, outcome: Outcome) -> KeptPermit | None:
    return authorisation_of(Exchange(message, outcome, NOW, NOW + timedelta(seconds=1)))


PLACE = {"location_id": "L1", "evse_uids": ["E1"]}


@pytest.mark.parametrize("is_raw", [True, False], ids=["as it came", "written anew"])
def test_an_authorisation_is_noted_with_all_that_was_said(is_raw: bool) -> None:
    data = {
        "allowed": "ALLOWED",
        "token": TOKEN,
        "location": PLACE,
        "authorization_reference": "ref-1",
        "info": {"text": "hi"},
    }
    fact = noted(authorize(None, {**PLACE, "x": 1}), answered(data, is_raw=is_raw))
    assert fact is not None
    assert (fact.module, fact.cpo, fact.emsp, fact.token) == ("tokens", "DE/CP1", "NL/MS1", "NL/MS1|APP_USER|U1")
    assert (fact.reference, fact.callback, fact.asked_at) == ("REF-1", "", NOW)
    assert fact.content == {
        "kind": "AUTHORIZE",
        "asked_by": "DE/CP1",
        "answered_by": "NL/MS1",
        "asked_at": "2026-01-15T12:00:00Z",
        "answered_at": "2026-01-15T12:00:01Z",
        "correlation_id": fact.content["correlation_id"],
        "status_code": 1000,
        "cdr_token": NAMED,
        "location": PLACE,
        "allowed": "ALLOWED",
        "allowed_location": PLACE,
        "authorization_reference": "ref-1",
    }


@pytest.mark.parametrize(
    ("outcome", "query", "token", "allowed"),
    [
        pytest.param(
            answered({"allowed": "BLOCKED"}), "", "NL/MS1|RFID|U1", "BLOCKED", id="an answer without the token"
        ),
        pytest.param(
            answered({"allowed": "BLOCKED", "token": {**TOKEN, "uid": "other"}}),
            "type=app_user",
            "NL/MS1|APP_USER|U1",
            "BLOCKED",
            id="an answer about another token",
        ),
        pytest.param(answered([{"allowed": "ALLOWED"}]), "", "NL/MS1|RFID|U1", "ALLOWED", id="an answer in a list"),
        pytest.param(answered("ALLOWED"), "", "NL/MS1|RFID|U1", None, id="an answer that is no object"),
        pytest.param(answered({"allowed": 7}), "", "NL/MS1|RFID|U1", None, id="a number"),
        pytest.param(UnknownToken(http_status=404), "", "NL/MS1|RFID|U1", None, id="a token that nobody knows"),
        pytest.param(ReceiverNotConnected("away"), "", "NL/MS1|RFID|U1", None, id="an eMSP that is away"),
    ],
)
def test_odd_and_failed_answers_are_noted_as_what_they_are(
    outcome: Outcome, query: str, token: str, allowed: str | None
) -> None:
    fact = noted(authorize(query=query), outcome)
    assert fact is not None
    assert (fact.token, fact.content.get("allowed")) == (token, allowed)
    assert fact.content["status_code"] == outcome.status_code


def test_a_question_that_nobody_was_asked_leaves_nothing() -> None:
    assert noted(authorize(None), UnknownToken(http_status=404)) is None


def test_texts_that_no_database_takes_are_cut() -> None:
    fact = noted(authorize(), answered({"allowed": "ALLOWED", "authorization_reference": "a\x00" + "b" * 999}))
    assert fact is not None
    assert fact.reference == "A" + "B" * 254


def start(**content: Any) -> Message:
    content = {"response_url": "https://m.example/r", "token": TOKEN, "location_id": "L1", **content}
    return message_of("POST", "receiver/commands/START_SESSION", sender=MS1, receiver=CP1, content=content)


@pytest.mark.parametrize(
    ("changes", "outcome", "said"),
    [
        pytest.param(
            {"evse_uid": "E1", "connector_id": "1", "authorization_reference": "r"},
            answered({"result": "ACCEPTED", "timeout": 30}),
            {
                "response": "ACCEPTED",
                "location": PLACE,
                "connector_id": "1",
                "authorization_reference": "r",
                "cdr_token": NAMED,
            },
            id="all of it",
        ),
        pytest.param(
            {"expiry_date": "2026-01-15T13:00:00Z", "reservation_id": "R1"},
            ReceiverTimeout("slow"),
            {
                "location": {"location_id": "L1", "evse_uids": []},
                "expiry_date": "2026-01-15T13:00:00Z",
                "reservation_id": "R1",
                "cdr_token": NAMED,
            },
            id="nobody answered in time",
        ),
        pytest.param(
            {"token": None, "location_id": 7, "session_id": "S1"},
            answered({"result": "REJECTED"}),
            {"response": "REJECTED", "session_id": "S1"},
            id="no token, and a place that is none",
        ),
    ],
)
def test_a_command_is_noted_with_its_answer(changes: dict[str, Any], outcome: Outcome, said: dict[str, Any]) -> None:
    fact = command_of(Exchange(start(**changes), outcome, NOW, NOW), CALLBACK)
    assert (fact.module, fact.cpo, fact.emsp, fact.callback) == ("commands", "DE/CP1", "NL/MS1", "CB")
    assert fact.token == ("" if "cdr_token" not in said else "NL/MS1|APP_USER|U1")
    head = {"kind", "asked_by", "answered_by", "asked_at", "answered_at", "correlation_id", "status_code"}
    assert {name: value for name, value in fact.content.items() if name not in head} == said
    assert (fact.content["kind"], fact.content["asked_by"], fact.content["answered_by"]) == (
        "START_SESSION",
        "NL/MS1",
        "DE/CP1",
    )


class Notes:
    """Takes facts, or fails to."""

    def __init__(self, *, is_broken: bool = False) -> None:
        self.taken: list[KeptPermit | KeptResult] = []
        self._is_broken = is_broken

    def take(self, fact: KeptPermit | KeptResult) -> None:
        if self._is_broken:
            raise RuntimeError
        self.taken.append(fact)


def result(content: Any, module: str = "commands") -> Message:
    return message_of("POST", f"sender/{module}/CB", sender=CP1, content=content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param({"result": "ACCEPTED"}, "ACCEPTED", id="bare"),
        pytest.param({"status_code": 1000, "data": {"result": "FAILED"}}, "FAILED", id="CM-05 in an envelope"),
        pytest.param({"outcome": "?"}, "", id="something else"),
    ],
)
def test_the_result_of_a_command_is_noted(content: Any, said: str) -> None:
    notes: Any = Notes()
    Witness(notes, SystemClock()).resulted(result(content), CALLBACK)
    assert [(fact.callback, fact.result) for fact in notes.taken] == [("CB", said)]


def test_nothing_else_is_noted() -> None:
    """Neither charging profiles nor pushes of tokens."""
    notes: Any = Notes()
    witness, profile = (
        Witness(notes, SystemClock()),
        message_of("GET", "receiver/chargingprofiles/S1", query="duration=1"),
    )
    push = message_of("PUT", "receiver/tokens/NL/MS1/U1", sender=MS1, content=TOKEN)
    witness.authorised(push, Reply(), NOW)
    witness.commanded(profile, Reply(), NOW, CALLBACK)
    other = Callback("CB", "chargingprofiles", "https://m.example/r", MS1, CP1, "c", NOW, NOW)
    witness.resulted(result({"result": "ACCEPTED"}), other)
    assert notes.taken == []
    assert [is_authorisation(one) for one in (authorize(), push, profile, start())] == [True, False, False, False]


def test_a_note_that_fails_fails_nobody() -> None:
    notes: Any = Notes(is_broken=True)
    witness = Witness(notes, SystemClock())
    witness.authorised(authorize(), answered({"allowed": "ALLOWED"}), NOW)
    witness.commanded(start(), answered({"result": "ACCEPTED"}), NOW, CALLBACK)
    witness.resulted(result({"result": "ACCEPTED"}), CALLBACK)
    assert notes.taken == []
