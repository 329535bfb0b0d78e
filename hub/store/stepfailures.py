"""Steps of periods that came to nothing while nobody waited for them: the last one of each period, until a step of it goes through."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.store.direct import Direct

SAID_MAX_CHARACTERS = 500
FAILURES_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStepFailure:
    """A step that somebody took, and why it came to nothing, at a moment (UTC)."""

    period: str
    step: str
    actor: str
    said: str
    failed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailure(NewStepFailure):
    """The same as it is kept: how often in a row that step failed."""

    times: int


class StepFailures:
    """The table of steps that failed."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def note(self, new: NewStepFailure) -> None:
        """Keep that a step failed; the one that failed before is forgotten."""
        values = (new.period, new.step, new.actor, new.said[:SAID_MAX_CHARACTERS], new.failed_at)
        async with self._direct.transaction() as connection:
            await connection.execute(_NOTE, *values)

    async def over(self, period: str) -> None:
        """A step of a period went through."""
        async with self._direct.transaction() as connection:
            await connection.execute("delete from step_failure where period = $1", period)

    async def of(self, period: str) -> StepFailure | None:
        """What failed last in a period, if nothing went through since."""
        rows = await self._direct.fetch(f"{_OPEN} and f.period = $1", period)
        return StepFailure(**rows[0]) if rows else None

    async def all(self) -> list[StepFailure]:
        """What failed last in each period, where nothing went through since; FAILURES_MAX at most."""
        rows = await self._direct.fetch(f"{_OPEN} order by f.failed_at limit {FAILURES_MAX}")
        return [StepFailure(**row) for row in rows]


_COLUMNS = ", ".join(StepFailure.__dataclass_fields__)
_NOTE = (
    f"insert into step_failure as f ({_COLUMNS}) select $1::text, $2::text, $3::text, $4::text, $5::timestamptz, 1 "
    "from period where id = $1 "
    "on conflict (period) do update set step = excluded.step, actor = excluded.actor, said = excluded.said, "
    "failed_at = excluded.failed_at, times = case when f.step = excluded.step then f.times + 1 else 1 end"
)
# steps are also taken over the API, and by the hub itself
_OPEN = (
    f"select {', '.join(f'f.{name}' for name in StepFailure.__dataclass_fields__)} from step_failure f "
    "where not exists (select 1 from period_step s where s.period = f.period and s.made_at > f.failed_at)"
)
