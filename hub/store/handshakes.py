"""How far handshakes came: one row for each step of each, however often it was tried."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.store.direct import Direct

SAID_MAX_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStep:
    """A step that went well (or did not), when first and last (UTC), how often, and what was said of it last."""

    subject: str
    step: str
    is_good: bool
    first_at: datetime
    last_at: datetime
    times: int
    said: str


class HandshakeSteps:
    """The table of steps; a handshake has as many rows as it has steps, twice at most."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def note(self, step: KeptStep) -> None:
        """A step was taken, once more or for the first time."""
        values = (step.subject, step.step, step.is_good, step.last_at, step.said[:SAID_MAX_CHARACTERS])
        await self._direct.fetch(_NOTE, *values)

    async def of(self, subject: str) -> list[KeptStep]:
        """The steps of one handshake, in the order in which they were taken last."""
        return [KeptStep(**row) for row in await self._direct.fetch(_OF, subject)]


_NOTE = (
    "insert into handshake_step (subject, step, is_good, first_at, last_at, times, said) values ($1, $2, $3, $4, $4, 1, $5) "
    "on conflict (subject, step, is_good) do update "
    "set last_at = excluded.last_at, times = handshake_step.times + 1, said = excluded.said"
)
_OF = "select subject, step, is_good, first_at, last_at, times, said from handshake_step where subject = $1 order by last_at, step"
