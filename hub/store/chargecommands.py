"""What partners ask of local chargers, as rows: commands, the aliases that stand for tokens, reservations, and charging profiles; and what
has to be known to answer them: tokens, stations and connectors as they are, charges that go on.

Times in UTC. Every first look that decides is a statement of its own, so that any process of the hub may do it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from hub.store.direct import Direct, Record
from hub.store.pack import unpack
from ocpi_modules.parties import Party
from ocpi_modules.types import fold

TOKENS_MAX = 20
"""As many tokens with one uid are looked at; that more eMSPs use the same one is not believed."""
ROWS_MAX = 1_000
FORGOTTEN_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAlias:
    """What a station knows a token by; `token` is its CdrToken (JSON), `reference` the eMSP's own for what it asked."""

    alias: str
    owner: str
    uid: str
    kind: str
    token: str
    reference: str | None
    made_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCommand:
    """A command or charging profile that a station works on; `result` is empty until it is known, then what its sender is told (JSON).

    `token` is a CdrToken (JSON), `content` what else of the command is needed later (JSON).
    """

    kind: str
    sender: str
    identity: str
    site: str
    evse_uid: str
    response_url: str
    made_at: datetime
    due_at: datetime
    id_token: str = ""
    token: str = ""
    content: str = ""
    reference: str | None = None
    result: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReservation:
    """A place that is kept for somebody; `reservation_id` is its sender's, `number` the station's, `evse` and `connector` OCPP's.

    `place` and `tariffs` (JSON) are as of a charge. `version` 0: it has no Session; what differs from `told_version` is to be told.
    """

    sender: str
    reservation_id: str
    identity: str
    site: str
    evse_uid: str
    id_token: str
    token: str
    state: str
    evse: int
    connector: int
    reference: str | None
    expires_at: datetime
    made_at: datetime
    number: int = 0
    connector_id: str = ""
    session_id: str = ""
    place: str = ""
    tariffs: str = ""
    ended_at: datetime | None = None
    version: int = 0
    told_version: int = 0
    cdr: str | None = None
    is_cdr_told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is over: at `now` where its station has been there since `connected_before`, else `at_last`."""

    now: datetime
    connected_before: datetime
    at_last: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """How and when a reservation ended."""

    number: int
    state: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptProfile:
    """The charging profile that a partner set for a session (JSON)."""

    session_id: str
    sender: str
    content: str
    response_url: str
    set_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPreference:
    """What the driver of a session wants; `wanted_wh` in all, from its begin on. What is None was not said."""

    session_id: str
    sender: str
    profile_type: str
    departs_at: datetime | None
    wanted_wh: Decimal | None
    may_discharge: bool
    set_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCharge:
    """A charge that goes on; `token` is its CdrToken (JSON), empty where nobody pays; `energy_wh` is what it has taken so far."""

    number: int
    ocpp_id: str | None
    identity: str
    evse: int
    connector: int
    site: str
    evse_uid: str
    connector_id: str
    session_id: str
    token: str
    energy_wh: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class StationNow:
    """A station: how the operator stands to it, whether its socket is there, and what it says it can (JSON)."""

    identity: str
    state: str
    is_connected: bool
    features: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorNow:
    """The last status of a connector, in OCPP's words."""

    identity: str
    evse: int
    connector: int
    status: str


@dataclass(frozen=True, slots=True)
class KeptToken:
    """The copy of a token: whose it is, and its text."""

    owner: Party
    text: bytes


class ChargeCommands:
    """The tables of commands, aliases, reservations and profiles."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    # --- commands ---

    async def add(self, command: KeptCommand) -> int:
        """Keep a command before its sender is answered; its number."""
        rows = await self._write(_insert("charge_command", KeptCommand, but=("number",), returning="number"), command)
        return int(rows[0]["number"])

    async def settle(self, number: int, result: str, at: datetime) -> bool:
        """Write down the result of a command; False where it has one: the first counts."""
        return bool(await self._direct_write(_SETTLE, number, result, at))

    async def told(self, number: int) -> None:
        """Its sender knows the result, or will never."""
        await self._direct.execute("update charge_command set is_told = true where number = $1", number)

    async def overdue(self, before: datetime) -> list[KeptCommand]:
        """Commands whose sender should have been told before a moment."""
        return _all(KeptCommand, await self._direct.fetch(_OVERDUE, before, ROWS_MAX))

    async def command(self, number: int) -> KeptCommand | None:
        """A command by its number."""
        return _one(
            KeptCommand, await self._direct.fetch(f"{_select('charge_command', KeptCommand)} where number = $1", number)
        )

    async def response_url(self, sender: str, kind: str, content: str) -> str | None:
        """Where the result of a sender's newest command of a kind, and about something, was to go."""
        rows = await self._direct.fetch(_RESPONSE_URL, sender, kind, content)
        return str(rows[0]["response_url"]) if rows else None

    async def since(self, kinds: Sequence[str], content: str, since: datetime) -> list[datetime]:
        """When commands of some kinds about something came, the oldest first."""
        rows = await self._direct.fetch(_SINCE, list(kinds), content, since, ROWS_MAX)
        return [row["made_at"] for row in rows]

    async def tidy(self, before: datetime) -> None:
        """Forget what was over before a moment."""
        for statement in _TIDY:
            await self._direct.execute(statement, before)

    # --- aliases ---

    async def keep_alias(self, alias: KeptAlias) -> bool:
        """Keep an alias; False where there is one with that name."""
        return bool(
            await self._write(_insert("charge_alias", KeptAlias, returning="alias", on="on conflict do nothing"), alias)
        )

    async def alias(self, uid: str) -> KeptAlias | None:
        """What an id token stands for, also where it has expired; None where it is no alias."""
        found = await self._direct.fetch(f"{_select('charge_alias', KeptAlias)} where alias = $1", fold(uid))
        return _one(KeptAlias, found)

    # --- reservations ---

    async def reserve(self, reservation: KeptReservation) -> int:
        """Keep a reservation; its number."""
        insert = _insert("charge_reservation", KeptReservation, but=("number",), returning="number")
        return int((await self._write(insert, reservation))[0]["number"])

    async def change(self, reservation: KeptReservation) -> None:
        """Another place, driver or end of a reservation that goes on, by its number; its Session is the same."""
        sets = ", ".join(f"{name} = ${index + 2}" for index, name in enumerate(_CHANGING))
        values = (getattr(reservation, name) for name in _CHANGING)
        changed = f"update charge_reservation set {sets}, version = {_NEXT} where number = $1 and state = 'ACTIVE'"
        await self._direct.execute(changed, reservation.number, *values)

    async def confirm_reservation(self, number: int) -> bool:
        """A station keeps the place: there is a Session from now on. False where it is over already."""
        return bool(await self._direct_write(_CONFIRM, number))

    async def move_reservation(self, number: int, before: int) -> bool:
        """The same in the place of one at another station, which ends: its Session, and since when it is, are handed on."""
        async with self._direct.transaction() as connection:
            moved = await connection.fetch(_MOVE, number, before)
            if moved:
                await connection.execute(_MOVED, before)
            return bool(moved)

    async def end_reservation(self, ended: Ended, of: Sequence[str]) -> bool:
        """Move a reservation out of one of the states `of`; False where it is in none of them."""
        return bool(await self._direct_write(_END, ended.number, ended.state, ended.at, list(of)))

    async def refer(self, number: int, reference: str) -> None:
        """The eMSP's reference for a reservation is another now."""
        await self._direct.execute("update charge_reservation set reference = $2 where number = $1", number, reference)

    async def refer_alias(self, alias: str, reference: str) -> None:
        """The same for an alias, if it is one."""
        await self._direct.execute("update charge_alias set reference = $2 where alias = $1", alias, reference)

    async def reservation(self, sender: str, reservation_id: str) -> KeptReservation | None:
        """The reservation of that name that holds, else the newest, for its sender only."""
        return _one(KeptReservation, await self._direct.fetch(_RESERVATION, sender, fold(reservation_id)))

    async def reservation_numbered(self, number: int) -> KeptReservation | None:
        """A reservation by the station's number."""
        found = f"{_select('charge_reservation', KeptReservation)} where number = $1"
        return _one(KeptReservation, await self._direct.fetch(found, number))

    async def reserved(self, site: str, states: Sequence[str], now: datetime) -> list[KeptReservation]:
        """The reservations at a site in one of some states that have not expired."""
        return _all(KeptReservation, await self._direct.fetch(_RESERVED, site, list(states), now, ROWS_MAX))

    async def expired(self, state: str, past: Past) -> list[KeptReservation]:
        """Reservations in a state whose time is over; what a station that was away has to say of them comes first."""
        values = state, past.now, past.connected_before, past.at_last, ROWS_MAX
        return _all(KeptReservation, await self._direct.fetch(_EXPIRED, *values))

    async def forgotten(self, state: str, before: datetime) -> list[KeptReservation]:
        """Reservations that have been in a state since before a moment."""
        return _all(KeptReservation, await self._direct.fetch(_FORGOTTEN, state, before, FORGOTTEN_MAX))

    # --- profiles ---

    async def keep_profile(self, profile: KeptProfile) -> None:
        """The profile of a session, in the place of any other."""
        await self._write(_insert("charge_profile", KeptProfile, returning="session_id", on=_REPLACED), profile)

    async def profile(self, session_id: str) -> KeptProfile | None:
        """The profile of a session."""
        found = f"{_select('charge_profile', KeptProfile)} where session_id = $1"
        return _one(KeptProfile, await self._direct.fetch(found, session_id))

    async def profiles(self) -> dict[str, str]:
        """The profiles of sessions that go on, by session."""
        rows = await self._direct.fetch(_OPEN_PROFILES)
        return {row["session_id"]: row["content"] for row in rows}

    async def drop_profile(self, session_id: str) -> None:
        """A session has no profile any more."""
        await self._direct.execute("delete from charge_profile where session_id = $1", session_id)

    # --- preferences ---

    async def keep_preference(self, preference: KeptPreference) -> None:
        """What the driver of a session wants, in the place of what was said before; an older word does not replace a newer one."""
        await self._write(
            _insert("charge_preference", KeptPreference, returning="session_id", on=_PREFERRED), preference
        )

    async def preferences(self) -> dict[str, KeptPreference]:
        """What the drivers of sessions that go on want, by session."""
        return {row.session_id: row for row in _all(KeptPreference, await self._direct.fetch(_OPEN_PREFERENCES))}

    # --- what is known otherwise ---

    async def tokens(self, uid: str, reader: Party) -> list[KeptToken]:
        """Every copy of a token with this uid that a reader has, whoever owns it and of whichever type; TOKENS_MAX at most.

        What was sent to the reader alone takes the place of what is for everybody (X-13).
        """
        rows = await self._direct.fetch(_TOKENS, fold(uid), str(reader), TOKENS_MAX)
        return [KeptToken(Party(row["country_code"], row["party_id"]), unpack(row["packed"])) for row in rows]

    async def session(self, session_id: str) -> OpenCharge | None:
        """The charge behind a session, if it goes on."""
        return _one(OpenCharge, await self._direct.fetch(f"{_OPEN} and lower(session_id) = lower($1)", session_id))

    async def open_at(self, site: str) -> list[OpenCharge]:
        """The charges that go on at a site."""
        return _all(OpenCharge, await self._direct.fetch(f"{_OPEN} and site = $1 limit {ROWS_MAX}", site))

    async def open_of(self, owner: Party, uid: str, since: datetime) -> list[OpenCharge]:
        """The charges of a token that go on at stations that are there, of which something was heard since a moment."""
        values = owner.country_code, owner.party_id, uid, since
        return _all(OpenCharge, await self._direct.fetch(_OPEN_OF, *values))

    async def stations(self, identities: Sequence[str]) -> dict[str, StationNow]:
        """Stations by identity."""
        rows = _all(StationNow, await self._direct.fetch(_STATIONS, list(identities)))
        return {row.identity: row for row in rows}

    async def connectors(self, identities: Sequence[str]) -> list[ConnectorNow]:
        """The statuses of stations' connectors."""
        return _all(ConnectorNow, await self._direct.fetch(_CONNECTORS, list(identities)))

    async def blocked(self, site: str) -> frozenset[str]:
        """The EVSEs of a site that staff, or a sensor, have blocked."""
        rows = await self._direct.fetch("select evse_uid from charge_evse where site = $1 and blocked_by <> ''", site)
        return frozenset(row["evse_uid"] for row in rows)

    async def _write(self, statement: str, row: Any) -> Sequence[Record]:
        given = (getattr(row, name) for name in _names(type(row)) if name != "number")
        return await self._direct_write(statement, *given)

    async def _direct_write(self, statement: str, *values: Any) -> Sequence[Record]:
        async with self._direct.transaction() as connection:
            return await connection.fetch(statement, *values)


Row = TypeVar("Row")


def _names(row: type) -> tuple[str, ...]:
    return tuple(one.name for one in fields(row))


def _all(row: type[Row], records: Sequence[Record]) -> list[Row]:
    return [row(**dict(record)) for record in records]


def _one(row: type[Row], records: Sequence[Record]) -> Row | None:
    return next(iter(_all(row, records[:1])), None)


def _select(table: str, row: type) -> str:
    return f"select {', '.join(_names(row))} from {table}"


def _insert(table: str, row: type, *, returning: str, but: Sequence[str] = (), on: str = "") -> str:
    names = [name for name in _names(row) if name not in but]
    places = ", ".join(f"${index + 1}" for index in range(len(names)))
    return f"insert into {table} ({', '.join(names)}) values ({places}) {on} returning {returning}"


_SETTLE = "update charge_command set result = $2, answered_at = $3 where number = $1 and result = '' returning number"
_OVERDUE = f"{_select('charge_command', KeptCommand)} where not is_told and due_at < $1 order by due_at limit $2"
_RESPONSE_URL = "select response_url from charge_command where sender = $1 and kind = $2 and content = $3 order by number desc limit 1"
_SINCE = (
    "select made_at from charge_command where kind = any($1::text[]) and content = $2 and made_at > $3 "
    "order by made_at limit $4"
)
_TIDY = (
    "delete from charge_command where is_told and made_at < $1",
    "delete from charge_alias where expires_at < $1",
    "delete from charge_reservation where expires_at < $1 and told_version >= version and (cdr is null or is_cdr_told)",
    "delete from charge_profile where set_at < $1",
    "delete from charge_preference where set_at < $1",
)
_NEXT = "case when version > 0 then version + 1 else 0 end"
"""A reservation without a Session has nothing to tell."""
_CHANGING = (
    "identity",
    "site",
    "evse_uid",
    "connector_id",
    "evse",
    "connector",
    "id_token",
    "token",
    "reference",
    "place",
    "tariffs",
    "expires_at",
)
_CONFIRM = "update charge_reservation set state = 'ACTIVE', version = 1 where number = $1 and state = 'PENDING' returning number"
_MOVE = (
    "update charge_reservation r set state = 'ACTIVE', version = b.version + 1, told_version = b.told_version, "
    "session_id = b.session_id, made_at = b.made_at from charge_reservation b "
    "where r.number = $1 and r.state = 'PENDING' and b.number = $2 and b.state = 'ACTIVE' and b.version > 0 returning r.number"
)
_MOVED = (
    "update charge_reservation set state = 'CANCELLED', session_id = '', told_version = version "
    "where number = $1 and state = 'ACTIVE'"
)
_END = (
    f"update charge_reservation set state = $2, ended_at = $3, version = {_NEXT} "
    "where number = $1 and state = any($4::text[]) returning number"
)
_RESERVATION = (
    f"{_select('charge_reservation', KeptReservation)} where sender = $1 and upper(reservation_id) = $2 "
    "order by (state = 'ACTIVE') desc, number desc limit 1"
)
_RESERVED = (
    f"{_select('charge_reservation', KeptReservation)} where site = $1 and state = any($2::text[]) "
    "and expires_at > $3 order by number limit $4"
)
_EXPIRED = (
    f"{_select('charge_reservation', KeptReservation)} r where state = $1 and expires_at <= $2 and (expires_at <= $4 or exists "
    "(select 1 from charge_station s where s.identity = r.identity and s.connection <> '' "
    "and coalesce(s.connected_at, s.first_seen_at) <= $3)) limit $5"
)
_FORGOTTEN = (
    f"{_select('charge_reservation', KeptReservation)} where state = $1 and made_at < $2 order by number limit $3"
)
_REPLACED = (
    "on conflict (session_id) do update set sender = excluded.sender, content = excluded.content, "
    "response_url = excluded.response_url, set_at = excluded.set_at"
)
_PREFERRED = (
    "on conflict (session_id) do update set sender = excluded.sender, profile_type = excluded.profile_type, "
    "departs_at = excluded.departs_at, wanted_wh = excluded.wanted_wh, may_discharge = excluded.may_discharge, "
    "set_at = excluded.set_at where charge_preference.set_at <= excluded.set_at"
)
# the module is hidden from the planner: objects are looked for by the primary key and nothing else (migration 4)
_TOKENS = (
    "select distinct on (country_code, party_id, variant) country_code, party_id, packed from copy "
    "where key = $1 and module || '' = 'tokens' and audience || '' = any(array['', $2]) and stale_at is null "
    "order by country_code, party_id, variant, audience desc limit $3"
)
# a charge that goes on has no CDR yet: so the small index of what is untold finds it
_OPEN = f"{_select('charge', OpenCharge)} where ended_at is null and (told_version < version or not is_cdr_told)"
_OPEN_OF = (
    f"{_OPEN} and upper(nullif(token, '')::jsonb ->> 'country_code') = $1 and upper(nullif(token, '')::jsonb ->> 'party_id') = $2 "
    "and lower(nullif(token, '')::jsonb ->> 'uid') = lower($3) and coalesce(read_at, started_at) > $4 "
    "and exists (select 1 from charge_station s where s.identity = charge.identity and not s.is_lost) limit 10"
)
_STATIONS = "select identity, state, connection <> '' as is_connected, features from charge_station where identity = any($1::text[])"
_CONNECTORS = f"{_select('charge_connector', ConnectorNow)} where identity = any($1::text[])"

_OPEN_PROFILES = (
    "select p.session_id, p.content from charge_profile p join charge c on c.session_id = p.session_id "
    "where c.session_id <> '' and c.state = 'ACTIVE'"
)
_OPEN_PREFERENCES = (
    f"select {', '.join(f'p.{name}' for name in _names(KeptPreference))} from charge_preference p "
    "join charge c on c.session_id = p.session_id where c.session_id <> '' and c.state = 'ACTIVE'"
)
