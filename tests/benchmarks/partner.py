"""Partners for benchmarks: `python -m tests.benchmarks.partner CONTROL_PORT COUNT [--tls CERTIFICATE KEY]`.

One process, an origin of its own (a port) for each of COUNT platforms. What a platform implements stands in the path of its versions URL:
`/locations.RECEIVER+cdrs.RECEIVER/versions`. Every push is answered 1000; the control port tells what was received:

    GET /ports            the ports of the platforms
    GET /counts           how many pushes each platform got
    GET /seen             the pushes of each platform: CLOCK_MONOTONIC time, id of the object, last `last_updated` in it
    GET /bodies           the last body under every path, by platform
    GET /posts            the bodies of all POSTs, by platform
    GET /forget           begin again
    GET /hang/N           platform N takes requests and answers none, until
    GET /release          it answers all of them
    GET /hanging          whether each platform does
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from os import read
from typing import Any, cast

from tests.benchmarks.load import fastest_loop

TOKEN = "the-token-that-the-hub-uses-at-partners"
BACKLOG_CONNECTIONS = 1024

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_REQUEST_ID = re.compile(rb"\r\nx-request-id:[^\r]*", re.IGNORECASE)
_CORRELATION_ID = re.compile(rb"\r\nx-correlation-id:[^\r]*", re.IGNORECASE)
_ID = re.compile(rb'"id"\s*:\s*"([^"]+)"')
_MARK = re.compile(rb'"last_updated"\s*:\s*"([^"]+)"')
_STAMP = b'"timestamp":"2026-01-01T00:00:00Z"'
_DONE = b'{"data":null,"status_code":1000,' + _STAMP + b"}"
_EMPTY = b'{"data":[],"status_code":1000,' + _STAMP + b"}"


@dataclass(slots=True)
class Platform:
    """One platform and what reached it: (time, id, last_updated) of every push, the last body under each path, and all that was posted."""

    port: int
    scheme: str
    pushes: list[tuple[float, str, str]] = field(default_factory=list)
    bodies: dict[str, str] = field(default_factory=dict)
    posts: list[str] = field(default_factory=list)
    is_hanging: bool = False
    held: list[Callable[[], None]] = field(default_factory=list)

    def take(self, path: str, body: bytes) -> None:
        """Note a push."""
        name, marks = _ID.search(body), _MARK.findall(body)
        self.pushes.append((time.monotonic(), name[1].decode() if name else path, marks[-1].decode() if marks else ""))
        self.bodies[path] = body.decode()

    def release(self) -> None:
        """Answer what was held."""
        self.is_hanging = False
        held, self.held = self.held, []
        for answer in held:
            answer()

    def describe(self, path: str) -> bytes:
        """The answer to a GET: versions, details of 2.2.1, or an empty list."""
        _, offers, *rest = path.partition("?")[0].split("/")
        base = f"{self.scheme}://127.0.0.1:{self.port}/{offers}"
        if rest == ["versions"]:
            return _answer([{"version": "2.2.1", "url": f"{base}/2.2.1"}])
        if rest == ["2.2.1"]:
            return _answer({"version": "2.2.1", "endpoints": endpoints(base, offers)})
        return _EMPTY


class Connection(asyncio.Protocol):
    """HTTP/1.1 as clients speak it that send a length; one answer for each request, in order."""

    __slots__ = ("_platform", "_received", "_transport")

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Serve every request that is whole."""
        received = self._received + data
        while (end := received.find(_HEAD_END)) >= 0:
            head, start = received[:end], end + len(_HEAD_END)
            length = _LENGTH.search(head)
            stop = start + (int(length[1]) if length else 0)
            if len(received) < stop:
                break
            self._serve(head, received[start:stop])
            received = received[stop:]
        self._received = received

    def _serve(self, head: bytes, body: bytes) -> None:
        method, path, _ = head.split(b" ", 2)
        if method == b"GET":
            self._reply(head, self._platform.describe(path.decode()))
            return
        self._platform.take(path.decode(), body)
        if method == b"POST":
            self._platform.posts.append(body.decode())
        if self._platform.is_hanging:
            self._platform.held.append(lambda: self._reply(head, _DONE))
            return
        self._reply(head, _DONE)

    def _reply(self, head: bytes, body: bytes) -> None:
        ids = b"".join(found[0] for pattern in (_REQUEST_ID, _CORRELATION_ID) if (found := pattern.search(head)))
        length = b"\r\ncontent-length: %d" % len(body)
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json" + length + ids + _HEAD_END + body)


@dataclass(frozen=True, slots=True)
class Control:
    """What the harness asks."""

    platforms: list[Platform]

    def answer(self, path: str) -> Any:
        """The answer to a path of the control port."""
        _, word, *rest = path.split("/")
        if word == "hang":
            self.platforms[int(rest[0])].is_hanging = True
        if word == "release":
            for platform in self.platforms:
                platform.release()
        if word == "forget":
            for platform in self.platforms:
                platform.pushes.clear()
                platform.bodies.clear()
                platform.posts.clear()
        return self._told().get(word, lambda: None)()

    def _told(self) -> dict[str, Callable[[], Any]]:
        return {
            "ports": lambda: [platform.port for platform in self.platforms],
            "counts": lambda: [len(platform.pushes) for platform in self.platforms],
            "hanging": lambda: [platform.is_hanging for platform in self.platforms],
            "seen": lambda: [platform.pushes for platform in self.platforms],
            "bodies": lambda: [platform.bodies for platform in self.platforms],
            "posts": lambda: [platform.posts for platform in self.platforms],
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of the harness, and the end of the connection."""
        head = await reader.readuntil(_HEAD_END)
        body = json.dumps(self.answer(head.split(b" ", 2)[1].decode())).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()


def endpoints(base: str, offers: str) -> list[dict[str, str]]:
    """The endpoints of a platform that offers these: `locations.RECEIVER+cdrs.RECEIVER`."""
    named = [offer.split(".") for offer in offers.split("+") if "." in offer]
    credentials = {"identifier": "credentials", "role": "SENDER", "url": f"{base}/credentials"}
    return [credentials, *({"identifier": m, "role": role, "url": f"{base}/{m}"} for m, role in named)]


def _answer(data: Any) -> bytes:
    return _EMPTY.replace(b"[]", json.dumps(data).encode())


async def serve(control_port: int, count: int, tls: ssl.SSLContext | None) -> None:
    """Listen on a port for each platform and on the control port, until ended."""
    loop, platforms = asyncio.get_running_loop(), []
    control_socket = socket.socket()
    control_socket.bind(("127.0.0.1", control_port))  # before a platform is given that port
    for _ in range(count):
        platform = Platform(0, "https" if tls else "http")
        server = await loop.create_server(
            partial(Connection, platform), "127.0.0.1", 0, ssl=tls, backlog=BACKLOG_CONNECTIONS
        )
        platform.port = server.sockets[0].getsockname()[1]
        platforms.append(platform)
    control = await asyncio.start_server(Control(platforms).serve, sock=control_socket)
    await control.serve_forever()


def end_with_parent() -> None:
    """End this process when standard input closes."""

    def wait() -> None:
        while read(0, 4096):
            pass
        import os

        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description="partners for benchmarks")
    parser.add_argument("control_port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    arguments = parser.parse_args()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if arguments.tls else None
    if context is not None:
        context.load_cert_chain(*arguments.tls)
    end_with_parent()
    with asyncio.Runner(loop_factory=fastest_loop()) as runner:
        runner.run(serve(arguments.control_port, arguments.count, context))


if __name__ == "__main__":
    main()
