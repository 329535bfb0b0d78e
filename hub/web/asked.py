"""What an operator asks of the hub about partners, and what is shown: values, without routes and without a web framework.

For the routes under `/admin`, the console and the command line.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hub.clock import Clock
from hub.store.partners import Partners, PartyRole, Rows, read_roles
from hub.store.secrets import new_token, token_hash
from hub.store.tables import EndpointRow, InvitationRow, PartnerRow, PartyRow
from ocpi_modules.credentials import CredentialsToken
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import CountryCode, DateTime, PartyId, Url

INVITATION_LIFE_DAYS = 14
INVITED_ROLES_MAX = 1000


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
