"""All Locations as one file of tiles (PMTiles version 3, zooms 0 to LOCATIONS_ZOOM), for maps that are without a network.

It holds where Locations are and what they are, not how they are now: that would be wrong before the file is read. A reader fetches
single tiles from it by HTTP range requests.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

from hub.navigation.geometry import Ints
from hub.navigation.index import Index
from hub.navigation.mvt import EXTENT
from hub.navigation.pyramid import WORLD_BITS
from hub.navigation.tiles import BUFFER, LOCATIONS_ZOOM, Address, tile_of

NAME = "Charging locations"
_COMPRESSION_LEVEL = 6

_TEXT, _NUMBER = "String", "Number"
LAYERS = (
    {
        "id": "clusters",
        "minzoom": 0,
        "maxzoom": LOCATIONS_ZOOM - 1,
        "fields": {"count": _NUMBER, "evses": _NUMBER, "expansion_zoom": _NUMBER},
    },
    {
        "id": "locations",
        "minzoom": LOCATIONS_ZOOM,
        "maxzoom": LOCATIONS_ZOOM,
        "fields": {"party": _TEXT, "evses": _NUMBER, "kw": _NUMBER},
    },
)
"""What is said of the layers in the file's metadata (TileJSON's vector_layers)."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a file holds."""

    locations: int
    tiles: int
    size_bytes: int


def write_snapshot(index: Index, path: Path, attribution: str) -> Written:
    """Write the file and put it in the place of the one before, which is whole until then. `attribution` is the licence line.

    Raises OSError where it cannot be written; then the file before stays, and no other is left behind.
    """
    tiles = 0
    for tiles in writing(index, path, attribution):  # noqa: B007
        pass
    return Written(len(index), tiles, path.stat().st_size)


def writing(index: Index, path: Path, attribution: str, planned: Sequence[Address] | None = None) -> Iterator[int]:
    """The same in steps of a tile, each a fraction of a millisecond: yields how many tiles there are so far.

    `planned` are its `addresses`: for a million Locations they take a second to find, which another thread can do (`addresses_of`).

    Whoever shares a thread with the index lets others work in between; what changes meanwhile is in the file or not. One tile is in
    memory at a time, and some hundred bytes for each that there is.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        with unfinished.open("wb") as file, _writer(file) as writer:
            for count, address in enumerate(addresses(index) if planned is None else planned, 1):
                content = tile_of(index, address, is_live=False)
                compressed = gzip.compress(content, _COMPRESSION_LEVEL, mtime=0)
                writer.write_tile(zxy_to_tileid(address.zoom, address.x, address.y), compressed)
                yield count
            writer.finalize(_header(index), _metadata(attribution))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _writer(file: IO[bytes]) -> Iterator[Writer]:
    """A writer whose scratch file, where tiles wait for the directory before them, is gone afterwards in any case."""
    writer = Writer(file)
    with closing(writer.tile_f):
        yield writer


def addresses(index: Index) -> list[Address]:
    """The tiles that hold anything, in the order of the file; the one of the whole world always."""
    return addresses_of(*positions(index))


def positions(index: Index) -> tuple[Ints, Ints]:
    """Where the Locations are now, in units of the world: copies, that any thread may work with."""
    rows = index.rows()
    return index.places.x[rows].astype(np.int64), index.places.y[rows].astype(np.int64)


def addresses_of(x: Ints, y: Ints) -> list[Address]:
    """The tiles that hold any of some positions."""
    found = {(0, 0, 0)}
    for zoom in range(LOCATIONS_ZOOM + 1):
        reach = (BUFFER << (WORLD_BITS - zoom)) // EXTENT if zoom == LOCATIONS_ZOOM else 0
        found |= {(zoom, *place) for place in _occupied(x, y, zoom, reach)}
    return [Address(*one) for one in sorted(found, key=lambda one: zxy_to_tileid(*one))]


def _occupied(x: Ints, y: Ints, zoom: int, reach: int) -> set[tuple[int, int]]:
    """The columns and rows of tiles that some positions are in, or as near as that."""
    side, shift, found = 1 << zoom, WORLD_BITS - zoom, set[tuple[int, int]]()
    for east, south in {(step, other) for step in (-reach, reach) for other in (-reach, reach)}:
        columns = ((x + east) >> shift) % side
        rows = np.clip((y + south) >> shift, 0, side - 1)
        found.update(((key % side), key // side) for key in np.unique(rows * side + columns).tolist())
    return found


def _header(index: Index) -> dict[str, Any]:
    rows = index.rows()
    east, north = index.places.longitude[rows], index.places.latitude[rows]
    edges = (east.min(), north.min(), east.max(), north.max()) if len(rows) else (-180.0, -85.0, 180.0, 85.0)
    names = ("min_lon_e7", "min_lat_e7", "max_lon_e7", "max_lat_e7")
    bounds = {name: round(float(edge) * 10_000_000) for name, edge in zip(names, edges, strict=True)}
    return {"tile_type": TileType.MVT, "tile_compression": Compression.GZIP, **bounds}


def _metadata(attribution: str) -> dict[str, Any]:
    return {"name": NAME, "attribution": attribution, "type": "overlay", "vector_layers": LAYERS}
