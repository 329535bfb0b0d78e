"""What the schemas of OCPP allow, as hypothesis strategies: also all that makes no sense."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import ocpp
from hypothesis import strategies as st
from jsonschema import Draft4Validator

FOLDERS = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
ITEMS_MAX = 3
TEXT_MAX_CHARACTERS = 60
TIMES = (
    "2026-03-01T12:00:00Z",
    "2026-03-01T12:00:00",
    "2026-03-01T14:00:00.123456789+02:00",
    "0001-01-01T00:00:00+14:00",
)

anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


def actions(version: str) -> list[str]:
    """Every action of a version, whoever says it."""
    names = {path.stem for path in _folder(version).glob("*.json")}
    asked = {name for name in names if not name.endswith("Response")}
    return sorted(name.removesuffix("Request") for name in asked)


@cache
def schema(version: str, action: str, *, is_answer: bool = False) -> dict[str, Any]:
    """The schema of a message."""
    kinds = ("Response",) if is_answer else ("Request", "")
    paths = [_folder(version) / f"{action}{kind}.json" for kind in kinds]
    text = next(path for path in paths if path.exists()).read_text(encoding="utf-8-sig")
    found: dict[str, Any] = json.loads(text)
    return found


def faults(version: str, action: str, payload: Any, *, is_answer: bool = False) -> list[str]:
    """What a schema has against a payload."""
    whole = schema(version, action, is_answer=is_answer)
    return [error.message for error in Draft4Validator(_without_steps(whole)).iter_errors(payload)]


@cache
def payloads(version: str, action: str) -> st.SearchStrategy[Any]:
    """Every payload that a schema allows."""
    whole = schema(version, action)
    return _values(whole, whole.get("definitions", {}))


def _folder(version: str) -> Path:
    return Path(ocpp.__file__).parent / FOLDERS[version] / "schemas"


def _without_steps(whole: Any) -> Any:
    """Without multipleOf, which binary fractions never keep."""
    if isinstance(whole, dict):
        return {key: _without_steps(value) for key, value in whole.items() if key != "multipleOf"}
    return [_without_steps(one) for one in whole] if isinstance(whole, list) else whole


def _values(part: dict[str, Any], known: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "$ref" in part:
        return st.deferred(lambda: _values(known[part["$ref"].rpartition("/")[2]], known))
    if "enum" in part:
        return st.sampled_from(part["enum"])
    match part.get("type"):
        case "object":
            return _objects(part, known)
        case "array":
            items = _values(part["items"], known)
            return st.lists(items, min_size=part.get("minItems", 0), max_size=min(part.get("maxItems", 9), ITEMS_MAX))
        case "string":
            return _texts(part)
        case "integer":
            return _integers(_bound(part, "minimum"), _bound(part, "maximum"))
        case "number":
            least, most = _bound(part, "minimum"), _bound(part, "maximum")
            return st.floats(least, most, allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case _:
            return anything


def _objects(part: dict[str, Any], known: dict[str, Any]) -> st.SearchStrategy[Any]:
    fields = {name: _values(about, known) for name, about in part.get("properties", {}).items()}
    wanted = {name: fields[name] for name in part.get("required", ())}
    optional = {name: values for name, values in fields.items() if name not in wanted}
    return st.fixed_dictionaries(wanted, optional=optional)


def _integers(least: int | None, most: int | None) -> st.SearchStrategy[int]:
    """Whole numbers within bounds, often small ones: there are connectors and transactions of these."""
    small = max(0, least or 0)
    return st.integers(least, most) | st.integers(small, small + 3 if most is None else min(small + 3, most))


def _texts(part: dict[str, Any]) -> st.SearchStrategy[str]:
    most = min(part.get("maxLength", TEXT_MAX_CHARACTERS), TEXT_MAX_CHARACTERS)
    texts = st.text(max_size=most)
    return texts | st.sampled_from(TIMES) if part.get("format") == "date-time" else texts


def _bound(part: dict[str, Any], name: str) -> int | None:
    return int(part[name]) if name in part else None
