"""What is public of Locations: one row each, numbered in the order of commits, and a log of what changed.

Only what passed the gate (`hub.navigation.public`) is written here, and all that is public is read from here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.store.direct import Connection, Direct
from hub.store.pack import pack, unpack
from ocpi_modules.parties import Party
from ocpi_modules.types import fold

CHANGES_KEPT_MAX = 200_000
GONE_KEPT_DAYS = 30
EXAMPLES_MAX = 3

Row = Mapping[str, Any]


class Overtaken(RuntimeError):
    """Somebody else wrote the same public Locations meanwhile; nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPublic:
    """What is public of a Location so far; `text` is None where it is gone, its versions stay."""

    number: int
    seq: int
    static_version: int
    status_version: int
    text: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DuePlace:
    """A Location of which has to be found out what is public: the copy for everybody, where there is one, and what is public so far.

    Moments are in UTC. `mark` and `stale_at` tell whether it changed again meanwhile.
    """

    owner: Party
    key: str
    audience: str
    mark: int
    stale_at: datetime | None
    text: bytes | None
    last_updated: datetime | None
    pushed_at: datetime | None
    known: KnownPublic | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicRow:
    """What is to be written of a public Location: its texts, None of each where it is gone. `is_static`: more than its statuses changed.
    `event` is empty where there is nothing to
    tell; `longitude` and `latitude` are where it is, or was.
    """

    number: int
    seq: int
    was_seq: int | None
    owner: Party
    key: str
    id: str
    last_updated: datetime
    evses: int
    static_version: int
    status_version: int
    longitude: float
    latitude: float
    is_static: bool
    text: bytes | None
    feature: bytes | None
    entry: bytes | None
    event: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceQuality:
    """What was wrong or missing in a Location that is meant for everybody; `summary` is JSON.

    Whether it could be shown stands beside it, for lists to be filtered by.
    """

    owner: Party
    key: str
    is_fit: bool
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedAsked:
    """Which judged Locations are wanted: of an owner, shown or not, with a fault, failing a check, or with published parts of a level
    (place in `Summary.shown`) that have not an item. `after`: country code, party id and key of the one before.
    """

    owner: Party | None = None
    is_fit: bool | None = None
    fault: str | None = None
    check: str | None = None
    item: str | None = None
    item_level: int = 0
    after: tuple[str, str, str] = ("", "", "")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept in memory of a public Location, None where it is gone."""

    number: int
    seq: int
    entry: bytes | None


@dataclass(frozen=True, slots=True)
class PublicChange:
    """One change in the log: JSON of what happened, empty where there is nothing to tell; where that is or was, for those who listen."""

    seq: int
    number: int
    at: datetime
    longitude: float
    latitude: float
    event: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A public Location as GeoJSON; where it is gone only what it was called (`text` None)."""

    number: int
    seq: int
    owner: str
    id: str
    changed_at: datetime
    text: bytes | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How an owner stands: whether it is a joined party that is not suspended, and since when it is out of reach (UTC; None: it is not).

    `is_station`: its charge points are joined to the hub itself; that is not written down, for the directory knows it.
    """

    is_member: bool
    silent_since: datetime | None = None
    is_station: bool = False

    @property
    def is_reachable(self) -> bool:
        """Whether it can be reached now."""
        return self.silent_since is None


@dataclass(frozen=True, slots=True)
class Counters:
    """The number of the last change, of the newest Location, of the last change of more than statuses, and the first cursor from which
    nothing is missing.
    """

    seq: int
    number: int
    static_seq: int
    horizon: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuery:
    """A page of what is public, by what owners say of when it changed: from, inclusive, to, exclusive, UTC (P-02, P-03)."""

    date_from: datetime | None = None
    date_to: datetime | None = None
    offset: int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True)
class OpenPage:
    """The numbers of a page, and how many Locations there are in all."""

    numbers: list[int]
    total: int


class Pen:
    """Writes public Locations in one transaction; nobody else writes any meanwhile."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def write(self, rows: Sequence[PublicRow], now: datetime) -> None:
        """Write rows with numbers after the last ones. Raises Overtaken where somebody else wrote one of them."""
        if not rows:
            return
        known = [row for row in rows if row.was_seq is not None]
        changed = await self._connection.fetch(_CHANGE, *_columns(known, now), [row.was_seq for row in known])
        fresh = [row for row in rows if row.was_seq is None]
        added = await self._connection.fetch(_ADD, *_columns(fresh, now))
        if len(changed) + len(added) != len(rows):
            raise Overtaken
        gone = [row.number for row in rows if row.text is None]
        if gone:
            await self._connection.execute("update public_change set event = '' where number = any($1::int[])", gone)
        await self._connection.execute(_LOG, now, *_log_columns(rows))
        await self._connection.execute(_COUNT, rows[-1].seq, *_highest(rows))

    async def judge(self, qualities: Sequence[PlaceQuality], private: Sequence[DuePlace]) -> None:
        """Keep what was wrong; of what is not for everybody nothing is kept."""
        if qualities:
            names = [[q.owner.country_code for q in qualities], [q.owner.party_id for q in qualities]]
            said = [[q.key for q in qualities], [q.is_fit for q in qualities], [q.summary for q in qualities]]
            await self._connection.execute(_JUDGE, *names, *said)
        if private:
            await self._connection.execute(_FORGET, *_keys(private))

    async def done(self, dues: Sequence[DuePlace]) -> None:
        """These are not due any more, unless they changed again."""
        marks = [[due.audience for due in dues], [due.mark for due in dues], [due.stale_at for due in dues]]
        await self._connection.execute(_DONE, *_keys(dues), *marks)


class PublicPlaces:
    """Reads and writes what is public of Locations."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    # --- written by the process that leads ---

    async def due(self, most: int) -> list[DuePlace]:
        """Locations that changed, at most so many."""
        return [_due(row) for row in await self._direct.fetch(_DUE, most)]

    @asynccontextmanager
    async def writing(self, after: Counters) -> AsyncIterator[Pen]:
        """A pen; what it wrote is there when the block ends, and nothing of it where that raises.

        Raises Overtaken where somebody else wrote since the counters were read.
        """
        async with self._direct.transaction() as connection:
            (row,) = await connection.fetch(_HOLD)
            if (row["seq"], row["number"]) != (after.seq, after.number):
                raise Overtaken
            yield Pen(connection)

    async def pass_over(self, dues: Sequence[DuePlace]) -> None:
        """These are not due any more, though nothing was written of them."""
        async with self._direct.transaction() as connection:
            await Pen(connection).done(dues)

    async def standings(self) -> dict[Party, Standing]:
        """How owners stood when their Locations were looked at last."""
        rows = await self._direct.fetch("select country_code, party_id, is_member, silent_since from public_source")
        return {
            Party(row["country_code"], row["party_id"]): Standing(row["is_member"], row["silent_since"]) for row in rows
        }

    async def stands(self, owner: Party, standing: Standing) -> None:
        """An owner stands otherwise: all its Locations are due."""
        names = (owner.country_code, owner.party_id)
        async with self._direct.transaction() as connection:
            await connection.fetch(_STAND, *names, standing.is_member, standing.silent_since)
            await connection.execute(_ALL_DUE, *names)

    async def tidy(self, now: datetime) -> None:
        """Forget old changes, and what has been gone for GONE_KEPT_DAYS: whoever read before that has to begin again."""
        await self._direct.execute(
            f"delete from public_change where seq <= (select max(seq) from public_change) - {CHANGES_KEPT_MAX}"
        )
        async with self._direct.transaction() as connection:
            await connection.fetch(_HOLD)
            rows = await connection.fetch(_PURGE, now)
            if rows:
                await connection.execute(_HORIZON, max(row["seq"] for row in rows))

    # --- read by every process ---

    async def counters(self) -> Counters:
        """Where the changes are."""
        rows = await self._direct.fetch("select seq, number, static_seq, horizon from public_counter where id = 1")
        return Counters(**rows[0]) if rows else Counters(0, 0, 0, 0)

    async def all_entries(self, after: int, most: int) -> list[Entry]:
        """What is public now, by number; `after`: the number before."""
        rows = await self._direct.fetch(_ALL_ENTRIES, after, most)
        return [Entry(row["number"], row["seq"], row["entry"]) for row in rows]

    async def entries(self, after: int, most: int) -> list[Entry]:
        """What changed after a number, in that order."""
        rows = await self._direct.fetch(_ENTRIES, after, most)
        return [Entry(row["number"], row["seq"], row["entry"]) for row in rows]

    async def changes(self, after: int, most: int) -> list[PublicChange]:
        """The log after a number, in order."""
        rows = await self._direct.fetch(_CHANGES, after, most)
        return [PublicChange(**row) for row in rows]

    async def features(self, numbers: Collection[int]) -> dict[int, Feature]:
        """Locations as GeoJSON, by number; those that are gone are left out."""
        rows = await self._direct.fetch(f"{_FEATURES} where number = any($1::int[]) and not is_gone", list(numbers))
        return {row["number"]: _feature(row) for row in rows}

    async def whole(self, owner: Party, location_id: str) -> tuple[Feature, bytes] | None:
        """A Location that is public now: as GeoJSON, and as a PublicLocation."""
        if _is_unnamable(owner, location_id):
            return None
        rows = await self._direct.fetch(_WHOLE, owner.country_code, owner.party_id, fold(location_id))
        return (_feature(rows[0]), unpack(rows[0]["packed"])) if rows else None

    async def features_after(self, seq: int, most: int) -> list[Feature]:
        """Locations that changed after a number, in that order, those that are gone too."""
        rows = await self._direct.fetch(f"{_FEATURES} where seq > $1 order by seq limit $2", seq, most)
        return [*map(_feature, rows)]

    async def texts(self, numbers: Collection[int]) -> dict[int, bytes]:
        """PublicLocations by number."""
        rows = await self._direct.fetch(f"{_TEXTS} where number = any($1::int[]) and not is_gone", list(numbers))
        return {row["number"]: unpack(row["packed"]) for row in rows}

    async def page(self, query: OpenQuery) -> OpenPage:
        """A page of the numbers of Locations that are public, oldest first, and how many there are in all."""
        bounds = (query.date_from, query.date_to)
        (total,) = await self._direct.fetch(f"select count(*) as n from public_location where {_BETWEEN}", *bounds)
        order = f"order by number offset {int(query.offset)} limit {int(query.limit)}"
        rows = await self._direct.fetch(f"select number from public_location where {_BETWEEN} {order}", *bounds)
        return OpenPage([row["number"] for row in rows], total["n"])

    async def number_of(self, owner: Party, location_id: str) -> int | None:
        """The number of a Location that is public now."""
        if _is_unnamable(owner, location_id):
            return None
        rows = await self._direct.fetch(_NUMBER, owner.country_code, owner.party_id, fold(location_id))
        return rows[0]["number"] if rows else None

    async def qualities(self, owner: Party) -> list[str]:
        """What was wrong or missing in each Location of an owner that is meant for everybody, as JSON."""
        rows = await self._direct.fetch(_QUALITIES, owner.country_code, owner.party_id)
        return [row["summary"] for row in rows]

    async def judged(self, asked: JudgedAsked, most: int) -> list[PlaceQuality]:
        """Such Locations one by one, by owner and key."""
        names = (None, None) if asked.owner is None else (asked.owner.country_code, asked.owner.party_id)
        wanted = (asked.is_fit, asked.fault, asked.check, asked.item, str(asked.item_level))
        rows = await self._direct.fetch(_JUDGED, *names, *wanted, *asked.after, most)
        return [
            PlaceQuality(
                owner=Party(row["country_code"], row["party_id"]),
                **{name: row[name] for name in ("key", "is_fit", "summary")},
            )
            for row in rows
        ]

    async def examples(self, owner: Party) -> dict[str, list[str]]:
        """The keys of the first EXAMPLES_MAX Locations of an owner with each fault."""
        rows = await self._direct.fetch(_EXAMPLES, owner.country_code, owner.party_id)
        return {row["fault"]: row["keys"] for row in rows}

    async def judged_owners(self) -> list[Party]:
        """The owners of whose Locations anything is known."""
        rows = await self._direct.fetch("select distinct country_code, party_id from place_quality order by 1, 2")
        return [Party(row["country_code"], row["party_id"]) for row in rows]


def _is_unnamable(owner: Party, location_id: str) -> bool:
    """Whether it is called as no text in the database can be."""
    return "\x00" in f"{owner}{location_id}"


def _due(row: Row) -> DuePlace:
    numbers = {name: row[name] for name in ("number", "seq", "static_version", "status_version")}
    known = KnownPublic(text=_unpacked(row["known"]), **numbers) if row["number"] else None
    return DuePlace(
        owner=Party(row["country_code"], row["party_id"]),
        text=_unpacked(row["packed"]),
        known=known,
        **{name: row[name] for name in ("key", "audience", "mark", "stale_at", "last_updated", "pushed_at")},
    )


def _unpacked(packed: bytes | None) -> bytes | None:
    return None if packed is None else unpack(packed)


def _packed(text: bytes | None) -> bytes | None:
    return None if text is None else pack(text)


def _feature(row: Row) -> Feature:
    names = ("number", "seq", "owner", "id", "changed_at")
    return Feature(text=_unpacked(row["feature"]), **{name: row[name] for name in names})


def _keys(dues: Sequence[DuePlace]) -> list[list[str]]:
    return [[due.owner.country_code for due in dues], [due.owner.party_id for due in dues], [due.key for due in dues]]


def _columns(rows: Sequence[PublicRow], now: datetime) -> list[Any]:
    parties = [[row.owner.country_code for row in rows], [row.owner.party_id for row in rows]]
    texts = [[_packed(row.text) for row in rows], [_packed(row.feature) for row in rows]]
    return [*parties, *([getattr(row, name) for row in rows] for name in _SAID), *texts, now]


def _highest(rows: Sequence[PublicRow]) -> tuple[int, int]:
    """The newest number, and the last change of more than statuses."""
    return max(row.number for row in rows), max((row.seq for row in rows if row.is_static), default=0)


def _log_columns(rows: Sequence[PublicRow]) -> list[Any]:
    return [[getattr(row, name) for row in rows] for name in ("seq", "number", "longitude", "latitude", "event")]


_COPY_OF = (
    "c.module = 'locations' and c.country_code = p.country_code and c.party_id = p.party_id and c.key = p.key "
    "and c.variant = '' and c.audience = '' and p.audience = ''"
)

_DUE = (
    "select p.country_code, p.party_id, p.key, p.audience, p.mark, p.stale_at, c.packed, c.last_updated, c.pushed_at, "
    "l.number, l.seq, l.static_version, l.status_version, l.packed as known from "
    "(select * from place where is_due limit $1) p "
    f"left join copy c on {_COPY_OF} left join public_location l on l.country_code = p.country_code "
    "and l.party_id = p.party_id and l.key = p.key and p.audience = ''"
)

# whoever changes the row holds it to the end of the transaction: numbers are given in the order of commits
_HOLD = (
    "insert into public_counter (id, seq, number, static_seq, horizon) values (1, 0, 0, 0, 0) "
    "on conflict (id) do update set seq = public_counter.seq returning seq, number"
)

_COUNT = "update public_counter set seq = $1, number = greatest(number, $2), static_seq = greatest(static_seq, $3) where id = 1"

_HORIZON = "update public_counter set horizon = greatest(horizon, $1) where id = 1"

_SAID = ("key", "id", "number", "seq", "last_updated", "evses", "static_version", "status_version", "entry")
_NAMES = f"country_code, party_id, {', '.join(_SAID)}, packed, feature"
_TYPES = (
    "text",
    "text",
    "text",
    "text",
    "int",
    "bigint",
    "timestamptz",
    "int",
    "int",
    "int",
    "bytea",
    "bytea",
    "bytea",
)
_ROWS = f"unnest({', '.join(f'${place}::{kind}[]' for place, kind in enumerate(_TYPES, 1))}"
_NOW, _WAS = f"${len(_TYPES) + 1}", f"${len(_TYPES) + 2}"
_CONTENT = ", ".join(f"{name} = r.{name}" for name in _NAMES.split(", ")[3:] if name != "number")

_ADD = (
    f"insert into public_location ({_NAMES}, changed_at, is_gone) "
    f"select r.*, {_NOW}, r.packed is null from {_ROWS}) r({_NAMES}) on conflict do nothing returning 1"
)

_CHANGE = (
    f"update public_location l set {_CONTENT}, changed_at = {_NOW}, is_gone = r.packed is null "
    f"from {_ROWS}, {_WAS}::bigint[]) r({_NAMES}, was_seq) where l.number = r.number and l.seq = r.was_seq returning 1"
)

_LOG = (
    "insert into public_change (seq, number, at, longitude, latitude, event) "
    "select r.seq, r.number, $1, r.longitude, r.latitude, r.event "
    "from unnest($2::bigint[], $3::int[], $4::float8[], $5::float8[], $6::bytea[]) r(seq, number, longitude, latitude, event)"
)

_JUDGE = (
    "insert into place_quality (country_code, party_id, key, is_fit, summary) "
    "select * from unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::text[]) "
    "on conflict (country_code, party_id, key) do update set is_fit = excluded.is_fit, summary = excluded.summary "
    "where (place_quality.is_fit, place_quality.summary) is distinct from (excluded.is_fit, excluded.summary)"
)

_FORGET = (
    "delete from place_quality q using unnest($1::text[], $2::text[], $3::text[]) r(country_code, party_id, key) "
    "where (q.country_code, q.party_id, q.key) = (r.country_code, r.party_id, r.key)"
)

_DONE = (
    "update place p set is_due = false from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[]) "
    "d(country_code, party_id, key, audience, mark, stale_at) "
    "where (p.country_code, p.party_id, p.key, p.audience, p.mark) = (d.country_code, d.party_id, d.key, d.audience, d.mark) "
    "and p.stale_at is not distinct from d.stale_at"
)

_STAND = (
    "insert into public_source (country_code, party_id, is_member, silent_since) values ($1, $2, $3, $4) "
    "on conflict (country_code, party_id) do update set is_member = excluded.is_member, silent_since = excluded.silent_since returning 1"
)

_ALL_DUE = "update place set is_due = true where country_code = $1 and party_id = $2 and audience = '' and not is_due"

_PURGE = f"delete from public_location where is_gone and changed_at < $1::timestamptz - interval '{GONE_KEPT_DAYS} days' returning seq"

_ALL_ENTRIES = (
    "select number, seq, entry from public_location where number > $1 and not is_gone order by number limit $2"
)
_ENTRIES = "select number, seq, entry from public_location where seq > $1 order by seq limit $2"
_CHANGES = "select seq, number, at, longitude, latitude, event from public_change where seq > $1 order by seq limit $2"
_FEATURE_COLUMNS = "number, seq, country_code || '/' || party_id as owner, id, changed_at, feature"
_FEATURES = f"select {_FEATURE_COLUMNS} from public_location"
_TEXTS = "select number, packed from public_location"
_BETWEEN = (
    "not is_gone and ($1::timestamptz is null or last_updated >= $1) and ($2::timestamptz is null or last_updated < $2)"
)
_NAMED = "from public_location where country_code = $1 and party_id = $2 and key = $3 and not is_gone"
_NUMBER = f"select number {_NAMED}"
_WHOLE = f"select {_FEATURE_COLUMNS}, packed {_NAMED}"
_QUALITIES = "select summary from place_quality where country_code = $1 and party_id = $2"

# a summary is a list: its faults, failed checks and present items are the fourth, fifth and sixth of it, what is shown the third
_JUDGED = (
    "select country_code, party_id, key, is_fit, summary from place_quality "
    "where ($1::text is null or (country_code, party_id) = ($1, $2)) and ($3::boolean is null or is_fit = $3) "
    "and ($4::text is null or summary::jsonb -> 3 ? $4) and ($5::text is null or summary::jsonb -> 4 ? $5) "
    "and ($6::text is null or coalesce((summary::jsonb -> 5 ->> $6)::int, 0) < (summary::jsonb #>> array['2', $7])::int) "
    "and (country_code, party_id, key) > ($8, $9, $10) order by country_code, party_id, key limit $11"
)

_EXAMPLES = (
    f"select fault, (array_agg(key order by key))[1:{EXAMPLES_MAX}] as keys "
    "from place_quality, jsonb_object_keys(summary::jsonb -> 3) fault where country_code = $1 and party_id = $2 group by fault"
)
