"""A Location as everybody may see it: what passed the one gate to the public (`hub.navigation.public`), in one shape for every output.

Its values are those of OCPI 2.2.1 (mod_locations), with what dirty feeds get wrong put right: coordinates are numbers, time stamps are
in UTC, countries are ISO 3166-1 alpha-3, statuses are words of OCPI. Nothing in it is private.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from ocpi_modules.locations import Status


class Source(StrEnum):
    """Who said how an EVSE is."""

    PUSH = "push"
    """Its owner pushed it."""
    PULL = "pull"
    """The hub read it in its owner's list."""
    STATION = "station"
    """A charge point that is joined to the hub itself."""


class Text(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A text in one language (ISO 639-1)."""

    language: str
    text: str


class Point(msgspec.Struct, frozen=True, gc=False):
    """Degrees of WGS 84."""

    latitude: float
    longitude: float


class NamedPoint(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A point that helps to find a Location, such as an entrance."""

    latitude: float
    longitude: float
    name: Text | None = None


class Image(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An image, by reference; sizes are pixels."""

    url: str
    category: str
    type: str
    thumbnail: str | None = None
    width: int | None = None
    height: int | None = None


class Business(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A company."""

    name: str
    website: str | None = None
    logo: Image | None = None


class RegularHours(msgspec.Struct, frozen=True, gc=False):
    """One day of the week, Monday is 1; HH:MM in the Location's zone."""

    weekday: int
    period_begin: str
    period_end: str


class Period(msgspec.Struct, frozen=True, gc=False):
    """From one moment to another, in UTC."""

    period_begin: datetime
    period_end: datetime


class Hours(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """When one can get in."""

    twentyfourseven: bool
    regular_hours: tuple[RegularHours, ...] = ()
    exceptional_openings: tuple[Period, ...] = ()
    exceptional_closings: tuple[Period, ...] = ()


class Connector(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A plug or a socket: volt, ampere and watt.

    `max_electric_power` is what its owner says, or else what volt and ampere come to: then `is_power_computed` says so; None where
    neither is known.
    """

    id: str
    standard: str
    format: str
    power_type: str
    max_voltage: int
    max_amperage: int
    last_updated: datetime
    max_electric_power: int | None = None
    is_power_computed: bool = False
    tariff_ids: tuple[str, ...] = ()
    terms_and_conditions: str | None = None

    @property
    def kilowatts(self) -> float | None:
        """The most power in kW, None where it is not known."""
        return None if self.max_electric_power is None else self.max_electric_power / 1000


class Evse(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A place where one vehicle at a time can charge.

    `status` is what is shown: UNKNOWN while its source cannot be reached; `said` is what that source said last. `happened_at` is when it
    came to that (the owner's `last_updated`), `heard_at` when the hub heard it; both UTC.
    """

    uid: str
    status: Status
    said: Status
    happened_at: datetime
    heard_at: datetime
    connectors: tuple[Connector, ...]
    evse_id: str | None = None
    capabilities: tuple[str, ...] = ()
    floor_level: str | None = None
    coordinates: Point | None = None
    physical_reference: str | None = None
    directions: tuple[Text, ...] = ()
    parking_restrictions: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()


class PublicLocation(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A Location that is for everybody.

    `number` is the hub's own small number of it, which stays; `source` is who said its statuses, and `is_reachable` whether that source
    can be reached now; where not, `silent_since` says since when (UTC). `static_version` grows with everything but statuses,
    `status_version` with statuses (1 and more; DATEX II refers to them). Removed EVSEs are not in it.
    """

    country_code: str
    party_id: str
    id: str
    address: str
    city: str
    country: str
    latitude: float
    longitude: float
    time_zone: str
    last_updated: datetime
    heard_at: datetime
    number: int = 0
    static_version: int = 1
    status_version: int = 1
    source: Source = Source.PUSH
    is_reachable: bool = True
    silent_since: datetime | None = None
    evses: tuple[Evse, ...] = ()
    name: str | None = None
    postal_code: str | None = None
    state: str | None = None
    related_locations: tuple[NamedPoint, ...] = ()
    parking_type: str | None = None
    directions: tuple[Text, ...] = ()
    operator: Business | None = None
    suboperator: Business | None = None
    owner: Business | None = None
    facilities: tuple[str, ...] = ()
    opening_times: Hours | None = None
    charging_when_closed: bool = True
    images: tuple[Image, ...] = ()
    energy_mix: dict[str, Any] | None = None

    @property
    def party(self) -> str:
        """Its owner as ``CC/PID``."""
        return f"{self.country_code}/{self.party_id}"

    @property
    def connectors(self) -> Iterator[Connector]:
        """Those of all its EVSEs."""
        return (connector for evse in self.evses for connector in evse.connectors)

    @property
    def tariff_ids(self) -> frozenset[str]:
        """The ids of its owner's tariffs that its connectors name."""
        return frozenset(tariff_id for connector in self.connectors for tariff_id in connector.tariff_ids)

    @property
    def ref(self) -> str:
        """What it is called in every output: ``CC/PID/id``."""
        return f"{self.party}/{self.id}"

    @property
    def operator_name(self) -> str:
        """Who runs it, as far as anybody said; else its owner's party."""
        return self.operator.name if self.operator else self.party


encode_location = msgspec.json.Encoder().encode
"""A PublicLocation as the text that is stored."""

decode_location = msgspec.json.Decoder(PublicLocation).decode
"""The PublicLocation of a stored text. Raises msgspec.ValidationError for anything else."""
