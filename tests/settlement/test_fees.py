"""M03: fees on statements are computed again from what was agreed; a wrong one is told, and its month does not close."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hub.settlement.agreements import Agreement, Agreements, Fee, Override
from hub.settlement.disputes import Reason
from hub.settlement.engine import Settler, feelook
from hub.settlement.engine.corrections import Answer, CorrectionAsked, CorrectionDesk, Kind
from hub.settlement.engine.disputes import DisputeRoom
from hub.settlement.engine.feecorrections import FeeCorrectionAsked
from hub.settlement.engine.feelook import FeeLook
from hub.settlement.fees import Fees, fees_by_pair, m03_fees
from hub.settlement.findings import Disposition, Severity
from hub.settlement.netting import Amount, Pair
from hub.settlement.periods import NotNow, State
from hub.store.corrections import Corrections
from hub.store.database import Database
from hub.store.decisions import NewDecision
from hub.store.disputes import DisputeBook
from ocpi_modules.parties import Party
from tests.settlement.cases import CPO, EMSP, OTHER_EMSP, cdr, credit_of, fact_of
from tests.settlement.test_closing import FEES, OCTOBER, Office

HUB = Party("NL", "HUB")
TO_HUB = Pair(HUB, EMSP, "EUR")
TO_CPO = Pair(CPO, EMSP, "EUR")
QUARTER = Amount(Decimal("0.25"), Decimal("0.3025"))


def dearer(per_session: str) -> Agreements:
    """The same agreement with another fee."""
    (agreement,) = FEES.known
    fee = Fee(payer="debtor", per_session=Decimal(per_session), vat=Decimal(21))
    return Agreements(known=(replace(agreement, fees=(fee,)),))


# --- the check -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("billed", "is_wrong"),
    [
        pytest.param({TO_HUB: QUARTER}, False, id="as agreed"),
        pytest.param({TO_HUB: Amount(Decimal("0.26"), Decimal("0.3025"))}, False, id="a minor unit more"),
        pytest.param({TO_HUB: Amount(Decimal("0.2601"), Decimal("0.3025"))}, True, id="more than a minor unit"),
        pytest.param({TO_HUB: Amount(Decimal("0.25"), Decimal("0.25"))}, True, id="its VAT is missing"),
        pytest.param({}, True, id="it is missing"),
        pytest.param({TO_CPO: QUARTER}, True, id="paid to another one"),
        pytest.param({TO_HUB: QUARTER, TO_CPO: QUARTER}, True, id="one that nobody agreed on"),
        pytest.param({TO_HUB: -QUARTER}, True, id="given back instead of paid"),
    ],
)
def test_a_fee_is_right_to_the_minor_unit(billed: Fees, is_wrong: bool) -> None:
    fact = fact_of(cdr())
    finding = m03_fees(fact, billed, fees_by_pair(FEES.fees(fact)))
    assert (finding is not None) == is_wrong
    if finding is not None:
        said = (finding.check.id, finding.check.kind, finding.severity, finding.disposition)
        assert said == ("M03", "FEE_MISMATCH", "ERROR", "HOLD")


def test_a_finding_says_what_is_billed_and_what_is_agreed() -> None:
    fact = fact_of(cdr())
    finding = m03_fees(fact, {TO_HUB: Amount(Decimal(1), Decimal("1.21"))}, fees_by_pair(FEES.fees(fact)))
    assert finding is not None
    assert finding.sentence == (
        "For CDR C1 NL/MSP is billed EUR 1.00 (EUR 1.21 with VAT) of fees of NL/HUB, "
        "EUR 0.25 (EUR 0.3025 with VAT) are agreed."
    )


@pytest.mark.parametrize("energy", [pytest.param(20, id="repeated"), pytest.param(-20, id="negated with the total")])
def test_a_credit_gives_back_just_the_fees_of_its_original(energy: int) -> None:
    """Invariant 4: whichever way a credit states its energy (C1)."""
    fee = Fee(
        payer="debtor",
        per_session=Decimal("0.5"),
        per_kwh=Decimal("0.01"),
        percent=Decimal(1),
    )
    agreements = Agreements((Agreement(id="A", creditor=CPO, debtor=EMSP, fees=(fee,)),))
    original = fees_by_pair(agreements.fees(fact_of(cdr())))
    credit = fees_by_pair(agreements.fees(fact_of(credit_of(cdr(), total_energy=energy))))
    assert original == {TO_HUB: Amount(Decimal("0.79"), Decimal("0.79"))}
    assert credit == {TO_HUB: Amount(Decimal("-0.79"), Decimal("-0.79"))}


# --- in the hub ----------------------------------------------------------------------------------


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    opened = Office(database, FEES)
    await opened.furnish()
    yield opened
    await opened.copies.close()


async def look(office: Office) -> int:
    """Look at all fees by what holds now; returns how often."""

    looked, looks = FeeLook(office.fee_check, 0), 0
    while await looked.run_due():
        looks += 1
    return looks


async def told(office: Office) -> list[tuple[Any, ...]]:
    return await office.rows(
        "select c.cdr_key, f.at_risk, f.period from finding f join finding_cdr c on c.finding = f.key "
        "where f.check_id = 'M03' and f.cleared_at is null order by 1"
    )


def agree(office: Office, agreements: Agreements) -> None:
    """Other terms hold from now on."""
    office.agreements = agreements
    office.settler = Settler(office.books, office.clock, agreements)


async def test_fees_as_agreed_are_not_told(office: Office) -> None:
    await office.month()
    await office.receive(credit_of(cdr()), after=60)
    await office.settle_all()
    assert await look(office) == 0, "there is no statement yet"
    await office.closing.cut_off(OCTOBER, "Ada")
    await office.closing.draft(OCTOBER, "Ada")
    assert await look(office) == 2, "that of the CPO and that of the hub"
    assert await told(office) == []


async def test_a_wrong_fee_on_a_draft_is_posted_anew_and_then_right(office: Office) -> None:
    await office.month()
    await office.closing.cut_off(OCTOBER, "Ada")
    await office.closing.draft(OCTOBER, "Ada")
    agree(office, dearer("0.35"))
    await look(office)
    assert await told(office) == [("C1", Decimal("0.121"), OCTOBER)]
    with pytest.raises(NotNow, match="wait for another look"):
        await office.closing.advise(OCTOBER, "Ada")
    assert await office.settle_all() == 1
    await office.closing.draft(OCTOBER, "Ada")
    await look(office)
    assert await told(office) == []
    await office.closing.advise(OCTOBER, "Ada")


async def test_a_month_with_a_wrong_fee_closes_when_somebody_accepted_that(office: Office) -> None:
    await office.month()
    await office.up_to(State.NETTED)
    office.agreements = dearer("0.35")
    await look(office)
    assert await office.settle_all() == 0, "what is billed does not change"
    assert await office.dispositions() == {"C1": "SETTLE", "C2": "SETTLE", "CDR-DEAR": "HOLD"}
    with pytest.raises(NotNow, match="1 CDR has fees that were not agreed"):
        await office.closing.close(OCTOBER, "Ada")
    ((cause,),) = await office.rows("select cause from finding where check_id = 'M03'")
    accepted = NewDecision(
        scope="cause", target=cause, action="accept", reason="OTHER", note="", at_risk="{}", most=None, actor="Ines"
    )
    await office.books.decisions.keep(accepted, office.clock.now(), stands=True)
    await office.closing.close(OCTOBER, "Ada")
    await office.closing.close(OCTOBER, "Bo")
    assert await office.state() == "closed"


async def test_an_agreement_may_have_wrong_fees_told_only(office: Office) -> None:
    """What an agreement says of a check counts for this one too: then nothing waits for anybody."""
    await office.month()
    await office.up_to(State.NETTED)
    (agreement,) = dearer("0.35").known
    told_only = {"M03": Override(Severity.WARNING, Disposition.REPORT)}
    office.agreements = Agreements(known=(replace(agreement, checks=told_only),))
    await look(office)
    assert await told(office) == [("C1", Decimal("0.121"), OCTOBER)]
    await office.closing.close(OCTOBER, "Ada")
    await office.closing.close(OCTOBER, "Bo")
    assert await office.state() == "closed"


async def test_a_fee_that_was_forgotten_is_told(office: Office) -> None:
    """The statement has no fees at all: what should be there is looked for as well."""
    agree(office, Agreements())
    await office.month()
    await office.closing.cut_off(OCTOBER, "Ada")
    await office.closing.draft(OCTOBER, "Ada")
    office.agreements = FEES
    await look(office)
    assert await told(office) == [("C1", Decimal("0.3025"), OCTOBER)]


async def test_a_fee_of_a_cdr_that_settles_no_more_is_told_no_more(office: Office) -> None:
    await office.month()
    await office.closing.draft(OCTOBER, "Ada")
    agree(office, dearer("0.35"))
    await look(office)
    await office.receive(cdr(id="C9", cdr_token__uid="OTHER", session_id=None), after=120)
    await office.settle_all()
    assert (await office.dispositions())["C1"] == "HOLD", "two charges overlap"
    await office.closing.draft(OCTOBER, "Ada")
    await look(office)
    assert await told(office) == []


# --- looked at by who closes, and put right ------------------------------------------------------


async def test_who_closes_a_month_looks_at_its_fees_first(office: Office) -> None:
    """Nobody had looked since other fees were agreed on."""
    await office.month()
    await office.up_to(State.NETTED)
    office.agreements = dearer("0.35")
    assert await told(office) == []
    with pytest.raises(NotNow, match="1 CDR has fees that were not agreed"):
        await office.closing.close(OCTOBER, "Ada")
    assert await told(office) == [("C1", Decimal("0.121"), OCTOBER)]


async def test_a_month_of_too_many_lines_is_closed_when_the_rounds_have_seen_them(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feelook, "LINES_AT_CLOSE_MAX", 0)
    await office.month()
    await office.up_to(State.ADVISED)
    await office.closing.net(OCTOBER, "Ada")
    with pytest.raises(NotNow, match="the fees on the statements of 2026-10 are being computed again"):
        await office.closing.close(OCTOBER, "Ada")
    await look(office)
    await office.closing.close(OCTOBER, "Ada")
    await office.closing.close(OCTOBER, "Bo")
    assert await office.state() == "closed"


async def test_fees_that_were_seen_are_not_looked_at_again_until_others_are_agreed_on(office: Office) -> None:
    """Also by another process, or after a restart: what was seen is kept."""
    await office.month()
    await office.closing.draft(OCTOBER, "Ada")
    assert await look(office) == 2
    assert await look(office) == 0
    await office.up_to(State.ADVISED)
    assert await look(office) == 0, "what is advised is what was drafted"
    office.agreements = dearer("0.35")
    assert await look(office) == 2


def desk_of(office: Office) -> CorrectionDesk:
    direct = office.database.direct
    room = DisputeRoom(office.books, DisputeBook(direct), office.clock)
    return CorrectionDesk(room, Corrections(direct), office.fee_check)


async def correction_of(office: Office, per_session: str) -> FeeCorrectionAsked:
    """What puts the fee of C1 right, once it is agreed that it was another one."""
    await office.month()
    await office.up_to(State.NETTED)
    office.agreements = dearer(per_session)
    await look(office)
    ((key,),) = await office.rows("select key from finding where check_id = 'M03' and cleared_at is null")
    return FeeCorrectionAsked(finding=key, payee=HUB, payer=EMSP, party=EMSP, note="", actor="Dora")


@pytest.mark.parametrize(
    ("per_session", "excl_vat", "incl_vat"),
    [
        pytest.param("0.35", "0.10", "0.121", id="too little was billed"),
        pytest.param("0.05", "-0.20", "-0.242", id="too much was billed"),
        pytest.param("0", "-0.25", "-0.3025", id="nothing was agreed"),
    ],
)
async def test_a_correction_is_what_is_lacking(office: Office, per_session: str, excl_vat: str, incl_vat: str) -> None:
    desk = desk_of(office)
    kept = await desk.propose_fee(await correction_of(office, per_session))
    assert (kept.excl_vat, kept.incl_vat) == (Decimal(excl_vat), Decimal(incl_vat))
    assert kept.id is not None
    await desk.answer(kept.id, Answer.AGREED, "Hugo", HUB)
    assert await told(office) == []
    assert await look(office) == 0


async def test_a_proposal_that_is_no_longer_what_is_lacking_is_not_agreed_to(office: Office) -> None:
    desk = desk_of(office)
    kept = await desk.propose_fee(await correction_of(office, "0.35"))
    office.agreements = dearer("0.45")
    assert kept.id is not None
    with pytest.raises(NotNow, match=r"0\.20 EUR without VAT is due by now, not 0\.10"):
        await desk.answer(kept.id, Answer.AGREED, "Hugo", HUB)
    await desk.answer(kept.id, Answer.REFUSED, "Hugo", HUB)
    assert await office.rows("select 1 from journal_entry where event = 'adjusted'") == []


async def test_two_who_propose_the_same_at_once_propose_it_once(office: Office) -> None:
    desk, asked = desk_of(office), await correction_of(office, "0.35")
    answers = await asyncio.gather(*(desk.propose_fee(asked) for _ in range(4)), return_exceptions=True)
    assert sorted(isinstance(answer, NotNow) for answer in answers) == [False, True, True, True]


async def test_a_fee_is_not_corrected_like_a_claim(office: Office) -> None:
    await office.month()
    await office.up_to(State.ADVISED)
    asked = CorrectionAsked(
        kind=Kind.FEE, name=(str(CPO), "c1"), amount=QUARTER, reason=Reason.PRICE, note="", actor="Ada", party=CPO
    )
    with pytest.raises(NotNow, match="corrected by what was found"):
        await desk_of(office).propose(asked)


async def test_pairs_without_fees_are_not_read(office: Office) -> None:
    (agreement,) = FEES.known
    agree(office, Agreements(known=(replace(agreement, debtor=OTHER_EMSP, fees=()),)))
    await office.month()
    await office.closing.draft(OCTOBER, "Ada")
    assert await look(office) == 0
