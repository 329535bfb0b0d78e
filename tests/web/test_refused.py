"""What was refused at the door, over HTTP (point 2): kept, found, decided about, counted, and never billed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.settlement.cases import Content, cdr, dc_cdr
from tests.web.clearing import Clearing, clearing_hub, until


@pytest.fixture
async def clearing(database_url: str, tmp_path: Path) -> AsyncIterator[Clearing]:
    async with clearing_hub(database_url, tmp_path) as made:
        yield made


async def refuse(clearing: Clearing, *contents: Content) -> None:
    """CDRs that the door refuses, and that settlement has then looked at."""
    for content in contents:
        assert (await clearing.post_cdr(content)).json()["status_code"] != 1000

    async def is_looked_at() -> bool:
        return all(one["finding"] for one in (await clearing.get("refused"))["items"])

    await until(is_looked_at)


async def findings(clearing: Clearing, **filters: Any) -> list[Any]:
    return list((await clearing.get("findings", source="refused", **filters))["items"])


REUSED = {**cdr(), "total_energy": 99}
NO_CREDIT = cdr(id="C-FLAG", credit=True)


def this_month() -> str:
    """That of October may be over."""
    return f"{datetime.now(UTC):%Y-%m}"


async def test_a_refused_cdr_raises_its_finding_and_its_cause_and_bills_nothing(clearing: Clearing) -> None:
    await clearing.bill(cdr())
    await refuse(clearing, REUSED, NO_CREDIT)
    found = {one["kind"]: one for one in await findings(clearing, party="DE/ABC", period=this_month())}
    assert set(found) == {"CDR_ID_REUSED", "CREDIT_FLAG_INCONSISTENT"}
    reused = found["CDR_ID_REUSED"]
    assert (reused["subject"]["cdr_id"], reused["subject"]["owner"]) == ("C1", "DE/ABC")
    assert (reused["at_risk"], reused["disposition"], reused["cdrs"]) == ("10.71", "HOLD", [])
    assert reused["details"]["changed"] == ["total_energy"]
    (kept,) = (await clearing.get("refused", cause=reused["cause"]))["items"]
    assert (kept["finding"], kept["digest"]) == (reused["key"], reused["subject"]["sha256"])
    (cause,) = (await clearing.get("causes", kind="CDR_ID_REUSED"))["items"]
    assert (cause["refused"], cause["cdrs"], cause["held"], cause["at_risk"]) == (1, 0, 0, "10.71")
    assert (await clearing.get("status"))["dispositions"] == {"SETTLE": 1}


async def test_the_same_bytes_again_are_no_second_finding(clearing: Clearing) -> None:
    await clearing.bill(cdr())
    await refuse(clearing, REUSED, REUSED)
    assert len(await findings(clearing)) == 1
    await refuse(clearing, {**REUSED, "total_energy": 98})
    assert len(await findings(clearing)) == 2
    (cause,) = (await clearing.get("causes", kind="CDR_ID_REUSED"))["items"]
    assert (cause["findings"], cause["refused"]) == (2, 2)


async def test_a_decision_says_that_it_is_dealt_with_and_never_pays_it(clearing: Clearing) -> None:
    await clearing.bill(cdr())
    await refuse(clearing, REUSED)
    (cause,) = (await clearing.get("causes", kind="CDR_ID_REUSED", decided="false"))["items"]
    answer = await clearing.decide("cause", cause["cause"], "accept", reason="DUP")
    assert (answer.status_code, answer.json()["state"]) == (201, "standing")
    await clearing.settled()
    assert (await clearing.get("causes", kind="CDR_ID_REUSED", decided="false"))["items"] == []
    (decided,) = (await clearing.get("causes", kind="CDR_ID_REUSED", decided="true"))["items"]
    assert decided["action"] == "accept"
    assert (await clearing.get("status"))["dispositions"] == {"SETTLE": 1}
    (line,) = (await clearing.get("cdrs"))["items"]
    assert line["claimed"]["incl_vat"] == "10.71"
    rule = {"agreement": "DEABC-NLMSP", "valid_from": "2026-10-01T00:00:00Z", "actor": "Ines"}
    refused = await clearing.world.admin.post(f"/settlement/decisions/{answer.json()['id']}/rule", json=rule)
    assert refused.status_code == 400


async def test_a_cdr_that_comes_right_afterwards_clears_its_finding(clearing: Clearing) -> None:
    await refuse(clearing, {**cdr(), "credit": True})
    assert [one["kind"] for one in await findings(clearing)] == ["CREDIT_FLAG_INCONSISTENT"]
    await clearing.bill(cdr())

    async def is_cleared() -> bool:
        return not await findings(clearing)

    await until(is_cleared)
    assert len(await findings(clearing, cleared="true")) == 1


async def test_control_totals_count_all_that_came(clearing: Clearing) -> None:
    """P02: by feed and day, and by period and currency."""
    await clearing.bill(cdr(), dc_cdr(), cdr())
    await refuse(clearing, REUSED, REUSED, NO_CREDIT)
    (day,) = (await clearing.get("feeds", feed="de/abc"))["items"]
    assert (day["received"], day["settled"], day["returned"], day["duplicates"]) == (6, 2, 2, 2)
    assert (await clearing.get("feeds", feed="NL/XYZ"))["items"] == []
    totals = (await clearing.get(f"periods/{this_month()}"))["totals"]["EUR"]
    assert {name: one["cdrs"] for name, one in totals.items() if one["cdrs"]} == {"IN": 4, "SETTLE": 2, "RETURNED": 2}
    assert totals["RETURNED"]["excl_vat"] == "18.00"
