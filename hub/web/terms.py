"""The operator's interface to who may talk to whom: dated rules, what a party can see, and parties that wait to be let in.

Plain JSON under `/admin` behind the same guard as the rest of it; every change counts at once and is announced in hub client info.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import AfterValidator, BaseModel

from hub.clock import Clock
from hub.partners.directory import JOINED, Directory, Member, Partner, Presence
from hub.partners.roster import Roster
from hub.routing.reader import sees_shared
from hub.store.copies import Copies, PageQuery
from hub.store.partners import PLANNED, Partners, PartyRole, Rows
from hub.store.permissions import PermissionRules
from hub.store.tables import PartyRow, PermissionRow
from hub.web.admin import admin_routes
from hub.web.asked import Asked, PartyShown
from ocpi_modules.catalog import FUNCTIONAL
from ocpi_modules.errors import InvalidParameters, UnknownPath
from ocpi_modules.module import Module
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import INT_MAX, Bool, DateTime, Matching, String

NOTE_MAX_CHARACTERS = 255
OPERATOR = "operator"  # whoever holds the admin token

_NOBODY = Partner(id=0, name="", versions_url="", is_joined=False, token_hash=b"", token="")


# --- what is asked ---


def _functional(name: str) -> str:
    if name not in {module.id for module in FUNCTIONAL}:
        raise ValueError(f"is not one of {', '.join(module.id for module in FUNCTIONAL)}")
    return name


PartyName = Annotated[str, Matching("[A-Za-z]{2}/[!-~]{1,3}", "is not a party written like DE/ABC")]
ModuleName = Annotated[str, AfterValidator(_functional)]
RuleId = Annotated[int, Path(ge=1, le=INT_MAX)]


class PermissionAsked(Asked):
    """A rule: whether two parties may talk about a module. None is anybody, or any module, and has to be said.

    Good in [starts_at, ends_at), UTC; without `starts_at` from now on, without `ends_at` until it is ended.
    """

    one: PartyName | None
    other: PartyName | None
    module: ModuleName | None
    allowed: Bool
    starts_at: DateTime | None = None
    ends_at: DateTime | None = None
    note: Annotated[str, String(NOTE_MAX_CHARACTERS)] = ""


# --- what is answered ---


class PermissionShown(BaseModel):
    """A rule: `state` is COMING, GOOD or ENDED."""

    id: int
    one: str | None
    other: str | None
    module: str | None
    allowed: bool
    starts_at: DateTime
    ends_at: DateTime | None
    note: str
    state: str


class PartyListed(PartyShown):
    """A party in a role, and the platform that speaks for it or did last (None: only invited); `held` until the operator accepts it;
    `suspended_by` names the operator who suspended it."""

    partner: str | None
    held: bool
    suspended_by: str


class RoleSeen(BaseModel):
    """A role of another party, with the status that hub client info shows."""

    role: Role
    status: str


class PartySeen(BaseModel):
    """Another party, and the modules that the two may talk about."""

    country_code: str
    party_id: str
    roles: list[RoleSeen]
    modules: list[str]


class OwnerSeen(BaseModel):
    """How many objects of one owner can be seen."""

    country_code: str
    party_id: str
    objects: int


class KeptSeen(BaseModel):
    """How many objects of a module GET All shows, and of whom: owners with the most first."""

    module: str
    total: int
    owners: list[OwnerSeen]


class PartyView(BaseModel):
    """What a party can see under the rules that are good `at` a moment, of the parties and objects that there are now."""

    country_code: str
    party_id: str
    at: DateTime
    parties: list[PartySeen]
    kept: list[KeptSeen]


# --- the desk and its routes ---


@dataclass(frozen=True, slots=True)
class TermsDesk:
    """What the operator's requests are carried out with."""

    rules: PermissionRules
    roster: Roster
    copies: Copies
    clock: Clock
    partners: Partners

    async def show_rules(self) -> list[PermissionShown]:
        """Every rule, the oldest first."""
        now = self.clock.now()
        return [show_rule(row, now) for row in await self.rules.load()]

    async def add_rule(self, asked: PermissionAsked) -> PermissionShown:
        """Make a rule. Raises InvalidParameters."""
        row = write_rule(asked, self.clock.now(), self.roster.directory.hub)
        await self.rules.add(row)
        await self.roster.refresh()
        return show_rule(row, self.clock.now())

    async def end_rule(self, rule_id: int) -> None:
        """Let a rule end now. Raises UnknownPath (404)."""
        if not await self.rules.end(rule_id, self.clock.now()):
            raise UnknownPath("there is no such rule that could end")
        await self.roster.refresh()

    async def show_parties(self) -> list[PartyListed]:
        """Every party in each of its roles, in their order."""
        return list_parties(await self.partners.load())

    async def accept(self, role: PartyRole) -> PartyListed:
        """Let a held party in. Raises UnknownPath (404)."""
        if not await self.partners.accept(role, self.clock.now()):
            raise UnknownPath("there is no such party that is held")
        return await self._changed(role)

    async def suspend(self, role: PartyRole, by: str) -> PartyListed:
        """Let a connected party neither speak nor be spoken to until it is resumed. Raises UnknownPath (404)."""
        if not await self.partners.suspend(role, by, self.clock.now()):
            raise UnknownPath("there is no such party that is connected")
        return await self._changed(role)

    async def resume(self, role: PartyRole) -> PartyListed:
        """Take a suspension back. Raises UnknownPath (404)."""
        if not await self.partners.resume(role, self.clock.now()):
            raise UnknownPath("there is no such party that an operator suspended")
        return await self._changed(role)

    async def _changed(self, role: PartyRole) -> PartyListed:
        await self.roster.refresh()
        key = (role.party.country_code, role.party.party_id, role.role)
        listed = await self.show_parties()
        return next(shown for shown in listed if (shown.country_code, shown.party_id, shown.role) == key)

    async def view(self, party: Party, at: datetime | None) -> PartyView:
        """What a party can see. Raises UnknownPath (404)."""
        if not self.roster.directory.knows(party):
            raise UnknownPath("there is no such party")
        moment = at or self.clock.now()
        directory = as_connected(as_it_stands(self.roster.directory, moment), party)
        return PartyView(
            country_code=party.country_code,
            party_id=party.party_id,
            at=moment,
            parties=see_parties(directory, party),
            kept=[await self._see_kept(directory, party, module) for module in FUNCTIONAL if module.is_kept],
        )

    async def _see_kept(self, directory: Directory, party: Party, module: Module) -> KeptSeen:
        visible = await self.copies.count_visible(get_all(directory, party, module))
        owners = [
            OwnerSeen(country_code=owner.country_code, party_id=owner.party_id, objects=objects)
            for owner, objects in visible.by_owner.items()
        ]
        return KeptSeen(module=module.id, total=visible.total, owners=owners)


def terms_router(desk: TermsDesk, admin_token: str | None) -> APIRouter:
    """More routes under `/admin`, open to the admin token only; closed (403) when none is configured."""
    router = admin_routes(admin_token)
    _add_permissions(router, desk)
    _add_parties(router, desk)
    return router


def _add_permissions(router: APIRouter, desk: TermsDesk) -> None:
    @router.get("/permissions")
    async def list_permissions() -> list[PermissionShown]:
        """Every rule on who may talk to whom, also those that ended, the oldest first."""
        return await desk.show_rules()

    @router.post("/permissions", status_code=201)
    async def permit(asked: PermissionAsked) -> PermissionShown:
        """Allow two parties to talk about a module, or forbid it; null is anybody, or any module."""
        return await desk.add_rule(asked)

    @router.delete("/permissions/{permission_id}", status_code=204)
    async def end_permission(permission_id: RuleId) -> None:
        """Let a rule end now; it stays listed."""
        await desk.end_rule(permission_id)


def _add_parties(router: APIRouter, desk: TermsDesk) -> None:
    @router.get("/parties")
    async def all_parties() -> list[PartyListed]:
        """Every party in each of its roles."""
        return await desk.show_parties()

    @router.get("/parties/{country_code}/{party_id}/view")
    async def view(country_code: str, party_id: str, at: DateTime | None = None) -> PartyView:
        """What a party can see of others, now or under the rules of another moment."""
        return await desk.view(Party.of(country_code, party_id), at)

    @router.post("/parties/{country_code}/{party_id}/{role}/accept")
    async def accept(country_code: str, party_id: str, role: Role) -> PartyListed:
        """Let a party in that its partner added and that is held."""
        return await desk.accept(PartyRole(Party.of(country_code, party_id), role))

    @router.post("/parties/{country_code}/{party_id}/{role}/suspend")
    async def suspend(country_code: str, party_id: str, role: Role) -> PartyListed:
        """Suspend a connected party: it neither speaks nor is spoken to, whatever its partner sends, until it is resumed."""
        return await desk.suspend(PartyRole(Party.of(country_code, party_id), role), OPERATOR)

    @router.post("/parties/{country_code}/{party_id}/{role}/resume")
    async def resume(country_code: str, party_id: str, role: Role) -> PartyListed:
        """Take a suspension back."""
        return await desk.resume(PartyRole(Party.of(country_code, party_id), role))


# --- rules ---


def write_rule(asked: PermissionAsked, now: datetime, hub: Party) -> PermissionRow:
    """A rule as it is kept. Raises InvalidParameters for one that could never count, or would begin in the past."""
    one, other = (Party.parse(name) if name else None for name in (asked.one, asked.other))
    if hub in {one, other}:
        raise InvalidParameters(f"{hub} is this hub: rules are about the parties behind it")
    if one is not None and one == other:
        raise InvalidParameters(f"{one} may always talk to itself: name two parties")
    starts_at = asked.starts_at or now
    if starts_at < now:
        raise InvalidParameters("starts_at: is in the past; without it the rule starts now")
    if asked.ends_at is not None and asked.ends_at <= starts_at:
        raise InvalidParameters("ends_at: is not after the start of the rule")
    return PermissionRow(
        one=str(one or ""),
        other=str(other or ""),
        module=asked.module or "",
        is_allowed=asked.allowed,
        starts_at=starts_at,
        ends_at=asked.ends_at,
        note=asked.note,
    )


def show_rule(row: PermissionRow, now: datetime) -> PermissionShown:
    """A rule as the operator sees it at a moment."""
    return PermissionShown(
        id=row.id or 0,
        one=row.one or None,
        other=row.other or None,
        module=row.module or None,
        allowed=row.is_allowed,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        note=row.note,
        state=rule_state(row, now),
    )


def rule_state(row: PermissionRow, now: datetime) -> str:
    """COMING, GOOD or ENDED."""
    if row.ends_at is not None and row.ends_at <= now:
        return "ENDED"
    return "GOOD" if row.starts_at <= now else "COMING"


# --- parties ---


def list_parties(rows: Rows) -> list[PartyListed]:
    """All parties as the operator sees them, in their order."""
    names = {partner.id: partner.name for partner in rows.partners}
    ordered = sorted(rows.parties, key=lambda row: (row.country_code, row.party_id, row.role))
    return [_list_party(row, names.get(row.partner_id)) for row in ordered]


def _list_party(row: PartyRow, partner: str | None) -> PartyListed:
    return PartyListed(
        role=Role(row.role),
        country_code=row.country_code,
        party_id=row.party_id,
        name=row.name,
        status=row.status,
        last_updated=row.last_updated,
        partner=partner,
        held=row.status == PLANNED and row.partner_id is not None,
        suspended_by=row.suspended_by,
    )


# --- what a party can see ---


def as_it_stands(directory: Directory, moment: datetime) -> Directory:
    """The picture under the rules that are good at a moment."""
    return replace(directory, permissions=directory.permissions.at(moment))


def as_connected(directory: Directory, party: Party) -> Directory:
    """The picture if a party were connected that is invited, held or has left; the same picture if it is connected."""
    own = [member for member in directory.members if member.party == party]
    if any(member.status in JOINED for member in own):
        return directory
    partner = next(filter(None, (_partner_behind(directory, member) for member in own)), _NOBODY)
    members = tuple(
        replace(member, status=Presence.CONNECTED, partner_id=partner.id) if member.party == party else member
        for member in directory.members
    )
    return replace(directory, members=members, partners={**directory.partners, partner.id: partner})


def see_parties(directory: Directory, party: Party) -> list[PartySeen]:
    """Every other party as hub client info shows it to the platform of a connected one, which knows its own parties anyway."""
    viewer = next(
        partner
        for member in directory.members
        if member.party == party and member.status in JOINED and (partner := _partner_behind(directory, member))
    )
    shown = {(member.party, member.role): member.status for member in directory.shown_to(viewer)}
    others = sorted({member.party for member in directory.members} - {party})
    return [
        PartySeen(
            country_code=other.country_code,
            party_id=other.party_id,
            roles=_see_roles((m for m in directory.members if m.party == other), shown),
            modules=open_modules(directory, party, other),
        )
        for other in others
    ]


def open_modules(directory: Directory, one: Party, other: Party) -> list[str]:
    """The modules that two parties may talk about."""
    return [module.id for module in FUNCTIONAL if directory.permissions.allows(one, other, module.id)]


def get_all(directory: Directory, party: Party, module: Module) -> PageQuery:
    """The question of a GET All by a party, without dates."""
    return PageQuery(
        module=module,
        reader=party,
        sees_shared=sees_shared(module, directory.roles(party)),
        closed=directory.closed_to(party, module),
    )


def _see_roles(members: Iterable[Member], shown: dict[tuple[Party, Role], Presence]) -> list[RoleSeen]:
    ordered = sorted(members, key=lambda member: member.role)
    return [RoleSeen(role=m.role, status=shown.get((m.party, m.role), m.status)) for m in ordered]


def _partner_behind(directory: Directory, member: Member) -> Partner | None:
    return None if member.partner_id is None else directory.partners.get(member.partner_id)
