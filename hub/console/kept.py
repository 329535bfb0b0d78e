"""What takes long to add up is shown as it was a moment ago, with the moment, and is added up again behind it.

A page waits WAIT_SECONDS at most. What is quick is as it is now, always; what takes seconds is kept for KEPT_FOR_TIMES as long as it took,
so that watching a month of a million CDRs takes a small part of the database's time, however many watch.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import structlog

from hub.clock import Clock

WAIT_SECONDS = 0.15
KEPT_FOR_TIMES = 5
KEPT_MAX = 100

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Counted(Generic[Value]):
    """What was added up, and when (UTC); `is_current` where nothing newer is being added up."""

    value: Value
    at: datetime
    is_current: bool = True


@dataclass(frozen=True, slots=True)
class _Kept(Generic[Value]):
    value: Value
    at: datetime
    since: float
    took_seconds: float

    def is_good(self, now: float) -> bool:
        return self.took_seconds > WAIT_SECONDS and now - self.since < KEPT_FOR_TIMES * self.took_seconds


class Kept(Generic[Key, Value]):
    """Adds things up, each once at a time for all who ask, and keeps the last KEPT_MAX of them."""

    def __init__(self, find: Callable[[Key], Awaitable[Value]], clock: Clock) -> None:
        self._find, self._clock = find, clock
        self._kept: OrderedDict[Key, _Kept[Value]] = OrderedDict()
        self._finding: dict[Key, asyncio.Task[Value]] = {}

    async def of(self, key: Key) -> Counted[Value] | None:
        """What was added up last, as it is now where that is quick; None where it takes long and was not added up before.

        Raises what adding up raises, where that is quick.
        """
        kept = self._kept.get(key)
        if kept is not None and kept.is_good(_now()):
            return Counted(kept.value, kept.at)
        task = self._finding.get(key) or self._begin(key)
        await asyncio.wait({task}, timeout=WAIT_SECONDS)
        if task.done():
            return Counted(task.result(), self._clock.now())
        return None if kept is None else Counted(kept.value, kept.at, is_current=False)

    async def close(self) -> None:
        """Stop adding up."""
        for task in self._finding.values():
            task.cancel()
        await asyncio.gather(*self._finding.values(), return_exceptions=True)

    def _begin(self, key: Key) -> asyncio.Task[Value]:
        task = self._finding[key] = asyncio.create_task(self._found(key))
        task.add_done_callback(lambda done: self._ended(key, done))
        return task

    async def _found(self, key: Key) -> Value:
        at, began = self._clock.now(), _now()
        value = await self._find(key)
        self._kept[key] = _Kept(value, at, _now(), _now() - began)
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return value

    def _ended(self, key: Key, task: asyncio.Task[Value]) -> None:
        del self._finding[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("not_added_up", error=type(error).__name__)


def _now() -> float:
    return asyncio.get_running_loop().time()
