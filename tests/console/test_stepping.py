"""Steps of a period that go on behind the page: whoever waits is told what became of one, and what nobody waits for is kept."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

import pytest

from hub.clock import SystemClock
from hub.console import stepping as module
from hub.console.checklist import WAITING_PATH
from hub.console.rendering import environment
from hub.console.stepping import STOPPED, Steps
from hub.store.database import Database
from hub.store.stepfailures import NewStepFailure, StepFailures
from ocpi_modules.errors import ClientFault
from tests.console.visitors import said

PERIOD = "2026-10"


async def a_period(database: Database) -> None:
    """A period that is open for long."""
    begin, end = datetime(2026, 10, 1, tzinfo=UTC), datetime(2126, 11, 1, tzinfo=UTC)
    async with database.direct.transaction() as connection:
        await connection.execute(
            "insert into period (id, starts_at, ends_at, closes_at, state, closed_by, changed_at) "
            "values ($1, $2, $3, $3, 'open', '', $2)",
            PERIOD,
            begin,
            end,
        )


@pytest.fixture
async def failures(database: Database, monkeypatch: pytest.MonkeyPatch) -> StepFailures:
    """The table, with a period; nobody waits long for a page."""
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.02)
    await a_period(database)
    return StepFailures(database.direct)


class Work:
    """A step that ends when somebody says so."""

    def __init__(self, error: Exception | None = None) -> None:
        self.gate, self.error = asyncio.Event(), error

    async def __call__(self) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error


async def ended(steps: Steps) -> None:
    """Wait until nothing is under way, and all is written down."""
    async with asyncio.timeout(60):
        await asyncio.gather(*steps._tasks.values())
        await asyncio.gather(*steps._notes)


async def test_whoever_waits_is_told_and_nothing_is_kept(failures: StepFailures) -> None:
    steps, work = Steps(SystemClock(), failures), Work(ClientFault("not now"))
    work.gate.set()
    with pytest.raises(ClientFault, match="not now"):
        await steps.take(PERIOD, "Close", "Amara", work())
    assert await steps.of(PERIOD) is None
    assert await failures.all() == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        pytest.param(ClientFault("3 CDRs wait"), "3 CDRs wait", id="a refusal says why"),
        pytest.param(
            KeyError("x"), "the hub failed; what was there before is still there", id="a fault of the hub says no more"
        ),
    ],
)
async def test_what_fails_when_nobody_waits_is_seen_from_every_process_until_a_step_goes_through(
    failures: StepFailures, error: Exception, said: str
) -> None:
    steps, another = Steps(SystemClock(), failures), Steps(SystemClock(), failures)
    for times in (1, 2):
        work = Work(error)
        assert not await steps.take(PERIOD, "Draft statements", "Amara", work())
        under_way = await steps.of(PERIOD)
        assert under_way is not None
        assert (under_way.said, steps.is_taking(PERIOD)) == ("", True)
        work.gate.set()
        await ended(steps)
        (kept,) = await failures.all()
        assert (kept.period, kept.step, kept.actor, kept.said, kept.times) == (
            PERIOD,
            "Draft statements",
            "Amara",
            said,
            times,
        )
    seen = await another.of(PERIOD)
    assert seen is not None
    assert (seen.label, seen.said) == ("Draft statements", said)
    work = Work()
    assert not await another.take(PERIOD, "Draft statements", "Bo", work())
    work.gate.set()
    await ended(another)
    assert await failures.all() == []
    assert await steps.of(PERIOD) is None


async def test_a_step_that_was_taken_elsewhere_ends_it(failures: StepFailures, database: Database) -> None:
    """Over the API, or by the hub itself."""
    at = datetime(2026, 11, 5, tzinfo=UTC)
    await failures.note(NewStepFailure(period=PERIOD, step="Cut off", actor="Amara", said="x" * 900, failed_at=at))
    (kept,) = await failures.all()
    assert len(kept.said) == 500
    async with database.direct.transaction() as connection:
        await connection.execute(
            "insert into period_step (period, step, actor, made_at, content) values ($1, 'cut_off', '', $2, '{}')",
            PERIOD,
            datetime(2026, 11, 6, tzinfo=UTC),
        )
    assert await failures.of(PERIOD) is None
    assert await failures.all() == []


async def test_what_failed_because_the_database_was_away_is_kept_when_it_is_back(
    failures: StepFailures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NOTE_AGAIN_SECONDS", 0.01)
    tries = list[int]()
    note = failures.note

    async def not_at_first(new: NewStepFailure) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("the database is away")
        await note(new)

    monkeypatch.setattr(failures, "note", not_at_first)
    steps, work = Steps(SystemClock(), failures), Work(ConnectionError())
    assert not await steps.take(PERIOD, "Seal", "Amara", work())
    work.gate.set()
    await ended(steps)
    assert [one.step for one in await failures.all()] == ["Seal"]
    assert len(tries) == 3


async def test_what_a_stopping_hub_gives_up_is_said(failures: StepFailures) -> None:
    steps, work = Steps(SystemClock(), failures), Work()
    assert not await steps.take(PERIOD, "Net", "Amara", work())
    await steps.close()
    assert [one.said for one in await failures.all()] == [STOPPED]


@pytest.mark.parametrize(
    ("waiting", "sentence"),
    [
        pytest.param(1, "1 CDR that came in time has still to be looked at.", id="one"),
        pytest.param(1204, "1 204 CDRs that came in time have still to be looked at.", id="many"),
        pytest.param(0, "", id="none"),
    ],
)
def test_the_page_of_a_period_says_what_its_cut_off_waits_for(waiting: int, sentence: str) -> None:
    at = datetime(2026, 11, 5, 18, tzinfo=UTC)
    period = {"id": PERIOD, "closes_at": at}
    values = {"period": period, "holding_up": waiting, "underway": None, "counted": None, "zone": "UTC", "now": at}
    values["waiting_path"] = WAITING_PATH
    shown = re.sub(" +([.,;])", r"\1", said(environment().get_template("period_now.html").render(values)))
    assert sentence in shown
    assert ("The cut-off waits since 2026-11-05 18:00 UTC" in shown) == bool(waiting)
