"""Reads a Mapbox Vector Tile by the letter of its description, message by message; it shares nothing with the encoder."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Feature:
    """A point: its id, where it is in its tile, and its properties."""

    id: int
    x: int
    y: int
    properties: dict[str, Any]


def decoded(tile: bytes) -> dict[str, list[Feature]]:
    """The features of each layer. Anything that a tile of points may not hold is an AssertionError."""
    layers = dict[str, list[Feature]]()
    for number, content in fields(tile):
        assert number == 3
        name, features = _layer(content)
        assert name not in layers
        layers[name] = features
    return layers


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message: numbers as they are, texts, messages and fixed ones as bytes."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, how = key >> 3, key & 7
        if how == 0:
            value, place = _varint(message, place)
            yield number, value
        else:
            length, place = (8, place) if how == 1 else _varint(message, place)
            assert how in (1, 2)
            assert place + length <= len(message)
            yield number, message[place : place + length]
            place += length


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _layer(message: bytes) -> tuple[str, list[Feature]]:
    parts = list(fields(message))
    (name,) = [value.decode() for number, value in parts if number == 1]
    keys = [value.decode() for number, value in parts if number == 3]
    values = [_value(value) for number, value in parts if number == 4]
    assert [value for number, value in parts if number == 15] == [2], "the version"
    assert [value for number, value in parts if number == 5] == [4096], "the extent"
    assert len(set(keys)) == len(keys)
    return name, [_feature(value, keys, values) for number, value in parts if number == 2]


def _value(message: bytes) -> Any:
    ((number, value),) = fields(message)
    return {1: lambda: value.decode(), 3: lambda: struct.unpack("<d", value)[0], 5: lambda: value}[number]()


def _feature(message: bytes, keys: list[str], values: list[Any]) -> Feature:
    parts = dict(fields(message))
    assert parts[3] == 1, "a point"
    tags, geometry = list(_packed(parts[2])), list(_packed(parts[4]))
    assert geometry[0] == 9, "one move"
    x, y = (number >> 1 ^ -(number & 1) for number in geometry[1:])
    pairs = zip(tags[::2], tags[1::2], strict=True)
    return Feature(parts[1], x, y, {keys[key]: values[value] for key, value in pairs})


def _packed(message: bytes) -> Iterator[int]:
    place = 0
    while place < len(message):
        value, place = _varint(message, place)
        yield value
