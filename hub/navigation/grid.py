"""Where rows are: sorted by the cell of a grid in which they lie, with a short tail of those that came or moved since.

A row whose place in the order is no longer right is struck out and joins the tail; the tail is looked through as a whole. When it is
long, all is put in order anew (`arranged`), which another thread can do while the index goes on: what happened meanwhile is seen when
the new order is taken over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hub.navigation.geometry import Box, Floats, Ints, spread

CELL_DEGREES: Final = 0.02
COLUMNS: Final = 18_000
ROWS: Final = 9_000
NOWHERE: Final = -1
TAIL_ROWS_MAX = 4096
"""A tail of that length costs a search some ten microseconds; then it is time for a new order."""

Cells = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Rows in the order of their cells, and the place of each row in it (0 for those that have none)."""

    cells: Cells
    rows: NDArray[np.int32]
    places: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Found:
    """Which row may be in which box."""

    boxes: Ints
    rows: Ints


def cell_of(longitude: float, latitude: float) -> int:
    """The cell of a point; the 180° meridian is in that of -180°."""
    return int(cells_of(np.array([longitude]), np.array([latitude]))[0])


def cells_of(longitudes: Floats, latitudes: Floats) -> Cells:
    """The cells of some points."""
    return np.asarray(_rows(latitudes) * COLUMNS + _columns(longitudes) % COLUMNS, np.int32)


def _columns(longitudes: Floats) -> Ints:
    return np.floor((longitudes + 180) / CELL_DEGREES).astype(np.int64)


def _rows(latitudes: Floats) -> Ints:
    return np.clip(np.floor((latitudes + 90) / CELL_DEGREES).astype(np.int64), 0, ROWS - 1)


def arranged(cells: Cells) -> Arrangement:
    """Rows in order, from the cell of each (NOWHERE: the row is free)."""
    live = np.flatnonzero(cells != NOWHERE)
    rows = live[np.argsort(cells[live])].astype(np.int32)
    places = np.zeros(len(cells), np.int32)
    places[rows] = np.arange(len(rows), dtype=np.int32)
    return Arrangement(cells[rows], rows, places)


class Grid:
    """The order of rows, and their tail."""

    def __init__(self) -> None:
        self.cells: Cells = np.full(1, NOWHERE, np.int32)
        """The cell of each row."""
        self._places = np.zeros(1, np.int32)  # of a row: its place in the order, or -1 minus that in the tail
        self._order = arranged(self.cells)
        self._tail: list[int] = []
        self._struck = 0

    def put(self, row: int, cell: int) -> None:
        """A row is in that cell now, or NOWHERE."""
        if row >= len(self.cells):
            self._grow(row + 1)
        before = int(self.cells[row])
        if before == cell:
            return
        if before != NOWHERE:
            self._strike(row)
        self.cells[row] = cell
        if cell != NOWHERE:
            self._places[row] = -1 - len(self._tail)
            self._tail.append(row)

    def put_many(self, rows: Ints, cells: Cells) -> None:
        """Rows that are nowhere yet are in those cells. They are found after the next `adopt`."""
        if len(rows):
            self._grow(int(rows.max()) + 1)
            self.cells[rows] = cells

    def holds(self, row: int) -> bool:
        """Whether a row is somewhere."""
        return row < len(self.cells) and bool(self.cells[row] != NOWHERE)

    @property
    def is_untidy(self) -> bool:
        """Whether a new order is worth its while."""
        return len(self._tail) > TAIL_ROWS_MAX or self._struck > TAIL_ROWS_MAX + len(self._order.rows) // 4

    def adopt(self, order: Arrangement) -> None:
        """Take over an order that was right a while ago: rows that have come, gone or moved since are struck out or join the tail."""
        is_right = self.cells[order.rows] == order.cells
        rows = np.where(is_right, order.rows, np.int32(NOWHERE))
        self._order = Arrangement(order.cells, rows, order.places)
        is_tail = self.cells != NOWHERE
        is_tail[order.rows[is_right]] = False
        self._places[: len(order.places)] = order.places
        self._tail = np.flatnonzero(is_tail).tolist()
        self._places[self._tail] = -1 - np.arange(len(self._tail))
        self._struck = len(is_right) - int(is_right.sum())

    def in_box(self, box: Box) -> Ints:
        """Rows that may be in a box, each once; all that are in it are among them."""
        edges = (np.array([edge]) for edge in (box.west, box.south, box.unwrapped_east, box.north))
        rows = self.in_boxes(*edges).rows
        return np.concatenate((rows, self.tail()))

    def in_boxes(self, west: Floats, south: Floats, east: Floats, north: Floats) -> Found:
        """Rows of the order that may be in each of some boxes (`west` to `east`, as far as they go on counting); the tail is apart."""
        boxes, firsts, lasts = _ranges(west, south, east, north)
        starts = np.searchsorted(self._order.cells, firsts, "left")
        lengths = np.searchsorted(self._order.cells, lasts, "right") - starts
        rows = self._order.rows[spread(starts, lengths)].astype(np.int64)
        is_there = rows != NOWHERE
        return Found(np.repeat(boxes, lengths)[is_there], rows[is_there])

    def tail(self) -> Ints:
        """Rows that are in no order yet: they may be anywhere."""
        return np.array(self._tail, np.int64)

    @property
    def size_bytes(self) -> int:
        """Bytes of all columns."""
        order = self._order
        columns = (self.cells, self._places, order.cells, order.rows, order.places)
        return sum(column.nbytes for column in columns)

    def _strike(self, row: int) -> None:
        place = int(self._places[row])
        if place >= 0:
            self._order.rows[place] = NOWHERE
            self._struck += 1
            return
        last = self._tail.pop()
        if last != row:
            self._tail[-1 - place] = last
            self._places[last] = place

    def _grow(self, rows: int) -> None:
        missing = max(rows, 2 * len(self.cells)) - len(self.cells) if rows > len(self.cells) else 0
        self.cells = np.concatenate((self.cells, np.full(missing, NOWHERE, np.int32)))
        self._places = np.concatenate((self._places, np.zeros(missing, np.int32)))


def _ranges(west: Floats, south: Floats, east: Floats, north: Floats) -> tuple[Ints, Cells, Cells]:
    """For each row of cells that a box has: the box, and its first and last cell in that row (two such where it goes over the meridian)."""
    lows, highs = _rows(south), _rows(north)
    heights = highs - lows + 1
    boxes = np.repeat(np.arange(len(lows)), heights)
    bases = spread(lows, heights) * COLUMNS
    first, width = _columns(west)[boxes], (_columns(east) - _columns(west))[boxes]
    is_whole = width >= COLUMNS - 1
    first = np.where(is_whole, 0, first % COLUMNS)
    last = np.where(is_whole, COLUMNS - 1, first + width)
    beyond = np.flatnonzero(last >= COLUMNS)
    firsts = np.concatenate((bases + first, bases[beyond]))
    lasts = np.concatenate((bases + np.minimum(last, COLUMNS - 1), bases[beyond] + last[beyond] - COLUMNS))
    return np.concatenate((boxes, boxes[beyond])), firsts.astype(np.int32), lasts.astype(np.int32)
