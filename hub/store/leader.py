"""One process at a time leads: it holds a PostgreSQL advisory lock, on a connection that serves nothing else.

The lock is the server's, so there is never a second holder. When a process ends, or its machine disappears, the server gives the lock
back (at once, or after HOLDER_GONE_SECONDS) and another process takes it within a second. A holder that cannot reach the server stops
leading before that: after LOOK_EVERY_SECONDS + ANSWER_WAIT_SECONDS at the latest.

A session lock needs a session: between the hub and PostgreSQL there must be no pooler that hands connections round by transaction.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import LiteralString

import psycopg
import structlog

LOOK_EVERY_SECONDS = 1.0
ANSWER_WAIT_SECONDS = 3.0
CONNECT_WAIT_SECONDS = 5
HANG_UP_WAIT_SECONDS = 1.0
HOLDER_GONE_SECONDS = 10  # of no answer on the network; more than a holder needs to notice

LEADER_LOCK = 2_210_003
ALIVE_LOCK = 2_210_004

_SERVER_NOTICES = (
    "-c tcp_keepalives_idle=4 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 "
    f"-c tcp_user_timeout={HOLDER_GONE_SECONDS * 1000}"
)

ALIVE: LiteralString = (
    "select objid::bigint as key from pg_locks where locktype = 'advisory' and granted and classid = %s and objsubid = 2 "
    "and database = (select oid from pg_database where datname = current_database())"
)

_log = structlog.get_logger()

Step = Callable[[], Awaitable[None]]


class OtherKey(ValueError):
    """Another process of the hub seals its tokens with another key."""


class Leadership:
    """Tries to lead until closed: `begin` is called when this process leads, `end` when it does not any more.

    `key_mark` tells apart which secret key a process has, without telling the key: two that differ must not share a database.
    """

    def __init__(self, database_url: str, key_mark: int, begin: Step, end: Step) -> None:
        self._conninfo = database_url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._key_mark = key_mark
        self._begin, self._end = begin, end
        self._connection: psycopg.AsyncConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[list[tuple[int, ...]]] | None = None
        self.is_leader = False

    async def start(self) -> None:
        """Try once, then go on trying in the background. Raises OtherKey when a process that lives has another key."""
        await self.join()
        await self._try()
        self._task = asyncio.create_task(self._run())

    async def join(self) -> None:
        """Be one of the processes on this database, without leading. Raises OtherKey."""
        await self._connect()
        if set(await self._alive()) != {self._key_mark}:
            await self._step_down()
            raise OtherKey("another process of this hub has another HUB_SECRET_KEY; all on one database need the same")

    async def close(self) -> None:
        """Stop leading, and let another process lead at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._step_down()

    async def is_alone(self) -> bool:
        """Whether no other process of the hub has this database open."""
        return len(await self._alive()) <= 1

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            try:
                await self._look()
            except Exception as exc:
                _log.warning("leadership_not_known", error=type(exc).__name__)
                await self._step_down()

    async def _look(self) -> None:
        if self._connection is None:
            await self._connect()
        if self.is_leader:
            await self._ask("select 1")
        else:
            await self._try()

    async def _try(self) -> None:
        [(is_got,)] = await self._ask("select pg_try_advisory_lock(%s)", LEADER_LOCK)
        if is_got:
            self.is_leader = True
            _log.info("leading")
            await self._begin()

    async def _connect(self) -> None:
        self._connection = await psycopg.AsyncConnection.connect(
            self._conninfo,
            autocommit=True,
            connect_timeout=CONNECT_WAIT_SECONDS,
            options=_SERVER_NOTICES,
            application_name="ocpi-hub-leader",
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
        )
        await self._ask("select pg_advisory_lock_shared(%s, %s)", ALIVE_LOCK, self._key_mark)

    async def _alive(self) -> list[int]:
        return [key for (key,) in await self._ask(ALIVE, ALIVE_LOCK)]

    async def _ask(self, statement: LiteralString, *values: int) -> list[tuple[int, ...]]:
        """The rows of an answer. Raises TimeoutError: what is cancelled is not waited for, as the driver would ask the server first."""
        self._asking = asking = asyncio.create_task(self._answer(statement, values))
        asking.add_done_callback(_heard)
        done, _ = await asyncio.wait({asking}, timeout=ANSWER_WAIT_SECONDS)
        if not done:
            asking.cancel()
            raise TimeoutError
        return asking.result()

    async def _answer(self, statement: LiteralString, values: tuple[int, ...]) -> list[tuple[int, ...]]:
        assert self._connection is not None
        return await (await self._connection.execute(statement, values or None)).fetchall()

    async def _step_down(self) -> None:
        """The connection goes first: whoever leads next need not wait until everything here has stopped."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._hang_up(connection)
        if self.is_leader:
            self.is_leader = False
            _log.info("not_leading")
            try:
                await self._end()
            except Exception:
                _log.exception("duties_not_ended")

    async def _hang_up(self, connection: psycopg.AsyncConnection) -> None:
        """Close a connection, but not under a question: its number would still be watched, and who gets that next would hear nothing."""
        if self._asking is not None and not self._asking.done():
            _cut(connection)
            await asyncio.wait({self._asking}, timeout=HANG_UP_WAIT_SECONDS)
        with suppress(psycopg.Error):
            await connection.close()


def _heard(asking: asyncio.Task[list[tuple[int, ...]]]) -> None:
    """What came of a question that nobody waits for any more is nothing to tell."""
    if not asking.cancelled():
        asking.exception()


def _cut(connection: psycopg.AsyncConnection) -> None:
    """Nothing is sent or heard any more: who waits for an answer learns of it, and so does the server."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)


async def require_one_key(database_url: str, mark: int) -> None:
    """Raises OtherKey when a process that lives seals its tokens with another key."""

    async def nothing() -> None:
        return

    process = Leadership(database_url, mark, nothing, nothing)
    try:
        await process.join()
    finally:
        await process.close()


def key_mark(key: bytes) -> int:
    """A number that is equal for equal keys and says nothing else about them."""
    return int.from_bytes(hashlib.sha256(b"mark of a key: " + hashlib.sha256(key).digest()).digest()[:4]) >> 1
