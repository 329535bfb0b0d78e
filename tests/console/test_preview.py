"""What a decision would change is shown before it is made, comes true when it is made, and can be undone until it is billed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest

from hub.clock import SystemClock
from hub.console.accounts import Role
from hub.settlement.decisions import Action
from hub.settlement.engine import foretelling
from hub.settlement.engine.foretelling import Foreteller, Foretold
from hub.settlement.findings import Disposition
from hub.store.database import Database
from hub.store.decisions import Decisions
from hub.store.prospects import Prospects
from tests.console.test_pages import MONTH
from tests.console.visitors import said, visitor
from tests.settlement.cases import Content, credit_of
from tests.web.clearing import Clearing, clearing_hub, dear


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Clearing]:
    async with clearing_hub(database_url, tmp_path) as made:
        yield made


def stranger(content: Content) -> Content:
    """The same charge by a token that nobody told the hub of, which holds it too."""
    return {**content, "cdr_token": {**content["cdr_token"], "uid": "STRANGER"}}


async def held_cause(desk: Clearing) -> str:
    (cause,) = (await desk.get("causes", disposition="HOLD", kind="PRICE_MISMATCH"))["items"]
    return str(cause["cause"])


async def foretold(desk: Clearing, cause: str, action: Action) -> Foretold:
    database = Database(desk.world.database_url)
    try:
        decisions = Decisions(database.direct)
        teller = Foreteller(Prospects(database.direct), decisions, SystemClock(), desk_limit())
        found = await teller.foretell(cause, action)
        assert found is not None
        return found
    finally:
        await database.close()


def desk_limit() -> Decimal:
    return Decimal(1000)


async def dispositions(desk: Clearing) -> Counter[str]:
    return Counter(one["disposition"] for one in (await desk.get("cdrs"))["items"])


@pytest.mark.parametrize("action", [*Action])
async def test_what_is_foretold_comes_true(desk: Clearing, action: Action) -> None:
    credited = dear(3)
    await desk.bill(dear(1), dear(2), credited, credit_of(credited, last_updated="2026-10-13T10:00:00Z"), dear(4, "28"))
    await desk.decide("cdr", "DE/ABC/CDR-DEAR-2", "hold")
    await desk.settled()
    cause, before = await held_cause(desk), await dispositions(desk)
    seen = (await foretold(desk, cause, action)).foresight
    sums = seen.sums("EUR")
    assert (await desk.decide("cause", cause, action)).status_code == 201
    await desk.settled()
    after = await dispositions(desk)
    for name in Disposition:
        was, _, then, _ = sums.get(name, (0, 0, 0, 0))
        assert after[name] - before[name] == then - was, (name, before, after, seen)


async def test_counting_many_agrees_with_looking_at_each(desk: Clearing, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.bill(dear(1), dear(2), dear(3), stranger(dear(4)))
    cause = await held_cause(desk)
    looked = (await foretold(desk, cause, Action.ACCEPT)).foresight
    monkeypatch.setattr(foretelling, "LOOKED_AT_MAX_CDRS", 2)
    counted = (await foretold(desk, cause, Action.ACCEPT)).foresight
    assert (looked.is_estimate, counted.is_estimate) == (False, True)
    assert looked.changes == counted.changes
    assert (looked.holders, looked.otherwise) == (counted.holders, counted.otherwise)
    assert [one.cdrs for one in looked.holders] == [1]


async def test_the_preview_names_the_other_causes_that_keep_its_cdrs_out(desk: Clearing) -> None:
    await desk.bill(dear(1), dear(2), stranger(dear(3)), stranger(dear(4)))
    ines = await visitor(desk.world, "ines", Role.APPROVER)
    path = f"/console/causes/{quote(await held_cause(desk), safe='')}"
    page = await ines.get(f"{path}?preview=accept")
    words = said(page)
    assert "2 CDRs, kept out now, settle" in words
    assert "2 CDRs stay kept out: deciding this cause alone does not free them 2 CDRs also for" in words
    links = [
        unescape(one) for one in re.findall(r'href="(/console/(?:cdrs\?cause=[^"]*&amp;also=|causes/)[^"]+)"', page)
    ]
    both, other = links[:2]
    assert sorted(row["cdr_id"] for row in await ines.rows(both)) == ["CDR-DEAR-3", "CDR-DEAR-4"]
    assert "Its CDRs" in said(await ines.get(other))
    assert "does not free" not in said(await ines.get(f"{path}?preview=hold"))
    await ines.post(other, page=other, action="accept", reason="TOKEN")
    await desk.settled()
    assert "4 CDRs, kept out now, settle" in said(await ines.get(f"{path}?preview=accept"))


async def test_the_page_shows_it_with_and_without_scripts_and_undoes_it(desk: Clearing) -> None:
    await desk.bill(dear(1), dear(2))
    ines = await visitor(desk.world, "ines", Role.APPROVER)
    path = f"/console/causes/{quote(await held_cause(desk), safe='')}"
    whole = said(await ines.get(f"{path}?preview=accept"))
    assert "2 CDRs, kept out now, settle" in whole
    assert "SETTLE 0 0.00 EUR 2 76.00 EUR" in whole.replace("\N{NARROW NO-BREAK SPACE}", " ")
    part = await ines.http.get(path, params={"preview": "drop"}, headers={"hx-request": "true"})
    assert "If they are never paid" in part.text
    assert "<html" not in part.text
    await ines.get(f"{path}?preview=perhaps", 400)
    await ines.post(path, page=path, action="accept", reason="PRICE")
    await desk.settled()
    assert "Nothing of it is billed yet. Undo" in said(await ines.get(path))
    await ines.post("/console/decisions/1/revoke", page=path)
    await desk.settled()
    assert await dispositions(desk) == {"HOLD": 2}
    await ines.post(path, page=path, action="accept", reason="PRICE")
    await desk.settled()
    (period,) = (await desk.get("periods"))["items"]
    month = f"/console/periods/{period['id']}"
    for step, fields in MONTH[:3]:
        await ines.post(f"{month}/{step}", page=month, **fields)
    page = said(await ines.get(f"{path}?preview=drop"))
    assert "Undo" not in page
    assert "2 CDRs, billed already, do not change" in page
