"""Deciding about causes, findings and CDRs: a decision is a dated fact with a name and a reason, and stands until it is revoked."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, model_validator

from hub.clock import Clock
from hub.settlement.decisions import Action, Scope, as_rule, check_of, needs_second
from hub.settlement.disputes import Reason
from hub.settlement.engine.terms import TermsBook
from hub.settlement.outputs import amount_text
from hub.settlement.people import is_same_person
from hub.settlement.refused import is_of_refused
from hub.store.decisions import Asked as DecisionsAsked
from hub.store.decisions import Decisions, KeptDecision, NewDecision, Target, Weight
from hub.web.asked import Asked
from hub.web.listing import PAGE_ROWS, Actor, After, Limit, Page, Text, page_of, read_cursor, settlement_routes
from hub.web.told import told
from ocpi_modules.errors import InvalidParameters, UnknownPath
from ocpi_modules.parties import Party
from ocpi_modules.types import INT_MAX, DateTime, String, decode_json, encode_json, fold, format_datetime

NOTE_MAX_CHARACTERS = 1000
TARGET_MAX_CHARACTERS = 500
CONFLICT = 409

State = Literal["proposed", "standing", "exceeded", "revoked"]
StateAsked = Literal["waiting", "proposed", "standing", "exceeded", "revoked"]
"""A state, or both that wait for a second person."""
DecisionId = Annotated[int, Path(ge=1, le=INT_MAX)]


class DecisionAsked(Asked):
    """A decision: accept (pay it all the same), hold (keep it out) or drop (never pay it), and why. `target` is the key of a cause or
    finding, or a CDR as ``DE/ABC/its id``.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "scope": "cause",
                "target": "G03|PRICE_MISMATCH|DE/ABC|EUR|tariff|T-DC",
                "action": "accept",
                "reason": "PRICE",
                "note": "Agreed on the phone: the price of November counts from the 12th on.",
                "actor": "Ines",
            }
        }
    )

    scope: Scope
    target: Annotated[str, String(TARGET_MAX_CHARACTERS)]
    action: Action
    reason: Reason
    note: Annotated[str, String(NOTE_MAX_CHARACTERS)] = ""
    actor: Actor

    @model_validator(mode="after")
    def _other_says_what(self) -> Self:
        if self.reason is Reason.OTHER and not self.note.strip():
            raise ValueError("the reason OTHER needs a note")
        return self


class ActorAsked(Asked):
    """Who confirms."""

    actor: Actor


class RuleAsked(Asked):
    """In which agreement a decision is to become a clause, from which charges on (UTC), and who proposes that."""

    agreement: Annotated[str, String(TARGET_MAX_CHARACTERS)]
    valid_from: DateTime
    actor: Actor


class RuleShown(BaseModel):
    """The version of an agreement that was proposed: it holds when another person activates it."""

    agreement: str
    version: int
    proposed_by: str
    checks: dict[str, dict[str, str]]


class DecisionShown(BaseModel):
    """A decision: proposed while it waits for a second person, standing, exceeded, or revoked.

    `at_risk` is the money that hung on it when it was made, by currency; `most` what may hang on all that it lifts, null where two people
    decided. Exceeded: more than that came since, so that it bears on no CDR that came at `covers_until` or later, until another person
    confirms it; that is known since `exceeded_at`.
    """

    id: int
    state: str
    scope: str
    target: str
    action: str
    reason: str
    note: str
    at_risk: dict[str, str]
    most: str | None
    actor: str
    decided_at: DateTime
    confirmed_by: str
    confirmed_at: DateTime | None
    covers_until: DateTime | None
    exceeded_at: DateTime | None
    stands_since: DateTime | None
    revoked_by: str
    revoked_at: DateTime | None


@dataclass(frozen=True, slots=True)
class DecisionsDesk:
    """What decisions are carried out with; `limit` is what one person may waive, in the currency of what is waived."""

    decisions: Decisions
    terms: TermsBook
    clock: Clock
    limit: Decimal

    async def decide(self, asked: DecisionAsked) -> DecisionShown:
        """Make a decision, which stands at once or waits for a second person. Raises InvalidParameters."""
        target = read_target(asked)
        weight = await self.decisions.weigh(target)
        if weight is None:
            raise InvalidParameters(f"target: there is no such {asked.scope} with CDRs now")
        require_open(asked, weight)
        stands = not weight.cdrs or not needs_second(asked.action, weight.at_risk, self.limit)
        return show_decision(
            await self.decisions.keep(self._new(asked, target, weight), self.clock.now(), stands=stands)
        )

    def _new(self, asked: DecisionAsked, target: Target, weight: Weight) -> NewDecision:
        at_risk = {currency: amount_text(amount) for currency, amount in weight.at_risk.items() if amount}
        return NewDecision(
            scope=target[0],
            target=target[1],
            action=asked.action,
            reason=asked.reason,
            note=asked.note,
            at_risk=encode_json(at_risk).decode(),
            most=self.limit if asked.action is Action.ACCEPT else None,
            actor=asked.actor,
        )

    async def confirm(self, decision_id: int, actor: str) -> DecisionShown:
        """A second person agrees. Raises UnknownPath (404), InvalidParameters (409)."""
        decision = await self.decision(decision_id)
        if is_same_person(decision.actor, actor):
            raise InvalidParameters(f"{decision.actor} proposed this: another person confirms it", http_status=CONFLICT)
        confirmed = await self.decisions.confirm(decision, actor, self.clock.now())
        if confirmed is None:
            raise InvalidParameters("this decision does not wait for anybody", http_status=CONFLICT)
        return show_decision(confirmed)

    async def revoke(self, decision_id: int, actor: str) -> DecisionShown:
        """Take a decision back. Raises UnknownPath (404), InvalidParameters (409)."""
        revoked = await self.decisions.revoke(await self.decision(decision_id), actor, self.clock.now())
        if revoked is None:
            raise InvalidParameters("this decision is revoked already", http_status=CONFLICT)
        return show_decision(revoked)

    async def rule(self, decision_id: int, asked: RuleAsked) -> RuleShown:
        """Propose a decision about a cause as a clause. Raises UnknownPath (404), InvalidParameters."""
        decision = await self.decision(decision_id)
        kind, party = require_rule(decision)
        with told():
            known = (await self.terms.history(asked.agreement))[-1]
            if known.creditor != party:
                raise InvalidParameters(
                    f"agreement: it is about CDRs of {known.creditor}, the decision about those of {party}"
                )
            since = format_datetime(asked.valid_from)
            terms = as_rule(decode_json(known.content.encode()), kind, Action(decision.action), since)
            made = await self.terms.propose(terms, asked.actor)
        return RuleShown(agreement=made.id, version=made.version, proposed_by=made.proposed_by, checks=terms["checks"])

    async def decision(self, decision_id: int) -> KeptDecision:
        """One decision. Raises UnknownPath (404)."""
        found = await self.decisions.load(decision_id)
        if found is None:
            raise UnknownPath("there is no such decision")
        return found

    async def page(self, asked: DecisionsAsked, limit: int) -> Page[DecisionShown]:
        """A page of decisions."""
        return page_of(await self.decisions.page(asked, limit + 1), limit, show_decision, lambda one: (str(one.id),))


def decisions_router(desk: DecisionsDesk, admin_token: str | None) -> APIRouter:
    """The routes of decisions."""
    router = settlement_routes(admin_token)
    _add_reading(router, desk)
    _add_deciding(router, desk)
    return router


def _add_reading(router: APIRouter, desk: DecisionsDesk) -> None:
    @router.get("/decisions")
    async def list_decisions(
        scope: Scope | None = None,
        target: Text | None = None,
        actor: Text | None = None,
        state: StateAsked | None = None,
        after: After = None,
        limit: Limit = PAGE_ROWS,
    ) -> Page[DecisionShown]:
        """Decisions, the newest first; `proposed` and `exceeded` ones wait for a second person, `waiting` is both."""
        asked = DecisionsAsked(scope=scope, target=target, actor=actor, state=state, before=read_place(after))
        return await desk.page(asked, limit)

    @router.get("/decisions/{decision_id}")
    async def show_one(decision_id: DecisionId) -> DecisionShown:
        """One decision."""
        return show_decision(await desk.decision(decision_id))


def _add_deciding(router: APIRouter, desk: DecisionsDesk) -> None:
    @router.post("/decisions", status_code=201)
    async def decide(asked: DecisionAsked) -> DecisionShown:
        """Decide about a cause, a finding or a CDR. Its CDRs are looked at again at once, but for those that a statement bills.

        About a cause it holds for later CDRs too: it is the rule for that cause while it stands. Accepting more than `HUB_WAIVER_LIMIT`
        is `proposed` until another person confirms it; where later CDRs make it more, what is beyond stays held and the decision is
        `exceeded` until then. What checks drop cannot be accepted. What was refused at the door is never paid: a decision about such a
        cause says that it is dealt with.
        """
        return await desk.decide(asked)

    @router.post("/decisions/{decision_id}/confirm")
    async def confirm(decision_id: DecisionId, asked: ActorAsked) -> DecisionShown:
        """Agree to a decision that another person made: a proposed one stands from now on, an exceeded one bears on all again."""
        return await desk.confirm(decision_id, asked.actor)

    @router.post("/decisions/{decision_id}/rule", status_code=201)
    async def rule(decision_id: DecisionId, asked: RuleAsked) -> RuleShown:
        """Propose a decision about a cause as a clause of an agreement: it is wider, for it holds for all that the check finds there.

        The proposed version has no effect until another person activates it; the version before is ended first.
        """
        return await desk.rule(decision_id, asked)

    @router.delete("/decisions/{decision_id}")
    async def revoke(decision_id: DecisionId, actor: Annotated[Actor, Query()]) -> DecisionShown:
        """Take a decision back: its CDRs become what checks make of them, but for those that a statement bills. It stays listed."""
        return await desk.revoke(decision_id, actor)


def require_rule(decision: KeptDecision) -> tuple[str, str]:
    """The kind of check and the party that a decision is about. Raises InvalidParameters for one that can be no clause."""
    if decision.scope != Scope.CAUSE:
        raise InvalidParameters("only a decision about a cause can become a clause")
    if state_of(decision) not in {"standing", "exceeded"}:
        raise InvalidParameters("this decision does not stand", http_status=CONFLICT)
    if is_of_refused(decision.target):
        raise InvalidParameters("what was refused at the door is under no agreement")
    return check_of(decision.target)


def read_target(asked: DecisionAsked) -> Target:
    """The target as it is kept. Raises InvalidParameters for a CDR that is not written like ``DE/ABC/its id``."""
    if asked.scope is not Scope.CDR:
        return (asked.scope.value, asked.target)
    parts = asked.target.split("/", 2)
    try:
        owner = Party.parse("/".join(parts[:2]))
    except ValueError as exc:
        raise InvalidParameters(f"target: {exc}") from exc
    if len(parts) < 3:
        raise InvalidParameters("target: a CDR is written as its party, a slash and its id, like DE/ABC/CDR-17")
    return (asked.scope.value, f"{owner}/{fold(parts[2])}")


def require_open(asked: DecisionAsked, weight: Weight) -> None:
    """Raises InvalidParameters (409) where there is nothing left to decide. What is only told can always be called dealt with."""
    if weight.told:
        return
    if weight.billed == weight.cdrs:
        raise InvalidParameters("target: a statement bills it already; it can be disputed", http_status=CONFLICT)
    if asked.action is Action.ACCEPT and weight.dropped == weight.cdrs:
        raise InvalidParameters("action: what a check drops is not paid, whoever says so", http_status=CONFLICT)


def read_place(after: str | None) -> int | None:
    """The id that a cursor stands for. Raises InvalidParameters."""
    parts = read_cursor(after, 1)
    if parts is None:
        return None
    if not parts[0].isdecimal() or int(parts[0]) > INT_MAX:
        raise InvalidParameters("after: is not the `next` of a page of this list")
    return int(parts[0])


def state_of(decision: KeptDecision) -> State:
    """Whether a decision waits, stands, is exceeded or revoked."""
    if decision.revoked_at is not None:
        return "revoked"
    if decision.stands_since is None:
        return "proposed"
    return "standing" if decision.covers_until is None else "exceeded"


def show_decision(decision: KeptDecision) -> DecisionShown:
    """A decision as it is shown."""
    return DecisionShown(
        id=decision.id,
        state=state_of(decision),
        scope=decision.scope,
        target=decision.target,
        action=decision.action,
        reason=decision.reason,
        note=decision.note,
        at_risk=decode_json(decision.at_risk.encode()),
        most=None if decision.most is None else amount_text(decision.most),
        actor=decision.actor,
        decided_at=decision.decided_at,
        confirmed_by=decision.confirmed_by,
        confirmed_at=decision.confirmed_at,
        covers_until=decision.covers_until,
        exceeded_at=decision.beyond_known_at,
        stands_since=decision.stands_since,
        revoked_by=decision.revoked_by,
        revoked_at=decision.revoked_at,
    )
