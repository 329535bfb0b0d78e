"""CDRs that were refused at the door: kept as received, so that clearing staff can see what a party tried to bill.

The same bytes of the same caller are one row, however often they come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from sqlalchemy import text
from sqlmodel import col, select

from hub.store.database import Database, execute
from hub.store.pack import pack
from hub.store.tables import RefusedCdrRow
from ocpi_modules.parties import Party
from ocpi_modules.types import fold

NAME_MAX_CHARACTERS = 255
ANSWER_MAX_CHARACTERS = 500
LISTED_MAX_CDRS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A CDR and the answer that it got: `owner` and `object_id` as it says, `receiver` as its headers do."""

    caller: str
    owner: Party | None
    object_id: str
    receiver: Party | None
    text: bytes = field(repr=False)
    status_code: int
    answer: str | None


class Refusals:
    """The table of refused CDRs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, refusal: Refusal, now: datetime) -> None:
        """Keep a refused CDR, or count it once more; the answer is that of the last time."""
        values = {
            "caller": refusal.caller,
            "digest": sha256(refusal.text).digest(),
            "creditor": str(refusal.owner or ""),
            "cdr_key": _readable(fold(refusal.object_id))[:NAME_MAX_CHARACTERS],
            "receiver": str(refusal.receiver or ""),
            "packed": pack(refusal.text),
            "status_code": refusal.status_code,
            "answer": _readable(refusal.answer or "")[:ANSWER_MAX_CHARACTERS],
            "now": now,
        }
        async with self._database.transaction() as session:
            (row,) = await execute(session, _KEEP, values)
            if row.times > 1:
                await execute(session, _REPEATED, {"feed": values["creditor"], "now": now})

    async def count_repeated(self, owner: Party, now: datetime) -> None:
        """Count that a CDR came which the hub has already."""
        async with self._database.transaction() as session:
            await execute(session, _REPEATED, {"feed": str(owner), "now": now})

    async def load(self, before: datetime | None = None) -> Sequence[RefusedCdrRow]:
        """Refused CDRs, the last ones first; those last seen before a moment where one is given. LISTED_MAX_CDRS at most."""
        statement = select(RefusedCdrRow).order_by(col(RefusedCdrRow.last_at).desc(), col(RefusedCdrRow.digest))
        if before is not None:
            statement = statement.where(col(RefusedCdrRow.last_at) < before)
        async with self._database.transaction() as session:
            return (await session.exec(statement.limit(LISTED_MAX_CDRS))).all()


_KEEP = text(
    "insert into refused_cdr (caller, digest, creditor, cdr_key, receiver, packed, status_code, answer, first_at, last_at, times) "
    "values (:caller, :digest, :creditor, :cdr_key, :receiver, :packed, :status_code, :answer, :now, :now, 1) "
    "on conflict (caller, digest) do update set status_code = excluded.status_code, answer = excluded.answer, "
    "last_at = excluded.last_at, times = refused_cdr.times + 1 returning times"
)

_REPEATED = text(
    "insert into repeated_cdr (feed, day, times) values (:feed, (cast(:now as timestamptz) at time zone 'UTC')::date, 1) "
    "on conflict (feed, day) do update set times = repeated_cdr.times + 1"
)


def _readable(text: str) -> str:
    """A text without what PostgreSQL cannot keep."""
    return text.replace("\x00", "")
