"""Limits, readings and fall-backs as control reads and writes them: the store's rows as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hub.chargers.loads.tree import LimitEvent, Now, Reading
from hub.clock import Clock
from hub.store.chargeloads import ChargeLimits, KeptLimit, LimitKind

FOR_GOOD = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class KeptLimits:
    """The `Limits` of `hub.chargers.loads.control` over the table."""

    rows: ChargeLimits
    clock: Clock
    _shown: dict[str, str] = field(default_factory=dict)

    async def load(self, site: str, at: datetime) -> Now:
        """What counts at a moment."""
        return read_now(await self.rows.of(site), at)

    async def fallbacks(self, site: str) -> Mapping[str, int]:
        """What is installed in EVSEs."""
        return {row.node: row.value for row in await self.rows.of(site) if row.kind is LimitKind.FALLBACK}

    async def keep_fallback(self, site: str, evse_uid: str, tenths: int) -> None:
        """What is installed in an EVSE from now on."""
        now = self.clock.now()
        row = KeptLimit(node=evse_uid, kind=LimitKind.FALLBACK, value=tenths, set_at=now, until=None)
        await self.rows.set(site, row)

    async def dwells_seconds(self, site: str) -> Sequence[float]:
        """How long the last cars stayed."""
        return await self.rows.dwells_seconds(site)

    async def show(self, site: str, at: datetime, text: str) -> None:
        """What a step saw; written where it changed."""
        if self._shown.get(site) != text:
            row = KeptLimit(node="", kind=LimitKind.SEEN, value=0, set_at=at, until=None, content=text)
            await self.rows.set(site, row)
            self._shown[site] = text


def read_now(rows: Iterable[KeptLimit], at: datetime) -> Now:
    """The rows as what counts at a moment."""
    kept = list(rows)
    return Now(
        at,
        limits=tuple(LimitEvent(row.node, row.value, _until(row)) for row in kept if row.kind is LimitKind.LIMIT),
        base_loads=_readings(kept, LimitKind.BASE_LOAD),
        pv=_readings(kept, LimitKind.PV),
    )


def _readings(rows: Iterable[KeptLimit], kind: LimitKind) -> tuple[Reading, ...]:
    return tuple(Reading(row.node, row.value, _until(row)) for row in rows if row.kind is kind)


def _until(row: KeptLimit) -> datetime:
    return row.until or FOR_GOOD
