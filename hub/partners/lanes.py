"""Lanes: one ordered, bounded path to each receiver, so that a slow or dead one delays nobody and a PATCH cannot overtake its PUT.

Nothing is stored and nothing is tried twice (T-22): what a lane loses, its receiver fetches when it is back, from the copies.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from hub.partners.client import Answer, Call
from hub.partners.directory import Partner
from ocpi_modules.envelope import read_envelope
from ocpi_modules.errors import ReceiverNotConnected, ReceiverTimeout, RoutingFault

TIMEOUTS_IN_A_ROW_MAX = 3
ROOM_WAIT_SECONDS = 2.0
ROOM_LOOK_SECONDS = 0.05

_log = structlog.get_logger()

Send = Callable[[Call], Awaitable[Answer]]
Lost = Callable[[Partner], Awaitable[None]]
Heard = Callable[[Partner], None]


@dataclass(slots=True)
class _Lane:
    partner: Partner
    waiting: deque[Call] = field(default_factory=deque)
    timeouts: int = 0
    task: asyncio.Task[None] | None = None


class Lanes:
    """All lanes, by the name of their receiver. A lane that overflows, or whose receiver is lost, is emptied as a whole."""

    def __init__(self, send: Send, lost: Lost, heard: Heard, *, max_messages: int) -> None:
        self._send, self._lost, self._heard = send, lost, heard
        self._max_messages = max_messages
        self._lanes: dict[str, _Lane] = {}
        self.dropped_messages = 0
        self._is_closed = False

    def push(self, name: str, partner: Partner, call: Call, *, is_bulk: bool = False) -> None:
        """Put a call at the end of a lane and return at once. What comes in bulk leaves half of a lane to others."""
        if self._is_closed:
            self.dropped_messages += 1
            return
        lane = self._lanes.setdefault(name, _Lane(partner))
        lane.partner = partner
        if is_bulk and len(lane.waiting) >= self._max_messages // 2:
            self.dropped_messages += 1
            return
        if len(lane.waiting) >= self._max_messages:
            self._drop(name, lane, "full")
        lane.waiting.append(call)
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
            call = lane.waiting.popleft()
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
        envelope = read_envelope(answer.body) if answer.body.strip() else None
        is_taken = answer.http_status < 300 and (envelope is None or envelope.is_success)
        said = f"{envelope.status_code} {envelope.status_message or ''}" if envelope else ""
        log = _log.debug if is_taken else _log.warning
        log("delivered" if is_taken else "refused", lane=name, method=call.method, http=answer.http_status, said=said)

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
