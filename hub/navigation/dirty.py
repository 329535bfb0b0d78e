"""A Location as a partner sent it, whatever that is, in the one shape that everything public is made from.

Real feeds are dirty. What is meant is put right, what cannot be told is left out, and each step is noted as a fault; the text itself
stays as it came. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from hub.navigation.countries import country_at, country_of, zone_of
from hub.navigation.faults import Fault, FaultKind, Grade
from hub.navigation.fields import (
    Part,
    Words,
    code_of,
    decimal_of,
    display_text_of,
    flag_of,
    inner_of,
    inner_point_of,
    inners_of,
    is_id,
    letters_of,
    list_of,
    minor_point,
    moment_of,
    point_in,
    text_of,
    texts_of,
    url_of,
    whole_of,
    word_of,
    words_of,
)
from hub.navigation.hours import hours_of
from hub.navigation.location import Business, Connector, Evse, Image, NamedPoint, Point, PublicLocation, Source
from hub.navigation.plugs import connector_of
from hub.pricing.zones import zone_at
from ocpi_modules import locations
from ocpi_modules.locations import Status
from ocpi_modules.parties import Party
from ocpi_modules.types import NotJsonText, decode_json, fold, time_zones

AHEAD_MAX = timedelta(minutes=5)
COUNTRY_MAX_CHARACTERS = 64
EVSE_ID_MAX_CHARACTERS = 48
IMAGE_TYPE_MAX_CHARACTERS = 4
PIXELS_MAX = 99_999
PERCENT_MAX = 100
AMOUNT_MAX = 10**9
AMOUNT_DECIMALS = 4

_CAPABILITIES = Words(locations.Capability)
_FACILITIES = Words(locations.Facility)
_IMAGE_CATEGORIES = Words(locations.ImageCategory)
_IMPACTS = Words(locations.EnvironmentalImpactCategory)
_PARKING_TYPES = Words(locations.ParkingType)
_RESTRICTIONS = Words(locations.ParkingRestriction)
_SOURCES = Words(locations.EnergySourceCategory)

_STATUSES = {status.value: status for status in Status}
_STATUSES_BY_LETTERS = {letters_of(status.value): status for status in Status}
_EMI3 = re.compile(r"[A-Za-z]{2}\*?[A-Za-z0-9]{3}\*?[Ee][A-Za-z0-9][A-Za-z0-9*]{0,30}")
_NOWHERE = Point(0.0, 0.0)
_NOTHING: Mapping[str, Any] = {}


class Origin(NamedTuple):
    """Where a Location comes from: whose it is, when the hub's copy of it was last updated and heard (UTC), and who said it.

    While its source is not reachable, every status is UNKNOWN and `said` stays (N2); `silent_since` then says since when (UTC).
    """

    owner: Party
    last_updated: datetime
    heard_at: datetime
    source: Source = Source.PUSH
    is_reachable: bool = True
    silent_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Normalised:
    """What a text comes to: the Location where it is fit to be published, what was wrong with it, and of how many EVSEs and connectors it
    speaks (REMOVED ones do not count).
    """

    location: PublicLocation | None
    faults: tuple[Fault, ...]
    evses: int = 0
    connectors: int = 0


@dataclass(slots=True)
class _Told:
    """What the parts of a Location are read with, and how many of them there are."""

    origin: Origin
    last_updated: datetime
    evses: int = 0
    connectors: int = 0


def normalised(text: bytes, origin: Origin) -> Normalised:
    """The text of a Location put right. Whatever it is, nothing is raised."""
    try:
        content = decode_json(text)
    except NotJsonText:
        content = None
    return normalise(content, origin)


def normalise(content: Any, origin: Origin) -> Normalised:
    """The same for what `decode_json` made of the text."""
    if type(content) is not dict:
        return Normalised(None, (Fault(FaultKind.NOT_A_LOCATION, ""),))
    part = Part(content)
    told = _Told(origin, moment_of(part, "last_updated", origin.last_updated))
    location = _location(part, told)
    is_fit = all(fault.grade is not Grade.UNFIT for fault in part.faults)
    return Normalised(location if is_fit else None, tuple(part.faults), told.evses, told.connectors)


# --- the Location ----------------------------------------------------------------------------


def _location(part: Part, told: _Told) -> PublicLocation:
    """All of it, also where it is unfit, for every fault is to be noted; what stands in for something missing is never published."""
    owner, origin = told.origin.owner, told.origin
    point, country = _point(part), _country(part)
    zone = _zone(part) or _zone_elsewhere(part, point, country)
    return PublicLocation(
        country_code=owner.country_code,
        party_id=owner.party_id,
        id=_id(part, owner),
        address=_required(part, "address", 255),
        city=_required(part, "city", 45),
        country=country or _country_elsewhere(part, zone),
        latitude=point.latitude,
        longitude=point.longitude,
        time_zone=zone,
        last_updated=told.last_updated,
        heard_at=origin.heard_at,
        source=origin.source,
        is_reachable=origin.is_reachable,
        silent_since=None if origin.is_reachable else origin.silent_since,
        evses=_evses(part, told),
        name=text_of(part, "name", 255),
        postal_code=code_of(part, "postal_code", 10),
        state=text_of(part, "state", 45),
        related_locations=tuple(_related(part)),
        parking_type=word_of(part, "parking_type", _PARKING_TYPES),
        directions=texts_of(part, "directions"),
        operator=_business(part, "operator"),
        suboperator=_business(part, "suboperator"),
        owner=_business(part, "owner"),
        facilities=words_of(part, "facilities", _FACILITIES),
        opening_times=hours_of(part),
        charging_when_closed=flag_of(part, "charging_when_closed") is not False,
        images=_images(part),
        energy_mix=_energy_mix(part),
    )


def _id(part: Part, owner: Party) -> str:
    said, content = part.content.get("id"), part.content
    country_code, party_id = content.get("country_code"), content.get("party_id")
    if not (is_id(country_code) and is_id(party_id) and Party.of(country_code, party_id) == owner):
        part.note(FaultKind.OWNER_DIFFERS, "party_id")
    if not is_id(said):
        part.note(FaultKind.ID_UNFIT, "id")
    return said if is_id(said) else ""


_REQUIRED = {"address": FaultKind.ADDRESS_MISSING, "city": FaultKind.CITY_MISSING}


def _required(part: Part, name: str, most: int) -> str:
    text = text_of(part, name, most)
    if text is None:
        part.note(_REQUIRED[name], name)
    return text or ""


def _point(part: Part) -> Point:
    said = part.content.get("coordinates")
    point, kind = point_in(said) if type(said) is dict else (None, FaultKind.COORDINATES_UNREADABLE)
    if kind is not None:
        part.note(kind if said else FaultKind.COORDINATES_MISSING, "coordinates")
    elif point is not None and _is_swapped(point, part.content.get("time_zone")):
        part.note(FaultKind.COORDINATES_SWAPPED, "coordinates")
    return point or _NOWHERE


def _is_swapped(point: Point, stated: Any) -> bool:
    """Two witnesses are needed: the point is not in the stated zone, and the swapped point is."""
    zone = _zone_at(point)
    return zone != stated and stated is not None and _zone_at(Point(point.longitude, point.latitude)) == stated


def _zone_at(point: Point) -> str | None:
    zone = zone_at(str(point.latitude), str(point.longitude))
    return zone.key if zone else None


def _country(part: Part) -> str | None:
    said = text_of(part, "country", COUNTRY_MAX_CHARACTERS)
    country = None if said is None else country_of(said)
    if country is None:
        part.note(FaultKind.COUNTRY_UNKNOWN if said else FaultKind.COUNTRY_MISSING, "country")
    elif country != part.content["country"]:
        part.note(FaultKind.COUNTRY_FORM, "country")
    return country


def _country_elsewhere(part: Part, zone: str) -> str:
    country = country_at(zone)
    if country is None:
        part.note(FaultKind.COUNTRY_NOT_FOUND, "country")
    return country or ""


def _zone(part: Part) -> str | None:
    """The time zone that is stated."""
    said = part.content.get("time_zone")
    if type(said) is str and said in time_zones():
        return said
    zone = _zones_by_letters().get(said.strip().casefold()) if type(said) is str else None
    unknown = FaultKind.TIME_ZONE_UNKNOWN if said else FaultKind.TIME_ZONE_MISSING
    part.note(FaultKind.WORD_FORM if zone else unknown, "time_zone")
    return zone


@cache
def _zones_by_letters() -> dict[str, str]:
    return {zone.casefold(): zone for zone in time_zones()}


def _zone_elsewhere(part: Part, point: Point, country: str | None) -> str:
    """The time zone at the coordinates, else the only one of the country: a pier may lie at sea."""
    zone = _zone_at(point) or (zone_of(country) if country else None)
    if zone is None:
        part.note(FaultKind.TIME_ZONE_NOT_FOUND, "time_zone")
    return zone or ""


# --- EVSEs -----------------------------------------------------------------------------------


def _evses(part: Part, told: _Told) -> tuple[Evse, ...]:
    """The EVSEs that can be published; a Location that is fit has one."""
    said, found = list_of(part, "evses"), dict[str, Evse]()
    for one in _named(part, said, "uid"):
        evse = _evse(one, told)
        if evse is not None and found.setdefault(fold(evse.uid), evse) is not evse:
            one.note(FaultKind.EVSE_UID_REPEATED, "uid")
    if not found:
        part.note(FaultKind.EVSES_MISSING if told.evses or not said else FaultKind.EVSES_ALL_REMOVED, "evses")
    return tuple(found.values())


def _named(around: Part, said: list[Any], key: str) -> Iterator[Part]:
    """The EVSEs of a Location, or the connectors of an EVSE: faults call them by their ids, else by their numbers."""
    for index, one in enumerate(said):
        content = one if type(one) is dict else _NOTHING
        name = content.get(key)
        name = name if is_id(name) else f"#{index}"
        yield Part(content, around.faults, around.evse or name, name if around.evse else "")


def _evse(part: Part, told: _Told) -> Evse | None:
    said = _status(part)
    if said is Status.REMOVED:
        part.note(FaultKind.EVSE_REMOVED, "status")
        return None
    told.evses += 1
    uid, happened_at = part.content.get("uid"), _happened_at(part, told)
    connectors = _connectors(part, told, happened_at)
    if uid != part.evse:  # else what faults call it by is its uid
        part.note(FaultKind.EVSE_UID_UNFIT, "uid")
        return None
    if not connectors:
        part.note(FaultKind.EVSE_WITHOUT_CONNECTORS, "connectors")
        return None
    return Evse(
        uid=part.evse,
        status=said if told.origin.is_reachable else Status.UNKNOWN,
        said=said,
        happened_at=happened_at,
        heard_at=told.origin.heard_at,
        connectors=connectors,
        evse_id=_evse_id(part),
        capabilities=words_of(part, "capabilities", _CAPABILITIES),
        floor_level=code_of(part, "floor_level", 4),
        coordinates=inner_point_of(part, "coordinates"),
        physical_reference=code_of(part, "physical_reference", 16),
        directions=texts_of(part, "directions"),
        parking_restrictions=words_of(part, "parking_restrictions", _RESTRICTIONS),
        images=_images(part),
    )


def _status(part: Part) -> Status:
    said = part.content.get("status")
    if type(said) is str and said in _STATUSES:
        return _STATUSES[said]
    if said is None or said == "":
        part.note(FaultKind.STATUS_MISSING, "status")
        return Status.UNKNOWN
    status = _STATUSES_BY_LETTERS.get(letters_of(said)) if type(said) is str else None
    part.note(FaultKind.STATUS_FORM if status else FaultKind.STATUS_UNKNOWN_WORD, "status")
    return status or Status.UNKNOWN


def _happened_at(part: Part, told: _Told) -> datetime:
    """When the status came to be: not after it was heard, whatever the owner's clock says."""
    moment, heard_at = moment_of(part, "last_updated", told.last_updated), told.origin.heard_at
    if moment <= heard_at or moment - heard_at <= AHEAD_MAX:
        return moment
    part.note(FaultKind.TIMESTAMP_AHEAD, "last_updated")
    return heard_at


def _evse_id(part: Part) -> str | None:
    said = code_of(part, "evse_id", EVSE_ID_MAX_CHARACTERS)
    if said is None:
        part.note(FaultKind.EVSE_ID_MISSING, "evse_id")
    elif not _EMI3.fullmatch(said):
        part.note(FaultKind.EVSE_ID_FORM, "evse_id")
    return said if is_id(said, EVSE_ID_MAX_CHARACTERS) else None


def _connectors(evse: Part, told: _Told, since: datetime) -> tuple[Connector, ...]:
    said, found = list_of(evse, "connectors"), dict[str, Connector]()
    for one in _named(evse, said, "id"):
        connector = connector_of(one, since)
        if connector is not None and found.setdefault(fold(connector.id), connector) is not connector:
            one.note(FaultKind.CONNECTOR_ID_REPEATED, "id")
    told.connectors += len(said)
    return tuple(found.values())


# --- what stands beside ----------------------------------------------------------------------


def _related(part: Part) -> Iterator[NamedPoint]:
    for one in inners_of(part, "related_locations"):
        point, name = minor_point(one, "latitude"), inner_of(one, "name")
        if point is not None:
            yield NamedPoint(point.latitude, point.longitude, display_text_of(name) if name else None)


def _business(part: Part, name: str) -> Business | None:
    inner = inner_of(part, name)
    if inner is None:
        return None
    called = text_of(inner, "name", 100)
    if called is None:
        part.note(FaultKind.FIELD_UNREADABLE, name)
        return None
    logo = inner_of(inner, "logo")
    return Business(called, url_of(inner, "website"), _image(logo) if logo else None)


def _images(part: Part) -> tuple[Image, ...]:
    return tuple(image for one in inners_of(part, "images") if (image := _image(one)))


def _image(part: Part) -> Image | None:
    url, category = url_of(part, "url"), word_of(part, "category", _IMAGE_CATEGORIES)
    kind = code_of(part, "type", IMAGE_TYPE_MAX_CHARACTERS)
    if url is None or category is None or not is_id(kind, IMAGE_TYPE_MAX_CHARACTERS):
        part.note(FaultKind.FIELD_UNREADABLE, "url")
        return None
    return Image(
        url=url,
        category=category,
        type=str(kind),
        thumbnail=url_of(part, "thumbnail"),
        width=whole_of(part, "width", PIXELS_MAX),
        height=whole_of(part, "height", PIXELS_MAX),
    )


def _energy_mix(part: Part) -> dict[str, Any] | None:
    """The energy mix with the fields of OCPI that can be read; without is_green_energy it says nothing."""
    inner = inner_of(part, "energy_mix")
    if inner is None:
        return None
    is_green = flag_of(inner, "is_green_energy")
    if is_green is None:
        part.note(FaultKind.FIELD_UNREADABLE, "energy_mix")
        return None
    mix = {
        "is_green_energy": is_green,
        "energy_sources": [*_shares(inner, "energy_sources", _SOURCE)],
        "environ_impact": [*_shares(inner, "environ_impact", _IMPACT)],
        "supplier_name": text_of(inner, "supplier_name", 64),
        "energy_product_name": text_of(inner, "energy_product_name", 64),
    }
    return {name: value for name, value in mix.items() if value is not None and value != []}


class _Share(NamedTuple):
    """The fields of one entry of an energy mix: its kind, its number, and the most that this may be."""

    kind: str
    words: Words
    number: str
    most: int


_SOURCE = _Share("source", _SOURCES, "percentage", PERCENT_MAX)
_IMPACT = _Share("category", _IMPACTS, "amount", AMOUNT_MAX)


def _shares(part: Part, name: str, fields: _Share) -> Iterator[dict[str, Any]]:
    for one in inners_of(part, name):
        kind, number = word_of(one, fields.kind, fields.words), decimal_of(one, fields.number)
        if kind is None or number is None or number > fields.most:
            one.note(FaultKind.FIELD_UNREADABLE, fields.number)
        else:
            yield {fields.kind: kind, fields.number: _number(number)}


def _number(number: Decimal) -> int | float:
    rounded = round(number, AMOUNT_DECIMALS)
    return float(rounded) if rounded % 1 else int(rounded)
