"""Changes as they happen, for those who listen: each has a queue with an end, and whoever is too slow is told to begin again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from hub.navigation.problems import ReadingFault
from hub.store.publicplaces import PublicChange

QUEUE_MAX_EVENTS = 1000
LISTENERS_MAX = 2000
LISTENERS_MAX_PER_VISITOR = 500
"""With one key, or from one address, behind which there may be many: nobody alone takes the place of all others."""
PING_SECONDS = 15.0
RETRY_MILLISECONDS = 2000
BACKLOG_PAGE_EVENTS = 1000
BACKLOG_MAX_EVENTS = 20_000

Wanted = Callable[["Told"], bool]
"""Whether somebody wants to be told of a change."""

Backlog = Callable[[int, int], Awaitable[Sequence[PublicChange]]]
"""The log after a number, at most so many."""


@dataclass(frozen=True, slots=True)
class Told:
    """A change as it is told: rendered once for all who listen. Degrees of WGS 84."""

    seq: int
    number: int
    ref: str
    longitude: float
    latitude: float
    frame: bytes


@dataclass(eq=False, slots=True)
class Listener:
    """Somebody who listens: which changes are wanted, who it is, and those that were not sent yet."""

    wanted: Wanted
    visitor: str = ""
    waiting: asyncio.Queue[Told | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_MAX_EVENTS))
    is_slow: bool = False
    is_ended: bool = False

    def offer(self, told: Told) -> None:
        """Queue a change; who has too many waiting is told to begin again and gets no more."""
        if self.is_slow or not self.wanted(told):
            return
        if self.waiting.full():
            self.is_slow = True
            while not self.waiting.empty():
                self.waiting.get_nowait()
            self.waiting.put_nowait(None)
        else:
            self.waiting.put_nowait(told)

    def end(self) -> None:
        """Nothing more will come; what waits is not sent any more: whoever comes back says where it stands."""
        self.is_ended = self.is_slow = True
        while not self.waiting.empty():
            self.waiting.get_nowait()
        self.waiting.put_nowait(None)


class Broadcast:
    """Hands changes to all who listen in this process."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._is_closed = False
        self.seq = 0
        """The number of the last change that was told."""

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def tell(self, changes: Sequence[Told]) -> None:
        """Tell of changes, in order."""
        for told in changes:
            for listener in self._listeners:
                listener.offer(told)
            self.seq = told.seq

    def join(self, wanted: Wanted, visitor: str = "") -> Listener:
        """Listen from now on. Raises ReadingFault when too many do, or too many of one visitor."""
        if self._is_closed or len(self._listeners) >= LISTENERS_MAX:
            raise ReadingFault(
                503, "TOO_MANY_STREAMS", f"{LISTENERS_MAX} listen already", headers={"Retry-After": "30"}
            )
        if visitor and sum(one.visitor == visitor for one in self._listeners) >= LISTENERS_MAX_PER_VISITOR:
            raise ReadingFault(
                429,
                "TOO_MANY_STREAMS",
                f"{LISTENERS_MAX_PER_VISITOR} streams are open with this key or from this address: one for an app is enough",
                headers={"Retry-After": "30"},
            )
        listener = Listener(wanted, visitor)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Listen no more."""
        self._listeners.discard(listener)

    def close(self) -> None:
        """The end of every stream."""
        self._is_closed = True
        for listener in self._listeners:
            listener.end()


class Replay:
    """What one listener gets: what it missed, then what happens."""

    def __init__(self, broadcast: Broadcast, backlog: Backlog, render: Callable[[PublicChange], Told | None]) -> None:
        self._broadcast, self._backlog, self._render = broadcast, backlog, render

    async def frames(self, wanted: Wanted, after: int | None, visitor: str = "") -> AsyncIterator[bytes]:
        """Server-sent events, to the end of the connection. `after`: the last event that the listener has; None: only what is new."""
        listener = self._broadcast.join(wanted, visitor)
        try:
            until = self._broadcast.seq
            sent = until if after is None else after
            yield hello(until if after is None else None)
            async for told in self._missed(sent, until):
                if told is None:
                    yield reset(self._broadcast.seq)
                    return
                sent = told.seq
                if wanted(told):
                    yield told.frame
            async for frame in self._live(listener, sent):
                yield frame
        finally:
            self._broadcast.leave(listener)

    async def _missed(self, after: int, until: int) -> AsyncIterator[Told | None]:
        """What is in the log between two numbers; None where the log does not reach back so far, or is to be read for too long."""
        if until - after > BACKLOG_MAX_EVENTS or (after > until and not await self._is_told(after)):
            yield None
            return
        while after < until:
            changes = [change for change in await self._backlog(after, BACKLOG_PAGE_EVENTS) if change.seq <= until]
            if not changes or changes[0].seq != after + 1:  # numbers have no gaps: some are forgotten
                yield None
                return
            for change in changes:
                if (told := self._render(change)) is not None:
                    yield told
            after = changes[-1].seq

    async def _is_told(self, seq: int) -> bool:
        """Whether a change was told that this process has not read yet: another one was quicker."""
        return [change.seq for change in await self._backlog(seq - 1, 1)] == [seq]

    async def _live(self, listener: Listener, sent: int) -> AsyncIterator[bytes]:
        while True:
            try:
                async with asyncio.timeout(PING_SECONDS):
                    told = await listener.waiting.get()
            except TimeoutError:
                yield still_here(self._broadcast.seq if listener.waiting.empty() else None)
                continue
            if told is None:
                if not listener.is_ended:
                    yield reset(self._broadcast.seq)
                return
            if told.seq > sent:
                yield told.frame


def still_here(seq: int | None) -> bytes:
    """A comment, so that nobody takes the connection for dead; with where the listener stands when all it wants was sent.

    An id without data is no event, but a browser comes back with it: whoever listens to a quiet place misses nothing.
    """
    return b": still here\n\n" if seq is None else b": still here\nid: %d\n\n" % seq


def hello(seq: int | None) -> bytes:
    """The first thing that a listener gets: how soon to come back and, where it is new, where it stands."""
    place = "" if seq is None else f"id: {seq}\n"
    cursor = "null" if seq is None else f'"{seq}"'
    return f'retry: {RETRY_MILLISECONDS}\n{place}event: hello\ndata: {{"cursor": {cursor}}}\n\n'.encode()


def reset(seq: int) -> bytes:
    """Not all that happened can be told: whoever listens has to read anew."""
    return f'id: {seq}\nevent: reset\ndata: {{"cursor": "{seq}"}}\n\n'.encode()


def frame_of(seq: int, event: bytes) -> bytes:
    """One change as a server-sent event; its JSON has no line breaks."""
    return b"id: %d\nevent: status\ndata: %b\n\n" % (seq, event)
