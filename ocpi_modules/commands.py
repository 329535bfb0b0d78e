"""The Commands module: what an eMSP asks of a charge point, the CPO's answer, and the charge point's result.

Source: mod_commands (CM-02, CM-06, CM-13). Times in UTC, timeouts in seconds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import model_validator

from ocpi_modules.module import CallbackPlace, LookFor, Module, Operation, Purpose, Request
from ocpi_modules.parties import Role
from ocpi_modules.tokens import Token
from ocpi_modules.types import DateTime, DisplayText, Id, Int, Many, OcpiObject, Url, broken_rule


class CommandType(StrEnum):
    """The commands; each has its object."""

    CANCEL_RESERVATION = "CANCEL_RESERVATION"
    RESERVE_NOW = "RESERVE_NOW"
    START_SESSION = "START_SESSION"
    STOP_SESSION = "STOP_SESSION"
    UNLOCK_CONNECTOR = "UNLOCK_CONNECTOR"


class CommandResponseType(StrEnum):
    """What the CPO says at once."""

    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    ACCEPTED = "ACCEPTED"
    UNKNOWN_SESSION = "UNKNOWN_SESSION"


class CommandResultType(StrEnum):
    """What the charge point says later (CM-06)."""

    ACCEPTED = "ACCEPTED"
    CANCELED_RESERVATION = "CANCELED_RESERVATION"
    EVSE_OCCUPIED = "EVSE_OCCUPIED"
    EVSE_INOPERATIVE = "EVSE_INOPERATIVE"
    FAILED = "FAILED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    TIMEOUT = "TIMEOUT"
    UNKNOWN_RESERVATION = "UNKNOWN_RESERVATION"


class CancelReservation(OcpiObject):
    """CANCEL_RESERVATION."""

    response_url: Url
    reservation_id: Id


class ReserveNow(OcpiObject):
    """RESERVE_NOW; a known `reservation_id` at the same Location replaces the reservation."""

    response_url: Url
    token: Token
    expiry_date: DateTime
    reservation_id: Id
    location_id: Id
    evse_uid: Id | None = None
    authorization_reference: Id | None = None


class StartSession(OcpiObject):
    """START_SESSION."""

    response_url: Url
    token: Token
    location_id: Id
    evse_uid: Id | None = None
    connector_id: Id | None = None
    authorization_reference: Id | None = None

    @model_validator(mode="after")
    def _connector_is_of_an_evse(self) -> Self:
        if self.connector_id is not None and self.evse_uid is None:
            raise broken_rule("evse_uid", "is required with connector_id")
        return self


class StopSession(OcpiObject):
    """STOP_SESSION."""

    response_url: Url
    session_id: Id


class UnlockConnector(OcpiObject):
    """UNLOCK_CONNECTOR; for help desks."""

    response_url: Url
    location_id: Id
    evse_uid: Id
    connector_id: Id


class CommandResponse(OcpiObject):
    """The CPO's answer; `timeout` is how many seconds the result may take (CM-02)."""

    result: CommandResponseType
    timeout: Int
    message: Many[DisplayText] = ()


class CommandResult(OcpiObject):
    """The charge point's result, posted to the `response_url` without an envelope (CM-05)."""

    result: CommandResultType
    message: Many[DisplayText] = ()


def _addressee_of_command(request: Request) -> LookFor | None:
    for field, module_id in (("location_id", "locations"), ("session_id", "sessions")):
        named = request.content.get(field) if isinstance(request.content, dict) else None
        if isinstance(named, str):
            return LookFor(module_id, named)
    return None


COMMANDS = Module(
    id="commands",
    senders=frozenset({Role.EMSP, Role.OTHER}),
    receivers=frozenset({Role.CPO}),
    sender=(Operation(method="POST", purpose=Purpose.RESULT, path=("callback_id",), bodies=(CommandResult,)),),
    receiver=(
        Operation(
            method="POST",
            purpose=Purpose.ACT,
            path=("command",),
            choices={
                "CANCEL_RESERVATION": CancelReservation,
                "RESERVE_NOW": ReserveNow,
                "START_SESSION": StartSession,
                "STOP_SESSION": StopSession,
                "UNLOCK_CONNECTOR": UnlockConnector,
            },
            destination=_addressee_of_command,
            callback=CallbackPlace.BODY,
        ),
    ),
)
"""The Commands module (mod_commands, "Interfaces and endpoints"; checklist M-10, section 17)."""
