"""Runs the hub: the embedded database when no other is set, the tables, and uvicorn around the application, in one process or several."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
import uvicorn

from hub.app import create_app
from hub.clock import SystemClock
from hub.console.demonstration import make_accounts
from hub.console.gate import Gate
from hub.console.signing_in import first_link
from hub.logs import name_process
from hub.partners.natsserver import running_server
from hub.settings import Settings, environment_with
from hub.store.accounts import Accounts
from hub.store.database import Database
from hub.store.leader import key_mark, require_one_key
from hub.store.rotation import require_key
from hub.web.protocol import EnvelopeProtocol
from hub.whereabouts import database_url, told_address
from hub.workers import Plan, Supervisor, worker_command

GRACE_SECONDS = 10
KEPT_ALIVE_SECONDS = 30
YOUNG_OBJECTS_MAX = 20_000
FRAME_MAX_BYTES = 128 * 1024
PING_EVERY_SECONDS = 30.0
PONG_WAIT_SECONDS = 30.0
END_WAIT_SECONDS = 25  # longer than GRACE_SECONDS and all that is waited for afterwards

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen: at an address, or on a socket that was inherited (a worker does)."""

    host: str
    port: int
    descriptor: int | None = None


def serve(settings: Settings, listen: Listen, *, until_stdin_closes: bool) -> int:
    """Serve until a signal (or the end of standard input) asks for the end; the database stops last. Returns the exit status."""
    if listen.descriptor is not None:
        return _serve_as_worker(settings, listen.descriptor)
    with _listening(listen.host, listen.port) as sock:
        settings = settings if settings.public_url else _with_address(settings, listen.host, sock.getsockname()[1])
        with database_url(settings, is_shared=False) as url, told_address(settings):
            asyncio.run(prepare(settings, url))
            _log.info("serving", url=settings.base_url, versions=f"{settings.base_url}/ocpi/versions")
            if settings.workers > 1:
                return _run_workers(settings, url, sock, until_stdin_closes=until_stdin_closes)
            return _run(settings, url, sock, until_stdin_closes=until_stdin_closes)


async def prepare(settings: Settings, url: str) -> None:
    """Bring the tables to the newest version. Raises ValueError when the database does not answer, or needs another secret key."""
    database, key = Database(url), settings.secret_key_bytes()
    try:
        await _migrate(database)
        await require_key(database, key)
        await require_one_key(url, key_mark(key))
        await _open_console(database, settings)
    finally:
        await database.close()


async def _open_console(database: Database, settings: Settings) -> None:
    """Where nobody can sign in yet, say how the first account is made; a demonstration has its own ones."""
    gate = Gate(Accounts(database.direct), SystemClock(), settings.base_url)
    if settings.demo_accounts:
        await make_accounts(gate)
    elif (path := await first_link(gate)) is not None:
        _log.warning("no_account_yet", make_the_first_one_at=f"{settings.base_url}{path}")


async def _migrate(database: Database) -> None:
    try:
        await database.ping()
    except Exception as error:  # what a driver raises is its own affair; none of it is a fault of the hub
        raise ValueError(f"the database does not answer: {error.__cause__ or error}") from error
    await database.migrate()


def _serve_as_worker(settings: Settings, descriptor: int) -> int:
    assert settings.database_url is not None
    name_process(settings.process_name or "")
    with socket.socket(fileno=descriptor) as sock:
        return _run(settings, settings.database_url.get_secret_value(), sock, until_stdin_closes=True)


def _run_workers(settings: Settings, url: str, sock: socket.socket, *, until_stdin_closes: bool) -> int:
    with _nats_url(settings) as nats_url:
        supervisor = Supervisor(worker_plan(settings, (url, nats_url), sock.fileno()))
        if until_stdin_closes:
            threading.Thread(target=_at_end_of_input, args=(supervisor.stop,), daemon=True).start()
        return supervisor.run()


def worker_plan(settings: Settings, urls: tuple[str, str], descriptor: int) -> Plan:
    """The workers of a hub: the environment of this process, with what it found out (`urls` of database and NATS) put into it."""
    environment = environment_with(
        HUB_DATABASE_URL=urls[0],
        HUB_NATS_URL=urls[1],
        HUB_PUBLIC_URL=settings.base_url,
        HUB_DATA_DIR=str(settings.data_dir.resolve()),
        HUB_WORKERS="1",
    )
    machine = settings.process_name or socket.gethostname()
    names = [{"HUB_PROCESS_NAME": f"{machine}-{number + 1}"} for number in range(settings.workers)]
    return Plan(worker_command(descriptor), environment, names, descriptor)


@contextmanager
def _nats_url(settings: Settings) -> Iterator[str]:
    """The outside NATS, else one of our own for as long as the block lasts."""
    if (url := settings.nats_url_text()) is not None:
        yield url
        return
    with running_server(settings.data_dir) as url:
        yield url


def _run(settings: Settings, url: str, sock: socket.socket, *, until_stdin_closes: bool) -> int:
    app = create_app(settings, url)
    server = HubServer(server_config(app), app.state.live.close)
    if until_stdin_closes:
        threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
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


def server_config(app: Any) -> uvicorn.Config:
    """How the application is served: HTTP, and the WebSockets of stations on the same port."""
    return uvicorn.Config(
        app,
        http=EnvelopeProtocol,
        ws="websockets-sansio",  # reads the next frame when the last one was taken: whoever floods waits
        ws_max_size=FRAME_MAX_BYTES,
        ws_ping_interval=PING_EVERY_SECONDS,
        ws_ping_timeout=PONG_WAIT_SECONDS,
        ws_per_message_deflate=False,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # links are made from HUB_PUBLIC_URL, and nothing else asks who the caller says he is
        timeout_keep_alive=KEPT_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _stop_at_end_of_input(server: uvicorn.Server) -> None:
    """Whoever closes the input may be gone, with the database: the end must not hang on anybody."""

    def stop() -> None:
        server.should_exit = True
        time.sleep(END_WAIT_SECONDS)
        os._exit(1)

    _at_end_of_input(stop)


def _at_end_of_input(stop: Callable[[], None]) -> None:
    while os.read(sys.stdin.fileno(), 4096):  # not the buffer: its lock would hold up the end of the interpreter
        pass
    stop()


class HubServer(uvicorn.Server):
    """Takes a signal as a wish to end and leaves the rest of the way out to `serve`: uvicorn itself would raise it again.

    `hush` ends what would go on answering for minutes.
    """

    def __init__(self, config: uvicorn.Config, hush: Callable[[], None]) -> None:
        super().__init__(config)
        self._hush = hush

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let pages that refresh themselves go before all that is being answered is waited for."""
        self._hush()
        await super().shutdown(sockets)

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
