"""The operator's interface to partners: invite, connect, look, renew tokens, disconnect.

Plain JSON under `/admin`, for whoever holds the admin token; errors leave in the envelope like all others. No
answer ever shows a token, except the one of a new invitation.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from hub.clock import Clock
from hub.partners.directory import Directory, Partner
from hub.partners.handshake import Handshake
from hub.partners.presence import PresenceWatch
from hub.partners.roster import Roster
from hub.store.partners import LEFT, Partners, PartyRole, Rows, read_roles
from hub.store.secrets import new_token, token_hash
from hub.store.tables import EndpointRow, InvitationRow, PartnerRow, PartyRow
from ocpi_modules.credentials import CredentialsToken
from ocpi_modules.errors import InvalidParameters, OcpiError, ServerFault, Unauthenticated, UnknownPath
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import INT_MAX, CountryCode, DateTime, PartyId, Url

INVITATION_LIFE_DAYS = 14
INVITED_ROLES_MAX = 1000

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


# --- what is asked ---


class Asked(BaseModel):
    """A body of the operator: nothing is guessed, nothing is ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InvitedRole(Asked):
    """A party in a role that the invited platform may claim."""

    role: Role
    country_code: CountryCode
    party_id: PartyId

    def as_party_role(self) -> PartyRole:
        """The same as a value."""
        return PartyRole(Party.of(self.country_code, self.party_id), self.role)


class InvitationAsked(Asked):
    """Whom to invite: the roles of one platform."""

    roles: Annotated[list[InvitedRole], Field(min_length=1, max_length=INVITED_ROLES_MAX)]


class PartnerAsked(Asked):
    """Where the hub itself is to register, and the token A that it was given."""

    versions_url: Url
    token: CredentialsToken


# --- what is answered ---


class InvitationMade(BaseModel):
    """A new invitation: give both `versions_url` and `token` (token A) to the partner; the token is not shown
    again.
    """

    id: int
    token: str
    versions_url: str
    expires_at: DateTime


class RoleShown(BaseModel):
    """A party in a role."""

    role: Role
    country_code: str
    party_id: str


class InvitationShown(BaseModel):
    """An invitation: `state` is OPEN, USED, REVOKED or EXPIRED."""

    id: int
    state: str
    roles: list[RoleShown]
    created_at: DateTime
    expires_at: DateTime
    used_at: DateTime | None


class PartyShown(RoleShown):
    """A party of a partner, with its status as hub client info tells it."""

    name: str
    status: str
    last_updated: DateTime


class EndpointShown(BaseModel):
    """An endpoint as the partner listed it."""

    identifier: str
    role: str
    url: str


class PartnerShown(BaseModel):
    """A connected platform: `state` is JOINED, or JOINING while our own registration at it is open."""

    id: int
    name: str
    versions_url: str
    state: str
    joined_at: DateTime
    heard_at: DateTime | None
    parties: list[PartyShown]
    endpoints: list[EndpointShown]


# --- the desk and its routes ---


@dataclass(frozen=True, slots=True)
class Desk:
    """What the operator's requests are carried out with."""

    partners: Partners
    roster: Roster
    handshake: Handshake
    watch: PresenceWatch
    clock: Clock
    versions_url: str

    async def invite(self, asked: InvitationAsked) -> InvitationMade:
        """Make a token A that is good for INVITATION_LIFE_DAYS. Raises InvalidParameters for held parties and
        for the hub's own.
        """
        hub = self.roster.directory.hub
        made = await make_invitation(self.partners, self.clock, self.versions_url, asked, hub)
        await self.roster.refresh()
        return made

    async def invitation(self, invitation_id: int) -> InvitationShown:
        """One invitation. Raises UnknownPath (404)."""
        now = self.clock.now()
        for row in await self.partners.invitations():
            if row.id == invitation_id:
                return show_invitation(row, now)
        raise UnknownPath("there is no such invitation")

    async def revoke(self, invitation_id: int) -> None:
        """Take an unused invitation back. Raises UnknownPath (404)."""
        if not await self.partners.revoke(invitation_id, self.clock.now()):
            raise UnknownPath("there is no such unused invitation")
        await self.roster.refresh()

    def partner(self, partner_id: int) -> Partner:
        """A registered partner. Raises UnknownPath (404)."""
        return registered(self.roster.directory, partner_id)

    async def show_partners(self) -> list[PartnerShown]:
        """Every connected partner, in the order in which they joined."""
        rows = await self.partners.load()
        present = (row for row in rows.partners if row.state != LEFT)
        return [
            show_partner(row, rows, self.watch.heard_at(row.id or 0))
            for row in sorted(present, key=lambda row: row.id or 0)
        ]

    async def show_partner(self, partner_id: int) -> PartnerShown:
        """One partner. Raises UnknownPath (404)."""
        for shown in await self.show_partners():
            if shown.id == partner_id:
                return shown
        raise UnknownPath("there is no such partner")


def registered(directory: Directory, partner_id: int) -> Partner:
    """A registered partner. Raises UnknownPath (404)."""
    partner = directory.partners.get(partner_id)
    if partner is None or not partner.is_joined:
        raise UnknownPath("there is no such partner")
    return partner


async def make_invitation(
    partners: Partners, clock: Clock, versions_url: str, asked: InvitationAsked, hub: Party
) -> InvitationMade:
    """Make a token A and remember it by its hash. Raises InvalidParameters for held parties and for the hub's own."""
    roles = sorted({role.as_party_role() for role in asked.roles})
    if hub in {role.party for role in roles}:
        raise InvalidParameters(f"{hub} is this hub")
    token, now = new_token(), clock.now()
    expires_at = now + timedelta(days=INVITATION_LIFE_DAYS)
    made = await partners.invite(token_hash(token), roles, now, expires_at)
    return InvitationMade(id=made, token=token, versions_url=versions_url, expires_at=expires_at)


def admin_routes(admin_token: str | None) -> APIRouter:
    """An empty router under `/admin`, open to the admin token only; closed (403) when none is configured."""
    return APIRouter(
        prefix="/admin",
        tags=["operator"],
        route_class=guarded_route(admin_token),
        dependencies=[Depends(HTTPBearer(auto_error=False))],  # so that the pages at /docs offer to log in
    )


def admin_router(desk: Desk, admin_token: str | None) -> APIRouter:
    """The routes under `/admin` that are about partners."""
    router = admin_routes(admin_token)
    _add_invitations(router, desk)
    _add_partners(router, desk)
    return router


def _add_invitations(router: APIRouter, desk: Desk) -> None:
    @router.post("/invitations", status_code=201)
    async def invite(asked: InvitationAsked) -> InvitationMade:
        """Invite a platform: the answer holds token A, which is not shown again."""
        return await desk.invite(asked)

    @router.get("/invitations")
    async def list_invitations() -> list[InvitationShown]:
        """Every invitation, the newest first."""
        now = desk.clock.now()
        return [show_invitation(row, now) for row in await desk.partners.invitations()]

    @router.delete("/invitations/{invitation_id}", status_code=204)
    async def revoke(invitation_id: Annotated[int, Path(ge=1, le=INT_MAX)]) -> None:
        """Take an unused invitation back."""
        await desk.revoke(invitation_id)


def _add_partners(router: APIRouter, desk: Desk) -> None:
    @router.post("/partners", status_code=201)
    async def connect(asked: PartnerAsked) -> PartnerShown:
        """Register the hub at a platform that gave it a token A."""
        partner = await desk.handshake.register_at(asked.versions_url, asked.token)
        return await desk.show_partner(partner.id)

    @router.get("/partners")
    async def list_partners() -> list[PartnerShown]:
        """Every connected partner."""
        return await desk.show_partners()

    @router.delete("/partners/{partner_id}", status_code=204)
    async def dismiss(partner_id: int) -> None:
        """End a partnership; the partner is told if it can be reached."""
        await desk.handshake.dismiss(desk.partner(partner_id))

    @router.post("/partners/{partner_id}/rotate")
    async def rotate(partner_id: int) -> PartnerShown:
        """Renew the tokens of both directions."""
        await desk.handshake.rotate(desk.partner(partner_id))
        return await desk.show_partner(partner_id)


# --- the guard ---


def guarded_route(admin_token: str | None) -> type[APIRoute]:
    """A route that asks for the admin token before it reads anything else, and gives OCPI errors HTTP
    statuses for operators.
    """

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handler = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                require_admin(request.headers.get("authorization", ""), admin_token)
                try:
                    return await handler(request)
                except RequestValidationError as exc:
                    raise InvalidParameters(first_fault(exc), http_status=400) from exc
                except OcpiError as error:
                    error.http_status = operator_status(error)
                    raise

            return guarded

    return GuardedRoute


def require_admin(header: str, admin_token: str | None) -> None:
    """Compare in constant time. Raises Unauthenticated: 403 when no admin token is configured, else 401."""
    if not admin_token:
        raise Unauthenticated("the operator's interface is closed: no admin token is set", http_status=403)
    scheme, _, given = header.partition(" ")
    is_known = hmac.compare_digest(given.strip().encode(), admin_token.encode())
    if scheme.lower() != "bearer" or not is_known:
        raise Unauthenticated("the admin token is missing or wrong")


def operator_status(error: OcpiError) -> int:
    """An HTTP status that tells an operator whose fault it is: 400 the request's, 502 the partner's."""
    if error.http_status != 200:
        return error.http_status
    return 502 if isinstance(error, ServerFault) else 400


def first_fault(exc: RequestValidationError) -> str:
    """Which field of a body is wrong, and why; never what was sent, which may be a token."""
    fault = exc.errors()[0]
    place = ".".join(str(part) for part in fault["loc"][1:]) or "the body"
    return f"{place}: {fault['msg']}"


# --- rows as they are shown ---


def show_invitation(row: InvitationRow, now: datetime) -> InvitationShown:
    """An invitation as the operator sees it at a moment."""
    return InvitationShown(
        id=row.id or 0,
        state=invitation_state(row, now),
        roles=[_show_role(role) for role in sorted(read_roles(row.roles))],
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
    )


def invitation_state(row: InvitationRow, now: datetime) -> str:
    """OPEN, USED, REVOKED or EXPIRED."""
    if row.used_at:
        return "USED"
    if row.revoked_at:
        return "REVOKED"
    return "OPEN" if now < row.expires_at else "EXPIRED"


def show_partner(row: PartnerRow, rows: Rows, heard_at: datetime | None) -> PartnerShown:
    """A partner as the operator sees it; `heard_at` is what this process knows beyond the row."""
    moments = [moment for moment in (row.heard_at, heard_at) if moment is not None]
    return PartnerShown(
        id=row.id or 0,
        name=row.name,
        versions_url=row.versions_url,
        state=row.state,
        joined_at=row.joined_at,
        heard_at=max(moments, default=None),
        parties=_show_parties(party for party in rows.parties if party.partner_id == row.id),
        endpoints=_show_endpoints(endpoint for endpoint in rows.endpoints if endpoint.partner_id == row.id),
    )


def _show_role(role: PartyRole) -> RoleShown:
    return RoleShown(role=role.role, country_code=role.party.country_code, party_id=role.party.party_id)


def _show_parties(rows: Iterable[PartyRow]) -> list[PartyShown]:
    ordered = sorted(rows, key=lambda row: (row.country_code, row.party_id, row.role))
    return [
        PartyShown(
            role=Role(row.role),
            country_code=row.country_code,
            party_id=row.party_id,
            name=row.name,
            status=row.status,
            last_updated=row.last_updated,
        )
        for row in ordered
    ]


def _show_endpoints(rows: Iterable[EndpointRow]) -> list[EndpointShown]:
    ordered = sorted(rows, key=lambda row: (row.module_id, row.interface))
    return [EndpointShown(identifier=row.module_id, role=row.interface, url=row.url) for row in ordered]
