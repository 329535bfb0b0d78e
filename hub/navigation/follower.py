"""What changed in public, brought into the memory of this process: the index for questions, and those who listen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from queue import Queue

import msgspec
import structlog

from hub.navigation.entry import unpack_entry
from hub.navigation.grid import arranged
from hub.navigation.index import Index
from hub.navigation.streams import Broadcast, Told, frame_of
from hub.store.direct import Unavailable
from hub.store.publicplaces import Entry, PublicChange, PublicPlaces

LOOK_MILLISECONDS = 200
LOAD_PAGE_ROWS = 5_000
LOAD_AHEAD_PAGES = 4
CHANGES_PAGE_ROWS = 2_000
TOLD_AT_ONCE_MAX = 250
"""Far fewer than may wait for one who listens: between them everybody gets to send."""
RETRY_SECONDS = 2.0

_log = structlog.get_logger()


class Memory:
    """What of public Locations is kept in memory; one thread changes and asks it."""

    def __init__(self) -> None:
        self.index = Index()
        self.gone = 0
        """How many were taken back since this process began."""

    def take(self, entries: Sequence[Entry]) -> None:
        """Locations as they are now, in the order of their changes."""
        for one in entries:
            if one.entry is None:
                self.index.remove(one.number, one.seq)
                self.gone += 1
            else:
                self.index.put(one.number, one.seq, unpack_entry(one.entry))

    async def tidy(self) -> None:
        """Put the index in order where that is worth its while; the longest part beside what goes on."""
        if self.index.is_untidy:
            self.index.adopt(await asyncio.to_thread(arranged, self.index.cells()))


class _Named(msgspec.Struct, gc=False):
    location: str


_read = msgspec.json.Decoder(_Named).decode


def told_of(change: PublicChange) -> Told | None:
    """A change as those who listen are told; None where there is nothing to tell."""
    if not change.event:
        return None
    return Told(
        seq=change.seq,
        number=change.number,
        ref=_read(change.event).location,
        longitude=change.longitude,
        latitude=change.latitude,
        frame=frame_of(change.seq, change.event),
    )


class Follower:
    """Follows the changes, from the first one there ever was."""

    def __init__(self, places: PublicPlaces, memory: Memory, broadcast: Broadcast) -> None:
        self._places, self._memory, self._broadcast = places, memory, broadcast
        self._seq = self._static_seq = 0
        self._changed_at: datetime | None = None
        self._ready = asyncio.Event()
        self._hint = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._each: list[Callable[[], Awaitable[None]]] = []

    @property
    def seq(self) -> int:
        """The last change that is in memory."""
        return self._seq

    @property
    def static_seq(self) -> int:
        """The last change of more than statuses: the version of all that is published but them."""
        return self._static_seq

    @property
    def still(self) -> str:
        """Tells apart everything but statuses, as it is in memory."""
        return still_stamp(self._seq, self._static_seq)

    @property
    def changed_at(self) -> datetime | None:
        """When the last change was (UTC), as far as the log tells; the same in every process."""
        return self._changed_at

    @property
    def is_ready(self) -> bool:
        """Whether everything that was public when this process began is in memory."""
        return self._ready.is_set()

    async def until_ready(self, seconds: float) -> None:
        """Wait for that, for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ready.wait()

    def each_look(self, do: Callable[[], Awaitable[None]]) -> None:
        """Do something besides at every look."""
        self._each.append(do)

    def wake(self) -> None:
        """Look at once: something changed."""
        self._hint.set()

    def start(self) -> None:
        """Follow in the background."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Follow no more."""
        self._broadcast.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
                await self._pause()
            except (Unavailable, TimeoutError, OSError) as exc:
                _log.warning("public_changes_not_read", error=type(exc).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    async def look(self) -> None:
        """Bring everything that changed into memory, then tell those who listen."""
        if not self.is_ready:
            await self._load()
        while entries := await self._places.entries(self._seq, LOAD_PAGE_ROWS):
            self._memory.take(entries)
            self._seq = entries[-1].seq
            self._static_seq = (await self._places.counters()).static_seq
        await self._memory.tidy()
        await self._tell()
        for do in self._each:
            await do()

    async def _load(self) -> None:
        """Read everything that is public now; what changes meanwhile is followed afterwards."""
        began = time.monotonic()
        counters = await self._places.counters()
        pages: Queue[Sequence[Entry]] = Queue(LOAD_AHEAD_PAGES)
        loading = asyncio.create_task(asyncio.to_thread(Index.load, _numbered(pages)))
        try:
            await self._read_into(pages, loading)
        finally:
            await asyncio.to_thread(pages.put, ())
            self._memory.index = await loading
        self._seq = self._broadcast.seq = counters.seq
        self._static_seq = counters.static_seq
        for last in await self._places.changes(counters.seq - 1, 1):
            self._changed_at = last.at
        self._ready.set()
        _log.info(
            "public_locations_loaded", locations=len(self._memory.index), seconds=round(time.monotonic() - began, 1)
        )

    async def _read_into(self, pages: Queue[Sequence[Entry]], loading: asyncio.Task[Index]) -> None:
        after = 0
        while (page := await self._places.all_entries(after, LOAD_PAGE_ROWS)) and not loading.done():
            await asyncio.to_thread(pages.put, page)
            after = page[-1].number

    async def _tell(self) -> None:
        while self._broadcast.seq < self._seq:
            changes = await self._places.changes(self._broadcast.seq, CHANGES_PAGE_ROWS)
            known = [change for change in changes if change.seq <= self._seq]
            if not known:  # forgotten: it was too long ago
                self._broadcast.seq = self._seq
                return
            for some in _in_parts(known):
                self._broadcast.tell([told for change in some if (told := told_of(change)) is not None])
                self._broadcast.seq = some[-1].seq
                await asyncio.sleep(0)
            self._changed_at = known[-1].at

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_MILLISECONDS / 1000):
                await self._hint.wait()
        except TimeoutError:
            pass
        self._hint.clear()


def still_stamp(seq: int, static_seq: int) -> str:
    """Tells apart everything but statuses, after the change `seq`; `static_seq` is the last one of more than statuses there is.

    It may have been made a moment ago, and not be in memory yet: what stood under its number now would stand there without it.
    """
    return f"s{static_seq}" if static_seq <= seq else str(seq)


def _in_parts(changes: Sequence[PublicChange]) -> Iterator[Sequence[PublicChange]]:
    return (changes[start : start + TOLD_AT_ONCE_MAX] for start in range(0, len(changes), TOLD_AT_ONCE_MAX))


def _numbered(pages: Queue[Sequence[Entry]]) -> Iterator[tuple[int, int, bytes]]:
    """What is read in another thread, until an empty page."""
    while page := pages.get():
        yield from ((one.number, one.seq, one.entry) for one in page if one.entry is not None)
