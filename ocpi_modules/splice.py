"""A part of an object changed in the text of the object: all that is not concerned stays byte for byte, and is not even read.

An EVSE changes its status far more often than a Location changes, and is a fraction of its text. Pure; text in, new text out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from ocpi_modules.module import Module, Part
from ocpi_modules.patch import is_newer
from ocpi_modules.types import decode_json, encode_decoded, fold

Fields = dict[str, msgspec.Raw]

_DATED = "last_updated"
_FIELDS = msgspec.json.Decoder(Fields)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw] | None)


class Head(msgspec.Struct):
    """What has to be known of a stored object to replace it; both as they stand in its text, of whatever type."""

    last_updated: Any = None
    status: Any = None


_HEAD = msgspec.json.Decoder(Head)


def head_of(text: bytes) -> Head:
    """The head of an object."""
    return _HEAD.decode(text)


@dataclass(frozen=True, slots=True)
class _Level:
    """One list of parts on the way down: the fields around it, its items, and which of them is meant (-1: none of them)."""

    part: Part
    fields: Fields
    items: list[msgspec.Raw]
    index: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part stands in the text of its object; `text` is None when it is not there."""

    levels: tuple[_Level, ...]
    text: bytes | None


def find_place(module: Module, whole: bytes, ids: Sequence[str]) -> Place | None:
    """The place of the part under these ids (at least one); None when what it would be part of is not there."""
    levels: list[_Level] = []
    text: bytes | None = whole
    for part, part_id in zip(module.parts, ids, strict=False):
        if text is None:
            return None
        fields = _FIELDS.decode(text)
        items = _items(fields, part)
        index = _index(items, part, part_id)
        levels.append(_Level(part, fields, items, index))
        text = bytes(items[index]) if index >= 0 else None
    return Place(tuple(levels), text)


def put_text(place: Place, text: bytes, last_updated: Any) -> bytes:
    """The text of the object with this text at a place; every parent follows its `last_updated`, but never backwards (X-54)."""
    for level in reversed(place.levels):
        items = [*level.items]
        if level.index < 0:
            items.append(msgspec.Raw(text))
        else:
            items[level.index] = msgspec.Raw(text)
        fields = {**level.fields, level.part.field: msgspec.Raw(b"[" + b",".join(map(bytes, items)) + b"]")}
        if is_newer(last_updated, dated(level.fields)):
            fields[_DATED] = msgspec.Raw(encode_decoded(last_updated))
        text = msgspec.json.encode(fields)
    return text


def dated(fields: Fields) -> Any:
    """The `last_updated` among the fields of an object, or None."""
    raw = fields.get(_DATED)
    return None if raw is None else decode_json(bytes(raw))


def _items(fields: Fields, part: Part) -> list[msgspec.Raw]:
    raw = fields.get(part.field)
    return [] if raw is None else _ITEMS.decode(raw) or []


def _index(items: list[msgspec.Raw], part: Part, part_id: str) -> int:
    wanted, name_of = fold(part_id), _named(part.id_field)
    for index, item in enumerate(items):
        if fold(str(name_of.decode(item).name)) == wanted:
            return index
    return -1


@cache
def _named(id_field: str) -> msgspec.json.Decoder[Any]:
    named = msgspec.defstruct("Named", [("name", Any, None)], rename={"name": id_field})
    return msgspec.json.Decoder(named)
