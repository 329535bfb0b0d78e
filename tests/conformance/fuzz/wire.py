"""HTTP by hand: a client that sends exactly these bytes, and a server that answers with exactly those.

Client libraries tidy up paths, refuse odd methods and join double headers, so they cannot send what has to be sent here.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

ANSWER_WAIT_SECONDS = 30.0
POLL_SECONDS = 0.005
REQUEST_MAX_BYTES = 4 * 1024 * 1024

Headers = list[tuple[str, str]]

DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z")
HTTP_STATUSES = frozenset({200, 201, 400, 401, 404, 405, 413})
CODES = frozenset({1000, *range(2000, 2005), *range(3001, 3004), *range(4000, 4004)})
"""What the hub itself may say (S-01): all codes of OCPI but 3000, which would be a fault that nobody foresaw."""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An HTTP answer as it came: header names in lower case, in order."""

    status: int
    headers: Headers
    body: bytes

    def values(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for key, value in self.headers if key == name]

    @property
    def content(self) -> Any:
        """The decoded JSON of the body. Raises ValueError when it is none."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as it goes out; `Content-Length` is added unless the headers say how long the body is."""

    method: str
    target: str
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    def as_bytes(self, host: str) -> bytes:
        """What is written to the socket."""
        named = {name.lower() for name, _ in self.headers}
        length = [] if {"content-length", "transfer-encoding"} & named else [("Content-Length", str(len(self.body)))]
        lines = [("Host", host), ("Connection", "close"), *length, *self.headers]
        head = "".join(f"{name}: {value}\r\n" for name, value in lines)
        return f"{self.method} {self.target} HTTP/1.1\r\n{head}\r\n".encode("latin-1", "replace") + self.body


async def exchange(port: int, request: bytes) -> RawAnswer:
    """Write these bytes to a server on the loopback interface and read its answer to the end. Raises TimeoutError."""
    async with asyncio.timeout(ANSWER_WAIT_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            await writer.drain()
            return read_answer(await reader.read(-1))
        finally:
            writer.close()


def read_answer(said: bytes) -> RawAnswer:
    """The one answer in what a server said before it closed the connection; what only says that one is to come is passed over."""
    head, _, body = said.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        return read_answer(body)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return RawAnswer(int(first.split(" ")[1]), headers, body)


def assert_answered_in_ocpi(answer: RawAnswer, *, method: str = "GET", codes: Iterable[int] = CODES) -> None:
    """Whatever came in: an envelope with a code and a time, both message ids once, and no HTTP status of a broken server."""
    assert answer.status in HTTP_STATUSES, answer
    for name in ("x-request-id", "x-correlation-id"):
        assert len(answer.values(name)) == 1, (name, answer)
        assert all(answer.values(name)), (name, answer)
    assert answer.values("content-type") == ["application/json"], answer
    if method == "HEAD":  # has no body in HTTP
        return
    assert_envelope(answer.body, codes)


def assert_envelope(body: bytes, codes: Iterable[int] = CODES) -> None:
    """Y-03, T-11."""
    content = json.loads(body)
    assert isinstance(content, dict), body
    assert content["status_code"] in codes, body
    assert DATE_TIME.fullmatch(content["timestamp"]), body
    assert isinstance(content.get("status_message", ""), str), body
    assert content.keys() <= {"data", "status_code", "status_message", "timestamp"}, body
    assert b"Traceback" not in body


class RawPartner:
    """A server that answers byte for byte what it was told, then closes; `bodies` and `request_ids` are those of what it was asked."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.request_ids: list[bytes] = []
        self.port = 0
        self._answer = b""
        self._answers: dict[str, bytes] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def say(self, answer: bytes, **answers: bytes) -> None:
        """Answer like this from now on (paths that end in a name of `answers` like that), and forget what was asked."""
        self._answer, self._answers, self.bodies, self.request_ids = answer, answers, [], []

    async def until_asked(self, body: bytes) -> None:
        """Return as soon as a request with this body was here. Raises TimeoutError."""
        async with asyncio.timeout(ANSWER_WAIT_SECONDS):
            while body not in self.bodies:  # noqa: ASYNC110 - the server's own handler appends, in this loop
                await asyncio.sleep(POLL_SECONDS)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_announced(head))
            self.bodies.append(body)
            self.request_ids += re.findall(rb"(?i)\r\nx-request-id: *([^\r]+)", head)
            writer.write(self._answers.get(_last_segment(head), self._answer))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


def _last_segment(head: bytes) -> str:
    return head.split(b" ", 2)[1].rpartition(b"/")[2].decode("latin-1")


def _announced(head: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return min(int(found[1]), REQUEST_MAX_BYTES) if found else 0
