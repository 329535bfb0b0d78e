"""Who is connected, as one frozen picture: pure, so that every routing decision can be a function of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from hub.partners.local import is_local
from hub.partners.permissions import Permissions
from hub.partners.quirks import Quirks
from ocpi_modules.headers import authorization
from ocpi_modules.module import Interface, Module
from ocpi_modules.parties import BROADCAST_TO, Party, Role


class Presence(StrEnum):
    """The status of a party (mod_hub_client_info, "ConnectionStatus")."""

    CONNECTED = "CONNECTED"
    OFFLINE = "OFFLINE"
    PLANNED = "PLANNED"
    SUSPENDED = "SUSPENDED"


@dataclass(frozen=True, slots=True)
class Member:
    """A party in one of its roles, with its status since `last_updated` (UTC); `partner_id` is None while it is only invited."""

    party: Party
    role: Role
    name: str
    status: Presence
    last_updated: datetime
    partner_id: int | None

    @property
    def is_held(self) -> bool:
        """Whether its partner added it and the operator has not accepted it yet."""
        return self.status is Presence.PLANNED and self.partner_id is not None


@dataclass(frozen=True)
class Partner:
    """A connected platform. `token` is the one it gave us; `is_joined` is false while our own registration at it is still open."""

    id: int
    name: str
    versions_url: str
    is_joined: bool
    token_hash: bytes
    token: str = field(repr=False)
    endpoints: Mapping[tuple[str, Interface], str] = field(default_factory=dict)
    quirks: Quirks = field(default_factory=Quirks)
    is_examined: bool = False

    @cached_property
    def authorization(self) -> str:
        """The Authorization header of every request to it."""
        return authorization(self.token, is_raw=self.quirks.token == "raw")

    @property
    def is_local(self) -> bool:
        """Whether it is a part of this hub: nobody registered it, and it has no token."""
        return is_local(self.versions_url)

    def endpoint(self, module: Module, interface: Interface) -> str | None:
        """The URL of an interface as the partner listed it, or None when it offers none (V-06)."""
        return self.endpoints.get((module.id, interface))


_NO_ROLES: frozenset[Role] = frozenset()


@dataclass(frozen=True)
class Directory:
    """The picture: the hub's own party, the partners by id, all members, and who of them may talk to whom."""

    hub: Party
    partners: Mapping[int, Partner] = field(default_factory=dict)
    members: tuple[Member, ...] = ()
    permissions: Permissions = field(default_factory=Permissions)
    # what was worked out once: the picture never changes, so neither does the answer

    @cached_property
    def _known_parties(self) -> dict[tuple[int, frozenset[Role] | None], frozenset[Party]]:
        return {}

    @cached_property
    def _known_receivers(self) -> dict[tuple[str, Party], tuple[Party, ...]]:
        return {}

    @cached_property
    def _by_party(self) -> dict[Party, tuple[Member, ...]]:
        found: dict[Party, tuple[Member, ...]] = {}
        for member in self.members:
            found[member.party] = (*found.get(member.party, ()), member)
        return found

    @cached_property
    def _roles(self) -> dict[Party, frozenset[Role]]:
        return {
            party: frozenset(m.role for m in members if m.status is not Presence.SUSPENDED and not m.is_held)
            for party, members in self._by_party.items()
        }

    @cached_property
    def _offline(self) -> frozenset[int]:
        return frozenset(
            partner_id
            for partner_id, members in self._by_partner.items()
            if any(member.status is Presence.OFFLINE for member in members)
        )

    @cached_property
    def _by_token(self) -> dict[bytes, Partner]:
        return {partner.token_hash: partner for partner in self.partners.values()}

    @cached_property
    def _by_partner(self) -> dict[int, tuple[Member, ...]]:
        found: dict[int, tuple[Member, ...]] = {}
        for member in self.members:
            if member.partner_id is not None and member.status in JOINED:
                found[member.partner_id] = (*found.get(member.partner_id, ()), member)
        return found

    @cached_property
    def _by_authorization(self) -> dict[str, int]:
        return {partner.authorization: partner.id for partner in self.partners.values()}

    def receiver_id(self, header: str) -> int | None:
        """The id of the partner to whom a request with this Authorization header goes."""
        return self._by_authorization.get(header)

    def caller(self, hashed: bytes) -> Partner | None:
        """The partner that an inbound token belongs to."""
        return self._by_token.get(hashed)

    def knows(self, party: Party) -> bool:
        """Whether a party is listed at all, in whatever status."""
        return party in self._by_party

    def roles(self, party: Party) -> frozenset[Role]:
        """The roles that a party has now; those that are suspended, or held for the operator, do not count."""
        return self._roles.get(party, _NO_ROLES)

    def members_of(self, partner: Partner) -> tuple[Member, ...]:
        """The members behind one partner; those that are suspended, or held for the operator, do not speak."""
        return self._by_partner.get(partner.id, ())

    def parties_of(self, partner: Partner, roles: frozenset[Role] | None = None) -> frozenset[Party]:
        """The parties behind one partner, all or those with one of the roles."""
        known = self._known_parties.get((partner.id, roles))
        if known is None:
            known = frozenset(m.party for m in self.members_of(partner) if roles is None or m.role in roles)
            self._known_parties[partner.id, roles] = known
        return known

    def partner_of(self, party: Party) -> Partner | None:
        """The partner that a connected party is reached through; None when it is not connected (HC-10)."""
        for member in self._by_party.get(party, ()):
            if member.status is Presence.CONNECTED and member.partner_id is not None:
                return self.partners.get(member.partner_id)
        return None

    def partner_behind(self, party: Party) -> Partner | None:
        """The partner that a party belongs to, connected or not."""
        return next((one for one in self.partners.values() if one.is_joined and party in self.parties_of(one)), None)

    def is_offline(self, partner: Partner) -> bool:
        """Whether the parties of a partner are OFFLINE."""
        return partner.id in self._offline

    def broadcast_receivers(self, module: Module, sender: Party) -> tuple[Party, ...]:
        """Who gets a push that `sender` addressed to the hub: once a party, in a fixed order, never the sender (B-03 to B-08)."""
        known = self._known_receivers.get((module.id, sender))
        if known is None:
            known = self._known_receivers[module.id, sender] = self._receivers(module, sender)
        return known

    def _receivers(self, module: Module, sender: Party) -> tuple[Party, ...]:
        wanted = _reached_by(self.roles(sender) & module.senders) & module.receivers
        return tuple(
            party
            for party in sorted(self._by_party)
            if party != sender
            and self.roles(party) & wanted
            and self._takes(party, module)
            and self.permissions.allows(sender, party, module.id)
        )

    def closed_to(self, reader: Party, module: Module) -> frozenset[Party]:
        """The parties whose objects of a module a reader may not see."""
        if not self.permissions.rules:
            return frozenset()
        return frozenset(party for party in self._by_party if not self.permissions.allows(party, reader, module.id))

    def shown_to(self, viewer: Partner) -> tuple[Member, ...]:
        """The members that are not the viewer's own, as it may know them: whom it may not talk to is PLANNED (HC-03, HC-06)."""
        others = tuple(member for member in self.members if member.partner_id != viewer.id)
        if not self.permissions.rules:
            return others
        own = self.parties_of(viewer)
        return tuple(self._shown(member, own) for member in others)

    def _shown(self, member: Member, own: frozenset[Party]) -> Member:
        since = self.permissions.since(own, member.party)
        if since is None or member.status not in JOINED:
            return member
        is_open = any(self.permissions.joins(party, member.party) for party in own)
        status = member.status if is_open else Presence.PLANNED
        return replace(member, status=status, last_updated=max(member.last_updated, since))

    def _takes(self, party: Party, module: Module) -> bool:
        """What is for everybody the hub keeps itself: a part of it need not be told."""
        partner = self.partner_of(party)
        return partner is not None and not partner.is_local and partner.endpoint(module, Interface.RECEIVER) is not None


JOINED = frozenset({Presence.CONNECTED, Presence.OFFLINE})


def _reached_by(roles: Iterable[Role]) -> frozenset[Role]:
    return frozenset(reached for role in roles for reached in BROADCAST_TO.get(role, frozenset()))
