"""Which tariffs are public, in memory: enough to count and page them, and to know when the next one begins or ends. Pure.

What a public tariff is stands in `hub.navigation.tariffs`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from operator import attrgetter

import msgspec

from hub.navigation.tariffs import Name, is_ad_hoc, is_tariff, is_valid
from ocpi_modules.types import lenient_datetime

DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Listed:
    """A tariff for drivers without contract whose copy is for everybody: its place among all, and when it is valid (UTC).

    `digest` tells it as it is now from what it was, and from every other.
    """

    seq: int
    name: Name
    last_updated: datetime
    start: datetime | None
    end: datetime | None
    digest: int

    @property
    def ends(self) -> tuple[datetime, ...]:
        """When it begins and ends."""
        return tuple(end for end in (self.start, self.end) if end is not None)


class _Head(msgspec.Struct, gc=False):
    type: str | None = None
    start_date_time: str | None = None
    end_date_time: str | None = None


_read_head = msgspec.json.Decoder(_Head).decode


def listed(seq: int, name: Name, last_updated: datetime, text: bytes) -> Listed | None:
    """A text as a row of the register; None where it is no tariff, or none for drivers without contract."""
    row = _listed(seq, name, last_updated, text)
    return row if row is not None and is_tariff(text) else None


def is_still_public(text: bytes, moment: datetime) -> bool:
    """Whether the text of a tariff that was public a moment ago still says so."""
    row = _listed(0, ("", ""), moment, text)
    return row is not None and is_valid(row.start, row.end, moment)


def _listed(seq: int, name: Name, last_updated: datetime, text: bytes) -> Listed | None:
    try:
        head = _read_head(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if not is_ad_hoc(head.type):
        return None
    start, end = lenient_datetime(head.start_date_time), lenient_datetime(head.end_date_time)
    return Listed(seq, name, last_updated, start, end, _digest(b"%d " % seq + text))


def _digest(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=DIGEST_BYTES).digest())


class Register:
    """The rows, and what of them cannot be shown: what is stale, and what is owned by strangers."""

    def __init__(self) -> None:
        self._rows: dict[Name, Listed] = {}
        self._stale: frozenset[Name] = frozenset()
        self._strangers: frozenset[str] = frozenset()
        self._in_order: list[Listed] | None = None
        self._turns: list[datetime] | None = None
        self.digest = 0
        """Tells all rows as they are now from what they were: a sum of theirs, whatever order they came in."""

    def put(self, rows: Iterable[Listed], gone: Iterable[Name] = ()) -> None:
        """Rows as they are now, after others have gone."""
        for name in gone:
            self._drop(name)
        for row in rows:
            self._drop(row.name)
            self._forget_turns(row)
            self._rows[row.name] = row
            self.digest = (self.digest + row.digest) % (1 << 8 * DIGEST_BYTES)
        self._in_order = None

    def _drop(self, name: Name) -> None:
        row = self._rows.pop(name, None)
        self._forget_turns(row)
        self.digest = (self.digest - (row.digest if row else 0)) % (1 << 8 * DIGEST_BYTES)

    def _forget_turns(self, row: Listed | None) -> None:
        if row is not None and row.ends:
            self._turns = None

    def hide(self, stale: frozenset[Name], strangers: frozenset[str]) -> None:
        """What cannot be shown from now on, and nothing else."""
        self._stale, self._strangers = stale, strangers
        self._in_order = None

    def is_shown(self, name: Name) -> bool:
        """Whether everybody may see a tariff while it is valid."""
        row = self._rows.get(name)
        return row is not None and self._is_shown(row)

    def stamp_of(self, names: Iterable[Name], moment: datetime) -> str:
        """A digest of what is public now of some tariffs: equal as long as all of it is as it was."""
        rows = (row for name in names if (row := self._rows.get(name)) is not None and self._is_shown(row))
        digests = {row.digest for row in rows if is_valid(row.start, row.end, moment)}
        return f"{_digest(repr(sorted(digests)).encode()):x}"

    def public(self, moment: datetime) -> Iterator[Listed]:
        """All that are public, in the order in which they were first seen."""
        if self._in_order is None:
            self._in_order = sorted(filter(self._is_shown, self._rows.values()), key=attrgetter("seq"))
        return (row for row in self._in_order if is_valid(row.start, row.end, moment))

    def last_turn(self, moment: datetime) -> datetime | None:
        """When a tariff began or ended last; None before any did."""
        if self._turns is None:
            self._turns = sorted({end for row in self._rows.values() for end in row.ends})
        place = bisect_right(self._turns, moment)
        return self._turns[place - 1] if place else None

    def _is_shown(self, row: Listed) -> bool:
        return row.name[0] not in self._strangers and row.name not in self._stale
