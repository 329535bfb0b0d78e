"""Decisions: what was decided, by whom, what waits for a second person, and taking one back."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response

from hub.console.accounts import Permission
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.routes import Console, done
from hub.store.decisions import Asked as DecisionsAsked
from hub.web.decisions import DecisionsDesk, DecisionShown, StateAsked, read_place, show_decision
from hub.web.listing import Filters, Page, Text
from ocpi_modules.types import INT_MAX

DECISIONS_PATH = "/console/decisions"

Number = Annotated[int, Path(ge=1, le=INT_MAX)]


def target_path(scope: str, target: str) -> str:
    """The page of what a decision is about."""
    if scope == "cause":
        return f"/console/causes/{quote(target, safe='')}"
    if scope == "cdr":
        country_code, party_id, key = target.split("/", 2)
        return f"/console/cdrs/{country_code}/{party_id}/{quote(key, safe='')}"
    return "/console/causes"


def decisions_router(console: Console, desk: DecisionsDesk) -> APIRouter:
    """The pages of decisions."""
    router = console.router()
    add_listing(router, console, _decisions(desk))
    _add_steps(router, console, desk)

    @router.get("/decisions/{decision_id}")
    async def show_one(request: Request, decision_id: Number) -> Response:
        console.person(request)
        shown = show_decision(await desk.decision(decision_id))
        return await console.page(
            request, "decision.html", {"one": shown, "target_path": target_path(shown.scope, shown.target)}
        )

    return router


def _add_steps(router: APIRouter, console: Console, desk: DecisionsDesk) -> None:
    @router.post("/decisions/{decision_id}/confirm")
    async def confirm(request: Request, decision_id: Number) -> Response:
        person = console.person(request, Permission.APPROVE)
        shown = await desk.confirm(decision_id, person.name)
        await console.gate.note(request, person, "decision_confirmed", shown.target, decision=decision_id)
        return done(f"{DECISIONS_PATH}/{decision_id}", "Confirmed: it stands from now on.")

    @router.post("/decisions/{decision_id}/revoke")
    async def revoke(request: Request, decision_id: Number) -> Response:
        person = console.person(request, Permission.CLEAR)
        shown = await desk.revoke(decision_id, person.name)
        await console.gate.note(request, person, "decision_revoked", shown.target, decision=decision_id)
        return done(f"{DECISIONS_PATH}/{decision_id}", "Taken back: its CDRs are looked at again now.")


class DecisionFilters(Filters):
    """Which decisions are wanted."""

    state: StateAsked | None = None
    actor: Text | None = None
    target: Text | None = None

    def asked(self) -> DecisionsAsked:
        """The same for the store. Raises InvalidParameters for a cursor that is none."""
        return DecisionsAsked(target=self.target, actor=self.actor, state=self.state, before=read_place(self.after))


def _decisions(desk: DecisionsDesk) -> Listing[DecisionShown, DecisionFilters]:
    async def read(asked: DecisionFilters) -> Page[DecisionShown]:
        return await desk.page(asked.asked(), asked.limit)

    return Listing(
        title="Decisions",
        intro="Each is a fact with a name and a reason. Those over the limit wait for a second person.",
        path=DECISIONS_PATH,
        columns=(
            Column(
                key="id",
                label="#",
                value=lambda row: row.id,
                kind="number",
                link=lambda row: f"{DECISIONS_PATH}/{row.id}",
            ),
            Column(key="decided_at", label="When", value=lambda row: row.decided_at, kind="moment"),
            Column(key="actor", label="Who", value=lambda row: row.actor),
            Column(key="action", label="Decision", value=lambda row: row.action, kind="tag"),
            Column(key="state", label="State", value=lambda row: row.state, kind="tag"),
            Column(
                key="target",
                label="About",
                value=lambda row: row.target,
                kind="code",
                link=lambda row: target_path(row.scope, row.target),
                is_wide=True,
            ),
            Column(key="reason", label="Reason", value=lambda row: row.reason),
            Column(key="note", label="Note", value=lambda row: row.note, is_minor=True),
        ),
        filters=(
            FilterField(
                name="state",
                label="State",
                choices=(
                    ("waiting", "waits for a second person"),
                    ("proposed", "was never confirmed"),
                    ("exceeded", "more came than it covers"),
                    ("standing", "stands"),
                    ("revoked", "taken back"),
                ),
            ),
            FilterField(name="actor", label="Who"),
        ),
        asked=DecisionFilters,
        read=read,
        empty="Nobody decided anything yet. Decisions are made on the page of a cause.",
    )
