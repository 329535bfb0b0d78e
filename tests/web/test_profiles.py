"""Profiles of parties over HTTP: proposed, activated by another person, dated, ended; and looks at whole periods (G09, J06, M02)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.clock import SystemClock
from hub.settlement.agreements import Agreements
from hub.settlement.engine.periodlook import PeriodLook
from hub.settlement.engine.views import ViewShelf
from hub.store.periodlook import PeriodBook
from hub.store.views import EmspViews
from hub.web.profiles import EXAMPLE
from tests.conftest import running_hub
from tests.settlement.cases import CPO, EMSP, cdr
from tests.web.house import Office, listed


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with running_hub(database_url, tmp_path, settle_seconds=3600) as world:
        made = Office(world)
        await made.furnish()
        yield made
        await made.close()


NO_SESSIONS = {"party": "DE-ABC", "capabilities": {"sends_sessions": False}}


async def propose(office: Office, content: Any = NO_SESSIONS, status: int = 201) -> Any:
    return await office.post("/profiles?actor=Ada", status, **content)


async def activate(office: Office, status: int = 200, version: int = 1, actor: str = "Grace") -> Any:
    return await office.post(f"/profiles/DE-ABC/versions/{version}/activate", status, actor=actor)


async def severity(office: Office) -> str:
    ((found,),) = await office.rows(
        "select severity from finding where kind = 'MISSING_SESSION' and cleared_at is null"
    )
    return str(found)


async def test_a_profile_lowers_what_is_known_once_another_person_activates_it(office: Office) -> None:
    await office.receive(cdr(session_id="NEVER-SENT"))
    await office.settle_all()
    shown = await propose(office)
    assert (shown["state"], shown["version"], shown["party"]) == ("PROPOSED", 1, "DE/ABC")
    assert "another person" in (await activate(office, 409, actor=" ada"))["status_message"]
    await office.settle_all()
    assert await severity(office) == "WARNING"
    shown = await activate(office)
    assert (shown["state"], shown["activated_by"]) == ("ACTIVE", "Grace")
    assert await office.settle_all() == 1
    assert await severity(office) == "INFO"
    (finding,) = [one for one in await listed(office, "/findings") if one["kind"] == "MISSING_SESSION"]
    assert finding["details"]["lowered_by"] == "sends_sessions of DE/ABC"
    assert await listed(office, "/profiles?party=de/abc") == [shown]


async def test_a_profile_ends_and_the_next_begins(office: Office) -> None:
    await propose(office)
    await activate(office)
    assert (await propose(office))["version"] == 2
    assert "overlaps version 1" in (await activate(office, 409, version=2))["status_message"]
    await office.post("/profiles/DE-ABC/versions/1/end", 409, actor="Ada", at="2020-01-01T00:00:00Z")
    ended = await office.post("/profiles/DE-ABC/versions/1/end", 200, actor="Ada")
    assert (ended["state"], ended["ended_by"]) == ("ENDED", "Ada")
    later = (datetime.now(UTC).replace(microsecond=0) + timedelta(days=365)).isoformat()
    await propose(office, {**NO_SESSIONS, "valid": {"from": later}})
    assert (await activate(office, version=3))["state"] == "ACTIVE"
    await office.post("/profiles/DE-ABC/versions/1/end", 409, actor="Ada")
    await activate(office, 409, version=3)
    await activate(office, 404, version=9)


async def test_a_profile_comes_out_as_it_went_in(office: Office) -> None:
    answer = await office.http.post(
        "/settlement/profiles?actor=Ada", content=yaml.safe_dump(EXAMPLE), headers={"content-type": "application/yaml"}
    )
    assert answer.status_code == 201
    assert await office.get("/profiles/DE-ABC/versions/1") == {**EXAMPLE, "version": 1}
    text = (await office.http.get("/settlement/profiles/DE-ABC/versions/1?format=yaml")).text
    assert yaml.safe_load(text) == {**EXAMPLE, "version": 1}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            {"party": "DE-ABC", "capabilities": {"flies": True}},
            "profile: capabilities.flies is not known",
            id="unknown",
        ),
        pytest.param({"party": "DE-ABC", "presets": "usual"}, "profile: presets is not known", id="a slip of the pen"),
    ],
)
async def test_what_is_no_profile_is_refused_by_name(office: Office, content: Any, expected: str) -> None:
    assert expected in (await propose(office, content, 400))["status_message"]


# --- whole periods -------------------------------------------------------------------------------


async def look(office: Office) -> None:
    """A look at all periods."""
    direct = office.database.direct

    async def now() -> Agreements:
        return await office.books.terms.in_force(Agreements())

    await PeriodLook((PeriodBook(direct), ViewShelf(EmspViews(direct))), SystemClock(), now, 0).run_due()


async def told(office: Office) -> list[tuple[str, str]]:
    return [(one["kind"], one["severity"]) for one in await listed(office, "/findings?source=period")]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        pytest.param("13.40", [], id="below 80 percent"),
        pytest.param("13.38", [("EXPOSURE_ABOVE_LIMIT", "WARNING")], id="80 percent and more"),
        pytest.param("10.71", [("EXPOSURE_ABOVE_LIMIT", "WARNING")], id="just the limit"),
        pytest.param("10.70", [("EXPOSURE_ABOVE_LIMIT", "ERROR")], id="above it"),
    ],
)
async def test_what_is_owed_is_told_beside_its_limit(
    office: Office, limit: str, expected: list[tuple[str, str]]
) -> None:
    """M02: unbilled first, then billed; nothing is held for it."""
    terms = {"agreement": "DEABC-NLMSP", "terms": {"currency": "EUR", "exposure_limit": limit}}
    await office.post("/agreements?actor=Ada", 201, **terms)
    await office.post("/agreements/DEABC-NLMSP/versions/1/activate", 200, actor="Grace")
    await look(office)
    assert await told(office) == []
    await office.receive(cdr())
    await office.settle_all()
    await look(office)
    assert await told(office) == expected
    await office.bill("C1")
    await look(office)
    assert await told(office) == expected
    assert await office.dispositions() == {"C1": "SETTLE"}


async def test_a_price_that_stands_apart_is_told_and_cleared_when_it_no_longer_does(office: Office) -> None:
    """G09."""
    for number in range(20):
        start = f"2026-10-{number + 1:02}T"
        times = {
            "start_date_time": f"{start}08:00:00Z",
            "end_date_time": f"{start}10:00:00Z",
            "last_updated": f"{start}10:00:00Z",
        }
        total = {"excl_vat": 20.0, "incl_vat": 23.8} if number == 7 else {"excl_vat": 9.0, "incl_vat": 10.71}
        await office.receive(cdr(id=f"N{number}", session_id=None, total_cost=total, **times))
    await office.settle_all()
    await look(office)
    (finding,) = await listed(office, "/findings?source=period")
    assert (finding["kind"], finding["severity"], finding["disposition"]) == ("PRICE_OUTLIER", "INFO", "REPORT")
    assert (finding["cdrs"], finding["details"]) == (
        ["DE/ABC/N7"],
        {"median_per_kwh": "0.450000", "per_kwh": "1.000000"},
    )
    async with office.database.direct.transaction() as connection:
        await connection.execute("update claim set examined_at = null where cdr_key = 'N7'")
    await office.settle_all()
    assert [one["key"] for one in await listed(office, "/findings?source=period")] == [finding["key"]]
    decided = await office.post(
        "/decisions", 201, scope="cdr", target="DE/ABC/N7", action="drop", reason="PRICE", actor="Ines"
    )
    assert decided["state"] == "standing"
    await office.settle_all()
    await look(office)
    assert await listed(office, "/findings?source=period") == []


async def test_a_correction_of_who_cannot_credit_is_told(office: Office) -> None:
    """J06: an adjustment in the place of a credit."""
    await propose(office, {"party": "DE-ABC", "preset": "push_only"})
    await activate(office)
    await office.receive(cdr())
    await office.settle_all()
    await office.bill("C1", datetime(2026, 11, 6, tzinfo=UTC))
    asked = {
        "creditor": str(CPO),
        "debtor": str(EMSP),
        "cdr_id": "C1",
        "party": str(CPO),
        "amount": {"excl_vat": "-1.00", "incl_vat": "-1.19"},
        "reason": "ENERGY",
        "note": "the meter was read twice",
        "actor": "Carl",
    }
    proposed = await office.post("/adjustments", 201, **asked)
    await look(office)
    assert await told(office) == []
    await office.post(f"/adjustments/{proposed['id']}/consent", 200, actor="Dora", party=str(EMSP))
    await look(office)
    assert await told(office) == [("CORRECTED_BY_ADJUSTMENT", "INFO")]
