"""HTTP below the application: what is no request at all is answered in the envelope too, and whole answers leave in one piece."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from hub.clock import SystemClock
from ocpi_modules.envelope import write_envelope

CLIENT_FAULT = 2000
JOINED_MAX_BYTES = 16 * 1024  # longer pieces are not copied to be sent with the others
WHOLE_ANSWER, SEND = "ocpi_hub.whole_answer", "send"

Headers = Sequence[tuple[bytes, bytes]]
AnswerWhole = Callable[[int, Headers, Sequence[bytes]], Awaitable[None]]


class EnvelopeProtocol(HttpToolsProtocol):
    """Answers what is no HTTP request at all in the envelope too (T-12).

    Offers the extension WHOLE_ANSWER of ASGI: status, headers (with the length of the body) and the pieces of the body at once, for an
    application whose answers are never streamed. It does what two messages of ASGI do, at half their cost.
    """

    def on_headers_complete(self) -> None:
        """Start to answer a request."""
        super().on_headers_complete()
        if self.cycle is not None:
            self.scope["extensions"] = {WHOLE_ANSWER: {SEND: partial(answer_whole, self.cycle)}}

    def send_400_response(self, msg: str) -> None:
        """Refuse and close."""
        body = write_envelope(SystemClock().now(), CLIENT_FAULT, "this is not a request that the hub can read")
        head = (
            f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {uuid4()}\r\nx-correlation-id: {uuid4()}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


async def answer_whole(cycle: RequestResponseCycle, status: int, headers: Headers, body: Sequence[bytes]) -> None:
    """The answer to the request of a cycle, in one piece. Raises ValueError for headers that would make more."""
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    lines = [b"%b: %b\r\n" % header for header in (*cycle.default_headers, *headers)]
    if not cycle.keep_alive:
        lines.append(b"connection: close\r\n")
    head = b"".join(lines)
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
        raise ValueError("a header that would make two")
    cycle.response_started = cycle.response_complete = True
    pieces = (STATUS_LINE[status], head, b"\r\n", *(() if cycle.scope["method"] == "HEAD" else body))
    if max(map(len, pieces)) > JOINED_MAX_BYTES:
        cycle.transport.writelines(pieces)
    else:
        cycle.transport.write(b"".join(pieces))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
