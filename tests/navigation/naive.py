"""What the index answers, said plainly: loops over all Locations, one at a time, without numpy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import asin, cos, hypot, pi, radians, sin, sqrt

from hub.navigation.entry import PAYMENTS, Vehicles
from hub.navigation.filters import Filter
from hub.navigation.location import Connector, Evse, PublicLocation
from ocpi_modules.locations import Status

EARTH_RADIUS_METRES = 6_371_008.8
Spot = tuple[float, float]
"""Longitude and latitude."""


@dataclass(frozen=True, slots=True)
class Foot:
    """Where a route is nearest to a place: metres from its start, and metres to it."""

    position_m: float
    offset_m: float


def metres(here: Spot, there: Spot) -> float:
    """The distance on a sphere."""
    north, east = radians(there[1] - here[1]) / 2, radians(there[0] - here[0]) / 2
    share = sin(north) ** 2 + cos(radians(here[1])) * cos(radians(there[1])) * sin(east) ** 2
    return 2 * EARTH_RADIUS_METRES * asin(sqrt(min(1.0, share)))


def within(spots: Mapping[int, Spot], west: float, south: float, east: float, north: float) -> list[int]:
    """Numbers of the spots in a box, which lies over the 180° meridian where `west` is beyond `east`."""
    return sorted(
        number
        for number, (longitude, latitude) in spots.items()
        if south <= latitude <= north and any(_is_between(west, copy, east) for copy in _copies(longitude))
    )


def _copies(longitude: float) -> Iterable[float]:
    return (180.0, -180.0) if abs(longitude) == 180 else (longitude,)


def _is_between(west: float, longitude: float, east: float) -> bool:
    return west <= longitude <= east if west <= east else longitude >= west or longitude <= east


def near(spots: Mapping[int, Spot], here: Spot, radius_m: float) -> list[tuple[float, int]]:
    """Distances and numbers of what is not farther away, nearest first."""
    found = ((metres(here, spot), number) for number, spot in spots.items())
    return sorted(one for one in found if one[0] <= radius_m)


def foot(points: Sequence[Spot], place: Spot) -> Foot:
    """Where the line through some points is nearest to a place, by the plane around the place."""
    best, start = (float("inf"), Foot(0, 0)), 0.0
    for (ax, ay), (bx, by) in pairwise(points):
        ex, ey = _short(bx - ax), by - ay
        length, share = _nearest(_short(ax - place[0]), ay - place[1], ex, ey, cos(radians(place[1])))
        segment = metres((ax, ay), (ax + ex, by))
        if length < best[0]:
            there = ax + share * ex, ay + share * ey
            best = length, Foot(start + share * segment, metres(place, there))
        start += segment
    return best[1]


def _short(degrees: float) -> float:
    return (degrees + 180) % 360 - 180


def _nearest(x: float, y: float, ex: float, ey: float, scale: float) -> tuple[float, float]:
    unit = EARTH_RADIUS_METRES * pi / 180
    x, y, ex, ey = x * unit * scale, y * unit, ex * unit * scale, ey * unit
    squared = ex * ex + ey * ey
    share = min(1.0, max(0.0, -(x * ex + y * ey) / squared)) if squared else 0.0
    return hypot(x + share * ex, y + share * ey), share


def matches(location: PublicLocation, wanted: Filter) -> bool:
    """Whether a Location has what is wanted, apart from when it is open."""
    return _is_run_by(location, wanted) and any(
        _fits(evse, connector, wanted) for evse in location.evses for connector in evse.connectors
    )


def _is_run_by(location: PublicLocation, wanted: Filter) -> bool:
    names = {name.lower() for name in wanted.operators}
    return not names or location.party.lower() in names or location.operator_name.lower() in names


def _fits(evse: Evse, connector: Connector, wanted: Filter) -> bool:
    is_for_motorcycles_only = "MOTORCYCLES" in evse.parking_restrictions
    return (
        (not wanted.connectors or connector.standard in wanted.connectors)
        and _has_power(connector.max_electric_power, wanted)
        and (not wanted.payments or bool(wanted.payments & set(evse.capabilities) & set(PAYMENTS)))
        and not (wanted.vehicle == Vehicles.CAR and is_for_motorcycles_only)
        and (not wanted.is_available_now or evse.status == Status.AVAILABLE)
    )


def _has_power(watts: int | None, wanted: Filter) -> bool:
    if wanted.power_min_kw is None and wanted.power_max_kw is None:
        return True
    low, high = wanted.power_min_kw or 0.0, wanted.power_max_kw
    return watts is not None and low * 1000 <= watts and (high is None or watts <= high * 1000)
