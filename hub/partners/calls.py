"""A message as the call that takes it to its receiver: the receiver's own URL, its own token, and the right headers."""

from __future__ import annotations

from typing import NamedTuple

from hub.partners.client import Call, Place, join_url
from hub.partners.delivery import Update
from hub.partners.dialect import spoken_body, spoken_query
from hub.partners.directory import Partner
from ocpi_modules.errors import RoutingFault
from ocpi_modules.headers import id_headers, routing_headers
from ocpi_modules.message import Message
from ocpi_modules.module import Purpose
from ocpi_modules.parties import Party
from ocpi_modules.types import fold


class Hop(NamedTuple):
    """Between whom a message travels next, and its id on that way: what differs from one receiver of a broadcast to the next."""

    sender: Party
    receiver: Party | None
    request_id: str


def call_for(message: Message, partner: Partner, hop: Hop | None = None) -> Call:
    """The call of a message at the interface that its partner listed, as it is or on another hop.

    Raises RoutingFault when the partner listed none (R-09, R-18).
    """
    sender, receiver, request_id = hop or (message.sender, message.receiver, message.request_id)
    base = partner.endpoint(message.module, message.interface)
    if base is None:
        raise RoutingFault(f"{receiver} offers no {message.module.id} {message.interface}")
    body = spoken_body(message, partner.quirks) if message.operation.has_body else None
    headers = call_headers(partner, sender, receiver, (request_id, message.correlation_id))
    if body:
        headers["Content-Type"] = "application/json"
    place = Place(message.module.id, message.interface, message.suffix, spoken_query(message, partner.quirks))
    url = join_url(base, place.suffix, place.query)
    return Call(
        method=message.operation.method,
        url=url,
        headers=headers,
        body=body,
        place=place,
        partner_id=partner.id,
        module_id=message.module.id,
    )


def call_at(url: str, message: Message, partner: Partner) -> Call:
    """A GET of exactly this URL on behalf of a message: the next page, or a CDR where its receiver keeps it (P-14, CD-04)."""
    headers = _headers(message, partner)
    return Call(method="GET", url=url, headers=headers, partner_id=partner.id, module_id=message.module.id)


def update_of(message: Message) -> Update | None:
    """What a PATCH of an EVSE sets, so that a newer one may supersede it while it waits; None for every other message.

    Not one with connectors: those are merged by their ids, so that a later list need not cover an earlier one.
    """
    if message.purpose is not Purpose.UPDATE or not message.module.parts or message.depth != 1:
        return None
    fields = frozenset(message.content)
    if not message.module.parts[1:] or message.module.parts[1].field in fields:
        return None
    return Update((message.module.id, message.owner, *map(fold, message.object_keys)), fields)


def call_headers(partner: Partner, sender: Party, receiver: Party | None, ids: tuple[str, str]) -> dict[str, str]:
    """The headers of a routed request to a partner; `ids` are its request and correlation id."""
    return {
        "Authorization": partner.authorization,
        **id_headers(*ids),
        **routing_headers(sender, receiver),
    }


def _headers(message: Message, partner: Partner) -> dict[str, str]:
    return call_headers(partner, message.sender, message.receiver, (message.request_id, message.correlation_id))
