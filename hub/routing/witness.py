"""What the hub sees when somebody is allowed to charge: authorisations, commands and their results, as facts for settlement.

Sources: mod_tokens ("Real-time authorization", POST), mod_commands ("StartSession", "ReserveNow", "CommandResponse", "CommandResult").
Of a token only what names it is kept. A message that nobody was asked with (an unknown receiver, a token that no eMSP is known for) says
nothing about a charge and leaves no fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from hub.clock import Clock
from hub.routing.callbacks import bare_result
from hub.routing.replies import data_of
from hub.store.aliases import token_in
from hub.store.callbacks import Callback
from hub.store.permits import KeptPermit, KeptResult, PermitNotes
from hub.store.traces import token_text
from ocpi_modules.errors import OcpiError
from ocpi_modules.message import Message, Reply
from ocpi_modules.module import Purpose
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, fold, format_datetime

AUTHORIZE = "AUTHORIZE"
TEXT_MAX_CHARACTERS = 255
EVSES_MAX = 1_000

_TOKEN_FIELDS = ("country_code", "party_id", "uid", "type", "contract_id")
_COMMAND_FIELDS = ("reservation_id", "session_id", "connector_id", "authorization_reference", "expiry_date")

_log = structlog.get_logger()

Outcome = Reply | OcpiError
"""What came of a message: the answer that its caller gets."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A message that was passed on, what came of it, and from when to when that took (UTC)."""

    message: Message
    outcome: Outcome
    asked_at: datetime
    answered_at: datetime


class Witness:
    """Takes notes. Nothing that it does can fail a message."""

    def __init__(self, notes: PermitNotes, clock: Clock) -> None:
        self._notes, self._clock = notes, clock

    def authorised(self, message: Message, outcome: Outcome, asked_at: datetime) -> None:
        """Note what came of a real-time authorisation; other messages are let go."""
        if not is_authorisation(message):
            return
        try:
            permit = authorisation_of(Exchange(message, outcome, asked_at, self._clock.now()))
            if permit is not None:
                self._notes.take(permit)
        except Exception as exc:  # the answer goes out in any case
            _log.warning("authorisation_not_noted", error=type(exc).__name__)

    def commanded(self, message: Message, outcome: Outcome, asked_at: datetime, callback: Callback) -> None:
        """Note what came of a command, and under which callback its result will come."""
        if message.module.id != "commands":
            return
        try:
            self._notes.take(command_of(Exchange(message, outcome, asked_at, self._clock.now()), callback))
        except Exception as exc:
            _log.warning("command_not_noted", error=type(exc).__name__)

    def resulted(self, message: Message, callback: Callback) -> None:
        """Note the result of a command."""
        if callback.module_id != "commands":
            return
        try:
            result = _text(decode_json(bare_result(message)).get("result"))
            self._notes.take(KeptResult(callback.id, result, self._clock.now()))
        except Exception as exc:
            _log.warning("result_not_noted", error=type(exc).__name__)


def is_authorisation(message: Message) -> bool:
    """Whether a message asks an eMSP whether a token may charge."""
    return message.module.id == "tokens" and message.purpose is Purpose.ACT


def authorisation_of(exchange: Exchange) -> KeptPermit | None:
    """An authorisation as a fact; None where no eMSP was asked."""
    message, outcome = exchange.message, exchange.outcome
    emsp = outcome.sender if isinstance(outcome, Reply) else message.receiver
    if emsp is None:
        return None
    answer = _answer(outcome)
    content = {
        **_head(exchange, AUTHORIZE, (message.sender, emsp)),
        "cdr_token": _authorised_token(message, answer, emsp),
        "location": _place(message.content),
        "allowed": _text(answer.get("allowed")),
        "allowed_location": _place(answer.get("location")),
        "authorization_reference": _text(answer.get("authorization_reference")),
    }
    return _permit(exchange, content, (message.sender, emsp))


def command_of(exchange: Exchange, callback: Callback) -> KeptPermit:
    """A command as a fact."""
    message = exchange.message
    asked: Mapping[str, Any] = message.content
    evse_uid = asked.get("evse_uid")
    place = {"location_id": asked.get("location_id"), "evse_uids": [] if evse_uid is None else [evse_uid]}
    content = {
        **_head(exchange, message.keys[0], (callback.caller, callback.answerer)),
        "cdr_token": _named_token(asked.get("token")),
        "location": _place(place),
        **{name: _text(asked.get(name)) for name in _COMMAND_FIELDS},
        "response": _text(_answer(exchange.outcome).get("result")),
    }
    return _permit(exchange, content, (callback.answerer, callback.caller), callback.id)


def _permit(
    exchange: Exchange, content: Mapping[str, Any], parties: tuple[Party, Party], callback: str = ""
) -> KeptPermit:
    """A fact of CPO and eMSP."""
    stated = {name: value for name, value in content.items() if value not in (None, "")}
    token = token_in(stated) if "cdr_token" in stated else None
    return KeptPermit(
        module=exchange.message.module.id,
        cpo=str(parties[0]),
        emsp=str(parties[1]),
        token="" if token is None else token_text(token),
        reference=fold(content["authorization_reference"]),
        callback=callback,
        asked_at=exchange.asked_at,
        content=stated,
    )


def _head(exchange: Exchange, kind: str, parties: tuple[Party, Party]) -> dict[str, Any]:
    """Who asked whom, when, and with which code the answer came."""
    return {
        "kind": kind,
        "asked_by": str(parties[0]),
        "answered_by": str(parties[1]),
        "asked_at": format_datetime(exchange.asked_at),
        "answered_at": format_datetime(exchange.answered_at),
        "correlation_id": _text(exchange.message.correlation_id),
        "status_code": exchange.outcome.status_code,
    }


def _answer(outcome: Outcome) -> Mapping[str, Any]:
    """The object in an answer; empty where there is none."""
    data = data_of(outcome) if isinstance(outcome, Reply) else None
    return data if isinstance(data, dict) else {}


def _authorised_token(message: Message, answer: Mapping[str, Any], emsp: Party) -> Mapping[str, str]:
    """The token that was asked for: as the eMSP names it, else as the URL does."""
    uid = message.keys[0]
    named = _named_token(answer.get("token")) or {}
    if fold(named.get("uid", "")) == fold(uid):
        return named
    kind = message.query.get("type") or "RFID"
    return {"country_code": emsp.country_code, "party_id": emsp.party_id, "uid": uid, "type": _text(kind)}


def _named_token(token: Any) -> dict[str, str] | None:
    """What names a token; nothing else of it is kept."""
    return {name: _text(token.get(name)) for name in _TOKEN_FIELDS} if isinstance(token, dict) else None


def _place(value: Any) -> Mapping[str, Any] | None:
    """LocationReferences; None where no Location is named."""
    location_id = _text(value.get("location_id")) if isinstance(value, dict) else ""
    if not location_id:
        return None
    evse_uids = value.get("evse_uids")
    named = evse_uids[:EVSES_MAX] if isinstance(evse_uids, list) else ()
    return {"location_id": location_id, "evse_uids": [uid for one in named if (uid := _text(one))]}


def _text(value: Any) -> str:
    """A text that a database can keep; empty for anything else."""
    return value.replace("\x00", "")[:TEXT_MAX_CHARACTERS] if isinstance(value, str) else ""
