"""Where the end of a month meets what others do with it: disputes and their adjustments, decisions, drivers who are forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hub.commands.erase import read_token
from hub.settlement.disputes import Reason, Step
from hub.settlement.engine import Closing
from hub.settlement.engine.disputes import DisputeAsked, DisputeRoom
from hub.settlement.files import differences
from hub.settlement.netting import Amount
from hub.settlement.period_seal import FORMAT_1
from hub.settlement.periods import NotNow, State
from hub.store.decisions import NewDecision, exceed
from hub.store.disputes import DisputeBook
from hub.store.forgetting import Forgetting
from ocpi_modules.types import decode_json
from tests.settlement.cases import CPO, cdr
from tests.settlement.test_closing import OCTOBER, Office, office

__all__ = ["office"]

FOUR = Amount(Decimal("4.00"), Decimal("4.76"))
UNKNOWN_TOKEN = cdr(
    id="CDR-WHO",
    session_id=None,
    cdr_token__uid="NOBODYS",
    start_date_time="2026-10-13T08:00:00Z",
    end_date_time="2026-10-13T10:00:00Z",
    charging_periods__0__start_date_time="2026-10-13T08:00:00Z",
    charging_periods__1__start_date_time="2026-10-13T09:30:00Z",
    last_updated="2026-10-13T10:05:00Z",
)


def room_of(office: Office) -> DisputeRoom:
    return DisputeRoom(office.books, DisputeBook(office.database.direct), office.clock)


async def disputed(office: Office) -> int:
    """The debtor of the AC charge disputes a part of it."""
    name = (str(CPO), cdr()["id"])
    asked = DisputeAsked(name=name, amount=FOUR, reason=Reason.ENERGY, note="", actor="Dora")
    shown = await room_of(office).open(asked)
    return shown.kept.id


async def net_of(office: Office, period: str = OCTOBER) -> dict[str, str]:
    net = await office.closing.net_of(period)
    return {one["party"]: one["incl_vat"] for one in net["net"]}


async def test_what_is_disputed_stays_out_of_netting_and_is_adjusted_on_the_next_statement(office: Office) -> None:
    """J06: the statement of October stays as it was, that of November has a line more."""
    await office.month()
    await office.up_to(State.ADVISED)
    number = await disputed(office)
    await office.closing.net(OCTOBER, "Ada")
    assert await net_of(office) == {"BE-EMO": "-33.32", "DE-ABC": "39.27", "NL-MSP": "-5.95"}
    for actor in ("Ada", "Bo"):
        await office.closing.close(OCTOBER, actor)
    await office.closing.seal(OCTOBER, "Ada")
    await room_of(office).step(number, Step.CONCEDE, "Carl", "")

    office.clock.moment = datetime(2026, 12, 6, tzinfo=UTC)
    for _, step in office.steps("2026-11"):
        await step()
    assert await office.rows("select kind, cdr_key, excl_vat from statement_line where statement like '2026-11%'") == [
        ("adjustment", f"dispute-{number}", Decimal("-4.00"))
    ]
    # what was disputed is owed after all, and given back: nothing is left of it
    assert await net_of(office, "2026-11") == {"DE-ABC": "0.00", "NL-MSP": "0.00"}
    assert await office.closing.faults_of("2026-11") == []
    assert await office.rows(
        "select kind, sum(excl_vat) from posting where party = 'NL/MSP' group by 1 having sum(excl_vat) <> 0"
    ) == [("claim:net", Decimal("5.00"))]


async def test_what_is_owed_after_all_is_netted_with_the_next_month(office: Office) -> None:
    await office.month()
    await office.up_to(State.ADVISED)
    number = await disputed(office)
    for _, step in office.steps()[3:]:
        await step()
    await room_of(office).step(number, Step.COUNTER, "Carl", "")
    await room_of(office).step(number, Step.CONCEDE, "Dora", "")
    office.clock.moment = datetime(2026, 12, 6, tzinfo=UTC)
    for _, step in office.steps("2026-11"):
        await step()
    assert await net_of(office, "2026-11") == {"DE-ABC": "4.76", "NL-MSP": "-4.76"}
    assert await office.closing.faults_of("2026-11") == []


async def test_a_decision_that_needs_a_second_person_keeps_a_month_open(office: Office) -> None:
    await office.month()
    await office.up_to(State.NETTED)
    decisions = office.books.decisions
    kept = await decisions.keep(a_decision("cdr", f"{CPO}/CDR-DEAR"), office.clock.moment, stands=False)
    with pytest.raises(NotNow, match="1 proposed decision waits"):
        await office.closing.close(OCTOBER, "Ada")
    await decisions.revoke(kept, "Ines", office.clock.moment)
    await office.settle_all()
    await office.closing.close(OCTOBER, "Ada")


def a_decision(scope: str, target: str) -> NewDecision:
    return NewDecision(
        scope=scope, target=target, action="accept", reason="TOKEN", note="", at_risk="{}", most=None, actor="Ines"
    )


async def test_what_is_released_after_the_advice_is_billed_with_the_next_month(office: Office) -> None:
    await office.month()
    await office.up_to(State.ADVISED)
    await office.books.decisions.keep(a_decision("cdr", f"{CPO}/CDR-DEAR"), office.clock.moment, stands=True)
    await office.settle_all()
    assert await office.rows("select disposition, period from verdict where cdr_id = 'CDR-DEAR'") == [
        ("SETTLE", "2026-11")
    ]
    for _, step in office.steps()[3:]:
        await step()
    office.clock.moment = datetime(2026, 12, 6, tzinfo=UTC)
    for _, step in office.steps("2026-11"):
        await step()
    assert await net_of(office, "2026-11") == {"BE-EMO": "-45.22", "DE-ABC": "45.22"}
    assert await office.closing.faults_of(OCTOBER) == []


async def test_a_driver_who_is_forgotten_leaves_every_root_as_it_was(office: Office) -> None:
    """Invariant 13: charges, decisions about the token and the seal over both."""
    await office.receive(UNKNOWN_TOKEN)
    await office.month()
    ((cause,),) = await office.rows("select distinct cause from finding where cause like '%|token|%'")
    await office.books.decisions.keep(a_decision("cause", cause), office.clock.moment - timedelta(days=1), stands=True)
    await office.settle_all()
    await office.all_steps()
    seal = await office.rows("select * from seal")
    assert await office.closing.faults_of(OCTOBER) == []
    for name in ("nl/msp/rfid/nobodys", "nl/msp/rfid/token1"):
        driver, forgetting = read_token(name), Forgetting(office.database.direct)
        traces = await forgetting.find(driver.has)
        assert traces.is_anything
        await forgetting.forget(traces, driver.has)
    assert await office.rows("select 1 from decision where target like '%NOBODYS%'") == []
    assert await office.closing.faults_of(OCTOBER) == []
    assert await office.rows("select * from seal") == seal


async def test_what_was_decided_is_under_the_seal(office: Office) -> None:
    await office.month()
    kept = await office.books.decisions.keep(
        a_decision("cdr", f"{CPO}/CDR-DEAR"), office.clock.moment - timedelta(days=1), stands=True
    )
    await office.settle_all()
    await office.all_steps()
    await office.books.decisions.revoke(kept, "Ines", office.clock.moment + timedelta(days=1))
    assert await office.closing.faults_of(OCTOBER) == []
    async with office.database.direct.transaction() as connection:
        await connection.execute("update decision set actor = 'somebody'")
    assert await office.closing.faults_of(OCTOBER) == ["the decisions are others than those that were sealed"]


# --- the limits of decisions ---------------------------------------------------------------------

BEYOND = datetime(2026, 10, 30, tzinfo=UTC)


async def decision_of_one(office: Office, target: str = "G03|PRICE_MISMATCH|DE/ABC|EUR") -> int:
    """A decision of one person about a cause, made two days ago."""
    wanted = replace(a_decision("cause", target), most=Decimal(20))
    kept = await office.books.decisions.keep(wanted, office.clock.moment - timedelta(days=2), stands=True)
    await office.settle_all()
    return kept.id


async def limit(office: Office, decision: int, found_at: datetime) -> None:
    """A look finds that more hangs on a cause than one person may waive."""
    async with office.database.direct.transaction() as connection:
        await exceed(connection, {decision: BEYOND}, found_at, [])


async def seal_november(office: Office) -> Mapping[str, Any]:
    office.clock.moment = datetime(2026, 12, 6, tzinfo=UTC)
    for _, step in office.steps("2026-11"):
        await step()
    return await sealed_of(office, "2026-11")


async def sealed_of(office: Office, period: str) -> Mapping[str, Any]:
    """What is under the seal of a period."""
    ((text,),) = await office.rows(f"select content from seal where period = '{period}'")
    sealed: Mapping[str, Any] = decode_json(text.encode())["sealed"]
    return sealed


async def a_charge_of_november(office: Office) -> None:
    await office.push("cdrs", cdr(id="CDR-LATE", session_id=None), datetime(2026, 11, 6, tzinfo=UTC))
    await office.settle_all()


async def test_the_limits_of_decisions_are_under_the_seal(office: Office) -> None:
    """How far a decision of one person reaches is configuration as well."""
    await office.month()
    await limit(office, await decision_of_one(office), office.clock.moment - timedelta(days=1))
    await office.all_steps()
    assert (await sealed_of(office, OCTOBER))["limits"]["count"] == 1
    assert await office.closing.faults_of(OCTOBER) == []
    async with office.database.direct.transaction() as connection:
        await connection.execute("alter table decision_limit disable trigger decision_limit_grows")
        await connection.execute("update decision_limit set beyond_from = beyond_from + interval '1 day'")
    assert await office.closing.faults_of(OCTOBER) == ["the limits of decisions are others than those that were sealed"]


async def test_a_limit_that_a_look_found_before_a_seal_and_kept_after_it_is_under_the_next_one(office: Office) -> None:
    await office.month()
    decision, before = await decision_of_one(office), office.clock.moment - timedelta(seconds=5)
    await office.all_steps()
    await limit(office, decision, before)
    assert await office.closing.faults_of(OCTOBER) == []
    await a_charge_of_november(office)
    assert (await seal_november(office))["limits"]["count"] == 1
    assert (await sealed_of(office, OCTOBER))["limits"]["count"] == 0
    assert await office.closing.faults_of("2026-11") == []


async def test_a_driver_is_forgotten_in_limits_too(office: Office) -> None:
    """Invariant 13."""
    await office.receive(UNKNOWN_TOKEN)
    await office.month()
    ((cause,),) = await office.rows("select distinct cause from finding where cause like '%|token|%'")
    await limit(office, await decision_of_one(office, cause), office.clock.moment - timedelta(days=1))
    await office.all_steps()
    assert "NOBODYS" not in str(await office.rows("select content from seal"))
    driver, forgetting = read_token("nl/msp/rfid/nobodys"), Forgetting(office.database.direct)
    await forgetting.forget(await forgetting.find(driver.has), driver.has)
    assert await office.closing.faults_of(OCTOBER) == []


async def test_a_seal_of_the_format_before_still_verifies_and_the_next_one_catches_up(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Older hubs sealed no limits: their seals stay what they are, and those limits come under the next seal."""

    async def no_limits(*_: object) -> None:
        return None

    await office.month()
    await limit(office, await decision_of_one(office), office.clock.moment - timedelta(days=1))
    with monkeypatch.context() as older:
        older.setattr(Closing, "_limits", no_limits)
        await office.all_steps()
    ((text,),) = await office.rows("select content from seal")
    assert decode_json(text.encode())["seal"]["head"]["format"] == FORMAT_1
    assert "limits" not in await sealed_of(office, OCTOBER)
    (tmp_path / "seal.json").write_text(text)
    assert differences(tmp_path / "seal.json", office.closing.signer.public_key) == []
    assert await office.closing.faults_of(OCTOBER) == []
    await a_charge_of_november(office)
    assert (await seal_november(office))["limits"]["count"] == 1
    assert await office.closing.faults_of("2026-11") == []
    assert await office.closing.faults_of(OCTOBER) == []
