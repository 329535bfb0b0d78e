"""Vector tiles of the public Locations: single ones from LOCATIONS_ZOOM, and counts by cell below it.

Layer `locations`: a point for each Location, its id is the Location's number; `party` (``CC/PID``), `evses`, `kw` (the most power of
its connectors; absent power is 0), and how it is now: `available` (EVSEs), `state` (a word of State). Around a tile there is a buffer, so
that symbols at its edge are whole: there a Location is in both tiles.

Layer `clusters`: a point for each cell (a sixteenth of a tile by a sixteenth) that has Locations, in the middle of them; `count` (of
Locations), `evses`, `available`, `expansion_zoom` (where one sees it fall apart, LOCATIONS_ZOOM at most). A cell belongs to one tile, and a
Location to one cell, so nothing is counted twice or lost at edges. At zooms of the pyramid `expansion_zoom` looks no deeper
than one zoom below it.

A tile is a square of Web Mercator: its north and south are not linear in latitude.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from math import atan, degrees, pi, sinh
from typing import Final

import numpy as np

from hub.navigation.geometry import Box, Ints, Mask, wrapped
from hub.navigation.index import Index
from hub.navigation.mvt import EXTENT, Points, Property, layer, tile
from hub.navigation.pyramid import CELL_BITS, CELLS, PYRAMID_ZOOM_MAX, WORLD_BITS, cell_shift
from hub.navigation.state import STATES

LOCATIONS_ZOOM: Final = 10
ZOOM_MAX: Final = 20
BUFFER: Final = 128
"""In units of EXTENT, to each side: eight pixels where a tile is drawn 256 pixels wide, sixteen where 512."""
LOW_ZOOM_FRESH_SECONDS: Final = 1.0
"""For that long a tile of clusters is given again without a look whether anything changed."""
CACHE_BYTES_MAX: Final = 64 * 1024 * 1024
_OVERHEAD_BYTES: Final = 500

_NAMES = ("count", "evses", "available")


@dataclass(frozen=True, slots=True)
class Address:
    """Which tile. Raises ValueError where there is none: zooms go from 0 to ZOOM_MAX, columns and rows from 0."""

    zoom: int
    x: int
    y: int

    def __post_init__(self) -> None:
        if not (0 <= self.zoom <= ZOOM_MAX and 0 <= self.x < 1 << self.zoom and 0 <= self.y < 1 << self.zoom):
            raise ValueError(f"there is no tile {self.zoom}/{self.x}/{self.y}: zooms go from 0 to {ZOOM_MAX}")

    @property
    def shift(self) -> int:
        """By how many bits a position in the world is shifted to be the number of its tile."""
        return WORLD_BITS - self.zoom


@dataclass(frozen=True, slots=True)
class Tile:
    """What is sent: the tile itself, and a digest of it that serves as its ETag."""

    content: bytes
    digest: str


def box_of(address: Address, buffer: float = 0.0) -> Box:
    """What a tile covers, with a buffer to each side (in widths of the tile). The outermost tiles reach to the poles."""
    size = 1 << address.zoom
    north = 90.0 if address.y == 0 else latitude_of((address.y - buffer) / size)
    south = -90.0 if address.y == size - 1 else latitude_of((address.y + 1 + buffer) / size)
    west, east = ((address.x + edge) / size * 360 - 180 for edge in (-buffer, 1 + buffer))
    return Box(-180.0, south, 180.0, north) if east - west >= 360 else Box(wrapped(west), south, wrapped(east), north)


def latitude_of(y: float) -> float:
    """The latitude at a height in the square of Web Mercator: 0 is its northern edge (85.05°), 1 its southern."""
    return degrees(atan(sinh(pi * (1 - 2 * y))))


def tile_of(index: Index, address: Address, *, is_live: bool = True) -> bytes:
    """A tile; without what changes by the minute where not `is_live`. Nothing where it is empty."""
    if address.zoom >= LOCATIONS_ZOOM:
        return tile([locations_layer(index, address, is_live=is_live)])
    return tile([clusters_layer(_clusters(index, address), address, is_live=is_live)])


# --- single Locations ---------------------------------------------------------------------------


def locations_layer(index: Index, address: Address, *, is_live: bool = True) -> bytes:
    """The Locations in a tile and its buffer."""
    rows, x, y = _placed(index, address)
    places = index.places
    parties, which = np.unique(places.party[rows], return_inverse=True)
    properties = {
        "party": Property([index.parties.by_number[party] for party in parties.tolist()], which),
        "evses": Property.of(places.evses[rows]),
        "kw": Property.of(np.maximum(places.watts_max[rows], 0) / 1000),
    }
    if is_live:
        properties["available"] = Property.of(places.available[rows])
        properties["state"] = Property(STATES, states_of(index, rows))
    return layer("locations", Points(places.number[rows].astype(np.int64), x, y), properties)


def _placed(index: Index, address: Address) -> tuple[Ints, Ints, Ints]:
    """The rows in a tile and its buffer, by number, and where they are in the tile."""
    rows = index.rows_within(box_of(address, 2 * BUFFER / EXTENT))  # twice, so that rounding loses none
    x, y = (
        _units_from(column[rows].astype(np.int64), corner << address.shift) * EXTENT >> address.shift
        for column, corner in ((index.places.x, address.x), (index.places.y, address.y))
    )
    kept = np.flatnonzero((np.minimum(x, y) >= -BUFFER) & (np.maximum(x, y) < EXTENT + BUFFER))
    kept = kept[np.argsort(index.places.number[rows[kept]])]
    return rows[kept], x[kept], y[kept]


def _units_from(positions: Ints, corner: int) -> Ints:
    """How far east (or south) of a corner positions are, the short way round the world."""
    world = 1 << WORLD_BITS
    return np.asarray((positions - corner + world // 2) % world - world // 2, np.int64)


def states_of(index: Index, rows: Ints) -> Ints:
    """For each row its place in STATES."""
    places = index.places
    works = places.evses[rows] > places.out_of_service[rows]
    is_unknown = (places.unknown[rows] > 0) | (places.evses[rows] == 0)
    choices = (places.available[rows] > 0, is_unknown, works)
    return np.select(choices, [0, 1, 2], 3)


# --- clusters -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clusters:
    """Cells of a tile that have Locations: their places in it (row by row), counts, middles in units of the world, and where they split."""

    cells: Ints
    sums: dict[str, Ints]
    expansion_zooms: Ints


def clusters_layer(clusters: Clusters, address: Address, *, is_live: bool = True) -> bytes:
    """Clusters as a layer; the id of one is the number of its cell in the world, row by row."""
    column, row = clusters.cells % CELLS, clusters.cells // CELLS
    side = CELLS << address.zoom
    ids = ((address.y << CELL_BITS) + row) * side + (address.x << CELL_BITS) + column
    x, y = (
        ((clusters.sums[axis] // clusters.sums["count"]) - (corner << address.shift)) * EXTENT >> address.shift
        for axis, corner in (("x", address.x), ("y", address.y))
    )
    names = _NAMES if is_live else _NAMES[:-1]
    properties = {name: Property.of(clusters.sums[name]) for name in names}
    properties["expansion_zoom"] = Property.of(clusters.expansion_zooms)
    return layer("clusters", Points(ids, x, y), properties)


def _clusters(index: Index, address: Address) -> Clusters:
    if address.zoom > PYRAMID_ZOOM_MAX:
        return _added_up(index, address)
    sums = index.pyramid.tile(address.zoom, address.x, address.y)
    taken = np.flatnonzero(sums["count"])
    splits = index.pyramid.splits_at(address.zoom, address.x, address.y)[taken]
    sums = {name: column[taken] for name, column in sums.items()}
    return Clusters(taken, sums, np.where(sums["count"] == 1, LOCATIONS_ZOOM, splits))


def _added_up(index: Index, address: Address) -> Clusters:
    rows = _rows_of(index, address)
    x, y = index.places.x[rows].astype(np.int64), index.places.y[rows].astype(np.int64)
    shift = cell_shift(address.zoom)
    cells = ((y >> shift) % CELLS) * CELLS + (x >> shift) % CELLS
    taken, which = np.unique(cells, return_inverse=True)
    evses, available = index.places.evses[rows].astype(np.int64), index.places.available[rows].astype(np.int64)
    columns = {"evses": evses, "available": available, "x": x, "y": y}
    sums = {name: _summed(which, column, len(taken)) for name, column in columns.items()}
    sums["count"] = np.bincount(which, minlength=len(taken))
    return Clusters(taken, sums, _expansions(which, len(taken), (x, y)))


def _rows_of(index: Index, address: Address) -> Ints:
    rows = index.rows_within(box_of(address, 0.001))
    return rows[_is_in(index, rows, address)]


def _is_in(index: Index, rows: Ints, address: Address) -> Mask:
    x, y = index.places.x[rows] >> address.shift, index.places.y[rows] >> address.shift
    return np.asarray((x == address.x) & (y == address.y), np.bool_)


def _summed(which: Ints, column: Ints, count: int) -> Ints:
    sums = np.zeros(count, np.int64)
    np.add.at(sums, which, column)
    return sums


def _expansions(which: Ints, count: int, axes: tuple[Ints, Ints]) -> Ints:
    """The zoom at which the Locations of each cell are first in more than one, by the highest bit in which they differ."""
    finest = cell_shift(LOCATIONS_ZOOM)
    zooms = np.full(count, LOCATIONS_ZOOM, np.int64)
    for axis in axes:
        low, high = np.full(count, 1 << WORLD_BITS, np.int64), np.zeros(count, np.int64)
        np.minimum.at(low, which, axis >> finest)
        np.maximum.at(high, which, axis >> finest)
        differ = np.ceil(np.log2((low ^ high) + 1)).astype(np.int64)
        zooms = np.minimum(zooms, LOCATIONS_ZOOM - np.maximum(differ - 1, 0))
    return zooms


# --- what is kept -------------------------------------------------------------------------------


@dataclass(slots=True)
class _Kept:
    tile: Tile
    seq: int
    made_at: float


class TileCache:
    """Tiles that were asked for, as long as they are right; the ones longest not asked for go first. It holds up to `bytes_max`."""

    def __init__(self, index: Index, bytes_max: int = CACHE_BYTES_MAX) -> None:
        self._index, self._bytes_max = index, bytes_max
        self._kept = OrderedDict[Address, _Kept]()
        self.size_bytes = 0

    def tile(self, address: Address, now: float) -> Tile:
        """A tile as it is now (`now`: seconds of a clock that only goes forward)."""
        kept = self._kept.get(address)
        if kept is not None and self._is_right(address, kept, now):
            self._kept.move_to_end(address)
            return kept.tile
        return self._made(address, now)

    def _is_right(self, address: Address, kept: _Kept, now: float) -> bool:
        if address.zoom < LOCATIONS_ZOOM and now - kept.made_at < LOW_ZOOM_FRESH_SECONDS:
            return True
        box = box_of(address, 2 * BUFFER / EXTENT)
        if kept.seq != self._index.latest_seq and self._index.changed_in(box, kept.seq) is not False:
            return False
        kept.seq = self._index.latest_seq
        return True

    def _made(self, address: Address, now: float) -> Tile:
        seq, content = self._index.latest_seq, tile_of(self._index, address)
        made = Tile(content, hashlib.blake2b(content, digest_size=12).hexdigest())
        self._forget(address)
        self._kept[address] = _Kept(made, seq, now)
        self.size_bytes += _cost(made)
        while self.size_bytes > self._bytes_max:
            self._forget(next(iter(self._kept)))
        return made

    def _forget(self, address: Address) -> None:
        if (kept := self._kept.pop(address, None)) is not None:
            self.size_bytes -= _cost(kept.tile)


def _cost(made: Tile) -> int:
    return len(made.content) + _OVERHEAD_BYTES
