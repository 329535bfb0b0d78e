"""Every page of the side bar, with nothing in the books and with a month in them."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import Request

from hub.console.accounts import Role
from hub.console.formats import money
from hub.console.kept import Kept
from hub.console.navigation import NAVIGATION
from hub.console.reasons import REASON_WORDS, likely_reason
from hub.console.routes import way_back
from hub.settlement.disputes import Reason
from ocpi_modules.types import decode_json
from tests.conftest import World
from tests.console.visitors import said, visitor
from tests.web.clearing import Clearing, clearing_hub, dear

MONTH: tuple[tuple[str, dict[str, Any]], ...] = (
    ("cut-off", {"before_end": "yes"}),
    ("draft", {}),
    ("advise", {}),
    ("net", {}),
    ("close", {}),
)
PATHS = [item.path for group in NAVIGATION for item in group.items]


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Clearing]:
    async with clearing_hub(database_url, tmp_path) as made:
        yield made


async def test_every_page_says_what_to_do_while_there_is_nothing(world: World) -> None:
    ada = await visitor(world, "ada", Role.ADMIN)
    for path in PATHS:
        page = await ada.get(path)
        assert "Traceback" not in page
        assert 'aria-current="page"' in page, path


async def test_every_page_is_there_while_it_is_being_added_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def not_yet(*_: object) -> None:
        return None

    ada = await visitor(world, "ada", Role.ADMIN)
    monkeypatch.setattr(Kept, "of", not_yet)
    waiting = [path for path in PATHS if "This is being added up" in said(await ada.get(path))]
    assert {"/console/causes", "/console/missing"} <= set(waiting)


def test_every_page_of_the_side_bar_has_a_key_of_its_own() -> None:
    keys = [item.key for group in NAVIGATION for item in group.items]
    assert len(keys) == len(set(keys))
    assert "g" not in keys


async def test_an_address_that_leads_nowhere_is_a_page_too(world: World) -> None:
    ada = await visitor(world, "ada", Role.ADMIN)
    assert "There is no such page." in said(await ada.get("/console/nothing/here", 404))
    assert "no such CDR" in said(await ada.get("/console/cdrs/DE/ABC/nothing", 404))
    assert "perjod" in said(await ada.get("/console/cdrs?perjod=2026-10", 400))


async def test_an_address_that_no_database_takes_is_a_page_too(world: World) -> None:
    ada = await visitor(world, "ada", Role.ADMIN)
    for path in ("/console/cdrs/DE/ABC/%00", "/console/agreements/%00", "/console/periods/%00/net", "/console/%00"):
        assert "There is no such page." in said(await ada.get(path, 404)), path
    answer = await ada.post("/console/me", 403, zone="Europe/Berlin\x00")
    assert "no character of code 0" in said(answer.text)
    await ada.get("/console/periods/1999-01/live", 404)
    await ada.get("/console/map/now/DE/ABC/nothing", 404)


async def test_what_nobody_foresaw_is_a_page_that_tells_nothing_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("boom")

    ada = await visitor(world, "ada", Role.ADMIN)
    monkeypatch.setattr("hub.console.search.look_for", broken)
    page = said(await ada.get("/console/search?q=anything", 500))
    assert "Why is in its log" in page
    assert "boom" not in page


async def test_the_front_door_is_open_with_a_slash_and_without(world: World) -> None:
    ada = await visitor(world, "ada", Role.ADMIN)
    for path in ("/console", "/console/"):
        answer = await ada.http.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/causes"), path


@pytest.mark.parametrize(
    ("method", "referer", "path"),
    [
        pytest.param("POST", "http://hub.test/console/periods/2026-10?a=b", "/console/periods/2026-10?a=b", id="ours"),
        pytest.param("GET", "http://hub.test/console/periods", "", id="no form was sent"),
        pytest.param("POST", "http://evil.test/console/periods", "", id="a page of somebody else"),
        pytest.param("POST", "http://hub.test/admin/partners", "", id="no page of the console"),
        pytest.param("POST", "javascript:alert(1)", "", id="no address"),
        pytest.param("POST", "", "", id="the browser does not say"),
    ],
)
def test_a_form_that_was_refused_leads_back_to_its_page(method: str, referer: str, path: str) -> None:
    headers = [(b"host", b"hub.test"), (b"referer", referer.encode())]
    assert way_back(Request({"type": "http", "method": method, "path": "/", "headers": headers})) == path


async def test_what_is_refused_leads_back_to_the_page_with_the_form(world: World) -> None:
    amara = await visitor(world, "amara", Role.APPROVER)
    path = "/console/decisions?state=waiting"
    amara.http.headers["referer"] = f"{amara.origin['Origin']}{path}"
    answer = await amara.post("/console/decisions/999999/confirm", 404)
    assert f'href="{path}">Back to the page' in answer.text


async def test_the_reason_of_a_decision_is_what_the_check_is_about(desk: Clearing) -> None:
    await desk.bill(dear(1))
    ines = await visitor(desk.world, "ines", Role.CLERK)
    inbox = await ines.get("/console/causes?disposition=HOLD")
    path = inbox.partition('href="/console/causes/')[2].partition('"')[0]
    page = await ines.get(f"/console/causes/{path}")
    assert '<option value="PRICE" selected>PRICE · agreed price</option>' in page
    assert "its 1 CDR, and of later ones" in said(page)
    kept_out = f"/console/cdrs?cause={path}&kept_out=true"
    assert kept_out.replace("&", "&amp;") in page or kept_out in page
    assert dear(1)["id"] in said(await ines.get(kept_out))
    assert "No row is like that" in said(await ines.get(kept_out.replace("true", "false")))


def test_every_reason_has_words_and_a_check_has_at_most_one() -> None:
    assert set(REASON_WORDS) == set(Reason)
    assert likely_reason("D01", "SESSION_BILLED_TWICE") is Reason.DUP
    assert likely_reason("G03", "ROUNDING_DIFFERENCE") is Reason.ROUND
    assert likely_reason("J01", "CREDIT_FLAG_INCONSISTENT") is None


async def test_a_clerk_decides_a_cause_and_its_cdrs_settle(desk: Clearing) -> None:
    await desk.bill(dear(1), dear(2))
    ines = await visitor(desk.world, "ines", Role.CLERK)
    inbox = await ines.get("/console/causes?disposition=HOLD")
    path = inbox.partition('href="/console/causes/')[2].partition('"')[0]
    cause = await ines.get(f"/console/causes/{path}")
    (shown,) = (await desk.get("causes", disposition="HOLD"))["items"]
    assert said(money(shown["at_risk"], "EUR")) in said(cause)
    await ines.post(f"/console/causes/{path}", page=f"/console/causes/{path}", action="accept", reason="PRICE")
    await desk.settled()
    assert "SETTLE" in said(await ines.get("/console/cdrs"))
    assert "No row is like that" in said(await ines.get("/console/cdrs?disposition=HOLD"))


async def test_a_decision_made_without_seeing_the_one_before_changes_nothing(desk: Clearing) -> None:
    await desk.bill(dear(1))
    ines = await visitor(desk.world, "ines", Role.CLERK)
    (cause,) = (await desk.get("causes", disposition="HOLD"))["items"]
    path = f"/console/causes/{quote(cause['cause'], safe='')}"
    assert 'name="seen" value="0"' in await ines.get(path)
    made = (await desk.decide("cause", cause["cause"], "hold", actor="Bo")).json()["id"]
    await ines.post(path, page=path, action="drop", reason="PRICE", seen=0)
    page = await ines.get(path)
    assert "Bo decided this cause while you looked at it (hold, PRICE)" in said(page)
    assert f'name="seen" value="{made}"' in page
    await ines.post(path, page=path, action="drop", reason="PRICE", seen=made)
    actions = {one["action"] for one in (await desk.get("decisions"))["items"]}
    assert actions == {"hold", "drop"}


async def test_a_cdr_is_shown_from_all_sides_and_as_it_was_received(desk: Clearing) -> None:
    sent = dear(1)
    await desk.bill(sent)
    vera = await visitor(desk.world, "vera", Role.VIEWER)
    path = f"/console/cdrs/DE/ABC/{sent['id']}"
    page = said(await vera.get(path))
    assert "The CPO says The hub computed Seen while charging" in page
    assert "38.00 EUR 28.00 EUR" in page.replace("\N{NARROW NO-BREAK SPACE}", " ")
    answer = await vera.http.get(path, params={"format": "text"})
    assert decode_json(answer.content) == sent
    evidence = await vera.http.get(path, params={"format": "evidence"})
    assert zipfile.ZipFile(io.BytesIO(evidence.content)).testzip() is None


async def test_all_rows_leave_in_a_file_with_all_their_digits(desk: Clearing) -> None:
    await desk.bill(*(dear(number) for number in range(1, 8)))
    vera = await visitor(desk.world, "vera", Role.VIEWER)
    answer = await vera.http.get("/console/cdrs", params={"format": "csv", "disposition": "HOLD"})
    rows = [*csv.DictReader(io.StringIO(answer.text))]
    assert len(rows) == 7
    assert {(row["claimed"], row["claimed_currency"], row["disposition"]) for row in rows} == {("38.0", "EUR", "HOLD")}
    book = await vera.http.get("/console/cdrs", params={"format": "xlsx"})
    assert b"CDR" in zipfile.ZipFile(io.BytesIO(book.content)).read("xl/worksheets/sheet1.xml")


async def test_a_page_of_a_table_leads_to_the_next_one_with_the_same_filters(desk: Clearing) -> None:
    await desk.bill(*(dear(number) for number in range(1, 8)))
    vera = await visitor(desk.world, "vera", Role.VIEWER)
    first = await vera.get("/console/cdrs?limit=5&disposition=HOLD")
    link = first.partition('data-key="n"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "disposition=HOLD" in link
    second = said(await vera.get(link))
    assert "2 rows on this page" in second


async def test_a_month_goes_from_open_to_sealed_with_two_people(desk: Clearing) -> None:
    await desk.bill(dear(1, "28"))
    amara = await visitor(desk.world, "amara", Role.APPROVER)
    bo = await visitor(desk.world, "bo", Role.APPROVER)
    (period,) = (await desk.get("periods"))["items"]
    path = f"/console/periods/{period['id']}"
    for step, fields in MONTH:
        await amara.post(f"{path}/{step}", page=path, **fields)
    again = await amara.post(f"{path}/close", 409, page=path)
    assert "second person" in said(again.text)
    await bo.post(f"{path}/close", page=path)
    await bo.post(f"{path}/seal", page=path)
    assert "as they were sealed" in said(await bo.get(f"{path}/check"))
    statement = (await desk.get("statements", state="advised"))["items"][0]["id"]
    page = said(await bo.get(f"/console/statements/{statement}"))
    assert "28.00 EUR" in page.replace("\N{NARROW NO-BREAK SPACE}", " ")
    for form in ("json", "csv", "xlsx", "pdf", "proof"):
        assert (await bo.http.get(f"/console/statements/{statement}", params={"format": form})).status_code == 200
    audit = said(await (await visitor(desk.world, "ada", Role.ADMIN)).get("/console/audit"))
    assert "period seal" in audit


async def test_a_billed_cdr_is_disputed_and_conceded(desk: Clearing) -> None:
    await desk.bill(dear(1, "28"))
    amara = await visitor(desk.world, "amara", Role.APPROVER)
    (period,) = (await desk.get("periods"))["items"]
    path = f"/console/periods/{period['id']}"
    for step, fields in MONTH[:3]:
        await amara.post(f"{path}/{step}", page=path, **fields)
    cdr = f"/console/cdrs/DE/ABC/{dear(1)['id']}"
    form: dict[str, Any] = {
        "creditor": "DE/ABC",
        "cdr_id": dear(1)["id"],
        "reason": "PRICE",
        "excl_vat": "3",
        "incl_vat": "3.57",
    }
    answer = await amara.post("/console/disputes", page=cdr, **form)
    dispute = answer.headers["location"]
    assert "RAISED" in said(await amara.get(dispute)).upper()
    refused = await amara.post(f"{dispute}/concede", 409, page=dispute)
    assert "another person has to" in said(refused.text)
    bo = await visitor(desk.world, "bo", Role.APPROVER)
    await bo.post(f"{dispute}/concede", page=dispute, note="Agreed.")
    assert "Gave way the creditor" in said(await bo.get(dispute))
    await bo.post(f"{dispute}/counter", 409, page=cdr)
