"""The migrations make exactly the tables that the models describe, once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, inspect, text

from hub.store.database import Database, execute, migration_config, newest_version, with_driver
from hub.store.tables import metadata


@pytest.fixture
async def empty(database: Database) -> Database:
    """A database without any table."""
    async with database.transaction() as session:
        await execute(session, text("drop schema public cascade"), {})
        await execute(session, text("create schema public"), {})
    return database


async def ask(database: Database, question: Any) -> Any:
    async with database.transaction() as session:
        connection = await session.connection()
        return await connection.run_sync(question)


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


def version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


async def test_an_empty_database_gets_the_tables_of_the_models(empty: Database) -> None:
    assert await ask(empty, tables) == set()
    await empty.migrate()
    assert await ask(empty, differences) == []
    assert await ask(empty, tables) == {*metadata.tables, "alembic_version"}
    assert await ask(empty, version) == newest_version()


async def test_a_difference_between_tables_and_models_would_be_seen(database: Database) -> None:
    """The comparison above is one that can fail."""
    async with database.transaction() as session:
        await execute(session, text("alter table copy drop column remote_url"), {})
    assert len(await ask(database, differences)) == 1


async def test_migrating_again_writes_nothing(database: Database) -> None:
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement.lower())

    engine = database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    await database.migrate()
    event.remove(engine, "before_cursor_execute", note)
    assert statements
    assert not [one for one in statements if one.lstrip().startswith(("create", "alter", "insert", "update", "drop"))]


async def test_several_processes_may_migrate_at_the_same_time(empty: Database, database_url: str) -> None:
    others = [Database(database_url) for _ in range(3)]
    await asyncio.gather(empty.migrate(), *(other.migrate() for other in others))
    assert await ask(empty, differences) == []
    for other in others:
        await other.close()


def test_the_migrations_are_one_line_from_nothing_to_the_newest() -> None:
    scripts = ScriptDirectory.from_config(migration_config())
    assert len(scripts.get_heads()) == len(scripts.get_bases()) == 1


@pytest.mark.parametrize(
    ("given", "used"),
    [
        pytest.param("postgresql://u@h/d?x=1", "postgresql+psycopg://u@h/d?x=1", id="the usual form"),
        pytest.param("postgres://u@h/d", "postgresql+psycopg://u@h/d", id="the short form"),
        pytest.param("postgresql+psycopg://u@h/d", "postgresql+psycopg://u@h/d", id="with the driver already"),
        pytest.param("no-url", "no-url", id="no URL: the engine will say so"),
    ],
)
def test_a_plain_url_is_opened_with_our_driver(given: str, used: str) -> None:
    assert with_driver(given) == used


async def test_a_transaction_is_undone_when_its_block_raises(database: Database) -> None:
    async def forget_the_version_and_fail() -> None:
        async with database.transaction() as session:
            await execute(session, text("delete from alembic_version"), {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await forget_the_version_and_fail()
    assert await ask(database, version) == newest_version()
