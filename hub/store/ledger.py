"""Money facts: what accepted CDRs claim, and which of them their payers do not have yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlmodel import col, select

from hub.store.database import Database, execute
from hub.store.pack import unpack
from hub.store.tables import ClaimRow, DueRow
from ocpi_modules.parties import Party

DUE_BATCH_MAX_CDRS = 500


@dataclass(frozen=True, slots=True)
class Due:
    """A CDR that waits for its payer: whose it is, its folded id, its text, and how often it was offered."""

    creditor: Party
    cdr_key: str
    payer: Party
    body: bytes
    attempts: int


class Ledger:
    """Claims and due CDRs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claims(self, start: datetime, end: datetime) -> Sequence[ClaimRow]:
        """The claims of CDRs that ended in [start, end), UTC."""
        statement = select(ClaimRow).where(col(ClaimRow.end_date_time) >= start, col(ClaimRow.end_date_time) < end)
        async with self._database.transaction() as session:
            return (await session.exec(statement)).all()

    async def due(self, payer: Party) -> list[Due]:
        """The CDRs that a payer does not have yet: those refused least often first, then the oldest."""
        async with self._database.transaction() as session:
            rows = await execute(session, _DUE_FOR, {"payer": str(payer), "most": DUE_BATCH_MAX_CDRS})
        return [Due(Party.parse(row.creditor), row.cdr_key, payer, unpack(row.packed), row.attempts) for row in rows]

    async def payers(self) -> dict[Party, int]:
        """How many CDRs wait for each payer."""
        async with self._database.transaction() as session:
            rows = await execute(session, text("select payer, count(*) as n from due group by payer"), {})
        return {Party.parse(row.payer): row.n for row in rows}

    async def settle_due(self, due: Due) -> None:
        """The payer has this CDR."""
        async with self._database.transaction() as session:
            row = await session.get(DueRow, (str(due.creditor), due.cdr_key))
            if row is not None:
                await session.delete(row)

    async def refused_due(self, due: Due, answer: str) -> None:
        """The payer did not take this CDR: it stays due, with what was answered."""
        async with self._database.transaction() as session:
            row = await session.get(DueRow, (str(due.creditor), due.cdr_key))
            if row is not None:
                row.attempts, row.last_answer = row.attempts + 1, answer[:255]


_DUE_FOR = text(
    "select d.creditor, d.cdr_key, d.attempts, c.packed from due d join copy c on c.module || '' = 'cdrs' and c.audience || '' = '' "
    "and c.variant = '' and c.key = d.cdr_key and c.country_code || '/' || c.party_id = d.creditor "
    "where d.payer = :payer order by d.attempts, d.created_at, c.seq limit :most"
)
