"""Points as Mapbox Vector Tiles (version 2.1): a layer is encoded as a whole, column by column, not feature by feature.

Every number of a feature is a varint; so all features of a layer are one table of varints, whose lengths are known before anything is
written. Values that stand in many features are in the layer once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hub.navigation.geometry import Ints

EXTENT: Final = 4096
_VARINT_BYTES_MAX = 5  # all numbers in a tile of ours are below 2**35
_POINT, _MOVE_ONCE = 1, 9

# fields of the messages, with how they are written (vector_tile.proto)
_LAYERS, _NAME, _FEATURES, _KEYS, _VALUES, _EXTENT, _VERSION = 0x1A, 0x0A, 0x12, 0x1A, 0x22, 0x28, 0x78
_ID, _TAGS, _TYPE, _GEOMETRY = 0x08, 0x12, 0x18, 0x22
_TEXT, _DOUBLE, _UNSIGNED = 0x0A, 0x19, 0x28

Value = str | float | int
"""An int is not negative."""

Varints = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Property:
    """A property of all features of a layer: its values, and which of them each feature has."""

    values: Sequence[Value]
    places: Ints

    @classmethod
    def of(cls, numbers: NDArray[Any]) -> Property:
        """Of a number for each feature; whole ones are written as such."""
        values, places = np.unique(numbers, return_inverse=True)
        return cls([int(value) if value == int(value) else float(value) for value in values.tolist()], places)


@dataclass(frozen=True, slots=True)
class Points:
    """The features of a layer: ids, and where they are in EXTENT by EXTENT from the north-western corner (beyond it in the buffer)."""

    ids: Ints
    x: Ints
    y: Ints


def tile(layers: Iterable[bytes]) -> bytes:
    """A tile of some layers; those without features are left out."""
    return b"".join(_message(_LAYERS, layer) for layer in layers if layer)


def layer(name: str, points: Points, properties: Mapping[str, Property]) -> bytes:
    """A layer of points, nothing where there are none."""
    if not len(points.ids):
        return b""
    values = [value for one in properties.values() for value in one.values]
    return b"".join(
        (
            _message(_NAME, name.encode()),
            varints(_features(points, properties)),
            *(_message(_KEYS, key.encode()) for key in properties),
            *(_message(_VALUES, _value(value)) for value in values),
            _number(_EXTENT, EXTENT),
            _number(_VERSION, 2),
        )
    )


def varints(numbers: Varints) -> bytes:
    """Numbers below 2**35, one after the other, seven bits in each byte and the lowest first."""
    lengths = lengths_of(numbers)
    starts = np.cumsum(lengths) - lengths
    written = np.zeros(int(lengths.sum()), np.uint8)
    for place in range(_VARINT_BYTES_MAX):
        has = lengths > place
        more = (lengths[has] > place + 1).astype(np.uint8) << 7
        written[starts[has] + place] = (numbers[has] >> np.uint64(7 * place)).astype(np.uint8) & 0x7F | more
    return written.tobytes()


def lengths_of(numbers: Varints) -> Ints:
    """How many bytes each takes."""
    lengths = np.ones(numbers.shape, np.int64)
    for place in range(1, _VARINT_BYTES_MAX):
        lengths += numbers >= np.uint64(1 << (7 * place))
    return lengths


def _features(points: Points, properties: Mapping[str, Property]) -> Varints:
    count = len(points.ids)
    tags, geometry = _tags(properties, count), _geometry(points)
    ids = points.ids.astype(np.uint64)
    tags_bytes, geometry_bytes = _bytes_of(tags), _bytes_of(geometry)
    body = [_constant(_ID, count), ids, _constant(_TAGS, count), tags_bytes, *tags]
    body += [_constant(_TYPE, count), _constant(_POINT, count), _constant(_GEOMETRY, count), geometry_bytes, *geometry]
    table = np.stack([_constant(_FEATURES, count), _bytes_of(body), *body], axis=1)
    return table.reshape(-1)


def _tags(properties: Mapping[str, Property], count: int) -> list[Varints]:
    columns, first = list[Varints](), 0
    for key, one in enumerate(properties.values()):
        columns += [_constant(key, count), (one.places + first).astype(np.uint64)]
        first += len(one.values)
    return columns


def _geometry(points: Points) -> list[Varints]:
    return [_constant(_MOVE_ONCE, len(points.ids)), _zigzag(points.x), _zigzag(points.y)]


def _zigzag(numbers: Ints) -> Varints:
    return np.asarray((numbers << 1) ^ (numbers >> 63), np.uint64)


def _bytes_of(columns: Sequence[Varints]) -> Varints:
    """How many bytes the columns take in each feature."""
    total = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        total += lengths_of(column)
    return total.astype(np.uint64)


def _constant(number: int, count: int) -> Varints:
    return np.full(count, number, np.uint64)


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        return _message(_TEXT, value.encode())
    return _number(_UNSIGNED, value) if isinstance(value, int) else bytes((_DOUBLE,)) + struct.pack("<d", value)


def _number(field: int, number: int) -> bytes:
    return bytes((field,)) + _varint(number)


def _message(field: int, content: bytes) -> bytes:
    return bytes((field,)) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
