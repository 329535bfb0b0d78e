"""Numbers lead to what they sum: the list behind a link has as many rows as the number says, and its amounts add up to it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from hub.console.accounts import Role
from hub.console.ledger import reference_path
from hub.console.pairs import AgedRow, Ages
from hub.demo.faults import Fault
from hub.store.database import Database
from ocpi_modules.types import format_datetime
from tests.console.test_books import advise
from tests.console.test_pages import MONTH
from tests.console.visitors import Visitor, said, visitor
from tests.settlement.cases import Content, cdr, credit_of, session_of
from tests.web.clearing import Clearing, clearing_hub, dear, until

AGED = re.compile(
    r'<a href="([^"]+)"><span class="amount" title="([0-9.]+) [^"]*">[^<]*</span> <span[^>]*>\((\d+)\)</span></a>'
)
COUNT = re.compile(r'<a href="([^"]+)">(\d+)</a>')
PAIR = "/console/pairs/DE/ABC/BE/EMO"


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Clearing]:
    async with clearing_hub(database_url, tmp_path, missing_cdr_hours=1) as made:
        yield made


def charged(name: str, days_ago: int, total: str) -> Content:
    """A claim for a charge of half an hour that ended some days ago; 28.00 is what its tariff makes."""
    end = (datetime.now(UTC) - timedelta(days=days_ago)).replace(microsecond=0)
    start = end - timedelta(minutes=30)
    return {
        **dear(1, total),
        "id": name,
        "start_date_time": format_datetime(start),
        "end_date_time": format_datetime(end),
        "charging_periods": [{**dear()["charging_periods"][0], "start_date_time": format_datetime(start)}],
        "last_updated": format_datetime(end),
    }


async def execute(desk: Clearing, statement: str, *values: Any) -> None:
    database = Database(desk.world.database_url)
    try:
        await database.direct.fetch(statement, *values)
    finally:
        await database.close()


async def amounts(person: Visitor, path: str, column: str) -> tuple[int, Decimal]:
    """How many rows there are behind a link, and what they add up to."""
    rows = await person.rows(path)
    return len(rows), sum((Decimal(row[column]) for row in rows), Decimal(0))


async def test_each_age_of_a_pair_leads_to_just_what_it_sums(desk: Clearing) -> None:
    await desk.bill(
        *(charged(f"HELD-{days}", days, f"4{number}") for number, days in enumerate((1, 2, 45, 75, 120, 400))),
        *(charged(f"FINE-{days}", days, "28") for days in (3, 46, 47)),
    )
    ines = await visitor(desk.world, "ines", Role.APPROVER)
    found = [(unescape(path), Decimal(total), int(count)) for path, total, count in AGED.findall(await ines.get(PAIR))]
    assert sorted(count for _, _, count in found) == [1, 1, 1, 2, 2, 2, 3, 6], (
        "ages that hold anything, and all of a kind"
    )
    for path, total, count in found:
        assert await amounts(ines, path, "claimed") == (count, total), path


async def test_what_is_billed_is_not_behind_what_is_unbilled_and_disputes_age_too(desk: Clearing) -> None:
    await desk.bill(*(dear(number, "28") for number in range(1, 5)))
    ines = await visitor(desk.world, "ines", Role.APPROVER)
    await advise(desk, ines)
    for number in range(1, 4):
        form: dict[str, Any] = {
            "creditor": "DE/ABC",
            "cdr_id": f"CDR-DEAR-{number}",
            "reason": "PRICE",
            "excl_vat": f"{number}",
        }
        await ines.post("/console/disputes", page="/console/me", **form, incl_vat=f"{number}")
    await ines.post("/console/disputes/3/withdraw", page="/console/disputes/3")
    await execute(desk, "update dispute set opened_at = opened_at - interval '61 days' where id = 1 returning 1")
    page = await ines.get(PAIR)
    assert "unbilled" not in page, "all of it is billed"
    found = [(unescape(path), Decimal(total), int(count)) for path, total, count in AGED.findall(page)]
    assert sorted((count, total) for _, total, count in found) == [
        (count, Decimal(total)) for count, total in ((1, 1), (1, 2), (2, 3))
    ]
    for path, total, count in found:
        assert await amounts(ines, path, "amount") == (count, total), path
    assert len(await ines.rows("/console/disputes?creditor=DE/ABC&debtor=BE/EMO&phase=raised")) == 3


async def test_the_months_of_a_pair_lead_to_what_they_count(desk: Clearing) -> None:
    await desk.bill(dear(1), dear(2, "28"), dear(3, "28"))
    await desk.decide("cdr", "DE/ABC/CDR-DEAR-3", "drop")
    await desk.push("sessions", session_of(dear(5), id="LONELY", last_updated=format_datetime(datetime.now(UTC))))
    ages = "case session_key when 'LONELY' then interval '2 hours' else interval '200 days' end"
    await execute(desk, f"update completed_session set completed_at = now() - {ages} returning 1")
    await execute(desk, "update period set starts_at = starts_at - interval '40 days' returning 1")
    await desk.settled()
    ines = await visitor(desk.world, "ines", Role.APPROVER)
    scorecard = (await ines.get(PAIR)).partition("How the CDRs of")[2]
    found = [(unescape(path), int(count)) for path, count in COUNT.findall(scorecard.partition("</table>")[0])]
    assert [count for _, count in found] == [3, 2, 0, 1], (
        "received, kept out (one held, one dropped), disputed, missing"
    )
    for path, count in found:
        assert len(await ines.rows(path)) == count, path


def test_the_youngest_have_no_end_and_the_oldest_no_beginning() -> None:
    edges = [datetime(2026, month, 1, tzinfo=UTC) for month in (9, 8, 7)]
    ages, row = Ages(("DE/ABC", "NL/MSP"), edges), AgedRow("held", "EUR", ())
    base = "/console/cdrs?creditor=DE%2FABC&debtor=NL%2FMSP&currency=EUR&disposition=HOLD"
    september, august, july = (f"2026-0{month}-01T00%3A00%3A00Z" for month in (9, 8, 7))
    assert [ages.path(row, band) for band in range(4)] == [
        f"{base}&ended_from={september}",
        f"{base}&ended_from={august}&ended_before={september}",
        f"{base}&ended_from={july}&ended_before={august}",
        f"{base}&ended_before={july}",
    ]
    assert ages.path(row) == base


ITEM = re.compile(r'<a href="([^"]+)">(\d+)</a>([^<]*)')


async def links_of(person: Visitor, path: str) -> list[tuple[str, int, str]]:
    """The numbers of a period that are links: those of its table, and those of its checklist with what follows them."""
    page = await person.get(path)
    counted = page.partition('id="came-in"')[2].partition("Pairs</h2>")[0]
    return [(unescape(href), int(count), words.strip()) for href, count, words in ITEM.findall(counted)]


async def odd_month(desk: Clearing, person: Visitor) -> str:
    """The path of a month with something of everything that stands in its way; it was cut off and drafted."""
    refused = {**dear(9), "total_cost": {"incl_vat": 1}}
    await desk.bill(*(dear(number, "28") for number in range(1, 5)), dear(5), dear(6))
    assert (await desk.post_cdr(refused)).json()["status_code"] == 2001
    (period,) = (await desk.get("periods"))["items"]
    path = f"/console/periods/{period['id']}"
    for step, fields in MONTH[:2]:
        await person.post(f"{path}/{step}", page=path, **fields)
    await desk.decide("cdr", "DE/ABC/CDR-DEAR-5", "accept")
    await desk.decide("cdr", "DE/ABC/CDR-DEAR-1", "hold")
    await desk.decide("cdr", "DE/ABC/CDR-DEAR-2", "drop")
    await desk.settled()
    line = "statement, line + {}, kind, cdr_creditor, cdr_key, excl_vat, incl_vat from statement_line where cdr_key = 'CDR-DEAR-3'"
    for number in (100, 200):
        await execute(desk, f"insert into statement_line select {line.format(number)} and line < 100 returning 1")
    found = (
        "insert into finding (key, check_id, kind, severity, disposition, cause, period, party, counterparty, currency, at_risk, subject, "
        "details, sentence, raised_at, source) select 'M03 ' || n, 'M03', 'FEE', 'ERROR', 'HOLD', 'M03|' || n, $1, 'DE/ABC', 'BE/EMO', "
        "'EUR', 1, '{}', '{}', 'A fee.', now(), '' from generate_series(1, 3) n returning 1"
    )
    await execute(desk, found, period["id"])
    kept = (
        "insert into decision (scope, target, action, reason, at_risk, actor, decided_at, stands_since, note, confirmed_by, revoked_by) "
        "values ('finding', 'M03 2', 'accept', 'PRICE', '{}', 'Ines', now(), $1, '', '', '') returning 1"
    )
    await execute(desk, kept, datetime.now(UTC))
    await execute(desk, kept, None)
    await execute(desk, "update settlement_statement set state = 'advised' where state = 'draft' returning 1")
    return path


async def test_each_number_before_a_period_is_closed_leads_to_just_what_it_counts(desk: Clearing) -> None:
    ines = await visitor(desk.world, "ines", Role.APPROVER)
    path = await odd_month(desk, ines)
    found = await links_of(ines, path)
    counts = {words: count for href, count, words in found if words}
    assert counts == {
        "+": 6,
        "= 7": 1,
        "CDRs came in; all are settled, held, dropped, deferred or returned.": 7,
        "proposed decision waits for a second person.": 1,
        "settled CDRs are not on exactly one statement,": 3,
        "lines bill what is not settled.": 6,
        "statement; the journal has other sums for": 1,
        "pair.": 1,
        "CDRs have fees that were not agreed (M03), accepted by nobody.": 2,
        "accounts hold what is not billed.": 2,
    }
    for href, count, words in found:
        if href != "#came-in":
            assert len(await ines.rows(href)) == count, (href, words)
    page = f"/console/odd-lines?period={path.rpartition('/')[2]}"
    assert Counter(row["what"] for row in await ines.rows(page)) == {
        "settles, and is on no statement": 1,
        "a line too many for what settles": 2,
        "billed, and does not settle": 2,
        "billed otherwise than it settles": 4,
    }
    assert "Choose a period" in said(await ines.get("/console/odd-lines"))


async def test_cdrs_that_wait_are_a_list_and_those_that_came_after_the_cut_off_are_not_waited_for(
    database_url: str, tmp_path: Path
) -> None:
    async with clearing_hub(database_url, tmp_path, settle_seconds=3600.0) as desk:
        await execute(
            desk,
            "insert into period (id, starts_at, ends_at, closes_at, state, closed_by, changed_at) "
            "values ('2026-10', '2026-10-01', '2026-11-01', now() - interval '1 day', 'cut_off', '', now()) returning 1",
        )
        for number in range(1, 4):
            await desk.post_cdr(dear(number))
        await execute(desk, "update claim set failures = 2 where cdr_key = 'CDR-DEAR-1' returning 1")
        await execute(
            desk,
            "insert into period_step (period, step, actor, made_at, content) select '2026-10', 'cut_off', '', accepted_at, '{}' "
            "from claim where cdr_key = 'CDR-DEAR-3' returning 1",
        )
        vera = await visitor(desk.world, "vera", Role.VIEWER)
        ((path, count, _),) = [one for one in await links_of(vera, "/console/periods/2026-10") if "waiting" in one[0]]
        assert count == 2
        assert [row["cdr_id"] for row in await vera.rows(path)] == ["CDR-DEAR-2", "CDR-DEAR-1"], (
            "what failed comes last"
        )
        assert [row["failures"] for row in await vera.rows("/console/waiting?failed=true")] == ["2"]
        assert len(await vera.rows("/console/waiting")) == 3
        await vera.get("/console/waiting?after=nonsense", 400)


async def test_what_a_link_chose_is_told_and_goes_on_when_the_form_is_sent(desk: Clearing) -> None:
    await desk.bill(dear(1))
    ines = await visitor(desk.world, "ines", Role.CLERK)
    page = await ines.get(
        "/console/cdrs?cause=G03%7CPRICE_MISMATCH%7CDE/ABC%7CEUR%7Ctariff%7CT-DC&ended_before=2026-10-12T08:00:00Z&kind=X"
    )
    words = said(page)
    assert "cause: Price mismatch · DE/ABC · EUR · tariff · T-DC ×" in words
    assert "ended before: 2026-10-12 10:00 CEST ×" in words
    hidden = re.findall(
        r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.partition('aria-label="Filters"')[2]
    )
    assert ("ended_before", "2026-10-12T08:00:00Z") in hidden
    assert "kind" not in dict(hidden), "it has a field of its own"
    assert "?ended_before=2026-10-12T08%3A00%3A00Z&amp;kind=X" in page, "without the cause"


async def test_a_table_without_filters_leaves_as_a_file_too(desk: Clearing) -> None:
    await desk.bill(dear(1))
    page = await (await visitor(desk.world, "vera", Role.VIEWER)).get("/console/periods")
    assert 'href="/console/periods?format=xlsx"' in page
    assert " Filter<" not in page


async def test_the_pairs_of_a_period_are_sorted_filtered_and_leave_as_a_file(desk: Clearing) -> None:
    await desk.bill(dear(1), dear(2), dear(3, "28"), cdr())
    (period,) = (await desk.get("periods"))["items"]
    ines = await visitor(desk.world, "ines", Role.APPROVER)
    page = f"/console/pairs?period={period['id']}"
    listed = await ines.get(page)
    for href, count in COUNT.findall(listed.partition("<tbody")[2]):
        assert len(await ines.rows(unescape(href))) == int(count), href
    by_cdrs = [row["debtor"] for row in await ines.rows(f"{page}&sort=-cdrs")]
    assert by_cdrs[0] == "BE/EMO"
    assert [row["debtor"] for row in await ines.rows(f"{page}&sort=cdrs")] == by_cdrs[::-1]
    assert {row["debtor"] for row in await ines.rows(f"{page}&debtor=BE/EMO")} == {"BE/EMO"}
    assert len({tuple(row.values()) for row in await ines.rows(f"{page}&limit=1")}) == 2, "a file holds all pages"
    assert "All, sorted or as a file" in said(await ines.get(f"/console/periods/{period['id']}"))
    assert "Choose a period" in said(await ines.get("/console/pairs"))
    await ines.get(f"{page}&after=nonsense", 400)


async def test_positions_lead_to_the_pairs_that_they_sum_and_those_to_cdrs_and_statements(desk: Clearing) -> None:
    await desk.bill(dear(1, "28"), dear(2, "28"))
    ines = await visitor(desk.world, "ines", Role.APPROVER)
    (period,) = (await desk.get("periods"))["items"]
    net = f"/console/periods/{period['id']}/net"
    amount = '<a href="([^"]+)"><span class="amount" title="56(?:[.]0+)? EUR">'
    (cdrs,) = re.findall(amount, await ines.get(net))
    assert await amounts(ines, unescape(cdrs), "claimed") == (2, Decimal(56))
    await advise(desk, ines)
    page = await ines.get(net)
    (statements,) = re.findall(amount, page)
    assert await amounts(ines, unescape(statements), "excl_vat") == (1, Decimal(56))
    assert f'href="{net}?party=DE-ABC"' in page
    assert "DE-ABC is owed" not in said(await ines.get(f"{net}?party=DE-ABC"))
    assert "NL-MSP is owed nothing in this period, and owes nothing" in said(await ines.get(f"{net}?party=NL-MSP"))
    for table, rows in (("net", 2), ("bilateral", 1), ("transfers", 1)):
        assert len(await ines.rows(f"{net}?table={table}")) == rows, table
    await ines.get(f"{net}?table=nothing", 400)


async def test_amounts_of_the_journal_lead_to_what_they_are_about(desk: Clearing) -> None:
    await desk.bill(dear(1, "28"))
    page = await (await visitor(desk.world, "vera", Role.VIEWER)).get("/console/journal")
    assert re.search('<a href="/console/cdrs/DE/ABC/CDR-DEAR-1"><span class="amount" title="28(?:[.]0+)? EUR">', page)
    assert reference_path("netted", "2026-10:multilateral") == "/console/periods/2026-10/net"


async def test_cdrs_that_a_payer_does_not_take_are_a_list_with_what_it_answered(desk: Clearing) -> None:
    desk.other.faults.append(Fault(module_id="cdrs", method="POST", status_code=2001, message="Unknown tariff"))
    await desk.bill(dear(1, "28"), dear(2), cdr())
    otto = await visitor(desk.world, "otto", Role.OPERATOR)

    async def is_refused() -> bool:
        return len(await otto.rows("/console/due?refused=true")) == 2

    await until(is_refused)
    assert "Unknown tariff" in said(await otto.get("/console/due?payer=BE/EMO"))
    assert {row["payer"] for row in await otto.rows("/console/due")} == {"BE/EMO"}, "the other eMSP has its CDR"
    assert [row["claimed"] for row in await otto.rows("/console/due?sort=-claimed")] == ["38.0", "28.0"]
    lanes = await otto.get("/console/lanes")
    links = [(unescape(href), int(count)) for href, count in COUNT.findall(lanes) if "/console/due?" in href]
    assert [count for _, count in links] == [2], "what is none leads nowhere"
    assert len(await otto.rows(links[0][0])) == 2
    assert '<a href="/console/due?payer=BE/EMO">2</a>' in await otto.get("/console/health")
    assert "No row is like that" in said(await otto.get("/console/due?payer=NL/MSP"))
    await otto.get("/console/due?partner=x", 400)


async def test_a_draft_leads_to_the_cdrs_that_it_has_lines_for_whatever_became_of_them(desk: Clearing) -> None:
    original = dear(4, "28")
    await desk.bill(dear(1, "28"), dear(2, "28"), original, credit_of(original, last_updated="2026-10-13T10:00:00Z"))
    ines = await visitor(desk.world, "ines", Role.APPROVER)
    (period,) = (await desk.get("periods"))["items"]
    path = f"/console/periods/{period['id']}"
    for step, fields in MONTH[:2]:
        await ines.post(f"{path}/{step}", page=path, **fields)
    await desk.decide("cdr", "DE/ABC/CDR-DEAR-1", "drop")
    await desk.settled()
    await ines.post(f"{path}/draft", page=path)
    found = {
        path: int(count) for path, count in COUNT.findall(await ines.get("/console/statements")) if "cdrs?" in path
    }
    assert sorted(found.values()) == [2, 3], (
        "the draft that is superseded, and the one in its place; the credit is no CDR of theirs"
    )
    for link, count in found.items():
        assert len(await ines.rows(unescape(link))) == count, link


async def test_a_cause_in_a_period_leads_to_what_was_found_there(desk: Clearing) -> None:
    await desk.bill(dear(1), dear(2), dear(3))
    (period,) = (await desk.get("periods"))["items"]
    elsewhere = (
        "update finding set period = '2026-09' where key = (select finding from finding_cdr join finding f on f.key = finding "
        "where cdr_key = 'CDR-DEAR-2' and f.kind = 'PRICE_MISMATCH') returning 1"
    )
    await execute(desk, elsewhere)
    vera = await visitor(desk.world, "vera", Role.VIEWER)
    for chosen, expected in ((f"period={period['id']}", [2, 2]), ("period=2026-09", [1, 1]), ("", [3, 3])):
        page = await vera.get(f"/console/causes?kind=PRICE_MISMATCH&{chosen}")
        found = [(unescape(path), int(count)) for path, count in COUNT.findall(page) if "/console/cdrs?" in path]
        assert [count for _, count in found] == expected, chosen
        for path, count in found:
            assert len(await vera.rows(path)) == count, path
