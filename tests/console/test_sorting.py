"""Tables sorted by a click on the head of a column: all rows, the page behind, and the file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.console.accounts import Role
from hub.settlement.engine import corrections, disputes, profiles, terms
from hub.store.books import PAGE_MAX_ROWS
from tests.console.visitors import visitor
from tests.web.clearing import Clearing, clearing_hub, dear

ROW = re.compile(r'href="/console/cdrs/DE/ABC/(CDR-DEAR-[0-9])"><code')


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Clearing]:
    async with clearing_hub(database_url, tmp_path) as made:
        await made.bill(dear(1, "38"), dear(2, "60"), dear(3, "28"))
        yield made


async def test_the_head_of_a_column_sorts_all_rows_first_downwards_then_upwards(desk: Clearing) -> None:
    vera = await visitor(desk.world, "vera", Role.VIEWER)
    page = await vera.get("/console/cdrs?creditor=DE/ABC")
    assert 'href="/console/cdrs?creditor=DE%2FABC&amp;sort=-difference"' in page
    page = await vera.get("/console/cdrs?creditor=DE/ABC&sort=-difference")
    assert ROW.findall(page) == ["CDR-DEAR-2", "CDR-DEAR-1", "CDR-DEAR-3"]
    assert 'aria-sort="descending"><a href="/console/cdrs?creditor=DE%2FABC&amp;sort=difference">Difference ↓' in page
    assert '<option value="-difference" selected>Difference, largest first</option>' in page, "a filter keeps the order"
    assert '<option value="received">Received, earliest first</option>' in page, "also where its column is left out"
    page = await vera.get("/console/cdrs?sort=claimed&limit=2")
    assert ROW.findall(page) == ["CDR-DEAR-3", "CDR-DEAR-1"]
    (behind,) = re.findall(r'href="([^"]+)" data-key="n"', page)
    assert ROW.findall(await vera.get(behind.replace("&amp;", "&"))) == ["CDR-DEAR-2"]
    answer = await vera.http.get("/console/cdrs?sort=-claimed&format=csv")
    assert [row["cdr_id"] for row in csv.DictReader(io.StringIO(answer.text))] == [
        "CDR-DEAR-2",
        "CDR-DEAR-1",
        "CDR-DEAR-3",
    ]
    await vera.get("/console/cdrs?sort=colour", 400)


async def test_the_audit_log_is_read_from_either_end(desk: Clearing) -> None:
    ada = await visitor(desk.world, "ada", Role.ADMIN)
    first = await ada.get("/console/audit?limit=1&sort=when")
    assert ">account made<" in first
    (behind,) = re.findall(r'href="([^"]+)" data-key="n"', first)
    assert ">signed in<" in await ada.get(behind.replace("&amp;", "&"))
    assert ">signed in<" in await ada.get("/console/audit?limit=1")


@pytest.mark.parametrize("engine", [corrections, disputes, profiles, terms], ids=lambda engine: engine.__name__)
def test_the_largest_page_of_a_list_knows_whether_there_is_one_behind(engine: object) -> None:
    assert vars(engine)["LISTED_MAX"] > PAGE_MAX_ROWS
