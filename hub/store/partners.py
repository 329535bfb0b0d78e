"""Partners, their parties and endpoints, and the invitations by which they join."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, text, update
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hub.store.database import Database, execute
from hub.store.tables import EndpointRow, InvitationRow, PartnerRow, PartyRow
from ocpi_modules.errors import InvalidParameters, Unauthenticated
from ocpi_modules.parties import Party, Role

CONNECTED, OFFLINE, PLANNED, SUSPENDED = "CONNECTED", "OFFLINE", "PLANNED", "SUSPENDED"
JOINING, JOINED, LEFT = "JOINING", "JOINED", "LEFT"

_REGISTRATION_LOCK = 2_210_002


@dataclass(frozen=True, slots=True, order=True)
class PartyRole:
    """A party in one of its roles."""

    party: Party
    role: Role


@dataclass(frozen=True, slots=True)
class Registration:
    """What a partner says of itself in the handshake, after discovery.

    `roles` holds business details as JSON text by party and role; `endpoints` the URL by (module id,
    interface), `quirks` its departures from the norm as JSON. With `holds_new`, roles that the partner does not have yet
    are held for the operator.
    """

    versions_url: str
    name: str
    roles: dict[PartyRole, str]
    endpoints: dict[tuple[str, str], str]
    inbound_hash: bytes
    outbound_sealed: bytes
    quirks: str = "{}"
    holds_new: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """All that is known about partners at one moment."""

    partners: Sequence[PartnerRow]
    parties: Sequence[PartyRow]
    endpoints: Sequence[EndpointRow]


class Partners:
    """The partner tables; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> Rows:
        """Every partner, party and endpoint."""
        async with self._database.transaction() as session:
            partners = (await session.exec(select(PartnerRow))).all()
            parties = (await session.exec(select(PartyRow))).all()
            endpoints = (await session.exec(select(EndpointRow))).all()
        return Rows(partners, parties, endpoints)

    async def invite(self, hashed: bytes, roles: Sequence[PartyRole], now: datetime, expires_at: datetime) -> int:
        """Remember token A by its hash; parties that nobody holds yet become PLANNED (HC-06). Raises
        InvalidParameters for a held one.
        """
        async with self._database.transaction() as session:
            await _lock(session)
            await _require_free(session, roles, None)
            row = InvitationRow(token_hash=hashed, roles=_write_roles(roles), created_at=now, expires_at=expires_at)
            session.add(row)
            for role in roles:
                await _plan(session, role, now)
            await session.flush()
            assert row.id is not None
            return row.id

    async def invitation(self, hashed: bytes, now: datetime) -> tuple[int, frozenset[PartyRole]] | None:
        """The open invitation of a token A: its id and the roles that it may claim; None when used, expired,
        revoked or unknown.
        """
        async with self._database.transaction() as session:
            row = await _open_invitation(session, hashed, now)
        return (row.id or 0, read_roles(row.roles)) if row else None

    async def invitations(self) -> Sequence[InvitationRow]:
        """Every invitation, the newest first."""
        async with self._database.transaction() as session:
            return (await session.exec(select(InvitationRow).order_by(col(InvitationRow.id).desc()))).all()

    async def invited_parties(self, now: datetime) -> frozenset[Party]:
        """The parties that open invitations name."""
        async with self._database.transaction() as session:
            return frozenset(role.party for role in await _invited(session, now))

    async def revoke(self, invitation_id: int, now: datetime) -> bool:
        """Take an unused invitation back; False when there is no such one."""
        async with self._database.transaction() as session:
            row = await session.get(InvitationRow, invitation_id)
            if row is None or row.used_at or row.revoked_at:
                return False
            row.revoked_at = now
            await session.flush()
            await _drop_plans(session, read_roles(row.roles) - await _invited(session, now), now)
        return True

    async def join(self, token_a_hash: bytes, registration: Registration, now: datetime) -> int:
        """Register a partner that was invited: all of it or nothing (C-06). Raises Unauthenticated when token
        A went dead meanwhile.
        """
        async with self._database.transaction() as session:
            await _lock(session)
            invitation = await _open_invitation(session, token_a_hash, now)
            if invitation is None:
                raise Unauthenticated
            invitation.used_at = now
            partner = PartnerRow(
                name=registration.name, versions_url=registration.versions_url, state=JOINED, joined_at=now
            )
            session.add(partner)
            await session.flush()
            return await _write_registration(session, partner, registration, now)

    async def hold(self, said: Registration, now: datetime) -> bool:
        """Write down the partner that is a part of the hub, known by its versions URL; it has no tokens. False where all of it stood there.

        Raises InvalidParameters when one of its parties belongs to another connection; nothing has changed then.
        """
        async with self._database.transaction() as session:
            await _lock(session)
            joined = (col(PartnerRow.versions_url) == said.versions_url, col(PartnerRow.state) == JOINED)
            partner = (await session.exec(select(PartnerRow).where(*joined))).first()
            if partner is not None and await _stands(session, partner, said):
                return False
            if partner is None:
                partner = PartnerRow(name=said.name, versions_url=said.versions_url, state=JOINED, joined_at=now)
                session.add(partner)
                await session.flush()
            await _write_registration(session, partner, said, now)
            partner.token_hash = partner.token_sealed = None
        return True

    async def renew(self, partner_id: int, registration: Registration, now: datetime, *, replaces: bytes) -> None:
        """Replace what a registered partner said of itself, tokens included, in one step (C-12 to C-14).

        `replaces` is the hash of the token that the partner spoke with. Raises Unauthenticated when it is not the valid one any more.
        """
        async with self._database.transaction() as session:
            await _lock(session)
            partner = await session.get(PartnerRow, partner_id)
            if partner is None or partner.token_hash != replaces:
                raise Unauthenticated("the registration was changed meanwhile")
            await _write_registration(session, partner, registration, now)

    async def retoken(self, partner_id: int, inbound_hash: bytes, outbound_sealed: bytes, opened: int) -> None:
        """Give a registered partner the tokens of a rotation, and close the JOINING row that held the inbound
        one, in one step (C-26).
        """
        tokens = {"token_hash": inbound_hash, "token_sealed": outbound_sealed}
        async with self._database.transaction() as session:
            await _lock(session)
            await _run(session, delete(PartnerRow).where(col(PartnerRow.id) == opened))
            await _run(session, update(PartnerRow).where(col(PartnerRow.id) == partner_id).values(**tokens))

    async def open(self, versions_url: str, inbound_hash: bytes, now: datetime) -> int:
        """A partner with which the hub itself is registering: its token B is good already, for versions and
        details (C-20).
        """
        async with self._database.transaction() as session:
            row = PartnerRow(
                name=versions_url,
                versions_url=versions_url,
                token_hash=inbound_hash,
                state=JOINING,
                joined_at=now,
            )
            session.add(row)
            await session.flush()
            assert row.id is not None
            return row.id

    async def discard(self, partner_id: int, before: datetime | None = None) -> None:
        """Forget a registration that did not come about (C-21), if it was opened before a moment (UTC) where one is given."""
        async with self._database.transaction() as session:
            row = await session.get(PartnerRow, partner_id)
            if row is not None and row.state == JOINING and (before is None or row.joined_at < before):
                await session.delete(row)

    async def last_quirks(self, versions_url: str) -> str | None:
        """The quirks (JSON) of the partner at this address that left last, or None when none did."""
        said = select(PartnerRow.quirks).where(
            col(PartnerRow.versions_url) == versions_url, col(PartnerRow.state) == LEFT
        )
        async with self._database.transaction() as session:
            return (await session.exec(said.order_by(col(PartnerRow.id).desc()).limit(1))).first()

    async def set_quirks(self, partner_id: int, quirks: str) -> None:
        """Replace the quirks of a partner (JSON)."""
        async with self._database.transaction() as session:
            await _run(session, update(PartnerRow).where(col(PartnerRow.id) == partner_id).values(quirks=quirks))

    async def set_report(self, partner_id: int, report: str) -> None:
        """Replace what the last probe of a partner saw (JSON)."""
        async with self._database.transaction() as session:
            await _run(session, update(PartnerRow).where(col(PartnerRow.id) == partner_id).values(report=report))

    async def accept(self, role: PartyRole, now: datetime) -> bool:
        """Let a party in that is held for the operator: it is what its partner's other parties are. False when it is not held."""
        async with self._database.transaction() as session:
            await _lock(session)
            row = await session.get(PartyRow, (role.party.country_code, role.party.party_id, role.role.value))
            if row is None or row.partner_id is None or row.status != PLANNED:
                return False
            row.status, row.last_updated = await _status_behind(session, row.partner_id), now
        return True

    async def suspend(self, role: PartyRole, by: str, now: datetime) -> bool:
        """An operator suspends a connected party: it neither speaks nor is spoken to until it is resumed. False: it is not connected."""
        async with self._database.transaction() as session:
            await _lock(session)
            row = await session.get(PartyRow, (role.party.country_code, role.party.party_id, role.role.value))
            if row is None or row.partner_id is None or row.status not in {CONNECTED, OFFLINE}:
                return False
            row.status, row.suspended_by, row.last_updated = SUSPENDED, by, now
        return True

    async def resume(self, role: PartyRole, now: datetime) -> bool:
        """Take a suspension back: the party is what its partner's other parties are. False when no operator suspended it."""
        async with self._database.transaction() as session:
            await _lock(session)
            row = await session.get(PartyRow, (role.party.country_code, role.party.party_id, role.role.value))
            if row is None or row.partner_id is None or not row.suspended_by:
                return False
            partner = await session.get(PartnerRow, row.partner_id)
            if partner is None or partner.state != JOINED:
                return False
            row.status, row.suspended_by, row.last_updated = await _status_behind(session, row.partner_id), "", now
        return True

    async def report(self, partner_id: int) -> str | None:
        """What the last probe of a partner saw (JSON); None when there was none."""
        async with self._database.transaction() as session:
            row = await session.get(PartnerRow, partner_id)
        return row.report if row else None

    async def leave(self, partner_id: int, now: datetime) -> None:
        """Unregister: no token opens anything any more, its parties stay listed as SUSPENDED (C-16, HC-05), held ones too."""
        async with self._database.transaction() as session:
            await _lock(session)
            values = {"state": LEFT, "token_hash": None, "token_sealed": None}
            await _run(session, update(PartnerRow).where(col(PartnerRow.id) == partner_id).values(**values))
            await _run(session, delete(EndpointRow).where(col(EndpointRow.partner_id) == partner_id))
            await _set_status(session, partner_id, SUSPENDED, now)
            await _release_held(session, partner_id, now)

    async def set_status(self, partner_id: int, status: str, now: datetime) -> None:
        """CONNECTED or OFFLINE for every party of a partner; `last_updated` moves only where the status
        changes (HC-07).
        """
        async with self._database.transaction() as session:
            await _set_status(session, partner_id, status, now)

    async def heard(self, moments: dict[int, datetime]) -> None:
        """Remember when partners were last heard; another process may have heard them later."""
        if not moments:
            return
        async with self._database.transaction() as session:
            for partner_id, moment in sorted(moments.items()):
                await _run(
                    session,
                    update(PartnerRow)
                    .where(col(PartnerRow.id) == partner_id)
                    .values(heard_at=func.greatest(PartnerRow.heard_at, moment)),
                )


def read_roles(written: str) -> frozenset[PartyRole]:
    """The roles of an invitation as they stand in its row."""
    return frozenset(PartyRole(Party.parse(party), Role(role)) for party, role in json.loads(written))


def _write_roles(roles: Sequence[PartyRole]) -> str:
    return json.dumps(sorted([str(role.party), role.role.value] for role in roles))


async def _run(session: AsyncSession, statement: Any) -> None:
    await (await session.connection()).execute(statement)


async def _lock(session: AsyncSession) -> None:
    """Registrations one after the other: whether a party is free must not change between look and write."""
    await execute(session, text("select pg_advisory_xact_lock(:lock)"), {"lock": _REGISTRATION_LOCK})


async def _open_invitation(session: AsyncSession, hashed: bytes, now: datetime) -> InvitationRow | None:
    statement = select(InvitationRow).where(col(InvitationRow.token_hash) == hashed, *_is_open(now))
    return (await session.exec(statement)).first()


async def _invited(session: AsyncSession, now: datetime) -> frozenset[PartyRole]:
    """What open invitations allow, in all."""
    written = (await session.exec(select(InvitationRow.roles).where(*_is_open(now)))).all()
    return frozenset(role for roles in written for role in read_roles(roles))


def _is_open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        col(InvitationRow.used_at).is_(None),
        col(InvitationRow.revoked_at).is_(None),
        col(InvitationRow.expires_at) > now,
    )


async def _require_free(session: AsyncSession, roles: Sequence[PartyRole], partner_id: int | None) -> None:
    for party in sorted({role.party for role in roles}):
        statement = select(PartyRow).where(
            col(PartyRow.country_code) == party.country_code,
            col(PartyRow.party_id) == party.party_id,
            col(PartyRow.partner_id).is_not(None),
            col(PartyRow.partner_id) != partner_id if partner_id is not None else True,
            col(PartyRow.status) != SUSPENDED,
        )
        if (await session.exec(statement)).first() is not None:
            raise InvalidParameters(f"{party} belongs to another connection")


async def _plan(session: AsyncSession, role: PartyRole, now: datetime) -> None:
    key = (role.party.country_code, role.party.party_id, role.role.value)
    row = await session.get(PartyRow, key)
    if row is None:
        session.add(_party_row(role, None, "{}", PLANNED, now))
    elif row.partner_id is None and row.status == SUSPENDED:
        row.status, row.last_updated = PLANNED, now


async def _drop_plans(session: AsyncSession, roles: frozenset[PartyRole], now: datetime) -> None:
    for role in roles:
        row = await session.get(PartyRow, (role.party.country_code, role.party.party_id, role.role.value))
        if row is not None and row.status == PLANNED and row.partner_id is None:
            row.status, row.last_updated = SUSPENDED, now  # others know of it: it is never deleted (HC-05)


def _party_row(role: PartyRole, partner_id: int | None, details: str, status: str, now: datetime) -> PartyRow:
    return PartyRow(
        country_code=role.party.country_code,
        party_id=role.party.party_id,
        role=role.role.value,
        partner_id=partner_id,
        name=json.loads(details).get("name", str(role.party)),
        business_details=details,
        status=status,
        last_updated=now,
    )


async def _write_registration(session: AsyncSession, partner: PartnerRow, said: Registration, now: datetime) -> int:
    assert partner.id is not None
    await _require_free(session, list(said.roles), partner.id)
    partner.name, partner.versions_url, partner.state = said.name, said.versions_url, JOINED
    partner.token_hash, partner.token_sealed, partner.heard_at = said.inbound_hash, said.outbound_sealed, now
    partner.quirks = said.quirks
    await _run(session, delete(EndpointRow).where(col(EndpointRow.partner_id) == partner.id))
    for (module_id, interface), url in said.endpoints.items():
        session.add(EndpointRow(partner_id=partner.id, module_id=module_id, interface=interface, url=url))
    await _write_parties(session, partner.id, said, now)
    return partner.id


async def _stands(session: AsyncSession, partner: PartnerRow, said: Registration) -> bool:
    """Whether what a partner says of itself is what is written of it."""
    parties = (await session.exec(select(PartyRow).where(col(PartyRow.partner_id) == partner.id))).all()
    endpoints = (await session.exec(select(EndpointRow).where(col(EndpointRow.partner_id) == partner.id))).all()
    roles = {
        PartyRole(Party(row.country_code, row.party_id), Role(row.role)): row.business_details
        for row in parties
        if row.status != SUSPENDED or row.suspended_by
    }
    urls = {(row.module_id, row.interface): row.url for row in endpoints}
    return (partner.name, roles, urls) == (said.name, said.roles, said.endpoints)


async def _write_parties(session: AsyncSession, partner_id: int, said: Registration, now: datetime) -> None:
    had = (await session.exec(select(PartyRow).where(col(PartyRow.partner_id) == partner_id))).all()
    for row in had:
        is_named = PartyRole(Party(row.country_code, row.party_id), Role(row.role)) in said.roles
        if not is_named and row.status != SUSPENDED:
            row.status, row.last_updated = SUSPENDED, now
    for role, details in said.roles.items():
        known = await session.get(PartyRow, (role.party.country_code, role.party.party_id, role.role.value))
        fresh = _party_row(role, partner_id, details, _next_status(known, partner_id, said.holds_new), now)
        fresh.suspended_by = known.suspended_by if known is not None and known.partner_id == partner_id else ""
        if known is not None and known.status == fresh.status:
            fresh.last_updated = known.last_updated
        await session.merge(fresh)


def _next_status(known: PartyRow | None, partner_id: int, holds_new: bool) -> str:
    """What a role becomes that its partner names: PLANNED while the operator has not accepted it, SUSPENDED where he said so."""
    if known is not None and known.partner_id == partner_id and known.suspended_by:
        return SUSPENDED
    if known is None or known.partner_id != partner_id or known.status == SUSPENDED:
        return PLANNED if holds_new else CONNECTED
    return PLANNED if known.status == PLANNED else CONNECTED


async def _status_behind(session: AsyncSession, partner_id: int) -> str:
    """OFFLINE when the parties of a partner are, else CONNECTED."""
    statement = select(PartyRow).where(col(PartyRow.partner_id) == partner_id, col(PartyRow.status) == OFFLINE)
    return OFFLINE if (await session.exec(statement)).first() is not None else CONNECTED


async def _release_held(session: AsyncSession, partner_id: int, now: datetime) -> None:
    held = (col(PartyRow.partner_id) == partner_id, col(PartyRow.status) == PLANNED)
    await _run(session, update(PartyRow).where(*held).values(status=SUSPENDED, last_updated=now))


async def _set_status(session: AsyncSession, partner_id: int, status: str, now: datetime) -> None:
    changed = or_(col(PartyRow.status) == CONNECTED, col(PartyRow.status) == OFFLINE)
    statement = (
        update(PartyRow)
        .where(col(PartyRow.partner_id) == partner_id, changed, col(PartyRow.status) != status)
        .values(status=status, last_updated=now)
    )
    await _run(session, statement)
