"""Sessions of reservations: RESERVATION while a place is kept, COMPLETED where nobody used it; told by the leader (mod_sessions, SE-13).

A charge that uses a reservation goes on as its Session (`hub.store.chargereserved.use`), and is told as any other charge. One that is over
costs what its tariff says of reservations, and is billed by a CDR only where that is anything (mod_tariffs, "ReservationRestrictionType";
decision 64). What was told is marked after it was told, as of charges (`hub.chargers.reporting`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import structlog

from hub.chargers.billing import (
    DEFAULT_CURRENCY,
    Bill,
    Content,
    TooManyPeriods,
    Unpriced,
    cdr_of,
    session_of_cdr,
)
from hub.chargers.events import BY_COMMAND
from hub.chargers.outlet import Outlet
from hub.chargers.reservations import CANCELLED, EXPIRED, RESERVED
from hub.chargers.rests import Rests
from hub.chargers.settling import Curve, Knot, place_of, whole_second
from hub.chargers.tariffing import has_reservation_prices
from hub.clock import Clock
from hub.store.chargecommands import KeptReservation
from hub.store.chargereserved import ChargeReservations
from hub.store.charges import Charge, ChargeState
from ocpi_modules.cdrs import CDRS
from ocpi_modules.errors import OcpiError
from ocpi_modules.module import Module, Purpose
from ocpi_modules.parties import Party
from ocpi_modules.sessions import SESSIONS, SessionStatus
from ocpi_modules.types import decode_json, encode_json, format_datetime

BATCH_MAX = 50
STEP_MAX_BATCHES = 20
EXPIRES = "RESERVATION_EXPIRES"

_log = structlog.get_logger()


class ReservedSessions:
    """Tells partners of reservations. `refused` counts pushes that were not taken."""

    def __init__(self, rows: ChargeReservations, outlet: Outlet, clock: Clock) -> None:
        self._rows, self._outlet, self._clock = rows, outlet, clock
        self._rests = Rests()
        self.refused = 0

    @property
    def resting(self) -> int:
        """How many wait because a push was refused."""
        return len(self._rests)

    async def tell(self) -> None:
        """Tell what is new."""
        after = 0
        for _ in range(STEP_MAX_BATCHES):
            untold = await self._rows.untold(BATCH_MAX, after)
            for kept in untold:
                await self._tell_one(kept)
            if len(untold) < BATCH_MAX:
                return
            after = untold[-1].number

    async def _tell_one(self, kept: KeptReservation) -> None:
        now = self._clock.now()
        if self._rests.is_resting(kept.number, now):
            return
        billed = await self._billed(kept, now)
        is_good = await self._tell_session(billed, now) if kept.told_version < kept.version else True
        is_good = await self._tell_cdr(billed) and is_good  # money does not wait for a Session that nobody takes
        self._rests.note(kept.number, now, is_good=is_good)

    async def _billed(self, kept: KeptReservation, now: datetime) -> KeptReservation:
        """A reservation with its CDR, which is made once, where it costs anything."""
        cdr = None if kept.cdr is not None else cdr_of_unused(kept, self._outlet.party, now)
        if cdr is None:
            return kept
        return replace(kept, cdr=await self._rows.keep_cdr(kept.number, encode_json(cdr).decode()))

    async def _tell_session(self, kept: KeptReservation, now: datetime) -> bool:
        session = session_of_reservation(kept, self._outlet.party, now)
        if not await self._push(SESSIONS, (kept.session_id,), session):
            return False
        await self._rows.told(kept)
        return True

    async def _tell_cdr(self, kept: KeptReservation) -> bool:
        if kept.cdr is None or kept.is_cdr_told:
            return True
        if not await self._push(CDRS, (), decode_json(kept.cdr.encode())):
            return False
        await self._rows.told_cdr(kept.number)
        return True

    async def _push(self, module: Module, ids: tuple[str, ...], content: Content) -> bool:
        purpose = Purpose.REPLACE if ids else Purpose.ADD
        try:
            await self._outlet.push(module, purpose, ids, content)
        except OcpiError as refused:
            self.refused += 1
            _log.warning("a push of a reservation was refused", module=module.id, reason=str(refused))
            return False
        return True


# --- pure ---


def session_of_reservation(kept: KeptReservation, party: Party, now: datetime) -> Content:
    """The Session of a reservation as it stands (mod_sessions); one that is over and has no CDR cost nothing."""
    charge = as_charge(kept)
    if kept.cdr is not None:
        return session_of_cdr(charge, decode_json(kept.cdr.encode()), now)
    is_over, place = kept.state != RESERVED, place_of(charge)["cdr_location"]
    tariff = Bill(charge, _curve(charge)).tariff or {}
    over = {"end_date_time": format_datetime(charge.started_at), "total_cost": {"excl_vat": 0}} if is_over else {}
    return {
        "country_code": party.country_code,
        "party_id": party.party_id,
        "id": kept.session_id,
        "start_date_time": format_datetime(whole_second(kept.made_at)),
        "kwh": 0,
        "cdr_token": decode_json(kept.token.encode()),
        "auth_method": BY_COMMAND,
        **({} if kept.reference is None else {"authorization_reference": kept.reference}),
        "location_id": place["id"],
        "evse_uid": place["evse_uid"],
        "connector_id": place["connector_id"],
        "currency": tariff.get("currency", DEFAULT_CURRENCY),
        "charging_periods": [],
        **over,
        "status": (SessionStatus.COMPLETED if is_over else SessionStatus.RESERVATION).value,
        "last_updated": format_datetime(now),
    }


def cdr_of_unused(kept: KeptReservation, party: Party, now: datetime) -> Content | None:
    """The CDR of a reservation that nobody used (mod_cdrs), priced; None where it costs nothing, or none can say what it costs."""
    if not is_billable(kept):
        return None
    charge = as_charge(kept)
    try:
        cdr = cdr_of(Bill(charge, _curve(charge), is_unused=True), party, now)
    except (TooManyPeriods, Unpriced) as refused:
        _log.warning("a reservation is not billed", reservation=kept.number, reason=str(refused))
        return None
    return cdr if cdr["total_cost"]["excl_vat"] else None


def is_billable(kept: KeptReservation) -> bool:
    """Whether the end of a reservation may cost anything: its time was over, or its sender gave it up.

    No CDR can say that it was given up: whoever prices one takes it for expired. So one that was given up is billed only where that makes
    no difference, which is where the tariff has no price of its own for what expires.
    """
    if kept.state not in {EXPIRED, CANCELLED} or kept.ended_at is None or not kept.version:
        return False
    charge = as_charge(kept)
    tariff = Bill(charge, _curve(charge)).tariff
    if tariff is None or not has_reservation_prices(tariff) or whole_second(kept.made_at) >= charge.started_at:
        return False
    return kept.state == EXPIRED or not has_reservation_prices(tariff, EXPIRES)


def as_charge(kept: KeptReservation) -> Charge:
    """A reservation as a charge that took nothing, and began when it ended."""
    ended = whole_second(kept.ended_at or kept.made_at)
    return Charge(
        identity=kept.identity,
        start_key=f"reservation\n{kept.number}\n{kept.session_id}",
        evse=kept.evse,
        connector=kept.connector,
        started_at=ended,
        told_started_at=ended,
        made_at=kept.made_at,
        session_id=kept.session_id,
        state=ChargeState.COMPLETED,
        token=kept.token,
        auth_method=BY_COMMAND,
        reference=kept.reference,
        place=kept.place,
        tariffs=kept.tariffs,
        reserved_at=kept.made_at,
        ended_at=ended,
    )


def _curve(charge: Charge) -> Curve:
    return Curve((Knot(charge.started_at, 0),))
