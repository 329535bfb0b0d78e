"""A route, and what lies along it: where beside each place the route passes, and how far off.

Between two points a route is straight in longitude and latitude (RFC 7946, section 3.1.1), the short way round the globe. The nearest
point of the route is looked for in a plane around each place, in metres; the distance to it is then the true one.

So that a place is not compared with each of ten thousand segments, a route is a tree: segments, groups of eight of them, groups of eight
groups, up to stretches of some kilometres. Of each node its chord is known and how far it departs from that (`deviations_m`); so
the distance to a node is known to within that, and what is surely farther than another node, or than the corridor, goes. Nothing is
simplified: no place is gained or lost by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from hub.navigation.geometry import DEGREE_METRES, EARTH_RADIUS_METRES, Floats, Ints, Mask, distances_m, spread

ROUTE_POINTS_MAX = 10_000
ROUTE_METRES_MAX = 5_000_000.0
CORRIDOR_METRES_MAX = 25_000.0
ROUTE_LATITUDE_MAX = 85.0
SEGMENT_METRES_MAX = 10_000.0
STRETCH_METRES_MIN = 4_000.0
_FAN: Final = 8
_PLANE_SLACK = (
    1.01  # a plane of 60 km is not quite the globe: candidates are kept generously, and measured truly afterwards
)
_ROUNDING_METRES = 1e-6


@dataclass(frozen=True, slots=True)
class Route:
    """Points in the order of driving. Longitudes go on counting over the 180° meridian; positions are metres from the start."""

    longitudes: Floats
    latitudes: Floats
    positions_m: Floats

    @classmethod
    def of(cls, longitudes: Floats, latitudes: Floats) -> Route:
        """Of two points or more, with longer segments cut to SEGMENT_METRES_MAX.

        Raises ValueError for fewer points or more than ROUTE_POINTS_MAX, points off the globe, latitudes beyond ROUTE_LATITUDE_MAX (no
        road goes there), and routes longer than ROUTE_METRES_MAX.
        """
        _require_sound(longitudes, latitudes)
        unwrapped = np.unwrap(longitudes, period=360)
        lengths = distances_m(unwrapped[:-1], latitudes[:-1], unwrapped[1:], latitudes[1:])
        if float(lengths.sum()) > ROUTE_METRES_MAX:
            raise ValueError(f"a route is {ROUTE_METRES_MAX / 1000:,.0f} km long at most")
        east, north = _cut(unwrapped, latitudes, np.maximum(1, np.ceil(lengths / SEGMENT_METRES_MAX)).astype(np.int64))
        steps = distances_m(east[:-1], north[:-1], east[1:], north[1:])
        return cls(east, north, np.concatenate(([0.0], np.cumsum(steps))))

    @property
    def length_m(self) -> float:
        """How long it is."""
        return float(self.positions_m[-1])


def _require_sound(longitudes: Floats, latitudes: Floats) -> None:
    if not 2 <= len(longitudes) == len(latitudes) <= ROUTE_POINTS_MAX:
        raise ValueError(f"a route has 2 to {ROUTE_POINTS_MAX:,} points")
    if not (np.all(np.abs(longitudes) <= 180) and np.all(np.abs(latitudes) <= ROUTE_LATITUDE_MAX)):
        raise ValueError(f"a route lies between the longitudes ±180 and the latitudes ±{ROUTE_LATITUDE_MAX:g}")


def _cut(longitudes: Floats, latitudes: Floats, pieces: Ints) -> tuple[Floats, Floats]:
    segments = np.repeat(np.arange(len(pieces)), pieces)
    shares = spread(np.zeros(len(pieces), np.int64), pieces) / pieces[segments]
    return _between(longitudes, segments, shares), _between(latitudes, segments, shares)


def _between(values: Floats, segments: Ints, shares: Floats) -> Floats:
    cut = values[segments] + (values[segments + 1] - values[segments]) * shares
    return np.concatenate((cut, values[-1:]))


@dataclass(frozen=True, slots=True)
class Nodes:
    """One level of the tree: the first and last point of each node, how far it departs from its chord, and its children one level below."""

    firsts: Ints
    lasts: Ints
    deviations_m: Floats
    children: Ints
    child_counts: Ints


@dataclass(frozen=True, slots=True)
class Bounds:
    """Boxes, one for each stretch; degrees, longitudes go on counting."""

    west: Floats
    south: Floats
    east: Floats
    north: Floats

    @property
    def middle(self) -> Floats:
        """The longitudes in the middle."""
        return (self.west + self.east) / 2


@dataclass(frozen=True, slots=True)
class Beside:
    """Where beside the route each place is, in the order of the route: which place, metres from the start, metres off."""

    places: Ints
    positions_m: Floats
    offsets_m: Floats


class Corridor:
    """What is not farther from a route than some metres. Raises ValueError where that is beyond CORRIDOR_METRES_MAX or not positive."""

    def __init__(self, route: Route, width_m: float) -> None:
        if not 0 < width_m <= CORRIDOR_METRES_MAX:
            raise ValueError(f"a corridor is up to {CORRIDOR_METRES_MAX / 1000:g} km wide to each side")
        self.route, self.width_m = route, width_m
        self._angle = width_m / EARTH_RADIUS_METRES
        length_m = max(STRETCH_METRES_MIN, 2 * width_m)
        reach = self._angle + (length_m + SEGMENT_METRES_MAX) / EARTH_RADIUS_METRES
        self._levels = tuple(_levels(route, _stretches(route, length_m), reach))
        self.bounds = self._bounds(self._levels[-1])
        """Whatever is in the corridor is in one of these boxes, of its nearest stretch."""

    def beside(self, stretches: Ints, places: Ints, longitudes: Floats, latitudes: Floats) -> Beside:
        """Which places are in the corridor, of those that may be near some stretches (`places` are rows of the two other columns)."""
        away = longitudes[places] - self.bounds.middle[stretches]
        pairs = _Pairs(places, stretches, longitudes[places] - 360 * np.round(away / 360))
        least = np.full(len(longitudes), np.inf)
        for level, below in zip(reversed(self._levels), (*reversed(self._levels[:-1]), None), strict=True):
            lengths = self._plane_distances(pairs, level, latitudes)
            deviations = level.deviations_m[pairs.nodes]
            np.minimum.at(least, pairs.places, lengths + deviations)
            pairs = pairs.where(self._may_be_nearest(pairs, lengths - deviations, least, latitudes))
            pairs = pairs.down(level) if below is not None else pairs
        return self._measured(pairs, latitudes)

    def _plane_distances(self, pairs: _Pairs, level: Nodes, latitudes: Floats) -> Floats:
        chord = _chords(self.route, level.firsts[pairs.nodes], level.lasts[pairs.nodes])
        return chord.nearest(pairs.longitudes, latitudes[pairs.places])[0]

    def _may_be_nearest(self, pairs: _Pairs, lengths: Floats, least: Floats, latitudes: Floats) -> Mask:
        here = np.radians(np.abs(latitudes[pairs.places]))
        shrunk = np.sqrt(np.maximum(0.0, np.cos(here + self._angle)) / np.cos(here))
        is_near = lengths * shrunk <= self.width_m * _PLANE_SLACK + _ROUNDING_METRES
        return np.asarray((lengths <= least[pairs.places] + _ROUNDING_METRES) & is_near, np.bool_)

    def _measured(self, pairs: _Pairs, latitudes: Floats) -> Beside:
        chord = _chords(self.route, pairs.nodes, pairs.nodes + 1)
        lengths, shares = chord.nearest(pairs.longitudes, latitudes[pairs.places])
        kept = _first_of_each(pairs.places, lengths, pairs.nodes)
        pairs, shares, nodes = pairs.where(kept), shares[kept], pairs.nodes[kept]
        east, north = (
            _between_at(self.route.longitudes, nodes, shares),
            _between_at(self.route.latitudes, nodes, shares),
        )
        offsets = distances_m(pairs.longitudes, latitudes[pairs.places], east, north)
        positions = _between_at(self.route.positions_m, nodes, shares)
        order = np.lexsort((pairs.places, positions))
        order = order[offsets[order] <= self.width_m]
        return Beside(pairs.places[order], positions[order], offsets[order])

    def _bounds(self, stretches: Nodes) -> Bounds:
        east, north = self.route.longitudes, self.route.latitudes
        south, top = _least(north, stretches.firsts), _most(north, stretches.firsts)
        height = np.degrees(self._angle) * (1 + 1e-9) + 1e-9
        farthest = np.radians(np.minimum(89.0, np.maximum(np.abs(south), np.abs(top))))
        width = np.degrees(np.arcsin(np.minimum(1.0, np.sin(self._angle) / np.cos(farthest)))) * (1 + 1e-9) + 1e-9
        sides = _least(east, stretches.firsts) - width, _most(east, stretches.firsts) + width
        return Bounds(sides[0], np.maximum(-90.0, south - height), sides[1], np.minimum(90.0, top + height))


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Places that may be nearest to nodes, with the longitude of the place counted as that of its stretch."""

    places: Ints
    nodes: Ints
    longitudes: Floats

    def where(self, kept: Mask | Ints) -> _Pairs:
        return _Pairs(self.places[kept], self.nodes[kept], self.longitudes[kept])

    def down(self, level: Nodes) -> _Pairs:
        counts = level.child_counts[self.nodes]
        nodes = spread(level.children[self.nodes], counts)
        return _Pairs(np.repeat(self.places, counts), nodes, np.repeat(self.longitudes, counts))


@dataclass(frozen=True, slots=True)
class _Chords:
    longitudes: Floats
    latitudes: Floats
    to_longitudes: Floats
    to_latitudes: Floats

    def nearest(self, longitudes: Floats, latitudes: Floats, narrowing: Floats | None = None) -> tuple[Floats, Floats]:
        """How far from each point its chord is, in the plane around the point, and at which share of the chord."""
        scale = DEGREE_METRES * (np.cos(np.radians(latitudes)) if narrowing is None else narrowing)
        x, y = (self.longitudes - longitudes) * scale, (self.latitudes - latitudes) * DEGREE_METRES
        east = (self.to_longitudes - self.longitudes) * scale
        north = (self.to_latitudes - self.latitudes) * DEGREE_METRES
        squared = east * east + north * north
        along = -(x * east + y * north)
        shares = np.clip(np.divide(along, squared, out=np.zeros_like(along), where=squared > 0), 0.0, 1.0)
        return np.hypot(x + shares * east, y + shares * north), shares


def _chords(route: Route, firsts: Ints, lasts: Ints) -> _Chords:
    return _Chords(route.longitudes[firsts], route.latitudes[firsts], route.longitudes[lasts], route.latitudes[lasts])


def _stretches(route: Route, length_m: float) -> Ints:
    """The stretch of each segment, counted without gaps."""
    raw = np.floor(route.positions_m[:-1] / length_m).astype(np.int64)
    return np.concatenate(([0], np.cumsum(np.diff(raw) > 0)))


def _levels(route: Route, owners: Ints, reach: float) -> Iterator[Nodes]:
    """From segments up to stretches; `owners` says the stretch of each segment, `reach` how far from a node a place may be (radians)."""
    count = len(owners)
    none = np.zeros(count, np.int64)
    level = Nodes(np.arange(count), np.arange(1, count + 1), np.zeros(count), none, none)
    yield level
    while len(owners) > owners[-1] + 1:
        first_of_stretch = np.flatnonzero(np.diff(owners, prepend=-1))
        inside = np.arange(len(owners)) - first_of_stretch[owners]
        children = np.flatnonzero(inside % _FAN == 0)
        counts = np.diff(children, append=len(owners))
        firsts, lasts = level.firsts[children], level.lasts[children + counts - 1]
        level = Nodes(firsts, lasts, _deviations(route, firsts, lasts, reach), children, counts)
        owners = owners[children]
        yield level


def _deviations(route: Route, firsts: Ints, lasts: Ints, reach: float) -> Floats:
    """How far the points of each node depart from its chord at most, whichever plane within reach one looks at it in.

    Of all those planes that one is taken in which a degree of longitude is longest.
    """
    counts = lasts - firsts
    chords = _chords(route, np.repeat(firsts, counts), np.repeat(lasts, counts))
    points = slice(0, len(route.latitudes) - 1)
    widest = np.cos(np.maximum(0.0, np.radians(_least(np.abs(route.latitudes), firsts)) - reach))
    lengths, _ = chords.nearest(route.longitudes[points], route.latitudes[points], narrowing=np.repeat(widest, counts))
    return np.asarray(np.maximum.reduceat(lengths, firsts), np.float64)


def _least(values: Floats, firsts: Ints) -> Floats:
    """The least value of each node's points, its last one among them."""
    return np.asarray(np.minimum.reduceat(np.minimum(values[:-1], values[1:]), firsts), np.float64)


def _most(values: Floats, firsts: Ints) -> Floats:
    return np.asarray(np.maximum.reduceat(np.maximum(values[:-1], values[1:]), firsts), np.float64)


def _first_of_each(places: Ints, lengths: Floats, nodes: Ints) -> Ints:
    """Of each place the pair with the shortest distance; of equal ones the earliest on the route."""
    order = np.lexsort((nodes, lengths, places))
    is_first = np.diff(places[order], prepend=-1) != 0
    return np.asarray(order[is_first], np.int64)


def _between_at(values: Floats, nodes: Ints, shares: Floats) -> Floats:
    return np.asarray(values[nodes] + (values[nodes + 1] - values[nodes]) * shares, np.float64)
