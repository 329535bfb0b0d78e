"""Who is there: the silent are probed, and partners that fail are OFFLINE until they are heard again.

Every process of the hub notes whom it hears and tells the others; only the one that leads judges who is silent.

Source: mod_hub_client_info ("Still alive check"; checklist HC-08 to HC-10, X-52).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

import structlog

from hub.clock import Clock
from hub.partners.client import PartnerClient
from hub.partners.directory import Directory, Partner
from hub.partners.directory import Presence as Status
from hub.partners.handshake import Discovery
from hub.partners.roster import Roster
from hub.store.partners import Partners
from ocpi_modules.errors import OcpiError

FIRST_RETRY_SECONDS = 2.0
PROBES_AT_ONCE_MAX = 20
LOOK_EVERY_MAX_SECONDS = 1.0
LOOKS_PER_PERIOD = 4
WRITTEN_EVERY_SECONDS = 10.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outage:
    """A partner that is OFFLINE: when it is probed next, and how long to wait after that probe fails."""

    retry_at: datetime
    wait_seconds: float

    def after_failure(self, now: datetime, wait_max_seconds: float) -> Outage:
        """The outage after one more failed probe: the wait doubles, up to a bound."""
        wait_seconds = min(self.wait_seconds, wait_max_seconds)
        retry_at = now + timedelta(seconds=wait_seconds)
        return Outage(retry_at, min(wait_seconds * 2, wait_max_seconds))


class PresenceWatch:
    """Notes every sign of life, probes the silent, and moves partners between CONNECTED and OFFLINE.

    Use it as ``async with``: the loop runs inside, and what was noted is written when it ends.
    """

    def __init__(
        self,
        partners: Partners,
        roster: Roster,
        client: PartnerClient,
        clock: Clock,
        *,
        still_alive_seconds: float,
    ) -> None:
        self._partners = partners
        self._roster = roster
        self._discovery = Discovery(client)
        self._clock = clock
        self._still_alive_seconds = still_alive_seconds
        self._started_at = clock.now()
        self._written_at = self._started_at
        self._heard: dict[int, datetime] = {}
        self._known_since: dict[int, datetime] = {}
        self._unwritten: dict[int, datetime] = {}
        self._outages: dict[int, Outage] = {}
        self._untold: dict[int, datetime] = {}
        self._is_leading = False
        self._changing = asyncio.Lock()
        self._returning: set[int] = set()
        self._probed: set[int] = set()
        self._slots = asyncio.Semaphore(PROBES_AT_ONCE_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None

    # --- what others tell ---

    def heard(self, partner: Partner) -> None:
        """A sign of life: an inbound message or a successful answer (X-52). Cheap; an OFFLINE partner is
        CONNECTED soon after.
        """
        now = self._clock.now()
        self._heard[partner.id] = self._unwritten[partner.id] = self._untold[partner.id] = now
        if self._roster.directory.is_offline(partner) and partner.id not in self._returning:
            self._returning.add(partner.id)
            self._start(self._return(partner))

    def on_change(self, before: Directory, now: Directory) -> None:
        """A listener of the roster: the silence of a partner that is new counts from here, as it has just spoken; one that another
        process lost is given the same time as one that was lost here.
        """
        for partner_id in now.partners.keys() - before.partners.keys():
            self._known_since[partner_id] = self._clock.now()
        for partner_id, partner in now.partners.items():
            was_there = partner_id in before.partners and not before.is_offline(before.partners[partner_id])
            if was_there and now.is_offline(partner):
                self._outages.setdefault(partner_id, self._prolonged(None))
            elif not now.is_offline(partner):
                self._outages.pop(partner_id, None)

    def heard_elsewhere(self, moments: Mapping[int, datetime]) -> None:
        """Whom another process heard, and when (UTC)."""
        for partner_id, moment in moments.items():
            self._heard[partner_id] = max(moment, self._heard.get(partner_id, moment))

    def untold(self) -> dict[int, datetime]:
        """Whom this process heard since it was asked last, and when (UTC): for the other processes."""
        told, self._untold = self._untold, {}
        return told

    def lead(self) -> None:
        """Judge from now on who is silent; the silence of those who were never heard here counts from now."""
        self._started_at, self._is_leading = self._clock.now(), True

    def follow(self) -> None:
        """Leave it to another process to judge who is silent."""
        self._is_leading = False

    async def back(self, partner: Partner) -> None:
        """An OFFLINE partner speaks: CONNECTED before it is answered, so that what follows at once reaches it (HC-09)."""
        if self._roster.directory.is_offline(partner):
            try:
                await self._move(partner, Status.CONNECTED)
            except Exception as exc:  # its request need not fail for that; `heard` tries again
                _log.warning("presence_not_changed", error=type(exc).__name__)

    async def lost(self, partner: Partner) -> None:
        """A partner could not be reached: OFFLINE, once (HC-09)."""
        if await self._move(partner, Status.OFFLINE):
            self._outages[partner.id] = self._prolonged(None)

    def heard_at(self, partner_id: int) -> datetime | None:
        """When a partner was last heard by this process; None when it was not."""
        return self._heard.get(partner_id)

    @property
    def is_busy(self) -> bool:
        """Whether a probe or a change of status is under way."""
        return bool(self._tasks)

    # --- the loop ---

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def start(self) -> None:
        """Run the loop in the background."""
        self._loop = asyncio.create_task(self.run())

    async def close(self) -> None:
        """End the loop and all probes, and write what is still unwritten."""
        ending = [*self._tasks, *([self._loop] if self._loop else [])]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await self._write()

    async def run(self) -> None:
        """Look after the partners until cancelled."""
        pause_seconds = min(LOOK_EVERY_MAX_SECONDS, self._still_alive_seconds / LOOKS_PER_PERIOD)
        while True:
            await asyncio.sleep(pause_seconds)
            await self.look()

    async def look(self) -> None:
        """Start the probes that are due, and write down who was heard when it is time to."""
        now = self._clock.now()
        self._forget_gone()
        if self._is_leading:
            self._probe_silent(now)
        if now - self._written_at >= timedelta(seconds=WRITTEN_EVERY_SECONDS):
            self._written_at = now
            await self._write()

    def _probe_silent(self, now: datetime) -> None:
        for partner in self._roster.directory.partners.values():
            if partner.is_joined and partner.id not in self._probed and self._is_due(partner, now):
                self._probed.add(partner.id)
                self._start(self._probe(partner))

    def _is_due(self, partner: Partner, now: datetime) -> bool:
        if self._roster.directory.is_offline(partner):
            outage = self._outages.get(partner.id)
            return outage is None or now >= outage.retry_at
        known_since = self._known_since.get(partner.id, self._started_at)
        silent_since = self._heard.get(partner.id, known_since)
        return now - silent_since >= timedelta(seconds=self._still_alive_seconds)

    async def _probe(self, partner: Partner) -> None:
        before = self._heard.get(partner.id)
        try:
            async with self._slots:
                is_raw = partner.quirks.token == "raw"
                await self._discovery.read(partner.versions_url, partner.token, is_raw=is_raw)
        except OcpiError as exc:
            _log.info("probe_failed", partner_id=partner.id, reason=exc.message)
            if self._heard.get(partner.id) == before:
                await self._failed(partner)
        else:
            self.heard(partner)
        finally:
            self._probed.discard(partner.id)

    async def _failed(self, partner: Partner) -> None:
        if self._roster.directory.is_offline(partner):
            self._outages[partner.id] = self._prolonged(self._outages.get(partner.id))
        else:
            await self.lost(partner)

    def _prolonged(self, outage: Outage | None) -> Outage:
        now = self._clock.now()
        return (outage or Outage(now, FIRST_RETRY_SECONDS)).after_failure(now, self._still_alive_seconds)

    async def _return(self, partner: Partner) -> None:
        try:
            await self._move(partner, Status.CONNECTED)
        finally:
            self._returning.discard(partner.id)

    async def _move(self, partner: Partner, status: Status) -> bool:
        async with self._changing:
            if not self._differs(partner, status):
                return False
            await self._partners.set_status(partner.id, status.value, self._clock.now())
            await self._roster.refresh()
            return True

    def _differs(self, partner: Partner, status: Status) -> bool:
        directory = self._roster.directory
        if partner.id not in directory.partners or not directory.members_of(partner):
            return False
        return directory.is_offline(partner) != (status is Status.OFFLINE)

    async def _write(self) -> None:
        moments = dict(self._unwritten)
        try:
            await asyncio.shield(self._partners.heard(moments))
        except Exception as exc:  # the next round tries again; who is there must not depend on it
            _log.warning("heard_not_written", error=type(exc).__name__)
            return
        later = self._unwritten.items() - moments.items()
        self._unwritten = dict(later)

    def _forget_gone(self) -> None:
        gone = self._heard.keys() | self._outages.keys() | self._known_since.keys()
        for partner_id in gone - self._roster.directory.partners.keys():
            for moments in (self._heard, self._known_since, self._unwritten, self._untold, self._outages):
                moments.pop(partner_id, None)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            _log.warning("presence_not_changed", error=type(fault).__name__)
