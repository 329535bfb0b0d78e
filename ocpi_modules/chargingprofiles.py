"""The ChargingProfiles module: limits that somebody sets for a session, and what became of them.

Source: mod_charging_profiles (CP-04, CP-05, CP-08). Times in seconds, rates in watts or amperes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import model_validator

from ocpi_modules.module import CallbackPlace, LookFor, Module, Operation, Purpose, Request
from ocpi_modules.parties import Role
from ocpi_modules.types import DateTime, Int, Many, OcpiObject, Rate, Url, broken_rule


class ChargingRateUnit(StrEnum):
    """The unit of all rates in a profile: watts or amperes."""

    W = "W"
    A = "A"


class ChargingProfileResponseType(StrEnum):
    """What the CPO says at once (CP-04)."""

    ACCEPTED = "ACCEPTED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    TOO_OFTEN = "TOO_OFTEN"
    UNKNOWN_SESSION = "UNKNOWN_SESSION"


class ChargingProfileResultType(StrEnum):
    """What the EVSE says later (CP-05)."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"


class ChargingProfilePeriod(OcpiObject):
    """A limit from `start_period` seconds on, until the next period."""

    start_period: Int
    limit: Rate


class ChargingProfile(OcpiObject):
    """Limits over time (CP-08).

    Without `start_date_time` it begins when charging does, without `duration` it goes on.
    """

    start_date_time: DateTime | None = None
    duration: Int | None = None
    charging_rate_unit: ChargingRateUnit
    min_charging_rate: Rate | None = None
    charging_profile_period: Many[ChargingProfilePeriod] = ()


class ActiveChargingProfile(OcpiObject):
    """The limits as the charge point has worked them out, relative to `start_date_time`."""

    start_date_time: DateTime
    charging_profile: ChargingProfile


class SetChargingProfile(OcpiObject):
    """The request to follow a profile."""

    charging_profile: ChargingProfile
    response_url: Url


class ChargingProfileResponse(OcpiObject):
    """The CPO's answer; `timeout` is how many seconds the result may take."""

    result: ChargingProfileResponseType
    timeout: Int


class ActiveChargingProfileResult(OcpiObject):
    """The result of asking for the active profile; there is one only when it was ACCEPTED."""

    result: ChargingProfileResultType
    profile: ActiveChargingProfile | None = None

    @model_validator(mode="after")
    def _profile_only_when_accepted(self) -> Self:
        if self.profile is not None and self.result is not ChargingProfileResultType.ACCEPTED:
            raise broken_rule("profile", "is only for results that are ACCEPTED")
        return self


class ChargingProfileResult(OcpiObject):
    """The result of setting a profile."""

    result: ChargingProfileResultType


class ClearProfileResult(OcpiObject):
    """The result of removing the profile."""

    result: ChargingProfileResultType


def _owner_of_session(request: Request) -> LookFor:
    return LookFor("sessions", request.keys[0])


def _session(method: str, place: CallbackPlace, *bodies: type[OcpiObject]) -> Operation:
    return Operation(
        method=method,
        purpose=Purpose.ACT,
        path=("session_id",),
        bodies=bodies,
        destination=_owner_of_session,
        callback=place,
    )


CHARGINGPROFILES = Module(
    id="chargingprofiles",
    senders=frozenset({Role.SCSP, Role.EMSP, Role.OTHER}),
    receivers=frozenset({Role.CPO, Role.EMSP}),
    sender=(
        Operation(method="POST", purpose=Purpose.RESULT, path=("callback_id",), bodies=(ChargingProfileResult,)),
        Operation(method="PUT", purpose=Purpose.ACT, path=("session_id",), bodies=(ActiveChargingProfile,)),
    ),
    receiver=(
        _session("GET", CallbackPlace.QUERY),
        _session("PUT", CallbackPlace.BODY, SetChargingProfile),
        _session("DELETE", CallbackPlace.QUERY),
    ),
)
"""The ChargingProfiles module (mod_charging_profiles, "Interfaces and endpoints"; checklist M-11, section 18)."""
