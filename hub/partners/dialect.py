"""What is said to a partner and heard from it, in its own dialect: pure functions of bytes and its quirks.

A partner without quirks gets the bytes that came in (decision 1); only what a quirk names is ever written anew, with number text kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args, get_origin
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from hub.partners.quirks import Quirks
from ocpi_modules.envelope import read_envelope
from ocpi_modules.headers import read_count, read_next_link
from ocpi_modules.message import Message, Reply
from ocpi_modules.module import Module, Purpose
from ocpi_modules.types import NotJsonText, OcpiObject, decode_json, encode_json

ADDRESS_SHORT_CHARACTERS = 45

Model = type[OcpiObject]


def spoken_body(message: Message, quirks: Quirks) -> bytes:
    """The body of a message as its receiver wants it. A PATCH gets no nulls: there null takes a field away (X-30)."""
    if not rewrites(message.module, quirks) or message.content is None or message.purpose is Purpose.UPDATE:
        return message.body
    model = message.operation.body_class(message.keys)
    return message.body if model is None else encode_json(_spoken(model, message.content, quirks))


def spoken_text(module: Module, text: bytes, quirks: Quirks) -> bytes:
    """The text of a whole object as its receiver wants it."""
    return encode_json(_spoken(module.object_at(0), decode_json(text), quirks)) if rewrites(module, quirks) else text


def rewrites(module: Module, quirks: Quirks) -> bool:
    """Whether the objects of a module have to be written anew for a partner at all."""
    return quirks.nulls or (quirks.singles and module.parts != ()) or (quirks.short_address and module.is_final)


def spoken_query(message: Message, quirks: Quirks) -> str:
    """The query of a message as its receiver reads it."""
    kind = "" if message.purpose is Purpose.LIST else message.variant
    if not quirks.token_type or not kind:
        return message.raw_query
    return "&".join(part for part in (message.raw_query, urlencode({"token_type": kind})) if part)


def spoken_reply(reply: Reply, message: Message, quirks: Quirks) -> Reply:
    """An answer that holds objects (a list, or one at some depth), as its reader wants it."""
    is_wanted = rewrites(message.module, quirks) and reply.is_success
    if not is_wanted or message.purpose not in {Purpose.LIST, Purpose.READ}:
        return reply
    model = message.module.object_at(0 if message.purpose is Purpose.LIST else message.depth)
    if reply.raw is not None:
        content = decode_json(reply.raw)
        told = {name: _spoken(model, value, quirks) if name == "data" else value for name, value in content.items()}
        return replace(reply, raw=encode_json(told))
    data = None if reply.data is None else encode_json(_spoken(model, decode_json(reply.data), quirks))
    return replace(reply, data=data)


def heard_body(body: bytes, quirks: Quirks, purpose: Purpose) -> bytes:
    """A partner's answer with a single object taken out of the list around it; any other answer as it came."""
    if not quirks.unwrap or purpose is Purpose.LIST or purpose.is_push or not _SINGLE_IN_LIST.search(body):
        return body
    envelope = read_envelope(body)
    if envelope is None or not isinstance(envelope.data, list) or len(envelope.data) > 1:
        return body
    content = {name: value for name, value in decode_json(body).items() if name != "data"}
    return encode_json({**content, "data": envelope.data[0]} if envelope.data else content)


def next_page_url(requested: str, headers: Mapping[str, str], body: bytes, quirks: Quirks) -> str | None:
    """Where a partner's next page is: behind its Link, or counted on where that leads elsewhere; None on the last page.

    A partner's token goes to no other server, so a Link to one is not followed (R-08).
    """
    link = read_next_link(headers.get("link"), requested)
    if quirks.links == "follow" and (link is None or is_same_server(link, requested)):
        return link
    return counted_on(requested, headers, body)


def counted_on(requested: str, headers: Mapping[str, str], body: bytes) -> str | None:
    """The next page by offset and limit, from what the page says of itself; None when it is the last or does not say.

    It begins behind the objects that were shown: X-Limit may be more than a page really holds (X-27).
    """
    total, shown = read_count(headers.get("x-total-count")), _count(body)
    offset = offset_of(requested) + shown
    if not shown or total is None or offset >= total:
        return None
    limit = _asked(requested, "limit") or read_count(headers.get("x-limit")) or shown
    return with_parameters(requested, {"offset": str(offset), "limit": str(limit)})


def offset_of(url: str) -> int:
    """The offset that a URL of a page names, else 0."""
    return _asked(url, "offset") or 0


def is_same_server(one: str, other: str) -> bool:
    """Whether two URLs have the same scheme, host and port: only then does a partner's token go to both (R-08)."""
    return urlsplit(one)[:2] == urlsplit(other)[:2]


def with_parameters(url: str, parameters: dict[str, str]) -> str:
    """A URL with some query parameters set, the others as they were."""
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in parameters]
    return urlunsplit(parts._replace(query=urlencode([*kept, *parameters.items()], safe=":")))


def with_nulls(model: Model, content: Any, also: frozenset[str] = frozenset()) -> Any:
    """An object, or a list of objects, with every optional field of its class present: null where it was absent.

    A list that is absent stays so: it is optional by being empty. `also` names lists that count as single fields.
    """
    if isinstance(content, list):
        return [with_nulls(model, item, also) for item in content]
    if not isinstance(content, dict):
        return content
    filled = dict(content)
    for name, info in model.model_fields.items():
        if (
            name not in content
            and not info.is_required()
            and (name in also or get_origin(info.annotation) is not tuple)
        ):
            filled[name] = None
        nested = _object_class(info.annotation)
        if nested is not None and filled.get(name) is not None:
            filled[name] = with_nulls(nested, filled[name], also)
    return filled


def with_singles(content: Any) -> Any:
    """The same with the first of its status schedules and environmental impacts in the place of the list of them."""
    if isinstance(content, list):
        return [with_singles(item) for item in content]
    if not isinstance(content, dict):
        return content
    return {
        name: (value[0] if value else None) if name in _SINGLES and isinstance(value, list) else with_singles(value)
        for name, value in content.items()
    }


_SINGLES = frozenset({"status_schedule", "environ_impact"})
_SINGLE_IN_LIST = re.compile(rb'"data"\s*:\s*\[')


def _spoken(model: Model, content: Any, quirks: Quirks) -> Any:
    if quirks.nulls:
        content = with_nulls(model, content, _SINGLES if quirks.singles else frozenset())
    if quirks.singles:
        content = with_singles(content)
    if not quirks.short_address:
        return content
    return [_cut(item) for item in content] if isinstance(content, list) else _cut(content)


def _cut(cdr: Any) -> Any:
    place = cdr.get("cdr_location") if isinstance(cdr, dict) else None
    if not isinstance(place, dict) or not isinstance(address := place.get("address"), str):
        return cdr
    return {**cdr, "cdr_location": {**place, "address": address[:ADDRESS_SHORT_CHARACTERS]}}


def _object_class(annotation: Any) -> Model | None:
    if isinstance(annotation, type) and issubclass(annotation, OcpiObject):
        return annotation
    return next((found for part in get_args(annotation) if (found := _object_class(part))), None)


def _asked(url: str, name: str) -> int | None:
    return read_count(dict(parse_qsl(urlsplit(url).query)).get(name))


def _count(body: bytes) -> int:
    try:
        data = decode_json(body).get("data")
    except (NotJsonText, AttributeError):
        return 0
    return len(data) if isinstance(data, list) else 0
