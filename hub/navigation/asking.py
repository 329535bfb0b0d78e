"""What somebody asks of the map, read out of the parameters of a request. Pure; what cannot be meant is a ReadingFault."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite

import msgspec
import numpy as np
import polyline

from hub.navigation.geometry import Box, Floats
from hub.navigation.problems import ReadingFault, wrong
from hub.navigation.route import ROUTE_POINTS_MAX

BOX_MAX_DEGREES = 20.0
RADIUS_MAX_METRES = 100_000.0
CORRIDOR_MAX_METRES = 20_000.0
CORRIDOR_METRES = 2_000.0
ROUTE_MAX_DEGREES = 60.0
POLYLINE_MAX_CHARACTERS = 16_000
POLYLINE_DECIMALS = (5, 6)
"""Of most planners; of OSRM's `polyline6` and of Valhalla."""
LIMIT_MAX = 1000
LIMIT = 100
OFFSET_MAX = 100_000
IDS_MAX = 500
LIST_MAX_WORDS = 50


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """The points of a route in its order, in degrees of WGS 84."""

    longitudes: Floats
    latitudes: Floats

    def __len__(self) -> int:
        return len(self.longitudes)

    @classmethod
    def of(cls, points: Iterable[tuple[float, float]]) -> Track:
        """Of points, longitude and latitude of each."""
        numbers = np.fromiter(chain.from_iterable(points), np.float64)
        return cls(numbers[::2], numbers[1::2])


def said_once(parameters: Iterable[tuple[str, str]]) -> None:
    """Raises ReadingFault where a parameter is said twice: one of the two would be looked over."""
    seen: set[str] = set()
    for name, _ in parameters:
        if name in seen:
            raise wrong(name, "is said twice; where a list is meant, it is divided by commas")
        seen.add(name)


def read_box(text: str) -> Box:
    """``west,south,east,north`` in degrees of WGS 84; where west is more than east it lies over the 180th meridian."""
    box = read_any_box(text)
    if box.unwrapped_east - box.west > BOX_MAX_DEGREES or box.north - box.south > BOX_MAX_DEGREES:
        raise wrong(
            "bbox",
            f"is more than {BOX_MAX_DEGREES:g} degrees wide or high: use /nav/v1/tiles, or /nav/v1/changes for everything",
            "BOX_TOO_LARGE",
        )
    return box


def read_any_box(text: str) -> Box:
    """A box of any size."""
    west, south, east, north = _numbers("bbox", text, 4)
    try:
        return Box(west, south, east, north)
    except ValueError as exc:
        raise wrong("bbox", f"{exc}; it is west,south,east,north") from exc


def read_near(text: str) -> tuple[float, float]:
    """``latitude,longitude`` in degrees of WGS 84."""
    latitude, longitude = _numbers("near", text, 2)
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise wrong("near", "is latitude,longitude, from -90 to 90 and from -180 to 180")
    return latitude, longitude


def read_metres(parameter: str, text: str, most: float) -> float:
    """A distance in metres, more than nothing and not more than `most`."""
    (metres,) = _numbers(parameter, text, 1)
    if not 0 < metres <= most:
        raise wrong(parameter, f"is metres, more than 0 and at most {most:g}")
    return metres


def read_number(parameter: str, text: str, least: float = 0.0) -> float:
    """Any number from `least` on."""
    (number,) = _numbers(parameter, text, 1)
    if number < least:
        raise wrong(parameter, f"is at least {least:g}")
    return number


def read_count(parameter: str, text: str, least: int, most: int) -> int:
    """A whole number in bounds."""
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and least <= int(text) <= most):
        raise wrong(parameter, f"is a whole number from {least} to {most}")
    return int(text)


def read_flag(parameter: str, text: str) -> bool:
    """true or false."""
    if text.lower() in {"true", "1", "yes"}:
        return True
    if text.lower() in {"false", "0", "no"}:
        return False
    raise wrong(parameter, "is true or false")


def read_words(parameter: str, text: str, known: Sequence[str] = ()) -> tuple[str, ...]:
    """Words divided by commas; where `known` words are given, only those, whatever their case."""
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    if not 1 <= len(words) <= LIST_MAX_WORDS:
        raise wrong(parameter, f"is a list of 1 to {LIST_MAX_WORDS} words, divided by commas")
    if not known:
        return words
    by_fold = {word.casefold(): word for word in known}
    if unknown := [word for word in words if word.casefold() not in by_fold]:
        raise wrong(parameter, f"{unknown[0][:40]!r} is none of {', '.join(known)}")
    return tuple(by_fold[word.casefold()] for word in words)


def read_precision(text: str) -> int:
    """How many decimals an encoded polyline has."""
    if text not in map(str, POLYLINE_DECIMALS):
        raise wrong("precision", "is 5 or 6: how many decimals the encoded polyline has")
    return int(text)


def read_polyline(text: str, precision: int = POLYLINE_DECIMALS[0], parameter: str = "route") -> Track:
    """A route as an encoded polyline with so many decimals."""
    if len(text) > POLYLINE_MAX_CHARACTERS:
        raise wrong(
            parameter,
            f"is longer than {POLYLINE_MAX_CHARACTERS} characters: POST it to /nav/v1/locations as GeoJSON",
            "ROUTE_TOO_LONG",
        )
    try:
        points = polyline.decode(text, precision, geojson=True)
    except (ValueError, IndexError, OverflowError) as exc:
        raise wrong(parameter, f"is not an encoded polyline ({precision} decimals)") from exc
    return checked_track(Track.of(points))


def read_line(body: bytes) -> Track:
    """A route as a GeoJSON LineString, or a Feature of one."""
    try:
        said = _decode_line(body)
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise wrong("route", f"is not a GeoJSON LineString: {exc}") from exc
    line = said.geometry or said
    if line.type != "LineString" or line.coordinates is None:
        raise wrong("route", "is not a GeoJSON LineString, or a Feature of one")
    return checked_track(Track.of((point.longitude, point.latitude) for point in line.coordinates))


class _Point(msgspec.Struct, array_like=True, gc=False):
    """A position of GeoJSON (RFC 7946, section 3.1.1); thousands of them are nothing that the garbage collector has to look through."""

    longitude: float
    latitude: float
    altitude: float = 0.0


class _Line(msgspec.Struct, gc=False):
    type: str
    coordinates: list[_Point] | None = None
    geometry: _Line | None = None


_decode_line = msgspec.json.Decoder(_Line).decode


def checked_track(track: Track) -> Track:
    """The same, where it can be followed."""
    if not 2 <= len(track) <= ROUTE_POINTS_MAX:
        raise wrong("route", f"has {len(track)} points; 2 to {ROUTE_POINTS_MAX} are possible")
    if not ((np.abs(track.longitudes) <= 180).all() and (np.abs(track.latitudes) <= 90).all()):  # NaN is in no bounds
        raise wrong("route", "leaves the globe; GeoJSON has longitude first, polylines latitude")
    if max(_span(track.longitudes), _span(track.latitudes)) > ROUTE_MAX_DEGREES:
        raise wrong("route", f"spans more than {ROUTE_MAX_DEGREES:g} degrees: ask for a part of it", "ROUTE_TOO_LONG")
    return track


def _span(degrees: Floats) -> float:
    """From one end to the other, over the 180th meridian where that is the shorter way from point to point."""
    at = np.cumsum((np.diff(degrees) + 180) % 360 - 180)
    return max(0.0, float(at.max())) - min(0.0, float(at.min()))


def read_cursor(text: str) -> int:
    """Where a reader of changes stands: what a page before said."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise wrong("cursor", "is not one that /nav/v1/changes or /nav/v1/stream gave", "BAD_CURSOR")
    return int(text)


def gone_cursor(horizon: int, cursor: int) -> ReadingFault:
    """410: not all that happened since then is known any more, or the hub knows nothing of then (its data came out of a backup)."""
    why = f"what happened before {horizon} is forgotten" if cursor < horizon else "it is not one of this hub's"
    return ReadingFault(410, "CURSOR_TOO_OLD", f"{why}: begin again without a cursor", "cursor")


def _numbers(parameter: str, text: str, how_many: int) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",") if "_" not in text]
    except ValueError as exc:
        raise wrong(
            parameter, f"is not {how_many} numbers divided by commas" if how_many > 1 else "is not a number"
        ) from exc
    if len(numbers) != how_many or not all(map(isfinite, numbers)):
        raise wrong(parameter, f"is {how_many} numbers divided by commas" if how_many > 1 else "is one number")
    return numbers
