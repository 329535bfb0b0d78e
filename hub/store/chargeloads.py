"""What load management keeps: limits in force, what meters say, fall-backs that are installed in stations, and what the last step saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hub.store.direct import Direct

DWELLS_MAX = 500
ROWS_MAX = 5_000


class LimitKind(StrEnum):
    """What a row says. Values are in W, of a fall-back in tenths of an ampere per phase."""

    LIMIT = "LIMIT"
    BASE_LOAD = "BASE_LOAD"
    PV = "PV"
    FALLBACK = "FALLBACK"
    SEEN = "SEEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLimit:
    """What is said of a node of a site, or of an EVSE, and until when it counts (UTC; None: for good)."""

    node: str
    kind: LimitKind
    value: int
    set_at: datetime
    until: datetime | None
    content: str = ""


class ChargeLimits:
    """The table of limits."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def of(self, site: str) -> list[KeptLimit]:
        """All of a site, expired ones too: the last reading of a load still counts where it is high."""
        rows = await self._direct.fetch(_OF, site, ROWS_MAX)
        return [
            KeptLimit(
                node=row["node"],
                kind=LimitKind(row["kind"]),
                value=row["value"],
                set_at=row["set_at"],
                until=row["until"],
                content=row["content"],
            )
            for row in rows
        ]

    async def set(self, site: str, kept: KeptLimit) -> None:
        """Put it in the place of what was said before; an older word does not replace a newer one."""
        values = (kept.node, kept.kind.value, kept.value, kept.content, kept.set_at, kept.until)
        await self._direct.execute(_SET, site, *values)

    async def end(self, site: str, node: str, kind: LimitKind) -> bool:
        """Take it back; whether there was one."""
        return bool(await self._direct.fetch(_END, site, node, kind.value))

    async def dwells_seconds(self, site: str) -> Sequence[float]:
        """How long the last cars stayed at a site, DWELLS_MAX at most."""
        return [float(row["stayed"]) for row in await self._direct.fetch(_DWELLS, site, DWELLS_MAX)]


_OF = "select node, kind, value, content, set_at, until from charge_limit where site = $1 order by node, kind limit $2"

_SET = (
    "insert into charge_limit (site, node, kind, value, content, set_at, until) values ($1, $2, $3, $4, $5, $6, $7) "
    "on conflict (site, node, kind) do update set value = excluded.value, content = excluded.content, "
    "set_at = excluded.set_at, until = excluded.until where charge_limit.set_at <= excluded.set_at"
)

_END = "delete from charge_limit where site = $1 and node = $2 and kind = $3 returning node"

_DWELLS = (
    "select extract(epoch from ended_at - started_at) as stayed from charge "
    "where site = $1 and ended_at > started_at order by number desc limit $2"
)
