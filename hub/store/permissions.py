"""The rules on who may talk to whom. A rule is never deleted: it ends, so that what was allowed when can always be told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select

from hub.store.database import Database
from hub.store.tables import PermissionRow


class PermissionRules:
    """The permission table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> Sequence[PermissionRow]:
        """Every rule, also those that ended, oldest first."""
        async with self._database.transaction() as session:
            return (await session.exec(select(PermissionRow).order_by(col(PermissionRow.id)))).all()

    async def add(self, row: PermissionRow) -> int:
        """Keep a new rule; returns its id."""
        async with self._database.transaction() as session:
            session.add(row)
            await session.flush()
            assert row.id is not None
            return row.id

    async def end(self, rule_id: int, now: datetime) -> bool:
        """Let a rule end now, or never begin where it has not yet; False when there is none that could end."""
        async with self._database.transaction() as session:
            row = await session.get(PermissionRow, rule_id)
            if row is None or (row.ends_at is not None and row.ends_at <= now):
                return False
            row.ends_at = now
            row.starts_at = min(row.starts_at, now)
        return True
