"""What settlement keeps of CDRs, and how it finds those that are related (D01, D03, D04, J02)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from hub.store.copies import Copies
from hub.store.database import Database
from hub.store.journal import EntryLines, PostingLine
from hub.store.pack import pack
from hub.store.periods import KeptPeriod, Periods
from hub.store.verdicts import Examined, KeptFinding, Relating, Verdict, Verdicts
from ocpi_modules.module import Purpose
from tests.store import CP1, CP2, MS1, NOW, Object, owned_by, push

Example = Callable[..., Object]

HOUR = timedelta(hours=1)
PERIOD = KeptPeriod("2026-06", NOW, NOW + 30 * 24 * HOUR, NOW + 35 * 24 * HOUR, "open")


@pytest.fixture
async def copies(database: Database) -> AsyncIterator[Copies]:
    opened = Copies(database.direct)
    yield opened
    await opened.close()


@pytest.fixture
async def verdicts(database: Database) -> Verdicts:
    await Periods(database.direct).add([PERIOD], NOW)
    return Verdicts(database.direct)


def relating(key: str = "C1", **changes: Any) -> Relating:
    values: dict[str, Any] = {
        "creditor": str(CP1),
        "cdr_key": key,
        "session_key": f"S-{key}",
        "credit_of": None,
        "plug": f"plug of {key}",
        "token": f"token of {key}",
        "starts_at": NOW,
        "ends_at": NOW + HOUR,
    }
    return Relating(**{**values, **changes})


def verdict(key: str = "C1", disposition: str = "SETTLE", **changes: Any) -> Verdict:
    return Verdict(
        relating=relating(key, **changes),
        cdr_id=key,
        debtor=str(MS1),
        period=PERIOD.id,
        disposition=disposition,
        turn=1,
        currency="EUR",
        excl_vat=Decimal("1.00001"),
        incl_vat=None,
        priced_excl_vat=Decimal("1.00001"),
        priced_incl_vat=None,
        energy=Decimal("2.5"),
        received_at=NOW,
        is_credit=False,
        matches="{}",
    )


def finding(key: str = "F1", *names: str) -> KeptFinding:
    return KeptFinding(
        key=key,
        check_id="B02",
        kind="ENERGY_SUM_MISMATCH",
        severity="ERROR",
        disposition="HOLD",
        cause="B02|DE/CP1",
        period=PERIOD.id,
        party=str(CP1),
        counterparty=str(MS1),
        currency="EUR",
        at_risk=Decimal("1.5"),
        subject="{}",
        details="{}",
        sentence="The sum is another.",
        cdrs=tuple((str(CP1), name) for name in names or ("C1",)),
    )


def entry(key: str = "accepted:C1:1") -> EntryLines:
    sides = ((str(MS1), str(CP1), Decimal(1)), (str(CP1), str(MS1), Decimal(-1)))
    postings = tuple(
        PostingLine("claim:unbilled", one, other, PERIOD.id, "EUR", amount, amount) for one, other, amount in sides
    )
    return EntryLines(key=key, event="accepted", reference="C1", postings=postings)


def examined(*kept: Verdict, findings: tuple[KeptFinding, ...] = (), entries: tuple[EntryLines, ...] = ()) -> Examined:
    return Examined(verdicts=kept, findings=findings, entries=entries, at=NOW)


async def look(verdicts: Verdicts, wanted: Examined) -> bool:
    """Keep a look that is based on what is kept now."""
    known = await verdicts.load([one.name for one in wanted.verdicts])
    return await verdicts.keep(replace(wanted, before={name: one.version for name, one in known.items()}))


async def accept(copies: Copies, example: Example, key: str, minutes: int = 0) -> None:
    content = example("cdr", **owned_by(CP1, id=key))
    at = NOW + timedelta(minutes=minutes)
    await copies.keep(push("cdrs", content, purpose=Purpose.ADD, addressee=MS1, debtor=MS1, at=at))


async def cleared(database: Database) -> dict[str, bool]:
    rows = await database.direct.fetch("select key, cleared_at is not null as is_cleared from finding order by key")
    return {row["key"]: row["is_cleared"] for row in rows}


async def test_a_cdr_waits_until_it_is_examined(copies: Copies, verdicts: Verdicts, example: Example) -> None:
    for minutes, key in enumerate(("c2", "C1", "C3")):
        await accept(copies, example, key, minutes)
    assert [(one.key, one.debtor, one.received_at) for one in await verdicts.waiting(2)] == [
        ("C2", MS1, NOW),
        ("C1", MS1, NOW + timedelta(minutes=1)),
    ]
    assert await verdicts.count_waiting() == 3
    await verdicts.keep(examined(verdict("C1"), verdict("C2")))
    assert [one.key for one in await verdicts.waiting(10)] == ["C3"]


async def test_the_text_of_a_cdr_is_what_was_received(copies: Copies, verdicts: Verdicts, example: Example) -> None:
    await accept(copies, example, "C1")
    (waiting,) = await verdicts.waiting(1)
    (by_name,) = await verdicts.cdrs([("DE/CP1", "C1"), ("DE/CP1", "C9")])
    assert waiting == by_name
    assert b'"id":"C1"' in waiting.text


async def test_a_verdict_is_read_as_it_was_kept(verdicts: Verdicts) -> None:
    first = verdict("C1")
    await verdicts.keep(examined(first))
    held = replace(verdict("C1", "HOLD"), turn=1, energy=None)
    await look(verdicts, examined(held, verdict("C2")))
    assert await verdicts.load([("DE/CP1", "C1")]) == {("DE/CP1", "C1"): held}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"session_key": "S-C1"}, id="D01: one session"),
        pytest.param(
            {"plug": "plug of C1", "starts_at": NOW + HOUR / 2, "ends_at": NOW + 2 * HOUR}, id="D03: one connector"
        ),
        pytest.param({"token": "token of C1"}, id="D04: one token"),
        pytest.param({"credit_of": "C1"}, id="J02: credits it"),
    ],
)
async def test_what_bears_on_another_is_related_both_ways(verdicts: Verdicts, other: dict[str, Any]) -> None:
    await verdicts.keep(examined(verdict("C1")))
    assert await verdicts.related([relating("C2", **other)]) == {("DE/CP1", "C1")}
    await verdicts.keep(examined(verdict("C2", **other)))
    assert ("DE/CP1", "C2") in await verdicts.related([relating("C1")])


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({}, id="nothing shared"),
        pytest.param(
            {"plug": "plug of C1", "starts_at": NOW + HOUR, "ends_at": NOW + 2 * HOUR}, id="one after the other"
        ),
        pytest.param({"plug": "plug of C1", "starts_at": None, "ends_at": None}, id="unknown times"),
        pytest.param({"creditor": str(CP2), "session_key": "S-C1"}, id="a session of another owner"),
        pytest.param({"session_key": None}, id="no session"),
    ],
)
async def test_what_does_not_bear_on_another_is_not_related(verdicts: Verdicts, other: dict[str, Any]) -> None:
    await verdicts.keep(examined(verdict("C1")))
    assert await verdicts.related([relating("C2", **other)]) == set()


async def test_two_credits_of_one_cdr_are_related(verdicts: Verdicts) -> None:
    """J02: even where the original is not there."""
    await verdicts.keep(examined(verdict("K1", credit_of="C1")))
    assert await verdicts.related([relating("K2", credit_of="C1")]) == {("DE/CP1", "K1")}


async def test_a_finding_that_is_no_longer_so_is_cleared_and_may_come_back(
    verdicts: Verdicts, database: Database
) -> None:
    await verdicts.keep(examined(verdict(), findings=(finding("F1"), finding("F2"))))
    await look(verdicts, examined(verdict(), findings=(finding("F2"),)))
    assert await cleared(database) == {"F1": True, "F2": False}
    await look(verdicts, examined(verdict(), findings=(finding("F1"),)))
    assert await cleared(database) == {"F1": False, "F2": True}


async def test_findings_of_other_cdrs_stay(verdicts: Verdicts, database: Database) -> None:
    await verdicts.keep(examined(verdict("C1"), verdict("C2"), findings=(finding("F1", "C1"), finding("F2", "C2"))))
    await look(verdicts, examined(verdict("C1")))
    assert await cleared(database) == {"F1": True, "F2": False}


async def test_a_look_is_kept_whole_or_not_at_all(
    copies: Copies, verdicts: Verdicts, database: Database, example: Example
) -> None:
    await accept(copies, example, "C1")
    one_sided = replace(entry(), postings=entry().postings[:1])
    with pytest.raises(asyncpg.CheckViolationError):
        await verdicts.keep(examined(verdict("C1"), findings=(finding("F1"),), entries=(one_sided,)))
    assert (await verdicts.load([("DE/CP1", "C1")]), await cleared(database)) == ({}, {})
    assert await verdicts.count_waiting() == 1


async def test_a_look_that_is_kept_twice_posts_once(verdicts: Verdicts, database: Database) -> None:
    """Invariant 5."""
    for _ in range(2):
        assert await look(verdicts, examined(verdict("C1"), entries=(entry(),)))
    (row,) = await database.direct.fetch("select count(*) as n from posting")
    assert row["n"] == 2


@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param("update verdict set disposition = 'HOLD'", id="somebody else looked at it"),
        pytest.param("update verdict set statement = 'S1'", id="a statement bills it"),
        pytest.param("delete from verdict", id="it was not there"),
        pytest.param("insert into forgetting (done_at) values (now())", id="a driver was forgotten"),
    ],
)
async def test_a_look_at_what_is_no_longer_so_is_not_kept(
    verdicts: Verdicts, database: Database, meanwhile: str
) -> None:
    """Two may lead for a moment: the second one looks again."""
    await verdicts.keep(examined(verdict("C1")))
    known = await verdicts.load([("DE/CP1", "C1")])
    async with database.direct.transaction() as connection:
        await connection.execute(meanwhile)
    old = replace(examined(verdict("C1", "DROP")), before={name: one.version for name, one in known.items()})
    assert not await verdicts.keep(old)
    rows = await database.direct.fetch("select 1 from verdict where disposition = 'DROP'")
    assert rows == []


async def test_a_batch_that_waits_is_bounded_in_bytes(
    copies: Copies, verdicts: Verdicts, example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of them comes, however large it is."""
    for minutes, key in enumerate(("C1", "C2", "C3")):
        await accept(copies, example, key, minutes)
    size = len(pack((await verdicts.waiting(1))[0].text))
    for most, expected in ((1, ["C1"]), (2 * size, ["C1", "C2"]), (3 * size, ["C1", "C2", "C3"])):
        monkeypatch.setattr("hub.store.verdicts.WAITING_MAX_BYTES", most)
        assert [one.key for one in await verdicts.waiting(10)] == expected


async def test_a_finding_that_is_told_twice_is_kept_once(verdicts: Verdicts, database: Database) -> None:
    twice = replace(examined(verdict("C1")), findings=[finding("F1", "C1"), finding("F1", "C1")])
    await verdicts.keep(twice)
    assert [row["finding"] for row in await database.direct.fetch("select finding from finding_cdr")] == ["F1"]
