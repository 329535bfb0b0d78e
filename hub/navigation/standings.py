"""How owners of Locations stand: whether they are there, and since when they are out of reach. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from hub.partners.directory import Directory, Member, Presence
from hub.store.publicplaces import Standing
from ocpi_modules.parties import Party


def standings(directory: Directory, now: datetime, silent_after: timedelta) -> dict[Party, Standing]:
    """Every party that is there: joined, not suspended, not held. One that is OFFLINE for longer than it may be is out of reach (N2)."""
    found: dict[Party, Standing] = {}
    for member in directory.members:
        if member.partner_id is not None and member.status in {Presence.CONNECTED, Presence.OFFLINE}:
            since = _silent_since(member, now, silent_after)
            stands = Standing(is_member=True, silent_since=since, is_station=_is_local(directory, member.partner_id))
            if found.get(member.party, stands).silent_since is not None or member.party not in found:
                found[member.party] = stands
    return found


def _is_local(directory: Directory, partner_id: int) -> bool:
    partner = directory.partners.get(partner_id)
    return partner is not None and partner.is_local


def _silent_since(member: Member, now: datetime, silent_after: timedelta) -> datetime | None:
    is_silent = member.status is Presence.OFFLINE and now - member.last_updated >= silent_after
    return member.last_updated if is_silent else None
