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


def drive(port: int, feeds: Sequence[Feed], seconds: float) -> Run:
    """Send from every feed over a connection of its own for so long, and wait for the last answers. Raises WrongAnswer."""
    with _quiet_collector(), asyncio.Runner(loop_factory=fastest_loop()) as runner:
        run = runner.run(_drive(port, feeds, seconds))
    if run.wrong:
        raise WrongAnswer(f"{run.wrong} of {run.requests + run.wrong} answers were wrong:\n" + "\n".join(run.said))
    return run


def fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop that uvicorn would choose here: uvloop, where it is to be had."""
    return uvicorn.Config("", loop="auto").get_loop_factory()


def is_success(head: bytes, body: bytes) -> bool:
    """Whether an answer is HTTP 2xx and says 1000 in the envelope."""
    return head[9:10] == b"2" and (b'"status_code":1000' in body or _SUCCESS.search(body) is not None)


def read_answer(received: bytes) -> tuple[bytes, bytes] | None:
    """Head and body of the answer at the start of what came in; None while it is not whole."""
    end = received.find(_HEAD_END)
    if end < 0:
        return None
    head, start = received[:end], end + len(_HEAD_END)
    length = _LENGTH.search(head)
    if length is not None:
        stop = start + int(length[1])
        return (head, received[start:stop]) if len(received) >= stop else None
    return (head, dechunked(received[start:])) if _is_whole(head, received) else None


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


def _is_whole(head: bytes, received: bytes) -> bool:
    return _CHUNKED.search(head) is None or received.endswith(b"\r\n0\r\n\r\n")


async def _drive(port: int, feeds: Sequence[Feed], seconds: float) -> Run:
    run, loop = Run(), asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_WAIT_SECONDS):
        made = [await loop.create_connection(partial(_Sender, feed, run), "127.0.0.1", port) for feed in feeds]
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

    __slots__ = ("_feed", "_pieces", "_run", "_sent_at", "_size", "_transport", "_until", "_wanted", "done")

    def __init__(self, feed: Feed, run: Run) -> None:
        self._feed, self._run = feed, run
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pieces: list[bytes] = []
        self._size = self._wanted = 0
        self._sent_at = self._until = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def begin(self, until: float) -> None:
        """Send until this moment of `time.perf_counter`."""
        self._until = until
        self._send()

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        if self._size < self._wanted:
            return
        received = data if len(self._pieces) == 1 else b"".join(self._pieces)
        answer = read_answer(received)
        if answer is None:
            self._pieces = [received]
            self._wanted = _whole_size(received)
            return
        self._pieces.clear()
        self._size = self._wanted = 0
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
        if now < self._until:
            self._send()
        else:
            self._end()

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


def _whole_size(received: bytes) -> int:
    """How large an answer will be, as far as its head says."""
    end = received.find(_HEAD_END)
    length = _LENGTH.search(received[:end]) if end >= 0 else None
    return end + len(_HEAD_END) + int(length[1]) if length else 0


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
