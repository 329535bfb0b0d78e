"""Several processes that examine CDRs when many wait: each takes those of some creditors.

What is related to each other is nearly always of one creditor; where it is not, or two processes took something of one nevertheless, the
one that keeps its look later sees that and has it looked at again (`hub.store.verdicts`). So whatever their number, and in whatever order
they are done, the books come to the same.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Event

import structlog

from hub.clock import Clock
from hub.settlement.agreements import Agreements
from hub.settlement.engine import open_books
from hub.settlement.engine.settler import BATCH_MAX_CDRS, Settler
from hub.store.direct import Direct

SHARE_MAX_BATCHES = 4  # then the others of a round of settlement have their turn
CREW_FROM_CDRS = 2 * BATCH_MAX_CDRS  # fewer are done before a process has started
PLANNED_MAX_CDRS = 50_000
NICENESS = 5  # requests come first; much lower, a look would hold its locks for long on a busy machine

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """All that a process needs to examine CDRs: the address of the database, and what the hub's own settler works with."""

    url: str
    clock: Clock
    agreements: Agreements


class Crew:
    """Examines CDRs that wait, with `processes` beside this one when there are many; they end when nothing is left."""

    def __init__(self, settler: Settler, means: Means, processes: int) -> None:
        self._settler, self._means, self._processes = settler, means, processes
        self._hands: Hands | None = None

    async def settle_due(self) -> int:
        """Examine some of the CDRs that wait; returns how many there were."""
        shares = await self._shares() if self._processes > 1 else []
        if len(shares) < 2:
            self.close()
            return await self._settler.settle_due()
        try:
            return await self._settle(shares)
        except BrokenExecutor:
            _log.error("settling_process_died")  # nothing of its look was kept: it is looked at again
            return await self._settler.settle_due()

    async def _shares(self) -> list[list[str]]:
        waiting = await self._settler.waiting_by_creditor(PLANNED_MAX_CDRS)
        return shares_of(waiting, self._processes) if sum(waiting.values()) >= CREW_FROM_CDRS else []

    async def _settle(self, shares: Sequence[Sequence[str]]) -> int:
        self._hands = self._hands or Hands(self._means, self._processes)
        try:
            return sum(await asyncio.gather(*map(self._hands.settle, shares)))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the processes end: at once when they do nothing, else after the batch that they are at."""
        if self._hands is not None:
            self._hands.close()
            self._hands = None


class Hands:
    """The processes."""

    def __init__(self, means: Means, processes: int) -> None:
        context = get_context("spawn")
        self._stopping = context.Event()
        self._pool = ProcessPoolExecutor(processes, context, _begin, (means, self._stopping))

    def settle(self, creditors: Sequence[str]) -> Awaitable[int]:
        """Examine CDRs of some creditors in one of them. Raises BrokenExecutor when one has died."""
        return asyncio.wrap_future(self._pool.submit(_settle_share, creditors))

    def close(self) -> None:
        """Let them end."""
        self._stopping.set()
        self._pool.shutdown(wait=False, cancel_futures=True)


def shares_of(waiting: Mapping[str, int], most: int) -> list[list[str]]:
    """Creditors divided into at most so many shares of about as many CDRs; the same for the same counts."""
    shares: list[list[str]] = [[] for _ in range(most)]
    counts = [0] * most
    for creditor, count in sorted(waiting.items(), key=lambda one: (-one[1], one[0])):
        smallest = counts.index(min(counts))
        shares[smallest].append(creditor)
        counts[smallest] += count
    return [share for share in shares if share]


# --- in the processes ------------------------------------------------------------------------


_given: list[tuple[Means, Event]] = []


def _begin(means: Means, stopping: Event) -> None:
    """Make this process one that examines CDRs for its parent, and ends with it."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C of the terminal is for the parent, which then ends its processes
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(OSError, AttributeError):
        os.nice(NICENESS)
    _given[:] = [(means, stopping)]


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # what is under way was not kept


def _settle_share(creditors: Sequence[str]) -> int:
    ((means, stopping),) = _given
    return asyncio.run(_settled(means, creditors, stopping))


async def _settled(means: Means, creditors: Sequence[str], stopping: Event) -> int:
    """Examine CDRs of some creditors, SHARE_MAX_BATCHES at most; returns how many."""
    direct, done = Direct(means.url), 0
    try:
        settler = Settler(open_books(direct, means.clock), means.clock, means.agreements)
        for _ in range(SHARE_MAX_BATCHES):
            count = 0 if stopping.is_set() else await settler.settle_due(creditors)
            done += count
            if not count:
                break
        return done
    finally:
        await direct.close()
