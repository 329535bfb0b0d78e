"""The CDRs module: what was charged and what it costs; final once it is sent.

Source: mod_cdrs (CD-06 to CD-12). Energy in kWh, time in hours, money in the currency of the CDR.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import model_validator

from ocpi_modules.locations import ConnectorFormat, ConnectorType, GeoLocation, PowerType
from ocpi_modules.module import Module, Operation, Purpose, listing, owned
from ocpi_modules.parties import Role
from ocpi_modules.tariffs import Tariff
from ocpi_modules.tokens import TokenType
from ocpi_modules.types import (
    CdrDateTime,
    CiString,
    Country,
    CountryCode,
    Currency,
    DateTime,
    FalseByDefault,
    Id,
    Int,
    Many,
    Number,
    OcpiObject,
    OpenEnum,
    PartyId,
    Price,
    Some,
    String,
    broken_rule,
)

AuthMethod = Annotated[str, OpenEnum("AUTH_REQUEST", "COMMAND", "WHITELIST")]
"""How the driver was authorised."""

SESSION_ONLY_DIMENSIONS = frozenset({"CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE"})
"""Dimensions that a Session may show and a CDR may not (CD-09)."""

CdrDimensionType = Annotated[
    str,
    OpenEnum(
        "CURRENT",
        "ENERGY",
        "ENERGY_EXPORT",
        "ENERGY_IMPORT",
        "MAX_CURRENT",
        "MIN_CURRENT",
        "MAX_POWER",
        "MIN_POWER",
        "PARKING_TIME",
        "POWER",
        "RESERVATION_TIME",
        "STATE_OF_CHARGE",
        "TIME",
    ),
]
"""What is measured: A, kWh, kW, hours or percent."""

CdrId = Annotated[str, CiString(39)]
"""The id of a CDR: up to 36 characters, three more for a credit CDR (CD-07)."""

ID_MAX_CHARACTERS = 36


class CdrToken(OcpiObject):
    """The token that was used, and so the eMSP that pays (SE-11)."""

    country_code: CountryCode
    party_id: PartyId
    uid: Id
    type: TokenType
    contract_id: Id


class CdrDimension(OcpiObject):
    """One measured value."""

    type: CdrDimensionType
    volume: Number

    @model_validator(mode="after")
    def _charge_is_a_percentage(self) -> Self:
        if self.type == "STATE_OF_CHARGE" and not 0 <= self.volume <= 100:
            raise broken_rule("volume", "of STATE_OF_CHARGE is not between 0 and 100")
        return self


class ChargingPeriod(OcpiObject):
    """A time in which the same prices counted; it ends where the next one begins."""

    start_date_time: DateTime
    dimensions: Some[CdrDimension]
    tariff_id: Id | None = None


class CdrLocation(OcpiObject):
    """Where it was, as it stood at the start (CD-11).

    It is a copy of a Location, whose `address` has up to 255 characters and `state` up to 45 (mod_locations, "Location Object"). Here OCPI
    still says 45 and 20 (mod_cdrs, "CdrLocation class"): who copies what it published is not to be refused for it (X-34).

    ``#NA`` stands for EVSE and Connector when a reservation never became a session (Y-11).
    """

    id: Id
    name: Annotated[str, String(255)] | None = None
    address: Annotated[str, String(255)]
    city: Annotated[str, String(45)]
    postal_code: Annotated[str, String(10)] | None = None
    state: Annotated[str, String(45)] | None = None
    country: Country
    coordinates: GeoLocation
    evse_uid: Id
    evse_id: Annotated[str, CiString(48)]
    connector_id: Id
    connector_standard: ConnectorType
    connector_format: ConnectorFormat
    connector_power_type: PowerType


class SignedValue(OcpiObject):
    """One signed meter value (CD-12)."""

    nature: Annotated[str, CiString(32)]
    plain_data: Annotated[str, String(5000)]
    signed_data: Annotated[str, String(5000)]


class SignedData(OcpiObject):
    """Signed meter values, and how to check them (CD-12)."""

    encoding_method: Id
    encoding_method_version: Int | None = None
    public_key: Annotated[str, String(512)] | None = None
    signed_values: Some[SignedValue]
    url: Annotated[str, String(512)] | None = None


class CDR(OcpiObject):
    """A charge detail record; `session_id` may be missing (CD-08)."""

    country_code: CountryCode
    party_id: PartyId
    id: CdrId
    start_date_time: CdrDateTime
    end_date_time: CdrDateTime
    session_id: Id | None = None
    cdr_token: CdrToken
    auth_method: AuthMethod
    authorization_reference: Id | None = None
    cdr_location: CdrLocation
    meter_id: Annotated[str, String(255)] | None = None
    currency: Currency
    tariffs: Many[Tariff] = ()
    charging_periods: Some[ChargingPeriod]
    signed_data: SignedData | None = None
    total_cost: Price
    total_fixed_cost: Price | None = None
    total_energy: Number
    total_energy_cost: Price | None = None
    total_time: Number
    total_time_cost: Price | None = None
    total_parking_time: Number | None = None
    total_parking_cost: Price | None = None
    total_reservation_cost: Price | None = None
    remark: Annotated[str, String(255)] | None = None
    invoice_reference_id: CdrId | None = None
    credit: FalseByDefault = False
    credit_reference_id: CdrId | None = None
    home_charging_compensation: FalseByDefault = False
    last_updated: DateTime

    @model_validator(mode="after")
    def _credit_names_what_it_credits(self) -> Self:
        if self.credit and self.credit_reference_id is None:
            raise broken_rule("credit_reference_id", "is required when credit is true")
        if not self.credit and self.credit_reference_id is not None:
            raise broken_rule("credit_reference_id", "is only for CDRs whose credit is true")
        if not self.credit and len(self.id) > ID_MAX_CHARACTERS:
            raise broken_rule("id", f"is longer than {ID_MAX_CHARACTERS} characters without credit")
        return self

    @model_validator(mode="after")
    def _measures_what_is_billed(self) -> Self:
        for index, period in enumerate(self.charging_periods):
            for dimension in period.dimensions:
                if dimension.type in SESSION_ONLY_DIMENSIONS:
                    field = f"charging_periods.{index}.dimensions"
                    raise broken_rule(field, f"hold {dimension.type}, which is only for Sessions")
        return self


CDRS = Module(
    id="cdrs",
    senders=frozenset({Role.CPO}),
    receivers=frozenset({Role.EMSP, Role.OTHER}),
    object=CDR,
    sender=(listing(),),
    receiver=(
        Operation(method="POST", purpose=Purpose.ADD, bodies=(CDR,)),
        Operation(method="GET", purpose=Purpose.READ, path=owned("cdr_id")),
    ),
    is_addressed=True,
    is_kept=True,
    is_final=True,
    unknown_code=2001,
)
"""The CDRs module (mod_cdrs, "Interfaces and endpoints"; checklist M-07, section 14).

The path of the GET is the hub's own: any URL may stand in Location.
"""
