"""HubClientInfo: who is connected, as every partner may know it, and the news of it (mod_hub_client_info)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from hub.partners.client import Call, Place, join_url
from hub.partners.delivery import LanesPort, Parcel, partner_lane
from hub.partners.directory import Directory, Member, Partner
from ocpi_modules.catalog import MODULES
from ocpi_modules.headers import id_headers
from ocpi_modules.module import Interface
from ocpi_modules.types import encode_json, format_datetime

_MODULE = MODULES["hubclientinfo"]


def client_info(member: Member) -> bytes:
    """A member as a ClientInfo object, in JSON (HC-02)."""
    return encode_json(
        {
            "party_id": member.party.party_id,
            "country_code": member.party.country_code,
            "role": member.role.value,
            "status": member.status.value,
            "last_updated": member.last_updated,
        }
    )


def others(directory: Directory, caller: Partner, start: datetime | None, end: datetime | None) -> list[Member]:
    """What the caller may know of others, changed in [start, end), in the order of their parties and roles (HC-01, HC-03)."""
    chosen = [
        member
        for member in directory.shown_to(caller)
        if (start is None or member.last_updated >= start) and (end is None or member.last_updated < end)
    ]
    return sorted(chosen, key=lambda member: (member.party, member.role))


def news(before: Sequence[Member], now: Sequence[Member]) -> list[Member]:
    """The members that are new or have another status (HC-04, HC-07)."""
    known = {(member.party, member.role): member.status for member in before}
    return [member for member in now if known.get((member.party, member.role)) is not member.status]


def news_id(receiver: Partner, member: Member) -> str:
    """One id for one piece of news to one receiver: every process of the hub sees it, and it is to be told once."""
    changed = f"{member.status.value} {format_datetime(member.last_updated)}"
    return f"{receiver.id} {member.party} {member.role.value} {changed}"


class ClientInfoNews:
    """Tells every connected partner that wants to know (a listener of the roster)."""

    def __init__(self, lanes: LanesPort, new_id: Callable[[], str]) -> None:
        self._lanes, self._new_id = lanes, new_id

    def __call__(self, before: Directory, now: Directory) -> None:
        if not before.members:
            return
        has_rules = bool(before.permissions.rules or now.permissions.rules)
        changed = news(before.members, now.members)  # for everybody, where nobody's view is another
        for partner in now.partners.values():
            seen = news(before.shown_to(partner), now.shown_to(partner)) if has_rules else changed
            self._tell(partner, [member for member in seen if member.partner_id != partner.id], now)

    def _tell(self, partner: Partner, members: Sequence[Member], directory: Directory) -> None:
        """Queue a PUT of each member for one partner; no routing headers (R-05)."""
        url = partner.endpoint(_MODULE, Interface.RECEIVER)
        if url is None or not partner.is_joined or directory.is_offline(partner):
            return
        for member in members:
            call = self._call(url, partner, member)
            once = news_id(partner, member)
            self._lanes.push(Parcel(name=partner_lane(partner), partner=partner, call=call, once=once))

    def _call(self, url: str, partner: Partner, member: Member) -> Call:
        place = Place(_MODULE.id, Interface.RECEIVER, f"{member.party.country_code}/{member.party.party_id}")
        return Call(
            method="PUT",
            url=join_url(url, place.suffix),
            headers={
                "Authorization": partner.authorization,
                "Content-Type": "application/json",
                **id_headers(self._new_id(), self._new_id()),
            },
            body=client_info(member),
            place=place,
            partner_id=partner.id,
            module_id=_MODULE.id,
        )
