"""Sessions without a CDR, and the times that their CPOs were asked (D05, point 8)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.store.chases import Chased, Chases, MissingAsked, MissingCdr
from hub.store.copies import Copies
from hub.store.database import Database
from hub.store.verdicts import Verdicts
from ocpi_modules.module import Purpose
from ocpi_modules.types import format_datetime
from tests.store import CP1, CP2, MS1, NOW, Object, owned_by, push
from tests.store.test_verdicts import HOUR, accept, copies, examined, verdict, verdicts

Example = Callable[..., Object]

__all__ = ["copies", "verdicts"]


@pytest.fixture
def chases(database: Database) -> Chases:
    return Chases(database.direct)


async def missing(database: Database, before: datetime, **asked: Any) -> list[MissingCdr]:
    return await Chases(database.direct).missing(MissingAsked(before=before, **asked), 10)


async def a_session(copies: Copies, example: Example, key: str, status: str, minutes: int = 0, **changes: Any) -> None:
    at = NOW + timedelta(minutes=minutes)
    content = {
        **example("session"),
        **owned_by(CP1, id=key, status=status, last_updated=format_datetime(at)),
        **changes,
    }
    await copies.keep(push("sessions", content, addressee=MS1, at=at))


async def test_a_completed_session_without_a_cdr_is_missed(
    copies: Copies, verdicts: Verdicts, database: Database, example: Example
) -> None:
    """D05: not one that goes on, and not one that its CPO took back."""
    for key, status in (("s1", "COMPLETED"), ("S2", "ACTIVE"), ("S3", "INVALID"), ("S4", "COMPLETED")):
        await a_session(copies, example, key, status)
    await verdicts.keep(examined(verdict("C1", session_key="S4")))
    assert [(one.creditor, one.session_key, one.debtor) for one in await missing(database, NOW + HOUR)] == [
        ("DE/CP1", "S1", "NL/MS1")
    ]


async def test_a_session_is_missed_from_when_it_was_first_complete(
    copies: Copies, verdicts: Verdicts, database: Database, example: Example
) -> None:
    await a_session(copies, example, "S1", "ACTIVE", 0)
    await a_session(copies, example, "S1", "COMPLETED", 10)
    await a_session(copies, example, "S1", "COMPLETED", 20, kwh=99)
    assert [one.completed_at for one in await missing(database, NOW + HOUR)] == [NOW + timedelta(minutes=10)]
    assert await missing(database, NOW + timedelta(minutes=10)) == []


async def test_a_patch_that_completes_a_session_counts(
    copies: Copies, verdicts: Verdicts, database: Database, example: Example
) -> None:
    await a_session(copies, example, "S1", "ACTIVE")
    fields = {"status": "COMPLETED", "last_updated": format_datetime(NOW + HOUR)}
    patch = push("sessions", fields, owner=CP1, ids=("S1",), purpose=Purpose.UPDATE, at=NOW + HOUR)
    await copies.keep(patch)
    assert [one.session_key for one in await missing(database, NOW + 2 * HOUR)] == ["S1"]


async def test_a_cdr_that_names_no_session_but_is_called_like_it_is_its_cdr(
    copies: Copies, verdicts: Verdicts, database: Database, example: Example
) -> None:
    for key in ("S1", "S2"):
        await a_session(copies, example, key, "COMPLETED")
    await verdicts.keep(examined(verdict("S1", session_key=None), verdict("S2", session_key="S9")))
    assert [one.session_key for one in await missing(database, NOW + HOUR)] == ["S2"]


async def test_the_board_is_read_by_cpo_and_from_a_place_on(
    copies: Copies, chases: Chases, database: Database, example: Example
) -> None:
    for number, owner in enumerate((CP1, CP2, CP1, CP1)):
        await a_session(copies, example, f"S{number}", "COMPLETED", number, **owned_by(owner, id=f"S{number}"))
    found = await missing(database, NOW + HOUR)
    assert [one.session_key for one in found] == ["S0", "S1", "S2", "S3"]
    place = (found[1].completed_at, found[1].creditor, found[1].session_key)
    assert await missing(database, NOW + HOUR, after=place) == found[2:]
    assert await missing(database, NOW + HOUR, creditor=str(CP2)) == found[1:2]
    assert await missing(database, NOW + HOUR, since=NOW + timedelta(minutes=3)) == found[3:]
    owing = await chases.by_creditor(MissingAsked(before=NOW + HOUR))
    assert [(one.creditor, one.sessions, one.oldest_at) for one in owing] == [
        (str(CP1), 3, NOW),
        (str(CP2), 1, NOW + timedelta(minutes=1)),
    ]


async def test_a_wish_is_one_however_often_it_is_made(chases: Chases) -> None:
    first = await chases.wish(str(CP1), "Ines", NOW)
    assert await chases.wish(str(CP1), "", NOW + HOUR) == first
    assert await chases.wishes(10) == [first]
    assert await chases.last([str(CP1)]) == {}
    await chases.done(first, Chased(sessions=1), NOW + HOUR)
    assert await chases.wishes(10) == []
    second = await chases.wish(str(CP1), "", NOW + 2 * HOUR)
    assert second.id != first.id


async def test_what_came_of_a_chase_is_kept(chases: Chases, copies: Copies, example: Example) -> None:
    await accept(copies, example, "BEFORE", minutes=-1)
    wish = await chases.wish(str(CP1), "", NOW)
    await accept(copies, example, "SINCE", minutes=1)
    await chases.done(wish, Chased(sessions=2, date_from=NOW - HOUR, objects=5, refused=1, said="no more"), NOW + HOUR)
    (found,) = await chases.page(str(CP1), None, 10)
    assert (found.sessions, found.date_from, found.objects, found.refused, found.new_cdrs, found.said) == (
        2,
        NOW - HOUR,
        5,
        1,
        1,
        "no more",
    )
    assert await chases.last([str(CP1), str(CP2)]) == {str(CP1): found}
    assert await chases.page(str(CP2), None, 10) == []
    assert await chases.page(None, found.id, 10) == []
