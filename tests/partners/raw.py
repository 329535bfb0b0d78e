"""A partner that is a socket: it says any bytes, and shows what came byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

from hub.partners.guard import AddressInfo

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Total-Count: 7\r\n\r\nok"


class Partner:
    """A server that notes every request and plays its `answers`, then one answer for ever; `None` means that it never answers."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.answer: bytes | None = OK
        self.answers: list[bytes] = []
        self.port = 0
        self.connections = 0
        self.open: set[asyncio.StreamWriter] = set()
        self.open_max = 0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the last request, names in lower case."""
        lines = self.requests[-1].split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}

    @property
    def targets(self) -> list[str]:
        """What stood between method and version in each request."""
        return [request.split("\r\n")[0].split(" ", 1)[1].rpartition(" ")[0] for request in self.requests]

    @contextlib.asynccontextmanager
    async def running(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Partner]:
        """Serve on a port that is free."""
        server = await asyncio.start_server(self._serve, host, 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in list(self.open):
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        self.connections += 1
        self.open_max = max(self.open_max, len(self.open))
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head.decode("latin-1"))
                self.bodies.append(await reader.readexactly(int(self.headers.get("content-length", 0))))
                answer = self.answers.pop(0) if self.answers else self.answer
                if answer is None:
                    await reader.read()
                    break
                writer.write(answer)
                await writer.drain()
                if b"Content-Length" not in answer or b"Connection: close" in answer:
                    break
        self.open.discard(writer)
        writer.close()


def address_info(address: str, port: int) -> AddressInfo:
    """An address as the machine's resolver tells it."""
    return (10, 1, 6, "", (address, port, 0, 0)) if ":" in address else (2, 1, 6, "", (address, port))
