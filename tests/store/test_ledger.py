"""Money facts: claims of accepted CDRs, and CDRs that stay due until their payer has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.store import ledger as ledger_module
from hub.store.changes import Change
from hub.store.copies import Copies
from hub.store.database import Database
from hub.store.ledger import Ledger
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.module import Purpose
from ocpi_modules.parties import Party
from tests.store import CP1, CP2, MS1, MS2, NOW, Object, owned_by, push

Example = Callable[..., Object]

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
async def copies(database: Database) -> AsyncIterator[Copies]:
    opened = Copies(database.direct)
    yield opened
    await opened.close()


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


@pytest.fixture
def cdr(example: Example) -> Callable[..., Change]:
    """A CDR on its way in: `cdr("C1", CP1, payer=MS1)`."""

    def make(id: str, owner: Party = CP1, *, payer: Party | None = MS1, at: datetime = NOW, **changes: Any) -> Change:
        content = example("cdr", **owned_by(owner, id=id, **changes))
        return push("cdrs", content, purpose=Purpose.ADD, addressee=MS1, debtor=MS1, payer=payer, at=at)

    return make


# --- due --------------------------------------------------------------------------------------------


async def test_an_accepted_cdr_is_due_to_its_payer_with_the_bytes_that_came_in(
    copies: Copies, ledger: Ledger, cdr: Callable[..., Change]
) -> None:
    """B-11, R-10."""
    change = cdr("c1")
    await copies.keep(change)
    (due,) = await ledger.due(MS1)
    assert (due.creditor, due.cdr_key, due.payer, due.body, due.attempts) == (CP1, "C1", MS1, change.text, 0)
    assert await ledger.due(MS2) == []
    assert await ledger.payers() == {MS1: 1}


async def test_the_oldest_is_offered_first(copies: Copies, ledger: Ledger, cdr: Callable[..., Change]) -> None:
    for number, minutes in enumerate([3, 1, 2]):
        await copies.keep(cdr(f"C{number}", at=NOW + timedelta(minutes=minutes)))
    await asyncio.gather(*(copies.keep(cdr(f"D{number}", at=NOW)) for number in range(5)))
    assert [due.cdr_key for due in await ledger.due(MS1)] == ["D0", "D1", "D2", "D3", "D4", "C1", "C2", "C0"]


async def test_one_batch_has_a_bound(
    copies: Copies, ledger: Ledger, cdr: Callable[..., Change], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "DUE_BATCH_MAX_CDRS", 2)
    for number in range(3):
        await copies.keep(cdr(f"C{number}"))
    assert [due.cdr_key for due in await ledger.due(MS1)] == ["C0", "C1"]
    assert await ledger.payers() == {MS1: 3}


async def test_a_refused_cdr_stays_due_and_is_counted(
    copies: Copies, ledger: Ledger, cdr: Callable[..., Change]
) -> None:
    await copies.keep(cdr("C1"))
    for attempts in (1, 2):
        (due,) = await ledger.due(MS1)
        await ledger.refused_due(due, "2001 " + "x" * 1000)
        assert [again.attempts for again in await ledger.due(MS1)] == [attempts]


async def test_what_the_payer_has_is_due_no_more(copies: Copies, ledger: Ledger, cdr: Callable[..., Change]) -> None:
    await copies.keep(cdr("C1"))
    await copies.keep(cdr("C1", CP2))
    first, second = await ledger.due(MS1)
    await ledger.settle_due(first)
    assert await ledger.due(MS1) == [second]
    await ledger.settle_due(first)
    await ledger.refused_due(first, "too late")
    assert await ledger.due(MS1) == [second], "what is settled cannot come back"


@pytest.mark.parametrize("delivered", [True, False], ids=["after it was delivered", "while it is due"])
async def test_the_same_cdr_again_is_not_delivered_again(
    delivered: bool, copies: Copies, ledger: Ledger, cdr: Callable[..., Change]
) -> None:
    """CD-05, X-45."""
    await copies.keep(cdr("C1"))
    if delivered:
        (due,) = await ledger.due(MS1)
        await ledger.settle_due(due)
    await copies.keep(cdr("C1", at=NOW + timedelta(hours=1)))
    assert len(await ledger.due(MS1)) == (0 if delivered else 1)


async def test_a_cdr_that_its_receiver_took_itself_is_not_due(
    copies: Copies, ledger: Ledger, cdr: Callable[..., Change]
) -> None:
    """T-22: it was forwarded, and the payer has it."""
    await copies.keep(cdr("C1", payer=None))
    assert await ledger.payers() == {}


# --- claims -----------------------------------------------------------------------------------------


async def test_a_cdr_makes_one_claim_of_exact_amounts(
    copies: Copies, ledger: Ledger, cdr: Callable[..., Change]
) -> None:
    """CD-06, CD-12: more digits than a float holds."""
    change = cdr("c1", total_cost={"excl_vat": Decimal("123456789012.1234567891"), "incl_vat": Decimal("0.10")})
    await copies.keep(change)
    await copies.keep(change)
    (claim,) = await ledger.claims(START, END)
    assert (claim.creditor, claim.debtor, claim.cdr_key, claim.cdr_id) == ("DE/CP1", "NL/MS1", "C1", "c1")
    assert (claim.excl_vat, claim.incl_vat) == (Decimal("123456789012.1234567891"), Decimal("0.10"))
    assert (claim.is_credit, claim.accepted_at) == (False, NOW)


async def test_a_refused_change_of_a_cdr_leaves_its_claim(
    copies: Copies, ledger: Ledger, cdr: Callable[..., Change]
) -> None:
    """CD-05."""
    await copies.keep(cdr("C1", total_cost={"excl_vat": 1}))
    with pytest.raises(InvalidParameters):
        await copies.keep(cdr("C1", total_cost={"excl_vat": 2}))
    assert [(claim.excl_vat, claim.incl_vat) for claim in await ledger.claims(START, END)] == [(Decimal(1), None)]


async def test_claims_belong_to_the_period_in_which_their_charge_ended(
    copies: Copies, ledger: Ledger, cdr: Callable[..., Change]
) -> None:
    """Adjacent periods share nothing and miss nothing."""
    ends = {
        "C1": "2025-12-31T23:59:59.999Z",
        "C2": "2026-01-01T00:00:00Z",
        "C3": "2026-01-31T23:59:59Z",
        "C4": "2026-02-01T00:00:00Z",
    }
    for id, end in ends.items():
        await copies.keep(cdr(id, start_date_time="2025-12-31T20:00:00Z", end_date_time=end))
    assert {claim.cdr_id for claim in await ledger.claims(START, END)} == {"C2", "C3"}


async def test_a_cdr_that_nobody_could_bill_is_kept_all_the_same(copies: Copies, ledger: Ledger) -> None:
    """A forwarded CDR was judged by its receiver; the hub keeps what it was told and claims nothing."""
    content = {**owned_by(CP1, id="C1"), "total_cost": "free", "currency": "EUR"}
    kept = await copies.keep(push("cdrs", content, purpose=Purpose.ADD, addressee=MS1, debtor=MS1))
    assert kept.addressee == MS1
    assert list(await ledger.claims(datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))) == []
