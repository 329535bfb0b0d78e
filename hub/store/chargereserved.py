"""Reservations as Sessions, beside the charges that use them: which of them nobody has heard of yet, and who may use one. Times in UTC."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from hub.store.chargecommands import KeptReservation
from hub.store.direct import Connection, Direct

HELD_MAX = 100
"""As many places are kept at one station."""


@dataclass(frozen=True, slots=True)
class Held:
    """A place that is kept at a station: for a token (its CdrToken, JSON), from when until when."""

    number: int
    token: str
    site: str
    evse_uid: str
    made_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A charge is to use a reservation at a moment; `takes_session`: it goes on as its Session, for it has none yet that was told."""

    number: int
    identity: str
    at: datetime
    takes_session: bool


@dataclass(frozen=True, slots=True)
class Used:
    """What a charge has of the reservation that it uses; `session_id` is empty where it has a Session of its own."""

    number: int
    made_at: datetime
    session_id: str


class ChargeReservations:
    """The table of reservations, as far as it is about Sessions."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def held(self, identity: str) -> list[Held]:
        """The places that are kept at a station, the newest first; also those of which only the station knows yet."""
        return [Held(**dict(row)) for row in await self._direct.fetch(_HELD, identity, HELD_MAX)]

    async def untold(self, most: int, after: int = 0) -> list[KeptReservation]:
        """Reservations of which partners do not know all, in the order of their numbers, after one of them."""
        return [KeptReservation(**dict(row)) for row in await self._direct.fetch(_UNTOLD, most, after)]

    async def keep_cdr(self, number: int, text: str) -> str:
        """Keep the CDR of one that is over; the text that is kept: the first counts."""
        async with self._direct.transaction() as connection:
            rows = await connection.fetch(_KEEP_CDR, number, text)
            return str(rows[0]["cdr"])

    async def told(self, reservation: KeptReservation) -> None:
        """Partners know it as it is in this version."""
        await self._direct.execute(_TOLD, reservation.number, reservation.version)

    async def told_cdr(self, number: int) -> None:
        """Its CDR is on its way."""
        await self._direct.execute("update charge_reservation set is_cdr_told = true where number = $1", number)


async def use(connection: Connection, wanted: Use) -> Used | None:
    """A charge uses a reservation, in the transaction in which it is written; None where somebody was quicker, or it is over."""
    values = wanted.number, wanted.identity, wanted.at, wanted.takes_session
    rows = await connection.fetch(_USE, *values)
    return Used(rows[0]["number"], rows[0]["made_at"], rows[0]["session_id"]) if rows else None


_COLUMNS = ", ".join(one.name for one in fields(KeptReservation))
_HELD = (
    f"select {', '.join(one.name for one in fields(Held))} from charge_reservation "
    "where identity = $1 and state = any('{ACTIVE,PENDING}') order by number desc limit $2"
)
_UNTOLD = (
    f"select {_COLUMNS} from charge_reservation where (told_version < version or (cdr is not null and not is_cdr_told)) "
    "and number > $2 order by number limit $1"
)
_KEEP_CDR = "update charge_reservation set cdr = coalesce(cdr, $2) where number = $1 returning cdr"
_TOLD = "update charge_reservation set told_version = greatest(told_version, $2) where number = $1"
# what the charge takes over, the charge tells; else the Session of the reservation is over
_USE = (
    "update charge_reservation set state = 'USED', ended_at = $3, "
    "version = case when $4 or version = 0 then version else version + 1 end, "
    "told_version = case when $4 then version else told_version end "
    "where number = $1 and identity = $2 and state = any('{ACTIVE,PENDING}') "
    "returning number, made_at, case when $4 then session_id else '' end as session_id"
)
