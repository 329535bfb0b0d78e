"""The operator's interface to charges at local stations: a look at them, and decisions about those that were kept back.

A charge is QUARANTINED where what its station said cannot be, or says two things (`flags`). It is billed when somebody releases it, with
the energy that was proposed or with another one; or it is never billed. Who decided, and why, stays among its flags.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hub.chargers.billing import cdr_id
from hub.chargers.chargedesk import ChargeDesk
from hub.chargers.closing import Decision, NotQuarantined
from hub.store.charges import (
    CHARGE_SORTS,
    CHARGES_NEWEST_FIRST,
    PAGE_MAX_ROWS,
    Charge,
    Charges,
    ChargesAsked,
    ChargeState,
)
from hub.web.admin import admin_routes
from hub.web.asked import Asked
from hub.web.decisions import CONFLICT, read_place
from hub.web.listing import PAGE_ROWS, Actor, After, Filters, Limit, Page, Text, asked_order, page_of, placed_page
from ocpi_modules.errors import ClientFault, UnknownPath
from ocpi_modules.types import INT_MAX, DateTime, String

REASON_MAX_CHARACTERS = 120
CORRECTED_MAX_KWH = 10_000
WH_PER_KWH = 1000
DECIMALS_MAX = 4


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty: a decision has a reason")
    return text.strip()


ChargeNumber = Annotated[int, Path(ge=1, le=INT_MAX)]
Reason = Annotated[str, String(REASON_MAX_CHARACTERS), AfterValidator(_said)]


ChargeSort = Literal["number", "-number", "started", "-started", "energy", "-energy"]


class ChargeFilters(Filters):
    """Which charges are wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: ChargeState | None = None
    station: Text | None = None
    site: Text | None = None
    evse_uid: Text | None = None
    sort: ChargeSort | None = None

    def asked(self) -> ChargesAsked:
        """The same for the store. Raises InvalidParameters for a cursor that is none."""
        order, after = asked_order(CHARGE_SORTS, self, CHARGES_NEWEST_FIRST)
        return ChargesAsked(
            state=self.state,
            identity=self.station,
            site=self.site,
            evse_uid=self.evse_uid,
            order=order,
            after=after,
        )


class ChargeDecisionAsked(Asked):
    """Who decides, and why."""

    actor: Actor
    reason: Reason


class ReleaseAsked(ChargeDecisionAsked):
    """A release; `energy_kwh`: what is to be billed, where it is not what was proposed."""

    energy_kwh: Annotated[Decimal, Field(ge=0, le=CORRECTED_MAX_KWH, decimal_places=DECIMALS_MAX)] | None = None


class ChargeShown(BaseModel):
    """A charge. `energy_kwh`: what was taken; of one that is QUARANTINED what is proposed. `flags`: what is odd about it, and decisions.

    `corrected_kwh`: what somebody released it with. `cdr_id`: of its CDR, null where none is made; `is_cdr_told`: whether it is on its way.
    """

    number: int
    state: ChargeState
    station: str
    evse: int
    connector: int
    location_id: str
    evse_uid: str
    connector_id: str
    session_id: str
    id_token: str
    started_at: DateTime
    ended_at: DateTime | None
    energy_kwh: Decimal
    meter_start_wh: Decimal | None
    meter_end_wh: Decimal | None
    corrected_kwh: Decimal | None
    stop_reason: str
    flags: list[str]
    cdr_id: str | None
    is_cdr_told: bool


@dataclass(frozen=True, slots=True)
class ChargesDesk:
    """What requests about charges are carried out with."""

    charges: Charges
    desk: ChargeDesk

    async def page(self, state: ChargeState | None, before: int, limit: int) -> Page[ChargeShown]:
        """A page of charges, the newest first."""
        found = await self.charges.page(state, before, min(limit, PAGE_MAX_ROWS) + 1)
        return page_of(found, min(limit, PAGE_MAX_ROWS), show_charge, lambda one: (str(one.number),))

    async def listed(self, filters: ChargeFilters) -> Page[ChargeShown]:
        """A page of charges in the order that is asked for."""
        asked = filters.asked()
        return placed_page(await self.charges.listed(asked, filters.limit + 1), filters.limit, show_charge, asked.order)

    async def one(self, number: int) -> ChargeShown:
        """A charge. Raises UnknownPath (404)."""
        return _shown(await self.charges.one(number))

    async def release(self, number: int, asked: ReleaseAsked) -> ChargeShown:
        """Let a charge be billed. Raises UnknownPath (404), and ClientFault (409) where it was not kept back."""
        energy = None if asked.energy_kwh is None else asked.energy_kwh * WH_PER_KWH
        decision = Decision(actor=asked.actor, reason=asked.reason, energy_wh=energy)
        try:
            return _shown(await self.desk.release(number, decision))
        except NotQuarantined as refused:
            raise ClientFault(str(refused), http_status=CONFLICT) from refused

    async def drop(self, number: int, asked: ChargeDecisionAsked) -> ChargeShown:
        """Never bill a charge. Raises UnknownPath (404), and ClientFault (409) where it was not kept back."""
        try:
            return _shown(await self.desk.drop(number, Decision(actor=asked.actor, reason=asked.reason)))
        except NotQuarantined as refused:
            raise ClientFault(str(refused), http_status=CONFLICT) from refused

    async def close(self, number: int, asked: ChargeDecisionAsked) -> ChargeShown:
        """Close a charge that runs. Raises UnknownPath (404), and ClientFault (409) where it is over."""
        try:
            return _shown(await self.desk.close(number, Decision(actor=asked.actor, reason=asked.reason)))
        except NotQuarantined as refused:
            raise ClientFault(str(refused), http_status=CONFLICT) from refused


def charges_router(desk: ChargesDesk, admin_token: str | None) -> APIRouter:
    """The routes under `/admin/charges`, open to the admin token only."""
    router = admin_routes(admin_token)
    _add_looks(router, desk)
    _add_decisions(router, desk)
    return router


def _add_looks(router: APIRouter, desk: ChargesDesk) -> None:
    @router.get("/charges")
    async def list_charges(
        state: ChargeState | None = None, after: After = None, limit: Limit = PAGE_ROWS
    ) -> Page[ChargeShown]:
        """Charges at local stations, the newest first; of one state where it is named."""
        return await desk.page(state, read_place(after) or 0, limit)

    @router.get("/charges/{number}")
    async def show(number: ChargeNumber) -> ChargeShown:
        """One charge."""
        return await desk.one(number)


def _add_decisions(router: APIRouter, desk: ChargesDesk) -> None:
    @router.post("/charges/{number}/release")
    async def release(number: ChargeNumber, asked: ReleaseAsked) -> ChargeShown:
        """Let a charge that was kept back be billed; its CDR is made at once, unless it still cannot be priced."""
        return await desk.release(number, asked)

    @router.post("/charges/{number}/drop")
    async def drop(number: ChargeNumber, asked: ChargeDecisionAsked) -> ChargeShown:
        """Never bill a charge that was kept back."""
        return await desk.drop(number, asked)

    @router.post("/charges/{number}/close")
    async def close(number: ChargeNumber, asked: ChargeDecisionAsked) -> ChargeShown:
        """Close a charge that runs and whose station will say no more; it is kept back then, for a decision."""
        return await desk.close(number, asked)


def _shown(charge: Charge | None) -> ChargeShown:
    if charge is None:
        raise UnknownPath("there is no such charge")
    return show_charge(charge)


def show_charge(charge: Charge) -> ChargeShown:
    """A charge as it is shown."""
    return ChargeShown(
        number=charge.number,
        state=ChargeState(charge.state),
        station=charge.identity,
        evse=charge.evse,
        connector=charge.connector,
        location_id=charge.site,
        evse_uid=charge.evse_uid,
        connector_id=charge.connector_id,
        session_id=charge.session_id,
        id_token=charge.id_token,
        started_at=charge.started_at,
        ended_at=charge.ended_at,
        energy_kwh=charge.energy_wh / WH_PER_KWH,
        meter_start_wh=charge.meter_start_wh,
        meter_end_wh=charge.meter_end_wh,
        corrected_kwh=None if charge.corrected_wh is None else charge.corrected_wh / WH_PER_KWH,
        stop_reason=charge.stop_reason,
        flags=charge.flags.splitlines(),
        cdr_id=None if charge.cdr is None else cdr_id(charge),
        is_cdr_told=charge.is_cdr_told,
    )
