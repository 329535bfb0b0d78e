"""Charge points: who they are, how the operator stands to them, whether they are there, and what their connectors said last.

Times are in UTC. Secrets are kept as argon2 texts that somebody else makes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from hub.store.direct import Connection, Direct, Record
from hub.store.ordering import Order, Part, Parts, Place, Placed, lowest_without, placed
from hub.store.where import where
from ocpi_modules.types import decode_json, encode_json

STATIONS_MAX = 50_000
INBOX_MAX_STATIONS = 200
INBOX_PER_REMOTE_MAX_STATIONS = 20
INBOX_KEPT_DAYS = 30
CONNECTORS_PER_STATION_MAX = 200
FEATURES_MAX = 2_000
FEATURE_MAX_CHARACTERS = 1_000
INBOX_LOCK = 2_210_061

PENDING = "Pending"

_IDENTITY = Part("identity")
STATION_SORTS: Mapping[str, Parts] = {
    "identity": (_IDENTITY,),
    "heard": (lowest_without("heard_at", "timestamptz"), _IDENTITY),
    "connected": (lowest_without("connected_at", "timestamptz"), _IDENTITY),
    "clock": (Part("clock_offset_milliseconds", "bigint"), _IDENTITY),
}
STATIONS_BY_IDENTITY = Order(STATION_SORTS["identity"])


@dataclass(frozen=True, slots=True, kw_only=True)
class StationsAsked:
    """Which stations are wanted, None for all; `part` stands in their identity, `after` is a place in their order."""

    part: str | None = None
    state: str | None = None
    is_connected: bool | None = None
    order: Order = STATIONS_BY_IDENTITY
    after: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStation:
    """A station; `state` is OCPP's answer to BootNotification.

    `clock_offset_milliseconds`: how far its clock is ahead of ours. `connection` is empty while it is not connected, `process` the
    process of the hub that holds its socket. `next_secret_hash` is good beside `secret_hash` until the station has used it.
    """

    identity: str
    state: str
    secret_hash: str
    next_secret_hash: str
    protocol: str
    vendor: str
    model: str
    serial: str
    firmware: str
    connection: str
    process: str
    remote: str
    note: str
    first_seen_at: datetime
    connected_at: datetime | None
    disconnected_at: datetime | None
    heard_at: datetime | None
    booted_at: datetime | None
    next_secret_at: datetime | None
    clock_offset_milliseconds: int
    is_lost: bool

    @property
    def is_connected(self) -> bool:
        """Whether some process of the hub holds its socket."""
        return bool(self.connection)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptConnector:
    """The last StatusNotification of a connector, in OCPP's words; `happened_at` by the station's clock, never after we heard it."""

    identity: str
    evse: int
    connector: int
    status: str
    error: str
    info: str
    happened_at: datetime
    heard_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStation:
    """A station that the operator lets in; None leaves what is there."""

    identity: str
    secret_hash: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BootSaid:
    """What a station said that it is."""

    vendor: str
    model: str
    serial: str
    firmware: str


class Knock(Enum):
    """What came of a station that nobody knows."""

    IN_INBOX = "in the inbox"
    FULL = "full"


class StationRows:
    """Reads stations on a connection, in the transaction of somebody else."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def connectors(self, identities: Iterable[str]) -> dict[tuple[str, int, int], KeptConnector]:
        """What connectors said last, by station and OCPP's numbers."""
        return _by_spot(await self._connection.fetch(f"{_CONNECTOR} where identity = any($1::text[])", [*identities]))

    async def present(self, identities: Iterable[str]) -> frozenset[str]:
        """Those that are let in and not lost."""
        rows = await self._connection.fetch(
            "select identity from charge_station where identity = any($1::text[]) and state = 'Accepted' and not is_lost",
            [*identities],
        )
        return frozenset(row["identity"] for row in rows)


class ChargeStations:
    """Reads and writes stations."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    # --- reading ---

    async def all(self) -> list[KeptStation]:
        """Every station, by identity."""
        return [
            KeptStation(**row) for row in await self._direct.fetch(f"{_STATION} order by identity limit {STATIONS_MAX}")
        ]

    async def page(self, asked: StationsAsked, most: int) -> list[Placed[KeptStation]]:
        """Stations in their order."""
        clauses = (
            ("strpos(lower(identity), lower(?)) > 0", asked.part),
            ("state = ?", asked.state),
            ("(connection <> '') = ?", asked.is_connected),
            asked.order.behind(asked.after),
        )
        condition, values = where(clauses)
        rows = await self._direct.fetch(
            f"select {', '.join(_COLUMNS)}, {asked.order.place} from charge_station {condition} "
            f"order by {asked.order.by} limit {int(most)}",
            *values,
        )
        return placed(rows, lambda row: KeptStation(**{name: row[name] for name in _COLUMNS}))

    async def count(self) -> dict[str, int]:
        """How many stations there are in each state."""
        rows = await self._direct.fetch("select state, count(*) as count from charge_station group by state")
        return {row["state"]: row["count"] for row in rows}

    async def one(self, identity: str) -> KeptStation | None:
        """A station; None where nobody knows it."""
        rows = await self._direct.fetch(f"{_STATION} where identity = $1", identity)
        return KeptStation(**rows[0]) if rows else None

    async def connectors(self, identities: Iterable[str]) -> dict[tuple[str, int, int], KeptConnector]:
        """What connectors said last, by station and OCPP's numbers."""
        return _by_spot(await self._direct.fetch(f"{_CONNECTOR} where identity = any($1::text[])", [*identities]))

    async def features(self, identity: str) -> dict[str, str]:
        """What a station said it can."""
        rows = await self._direct.fetch("select features from charge_station where identity = $1", identity)
        return _features(rows[0]["features"]) if rows else {}

    # --- what the operator decides ---

    async def add(self, station: NewStation, now: datetime) -> None:
        """Let a station in, known or not."""
        async with self._direct.transaction() as connection:
            await write_stations(connection, (station,), now)

    async def accept(self, identity: str, secret_hash: str, note: str | None) -> bool:
        """Let a station in that knocked or was rejected; False where there is none."""
        return await self._change(
            "update charge_station set state = 'Accepted', secret_hash = $2, next_secret_hash = '', next_secret_at = null, "
            "note = coalesce($3::text, note) where identity = $1 and state <> 'Accepted' returning identity",
            identity,
            secret_hash,
            note,
        )

    async def reject(self, identity: str) -> bool:
        """Keep a station out; False where there is none."""
        return await self._change(
            "update charge_station set state = 'Rejected' where identity = $1 returning identity", identity
        )

    async def drop(self, identity: str) -> bool:
        """Forget a station; False where there is none."""
        async with self._direct.transaction() as connection:
            await connection.execute("delete from charge_connector where identity = $1", identity)
            return bool(
                await connection.fetch("delete from charge_station where identity = $1 returning identity", identity)
            )

    async def offer_secret(self, identity: str, secret_hash: str, now: datetime) -> bool:
        """A secret that is good from now on beside the one there is; False where no such station is let in."""
        return await self._change(
            "update charge_station set next_secret_hash = $2, next_secret_at = $3 where identity = $1 and state = 'Accepted' "
            "returning identity",
            identity,
            secret_hash,
            now,
        )

    async def take_secret(self, identity: str, secret_hash: str) -> bool:
        """The station used the new secret: the one before is good no more."""
        return await self._change(
            "update charge_station set secret_hash = next_secret_hash, next_secret_hash = '', next_secret_at = null "
            "where identity = $1 and next_secret_hash = $2 returning identity",
            identity,
            secret_hash,
        )

    # --- what happens ---

    async def knock(self, identity: str, remote: str, now: datetime) -> Knock:
        """A station that nobody let in: it stands in the inbox, if there is room there, and for its address."""
        async with self._direct.transaction() as connection:
            await connection.execute("select pg_advisory_xact_lock($1)", INBOX_LOCK)
            await connection.execute(_TIDY_INBOX, now - timedelta(days=INBOX_KEPT_DAYS))
            rows = await connection.fetch(
                "update charge_station set remote = $2 where identity = $1 and state = 'Pending' returning identity",
                identity,
                remote,
            )
            if rows or await connection.fetch(_KNOCK, identity, remote, now):
                return Knock.IN_INBOX
        return Knock.FULL

    async def connect(self, station: Connected, now: datetime) -> bool:
        """A station is there; the newest connection counts. Whether it had been lost."""
        values = (station.identity, station.protocol, station.connection, station.process, now)
        async with self._direct.transaction() as connection:
            rows = await connection.fetch(
                "select is_lost from charge_station where identity = $1 for update", station.identity
            )
            await connection.execute(_CONNECT, *values)
        return bool(rows and rows[0]["is_lost"])

    async def disconnect(self, identity: str, connection: str, now: datetime) -> bool:
        """A socket is gone; False where a newer one is there."""
        return await self._change(
            "update charge_station set connection = '', process = '', disconnected_at = $3, heard_at = $3 "
            "where identity = $1 and connection = $2 returning identity",
            identity,
            connection,
            now,
        )

    async def boot(self, identity: str, said: BootSaid, now: datetime) -> str | None:
        """A station says what it is; its state, None where nobody knows it."""
        async with self._direct.transaction() as connection:
            rows = await connection.fetch(_BOOT, identity, said.vendor, said.model, said.serial, said.firmware, now)
        return str(rows[0]["state"]) if rows else None

    async def presence(self) -> dict[str, bool]:
        """Every station that was ever connected, and whether it is now."""
        rows = await self._direct.fetch(
            "select identity, connection <> '' as is_there from charge_station where protocol <> ''"
        )
        return {row["identity"]: row["is_there"] for row in rows}

    async def touch(self, connections: Mapping[str, str], now: datetime) -> None:
        """Stations are there: connections by identity."""
        if connections:
            await self._direct.execute(_TOUCH, [*connections], [*connections.values()], now)

    async def unwelcome(self, identities: Sequence[str]) -> list[str]:
        """Which of some stations are kept out, or not known any more."""
        rows = await self._direct.fetch(_UNWELCOME, list(identities)) if identities else ()
        return [row["identity"] for row in rows]

    async def set_clock_offset(self, identity: str, milliseconds: int) -> None:
        """How far a station's clock is ahead of ours."""
        await self._direct.execute(
            "update charge_station set clock_offset_milliseconds = $2 where identity = $1", identity, milliseconds
        )

    async def tell_connector(self, told: KeptConnector) -> bool:
        """Keep a status, unless a newer one is known; whether it is another one than before."""
        async with self._direct.transaction() as connection:
            rows = await connection.fetch(
                f"{_CONNECTOR} where identity = $1 and evse = $2 and connector = $3 for update",
                told.identity,
                told.evse,
                told.connector,
            )
            before = KeptConnector(**rows[0]) if rows else None
            if before is not None and told.happened_at < before.happened_at:
                return False
            values = [getattr(told, name) for name in _CONNECTOR_COLUMNS]
            if not await connection.fetch(_TELL_CONNECTOR, *values):
                return False
        return before is None or (before.status, before.error) != (told.status, told.error)

    async def add_features(self, identity: str, features: Mapping[str, str]) -> None:
        """What a station can, beside what it said before."""
        async with self._direct.transaction() as connection:
            rows = await connection.fetch(
                "select features from charge_station where identity = $1 for update", identity
            )
            if rows:
                said = {name[:FEATURE_MAX_CHARACTERS]: text[:FEATURE_MAX_CHARACTERS] for name, text in features.items()}
                merged = dict([*{**_features(rows[0]["features"]), **said}.items()][:FEATURES_MAX])
                text = encode_json(merged).decode().replace("\\u0000", "")
                await connection.execute("update charge_station set features = $2 where identity = $1", identity, text)

    async def lose(self, gone_before: datetime, silent_before: datetime) -> list[str]:
        """Mark those that are away too long, or whose process is gone; returns whom it newly marked."""
        async with self._direct.transaction() as connection:
            rows = await connection.fetch(_LOSE, gone_before, silent_before)
        return [row["identity"] for row in rows]

    async def _change(self, statement: str, *values: object) -> bool:
        async with self._direct.transaction() as connection:
            return bool(await connection.fetch(statement, *values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A socket of a station."""

    identity: str
    protocol: str
    connection: str
    process: str


async def write_stations(connection: Connection, stations: Iterable[NewStation], now: datetime) -> None:
    """Let stations in, in the transaction of whoever provisions them."""
    for station in stations:
        await connection.execute(_PUT, station.identity, station.secret_hash, station.note, now)


def _by_spot(rows: Iterable[Record]) -> dict[tuple[str, int, int], KeptConnector]:
    return {(row["identity"], row["evse"], row["connector"]): KeptConnector(**row) for row in rows}


def _features(text: str) -> dict[str, str]:
    return dict(decode_json(text.encode())) if text else {}


_COLUMNS = (*KeptStation.__dataclass_fields__,)
_CONNECTOR_COLUMNS = (*KeptConnector.__dataclass_fields__,)
_STATION = f"select {', '.join(_COLUMNS)} from charge_station"
_CONNECTOR = f"select {', '.join(_CONNECTOR_COLUMNS)} from charge_connector"

_PUT = (
    "insert into charge_station as s (identity, state, secret_hash, note, first_seen_at) "
    "values ($1, 'Accepted', coalesce($2::text, ''), coalesce($3::text, ''), $4) on conflict (identity) do update set state = 'Accepted', "
    "secret_hash = coalesce($2, s.secret_hash), note = coalesce($3, s.note), "
    "next_secret_hash = case when $2 is null then s.next_secret_hash else '' end, "
    "next_secret_at = case when $2 is null then s.next_secret_at end"
)
_TIDY_INBOX = (
    "delete from charge_station where state = 'Pending' and connection = '' and greatest(first_seen_at, heard_at) < $1"
)
_KNOCK = (
    "insert into charge_station (identity, state, remote, first_seen_at) select $1::text, 'Pending', $2::text, $3::timestamptz "
    f"where (select count(*) from charge_station where state = 'Pending') < {INBOX_MAX_STATIONS} "
    f"and (select count(*) from charge_station where state = 'Pending' and remote = $2) < {INBOX_PER_REMOTE_MAX_STATIONS} "
    "on conflict do nothing returning identity"
)
_CONNECT = (
    "update charge_station set protocol = $2, connection = $3, process = $4, connected_at = $5, heard_at = $5, "
    "disconnected_at = null, is_lost = false where identity = $1"
)
_BOOT = (
    "update charge_station set vendor = $2, model = $3, serial = $4, firmware = $5, booted_at = $6, heard_at = $6 "
    "where identity = $1 returning state"
)
_TOUCH = (
    "update charge_station s set heard_at = greatest(s.heard_at, $3::timestamptz) "
    "from unnest($1::text[], $2::text[]) n(identity, connection) "
    "where s.identity = n.identity and s.connection = n.connection"
)
_UNWELCOME = (
    "select n.identity from unnest($1::text[]) n(identity) left join charge_station s on s.identity = n.identity "
    "where s.identity is null or s.state = 'Rejected'"
)
_TELL_CONNECTOR = (
    f"insert into charge_connector ({', '.join(_CONNECTOR_COLUMNS)}) "
    "select $1::text, $2::int, $3::int, $4::text, $5::text, $6::text, $7::timestamptz, $8::timestamptz "
    "where exists (select 1 from charge_connector where identity = $1 and evse = $2 and connector = $3) "
    f"or (select count(*) from charge_connector where identity = $1) < {CONNECTORS_PER_STATION_MAX} "
    "on conflict (identity, evse, connector) do update set status = excluded.status, error = excluded.error, info = excluded.info, "
    "happened_at = excluded.happened_at, heard_at = excluded.heard_at returning identity"
)
_LOSE = (
    "update charge_station set is_lost = true, connection = '', process = '', disconnected_at = coalesce(disconnected_at, heard_at) "
    "where not is_lost and state = 'Accepted' and ((connection = '' and disconnected_at < $1) "
    "or (connection <> '' and heard_at < $2)) returning identity"
)
