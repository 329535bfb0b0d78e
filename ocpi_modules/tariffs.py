"""The Tariffs module: what charging costs.

Source: mod_tariffs (TF-03 to TF-05).
Prices are per kWh, per hour or flat, excluding VAT, in the currency of the Tariff.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Self

from pydantic import AfterValidator, model_validator
from pydantic_core import PydanticCustomError

from ocpi_modules.locations import EnergyMix
from ocpi_modules.module import Module, Operation, Purpose, listing, owned
from ocpi_modules.parties import Role
from ocpi_modules.types import (
    CountryCode,
    Currency,
    DateTime,
    DisplayText,
    Id,
    Int,
    LocalTime,
    Many,
    Matching,
    Number,
    OcpiObject,
    OpenEnum,
    PartyId,
    Price,
    Some,
    Url,
    broken_rule,
)

TariffType = Annotated[
    str,
    OpenEnum("AD_HOC_PAYMENT", "PROFILE_CHEAP", "PROFILE_FAST", "PROFILE_GREEN", "REGULAR"),
]
"""For which sessions a Tariff is meant; none means all."""

TariffDimensionType = Annotated[str, OpenEnum("ENERGY", "FLAT", "PARKING_TIME", "TIME")]
"""What is priced."""

DayOfWeek = Annotated[
    str,
    OpenEnum("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"),
]
"""A day of the week."""

ReservationRestrictionType = Annotated[str, OpenEnum("RESERVATION", "RESERVATION_EXPIRES")]
"""That an element prices a reservation, used or expired."""

_RESERVATION_DIMENSIONS = frozenset({"FLAT", "TIME"})


def _on_the_calendar(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError as exc:
        raise PydanticCustomError("calendar", "is not a day that exists") from exc
    return text


LocalDate = Annotated[
    str,
    Matching("[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])", "is not a day written YYYY-MM-DD"),
    AfterValidator(_on_the_calendar),
]
"""A day in the time zone of the Location (TF-05)."""


class PriceComponent(OcpiObject):
    """The price of one dimension; `step_size` in Wh or seconds (TF-04).

    `vat` is a percentage; absent means that no VAT applies, which is not the same as 0.
    """

    type: TariffDimensionType
    price: Number
    vat: Number | None = None
    step_size: Int


class TariffRestrictions(OcpiObject):
    """When an element applies: all that is set has to hold (TF-05).

    Times and days are local to the Location, ends and maxima are exclusive.
    Units are kWh, ampere over all phases, kW and seconds.
    """

    start_time: LocalTime | None = None
    end_time: LocalTime | None = None
    start_date: LocalDate | None = None
    end_date: LocalDate | None = None
    min_kwh: Number | None = None
    max_kwh: Number | None = None
    min_current: Number | None = None
    max_current: Number | None = None
    min_power: Number | None = None
    max_power: Number | None = None
    min_duration: Int | None = None
    max_duration: Int | None = None
    day_of_week: Many[DayOfWeek] = ()
    reservation: ReservationRestrictionType | None = None


class TariffElement(OcpiObject):
    """Prices that share their restrictions."""

    price_components: Some[PriceComponent]
    restrictions: TariffRestrictions | None = None

    @model_validator(mode="after")
    def _reservations_cost_flat_or_time(self) -> Self:
        if self.restrictions is None or self.restrictions.reservation is None:
            return self
        if any(component.type not in _RESERVATION_DIMENSIONS for component in self.price_components):
            raise broken_rule("price_components", "of a reservation can only be FLAT and TIME")
        return self


class Tariff(OcpiObject):
    """A Tariff; validity in UTC (TF-03)."""

    country_code: CountryCode
    party_id: PartyId
    id: Id
    currency: Currency
    type: TariffType | None = None
    tariff_alt_text: Many[DisplayText] = ()
    tariff_alt_url: Url | None = None
    min_price: Price | None = None
    max_price: Price | None = None
    elements: Some[TariffElement]
    start_date_time: DateTime | None = None
    end_date_time: DateTime | None = None
    energy_mix: EnergyMix | None = None
    last_updated: DateTime


_TARIFF = owned("tariff_id")

TARIFFS = Module(
    id="tariffs",
    senders=frozenset({Role.CPO, Role.NAP}),
    receivers=frozenset({Role.EMSP, Role.NSP, Role.NAP, Role.OTHER}),
    object=Tariff,
    sender=(listing(),),
    receiver=(
        Operation(method="GET", purpose=Purpose.READ, path=_TARIFF),
        Operation(method="PUT", purpose=Purpose.REPLACE, path=_TARIFF, bodies=(Tariff,)),
        Operation(method="DELETE", purpose=Purpose.REMOVE, path=_TARIFF),
    ),
    is_broadcast=True,
    is_kept=True,
    can_go_stale=True,
    unknown_code=2000,
)
"""The Tariffs module (mod_tariffs, "Interfaces and Endpoints"; checklist M-08, TF-01, TF-02)."""
