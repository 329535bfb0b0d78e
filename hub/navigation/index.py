"""Where all public Locations are and how their EVSEs are, in memory: numbers in columns, searched by box, circle, route and filter.

One thread changes and asks it. Only numbers and the names that one filters by are in it; texts are read from the database by number.
Numbers of Locations are small and given one after the other: four bytes are kept for each that was ever given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any

import msgspec
import numpy as np

from hub.navigation.columns import Names
from hub.navigation.entry import POWER_UNKNOWN, Entry, Group, Schedule, pack_entry
from hub.navigation.filters import Filter
from hub.navigation.geometry import Box, Floats, Ints, Mask, around, distance_m, spread
from hub.navigation.grid import NOWHERE, Arrangement, Cells, Grid, arranged, cell_of, cells_of
from hub.navigation.opening import is_open
from hub.navigation.pyramid import Pyramid, mercator
from hub.navigation.recent import RecentChanges
from hub.navigation.route import Corridor, Route
from hub.navigation.tables import Groups, Kinds, Places, among

NUMBER_MAX = 1 << 27
COUNT_MAX = (1 << 16) - 1
LOAD_BATCH = 10_000
DIGEST_BYTES = 12
_GARBAGE_MIN = 10_000

Small = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Near:
    """Locations by their distance (m), nearest first."""

    numbers: Ints
    distances_m: Floats


@dataclass(frozen=True, slots=True)
class Along:
    """Locations in the order in which a route passes them: where that is (m from its start) and how far off they are (m)."""

    numbers: Ints
    positions_m: Floats
    offsets_m: Floats


@dataclass(frozen=True, slots=True)
class Counts:
    """What some Locations come to."""

    locations: int
    evses: int
    available: int
    out_of_service: int
    unknown: int


class _PackedGroup(msgspec.Struct, array_like=True, gc=False):
    kind: msgspec.Raw
    tariff_ids: msgspec.Raw
    total: int
    available: int
    out_of_service: int
    changed_at: int


class _PackedEntry(msgspec.Struct, array_like=True, gc=False):
    """An Entry of which nothing is unpacked that is the same in many."""

    longitude: float
    latitude: float
    party: str
    operator: str
    schedule: msgspec.Raw
    evses: int
    available: int
    out_of_service: int
    unknown: int
    groups: tuple[_PackedGroup, ...]


_unpack = msgspec.msgpack.Decoder(_PackedEntry).decode
_read_tariffs = msgspec.msgpack.Decoder(tuple[str, ...]).decode
_read_schedule = msgspec.msgpack.Decoder(Schedule | None).decode

Numbered = tuple[int, int, bytes]
"""The number of a Location, the sequence number of its last change, and its packed Entry."""


class Index:
    """All public Locations. What is asked about numbers that are not in it raises KeyError."""

    def __init__(self) -> None:
        self.places, self.groups = Places(), Groups()
        self.pyramid, self.recent = Pyramid(), RecentChanges()
        self.parties = Names[str, str](str)
        self.operators = Names[str, str](str)
        self.latest_seq = 0
        self._kinds = Kinds()
        self._tariffs = Names[bytes, tuple[str, ...]](_read_tariffs)
        self._schedules = Names[bytes, Schedule | None](_read_schedule)
        self._grid = Grid()
        self._rows_by_number = np.full(1, NOWHERE, np.int32)
        self._free = list[int]()
        self._used_rows = self._used_groups = self._lost_groups = self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, number: int) -> bool:
        return 0 <= number <= NUMBER_MAX and self._row_or_nowhere(number) != NOWHERE

    # --- changes -------------------------------------------------------------------------------

    @classmethod
    def load(cls, rows: Iterable[Numbered]) -> Index:
        """An index of many Locations at once, each number once, in any order."""
        index, remaining = cls(), iter(rows)
        while batch := list(islice(remaining, LOAD_BATCH)):
            index._append(batch)
        index.recent.forget_up_to(index.latest_seq)
        index.adopt(arranged(index.cells()))
        return index

    def put(self, number: int, seq: int, entry: Entry) -> bool:
        """A Location is like that now. What is not newer than what is known of it changes nothing: returns whether it was newer.

        Raises ValueError for a number that is negative or beyond NUMBER_MAX.
        """
        row = self._row_or_nowhere(number)
        if row != NOWHERE and seq <= self.places.seq[row]:
            return False
        if row == NOWHERE:
            row = self._new_row(number)
        else:
            self._leave(row, seq, entry)
        self._write(row, seq, entry)
        return True

    def remove(self, number: int, seq: int) -> bool:
        """A Location is no longer public. Returns whether it was known, and not by something newer."""
        row = self._row_or_nowhere(number)
        if row == NOWHERE or seq <= self.places.seq[row]:
            return False
        self._count_in(row, -1)
        self._note(seq, row)
        self._lost_groups += int(self.places.group_count[row])
        self._grid.put(row, NOWHERE)
        self._rows_by_number[number] = NOWHERE
        self.places.group_count[row] = 0
        self._free.append(row)
        self._count -= 1
        return True

    @property
    def is_untidy(self) -> bool:
        """Whether `tidy` is worth its while: searches go on being right, and become slower."""
        return self._grid.is_untidy or self._lost_groups > _GARBAGE_MIN + self._used_groups // 4

    def tidy(self) -> None:
        """Put all in order; takes a tenth of a second for a million Locations.

        The longest part is `arranged(index.cells())`, which another thread may do: then `adopt` what it returns.
        """
        self.adopt(arranged(self.cells()))

    def cells(self) -> Cells:
        """A copy of what `arranged` needs."""
        return self._grid.cells.copy()

    def adopt(self, order: Arrangement) -> None:
        """Take over an order of `cells()` as they were, whatever changed since, and close gaps between groups."""
        self._grid.adopt(order)
        if self._lost_groups > _GARBAGE_MIN:
            self._close_gaps()
        self._sweep()

    # --- questions -----------------------------------------------------------------------------

    def within(self, box: Box) -> Ints:
        """The Locations in a box, by number."""
        return np.sort(self.places.number[self.rows_within(box)]).astype(np.int64)

    def near(self, latitude: float, longitude: float, radius_m: float) -> Near:
        """The Locations that are not farther away. Raises ValueError for a point off the globe or a negative radius."""
        rows = self._grid.in_box(around(latitude, longitude, radius_m))
        distances = distance_m(longitude, latitude, self.places.longitude[rows], self.places.latitude[rows])
        is_near = distances <= radius_m
        numbers, distances = self.places.number[rows[is_near]].astype(np.int64), distances[is_near]
        order = np.lexsort((numbers, distances))
        return Near(numbers[order], distances[order])

    def along(self, route: Route, corridor_m: float) -> Along:
        """The Locations that are not farther from a route. Raises ValueError for a corridor that is too wide."""
        corridor = Corridor(route, corridor_m)
        bounds, tail = corridor.bounds, self._grid.tail()
        found = self._grid.in_boxes(bounds.west, bounds.south, bounds.east, bounds.north)
        stretches = np.arange(len(bounds.west))
        boxes = np.concatenate((found.boxes, np.repeat(stretches, len(tail))))
        rows, places = np.unique(np.concatenate((found.rows, np.tile(tail, len(stretches)))), return_inverse=True)
        beside = corridor.beside(boxes, places, self.places.longitude[rows], self.places.latitude[rows])
        numbers = self.places.number[rows[beside.places]].astype(np.int64)
        return Along(numbers, beside.positions_m, beside.offsets_m)

    def matching(self, numbers: Ints, wanted: Filter, moment: datetime) -> Mask:
        """Which of some Locations have what is wanted at a moment (with zone)."""
        rows = self._rows(numbers)
        matches = np.ones(len(rows), np.bool_)
        if wanted.operators:
            matches &= self._is_run_by(rows, wanted.operators)
        if wanted.is_open_now:
            matches &= self._is_open(rows, moment)
        if wanted.is_of_groups:
            matches &= self._has_group(rows, wanted)
        return matches

    def counts(self, numbers: Ints) -> Counts:
        """What some Locations come to; each EVSE is counted once."""
        rows, places = self._rows(numbers), self.places
        columns = (places.evses, places.available, places.out_of_service, places.unknown)
        return Counts(len(rows), *(int(column[rows].sum()) for column in columns))

    def changed_in(self, box: Box, after_seq: int) -> bool | None:
        """Whether anything came, changed or went in a box after that sequence number; None where that is too long ago to be known."""
        return self.recent.changed_in(box, after_seq)

    def stamp(self, numbers: Ints) -> str:
        """A digest of some Locations, in their order, and their last changes: equal as long as all are as they were."""
        digest = hashlib.blake2b(np.ascontiguousarray(numbers, np.int64).tobytes(), digest_size=DIGEST_BYTES)
        digest.update(self.places.seq[self._rows(numbers)].tobytes())
        return digest.hexdigest()

    def tariffs_of(self, numbers: Ints) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The tariffs of some Locations: an owner (``CC/PID``) and the ids that connectors of its name together, each pair once."""
        rows = self._rows(numbers)
        counts = self.places.group_count[rows].astype(np.int64)
        groups = spread(self.places.first_group[rows].astype(np.int64), counts)
        parties = np.repeat(self.places.party[rows].astype(np.int64), counts)
        for pair in np.unique((parties << 32) | self.groups.tariffs[groups]).tolist():
            yield self.parties.by_number[pair >> 32], self._tariffs.by_number[pair & 0xFFFFFFFF]

    def seq_of(self, number: int) -> int | None:
        """The last change of one Location; None where it is not public."""
        row = self._row_or_nowhere(number)
        return None if row == NOWHERE else int(self.places.seq[row])

    def entry(self, number: int) -> Entry:
        """What is known of one Location."""
        row, places = int(self._rows(np.array([number]))[0]), self.places
        return Entry(
            longitude=float(places.longitude[row]),
            latitude=float(places.latitude[row]),
            party=self.parties.by_number[places.party[row]],
            operator=self.operators.by_number[places.operator[row]],
            schedule=self._schedules.by_number[places.schedule[row]],
            evses=int(places.evses[row]),
            available=int(places.available[row]),
            out_of_service=int(places.out_of_service[row]),
            unknown=int(places.unknown[row]),
            groups=tuple(self._group(group) for group in self._groups_of(row)),
        )

    def rows_within(self, box: Box) -> Ints:
        """The rows of `places` in a box; they are good until the next change."""
        rows = self._grid.in_box(box)
        return rows[box.holds(self.places.longitude[rows], self.places.latitude[rows])]

    def numbers(self) -> Ints:
        """All Locations, by number."""
        return np.sort(self.places.number[self.rows()]).astype(np.int64)

    def rows(self) -> Ints:
        """All rows of `places` that are in use; they are good until the next change."""
        return np.flatnonzero(self._grid.cells != NOWHERE)

    def run_by(self) -> dict[str, str]:
        """The owners (``CC/PID``) of all Locations, and the operator of each; the first name, where it has several."""
        rows = self.rows()
        pairs = np.unique((self.places.party[rows].astype(np.int64) << 32) | self.places.operator[rows])
        parties, operators = self.parties.by_number, self.operators.by_number
        names = sorted(((parties[pair >> 32], operators[pair & 0xFFFFFFFF]) for pair in pairs.tolist()), reverse=True)
        return dict(names)

    @property
    def size_bytes(self) -> int:
        """Bytes of all columns, without the names."""
        parts = (self.places, self.groups, self._kinds, self._grid, self.pyramid)
        return sum(part.size_bytes for part in parts) + self._rows_by_number.nbytes

    # --- rows ----------------------------------------------------------------------------------

    def _rows(self, numbers: Ints) -> Ints:
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < len(self._rows_by_number)):
            raise KeyError("a number that no Location has")
        rows = self._rows_by_number[numbers].astype(np.int64)
        if (rows == NOWHERE).any():
            raise KeyError("a number that no Location has")
        return rows

    def _row_or_nowhere(self, number: int) -> int:
        if not 0 <= number <= NUMBER_MAX:
            raise ValueError(f"numbers of Locations are from 0 to {NUMBER_MAX:,}")
        return int(self._rows_by_number[number]) if number < len(self._rows_by_number) else NOWHERE

    def _new_row(self, number: int) -> int:
        self._know_numbers(number)
        if self._free:
            row = self._free.pop()
        else:
            row, self._used_rows = self._used_rows, self._used_rows + 1
            self.places.make_room(self._used_rows)
        self._rows_by_number[number] = row
        self.places.number[row] = number
        self._count += 1
        return row

    def _know_numbers(self, highest: int) -> None:
        known = len(self._rows_by_number)
        if highest >= known:
            missing = np.full(max(highest + 1, known + known // 2) - known, NOWHERE, np.int32)
            self._rows_by_number = np.concatenate((self._rows_by_number, missing))

    # --- one change ----------------------------------------------------------------------------

    def _leave(self, row: int, seq: int, entry: Entry) -> None:
        """What was there is no longer so; a place that stays is noted once, as what comes."""
        self._count_in(row, -1)
        if (entry.longitude, entry.latitude) != (self.places.longitude[row], self.places.latitude[row]):
            self._note(seq, row)

    def _count_in(self, row: int, sign: int) -> None:
        places = self.places
        x, y, evses, available = (int(column[row]) for column in (places.x, places.y, places.evses, places.available))
        self.pyramid.add(x, y, evses, available, sign)

    def _note(self, seq: int, row: int) -> None:
        self.recent.add(seq, float(self.places.longitude[row]), float(self.places.latitude[row]))
        self.latest_seq = max(self.latest_seq, seq)

    def _write(self, row: int, seq: int, entry: Entry) -> None:
        places = self.places
        places.seq[row] = seq
        self._write_place(row, entry.longitude, entry.latitude)
        places.party[row] = self.parties[entry.party]
        places.operator[row] = self.operators[entry.operator]
        places.schedule[row] = self._schedules[pack_entry(entry.schedule)]
        for name in ("evses", "available", "out_of_service", "unknown"):
            getattr(places, name)[row] = min(getattr(entry, name), COUNT_MAX)
        places.watts_max[row] = max((group.kind.watts for group in entry.groups), default=POWER_UNKNOWN)
        self._write_groups(row, entry.groups)
        self._count_in(row, 1)
        self._note(seq, row)

    def _write_place(self, row: int, longitude: float, latitude: float) -> None:
        places, is_known = self.places, self._grid.holds(row)
        if is_known and (longitude, latitude) == (places.longitude[row], places.latitude[row]):
            return
        x, y = mercator(np.array([longitude]), np.array([latitude]))
        places.longitude[row], places.latitude[row] = longitude, latitude
        places.x[row], places.y[row] = x[0], y[0]
        self._grid.put(row, cell_of(longitude, latitude))

    def _write_groups(self, row: int, groups: Sequence[Group]) -> None:
        groups, places = groups[:COUNT_MAX], self.places
        if places.group_count[row] != len(groups):
            self._lost_groups += int(places.group_count[row])
            places.first_group[row], places.group_count[row] = self._used_groups, len(groups)
            self._used_groups += len(groups)
            self.groups.make_room(self._used_groups)
        for place, group in enumerate(groups, int(places.first_group[row])):
            self.groups.kind[place] = self._kinds.numbers[pack_entry(group.kind)]
            self.groups.tariffs[place] = self._tariffs[pack_entry(group.tariff_ids)]
            for name in ("total", "available", "out_of_service"):
                getattr(self.groups, name)[place] = min(getattr(group, name), COUNT_MAX)
            self.groups.changed_at[place] = group.changed_at
        self._kinds.catch_up()

    # --- many at once --------------------------------------------------------------------------

    def _append(self, batch: Sequence[Numbered]) -> None:
        entries = [_unpack(packed) for _, _, packed in batch]
        groups = list(chain.from_iterable(entry.groups for entry in entries))
        start, self._used_rows = self._used_rows, self._used_rows + len(batch)
        self.places.make_room(self._used_rows)
        self.places.write(start, self._columns_of(batch, entries))
        self._append_groups(start, entries, groups)
        self._settle(np.arange(start, self._used_rows))
        self._count += len(batch)

    def _columns_of(self, batch: Sequence[Numbered], entries: Sequence[_PackedEntry]) -> Small:
        longitude = np.array([entry.longitude for entry in entries])
        latitude = np.array([entry.latitude for entry in entries])
        x, y = mercator(longitude, latitude)
        parties, operators, schedules = self.parties, self.operators, self._schedules
        return {
            "number": [number for number, _, _ in batch],
            "seq": [seq for _, seq, _ in batch],
            **{"longitude": longitude, "latitude": latitude, "x": x, "y": y},
            "party": [parties[entry.party] for entry in entries],
            "operator": [operators[entry.operator] for entry in entries],
            "schedule": [schedules[bytes(entry.schedule)] for entry in entries],
            "evses": _counted([entry.evses for entry in entries]),
            "available": _counted([entry.available for entry in entries]),
            "out_of_service": _counted([entry.out_of_service for entry in entries]),
            "unknown": _counted([entry.unknown for entry in entries]),
        }

    def _append_groups(self, start: int, entries: Sequence[_PackedEntry], groups: Sequence[_PackedGroup]) -> None:
        first, self._used_groups = self._used_groups, self._used_groups + len(groups)
        self.groups.make_room(self._used_groups)
        self.groups.write(first, self._columns_of_groups(groups))
        lengths = np.array([len(entry.groups) for entry in entries], np.int64)
        offsets = first + np.cumsum(lengths) - lengths
        self._kinds.catch_up()
        watts_max = np.full(len(entries), POWER_UNKNOWN, np.int32)
        watts = self._kinds.watts[self.groups.kind[first : self._used_groups]]
        np.maximum.at(watts_max, np.repeat(np.arange(len(entries)), lengths), watts)
        self.places.write(start, {"first_group": offsets, "group_count": lengths, "watts_max": watts_max})

    def _columns_of_groups(self, groups: Sequence[_PackedGroup]) -> Small:
        kinds, tariffs = self._kinds.numbers, self._tariffs
        return {
            "kind": [kinds[bytes(group.kind)] for group in groups],
            "tariffs": [tariffs[bytes(group.tariff_ids)] for group in groups],
            "total": _counted([group.total for group in groups]),
            "available": _counted([group.available for group in groups]),
            "out_of_service": _counted([group.out_of_service for group in groups]),
            "changed_at": [group.changed_at for group in groups],
        }

    def _settle(self, rows: Ints) -> None:
        places, numbers = self.places, self.places.number[rows]
        self._know_numbers(int(numbers.max()))
        self._rows_by_number[numbers] = rows
        self._grid.put_many(rows, cells_of(places.longitude[rows], places.latitude[rows]))
        self.pyramid.add_many(places.x[rows], places.y[rows], places.evses[rows], places.available[rows])
        self.latest_seq = max(self.latest_seq, int(places.seq[rows].max()))

    # --- filters -------------------------------------------------------------------------------

    def _is_run_by(self, rows: Ints, operators: frozenset[str]) -> Mask:
        wanted = frozenset(name.casefold() for name in operators)
        parties = among(map(str.casefold, self.parties.by_number), wanted)
        names = among(map(str.casefold, self.operators.by_number), wanted)
        return np.asarray(parties[self.places.party[rows]] | names[self.places.operator[rows]], np.bool_)

    def _is_open(self, rows: Ints, moment: datetime) -> Mask:
        used, places = np.unique(self.places.schedule[rows], return_inverse=True)
        schedules = (self._schedules.by_number[number] for number in used.tolist())
        states = [schedule is not None and is_open(schedule, moment) is True for schedule in schedules]
        return np.array(states, np.bool_)[places]

    def _has_group(self, rows: Ints, wanted: Filter) -> Mask:
        counts = self.places.group_count[rows].astype(np.int64)
        groups = spread(self.places.first_group[rows].astype(np.int64), counts)
        fits = self._kinds.wanted(wanted)[self.groups.kind[groups]]
        if wanted.is_available_now:
            fits &= self.groups.available[groups] > 0
        has = np.zeros(len(rows), np.bool_)
        has[np.repeat(np.arange(len(rows)), counts)[fits]] = True
        return has

    # --- groups and names ----------------------------------------------------------------------

    def _groups_of(self, row: int) -> Iterator[int]:
        first = int(self.places.first_group[row])
        return iter(range(first, first + int(self.places.group_count[row])))

    def _group(self, place: int) -> Group:
        groups = self.groups
        return Group(
            kind=self._kinds.numbers.by_number[groups.kind[place]],
            tariff_ids=self._tariffs.by_number[groups.tariffs[place]],
            total=int(groups.total[place]),
            available=int(groups.available[place]),
            out_of_service=int(groups.out_of_service[place]),
            changed_at=int(groups.changed_at[place]),
        )

    def _close_gaps(self) -> None:
        rows = self.rows()
        counts = self.places.group_count[rows].astype(np.int64)
        self.groups.keep(spread(self.places.first_group[rows].astype(np.int64), counts))
        self.places.first_group[rows] = np.cumsum(counts) - counts
        self._used_groups, self._lost_groups = int(counts.sum()), 0

    def _sweep(self) -> None:
        rows, used = slice(0, self._used_rows), slice(0, self._used_groups)
        for names, column in ((self.parties, "party"), (self.operators, "operator"), (self._schedules, "schedule")):
            if names.is_littered:
                getattr(self.places, column)[rows] = names.sweep(getattr(self.places, column)[rows])
        if self._tariffs.is_littered:
            self.groups.tariffs[used] = self._tariffs.sweep(self.groups.tariffs[used])
        if self._kinds.numbers.is_littered:
            self.groups.kind[used] = self._kinds.sweep(self.groups.kind[used])


def _counted(values: list[int]) -> Ints:
    return np.minimum(np.array(values, np.int64), COUNT_MAX)
