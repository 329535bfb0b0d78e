"""Callback addresses: the caller's own URL behind one of the hub's, kept across restarts (CM-03, X-24)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlmodel import col, select

from hub.store.database import Database, execute
from hub.store.tables import CallbackRow
from ocpi_modules.parties import Party


@dataclass(frozen=True, slots=True)
class Callback:
    """Where a result goes (`url` of `caller`) and who alone may send it (`answerer`). Expires at `expires_at` (UTC)."""

    id: str
    module_id: str
    url: str
    caller: Party
    answerer: Party
    correlation_id: str
    created_at: datetime
    expires_at: datetime


class Callbacks:
    """The callback table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remember(self, callback: Callback) -> None:
        """Keep a callback; what has expired goes at the same time."""
        row = CallbackRow(
            id=callback.id,
            module=callback.module_id,
            url=callback.url,
            caller=str(callback.caller),
            answerer=str(callback.answerer),
            correlation_id=callback.correlation_id,
            created_at=callback.created_at,
            expires_at=callback.expires_at,
        )
        async with self._database.transaction() as session:
            await execute(session, text("delete from callback where expires_at < :now"), {"now": callback.created_at})
            session.add(row)

    async def find(self, callback_id: str, now: datetime) -> Callback | None:
        """The callback of an id, or None when there is none or it has expired."""
        statement = select(CallbackRow).where(col(CallbackRow.id) == callback_id, col(CallbackRow.expires_at) > now)
        async with self._database.transaction() as session:
            row = (await session.exec(statement)).first()
        return _callback(row) if row else None

    async def forget(self, callback_id: str) -> None:
        """Drop a callback whose command came to nothing (CM-07, CM-11)."""
        async with self._database.transaction() as session:
            await execute(session, text("delete from callback where id = :id"), {"id": callback_id})


def _callback(row: CallbackRow) -> Callback:
    caller, answerer = Party.parse(row.caller), Party.parse(row.answerer)
    return Callback(row.id, row.module, row.url, caller, answerer, row.correlation_id, row.created_at, row.expires_at)
