"""The benchmark of the console keeps its word: the copied month is a month, and a slow page is said to be slow."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hub.store.database import Database
from hub.store.embedded import attach_or_start
from tests.benchmarks.console import Answered, _drafted, _settled, report_of
from tests.benchmarks.copied_month import multiply

SOME, TIMES = 300, 3


def test_a_copied_month_is_a_month_with_as_many_cdrs_and_can_be_drafted(tmp_path: Path) -> None:
    with attach_or_start(tmp_path) as running:
        url = running.server.url
        asyncio.run(_settled(url, SOME))
        before = asyncio.run(_counts(url))
        multiply(url, TIMES, 2 * before["finding"])
        after = asyncio.run(_counts(url))
        assert after["verdict"] == TIMES * before["verdict"] == TIMES * SOME
        assert after["finding"] == 2 * before["finding"]
        assert after["owed"] == TIMES * before["owed"]
        asyncio.run(_drafted(url))
        assert asyncio.run(_counts(url))["lines"] > 0


async def _counts(url: str) -> dict[str, int]:
    database = Database(url)
    try:
        (row,) = await database.direct.fetch(
            "select (select count(*) from verdict) as verdict, (select count(*) from finding) as finding, "
            "(select sum(cdrs)::bigint from verdict_total) as cdrs, (select count(*) from statement_line) as lines, "
            "(select (sum(abs(excl_vat)) * 100)::bigint from account_balance where party = 'NL/E00') as owed"
        )
        assert row["cdrs"] == row["verdict"]
        return dict(row)
    finally:
        await database.close()


def test_a_page_is_slow_when_its_slowest_answer_is() -> None:
    pages = [Answered("/a", 900.0, (20.0, 30.0), 1024), Answered("/b", 10.0, (20.0, 301.0), 1024)]
    assert [one.is_slow for one in pages] == [False, True]
    (row,) = report_of(pages, 1_000, 20).rows
    assert row.measured == "301 ms at most, /b; 1 above the limit"
