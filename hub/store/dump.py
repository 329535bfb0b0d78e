"""Everything in the database as streams of rows, and back: one snapshot while the hub serves, one transaction into an empty database.

Rows are PostgreSQL's own text form (``COPY … TO STDOUT``, in UTF-8, moments in UTC), a line each; tables are made by the hub's own
migrations. Everything here blocks: it is for commands, not for a hub that serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from alembic import command
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError

from hub.store.database import MIGRATION_LOCK, migration_config, newest_version, with_driver
from hub.store.leader import ALIVE, ALIVE_LOCK
from hub.store.rotation import SEALED, opens
from hub.store.secrets import Safe
from hub.store.tables import metadata

CONNECT_WAIT_SECONDS = 10
STATEMENT_TIME_MAX_SECONDS = 6 * 3600
LOCK_WAIT_SECONDS = 60
CHUNK_BYTES = 1 << 20
VERSION_TABLE = "alembic_version"

_OPTIONS = (
    "-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c bytea_output=hex -c extra_float_digits=1 -c client_encoding=UTF8 "
    f"-c statement_timeout={STATEMENT_TIME_MAX_SECONDS}s -c lock_timeout={LOCK_WAIT_SECONDS}s"
)


class NotRestorable(ValueError):
    """A database cannot be read out, or cannot be filled; the text says why."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A table with its columns in their order, and how many rows it has."""

    name: str
    columns: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Position:
    """Where the numbers of a column are: the last that was given, and whether it was."""

    table: str
    column: str
    last: int
    is_given: bool


class Snapshot:
    """The database at one moment; for as long as its block lasts."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    @property
    def version(self) -> str:
        """The migration that the tables are at. Raises NotRestorable where there are none of a hub, or newer ones."""
        version = _version(self._connection)
        if version is None:
            raise NotRestorable("the database holds no tables of a hub")
        require_known(version)
        return version

    def shapes(self) -> list[Shape]:
        """All tables by name, with their rows counted."""
        return [
            Shape(name, _columns(self._connection, name), _count(self._connection, name))
            for name in _tables(self._connection)
        ]

    def chunks(self, shape: Shape) -> Iterator[bytes]:
        """The rows of a table, a line each, about CHUNK_BYTES at a time."""
        statement = sql.SQL("copy {} ({}) to stdout").format(sql.Identifier(shape.name), _names(shape.columns))
        with self._connection.cursor() as cursor, cursor.copy(statement) as rows:
            yield from _gathered(bytes(row) for row in rows)

    def positions(self) -> list[Position]:
        """Where the numbers of tables are. Ask last: they move on while others write, and must not be behind the rows."""
        found = self._connection.execute(_SEQUENCES).fetchall()
        return [Position(table, column, *_position(self._connection, name)) for table, column, name in found]

    def is_opened_by(self, key: bytes) -> bool:
        """Whether a key opens everything that is sealed with the secret key."""
        return all(opens(Safe(key), sealed) for sealed in _sealed(self._connection))


class Target:
    """A database to be filled, in one transaction; for as long as its block lasts."""

    def __init__(self, connection: Connection) -> None:
        self._alembic = connection
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        self._connection: psycopg.Connection = driver

    def held(self) -> list[str]:
        """The tables that hold rows, and those that are not a hub's."""
        names = _tables(self._connection)
        return [name for name in names if name not in metadata.tables or _count(self._connection, name)]

    def processes(self) -> int:
        """How many processes of a hub have this database open."""
        return len(self._connection.execute(ALIVE, (ALIVE_LOCK,)).fetchall())

    def clear(self) -> None:
        """Take every table and function away."""
        for kind, statement in (("table", _ALL_TABLES), ("routine", _ALL_ROUTINES)):
            for (name,) in self._connection.execute(statement).fetchall():
                self._connection.execute(f"drop {kind} if exists {name} cascade".encode())

    def make(self, version: str) -> None:
        """Make the tables as they were at a migration."""
        self._upgrade(version)

    def fill(self, shapes: Sequence[Shape], lines: Iterator[tuple[Shape, Iterable[bytes]]]) -> None:
        """Fill tables, of which `lines` come in the order of `in_order`; what watches over changes looks away meanwhile."""
        self._for_each(shapes, sql.SQL("alter table {} disable trigger user"))
        for shape, chunks in lines:
            self._fill(shape, chunks)
        self._for_each(shapes, sql.SQL("alter table {} enable trigger user"))

    def in_order(self, shapes: Sequence[Shape]) -> list[Shape]:
        """The tables so that each comes after those that it refers to."""
        refers: dict[str, set[str]] = {shape.name: set() for shape in shapes}
        for table, other in self._connection.execute(_REFERENCES).fetchall():
            refers.get(table, set()).add(other)
        return sorted(shapes, key=lambda shape: (_depth(shape.name, refers), shape.name))

    def require(self, shapes: Sequence[Shape]) -> None:
        """Raises NotRestorable unless the database has exactly these tables, with these columns."""
        there = {name: set(_columns(self._connection, name)) for name in _tables(self._connection)}
        if there != {shape.name: set(shape.columns) for shape in shapes}:
            raise NotRestorable("the backup holds other tables than its version of the hub has")

    def move(self, positions: Sequence[Position]) -> None:
        """Let the numbers of tables go on where they were."""
        for one in positions:
            values = (one.table, one.column, one.last, one.is_given)
            self._connection.execute("select setval(pg_get_serial_sequence(quote_ident(%s), %s), %s, %s)", values)

    def renew(self) -> None:
        """Bring the tables to the newest migration."""
        self._upgrade("head")

    def _fill(self, shape: Shape, chunks: Iterable[bytes]) -> None:
        statement = sql.SQL("copy {} ({}) from stdin").format(sql.Identifier(shape.name), _names(shape.columns))
        with self._connection.cursor() as cursor:
            with cursor.copy(statement) as rows:
                for chunk in chunks:
                    rows.write(chunk)
            if cursor.rowcount != shape.rows:
                raise NotRestorable(f"{shape.name} took {cursor.rowcount} rows of {shape.rows}")

    def _for_each(self, shapes: Sequence[Shape], statement: sql.SQL) -> None:
        for shape in shapes:
            self._connection.execute(statement.format(sql.Identifier(shape.name)))

    def _upgrade(self, version: str) -> None:
        config = migration_config()
        config.attributes["connection"] = self._alembic
        command.upgrade(config, version)


@contextmanager
def reading(url: str) -> Iterator[Snapshot]:
    """The database as it is at the beginning of the block, however long that lasts. Raises NotRestorable."""
    plain = with_driver(url).replace("postgresql+psycopg://", "postgresql://", 1)
    with (
        _told(),
        psycopg.connect(plain, connect_timeout=CONNECT_WAIT_SECONDS, options=_OPTIONS, autocommit=True) as connection,
    ):
        connection.execute("select pg_advisory_lock_shared(%s)", (MIGRATION_LOCK,))  # before the snapshot is taken
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection.transaction():
            yield Snapshot(connection)


@contextmanager
def filling(url: str) -> Iterator[Target]:
    """A database to be filled: what was done is kept when the block ends, nothing of it when it raises.

    Raises NotRestorable.
    """
    engine = create_engine(
        with_driver(url), connect_args={"connect_timeout": CONNECT_WAIT_SECONDS, "options": _OPTIONS}
    )
    try:
        with _told(), engine.begin() as connection:
            connection.exec_driver_sql(f"select pg_advisory_xact_lock({MIGRATION_LOCK})")
            yield Target(connection)
    finally:
        engine.dispose()


@contextmanager
def _told() -> Iterator[None]:
    """What the database says becomes a sentence. Raises NotRestorable."""
    try:
        yield
    except (psycopg.Error, DBAPIError) as error:
        raise NotRestorable(f"the database says: {getattr(error, 'orig', error)}") from error


def require_known(version: str) -> None:
    """Raises NotRestorable for a migration that this version of the hub does not know."""
    known = {script.revision for script in ScriptDirectory.from_config(migration_config()).walk_revisions()}
    if version not in known:
        raise NotRestorable(
            f"the tables are those of a newer hub (migration {version}, this one knows {newest_version()})"
        )


def _version(connection: psycopg.Connection) -> str | None:
    if not _one(connection, "select to_regclass(%s) is not null", VERSION_TABLE):
        return None
    row = connection.execute("select version_num from alembic_version").fetchone()
    return str(row[0]) if row else None


def _tables(connection: psycopg.Connection) -> list[str]:
    return [str(name) for (name,) in connection.execute(_TABLES, (VERSION_TABLE,)).fetchall()]


def _columns(connection: psycopg.Connection, table: str) -> tuple[str, ...]:
    return tuple(str(name) for (name,) in connection.execute(_COLUMNS, (table,)).fetchall())


def _count(connection: psycopg.Connection, table: str) -> int:
    return int(_one(connection, sql.SQL("select count(*) from {}").format(sql.Identifier(table))))


def _position(connection: psycopg.Connection, sequence: str) -> tuple[int, bool]:
    row = connection.execute(f"select last_value, is_called from {sequence}".encode()).fetchone()
    assert row is not None
    return int(row[0]), bool(row[1])


def _sealed(connection: psycopg.Connection) -> Iterator[bytes]:
    """Everything that is sealed with the secret key."""
    there = {*_tables(connection)}
    for table, column in SEALED:
        if table in there:
            for (sealed,) in connection.execute(f"select {column} from {table} where {column} is not null".encode()):
                yield bytes(sealed)


def _one(connection: psycopg.Connection, statement: Any, *values: object) -> Any:
    row = connection.execute(statement, values or None).fetchone()
    assert row is not None
    return row[0]


def _names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _gathered(rows: Iterable[bytes]) -> Iterator[bytes]:
    """Rows put together to chunks of about CHUNK_BYTES."""
    held: list[bytes] = []
    size = 0
    for row in rows:
        held.append(row)
        size += len(row)
        if size >= CHUNK_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _depth(name: str, refers: dict[str, set[str]], seen: frozenset[str] = frozenset()) -> int:
    """How many tables have to be there before one."""
    others = refers.get(name, set()) - seen - {name}
    return 1 + max((_depth(other, refers, seen | {name}) for other in others), default=0)


# statements speak of the schema that the connection works in
_TABLES = (
    "select relname from pg_class where relkind in ('r', 'p') and not relispartition and relname <> %s "
    "and relnamespace = current_schema()::regnamespace order by relname"
)
_COLUMNS = (
    "select attname from pg_attribute where attrelid = quote_ident(%s)::regclass and attnum > 0 and not attisdropped "
    "and attgenerated = '' order by attnum"
)
_SEQUENCES = (
    "select c.relname, a.attname, pg_get_serial_sequence(quote_ident(c.relname), a.attname) from pg_class c "
    "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
    "where c.relkind in ('r', 'p') and c.relnamespace = current_schema()::regnamespace "
    "and pg_get_serial_sequence(quote_ident(c.relname), a.attname) is not null order by 1, 2"
)
_REFERENCES = (
    "select c.relname, f.relname from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_class f on f.oid = k.confrelid "
    "where k.contype = 'f' and c.relnamespace = current_schema()::regnamespace"
)
_ALL_TABLES = "select oid::regclass::text from pg_class where relkind in ('r', 'p') and relnamespace = current_schema()::regnamespace"
_ALL_ROUTINES = (
    "select p.oid::regprocedure::text from pg_proc p where p.pronamespace = current_schema()::regnamespace "
    "and not exists (select 1 from pg_depend d where d.objid = p.oid and d.deptype = 'e')"
)
