"""Objects that are not quite valid, from partners that are treated leniently: what is wrong with them, and the least they need.

Their bytes are kept and passed on as they came; only what the hub itself works with (ids, dates, nested parts) is put right, in a value
beside them. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from ocpi_modules.errors import InvalidParameters
from ocpi_modules.message import Message, is_key
from ocpi_modules.module import Module, Purpose
from ocpi_modules.types import defect_sentences, format_datetime, lenient_datetime, validate_partial

DEFECTS_MAX = 20


def defects_of(message: Message) -> tuple[str, ...]:
    """What is wrong with the body of a push, a sentence a kind ("evses.status is not one of …"); empty when nothing is."""
    model = message.operation.body_class(message.keys)
    if model is None or message.content is None:
        return ()
    is_partial = message.purpose is Purpose.UPDATE
    found = ["last_updated is required in a PATCH"] if is_partial and not message.content.get("last_updated") else []
    try:
        validate_partial(model, message.content) if is_partial else model.model_validate(message.content)
    except ValidationError as exc:
        found += defect_sentences(exc)
    return tuple(dict.fromkeys(found))[:DEFECTS_MAX]


def put_right(message: Message, at: datetime) -> Message:
    """The message with a `last_updated` that can be read: the owner's in any known form, else the moment of arrival (UTC).

    Raises InvalidParameters where nested parts are not lists of objects with ids: no copy can be made of that.
    """
    _require_sound(message.module, message.depth, message.content)
    moment = lenient_datetime(message.content.get("last_updated")) or at
    return replace(message, content={**message.content, "last_updated": format_datetime(moment)})


def _require_sound(module: Module, depth: int, content: Any) -> None:
    for name in module.appends if depth == 0 else ():
        if not isinstance(content.get(name) or [], list):
            raise InvalidParameters(f"{name}: is not a JSON array")
    for part in module.parts[depth : depth + 1]:
        children = content.get(part.field) or []
        if not isinstance(children, list):
            raise InvalidParameters(f"{part.field}: is not a JSON array")
        for child in children:
            if not isinstance(child, dict) or not is_key(child.get(part.id_field)):
                raise InvalidParameters(f"{part.field}: an entry has no {part.id_field}")
            _require_sound(module, depth + 1, child)
