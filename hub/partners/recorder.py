"""The journal of messages: every exchange with a partner is noted in memory, and written a moment later, many at a time.

Noting never waits and never fails. What comes faster than it can be written is counted as lost, and so is what is left at the end.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog

from hub.clock import Clock
from hub.partners.exchanges import Exchange, Frame, Who, written
from hub.store.exchanges import BATCH_MAX_MESSAGES, Batch, Exchanges
from hub.store.group import Interrupted

QUEUED_MAX_MESSAGES = 20_000
QUEUED_MAX_BYTES = 32 * 1024 * 1024
WRITE_EVERY_SECONDS = 1.0
BATCH_MAX_BYTES = 1024 * 1024
TIDY_EVERY_SECONDS = 300.0
BETWEEN_BATCHES_SECONDS = 0.02

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What the journal keeps: heads for so many days (0: it is switched off), bodies for so many hours (0: none), so much of each body,
    and so many messages at most.
    """

    days: int = 14
    body_hours: int = 72
    body_max_bytes: int = 64 * 1024
    messages_max: int = 2_000_000

    @property
    def is_on(self) -> bool:
        """Whether there is a journal."""
        return self.days > 0

    @property
    def kept_body_bytes(self) -> int:
        """How many bytes of a body are written."""
        return self.body_max_bytes if self.body_hours else 0


class Recorder:
    """Notes exchanges and writes them. `lost_messages` counts since the start what was not written."""

    def __init__(self, exchanges: Exchanges, clock: Clock, who: Who, keeping: Keeping) -> None:
        self.keeping = keeping
        self._exchanges, self._clock, self._who = exchanges, clock, who
        self._queue: deque[Exchange] = deque()
        self._queued_bytes = 0
        self._full = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.lost_messages = 0

    def note(self, passed: Exchange) -> None:
        """Take an exchange down, or count it as lost where too many wait to be written."""
        if len(self._queue) >= QUEUED_MAX_MESSAGES or self._queued_bytes + passed.size > QUEUED_MAX_BYTES:
            self.lost_messages += 1
            return
        self._queued_bytes += passed.size
        self._queue.append(passed)
        if len(self._queue) == BATCH_MAX_MESSAGES:
            self._full.set()

    def start(self) -> None:
        """Begin to write."""
        if self.keeping.is_on:
            self._task = asyncio.create_task(self._run())

    async def close(self, drain_seconds: float) -> None:
        """Write what waits, but no longer than this."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with asyncio.timeout(drain_seconds):
                await self.write_all()
        except TimeoutError:
            _log.warning("journal_not_written", messages=len(self._queue))

    async def write_all(self) -> None:
        """Write what waits. What the database does not take while it is away goes on waiting."""
        while self._queue:
            taken = self._take()
            try:
                await self._exchanges.write(self._batch(taken))
            except (Interrupted, TimeoutError, asyncio.CancelledError):
                self._put_back(taken)
                raise
            except Exception as exc:  # one odd message must not stop the others
                self.lost_messages += len(taken)
                _log.exception("journal_not_written", error=type(exc).__name__)

    async def keep_tidy(self) -> None:
        """Drop what is older than it is to be kept, again and again, until cancelled: the work of one process."""
        while True:
            try:
                while await self.drop_old():  # noqa: ASYNC110 - it works, and does not wait for something
                    await asyncio.sleep(BETWEEN_BATCHES_SECONDS)
            except Exception as exc:  # the database is away: the next round tries again
                _log.warning("journal_not_tidied", error=type(exc).__name__)
            await asyncio.sleep(TIDY_EVERY_SECONDS)

    async def drop_old(self) -> int:
        """Drop some of what is too old, or too much; returns how many batches of messages were touched."""
        now, keeping = self._clock.now(), self.keeping
        bodies = await self._exchanges.drop_bodies(now - timedelta(hours=keeping.body_hours))
        return bodies + await self._exchanges.drop_old(now - timedelta(days=keeping.days), keeping.messages_max)

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), WRITE_EVERY_SECONDS)
            self._full.clear()
            try:
                await self.write_all()
            except (Interrupted, TimeoutError) as exc:
                _log.warning("journal_waits", error=type(exc).__name__, messages=len(self._queue))

    def _take(self) -> list[Exchange]:
        taken: list[Exchange] = []
        left_bytes, most_bytes = BATCH_MAX_BYTES, 2 * self.keeping.kept_body_bytes
        while self._queue and len(taken) < BATCH_MAX_MESSAGES and left_bytes > 0:
            passed = self._queue.popleft()
            taken.append(passed)
            self._queued_bytes -= passed.size
            left_bytes -= passed.size if passed.size < most_bytes else most_bytes
        return taken

    def _put_back(self, taken: list[Exchange]) -> None:
        self._queue.extendleft(reversed(taken))
        self._queued_bytes += sum(passed.size for passed in taken)

    def _batch(self, taken: list[Exchange]) -> Batch:
        frame = Frame(self._who, self.keeping.kept_body_bytes)
        both = [written(passed, frame) for passed in taken]
        zero = self._clock.now().timestamp() - time.perf_counter()
        return Batch(zero, [head for head, _ in both], [bodies for _, bodies in both])
