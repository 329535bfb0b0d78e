"""The Locations module: where one can charge, with which plugs, and whether a place is free.

Source: mod_locations (L-16 to L-22).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from ocpi_modules.module import LookFor, Module, Operation, Part, Purpose, Request, listing, owned
from ocpi_modules.parties import Role
from ocpi_modules.tokens import TokenType
from ocpi_modules.types import (
    Bool,
    CiString,
    Country,
    CountryCode,
    DateTime,
    DisplayText,
    Id,
    Int,
    LocalTime,
    Many,
    Matching,
    Nested,
    Number,
    OcpiObject,
    OpenEnum,
    PartyId,
    Percentage,
    Some,
    String,
    TimeZone,
    TrueByDefault,
    Url,
    broken_rule,
    fold,
)


class Status(StrEnum):
    """The status of an EVSE; a REMOVED one is kept and never charges again (L-15)."""

    AVAILABLE = "AVAILABLE"
    BLOCKED = "BLOCKED"
    CHARGING = "CHARGING"
    INOPERATIVE = "INOPERATIVE"
    OUTOFORDER = "OUTOFORDER"
    PLANNED = "PLANNED"
    REMOVED = "REMOVED"
    RESERVED = "RESERVED"
    UNKNOWN = "UNKNOWN"


Capability = Annotated[
    str,
    OpenEnum(
        "CHARGING_PROFILE_CAPABLE",
        "CHARGING_PREFERENCES_CAPABLE",
        "CHIP_CARD_SUPPORT",
        "CONTACTLESS_CARD_SUPPORT",
        "CREDIT_CARD_PAYABLE",
        "DEBIT_CARD_PAYABLE",
        "PED_TERMINAL",
        "REMOTE_START_STOP_CAPABLE",
        "RESERVABLE",
        "RFID_READER",
        "START_SESSION_CONNECTOR_REQUIRED",
        "TOKEN_GROUP_CAPABLE",
        "UNLOCK_CAPABLE",
    ),
]
"""What an EVSE can do."""

ConnectorFormat = Annotated[str, OpenEnum("SOCKET", "CABLE")]
"""Whether the driver brings a cable."""

ConnectorType = Annotated[
    str,
    OpenEnum(
        "CHADEMO",
        "CHAOJI",
        *(f"DOMESTIC_{letter}" for letter in "ABCDEFGHIJKLMNO"),
        "GBT_AC",
        "GBT_DC",
        "IEC_60309_2_single_16",
        "IEC_60309_2_three_16",
        "IEC_60309_2_three_32",
        "IEC_60309_2_three_64",
        "IEC_62196_T1",
        "IEC_62196_T1_COMBO",
        "IEC_62196_T2",
        "IEC_62196_T2_COMBO",
        "IEC_62196_T3A",
        "IEC_62196_T3C",
        "NEMA_5_20",
        "NEMA_6_30",
        "NEMA_6_50",
        "NEMA_10_30",
        "NEMA_10_50",
        "NEMA_14_30",
        "NEMA_14_50",
        "PANTOGRAPH_BOTTOM_UP",
        "PANTOGRAPH_TOP_DOWN",
        "TESLA_R",
        "TESLA_S",
    ),
]
"""The standard of a plug."""

PowerType = Annotated[str, OpenEnum("AC_1_PHASE", "AC_2_PHASE", "AC_2_PHASE_SPLIT", "AC_3_PHASE", "DC")]
"""The kind of current."""

EnergySourceCategory = Annotated[
    str,
    OpenEnum("NUCLEAR", "GENERAL_FOSSIL", "COAL", "GAS", "GENERAL_GREEN", "SOLAR", "WIND", "WATER"),
]
"""Where energy comes from."""

EnvironmentalImpactCategory = Annotated[str, OpenEnum("NUCLEAR_WASTE", "CARBON_DIOXIDE")]
"""What is emitted."""

Facility = Annotated[
    str,
    OpenEnum(
        "HOTEL",
        "RESTAURANT",
        "CAFE",
        "MALL",
        "SUPERMARKET",
        "SPORT",
        "RECREATION_AREA",
        "NATURE",
        "MUSEUM",
        "BIKE_SHARING",
        "BUS_STOP",
        "TAXI_STAND",
        "TRAM_STOP",
        "METRO_STATION",
        "TRAIN_STATION",
        "AIRPORT",
        "PARKING_LOT",
        "CARPOOL_PARKING",
        "FUEL_STATION",
        "WIFI",
    ),
]
"""What a Location belongs to or offers."""

ImageCategory = Annotated[
    str,
    OpenEnum("CHARGER", "ENTRANCE", "LOCATION", "NETWORK", "OPERATOR", "OTHER", "OWNER"),
]
"""What an image shows."""

ParkingRestriction = Annotated[str, OpenEnum("EV_ONLY", "PLUGGED", "DISABLED", "CUSTOMERS", "MOTORCYCLES")]
"""Who may park."""

ParkingType = Annotated[
    str,
    OpenEnum(
        "ALONG_MOTORWAY",
        "PARKING_GARAGE",
        "PARKING_LOT",
        "ON_DRIVEWAY",
        "ON_STREET",
        "UNDERGROUND_GARAGE",
    ),
]
"""The kind of place."""

_DECIMALS = "[0-9]{5,7}"
Latitude = Annotated[
    str,
    Matching(rf"-?(?:90\.0{{5,7}}|[0-8]?[0-9]\.{_DECIMALS})", "is not a latitude with 5 to 7 decimals"),
]
"""Degrees north as text, WGS 84; the form counts and not the printed length (L-18, X-35)."""

Longitude = Annotated[
    str,
    Matching(
        rf"-?(?:180\.0{{5,7}}|(?:1[0-7][0-9]|0?[0-9]{{1,2}})\.{_DECIMALS})",
        "is not a longitude with 5 to 7 decimals",
    ),
]
"""Degrees east as text, WGS 84 (L-18, X-35)."""


class GeoLocation(OcpiObject):
    """A point on Earth."""

    latitude: Latitude
    longitude: Longitude


class AdditionalGeoLocation(GeoLocation):
    """A point that helps to find a Location, such as an entrance."""

    name: DisplayText | None = None


class Image(OcpiObject):
    """An image, by reference; sizes are pixels."""

    url: Url
    thumbnail: Url | None = None
    category: ImageCategory
    type: Annotated[str, CiString(4)]
    width: Annotated[Int, Field(le=99_999)] | None = None
    height: Annotated[Int, Field(le=99_999)] | None = None


class BusinessDetails(OcpiObject):
    """A company (C-23)."""

    name: Annotated[str, String(100)]
    website: Url | None = None
    logo: Image | None = None


class EnergySource(OcpiObject):
    """The share of one source in the mix, in percent; all shares should add up to 100 (L-22)."""

    source: EnergySourceCategory
    percentage: Percentage


class EnvironmentalImpact(OcpiObject):
    """What is emitted, in grams per kWh."""

    category: EnvironmentalImpactCategory
    amount: Number


class EnergyMix(OcpiObject):
    """The energy that is supplied."""

    is_green_energy: Bool
    energy_sources: Many[EnergySource] = ()
    environ_impact: Many[EnvironmentalImpact] = ()
    supplier_name: Annotated[str, String(64)] | None = None
    energy_product_name: Annotated[str, String(64)] | None = None


class RegularHours(OcpiObject):
    """Opening hours of one day of the week, Monday is 1; local time of the Location (L-19)."""

    weekday: Annotated[Int, Field(ge=1, le=7)]
    period_begin: LocalTime
    period_end: LocalTime

    @model_validator(mode="after")
    def _end_follows_begin(self) -> Self:
        # both are HH:MM, whose order is that of the text
        if self.period_end <= self.period_begin:
            raise broken_rule("period_end", "is not later than period_begin")
        return self


class ExceptionalPeriod(OcpiObject):
    """A time at which the regular hours do not count, in UTC."""

    period_begin: DateTime
    period_end: DateTime


class Hours(OcpiObject):
    """When one can get in (L-19)."""

    twentyfourseven: Bool
    regular_hours: Many[RegularHours] = ()
    exceptional_openings: Many[ExceptionalPeriod] = ()
    exceptional_closings: Many[ExceptionalPeriod] = ()

    @model_validator(mode="after")
    def _either_always_or_by_the_day(self) -> Self:
        if self.twentyfourseven and self.regular_hours:
            raise broken_rule("regular_hours", "are only for Locations that are not open 24 hours on 7 days")
        if not self.twentyfourseven and not self.regular_hours:
            raise broken_rule("regular_hours", "are required when twentyfourseven is false")
        return self


class PublishTokenType(OcpiObject):
    """A token whose owner may be shown a Location that is not published (L-17)."""

    uid: Id | None = None
    type: TokenType | None = None
    visual_number: Annotated[str, String(64)] | None = None
    issuer: Annotated[str, String(64)] | None = None
    group_id: Id | None = None

    @model_validator(mode="after")
    def _names_a_token(self) -> Self:
        if self.uid is None and self.visual_number is None and self.group_id is None:
            raise broken_rule("uid", "or visual_number or group_id is required")
        if self.uid is not None and self.type is None:
            raise broken_rule("type", "is required with uid")
        if self.visual_number is not None and self.issuer is None:
            raise broken_rule("issuer", "is required with visual_number")
        return self


class StatusSchedule(OcpiObject):
    """A status that is planned, in UTC; without an end it goes on."""

    period_begin: DateTime
    period_end: DateTime | None = None
    status: Status


class Connector(OcpiObject):
    """A plug or a socket: volt, ampere and watt (L-21)."""

    id: Id
    standard: ConnectorType
    format: ConnectorFormat
    power_type: PowerType
    max_voltage: Int
    max_amperage: Int
    max_electric_power: Int | None = None
    tariff_ids: Many[Id] = ()
    terms_and_conditions: Url | None = None
    last_updated: DateTime


def _with_ids_of_their_own(connectors: tuple[Connector, ...]) -> tuple[Connector, ...]:
    # a rule of the field and not of the EVSE: a PATCH of its status has nothing to do with it
    if _is_repeated([connector.id for connector in connectors]):
        raise PydanticCustomError("repeated", "hold the same id twice")
    return connectors


class EVSE(OcpiObject):
    """A place where one vehicle at a time can charge (L-20)."""

    uid: Id
    evse_id: Annotated[str, CiString(48)] | None = None
    status: Status
    status_schedule: Many[StatusSchedule] = ()
    capabilities: Many[Capability] = ()
    connectors: Annotated[Some[Connector], Nested("id", Connector), AfterValidator(_with_ids_of_their_own)]
    floor_level: Annotated[str, String(4)] | None = None
    coordinates: GeoLocation | None = None
    physical_reference: Annotated[str, String(16)] | None = None
    directions: Many[DisplayText] = ()
    parking_restrictions: Many[ParkingRestriction] = ()
    images: Many[Image] = ()
    last_updated: DateTime


class Location(OcpiObject):
    """A place with EVSEs; its `last_updated` is never older than that of its parts (L-10, L-16)."""

    country_code: CountryCode
    party_id: PartyId
    id: Id
    publish: Bool
    publish_allowed_to: Many[PublishTokenType] = ()
    name: Annotated[str, String(255)] | None = None
    address: Annotated[str, String(255)]
    city: Annotated[str, String(45)]
    postal_code: Annotated[str, String(10)] | None = None
    state: Annotated[str, String(45)] | None = None
    country: Country
    coordinates: GeoLocation
    related_locations: Many[AdditionalGeoLocation] = ()
    parking_type: ParkingType | None = None
    evses: Annotated[Many[EVSE], Nested("uid", EVSE)] = ()
    directions: Many[DisplayText] = ()
    operator: BusinessDetails | None = None
    suboperator: BusinessDetails | None = None
    owner: BusinessDetails | None = None
    facilities: Many[Facility] = ()
    time_zone: TimeZone
    opening_times: Hours | None = None
    charging_when_closed: TrueByDefault = True
    images: Many[Image] = ()
    energy_mix: EnergyMix | None = None
    last_updated: DateTime

    @model_validator(mode="after")
    def _evses_have_ids_of_their_own(self) -> Self:
        if _is_repeated([evse.uid for evse in self.evses]):
            raise broken_rule("evses", "hold the same uid twice")
        return self

    @model_validator(mode="after")
    def _publishes_to_all_or_to_some(self) -> Self:
        if self.publish and self.publish_allowed_to:
            raise broken_rule("publish_allowed_to", "is only for Locations that are not published")
        return self


def _is_repeated(ids: list[str]) -> bool:
    """Two parts with one id could not be told apart (Y-04: whatever their case)."""
    return len({fold(one) for one in ids}) < len(ids)


def _owner_of_location(request: Request) -> LookFor:
    return LookFor("locations", request.keys[0])


_LOCATION = owned("location_id", "evse_uid", "connector_id")

LOCATIONS = Module(
    id="locations",
    senders=frozenset({Role.CPO, Role.NAP}),
    receivers=frozenset({Role.EMSP, Role.NSP, Role.NAP, Role.OTHER}),
    object=Location,
    parts=(Part("evses", "uid", EVSE), Part("connectors", "id", Connector)),
    sender=(
        listing(),
        Operation(
            method="GET",
            purpose=Purpose.READ,
            path=("location_id", "evse_uid", "connector_id"),
            optional=2,
            destination=_owner_of_location,
        ),
    ),
    receiver=(
        Operation(method="GET", purpose=Purpose.READ, path=_LOCATION, optional=2),
        Operation(
            method="PUT",
            purpose=Purpose.REPLACE,
            path=_LOCATION,
            optional=2,
            bodies=(Location, EVSE, Connector),
        ),
        Operation(
            method="PATCH",
            purpose=Purpose.UPDATE,
            path=_LOCATION,
            optional=2,
            bodies=(Location, EVSE, Connector),
        ),
    ),
    is_broadcast=True,
    is_kept=True,
    can_go_stale=True,
    unknown_code=2003,
)
"""The Locations module (mod_locations, "Interfaces and endpoints"; checklist M-03, M-04, section 12)."""
