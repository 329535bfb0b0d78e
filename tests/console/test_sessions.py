"""The page of a Session: reached from wherever one is named, with its CDR, its messages, and its text as it is kept."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.console.accounts import Role
from hub.console.sessions import PERIODS_SHOWN_MAX, periods_of, session_path
from ocpi_modules.types import encode_json
from tests.console.visitors import Visitor, said, visitor
from tests.settlement.cases import cdr, session_of
from tests.web.clearing import Clearing, clearing_hub, dear, until
from tests.web.test_missing import AT_ONCE_HOURS

CHARGED = cdr()
SESSION: str = CHARGED["session_id"]
PATH = session_path("DE/ABC", SESSION)


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Clearing]:
    async with clearing_hub(database_url, tmp_path, missing_cdr_hours=AT_ONCE_HOURS) as made:
        yield made


async def test_a_session_says_who_charged_where_and_leads_to_its_cdr(desk: Clearing) -> None:
    vera = await visitor(desk.world, "vera", Role.VIEWER)
    page = await vera.get(PATH)
    assert "No CDR names it." in said(page)
    assert "/console/missing?creditor=DE/ABC&debtor=" in page
    await desk.bill(CHARGED)
    page = await vera.get(PATH)
    assert f"Session {SESSION} DE/ABC → " in said(page)
    for link in (
        f'href="/console/cdrs/DE/ABC/{CHARGED["id"]}"',
        'href="/console/locations/DE/ABC/LOC1"',
        'href="/console/parties/DE/ABC"',
        f'href="{PATH}?format=text"',
        'href="#periods"',
    ):
        assert link in page, link
    assert re.search(r"Energy [\d.]+ kWh", said(page)), "volumes have their units"
    assert "CET" in said(page) or "CEST" in said(page), "the zone is written"
    assert "In the journal" not in said(page), "messages are for operators"
    await vera.get(f"{PATH}?format=messages", 403)


async def test_the_text_of_a_session_leaves_as_it_was_received(desk: Clearing) -> None:
    vera = await visitor(desk.world, "vera", Role.VIEWER)
    answer = await vera.http.get(f"{PATH}?format=text")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.content == encode_json(session_of(CHARGED))


async def test_a_session_is_reached_from_its_cdr_the_board_and_the_search(desk: Clearing) -> None:
    vera = await visitor(desk.world, "vera", Role.VIEWER)
    board = await _shown(vera, "/console/missing", PATH)
    assert f'href="{PATH}"' in board
    await desk.bill(CHARGED)
    assert f'href="{PATH}"' in await vera.get(f"/console/cdrs/DE/ABC/{CHARGED['id']}")
    found = await vera.http.get("/console/search", params={"q": SESSION.lower()})
    assert (found.status_code, found.headers["location"]) == (303, PATH)


async def test_a_session_that_nobody_sent_is_a_page_that_says_so(desk: Clearing) -> None:
    vera = await visitor(desk.world, "vera", Role.VIEWER)
    assert "keeps no such session" in said(await vera.get("/console/sessions/DE/ABC/nothing", 404))
    await vera.get("/console/sessions/D/A/nothing", 404)
    lonely = {**dear(1), "session_id": "NEVER-SENT"}
    await desk.bill(lonely)
    page = await vera.get(f"/console/cdrs/DE/ABC/{lonely['id']}")
    assert "NEVER-SENT, which its CPO never sent" in said(page)


async def test_its_messages_are_those_that_name_it(desk: Clearing) -> None:
    otto = await visitor(desk.world, "otto", Role.OPERATOR)
    assert "In the journal" in said(await otto.get(PATH))
    part = await _shown(otto, f"{PATH}?format=messages", "PUT")
    assert part.count('href="/console/messages/') >= 1
    assert part.count("/console/trace/") == part.count('href="/console/messages/')
    rows = (await otto.http.get(f"/console/messages?path={SESSION.lower()}&direction=in&format=csv")).text.splitlines()
    assert len(rows) == 2, "of two sessions that were pushed, one is named so"


async def test_what_a_cpo_writes_is_text_and_nothing_else(desk: Clearing) -> None:
    odd = {**session_of(CHARGED), "id": "A&B", "meter_id": "<script>alert(1)</script>"}
    answer = await desk.push("sessions", odd)
    assert answer.json()["status_code"] == 1000, answer.text
    vera = await visitor(desk.world, "vera", Role.VIEWER)
    page = await vera.get(session_path("DE/ABC", "A&B"))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    ("stated", "count"),
    [
        pytest.param(None, 0, id="none"),
        pytest.param("many", 0, id="no list"),
        pytest.param([1, None, {}], 1, id="what is no period is left out"),
        pytest.param([{"start_date_time": "soon", "dimensions": [{"volume": 1}, 7]}], 1, id="what cannot be read"),
        pytest.param([{}] * (PERIODS_SHOWN_MAX + 1), PERIODS_SHOWN_MAX + 1, id="more than are shown"),
    ],
)
def test_periods_are_read_as_far_as_they_can_be(stated: Any, count: int) -> None:
    assert len(periods_of({"charging_periods": stated})) == count


async def _shown(who: Visitor, path: str, word: str) -> str:
    async def is_there() -> bool:
        return word in await who.get(path)

    await until(is_there)
    return await who.get(path)
