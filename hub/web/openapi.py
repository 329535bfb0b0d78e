"""The OCPI interface in the API description at `/docs`, read from the module table like the routes themselves."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from hub.web.registration import CREDENTIALS_PATH, VERSION_PATH, endpoint_path, offers
from ocpi_modules.catalog import MODULES
from ocpi_modules.module import Interface, Module, Operation, Purpose
from ocpi_modules.types import OcpiObject

_REF = "#/components/schemas/{model}"
_ROUTING = tuple(f"OCPI-{side}-{half}" for side in ("from", "to") for half in ("country-code", "party-id"))
_PAGING = ("date_from", "date_to", "offset", "limit")


def describe_ocpi(app: FastAPI) -> None:
    """Make the application's description show the OCPI interface beside the operator's."""

    def description() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, routes=app.routes)
            schemas = made.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(_schemas())
            made["components"].setdefault("securitySchemes", {})["ocpi"] = _SECURITY
            made["paths"].update(ocpi_paths())
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = description  # type: ignore[method-assign]  # the way that FastAPI documents


def ocpi_paths() -> dict[str, dict[str, Any]]:
    """Every path that the hub serves to partners, by its URL template."""
    paths: dict[str, dict[str, Any]] = {
        "/ocpi/versions": {"get": _described("versions", "GET", "The versions that the hub speaks")},
        VERSION_PATH: {"get": _described("versions", "GET", "The endpoints of this version")},
    }
    for module in MODULES.values():
        for interface in Interface:
            for operation in _served(module, interface):
                _add(paths, module, interface, operation)
    return paths


def _served(module: Module, interface: Interface) -> tuple[Operation, ...]:
    is_served = offers(module, interface) or (module.id == "credentials" and interface is Interface.SENDER)
    return module.operations(interface) if is_served else ()


def _add(paths: dict[str, dict[str, Any]], module: Module, interface: Interface, operation: Operation) -> None:
    base = CREDENTIALS_PATH if module.id == "credentials" else endpoint_path(module, interface)
    for depth in range(operation.optional + 1):
        names = operation.path[: len(operation.path) - operation.optional + depth]
        parts = [name[1:] if name.startswith("=") else f"{{{name}}}" for name in names]
        variables = [name for name in names if not name.startswith("=")]
        described = _described(module.id, operation.method, f"{module.id}: {operation.purpose.value}", interface)
        described["parameters"] = [_parameter(name, "path") for name in variables] + _extras(module, operation)
        body = _body(operation, depth)
        if body:
            described["requestBody"] = {"required": not operation.body_optional, "content": {"application/json": body}}
        paths.setdefault("/".join([base, *parts]), {})[operation.method.lower()] = described


def _described(tag: str, method: str, summary: str, interface: Interface | None = None) -> dict[str, Any]:
    whose = f" ({interface.value.lower()})" if interface else ""
    answers = {"200": {"description": "The OCPI envelope: status_code, timestamp, and data where there is any"}}
    return {"tags": [f"OCPI {tag}"], "summary": f"{summary}{whose}", "security": [{"ocpi": []}], "responses": answers}


def _extras(module: Module, operation: Operation) -> list[dict[str, Any]]:
    found = [_parameter(name, "header") for name in _ROUTING] if module.is_functional else []
    if operation.purpose is Purpose.LIST:
        found += [_parameter(name, "query") for name in _PAGING]
    if module.variant and operation.purpose is not Purpose.LIST:
        found.append(_parameter(module.variant.parameter, "query"))
    return found


def _parameter(name: str, place: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}


def _body(operation: Operation, depth: int) -> dict[str, Any]:
    if operation.choices:
        return {"schema": {"oneOf": [_reference(model) for model in operation.choices.values()]}}
    return {"schema": _reference(operation.bodies[depth])} if operation.bodies else {}


def _reference(model: type[OcpiObject]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _schemas() -> dict[str, Any]:
    models = {
        model
        for module in MODULES.values()
        for operation in (*module.sender, *module.receiver)
        for model in (*operation.bodies, *operation.choices.values())
    }
    ordered = sorted(models, key=lambda model: model.__name__)
    _, made = models_json_schema([(model, "validation") for model in ordered], ref_template=_REF)
    schemas: dict[str, Any] = made.get("$defs", {})
    return schemas


_SECURITY = {
    "type": "apiKey",
    "in": "header",
    "name": "Authorization",
    "description": "Token, a space, and the credentials token in Base64",
}
