"""Runs the hub: the embedded database when no other is set, the tables, and uvicorn around the application."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
import uvicorn

from hub.app import create_app
from hub.settings import Settings
from hub.store.embedded import start
from hub.web.protocol import EnvelopeProtocol

GRACE_SECONDS = 10
KEPT_ALIVE_SECONDS = 30
ADDRESS_FILE = "public-url"

_log = structlog.get_logger()


def serve(settings: Settings, host: str, port: int, *, until_stdin_closes: bool) -> int:
    """Serve until a signal (or the end of standard input) asks for the end; the database stops last. Returns the exit status."""
    settings = settings if settings.public_url else settings.model_copy(update={"public_url": f"http://{host}:{port}"})
    with _database(settings) as url, told_address(settings):
        server = HubServer(_config(create_app(settings, url), host, port))
        if until_stdin_closes:
            threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
        _log.info("serving", url=settings.base_url, versions=f"{settings.base_url}/ocpi/versions")
        server.run()
    return 0 if server.started else 1


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
def _database(settings: Settings) -> Iterator[str]:
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    with start(settings.data_dir, settings.pg_bin) as running:
        yield running.server.url


def _config(app: Any, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=EnvelopeProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEPT_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _stop_at_end_of_input(server: uvicorn.Server) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    server.should_exit = True


class HubServer(uvicorn.Server):
    """Takes a signal as a wish to end and leaves the rest of the way out to `serve`: uvicorn itself would raise it again."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM while serving."""
        before = {kind: signal.signal(kind, self.handle_exit) for kind in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)
