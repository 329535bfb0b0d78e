"""Public keys of meters as rows: registered by somebody, good from a moment on, withdrawn when they were wrong."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.store.direct import Connection, Direct, Record

KEYS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMeterKey:
    """A key; the fields are those of `MeterKeyRow`. `meter_id` is the folded meter id or EVSE uid, `public_key` base64 of DER."""

    owner: str
    meter_id: str
    public_key: str
    valid_from: datetime
    registered_by: str
    registered_at: datetime
    id: int = 0
    withdrawn_by: str = ""
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysAsked:
    """Which keys are wanted: of an owner and a meter where they are given, after an id."""

    owner: str | None = None
    meter_id: str | None = None
    after: int = 0


class AlreadyThere(Exception):
    """A meter has a key from the same moment on."""


class MeterKeys:
    """The table of keys of meters. What they change is examined again, but for what is billed."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def add(self, keys: Sequence[KeptMeterKey]) -> list[KeptMeterKey]:
        """Register keys, all of them or none. Raises AlreadyThere."""
        async with self._direct.transaction() as connection:
            added = [await _added(connection, key) for key in keys]
            await _examine_again(connection, added)
            return added

    async def withdraw(self, key_id: int, actor: str, at: datetime) -> bool:
        """Let a key count no more, for whatever charge; False where there is none that counts."""
        async with self._direct.transaction() as connection:
            withdrawn = _kept(await connection.fetch(_WITHDRAW, key_id, actor, at))
            await _examine_again(connection, withdrawn)
            return bool(withdrawn)

    async def page(self, asked: KeysAsked, most: int) -> list[KeptMeterKey]:
        """Keys in the order in which they were registered, also those that were withdrawn."""
        return _kept(await self._direct.fetch(_PAGE, asked.owner, asked.meter_id, asked.after, most))

    async def owners(self) -> frozenset[str]:
        """Who has keys that count."""
        return frozenset(row["owner"] for row in await self._direct.fetch(_OWNERS))

    async def good(self, names: Collection[tuple[str, str]]) -> list[KeptMeterKey]:
        """The keys that count of some meters, by owner and folded id. KEYS_MAX at most."""
        if not names:
            return []
        ordered = sorted(names)
        columns = [name[0] for name in ordered], [name[1] for name in ordered]
        return _kept(await self._direct.fetch(_GOOD, *columns, KEYS_MAX))


async def _added(connection: Connection, key: KeptMeterKey) -> KeptMeterKey:
    rows = _kept(await connection.fetch(_ADD, *(getattr(key, name) for name in _GIVEN)))
    if not rows:
        raise AlreadyThere(f"meter {key.meter_id} of {key.owner} has a key from {key.valid_from:%Y-%m-%dT%H:%M:%SZ} on")
    return rows[0]


async def _examine_again(connection: Connection, keys: Sequence[KeptMeterKey]) -> None:
    since: dict[str, datetime] = {}
    for key in keys:
        since[key.owner] = min(key.valid_from, since.get(key.owner, key.valid_from))
    for owner, moment in since.items():
        await connection.execute(_EXAMINE_AGAIN, owner, moment)


_COLUMNS = tuple(KeptMeterKey.__dataclass_fields__)
_GIVEN = ("owner", "meter_id", "public_key", "valid_from", "registered_by", "registered_at")
_ALL = ", ".join(_COLUMNS)

_ADD = (
    f"insert into meter_key ({', '.join(_GIVEN)}, withdrawn_by) values ($1, $2, $3, $4, $5, $6, '') "
    f"on conflict (owner, meter_id, valid_from) where withdrawn_at is null do nothing returning {_ALL}"
)
_WITHDRAW = (
    f"update meter_key set withdrawn_by = $2, withdrawn_at = $3 where id = $1 and withdrawn_at is null returning {_ALL}"
)
_PAGE = (
    f"select {_ALL} from meter_key where ($1::text is null or owner = $1) and ($2::text is null or meter_id = $2) "
    "and id > $3 order by id limit $4"
)
_OWNERS = "select distinct owner from meter_key where withdrawn_at is null"
_GOOD = (
    f"select {_ALL} from meter_key join unnest($1::text[], $2::text[]) k(owner, meter_id) using (owner, meter_id) "
    "where withdrawn_at is null order by owner, meter_id, valid_from limit $3"
)

# those that wait already are touched too: who examines one meanwhile sees that it changed (`hub.store.verdicts`)
_EXAMINE_AGAIN = (
    "update claim set examined_at = null where creditor = $1 and (examined_at is null or exists ("
    "select 1 from verdict v where v.creditor = claim.creditor and v.cdr_key = claim.cdr_key and v.statement is null "
    "and v.meter || v.reading <> '' and (v.starts_at is null or v.starts_at >= $2)))"
)


def _kept(rows: Sequence[Record]) -> list[KeptMeterKey]:
    return [KeptMeterKey(**dict(row)) for row in rows]
