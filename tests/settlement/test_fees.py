"""M03: fees on statements are computed again from what was agreed; a wrong one is told, and its month does not close."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hub.settlement.agreements import Agreement, Agreements, Fee, Override
from hub.settlement.engine import Settler
from hub.settlement.engine.feelook import FeeLook
from hub.settlement.fees import Fees, fees_by_pair, m03_fees
from hub.settlement.findings import Disposition, Severity
from hub.settlement.netting import Amount, Pair
from hub.settlement.periods import NotNow, State
from hub.store.billedfees import FeeBook
from hub.store.database import Database
from hub.store.decisions import NewDecision
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

    async def now() -> Agreements:
        return office.agreements

    looked, looks = FeeLook((FeeBook(office.database.direct), office.books.verdicts), office.clock, now, 0), 0
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


async def test_pairs_without_fees_are_not_read(office: Office) -> None:
    (agreement,) = FEES.known
    agree(office, Agreements(known=(replace(agreement, debtor=OTHER_EMSP, fees=()),)))
    await office.month()
    await office.closing.draft(OCTOBER, "Ada")
    assert await look(office) == 0
