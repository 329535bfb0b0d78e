"""The load generator: raw asyncio connections, one outstanding request each, a fresh body for every request, every answer checked.

It runs in the process of the harness, on the core that what is measured does not use. What it costs itself is
measured against `bare --raw` and printed with the figures.
"""

from __future__ import annotations

import asyncio
import gc
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, cast

import uvicorn

DRAIN_WAIT_SECONDS = 60.0
CONNECT_WAIT_SECONDS = 10.0
WRONG_SHOWN_MAX = 3
WRONG_SHOWN_BYTES = 600

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:\s*chunked", re.IGNORECASE)
_SUCCESS = re.compile(rb'"status_code"\s*:\s*1000\b')
_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"\r\n0\r\n\r\n"


class Feed(Protocol):
    """What one connection sends: it has one request outstanding at a time, so its order is the order of the acknowledgements."""

    def next(self) -> bytes:
        """The next whole request; empty when there is none left."""

    def answered(self, head: bytes, body: bytes) -> bool:
        """Take the answer to the last request; false when it is not the right one."""


@dataclass(slots=True)
class Run:
    """What came of one drive: its length, the seconds of every right answer, and the wrong answers with what they said."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    wrong: int = 0
    said: list[str] = field(default_factory=list)
    own_cpu_seconds: float = 0.0

    @property
    def requests(self) -> int:
        """How many requests were answered rightly."""
        return len(self.latencies)


class WrongAnswer(RuntimeError):
    """What was measured did not do its work."""


def drive(port: int, feeds: Sequence[Feed], seconds: float, pause_seconds: float = 0.0) -> Run:
    """Send from every feed over a connection of its own for so long, and wait for the last answers. Raises WrongAnswer.

    `pause_seconds` is how long a connection rests between an answer and its next request.
    """
    with _quiet_collector(), asyncio.Runner(loop_factory=fastest_loop()) as runner:
        run = runner.run(_drive(port, feeds, seconds, pause_seconds))
    if run.wrong:
        raise WrongAnswer(f"{run.wrong} of {run.requests + run.wrong} answers were wrong:\n" + "\n".join(run.said))
    return run


def fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop that uvicorn would choose here: uvloop, where it is to be had."""
    return uvicorn.Config("", loop="auto", log_config=None).get_loop_factory()


def is_success(head: bytes, body: bytes) -> bool:
    """Whether an answer is HTTP 2xx and says 1000 in the envelope."""
    return head[9:10] == b"2" and (b'"status_code":1000,' in body or _SUCCESS.search(body) is not None)


class Gathered:
    """One answer, put together from what arrives; a large one is joined once, when it is whole."""

    __slots__ = ("_is_chunked", "_pieces", "_size", "_tail", "_wanted_bytes")

    def __init__(self) -> None:
        self._tail = b""
        self._clear()

    def add(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Head and body once the answer is whole, else None."""
        self._pieces.append(data)
        self._size += len(data)
        if self._is_chunked:
            self._tail = (self._tail + data)[-len(_LAST_CHUNK) :]
        if self._size < self._wanted_bytes or (self._is_chunked and self._tail != _LAST_CHUNK):
            return None
        return self._read(data if len(self._pieces) == 1 else b"".join(self._pieces))

    def _read(self, received: bytes) -> tuple[bytes, bytes] | None:
        end = received.find(_HEAD_END)
        if end < 0:
            return None
        head, start = received[:end], end + len(_HEAD_END)
        length = _LENGTH.search(head)
        self._wanted_bytes = start + int(length[1]) if length else start
        self._is_chunked = length is None and _CHUNKED.search(head) is not None
        self._tail = received[-len(_LAST_CHUNK) :]
        if self._size < self._wanted_bytes or (self._is_chunked and self._tail != _LAST_CHUNK):
            return None
        body = dechunked(received[start:]) if self._is_chunked else received[start : self._wanted_bytes]
        self._clear()
        return head, body

    def _clear(self) -> None:
        self._pieces: list[bytes] = []
        self._size = self._wanted_bytes = 0
        self._is_chunked, self._tail = False, b""


def dechunked(body: bytes) -> bytes:
    """The content of a whole body in chunks."""
    pieces: list[bytes] = []
    while True:
        size, _, rest = body.partition(b"\r\n")
        count = int(size.partition(b";")[0], 16)
        if not count:
            return b"".join(pieces)
        pieces.append(rest[:count])
        body = rest[count + 2 :]


async def _drive(port: int, feeds: Sequence[Feed], seconds: float, pause_seconds: float) -> Run:
    run, loop = Run(), asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_WAIT_SECONDS):
        made = [
            await loop.create_connection(partial(_Sender, feed, run, pause_seconds), "127.0.0.1", port)
            for feed in feeds
        ]
    senders = [sender for _, sender in made]
    own_start, start = time.process_time(), time.perf_counter()
    for sender in senders:
        sender.begin(start + seconds)
    async with asyncio.timeout(seconds + DRAIN_WAIT_SECONDS):
        await asyncio.gather(*(sender.done for sender in senders))
    run.seconds, run.own_cpu_seconds = time.perf_counter() - start, time.process_time() - own_start
    for transport, _ in made:
        transport.close()
    return run


class _Sender(asyncio.Protocol):
    """One connection: sends the next request when the answer to the last is there."""

    __slots__ = ("_answer", "_feed", "_pause_seconds", "_run", "_sent_at", "_transport", "_until", "done")

    def __init__(self, feed: Feed, run: Run, pause_seconds: float) -> None:
        self._feed, self._run, self._pause_seconds = feed, run, pause_seconds
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answer = Gathered()
        self._sent_at = self._until = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def begin(self, until: float) -> None:
        """Send until this moment of `time.perf_counter`."""
        self._until = until
        self._send()

    def data_received(self, data: bytes) -> None:
        answer = self._answer.add(data)
        if answer is not None:
            self._take(*answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._refuse(b"the connection was closed", str(exc or "").encode())
            self.done.set_result(None)

    def _take(self, head: bytes, body: bytes) -> None:
        now = time.perf_counter()
        if self._feed.answered(head, body):
            self._run.latencies.append(now - self._sent_at)
        else:
            self._refuse(head, body)
        if now >= self._until:
            self._end()
        elif self._pause_seconds:
            asyncio.get_running_loop().call_later(self._pause_seconds, self._send)
        else:
            self._send()

    def _send(self) -> None:
        request = self._feed.next()
        if not request:
            self._end()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _refuse(self, head: bytes, body: bytes) -> None:
        self._run.wrong += 1
        if len(self._run.said) < WRONG_SHOWN_MAX:
            self._run.said.append((head + b" | " + body)[:WRONG_SHOWN_BYTES].decode(errors="replace"))


@contextmanager
def _quiet_collector() -> Iterator[None]:
    """The collector's pauses would be measured as the hub's."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
