"""Links with which the sides of a dispute take part in it without an account: their secrets are kept as SHA-256 only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.store.accounts import Deed, write_deed
from hub.store.direct import Direct, Record

LINKS_OF_DISPUTE_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLink:
    """A link: which side of which dispute it is for, who made it, and until when it is good (UTC).

    `opened_at` is when it was used first; `revoked_at` when somebody took it back.
    """

    id: int
    dispute: int
    side: str
    made_by: str
    made_at: datetime
    ends_at: datetime
    opened_at: datetime | None
    revoked_by: str
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLink:
    """A link to be kept; `digest` is the SHA-256 of its secret."""

    dispute: int
    side: str
    digest: bytes
    ends_at: datetime


class DisputeLinks:
    """The table of links."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def add(self, new: NewLink, deed: Deed, now: datetime) -> None:
        """Keep a link, and in the audit log who made it."""
        async with self._direct.transaction() as connection:
            await connection.execute(_ADD, new.dispute, new.side, new.digest, deed.actor, now, new.ends_at)
            await write_deed(connection, deed, now)

    async def of_dispute(self, dispute: int) -> list[KeptLink]:
        """The links of a dispute, the newest first."""
        rows = await self._direct.fetch(
            f"{_SELECT} where dispute = $1 order by id desc limit {LINKS_OF_DISPUTE_MAX}", dispute
        )
        return _kept(rows)

    async def of_secret(self, digest: bytes) -> KeptLink | None:
        """The link of a secret, good or not."""
        rows = _kept(await self._direct.fetch(f"{_SELECT} where digest = $1", digest))
        return rows[0] if rows else None

    async def note_opened(self, link: int, deed: Deed, now: datetime) -> None:
        """Note that a link is used; only the first time is written down."""
        async with self._direct.transaction() as connection:
            if await connection.fetch(_OPENED, link, now):
                await write_deed(connection, deed, now)

    async def revoke(self, dispute: int, link: int, deed: Deed, now: datetime) -> bool:
        """Take a link back; False where there is none of the dispute that could be."""
        async with self._direct.transaction() as connection:
            changed = await connection.fetch(_REVOKE, dispute, link, deed.actor, now)
            if changed:
                await write_deed(connection, deed, now)
            return bool(changed)


_SELECT = f"select {', '.join(KeptLink.__dataclass_fields__)} from dispute_link"
_ADD = (
    "insert into dispute_link (dispute, side, digest, made_by, made_at, ends_at, revoked_by) "
    "values ($1, $2, $3, $4, $5, $6, '')"
)
_OPENED = "update dispute_link set opened_at = $2 where id = $1 and opened_at is null returning id"
_REVOKE = (
    "update dispute_link set revoked_by = $3, revoked_at = $4 "
    "where dispute = $1 and id = $2 and revoked_at is null returning id"
)


def _kept(rows: Sequence[Record]) -> list[KeptLink]:
    return [KeptLink(**dict(row)) for row in rows]
