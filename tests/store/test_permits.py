"""Authorisations and commands as they are kept and found; sessions found by their traces."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.store.chases import Chases, MissingAsked
from hub.store.database import Database
from hub.store.permits import KeptPermit, KeptResult, PermitBook, PermitNotes, Sought
from hub.store.traces import Lost, Trace, Traces, trace_of
from ocpi_modules.types import decode_json, encode_json
from tests.settlement.cases import ABSENT, Content, cdr, session_of
from tests.settlement.test_settler import House

START = datetime(2026, 10, 10, 8, tzinfo=UTC)
TOKEN = "NL/MSP|RFID|TOKEN1"


def kept(minutes: float, name: str, **changes: Any) -> KeptPermit:
    """An authorisation so many minutes after the start."""
    usual: dict[str, Any] = {"module": "tokens", "cpo": "DE/ABC", "emsp": "NL/MSP", "token": TOKEN, "reference": ""}
    asked_at = START + timedelta(minutes=minutes)
    return KeptPermit(**{**usual, "callback": "", "asked_at": asked_at, "content": {"name": name}, **changes})


def command(minutes: float, name: str, **changes: Any) -> KeptPermit:
    return kept(minutes, name, module="commands", **changes)


async def found(database: Database, reference: str = "") -> list[str]:
    about = await PermitBook(database.direct).about([Sought("DE/ABC", TOKEN, reference, START)] * 2)
    return [f"{decode_json(one.text)['name']}{one.result and ':'}{one.result}" for one in about]


async def note(database: Database, *facts: KeptPermit | KeptResult) -> None:
    notes = PermitNotes(database.direct)
    for fact in facts:
        notes.take(fact)
    await notes.close()


async def test_what_may_have_permitted_a_charge_is_found_once(database: Database) -> None:
    await note(
        database,
        kept(-61, "an hour before"),
        kept(-10, "before"),
        kept(5, "after"),
        kept(6, "long after"),
        kept(-10, "of another token", token="NL/MSP|RFID|X"),
        kept(-10, "to another CPO", cpo="NL/XXX"),
        kept(-500, "with the reference", reference="A1", token="NL/MSP|RFID|X"),
        kept(-9, "with both", reference="A1"),
        command(-1439, "a day before", callback="CB1"),
        command(-1441, "longer before"),
        KeptResult("CB1", "TIMEOUT", START),
        KeptResult("CB1", "ACCEPTED", START),
    )
    assert await found(database) == ["a day before:ACCEPTED", "before", "with both", "after"]
    assert await found(database, "A1") == [
        "a day before:ACCEPTED",
        "with the reference",
        "before",
        "with both",
        "after",
    ]


async def test_since_when_a_cpo_asks_through_the_hub_is_known(database: Database) -> None:
    await note(
        database, kept(5, "second"), kept(-5, "first"), command(7, "a command"), kept(-9, "another", cpo="NL/XXX")
    )
    first = await PermitBook(database.direct).first_asked({"DE/ABC", "FR/YYY"})
    assert first == {
        ("DE/ABC", "tokens"): START - timedelta(minutes=5),
        ("DE/ABC", "commands"): START + timedelta(minutes=7),
    }


async def test_nothing_is_looked_for_with_nothing(database: Database) -> None:
    assert await PermitBook(database.direct).about([]) == []
    assert await PermitBook(database.direct).first_asked(()) == {}
    assert await Traces(database.direct).candidates([]) == set()


async def test_one_fact_that_cannot_be_written_costs_its_neighbours_nothing(database: Database) -> None:
    """PostgreSQL keeps no text with a zero in it."""
    await note(database, kept(-3, "good"), kept(-2, "bad", reference="\x00"), kept(-1, "good too"))
    assert await found(database) == ["good", "good too"]


async def test_facts_are_written_together(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes a note does not wait for the database."""
    commits = 0
    original = PermitNotes._commit

    async def counted(self: PermitNotes, facts: Any) -> Any:
        nonlocal commits
        commits += 1
        return await original(self, facts)

    monkeypatch.setattr(PermitNotes, "_commit", counted)
    notes = PermitNotes(database.direct)
    for number in range(100):
        notes.take(kept(-number / 60, str(number)))
    assert commits == 0
    await asyncio.sleep(0)
    await notes.close()
    assert (commits, len(await found(database))) == (1, 100)


# --- traces ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session", "trace"),
    [
        pytest.param(
            session_of(cdr(), authorization_reference="a1", evse_uid="e1"),
            Trace(TOKEN, "E1", "A1", START),
            id="all of it",
        ),
        pytest.param(
            session_of(cdr(), cdr_token=ABSENT, evse_uid=7, start_date_time="soon"),
            Trace("", "", "", None),
            id="nonsense",
        ),
    ],
)
def test_a_session_leaves_a_trace(session: Content, trace: Trace) -> None:
    assert trace_of(encode_json(session)) == trace


def lost(minutes: float = 0, reference: str = "", token: str = TOKEN, creditor: str = "DE/ABC") -> Lost:
    start = START + timedelta(minutes=minutes)
    return Lost(creditor, reference, token, start, start + timedelta(hours=2))


async def test_completed_sessions_are_found_by_what_is_known_of_them(database: Database) -> None:
    house = House(database)
    await house.push("sessions", session_of(cdr(), id="S-ACTIVE", status="ACTIVE"))
    await house.push("sessions", session_of(cdr(), id="S-DONE", authorization_reference="A1"))
    await house.copies.close()
    traces = Traces(database.direct)
    done = {("DE/ABC", "S-DONE")}
    for one, wanted in (
        (lost(), done),
        (lost(-122), done),
        (lost(-123), set()),
        (lost(24 * 60), done),
        (lost(24 * 60 + 1), set()),
        (lost(99_999, reference="A1"), done),
        (lost(token="NL/MSP|RFID|X"), set()),
        (lost(reference="A1", token="", creditor="NL/XXX"), set()),
    ):
        assert await traces.candidates([one]) == wanted, one


async def test_a_session_that_is_corrected_leaves_its_last_trace(database: Database) -> None:
    house = House(database)
    for uid, at in (("TOKEN1", "2026-10-10T10:00:00Z"), ("TOKEN9", "2026-10-10T11:00:00Z")):
        await house.push("sessions", session_of(cdr(), cdr_token__uid=uid, last_updated=at))
    await house.copies.close()
    assert await house.rows("select token from completed_session") == [("NL/MSP|RFID|TOKEN9",)]


async def test_a_session_that_was_found_for_a_cdr_is_missed_by_nobody(database: Database) -> None:
    """D05: as long as nobody else names it."""
    house = House(database)
    await house.furnish()
    await house.receive(cdr(session_id="S-OTHER"))
    missing = MissingAsked(before=datetime(2026, 12, 1, tzinfo=UTC), debtor="NL/MSP")
    assert [one.session_key for one in await Chases(database.direct).missing(missing, 9)] == ["S1"]
    await house.settle_all()
    assert await Chases(database.direct).missing(missing, 9) == []

    await house.receive(cdr(id="C-OWNER", start_date_time="2026-10-10T08:01:00Z"), after=60)
    await house.settle_all()
    assert await house.rows("select cdr_key, found_session from verdict order by 1") == [
        ("C-OWNER", None),
        ("C1", None),
    ]
    await house.copies.close()


@pytest.mark.parametrize("first", [0, 1], ids=["one after the other", "the later one first"])
async def test_the_earlier_of_two_gets_a_session_whichever_is_looked_at_first(database: Database, first: int) -> None:
    """Invariant 5: the portions in which CDRs are looked at do not matter."""
    house = House(database)
    await house.furnish()
    days = ("2026-10-10T07:59:00Z", "2026-10-10T08:01:00Z")
    pair = [
        (cdr(id=f"C-{number}", session_id=f"S-{number}", start_date_time=start), number * 60)
        for number, start in enumerate(days)
    ]
    for content, after in (pair[first], pair[1 - first]):
        await house.receive(content, after)
        await house.settle_all()
    assert await house.rows("select cdr_key, found_session from verdict order by 1") == [("C-0", "S1"), ("C-1", None)]
    await house.copies.close()
