"""A public Location as a POI of Open Charge Map, for clients that speak its API (`/ocm/v3/poi`, `/ocm/v3/referencedata`).

Sources: Open Charge Map's API as its clients use it (PyPI ``ocmpy``, EVMap): times are UTC to the second, ids are whole numbers, `compact`
says ids only, and without `verbose` nothing that is null is said.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from hub.navigation.formats import ocm_reference as words
from hub.navigation.formats.publishing import (
    PAYMENT_CAPABILITIES,
    AdHocPrice,
    Prices,
    Publisher,
    adhoc_price,
    in_words,
    joined,
    json_bytes,
)
from hub.navigation.location import Connector, Evse, PublicLocation

IDS_PER_LOCATION = 10_000
"""Connections and images have ids of their own: this many are kept free for each Location."""

_IDS = uuid.UUID("6f1a5a0e-6d0a-5a55-9d0e-0c5f6a1b7c10")
_MEMBERS_WITH = {"RFID_READER", "REMOTE_START_STOP_CAPABLE"}

Poi = dict[str, Any]


@dataclass(frozen=True, slots=True)
class View:
    """How POIs are told: `is_compact` with ids only, `is_verbose` with what is null, distances in one of `words.DISTANCE_UNITS`."""

    publisher: Publisher
    prices: Prices
    is_compact: bool = False
    is_verbose: bool = True
    distance_unit: str = words.MILES


def pois_json(found: Iterable[tuple[PublicLocation, float | None]], view: View) -> Iterator[bytes]:
    """The POIs of Locations as a JSON list, piece by piece, each with its distance, or None where nobody asked from where."""
    yield b"["
    yield from joined((json_bytes(poi(location, distance, view)) for location, distance in found), b",")
    yield b"]"


def poi(location: PublicLocation, distance: float | None, view: View) -> Poi:
    """One POI. Its ID is the hub's number of the Location, its UUID always the same for one Location."""
    content = {**_summary(location, view), "AddressInfo": _address(location, distance, view)}
    connections = _connections(location)
    content |= {"Connections": connections, "MediaItems": _media(location), "NumberOfPoints": len(location.evses)}
    if not view.is_compact:
        content |= _in_full(location, content, view)
    return content if view.is_verbose else _stated(content)


def _stated(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _stated(item) for name, item in value.items() if item is not None}
    return [_stated(item) for item in value] if isinstance(value, list) else value


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _summary(location: PublicLocation, view: View) -> Poi:
    return {
        "DataProvider": None,
        "OperatorInfo": None,
        "UsageType": None,
        "StatusType": None,
        "SubmissionStatus": None,
        "UserComments": None,
        "PercentageSimilarity": None,
        "IsRecentlyVerified": location.is_reachable,
        "DateLastVerified": _moment(location.heard_at),
        "ID": location.number,
        "UUID": str(uuid.uuid5(_IDS, location.ref)).upper(),
        "ParentChargePointID": None,
        "DataProviderID": words.DATA_PROVIDER_ID,
        "DataProvidersReference": location.ref,
        "OperatorID": words.operator_id_of(location.country_code, location.party_id),
        "OperatorsReference": location.id,
        "UsageTypeID": usage_of(location),
        "UsageCost": _cost(location, view.prices),
        "GeneralComments": None,
        "DatePlanned": None,
        "DateLastConfirmed": None,
        "StatusTypeID": status_of(location),
        "DateLastStatusUpdate": _moment(
            max((evse.happened_at for evse in location.evses), default=location.last_updated)
        ),
        "MetadataValues": None,
        "DataQualityLevel": 1,
        "DateCreated": None,
        "SubmissionStatusTypeID": words.SUBMISSION_PUBLISHED,
    }


def usage_of(location: PublicLocation) -> int:
    """How one may use a Location, as an id."""
    able = set(chain.from_iterable(evse.capabilities for evse in location.evses))
    if able & PAYMENT_CAPABILITIES:
        return words.USAGE_PAY_AT_LOCATION
    return words.USAGE_MEMBERSHIP if able & _MEMBERS_WITH else words.USAGE_PUBLIC


def _cost(location: PublicLocation, prices: Prices) -> str | None:
    """The ad-hoc prices that are known, each once; None where none is."""
    found = (adhoc_price(location, connector, prices) for connector in location.connectors)
    told: dict[AdHocPrice, None] = {price[1]: None for price in found if price is not None}
    return "; ".join(dict.fromkeys(in_words(price) for price in told)) or None


def status_of(location: PublicLocation) -> int:
    """How a Location is, as an id: as the best of its EVSEs."""
    states = {words.STATUS_TYPE_OF[evse.status] for evse in location.evses}
    return next((state for state in words.BEST_FIRST if state in states), words.STATUS_UNKNOWN)


def _address(location: PublicLocation, distance: float | None, view: View) -> Poi:
    return {
        "ID": location.number,
        "Title": location.name or location.address,
        "AddressLine1": location.address,
        "AddressLine2": None,
        "Town": location.city,
        "StateOrProvince": location.state,
        "Postcode": location.postal_code,
        "CountryID": words.country_id_of(location.country),
        "Country": None,
        "Latitude": location.latitude,
        "Longitude": location.longitude,
        "ContactTelephone1": None,
        "ContactTelephone2": None,
        "ContactEmail": None,
        "AccessComments": _directions(location),
        "RelatedURL": location.operator.website if location.operator else None,
        "Distance": distance,
        "DistanceUnit": words.NO_DISTANCE if distance is None else words.DISTANCE_UNITS[view.distance_unit],
    }


def _directions(location: PublicLocation) -> str | None:
    return location.directions[0].text if location.directions else None


# --- connections -----------------------------------------------------------------------------


def _connections(location: PublicLocation) -> list[Poi]:
    """Connectors that are alike and in one state, counted."""
    groups: dict[tuple[Any, ...], list[Connector]] = {}
    for evse in location.evses:
        for connector in evse.connectors:
            groups.setdefault(_likeness(evse, connector), []).append(connector)
    first_id = location.number * IDS_PER_LOCATION
    return [_connection(first_id + place, key, alike) for place, (key, alike) in enumerate(groups.items())]


def _likeness(evse: Evse, connector: Connector) -> tuple[Any, ...]:
    return (
        words.STATUS_TYPE_OF[evse.status],
        words.connection_type_of(connector),
        words.CURRENT_TYPE_OF.get(connector.power_type),
        connector.kilowatts,
        connector.max_voltage,
        connector.max_amperage,
    )


def _connection(connection_id: int, likeness: tuple[Any, ...], alike: list[Connector]) -> Poi:
    status, connection_type, current_type, kilowatts, volts, amperes = likeness
    return {
        "ID": connection_id,
        "ConnectionTypeID": connection_type,
        "ConnectionType": None,
        "Reference": None,
        "StatusTypeID": status,
        "StatusType": None,
        "LevelID": words.level_of(kilowatts),
        "Level": None,
        "Amps": amperes or None,
        "Voltage": volts or None,
        "PowerKW": kilowatts,
        "CurrentTypeID": current_type,
        "CurrentType": None,
        "Quantity": len(alike),
        "Comments": None if connection_type else alike[0].standard,
    }


def _media(location: PublicLocation) -> list[Poi] | None:
    items = [
        {
            "ID": location.number * IDS_PER_LOCATION + place,
            "ChargePointID": location.number,
            "ItemURL": image.url,
            "ItemThumbnailURL": image.thumbnail or image.url,
            "Comment": None,
            "IsEnabled": True,
            "IsVideo": False,
            "IsFeaturedItem": False,
            "IsExternalResource": False,
        }
        for place, image in enumerate(location.images)
    ]
    return items or None


# --- in full ---------------------------------------------------------------------------------


def _in_full(location: PublicLocation, content: Poi, view: View) -> Poi:
    website = location.operator.website if location.operator else None
    return {
        "DataProvider": words.data_provider(view.publisher),
        "OperatorInfo": words.operator_item(content["OperatorID"], location.operator_name, website),
        "UsageType": words.usage_type(content["UsageTypeID"]),
        "StatusType": words.status_type(content["StatusTypeID"]),
        "SubmissionStatus": words.submission_status(),
        "AddressInfo": {**content["AddressInfo"], "Country": words.country_item(location.country)},
        "Connections": [_connection_in_full(connection) for connection in content["Connections"]],
    }


def _connection_in_full(connection: Poi) -> Poi:
    level, current = connection["LevelID"], connection["CurrentTypeID"]
    return {
        **connection,
        "ConnectionType": words.connection_type(connection["ConnectionTypeID"]),
        "StatusType": words.status_type(connection["StatusTypeID"]),
        "Level": None if level is None else words.level(level),
        "CurrentType": None if current is None else words.current_type(current),
    }
