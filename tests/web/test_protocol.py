"""Answers over a real socket: whole, in order, and never more than one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.types import Receive, Scope, Send

from hub.demo.server import LoopbackServer
from hub.web.protocol import JOINED_MAX_BYTES, SEND, WHOLE_ANSWER, EnvelopeProtocol

Ask = Callable[[bytes], Awaitable[bytes]]

ANSWER_WAIT_SECONDS = 20.0

LONG = b"x" * (4 * JOINED_MAX_BYTES)
PIECES = {"/short": (b"ab", b"cd"), "/long": (b"[", LONG, b"]"), "/empty": (b"",)}


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    whole = scope["extensions"][WHOLE_ANSWER][SEND]
    if scope["path"] == "/two":
        await whole(200, [(b"content-length", b"2"), (b"x-odd", b"a\r\nx-more: b")], (b"ab",))
    pieces = PIECES[scope["path"]]
    await whole(200, [(b"content-length", b"%d" % sum(map(len, pieces)))], pieces)


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    server = LoopbackServer(answering, protocol=EnvelopeProtocol)
    await server.start()

    async def asked(request: bytes) -> bytes:
        """All that comes back to these bytes until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), ANSWER_WAIT_SECONDS)
        writer.close()
        return answer

    yield asked
    await server.stop()


def request(path: str, method: str = "GET", connection: str = "close") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nhost: h\r\nconnection: {connection}\r\n\r\n".encode()


@pytest.mark.parametrize("path", ["/short", "/long", "/empty"])
async def test_an_answer_comes_whole(ask: Ask, path: str) -> None:
    head, _, body = (await ask(request(path))).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in head
    assert body == b"".join(PIECES[path])


async def test_several_requests_at_once_are_answered_in_order(ask: Ask) -> None:
    asked = request("/long", connection="keep-alive") + request("/short", connection="keep-alive") + request("/empty")
    first, _, rest = (await ask(asked)).partition(LONG + b"]")
    assert first.endswith(b"\r\n\r\n[")
    assert rest.count(b"HTTP/1.1 200 ") == 2
    assert rest.index(b"abcd") < rest.rindex(b"HTTP/1.1 200 ")


async def test_a_head_is_answered_without_a_body(ask: Ask) -> None:
    head, _, body = (await ask(request("/short", "HEAD"))).partition(b"\r\n\r\n")
    assert b"content-length: 4" in head
    assert body == b""


async def test_a_header_that_would_make_two_is_not_sent(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask(request("/two"))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"x-more" not in answer
    assert "a header that would make two" in caplog.text
