"""The settlement desk's interface to agreements: propose, activate (another person), end, look, and take them out again as YAML or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import yaml
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel

from hub.clock import Clock
from hub.settlement.engine.terms import TermsBook
from hub.settlement.terms_file import AGREEMENTS_MAX_BYTES, AgreementText, NotAgreements, decode_terms
from hub.store.agreements import KeptAgreement
from hub.store.profiles import KeptProfile
from hub.web.asked import Asked
from hub.web.listing import (
    PAGE_ROWS,
    Actor,
    After,
    Limit,
    Page,
    PartyText,
    page_of,
    read_cursor,
    read_parts,
    settlement_routes,
)
from hub.web.ocpi import read_body
from hub.web.told import told
from ocpi_modules.errors import NotJson
from ocpi_modules.types import INT_MAX, DateTime, decode_json, encode_json

AgreementId = Annotated[str, Path(min_length=1, max_length=100)]
Version = Annotated[int, Path(ge=1, le=INT_MAX)]
_FIRST = ("", 0)
ActorAsked = Annotated[Actor, Query(description="The name of who proposes it.")]


class ActivationAsked(Asked):
    """Who activates a version: not who proposed it."""

    actor: Actor


class EndAsked(Asked):
    """Who ends a version, and from which charges on it no longer counts (UTC; now or later, without it now)."""

    actor: Actor
    at: DateTime | None = None


class AgreementShown(BaseModel):
    """A version of an agreement: `state` is PROPOSED, ACTIVE or ENDED; `terms` are as they were proposed."""

    id: str
    version: int
    creditor: str
    debtor: str
    state: str
    proposed_by: str
    proposed_at: DateTime
    activated_by: str
    activated_at: DateTime | None
    ended_by: str
    ended_at: DateTime | None
    terms: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AgreementsDesk:
    """What requests about agreements are carried out with."""

    book: TermsBook
    clock: Clock

    def show(self, kept: KeptAgreement) -> AgreementShown:
        """A version as it is shown."""
        return AgreementShown(
            id=kept.id,
            version=kept.version,
            creditor=kept.creditor,
            debtor=kept.debtor,
            state=version_state(kept, self.clock.now()),
            proposed_by=kept.proposed_by,
            proposed_at=kept.proposed_at,
            activated_by=kept.activated_by,
            activated_at=kept.activated_at,
            ended_by=kept.ended_by,
            ended_at=kept.ended_at,
            terms=in_texts(decode_json(kept.content.encode())),
        )

    def show_all(self, kept: Sequence[KeptAgreement]) -> list[AgreementShown]:
        """Versions as they are shown."""
        return [*map(self.show, kept)]


def agreements_router(desk: AgreementsDesk, admin_token: str | None) -> APIRouter:
    """The routes under `/settlement/agreements`, open to the admin token only."""
    router = settlement_routes(admin_token)
    _add_reading(router, desk)
    _add_steps(router, desk)
    return router


def _add_reading(router: APIRouter, desk: AgreementsDesk) -> None:
    @router.get("/agreements")
    async def list_agreements(
        creditor: PartyText | None = None,
        debtor: PartyText | None = None,
        after: After = None,
        limit: Limit = PAGE_ROWS,
    ) -> Page[AgreementShown]:
        """Every version of every agreement, by id and version."""
        place = read_parts(read_cursor(after, 2), lambda parts: (parts[0], int(parts[1]))) or _FIRST
        found = await desk.book.page((creditor, debtor), place, limit + 1)
        return page_of(found, limit, desk.show, lambda kept: (kept.id, str(kept.version)))

    @router.get("/agreements/{agreement_id}")
    async def show_agreement(agreement_id: AgreementId) -> list[AgreementShown]:
        """An agreement with its history: all its versions, the oldest first."""
        with told():
            return desk.show_all(await desk.book.history(agreement_id))

    @router.get("/agreements/{agreement_id}/versions/{version}")
    async def show_version(
        agreement_id: AgreementId,
        version: Version,
        form: Annotated[str, Query(alias="format", pattern="json|yaml")] = "json",
    ) -> Response:
        """The terms of a version alone, as JSON or YAML: what can be proposed again, here or in a bundle."""
        with told():
            kept = await desk.book.one(agreement_id, version)
        return as_file(kept.content, form)


def _add_steps(router: APIRouter, desk: AgreementsDesk) -> None:
    @router.post("/agreements", status_code=201, openapi_extra=PROPOSAL_BODY)
    async def propose(request: Request, actor: ActorAsked) -> AgreementShown:
        """Propose a version, as JSON or YAML (by its Content-Type). It has no effect until somebody else activates it.

        Without `version` it gets the next number.
        """
        content = await read_terms(request)
        with told():
            return desk.show(await desk.book.propose(content, actor))

    @router.post("/agreements/{agreement_id}/versions/{version}/activate")
    async def activate(agreement_id: AgreementId, version: Version, asked: ActivationAsked) -> AgreementShown:
        """Let a version hold from its date on; CDRs in its time that are not billed are looked at again."""
        with told():
            return desk.show(await desk.book.activate(agreement_id, version, asked.actor))

    @router.post("/agreements/{agreement_id}/versions/{version}/end")
    async def end(agreement_id: AgreementId, version: Version, asked: EndAsked) -> AgreementShown:
        """Let a version end for charges that begin at a moment or later."""
        with told():
            return desk.show(await desk.book.end(agreement_id, version, asked.actor, asked.at))


def version_state(kept: KeptAgreement | KeptProfile, now: datetime) -> str:
    """Whether a version is PROPOSED, ACTIVE or ENDED at a moment (UTC)."""
    if kept.activated_at is None:
        return "PROPOSED"
    return "ENDED" if kept.ended_at is not None and kept.ended_at <= now else "ACTIVE"


async def read_terms(request: Request) -> Any:
    """What is proposed, out of a body in JSON or YAML (by its Content-Type). Raises NotJson."""
    body = await read_body(request.receive, request.headers, AGREEMENTS_MAX_BYTES)
    try:
        return decode_terms(body, is_yaml="yaml" in request.headers.get("content-type", ""))
    except NotAgreements as refused:
        raise NotJson(f"the body {refused}") from refused


def as_file(content: str, form: str) -> Response:
    """What a version says, as a file in `form`: ``json`` or ``yaml``."""
    if form == "yaml":
        return Response(as_yaml(content), media_type="application/yaml")
    return Response(content, media_type="application/json")


def as_yaml(content: str) -> str:
    """Terms as YAML; decimals are texts, which keep their digits."""
    text: str = yaml.safe_dump(in_texts(decode_json(content.encode())), sort_keys=False, allow_unicode=True)
    return text


def in_texts(value: Any) -> Any:
    """The same value with decimals as texts."""
    if isinstance(value, dict):
        return {name: in_texts(item) for name, item in value.items()}
    if isinstance(value, list):
        return [in_texts(item) for item in value]
    return f"{value:f}" if isinstance(value, Decimal) else value


# --- shown at /docs ---

EXAMPLE: dict[str, Any] = {
    "agreement": "DEABC-NLMSP",
    "valid": {"from": "2026-10-01T00:00:00Z", "to": None},
    "scope": {"countries": ["DE"], "token_types": ["RFID", "APP_USER"]},
    "pricing": {"fee": {"per_session": "0.05", "payer": "debtor"}},
    "rounding": {"unit": "0.01", "mode": "half_up"},
    "terms": {"currency": "EUR", "cdr_deadline": "30d", "dispute_window": "30d", "netting": "multilateral"},
    "checks": {"C05": {"severity": "WARNING", "disposition": "REPORT"}},
}

PROPOSAL_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": AgreementText.model_json_schema(), "example": EXAMPLE},
            "application/yaml": {"schema": {"type": "string"}, "example": as_yaml(encode_json(EXAMPLE).decode())},
        },
    }
}
