"""Terms of agreements as rows that people read, and what differs between two versions. Pure.

A clause is named by its path (``pricing.fee.per_session``); its value is a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hub.settlement.terms_file import AgreementText

NOT_SAID = "version"
"""The number of a version is no clause of it."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause: its path, its value as a text, and what it means."""

    path: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A clause that is not the same in two versions; None where one of them does not have it."""

    path: str
    old: str | None
    new: str | None
    meaning: str


def clauses(terms: Mapping[str, Any]) -> list[Clause]:
    """The clauses of some terms in the order in which they are written."""
    return [Clause(path, value, meaning_of(path)) for path, value in _flat(terms, "") if path != NOT_SAID]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """What changed: in the order of the new version, then what it no longer has."""
    before = {clause.path: clause.value for clause in clauses(old)}
    after = {clause.path: clause.value for clause in clauses(new)}
    paths = [*after, *(path for path in before if path not in after)]
    return [
        Difference(path, before.get(path), after.get(path), meaning_of(path))
        for path in paths
        if before.get(path) != after.get(path)
    ]


def meaning_of(path: str) -> str:
    """What a clause means, as the reference of agreements has it; empty where that says nothing of it."""
    names = tuple(name for name in path.split(".") if not name.isdecimal())
    return _meanings().get(names, "") or _meanings().get((names[0], "*", *names[2:]), "")


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _flat(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value, 1):
            yield from _flat(item, f"{path}.{number}")
    else:
        yield path, _text(value)


def _text(value: Any) -> str:
    if value is None or value in ([], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@cache
def _meanings() -> Mapping[tuple[str, ...], str]:
    return dict(_described(AgreementText, ()))


def _described(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, field in model.model_fields.items():
        place = (*path, field.alias or name)
        yield place, (field.description or "").replace("`", "")
        for inner, is_keyed in _models_in(field):
            yield from _described(inner, (*place, "*") if is_keyed else place)


def _models_in(field: FieldInfo) -> Iterator[tuple[type[BaseModel], bool]]:
    """The models behind a field, and whether they stand there under keys of their own."""
    kinds = [field.annotation, *get_args(field.annotation)]
    is_keyed = getattr(field.annotation, "__origin__", None) is dict
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield kind, is_keyed
