"""Who reads maps and open formats with a key, how much each may ask, and how much each asked by day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from hub.store.direct import Direct

READERS_MAX = 100_000
DAYS_KEPT = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody with a key; `party`: the eMSP whose prices it may read (``CC/PID``), or empty. `revoked_at` is in UTC."""

    id: int
    name: str
    party: str
    per_second: int
    per_day: int
    made_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReader:
    """A reader that is to be added, with the SHA-256 of its key."""

    name: str
    key_hash: bytes
    party: str
    per_second: int
    per_day: int


class Readers:
    """Reads and writes readers."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def add(self, new: NewReader, now: datetime) -> int:
        """A new reader's id."""
        async with self._direct.transaction() as connection:
            (row,) = await connection.fetch(_ADD, new.name, new.key_hash, new.party, new.per_second, new.per_day, now)
        number: int = row["id"]
        return number

    async def all(self) -> list[Reader]:
        """Every reader, the newest first; revoked ones too."""
        rows = await self._direct.fetch(f"select {_COLUMNS} from reader order by id desc limit {READERS_MAX}")
        return [Reader(**row) for row in rows]

    async def one(self, reader: int) -> Reader | None:
        """A reader, revoked or not."""
        rows = await self._direct.fetch(f"select {_COLUMNS} from reader where id = $1", reader)
        return Reader(**rows[0]) if rows else None

    async def days(self, reader: int, most: int) -> list[tuple[date, int]]:
        """How many requests a reader made on each of its last days (UTC) with any, the newest first."""
        rows = await self._direct.fetch(_DAYS, reader, most)
        return [(row["day"], row["requests"]) for row in rows]

    async def by_key(self, key_hash: bytes) -> Reader | None:
        """Whose key this is; None for nobody's, and for one that was revoked."""
        rows = await self._direct.fetch(
            f"select {_COLUMNS} from reader where key_hash = $1 and revoked_at is null", key_hash
        )
        return Reader(**rows[0]) if rows else None

    async def revoke(self, reader: int, now: datetime) -> bool:
        """Take a key back; False where there is no such reader, or it was taken back before."""
        async with self._direct.transaction() as connection:
            rows = await connection.fetch(
                "update reader set revoked_at = $2 where id = $1 and revoked_at is null returning id", reader, now
            )
            return bool(rows)

    async def count(self, day: date, requests: Mapping[int, int]) -> dict[int, int]:
        """Add requests of a day (UTC) by reader; returns how many every reader made in all, in every process of the hub."""
        if requests:
            await self._direct.execute(_COUNT, day, [*requests], [*requests.values()])
        return await self.usage(day)

    async def usage(self, day: date) -> dict[int, int]:
        """How many requests each reader made on a day (UTC)."""
        rows = await self._direct.fetch("select reader, requests from reader_day where day = $1", day)
        return {row["reader"]: row["requests"] for row in rows}


_COLUMNS = "id, name, party, per_second, per_day, made_at, revoked_at"

_DAYS = "select day, requests from reader_day where reader = $1 order by day desc limit $2"

_ADD = "insert into reader (name, key_hash, party, per_second, per_day, made_at) values ($1, $2, $3, $4, $5, $6) returning id"

_COUNT = (
    f"with old as (delete from reader_day where day < $1::date - {DAYS_KEPT}) "
    "insert into reader_day (reader, day, requests) select r.reader, $1, r.n from unnest($2::int[], $3::bigint[]) r(reader, n) "
    "join reader k on k.id = r.reader "
    "on conflict (reader, day) do update set requests = reader_day.requests + excluded.requests"
)
