"""Distances and boxes on the globe, for single points and for columns of them. Degrees are those of WGS 84, distances metres.

A distance is that on a sphere (haversine), which differs from the ellipsoid's by less than 0.6 %. Nothing is ever measured in degrees:
a degree of longitude at 60° is half as long as at the equator.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, cos, degrees, isfinite, radians, sin

import numpy as np
from numpy.typing import NDArray

EARTH_RADIUS_METRES = 6_371_008.8
DEGREE_METRES = EARTH_RADIUS_METRES * np.pi / 180

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_SLACK_DEGREES = 1e-9  # a tenth of a millimetre: boxes that find candidates never lose one by rounding


@dataclass(frozen=True, slots=True)
class Box:
    """From `west` eastwards to `east`, with its edges: where `west` is the greater, it lies over the 180° meridian.

    Raises ValueError where a longitude is beyond ±180, a latitude beyond ±90, or `south` is above `north`.
    """

    west: float
    south: float
    east: float
    north: float

    def __post_init__(self) -> None:
        if not (abs(self.west) <= 180 and abs(self.east) <= 180):
            raise ValueError("longitudes are from -180 to 180")
        if not -90 <= self.south <= self.north <= 90:
            raise ValueError("latitudes are from -90 to 90, south before north")

    @property
    def is_over_the_meridian(self) -> bool:
        """Whether it lies over the 180° meridian."""
        return self.west > self.east

    @property
    def unwrapped_east(self) -> float:
        """`east`, counted on from `west`: up to 540."""
        return self.east + 360 if self.is_over_the_meridian else self.east

    def holds(self, longitudes: Floats, latitudes: Floats) -> Mask:
        """Which points are in it; 180° and -180° are the same meridian."""
        is_east_of, is_west_of = longitudes >= self.west, longitudes <= self.east
        inside = is_east_of | is_west_of if self.is_over_the_meridian else is_east_of & is_west_of
        if self.west == -180 or self.east == 180:
            inside = inside | (np.abs(longitudes) == 180)
        return inside & (latitudes >= self.south) & (latitudes <= self.north)


def around(latitude: float, longitude: float, radius_m: float) -> Box:
    """A box with everything that is not farther away than that. Raises ValueError for impossible values."""
    if not (isfinite(radius_m) and radius_m >= 0 and abs(latitude) <= 90 and abs(longitude) <= 180):
        raise ValueError("a place on the globe and a distance that is not negative are needed")
    angle = radius_m / EARTH_RADIUS_METRES
    height = degrees(angle) + _SLACK_DEGREES
    south, north = max(-90.0, latitude - height), min(90.0, latitude + height)
    if south == -90 or north == 90:
        return Box(-180.0, south, 180.0, north)
    width = degrees(asin(min(1.0, sin(angle) / cos(radians(latitude))))) + _SLACK_DEGREES
    if width >= 180:
        return Box(-180.0, south, 180.0, north)
    return Box(wrapped(longitude - width), south, wrapped(longitude + width), north)


def wrapped(longitude: float) -> float:
    """The same meridian between -180 and 180; what is there already stays as it is."""
    return longitude if -180 <= longitude <= 180 else (longitude + 180) % 360 - 180


def distance_m(longitude: float, latitude: float, longitudes: Floats, latitudes: Floats) -> Floats:
    """From one point to each of some."""
    there = np.full(longitudes.shape, longitude), np.full(latitudes.shape, latitude)
    return distances_m(*there, longitudes, latitudes)


def distances_m(longitudes: Floats, latitudes: Floats, to_longitudes: Floats, to_latitudes: Floats) -> Floats:
    """From each point to its own other one."""
    here, there = np.radians(latitudes), np.radians(to_latitudes)
    north, east = (there - here) / 2, np.radians(to_longitudes - longitudes) / 2
    share = np.sin(north) ** 2 + np.cos(here) * np.cos(there) * np.sin(east) ** 2
    return np.asarray(2 * EARTH_RADIUS_METRES * np.arcsin(np.sqrt(np.clip(share, 0.0, 1.0))), np.float64)


def spread(firsts: Ints, lengths: Ints) -> Ints:
    """All members of some ranges, one range after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.asarray(np.arange(total) + np.repeat(firsts - (ends - lengths), lengths), np.int64)
