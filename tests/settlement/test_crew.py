"""Several examine CDRs beside each other, and the books come to the same (point 9 of runs: whatever the number of workers)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.clock import SystemClock
from hub.settlement.agreements import Agreements
from hub.settlement.engine import Settler
from hub.settlement.engine import crew as crews
from hub.settlement.engine.crew import Crew, Means, shares_of
from hub.store import verdicts
from hub.store.direct import Connection
from hub.store.journal import EntryLines, write_entries
from tests.databases import Databases
from tests.settlement.cases import CPO, cdr
from tests.settlement.gates import gate_before
from tests.settlement.test_closing_meets import a_decision
from tests.settlement.test_portions import a_house, a_house_in, all_at_once, arrivals, outcome_of
from tests.settlement.test_settler import DEAR, House, house

__all__ = ["house"]

KEEPING = "set local lock_timeout"
SWISS = "CH/VLT"
TOKEN_ELSEWHERE = cdr(
    country_code="CH",
    party_id="VLT",
    id="CDR-CH",
    session_id=None,
    cdr_location__id="LOC-CH",
    cdr_location__evse_uid="EVSE-CH",
    cdr_location__evse_id="CH*VLT*E1",
)
CAUSE = "G03|PRICE_MISMATCH|DE/ABC|EUR|tariff|T-DC"

counts = st.dictionaries(st.sampled_from([f"DE/{n:03}" for n in range(40)]), st.integers(1, 10_000))


# --- who takes what --------------------------------------------------------------------------


@given(counts, st.integers(1, 16))
def test_each_creditor_is_in_one_share_and_none_is_much_larger_than_the_others(
    waiting: dict[str, int], most: int
) -> None:
    shares = shares_of(waiting, most)
    assert sorted(creditor for share in shares for creditor in share) == sorted(waiting)
    assert len(shares) == min(most, len(waiting))
    sizes = [sum(waiting[creditor] for creditor in share) for share in shares] or [0]
    assert max(sizes) - min(sizes) <= max(waiting.values(), default=0)


@given(counts, st.integers(1, 16))
def test_the_same_counts_are_divided_alike_in_whatever_order_they_come(waiting: dict[str, int], most: int) -> None:
    assert shares_of(dict(reversed(waiting.items())), most) == shares_of(waiting, most)


# --- real processes --------------------------------------------------------------------------


def crew_of(house: House, url: str, processes: int) -> Crew:
    return Crew(house.settler, Means(url=url, clock=SystemClock(), agreements=Agreements()), processes)


async def work_off(house: House, crew: Crew) -> None:
    """Until nothing waits."""
    try:
        while await crew.settle_due():
            pass
    finally:
        crew.close()


@pytest.fixture
def for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are started for a handful of CDRs."""
    monkeypatch.setattr(crews, "CREW_FROM_CDRS", 2)


@pytest.mark.usefixtures("for_few")
async def test_processes_beside_each_other_come_to_what_one_comes_to(databases: Databases) -> None:
    """Point 9, on a month with duplicates, credits, overlaps and late CDRs."""
    async with a_house(databases) as house:
        await all_at_once(house, arrivals())
        expected = await outcome_of(house)
    for processes in (2, 3):
        async with databases.lent() as url, a_house_in(url) as house:
            for at, content in arrivals():
                await house.push("cdrs", content, at)
            await work_off(house, crew_of(house, url, processes))
            assert await outcome_of(house) == expected, processes
            assert await house.rows("select count(*) from claim where examined_at is null") == [(0,)]


def _die(_: Any) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def _die_while_it_keeps(creditors: Sequence[str]) -> int:
    """All is written and nothing committed."""
    with patch.object(verdicts, "write_entries", _write_and_die):
        return crews._settle_share(creditors)


async def _write_and_die(connection: Connection, entries: Sequence[EntryLines], now: datetime) -> int:
    assert await write_entries(connection, entries, now)
    return _die(entries)


@pytest.mark.usefixtures("for_few")
@pytest.mark.parametrize("death", [_die, _die_while_it_keeps])
async def test_a_process_that_is_killed_loses_nothing(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, death: Callable[[Sequence[str]], int]
) -> None:
    monkeypatch.setattr(crews, "_settle_share", death)
    async with databases.lent() as url, a_house_in(url) as house:
        await house.furnish()
        await house.receive(cdr())
        await house.receive(TOKEN_ELSEWHERE)
        await work_off(house, crew_of(house, url, 2))
        assert [*(await house.dispositions())] == sorted([cdr()["id"], "CDR-CH"])
        assert await house.rows("select looks from settling") == [(1,)]


HUB = """
import os, time
from hub.clock import SystemClock
from hub.settlement.agreements import Agreements
from hub.settlement.engine.crew import Hands, Means

hands = Hands(Means(url="", clock=SystemClock(), agreements=Agreements()), 1)
print(hands._pool.submit(os.getpid).result(), flush=True)
hands._pool.submit(time.sleep, 3600)
time.sleep(3600)
"""
END_WAIT_SECONDS = 60.0


async def test_processes_end_with_a_hub_that_is_killed() -> None:
    """At work, too: their output ends when the last of them has ended."""
    hub = await asyncio.create_subprocess_exec(sys.executable, "-c", HUB, stdout=asyncio.subprocess.PIPE)
    assert hub.stdout is not None
    try:
        assert int(await hub.stdout.readline()) != hub.pid
    finally:
        hub.kill()
    async with asyncio.timeout(END_WAIT_SECONDS):
        assert await hub.stdout.read() == b""
        await hub.wait()


async def test_few_are_examined_without_any_process(house: House) -> None:
    crew = crew_of(house, "postgresql://nobody.invalid/none", 2)
    await house.receive(cdr())
    await house.receive(DEAR)
    await work_off(house, crew)
    assert await house.dispositions() == {cdr()["id"]: "SETTLE", "CDR-DEAR": "HOLD"}


# --- two looks that do not see each other ----------------------------------------------------


def another(house: House) -> Settler:
    return Settler(house.books, house.clock, Agreements())


async def test_a_token_at_two_networks_is_found_although_neither_look_saw_the_other(house: House) -> None:
    """D04: both began before the other was kept."""
    await house.receive(cdr())
    await house.receive(TOKEN_ELSEWHERE, after=60)
    with gate_before(KEEPING) as gate:
        slow = await gate.stop(house.settler.settle_due({SWISS}))
        assert await another(house).settle_due({str(CPO)}) == 1
        await gate.release(slow)
    assert await house.settle_all() > 0
    assert await house.rows(
        "select f.kind, c.cdr_key from finding f join finding_cdr c on c.finding = f.key "
        "where f.kind = 'TOKEN_CONCURRENT_USE' order by c.cdr_key"
    ) == [("TOKEN_CONCURRENT_USE", cdr()["id"]), ("TOKEN_CONCURRENT_USE", "CDR-CH")]
    assert await house.rows("select looks from settling") == [(3,)]


async def test_a_look_beside_which_nothing_was_kept_that_concerns_it_is_kept_at_once(house: House) -> None:
    await house.receive(cdr())
    await house.receive({**DEAR, "country_code": "CH", "party_id": "VLT"}, after=60)
    seen = 0
    with gate_before(KEEPING) as gate:
        slow = await gate.stop(house.settler.settle_due({SWISS}))
        await another(house).settle_due({str(CPO)})
        gather = house.books.gatherer.gather

        async def counted(received: Any) -> Any:
            nonlocal seen
            seen += 1
            return await gather(received)

        house.books.gatherer.gather = counted  # type: ignore[method-assign]  # only to count
        await gate.release(slow)
    assert seen == 0
    assert len(await house.dispositions()) == 2


async def test_two_looks_together_waive_no_more_than_one_person_may(house: House) -> None:
    """HUB_WAIVER_LIMIT holds for what both come to, not for each: 11.90 and 11.90 are more than 20."""
    waiver = replace(a_decision("cause", CAUSE), most=Decimal(20))
    await house.books.decisions.keep(waiver, house.clock.moment, stands=True)
    later = {
        **DEAR,
        "id": "CDR-DEAR-2",
        "start_date_time": "2026-10-13T08:00:00Z",
        "end_date_time": "2026-10-13T08:30:00Z",
    }
    later["charging_periods"] = [{**DEAR["charging_periods"][0], "start_date_time": "2026-10-13T08:00:00Z"}]
    await house.receive(DEAR)
    with gate_before(KEEPING) as gate:
        slow = await gate.stop(house.settler.settle_due())
        await house.receive(later)
        await another(house).settle_due()
        await gate.release(slow)
    while await house.settler.settle_due():
        pass
    assert await house.dispositions() == {"CDR-DEAR": "SETTLE", "CDR-DEAR-2": "HOLD"}
