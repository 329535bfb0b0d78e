"""Decisions in the books: what is decided is posted, what is revoked is taken back, and a credit goes with its original (point 4)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hub.store.decisions import KeptDecision, NewDecision
from tests.settlement.cases import CPO, EMSP, OTHER_EMSP, cdr, credit_of
from tests.settlement.test_settler import DEAR, SECOND, TWICE, House, house

__all__ = ["house"]

LATER_DEAR = {**DEAR, "id": "CDR-DEARER"}


async def cause_of(house: House, kind: str) -> str:
    (cause,) = {row[0] for row in await house.rows(f"select cause from finding where kind = '{kind}'")}
    return str(cause)


async def kind_of(house: House, key: str) -> str:
    rows = await house.rows(
        f"select f.kind from finding f join finding_cdr c on c.finding = f.key where c.cdr_key = '{key}' "
        "and f.disposition = 'HOLD' and f.cleared_at is null"
    )
    return str(rows[0][0])


async def decide(house: House, scope: str, target: str, action: str, **changes: Any) -> KeptDecision:
    values: dict[str, Any] = {"reason": "PRICE", "note": "", "at_risk": "{}", "most": None, "actor": "Ines"}
    new = NewDecision(scope=scope, target=target, action=action, **{**values, **changes})
    house.clock.moment += SECOND
    return await house.books.decisions.keep(new, house.clock.now(), stands=True)


async def held_dear(house: House) -> str:
    """A claim above its tariff is held; the key of the cause."""
    await house.receive(DEAR)
    await house.settle_all()
    assert (await house.dispositions())["CDR-DEAR"] == "HOLD"
    return await cause_of(house, await kind_of(house, "CDR-DEAR"))


async def test_an_accepted_cause_is_posted_now_and_for_those_that_come_later(house: House) -> None:
    cause = await held_dear(house)
    assert await house.owed() == {}
    await decide(house, "cause", cause, "accept")
    assert await house.settle_all() == 1
    assert await house.owed() == {(str(CPO), "EUR"): Decimal(-38), (str(OTHER_EMSP), "EUR"): Decimal(38)}
    later = {
        **LATER_DEAR,
        "start_date_time": "2026-10-13T08:00:00Z",
        "end_date_time": "2026-10-13T08:30:00Z",
        "charging_periods": [{**DEAR["charging_periods"][0], "start_date_time": "2026-10-13T08:00:00Z"}],
        "last_updated": "2026-10-13T08:35:00Z",
    }
    await house.receive(later)
    await house.settle_all()
    assert await house.dispositions() == {"CDR-DEAR": "SETTLE", "CDR-DEARER": "SETTLE"}
    assert (await house.owed())[str(OTHER_EMSP), "EUR"] == 76


async def test_what_is_revoked_is_taken_back_by_an_entry_more(house: House) -> None:
    decision = await decide(house, "cause", await held_dear(house), "accept")
    await house.settle_all()
    await house.books.decisions.revoke(decision, "Otto", house.clock.now())
    assert await house.settle_all() == 1
    assert await house.dispositions() == {"CDR-DEAR": "HOLD"}
    assert await house.owed() == {}
    assert await house.rows("select event from journal_entry order by id") == [("accepted",), ("withdrawn",)]


@pytest.mark.parametrize("action", ["hold", "drop"])
async def test_a_cdr_that_nothing_was_found_about_is_kept_out(house: House, action: str) -> None:
    await house.receive(cdr())
    await house.settle_all()
    await decide(house, "cdr", f"{CPO}/{cdr()['id']}", action, reason="NOAUTH")
    await house.settle_all()
    assert await house.dispositions() == {cdr()["id"]: action.upper()}
    assert await house.owed() == {}


async def test_a_decision_about_one_finding_leaves_the_others_of_its_cause(house: House) -> None:
    await held_dear(house)
    await house.receive(TWICE)
    await house.receive(cdr(), after=-60)
    await house.settle_all()
    assert (await house.dispositions())["CDR-TWICE"] == "HOLD"
    ((key,),) = await house.rows(
        "select f.key from finding f join finding_cdr c on c.finding = f.key where c.cdr_key = 'CDR-DEAR' "
        "and disposition = 'HOLD'"
    )
    await decide(house, "finding", key, "accept")
    await house.settle_all()
    assert await house.dispositions() == {cdr()["id"]: "SETTLE", "CDR-TWICE": "HOLD", "CDR-DEAR": "SETTLE"}


@pytest.mark.parametrize(
    ("action", "becomes"),
    [pytest.param("hold", "HOLD", id="it waits"), pytest.param("drop", "DROP", id="it is dropped")],
)
async def test_a_credit_goes_with_the_original_that_is_decided_about(house: House, action: str, becomes: str) -> None:
    """Invariant 4: the credit of what is not paid is not paid out."""
    await house.receive(cdr())
    await house.receive(credit_of(cdr()), after=3600)
    await house.settle_all()
    assert set((await house.dispositions()).values()) == {"SETTLE"}
    await decide(house, "cdr", f"{CPO}/{cdr()['id']}", action)
    await house.settle_all()
    assert set((await house.dispositions()).values()) == {becomes}
    assert await house.owed() == {}


async def test_a_credit_is_paid_when_its_held_original_is_accepted(house: House) -> None:
    cause = await held_dear(house)
    await house.receive(credit_of(DEAR), after=3600)
    await house.settle_all()
    assert set((await house.dispositions()).values()) == {"HOLD"}
    await decide(house, "cause", cause, "accept")
    await house.settle_all()
    assert set((await house.dispositions()).values()) == {"SETTLE"}
    assert await house.owed() == {}


async def test_a_billed_cdr_stays_as_it_was_billed(house: House) -> None:
    await house.receive(cdr())
    await house.settle_all()
    async with house.database.direct.transaction() as connection:
        await connection.execute("update verdict set statement = 'S1'")
    await decide(house, "cdr", f"{CPO}/{cdr()['id']}", "drop")
    assert await house.settle_all() == 0
    async with house.database.direct.transaction() as connection:
        await connection.execute("update claim set examined_at = null")  # whoever else has it looked at again
    assert await house.settle_all() == 1
    assert await house.dispositions() == {cdr()["id"]: "SETTLE"}
    assert (await house.owed())[str(EMSP), "EUR"] == 9


async def test_what_is_released_after_the_statements_counts_in_the_next_period(house: House) -> None:
    """Invariant 9."""
    cause = await held_dear(house)
    async with house.database.direct.transaction() as connection:
        await connection.execute("update period set state = 'closed'")
    await decide(house, "cause", cause, "accept")
    await house.settle_all()
    assert await house.rows("select cdr_id, disposition, period from verdict") == [("CDR-DEAR", "SETTLE", "2026-11")]
    assert await house.rows("select distinct period from posting") == [("2026-11",)]
