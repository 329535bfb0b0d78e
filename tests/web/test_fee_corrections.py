"""A wrong fee on an advised statement is put right over HTTP: by what M03 found, with both consents, on the next statement."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import running_hub
from tests.settlement.cases import CPO, EMSP, cdr, credit_of
from tests.web.house import Office, listed
from tests.web.test_agreements import TERMS as AGREED
from tests.web.test_agreements import activate, propose
from tests.web.test_disputes_walks import DAY, Hall, SetClock

HUB = "NL/HUB"
TERMS = {**AGREED, "pricing": {"fees": [{"payer": "debtor", "per_session": "0.75", "vat": "21"}]}}


@pytest.fixture
async def hall(database_url: str, tmp_path: Path) -> AsyncIterator[Hall]:
    """October with one CDR, netted on 6 November without a fee; after that one of EUR 0.75 is agreed on for the same time."""
    clock = SetClock()
    async with running_hub(database_url, tmp_path, settle_seconds=3600, clock=clock) as world:
        office = Office(world)
        office.clock.moment = clock.moment
        await office.furnish()
        await office.receive(cdr())
        await office.settle_all()
        opened = Hall(office, clock)
        await opened.go("2026-10", "cut-off", "draft", "advise", "net")
        await propose(office, TERMS)
        await activate(office)
        yield opened
        await office.close()


async def finding_of(hall: Hall) -> dict[str, Any]:
    """What is found by who tries to close the month."""
    refused = await hall.office.post("/periods/2026-10/close", 409, actor="Ada")
    assert "1 CDR has fees that were not agreed" in refused["status_message"]
    (finding,) = await listed(hall.office, "/findings?kind=FEE_MISMATCH&cleared=false")
    assert isinstance(finding, dict)
    return finding


def asked_of(finding: dict[str, Any], /, **changes: str) -> dict[str, str]:
    asked = {"finding": finding["key"], "payee": HUB, "payer": str(EMSP), "party": HUB, "actor": "Hugo"}
    return {**asked, **changes}


async def test_a_fee_is_corrected_by_what_is_lacking_once_the_payer_consents(hall: Hall) -> None:
    finding = await finding_of(hall)
    proposed = await hall.office.post("/fee-corrections", 201, **asked_of(finding))
    assert proposed["amount"] == {"excl_vat": "0.75", "incl_vat": "0.9075"}
    named = (proposed["kind"], proposed["owner"], proposed["creditor"], proposed["debtor"], proposed["cdr_id"])
    assert named == ("fee", str(CPO), HUB, str(EMSP), "C1")
    assert proposed["note"] == (
        "NL/MSP is billed EUR 0.00 (EUR 0.00 with VAT) of fees of NL/HUB, EUR 0.75 (EUR 0.9075 with VAT) are agreed."
    )
    await hall.office.post("/periods/2026-10/close", 409, actor="Ada")
    shown = await hall.office.post(
        f"/adjustments/{proposed['id']}/consent", 200, actor="Dora (NL/MSP)", party=str(EMSP)
    )
    assert (shown["state"], shown["period"]) == ("agreed", "2026-11")
    assert await listed(hall.office, "/findings?kind=FEE_MISMATCH&cleared=false") == []


async def test_the_month_closes_and_the_next_statement_has_the_correction(hall: Hall) -> None:
    finding = await finding_of(hall)
    number = (await hall.office.post("/fee-corrections", 201, **asked_of(finding)))["id"]
    await hall.office.post(f"/adjustments/{number}/consent", 200, actor="Dora", party=str(EMSP))
    await hall.finish("2026-10")
    hall.clock.moment += 30 * DAY
    await hall.go("2026-11", "cut-off", "draft", "advise")
    ((statement, *line),) = await hall.office.rows(
        "select l.statement, l.kind, s.creditor, s.debtor, l.excl_vat, l.incl_vat from statement_line l "
        "join settlement_statement s on s.id = l.statement where s.period = '2026-11' and s.state = 'advised'"
    )
    assert line == ["adjustment", HUB, str(EMSP), Decimal("0.75"), Decimal("0.9075")]
    (kept,) = await listed(hall.office, "/adjustments?kind=fee")
    assert kept["statement"] == statement
    await hall.finish("2026-11")


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        pytest.param({"finding": "0" * 64}, 404, "no finding", id="a finding that is not there"),
        pytest.param({"payer": str(CPO)}, 409, "are as agreed", id="somebody who pays no wrong fee"),
        pytest.param({"party": str(CPO)}, 400, "neither the payee nor the payer", id="somebody who has no part in it"),
        pytest.param({"finding": "F"}, 400, "finding", id="what is no key of a finding"),
    ],
)
async def test_only_what_was_found_is_corrected(hall: Hall, changes: dict[str, str], status: int, said: str) -> None:
    finding = await finding_of(hall)
    refused = await hall.office.post("/fee-corrections", status, **asked_of(finding, **changes))
    assert said in refused["status_message"]
    assert await listed(hall.office, "/adjustments") == []


async def test_a_fee_is_corrected_once(hall: Hall) -> None:
    finding = await finding_of(hall)
    number = (await hall.office.post("/fee-corrections", 201, **asked_of(finding)))["id"]
    again = await hall.office.post("/fee-corrections", 409, **asked_of(finding, party=str(EMSP)))
    assert f"adjustment {number} is proposed already" in again["status_message"]
    await hall.office.post(f"/adjustments/{number}/refuse", 200, actor="Dora", party=str(EMSP))
    number = (await hall.office.post("/fee-corrections", 201, **asked_of(finding)))["id"]
    await hall.office.post(f"/adjustments/{number}/consent", 200, actor="Dora", party=str(EMSP))
    await hall.office.post("/fee-corrections", 404, **asked_of(finding))
    assert (await hall.office.accounts(EMSP))["claim:unbilled"] == Decimal("0.75")


@pytest.mark.parametrize(
    "consent",
    [
        pytest.param({"actor": "Hugo", "party": str(EMSP)}, id="by who proposed it"),
        pytest.param({"actor": "Dora", "party": HUB}, id="for the party that proposed it"),
        pytest.param({"actor": "Dora", "party": str(CPO)}, id="for the owner of the CDR, who has no part in it"),
    ],
)
async def test_the_other_party_has_to_consent(hall: Hall, consent: dict[str, str]) -> None:
    finding = await finding_of(hall)
    number = (await hall.office.post("/fee-corrections", 201, **asked_of(finding)))["id"]
    await hall.office.post(f"/adjustments/{number}/consent", 409, **consent)
    assert await hall.office.rows("select 1 from journal_entry where event = 'adjusted'") == []


async def test_a_credit_that_comes_later_leaves_nothing_of_a_corrected_fee(hall: Hall) -> None:
    """Invariant 4: what was billed, what corrects it and what the credit gives back come to nothing."""
    finding = await finding_of(hall)
    number = (await hall.office.post("/fee-corrections", 201, **asked_of(finding)))["id"]
    await hall.office.post(f"/adjustments/{number}/consent", 200, actor="Dora", party=str(EMSP))
    await hall.office.receive(credit_of(cdr()), after=27 * 86400)
    await hall.rounds()
    rows = await hall.office.rows(f"select sum(excl_vat), sum(incl_vat) from posting where party = '{HUB}'")
    assert rows == [(Decimal(0), Decimal(0))]
