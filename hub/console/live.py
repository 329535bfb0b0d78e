"""Figures that refresh themselves: a part of a page as server-sent events, sent again when it changed.

A stream ends when its reader goes, when the session is over, after LIVE_SECONDS_MAX (browsers then ask again), and when the hub stops.
Pages connect with ``hx-sse:connect="…" hx-sse:close="over"`` and show the same without scripts, as it was when they were loaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar

import structlog
from fastapi import Response
from fastapi.responses import StreamingResponse

EVERY_SECONDS = 3.0
LIVE_SECONDS_MAX = 600.0
STREAMS_MAX = 200
RETRY_SECONDS = 30

OVER = "over"
"""The event after which a page does not ask again: nobody is signed in any more."""

Value = TypeVar("Value")
Make = Callable[[], Awaitable[str]]
"""The part of a page as it is now."""

MayWatch = Callable[[], Awaitable[bool]]

_SIGNED_OUT = '<div class="alert alert-warning" role="status">You are signed out. <a href="/console/sign-in">Sign in</a> to see more.</div>'
_AS_IT_WAS = ": as it was\n\n"
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}

_log = structlog.get_logger()


class Live:
    """The streams of one process, STREAMS_MAX at most."""

    def __init__(self) -> None:
        self.open_streams = 0
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End every stream soon."""
        self._closing.set()

    def answer(self, make: Make, may_watch: MayWatch, every_seconds: float = EVERY_SECONDS) -> Response:
        """What `make` says, at once and whenever it says something else; 503 where too many watch."""
        if self.open_streams >= STREAMS_MAX or self._closing.is_set():
            return Response("too many pages are live", 503, {"retry-after": str(RETRY_SECONDS)}, "text/plain")
        events = self._events(make, may_watch, every_seconds)
        return StreamingResponse(events, headers=_HEADERS, media_type="text/event-stream")

    async def _events(self, make: Make, may_watch: MayWatch, every_seconds: float) -> AsyncIterator[str]:
        self.open_streams += 1
        loop = asyncio.get_running_loop()
        shown, ends_at = "", loop.time() + LIVE_SECONDS_MAX
        try:
            while loop.time() < ends_at:
                text = await _now(make, may_watch)
                if text is None:
                    yield event(_SIGNED_OUT) + event("", OVER)
                    return
                yield event(text) if text and text != shown else _AS_IT_WAS
                shown = text or shown
                if await self._is_closed_within(every_seconds):
                    return
        finally:
            self.open_streams -= 1

    async def _is_closed_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._closing.wait()
        except TimeoutError:
            return False


class Fresh(Generic[Value]):
    """What is costly to find out, found out once for all who ask within `seconds`."""

    def __init__(self, find: Callable[[], Awaitable[Value]], seconds: float) -> None:
        self._find, self._seconds = find, seconds
        self._found: tuple[float, Value] | None = None
        self._finding = asyncio.Lock()

    async def __call__(self) -> Value:
        """What was found last, not older than `seconds`."""
        async with self._finding:
            now = asyncio.get_running_loop().time()
            if self._found is None or now - self._found[0] > self._seconds:
                self._found = (now, await self._find())
            return self._found[1]


async def _now(make: Make, may_watch: MayWatch) -> str | None:
    """The part as it is now, empty where it cannot be made; None for who may not watch any more."""
    try:
        return await make() if await may_watch() else None
    except Exception as exc:  # the database is away: what was shown stays until it is back
        _log.warning("live_part_not_made", error=type(exc).__name__)
        return ""


def event(text: str, name: str = "") -> str:
    """A text as one event."""
    lines = [f"event: {name}"] if name else []
    return "\n".join([*lines, *(f"data: {line}" for line in text.replace("\r", "").split("\n"))]) + "\n\n"
