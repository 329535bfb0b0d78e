"""The operator's interface to partners: invite, connect, look, renew tokens, disconnect.

Plain JSON under `/admin`, for whoever holds the admin token; errors leave in the envelope like all others. No
answer ever shows a token, except the one of a new invitation.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer

from hub.clock import Clock
from hub.partners.directory import Directory, Partner
from hub.partners.handshake import Handshake
from hub.partners.presence import PresenceWatch
from hub.partners.roster import Roster
from hub.store.partners import LEFT, Partners
from hub.web.asked import (
    InvitationAsked,
    InvitationMade,
    InvitationShown,
    PartnerAsked,
    PartnerShown,
    make_invitation,
    show_invitation,
    show_partner,
)
from hub.web.late import LateRoute
from ocpi_modules.errors import InvalidParameters, OcpiError, ServerFault, Unauthenticated, UnknownPath
from ocpi_modules.types import INT_MAX

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


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


def guarded_route(admin_token: str | None) -> type[LateRoute]:
    """A route that asks for the admin token before it reads anything else, and gives OCPI errors HTTP
    statuses for operators.
    """

    class GuardedRoute(LateRoute):
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
