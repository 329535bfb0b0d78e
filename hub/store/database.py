"""The engine: one pool to one PostgreSQL, and the migrations that make its tables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Row, TextClause, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from hub.store.direct import Direct

POOL_SIZE_CONNECTIONS = 8
POOL_WAIT_SECONDS = 10
CONNECT_WAIT_SECONDS = 10
STATEMENT_TIME_MAX_MILLISECONDS = 30_000

Values = dict[str, Any] | list[dict[str, Any]]

_MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 2_210_001


class Database:
    """A PostgreSQL database of the hub, by its SQLAlchemy URL (`postgresql+psycopg://…`). `direct`: to the same, without layers."""

    def __init__(self, url: str) -> None:
        self.direct = Direct(url)
        self._engine: AsyncEngine = create_async_engine(
            with_driver(url),
            pool_size=POOL_SIZE_CONNECTIONS,
            max_overflow=0,
            pool_timeout=POOL_WAIT_SECONDS,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": CONNECT_WAIT_SECONDS,
                "options": f"-c timezone=UTC -c statement_timeout={STATEMENT_TIME_MAX_MILLISECONDS}",
            },
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose work is committed when the block ends and undone when it raises; never held over an HTTP call."""
        async with AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    async def migrate(self) -> None:
        """Bring the tables to the newest version; does nothing, quickly, when they are there already."""
        async with self._engine.connect() as connection:
            if await connection.run_sync(_version) == newest_version():
                return
        async with self._engine.begin() as connection:
            await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            await connection.run_sync(_upgrade)

    async def ping(self) -> None:
        """Ask the server for a sign of life. Raises what the driver raises."""
        async with self._engine.connect() as connection:
            await connection.execute(text("select 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self.direct.close()
        await self._engine.dispose()


async def execute(session: AsyncSession, statement: TextClause, values: Values) -> Sequence[Row[Any]]:
    """Run one statement of SQL on a session's connection; a list of values runs it once for each. Returns its rows, if it has any."""
    connection = await session.connection()
    result = await connection.execute(statement, values)
    return result.all() if result.returns_rows else ()


def with_driver(url: str) -> str:
    """The URL with our driver in it, so that a plain `postgresql://…` works as a setting."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if separator and scheme in {"postgres", "postgresql"} else url


@cache
def newest_version() -> str:
    """The name of the newest migration."""
    head = ScriptDirectory.from_config(migration_config()).get_current_head()
    assert head is not None
    return head


def migration_config() -> Config:
    """Alembic's configuration: all of it is where the scripts are."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.execute(text("select version_num from alembic_version")).scalar()
    return version


def _upgrade(connection: Connection) -> None:
    config = migration_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
