"""The limit: `python -m tests.benchmarks.bare PORT [--raw] [--page BYTES]` answers every request with the same bytes.

A bare ASGI application in uvicorn; with `--raw` an asyncio protocol without HTTP machinery, against which the load generator is measured.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any, cast

import uvicorn

from tests.benchmarks.load import fastest_loop

ENVELOPE = b'{"data":null,"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'


class BareApp:
    """Reads the body and answers a page to a GET, a bare envelope to everything else."""

    def __init__(self, page_bytes: int) -> None:
        page = ENVELOPE.replace(b"null", b'["' + b"x" * page_bytes + b'"]')
        self._page, self._envelope = _prepared(page), _prepared(ENVELOPE)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request, ASGI."""
        assert scope["type"] == "http"
        while (await receive()).get("more_body"):
            pass
        start, body = self._page if scope["method"] == "GET" else self._envelope
        await send(start)
        await send(body)


class RawProtocol(asyncio.Protocol):
    """Answers once the end of a request came in; it does not read what the request says."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer: the load generator sends a small request in one piece."""
        self._transport.write(_RAW_ANSWER)


_HEADERS = [(b"content-type", b"application/json")]
_RAW_ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ENVELOPE) + ENVELOPE
)


def _prepared(body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    headers = [*_HEADERS, (b"content-length", str(len(body)).encode())]
    return {"type": "http.response.start", "status": 200, "headers": headers}, {
        "type": "http.response.body",
        "body": body,
    }


async def _serve_raw(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(RawProtocol, "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--raw", action="store_true")
    parser.add_argument("--page", type=int, default=0, metavar="BYTES", help="what a GET is answered with")
    arguments = parser.parse_args()
    if arguments.raw:
        with asyncio.Runner(loop_factory=fastest_loop()) as runner:
            runner.run(_serve_raw(arguments.port))
    app = BareApp(arguments.page)
    uvicorn.run(app, port=arguments.port, access_log=False, log_level="warning", lifespan="off", ws="none")


if __name__ == "__main__":
    main()
