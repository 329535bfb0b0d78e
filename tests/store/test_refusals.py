"""CDRs that were refused at the door are facts too."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from hub.store.database import Database
from hub.store.pack import unpack
from hub.store.refusals import Refusal, Refusals
from tests.store import CP1, MS1

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

REFUSAL = Refusal(
    caller="CPO DE/CP1",
    owner=CP1,
    object_id="Cdr\x001",
    receiver=MS1,
    text=b'{"id": "Cdr1"}' * 100,
    status_code=2001,
    answer="it exists with other contents and never changes",
)


async def test_a_refused_cdr_is_kept_byte_for_byte(database: Database) -> None:
    """A06, J01: with hash and answer."""
    refusals = Refusals(database)
    await refusals.keep(REFUSAL, NOW)
    (row,) = await refusals.load()
    assert unpack(row.packed) == REFUSAL.text
    assert row.digest == sha256(REFUSAL.text).digest()
    assert (row.creditor, row.cdr_key, row.receiver) == ("DE/CP1", "CDR1", "NL/MS1")
    assert (row.status_code, row.answer, row.times) == (2001, REFUSAL.answer, 1)


async def test_the_same_bytes_again_are_counted(database: Database) -> None:
    refusals = Refusals(database)
    for minutes in range(3):
        await refusals.keep(REFUSAL, NOW + timedelta(minutes=minutes))
    await refusals.keep(replace(REFUSAL, caller="CPO BE/CP2"), NOW)
    rows = {row.caller: row for row in await refusals.load()}
    assert (rows["CPO DE/CP1"].times, rows["CPO BE/CP2"].times) == (3, 1)
    assert rows["CPO DE/CP1"].last_at - rows["CPO DE/CP1"].first_at == timedelta(minutes=2)


async def test_what_says_nothing_of_itself_is_kept_too(database: Database) -> None:
    refusals = Refusals(database)
    await refusals.keep(replace(REFUSAL, owner=None, object_id="", receiver=None, answer=None), NOW)
    (row,) = await refusals.load()
    assert (row.creditor, row.cdr_key, row.receiver, row.answer) == ("", "", "", "")
