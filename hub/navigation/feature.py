"""A public Location as GeoJSON (RFC 7946): what apps show of it in a list or on a map. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from hub.navigation.entry import OUT_OF_SERVICE, PAYMENTS
from hub.navigation.location import Connector, Evse, PublicLocation
from hub.navigation.state import State, state_of
from ocpi_modules.locations import Status

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[str]).decode

OCCUPIED = frozenset({Status.CHARGING, Status.BLOCKED, Status.RESERVED})


class Plug(NamedTuple):
    """What tells groups of connectors apart: the standard, the kind of current, and kW (None: unknown)."""

    standard: str
    power_type: str
    kilowatts: float | None


def feature_text(location: PublicLocation) -> bytes:
    """A Feature as it is stored: its tariffs as a list in the first line, then its JSON, which ends with its properties' end."""
    return _encode(sorted(location.tariff_ids)) + b"\n" + _encode(feature_of(location))


def split_feature(text: bytes) -> tuple[list[str], bytes]:
    """The ids of its tariffs, and its JSON."""
    head, _, feature = text.partition(b"\n")
    return _decode(head), feature


def with_properties(feature: bytes, more: dict[str, Any]) -> bytes:
    """A Feature's JSON with more properties."""
    return feature[:-2] + b"," + _encode(more)[1:] + b"}" if more else feature


def feature_of(location: PublicLocation) -> dict[str, Any]:
    """The Feature: degrees of WGS 84, longitude first; moments in UTC; kW."""
    point = {"type": "Point", "coordinates": [location.longitude, location.latitude]}
    return {"type": "Feature", "id": location.number, "geometry": point, "properties": _properties(location)}


def _properties(location: PublicLocation) -> dict[str, Any]:
    counts = counts_of(location.evses)
    return {
        "ref": location.ref,
        **_named(location, ("name", "address", "postal_code", "city", "country", "parking_type")),
        "operator": {"name": location.operator_name, "party": location.party},
        "evses": counts,
        "state": state_in(counts),
        "summary": [*map(_group_json, groups_of(location.evses))],
        "freshness": freshness_of(location),
        "opening": _opening(location),
        "payment": [one for one in PAYMENTS if any(one in evse.capabilities for evse in location.evses)],
        "facilities": list(location.facilities),
        "time_zone": location.time_zone,
        "last_updated": location.last_updated,
        "links": {"self": path_of(location), "ocpi": f"/open/ocpi/2.2.1/locations/{_path(location)}"},
    }


def path_of(location: PublicLocation) -> str:
    """Where the whole Location is."""
    return f"/nav/v1/locations/{_path(location)}"


def _path(location: PublicLocation) -> str:
    return "/".join(quote(part, safe="") for part in (location.country_code, location.party_id, location.id))


def _named(location: PublicLocation, names: Iterable[str]) -> dict[str, str]:
    return {name: value for name in names if (value := getattr(location, name)) is not None}


def counts_of(evses: Sequence[Evse]) -> dict[str, int]:
    """How many EVSEs there are, and in which state."""
    shown = [evse.status for evse in evses]
    available = shown.count(Status.AVAILABLE)
    occupied = sum(status in OCCUPIED for status in shown)
    broken = sum(status in OUT_OF_SERVICE for status in shown)
    unknown = len(shown) - available - occupied - broken
    return {
        "total": len(shown),
        "available": available,
        "occupied": occupied,
        "out_of_service": broken,
        "unknown": unknown,
    }


def state_in(counts: dict[str, int]) -> State:
    """The state that counts come to."""
    return state_of(**{name: counts[name] for name in ("available", "occupied", "unknown", "total")})


class Group(NamedTuple):
    """EVSEs that have the same plug; one with two plugs is in two groups. `changed_at`: when one of them changed last (UTC)."""

    plug: Plug
    evses: int
    available: int
    out_of_service: int
    changed_at: datetime


def groups_of(evses: Sequence[Evse]) -> list[Group]:
    """The groups, the strongest first."""
    plugs = sorted(_plugs(evses), key=lambda pair: (-(pair[0].kilowatts or 0), pair[0].standard, pair[0].power_type))
    return [_group(plug, [evse for _, evse in pairs]) for plug, pairs in groupby(plugs, key=lambda pair: pair[0])]


def _plugs(evses: Sequence[Evse]) -> Iterator[tuple[Plug, Evse]]:
    for evse in evses:
        for plug in {*map(plug_of, evse.connectors)}:
            yield plug, evse


def plug_of(connector: Connector) -> Plug:
    """What a connector is grouped by."""
    return Plug(connector.standard, connector.power_type, connector.kilowatts)


def _group(plug: Plug, evses: Sequence[Evse]) -> Group:
    available = sum(evse.status is Status.AVAILABLE for evse in evses)
    broken = sum(evse.status in OUT_OF_SERVICE for evse in evses)
    return Group(plug, len(evses), available, broken, max(evse.happened_at for evse in evses))


def _group_json(group: Group) -> dict[str, Any]:
    return {
        "connector": group.plug.standard,
        "power_type": group.plug.power_type,
        "kw": group.plug.kilowatts,
        "count": group.evses,
        "available": group.available,
        "out_of_service": group.out_of_service,
        "last_changed": group.changed_at,
    }


def freshness_of(location: PublicLocation) -> dict[str, Any]:
    """How far the statuses can be trusted: not how old they are, but whether who says them can be reached (silence is not staleness)."""
    return {
        "source": location.source,
        "is_reachable": location.is_reachable,
        "silent_since": location.silent_since,
        "heard_at": location.heard_at,
        "status_changed_at": max((evse.happened_at for evse in location.evses), default=None),
    }


def _opening(location: PublicLocation) -> dict[str, Any]:
    hours = location.opening_times
    if hours is None:
        return {"twentyfourseven": None}
    return {
        "twentyfourseven": hours.twentyfourseven,
        **({"regular_hours": hours.regular_hours} if hours.regular_hours else {}),
    }
