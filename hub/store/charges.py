"""Charges at local stations and their readings, as rows. Energies in Wh, powers in W, currents in A, voltages in V; times in UTC.

What a message changes is decided by a pure function that is handed in; here it is carried out in one transaction, one message of a
station at a time, whichever process of the hub it came to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from hub.store.chargereserved import ChargeReservations, Use, Used, use
from hub.store.direct import Connection, Direct, Record
from hub.store.ordering import Order, Part, Parts, Place, Placed, placed
from hub.store.where import where

READINGS_MAX = 20_000
OTHERS_MAX = 10
PAGE_MAX_ROWS = 500
RESERVED_STATE = "RESERVATION"
"""`told_state` of a charge of whose Session partners were told while the place was kept."""

_NUMBER = Part("number", "bigint")
CHARGE_SORTS: Mapping[str, Parts] = {
    "number": (_NUMBER,),
    "started": (Part("started_at", "timestamptz"), _NUMBER),
    "energy": (Part("energy_wh", "numeric"), _NUMBER),
}
CHARGES_NEWEST_FIRST = Order(CHARGE_SORTS["number"], is_descending=True)


class ChargeState(StrEnum):
    """How far a charge is: it runs; it is over and its CDR is to be made; it was billed; it waits for an operator; it is not billed."""

    ACTIVE = "ACTIVE"
    ENDED = "ENDED"
    COMPLETED = "COMPLETED"
    QUARANTINED = "QUARANTINED"
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A transaction at a station; `number` 0: it has none yet.

    `start_key`: by what its begin is known again. `told_started_at`: by the station's own clock. `token`: the CdrToken (JSON), empty where
    nobody pays. `tariffs` (JSON): those that counted when it began. `place` (JSON): what a CDR says of the connector. `flags`: a line each.
    `sequences`: the numbers of its events that came, as ranges. `due_at`: when its CDR may be made. `cdr`: its text.
    """

    identity: str
    start_key: str
    evse: int
    connector: int
    started_at: datetime
    told_started_at: datetime
    made_at: datetime
    number: int = 0
    ocpp_id: str | None = None
    site: str = ""
    evse_uid: str = ""
    connector_id: str = ""
    session_id: str = ""
    state: str = ChargeState.ACTIVE
    id_token: str = ""
    token: str = ""
    auth_method: str = ""
    reference: str | None = None
    remote_start: int | None = None
    reservation: int | None = None
    ended_at: datetime | None = None
    read_at: datetime | None = None
    meter_start_wh: Decimal | None = None
    meter_end_wh: Decimal | None = None
    energy_wh: Decimal = Decimal(0)
    power_w: Decimal | None = None
    stop_reason: str = ""
    charging_state: str = ""
    flags: str = ""
    sequences: str = ""
    tariffs: str = ""
    place: str = ""
    permit: str = ""
    released_by: str = ""
    told_state: str = ""
    corrected_wh: Decimal | None = None
    reserved_at: datetime | None = None
    due_at: datetime | None = None
    version: int = 0
    told_version: int = 0
    told_at: datetime | None = None
    cdr: str | None = None
    is_cdr_told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a meter showed, or in which state a charge was, at one moment; `told_at` by the station's own clock.

    `kind`: the register, empty for the one at the outlet (``Inlet``; ``Interval``: energy since the reading before). `raw`: what came
    where it was doubtful.
    """

    key: str
    at: datetime
    told_at: datetime
    register_wh: Decimal | None = None
    power_w: Decimal | None = None
    current_a: Decimal | None = None
    voltage_v: Decimal | None = None
    soc_percent: Decimal | None = None
    context: str = ""
    signed: str = ""
    encoding: str = ""
    method: str = ""
    public_key: str = ""
    raw: str = ""
    kind: str = ""
    charging_state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which charge of a station a message is about: by what is known, in this order; `at` by the hub's clock.

    `told_at`: when a begin was by the station's own clock, by which one is known again whose driver was forgotten.
    """

    identity: str
    start_key: str | None = None
    told_at: datetime | None = None
    ocpp_id: str | None = None
    number: int | None = None
    evse: int | None = None
    connector: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a message changes: the charge it is about, other charges, and readings that are new; `use`: the reservation that it uses."""

    charge: Charge
    readings: tuple[Reading, ...] = ()
    others: tuple[Charge, ...] = field(default=())
    use: Use | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargesAsked:
    """Which charges are wanted, None for all; `after` is a place in their order."""

    state: str | None = None
    identity: str | None = None
    site: str | None = None
    evse_uid: str | None = None
    order: Order = CHARGES_NEWEST_FIRST
    after: Place | None = None


Decide = Callable[[Charge | None, Sequence[Charge]], Change | None]
"""From the charge that a message is about, and others that are open at the connector, to what it changes; None changes nothing."""


class Charges:
    """The tables of charges."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct
        self.reservations = ChargeReservations(direct)

    async def change(self, wanted: Wanted, decide: Decide) -> Charge | None:
        """Carry out what a message changes, once it is known which charge it is about; the charge as it is afterwards."""
        async with self._direct.transaction() as connection:
            await connection.execute(_ONE_AT_A_TIME, wanted.identity)
            found = await _found(connection, wanted)
            change = decide(found, await _others(connection, wanted, found))
            return found if change is None else await _carry_out(connection, change)

    async def find(self, wanted: Wanted) -> Charge | None:
        """The charge that a message would be about."""
        async with self._direct.transaction() as connection:
            return await _found(connection, wanted)

    async def one(self, number: int) -> Charge | None:
        """A charge by its number."""
        return _first(await self._direct.fetch(f"select {_ALL} from charge where number = $1", number))

    async def of_session(self, session_id: str) -> Charge | None:
        """A charge by the id of its Session."""
        return _first(await self._direct.fetch(f"select {_ALL} from charge where session_id = $1", session_id))

    async def readings(self, number: int) -> list[Reading]:
        """The readings of a charge in the order of their times."""
        rows = await self._direct.fetch(_READINGS, number, READINGS_MAX)
        return [Reading(**dict(row)) for row in rows]

    async def register_before(self, charge: Charge) -> Decimal | None:
        """What the register of a connector showed (Wh) at the end of the last charge there of which nobody doubts the unit.

        That is one that was billed by what it counted, be it because an operator said so.
        """
        spot = (charge.identity, charge.evse, charge.connector, charge.number)
        rows = await self._direct.fetch(_REGISTER_BEFORE, *spot)
        return rows[0]["end_wh"] if rows else None

    async def active(self) -> list[Charge]:
        """The charges that run."""
        return _charges(await self._direct.fetch(_ACTIVE, PAGE_MAX_ROWS))

    async def running(self, identity: str) -> list[Charge]:
        """The charges that run at a station."""
        return _charges(await self._direct.fetch(_RUNNING, identity, OTHERS_MAX))

    async def silent(self, before: datetime, most: int) -> list[Charge]:
        """Charges that run and of which nothing was heard since a moment."""
        return _charges(await self._direct.fetch(_SILENT, before, most))

    async def due(self, now: datetime, most: int) -> list[Charge]:
        """Charges whose CDR may be made, the oldest first."""
        return _charges(await self._direct.fetch(_DUE, now, most))

    async def untold(self, told_before: datetime, most: int, after: int = 0) -> list[Charge]:
        """Charges of which partners do not know all; what only goes on is told again where it was told before a moment."""
        return _charges(await self._direct.fetch(_UNTOLD, told_before, most, after))

    async def page(self, state: str | None, before: int, most: int) -> list[Charge]:
        """Charges, the newest first, of one state where it is given; with numbers below `before` (0: all)."""
        return _charges(await self._direct.fetch(_PAGE, state, before, most))

    async def listed(self, asked: ChargesAsked, most: int) -> list[Placed[Charge]]:
        """Charges in their order."""
        clauses = (
            ("state = ?", asked.state),
            ("identity = ?", asked.identity),
            ("site = ?", asked.site),
            ("evse_uid = ?", asked.evse_uid),
            asked.order.behind(asked.after),
        )
        condition, values = where(clauses)
        rows = await self._direct.fetch(
            f"select {_ALL}, {asked.order.place} from charge {condition} order by {asked.order.by} limit {int(most)}",
            *values,
        )
        return placed(rows, lambda row: Charge(**{name: row[name] for name in _COLUMNS}))

    async def count(self) -> dict[str, int]:
        """How many charges there are in each state but those that were billed."""
        return {row["state"]: row["count"] for row in await self._direct.fetch(_COUNT)}

    async def mark_told(self, charge: Charge, at: datetime | None) -> None:
        """Partners know a charge as it is in this version; `at` None: there is nothing that they could be told."""
        async with self._direct.transaction() as connection:
            await connection.execute(_MARK_TOLD, charge.number, charge.version, charge.state, at)

    async def mark_cdr_told(self, number: int) -> None:
        """The CDR of a charge is on its way."""
        async with self._direct.transaction() as connection:
            await connection.execute("update charge set is_cdr_told = true where number = $1", number)

    async def offset(self, identity: str) -> timedelta:
        """How far the clock of a station is ahead of ours."""
        rows = await self._direct.fetch(_OFFSET, identity)
        return timedelta(milliseconds=rows[0]["clock_offset_milliseconds"]) if rows else timedelta()


async def _found(connection: Connection, wanted: Wanted) -> Charge | None:
    found = None
    if wanted.start_key is not None:
        found = _first(await connection.fetch(_BY_KEY, wanted.identity, wanted.start_key))
    if found is None and wanted.told_at is not None:
        values = (wanted.identity, wanted.evse, wanted.connector, wanted.told_at)
        found = _first(await connection.fetch(_BY_FORGOTTEN_BEGIN, *values))
    if found is None and wanted.ocpp_id is not None:
        found = _first(await connection.fetch(_BY_OCPP_ID, wanted.identity, wanted.ocpp_id))
    if found is None and wanted.number is not None:
        found = _first(await connection.fetch(_BY_NUMBER, wanted.identity, wanted.number))
    if wanted.start_key is not None or wanted.ocpp_id is not None or wanted.at is None:
        return found
    if (wanted.evse, wanted.connector) == (0, 0):  # the meter of the whole station is nobody's
        return found
    if found is not None and _is_there(found, wanted):
        return found
    values = wanted.identity, wanted.evse, wanted.connector, wanted.at
    return _first(await connection.fetch(_BY_PLACE, *values))


def _is_there(charge: Charge, wanted: Wanted) -> bool:
    """Whether a message that names a charge may mean it: it says no other connector."""
    return wanted.connector in {None, 0, charge.connector}


async def _others(connection: Connection, wanted: Wanted, found: Charge | None) -> list[Charge]:
    if wanted.evse is None:
        return []
    number = 0 if found is None else found.number
    return _charges(await connection.fetch(_OTHERS, wanted.identity, wanted.evse, wanted.connector, number, OTHERS_MAX))


async def _carry_out(connection: Connection, change: Change) -> Charge:
    for other in change.others:
        await connection.execute(_UPDATE, other.number, *_values(other))
    charge = change.charge if change.use is None else _using(change.charge, await use(connection, change.use))
    if charge.number:
        await connection.execute(_UPDATE, charge.number, *_values(charge))
        kept = charge
    else:
        kept = _charges(await connection.fetch(_INSERT, *_values(charge)))[0]
    if change.readings:
        rows = [(kept.number, *(getattr(one, name) for name in _READING_COLUMNS)) for one in change.readings]
        await connection.executemany(_ADD_READING, rows)
    return kept


def _using(charge: Charge, used: Used | None) -> Charge:
    """A charge that uses a reservation: it goes on as the Session of that, which its eMSP knows as RESERVATION."""
    if used is None:
        return charge
    reserved = replace(charge, reservation=used.number, reserved_at=used.made_at)
    return replace(reserved, session_id=used.session_id, told_state=RESERVED_STATE) if used.session_id else reserved


def _charges(rows: Sequence[Record]) -> list[Charge]:
    return [Charge(**dict(row)) for row in rows]


def _first(rows: Sequence[Record]) -> Charge | None:
    return next(iter(_charges(rows)), None)


def _values(charge: Charge) -> list[object]:
    return [getattr(charge, name) for name in _GIVEN]


_COLUMNS = tuple(one.name for one in fields(Charge))
_GIVEN = tuple(name for name in _COLUMNS if name != "number")
_READING_COLUMNS = tuple(one.name for one in fields(Reading))
_ALL = ", ".join(_COLUMNS)

# what two processes hear of one station is worked on one after the other
_ONE_AT_A_TIME = "select pg_advisory_xact_lock(2210024, hashtext($1))"
_BY_KEY = f"select {_ALL} from charge where identity = $1 and start_key = $2 for update"
# the key of a begin has the id token in it: it goes with the driver (`hub.store.forgetcharges`)
_BY_FORGOTTEN_BEGIN = (
    f"select {_ALL} from charge where identity = $1 and evse = $2 and connector = $3 and told_started_at = $4 "
    "and start_key like 'forgotten-%' order by number desc limit 1 for update"
)
_BY_OCPP_ID = f"select {_ALL} from charge where identity = $1 and ocpp_id = $2 for update"
_BY_NUMBER = f"select {_ALL} from charge where identity = $1 and number = $2 for update"
# a message that says no connector means the only charge that runs there
_BY_PLACE = (
    f"select {_ALL} from charge where identity = $1 and ($2::int is null or evse = $2) "
    "and ($3::int is null or $3 = 0 or connector = $3) and started_at <= $4 "
    "and (ended_at is null or ended_at >= $4) order by started_at desc, number desc limit 1 for update"
)
_OTHERS = (
    f"select {_ALL} from charge where identity = $1 and evse = $2 and connector = $3 and number <> $4 "
    "and state = 'ACTIVE' order by number limit $5 for update"
)
_INSERT = (
    f"insert into charge ({', '.join(_GIVEN)}) values ({', '.join(f'${at}' for at in range(1, len(_GIVEN) + 1))}) "
    f"returning {_ALL}"
)
_UPDATE = (
    f"update charge set {', '.join(f'{name} = ${at}' for at, name in enumerate(_GIVEN, start=2))} where number = $1"
)
_ADD_READING = (
    f"insert into charge_reading (charge, {', '.join(_READING_COLUMNS)}) "
    f"values ({', '.join(f'${at}' for at in range(1, len(_READING_COLUMNS) + 2))}) on conflict do nothing"
)
_READINGS = f"select {', '.join(_READING_COLUMNS)} from charge_reading where charge = $1 order by at, key limit $2"
_SHOWN = "select register_wh from charge_reading where charge = c.number and kind = '' and register_wh is not null"
_REGISTER_BEFORE = (
    f"select s.end_wh from charge c, lateral (select coalesce(c.meter_start_wh, ({_SHOWN} order by at limit 1)) as begin_wh, "
    f"coalesce(c.meter_end_wh, ({_SHOWN} order by at desc limit 1)) as end_wh) s "
    "where c.identity = $1 and c.evse = $2 and c.connector = $3 and c.number < $4 and c.state = 'COMPLETED' "
    "and s.end_wh is not null and (c.released_by = '' or abs(c.corrected_wh - (s.end_wh - s.begin_wh)) <= 1) "
    "order by c.number desc limit 1"
)
_ACTIVE = f"select {_ALL} from charge where state = 'ACTIVE' order by number limit $1"
_RUNNING = f"select {_ALL} from charge where identity = $1 and state = 'ACTIVE' order by number limit $2"
_SILENT = (
    f"select {_ALL} from charge where state = 'ACTIVE' and greatest(made_at, coalesce(read_at, made_at)) < $1 "
    "order by number limit $2"
)
_DUE = f"select {_ALL} from charge where state = 'ENDED' and due_at <= $1 order by due_at, number limit $2"
_UNTOLD = (
    f"select {_ALL} from charge where session_id <> '' and number > $3 and ("
    "(told_version < version and (told_state <> state or told_at is null or told_at <= $1)) "
    "or (cdr is not null and not is_cdr_told)) order by number limit $2"
)
_PAGE = (
    f"select {_ALL} from charge where ($1::text is null or state = $1) and ($2 = 0 or number < $2) "
    "order by number desc limit $3"
)
_COUNT = "select state, count(*) as count from charge where state <> 'COMPLETED' group by state"
_MARK_TOLD = (
    "update charge set told_version = greatest(told_version, $2), told_state = $3, told_at = coalesce($4, told_at) "
    "where number = $1"
)
_OFFSET = "select clock_offset_milliseconds from charge_station where identity = $1"
