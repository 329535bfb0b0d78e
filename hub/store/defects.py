"""How often an owner's objects were not what they should be: a count for each kind of defect, and the object that showed it last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlmodel import col, select

from hub.store.database import Database, execute
from hub.store.tables import DefectRow
from ocpi_modules.parties import Party

LISTED_MAX_DEFECTS = 1000


@dataclass(frozen=True, slots=True)
class Seen:
    """One object with defects: whose, of which module, its id, what is wrong, and whether it was kept all the same."""

    owner: Party
    module_id: str
    object_id: str
    defects: tuple[str, ...]
    is_kept: bool


class Defects:
    """The defect table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, seen: Seen, now: datetime) -> None:
        """Add one object to the counts of each of its defects."""
        rows = [_values(seen, defect, now) for defect in sorted(seen.defects)]
        if rows:
            async with self._database.transaction() as session:
                await execute(session, _COUNT, rows)

    async def load(self, owner: Party | None = None) -> Sequence[DefectRow]:
        """The counts, of one owner or of all, the most frequent first; LISTED_MAX_DEFECTS at most."""
        statement = select(DefectRow).order_by(
            (col(DefectRow.kept) + col(DefectRow.refused)).desc(), col(DefectRow.owner), col(DefectRow.defect)
        )
        if owner is not None:
            statement = statement.where(col(DefectRow.owner) == str(owner))
        async with self._database.transaction() as session:
            return (await session.exec(statement.limit(LISTED_MAX_DEFECTS))).all()


_COUNT = text(
    "insert into defect (owner, module, defect, kept, refused, last_id, last_at) "
    "values (:owner, :module, :defect, :kept, :refused, :last_id, :last_at) "
    "on conflict (owner, module, defect) do update set kept = defect.kept + excluded.kept, "
    "refused = defect.refused + excluded.refused, last_id = excluded.last_id, last_at = excluded.last_at"
)


def _values(seen: Seen, defect: str, now: datetime) -> dict[str, object]:
    return {
        "owner": str(seen.owner),
        "module": seen.module_id,
        "defect": defect,
        "kept": int(seen.is_kept),
        "refused": int(not seen.is_kept),
        "last_id": seen.object_id,
        "last_at": now,
    }
