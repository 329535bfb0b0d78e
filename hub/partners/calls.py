"""A message as the call that takes it to its receiver: the receiver's own URL, its own token, and the right headers."""

from __future__ import annotations

from hub.partners.client import Call, Place, join_url
from hub.partners.dialect import spoken_body, spoken_query
from hub.partners.directory import Partner
from ocpi_modules.errors import RoutingFault
from ocpi_modules.headers import id_headers, routing_headers
from ocpi_modules.message import Message
from ocpi_modules.parties import Party

_JSON = {"Content-Type": "application/json"}


def call_for(message: Message, partner: Partner) -> Call:
    """The call of a message at the interface that its partner listed; raises RoutingFault when it listed none (R-09, R-18)."""
    base = partner.endpoint(message.module, message.interface)
    if base is None:
        raise RoutingFault(f"{message.receiver} offers no {message.module.id} {message.interface}")
    body = spoken_body(message, partner.quirks) if message.operation.has_body else None
    place = Place(message.module.id, message.interface, message.suffix, spoken_query(message, partner.quirks))
    return Call(
        method=message.operation.method,
        url=join_url(base, place.suffix, place.query),
        headers=_headers(message, partner) | (_JSON if body else {}),
        body=body,
        place=place,
    )


def call_at(url: str, message: Message, partner: Partner) -> Call:
    """A GET of exactly this URL on behalf of a message: the next page, or a CDR where its receiver keeps it (P-14, CD-04)."""
    return Call(method="GET", url=url, headers=_headers(message, partner))


def call_headers(partner: Partner, sender: Party, receiver: Party | None, ids: tuple[str, str]) -> dict[str, str]:
    """The headers of a routed request to a partner; `ids` are its request and correlation id."""
    return {
        "Authorization": partner.authorization,
        **id_headers(*ids),
        **routing_headers(sender, receiver),
    }


def _headers(message: Message, partner: Partner) -> dict[str, str]:
    return call_headers(partner, message.sender, message.receiver, (message.request_id, message.correlation_id))
