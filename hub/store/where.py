"""Conditions of a list that somebody filters: those that are asked for, with their values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Clause = tuple[str, Any]
"""A condition with a question mark for its value, or for each of its values where it is a tuple; None: it is not asked for."""


def where(clauses: Iterable[Clause], *before: Any) -> tuple[str, list[Any]]:
    """The where clause of the conditions that are asked for, and all values of the statement: those `before` it, then its own."""
    conditions: list[str] = []
    values = [*before]
    for condition, value in clauses:
        if value is not None:
            conditions.append(_numbered(condition, len(values)))
            values += value if isinstance(value, tuple) else (value,)
    return (f"where {' and '.join(conditions)}" if conditions else ""), values


def _numbered(condition: str, before: int) -> str:
    """A condition with the numbers of its values; a single value may be asked for in one place only."""
    parts = condition.split("?")
    return parts[0] + "".join(f"${before + number}{part}" for number, part in enumerate(parts[1:], 1))
