"""Partners are told of sites, tariffs and statuses: each change once, in order, as pushes of the local CPO. Done where the hub leads.

A push that was made and not noted, because the process was killed in between, is made again with the same content.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from hub.chargers.outlet import Outlet
from hub.chargers.places import Object
from hub.chargers.provisioning import read_site, read_tariff
from hub.chargers.sites import content_of
from hub.store.chargesites import ChargeSites, DueSite, KeptEvse, KeptThing
from ocpi_modules.catalog import MODULES
from ocpi_modules.errors import OcpiError
from ocpi_modules.locations import Status
from ocpi_modules.module import Purpose
from ocpi_modules.parties import Party
from ocpi_modules.types import format_datetime

LOOK_EVERY_SECONDS = 5.0
AGAIN_MIN_SECONDS = 5.0
AGAIN_MAX_SECONDS = 600.0
REFUSED_KEPT_MAX = 20_000

_LOCATIONS, _TARIFFS = MODULES["locations"], MODULES["tariffs"]

_log = structlog.get_logger()

Key = tuple[str, ...]


@dataclass(slots=True)
class Pace:
    """What was refused rests: twice as long each time, AGAIN_MAX_SECONDS at most; something newer need not wait."""

    _resting: dict[Key, tuple[int, float, float]] = field(default_factory=dict)

    def may(self, key: Key, version: int, now: float) -> bool:
        """Whether a push may be tried."""
        rested, until, _ = self._resting.get(key, (version, now, 0.0))
        return rested != version or until <= now

    def refused(self, key: Key, version: int, now: float) -> float:
        """A push was refused; for how long it rests."""
        _, _, before = self._resting.pop(key, (version, now, 0.0))
        pause = min(AGAIN_MAX_SECONDS, max(AGAIN_MIN_SECONDS, 2 * before))
        if len(self._resting) >= REFUSED_KEPT_MAX:
            self._resting.clear()
        self._resting[key] = (version, now + pause, pause)
        return pause

    def taken(self, key: Key) -> None:
        """A push was taken."""
        self._resting.pop(key, None)


class Showing:
    """Tells partners what they do not know yet."""

    def __init__(self, sites: ChargeSites, outlet: Outlet) -> None:
        self._sites, self._outlet = sites, outlet
        self._pace = Pace()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """There may be something to tell."""
        self._woken.set()

    def start(self) -> None:
        """Tell what is due, now, when woken, and every LOOK_EVERY_SECONDS."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, until started again; what is due stays in the database."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def tell_all(self) -> None:
        """One round: tariffs before the Locations that name them, and what is gone at the end."""
        tariffs = await self._sites.due_tariffs()
        waiting = {tariff.id for tariff in tariffs if not tariff.is_gone and not await self._tell_tariff(tariff)}
        sites = await self._sites.due_sites()
        for due in sites:
            if not due.site.is_gone and not tariff_ids(content_of(due.site)) & waiting:
                await self._tell_site(due)
        for due in sites:
            if due.site.is_gone:
                await self._tell_site(due)
        for tariff in tariffs:
            if tariff.is_gone:
                await self._tell_tariff(tariff)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self.tell_all()
            except Exception:
                _log.exception("sites_not_shown")
            try:
                async with asyncio.timeout(LOOK_EVERY_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _tell_tariff(self, tariff: KeptThing) -> bool:
        """Whether partners know the tariff as it is."""
        purpose = Purpose.REMOVE if tariff.is_gone else Purpose.REPLACE
        content = {} if tariff.is_gone else tariff_content(tariff, self._outlet.party)
        is_unheard = tariff.is_gone and tariff.told_version == 0
        push = _Push(_TARIFFS.id, purpose, (tariff.id,), content, tariff.version)
        if is_unheard or await self._push(push):
            await self._sites.told_tariff(tariff)
            return True
        return False

    async def _tell_site(self, due: DueSite) -> None:
        if due.site.is_due:
            content = location_content(due, self._outlet.party)
            is_unheard = due.site.is_gone and due.site.told_version == 0
            push = _Push(_LOCATIONS.id, Purpose.REPLACE, (due.site.id,), content, due.site.version)
            if is_unheard or await self._push(push):
                await self._sites.told_site(due)
            return
        for evse in due.evses.values():
            if evse.is_due and await self._push(_status_push(evse)):
                await self._sites.told_evse(evse)

    async def _push(self, push: _Push) -> bool:
        """Whether a push was taken."""
        now = asyncio.get_running_loop().time()
        if not self._pace.may(push.key, push.version, now):
            return False
        reason = await self._said_against(push)
        if reason is None:
            self._pace.taken(push.key)
            return True
        pause = self._pace.refused(push.key, push.version, now)
        _log.warning("push_refused", module=push.module, ids="/".join(push.ids), reason=reason, again_seconds=pause)
        return False

    async def _said_against(self, push: _Push) -> str | None:
        try:
            reply = await self._outlet.push(MODULES[push.module], push.purpose, push.ids, push.content)
        except OcpiError as refused:
            if push.purpose is Purpose.REMOVE and refused.http_status == 404:
                return None  # it is gone, which is all that was wanted
            return f"{refused.status_code} {refused.message}"
        except Exception as fault:  # of ours; it holds up nothing else
            _log.error("push_failed", module=push.module, ids="/".join(push.ids), exc_info=fault)
            return type(fault).__name__
        return None if reply.is_success else f"{reply.status_code} {reply.message or ''}"


@dataclass(frozen=True, slots=True)
class _Push:
    module: str
    purpose: Purpose
    ids: tuple[str, ...]
    content: Mapping[str, Any]
    version: int

    @property
    def key(self) -> Key:
        return (self.module, *self.ids)


def tariff_content(tariff: KeptThing, party: Party) -> Object:
    """A tariff as partners see it."""
    return {**read_tariff(content_of(tariff), party), "last_updated": format_datetime(tariff.updated_at)}


def location_content(due: DueSite, party: Party) -> Object:
    """A site as partners see it: with statuses, and with those EVSEs as REMOVED that it had once (L-15)."""
    site = read_site(due.site.id, content_of(due.site), party)
    present = [_evse_content(evse, due) for evse in site.location["evses"]]
    removed = [_removed(evse, due.site.updated_at) for evse in site.removed]
    moments = [due.site.updated_at, *(evse.changed_at for evse in due.evses.values())]
    return {**site.location, "evses": present + removed, "last_updated": format_datetime(max(moments))}


def status_content(evse: KeptEvse) -> Object:
    """What a change of status is told with."""
    return {"status": evse.status, "last_updated": format_datetime(evse.changed_at)}


def tariff_ids(content: Object) -> set[str]:
    """The tariffs that the connectors of a site name."""
    connectors = (connector for evse in content.get("evses") or () for connector in evse["connectors"])
    return {one for connector in connectors for one in connector.get("tariff_ids") or ()}


def _status_push(evse: KeptEvse) -> _Push:
    return _Push(_LOCATIONS.id, Purpose.UPDATE, (evse.site, evse.evse_uid), status_content(evse), evse.version)


def _evse_content(evse: Object, due: DueSite) -> Object:
    if due.site.is_gone:
        return _removed(evse, due.site.updated_at)
    kept = due.evses.get(evse["uid"])
    moment = max(kept.changed_at, due.site.updated_at) if kept else due.site.updated_at
    return _dated(evse, kept.status if kept else Status.UNKNOWN.value, moment, due.site.updated_at)


def _removed(evse: Object, moment: datetime) -> Object:
    return _dated(evse, Status.REMOVED.value, moment, moment)


def _dated(evse: Object, status: str, moment: datetime, since: datetime) -> Object:
    connectors = [{**connector, "last_updated": format_datetime(since)} for connector in evse["connectors"]]
    return {**evse, "status": status, "connectors": connectors, "last_updated": format_datetime(moment)}
