"""What is wrong with a JSON text, and where, for people who have to mend it: a path and a piece of the text instead of a byte.

Only texts that were refused are looked at here, and the few members at the top of one that was not.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from ocpi_modules.types import NESTING_MAX_LEVELS

PLACE_MAX_BYTES = 32 * 1024**2
"""Longer texts are told without a path: to walk them would take minutes."""

NEAR_BYTES = 24  # to each side
LEVELS_SHOWN_MAX = 6
NAME_MAX_BYTES = 60

_TOKENS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[][{},]', re.DOTALL)
_BYTE = re.compile(r" \(byte (\d+)\)$")
_HALF_A_PAIR = re.compile(
    rb"(?<!\\)(?:\\\\)*(?:\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F])"
)


@dataclass(slots=True)
class _Level:
    is_list: bool
    index: int = 0
    name: bytes | None = None

    def __str__(self) -> str:
        if self.is_list:
            return f"[{self.index}]"
        return "" if self.name is None else f".{self.name[:NAME_MAX_BYTES].decode(errors='replace')}"


@dataclass(frozen=True, slots=True)
class _Place:
    reason: str
    byte: int
    path: str


def explained(text: bytes, reason: str) -> str:
    """The reason for which a text was refused, with the path and the piece of the text that it is about."""
    place = _place(text, reason)
    inside = f" in {place.path}" if place.path else ""
    line = text.count(b"\n", 0, place.byte) + 1
    where = f", line {line}" if line > 1 else ""
    piece = _piece(text, place.byte)
    return f"{place.reason}{inside}{where}{f', near {piece}' if piece else ''}"


def repeated_members(text: bytes, inside: Iterable[str] = ()) -> Iterator[str]:
    """The paths of members that stand twice in the object of a text, or in the objects that are its members called `inside`."""
    try:
        members = [(name.text, value) for name, value in _MEMBERS.decode(text).items()]
    except msgspec.ValidationError:
        return  # no object
    yield from (name for name, count in Counter(name for name, _ in members).items() if count > 1)
    for name, value in members:
        if name in inside:
            yield from (f"{name}.{repeated}" for repeated in repeated_members(value))


def first_repeated(text: bytes) -> str | None:
    """A name that stands twice in any one object of a JSON text; None where there is none."""
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in pairs}) < len(pairs):
            found.append(Counter(name for name, _ in pairs).most_common(1)[0][0])

    json.loads(text, object_pairs_hook=look, parse_int=str, parse_float=str)
    return found[0] if found else None


class _Name:
    """The name of a member, which is never the same as another one."""

    def __init__(self, text: str) -> None:
        self.text = text


_MEMBERS = msgspec.json.Decoder(dict[_Name, msgspec.Raw], dec_hook=lambda _, text: _Name(text))


def _place(text: bytes, reason: str) -> _Place:
    found = _BYTE.search(reason)
    byte = int(found[1]) if found is not None else _first_not_utf8(text)
    plain = _BYTE.sub("", reason)
    return _walked(text, plain, byte) if len(text) <= PLACE_MAX_BYTES else _Place(plain, byte, "")


def _first_not_utf8(text: bytes) -> int:
    """Where a text stops being UTF-8; its end where it does not."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(text)


def _walked(text: bytes, reason: str, byte: int) -> _Place:
    """The place at a byte, or before it where half a surrogate pair or too many levels explain the refusal."""
    levels: list[_Level] = []
    for token in _TOKENS.finditer(text, 0, byte):
        half = _HALF_A_PAIR.search(token[0]) if b"\\u" in token[0] else None
        if half is not None:
            return _Place("a text holds half a surrogate pair", token.start() + half.start(), _path(levels))
        _step(levels, token[0])
        if len(levels) > NESTING_MAX_LEVELS:
            return _Place(reason, token.start(), _path(levels))
    return _Place(reason, byte, _path(levels))


def _step(levels: list[_Level], token: bytes) -> None:
    if token in {b"{", b"["}:
        levels.append(_Level(token == b"["))
    elif token in {b"}", b"]"}:
        del levels[-1:]
    elif levels and token == b",":
        levels[-1].index += 1
        levels[-1].name = None
    elif levels and levels[-1].name is None:
        levels[-1].name = token[1:-1]


def _path(levels: list[_Level]) -> str:
    path = "".join(map(str, levels[:LEVELS_SHOWN_MAX])).removeprefix(".")
    return f"{path}…" if len(levels) > LEVELS_SHOWN_MAX else path


def _piece(text: bytes, byte: int) -> str:
    piece = text[max(0, byte - NEAR_BYTES) : byte + NEAR_BYTES].decode(errors="replace")
    return ascii(" ".join(piece.split())) if piece else ""
