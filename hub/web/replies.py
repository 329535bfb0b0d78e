"""A reply as an HTTP response: envelope, message ids, routing headers; the one way out of the hub."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from starlette.types import Scope, Send

from hub.web.protocol import SEND, WHOLE_ANSWER, AnswerWhole
from ocpi_modules.envelope import envelope_pieces
from ocpi_modules.headers import routing_headers
from ocpi_modules.message import Reply


async def write_reply(
    ways: tuple[Scope, Send], reply: Reply, request_id: str, correlation_id: str, now: datetime
) -> tuple[tuple[bytes, ...], int]:
    """Send a reply, in one piece where the server can; returns its body, in pieces, and how many bytes that are.

    Its ids are those of the request (T-16, T-19), its routing headers those of the hub's decision (R-03, R-04).
    """
    pieces = (
        (reply.raw,) if reply.raw is not None else envelope_pieces(now, reply.status_code, reply.message, reply.data)
    )
    size = sum(map(len, pieces))
    head = [
        _JSON,
        (b"content-length", b"%d" % size),
        (b"x-request-id", request_id.encode("latin-1")),
        (b"x-correlation-id", correlation_id.encode("latin-1")),
    ]
    if reply.receiver is not None or reply.sender is not None:
        head += _encoded(routing_headers(reply.sender, reply.receiver))
    if reply.headers:
        head += _encoded(reply.headers)
    scope, send = ways
    if (extension := scope.get("extensions", {}).get(WHOLE_ANSWER)) is not None:
        whole: AnswerWhole = extension[SEND]
        await whole(reply.http_status, head, pieces)
        return pieces, size
    await send({"type": "http.response.start", "status": reply.http_status, "headers": head})
    await send({"type": "http.response.body", "body": b"".join(pieces)})
    return pieces, size


_JSON = (b"content-type", b"application/json")


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
