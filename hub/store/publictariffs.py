"""Copies of tariffs for those who read maps: what is for everybody, and what one eMSP may see. Which of it is public is decided in
`hub.navigation.tariffs`.

Tariffs are named by their owner as ``CC/PID`` and their folded id.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.store.direct import Direct, Record
from hub.store.pack import unpack
from ocpi_modules.parties import Party

STALE_MAX = 100_000
STRANGERS_MAX = 10_000

Name = tuple[str, str]
"""Owner and folded id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedTariff:
    """A tariff that is for everybody, stale or not: its place in the order in which tariffs were first seen, and the text of its owner."""

    seq: int
    name: Name
    last_updated: datetime
    text: bytes


@dataclass(frozen=True, slots=True)
class TariffChange:
    """Somebody was told something new of a tariff; `id` grows, though not in the order of commits."""

    id: int
    name: Name


@dataclass(frozen=True, slots=True)
class Begin:
    """Where changes are at one moment: the last number that was given, and the numbers of the latest."""

    top: int
    latest: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Marks:
    """What tells that anything changed beside texts: how many tariffs are stale and since when the last one is (UTC).

    `top` is the last number that was given to a change, `strangers` the owners (``CC/PID``) that are no members.
    """

    top: int
    stale: int
    stale_at: datetime | None
    strangers: frozenset[str]


class PublicTariffs:
    """Reads tariffs; the copies write them (`hub.store.copies`)."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def shared(self, names: Collection[Name]) -> list[SharedTariff]:
        """Those of some tariffs that are for everybody."""
        return [_shared(row) for row in await self._direct.fetch(_SHARED, *_columns(names))]

    async def seen_by(self, names: Collection[Name], party: Party) -> dict[Name, bytes]:
        """The texts that a party may read: what was sent to it alone in the place of what everybody was told (X-13), nothing stale."""
        rows = await self._direct.fetch(_SEEN_BY, *_columns(names), str(party))
        return {_name(row): unpack(row["packed"]) for row in rows}

    async def page(self, after: int, most: int) -> list[SharedTariff]:
        """Tariffs for everybody in the order in which they were first seen, after a place in it."""
        return [_shared(row) for row in await self._direct.fetch(_PAGE, after, most)]

    async def texts(self, seqs: Sequence[int]) -> dict[int, bytes]:
        """Texts by place, of those that are still there."""
        rows = await self._direct.fetch(_TEXTS, list(seqs))
        return {row["seq"]: unpack(row["packed"]) for row in rows}

    # --- what changed ---

    async def begin(self, back: int) -> Begin:
        """Where changes are; the latest are those whose numbers are not more than `back` before the last one."""
        (row,) = await self._direct.fetch(_BEGIN, back)
        return Begin(row["top"], tuple(row["latest"] or ()))

    async def changes(self, after: int, most: int) -> list[TariffChange]:
        """Changes with a number above this one, in order; one that was given a lower number may be committed later."""
        rows = await self._direct.fetch(_CHANGES, after, most)
        return [TariffChange(row["id"], _name(row)) for row in rows]

    async def marks(self) -> Marks:
        """What else tells of changes."""
        (row,) = await self._direct.fetch(_MARKS)
        return Marks(row["top"], row["stale"], row["stale_at"], frozenset(row["strangers"] or ()))

    async def stale(self) -> frozenset[Name]:
        """Those that the last complete list of their owner lacked; at most STALE_MAX of them."""
        return frozenset(map(_name, await self._direct.fetch(_STALE)))


def _name(row: Record) -> Name:
    return f"{row['country_code']}/{row['party_id']}", row["key"]


def _shared(row: Record) -> SharedTariff:
    return SharedTariff(seq=row["seq"], name=_name(row), last_updated=row["last_updated"], text=unpack(row["packed"]))


def _columns(names: Collection[Name]) -> list[Any]:
    owners = [owner.partition("/") for owner, _ in names]
    return [[owner[0] for owner in owners], [owner[2] for owner in owners], [key for _, key in names]]


_COLUMNS = "c.country_code, c.party_id, c.key, c.packed"
_WANTED = "unnest($1::text[], $2::text[], $3::text[]) w(country_code, party_id, key)"

# module and audience are hidden from the planner: objects are looked for by the primary key and nothing else (migration 4)
_IS_WANTED = (
    "c.key = w.key and c.country_code = w.country_code and c.party_id = w.party_id and c.module || '' = 'tariffs' "
    "and c.variant = ''"
)

_SHARED = (
    f"select c.seq, c.last_updated, {_COLUMNS} from {_WANTED} join copy c on {_IS_WANTED} and c.audience || '' = ''"
)

# the audience of everybody is the empty text, which comes before all others
_SEEN_BY = (
    f"select distinct on (c.country_code, c.party_id, c.key) {_COLUMNS} from {_WANTED} join copy c on {_IS_WANTED} "
    "and c.audience || '' in ('', $4) and c.stale_at is null order by c.country_code, c.party_id, c.key, c.audience desc"
)

_OF_EVERYBODY = "c.module = 'tariffs' and c.audience = ''"

_PAGE = (
    f"select c.seq, c.last_updated, {_COLUMNS} from copy c where {_OF_EVERYBODY} and c.seq > $1 order by c.seq limit $2"
)

_TEXTS = f"select c.seq, c.packed from copy c where {_OF_EVERYBODY} and c.seq = any($1::bigint[])"

_TOP = "(select coalesce(max(id), 0) from version) as top"

_LATEST = "select array_agg(v.id) from version v where v.id > t.top - $1::bigint and v.module || '' = 'tariffs'"

_BEGIN = f"select t.top, ({_LATEST}) as latest from (select {_TOP}) t"

_CHANGES = "select id, country_code, party_id, key from version where id > $1 and module || '' = 'tariffs' order by id limit $2"

_STRANGERS = (
    "(select array_agg(s.name) from (select country_code || '/' || party_id as name from public_source "
    f"where not is_member order by 1 limit {STRANGERS_MAX}) s) as strangers"
)

_IS_STALE = f"{_OF_EVERYBODY} and c.stale_at is not null"

_MARKS = f"select {_TOP}, {_STRANGERS}, count(*) as stale, max(c.stale_at) as stale_at from copy c where {_IS_STALE}"

_STALE = f"select c.country_code, c.party_id, c.key from copy c where {_IS_STALE} limit {STALE_MAX}"
