"""Every way through a dispute, as two parties and the hub take it over HTTP, and what each end leaves in the books.

The clock of the hub is set: deadlines are met, missed, and met in the last second.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hub.settlement.agreements import Agreements
from hub.settlement.engine import open_fee_check
from hub.settlement.engine.corrections import CorrectionDesk
from hub.settlement.engine.disputes import DisputeRoom
from hub.settlement.engine.feelook import FeeCheck
from hub.settlement.periods import State
from hub.store.corrections import Corrections
from hub.store.disputes import DisputeBook
from tests.conftest import running_hub
from tests.settlement.cases import EMSP, cdr, credit_of
from tests.web.house import Office, listed

ALL = {"creditor": "DE/ABC", "cdr_id": "C1", "reason": "ENERGY", "actor": "Dora"}
PART = {"excl_vat": "4.00", "incl_vat": "4.76"}
ADVISED_AT = datetime.fromisoformat("2026-11-06T09:00:00Z")
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
DEBTOR, CREDITOR, ARBITER = "Dora", "Carl", "Hugo"


class SetClock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.moment = ADVISED_AT

    def now(self) -> datetime:
        return self.moment


@dataclass
class Hall:
    """A hub with its clock in the hand of the test, and the parts that its rounds run."""

    office: Office
    clock: SetClock

    @property
    def room(self) -> DisputeRoom:
        return DisputeRoom(self.office.books, DisputeBook(self.office.database.direct), self.clock)

    @property
    def desk(self) -> CorrectionDesk:
        return CorrectionDesk(self.room, Corrections(self.office.database.direct), self.fee_check)

    @property
    def fee_check(self) -> FeeCheck:
        return open_fee_check(self.office.database.direct, self.clock, _default_terms)

    async def go(self, period: str, *steps: str) -> None:
        for name in steps:
            await self.office.post(f"/periods/{period}/{name}", 200, actor="Ada")

    async def finish(self, period: str) -> None:
        """A month goes to its seal."""
        state = (await self.office.get(f"/periods/{period}"))["state"]
        todo = {State.OPEN: 0, State.CUT_OFF: 1, State.ADVISED: 3, State.NETTED: 4}[State(state)]
        await self.go(period, *("cut-off", "draft", "advise", "net", "close")[todo:])
        await self.office.post(f"/periods/{period}/close", 200, actor="Bo")
        await self.go(period, "seal")

    async def step(self, number: int, name: str, actor: str, status: int = 200) -> Any:
        return await self.office.post(f"/disputes/{number}/{name}", status, actor=actor, note="as it is")

    async def rounds(self) -> None:
        """What the hub does by itself, as long as there is something to do."""
        await self.office.settle_all()
        for job in (self.room.expire_due, self.room.concede_credited, self.desk.turn_superseded):
            while await job():
                pass

    async def owed(self) -> Decimal:
        """What the debtor owes, billed or not, over all months, without VAT."""
        accounts = await self.office.accounts(EMSP)
        assert not accounts.keys() - {"claim:billed", "claim:disputed", "claim:unbilled", "claim:net", "writeoff"}
        return sum((amount for kind, amount in accounts.items() if kind != "writeoff"), Decimal(0))


async def _default_terms() -> Agreements:
    return Agreements()


@pytest.fixture
async def hall(database_url: str, tmp_path: Path) -> AsyncIterator[Hall]:
    """October with one CDR of EUR 9.00, advised on 6 November, 09:00 UTC."""
    clock = SetClock()
    async with running_hub(database_url, tmp_path, settle_seconds=3600, clock=clock) as world:
        made = Office(world)
        made.clock.moment = clock.moment
        await made.furnish()
        await made.receive(cdr())
        await made.settle_all()
        opened = Hall(made, clock)
        await opened.go("2026-10", "cut-off", "draft", "advise")
        yield opened
        await made.close()


Walk = list[tuple[str, str]]
RAISED: Walk = []
COUNTERED: Walk = [("counter", CREDITOR)]
INSISTED: Walk = [*COUNTERED, ("insist", DEBTOR)]
ARBITRATION: Walk = [*INSISTED, ("arbitrate", CREDITOR)]


@pytest.mark.parametrize(
    ("walk", "state", "yielded", "is_netted"),
    [
        pytest.param([("concede", CREDITOR)], "conceded", "creditor", False, id="the creditor concedes at once"),
        pytest.param([("concede", CREDITOR)], "conceded", "creditor", True, id="the creditor concedes after the seal"),
        pytest.param([("withdraw", DEBTOR)], "conceded", "debtor", False, id="the debtor withdraws"),
        pytest.param(
            [*COUNTERED, ("concede", DEBTOR)], "conceded", "debtor", True, id="the debtor accepts the counter"
        ),
        pytest.param(
            [*INSISTED, ("concede", CREDITOR)], "conceded", "creditor", True, id="the creditor gives way late"
        ),
        pytest.param([*INSISTED, ("withdraw", DEBTOR)], "conceded", "debtor", True, id="the debtor gives way late"),
        pytest.param([*ARBITRATION, ("uphold", ARBITER)], "decided", "creditor", True, id="decided for the debtor"),
        pytest.param([*ARBITRATION, ("dismiss", ARBITER)], "decided", "debtor", False, id="decided for the creditor"),
        pytest.param([*ARBITRATION, ("withdraw", DEBTOR)], "conceded", "debtor", True, id="withdrawn from arbitration"),
    ],
)
async def test_every_way_through_a_dispute_ends_in_balanced_books(
    hall: Hall, walk: Walk, state: str, yielded: str, is_netted: bool
) -> None:
    """Invariants 1, 7, 9, 10; J06."""
    number = (await hall.office.post("/disputes", 201, **ALL, amount=PART))["id"]
    if is_netted:
        await hall.finish("2026-10")
    for name, actor in walk:
        hall.clock.moment += 5 * DAY
        shown = await hall.step(number, name, actor)
    assert (shown["state"], shown["yielded"], shown["turn"]) == (state, yielded, None)
    await hall.rounds()
    assert await hall.owed() == (5 if yielded == "creditor" else 9)
    if not is_netted:
        await hall.finish("2026-10")
    open_month = f"{hall.clock.moment:%Y-%m}"
    hall.clock.moment += 45 * DAY
    if yielded == "creditor" or is_netted:
        await hall.finish(open_month)
    accounts = await hall.office.accounts(EMSP)
    assert accounts == {"claim:net": 5 if yielded == "creditor" else 9}
    adjustments = await listed(hall.office, "/adjustments")
    statements = await hall.office.rows("select statement from statement_line where kind = 'adjustment'")
    assert [(one["statement"],) for one in adjustments] == statements
    assert len(adjustments) == (yielded == "creditor")


@pytest.mark.parametrize(
    ("walk", "silent", "owed"),
    [
        pytest.param(RAISED, "creditor", 0, id="the creditor does not answer"),
        pytest.param(COUNTERED, "debtor", 9, id="the debtor does not answer the counter"),
        pytest.param(INSISTED, "creditor", 0, id="the creditor does not go to arbitration"),
    ],
)
async def test_whoever_is_silent_gives_way_at_the_second(hall: Hall, walk: Walk, silent: str, owed: int) -> None:
    shown = await hall.office.post("/disputes", 201, **ALL)
    for name, actor in walk:
        hall.clock.moment += DAY
        shown = await hall.step(shown["id"], name, actor)
    assert shown["turn"] == silent
    hall.clock.moment = datetime.fromisoformat(shown["due_at"]) - SECOND
    await hall.rounds()
    assert (await hall.office.get(f"/disputes/{shown['id']}"))["turn"] == silent
    hall.clock.moment += SECOND
    answer = await hall.step(shown["id"], "concede", CREDITOR if silent == "creditor" else DEBTOR, 409)
    assert "was over" in answer["status_message"]
    await hall.rounds()
    over = await hall.office.get(f"/disputes/{shown['id']}")
    assert (over["state"], over["yielded"], over["steps"][-1]["actor"]) == ("conceded", silent, "silence")
    assert await hall.owed() == owed


async def test_an_arbitration_does_not_end_by_silence(hall: Hall) -> None:
    number = (await hall.office.post("/disputes", 201, **ALL))["id"]
    for name, actor in ARBITRATION:
        await hall.step(number, name, actor)
    hall.clock.moment += 300 * DAY
    await hall.rounds()
    assert (await hall.office.get(f"/disputes/{number}"))["state"] == "arbitration"
    assert (await hall.step(number, "dismiss", ARBITER))["yielded"] == "debtor"


@pytest.mark.parametrize(
    ("late", "status", "state"),
    [
        pytest.param(30 * DAY - SECOND, 201, "raised", id="in the last second"),
        pytest.param(30 * DAY, 409, "refused", id="at the end of the window"),
    ],
)
async def test_the_window_for_disputes_ends_at_its_second(hall: Hall, late: timedelta, status: int, state: str) -> None:
    """I03: what is late is kept, and can be seen."""
    hall.clock.moment = ADVISED_AT + late
    await hall.office.post("/disputes", status, **ALL)
    (shown,) = await listed(hall.office, "/disputes")
    assert shown["state"] == state
    assert await hall.owed() == 9


async def test_a_draft_that_is_never_raised_is_void_when_the_window_ends(hall: Hall) -> None:
    number = (await hall.office.post("/disputes", 201, **ALL, draft=True))["id"]
    hall.clock.moment = ADVISED_AT + 30 * DAY
    await hall.step(number, "raise", DEBTOR, 409)
    await hall.rounds()
    assert (await hall.office.get(f"/disputes/{number}"))["yielded"] == "debtor"
    assert await hall.owed() == 9


# --- a credit CDR comes --------------------------------------------------------------------------


async def credit(hall: Hall) -> None:
    """The creditor credits the CDR."""
    await hall.office.push("cdrs", credit_of(cdr()), hall.clock.moment)


async def replace(hall: Hall) -> None:
    """The creditor replaces the CDR."""
    await hall.office.push("cdrs", cdr(id="C1-NEW"), hall.clock.moment + timedelta(minutes=1))


@pytest.mark.parametrize("is_netted", [False, True], ids=["before October is netted", "after October is sealed"])
@pytest.mark.parametrize("walk", [RAISED, ARBITRATION], ids=["raised", "in arbitration"])
async def test_a_credit_answers_a_dispute_that_goes_on(hall: Hall, walk: Walk, is_netted: bool) -> None:
    """J02, J05: who credits has conceded, and the credit stands in the place of an adjustment."""
    number = (await hall.office.post("/disputes", 201, **ALL, amount=PART))["id"]
    for name, actor in walk:
        await hall.step(number, name, actor)
    if is_netted:
        await hall.finish("2026-10")
    hall.clock.moment += DAY
    await credit(hall)
    await hall.rounds()
    over = await hall.office.get(f"/disputes/{number}")
    assert (over["state"], over["yielded"]) == ("conceded", "creditor")
    assert (over["steps"][-1]["actor"], over["steps"][-1]["note"]) == ("credit", "CDR C1-C credits it")
    assert await hall.owed() == 0


@pytest.mark.parametrize("has_replacement", [False, True], ids=["credited", "credited and replaced"])
@pytest.mark.parametrize(
    "before",
    [
        pytest.param("dispute", id="after a dispute that was conceded"),
        pytest.param("adjustment", id="after an adjustment that both agreed to"),
        pytest.param("more", id="after an adjustment by which more was owed"),
        pytest.param("write-off", id="after a part was written off"),
    ],
)
async def test_a_credit_and_its_replacement_leave_the_replacement_whatever_was_corrected_before(
    hall: Hall, before: str, has_replacement: bool
) -> None:
    """Invariant 4, J04, J06."""
    await CORRECTIONS[before](hall)
    hall.clock.moment += DAY
    await credit(hall)
    if has_replacement:
        await replace(hall)
    await hall.rounds()
    assert await hall.owed() == (9 if has_replacement else 0)
    first, reversal = await listed(hall.office, "/adjustments")
    assert (reversal["reverses"], reversal["kind"], reversal["state"]) == (first["id"], "adjustment", "agreed")
    hall.clock.moment = datetime.fromisoformat("2026-12-06T09:00:00Z")
    for period in ("2026-10", "2026-11"):
        await hall.finish(period)
    expected = {"claim:net": 9 if has_replacement else 0, "writeoff": 4 if before == "write-off" else 0}
    assert await hall.office.accounts(EMSP) == {kind: amount for kind, amount in expected.items() if amount}
    named = [one["statement"] for one in await listed(hall.office, "/adjustments") if one["kind"] == "adjustment"]
    assert set(named) == {"2026-11_DE-ABC_NL-MSP_EUR_1"}


async def _by_dispute(hall: Hall) -> None:
    number = (await hall.office.post("/disputes", 201, **ALL, amount=PART))["id"]
    await hall.step(number, "concede", CREDITOR)


async def _by_adjustment(hall: Hall, amount: str = "-4.00", gross: str = "-4.76") -> None:
    asked = {**ALL, "debtor": "NL/MSP", "party": "NL/MSP", "amount": {"excl_vat": amount, "incl_vat": gross}}
    number = (await hall.office.post("/adjustments", 201, **asked))["id"]
    await hall.office.post(f"/adjustments/{number}/consent", 200, actor=CREDITOR, party="DE/ABC")


async def _by_more(hall: Hall) -> None:
    await _by_adjustment(hall, "4.00", "4.76")


async def _by_write_off(hall: Hall) -> None:
    number = (await hall.office.post("/write-offs", 201, **{**ALL, "actor": "Ada"}, amount=PART))["id"]
    await hall.office.post(f"/write-offs/{number}/approve", 200, actor="Grace")


CORRECTIONS = {"dispute": _by_dispute, "adjustment": _by_adjustment, "more": _by_more, "write-off": _by_write_off}


async def test_a_credit_that_is_held_after_all_puts_the_adjustment_back(hall: Hall) -> None:
    await _by_adjustment(hall)
    hall.clock.moment += DAY
    await credit(hall)
    await hall.rounds()
    assert await hall.owed() == 0
    hold = {"scope": "cdr", "target": "DE/ABC/C1-C", "action": "hold", "reason": "PRICE", "actor": "Ines"}
    made = await hall.office.post("/decisions", 201, **hold)
    await hall.rounds()
    assert await hall.owed() == 5
    await hall.office.http.delete(f"/settlement/decisions/{made['id']}", params={"actor": "Ines"})
    await hall.rounds()
    assert await hall.owed() == 0


@pytest.mark.parametrize(
    ("path", "more"),
    [
        pytest.param("/disputes", {}, id="disputed"),
        pytest.param("/adjustments", {"debtor": "NL/MSP", "party": "NL/MSP", "amount": PART}, id="adjusted"),
        pytest.param("/write-offs", {"amount": PART}, id="written off"),
    ],
)
async def test_what_is_credited_is_not_corrected_once_more(hall: Hall, path: str, more: dict[str, Any]) -> None:
    await credit(hall)
    await hall.rounds()
    answer = await hall.office.post(path, 409, **ALL, **more)
    assert "C1-C credits CDR C1" in answer["status_message"]
