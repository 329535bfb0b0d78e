"""What a demo platform has: objects by owner and id, in the order in which they came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ocpi_modules.module import Module
from ocpi_modules.parties import Party
from ocpi_modules.types import fold, parse_datetime

SHELF_MAX_OBJECTS = 20_000

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """The name of an object; `variant` is the type of a token, or the role of a ClientInfo, else empty."""

    owner: Party
    id: str
    variant: str = ""

    @classmethod
    def of(cls, owner: Party, id_: str, variant: str = "") -> Key:
        """A key of ids in whatever case they were written."""
        return cls(owner, fold(id_), fold(variant))


@dataclass(frozen=True, slots=True)
class Window:
    """Which objects of a list are meant: of one owner, changed in [`since`, `until`); None leaves a side open."""

    owner: Party | None = None
    since: datetime | None = None
    until: datetime | None = None

    def holds(self, owner: Party, changed: datetime) -> bool:
        """Whether an object of this owner, changed at this moment (UTC), is meant."""
        return (
            (self.owner is None or owner == self.owner)
            and (self.since is None or changed >= self.since)
            and (self.until is None or changed < self.until)
        )


class Shelf:
    """The objects of one module. Holds SHELF_MAX_OBJECTS; the oldest make room."""

    def __init__(self) -> None:
        self._objects: dict[Key, Object] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[Object]:
        return iter(list(self._objects.values()))

    def get(self, key: Key) -> Object | None:
        """The object, or None."""
        return self._objects.get(key)

    def put(self, key: Key, content: Object) -> bool:
        """Keep an object, new or replaced; answers whether it is new."""
        is_new = key not in self._objects
        self._objects[key] = content
        while len(self._objects) > SHELF_MAX_OBJECTS:
            del self._objects[next(iter(self._objects))]
        return is_new

    def remove(self, key: Key) -> bool:
        """Forget an object; answers whether it was there."""
        return self._objects.pop(key, None) is not None

    def named(self, id_: str) -> Object | None:
        """The first object of this id, whoever owns it."""
        return next((self._objects[key] for key in self._objects if key.id == fold(id_)), None)

    def within(self, window: Window) -> list[Object]:
        """The objects that a window means, oldest first."""
        return [
            content
            for key, content in self._objects.items()
            if window.holds(key.owner, parse_datetime(content["last_updated"]))
        ]


def key_of(module: Module, content: Object) -> Key:
    """The key of a whole object, by its own fields."""
    owner = Party.of(content["country_code"], content["party_id"])
    return Key.of(owner, content[module.key], module.variant_of({}, content))
