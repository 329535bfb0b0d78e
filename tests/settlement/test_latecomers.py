"""What comes after a CDR was looked at has it looked at again: its session, news of it, the result of a command; unless it is billed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from hub.settlement.engine.latecomers import LOOKED_BACK_MAX_DAYS, LateLook
from hub.store.database import Database
from hub.store.latecomers import LateBook
from hub.store.permits import KeptPermit, KeptResult, PermitNotes
from tests.settlement.cases import CPO, OTHER_EMSP, Content, cdr, dc_cdr, session_of
from tests.settlement.test_closing import OCTOBER, Office
from tests.settlement.test_settler import NOW

HOUR = timedelta(hours=1)


def _on(day: int) -> Content:
    """The same charge on another day."""
    start = f"2026-10-{day:02}T"
    return {
        "start_date_time": f"{start}08:00:00Z",
        "end_date_time": f"{start}10:00:00Z",
        "last_updated": f"{start}10:00:00Z",
        "charging_periods__0__start_date_time": f"{start}08:00:00Z",
        "charging_periods__1__start_date_time": f"{start}09:30:00Z",
        "total_cost": {"excl_vat": Decimal(9), "incl_vat": Decimal("10.71")},
    }


LATE = cdr(id="C9", session_id="S-LATE", **_on(11))


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    opened = Office(database)
    await opened.furnish()
    yield opened
    await opened.copies.close()


async def news(office: Office, most: int = 100) -> int:
    """One whole walk; returns how many CDRs are to be looked at again."""
    look = LateLook(LateBook(office.database.direct), office.clock, 3600, most)
    found = await look.run_due()
    while look.is_under_way:
        found += await look.run_due()
    return found


async def kinds(office: Office) -> list[str]:
    return [kind for (kind,) in await office.rows("select kind from finding where cleared_at is null order by 1")]


async def push_later(office: Office, content: Content, after: timedelta = HOUR) -> None:
    """A session that comes after everything was looked at."""
    office.clock.moment += after
    await office.push("sessions", content, office.clock.moment)


async def judged(office: Office, *contents: Content) -> None:
    """CDRs come, and are looked at when all else has been there for an hour."""
    office.clock.moment += HOUR
    for content in contents:
        await office.receive(content)
    await office.settle_all()


async def test_a_session_that_comes_late_clears_that_it_was_missed(office: Office) -> None:
    await judged(office, LATE)
    assert await kinds(office) == ["MISSING_SESSION"]
    assert await news(office) == 0
    await push_later(office, session_of(LATE))
    assert await news(office) == 1
    assert await office.settle_all() == 1
    assert await kinds(office) == []
    assert await news(office) == 0, "it was looked at since"


async def test_a_session_that_comes_late_may_hold_a_cdr_that_was_accepted(office: Office) -> None:
    await judged(office, LATE)
    assert await office.owed() != {}
    await push_later(office, session_of(LATE, kwh=12))
    assert await news(office) == 1
    await office.settle_all()
    assert await office.dispositions() == {"C9": "HOLD"}
    assert not any((await office.owed()).values())


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        pytest.param({"status": "INVALID"}, "SESSION_INVALID", id="it is called invalid"),
        pytest.param({"kwh": 12}, "SESSION_CDR_ENERGY_MISMATCH", id="it took other energy"),
    ],
)
async def test_news_of_a_session_are_looked_at(office: Office, changes: Content, kind: str) -> None:
    await judged(office, cdr())
    assert await news(office) == 0
    await push_later(office, session_of(cdr(), last_updated="2026-10-20T12:30:00Z", **changes))
    assert await news(office) == 1
    await office.settle_all()
    assert kind in await kinds(office)
    assert await news(office) == 0


async def test_what_was_pulled_has_no_moment_and_is_known_by_its_own_date(office: Office) -> None:
    await judged(office, cdr(), LATE)
    for content in (
        session_of(cdr(), last_updated="2026-10-19T00:00:00Z", status="INVALID"),
        session_of(LATE),
    ):
        await office.push("sessions", content, NOW)
    await office.rows("update copy set pushed_at = null where module = 'sessions' returning 1")
    assert await news(office) == 2
    await office.settle_all()
    assert await office.dispositions() == {"C1": "HOLD", "C9": "SETTLE"}
    assert await news(office) == 0


async def test_what_came_while_a_look_was_under_way_is_seen(office: Office) -> None:
    """It was pushed before the look was kept, and not read by it."""
    await judged(office, LATE)
    await office.push("sessions", session_of(LATE), office.clock.moment - timedelta(seconds=1))
    assert await news(office) == 1
    await office.settle_all()
    assert await news(office) == 0


async def test_a_session_under_another_id_is_found_when_it_comes_late(office: Office) -> None:
    """E01: by token, EVSE and start."""
    await judged(office, LATE)
    await push_later(office, session_of(LATE, id="S-OTHER"))
    assert await news(office) == 1
    await office.settle_all()
    assert await office.rows("select found_session from verdict") == [("S-OTHER",)]
    office.clock.moment += HOUR
    assert await news(office) == 0
    await push_later(office, session_of(LATE))
    assert await news(office) == 1, "the one that it names counts before one that was found"


async def test_what_is_billed_is_not_looked_at_again(office: Office) -> None:
    await judged(office, LATE, dc_cdr(session_id="S-LATE-2"))
    office.clock.moment = datetime.fromisoformat("2026-11-06T00:00:00Z")
    await office.closing.cut_off(OCTOBER, "Ada")
    await office.closing.draft(OCTOBER, "Ada")
    await office.closing.advise(OCTOBER, "Ada")
    await push_later(office, session_of(LATE, kwh=12))
    assert await news(office) == 0
    assert await office.settle_all() == 0


async def test_the_result_of_a_command_that_comes_late_is_looked_at(office: Office) -> None:
    """F07."""
    content = dc_cdr(auth_method="COMMAND", authorization_reference="A2")
    await note(office, KeptPermit(**_command()))
    await judged(office, content)
    assert "COMMAND_NOT_ACCEPTED" not in await kinds(office)
    assert await news(office) == 0
    office.clock.moment += HOUR
    await note(office, KeptResult("CALL-1", "FAILED", office.clock.moment))
    assert await news(office) == 1
    await office.settle_all()
    assert "COMMAND_NOT_ACCEPTED" in await kinds(office)
    assert await news(office) == 0


async def test_a_walk_goes_in_stretches_through_all_and_not_beyond_its_days(office: Office) -> None:
    await judged(office, *(cdr(id=f"C{day}", session_id=f"S-{day}", **_on(day)) for day in range(1, 8)))
    office.clock.moment += HOUR
    for day in range(1, 8):
        await office.push("sessions", session_of(cdr(session_id=f"S-{day}", **_on(day))), office.clock.moment)
    office.clock.moment = datetime.fromisoformat("2026-10-04T00:00:00Z") + timedelta(days=LOOKED_BACK_MAX_DAYS)
    assert await news(office, most=2) == 4, "those of the fourth to the seventh"


async def test_between_two_walks_is_some_time(office: Office) -> None:
    await judged(office, LATE)
    look = LateLook(LateBook(office.database.direct), office.clock, 3600)
    await look.run_due()
    await push_later(office, session_of(LATE), timedelta(minutes=59))
    assert await look.run_due() == 0
    office.clock.moment += timedelta(minutes=2)
    assert await look.run_due() == 1


async def note(office: Office, fact: KeptPermit | KeptResult) -> None:
    notes = PermitNotes(office.database.direct)
    notes.take(fact)
    await notes.close()


def _command() -> Content:
    at = datetime.fromisoformat("2026-10-12T15:58:00Z")
    token = dc_cdr()["cdr_token"]
    content = {
        "kind": "START_SESSION",
        "asked_by": str(OTHER_EMSP),
        "answered_by": str(CPO),
        "asked_at": at,
        "answered_at": at,
        "cdr_token": token,
        "response": "ACCEPTED",
        "authorization_reference": "A2",
    }
    return {
        "module": "commands",
        "cpo": str(CPO),
        "emsp": str(OTHER_EMSP),
        "token": f"{OTHER_EMSP}|{token['type']}|{token['uid']}",
        "reference": "A2",
        "callback": "CALL-1",
        "asked_at": at,
        "content": content,
    }
