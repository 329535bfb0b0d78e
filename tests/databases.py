"""Databases of the tests: a server that need not survive a power cut, and databases that are used again once they are empty.

A database costs a tenth of a second to make from a template and as much to drop, and half of the tests that want one
write a handful of rows. So one that a test is done with is emptied and lent again, as long as it still has the tables that it
was made with; one whose tables were changed, or that grew, or that does not answer, is dropped.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from hub.store import embedded
from hub.store.database import Database

VERSION_TABLE = "alembic_version"
CATALOGUES = ("pg_class", "pg_attribute", "pg_proc", "pg_trigger", "pg_constraint", "pg_index", "pg_type")
SIZE_MAX_BYTES = 4_000_000  # of all tables that a test may leave behind, dead rows and indexes included
LEAVE_WAIT_MILLISECONDS = 5_000
FRAIL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

OTHERS_LEAVE = """
    select count(pg_terminate_backend(pid, %s)) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""
# a row of the catalogues that is added or changed takes a transaction id above all others, so that either number moves
SHAPE = "select string_agg(part, ' ' order by part) from ({parts}) as shapes (part)".format(
    parts=" union all ".join(
        f"select '{catalogue}' || count(*) || '/' || coalesce(sum(xmin::text::bigint), 0) from {catalogue}"
        for catalogue in (*CATALOGUES, VERSION_TABLE)
    )
)
FILLED = f"""
    select relname, pg_total_relation_size(oid) from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> '{VERSION_TABLE}' and pg_relation_size(oid) > 0
"""
COUNT_ANEW = """
    select count(setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false))
    from pg_sequences where last_value is not null
"""


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """A server whose connections and commits cost little; its SQLAlchemy URL."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "SETTINGS", embedded.SETTINGS | FRAIL)
        running = embedded.start(folder)
    with running:
        cheapen_log_ins(running.server.url)
        yield running.server.url


def cheapen_log_ins(url: str) -> None:
    """A password that is hashed once: the four thousand rounds that are usual are most of the cost of a connection."""
    with psycopg.connect(plain(url), autocommit=True) as connection:
        connection.execute("set scram_iterations = 1")
        connection.execute(f"alter role {embedded.USER} password '{urlsplit(url).password}'".encode())


class Databases:
    """Databases of one server that have all tables and no rows."""

    def __init__(self, server_url: str, template: str) -> None:
        self._url, self._template = server_url, template
        self._shape = ""
        self._idle: list[str] = []

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[str]:
        """The URL of a database that nobody else has meanwhile."""
        url = self._idle.pop() if self._idle else await self._make()
        try:
            yield url
        finally:
            await self._take_back(url)

    async def _take_back(self, url: str) -> None:
        try:
            is_good = await emptied(url, await self._expected_shape())
        except psycopg.Error:  # it was closed, or is gone, or in a state of its own
            is_good = False
        if is_good:
            self._idle.append(url)
        else:
            await self._drop(url)

    async def _expected_shape(self) -> str:
        self._shape = self._shape or await shape_of(named(self._url, self._template))
        return self._shape

    async def _make(self) -> str:
        name = await create_database(self._url, f"test_{uuid.uuid4().hex}", self._template)
        return named(self._url, name)

    async def _drop(self, url: str) -> None:
        name = urlsplit(url).path.removeprefix("/")
        await run_statement(self._url, f'drop database if exists "{name}" with (force)')


async def shape_of(url: str) -> str:
    """A text that is another one as soon as a table, column, index, function, trigger or constraint is changed."""
    async with await psycopg.AsyncConnection.connect(plain(url), autocommit=True) as connection:
        return await _shape(connection)


async def emptied(url: str, shape: str) -> bool:
    """Everybody leaves, all rows go and sequences start anew; false when that is not enough to make it a fresh database."""
    async with await psycopg.AsyncConnection.connect(plain(url), autocommit=True) as connection:
        await connection.execute(OTHERS_LEAVE, [LEAVE_WAIT_MILLISECONDS])
        filled = await (await connection.execute(FILLED.encode())).fetchall()
        if sum(size for _, size in filled) > SIZE_MAX_BYTES or await _shape(connection) != shape:
            return False
        async with connection.transaction():
            await connection.execute(
                "set local session_replication_role = replica"
            )  # what may only be added to goes too
            await connection.execute("".join(f'delete from "{name}";' for name, _ in filled).encode())
        await connection.execute(COUNT_ANEW)
        return True


async def _shape(connection: psycopg.AsyncConnection[tuple[str]]) -> str:
    row = await (await connection.execute(SHAPE.encode())).fetchone()
    assert row is not None
    return str(row[0])


async def migrated(server_url: str, name: str) -> str:
    """The name of a new database that has all tables."""
    await create_database(server_url, name, "template0")
    database = Database(named(server_url, name))
    await database.migrate()
    await database.close()
    return name


async def create_database(url: str, name: str, template: str) -> str:
    await run_statement(url, f'create database "{name}" template "{template}"')
    return name


async def run_statement(url: str, statement: str) -> None:
    async with await psycopg.AsyncConnection.connect(plain(url), autocommit=True) as connection:
        await connection.execute(statement.encode())


def named(url: str, database: str) -> str:
    """The URL of another database on the same server."""
    head, _, query = url.partition("?")
    return f"{head.rpartition('/')[0]}/{database}?{query}"


def plain(url: str) -> str:
    """The URL as the driver knows it, without SQLAlchemy's addition."""
    return url.replace("postgresql+psycopg://", "postgresql://")
