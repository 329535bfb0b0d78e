"""The columns of the index: one row for each Location, for each group of its EVSEs, and for each kind of group that there is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from hub.navigation.columns import Names, Table
from hub.navigation.entry import POWER_UNKNOWN, Kind, payment_bits
from hub.navigation.filters import Filter
from hub.navigation.geometry import Floats, Ints, Mask


class Places(Table):
    """One row for each Location; rows of those that are gone are free."""

    TYPES: ClassVar[dict[str, type[np.generic]]] = {
        "number": np.int32,
        "seq": np.int64,
        "longitude": np.float64,
        "latitude": np.float64,
        "x": np.uint32,
        "y": np.uint32,
        "party": np.int32,
        "operator": np.int32,
        "schedule": np.int32,
        "evses": np.uint16,
        "available": np.uint16,
        "out_of_service": np.uint16,
        "unknown": np.uint16,
        "watts_max": np.int32,
        "first_group": np.int32,
        "group_count": np.uint16,
    }
    number: NDArray[np.int32]
    seq: Ints
    longitude: Floats
    latitude: Floats
    x: NDArray[np.uint32]
    y: NDArray[np.uint32]
    party: NDArray[np.int32]
    operator: NDArray[np.int32]
    schedule: NDArray[np.int32]
    evses: NDArray[np.uint16]
    available: NDArray[np.uint16]
    out_of_service: NDArray[np.uint16]
    unknown: NDArray[np.uint16]
    watts_max: NDArray[np.int32]
    first_group: NDArray[np.int32]
    group_count: NDArray[np.uint16]


class Groups(Table):
    """One row for each group of EVSEs; those of one Location lie together."""

    TYPES: ClassVar[dict[str, type[np.generic]]] = {
        "kind": np.int32,
        "tariffs": np.int32,
        "total": np.uint16,
        "available": np.uint16,
        "out_of_service": np.uint16,
        "changed_at": np.uint32,
    }
    kind: NDArray[np.int32]
    tariffs: NDArray[np.int32]
    total: NDArray[np.uint16]
    available: NDArray[np.uint16]
    out_of_service: NDArray[np.uint16]
    changed_at: NDArray[np.uint32]


class Kinds(Table):
    """One row for each kind of group that there is; a kind is known by its packed form."""

    TYPES: ClassVar[dict[str, type[np.generic]]] = {
        "standard": np.int32,
        "watts": np.int32,
        "payments": np.int32,
        "vehicles": np.int32,
    }
    standard: NDArray[np.int32]
    watts: NDArray[np.int32]
    payments: NDArray[np.int32]
    vehicles: NDArray[np.int32]

    def __init__(self) -> None:
        super().__init__()
        self.numbers = Names[bytes, Kind](msgspec.msgpack.Decoder(Kind).decode)
        self._standards = Names[str, str](str)
        self._written = 0

    def catch_up(self) -> None:
        """Have a row for each kind that got a number."""
        self.make_room(len(self.numbers))
        for number in range(self._written, len(self.numbers)):
            kind = self.numbers.by_number[number]
            self.standard[number], self.watts[number] = self._standards[kind.standard], kind.watts
            self.payments[number], self.vehicles[number] = kind.payments, kind.vehicles
        self._written = len(self.numbers)

    def wanted(self, wanted: Filter) -> Mask:
        """Which of them have what is wanted of a kind."""
        count = len(self.numbers)
        watts, fits = self.watts[:count], np.ones(count, np.bool_)
        if wanted.connectors:
            fits &= among(self._standards.by_number, wanted.connectors)[self.standard[:count]]
        if wanted.power_min_kw is not None:
            fits &= (watts >= wanted.power_min_kw * 1000) & (watts != POWER_UNKNOWN)
        if wanted.power_max_kw is not None:
            fits &= (watts <= wanted.power_max_kw * 1000) & (watts != POWER_UNKNOWN)
        if wanted.payments:
            fits &= self.payments[:count] & payment_bits(wanted.payments) != 0
        if wanted.vehicle:
            fits &= self.vehicles[:count] & int(wanted.vehicle) != 0
        return fits

    def sweep(self, column: NDArray[np.int32]) -> NDArray[np.int32]:
        """Forget the kinds that are not in a column; returns the column with the new numbers."""
        renumbered = self.numbers.sweep(column)
        self._written = 0
        self.catch_up()
        return renumbered


def among(values: Iterable[str], wanted: frozenset[str]) -> Mask:
    """Which of some values are wanted."""
    return np.array([value in wanted for value in values], np.bool_)
