"""Where locations are and how their EVSEs are: a row beside each copy of a Location, written with it, for maps and lists.

What a map needs of many thousand Locations is read here; the objects themselves are not opened for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any

import msgspec

from hub.store.direct import Direct
from hub.store.pack import unpack
from hub.store.where import Clause, where
from ocpi_modules.locations import LOCATIONS
from ocpi_modules.parties import Party
from ocpi_modules.types import fold

TEXT_MAX_CHARACTERS = 255
EVSE_NAMES_MAX_CHARACTERS = 16_000
POINTS_MAX = 2000
CELLS_MAX_PER_SIDE = 64
CELL_HEIGHT_SHARE = 0.6  # a degree of longitude is shorter than one of latitude where most chargers are
CELLS_MAX = 2 * CELLS_MAX_PER_SIDE**2
NEWS_MAX = 5000

Row = Mapping[str, Any]


class PlaceState(StrEnum):
    """How an EVSE is, as far as somebody who looks for one cares."""

    AVAILABLE = "available"
    CHARGING = "charging"
    BLOCKED = "blocked"
    OUT_OF_ORDER = "out_of_order"
    UNKNOWN = "unknown"


GONE = "REMOVED"
"""The status of an EVSE that never charges again (L-15): it is counted nowhere."""

STATES: Mapping[str, PlaceState] = {
    "AVAILABLE": PlaceState.AVAILABLE,
    "CHARGING": PlaceState.CHARGING,
    "BLOCKED": PlaceState.BLOCKED,
    "RESERVED": PlaceState.BLOCKED,
    "INOPERATIVE": PlaceState.OUT_OF_ORDER,
    "OUTOFORDER": PlaceState.OUT_OF_ORDER,
}


def state_of(status: str) -> PlaceState:
    """What an EVSE's status comes to; what is planned, or not one of OCPI's, is unknown."""
    return STATES.get(status, PlaceState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many EVSEs are in each state."""

    available: int = 0
    charging: int = 0
    blocked: int = 0
    out_of_order: int = 0
    unknown: int = 0

    @property
    def evses(self) -> int:
        """All of them."""
        return sum(self.of(state) for state in PlaceState)

    @property
    def state(self) -> PlaceState:
        """The best that is to be had there: the first state in which an EVSE is."""
        return next((state for state in PlaceState if self.of(state)), PlaceState.UNKNOWN)

    def of(self, state: PlaceState) -> int:
        """How many EVSEs are in one state."""
        count: int = getattr(self, state.value)
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A Location for a map: degrees of WGS 84 (None where it gives none that can be read), and since when it is so (UTC).

    `audience` is empty for a Location that is for everybody, else the one party that it was sent to.
    """

    owner: str
    key: str
    audience: str
    id: str
    name: str
    address: str
    city: str
    country: str
    latitude: float | None
    longitude: float | None
    is_published: bool
    counts: Counts
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHit:
    """A Location in which a word occurs; `is_exact` where its id, or that of one of its EVSEs, is called so."""

    owner: str
    id: str
    name: str
    address: str
    city: str
    is_exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Places that are close to each other: how many, where they are on average, and their EVSEs."""

    longitude: float
    latitude: float
    places: int
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A part of the map in degrees, edges included."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceQuery:
    """Which places are wanted: of a party, with an EVSE in a state, in a country (ISO 3166-1 alpha-3), with a text in what names them."""

    party: str | None = None
    state: PlaceState | None = None
    country: str | None = None
    text: str | None = None
    is_published: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCopy:
    """A copy of a Location, or of another object: for whom it is (empty: everybody), its text, and when its owner pushed it last (UTC;
    None: only pulled).
    """

    audience: str
    text: bytes
    last_updated: datetime
    pushed_at: datetime | None
    stale_at: datetime | None


After = tuple[str, str, str, str]
"""Country code, party id, folded id and audience of the place before."""


class Places:
    """Reads places."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def page(self, query: PlaceQuery, after: After | None, most: int) -> list[Place]:
        """Places by owner and id. Of a Location that several were told apart one stands for all: if there is one, that for everybody."""
        behind: Clause = ("(p.country_code, p.party_id, p.key, p.audience) > (?, ?, ?, ?)", after)
        condition, values = where([*_clauses(query), behind])
        order = "order by p.country_code, p.party_id, p.key, p.audience"
        rows = await self._direct.fetch(f"{_PLACES} {_shown(condition)} {order} limit {int(most)}", *values)
        return [*map(_place, rows)]

    async def named(self, word: str, most: int) -> list[PlaceHit]:
        """Locations with a word in their id, name, address or town, or in the id of an EVSE; those that are called so first."""
        condition, values = where(_clauses(PlaceQuery(text=word)), fold(word))
        order = "order by is_exact desc, p.country_code, p.party_id, p.key, p.audience"
        rows = await self._direct.fetch(f"{_HITS} {_shown(condition)} {order} limit {int(most)}", *values)
        return [PlaceHit(**row) for row in rows]

    async def within(self, query: PlaceQuery, box: Box) -> list[Place] | list[Cell]:
        """The places in a part of the map; where there are more than POINTS_MAX, cells of them, CELLS_MAX at most."""
        condition, values = where([*_clauses(query), *_inside(box)])
        shown = _shown(condition)
        (counted,) = await self._direct.fetch(_many(shown), *values)
        if counted["n"] <= POINTS_MAX:
            return [*map(_place, await self._direct.fetch(f"{_PLACES} {shown} limit {POINTS_MAX}", *values))]
        wide, high = cell_size(box)
        cells = f"floor(p.longitude / {wide!r}), floor(p.latitude / {high!r})"
        statement = (
            f"select {_MIDDLE}, count(*) as places, {_SUMS} from place p {shown} group by {cells} limit {CELLS_MAX}"
        )
        return [*map(_cell, await self._direct.fetch(statement, *values))]

    async def bounds(self, query: PlaceQuery) -> Box | None:
        """The smallest part of the map that holds all that is wanted; None where that is nothing."""
        condition, values = where(_clauses(query))
        (row,) = await self._direct.fetch(f"{_BOUNDS} {_shown(condition)}", *values)
        return None if row["west"] is None else Box(**row)

    async def totals(self) -> Counts:
        """The EVSEs of all places."""
        (row,) = await self._direct.fetch(f"select {_SUMS} from place p {_shown('')}")
        return _counts(row)

    async def now(self) -> datetime:
        """What the clock says by which changes are dated."""
        (row,) = await self._direct.fetch("select clock_timestamp() as now")
        moment: datetime = row["now"]
        return moment

    async def changed_since(self, moment: datetime) -> list[Place]:
        """Places that changed since a moment (UTC), the oldest change first; of more than NEWS_MAX the last ones."""
        statement = f"{_PLACES} {_shown('where p.changed_at >= $1')} order by p.changed_at desc limit {NEWS_MAX}"
        return [_place(row) for row in reversed(await self._direct.fetch(statement, moment))]

    async def copies(self, owner: Party, object_id: str, module_id: str = LOCATIONS.id) -> list[KeptCopy]:
        """All copies of one Location, or of an object of another module, the one for everybody first."""
        rows = await self._direct.fetch(_COPIES, owner.country_code, owner.party_id, fold(object_id), module_id)
        return [
            KeptCopy(text=unpack(row["packed"]), **{name: row[name] for name in _COPY_COLUMNS.split(", ")})
            for row in rows
        ]


def cell_size(box: Box) -> tuple[float, float]:
    """How wide and high a cell is, in degrees: from a fixed set of sizes, so that cells stay where they are when the map is moved."""
    least = max(box.east - box.west, (box.north - box.south) / CELL_HEIGHT_SHARE) / CELLS_MAX_PER_SIDE
    wide = 360.0
    while wide / 2 >= least and wide > _SMALLEST:
        wide /= 2
    return wide, wide * CELL_HEIGHT_SHARE


class NewsReader:
    """What changed since it was asked last, each change once: for one process, which asks often.

    A change is dated when it is written and seen when it is committed, so the last LATE_SECONDS are read again each time.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._since: datetime | None = None
        self._known: dict[tuple[str, str, str], datetime] = {}

    async def read(self) -> list[Place]:
        """The changes, the oldest first; none the first time."""
        is_first = self._since is None
        since = self._since or await self._places.now()
        found = await self._places.changed_since(since - timedelta(seconds=LATE_SECONDS))
        news = [one for one in found if self._known.get(_name(one)) != one.changed_at]
        self._since = max([since, *(one.changed_at for one in found)])
        self._known = {_name(one): one.changed_at for one in found}
        return [] if is_first else news


LATE_SECONDS = 5.0  # as long as whoever writes may hold its locks (migration 4)


def _name(one: Place) -> tuple[str, str, str]:
    return (one.owner, one.key, one.audience)


# --- out of the text of a Location ---


class _Point(msgspec.Struct, gc=False):
    latitude: str | float
    longitude: str | float


class _Evse(msgspec.Struct, gc=False):
    status: str = ""
    uid: Any = None
    evse_id: Any = None


class _Said(msgspec.Struct, gc=False):
    id: str = ""
    name: str | None = ""
    address: str | None = ""
    city: str | None = ""
    country: str | None = ""
    publish: bool = True
    coordinates: _Point | None = None
    evses: list[_Evse] | None = None


_read = msgspec.json.Decoder(_Said).decode


def place_values(key: str, text: bytes) -> tuple[Any, ...]:
    """What stands in the row of a place, in the order of PLACE_COLUMNS; of a text that is no Location only its id."""
    try:
        said = _read(text)
    except msgspec.MsgspecError:  # a lenient partner's: it is kept, and has no place on a map
        said = _Said()
    latitude, longitude = _coordinates(said.coordinates)
    names = (said.id or key, said.name, said.address, said.city, said.country)
    evses = said.evses or ()
    return (*map(_text, names), latitude, longitude, said.publish, *_tally(evses), _evse_names(evses), _mark(text))


def _mark(text: bytes) -> int:
    """Tells texts apart."""
    return int.from_bytes(blake2b(text, digest_size=8).digest(), signed=True)


def _coordinates(point: _Point | None) -> tuple[float | None, float | None]:
    latitude = _degrees(point.latitude, 90.0) if point else None
    longitude = _degrees(point.longitude, 180.0) if point else None
    return (None, None) if latitude is None or longitude is None else (latitude, longitude)


def _degrees(said: str | float, most: float) -> float | None:
    try:
        degrees = float(said)
    except ValueError:
        return None
    return degrees if -most <= degrees <= most else None


def _text(said: str | None) -> str:
    return said.replace("\x00", "")[:TEXT_MAX_CHARACTERS] if said else ""


def _evse_names(evses: Iterable[_Evse]) -> str:
    """What EVSEs are called, folded, for somebody who looks for one."""
    names = [name for evse in evses for name in (evse.uid, evse.evse_id) if type(name) is str]
    return fold(" ".join(names)).replace("\x00", "")[:EVSE_NAMES_MAX_CHARACTERS]


_LAST = len(PlaceState) - 1
_PLACES_OF = {status: [*PlaceState].index(state) for status, state in STATES.items()}


def _tally(evses: Iterable[_Evse]) -> list[int]:
    """How many EVSEs are in each state, in the order of the states; numbers instead of names, for each push passes here."""
    counts = [0] * len(PlaceState)
    for evse in evses:
        if evse.status != GONE:
            counts[_PLACES_OF.get(evse.status, _LAST)] += 1
    return counts


# --- SQL ---

_COUNTED = tuple(state.value for state in PlaceState)
_SHOWN_COLUMNS = ("id", "name", "address", "city", "country", "latitude", "longitude", "is_published", *_COUNTED)
PLACE_COLUMNS = (*_SHOWN_COLUMNS, "evse_names", "mark")

_KEY = "country_code, party_id, key, audience"
_PLACES = (
    f"select p.country_code || '/' || p.party_id as owner, p.key, p.audience, {', '.join(f'p.{name}' for name in _SHOWN_COLUMNS)}, "
    "p.changed_at from place p"
)
_HITS = (
    "select p.country_code || '/' || p.party_id as owner, p.id, p.name, p.address, p.city, "
    "p.key = $1 or strpos(' ' || p.evse_names || ' ', ' ' || $1 || ' ') > 0 as is_exact from place p"
)
_BOUNDS = "select min(p.longitude) as west, min(p.latitude) as south, max(p.longitude) as east, max(p.latitude) as north from place p"
_MIDDLE = "avg(p.longitude) as longitude, avg(p.latitude) as latitude"
_SUMS = ", ".join(f"coalesce(sum(p.{name}), 0)::bigint as {name}" for name in _COUNTED)
_COPY_COLUMNS = "audience, last_updated, pushed_at, stale_at"
_COPIES = (
    f"select packed, {_COPY_COLUMNS} from copy where module || '' = $4 and country_code = $1 and party_id = $2 "
    "and key = $3 and variant = '' order by audience"
)
_SMALLEST = 360 / 2**24

# a Location that several were told apart is one place: the copy for everybody, or the first of the others
_IS_FIRST = (
    "p.stale_at is null and (p.audience = '' or not exists (select 1 from place f where f.country_code = p.country_code "
    "and f.party_id = p.party_id and f.key = p.key and f.audience < p.audience and f.stale_at is null))"
)

_ALL_COLUMNS = (*_KEY.split(", "), *PLACE_COLUMNS)


def upsert_with(copy_upsert: str, values: int) -> str:
    """A statement that writes a copy and its place at once: the place's values follow the first `values`, its key is that of the copy.

    Another text makes the place due; it is a change of the place only where a map would show it.
    """
    numbers = ["$2", "$3", "$4", "$6", *(f"${values + place + 1}" for place in range(len(PLACE_COLUMNS)))]
    said, now = (", ".join(f"{row}.{name}" for name in _SHOWN_COLUMNS) for row in ("place", "excluded"))
    changes = ", ".join(f"{name} = excluded.{name}" for name in PLACE_COLUMNS)
    is_shown = f"(place.stale_at, {said}) is distinct from (null, {now})"
    return (
        f"with kept as ({copy_upsert}) insert into place ({', '.join(_ALL_COLUMNS)}, changed_at) "
        f"values ({', '.join(numbers)}, clock_timestamp()) on conflict ({_KEY}) do update set {changes}, stale_at = null, is_due = true, "
        f"changed_at = case when {is_shown} then excluded.changed_at else place.changed_at end "
        "where place.mark <> excluded.mark or place.stale_at is not null"
    )


MARK_STALE = (
    "update place p set stale_at = c.stale_at, changed_at = clock_timestamp(), is_due = true from copy c where p.country_code = $1 "
    "and p.party_id = $2 and p.audience = '' and c.module = 'locations' and c.country_code = p.country_code "
    "and c.party_id = p.party_id and c.key = p.key and c.variant = '' and c.audience = '' "
    "and c.stale_at is distinct from p.stale_at"
)
"""After a crawl: the places of an owner are as stale as its copies."""


_NAMED = (
    "(strpos(lower(p.id || ' ' || p.name || ' ' || p.address || ' ' || p.city), lower(?)) > 0 "
    "or strpos(p.evse_names, upper(?)) > 0)"
)


def _clauses(query: PlaceQuery) -> list[Clause]:
    has_state = f"p.{query.state.value} > ?" if query.state else "?"
    return [
        ("p.country_code || '/' || p.party_id = ?", query.party),
        (has_state, 0 if query.state else None),
        ("p.country = ?", query.country),
        (_NAMED, None if query.text is None else (query.text, query.text)),
        ("p.is_published = ?", query.is_published),
    ]


def _inside(box: Box) -> list[Clause]:
    return [
        ("p.longitude between ? and ?", (box.west, box.east)),
        ("p.latitude between ? and ?", (box.south, box.north)),
    ]


def _shown(condition: str) -> str:
    return f"{condition} and {_IS_FIRST}" if condition else f"where {_IS_FIRST}"


def _many(shown: str) -> str:
    """Counts places, but not further than it matters."""
    return f"select count(*) as n from (select 1 from place p {shown} limit {POINTS_MAX + 1}) first_ones"


def _counts(row: Row) -> Counts:
    return Counts(**{name: int(row[name]) for name in _COUNTED})


def _place(row: Row) -> Place:
    return Place(counts=_counts(row), **{name: value for name, value in row.items() if name not in _COUNTED})


def _cell(row: Row) -> Cell:
    return Cell(
        longitude=float(row["longitude"]), latitude=float(row["latitude"]), places=row["places"], counts=_counts(row)
    )


def rows_of(copies: Sequence[Row]) -> list[dict[str, Any]]:
    """The places of copies that were kept before there were places."""
    return [
        {
            **{name: row[name] for name in _KEY.split(", ")},
            **dict(zip(PLACE_COLUMNS, place_values(row["key"], unpack(row["packed"])), strict=True)),
        }
        for row in copies
    ]
