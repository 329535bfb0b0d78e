"""A partner's answer as the reply that its caller gets: pure functions."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from hub.partners.client import Answer
from hub.partners.dialect import heard_body, is_same_server
from hub.partners.directory import Partner
from hub.routing.routes import Forward
from ocpi_modules.envelope import read_envelope
from ocpi_modules.errors import RoutingFault
from ocpi_modules.headers import join_reference, read_count
from ocpi_modules.message import Message, Reply
from ocpi_modules.module import Purpose
from ocpi_modules.types import decode_json, encode_json

FORWARDED_HTTP_STATUSES = frozenset({200, 201, 404, 405})

_METHODS = re.compile(r"[A-Z]{1,10}(, ?[A-Z]{1,10}){0,9}")


def returned(message: Message, route: Forward, answer: Answer, reply: Reply) -> Reply:
    """A receiver's reply on its way back: the parties turned round, its counts passed on (R-03, P-15), and which methods it allows."""
    counts = {name: read_count(answer.headers.get(name)) for name in ("x-total-count", "x-limit")}
    passed_on = {name: str(count) for name, count in counts.items() if count is not None}
    if reply.http_status == 405 and _METHODS.fullmatch(answer.headers.get("allow", "")):
        passed_on["Allow"] = answer.headers["allow"]
    return replace(reply, headers={**passed_on, **reply.headers}, sender=route.receiver, receiver=message.sender)


def understood(answer: Answer, partner: Partner, purpose: Purpose) -> Answer:
    """A partner's answer as if it had no quirks."""
    return replace(answer, body=heard_body(answer.body, partner.quirks, purpose))


def place_at(endpoint: str, reference: str) -> str | None:
    """Where a partner says that it keeps something, if that is at the partner itself: its token goes nowhere else (R-08)."""
    url = join_reference(endpoint, reference)
    return url if url is not None and is_same_server(url, endpoint) else None


def read_reply(answer: Answer, *, is_push: bool) -> Reply:
    """A partner's answer as the reply that its caller gets: the bytes that came back, wherever they are an OCPI answer (R-13, R-14, X-23).

    Raises RoutingFault (4000) for an answer that is none.
    """
    if answer.http_status in {401, 403}:
        raise RoutingFault("the receiver does not accept the hub's token")
    envelope = read_envelope(answer.body)
    if envelope is not None and not 300 <= answer.http_status < 400:
        status = answer.http_status if answer.http_status in FORWARDED_HTTP_STATUSES else 200
        reply = Reply(envelope.status_code, envelope.status_message, http_status=status)
        if envelope.is_dated:
            return replace(reply, raw=answer.body)
        return replace(reply, data=None if envelope.data is None else encode_json(envelope.data))  # written with a date
    if 200 <= answer.http_status < 300 and is_push and not answer.body.strip():
        return Reply(message="the receiver answered without a body")
    kept_status = answer.http_status if answer.http_status in {404, 405} else 200
    raise RoutingFault(f"the receiver answered HTTP {answer.http_status}, not in OCPI", http_status=kept_status)


def data_of(reply: Reply) -> Any:
    """What a reply carries, decoded; of a list the first, for some send one where an object belongs."""
    data = decode_json(reply.raw).get("data") if reply.raw is not None else decode_json(reply.data or b"null")
    return data[0] if isinstance(data, list) and data else data
