"""The settlement desk's interface to periods: their steps from open to sealed, what is netted, and the seals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict

from hub.clock import Clock
from hub.settlement.closing import Count, Item
from hub.settlement.engine.closing import Closing, PeriodCounts, PeriodHead
from hub.settlement.engine.settler import read_period
from hub.settlement.periods import Period, State
from hub.store.closing import ClosingBook, KeptSeal
from hub.store.statements import StepMade
from hub.web.asked import Asked
from hub.web.listing import (
    PAGE_ROWS,
    Actor,
    After,
    Limit,
    Page,
    page_of,
    read_cursor,
    read_moment,
    read_parts,
    settlement_routes,
)
from hub.web.told import Money, told
from ocpi_modules.errors import UnknownPath
from ocpi_modules.types import Bool, DateTime, decode_json

PERIOD_MAX_CHARACTERS = 20

PeriodId = Annotated[str, Path(max_length=PERIOD_MAX_CHARACTERS, examples=["2026-10"])]


# --- what is asked ---


class StepAsked(Asked):
    """Who takes a step."""

    model_config = ConfigDict(json_schema_extra={"example": {"actor": "Ines"}})

    actor: Actor


class CutOffAsked(Asked):
    """Who cuts a period off; `before_end` has to be said where the period has not ended yet."""

    model_config = ConfigDict(json_schema_extra={"example": {"actor": "Ines", "before_end": False}})

    actor: Actor
    before_end: Bool = False


# --- what is answered ---


class PeriodShown(BaseModel):
    """A period and how far it is: open, cut_off, advised, netted, closed, sealed.

    `closes_in_seconds` counts down to its cut-off, null when that was; `closed_by` names who closed it, one while a second one is missing.
    """

    id: str
    starts_at: DateTime
    ends_at: DateTime
    closes_at: DateTime
    closes_in_seconds: int | None
    state: State
    closed_by: str


class StepShown(BaseModel):
    """A step that was taken; without `actor` the hub took it by itself."""

    step: str
    actor: str
    made_at: DateTime


class ItemShown(BaseModel):
    """A line of the checklist: what has to be so before the period is closed, whether it is, and how things stand."""

    name: str
    is_met: bool
    sentence: str


class CountShown(BaseModel):
    """How many CDRs, and what they claim without VAT."""

    cdrs: int
    excl_vat: Money


class CountsShown(BaseModel):
    """The checklist of a period, what came in (`IN`) and what became of it by currency."""

    checklist: list[ItemShown]
    totals: dict[str, dict[str, CountShown]]


class StepsShown(PeriodShown):
    """A period with the steps that were taken."""

    steps: list[StepShown]


class PeriodDetail(StepsShown, CountsShown):
    """A period with its checklist, what came in (`IN`) and what became of it by currency, and its steps."""


class SealShown(BaseModel):
    """A seal: its root, that of the period before (null on the first one), and the key that it was signed with, in hexadecimal digits."""

    period: str
    root: str
    previous: str | None
    leaves: int
    sealed_at: DateTime
    public_key: str
    signature: str


class SealsShown(Page[SealShown]):
    """A page of seals, and the key that this hub signs with now."""

    public_key: str


class CheckShown(BaseModel):
    """What the books say that is not under the seal; no fault means that all is as it was sealed."""

    faults: list[str]


@dataclass(frozen=True, slots=True)
class PeriodsDesk:
    """What requests about periods are carried out with."""

    closing: Closing
    book: ClosingBook
    clock: Clock

    async def page(self, after: str | None, limit: int) -> Page[PeriodShown]:
        """Periods, the newest first."""
        place = read_parts(read_cursor(after, 1), lambda parts: parts[0])
        kept = await self.book.page(place, limit + 1)
        return page_of(kept, limit, lambda one: self._shown(read_period(one), one.closed_by), lambda one: (one.id,))

    async def detail(self, period_id: str) -> PeriodDetail:
        """One period."""
        with told():
            view = await self.closing.view(period_id)
        return PeriodDetail(**self.show(view.head).model_dump(), **show_counts(view.counts).model_dump())

    async def head(self, period_id: str) -> PeriodHead:
        """One period without what has to be added up. Raises UnknownPath (404)."""
        with told():
            return await self.closing.head(period_id)

    def show(self, head: PeriodHead) -> StepsShown:
        """A period with its steps."""
        return StepsShown(**self._shown(head.period, head.closed_by).model_dump(), steps=[*map(_show_step, head.steps)])

    async def seals(self, after: str | None, limit: int) -> SealsShown:
        """Seals, the newest first."""
        place: datetime | None = read_parts(read_cursor(after, 1), lambda parts: read_moment(parts[0]))
        kept = await self.book.seals(place, limit + 1)
        page = page_of(kept, limit, show_seal, lambda one: (one.sealed_at.isoformat(),))
        return SealsShown(**page.model_dump(), public_key=self.closing.signer.public_key)

    async def seal_file(self, period_id: str) -> bytes:
        """The file of a seal. Raises UnknownPath (404)."""
        seal = await self.book.seal(period_id)
        if seal is None:
            raise UnknownPath("this period is not sealed")
        return seal.content.encode()

    def _shown(self, period: Period, closed_by: str) -> PeriodShown:
        left = int((period.closes_at - self.clock.now()).total_seconds())
        return PeriodShown(
            id=period.id,
            starts_at=period.start,
            ends_at=period.end,
            closes_at=period.closes_at,
            closes_in_seconds=max(left, 0) if period.takes_cdrs else None,
            state=period.state,
            closed_by=closed_by,
        )


def periods_router(desk: PeriodsDesk, admin_token: str | None) -> APIRouter:
    """The routes of periods under `/settlement`, for the admin token only."""
    router = settlement_routes(admin_token)
    _add_periods(router, desk)
    _add_steps(router, desk)
    _add_seals(router, desk)
    return router


def _add_periods(router: APIRouter, desk: PeriodsDesk) -> None:
    @router.get("/periods")
    async def list_periods(after: After = None, limit: Limit = PAGE_ROWS) -> Page[PeriodShown]:
        """Periods and how far they are, the newest first."""
        return await desk.page(after, limit)

    @router.get("/periods/{period_id}")
    async def show_period(period_id: PeriodId) -> PeriodDetail:
        """One period: state, countdown, checklist, totals and who took which step."""
        return await desk.detail(period_id)

    @router.get("/net", openapi_extra=NET_ANSWER)
    async def show_net(period: Annotated[str, Query(max_length=PERIOD_MAX_CHARACTERS)]) -> dict[str, Any]:
        """Positions, what is owed within pairs, and transfers of a period; `is_final` is false while they are what they would be now."""
        with told():
            return await desk.closing.net_of(period)


def _add_steps(router: APIRouter, desk: PeriodsDesk) -> None:
    @router.post("/periods/{period_id}/cut-off")
    async def cut_off(period_id: PeriodId, asked: CutOffAsked) -> PeriodDetail:
        """CDRs count in the next period from now on. At `closes_at` the hub does this by itself."""
        with told():
            await desk.closing.cut_off(period_id, asked.actor, is_early=asked.before_end)
        return await desk.detail(period_id)

    @router.post("/periods/{period_id}/draft")
    async def draft(period_id: PeriodId, asked: StepAsked) -> PeriodDetail:
        """Draft the statements over the books as they are now; a draft whose lines changed supersedes the one before."""
        with told():
            await desk.closing.draft(period_id, asked.actor)
        return await desk.detail(period_id)

    @router.post("/periods/{period_id}/advise")
    async def advise(period_id: PeriodId, asked: StepAsked) -> PeriodDetail:
        """Advise the drafts: they never change, and what they hold is billed."""
        with told():
            await desk.closing.advise(period_id, asked.actor)
        return await desk.detail(period_id)

    @router.post("/periods/{period_id}/net")
    async def net(period_id: PeriodId, asked: StepAsked) -> PeriodDetail:
        """Net what is billed and not disputed, by what each pair agreed."""
        with told():
            await desk.closing.net(period_id, asked.actor)
        return await desk.detail(period_id)

    @router.post("/periods/{period_id}/close")
    async def close(period_id: PeriodId, asked: StepAsked) -> PeriodDetail:
        """Close a period whose checklist is met; the second of two different people does."""
        with told():
            await desk.closing.close(period_id, asked.actor)
        return await desk.detail(period_id)

    @router.post("/periods/{period_id}/seal")
    async def seal(period_id: PeriodId, asked: StepAsked) -> SealShown:
        """Seal a closed period: one root over all of it, chained to the one before, signed."""
        with told():
            return show_seal(await desk.closing.seal(period_id, asked.actor))


def _add_seals(router: APIRouter, desk: PeriodsDesk) -> None:
    @router.get("/seals")
    async def list_seals(after: After = None, limit: Limit = PAGE_ROWS) -> SealsShown:
        """Seals, the newest first, and the public key of this hub."""
        return await desk.seals(after, limit)

    @router.get("/seals/{period_id}", responses=SEAL_ANSWER)
    async def show_seal_file(period_id: PeriodId) -> Response:
        """The seal of a period as a file that `settle verify` reads, always the same bytes."""
        name = f'attachment; filename="seal_{period_id}.json"'
        content = await desk.seal_file(period_id)
        return Response(content, media_type="application/json", headers={"Content-Disposition": name})

    @router.get("/seals/{period_id}/check")
    async def check_seal(period_id: PeriodId) -> CheckShown:
        """Compare the books with the seal of a period: all lines and postings are read again."""
        with told():
            return CheckShown(faults=await desk.closing.faults_of(period_id))


# --- rows as they are shown ---


def show_seal(seal: KeptSeal) -> SealShown:
    """A seal without what is under it."""
    head: Mapping[str, Any] = decode_json(seal.content.encode())["seal"]["head"]
    return SealShown(
        period=seal.period,
        root=seal.root.hex(),
        previous=seal.previous.hex() if seal.previous is not None else None,
        leaves=seal.leaves,
        sealed_at=seal.sealed_at,
        public_key=head["public_key"],
        signature=seal.signature.hex(),
    )


def show_counts(counts: PeriodCounts) -> CountsShown:
    """What a period comes to."""
    return CountsShown(
        checklist=[_show_item(item) for item in counts.items],
        totals={
            currency: {name: _show_count(count) for name, count in by_name.items()}
            for currency, by_name in counts.totals.items()
        },
    )


def _show_item(item: Item) -> ItemShown:
    return ItemShown(name=item.name, is_met=item.is_met, sentence=item.sentence)


def _show_count(count: Count) -> CountShown:
    return CountShown.model_construct(cdrs=count.cdrs, excl_vat=Decimal(count.excl_vat))


def _show_step(step: StepMade) -> StepShown:
    return StepShown(step=step.step, actor=step.actor, made_at=step.made_at)


# --- shown at /docs ---

_NET: dict[str, Any] = {
    "is_final": True,
    "net": [{"party": "DE-ABC", "currency": "EUR", "excl_vat": "9.00", "incl_vat": "10.71"}],
    "bilateral": [
        {
            "creditor": "DE-ABC",
            "debtor": "NL-MSP",
            "currency": "EUR",
            "mode": "multilateral",
            "excl_vat": "9.00",
            "incl_vat": "10.71",
        }
    ],
    "transfers": [
        {
            "mode": "multilateral",
            "from": "NL-MSP",
            "to": "DE-ABC",
            "currency": "EUR",
            "excl_vat": "9.00",
            "incl_vat": "10.71",
        }
    ],
}

NET_ANSWER: dict[str, Any] = {
    "responses": {"200": {"description": "Positive: is to receive", "content": {"application/json": {"example": _NET}}}}
}
SEAL_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "Head, signature, and what is under the root", "content": {"application/json": {}}}
}
