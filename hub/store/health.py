"""How the database is (what it is, how large, how busy), and what waits in it for settlement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.store.decisions import IS_WAITING
from hub.store.direct import Direct


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseState:
    """The server's version, the size of our database in bytes, and how many connections to it there are of how many."""

    version: str
    size_bytes: int
    connections: int
    connections_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """CDRs that wait to be examined, since when the oldest does (UTC), and decisions that wait for a second person."""

    cdrs: int
    oldest_at: datetime | None
    decisions: int


class DatabaseHealth:
    """Asks the database about itself."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def look(self) -> DatabaseState:
        """As it is now."""
        (row,) = await self._direct.fetch(_LOOK)
        return DatabaseState(**row)

    async def backlog(self) -> Backlog:
        """What waits now."""
        (row,) = await self._direct.fetch(_BACKLOG)
        return Backlog(**row)


_LOOK = (
    "select current_setting('server_version') as version, pg_database_size(current_database()) as size_bytes, "
    "(select count(*) from pg_stat_activity where datname = current_database()) as connections, "
    "current_setting('max_connections')::int as connections_max"
)
_BACKLOG = (
    "select count(*) as cdrs, min(accepted_at) as oldest_at, "
    f"(select count(*) from decision where {IS_WAITING}) as decisions "
    "from claim where examined_at is null"
)
