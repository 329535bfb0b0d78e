"""The missing-CDR board over real HTTP: who owes a CDR is seen and asked, and forgotten when it came (point 8, D05)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from hub.demo.faults import Fault, Seen
from hub.demo.shelf import key_of
from ocpi_modules.catalog import MODULES
from ocpi_modules.types import format_datetime, parse_datetime
from tests.conftest import HUB, World
from tests.settlement.cases import CPO, EMSP, OTHER_EMSP, Content, cdr, dc_cdr
from tests.web.clearing import Clearing, clearing_hub, until
from tests.web.test_admin import assert_envelope

AT_ONCE_HOURS = 1e-6
NEVER_HOURS = 8000.0
ASKED_ONCE = {"missing_cdr_hours": AT_ONCE_HOURS, "chase_hours": NEVER_HOURS}


def offer(clearing: Clearing, *contents: Content) -> None:
    """Let the CPO have CDRs in its own list, written just now, that it did not push."""
    module = MODULES["cdrs"]
    for content in contents:
        written = {**content, "last_updated": format_datetime(datetime.now(UTC))}
        clearing.cpo.desk.owned[module.id].put(key_of(module, written), written)


def is_asked(seen: Seen) -> bool:
    """A request for a page of CDRs with a date window."""
    return seen.method == "GET" and seen.path.endswith("/sender/cdrs") and "date_to" in seen.query


def window_of(seen: Seen) -> tuple[datetime, datetime]:
    asked = parse_qs(seen.query)
    return parse_datetime(asked["date_from"][0]), parse_datetime(asked["date_to"][0])


async def missed(clearing: Clearing) -> list[str]:
    return [one["session_id"] for one in (await clearing.get("missing"))["items"]]


async def chases(clearing: Clearing) -> list[dict[str, Any]]:
    """The chases that are done, the last one first."""
    items = (await clearing.get("missing/chases"))["items"]
    return [one for one in items if one["done_at"] is not None]


async def chase(clearing: Clearing, **asked: Any) -> list[dict[str, Any]]:
    """Have CPOs asked, and wait for what comes of it."""
    answer = await clearing.world.admin.post("/settlement/missing/chase", json={"actor": "Ines", **asked})
    assert answer.status_code == 202, answer.text
    wished = {one["id"] for one in answer.json()}

    async def is_done() -> bool:
        return wished <= {one["id"] for one in await chases(clearing)}

    await until(is_done)
    return [one for one in await chases(clearing) if one["id"] in wished]


async def asked_by_itself(clearing: Clearing) -> None:
    """Wait until the hub has asked of its own accord, and the board holds both sessions."""

    async def is_done() -> bool:
        return bool(await chases(clearing)) and len(await missed(clearing)) == 2

    await until(is_done)


async def test_who_owes_a_cdr_is_on_the_board_with_what_the_session_came_to(database_url: str, tmp_path: Path) -> None:
    async with clearing_hub(database_url, tmp_path, **ASKED_ONCE) as clearing:
        await asked_by_itself(clearing)
        board = await clearing.get("missing")
        (owing,) = board["by_creditor"]
        assert (owing["creditor"], owing["sessions"]) == (str(CPO), 2)
        by_session = {one["session_id"]: one for one in board["items"]}
        seen = by_session[cdr()["session_id"]]
        assert (seen["debtor"], seen["kwh"], seen["currency"], seen["age_hours"]) == (str(EMSP), "20", "EUR", 0)
        assert seen["estimated"] == {"excl_vat": "9.00", "incl_vat": "10.71"}
        assert (await clearing.get("missing", debtor=str(OTHER_EMSP)))["items"] == [by_session[dc_cdr()["session_id"]]]
        page = await clearing.get("missing", limit=1)
        rest = await clearing.get("missing", limit=1, after=page["next"])
        assert page["items"] + rest["items"] == board["items"]
        await clearing.bill(cdr())
        assert await missed(clearing) == [dc_cdr()["session_id"]]


async def test_a_session_is_not_missed_before_its_time(database_url: str, tmp_path: Path) -> None:
    async with clearing_hub(database_url, tmp_path) as clearing:
        assert await clearing.get("missing") == {"items": [], "next": None, "by_creditor": []}
        assert await chase(clearing) == []


async def test_a_cpo_is_asked_with_a_date_window_and_what_it_lists_is_settled(
    database_url: str, tmp_path: Path
) -> None:
    async with clearing_hub(database_url, tmp_path, **ASKED_ONCE) as clearing:
        await asked_by_itself(clearing)
        (first,) = await chases(clearing)
        assert (first["creditor"], first["actor"], first["objects"], first["said"]) == (str(CPO), "", 0, "")

        offer(clearing, cdr())
        (second,) = await chase(clearing, creditor="de/abc")
        assert (second["actor"], second["sessions"], second["said"]) == ("Ines", 2, "")
        assert (second["objects"], second["refused"], second["new_cdrs"]) == (1, 0, 1)
        await clearing.settled()
        assert await missed(clearing) == [dc_cdr()["session_id"]]
        assert (await clearing.get(f"cdrs/DE/ABC/{cdr()['id']}"))["cdr"]["disposition"] == "SETTLE"
        (owing,) = (await clearing.get("missing"))["by_creditor"]
        assert owing["chase"] == second

        asked = [seen for seen in clearing.cpo.seen if is_asked(seen)]
        assert {(seen.sender, seen.receiver) for seen in asked} == {(HUB, CPO)}
        since, until_then = window_of(asked[-1])
        assert since < parse_datetime(owing["oldest_at"]) < until_then


async def test_a_list_that_cannot_be_read_is_said_and_asked_for_again(database_url: str, tmp_path: Path) -> None:
    always = {"missing_cdr_hours": AT_ONCE_HOURS, "chase_hours": AT_ONCE_HOURS}
    async with clearing_hub(database_url, tmp_path, **always) as clearing:
        ill = Fault(module_id="cdrs", method="GET", status_code=2001)
        clearing.cpo.faults.append(ill)

        async def is_told() -> bool:
            return any(one["said"] for one in await chases(clearing))

        await until(is_told)
        offer(clearing, cdr(), dc_cdr())
        clearing.cpo.faults.remove(ill)

        async def is_done() -> bool:
            return await missed(clearing) == []

        await until(is_done)


async def test_who_asks_is_named(world: World) -> None:
    assert_envelope(await world.admin.post("/settlement/missing/chase", json={}), 400, 2001)
