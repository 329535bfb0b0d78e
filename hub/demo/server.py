"""An ASGI application on a loopback port, started and stopped inside a running event loop."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

LOOPBACK = "127.0.0.1"
START_WAIT_SECONDS = 30.0
POLL_SECONDS = 0.005
STOP_WAIT_SECONDS = 1.0
KEPT_ALIVE_SECONDS = 30  # longer than any client here keeps a connection: none is used in the moment in which it ends
BACKLOG_MAX_CONNECTIONS = 512
PORTS = range(15_000, 32_000)
"""Systems give none of these to a connection of their own accord: the port of a server that is down for a while stays free."""
PORT_TRIES_MAX = 50


class QuietServer(uvicorn.Server):
    """A server that leaves the signals to the program it runs in, and stops without uvicorn's pauses of a tenth of a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told_to_stop = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield

    async def main_loop(self) -> None:
        """Lasts until `told_to_stop`."""
        await self.told_to_stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, let what is being answered finish within STOP_WAIT_SECONDS, then cut."""
        for server in self.servers:
            server.close()
        await asyncio.sleep(POLL_SECONDS)  # what was accepted in the last moment shows itself
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_WAIT_SECONDS):
                await self._until_quiet()
        for task in list(self.server_state.tasks):
            task.cancel()

    async def _until_quiet(self) -> None:
        while self.server_state.connections or self.server_state.tasks:  # uvicorn has no event
            for connection in list(self.server_state.connections):
                connection.shutdown()
            await asyncio.sleep(POLL_SECONDS)


class LoopbackServer:
    """Serves one application. The port stays the same over `stop` and `start`, so that a platform can be down for a while."""

    def __init__(self, app: ASGIApp, port: int = 0, protocol: type[asyncio.Protocol] | None = None) -> None:
        self._app = app
        self._protocol = protocol
        self._socket: socket.socket | None = listen(port)
        self.port: int = self._socket.getsockname()[1]
        self._server: QuietServer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when connections are accepted."""
        sock = self._socket or listen(self.port)
        self._socket = None
        config = uvicorn.Config(
            self._app,
            http=self._protocol or "auto",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEPT_ALIVE_SECONDS,
        )
        self._server = QuietServer(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[sock]))
        await self._until_started(self._server, self._task)

    async def stop(self) -> None:
        """Ends every connection; returns when the port is free."""
        if self._socket is not None:
            self._socket.close()
        if self._server is not None and self._task is not None:
            self._server.told_to_stop.set()
            with suppress(asyncio.CancelledError):
                await self._task
        self._socket = self._server = self._task = None

    async def _until_started(self, server: QuietServer, task: asyncio.Task[None]) -> None:
        async with asyncio.timeout(START_WAIT_SECONDS):
            while not server.started:
                if task.done():
                    raise RuntimeError("the server did not start")
                await asyncio.sleep(POLL_SECONDS)


def listen(port: int) -> socket.socket:
    """A listening socket on this loopback port (0: a free one of PORTS). Raises OSError when it is taken."""
    if port:
        return _listening(port)
    for tried in random.sample(PORTS, PORT_TRIES_MAX):
        with suppress(OSError):
            return _listening(tried)
    return _listening(0)


def free_port() -> int:
    """A loopback port of PORTS that nobody listens on."""
    with listen(0) as sock:
        port: int = sock.getsockname()[1]
        return port


def _listening(port: int) -> socket.socket:
    # asyncio sends small packets at once only on sockets that say that they are TCP
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((LOOPBACK, port))
        sock.listen(BACKLOG_MAX_CONNECTIONS)
    except OSError:
        sock.close()
        raise
    return sock
