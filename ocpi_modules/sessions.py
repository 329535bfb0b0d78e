"""The Sessions module: charging that is going on, and the driver's preferences for it.

Source: mod_sessions (SE-03, SE-09 to SE-11). Energy in kWh, money in the currency of the Session.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from ocpi_modules.cdrs import AuthMethod, CdrToken, ChargingPeriod
from ocpi_modules.module import LookFor, Module, Operation, Purpose, Request, listing, owned
from ocpi_modules.parties import Role
from ocpi_modules.tokens import ProfileType
from ocpi_modules.types import (
    CountryCode,
    Currency,
    DateTime,
    FalseByDefault,
    Id,
    Many,
    Number,
    OcpiObject,
    PartyId,
    Price,
    String,
)


class SessionStatus(StrEnum):
    """Where a Session stands (SE-10).

    RESERVED is what some partners write for RESERVATION: it is read and kept, and never made here (X-33).
    """

    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    INVALID = "INVALID"
    PENDING = "PENDING"
    RESERVATION = "RESERVATION"
    RESERVED = "RESERVED"


class ChargingPreferencesResponse(StrEnum):
    """The answer to charging preferences; it travels as a bare string (SE-02)."""

    ACCEPTED = "ACCEPTED"
    DEPARTURE_REQUIRED = "DEPARTURE_REQUIRED"
    ENERGY_NEED_REQUIRED = "ENERGY_NEED_REQUIRED"
    NOT_POSSIBLE = "NOT_POSSIBLE"
    PROFILE_TYPE_NOT_SUPPORTED = "PROFILE_TYPE_NOT_SUPPORTED"


class ChargingPreferences(OcpiObject):
    """What a driver wants from smart charging; `energy_need` in kWh (SE-03)."""

    profile_type: ProfileType
    departure_time: DateTime | None = None
    energy_need: Number | None = None
    discharge_allowed: FalseByDefault = False


class Session(OcpiObject):
    """A charging session; ``#NA`` for EVSE and Connector of a reservation that has none yet (SE-09, Y-11)."""

    country_code: CountryCode
    party_id: PartyId
    id: Id
    start_date_time: DateTime
    end_date_time: DateTime | None = None
    kwh: Number
    cdr_token: CdrToken
    auth_method: AuthMethod
    authorization_reference: Id | None = None
    location_id: Id
    evse_uid: Id
    connector_id: Id
    meter_id: Annotated[str, String(255)] | None = None
    currency: Currency
    charging_periods: Many[ChargingPeriod] = ()
    total_cost: Price | None = None
    status: SessionStatus
    last_updated: DateTime


def _owner_of_session(request: Request) -> LookFor:
    return LookFor("sessions", request.keys[0])


_SESSION = owned("session_id")

SESSIONS = Module(
    id="sessions",
    senders=frozenset({Role.CPO}),
    receivers=frozenset({Role.EMSP, Role.SCSP, Role.OTHER}),
    object=Session,
    sender=(
        listing(),
        Operation(
            method="PUT",
            purpose=Purpose.ACT,
            path=("session_id", "=charging_preferences"),
            bodies=(ChargingPreferences,),
            destination=_owner_of_session,
        ),
    ),
    receiver=(
        Operation(method="GET", purpose=Purpose.READ, path=_SESSION),
        Operation(method="PUT", purpose=Purpose.REPLACE, path=_SESSION, bodies=(Session,)),
        Operation(method="PATCH", purpose=Purpose.UPDATE, path=_SESSION, bodies=(Session,)),
    ),
    is_addressed=True,
    is_kept=True,
    last_status="COMPLETED",
    appends=("charging_periods",),
    unknown_code=2001,
)
"""The Sessions module (mod_sessions, "Interfaces and endpoints"; checklist M-05, M-06, section 13)."""
