"""The settlement desk's interface to profiles of parties: propose, activate (another person), end, look, and take them out again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel

from hub.clock import Clock
from hub.settlement.engine.profiles import ProfileBook
from hub.settlement.profiles_file import ProfileText
from hub.store.profiles import KeptProfile
from hub.web.agreements import (
    ActivationAsked,
    ActorAsked,
    EndAsked,
    Version,
    as_file,
    as_yaml,
    in_texts,
    read_terms,
    version_state,
)
from hub.web.listing import (
    PAGE_ROWS,
    After,
    Limit,
    Page,
    PartyText,
    page_of,
    read_cursor,
    read_parts,
    settlement_routes,
)
from hub.web.told import told
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.parties import Party
from ocpi_modules.types import DateTime, decode_json, encode_json

PartyPath = Annotated[str, Path(min_length=4, max_length=6, description="The party as CC-PID.")]
_FIRST = ("", 0)


class ProfileShown(BaseModel):
    """A version of a profile: `state` is PROPOSED, ACTIVE or ENDED; `profile` is as it was proposed."""

    party: str
    version: int
    state: str
    proposed_by: str
    proposed_at: DateTime
    activated_by: str
    activated_at: DateTime | None
    ended_by: str
    ended_at: DateTime | None
    profile: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ProfilesDesk:
    """What requests about profiles are carried out with."""

    book: ProfileBook
    clock: Clock

    def show(self, kept: KeptProfile) -> ProfileShown:
        """A version as it is shown."""
        return ProfileShown(
            party=kept.party,
            version=kept.version,
            state=version_state(kept, self.clock.now()),
            proposed_by=kept.proposed_by,
            proposed_at=kept.proposed_at,
            activated_by=kept.activated_by,
            activated_at=kept.activated_at,
            ended_by=kept.ended_by,
            ended_at=kept.ended_at,
            profile=in_texts(decode_json(kept.content.encode())),
        )


def profiles_router(desk: ProfilesDesk, admin_token: str | None) -> APIRouter:
    """The routes under `/settlement/profiles`, open to the admin token only."""
    router = settlement_routes(admin_token)
    _add_reading(router, desk)
    _add_steps(router, desk)
    return router


def _add_reading(router: APIRouter, desk: ProfilesDesk) -> None:
    @router.get("/profiles")
    async def list_profiles(
        party: PartyText | None = None, after: After = None, limit: Limit = PAGE_ROWS
    ) -> Page[ProfileShown]:
        """Every version of every profile, by party and version."""
        place = read_parts(read_cursor(after, 2), lambda parts: (parts[0], int(parts[1]))) or _FIRST
        found = await desk.book.page(party, place, limit + 1)
        return page_of(found, limit, desk.show, lambda kept: (kept.party, str(kept.version)))

    @router.get("/profiles/{party}/versions/{version}")
    async def show_version(
        party: PartyPath,
        version: Version,
        form: Annotated[str, Query(alias="format", pattern="json|yaml")] = "json",
    ) -> Response:
        """A version alone, as JSON or YAML: what can be proposed again, here or in a bundle."""
        with told():
            kept = await desk.book.one(read_path(party), version)
        return as_file(kept.content, form)


def _add_steps(router: APIRouter, desk: ProfilesDesk) -> None:
    @router.post("/profiles", status_code=201, openapi_extra=PROPOSAL_BODY)
    async def propose(request: Request, actor: ActorAsked) -> ProfileShown:
        """Propose a version, as JSON or YAML (by its Content-Type). It has no effect until somebody else activates it.

        Without `version` it gets the next number.
        """
        content = await read_terms(request)
        with told():
            return desk.show(await desk.book.propose(content, actor))

    @router.post("/profiles/{party}/versions/{version}/activate")
    async def activate(party: PartyPath, version: Version, asked: ActivationAsked) -> ProfileShown:
        """Let a version hold from its date on; CDRs of the party, or to be paid by it, that are not billed are looked at again."""
        with told():
            return desk.show(await desk.book.activate(read_path(party), version, asked.actor))

    @router.post("/profiles/{party}/versions/{version}/end")
    async def end(party: PartyPath, version: Version, asked: EndAsked) -> ProfileShown:
        """Let a version end for charges that begin at a moment or later."""
        with told():
            return desk.show(await desk.book.end(read_path(party), version, asked.actor, asked.at))


def read_path(party: str) -> str:
    """A party of a path, written CC-PID, as it is kept. Raises InvalidParameters."""
    try:
        return str(Party.parse(party.replace("-", "/", 1)))
    except ValueError as exc:
        raise InvalidParameters("party: is written CC-PID") from exc


# --- shown at /docs ---

EXAMPLE: dict[str, Any] = {
    "party": "DE-ABC",
    "valid": {"from": "2026-10-01T00:00:00Z", "to": None},
    "preset": "push_only",
    "capabilities": {"minute_rounded_times": True},
}

PROPOSAL_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": ProfileText.model_json_schema(), "example": EXAMPLE},
            "application/yaml": {"schema": {"type": "string"}, "example": as_yaml(encode_json(EXAMPLE).decode())},
        },
    }
}
