"""Orders of a list that is read a page at a time: by which values, which way, and the place in it behind which a page begins.

All values of an order go one way and the last ones make a row unique, so that a place in it is found by one comparison of rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, TypeVar

from hub.store.direct import Record
from hub.store.where import Clause

Row = TypeVar("Row")
Type = Literal["text", "numeric", "bigint", "timestamptz"]
Place = tuple[str, ...]
"""The values of a row by which it is ordered, as PostgreSQL writes them."""

ENDLESS = frozenset({"-infinity", "infinity"})
"""What stands in a place for a value that is not there."""


@dataclass(frozen=True, slots=True)
class Part:
    """A value that rows are ordered by: an SQL expression that is never null, and its type.

    One that `is_coarse` is the same in most rows.
    """

    value: str
    type: Type = "text"
    is_coarse: bool = False


Parts = tuple[Part, ...]


def lowest_without(value: str, kind: Literal["numeric", "timestamptz"]) -> Part:
    """A value that may be missing, and then is less than every other one."""
    return Part(f"coalesce({value}, '-infinity'::{kind})", kind)


@dataclass(frozen=True, slots=True)
class Order:
    """An order of rows; `name` is how it was asked for, empty for the order of a list that was asked for in none."""

    parts: Parts
    is_descending: bool = False
    name: str = ""

    @property
    def by(self) -> str:
        """What stands behind ``order by``."""
        return ", ".join(f"{part.value}{' desc' if self.is_descending else ''}" for part in self.parts)

    @property
    def place(self) -> str:
        """The column that tells the place of a row."""
        return f"array[{', '.join(f'({part.value})::text' for part in self.parts)}] as place"

    def behind(self, place: Place | None) -> Clause:
        """The condition for rows behind a place."""
        values, marks = ", ".join(part.value for part in self.parts), ", ".join(map(_mark, self.parts))
        return f"({values}) {'<' if self.is_descending else '>'} ({marks})", place

    def read(self, texts: Sequence[str]) -> Place:
        """A place in this order. Raises ValueError for texts that are none."""
        for part, text in zip(self.parts, texts, strict=True):
            _require(part, text)
        return tuple(texts)


@dataclass(frozen=True, slots=True)
class Placed(Generic[Row]):
    """A row, and its place in the order in which it was read."""

    row: Row
    place: Place


def placed(rows: Sequence[Record], read: Callable[[Record], Row]) -> list[Placed[Row]]:
    """Rows with their places."""
    return [Placed(read(row), tuple(row["place"])) for row in rows]


def order_of(sorts: Mapping[str, Parts], name: str | None, otherwise: Order) -> Order:
    """The order of a name, descending behind a minus; `otherwise` without one."""
    return otherwise if name is None else Order(sorts[name.removeprefix("-")], name.startswith("-"), name)


def _mark(part: Part) -> str:
    """PostgreSQL guesses by the first value alone how many rows are behind a place: of a coarse one it is not told which it is."""
    mark = "?" if part.type == "text" else f"?::text::{part.type}"
    return f"(select {mark}::{part.type})" if part.is_coarse else mark


def _require(part: Part, text: str) -> None:
    """Raises ValueError for what PostgreSQL would not have written for a value of this type."""
    if part.type == "text" or (part.type in {"numeric", "timestamptz"} and text.casefold() in ENDLESS):
        return
    if not _WRITTEN[part.type](text):
        raise ValueError(f"is no {part.type}")
    if part.type == "timestamptz":
        datetime.fromisoformat(text)  # there is no 30th of February


_WRITTEN: Mapping[Type, Callable[[str], object]] = {
    "numeric": re.compile(r"-?[0-9]{1,1000}(\.[0-9]{1,1000})?").fullmatch,
    "bigint": re.compile(r"-?[0-9]{1,18}").fullmatch,
    "timestamptz": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?\+00").fullmatch,
}
