"""A month comes to the same, row by row, in whatever portions and order its CDRs are looked at (invariant 5)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from random import Random
from typing import Any

import pytest

from hub.settlement.engine import settler as looks
from hub.settlement.engine.gathering import Gatherer
from hub.settlement.engine.records import verdict_of
from hub.store.database import Database
from ocpi_modules.types import fold, lenient_datetime
from tests.databases import Databases
from tests.settlement.build_month import month
from tests.settlement.cases import Content, cdr
from tests.settlement.test_settler import NOW, House

_VERDICTS = (
    "select creditor, cdr_key, debtor, period, disposition, excl_vat, incl_vat, priced_excl_vat, priced_incl_vat, energy, matches "
    "from verdict order by 1, 2"
)
_FINDINGS = "select key, severity, disposition, cause, period, at_risk, details, sentence from finding where cleared_at is null order by 1"
_BALANCES = (
    "select kind, party, counterparty, period, currency, sum(excl_vat), sum(incl_vat) from posting group by 1, 2, 3, 4, 5 "
    "having sum(excl_vat) <> 0 or sum(incl_vat) <> 0 order by 1, 2, 3, 4, 5"
)


@asynccontextmanager
async def a_house(databases: Databases) -> AsyncIterator[House]:
    """A hub's store of its own with all that a month needs but its CDRs."""
    async with databases.lent() as url, a_house_in(url) as house:
        yield house


@asynccontextmanager
async def a_house_in(url: str) -> AsyncIterator[House]:
    """The same in a database that somebody has lent."""
    database = Database(url)
    house = House(database)
    try:
        for module in ("locations", "tariffs", "tokens", "sessions"):
            for content in month()["input"][module]:
                await house.push(module, content)
        yield house
    finally:
        await house.copies.close()
        await database.close()


def arrivals() -> list[tuple[datetime, Content]]:
    """The CDRs of the month with when they come, the first of each id: a hub refuses another one at the door."""
    coming = [(lenient_datetime(one["received_at"]) or NOW, one["cdr"]) for one in month()["input"]["cdrs"]]
    first = {(one["country_code"], one["party_id"], fold(one["id"])): (at, one) for at, one in reversed(coming)}
    return sorted(first.values(), key=lambda arrival: arrival[0])


async def outcome_of(house: House) -> list[list[tuple[Any, ...]]]:
    """All that the books say, but for how they came to it."""
    return [await house.rows(statement) for statement in (_VERDICTS, _FINDINGS, _BALANCES)]


async def all_at_once(house: House, coming: Sequence[tuple[datetime, Content]]) -> None:
    for at, content in coming:
        await house.push("cdrs", content, at)
    await house.settle_all()


async def one_by_one(house: House, coming: Sequence[tuple[datetime, Content]]) -> None:
    for at, content in coming:
        await house.push("cdrs", content, at)
        await house.settle_all()


async def test_portions_of_any_size_in_any_order_come_to_the_same(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Point 9: same facts, same outcome; the month holds duplicates, credits, overlaps and late CDRs."""
    async with a_house(databases) as house:
        await all_at_once(house, arrivals())
        expected = await outcome_of(house)
    assert all(expected)
    for size, cases in ((1, 1), (7, 2)):
        monkeypatch.setattr(looks, "BATCH_MAX_CDRS", size)
        monkeypatch.setattr("hub.settlement.run.CASES_AT_ONCE", cases)
        async with a_house(databases) as house:
            await all_at_once(house, arrivals())
            assert await outcome_of(house) == expected, f"in portions of {size}"
    shuffled = arrivals()
    Random(20261101).shuffle(shuffled)
    async with a_house(databases) as house:
        await one_by_one(house, shuffled)
        assert await outcome_of(house) == expected, "one by one, in another order than they came"


async def test_what_cannot_be_examined_is_found_by_halving(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of sixteen with one odd CDR is looked at nine times, not seventeen: twice in each half, down to the odd one."""
    gather, seen = Gatherer.gather, list[int]()

    def odd(found: Any, *rest: Any) -> Any:
        if found.id == "CDR-11":
            raise ZeroDivisionError
        return verdict_of(found, *rest)

    async def counted(self: Any, received: Sequence[Any]) -> Any:
        seen.append(len(received))
        return await gather(self, received)

    async with a_house(databases) as house:
        for number in range(16):
            day = f"2026-10-{number + 1:02}"
            await house.receive(
                cdr(
                    id=f"CDR-{number}",
                    session_id=None,
                    start_date_time=f"{day}T08:00:00Z",
                    end_date_time=f"{day}T10:00:00Z",
                )
            )
        monkeypatch.setattr(looks, "verdict_of", odd)
        monkeypatch.setattr(Gatherer, "gather", counted)
        assert await house.settler.settle_due() == 15
        assert seen == [16, 8, 8, 4, 2, 2, 1, 1, 4]
        assert await house.rows("select cdr_key, failures from claim where examined_at is null") == [("CDR-11", 1)]
