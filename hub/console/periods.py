"""Periods: the cockpit of a month, its steps from cut-off to seal, and what is netted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request, Response

from hub.console.accounts import Permission
from hub.console.checklist import WAITING_PATH, linked
from hub.console.exports import attachment
from hub.console.kept import Kept
from hub.console.listing import Column, Listing, add_listing
from hub.console.netting import about, net_file, net_path, party_of, summed_path
from hub.console.pairs import PairFilters, pair_columns, pairs_page
from hub.console.routes import Console, done, look_again
from hub.console.stepping import Steps
from hub.settlement.engine.closing import Closing, PeriodCounts, PeriodHead
from hub.settlement.periods import ORDER, State
from hub.store.closingrows import ClosingRows
from hub.store.cockpit import Cockpit
from hub.web.listing import FILTER_MAX_CHARACTERS, Filters, Page
from hub.web.periods import PeriodsDesk, PeriodShown
from hub.web.told import told
from ocpi_modules.errors import ClientFault, UnknownPath

PERIODS_PATH = "/console/periods"
COUNTED_EVERY_SECONDS = 5.0
PAIRS_SHOWN = 50
UNDER_WAY = "It is under way; this page follows it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step that a person takes: the state it leads to, the permission it needs, and what is said of it."""

    name: str
    label: str
    leads_to: State
    needs: Permission
    sentence: str
    warning: str


STEPS: tuple[Step, ...] = (
    Step(
        name="cut-off",
        label="Cut off",
        leads_to=State.CUT_OFF,
        needs=Permission.CLEAR,
        sentence="The period is cut off: what comes now counts in the next one.",
        warning="CDRs that come from now on count in the next period.",
    ),
    Step(
        name="draft",
        label="Draft statements",
        leads_to=State.CUT_OFF,
        needs=Permission.CLEAR,
        sentence="The statements are drafted over the books as they are now.",
        warning="",
    ),
    Step(
        name="advise",
        label="Advise",
        leads_to=State.ADVISED,
        needs=Permission.APPROVE,
        sentence="The statements are advised; they never change.",
        warning="Advised statements never change; what is wrong later is corrected in another period.",
    ),
    Step(
        name="net",
        label="Net",
        leads_to=State.NETTED,
        needs=Permission.APPROVE,
        sentence="What is billed and not disputed is netted.",
        warning="What is disputed stays out of this netting.",
    ),
    Step(
        name="close",
        label="Close",
        leads_to=State.CLOSED,
        needs=Permission.APPROVE,
        sentence="You have closed the period.",
        warning="A closed period is never opened again. Two different people have to close it.",
    ),
    Step(
        name="seal",
        label="Seal",
        leads_to=State.SEALED,
        needs=Permission.APPROVE,
        sentence="The period is sealed: every line can be proved from now on.",
        warning="",
    ),
)


Place = tuple[str, State, str, int]
"""A period, its state, who closed it and how many steps were taken: what was counted before another step says nothing of it."""


@dataclass(frozen=True, slots=True)
class PeriodBooks:
    """What the books say of a period: at a glance, and row by row."""

    cockpit: Cockpit
    rows: ClosingRows


class PeriodDesks:
    """What the pages of periods work with; `counts` and `nets` are added up out of all rows of a month."""

    def __init__(self, console: Console, periods: PeriodsDesk, books: PeriodBooks, steps: Steps) -> None:
        self.periods, self.books, self.steps = periods, books, steps
        self.counts: Kept[Place, PeriodCounts] = console.keep(self._count)
        self.nets: Kept[Place, Mapping[str, Any]] = console.keep(self._net)

    @property
    def closing(self) -> Closing:
        """What takes the steps."""
        return self.periods.closing

    async def _count(self, place: Place) -> PeriodCounts:
        return await self.closing.counts(await self.periods.head(place[0]))

    async def net(self, period: str) -> Mapping[str, Any]:
        """The netting of a period. Raises UnknownPath (404)."""
        with told():
            return await self.closing.net_of(period)

    async def _net(self, place: Place) -> Mapping[str, Any]:
        return await self.net(place[0])


def _place(head: PeriodHead) -> Place:
    return (head.period.id, head.period.state, head.closed_by, len(head.steps))


def periods_router(console: Console, desks: PeriodDesks) -> APIRouter:
    """The pages of periods."""
    router = console.router()
    add_listing(router, console, _periods(desks.periods))
    _add_period(router, console, desks)
    _add_steps(router, console, desks)
    _add_seal(router, console, desks.periods)
    return router


def live_periods_router(console: Console, desks: PeriodDesks) -> APIRouter:
    """The counts of a period, as its page asks for them by itself."""
    router = console.router(is_live=True)

    @router.get("/periods/{period_id}/live")
    async def counts(request: Request, period_id: str) -> Response:
        async def make() -> str:
            head = await desks.periods.head(period_id)
            values = {"period": desks.periods.show(head), **await _now_values(desks, head)}
            return console.part(request, "period_now.html", values)

        await desks.periods.head(period_id)  # a period that there is not has nothing to follow
        return console.stream(request, make, COUNTED_EVERY_SECONDS)

    return router


async def _now_values(desks: PeriodDesks, head: PeriodHead) -> Mapping[str, Any]:
    """What changes while CDRs come in and steps are taken."""
    return {
        "counted": await desks.counts.of(_place(head)),
        "underway": await desks.steps.of(head.period.id),
        "holding_up": await desks.closing.holding_up(head.period),
        "linked": linked,
        "waiting_path": WAITING_PATH,
    }


def _add_period(router: APIRouter, console: Console, desks: PeriodDesks) -> None:
    @router.get("/periods/{period_id}")
    async def show_one(request: Request, period_id: str) -> Response:
        person = console.person(request)
        head = await desks.periods.head(period_id)
        period = desks.periods.show(head)
        values = {
            **await _now_values(desks, head),
            "period": period,
            "pairs": await pairs_page(desks.books.cockpit, PairFilters(period=period_id, limit=PAIRS_SHOWN)),
            "columns": pair_columns(),
            "stages": [*ORDER],
            "place": ORDER.index(period.state),
            "steps": [step for step in STEPS if person.may(step.needs) and is_next(step, period.state)],
        }
        return await console.page(request, "period.html", values)

    @router.get("/periods/{period_id}/net")
    async def net(
        request: Request,
        period_id: str,
        party: Annotated[str, Query(max_length=FILTER_MAX_CHARACTERS)] = "",
        table: Literal["net", "bilateral", "transfers"] = "bilateral",
        format: Literal["csv", "xlsx"] | None = None,
    ) -> Response:
        console.person(request)
        head = await desks.periods.head(period_id)
        if format is not None:
            return await net_file(period_id, about(await desks.net(period_id), party), table, format)
        counted = await desks.nets.of(_place(head))
        values = {
            "period_id": period_id,
            "counted": counted,
            "party": party,
            "net_path": net_path,
            "party_of": party_of,
            "summed_path": partial(summed_path, period_id, head.period.state),
            **({} if counted is None else about(counted.value, party)),
        }
        answer = await console.page(request, "net.html", values)
        return look_again(answer) if counted is None else answer


def is_next(step: Step, state: State) -> bool:
    """Whether a step can be taken in a state; statements are drafted as often as one likes until they are advised."""
    place = ORDER.index(state)
    if step.name == "draft":
        return state in {State.OPEN, State.CUT_OFF}
    return ORDER.index(step.leads_to) == place + 1


def _add_steps(router: APIRouter, console: Console, desks: PeriodDesks) -> None:
    takers = _takers(desks.closing)

    @router.post("/periods/{period_id}/{name}")
    async def take(
        request: Request, period_id: str, name: str, before_end: Annotated[str, Form(max_length=5)] = ""
    ) -> Response:
        step = next((one for one in STEPS if one.name == name), None)
        if step is None:
            raise UnknownPath("there is no such step")
        person = console.person(request, step.needs)
        if desks.steps.is_taking(period_id):
            raise ClientFault("a step of this period is under way", http_status=409)

        async def work() -> None:
            with told():
                if step.name == "cut-off":
                    await desks.closing.cut_off(period_id, person.name, is_early=before_end == "yes")
                else:
                    await takers[name](period_id, person.name)
            await console.gate.note(request, person, f"period_{name.replace('-', '_')}", period_id)

        is_done = await desks.steps.take(period_id, step.label, person.shown_name, work())
        return done(f"{PERIODS_PATH}/{period_id}", step.sentence if is_done else UNDER_WAY)


def _takers(closing: Closing) -> dict[str, Callable[[str, str], Awaitable[Any]]]:
    return {
        "draft": closing.draft,
        "advise": closing.advise,
        "net": closing.net,
        "close": closing.close,
        "seal": closing.seal,
    }


def _add_seal(router: APIRouter, console: Console, desk: PeriodsDesk) -> None:
    @router.get("/periods/{period_id}/seal.json")
    async def file(request: Request, period_id: str) -> Response:
        console.person(request)
        name = f"seal_{period_id}.json"
        return Response(await desk.seal_file(period_id), media_type="application/json", headers=attachment(name))

    @router.get("/periods/{period_id}/check")
    async def check(request: Request, period_id: str) -> Response:
        console.person(request)
        with told():
            faults = await desk.closing.faults_of(period_id)
        sentence = (
            " ".join(faults) if faults else "The books are as they were sealed: every line and posting was read again."
        )
        return done(f"{PERIODS_PATH}/{period_id}", sentence, is_good=not faults)


class PeriodFilters(Filters):
    """Nothing to choose: there are a dozen a year."""


def _periods(desk: PeriodsDesk) -> Listing[PeriodShown, PeriodFilters]:
    async def read(asked: PeriodFilters) -> Page[PeriodShown]:
        return await desk.page(asked.after, asked.limit)

    return Listing(
        title="Periods",
        intro="From open to sealed. What is due next stands on the page of a period.",
        path=PERIODS_PATH,
        columns=(
            Column(key="id", label="Period", value=lambda row: row.id, link=lambda row: f"{PERIODS_PATH}/{row.id}"),
            Column(key="state", label="Stage", value=lambda row: str(row.state), kind="tag"),
            Column(key="from", label="From", value=lambda row: row.starts_at, kind="moment", is_minor=True),
            Column(key="to", label="To", value=lambda row: row.ends_at, kind="moment", is_minor=True),
            Column(key="cut_off", label="Cut off", value=lambda row: row.closes_at, kind="moment"),
            Column(key="closed_by", label="Closed by", value=lambda row: row.closed_by),
        ),
        filters=(),
        asked=PeriodFilters,
        read=read,
        empty="A period begins with the first CDR that counts in it.",
    )
