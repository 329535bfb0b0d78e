"""The operator's interface to a partner's software: its quirks, what a probe saw, what is pulled from it, and its defects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fastapi import APIRouter
from pydantic import BaseModel

from hub.partners.directory import Partner
from hub.partners.probe import Prober, Report
from hub.partners.quirks import Quirks, write_quirks
from hub.partners.roster import Roster
from hub.routing.pulling import PULLED
from hub.store.defects import Defects
from hub.store.partners import Partners
from hub.store.pulls import PullMode, Pulls
from hub.store.tables import DefectRow, PullRow
from hub.web.admin import admin_routes, registered
from hub.web.asked import Asked
from ocpi_modules.catalog import MODULES
from ocpi_modules.errors import InvalidParameters, UnknownPath
from ocpi_modules.module import Interface, Module
from ocpi_modules.parties import Party
from ocpi_modules.types import DateTime


class PullAsked(Asked):
    """When a module is to be pulled."""

    mode: PullMode


class PullShown(BaseModel):
    """How a module is pulled: when the last complete pull and crawl began, and what became of the last attempt (`said`: why it failed)."""

    module: str
    mode: PullMode
    is_offered: bool
    synced_at: DateTime | None = None
    crawled_at: DateTime | None = None
    tried_at: DateTime | None = None
    objects: int = 0
    refused: int = 0
    said: str = ""


class DefectShown(BaseModel):
    """How many objects of an owner had one kind of defect: kept all the same (lenient), or refused; and the last of them."""

    owner: str
    module: str
    defect: str
    kept: int
    refused: int
    last_id: str
    last_at: DateTime


@dataclass(frozen=True, slots=True)
class UpkeepDesk:
    """What the operator's requests are carried out with."""

    partners: Partners
    roster: Roster
    prober: Prober
    pulls: Pulls
    pull: Callable[[Partner, Module], None]
    defects: Defects

    def partner(self, partner_id: int) -> Partner:
        """A registered partner. Raises UnknownPath (404)."""
        return registered(self.roster.directory, partner_id)

    async def set_quirks(self, partner_id: int, quirks: Quirks) -> Quirks:
        """Replace the quirks of a partner; they count at once. Raises InvalidParameters for a part of this hub."""
        if self.partner(partner_id).is_local:
            raise InvalidParameters("local chargers are a part of this hub: they speak as it does")
        await self.partners.set_quirks(partner_id, write_quirks(quirks))
        await self.roster.refresh()
        return self.partner(partner_id).quirks

    async def report(self, partner_id: int) -> Report:
        """What the last probe saw. Raises UnknownPath (404) when there was none."""
        self.partner(partner_id)
        text = await self.partners.report(partner_id)
        if text is None:
            raise UnknownPath("this partner was not probed yet")
        return Report.model_validate_json(text)

    async def show_pulls(self, partner_id: int) -> list[PullShown]:
        """Every module that can be pulled."""
        partner = self.partner(partner_id)
        rows = {row.module: row for row in await self.pulls.load(partner_id)}
        return [show_pull(partner, module, rows.get(module.id)) for module in PULLED]

    async def set_mode(self, partner_id: int, module_id: str, mode: PullMode) -> PullShown:
        """Choose when a module is pulled."""
        partner, module = self.partner(partner_id), pulled_module(module_id)
        await self.pulls.set_mode(partner.id, module.id, mode)
        return next(shown for shown in await self.show_pulls(partner_id) if shown.module == module.id)

    def pull_now(self, partner_id: int, module_id: str) -> None:
        """Begin to read the list of a module."""
        self.pull(self.partner(partner_id), pulled_module(module_id))


def upkeep_router(desk: UpkeepDesk, admin_token: str | None) -> APIRouter:
    """The routes under `/admin` that concern a partner's software, for the admin token only."""
    router = admin_routes(admin_token)
    _add_quirks(router, desk)
    _add_pulls(router, desk)
    return router


def _add_quirks(router: APIRouter, desk: UpkeepDesk) -> None:
    @router.get("/partners/{partner_id}/quirks")
    async def show_quirks(partner_id: int) -> Quirks:
        """How a partner's software departs from the specification."""
        return desk.partner(partner_id).quirks

    @router.put("/partners/{partner_id}/quirks")
    async def set_quirks(partner_id: int, quirks: Quirks) -> Quirks:
        """Say how a partner's software departs; what is left out is as specified."""
        return await desk.set_quirks(partner_id, quirks)

    @router.get("/partners/{partner_id}/probe")
    async def show_report(partner_id: int) -> Report:
        """What the last probe of a partner saw."""
        return await desk.report(partner_id)

    @router.post("/partners/{partner_id}/probe")
    async def probe(partner_id: int) -> Report:
        """Probe a partner thoroughly, now; this can take a while."""
        return await desk.prober.examine(desk.partner(partner_id), is_thorough=True)

    @router.get("/defects")
    async def list_defects(owner: str | None = None) -> list[DefectShown]:
        """How often objects were not valid, by owner (`?owner=DE/ABC` for one) and kind, the most frequent first."""
        return show_defects(await desk.defects.load(read_owner(owner)))


def _add_pulls(router: APIRouter, desk: UpkeepDesk) -> None:
    @router.get("/partners/{partner_id}/pulls")
    async def list_pulls(partner_id: int) -> list[PullShown]:
        """When and how the modules of a partner are pulled."""
        return await desk.show_pulls(partner_id)

    @router.patch("/partners/{partner_id}/pulls/{module_id}")
    async def set_pull(partner_id: int, module_id: str, asked: PullAsked) -> PullShown:
        """Choose when a module is pulled: never, after-gap, schedule."""
        return await desk.set_mode(partner_id, module_id, asked.mode)

    @router.post("/partners/{partner_id}/pulls/{module_id}", status_code=202)
    async def pull_now(partner_id: int, module_id: str) -> None:
        """Read the list of a module now, in the background: locations and tariffs whole, others from the last sync on."""
        desk.pull_now(partner_id, module_id)


def read_owner(text: str | None) -> Party | None:
    """The party of a query parameter, None where there is none. Raises InvalidParameters for anything else."""
    try:
        return Party.parse(text) if text else None
    except ValueError as exc:
        raise InvalidParameters(f"owner: {exc}") from exc


def pulled_module(module_id: str) -> Module:
    """A module that can be pulled. Raises UnknownPath (404)."""
    if module_id not in {module.id for module in PULLED}:
        raise UnknownPath("this module is not pulled")
    return MODULES[module_id]


def show_pull(partner: Partner, module: Module, row: PullRow | None) -> PullShown:
    """A module of a partner as the operator sees it."""
    is_offered = partner.endpoint(module, Interface.SENDER) is not None
    if row is None:
        return PullShown(module=module.id, mode=PullMode.AFTER_GAP, is_offered=is_offered)
    return PullShown(
        module=module.id,
        mode=PullMode(row.mode),
        is_offered=is_offered,
        synced_at=row.synced_at,
        crawled_at=row.crawled_at,
        tried_at=row.tried_at,
        objects=row.objects,
        refused=row.refused,
        said=row.said,
    )


def show_defects(rows: Iterable[DefectRow]) -> list[DefectShown]:
    """The counts as the operator sees them."""
    return [DefectShown.model_validate(row, from_attributes=True) for row in rows]
