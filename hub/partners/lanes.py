"""Lanes: one ordered, bounded path to each receiver, so that a slow or dead one delays nobody and a PATCH cannot overtake its PUT.

Nothing is stored and nothing is tried twice (T-22): what a lane loses, its receiver fetches when it is back, from the copies.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import structlog

from hub.partners.client import Call
from hub.partners.delivery import Deliverer, Heard, Lost, Parcel, Send, Streak
from hub.partners.directory import Directory, Partner

ROOM_WAIT_SECONDS = 2.0
ROOM_LOOK_SECONDS = 0.05

_log = structlog.get_logger()


@dataclass(slots=True)
class _Lane:
    waiting: deque[Parcel] = field(default_factory=deque)
    streak: Streak = field(default_factory=Streak)
    task: asyncio.Task[None] | None = None


class Lanes:
    """All lanes of this process, by the name of their receiver. One that overflows, or whose receiver is lost, is emptied as a whole."""

    def __init__(self, send: Send, lost: Lost, heard: Heard, *, max_messages: int) -> None:
        self._deliverer, self._lost = Deliverer(send, heard), lost
        self._max_messages = max_messages
        self._lanes: dict[str, _Lane] = {}
        self.dropped_messages = self.superseded_messages = 0
        self._is_closed = False

    def push(
        self,
        name: str,
        partner: Partner,
        call: Call,
        *,
        is_bulk: bool = False,
        supersedes: Hashable | None = None,
        once: str = "",
    ) -> None:
        """Put a call at the end of a lane and return at once. What comes in bulk leaves half of a lane to others."""
        if self._is_closed:
            self.dropped_messages += 1
            return
        lane = self._lanes.setdefault(name, _Lane())
        if is_bulk and len(lane.waiting) >= self._max_messages // 2:
            self.dropped_messages += 1
            return
        if len(lane.waiting) >= self._max_messages:
            self._drop(name, lane, "full")
        lane.waiting.append(Parcel(name=name, partner=partner, call=call, supersedes=supersedes))
        if lane.task is None or lane.task.done():
            lane.task = asyncio.create_task(self._run(name, lane))

    async def push_all(self, parcels: Sequence[Parcel]) -> None:
        """Put calls at the ends of their lanes, in this order."""
        for one in parcels:
            self.push(one.name, one.partner, one.call, is_bulk=one.is_bulk, supersedes=one.supersedes)

    def depths(self) -> dict[str, int]:
        """How many calls wait, by lane."""
        return {name: len(lane.waiting) for name, lane in self._lanes.items()}

    async def room(self, messages: int) -> None:
        """Wait until every lane can take so many more in bulk; ROOM_WAIT_SECONDS at most: a slow receiver holds nobody else up."""
        for _ in range(int(ROOM_WAIT_SECONDS / ROOM_LOOK_SECONDS)):
            if max(self.depths().values(), default=0) + messages <= self._max_messages // 2:
                return
            await asyncio.sleep(ROOM_LOOK_SECONDS)

    def on_change(self, before: Directory, now: Directory) -> None:
        """A listener of the roster with nothing to do: a lane comes about when something is put into it."""

    async def start(self) -> None:
        """Nothing to begin: a lane runs while something is in it."""

    def lead(self) -> None:
        """Nothing to lead: these lanes are this process' own."""

    async def follow(self) -> None:
        """Nothing to leave to others."""

    async def close(self, drain_seconds: float) -> None:
        """Let the lanes run empty, but no longer than this, and take nothing more: what a failing lane tells others would outlive it."""
        self._is_closed = True
        tasks = [lane.task for lane in self._lanes.values() if lane.task and not lane.task.done()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=drain_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self, name: str, lane: _Lane) -> None:
        while lane.waiting:
            parcel = lane.waiting.popleft()
            try:
                if not await self._deliverer.deliver(parcel, lane.streak):
                    self._drop(name, lane, "lost")
                    await self._lost(parcel.partner)
            except Exception:
                _log.exception("lane_failed", lane=name)

    def _drop(self, name: str, lane: _Lane, reason: str) -> None:
        self.dropped_messages += len(lane.waiting)
        if lane.waiting:
            _log.warning("lane_emptied", lane=name, messages=len(lane.waiting), reason=reason)
        lane.waiting.clear()
