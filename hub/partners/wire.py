"""HTTP/1.1 as the hub speaks it to receivers: the bytes of a request, and one kept-alive connection with one exchange at a time.

Answers are read by httptools (llhttp), the parser that reads what comes in. What a caller wrote is written as it is: nothing in a
URL is encoded, decoded or resolved (R-09).
"""

from __future__ import annotations

import asyncio
import re
import select
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import httptools

from ocpi_modules.module import Interface

ANSWER_HEAD_MAX_BYTES = 64 * 1024

_URL = re.compile(r"(https?)://([^/?#\\@\x00-\x20\x7f]+)((?:[/?][^#\x00-\x20\x7f]*)?)(?:#.*)?", re.IGNORECASE)
_BODILESS = frozenset({"GET", "DELETE"})
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_DEFLATED = 8  # the low half of the first byte of a zlib stream; without it "deflate" is a bare one


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call goes, without what its partner may change meanwhile: module id, interface, path and query below the endpoint."""

    module_id: str
    interface: Interface
    suffix: str
    query: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to a partner: complete URL, headers with authorization, body as bytes or None.

    `place` lets another process make the same call with the address and token of its own directory. `partner_id` and `module_id` say in
    the journal whom and what it is about, where that is known.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = None
    place: Place | None = None
    partner_id: int | None = None
    module_id: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a partner answered; header names in lower case, values that came more than once joined by a comma."""

    http_status: int
    headers: Mapping[str, str]
    body: bytes


class BrokenOff(Exception):
    """The receiver ended the exchange, or said what is no HTTP: it may have done what was asked, or not."""


def split_url(url: str) -> tuple[str, str, str] | None:
    """Scheme, authority and target of a URL as they are written; None for what is no address by http(s), or names a user."""
    found = _URL.fullmatch(url)
    if found is None:
        return None
    scheme, authority, target = found.groups()
    return scheme, authority, target if target.startswith("/") else f"/{target}"


def request_bytes(call: Call, authority: str, target: str) -> bytes:
    """A request as it goes over the wire. Raises ValueError for a header that would make two.

    What came in over the wire was decoded as Latin-1, so that gives its bytes again; other text is UTF-8.
    """
    lines = [f"{call.method} {target} HTTP/1.1", f"Host: {authority}", "Accept-Encoding: gzip, deflate"]
    lines += [f"{name}: {value}" for name, value in call.headers.items()]
    body = call.body or b""
    if call.body is not None or call.method not in _BODILESS:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines)
    if head.count("\n") >= len(lines) or head.count("\r") >= len(lines) or "\0" in head:
        raise ValueError("a header that would make two")
    return _bytes(head + "\r\n\r\n") + body


class Connection(asyncio.BufferedProtocol):
    """A connection to a receiver. `gone` is told once, when it is closed by whomever; `answer_max_bytes` counts the body on the wire.

    `buffer` is where bytes are received: one for all connections of a loop will do, for they are parsed before others come. (Without
    it TLS would take a quarter of a megabyte from the system for every answer, and give it back.)
    """

    __slots__ = (
        "_answer_max_bytes",
        "_body",
        "_body_bytes",
        "_buffer",
        "_came_bytes",
        "_due_at",
        "_gone",
        "_headers",
        "_is_in_body",
        "_is_kept_alive",
        "_is_over",
        "_is_until_close",
        "_loop",
        "_parser",
        "_poll",
        "_status",
        "_timer",
        "_transport",
        "_waiter",
    )

    _is_in_body: bool
    _is_until_close: bool
    _is_over: bool

    def __init__(self, gone: Callable[[Connection], None], answer_max_bytes: int, buffer: memoryview) -> None:
        self._loop = asyncio.get_running_loop()
        self._gone, self._answer_max_bytes, self._buffer = gone, answer_max_bytes, buffer
        self._transport: asyncio.Transport | None = None
        self._poll: select.poll | None = None
        self._parser = httptools.HttpResponseParser(self)
        # what servers do that work with every other client; aiohttp forgives the same
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0
        self._is_kept_alive = False
        self._forget_answer()

    async def exchange(self, request: bytes, due_at: float) -> Answer:
        """Write a request and read its answer, until `due_at` on the loop's clock. Raises BrokenOff, TimeoutError, or ValueError
        for an answer that is too large or cannot be unpacked. The connection can be used again if it `is_reusable` afterwards.
        """
        if self._transport is None:
            raise BrokenOff("closed as soon as it was opened")
        self._forget_answer()
        self._waiter = self._loop.create_future()
        self._end_at(due_at)
        self._transport.write(request)
        try:
            await self._waiter
            return self._answer()
        except BaseException:
            self.abort()
            raise
        finally:
            self._waiter = None

    @property
    def is_reusable(self) -> bool:
        """Whether the receiver keeps the connection open after what it answered."""
        return self._is_kept_alive and self._transport is not None and not self._transport.is_closing()

    def is_silent(self) -> bool:
        """Whether nothing came since the last answer, not even the end, which the loop may not have read yet."""
        if not self.is_reusable or self._loop.time() > self._due_at:
            return False
        return self._poll is None or not self._poll.poll(0)

    def rest_until(self, due_at: float) -> None:
        """Keep it open with nothing under way, until `due_at` on the loop's clock."""
        self._end_at(due_at)

    def close(self) -> None:
        """Close it in good order."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close it at once."""
        self._is_kept_alive = False
        if self._transport is not None:
            self._transport.abort()

    # --- what the transport tells -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by class
        if hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._waiter is None or self._waiter.done():
            self.abort()
            return
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            self._fail(BrokenOff(str(exc)))
        self._came_bytes += nbytes
        if self._came_bytes > ANSWER_HEAD_MAX_BYTES and not self._is_in_body:
            self._fail(ValueError("the head of the answer is too large"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = self._poll = None
        if exc is None and self._is_until_close:
            self._settle()
        self._fail(BrokenOff("closed before the answer was whole"))
        if self._timer is not None:
            self._timer.cancel()
        self._gone(self)

    # --- what the parser tells ----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._is_over:  # an answer that nobody asked for
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_body or self._is_over:  # a trailer, or of no interest
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        known = self._headers.get(key)
        self._headers[key] = text if known is None or known == text else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        if self._is_over:
            return
        self._is_in_body = True
        self._status = status = self._parser.get_status_code()
        is_framed = "content-length" in self._headers or "chunked" in self._headers.get("transfer-encoding", "").lower()
        self._is_until_close = not is_framed and status >= 200 and status not in {204, 304}

    def on_body(self, body: bytes) -> None:
        if self._is_over:
            return
        self._body_bytes += len(body)
        if self._body_bytes > self._answer_max_bytes:
            self._fail(ValueError("the answer is too large"))
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._is_over:
            return
        if self._status < 200:  # the answer is still to come
            self._headers.clear()
            self._is_in_body = False
            return
        self._is_over = True
        self._is_kept_alive = self._parser.should_keep_alive()
        self._settle()

    # --- inside -------------------------------------------------------------------------------------

    def _forget_answer(self) -> None:
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._body_bytes = self._came_bytes = 0
        self._status = 0
        self._is_in_body = self._is_until_close = self._is_over = False

    def _answer(self) -> Answer:
        body = b"".join(self._body)
        self._body = []  # a connection that rests holds nothing
        encoding = self._headers.get("content-encoding", "").lower()
        if encoding and body:
            body = unpacked(body, encoding, self._answer_max_bytes)
        return Answer(self._status, self._headers, body)

    def _settle(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, exc: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(exc)
        self.abort()

    def _end_at(self, due_at: float) -> None:
        # one timer that is put off when it rings too early: a timer for each exchange costs as much as a third of the exchange
        self._due_at = due_at
        if self._timer is not None and self._timer.when() <= due_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due_at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._loop.time() < self._due_at:
            self._timer = self._loop.call_at(self._due_at, self._ring)
        elif self._waiter is None:
            self.close()
        else:
            self._fail(TimeoutError())


def unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """A body without its content encoding; raises ValueError when that is another than gzip or deflate, is broken, or hides too much."""
    if encoding == "identity":
        return body
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise ValueError(f"the answer is packed as {encoding}")
    is_bare = encoding == "deflate" and body[0] & 0x0F != _DEFLATED
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS if is_bare else _GZIP_OR_ZLIB)
    try:
        text = unpacker.decompress(body, max_bytes + 1)
    except zlib.error as exc:
        raise ValueError("the answer cannot be unpacked") from exc
    if len(text) > max_bytes or not unpacker.eof or unpacker.unused_data:
        raise ValueError("the answer is too large when unpacked, or broken")
    return text


def _bytes(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()
