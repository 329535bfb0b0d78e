"""Forgets drivers in what is kept of local chargers: charges with their CDRs and readings, reservations, aliases, commands.

Energies, times and money stay, and so do ids of Sessions and CDRs. A charge that goes on is finished under the new name of its token.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.store.aliases import Forgotten, Wanted, forgotten, new_alias, personal_in, renamed_text, token_in
from hub.store.direct import Connection, Direct, Record
from hub.store.pack import unpack
from ocpi_modules.types import NotJsonText, decode_json, encode_decoded, fold

SCAN_BATCH_MAX_ROWS = 500
OLD_BATCH_MAX_CHARGES = 200

Place = tuple[str, Any]
"""A table of local chargers, and the key of a row in it."""

Sees = Callable[[Any], bool]
"""Whether a CdrToken (JSON) is one that is looked for; whose it is is noted by whoever is asked."""

Renamed = Mapping[str, str]
"""What ids, as they are spelled, are called from now on."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A table in which `token` is a CdrToken (JSON): its key, what is below every key, and other columns that may name the driver."""

    key: str
    least: int | str
    texts: tuple[str, ...]


_CHARGE = "charge"
_KEPT = {
    _CHARGE: _Kept("number", 0, ("id_token", "reference", "flags", "stop_reason", "cdr")),
    "charge_reservation": _Kept("number", 0, ("id_token", "reference", "reservation_id", "cdr")),
    "charge_alias": _Kept("alias", "", ("uid", "reference")),
    "charge_command": _Kept("number", 0, ("id_token", "reference", "content", "response_url", "result")),
}


async def find_at_chargers(direct: Direct, sees: Sees, values: set[str]) -> list[Place]:
    """The rows that name a token that is looked for, and charges of cards that nobody knew, with one of their ids (`values`)."""
    found = [
        (table, row["place"]) for table in _KEPT async for row in _scan(direct, table) if sees(_content(row["token"]))
    ]
    unknown = await direct.fetch(_OF_UNKNOWN_CARDS, [fold(value) for value in values])
    return [*found, *((_CHARGE, row["place"]) for row in unknown)]


async def forget_at_chargers(connection: Connection, places: Iterable[Place], wanted: Wanted, names: Renamed) -> None:
    """Take drivers out of rows that name them."""
    for table, place in sorted(places):
        await _forget_row(connection, (table, place), wanted, names)


async def forget_old_charges(connection: Connection, before: datetime) -> int:
    """Take drivers out of some charges that ended before a moment (UTC); returns how many, OLD_BATCH_MAX_CHARGES of each kind at most.

    Of those that were billed, where their CDR has forgotten its driver: they get the same names. And of those that never are.
    """
    billed = await connection.fetch(_OLD_BILLED, before, OLD_BATCH_MAX_CHARGES)
    unbilled = await connection.fetch(_OLD_UNBILLED, before, OLD_BATCH_MAX_CHARGES)
    for row in (*billed, *unbilled):
        await _forget_row(connection, (_CHARGE, row["place"]), lambda _: True, _names_of(row))
    return len(billed) + len(unbilled)


async def _scan(direct: Direct, table: str) -> AsyncIterator[Record]:
    key, after = _KEPT[table].key, _KEPT[table].least
    statement = f"select {key} as place, token from {table} where {key} > $1 and token <> '' order by {key} limit $2"
    while rows := await direct.fetch(statement, after, SCAN_BATCH_MAX_ROWS):
        for row in rows:
            yield row
        after = rows[-1]["place"]


async def _forget_row(connection: Connection, place: Place, wanted: Wanted, names: Renamed) -> None:
    table, key = place
    kept = _KEPT[table]
    names_of_columns = ", ".join(("token", *kept.texts))
    rows = await connection.fetch(f"select {names_of_columns} from {table} where {kept.key} = $1 for update", key)
    if not rows:
        return
    changed = {name: _without(rows[0][name], wanted, names) for name in ("token", *kept.texts)}
    sets = ", ".join(f"{name} = ${at}" for at, name in enumerate(changed, start=2))
    await connection.execute(f"update {table} set {sets} where {kept.key} = $1", key, *changed.values())
    if table == _CHARGE:
        await connection.execute(_FORGET_BEGIN, key)
        await connection.execute(_FORGET_READINGS, key)


def _without(text: str | None, wanted: Wanted, names: Renamed) -> str | None:
    """A text without a driver: an object that names the token as one of the partners' copies, all else with its words replaced."""
    if not text:
        return text
    found = _forgotten(_content(text), wanted, names)
    return renamed_text(text, names) if found is None else encode_decoded(found.content).decode()


def _forgotten(content: Any, wanted: Wanted, names: Renamed) -> Forgotten | None:
    folded = {fold(value): name for value, name in names.items()}
    return forgotten(content, wanted, lambda value: folded.get(value) or new_alias())


def _names_of(row: Record) -> dict[str, str]:
    """What the ids of a charge are called: as in its CDR where there is one, else names that lead nowhere."""
    token = _content(row["token"])
    values = {*(personal_in(token) if token_in(token) else ()), *([row["id_token"]] if row["id_token"] else ())}
    told = _content(unpack(row["packed"])).get("cdr_token", {}) if row["packed"] is not None else {}
    names = {fold(token[name]): told[name] for name in ("uid", "contract_id") if token and told.get(name)}
    for value in sorted(values):
        names.setdefault(fold(value), new_alias())
    return {value: names[fold(value)] for value in values}


def _content(text: str | bytes | None) -> Any:
    try:
        return decode_json(text.encode() if isinstance(text, str) else text) if text else None
    except NotJsonText:
        return None


_OF_UNKNOWN_CARDS = "select number as place from charge where token = '' and upper(id_token) = any($1::text[])"
# by its begin a charge is known again, which has the id token in it
_FORGET_BEGIN = "update charge set start_key = 'forgotten-' || number where number = $1 and ocpp_id is null"
# what a meter signs names the token inside of its signature
_FORGET_READINGS = "update charge_reading set signed = '', raw = '' where charge = $1"
_IS_NAMED = "position('\"ERASED-' in ch.token) = 0"
_OLD_BILLED = (
    "select ch.number as place, ch.token, ch.id_token, c.packed from charge ch "
    "join verdict v on v.creditor = upper((ch.cdr::jsonb ->> 'country_code') || '/' || (ch.cdr::jsonb ->> 'party_id')) "
    "and v.cdr_key = upper(ch.cdr::jsonb ->> 'id') and v.token like '%|ERASED-%' "
    "join copy c on c.module || '' = 'cdrs' and c.audience || '' = '' and c.country_code || '/' || c.party_id = v.creditor "
    "and c.key = v.cdr_key and c.packed is not null "
    f"where ch.state = 'COMPLETED' and ch.ended_at < $1 and ch.token <> '' and {_IS_NAMED} order by ch.number limit $2"
)
_OLD_UNBILLED = (
    "select ch.number as place, ch.token, ch.id_token, null::bytea as packed from charge ch "
    f"where ch.state = 'INVALID' and coalesce(ch.ended_at, ch.made_at) < $1 and {_IS_NAMED} "
    "and (ch.token <> '' or (ch.id_token <> '' and ch.id_token not like 'ERASED-%')) order by ch.number limit $2"
)
