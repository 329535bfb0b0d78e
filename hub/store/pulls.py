"""What the hub pulls from which partner, how, and how far it came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hub.store.database import Database
from hub.store.tables import PullRow

UNFINISHED = "not finished"


class PullMode(StrEnum):
    """When the hub asks a partner's SENDER endpoint: never, after a gap in the connection, or on a schedule too."""

    NEVER = "never"
    AFTER_GAP = "after-gap"
    SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True)
class PullState:
    """How one module is pulled from one partner; `synced_at` and `crawled_at` are when the last complete pull and crawl began (UTC).

    `is_behind`: the last pull did not come to its end, so what was missed then is still missing.
    """

    mode: PullMode = PullMode.AFTER_GAP
    synced_at: datetime | None = None
    crawled_at: datetime | None = None
    is_behind: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What became of one pull: when it began, whether it came to its end, whether it was a crawl without filter, and what it brought."""

    began_at: datetime
    is_complete: bool
    is_crawl: bool
    objects: int
    refused: int
    said: str


class Pulls:
    """The pull table. A module without a row is pulled after a gap."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def state(self, partner_id: int, module_id: str) -> PullState:
        """How a module is pulled from a partner."""
        async with self._database.transaction() as session:
            row = await session.get(PullRow, (partner_id, module_id))
        return PullState(PullMode(row.mode), row.synced_at, row.crawled_at, bool(row.said)) if row else PullState()

    async def load(self, partner_id: int) -> Sequence[PullRow]:
        """Every row of a partner, by module."""
        statement = select(PullRow).where(col(PullRow.partner_id) == partner_id).order_by(col(PullRow.module))
        async with self._database.transaction() as session:
            return (await session.exec(statement)).all()

    async def scheduled(self) -> Sequence[PullRow]:
        """The rows of everything that is pulled on a schedule."""
        statement = select(PullRow).where(col(PullRow.mode) == PullMode.SCHEDULE.value)
        async with self._database.transaction() as session:
            return (await session.exec(statement)).all()

    async def set_mode(self, partner_id: int, module_id: str, mode: PullMode) -> None:
        """Choose when a module is pulled from a partner."""
        async with self._database.transaction() as session:
            (await _row(session, partner_id, module_id)).mode = mode.value

    async def begun(self, partner_id: int, module_id: str, now: datetime) -> None:
        """Note that a pull begins: until it is done it counts as one that failed, also when the hub is killed in between."""
        async with self._database.transaction() as session:
            row = await _row(session, partner_id, module_id)
            row.tried_at, row.said = now, UNFINISHED

    async def done(self, partner_id: int, module_id: str, pulled: Pulled) -> None:
        """Note what became of a pull; only a complete one moves the dates from which the next one asks."""
        async with self._database.transaction() as session:
            row = await _row(session, partner_id, module_id)
            row.tried_at, row.said = pulled.began_at, pulled.said
            row.objects, row.refused = pulled.objects, pulled.refused
            if pulled.is_complete:
                row.synced_at = pulled.began_at
                row.crawled_at = pulled.began_at if pulled.is_crawl else row.crawled_at


async def _row(session: AsyncSession, partner_id: int, module_id: str) -> PullRow:
    row = await session.get(PullRow, (partner_id, module_id))
    if row is None:
        row = PullRow(partner_id=partner_id, module=module_id, mode=PullMode.AFTER_GAP.value)
        session.add(row)
    return row
