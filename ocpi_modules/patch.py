"""How a push changes an object: replace it, replace a part of it, or merge a PATCH into it. Pure; values in, a new value out.

What a receiver does with a push is described per module ("PUT Method", "PATCH Method"); the choices where the text is silent are X-30,
X-31 and X-54 of the checklist. Nothing here writes into its arguments, and every timestamp is the owner's own.
"""

from __future__ import annotations

from typing import Any

from ocpi_modules.module import Module, Part
from ocpi_modules.types import fold, lenient_datetime, parse_datetime

Object = dict[str, Any]

_DATED = "last_updated"


def find_part(module: Module, whole: Object, ids: tuple[str, ...]) -> Object | None:
    """The part of an object under these ids (an EVSE, then a Connector), the object itself for no ids; None when it is not there."""
    found: Object | None = whole
    for part, part_id in zip(module.parts, ids, strict=False):
        found = _child(found, part, part_id) if found is not None else None
    return found


def put_part(module: Module, whole: Object, ids: tuple[str, ...], content: Object) -> Object:
    """`whole` with the part under `ids` added or replaced, and its parents dated by it (L-09, L-10).

    The parent of the part has to be there: ask `find_part(module, whole, ids[:-1])` first.
    """
    return _with_part(module.parts, whole, ids, content)


def merge_patch(module: Module, whole: Object, ids: tuple[str, ...], fields: Object) -> Object:
    """`whole` with the fields of a PATCH merged into the part under `ids` (no ids: into the object itself).

    Lists are replaced, except nested parts (merged by id, so that none can vanish) and the module's `appends` (extended);
    null takes an optional field away, but is an empty list in these two (X-30, SE-07, Y-08).
    """
    target = find_part(module, whole, ids)
    assert target is not None, "a PATCH needs something to change"
    merged = merge_fields(module, len(ids), target, fields)
    return _with_part(module.parts, whole, ids, merged) if ids else merged


def is_older(new: Object, stored: Object) -> bool:
    """Whether a push is older than what is stored, by the owner's `last_updated`; equal counts as newer (X-31)."""
    return is_before(new, stored.get(_DATED))


def is_before(new: Object, stored_date: Any) -> bool:
    """The same, where only the `last_updated` of what is stored is at hand."""
    before = lenient_datetime(stored_date)
    return before is not None and parse_datetime(new[_DATED]) < before


def merge_fields(module: Module, depth: int, target: Object, fields: Object) -> Object:
    """What stands at a depth of an object with the fields of a PATCH merged into it, as `merge_patch` does it."""
    nested = {part.field: index for index, part in enumerate(module.parts) if index == depth}
    merged = dict(target)
    for name, value in fields.items():
        if name in nested:
            merged[name] = _merged_parts(module, depth, target.get(name) or [], value or [])
        elif depth == 0 and name in module.appends:
            merged[name] = [*(target.get(name) or []), *(value or [])]
        elif value is None:
            merged.pop(name, None)
        else:
            merged[name] = value
    return _dated(merged, target)


def _merged_parts(module: Module, depth: int, stored: list[Object], pushed: list[Object]) -> list[Object]:
    part = module.parts[depth]
    by_id = {fold(str(child[part.id_field])): child for child in stored}
    for child in pushed:
        known = by_id.get(fold(str(child[part.id_field])))
        by_id[fold(str(child[part.id_field]))] = merge_fields(module, depth + 1, known, child) if known else child
    return list(by_id.values())


def _with_part(parts: tuple[Part, ...], parent: Object, ids: tuple[str, ...], content: Object) -> Object:
    part, part_id = parts[0], ids[0]
    child = _child(parent, part, part_id)
    if len(ids) > 1:
        assert child is not None, "the parent of a part has to be there"
        content_here = _with_part(parts[1:], child, ids[1:], content)
    else:
        content_here = content
    children = list(parent.get(part.field) or [])
    if child is None:
        children.append(content_here)
    else:
        children[children.index(child)] = content_here
    return _dated({**parent, part.field: children}, content)


def _child(parent: Object, part: Part, part_id: str) -> Object | None:
    for child in parent.get(part.field) or []:
        if fold(str(child.get(part.id_field))) == fold(part_id):
            found: Object = child
            return found
    return None


def _dated(changed: Object, source: Object) -> Object:
    """`changed` with the newer of two `last_updated`: a parent follows its child, but never backwards (X-54)."""
    if is_newer(source.get(_DATED), changed.get(_DATED)):
        return {**changed, _DATED: source[_DATED]}
    return changed


def is_newer(theirs: Any, mine: Any) -> bool:
    """Whether one `last_updated` is later than another; one that cannot be read is earlier than any."""
    this, that = lenient_datetime(theirs), lenient_datetime(mine)
    return this is not None and (that is None or this > that)
