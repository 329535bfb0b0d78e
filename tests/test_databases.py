"""A database that is lent again is like a new one."""

from __future__ import annotations

import psycopg
import pytest

from tests.databases import FILLED, Databases, named, plain

LEAVE = (
    "insert into invitation (token_hash, roles, created_at, expires_at) values ('x', '[]', now(), now()) returning id"
)


async def first_id(url: str) -> int:
    """The id of a row that is left behind."""
    async with await psycopg.AsyncConnection.connect(plain(url), autocommit=True) as connection:
        row = await (await connection.execute(LEAVE)).fetchone()
        assert row is not None
        return int(row[0])


async def test_what_comes_back_is_empty_and_counts_anew(postgres_url: str, template: str) -> None:
    databases = Databases(postgres_url, template)
    lent = []
    for _ in range(3):
        async with databases.lent() as url:
            lent.append(url)
            assert await first_id(url) == 1
    assert len(set(lent)) == 1


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("alter table copy add column x int", id="another column"),
        pytest.param("drop index ix_copy_page", id="an index less"),
        pytest.param("create table more (id int)", id="another table"),
        pytest.param("create function f() returns int language sql as 'select 1'", id="another function"),
        pytest.param("insert into alembic_version values ('none')", id="a version that it is not"),
    ],
)
async def test_one_whose_tables_were_changed_is_not_lent_again(
    postgres_url: str, template: str, statement: str
) -> None:
    databases = Databases(postgres_url, template)
    async with (
        databases.lent() as url,
        await psycopg.AsyncConnection.connect(plain(url), autocommit=True) as connection,
    ):
        await connection.execute(statement.encode())
    async with databases.lent() as other:
        assert other != url
        assert await first_id(other) == 1


async def test_a_new_one_has_no_rows_that_would_be_missed(postgres_url: str, template: str) -> None:
    url = plain(named(postgres_url, template))
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        assert await (await connection.execute(FILLED.encode())).fetchall() == []


async def test_two_at_once_are_two(postgres_url: str, template: str) -> None:
    databases = Databases(postgres_url, template)
    async with databases.lent() as one, databases.lent() as other:
        assert one != other
