"""The inbox of causes: what stops money, ranked; one decision closes its CDRs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request, Response
from pydantic import ValidationError

from hub.console.accounts import Permission
from hub.console.cdrs import DISPOSITION_CHOICES, cdr_columns
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.reasons import REASON_WORDS, likely_reason
from hub.console.rendering import to_query
from hub.console.routes import Console, done
from hub.settlement.decisions import Action, Scope
from hub.settlement.engine.foretelling import Foreteller
from hub.store.books import CDRS_BY_NAME
from hub.store.decisions import KeptDecision
from hub.web.books import BooksDesk, CauseDetail, CauseFilters, CauseShown
from hub.web.decisions import DecisionAsked, DecisionsDesk, DecisionShown
from hub.web.listing import Page, read_cursor, read_parts
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.types import INT_MAX

CAUSES_PATH = "/console/causes"
HOLDERS_SHOWN_MAX = 10


def cause_path(cause: str) -> str:
    """The page of a cause."""
    return f"{CAUSES_PATH}/{quote(cause, safe='')}"


@dataclass(frozen=True, slots=True)
class CauseDesks:
    """What the pages of causes work with."""

    books: BooksDesk
    decisions: DecisionsDesk
    foreteller: Foreteller


def causes_router(console: Console, desks: CauseDesks) -> APIRouter:
    """The pages of causes."""
    router = console.router()
    add_listing(router, console, _causes(desks.books))
    _add_cause(router, console, desks)
    _add_deciding(router, console, desks.decisions)
    return router


def _add_cause(router: APIRouter, console: Console, desks: CauseDesks) -> None:
    @router.get("/causes/{cause:path}")
    async def show_one(
        request: Request, cause: str, after: str | None = None, preview: Action | None = None
    ) -> Response:
        console.person(request)
        foretold = None if preview is None else await desks.foreteller.foretell(cause, preview)
        seen = {"foretold": foretold, "holders_max": HOLDERS_SHOWN_MAX}
        if foretold is not None and "hx-request" in request.headers:
            return await console.page(request, "preview.html", seen)
        place = read_parts(read_cursor(after, 2), CDRS_BY_NAME.read)
        detail = await desks.books.cause(cause, place, 50)
        weight = await desks.foreteller.weight(cause)
        values = {
            "detail": detail,
            "columns": cdr_columns(),
            "reasons": REASON_WORDS,
            "likely": likely_reason(detail.cause.check, detail.cause.kind),
            "words": ACTION_WORDS,
            "chosen": preview or Action.ACCEPT,
            **seen,
            "undone": None if weight is None or weight.billed else undoable(detail),
            "is_first": after is None,
        }
        return await console.page(request, "cause.html", values)


ACTION_WORDS: Mapping[Action, str] = {
    Action.ACCEPT: "Pay as claimed",
    Action.HOLD: "Keep out and ask",
    Action.DROP: "Never pay",
}


def undoable(detail: CauseDetail) -> DecisionShown | None:
    """The last decision about a cause that is not revoked: it can be taken back while nothing is billed that it let through."""
    return next((one for one in reversed(detail.decisions) if one.state != "revoked"), None)


def _add_deciding(router: APIRouter, console: Console, desk: DecisionsDesk) -> None:
    @router.post("/causes/{cause:path}")
    async def decide(
        request: Request,
        cause: str,
        action: Annotated[str, Form(max_length=20)],
        reason: Annotated[str, Form(max_length=20)],
        note: Annotated[str, Form(max_length=2000)] = "",
        seen: Annotated[int | None, Form(ge=0, le=INT_MAX)] = None,
    ) -> Response:
        person = console.person(request, Permission.CLEAR)
        asked = _read(cause, action, reason, note, person.name)
        if (newer := unseen(await desk.decisions.about([(Scope.CAUSE.value, cause)]), seen)) is not None:
            return done(cause_path(cause), _meanwhile(newer), is_good=False)
        decision = await desk.decide(asked)
        await console.gate.note(request, person, "decided", cause, decision=decision.id, about=action, reason=reason)
        if decision.state == "proposed":
            return done(cause_path(cause), "Proposed: the amount needs a second person, who finds it under Decisions.")
        return done(cause_path(cause), "Decided: its CDRs are looked at again now.")


def unseen(made: Sequence[KeptDecision], seen: int | None) -> KeptDecision | None:
    """The newest decision, where it was made after the page with the form was shown; `seen` is the newest one then, 0 for none."""
    newest = max(made, key=lambda one: one.id, default=None)
    return newest if newest is not None and seen is not None and newest.id > seen else None


def _meanwhile(decision: KeptDecision) -> str:
    return (
        f"Nothing is decided by you: {decision.actor} decided this cause while you looked at it"
        f" ({decision.action}, {decision.reason}). Look at it again; you may still decide otherwise."
    )


def _read(cause: str, action: str, reason: str, note: str, actor: str) -> DecisionAsked:
    content = {"scope": "cause", "target": cause, "action": action, "reason": reason, "note": note, "actor": actor}
    try:
        return DecisionAsked.model_validate(content)
    except ValidationError as exc:
        raise InvalidParameters(exc.errors()[0]["msg"], http_status=400) from exc


class ListedCause(CauseShown):
    """A cause as far as it was found in a period, or all of it: then that is empty."""

    found_in: str

    def cdrs_path(self, **chosen: str) -> str:
        """The list of its CDRs."""
        return f"/console/cdrs?{to_query({'cause': self.cause, 'found_in': self.found_in, **chosen})}"


def _causes(desk: BooksDesk) -> Listing[ListedCause, CauseFilters]:
    async def read(asked: CauseFilters) -> Page[ListedCause]:
        page = await desk.causes(asked.asked(), asked.limit)
        items = [ListedCause(**dict(one), found_in=asked.period or "") for one in page.items]
        return Page.model_construct(items=items, next=page.next)

    return Listing(
        is_summed=True,
        title="Causes",
        intro="Findings with one root, the most money first. One decision counts for all CDRs of a cause.",
        path=CAUSES_PATH,
        columns=(
            Column(key="rank", label="#", value=lambda row: row.rank, kind="number"),
            Column(key="example", label="What is wrong", value=lambda row: row.example, link=_own_path, is_wide=True),
            Column(key="kind", label="Kind", value=lambda row: row.kind, kind="tag", is_minor=True),
            Column(
                key="party",
                label="Party",
                value=lambda row: row.party,
                link=lambda row: f"{CAUSES_PATH}?party={row.party}",
            ),
            Column(
                key="at_risk",
                label="At risk",
                value=lambda row: row.at_risk,
                unit=lambda row: row.currency,
                kind="money",
                link=_own_path,
                sort="at_risk",
            ),
            Column(
                key="cdrs",
                label="CDRs",
                value=lambda row: row.cdrs,
                kind="number",
                link=lambda row: row.cdrs_path(),
                sort="cdrs",
            ),
            Column(
                key="held",
                label="Kept out",
                value=lambda row: row.held,
                kind="number",
                link=lambda row: row.cdrs_path(kept_out="true"),
                sort="held",
            ),
            Column(key="disposition", label="Verdict", value=lambda row: row.disposition, kind="tag"),
            Column(key="action", label="Decided", value=lambda row: row.action, kind="tag"),
            Column(
                key="since", label="Since", value=lambda row: row.first_at, kind="moment", sort="since", is_rare=True
            ),
        ),
        filters=(
            FilterField(name="period", label="Period", placeholder="2026-10"),
            FilterField(name="party", label="Party", placeholder="DE/ABC"),
            FilterField(name="disposition", label="Verdict", choices=DISPOSITION_CHOICES),
            FilterField(name="kind", label="Kind"),
            FilterField(name="currency", label="Currency"),
            FilterField(name="decided", label="Decided", choices=(("false", "not yet"), ("true", "yes"))),
        ),
        asked=CauseFilters,
        read=read,
        empty="Nothing was found. CDRs are examined seconds after they came.",
    )


def _own_path(row: CauseShown) -> str:
    return cause_path(row.cause)
