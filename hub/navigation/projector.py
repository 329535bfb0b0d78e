"""Keeps what is public of Locations as their copies are: every change passes the gate here, in the one process that leads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from hub.clock import Clock
from hub.navigation.projecting import Projected, looked, projected
from hub.store.direct import Unavailable
from hub.store.publicplaces import Counters, DuePlace, Overtaken, PublicPlaces, Standing
from ocpi_modules.parties import Party

LOOK_MILLISECONDS = 150
BATCH_MAX_PLACES = 250
REST_FOR_WORK = 5.0
"""Partners go first: where much waits, the projector takes a sixth of the time of a core, and is behind for a while."""
RETRY_SECONDS = 2.0
TIDY_SECONDS = 600.0

_log = structlog.get_logger()

Standings = Callable[[], Mapping[Party, Standing]]
"""How every owner stands now; one that is not named is not there."""

NOT_THERE = Standing(is_member=False)


@dataclass(frozen=True, slots=True)
class Projecting:
    """What the projector works with; `changed` is called when something public changed."""

    places: PublicPlaces
    clock: Clock
    standings: Standings
    changed: Callable[[], None]


class Projector:
    """Works in the background from `start` to `close`."""

    def __init__(self, means: Projecting) -> None:
        self._means = means
        self._known: dict[Party, Standing] = {}
        self._tidied_at: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End; what was not done is due for whoever leads next."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        self._known, wait_seconds = {}, 0.0
        while True:
            await asyncio.sleep(wait_seconds)
            try:
                await self.look()
                wait_seconds = LOOK_MILLISECONDS / 1000
            except (Unavailable, Overtaken, TimeoutError, OSError) as exc:
                _log.warning("public_locations_wait", error=type(exc).__name__)
                wait_seconds = RETRY_SECONDS
            except Exception:
                _log.exception("public_locations_failed")
                wait_seconds = RETRY_SECONDS

    async def look(self) -> None:
        """Bring everything that is due up to date."""
        await self._note_standings()
        while await self._batch():
            pass
        await self._tidy()

    async def _batch(self) -> bool:
        """Do what is due, a batch at most, and rest after a full one; returns whether more may wait."""
        began = asyncio.get_running_loop().time()
        due = await self._means.places.due(BATCH_MAX_PLACES)
        if due:
            await self._write_or_halve(due)
        if len(due) < BATCH_MAX_PLACES:
            return False
        await asyncio.sleep((asyncio.get_running_loop().time() - began) * REST_FOR_WORK)
        return True

    async def _write_or_halve(self, due: Sequence[DuePlace]) -> None:
        """Write some Locations; one with which that fails must not keep the others waiting, and stays as it was in public."""
        try:
            await self._write(due)
        except (Unavailable, Overtaken, TimeoutError, OSError):
            raise
        except Exception:
            if len(due) == 1:
                _log.exception("location_not_published", owner=str(due[0].owner), key=due[0].key)
                await self._means.places.pass_over(due)
                return
            for half in (due[: len(due) // 2], due[len(due) // 2 :]):
                await self._write_or_halve(half)

    async def _write(self, due: Sequence[DuePlace]) -> None:
        counters, now = await self._means.places.counters(), self._means.clock.now()
        found = await asyncio.to_thread(self._all_projected, due, counters, now)
        rows = [one.row for one in found if one.row is not None]
        async with self._means.places.writing(counters) as pen:
            await pen.write(rows, now)
            await pen.judge(
                [one.quality for one in found if one.quality], [one.due for one in found if not one.quality]
            )
            await pen.done(due)
        if rows:
            self._means.changed()

    def _all_projected(self, due: Sequence[DuePlace], counters: Counters, now: datetime) -> list[Projected]:
        shared = [one for one in due if not one.audience]  # what is for one party only is nobody else's
        return [*projected((looked(one, self._known.get(one.owner, NOT_THERE), now) for one in shared), counters)]

    # --- owners ---

    async def _note_standings(self) -> None:
        """Where an owner came, went, or fell silent, all its Locations are due."""
        if not self._known:
            self._known = await self._means.places.standings()
        now = self._means.standings()
        for owner in now.keys() | self._known.keys():
            stands = now.get(owner, NOT_THERE)
            if stands != self._known.get(owner):
                await self._means.places.stands(owner, stands)
                self._known[owner] = stands

    async def _tidy(self) -> None:
        now = self._means.clock.now()
        if self._tidied_at is None or (now - self._tidied_at).total_seconds() > TIDY_SECONDS:
            self._tidied_at = now
            await self._means.places.tidy(now)
