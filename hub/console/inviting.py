"""How partners come in: invitations with what is to be handed over, registering at a platform that invited the hub, and how far each is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from pydantic import ValidationError

from hub.console.accounts import Permission
from hub.console.joining import INVITED, OURS, Begun, Way, joined_as, way_of
from hub.console.listing import Column, FilterField, Listing, add_listing, sliced
from hub.console.network import NetworkDesks
from hub.console.routes import Console, done
from hub.partners.progress import Step, of_errand, of_invitation
from hub.store.handshakes import KeptStep
from hub.web.asked import (
    INVITATION_LIFE_DAYS,
    InvitationAsked,
    InvitationMade,
    InvitationShown,
    PartnerAsked,
    show_invitation,
)
from hub.web.listing import Filters, Page, Text
from ocpi_modules.errors import InvalidParameters, OcpiError, UnknownPath
from ocpi_modules.parties import Role

PARTNERS_PATH = "/console/partners"
INVITE_PATH = f"{PARTNERS_PATH}/invite"
INVITATIONS_PATH = f"{PARTNERS_PATH}/invitations"
ERRANDS_PATH = f"{PARTNERS_PATH}/errands"
ROWS_MAX = 50

Texts = Annotated[list[str], Form(max_length=ROWS_MAX)]
Watched = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A row of the form: a party in a role, as it was typed."""

    role: str = "CPO"
    country_code: str = ""
    party_id: str = ""


def inviting_router(console: Console, desks: NetworkDesks) -> APIRouter:
    """The pages of invitations."""
    router = console.router()
    add_listing(router, console, _invitations(desks))
    _add_wizard(router, console, desks)
    _add_connect(router, console, desks)
    _add_invitation(router, console, desks)
    _add_errand(router, console, desks)
    return router


def watching_router(console: Console, desks: NetworkDesks) -> APIRouter:
    """How far handshakes are, as pages ask for it by themselves."""
    router = console.router(is_live=True)

    @router.get("/partners/invitations/{invitation_id:int}/live")
    async def invitation(request: Request, invitation_id: int) -> Response:
        return _stream(console, request, _watched_invitation(desks, invitation_id))

    @router.get("/partners/errands/{errand}/live")
    async def errand(request: Request, errand: str) -> Response:
        return _stream(console, request, _watched_errand(desks, errand))

    return router


def _stream(console: Console, request: Request, watched: Watched) -> Response:
    async def make() -> str:
        return console.part(request, "way.html", await watched())

    return console.stream(request, make, every_seconds=1.0)


# --- the wizard ---


def _add_wizard(router: APIRouter, console: Console, desks: NetworkDesks) -> None:
    async def form(request: Request, rows: Sequence[RoleRow], sentence: str = "", status: int = 200) -> Response:
        values = {
            "rows": rows,
            "roles": [role.value for role in Role if role is not Role.HUB],
            "sentence": sentence,
            "days": INVITATION_LIFE_DAYS,
            "is_full": len(rows) >= ROWS_MAX,
        }
        return await console.page(request, "invite.html", values, status)

    @router.get("/partners/invite")
    async def ask(request: Request) -> Response:
        console.person(request, Permission.OPERATE)
        return await form(request, [RoleRow()])

    @router.post("/partners/invite")
    async def invite(
        request: Request,
        role: Texts,
        country_code: Texts,
        party_id: Texts,
        more: Annotated[str, Form(max_length=5)] = "",
        drop: Annotated[str, Form(max_length=5)] = "",
    ) -> Response:
        person = console.person(request, Permission.OPERATE)
        rows = [RoleRow(*row) for row in zip(role, country_code, party_id, strict=False)]
        if more or drop:
            return await form(request, changed(rows, drop))
        try:
            made = await desks.partners.invite(read_roles(rows))
        except OcpiError as refused:
            return await form(request, rows, refused.message, 400)
        named = [f"{row.role} {row.country_code}/{row.party_id}".upper() for row in rows]
        await console.gate.note(request, person, "partner_invited", of_invitation(made.id), roles=named)
        return await console.page(request, "invited.html", _handed_over(made, named), 201)


def changed(rows: Sequence[RoleRow], drop: str) -> list[RoleRow]:
    """The rows of the form without the one that is to go, or with an empty one more."""
    if drop:
        return [row for place, row in enumerate(rows) if str(place) != drop] or [RoleRow()]
    return [*rows, RoleRow(role=rows[-1].role if rows else "CPO")][:ROWS_MAX]


def read_roles(rows: Sequence[RoleRow]) -> InvitationAsked:
    """What the form asks for. Raises InvalidParameters, naming the row."""
    content = [
        {"role": row.role, "country_code": row.country_code.strip(), "party_id": row.party_id.strip()} for row in rows
    ]
    try:
        return InvitationAsked.model_validate({"roles": content})
    except ValidationError as exc:
        fault = exc.errors()[0]
        place = [part for part in fault["loc"] if part != "roles"]
        row = f"row {int(place[0]) + 1}: " if place and isinstance(place[0], int) else ""
        named = f"{place[-1]} ".replace("_", " ") if len(place) > 1 else ""
        raise InvalidParameters(f"{row}{named}{fault['msg']}", http_status=400) from exc


def _handed_over(made: InvitationMade, named: Sequence[str]) -> dict[str, Any]:
    return {"made": made, "named": named, "path": f"{INVITATIONS_PATH}/{made.id}", "days": INVITATION_LIFE_DAYS}


def _add_connect(router: APIRouter, console: Console, desks: NetworkDesks) -> None:
    @router.post("/partners/connect")
    async def connect(
        request: Request,
        versions_url: Annotated[str, Form(max_length=1000)],
        token: Annotated[str, Form(max_length=1000)],
    ) -> Response:
        person = console.person(request, Permission.OPERATE)
        try:
            asked = PartnerAsked.model_validate({"versions_url": versions_url.strip(), "token": token.strip()})
        except ValidationError as exc:
            fault = exc.errors()[0]
            raise InvalidParameters(f"{fault['loc'][0]}: {fault['msg']}", http_status=400) from exc
        errand = await desks.errands.register_at(asked)
        await console.gate.note(request, person, "registration_begun", of_errand(errand), at=asked.versions_url)
        return done(f"{ERRANDS_PATH}/{errand}", "The hub registers there now.")


# --- how far it is ---


def _add_invitation(router: APIRouter, console: Console, desks: NetworkDesks) -> None:
    @router.get("/partners/invitations/{invitation_id:int}")
    async def show(request: Request, invitation_id: int) -> Response:
        console.person(request)
        return await console.page(request, "invitation.html", await _watched_invitation(desks, invitation_id)())

    @router.post("/partners/invitations/{invitation_id:int}/revoke")
    async def revoke(request: Request, invitation_id: int) -> Response:
        person = console.person(request, Permission.OPERATE)
        await desks.partners.revoke(invitation_id)
        await console.gate.note(request, person, "invitation_revoked", of_invitation(invitation_id))
        return done(INVITATIONS_PATH, "The invitation is taken back: its token opens nothing any more.")


def _add_errand(router: APIRouter, console: Console, desks: NetworkDesks) -> None:
    @router.get("/partners/errands/{errand}")
    async def show(request: Request, errand: str) -> Response:
        console.person(request)
        return await console.page(request, "errand.html", await _watched_errand(desks, errand)())


def _watched_invitation(desks: NetworkDesks, invitation_id: int) -> Watched:
    async def look() -> dict[str, Any]:
        shown = await desks.partners.invitation(invitation_id)
        steps = await desks.steps.of(of_invitation(invitation_id))
        begun = Begun(label="They are invited", at=shown.created_at, is_open=shown.state == "OPEN")
        way = way_of(begun, INVITED, steps, await _probe(desks, joined_as(steps)))
        return {
            "one": shown,
            "way": way,
            "partner": await _partner_name(desks, way),
            "live": f"{INVITATIONS_PATH}/{invitation_id}/live",
        }

    return look


def _watched_errand(desks: NetworkDesks, errand: str) -> Watched:
    async def look() -> dict[str, Any]:
        steps = await desks.steps.of(of_errand(errand))
        first = next((step for step in steps if step.step == Step.BEGUN), None)
        if first is None:
            raise UnknownPath("there is no such registration")
        has_failed = any(not step.is_good for step in steps)
        begun = Begun(label="The hub calls their versions URL", at=first.first_at, is_open=not has_failed)
        way = way_of(begun, OURS, steps, await _probe(desks, joined_as(steps)))
        return {
            "versions_url": first.said,
            "way": way,
            "partner": await _partner_name(desks, way),
            "live": f"{ERRANDS_PATH}/{errand}/live",
        }

    return look


async def _probe(desks: NetworkDesks, partner_id: int | None) -> tuple[bool, str]:
    """Whether a partner was looked at, and what was seen."""
    if partner_id is None:
        return False, ""
    if partner_id not in desks.partners.roster.directory.partners:
        return True, "they have left since"
    try:
        report = await desks.upkeep.report(partner_id)
    except UnknownPath:
        return False, ""
    return True, f"{len(report.rows)} observations, {report.differences} of them differ from OCPI"


async def _partner_name(desks: NetworkDesks, way: Way) -> str:
    """The name of the partner that a handshake led to; empty where there is none, or it has left."""
    try:
        return desks.partners.partner(way.partner_id or 0).name
    except UnknownPath:
        return ""


# --- the list ---


class InvitationFilters(Filters):
    """Which invitations are wanted."""

    state: Text | None = None
    party: Text | None = None


def _invitations(desks: NetworkDesks) -> Listing[InvitationShown, InvitationFilters]:
    async def read(asked: InvitationFilters) -> Page[InvitationShown]:
        now = desks.partners.clock.now()
        shown = [show_invitation(row, now) for row in await desks.partners.partners.invitations()]
        return sliced([one for one in shown if _is_wanted(one, asked)], asked)

    return Listing(
        title="Invitations",
        intro="Who may join with which parties. A token is good for one platform, once.",
        path=INVITATIONS_PATH,
        template="invitations.html",
        columns=(
            Column(key="id", label="Invitation", value=lambda row: str(row.id), link=_own_path),
            Column(key="state", label="State", value=lambda row: row.state, kind="tag"),
            Column(key="roles", label="For", value=_roles, link=_own_path, is_wide=True),
            Column(key="created_at", label="Made", value=lambda row: row.created_at, kind="moment"),
            Column(key="expires_at", label="Good until", value=lambda row: row.expires_at, kind="moment"),
            Column(key="used_at", label="Used", value=lambda row: row.used_at, kind="moment", is_minor=True),
        ),
        filters=(
            FilterField(
                name="state",
                label="State",
                choices=(("OPEN", "open"), ("USED", "used"), ("REVOKED", "taken back"), ("EXPIRED", "expired")),
            ),
            FilterField(name="party", label="Party", placeholder="DE/ABC"),
        ),
        asked=InvitationFilters,
        read=read,
        empty="Nobody was invited yet: “Invite a partner” makes the token that a platform joins with.",
    )


def _is_wanted(one: InvitationShown, asked: InvitationFilters) -> bool:
    if asked.state and one.state != asked.state:
        return False
    return not asked.party or asked.party.casefold() in _roles(one).casefold()


def _roles(one: InvitationShown) -> str:
    return ", ".join(f"{role.role.value} {role.country_code}/{role.party_id}" for role in one.roles)


def _own_path(row: InvitationShown) -> str:
    return f"{INVITATIONS_PATH}/{row.id}"


def told_steps(steps: Sequence[KeptStep]) -> list[KeptStep]:
    """The history of a partnership, the newest first."""
    return sorted(steps, key=lambda step: step.last_at, reverse=True)
