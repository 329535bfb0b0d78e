"""The operator's interface to the load of managed sites: what holds, what is measured, and who gets how much."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from hub.chargers.loads.tree import LIMIT_MAX_KW, BadLimits, Tree, read_tree
from hub.chargers.places import SiteBook
from hub.clock import Clock
from hub.store.chargeloads import ChargeLimits, KeptLimit, LimitKind
from hub.web.admin import admin_routes
from hub.web.asked import Asked
from ocpi_modules.errors import InvalidParameters, UnknownPath
from ocpi_modules.types import DateTime, decode_json

READING_LIFE_SECONDS = 900
READING_LIFE_MAX_SECONDS = 86_400
LIMIT_LIFE_MAX_DAYS = 31

Kilowatts = Annotated[Decimal, Field(ge=0, le=LIMIT_MAX_KW)]
SignedKilowatts = Annotated[Decimal, Field(ge=-LIMIT_MAX_KW, le=LIMIT_MAX_KW)]


class LimitAsked(Asked):
    """A limit for a while, of all phases together; it lowers what is provisioned and never raises it."""

    node: str
    limit_kw: Kilowatts
    until: DateTime


class ReadingAsked(Asked):
    """What meters say of a node now: the load besides charging, the production. It counts for `valid_seconds`."""

    node: str
    base_load_kw: SignedKilowatts | None = None
    pv_kw: Kilowatts | None = None
    valid_seconds: int = Field(READING_LIFE_SECONDS, ge=1, le=READING_LIFE_MAX_SECONDS)


class LimitShown(BaseModel):
    """A limit or a reading: `kind` is LIMIT, BASE_LOAD or PV. A reading stays when it is old: a load that was high still counts."""

    node: str
    kind: LimitKind
    watts: int
    set_at: DateTime
    until: DateTime | None
    is_old: bool


class LoadShown(BaseModel):
    """The load of a site. `nodes` and `evses` are what the last control step saw that differed from the one before (`seen_at`)."""

    site: str
    kept: list[LimitShown]
    seen_at: DateTime | None
    nodes: list[dict[str, Any]]
    evses: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class LoadDesk:
    """What the operator's requests are carried out with; `wake` lets control take its next step at once, where this process leads."""

    book: Callable[[], SiteBook]
    limits: ChargeLimits
    clock: Clock
    wake: Callable[[], None] = lambda: None

    async def show(self, site: str) -> LoadShown:
        """What holds at a site, and what is seen there. Raises UnknownPath (404)."""
        self.tree(site)
        return shown(site, await self.limits.of(site), self.clock.now())

    async def limit(self, site: str, asked: LimitAsked) -> LoadShown:
        """Limit a node for a while. Raises InvalidParameters for nodes that are not there and moments that are past or too far away."""
        now = self.clock.now()
        self._require_node(site, asked.node)
        if not now < asked.until <= now + timedelta(days=LIMIT_LIFE_MAX_DAYS):
            raise InvalidParameters(f"until: a moment to come, within {LIMIT_LIFE_MAX_DAYS} days")
        await self._keep(site, asked.node, LimitKind.LIMIT, (asked.limit_kw, asked.until))
        return await self.show(site)

    async def read(self, site: str, asked: ReadingAsked) -> LoadShown:
        """Take what meters say. Raises InvalidParameters for nodes that are not there."""
        self._require_node(site, asked.node)
        until = self.clock.now() + timedelta(seconds=asked.valid_seconds)
        for kind, kilowatts in ((LimitKind.BASE_LOAD, asked.base_load_kw), (LimitKind.PV, asked.pv_kw)):
            if kilowatts is not None:
                await self._keep(site, asked.node, kind, (kilowatts, until))
        return await self.show(site)

    async def lift(self, site: str, node: str) -> None:
        """Take a limit back before it ends. Raises UnknownPath (404)."""
        self.tree(site)
        if not await self.limits.end(site, node, LimitKind.LIMIT):
            raise UnknownPath("there is no such limit")
        self.wake()

    def tree(self, site: str) -> Tree:
        """The limits of a site. Raises UnknownPath (404) where nothing is managed."""
        found = self.book().sites.get(site)
        if found is None or found.limits is None:
            raise UnknownPath("there is no such site with limits")
        try:
            return read_tree(found.limits, tuple(found.evses))
        except BadLimits as bad:
            raise InvalidParameters(str(bad)) from bad

    def _require_node(self, site: str, node: str) -> None:
        if node not in self.tree(site).nodes:
            raise InvalidParameters(f"node: {node[:36]!r} is not a node of this site")

    async def _keep(self, site: str, node: str, kind: LimitKind, said: tuple[Decimal, datetime]) -> None:
        kilowatts, until = said
        value = int(kilowatts * 1000)
        kept = KeptLimit(node=node, kind=kind, value=value, set_at=self.clock.now(), until=until)
        await self.limits.set(site, kept)
        self.wake()


def loads_router(desk: LoadDesk, admin_token: str | None) -> APIRouter:
    """The routes under `/admin/sites/{site}/limits`, for the admin token only."""
    router = admin_routes(admin_token)

    @router.get("/sites/{site}/limits")
    async def show_limits(site: str) -> LoadShown:
        """What holds at a site, what meters say, and who gets how much."""
        return await desk.show(site)

    @router.put("/sites/{site}/limits")
    async def set_limit(site: str, asked: LimitAsked) -> LoadShown:
        """Limit a node for a while."""
        return await desk.limit(site, asked)

    @router.put("/sites/{site}/limits/readings")
    async def set_reading(site: str, asked: ReadingAsked) -> LoadShown:
        """Say what meters of a node show."""
        return await desk.read(site, asked)

    @router.delete("/sites/{site}/limits/{node}", status_code=204)
    async def lift_limit(site: str, node: str) -> None:
        """Take a limit back before it ends."""
        await desk.lift(site, node)

    return router


def shown(site: str, rows: list[KeptLimit], now: datetime) -> LoadShown:
    """What is kept of a site as the operator sees it; limits that are over are left out."""
    seen = next((row for row in rows if row.kind is LimitKind.SEEN), None)
    content = decode_json(seen.content.encode()) if seen else {"nodes": [], "evses": []}
    return LoadShown(
        site=site,
        kept=[show_limit(row, now) for row in rows if _counts(row, now)],
        seen_at=seen.set_at if seen else None,
        nodes=content["nodes"],
        evses=content["evses"],
    )


def show_limit(row: KeptLimit, now: datetime) -> LimitShown:
    """One limit or reading."""
    return LimitShown(
        node=row.node,
        kind=row.kind,
        watts=row.value,
        set_at=row.set_at,
        until=row.until,
        is_old=_is_over(row, now),
    )


def _counts(row: KeptLimit, now: datetime) -> bool:
    if row.kind is LimitKind.LIMIT:
        return not _is_over(row, now)
    return row.kind in {LimitKind.BASE_LOAD, LimitKind.PV}


def _is_over(row: KeptLimit, now: datetime) -> bool:
    return row.until is not None and row.until <= now
