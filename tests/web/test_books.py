"""Reading the books over real HTTP (points 4 and 11)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import World
from tests.settlement.cases import CPO, EMSP, OTHER_EMSP, cdr, dc_cdr, session_of
from tests.web.clearing import Clearing, clearing_hub, dear, read, text_of
from tests.web.test_admin import assert_envelope

NOT_A_PLACE = "bm90IGEgcGxhY2U"


@pytest.fixture
async def clearing(database_url: str, tmp_path: Path) -> AsyncIterator[Clearing]:
    async with clearing_hub(database_url, tmp_path) as made:
        yield made


async def ids(clearing: Clearing, **filters: Any) -> list[str]:
    return [one["cdr_id"] for one in (await clearing.get("cdrs", **filters))["items"]]


async def test_the_books_are_read_by_whatever_bears_on_a_cdr(clearing: Clearing) -> None:
    clean, held = dc_cdr(), dear(1)
    await clearing.bill(cdr(), clean, held)
    everything = sorted(one["id"] for one in (cdr(), clean, held))
    assert await ids(clearing) == everything
    assert await ids(clearing, disposition="HOLD", creditor="de/abc", currency="eur") == [held["id"]]
    assert await ids(clearing, debtor=str(EMSP)) == [cdr()["id"]]
    assert await ids(clearing, token=cdr()["cdr_token"]["uid"].lower()) == [cdr()["id"]]
    assert await ids(clearing, session_id=clean["session_id"]) == [clean["id"]]
    assert await ids(clearing, cdr_id="cdr-dear") == [held["id"]]
    assert await ids(clearing, period="1999-01") == []
    (line,) = (await clearing.get("cdrs", cdr_id="CDR-DEAR"))["items"]
    assert (line["claimed"], line["priced"]) == (
        {"excl_vat": "38.0", "incl_vat": "45.22"},
        {"excl_vat": "28", "incl_vat": "33.32"},
    )
    came_at = line["received_at"]
    assert held["id"] in await ids(clearing, received_from=came_at)
    assert held["id"] not in await ids(clearing, received_before=came_at)
    assert await ids(clearing, received_from="2126-01-01T00:00:00Z") == []
    (finding,) = (await clearing.get("findings", disposition="HOLD"))["items"]
    assert finding["kind"] in line["kinds"]
    assert await ids(clearing, kind=finding["kind"]) == [held["id"]]

    first = await clearing.get("cdrs", limit=2)
    second = await clearing.get("cdrs", limit=2, after=first["next"])
    assert [one["cdr_id"] for one in first["items"] + second["items"]] == everything
    assert second["next"] is None

    status = await clearing.get("status")
    assert (status["dispositions"], status["proposed"], status["waiting"]) == ({"HOLD": 1, "SETTLE": 2}, 0, 0)

    balances = (await clearing.get("balances", party=str(CPO)))["items"]
    assert [(one["counterparty"], one["excl_vat"], one["incl_vat"]) for one in balances] == [
        (str(OTHER_EMSP), "-28.00", "-33.32"),
        (str(EMSP), "-9.00", "-10.71"),
    ]
    page = await clearing.get("balances", party=str(CPO), limit=1)
    assert (await clearing.get("balances", party=str(CPO), limit=1, after=page["next"]))["items"] == balances[1:]


async def test_a_cdr_is_shown_with_all_that_bears_on_it(clearing: Clearing) -> None:
    await clearing.bill(cdr())
    seen = await clearing.get(f"cdrs/de/abc/{cdr()['id'].lower()}")
    assert seen["text"] == text_of(cdr())
    assert seen["cdr"]["disposition"] == "SETTLE"
    assert seen["session"]["id"] == session_of(cdr())["id"]
    assert seen["matches"]["session"]["method"] == "session_id"
    assert seen["price"]["total_cost"] == {"excl_vat": 9, "incl_vat": 10.71}
    assert [line["dimension"] for line in seen["price"]["lines"]] == ["ENERGY", "PARKING_TIME"]
    assert seen["price"]["explanation"]["kind"] == "EXACT"
    (entry,) = seen["entries"]
    assert (entry["event"], {one["excl_vat"] for one in entry["postings"]}) == ("accepted", {"9.00", "-9.00"})
    listed = await clearing.get("entries", reference=f"DE/ABC/{cdr()['id']}")
    assert listed == {"items": [entry], "next": None}
    assert (await clearing.get("entries"))["items"] == [entry]


async def test_a_held_cdr_says_why_and_what_its_price_is_made_of(clearing: Clearing) -> None:
    held = dear(1)
    await clearing.bill(held)
    seen = await clearing.get(f"cdrs/DE/ABC/{held['id']}")
    assert seen["entries"] == []
    assert seen["price"]["explanation"]["difference"] == 10
    holding = [one for one in seen["findings"] if one["disposition"] == "HOLD"]
    assert (await clearing.get("findings", disposition="HOLD", party=str(CPO)))["items"] == holding
    assert (await clearing.get("findings", severity="ERROR", cleared=True))["items"] == []
    assert holding[0]["cdrs"] == [f"DE/ABC/{held['id']}"]


async def test_causes_are_ranked_by_the_money_at_risk_and_lead_to_their_cdrs(clearing: Clearing) -> None:
    await clearing.bill(dear(1), dear(2), dear(3), cdr(id="CDR-TWICE-A"), cdr(id="CDR-TWICE-B"))
    listed = await clearing.get("causes", disposition="HOLD")
    first, second = listed["items"][:2]
    assert (first["rank"], first["cdrs"], first["held"], first["at_risk"]) == (1, 3, 3, "35.70")
    assert (second["kind"], second["at_risk"]) == ("SESSION_BILLED_TWICE", "10.71")
    page = await clearing.get("causes", limit=1)
    assert page["items"] == [first]
    assert (await clearing.get("causes", limit=1, after=page["next"]))["items"][0]["rank"] == 2
    seen = await clearing.get(f"causes/{first['cause']}", limit=2)
    assert (seen["cause"], seen["decisions"]) == ({**first, "rank": None}, [])
    rest = await clearing.get(f"causes/{first['cause']}", limit=2, after=seen["cdrs"]["next"])
    assert [one["cdr_id"] for one in seen["cdrs"]["items"] + rest["cdrs"]["items"]] == [
        "CDR-DEAR-1",
        "CDR-DEAR-2",
        "CDR-DEAR-3",
    ]


async def test_what_was_refused_at_the_door_is_there_to_be_seen(clearing: Clearing) -> None:
    """Point 2: bytes, answer, and how often it came; never billed."""
    await clearing.bill(cdr())
    reused = {**cdr(), "total_energy": 99}
    for _ in range(2):
        assert (await clearing.post_cdr(reused)).json()["status_code"] != 1000
    (seen,) = (await clearing.get("refused", creditor="DE/ABC"))["items"]
    assert (seen["cdr_id"], seen["times"], read(seen["text"])["total_energy"]) == (cdr()["id"], 2, 99)
    assert len(seen["digest"]) == 64
    assert (await clearing.get("refused", creditor="DE/XYZ"))["items"] == []
    assert (await clearing.get("status"))["dispositions"] == {"SETTLE": 1}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("cdrs?disposition=MAYBE", 400, id="no such disposition"),
        pytest.param("cdrs?limit=1001", 400, id="too long a page"),
        pytest.param("cdrs?colour=red", 400, id="no such filter"),
        pytest.param("cdrs?creditor=nobody", 400, id="no party"),
        pytest.param("cdrs?cdr_id=%00", 400, id="what PostgreSQL cannot compare"),
        pytest.param(f"cdrs?after={NOT_A_PLACE}", 400, id="no cursor"),
        pytest.param("cdrs?after=x%F0", 400, id="no cursor in Base64 even"),
        pytest.param("findings?after=WyJOYU4iLCJrIl0", 400, id="a cursor with no number in it"),
        pytest.param("refused?after=WyJ4IiwieCIsIngiXQ", 400, id="a cursor with no moment in it"),
        pytest.param("entries?after=WyJ4Il0", 400, id="a cursor with no id in it"),
        pytest.param("missing?after=WyJ4Il0", 400, id="a cursor of another list"),
        pytest.param("cdrs/DE/ABC/NONE", 404, id="no such CDR"),
        pytest.param("cdrs/D/ABC/NONE", 404, id="no party in the path"),
        pytest.param("causes/G03|NONE", 404, id="no such cause"),
        pytest.param("decisions/1", 404, id="no such decision"),
        pytest.param("decisions?after=WyIxZTkiXQ", 400, id="a cursor that is no id"),
    ],
)
async def test_what_cannot_be_listed_is_answered_with_the_envelope(
    standing_world: World, path: str, status: int
) -> None:
    assert_envelope(await standing_world.admin.get(f"/settlement/{path}"), status, 2001 if status == 400 else 2000)


@pytest.mark.parametrize(
    "path", ["cdrs", "findings", "causes", "refused", "balances", "entries", "status", "missing", "decisions"]
)
async def test_nobody_without_the_admin_token_reads_the_books(standing_world: World, path: str) -> None:
    async with standing_world.nobody() as http:
        assert_envelope(await http.get(f"/settlement/{path}"), 401, 2000)
