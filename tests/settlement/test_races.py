"""Two work on the same books at once: whoever comes second sees what the first one did, or waits for it, or is told to look again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.commands.erase import read_token
from hub.settlement.agreements import Agreements
from hub.settlement.disputes import Reason, Step
from hub.settlement.engine import Settler
from hub.settlement.engine.corrections import Answer, CorrectionAsked, CorrectionDesk, Kind
from hub.settlement.engine.disputes import DisputeAsked
from hub.settlement.netting import Amount
from hub.settlement.periods import NotNow, State
from hub.store.corrections import Corrections
from hub.store.direct import Unavailable
from hub.store.forgetting import Forgetting
from tests.settlement.cases import CPO, EMSP, cdr, dc_cdr
from tests.settlement.gates import gate_before, waits
from tests.settlement.test_closing import OCTOBER, Office, office
from tests.settlement.test_closing_meets import FOUR, UNKNOWN_TOKEN, a_decision, disputed, net_of, room_of
from tests.settlement.test_months import each_settled_cdr_has_its_line, the_journal_balances
from tests.settlement.test_settler import TWICE, House, house

__all__ = ["house", "office"]

KEEPING, WRITING, BILLING = "set local lock_timeout", "insert into verdict", "update verdict v set statement"
NAME = (str(CPO), cdr()["id"])
HOLD_IT = ("cdr", f"{CPO}/{cdr()['id']}")


async def decide(office: Office, action: str = "hold") -> None:
    wanted = replace(a_decision(*HOLD_IT), action=action)
    await office.books.decisions.keep(wanted, office.clock.moment, stands=True)


async def fate(office: House) -> list[tuple[Any, ...]]:
    return await office.rows(f"select disposition, statement, period from verdict where cdr_id = '{cdr()['id']}'")


async def settled(office: House) -> list[list[tuple[Any, ...]]]:
    """All that is in the books, and what is billed; what is held may move on."""
    return [
        await office.rows("select * from posting order by id"),
        await office.rows("select * from verdict where disposition = 'SETTLE' order by creditor, cdr_key"),
    ]


async def ready_to_advise(office: Office) -> None:
    await office.month()
    await office.closing.cut_off(OCTOBER, "Ada")
    await office.closing.draft(OCTOBER, "Ada")


# --- a look and the advice -----------------------------------------------------------------------


@pytest.mark.parametrize("where", [KEEPING, WRITING], ids=["before it is kept", "while it is kept"])
async def test_what_was_decided_before_the_advice_is_not_billed_in_spite_of_it(office: Office, where: str) -> None:
    """Point 4: whether the settler has looked at it or not."""
    await ready_to_advise(office)
    await decide(office)
    with gate_before(where) as gate:
        look = await gate.stop(office.settle_all())
        if where == KEEPING:
            with pytest.raises(NotNow, match="1 CDRs of 2026-10 wait for another look"):
                await office.closing.advise(OCTOBER, "Ada")
            await gate.release(look)
        else:
            advice = await waits(office.closing.advise(OCTOBER, "Ada"))
            await gate.release(look)
            with pytest.raises(NotNow, match="draft them again"):
                await advice
    await office.closing.draft(OCTOBER, "Ada")
    await office.closing.advise(OCTOBER, "Ada")
    assert await fate(office) == [("HOLD", None, OCTOBER)]
    await each_settled_cdr_has_its_line(office)


async def test_a_verdict_never_changes_after_it_is_billed(office: Office) -> None:
    """Decided while the statements were advised: that was after the advice."""
    await ready_to_advise(office)
    with gate_before(BILLING) as gate:
        advice = await gate.stop(office.closing.advise(OCTOBER, "Ada"))
        await decide(office)
        with pytest.raises(Unavailable):  # a period that takes a step is not waited for
            await office.settle_all()
        await gate.release(advice)
    await office.settle_all()
    assert await fate(office) == [("SETTLE", "2026-10_DE-ABC_NL-MSP_EUR_1", OCTOBER)]
    await each_settled_cdr_has_its_line(office)
    await the_journal_balances(office)
    for _, step in office.steps()[3:]:
        await step()
    assert await office.closing.faults_of(OCTOBER) == []


async def test_a_look_that_began_before_the_advice_changes_nothing_that_it_billed(office: Office) -> None:
    await ready_to_advise(office)
    await office.rows("update claim set examined_at = null returning 1")
    with gate_before(KEEPING) as gate:
        look = await gate.stop(office.settle_all())
        await office.rows("update claim set examined_at = now() returning 1")
        await office.closing.advise(OCTOBER, "Ada")
        before = await settled(office)
        await gate.release(look)
    assert await settled(office) == before


async def test_what_is_held_after_the_draft_is_listed_before_the_advice(office: Office) -> None:
    """P02: what is kept out of a statement is named on it."""
    await office.month()
    await office.closing.draft(OCTOBER, "Ada")
    await office.receive(TWICE, after=60)
    await office.settle_all()
    await office.closing.cut_off(OCTOBER, "Ada")
    with pytest.raises(NotNow, match="draft them again"):
        await office.closing.advise(OCTOBER, "Ada")
    await office.closing.draft(OCTOBER, "Ada")
    await office.closing.advise(OCTOBER, "Ada")
    listed = await office.rows(
        "select cdr_key from statement_kept_out k join settlement_statement s on s.id = k.statement "
        "where s.state = 'advised' order by 1"
    )
    assert listed == [("CDR-DEAR",), ("CDR-TWICE",)]


# --- disputes and corrections --------------------------------------------------------------------


async def test_a_dispute_that_waits_for_the_netting_is_told_and_can_be_raised_again(office: Office) -> None:
    await office.month()
    await office.up_to(State.ADVISED)
    with gate_before("insert into period_step") as gate:
        netting = await gate.stop(office.closing.net(OCTOBER, "Ada"))
        dispute = await waits(disputed(office))
        await gate.release(netting)
        with pytest.raises(NotNow, match="became netted at the same time"):
            await dispute
    number = await disputed(office)
    assert (await room_of(office).show(number)).kept.posted_in == ""
    for _, step in office.steps()[4:]:
        await step()
    assert await office.closing.faults_of(OCTOBER) == []


async def test_a_netting_that_waits_for_a_dispute_leaves_it_out(office: Office) -> None:
    await office.month()
    await office.up_to(State.ADVISED)
    with gate_before("insert into dispute_step") as gate:
        dispute = await gate.stop(disputed(office))
        netting = await waits(office.closing.net(OCTOBER, "Ada"))
        await gate.release(dispute)
        await netting
    assert (await net_of(office))["NL-MSP"] == "-5.95"


async def test_two_disputes_at_once_take_no_more_than_the_line(office: Office) -> None:
    """Invariant 10."""
    await office.month()
    await office.up_to(State.ADVISED)
    room, five = room_of(office), Amount(Decimal(5), Decimal("5.95"))

    async def dispute(actor: str) -> Any:
        asked = DisputeAsked(name=NAME, amount=five, reason=Reason.ENERGY, note="", actor=actor)
        return await room.open(asked)

    answers = await asyncio.gather(*map(dispute, ("Dora", "Emil", "Fay")), return_exceptions=True)
    assert sorted(isinstance(answer, NotNow) for answer in answers) == [False, True, True]


def desk_of(office: Office) -> CorrectionDesk:
    return CorrectionDesk(room_of(office), Corrections(office.database.direct), office.fee_check)


async def test_an_adjustment_that_is_agreed_to_while_its_month_is_cut_off_counts_in_the_next(office: Office) -> None:
    """Invariants 3 and 9: it never comes to stand on no statement."""
    await office.month()
    await office.all_steps()
    desk = desk_of(office)
    asked = CorrectionAsked(
        kind=Kind.ADJUSTMENT, name=NAME, amount=-FOUR, reason=Reason.PRICE, note="", actor="Dora", party=EMSP
    )
    number = (await desk.propose(asked)).id
    assert number is not None
    with gate_before("select 1 from period where id") as gate:
        consent = await gate.stop(desk.answer(number, Answer.AGREED, "Carl", CPO))
        office.clock.moment += timedelta(days=30)
        for _, step in office.steps("2026-11")[:3]:
            await step()
        with pytest.raises(NotNow, match="look again"):
            await gate.release(consent)
    agreed = await desk.answer(number, Answer.AGREED, "Carl", CPO)
    assert agreed.period == "2026-12"


async def test_a_concession_while_the_open_month_is_cut_off_counts_in_the_next(office: Office) -> None:
    await office.month()
    await office.up_to(State.ADVISED)
    number = await disputed(office)
    for _, step in office.steps()[3:]:
        await step()
    room = room_of(office)
    with gate_before("select id, state from period where id = any($1::text[]) order by id for share") as gate:
        concession = await gate.stop(step_of(office, number))
        office.clock.moment += timedelta(days=30)
        await office.closing.cut_off("2026-11", "Ada")
        with pytest.raises(NotNow, match="look again"):
            await gate.release(concession)
    office.clock.moment -= timedelta(days=30)
    await step_of(office, number)
    assert await office.rows("select period from adjustment") == [("2026-12",)]
    assert (await room.show(number)).kept.state == "conceded"


async def step_of(office: Office, number: int) -> Any:
    return await room_of(office).step(number, Step.CONCEDE, "Carl", "")


# --- agreements ----------------------------------------------------------------------------------

TERMS = {
    "agreement": "DEABC-NLMSP",
    "creditor": "DE-ABC",
    "debtor": "NL-MSP",
    "valid": {"from": "2026-10-01T00:00:00Z"},
    "pricing": {"fee": {"payer": "debtor", "per_session": "0.25"}},
}


async def test_an_agreement_that_is_activated_during_a_look_bears_on_what_is_looked_at(office: Office) -> None:
    terms = office.books.terms
    proposed = await terms.propose(TERMS, "Ada")
    await office.receive(cdr())
    with gate_before(KEEPING) as gate:
        look = await gate.stop(office.settler.settle_due())
        await terms.activate(proposed.id, proposed.version, "Grace")
        await gate.release(look)
    await office.settle_all()
    assert await office.owed() == {
        ("DE/ABC", "EUR"): -9,
        ("NL/HUB", "EUR"): Decimal("-0.25"),
        ("NL/MSP", "EUR"): Decimal("9.25"),
    }


# --- a driver is forgotten -----------------------------------------------------------------------

PLACES = {
    "verdict": "token",
    "finding": "cause || sentence || details",
    "decision": "target",
    "pseudonym": "value",
}


async def erase(office: Office) -> None:
    driver, forgetting = read_token("nl/msp/rfid/nobodys"), Forgetting(office.database.direct)
    await forgetting.forget(await forgetting.find(driver.has), driver.has)


async def is_forgotten(office: Office) -> None:
    for table, text in PLACES.items():
        assert await office.rows(f"select {text} from {table} where upper({text}) like '%NOBODYS%'") == [], table


@pytest.mark.parametrize("is_known", [False, True], ids=["never looked at", "looked at before"])
async def test_a_look_brings_nobody_back_who_was_forgotten_meanwhile(office: Office, is_known: bool) -> None:
    """Point 12."""
    await office.receive(UNKNOWN_TOKEN)
    if is_known:
        await office.settle_all()
        await office.rows("update claim set examined_at = null returning 1")
    with gate_before(KEEPING) as gate:
        look = await gate.stop(office.settle_all())
        await erase(office)
        await gate.release(look)
    await is_forgotten(office)
    assert await office.dispositions() == {"CDR-WHO": "HOLD"}


async def test_who_is_forgotten_during_a_seal_is_not_under_it(office: Office) -> None:
    """Invariant 13: every root still verifies."""
    await office.receive(UNKNOWN_TOKEN)
    await office.month()
    ((cause,),) = await office.rows("select distinct cause from finding where cause like '%|token|%'")
    await office.books.decisions.keep(a_decision("cause", cause), office.clock.moment - timedelta(days=1), stands=True)
    await office.settle_all()
    for _, step in office.steps()[:-1]:
        await step()
    with gate_before("insert into pseudonym") as gate:
        seal = await gate.stop(office.closing.seal(OCTOBER, "Ada"))
        forgetting = await waits(erase(office))
        await gate.release(seal)
        await forgetting
    await is_forgotten(office)
    assert await office.closing.faults_of(OCTOBER) == []


# --- two lead for a moment -----------------------------------------------------------------------


async def test_a_look_without_what_another_one_saw_is_not_kept(house: House) -> None:
    """D01: both looked at the first CDR, only one of them at the second too."""
    other = Settler(house.books, house.clock, Agreements())
    await house.receive(TWICE, after=60)
    with gate_before(KEEPING) as gate:
        slow = await gate.stop(house.settler.settle_due())
        await house.receive(cdr())
        while await other.settle_due():
            pass
        await gate.release(slow)
    await house.settle_all()
    assert await house.dispositions() == {cdr()["id"]: "SETTLE", "CDR-TWICE": "HOLD"}
    assert (await house.owed())["NL/MSP", "EUR"] == 9


ARRIVING: list[Callable[[], Any]] = [cdr, lambda: TWICE, dc_cdr]


async def test_two_who_settle_at_once_come_to_what_one_comes_to(house: House) -> None:
    """Invariants 1, 5, 6: whatever each of them sees of the other."""
    settlers = [Settler(house.books, house.clock, Agreements()) for _ in range(3)]

    async def work(settler: Settler) -> None:
        for _ in range(6):
            await settler.settle_due()

    async def arrive() -> None:
        for seconds, content in enumerate(ARRIVING):
            await house.receive(content(), after=seconds)
            await asyncio.sleep(0.01)
            await house.rows("update claim set examined_at = null returning 1")

    await asyncio.gather(arrive(), *map(work, settlers))
    await house.settle_all()
    assert await house.dispositions() == {cdr()["id"]: "SETTLE", "CDR-TWICE": "HOLD", dc_cdr()["id"]: "SETTLE"}
    assert await house.owed() == {("DE/ABC", "EUR"): -37, ("NL/MSP", "EUR"): 9, ("BE/EMO", "EUR"): 28}
    assert await house.findings() == [("SESSION_BILLED_TWICE", "CDR-TWICE")]


# --- the database itself -------------------------------------------------------------------------


async def test_a_posting_waits_for_a_period_that_closes_and_is_refused_then(office: Office) -> None:
    """Invariant 9, whoever writes."""
    await office.month()
    await office.up_to(State.NETTED)
    await office.closing.close(OCTOBER, "Ada")
    with gate_before("insert into period_step") as gate:
        close = await gate.stop(office.closing.close(OCTOBER, "Bo"))
        posting = await waits(a_posting(office))
        await gate.release(close)
        with pytest.raises(Exception, match="period 2026-10 is closed"):
            await posting


async def a_posting(office: Office) -> None:
    async with office.database.direct.transaction() as connection:
        await connection.execute(
            "with e as (insert into journal_entry (key, event, reference, actor, reason, known_at) "
            "values ('x', 'accepted', 'x', '', '', now()) returning id) insert into posting "
            "(entry, kind, party, counterparty, period, currency, excl_vat, incl_vat) "
            f"select id, 'claim:unbilled', 'DE/ABC', 'NL/MSP', '{OCTOBER}', 'EUR', 0, 0 from e"
        )
