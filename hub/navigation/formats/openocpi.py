"""A public Location as the OCPI 2.2.1 object it is: for everybody who reads Locations by OCPI without a handshake.

Source: mod_locations (Location object). A status is what is shown: UNKNOWN while its source cannot be reached. What OCPI needs and the data
does not hold is left out with the part that needs it: an EVSE without connectors, opening times that name no hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from hub.navigation.formats.publishing import DECIMALS_OF_A_DEGREE, degrees, json_bytes
from hub.navigation.location import Business, Connector, Evse, Hours, Image, NamedPoint, Period, PublicLocation, Text
from ocpi_modules.types import format_datetime


def location_object(location: PublicLocation) -> dict[str, Any]:
    """The Location as OCPI 2.2.1 wants it: `publish` is true, coordinates are text (L-16, L-18)."""
    evses = [evse for evse in location.evses if evse.connectors]
    return _without_nothing(
        {
            "country_code": location.country_code,
            "party_id": location.party_id,
            "id": location.id,
            "publish": True,
            "name": location.name,
            "address": location.address,
            "city": location.city,
            "postal_code": location.postal_code,
            "state": location.state,
            "country": location.country,
            "coordinates": _geo(location.latitude, location.longitude),
            "related_locations": [_named_point(point) for point in location.related_locations],
            "parking_type": location.parking_type,
            "evses": [_evse(evse) for evse in evses],
            "directions": [_text(text) for text in location.directions],
            "operator": _business(location.operator),
            "suboperator": _business(location.suboperator),
            "owner": _business(location.owner),
            "facilities": list(location.facilities),
            "time_zone": location.time_zone,
            "opening_times": _hours(location.opening_times),
            "charging_when_closed": location.charging_when_closed,
            "images": [_image(image) for image in location.images],
            "energy_mix": location.energy_mix,
            "last_updated": format_datetime(max([location.last_updated, *map(_last_updated, evses)])),
        }
    )


def location_json(location: PublicLocation) -> bytes:
    """The same as JSON text in UTF-8."""
    return json_bytes(location_object(location))


def locations_json(locations: Iterable[PublicLocation], at: datetime) -> Iterator[bytes]:
    """A list of them in OCPI's envelope, piece by piece (transport_and_format, "Response format"); `at` is the time of the answer."""
    yield b'{"data":['
    between = b""
    for location in locations:
        yield between + location_json(location)
        between = b","
    yield b'],"status_code":1000,"status_message":"Success","timestamp":"' + format_datetime(at).encode() + b'"}'


def _without_nothing(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if value is not None and value != []}


def _geo(latitude: float, longitude: float) -> dict[str, str]:
    return {"latitude": _degrees_text(latitude), "longitude": _degrees_text(longitude)}


def _degrees_text(value: float) -> str:
    return f"{degrees(value):.{DECIMALS_OF_A_DEGREE}f}"  # OCPI wants 5 to 7 decimals


def _text(text: Text) -> dict[str, str]:
    return {"language": text.language, "text": text.text}


def _named_point(point: NamedPoint) -> dict[str, Any]:
    name = _text(point.name) if point.name else None
    return _without_nothing({**_geo(point.latitude, point.longitude), "name": name})


def _image(image: Image) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.structs.asdict(image)
    return _without_nothing(content)


def _business(business: Business | None) -> dict[str, Any] | None:
    if business is None:
        return None
    logo = _image(business.logo) if business.logo else None
    return _without_nothing({"name": business.name, "website": business.website, "logo": logo})


def _hours(hours: Hours | None) -> dict[str, Any] | None:
    if hours is None or not (hours.twentyfourseven or hours.regular_hours):
        return None
    regular = [] if hours.twentyfourseven else [msgspec.structs.asdict(day) for day in hours.regular_hours]
    return _without_nothing(
        {
            "twentyfourseven": hours.twentyfourseven,
            "regular_hours": regular,
            "exceptional_openings": [_period(period) for period in hours.exceptional_openings],
            "exceptional_closings": [_period(period) for period in hours.exceptional_closings],
        }
    )


def _period(period: Period) -> dict[str, str]:
    return {"period_begin": format_datetime(period.period_begin), "period_end": format_datetime(period.period_end)}


def _evse(evse: Evse) -> dict[str, Any]:
    coordinates = _geo(evse.coordinates.latitude, evse.coordinates.longitude) if evse.coordinates else None
    return _without_nothing(
        {
            "uid": evse.uid,
            "evse_id": evse.evse_id,
            "status": evse.status.value,
            "capabilities": list(evse.capabilities),
            "connectors": [_connector(connector) for connector in evse.connectors],
            "floor_level": evse.floor_level,
            "coordinates": coordinates,
            "physical_reference": evse.physical_reference,
            "directions": [_text(text) for text in evse.directions],
            "parking_restrictions": list(evse.parking_restrictions),
            "images": [_image(image) for image in evse.images],
            "last_updated": format_datetime(_last_updated(evse)),
        }
    )


def _last_updated(evse: Evse) -> datetime:
    # L-10: never older than that of its parts
    return max([evse.happened_at, *(connector.last_updated for connector in evse.connectors)])


def _connector(connector: Connector) -> dict[str, Any]:
    return _without_nothing(
        {
            "id": connector.id,
            "standard": connector.standard,
            "format": connector.format,
            "power_type": connector.power_type,
            "max_voltage": connector.max_voltage,
            "max_amperage": connector.max_amperage,
            "max_electric_power": None if connector.is_power_computed else connector.max_electric_power,
            "tariff_ids": list(connector.tariff_ids),
            "terms_and_conditions": connector.terms_and_conditions,
            "last_updated": format_datetime(connector.last_updated),
        }
    )
