"""Connections without layers: they commit or undo, and survive a server that ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from hub.store.direct import CONNECTIONS_MAX, Direct, Unavailable, bare_url

END_ALL = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


@pytest.fixture
async def direct(database_url: str) -> AsyncIterator[Direct]:
    opened = Direct(database_url)
    await opened.fetch("create table note (n int primary key)")
    yield opened
    await opened.close()


async def notes(direct: Direct) -> list[int]:
    return [row["n"] for row in await direct.fetch("select n from note order by n")]


async def add_and_fail(direct: Direct, number: int) -> None:
    async with direct.transaction() as connection:
        await connection.execute("insert into note values ($1)", number)
        raise LookupError


async def add_in_two_steps(direct: Direct, between: Callable[[], Awaitable[object]]) -> None:
    async with direct.transaction() as connection:
        await connection.execute("insert into note values (4)")
        await between()
        await connection.execute("insert into note values (5)")


async def test_work_is_committed_at_the_end_and_undone_when_it_fails(direct: Direct) -> None:
    async with direct.transaction() as connection:
        await connection.execute("insert into note values (1)")
    with pytest.raises(LookupError):
        await add_and_fail(direct, 2)
    assert await notes(direct) == [1]


async def test_locks_are_given_back_before_the_failure_is_told(direct: Direct, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server may take its time to see that a connection was ended."""
    terminate, ended = asyncpg.Connection.terminate, list[asyncpg.Connection]()
    monkeypatch.setattr(asyncpg.Connection, "terminate", lambda connection: ended.append(connection))

    async def lock_and_fail() -> None:
        async with direct.transaction() as connection:
            await connection.fetch("select pg_advisory_xact_lock(7)")
            raise LookupError

    with pytest.raises(LookupError):
        await lock_and_fail()
    assert [tuple(row.values()) for row in await direct.fetch("select pg_try_advisory_xact_lock(7)")] == [(True,)]
    for connection in ended:
        terminate(connection)


async def test_a_fault_of_the_statement_is_told_as_such(direct: Direct) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        async with direct.transaction() as connection:
            await connection.execute("insert into note values (1), (1)")
    with pytest.raises(asyncpg.DataError, match="invalid input"):
        await direct.fetch("select $1::int", "seven")
    assert await notes(direct) == []


async def test_connections_that_died_while_idle_are_passed_over(direct: Direct, database_url: str) -> None:
    await asyncio.gather(*(direct.fetch("select pg_sleep(0.05)") for _ in range(3)))
    other = await asyncpg.connect(bare_url(database_url))
    await other.execute(END_ALL)
    await other.close()
    async with direct.transaction() as connection:
        await connection.execute("insert into note values (3)")
    assert await notes(direct) == [3]


async def test_a_connection_that_dies_in_the_middle_is_unavailable(direct: Direct, database_url: str) -> None:
    """Whether the work was done nobody knows: it must not be done again."""
    other = await asyncpg.connect(bare_url(database_url))
    with pytest.raises(Unavailable):
        await add_in_two_steps(direct, lambda: other.execute(END_ALL))
    await other.close()
    assert await notes(direct) == []


LOCK, UNLOCK, IS_FREE = (
    "select pg_advisory_lock(7)",
    "select pg_advisory_unlock_all()",
    "select pg_try_advisory_xact_lock(7) as is_free",
)


async def is_free(direct: Direct) -> bool:
    return bool((await direct.fetch(IS_FREE))[0]["is_free"])


async def hold_and_fail(direct: Direct) -> None:
    async with direct.connection(LOCK, afterwards=UNLOCK):
        raise LookupError


async def test_what_a_connection_holds_is_given_back_after_its_work_or_with_its_end(direct: Direct) -> None:
    async with direct.connection(LOCK, afterwards=UNLOCK):
        assert not await is_free(direct)
    with pytest.raises(LookupError):
        await hold_and_fail(direct)
    looks = [await is_free(direct) for _ in range(200)]
    assert looks[-1] is True


async def test_no_more_connections_are_made_than_may_be(direct: Direct) -> None:
    work = [direct.fetch("select pg_sleep(0.02), pg_backend_pid() as pid") for _ in range(4 * CONNECTIONS_MAX)]
    rows = await asyncio.gather(*work)
    assert len({found[0]["pid"] for found in rows}) <= CONNECTIONS_MAX


async def test_work_that_is_given_up_leaves_nothing_open(direct: Direct) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(add_in_two_steps(direct, lambda: asyncio.sleep(5)), 0.05)
    assert await notes(direct) == []


async def test_a_database_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await Direct("postgresql://hub@127.0.0.1:1/hub").fetch("select 1")


@pytest.mark.parametrize(
    ("given", "used"),
    [
        pytest.param("postgresql+psycopg://u:p@h/d?host=/s&port=1", "postgresql://u:p@h/d?host=%2Fs&port=1", id="ours"),
        pytest.param("postgres://u@h/d", "postgresql://u@h/d", id="the short form"),
        pytest.param(
            "postgresql://h/d?connect_timeout=3&sslmode=require", "postgresql://h/d?sslmode=require", id="options"
        ),
    ],
)
def test_the_url_of_another_driver_is_read(given: str, used: str) -> None:
    assert bare_url(given) == used
