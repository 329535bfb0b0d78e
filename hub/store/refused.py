"""What settlement makes of CDRs that were refused at the door: one finding for each, kept apart from those of accepted CDRs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hub.store.direct import Connection, Direct, Record
from hub.store.pack import unpack
from hub.store.verdicts import KeptFinding, keep_findings

SOURCE = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedCdr:
    """A refused CDR as it came first: who sent it (`caller`), the SHA-256 of its bytes, what it says of itself, and the answer (UTC)."""

    caller: str
    digest: bytes
    creditor: str
    cdr_key: str
    receiver: str
    status_code: int
    answer: str
    first_at: datetime
    text: bytes = field(repr=False)


class RefusedBook:
    """Refused CDRs that nobody has looked at, and what was found."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def waiting(self, most: int) -> list[RefusedCdr]:
        """Those that were never examined, the oldest first."""
        return [*map(_refused, await self._direct.fetch(_WAITING, most))]

    async def keep(self, found: Sequence[tuple[RefusedCdr, KeptFinding]], now: datetime) -> None:
        """Keep what was found of some; the same bytes from several callers are one finding."""
        async with self._direct.transaction() as connection:
            await keep_findings(connection, [finding for _, finding in found], now)
            for refused, finding in found:
                await _mark(connection, refused, (finding.key, now))

    async def clear_remedied(self, now: datetime) -> int:
        """Clear what was found of CDRs that came right afterwards, under the same id; returns how many."""
        async with self._direct.transaction() as connection:
            return len(await connection.fetch(_CLEAR_REMEDIED, now))


async def _mark(connection: Connection, refused: RefusedCdr, found: tuple[str, datetime]) -> None:
    await connection.execute(_MARK, refused.caller, refused.digest, *found)


def _refused(row: Record) -> RefusedCdr:
    return RefusedCdr(**{**row, "text": unpack(row["text"])})


_WAITING = (
    "select caller, digest, creditor, cdr_key, receiver, status_code, answer, first_at, packed as text from refused_cdr "
    "where examined_at is null order by last_at, digest, caller limit $1"
)
_MARK = "update refused_cdr set finding = $3, examined_at = $4 where caller = $1 and digest = $2"
_CLEAR_REMEDIED = (
    f"update finding set cleared_at = $1 where source = '{SOURCE}' and cleared_at is null and exists ("
    "select 1 from refused_cdr r join claim c on c.creditor = r.creditor and c.cdr_key = r.cdr_key "
    "where r.finding = finding.key and c.accepted_at >= r.last_at) returning key"
)
