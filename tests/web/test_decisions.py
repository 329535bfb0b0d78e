"""Deciding over real HTTP: one decision for many CDRs, four eyes above a limit, nothing lost (point 4)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hub.store.database import Database
from hub.web.decisions import DecisionAsked
from tests.conftest import World
from tests.settlement.cases import CPO, cdr, dc_cdr
from tests.web.clearing import Clearing, clearing_hub, dear
from tests.web.test_admin import assert_envelope

LIMIT = Decimal(30)


@pytest.fixture
async def clearing(database_url: str, tmp_path: Path) -> AsyncIterator[Clearing]:
    async with clearing_hub(database_url, tmp_path, waiver_limit=LIMIT) as made:
        yield made


async def largest(clearing: Clearing) -> str:
    """The key of the cause with the most money at risk."""
    return str((await clearing.get("causes", limit=1))["items"][0]["cause"])


async def dispositions(clearing: Clearing) -> list[str]:
    await clearing.settled()
    return [one["disposition"] for one in (await clearing.get("cdrs"))["items"]]


async def test_one_decision_about_a_cause_pays_its_cdrs_and_those_that_come_later(clearing: Clearing) -> None:
    await clearing.bill(dear(1))
    cause = await largest(clearing)
    answer = await clearing.decide("cause", cause, "accept", note="as agreed on the phone")
    assert answer.status_code == 201
    made = answer.json()
    assert (made["state"], made["actor"], made["at_risk"], made["most"]) == ("standing", "Ines", {"EUR": "11.90"}, "30")
    assert await dispositions(clearing) == ["SETTLE"]
    await clearing.bill(dear(2))
    assert await dispositions(clearing) == ["SETTLE"] * 2
    (listed,) = (await clearing.get("causes", decided=True))["items"]
    assert (listed["decision"], listed["action"], listed["held"]) == (made["id"], "accept", 0)
    assert (await clearing.get(f"causes/{cause}"))["decisions"] == [made]
    assert (await clearing.get("cdrs/DE/ABC/CDR-DEAR-2"))["decisions"] == [made]

    revoked = await clearing.world.admin.delete(f"/settlement/decisions/{made['id']}", params={"actor": "Otto"})
    assert (revoked.status_code, revoked.json()["state"], revoked.json()["revoked_by"]) == (200, "revoked", "Otto")
    assert await dispositions(clearing) == ["HOLD"] * 2
    assert (await clearing.get("balances"))["items"] == []
    assert (await clearing.get("decisions", state="revoked"))["items"] == [revoked.json()]


async def test_more_than_one_person_may_waive_waits_for_another_one(clearing: Clearing) -> None:
    await clearing.bill(dear(1), dear(2), dear(3))
    proposed = (await clearing.decide("cause", await largest(clearing), "accept")).json()
    assert (proposed["state"], proposed["stands_since"], proposed["at_risk"]) == ("proposed", None, {"EUR": "35.70"})
    assert await dispositions(clearing) == ["HOLD"] * 3
    assert (await clearing.get("status"))["proposed"] == 1
    path = f"/settlement/decisions/{proposed['id']}/confirm"
    refused = await clearing.world.admin.post(path, json={"actor": " INES "})
    assert "another person" in assert_envelope(refused, 409, 2001)
    confirmed = (await clearing.world.admin.post(path, json={"actor": "Otto"})).json()
    assert (confirmed["state"], confirmed["confirmed_by"], confirmed["most"]) == ("standing", "Otto", None)
    assert await dispositions(clearing) == ["SETTLE"] * 3
    assert_envelope(await clearing.world.admin.post(path, json={"actor": "Otto"}), 409, 2001)


async def test_what_one_person_accepted_does_not_pay_a_large_claim_that_comes_later(clearing: Clearing) -> None:
    await clearing.bill(dear(1))
    await clearing.decide("cause", await largest(clearing), "accept")
    await clearing.bill(dear(2, "138"))
    assert await dispositions(clearing) == ["SETTLE", "HOLD"]


async def test_what_grows_beyond_what_one_person_may_waive_waits_for_another_one(clearing: Clearing) -> None:
    """Point 4: the limit holds for all that a decision waives, whenever it comes."""
    await clearing.bill(dear(1))
    made = (await clearing.decide("cause", await largest(clearing), "accept")).json()
    for number in (2, 3, 4):
        await clearing.bill(dear(number))
    assert await dispositions(clearing) == ["SETTLE", "SETTLE", "HOLD", "HOLD"]
    (exceeded,) = (await clearing.get("decisions", state="exceeded"))["items"]
    assert (exceeded["id"], exceeded["state"], exceeded["confirmed_at"]) == (made["id"], "exceeded", None)
    cdr_3 = await clearing.get("cdrs/DE/ABC/CDR-DEAR-3")
    assert exceeded["covers_until"] == cdr_3["received_at"]
    assert exceeded["exceeded_at"] > exceeded["stands_since"]

    path = f"/settlement/decisions/{made['id']}/confirm"
    assert_envelope(await clearing.world.admin.post(path, json={"actor": "ines"}), 409, 2001)
    confirmed = (await clearing.world.admin.post(path, json={"actor": "Otto"})).json()
    assert (confirmed["state"], confirmed["covers_until"], confirmed["confirmed_by"]) == ("standing", None, "Otto")
    assert confirmed["stands_since"] == made["stands_since"] < confirmed["confirmed_at"]
    assert await dispositions(clearing) == ["SETTLE"] * 4


async def test_a_cdr_is_held_and_dropped_by_name(clearing: Clearing) -> None:
    await clearing.bill(cdr(), dc_cdr())
    held = await clearing.decide("cdr", f"de/abc/{cdr()['id'].lower()}", "hold", reason="NOAUTH")
    dropped = await clearing.decide("cdr", f"DE/ABC/{dc_cdr()['id']}", "drop", reason="OTHER", note="a test")
    assert (held.json()["target"], dropped.json()["state"]) == (f"DE/ABC/{cdr()['id']}", "standing")
    assert sorted(await dispositions(clearing)) == ["DROP", "HOLD"]
    assert (await clearing.get("balances", party=str(CPO)))["items"] == []
    listed = await clearing.get("decisions", limit=1)
    assert listed["items"] == [dropped.json()]
    assert (await clearing.get("decisions", limit=1, after=listed["next"]))["items"] == [held.json()]


async def test_what_a_statement_bills_is_not_decided_about_any_more(clearing: Clearing) -> None:
    await clearing.bill(cdr())
    database = Database(clearing.world.database_url)
    async with database.direct.transaction() as connection:
        await connection.execute("update verdict set statement = 'S1'")
    await database.close()
    answer = await clearing.decide("cdr", f"DE/ABC/{cdr()['id']}", "drop")
    assert "statement" in assert_envelope(answer, 409, 2001)


TERMS = {
    "agreement": "DEABC-BEEMO",
    "valid": {"from": "2026-10-01T00:00:00Z"},
    "pricing": {"fee": {"per_session": "0.05", "payer": "debtor"}},
}


async def test_a_decision_about_a_cause_becomes_a_clause_that_another_person_activates(clearing: Clearing) -> None:
    admin = clearing.world.admin
    await clearing.bill(dear(1))
    cause = await largest(clearing)
    made = (await clearing.decide("cause", cause, "accept")).json()
    path = f"/settlement/decisions/{made['id']}/rule"
    asked = {"agreement": "DEABC-BEEMO", "valid_from": "2026-10-02T00:00:00Z", "actor": "Ines"}
    assert_envelope(await admin.post(path, json=asked), 404, 2000)
    for name, creditor in (("DEABC-BEEMO", "DE-ABC"), ("DEXYZ-BEEMO", "DE-XYZ")):
        proposed = await admin.post(
            "/settlement/agreements",
            params={"actor": "Ines"},
            json={**TERMS, "agreement": name, "creditor": creditor, "debtor": "BE-EMO"},
        )
        assert proposed.status_code == 201, proposed.text
    assert "CDRs of DE/XYZ" in assert_envelope(
        await admin.post(path, json={**asked, "agreement": "DEXYZ-BEEMO"}), 400, 2001
    )
    rule = await admin.post(path, json=asked)
    kind = cause.split("|")[1]
    assert (rule.status_code, rule.json()["version"]) == (201, 2)
    assert rule.json()["checks"] == {kind: {"severity": "WARNING", "disposition": "REPORT"}}

    await admin.delete(f"/settlement/decisions/{made['id']}", params={"actor": "Otto"})
    assert await dispositions(clearing) == ["HOLD"]
    await admin.post("/settlement/agreements/DEABC-BEEMO/versions/2/activate", json={"actor": "Otto"})
    assert await dispositions(clearing) == ["SETTLE"]
    terms = (await clearing.get("agreements/DEABC-BEEMO"))[-1]["terms"]
    assert (terms["valid"]["from"], terms["pricing"]) == ("2026-10-02T00:00:00Z", TERMS["pricing"])
    assert_envelope(await admin.post(path, json=asked), 409, 2001)


async def test_a_decision_about_one_cdr_is_no_clause(clearing: Clearing) -> None:
    await clearing.bill(cdr())
    made = (await clearing.decide("cdr", f"DE/ABC/{cdr()['id']}", "hold")).json()
    asked = {"agreement": "DEABC-BEEMO", "valid_from": "2026-10-02T00:00:00Z", "actor": "Ines"}
    answer = await clearing.world.admin.post(f"/settlement/decisions/{made['id']}/rule", json=asked)
    assert "about a cause" in assert_envelope(answer, 400, 2001)


GOOD: dict[str, Any] = {"scope": "cause", "target": "G03|X", "action": "hold", "reason": "PRICE", "actor": "Ines"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({}, "there is no such cause", id="no such cause"),
        pytest.param({"scope": "cdr", "target": "DE/ABC/NONE"}, "there is no such cdr", id="no such CDR"),
        pytest.param({"scope": "cdr", "target": "NONE"}, "a party is written", id="no name of a CDR"),
        pytest.param({"scope": "cdr", "target": "DE/ABC"}, "DE/ABC/CDR-17", id="a party only"),
        pytest.param({"scope": "month"}, "scope", id="no such scope"),
        pytest.param({"action": "pay"}, "action", id="no such action"),
        pytest.param({"reason": "MOOD"}, "reason", id="no such reason"),
        pytest.param({"reason": "OTHER", "note": " "}, "needs a note", id="another reason that is not said"),
        pytest.param({"actor": " "}, "people are named", id="nobody"),
        pytest.param({"actor": "x" * 101}, "actor", id="a name without end"),
        pytest.param({"until": "tomorrow"}, "until", id="what nobody asked for"),
    ],
)
async def test_what_cannot_be_decided_is_400(standing_world: World, changes: dict[str, Any], said: str) -> None:
    answer = await standing_world.admin.post("/settlement/decisions", json={**GOOD, **changes})
    assert said in assert_envelope(answer, 400, 2001)


async def test_who_revokes_and_confirms_is_named_and_there_is_something_to(standing_world: World) -> None:
    assert_envelope(await standing_world.admin.delete("/settlement/decisions/1"), 400, 2001)
    assert_envelope(await standing_world.admin.delete("/settlement/decisions/1", params={"actor": "Otto"}), 404, 2000)
    assert_envelope(
        await standing_world.admin.post("/settlement/decisions/1/confirm", json={"actor": "Otto"}), 404, 2000
    )


async def test_the_api_pages_show_a_decision_that_can_be_read(standing_world: World) -> None:
    described = (await standing_world.admin.get("/openapi.json")).json()["components"]["schemas"]["DecisionAsked"][
        "example"
    ]
    assert DecisionAsked.model_validate_json(json.dumps(described)).actor == "Ines"
