"""Counts of Locations by cell at low zooms, kept up to date with each change: such a tile is read off, however many Locations it covers.

The world in Web Mercator is a square of 2**32 by 2**32 units (a unit is a centimetre); a tile has CELLS by CELLS cells. Positions are
whole units, so each Location is in exactly one cell at each zoom.
"""

from __future__ import annotations

from math import pi
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hub.navigation.geometry import Floats, Ints

WORLD_BITS: Final = 32
CELL_BITS: Final = 4
CELLS: Final = 1 << CELL_BITS
PYRAMID_ZOOM_MAX: Final = 6
"""Above it a tile has so few Locations that they are added up when it is asked for."""

Units = NDArray[np.uint32]

_FIELDS = ("count", "evses", "available", "x", "y")


def mercator(longitudes: Floats, latitudes: Floats) -> tuple[Units, Units]:
    """Where points are in the square, from its north-western corner. Beyond ±85.05° of latitude they are put at its edge."""
    across = (longitudes % 360 + 180) % 360 / 360
    up = np.arctanh(np.sin(np.radians(np.clip(latitudes, -89.9, 89.9)))) / (2 * pi)
    size = float(1 << WORLD_BITS)
    return (
        np.clip(np.floor(across * size), 0, size - 1).astype(np.uint32),
        np.clip(np.floor((0.5 - up) * size), 0, size - 1).astype(np.uint32),
    )


def cell_shift(zoom: int) -> int:
    """By how many bits a position is shifted to be the number of its cell."""
    return WORLD_BITS - zoom - CELL_BITS


class Pyramid:
    """For each zoom up to PYRAMID_ZOOM_MAX and each of its cells: Locations, EVSEs, those available, and the sums of positions."""

    def __init__(self) -> None:
        self._sums = [np.zeros((len(_FIELDS), *_shape(zoom)), np.int64) for zoom in range(PYRAMID_ZOOM_MAX + 1)]

    def add(self, x: int, y: int, evses: int, available: int, sign: int = 1) -> None:
        """A Location came, or with -1 went."""
        change = np.array((1, evses, available, x, y), np.int64) * sign
        for zoom, sums in enumerate(self._sums):
            sums[:, y >> cell_shift(zoom), x >> cell_shift(zoom)] += change

    def add_many(self, x: Units, y: Units, evses: NDArray[Any], available: NDArray[Any]) -> None:
        """Locations came."""
        values = [np.asarray(column, np.int64) for column in (np.ones(len(x)), evses, available, x, y)]
        for zoom, sums in enumerate(self._sums):
            rows, columns = y >> cell_shift(zoom), x >> cell_shift(zoom)
            for field, column in zip(sums, values, strict=True):
                np.add.at(field, (rows, columns), column)

    def tile(self, zoom: int, x: int, y: int) -> dict[str, Ints]:
        """The sums of a tile's cells, row by row from the north-west."""
        rows, columns = slice(y << CELL_BITS, (y + 1) << CELL_BITS), slice(x << CELL_BITS, (x + 1) << CELL_BITS)
        return dict(zip(_FIELDS, (sums.reshape(-1) for sums in self._sums[zoom][:, rows, columns]), strict=True))

    def splits_at(self, zoom: int, x: int, y: int) -> Ints:
        """For each cell of a tile the first zoom at which its Locations are in more than one cell, PYRAMID_ZOOM_MAX + 1 where none is."""
        first = np.full((CELLS, CELLS), PYRAMID_ZOOM_MAX + 1, np.int64)
        for deeper in range(PYRAMID_ZOOM_MAX, zoom, -1):
            size = 1 << (deeper - zoom)
            rows, columns = (slice((at << CELL_BITS) * size, ((at + 1) << CELL_BITS) * size) for at in (y, x))
            taken = self._sums[deeper][0, rows, columns] > 0
            first[taken.reshape(CELLS, size, CELLS, size).sum(axis=(1, 3)) > 1] = deeper
        return first.reshape(-1)

    @property
    def size_bytes(self) -> int:
        """Bytes of all sums."""
        return sum(sums.nbytes for sums in self._sums)


def _shape(zoom: int) -> tuple[int, int]:
    side = CELLS << zoom
    return side, side
