"""Columns of numbers that grow together, and names that become numbers."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from hub.navigation.geometry import Ints

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

START_ROWS = 64


class Table:
    """Columns of the types that a subclass names, with a row more whenever one is asked for."""

    TYPES: ClassVar[dict[str, type[np.generic]]]

    def __init__(self) -> None:
        for name, kind in self.TYPES.items():
            setattr(self, name, np.zeros(START_ROWS, kind))
        self.rows_max = START_ROWS
        """How many rows there is room for."""

    def make_room(self, rows: int) -> None:
        """Have room for that many rows."""
        if rows <= self.rows_max:
            return
        self.rows_max = max(rows, self.rows_max + self.rows_max // 2)
        for name in self.TYPES:
            column = getattr(self, name)
            grown = np.zeros(self.rows_max, column.dtype)
            grown[: len(column)] = column
            setattr(self, name, grown)

    def keep(self, rows: Ints) -> None:
        """Have these rows alone, in this order."""
        self.rows_max = max(START_ROWS, len(rows))
        for name in self.TYPES:
            column = getattr(self, name)
            kept = np.zeros(self.rows_max, column.dtype)
            kept[: len(rows)] = column[rows]
            setattr(self, name, kept)

    def write(self, start: int, columns: dict[str, Any]) -> None:
        """Set all columns from a row on."""
        for name, values in columns.items():
            getattr(self, name)[start : start + len(values)] = values

    @property
    def size_bytes(self) -> int:
        """Bytes of all columns."""
        return sum(getattr(self, name).nbytes for name in self.TYPES)


class Names(dict[Key, int], Generic[Key, Value]):
    """Values that stand in many rows: `names[key]` is the number of a value, given now where it has none.

    `read` makes the value of a key. It is a dictionary, so that the numbers of many keys are looked up without a call for each.
    """

    def __init__(self, read: Callable[[Key], Value]) -> None:
        self._read = read
        self.by_number: list[Value] = []
        """The values by their numbers."""
        self._swept_at = 0

    def __missing__(self, key: Key) -> int:
        value = self._read(key)
        number = self[key] = len(self.by_number)
        self.by_number.append(value)
        return number

    @property
    def is_littered(self) -> bool:
        """Whether so many came since the last sweep that some of them may be in no row any more."""
        return len(self) > 2 * self._swept_at + 10_000

    def sweep(self, column: NDArray[np.int32]) -> NDArray[np.int32]:
        """Forget what is not in a column; returns the column with the new numbers."""
        used, renumbered = np.unique(column, return_inverse=True)
        keys = list(self)  # in the order of their numbers: they were given one after the other
        kept = [(keys[number], self.by_number[number]) for number in used.tolist()]
        self.clear()
        self.update((key, number) for number, (key, _) in enumerate(kept))
        self.by_number = [value for _, value in kept]
        self._swept_at = len(kept)
        return np.asarray(renumbered, np.int32)
