"""The journal in the database: once, balanced, only growing, and never in a closed period (invariants 1, 5 and 9)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from hub.store.database import Database, execute
from hub.store.journal import EntryLines, JournalBook, PostingLine
from tests.store import NOW


@pytest.fixture
async def book(database: Database) -> JournalBook:
    async with database.transaction() as session:
        await execute(
            session,
            text(
                "insert into period (id, starts_at, ends_at, closes_at, state, changed_at, closed_by) "
                "values ('2026-10', :now, :now, :now, 'open', :now, '')"
            ),
            {"now": NOW},
        )
    return JournalBook(database.direct)


def posting(party: str, amount: str, **changes: Any) -> PostingLine:
    other = "NL/XYZ" if party == "DE/ABC" else "DE/ABC"
    line = PostingLine(
        "claim:unbilled", party, other, "2026-10", "EUR", Decimal(amount), Decimal(amount) * Decimal("1.21")
    )
    return replace(line, **changes)


def entry(key: str = "accepted:C1:1", amount: str = "10.0001", **changes: Any) -> EntryLines:
    postings = (posting("NL/XYZ", amount), posting("DE/ABC", f"-{amount}"))
    return replace(EntryLines(key=key, event="accepted", reference="C1", postings=postings), **changes)


async def set_state(database: Database, state: str) -> None:
    async with database.transaction() as session:
        await execute(session, text("update period set state = :state"), {"state": state})


async def test_an_entry_is_read_as_it_was_written(book: JournalBook) -> None:
    written = entry(actor="anna", reason="because")
    assert await book.write([written, entry("accepted:C2:1", "1", reference="C2")], NOW) == 2
    assert await book.of("C1") == [written]
    assert {line.party: line.excl_vat for line in await book.balances()} == {
        "NL/XYZ": Decimal("11.0001"),
        "DE/ABC": Decimal("-11.0001"),
    }


async def test_an_entry_is_written_once(book: JournalBook) -> None:
    """Invariant 5: whoever tries again changes nothing."""
    assert await book.write([entry()], NOW) == 1
    assert await book.write([entry(), entry("accepted:C1:2", "0.5")], NOW) == 1
    assert [line.excl_vat for line in await book.balances("2026-10")] == [Decimal("-10.5001"), Decimal("10.5001")]
    assert await book.balances("2026-11") == []


@pytest.mark.parametrize(
    "postings",
    [
        pytest.param((posting("NL/XYZ", "1"),), id="one side"),
        pytest.param((posting("NL/XYZ", "1"), posting("DE/ABC", "-1.0000000001")), id="a hair off"),
        pytest.param((posting("NL/XYZ", "1"), posting("DE/ABC", "-1", currency="SEK")), id="two currencies"),
        pytest.param((posting("NL/XYZ", "1"), posting("DE/ABC", "-1", incl_vat=Decimal(-1))), id="VAT off"),
    ],
)
async def test_the_database_refuses_what_does_not_add_up(book: JournalBook, postings: tuple[PostingLine, ...]) -> None:
    """P01: and nothing else of the same batch is written."""
    with pytest.raises(asyncpg.CheckViolationError, match="add up to zero"):
        await book.write([entry("accepted:C9:1"), entry(postings=postings)], NOW)
    assert await book.balances() == []


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("update posting set excl_vat = 0", id="change a posting"),
        pytest.param("delete from posting", id="delete a posting"),
        pytest.param("update journal_entry set actor = 'nobody'", id="change an entry"),
        pytest.param("truncate journal_entry cascade", id="empty the journal"),
    ],
)
async def test_the_journal_only_grows(book: JournalBook, database: Database, statement: str) -> None:
    await book.write([entry()], NOW)
    with pytest.raises(Exception, match="only added to"):
        async with database.transaction() as session:
            await execute(session, text(statement), {})


@pytest.mark.parametrize("state", ["closed", "sealed"])
async def test_a_closed_period_takes_nothing(book: JournalBook, database: Database, state: str) -> None:
    """Invariant 9."""
    await set_state(database, state)
    with pytest.raises(asyncpg.CheckViolationError, match="is closed"):
        await book.write([entry()], NOW)


async def test_a_period_that_is_cut_off_still_takes_corrections(book: JournalBook, database: Database) -> None:
    await set_state(database, "cut_off")
    assert await book.write([entry()], NOW) == 1


async def test_every_statement_leaves_whole_entries(book: JournalBook, database: Database) -> None:
    """P01: an entry is not mended later in the same transaction either, and one that is whole is not added to on one side."""
    await book.write([entry()], NOW)
    one_side = (
        "insert into posting (entry, kind, party, counterparty, period, currency, excl_vat, incl_vat) "
        "select id, 'claim:unbilled', 'NL/XYZ', 'DE/ABC', '2026-10', 'EUR', $1, $1 from journal_entry"
    )
    async with database.direct.transaction() as connection:
        await connection.execute("savepoint before")
        with pytest.raises(asyncpg.CheckViolationError, match="add up to zero"):
            await connection.execute(one_side, Decimal(1))
        await connection.execute("rollback to savepoint before")


async def test_entries_are_found_by_their_keys(book: JournalBook) -> None:
    first, second = entry(), entry("accepted:C2:1", "1", reference="C2")
    await book.write([first, second], NOW)
    assert await book.named(["accepted:C2:1", "accepted:C9:1", "accepted:C1:1"]) == {
        first.key: first,
        second.key: second,
    }
    assert await book.named([]) == {}
