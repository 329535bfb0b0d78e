"""Runs the hub: the embedded database when no other is set, the tables, and uvicorn around the application."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
import uvicorn

from hub.app import create_app
from hub.settings import Settings
from hub.store.embedded import attach_or_start, start
from hub.web.protocol import EnvelopeProtocol

GRACE_SECONDS = 10
KEPT_ALIVE_SECONDS = 30
YOUNG_OBJECTS_MAX = 20_000
ADDRESS_FILE = "public-url"

_log = structlog.get_logger()


def serve(settings: Settings, host: str, port: int, *, until_stdin_closes: bool) -> int:
    """Serve until a signal (or the end of standard input) asks for the end; the database stops last. Returns the exit status."""
    with _listening(host, port) as sock:
        settings = settings if settings.public_url else _with_address(settings, host, sock.getsockname()[1])
        with database_url(settings, is_shared=False) as url, told_address(settings):
            return _run(settings, url, sock, until_stdin_closes=until_stdin_closes)


def _run(settings: Settings, url: str, sock: socket.socket, *, until_stdin_closes: bool) -> int:
    server = HubServer(_config(create_app(settings, url)))
    if until_stdin_closes:
        threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
    _log.info("serving", url=settings.base_url, versions=f"{settings.base_url}/ocpi/versions")
    server.run(sockets=[sock])
    return 0 if server.started else 1


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """The port, taken before anything else starts. Raises ValueError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError as exc:
            raise ValueError(f"cannot listen on {host} port {port}: {exc.strerror}") from exc
        yield sock


def _with_address(settings: Settings, host: str, port: int) -> Settings:
    """The settings with an address made from host and port; partners on other machines need HUB_PUBLIC_URL."""
    is_any = host in {"0.0.0.0", "::"}
    reachable = "127.0.0.1" if is_any else f"[{host}]" if ":" in host else host
    if is_any:
        _log.warning("no_public_url", advice="set HUB_PUBLIC_URL to the address under which partners reach this hub")
    return settings.model_copy(update={"public_url": f"http://{reachable}:{port}"})


@contextmanager
def told_address(settings: Settings) -> Iterator[None]:
    """While the hub runs, its address stands in the data folder, where other commands find it."""
    file = settings.data_dir / ADDRESS_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(settings.base_url)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def address(settings: Settings) -> str:
    """The address of the hub: the setting, else that of the running hub, else where it listens by default."""
    file = settings.data_dir / ADDRESS_FILE
    if settings.public_url is None and file.exists():
        return file.read_text().strip()
    return settings.base_url


@contextmanager
def database_url(settings: Settings, *, is_shared: bool) -> Iterator[str]:
    """The outside database, else the embedded one for as long as the block lasts: ours alone, or shared with a hub that runs."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    open_server = attach_or_start if is_shared else start
    with open_server(settings.data_dir, settings.pg_bin) as running:
        yield running.server.url


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=EnvelopeProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # links are made from HUB_PUBLIC_URL, and nothing else asks who the caller says he is
        timeout_keep_alive=KEPT_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _stop_at_end_of_input(server: uvicorn.Server) -> None:
    while os.read(sys.stdin.fileno(), 4096):  # not the buffer: its lock would hold up the end of the interpreter
        pass
    server.should_exit = True


class HubServer(uvicorn.Server):
    """Takes a signal as a wish to end and leaves the rest of the way out to `serve`: uvicorn itself would raise it again."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then leave what was made so far out of the search for garbage: it stays, and each look at it is a pause."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS_MAX)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM while serving."""
        before = {kind: signal.signal(kind, self.handle_exit) for kind in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)
