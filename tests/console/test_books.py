"""The books page by page: findings, refused CDRs, the journal and its balances, credits, adjustments, two parties, and the search."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hub.console.accounts import Role
from hub.console.ledger import reference_path, summed_path
from hub.console.pairs import ageing
from hub.store.scorecards import Aged
from hub.web.books import BalanceShown
from ocpi_modules.types import encode_json
from tests.console.test_pages import MONTH
from tests.console.visitors import Visitor, said, visitor
from tests.settlement.cases import cdr, credit_of, session_of
from tests.web.clearing import Clearing, clearing_hub, dear


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Clearing]:
    async with clearing_hub(database_url, tmp_path, missing_cdr_hours=1) as made:
        yield made


async def advise(desk: Clearing, person: Visitor) -> str:
    """Bill the open period; returns it."""
    (period,) = (await desk.get("periods"))["items"]
    path = f"/console/periods/{period['id']}"
    for step, fields in MONTH[:3]:
        await person.post(f"{path}/{step}", page=path, **fields)
    return str(period["id"])


async def test_findings_and_refused_cdrs_are_read_one_by_one(desk: Clearing) -> None:
    refused = {**dear(9), "total_cost": {"incl_vat": 1}}
    await desk.bill(dear(1))
    assert (await desk.post_cdr(refused)).json()["status_code"] == 2001
    vera = await visitor(desk.world, "vera", Role.VIEWER)
    assert "PRICE MISMATCH CDR CDR-DEAR-1 claims" in said(await vera.get("/console/findings?severity=ERROR"))
    assert "No row is like that" in said(await vera.get("/console/findings?cleared=true"))
    listed = await vera.get("/console/refused?creditor=DE/ABC")
    path = "/console/refused/" + listed.partition('href="/console/refused/')[2].partition('"')[0].replace("&amp;", "&")
    assert "total_cost.excl_vat is required" in said(await vera.get(path))
    text = await vera.http.get(path, params={"caller": "CPO DE/ABC", "format": "text"})
    assert text.content == encode_json(refused)
    await vera.get(f"/console/refused/{'0' * 64}?caller=nobody", 404)


async def test_every_posting_stands_in_the_journal_and_leads_to_what_it_is_about(desk: Clearing) -> None:
    await desk.bill(dear(1, "28"))
    ines = await visitor(desk.world, "ines", Role.APPROVER)
    period = await advise(desk, ines)
    page = await ines.get("/console/journal")
    assert 'href="/console/cdrs/DE/ABC/CDR-DEAR-1"' in page
    assert f'href="/console/statements/{period}_DE-ABC_BE-EMO_EUR_1"' in page
    answer = await ines.http.get("/console/journal", params={"format": "csv"})
    rows = [*csv.DictReader(io.StringIO(answer.text))]
    assert [(row["event"], row["party"], Decimal(row["excl_vat"])) for row in rows[:2]] == [
        ("accepted", "BE/EMO", Decimal(28)),
        ("accepted", "DE/ABC", Decimal(-28)),
    ]
    assert sum(Decimal(row["incl_vat"]) for row in rows) == 0
    assert "2 rows" in said(await ines.get("/console/journal?reference=DE/ABC/CDR-DEAR-1"))
    balances = await ines.get(f"/console/balances?period={period}&party=BE/EMO")
    assert "claim:billed BE/EMO DE/ABC" in said(balances)
    assert f"/console/statements?period={period}&amp;creditor=DE%2FABC&amp;debtor=BE%2FEMO&amp;currency=EUR" in balances


async def test_an_adjustment_takes_both_parties_and_a_write_off_two_people(desk: Clearing) -> None:
    await desk.bill(dear(1, "28"))
    amara, bo = await visitor(desk.world, "amara", Role.APPROVER), await visitor(desk.world, "bo", Role.APPROVER)
    await advise(desk, amara)
    form: dict[str, Any] = {
        "creditor": "DE/ABC",
        "cdr_id": "CDR-DEAR-1",
        "reason": "ROUND",
        "excl_vat": "-2",
        "incl_vat": "-2.38",
    }
    new = "/console/adjustments/new"
    assert "party: write a party" in said(
        (await amara.post("/console/adjustments", 400, page=new, kind="adjustment", **form)).text
    )
    wrong = {**form, "excl_vat": "two"}
    assert "write amounts" in said(
        (await amara.post("/console/adjustments", 400, page=new, kind="write_off", **wrong)).text
    )
    made = await amara.post("/console/adjustments", page=new, kind="adjustment", party="DE/ABC", **form)
    one = made.headers["location"]
    assert "another person consents for BE/EMO" in said(await amara.get(one))
    await amara.post(f"{one}/agreed", 409, page=one)
    await bo.post(f"{one}/agreed", page=one)
    assert "The debtor owes less 2.00 EUR" in said(await bo.get(one)).replace("\N{NARROW NO-BREAK SPACE}", " ")
    less = {**form, "excl_vat": "1", "incl_vat": "1.19"}
    second = (await bo.post("/console/adjustments", page=new, kind="write_off", **less)).headers["location"]
    clerk = await visitor(desk.world, "ines", Role.CLERK)
    await clerk.post(f"{second}/agreed", 403, page=second)
    await amara.post(f"{second}/agreed", page=second)
    listed = said(await clerk.get("/console/adjustments?state=agreed"))
    assert "2 rows" in listed
    assert "write off agreed" in said(await (await visitor(desk.world, "ada", Role.ADMIN)).get("/console/audit"))


async def test_a_wrong_fee_is_put_right_by_a_button_at_its_finding(desk: Clearing) -> None:
    await desk.bill(dear(1, "28"))
    amara, bo = await visitor(desk.world, "amara", Role.APPROVER), await visitor(desk.world, "bo", Role.APPROVER)
    period = await advise(desk, amara)
    await agree_on_a_fee(desk)
    page = f"/console/periods/{period}"
    await amara.post(f"{page}/net", page=page)
    refused = await amara.post(f"{page}/close", 409, page=page)
    assert "1 CDR has fees that were not agreed" in said(refused.text)
    cdr_page = "/console/cdrs/DE/ABC/CDR-DEAR-1"
    shown = await amara.get(cdr_page)
    assert "Propose what is lacking of the fees of NL/HUB" in said(shown)
    fields = dict(re.findall(r'name="(finding|payee|payer)" value="([^"]+)"', shown))
    assert fields.keys() == {"finding", "payee", "payer"}
    one = (await amara.post("/console/fee-corrections", page=cdr_page, party="NL/HUB", **fields)).headers["location"]
    await amara.post("/console/fee-corrections", 409, page=cdr_page, party="NL/HUB", **fields)
    proposed = said(await amara.get(one)).replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "The debtor owes more 0.50 EUR" in proposed
    assert "another person consents for BE/EMO" in proposed
    await bo.post(f"{one}/agreed", page=one)
    assert "Propose what is lacking" not in said(await amara.get(cdr_page))
    assert cdr_page in await amara.get("/console/adjustments?kind=fee")
    await amara.post(f"{page}/close", page=page)
    audited = said(await (await visitor(desk.world, "ada", Role.ADMIN)).get("/console/audit"))
    assert "fee proposed" in audited
    assert "fee agreed" in audited


async def agree_on_a_fee(desk: Clearing) -> None:
    """Half a euro for each session, also for those that are billed already."""
    terms = {
        "agreement": "DEABC-BEEMO",
        "valid": {"from": "2026-10-01T00:00:00Z"},
        "pricing": {"fees": [{"per_session": "0.50", "payer": "debtor"}]},
    }
    answer = await desk.world.admin.post("/settlement/agreements?actor=Ines", json=terms)
    assert answer.status_code == 201, answer.text
    path = "/settlement/agreements/DEABC-BEEMO/versions/1/activate"
    answer = await desk.world.admin.post(path, json={"actor": "Bert"})
    assert answer.status_code == 200, answer.text


async def test_two_parties_are_seen_on_one_page(desk: Clearing) -> None:
    original = dear(4, "28")
    await desk.bill(
        dear(1), dear(2, "28"), dear(3, "28"), original, credit_of(original, last_updated="2026-10-13T10:00:00Z")
    )
    await desk.push("sessions", session_of(dear(5), id="LONELY", last_updated="2026-10-12T05:30:00Z"))
    ines = await visitor(desk.world, "ines", Role.APPROVER)
    pair = "/console/pairs/DE/ABC/BE/EMO"
    page = said(await ines.get(pair))
    assert "Nothing was agreed: the default terms hold. Propose terms" in page
    assert "held 38.00 EUR (1)" in page.replace("\N{NARROW NO-BREAK SPACE}", " ").replace("  ", " ")
    period = await advise(desk, ines)
    form: dict[str, Any] = {
        "creditor": "DE/ABC",
        "cdr_id": "CDR-DEAR-2",
        "reason": "PRICE",
        "excl_vat": "5",
        "incl_vat": "5.95",
    }
    await ines.post("/console/disputes", page="/console/me", **form)
    page = said(await ines.get(pair)).replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "disputed BE/EMO 5.00 EUR 5.95 EUR" in page
    assert "billed BE/EMO 51.00 EUR" in page
    assert f"{period}_DE-ABC_BE-EMO_EUR_1 {period} advised" in page
    assert "1 20.0 %" in page, "one of five CDRs is kept out"
    assert "1 25.0 %" in page, "one of four billed CDRs is disputed"
    assert said(await ines.get("/console/corrections")).count("CDR-DEAR-4") == 2
    assert "Neither owes" in said(await ines.get("/console/pairs/NL/MSP/DE/ABC"))
    await ines.get("/console/pairs/DE/ABC/X/Y", 404)


def test_ages_stand_in_rows_by_kind_and_currency() -> None:
    lines = [
        Aged(what="held", currency="SEK", band=3, count=2, excl_vat=Decimal(50)),
        Aged(what="unbilled", currency="EUR", band=0, count=1, excl_vat=Decimal(9)),
        Aged(what="held", currency="EUR", band=0, count=1, excl_vat=Decimal(1)),
        Aged(what="held", currency="EUR", band=2, count=1, excl_vat=Decimal(2)),
    ]
    rows = ageing(lines)
    assert [(row.what, row.currency, row.total) for row in rows] == [
        ("unbilled", "EUR", Decimal(9)),
        ("held", "EUR", Decimal(3)),
        ("held", "SEK", Decimal(50)),
    ]
    assert [count for count, _ in rows[1].bands] == [1, 0, 1, 0]


async def test_what_is_called_exactly_so_is_opened_and_the_rest_is_listed_by_kind(desk: Clearing) -> None:
    charged = cdr()
    await desk.bill(dear(1), dear(11), charged)
    vera = await visitor(desk.world, "vera", Role.VIEWER)
    for word, path in (
        ("cdr-dear-11", "/console/cdrs/DE/ABC/CDR-DEAR-11"),
        (charged["session_id"], f"/console/sessions/DE/ABC/{charged['session_id']}"),
        ("de-abc", "/console/cdrs?creditor=DE/ABC"),
        ("token2", "/console/cdrs?token=TOKEN2&debtor=BE/EMO"),
        ("loc1", "/console/locations/DE/ABC/LOC1"),
        ("de*abc*e2", "/console/locations/DE/ABC/LOC1"),
    ):
        answer = await vera.http.get("/console/search", params={"q": f" {word} "})
        assert (answer.status_code, answer.headers["location"]) == (303, path), word
    found = said(await vera.get("/console/search?q=cdr-dear"))
    assert "CDRs CDRs CDR-DEAR-1 HOLD" in found
    assert "CDR-DEAR-11 HOLD" in found
    assert "Locations LOC1 Alte Mühle, Mühlenweg 1, Berlin of DE/ABC" in said(
        await vera.get("/console/search?q=mühlenweg")
    )
    assert "no other reading of its tariffs gives the claim" in found, "the cause by a word of its sentence"
    assert "Nothing is called so" in said(await vera.get("/console/search?q=%25_%00'"))
    assert "at least 2 characters" in said(await vera.get("/console/search?q=x"))
    await vera.get(f"/console/search?q={'x' * 256}", 400)


@pytest.mark.parametrize(
    ("event", "reference", "path"),
    [
        pytest.param("accepted", "DE/ABC/A/B C", "/console/cdrs/DE/ABC/A%2FB%20C", id="a CDR, with a slash in its id"),
        pytest.param("billed", "2026-10_DE-ABC", "/console/statements/2026-10_DE-ABC", id="a statement"),
        pytest.param("resolved", "7", "/console/disputes/7", id="a dispute"),
        pytest.param("adjusted", "dispute-7", "/console/disputes/7", id="an adjustment out of a dispute"),
        pytest.param("adjusted", "adjustment-3", "/console/adjustments/3", id="an adjustment"),
        pytest.param("written_off", "write-off-4", "/console/adjustments/4", id="a write-off"),
    ],
)
def test_an_entry_leads_to_what_it_is_about(event: str, reference: str, path: str) -> None:
    assert reference_path(event, reference) == path


@pytest.mark.parametrize(
    ("account", "amount", "path"),
    [
        pytest.param(
            "claim:unbilled",
            "5",
            "/console/cdrs?period=2026-10&creditor=NL%2FMSP&debtor=DE%2FABC&currency=EUR&disposition=SETTLE",
            id="plus: the party owes",
        ),
        pytest.param(
            "claim:disputed",
            "-5",
            "/console/disputes?period=2026-10&creditor=DE%2FABC&debtor=NL%2FMSP&currency=EUR&phase=open",
            id="minus: it is owed",
        ),
        pytest.param("claim:net", "5", "/console/periods/2026-10/net?party=DE-ABC", id="a position of the netting"),
        pytest.param("settled", "5", None, id="nothing that is listed"),
    ],
)
def test_a_balance_leads_to_what_it_sums(account: str, amount: str, path: str | None) -> None:
    row = BalanceShown(
        account=account,
        party="DE/ABC",
        counterparty="NL/MSP",
        period="2026-10",
        currency="EUR",
        excl_vat=amount,
        incl_vat=amount,
    )
    assert summed_path(row) == path
