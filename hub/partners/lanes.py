"""Lanes: one ordered, bounded path to each receiver, so that a slow or dead one delays nobody and a PATCH cannot overtake its PUT.

Nothing is stored and nothing is tried twice (T-22): what a lane loses, its receiver fetches when it is back, from the copies.

In a lane whose call under way is older than LAGGING_SECONDS, a waiting update is dropped when a newer one of the
same object sets at least the same fields: the receiver learns the newest value sooner, and no other. The newer one keeps its
own place. What stands between the two is no barrier: a PUT of the object sets every field, so the older update before it
changes nothing that lasts, and after it the newer one sets the same fields in any case; an update of other fields does not
touch these. Should the newer one fail, the receiver lacks a value that was already out of date.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Hashable, Sequence
from contextvars import Context
from dataclasses import dataclass, field

import structlog

from hub.partners.delivery import (
    LAGGING_SECONDS,
    Deliverer,
    Heard,
    LaneState,
    Lost,
    Parcel,
    Send,
    Streak,
    Tally,
    Update,
)
from hub.partners.directory import Directory

ROOM_WAIT_SECONDS = 2.0
ROOM_LOOK_SECONDS = 0.05
FIELD_SETS_MAX = 8  # of one object's waiting updates; bounds the work of a push

_log = structlog.get_logger()


class _Queue:
    """Calls in the order of their pushes, without those that a later one supersedes. Every call is put in and taken out once."""

    def __init__(self) -> None:
        self._parcels: OrderedDict[int, tuple[Parcel, float]] = OrderedDict()
        self._updates: dict[Hashable, dict[frozenset[str], deque[int]]] = {}
        self._pushed = 0

    def __len__(self) -> int:
        return len(self._parcels)

    @property
    def first_at(self) -> float:
        """When the first call was put here, on the clock of the loop."""
        return next(iter(self._parcels.values()))[1]

    def supersede(self, update: Update) -> int:
        """Drop the waiting updates whose fields a new one sets too; how many they were."""
        waiting = self._updates.get(update.target, {})
        covered = [fields for fields in waiting if fields <= update.fields]
        dropped = [number for fields in covered for number in waiting.pop(fields)]
        for number in dropped:
            del self._parcels[number]
        return len(dropped)

    def push(self, parcel: Parcel, now: float) -> None:
        """Put a call at the end. An update with one set of fields too many for its object will not be superseded."""
        self._pushed += 1
        self._parcels[self._pushed] = parcel, now
        if parcel.supersedes is not None:
            waiting = self._updates.setdefault(parcel.supersedes.target, {})
            if parcel.supersedes.fields in waiting or len(waiting) < FIELD_SETS_MAX:
                waiting.setdefault(parcel.supersedes.fields, deque()).append(self._pushed)

    def pop(self) -> tuple[Parcel, float]:
        """Take the first call; with when it was put here."""
        number, (parcel, pushed_at) = self._parcels.popitem(last=False)
        if parcel.supersedes is not None:
            self._forget(parcel.supersedes, number)
        return parcel, pushed_at

    def clear(self) -> None:
        """Drop everything."""
        self._parcels.clear()
        self._updates.clear()

    def _forget(self, update: Update, number: int) -> None:
        waiting = self._updates.get(update.target, {})
        numbers = waiting.get(update.fields)
        if not numbers or numbers[0] != number:
            return
        numbers.popleft()
        if not numbers:
            del waiting[update.fields]
        if not waiting:
            del self._updates[update.target]


@dataclass(slots=True)
class _Lane:
    waiting: _Queue = field(default_factory=_Queue)
    since: float = 0.0
    """When the call that is under way was put here, on the clock of the loop."""
    streak: Streak = field(default_factory=Streak)
    task: asyncio.Task[None] | None = None


class Lanes:
    """All lanes of this process, by the name of their receiver. One that overflows, or whose receiver is lost, is emptied as a whole."""

    def __init__(
        self, send: Send, lost: Lost, heard: Heard, *, max_messages: int, lagging_seconds: float = LAGGING_SECONDS
    ) -> None:
        self._deliverer, self._lost = Deliverer(send, heard), lost
        self._max_messages, self._lagging_seconds = max_messages, lagging_seconds
        self._lanes: dict[str, _Lane] = {}
        self._tally = Tally()
        self._is_closed = False

    def push(self, parcel: Parcel) -> None:
        """Put a call at the end of its lane and return at once. What comes in bulk leaves half of a lane to others."""
        if self._is_closed:
            self._tally.dropped[parcel.name] += 1
            return
        lane = self._lanes.setdefault(parcel.name, _Lane())
        if parcel.is_bulk and len(lane.waiting) >= self._max_messages // 2:
            self._tally.dropped[parcel.name] += 1
            return
        now = asyncio.get_running_loop().time()
        if parcel.supersedes is not None and lane.waiting and now - lane.since > self._lagging_seconds:
            self._tally.superseded[parcel.name] += lane.waiting.supersede(parcel.supersedes)
        if len(lane.waiting) >= self._max_messages:
            self._drop(parcel.name, lane, "full")
        lane.waiting.push(parcel, now)
        if lane.task is None or lane.task.done():
            lane.task = asyncio.create_task(self._run(parcel.name, lane), context=Context())

    async def push_all(self, parcels: Sequence[Parcel]) -> None:
        """Put calls at the ends of their lanes, in this order."""
        for parcel in parcels:
            self.push(parcel)

    def depths(self) -> dict[str, int]:
        """How many calls wait, by lane."""
        return {name: len(lane.waiting) for name, lane in self._lanes.items()}

    @property
    def dropped_messages(self) -> int:
        """How many calls were dropped since the start."""
        return self._tally.dropped.total()

    @property
    def superseded_messages(self) -> int:
        """How many calls a newer one made pointless since the start."""
        return self._tally.superseded.total()

    async def states(self) -> dict[str, LaneState]:
        """How every lane of this process is."""
        now = asyncio.get_running_loop().time()
        oldest = {name: now - lane.waiting.first_at for name, lane in self._lanes.items() if lane.waiting}
        return self._tally.states(self.depths(), oldest)

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
            parcel, lane.since = lane.waiting.pop()
            try:
                if not await self._deliverer.deliver(parcel, lane.streak):
                    self._drop(name, lane, "lost")
                    await self._lost(parcel.partner)
            except Exception:
                _log.exception("lane_failed", lane=name)

    def _drop(self, name: str, lane: _Lane, reason: str) -> None:
        if lane.waiting:
            self._tally.dropped[name] += len(lane.waiting)
            _log.warning("lane_emptied", lane=name, messages=len(lane.waiting), reason=reason)
        lane.waiting.clear()
