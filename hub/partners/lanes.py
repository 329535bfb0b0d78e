"""Lanes: one ordered, bounded path to each receiver, so that a slow or dead one delays nobody and a PATCH cannot overtake its PUT.

Nothing is stored and nothing is tried twice (T-22): what a lane loses, its receiver fetches when it is back, from the copies.

In a lane that lags, a waiting update is dropped when a newer one of the same object sets at least the same fields: the receiver learns
the newest value sooner, and no other. The newer one keeps its own place. What stands between the two is no barrier: a PUT of the object
sets every field, so the older update before it changes nothing that lasts, and after it the newer one sets the same fields in any case; an
update of other fields does not touch these. Should the newer one fail, the receiver lacks a value that was already out of date.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from hub.partners.client import Answer, Call
from hub.partners.directory import Partner
from ocpi_modules.envelope import is_plain_success, read_envelope
from ocpi_modules.errors import ReceiverNotConnected, ReceiverTimeout, RoutingFault

TIMEOUTS_IN_A_ROW_MAX = 3
ROOM_WAIT_SECONDS = 2.0
ROOM_LOOK_SECONDS = 0.05
FIELD_SETS_MAX = 8  # of one object's waiting updates; bounds the work of a push

_log = structlog.get_logger()

Send = Callable[[Call], Awaitable[Answer]]
Lost = Callable[[Partner], Awaitable[None]]
Heard = Callable[[Partner], None]


class Update(NamedTuple):
    """What a call updates: an object, and the fields of it that are set to new values whatever they were before."""

    target: Hashable
    fields: frozenset[str]


class _Queue:
    """Calls in the order of their pushes, without those that a later one supersedes. Every operation takes constant time."""

    def __init__(self) -> None:
        self._calls: OrderedDict[int, tuple[Call, Update | None]] = OrderedDict()
        self._updates: dict[Hashable, dict[frozenset[str], int]] = {}
        self._pushed = 0

    def __len__(self) -> int:
        return len(self._calls)

    def supersede(self, update: Update) -> int:
        """Drop the waiting updates whose fields a new one sets too; how many they were."""
        waiting = self._updates.get(update.target, {})
        covered = [fields for fields in waiting if fields <= update.fields]
        for fields in covered:
            del self._calls[waiting.pop(fields)]
        return len(covered)

    def push(self, call: Call, update: Update | None) -> None:
        """Put a call at the end. An update with one set of fields too many for its object will not be superseded."""
        self._pushed += 1
        self._calls[self._pushed] = call, update
        if update is not None:
            waiting = self._updates.setdefault(update.target, {})
            if len(waiting) < FIELD_SETS_MAX:
                waiting[update.fields] = self._pushed

    def pop(self) -> Call:
        """Take the first call."""
        number, (call, update) = self._calls.popitem(last=False)
        if update is not None:
            self._forget(update, number)
        return call

    def clear(self) -> None:
        """Drop everything."""
        self._calls.clear()
        self._updates.clear()

    def _forget(self, update: Update, number: int) -> None:
        waiting = self._updates.get(update.target, {})
        if waiting.get(update.fields) == number:
            del waiting[update.fields]
            if not waiting:
                del self._updates[update.target]


@dataclass(slots=True)
class _Lane:
    partner: Partner
    waiting: _Queue = field(default_factory=_Queue)
    timeouts: int = 0
    task: asyncio.Task[None] | None = None


class Lanes:
    """All lanes, by the name of their receiver. A lane that overflows, or whose receiver is lost, is emptied as a whole."""

    def __init__(self, send: Send, lost: Lost, heard: Heard, *, max_messages: int) -> None:
        self._send, self._lost, self._heard = send, lost, heard
        self._max_messages = max_messages
        self._lanes: dict[str, _Lane] = {}
        self.dropped_messages = 0
        self.superseded_messages = 0
        self._is_closed = False

    def push(
        self, name: str, partner: Partner, call: Call, *, is_bulk: bool = False, supersedes: Update | None = None
    ) -> None:
        """Put a call at the end of a lane and return at once. What comes in bulk leaves half of a lane to others.

        `supersedes` says what it updates, when waiting updates of the same may be dropped for it, and it for later ones.
        """
        if self._is_closed:
            self.dropped_messages += 1
            return
        lane = self._lanes.setdefault(name, _Lane(partner))
        lane.partner = partner
        if is_bulk and len(lane.waiting) >= self._max_messages // 2:
            self.dropped_messages += 1
            return
        if supersedes is not None and lane.waiting:
            self.superseded_messages += lane.waiting.supersede(supersedes)
        if len(lane.waiting) >= self._max_messages:
            self._drop(name, lane, "full")
        lane.waiting.push(call, supersedes)
        if lane.task is None or lane.task.done():
            lane.task = asyncio.create_task(self._run(name, lane))

    def depths(self) -> dict[str, int]:
        """How many calls wait, by lane."""
        return {name: len(lane.waiting) for name, lane in self._lanes.items()}

    async def room(self, messages: int) -> None:
        """Wait until every lane can take so many more in bulk; ROOM_WAIT_SECONDS at most: a slow receiver holds nobody else up."""
        for _ in range(int(ROOM_WAIT_SECONDS / ROOM_LOOK_SECONDS)):
            if max(self.depths().values(), default=0) + messages <= self._max_messages // 2:
                return
            await asyncio.sleep(ROOM_LOOK_SECONDS)

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
            call = lane.waiting.pop()
            try:
                await self._carry(name, lane, call)
            except Exception:
                _log.exception("lane_failed", lane=name)

    async def _carry(self, name: str, lane: _Lane, call: Call) -> None:
        try:
            answer = await self._send(call)
        except RoutingFault as fault:
            await self._failed(name, lane, fault)
            return
        lane.timeouts = 0
        self._heard(lane.partner)
        if refusal := _refusal(answer):
            _log.warning("refused", lane=name, method=call.method, http=answer.http_status, said=refusal)

    async def _failed(self, name: str, lane: _Lane, fault: RoutingFault) -> None:
        lane.timeouts = lane.timeouts + 1 if isinstance(fault, ReceiverTimeout) else 0
        _log.warning("not_delivered", lane=name, reason=fault.message)
        if isinstance(fault, ReceiverNotConnected) or lane.timeouts >= TIMEOUTS_IN_A_ROW_MAX:
            lane.timeouts = 0
            self._drop(name, lane, "lost")
            await self._lost(lane.partner)

    def _drop(self, name: str, lane: _Lane, reason: str) -> None:
        self.dropped_messages += len(lane.waiting)
        if lane.waiting:
            _log.warning("lane_emptied", lane=name, messages=len(lane.waiting), reason=reason)
        lane.waiting.clear()


def _refusal(answer: Answer) -> str | None:
    """What a receiver said that did not take a message; None when it took it, or did not say that it did not."""
    if answer.http_status < 300 and is_plain_success(answer.body):
        return None
    envelope = read_envelope(answer.body) if answer.body.strip() else None
    if answer.http_status < 300 and (envelope is None or envelope.is_success):
        return None
    return f"{envelope.status_code} {envelope.status_message or ''}" if envelope else "no envelope"
