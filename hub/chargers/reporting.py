"""What partners are told of charges and reservations: Sessions while they last, one CDR when they are over. A duty of the leader.

All of it is in the database: what was told is marked after it was told, so whoever is killed between the two tells the same again, which
changes nothing where it was heard. A CDR is made once, kept as its text, and told until it is taken.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from hub.chargers.billing import Content, session_update
from hub.chargers.charging import STATION_LOST, Timing
from hub.chargers.charging import closed as closed_unsaid
from hub.chargers.closing import closed, shown_session
from hub.chargers.outlet import Outlet
from hub.chargers.reserved import ReservedSessions
from hub.chargers.rests import Rests
from hub.clock import Clock
from hub.store.charges import RESERVED_STATE, Change, Charge, Charges, ChargeState, Wanted
from ocpi_modules.cdrs import CDRS
from ocpi_modules.errors import OcpiError
from ocpi_modules.module import Purpose
from ocpi_modules.sessions import SESSIONS
from ocpi_modules.types import decode_json

STEP_EVERY_SECONDS = 5.0
PUSH_EVERY_SECONDS = 60
BATCH_MAX = 50
STEP_MAX_BATCHES = 20
PERIODS_KEPT_MAX = 10_000
SAID_NOTHING_MAX_HOURS = 72

_log = structlog.get_logger()


class Reporting:
    """Makes CDRs of charges that are over, and tells partners of charges. `refused` counts pushes that were not taken."""

    def __init__(self, charges: Charges, outlet: Outlet, clock: Clock) -> None:
        self._charges, self._outlet, self._clock = charges, outlet, clock
        self._hint = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._reserved = ReservedSessions(charges.reservations, outlet, clock)
        self._rests = Rests()
        self._periods: dict[int, int] = {}
        self.refused = 0

    def start(self) -> None:
        """Begin the duty, knowing nothing of what another leader told meanwhile."""
        self._periods.clear()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End the duty; what is not told yet is told by the next leader."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def wake(self) -> None:
        """There may be something to tell."""
        self._hint.set()

    @property
    def resting(self) -> int:
        """How many charges and reservations wait because a push was refused: what an alert looks at."""
        return len(self._rests) + self._reserved.resting

    async def _run(self) -> None:
        while True:
            try:
                await self.step()
            except Exception:
                _log.exception("charges could not be reported")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hint.wait(), STEP_EVERY_SECONDS)
            self._hint.clear()

    async def step(self) -> None:
        """Close what is over, and tell what is new."""
        await self._close_silent()
        await self._close_due()
        await self._reserved.tell()  # before the charges that go on as their Sessions
        await self._tell()

    # --- what is over ---

    async def _close_silent(self) -> None:
        now = self._clock.now()
        before = now - timedelta(hours=SAID_NOTHING_MAX_HOURS)
        for charge in await self._charges.silent(before, BATCH_MAX):
            await self._give_up(charge, now)

    async def _give_up(self, charge: Charge, now: datetime) -> None:
        """A charge of which nothing was heard for days is over; an operator decides about it."""
        over = Change(closed_unsaid(charge, now, Timing(now), STATION_LOST))
        wanted = Wanted(identity=charge.identity, number=charge.number)
        await self._charges.change(wanted, lambda found, _: over if found == charge else None)

    async def _close_due(self) -> None:
        for _ in range(STEP_MAX_BATCHES):
            due = await self._charges.due(self._clock.now(), BATCH_MAX)
            for charge in due:
                await self._close_one(charge)
            if len(due) < BATCH_MAX:
                return

    async def _close_one(self, charge: Charge) -> None:
        readings = await self._charges.readings(charge.number)
        before_wh = await self._charges.register_before(charge)
        made = closed(charge, readings, self._outlet.party, self._clock.now(), before_wh)
        wanted = Wanted(identity=charge.identity, number=charge.number)
        await self._charges.change(wanted, lambda found, _: Change(made) if found == charge else None)
        if made.state == ChargeState.QUARANTINED:
            _log.warning("a charge is kept back", charge=charge.number, station=charge.identity, flags=made.flags)

    # --- what partners are told ---

    async def _tell(self) -> None:
        after = 0
        for _ in range(STEP_MAX_BATCHES):
            told_before = self._clock.now() - timedelta(seconds=PUSH_EVERY_SECONDS)
            untold = await self._charges.untold(told_before, BATCH_MAX, after)
            for charge in untold:
                await self._tell_one(charge)
            if len(untold) < BATCH_MAX:
                return
            after = untold[-1].number

    async def _tell_one(self, charge: Charge) -> None:
        now = self._clock.now()
        if self._rests.is_resting(charge.number, now):
            return
        is_good = await self._tell_session(charge) if charge.told_version < charge.version else True
        is_good = await self._tell_cdr(charge) and is_good  # money does not wait for a Session that nobody takes
        self._rests.note(charge.number, now, is_good=is_good)

    async def _tell_session(self, charge: Charge) -> bool:
        now = self._clock.now()
        session = shown_session(charge, await self._charges.readings(charge.number), self._outlet.party, now)
        was_told = charge.told_at is not None or charge.told_state == RESERVED_STATE
        if session is None or (charge.state == ChargeState.INVALID and not was_told):
            await self._charges.mark_told(charge, None)
            return True
        if not await self._push_session(charge, session):
            return False
        await self._charges.mark_told(charge, now)
        return True

    async def _push_session(self, charge: Charge, session: Content) -> bool:
        """Tell a Session: whole when it is new, changes its state or has another period; else what changed."""
        periods, ids = len(session["charging_periods"]), (charge.session_id,)
        goes_on = charge.told_state == charge.state == ChargeState.ACTIVE
        is_part = goes_on and self._periods.get(charge.number) == periods
        purpose = Purpose.UPDATE if is_part else Purpose.REPLACE
        try:
            await self._outlet.push(SESSIONS, purpose, ids, session_update(session) if is_part else session)
        except OcpiError as refused:
            self._note_refusal(charge, "session", refused)
            return False
        self._note_periods(charge, periods)
        return True

    def _note_periods(self, charge: Charge, periods: int) -> None:
        if charge.state == ChargeState.ACTIVE and len(self._periods) < PERIODS_KEPT_MAX:
            self._periods[charge.number] = periods
        else:
            self._periods.pop(charge.number, None)

    async def _tell_cdr(self, charge: Charge) -> bool:
        if charge.cdr is None or charge.is_cdr_told:
            return True
        try:
            await self._outlet.push(CDRS, Purpose.ADD, (), decode_json(charge.cdr.encode()))
        except OcpiError as refused:
            self._note_refusal(charge, "cdr", refused)
            return False
        await self._charges.mark_cdr_told(charge.number)
        return True

    def _note_refusal(self, charge: Charge, what: str, refused: OcpiError) -> None:
        self.refused += 1
        _log.warning("a push of a charge was refused", charge=charge.number, what=what, reason=str(refused))
