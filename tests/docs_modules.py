"""Writes `docs/reference/modules.md` from the table of modules, so that page and product cannot disagree.

Run `python -m tests.docs_modules` after a change of the table; `tests/test_docs.py` fails until then.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ocpi_modules.catalog import MODULES, VERSION
from ocpi_modules.module import CallbackPlace, Interface, Module, Operation, Purpose
from ocpi_modules.parties import Role

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "modules.md"

MEANINGS = {
    Purpose.LIST: "list, in pages",
    Purpose.READ: "read one",
    Purpose.REPLACE: "add or replace",
    Purpose.UPDATE: "change the given fields",
    Purpose.ADD: "add",
    Purpose.REMOVE: "remove",
    Purpose.ACT: "ask the other party to act",
    Purpose.RESULT: "deliver the result of an earlier request",
}
PLACES = {CallbackPlace.BODY: "`response_url` in the body", CallbackPlace.QUERY: "`response_url` in the query"}


def modules_page(modules: Iterable[Module], version: str) -> str:
    """The whole page as Markdown."""
    listed = tuple(modules)
    opening = (
        "# Modules",
        f"What the hub knows of each module of OCPI {version}. Made from the table in `ocpi_modules` "
        "by `python -m tests.docs_modules`; do not edit.",
        "Paths stand after the URL of the endpoint in the version details; what stands in brackets may be left out.",
        "## Overview",
        _overview(listed),
    )
    return "\n\n".join((*opening, *map(_chapter, listed))) + "\n"


def _overview(modules: tuple[Module, ...]) -> str:
    header = ("Module", "Kind", "Broadcast", "Kept", "Belongs to one eMSP", "Code of an unknown object")
    return _table(header, map(_overview_row, modules))


def _overview_row(module: Module) -> tuple[str, ...]:
    kind = "functional" if module.is_functional else "configuration"
    traits = map(_yes, (module.is_broadcast, module.is_kept, module.is_addressed))
    return (module.id, kind, *traits, str(module.unknown_code) if module.is_kept else "")


def _chapter(module: Module) -> str:
    interfaces = [_interface(module, interface) for interface in Interface if module.operations(interface)]
    return "\n\n".join((f"## {module.id}", *_notes(module), *interfaces))


def _notes(module: Module) -> Iterable[str]:
    if module.object is not None:
        named = f", named by `{module.key}`{_second_half(module)}" if module.is_kept else ""
        yield f"Object: {module.object.__name__}{named}.{_parts(module)}"
    if module.appends:
        yield f"A PATCH extends {_code(module.appends)} instead of replacing it."
    if module.is_final:
        yield "An object never changes once it is there."


def _second_half(module: Module) -> str:
    variant = module.variant
    return f" and `{variant.parameter}` (default {variant.default})" if variant else ""


def _parts(module: Module) -> str:
    parts = [f"{part.object.__name__} in `{part.field}`, named by `{part.id_field}`" for part in module.parts]
    return f" Parts: {'; '.join(parts)}." if parts else ""


def _interface(module: Module, interface: Interface) -> str:
    title = f"### {interface}"
    served_by = _roles(module.implementers(interface))
    header = ("Method", "Path", "For", "Body", "Result goes to")
    return "\n\n".join((title + served_by, _table(header, map(_operation_row, module.operations(interface)))))


def _roles(roles: frozenset[Role]) -> str:
    return f" (served by {', '.join(sorted(roles))})" if roles else ""


def _operation_row(operation: Operation) -> tuple[str, ...]:
    place = PLACES[operation.callback] if operation.callback else ""
    return (operation.method, _path(operation), MEANINGS[operation.purpose], _body(operation), place)


def _path(operation: Operation) -> str:
    required = len(operation.path) - operation.optional
    segments = [name[1:] if name.startswith("=") else f"{{{name}}}" for name in operation.path]
    optional = "".join(f"[/{segment}" for segment in segments[required:]) + "]" * operation.optional
    path = "".join(f"/{segment}" for segment in segments[:required]) + optional
    return f"`{path}`" if path else "the endpoint itself"


def _body(operation: Operation) -> str:
    models = [model.__name__ for model in operation.bodies]
    chosen = [f"{name}: {model.__name__}" for name, model in operation.choices.items()]
    return ", ".join((*models, *chosen)) + (" (may be left out)" if operation.body_optional else "")


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(map(_row, (header, ("---",) * len(header), *rows)))


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def _yes(value: bool) -> str:
    return "yes" if value else ""


def _code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def main() -> None:
    """Write the page."""
    PAGE.write_text(modules_page(MODULES.values(), VERSION), encoding="utf-8")


if __name__ == "__main__":
    main()
