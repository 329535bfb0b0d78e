"""Disputes and corrections over HTTP and in the books: nothing billed changes, and everything adds up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hub.settlement.engine.disputes import DisputeRoom
from hub.store.disputes import DisputeBook
from tests.conftest import running_hub
from tests.databases import Databases
from tests.settlement.cases import CPO, EMSP, cdr, credit_of
from tests.web.house import Office, listed

BILLED, DISPUTED, UNBILLED, WRITTEN_OFF = "claim:billed", "claim:disputed", "claim:unbilled", "writeoff"
ALL = {"creditor": "DE/ABC", "cdr_id": "C1", "reason": "ENERGY", "actor": "Dora"}
PART = {"excl_vat": "4.00", "incl_vat": "4.76"}


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with billed_today(database_url, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
async def standing_office(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    """For tests that leave everything as it was."""
    async with databases.lent() as url, billed_today(url, tmp_path_factory.mktemp("hub")) as made:
        yield made


@asynccontextmanager
async def billed_today(database_url: str, folder: Path) -> AsyncIterator[Office]:
    """One CDR of EUR 9.00 that is billed today."""
    async with running_hub(database_url, folder, settle_seconds=3600) as world:
        made = Office(world)
        await made.furnish()
        await made.receive(cdr())
        await made.settle_all()
        await made.bill("C1")
        yield made
        await made.close()


async def step(office: Office, number: int, name: str, actor: str, status: int = 200) -> Any:
    return await office.post(f"/disputes/{number}/{name}", status, actor=actor, note="as it is")


async def open_period(office: Office) -> str:
    """The month that takes corrections: that of today."""
    return f"{datetime.now(UTC):%Y-%m}"


async def test_a_dispute_keeps_its_amount_out_of_netting(office: Office) -> None:
    shown = await office.post("/disputes", 201, **ALL, amount=PART)
    assert (shown["state"], shown["turn"], shown["kept_out_of_netting"]) == ("raised", "creditor", True)
    assert shown["amount"] == PART
    assert await office.accounts(EMSP) == {BILLED: 5, DISPUTED: 4}
    assert await office.accounts(CPO) == {BILLED: -5, DISPUTED: -4}
    assert [one["id"] for one in await listed(office, "/disputes?state=raised&creditor=de/abc&cdr_id=c1")] == [
        shown["id"]
    ]
    assert await listed(office, "/disputes?state=draft") == []
    assert (await office.get(f"/disputes/{shown['id']}"))["steps"][0]["actor"] == "Dora"


async def test_a_creditor_who_concedes_is_adjusted_in_the_open_period(office: Office) -> None:
    """J06: the bill stays as it is; a new entry gives the amount back."""
    shown = await office.post("/disputes", 201, **ALL, amount=PART)
    over = await step(office, shown["id"], "concede", "Carl")
    assert (over["state"], over["yielded"], over["turn"]) == ("conceded", "creditor", None)
    assert await office.accounts(EMSP) == {BILLED: 9, UNBILLED: -4}
    (adjustment,) = await listed(office, "/adjustments")
    assert (adjustment["state"], adjustment["dispute"], adjustment["period"]) == (
        "agreed",
        shown["id"],
        await open_period(office),
    )
    assert adjustment["amount"] == {"excl_vat": "-4.00", "incl_vat": "-4.76"}
    assert (adjustment["proposed_by"], adjustment["answered_by"]) == ("Dora", "Carl")
    assert await office.rows("select excl_vat from statement_line") == [(Decimal(9),)]


async def test_a_debtor_who_gives_way_owes_it_after_all(office: Office) -> None:
    shown = await office.post("/disputes", 201, **ALL)
    await step(office, shown["id"], "counter", "Carl")
    over = await step(office, shown["id"], "concede", "Dora")
    assert (over["state"], over["yielded"]) == ("conceded", "debtor")
    assert await office.accounts(EMSP) == {BILLED: 9}
    assert await listed(office, "/adjustments") == []


async def test_an_arbitration_is_decided_by_somebody_else(office: Office) -> None:
    number = (await office.post("/disputes", 201, **ALL))["id"]
    await step(office, number, "counter", "Carl")
    await step(office, number, "insist", "Dora")
    await step(office, number, "arbitrate", "Carl")
    for person in ("Dora", " CARL "):
        assert "another person" in (await step(office, number, "uphold", person, 409))["status_message"]
    over = await step(office, number, "uphold", "Hugo")
    assert [one["state"] for one in over["steps"]] == ["raised", "countered", "insisted", "arbitration", "decided"]
    assert await office.accounts(EMSP) == {BILLED: 9, UNBILLED: -9}


async def test_nobody_sits_on_both_sides(office: Office) -> None:
    number = (await office.post("/disputes", 201, **ALL))["id"]
    assert "acted for the debtor" in (await step(office, number, "concede", "dora", 409))["status_message"]
    assert "cannot insist now" in (await step(office, number, "insist", "Dora", 409))["status_message"]
    await office.post(f"/disputes/{number}/sing", 400, actor="Dora")
    await step(office, 4711, "concede", "Carl", 404)


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        pytest.param({"amount": {"excl_vat": "9.01", "incl_vat": "10.71"}}, 409, "more than", id="more than the line"),
        pytest.param({"amount": {"excl_vat": "0", "incl_vat": "0"}}, 409, "more than", id="nothing"),
        pytest.param({"amount": {"excl_vat": 4.5, "incl_vat": "5"}}, 400, "text", id="a number that is not exact"),
        pytest.param({"cdr_id": "C0"}, 404, "no advised statement", id="a CDR that is not there"),
        pytest.param({"creditor": "ABC"}, 400, "creditor", id="no party"),
        pytest.param({"reason": "BECAUSE"}, 400, "reason", id="a reason that is not in the list"),
        pytest.param({"reason": "OTHER"}, 409, "note", id="another reason without a word"),
        pytest.param({"actor": "  "}, 400, "actor", id="nobody"),
        pytest.param({"colour": "red"}, 400, "colour", id="a field that nobody knows"),
    ],
)
async def test_what_cannot_be_disputed_is_refused(
    standing_office: Office, asked: dict[str, Any], status: int, said: str
) -> None:
    answer = await standing_office.post("/disputes", status, **{**ALL, **asked})
    assert said in answer["status_message"]
    assert await standing_office.accounts(EMSP) == {BILLED: 9}


async def test_disputes_share_what_is_billed(office: Office) -> None:
    """Invariant 10: what is open or won is taken, what the debtor lost is not."""
    first = await office.post("/disputes", 201, **ALL, amount=PART)
    await office.post("/disputes", 409, **ALL)
    second = await office.post("/disputes", 201, **ALL, amount={"excl_vat": "5.00", "incl_vat": "5.95"})
    await office.post("/disputes", 409, **ALL, amount={"excl_vat": "0.01", "incl_vat": "0.01"})
    await step(office, second["id"], "withdraw", "Dora")
    await step(office, first["id"], "concede", "Carl")
    await office.post("/disputes", 409, **ALL)
    await office.post("/disputes", 201, **ALL, amount={"excl_vat": "5.00", "incl_vat": "5.95"})


async def test_what_comes_too_late_is_refused_and_can_be_seen(office: Office) -> None:
    """I03: thirty days from the statement."""
    await office.receive(cdr(id="C9", session_id=None, **_a_day_later()))
    await office.settle_all()
    await office.rows("update period set state = 'advised' returning 1")
    await office.bill("C9", datetime.now(UTC) - timedelta(days=30, seconds=1))
    answer = await office.post("/disputes", 409, **{**ALL, "cdr_id": "C9"})
    assert "window of 30 days is over" in answer["status_message"]
    (shown,) = await listed(office, "/disputes")
    assert (shown["cdr_key"], shown["state"], shown["turn"]) == ("C9", "refused", None)
    assert DISPUTED not in await office.accounts(EMSP)


async def test_the_window_is_that_of_the_agreement(office: Office) -> None:
    terms = {"agreement": "DEABC-NLMSP", "terms": {"dispute_window": "5d"}}
    await office.post("/agreements?actor=Ada", 201, **terms)
    await office.post("/agreements/DEABC-NLMSP/versions/1/activate", 200, actor="Grace")
    await office.receive(cdr(id="C9", session_id=None, **_a_day_later()))
    await office.settle_all()
    await office.bill("C9", datetime.now(UTC) - timedelta(days=6))
    answer = await office.post("/disputes", 409, **{**ALL, "cdr_id": "C9"})
    assert "window of 5 days" in answer["status_message"]


async def test_a_side_has_the_days_of_the_agreement_to_answer(office: Office) -> None:
    terms = {"agreement": "DEABC-NLMSP", "terms": {"dispute_answer": "3d"}}
    await office.post("/agreements?actor=Ada", 201, **terms)
    await office.post("/agreements/DEABC-NLMSP/versions/1/activate", 200, actor="Grace")
    shown = await office.post("/disputes", 201, **ALL)
    soon = datetime.now(UTC) + timedelta(days=3)
    assert soon - timedelta(minutes=5) < datetime.fromisoformat(shown["due_at"]) < soon


async def test_a_draft_does_nothing_until_it_is_raised(office: Office) -> None:
    shown = await office.post("/disputes", 201, **ALL, draft=True)
    assert (shown["state"], shown["turn"]) == ("draft", "debtor")
    assert await office.accounts(EMSP) == {BILLED: 9}
    await step(office, shown["id"], "concede", "Carl", 409)
    await step(office, shown["id"], "raise", "Dora")
    assert await office.accounts(EMSP) == {DISPUTED: 9}


async def test_after_netting_a_dispute_takes_nothing_back_until_it_is_won(office: Office) -> None:
    await office.rows("update period set state = 'netted' where id = '2026-10' returning 1")
    shown = await office.post("/disputes", 201, **ALL)
    assert shown["kept_out_of_netting"] is False
    assert await office.accounts(EMSP) == {BILLED: 9}
    await office.rows("update period set state = 'closed' where id = '2026-10' returning 1")
    await step(office, shown["id"], "concede", "Carl")
    assert await office.accounts(EMSP) == {BILLED: 9, UNBILLED: -9}
    lines = await office.books.journal.balances(await open_period(office))
    assert {(one.party, one.kind): one.excl_vat for one in lines} == {
        (str(EMSP), UNBILLED): -9,
        (str(CPO), UNBILLED): 9,
    }


async def test_what_was_kept_out_is_owed_in_the_open_period_when_its_own_is_closed(office: Office) -> None:
    """Invariant 9: a closed period takes nothing."""
    number = (await office.post("/disputes", 201, **ALL))["id"]
    await office.rows("update period set state = 'closed' where id = '2026-10' returning 1")
    await step(office, number, "withdraw", "Dora")
    assert await office.accounts(EMSP) == {BILLED: 9}
    lines = await office.books.journal.balances(await open_period(office))
    assert {(one.party, one.kind): one.excl_vat for one in lines} == {
        (str(EMSP), BILLED): 9,
        (str(EMSP), DISPUTED): -9,
        (str(CPO), BILLED): -9,
        (str(CPO), DISPUTED): 9,
    }


async def test_silence_is_ended_by_the_clock(office: Office) -> None:
    """Whoever leads looks; twice is as once."""
    number = (await office.post("/disputes", 201, **ALL))["id"]
    room = DisputeRoom(office.books, DisputeBook(office.database.direct), office.clock)
    office.clock.moment = datetime.now(UTC) + timedelta(days=13)
    assert await room.expire_due() == 0
    office.clock.moment += timedelta(days=1, minutes=1)
    assert [await room.expire_due(), await room.expire_due()] == [1, 0]
    shown = await office.get(f"/disputes/{number}")
    assert (shown["state"], shown["yielded"]) == ("conceded", "creditor")
    assert shown["steps"][-1]["note"] == "creditor was silent"
    assert await office.accounts(EMSP) == {BILLED: 9, UNBILLED: -9}


# --- corrections ---------------------------------------------------------------------------------

ADJUSTMENT = {
    "creditor": "DE/ABC",
    "debtor": "NL/MSP",
    "cdr_id": "C1",
    "amount": {"excl_vat": "-4.00", "incl_vat": "-4.76"},
    "reason": "PRICE",
    "party": "NL/MSP",
    "actor": "Dora",
}


async def test_an_adjustment_counts_once_the_other_party_consents(office: Office) -> None:
    """J06, for partners that cannot credit."""
    shown = await office.post("/adjustments", 201, **ADJUSTMENT)
    assert (shown["state"], shown["period"]) == ("proposed", None)
    assert await office.accounts(EMSP) == {BILLED: 9}
    path = f"/adjustments/{shown['id']}/consent"
    assert "is for DE/ABC" in (await office.post(path, 409, actor="Emil", party="NL/MSP"))["status_message"]
    assert "another person" in (await office.post(path, 409, actor="DORA", party="DE/ABC"))["status_message"]
    agreed = await office.post(path, 200, actor="Carl", party="DE/ABC")
    assert (agreed["state"], agreed["period"]) == ("agreed", await open_period(office))
    assert await office.accounts(EMSP) == {BILLED: 9, UNBILLED: -4}
    assert "agreed already" in (await office.post(path, 409, actor="Carl", party="DE/ABC"))["status_message"]
    assert await office.rows("select actor from journal_entry where event = 'adjusted'") == [("Dora and Carl",)]


async def test_an_adjustment_that_is_refused_counts_nothing(office: Office) -> None:
    number = (await office.post("/adjustments", 201, **ADJUSTMENT))["id"]
    shown = await office.post(f"/adjustments/{number}/refuse", 200, actor="Carl", party="DE/ABC")
    assert shown["state"] == "refused"
    assert await office.accounts(EMSP) == {BILLED: 9}
    await office.post("/adjustments", 201, **{**ADJUSTMENT, "amount": {"excl_vat": "-9", "incl_vat": "-10.71"}})


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"amount": {"excl_vat": "-9.01", "incl_vat": "-10.71"}}, 409, id="more than was billed"),
        pytest.param({"amount": {"excl_vat": "-1", "incl_vat": "1"}}, 409, id="two signs"),
        pytest.param({"amount": {"excl_vat": "0", "incl_vat": "0"}}, 409, id="nothing"),
        pytest.param({"party": "BE/EMO"}, 400, id="for a third party"),
        pytest.param({"debtor": "BE/EMO", "party": "BE/EMO"}, 409, id="for another debtor than that of the CDR"),
        pytest.param({"cdr_id": "C0"}, 404, id="of a CDR that is not billed"),
    ],
)
async def test_what_cannot_be_adjusted_is_refused(
    standing_office: Office, changes: dict[str, Any], status: int
) -> None:
    await standing_office.post("/adjustments", status, **{**ADJUSTMENT, **changes})
    assert await listed(standing_office, "/adjustments") == []


async def test_the_creditor_may_propose_that_more_is_owed(office: Office) -> None:
    asked = {**ADJUSTMENT, "amount": {"excl_vat": "20", "incl_vat": "23.80"}, "party": "DE/ABC", "actor": "Carl"}
    number = (await office.post("/adjustments", 201, **asked))["id"]
    await office.post(f"/adjustments/{number}/consent", 200, actor="Dora", party="NL/MSP")
    assert await office.accounts(CPO) == {BILLED: -9, UNBILLED: -20}


async def test_disputes_and_adjustments_share_what_is_billed(office: Office) -> None:
    await office.post("/adjustments", 201, **ADJUSTMENT)
    await office.post("/disputes", 409, **ALL)
    await office.post("/disputes", 201, **ALL, amount={"excl_vat": "5.00", "incl_vat": "5.95"})
    await office.post("/adjustments", 409, **ADJUSTMENT)


async def test_a_write_off_needs_two_approvals(office: Office) -> None:
    asked = {
        "creditor": "DE/ABC",
        "cdr_id": "C1",
        "amount": PART,
        "reason": "OTHER",
        "note": "insolvent",
        "actor": "Ada",
    }
    number = (await office.post("/write-offs", 201, **asked))["id"]
    await office.post(f"/write-offs/{number}/approve", 409, actor="ada")
    shown = await office.post(f"/write-offs/{number}/approve", 200, actor="Grace")
    assert (shown["kind"], shown["state"], shown["period"]) == ("write_off", "agreed", "2026-10")
    assert await office.accounts(EMSP) == {BILLED: 5, WRITTEN_OFF: 4}
    assert await office.rows("select actor, reason from journal_entry where event = 'written_off'") == [
        ("Ada and Grace", "OTHER")
    ]
    await office.post("/write-offs", 409, **{**asked, "amount": {"excl_vat": "5.01", "incl_vat": "5"}})


async def test_what_was_netted_is_not_written_off(office: Office) -> None:
    asked = {"creditor": "DE/ABC", "cdr_id": "C1", "amount": PART, "reason": "LATE", "actor": "Ada"}
    number = (await office.post("/write-offs", 201, **asked))["id"]
    await office.rows("update period set state = 'netted' where id = '2026-10' returning 1")
    answer = await office.post(f"/write-offs/{number}/approve", 409, actor="Grace")
    assert "is netted" in answer["status_message"]
    assert (await listed(office, "/adjustments"))[0]["state"] == "proposed"


async def test_credits_are_shown_with_what_they_credit_and_what_replaces_it(office: Office) -> None:
    """J04."""
    await office.receive(credit_of(cdr()), after=3600)
    await office.receive(cdr(id="C1-NEW"), after=7200)
    await office.settle_all()
    (shown,) = await listed(office, "/corrections?creditor=DE/ABC")
    chain = [shown[name]["cdr_id"] for name in ("original", "credit", "replacement")]
    assert chain == ["C1", "C1-C", "C1-NEW"]
    assert [shown[name]["amount"]["excl_vat"] for name in ("original", "credit", "replacement")] == [
        "9.00",
        "-9.00",
        "9.00",
    ]
    assert await listed(office, "/corrections?debtor=BE/EMO") == []
    await office.get("/corrections?after=X", 400)


async def test_a_credit_without_replacement_is_shown_alone(office: Office) -> None:
    await office.receive(credit_of(cdr()), after=3600)
    await office.settle_all()
    (shown,) = await listed(office, "/corrections")
    assert (shown["credit"]["cdr_id"], shown["replacement"]) == ("C1-C", None)


def _a_day_later() -> dict[str, Any]:
    return {
        "start_date_time": "2026-10-11T08:00:00Z",
        "end_date_time": "2026-10-11T10:00:00Z",
        "charging_periods__0__start_date_time": "2026-10-11T08:00:00Z",
        "charging_periods__1__start_date_time": "2026-10-11T09:30:00Z",
        "last_updated": "2026-10-11T10:00:00Z",
    }


# --- the month goes on ---------------------------------------------------------------------------


@pytest.fixture
async def month(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    """October with one CDR, advised by the steps of a period."""
    async with running_hub(database_url, tmp_path, settle_seconds=3600) as world:
        made = Office(world)
        await made.furnish()
        await made.receive(cdr())
        await made.settle_all()
        await go(made, "2026-10", "cut-off", "draft", "advise")
        yield made
        await made.close()


async def go(office: Office, period: str, *steps: str) -> Any:
    """Steps of a period."""
    for name in steps:
        more = {"before_end": True} if name == "cut-off" else {}
        answer = await office.post(f"/periods/{period}/{name}", 200, actor="Ada", **more)
    return answer


async def net(office: Office, period: str) -> dict[str, str]:
    """What each party gets or pays for a period, without VAT."""
    answer = await office.get(f"/net?period={period}")
    return {one["party"]: one["excl_vat"] for one in answer["net"]}


@pytest.mark.parametrize(
    ("steps", "later", "is_adjusted"),
    [
        pytest.param(
            ("concede",), {"DE-ABC": "0.00", "NL-MSP": "0.00"}, True, id="the creditor concedes: nothing is paid"
        ),
        pytest.param(
            ("withdraw",), {"DE-ABC": "4.00", "NL-MSP": "-4.00"}, False, id="the debtor does: it is paid a month later"
        ),
    ],
)
async def test_what_is_disputed_is_netted_when_it_is_settled(
    month: Office, steps: tuple[str, ...], later: dict[str, str], is_adjusted: bool
) -> None:
    """From the statement over the dispute to the next statement: invariants 3, 8, 9."""
    number = (await month.post("/disputes", 201, **ALL, amount=PART))["id"]
    await go(month, "2026-10", "net")
    assert await net(month, "2026-10") == {"DE-ABC": "5.00", "NL-MSP": "-5.00"}
    for name in steps:
        await step(month, number, name, "Carl" if name == "concede" else "Dora")
    now = await open_period(month)
    await go(month, now, "cut-off", "draft", "advise", "net")
    found = await net(month, now)
    assert {party: Decimal(amount) for party, amount in found.items() if Decimal(amount)} == {
        party: Decimal(amount) for party, amount in later.items() if Decimal(amount)
    }
    lines = await month.rows(
        "select l.kind, l.excl_vat from statement_line l join settlement_statement s on s.id = l.statement "
        f"where s.period = '{now}'"
    )
    assert lines == ([("adjustment", Decimal("-4.00"))] if is_adjusted else [])
    assert {kind for kind in await month.accounts(EMSP) if kind != "claim:net"} == set()
