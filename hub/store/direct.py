"""Connections without layers, for what every request does: the copies are written and read through these.

A statement through the object mapper costs some three hundred microseconds of our own time, one through the bare driver thirty. Rare work
(partners, permissions, settlement) stays with `Database`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
import structlog

from hub.store.group import Interrupted

CONNECTIONS_MAX = 6
CONNECT_WAIT_SECONDS = 10
CONNECTION_WAIT_SECONDS = 10
UNDO_WAIT_SECONDS = 5
STATEMENT_TIME_MAX_MILLISECONDS = 30_000
IDLE_TIME_MAX_MILLISECONDS = (
    30_000  # the locks of a process that stands still, or whose machine is gone, end with its connections
)
ANSWER_WAIT_SECONDS = 35.0
LONG_STATEMENT_TIME_MAX_SECONDS = 600
LONG_ANSWER_WAIT_SECONDS = LONG_STATEMENT_TIME_MAX_SECONDS + 5.0
SORT_MEMORY_MEBIBYTES = 64  # for each sort or join of a long transaction

_log = structlog.get_logger()

Answer = TypeVar("Answer")

Record = Mapping[str, Any]
"""A row, by the names of its columns."""


class Connection(Protocol):
    """What is used of a connection of the driver."""

    async def execute(self, query: str, *args: Any) -> str: ...
    async def executemany(self, command: str, args: Iterable[Sequence[Any]]) -> None: ...
    async def fetch(self, query: str, *args: Any) -> Sequence[Record]: ...
    async def copy_records_to_table(
        self, table_name: str, *, records: Iterable[Sequence[Any]], columns: Sequence[str]
    ) -> str: ...
    async def close(self) -> None: ...
    def is_closed(self) -> bool: ...
    def terminate(self) -> None: ...


# what other drivers know and this one does not
_FOREIGN_OPTIONS = frozenset(
    {"connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"}
)


class Unavailable(Interrupted):
    """The database went away, or was not there; whether the work was done is not known."""


class Direct:
    """A few connections to one PostgreSQL, made when they are needed and used again; `url` as in `Database`.

    What is written by those that are lazy may be lost when the server is killed in the next second.
    """

    def __init__(self, url: str, *, is_lazy: bool = False) -> None:
        self._dsn = bare_url(url)
        self._options = {"synchronous_commit": "off"} if is_lazy else {}
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(CONNECTIONS_MAX)
        self._ending: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @asynccontextmanager
    async def connection(
        self, statement: str, *values: Any, afterwards: str
    ) -> AsyncIterator[tuple[Connection, Sequence[Record]]]:
        """A connection with the rows of a first statement, which changes nothing but locks; it ends when the block raises.

        `afterwards` is executed on it after the block, which does not wait for that: it gives back the locks. Raises Unavailable when
        the database is not there or goes away.
        """
        await self._take_slot()
        try:
            connection, rows = await self._begun(lambda one: one.fetch(statement, *values))
            async with _whole(connection):
                yield connection, rows
        except BaseException:
            self._slots.release()
            raise
        task = asyncio.create_task(self._end(connection, afterwards), context=Context())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    @asynccontextmanager
    async def transaction(self, *, is_long: bool = False) -> AsyncIterator[Connection]:
        """A connection whose work is committed when the block ends and undone when it raises.

        A long one is for work on everything of a month, where nobody waits in a request: it has a connection of its own, whose statements
        may take minutes once `take_time` says so. Raises Unavailable when the database is not there or goes away, even in the commit.
        """
        async with self._slot():
            connection = await self._begin(is_long)
            async with _whole(connection), _undone(connection):
                yield connection
                await connection.execute("commit")
            if is_long:
                await connection.close()
            else:
                self._give_back(connection)

    async def fetch(self, statement: str, *values: Any) -> Sequence[Record]:
        """The rows of one statement that changes nothing. Raises Unavailable, or what PostgreSQL says."""
        try:
            return await self._fetch(statement, values)
        except Unavailable:
            return await self._fetch(statement, values)  # an idle connection may have died unnoticed

    async def execute(self, statement: str, *values: Any) -> None:
        """One statement in a transaction of its own, with one way to the server and back. Raises Unavailable, also when an idle connection
        had died and when it is not known whether the statement was carried out; or what PostgreSQL says.
        """
        async with self._slot():
            connection = await self._open()
            async with _whole(connection):
                await connection.execute(statement, *values)
            self._give_back(connection)

    async def close(self) -> None:
        """Close the connections that are not in use, and each other one when its work is done."""
        self._is_closed = True
        await asyncio.gather(*self._ending, return_exceptions=True)
        while self._idle:
            await self._idle.pop().close()

    async def _fetch(self, statement: str, values: Sequence[Any]) -> Sequence[Record]:
        async with self._slot():
            connection = await self._open()
            async with _whole(connection):
                rows = await connection.fetch(statement, *values)
            self._give_back(connection)
            return rows

    async def _end(self, connection: Connection, statement: str) -> None:
        try:
            async with _whole(connection):
                await connection.execute(statement)
            self._give_back(connection)
        except Unavailable:
            _log.info("connection_lost")  # and its locks with it, which is all that was wanted
        finally:
            self._slots.release()

    async def _take_slot(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        async with asyncio.timeout(CONNECTION_WAIT_SECONDS):
            await self._slots.acquire()

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        await self._take_slot()
        try:
            yield
        finally:
            self._slots.release()

    async def _begun(self, first: Callable[[Connection], Awaitable[Answer]]) -> tuple[Connection, Answer]:
        """A connection and what came of its first statement; those that died while they were idle are passed over."""
        while True:
            was_idle = bool(self._idle)
            connection = await self._open()
            try:
                async with _whole(connection):
                    return connection, await first(connection)
            except Unavailable:
                if not was_idle:
                    raise

    async def _begin(self, is_long: bool) -> Connection:
        """A connection that has begun a transaction."""
        if not is_long:
            return (await self._begun(lambda one: one.execute("begin")))[0]
        connection = await self._connect(LONG_ANSWER_WAIT_SECONDS)
        async with _whole(connection):
            await connection.execute("begin")
        return connection

    async def _open(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return await self._connect(ANSWER_WAIT_SECONDS)

    async def _connect(self, answer_wait_seconds: float) -> Connection:
        try:
            made: Connection = await asyncpg.connect(
                self._dsn,
                timeout=CONNECT_WAIT_SECONDS,
                command_timeout=answer_wait_seconds,
                server_settings={
                    "timezone": "UTC",
                    "statement_timeout": str(STATEMENT_TIME_MAX_MILLISECONDS),
                    "idle_session_timeout": str(IDLE_TIME_MAX_MILLISECONDS),
                    **self._options,
                },
            )
        except (*_LOST, TimeoutError) as exc:
            raise Unavailable from exc
        return made

    def _give_back(self, connection: Connection) -> None:
        if self._is_closed or connection.is_closed():
            connection.terminate()
        else:
            self._idle.append(connection)


async def take_time(connection: Connection) -> None:
    """To its end, the statements of a long transaction may take minutes and sort in memory; cursors are planned to be read to their end."""
    await connection.execute(f"set local statement_timeout = '{LONG_STATEMENT_TIME_MAX_SECONDS}s'")
    await connection.execute(f"set local work_mem = '{SORT_MEMORY_MEBIBYTES}MB'")
    await connection.execute("set local cursor_tuple_fraction = 1")


@asynccontextmanager
async def _whole(connection: Connection) -> AsyncIterator[None]:
    """Work on a connection that ends well or ends the connection: one in the middle of something is fit for nobody else."""
    try:
        yield
    except _LOST as exc:
        connection.terminate()
        if isinstance(exc, ValueError):  # a value that the driver cannot write is the fault of the statement
            raise
        raise Unavailable from exc
    except BaseException:
        connection.terminate()
        raise


@asynccontextmanager
async def _undone(connection: Connection) -> AsyncIterator[None]:
    """A transaction whose locks are given back before anybody hears that it raised: who tries again at once is not in its own way."""
    try:
        yield
    except Exception:
        with suppress(Exception):  # a connection that cannot say it is ended, and the server undoes what it began
            async with asyncio.timeout(UNDO_WAIT_SECONDS):
                await connection.execute("rollback")
        raise


_LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.exceptions.AdminShutdownError,
    asyncpg.exceptions.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.exceptions.IdleSessionTimeoutError,
    asyncpg.LockNotAvailableError,  # somebody else holds what this needs for too long: nothing was done
)


def bare_url(url: str) -> str:
    """A database URL without the name of another driver, and without options that this driver does not know."""
    parts = urlsplit(url)
    kept = [
        (name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in _FOREIGN_OPTIONS
    ]
    return urlunsplit(parts._replace(scheme="postgresql", query=urlencode(kept)))
