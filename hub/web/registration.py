"""The entry of the hub for partners: which versions it speaks and where its interfaces are.

Source: version_information_endpoint (checklist V-01 to V-05).
"""

from __future__ import annotations

from ocpi_modules.catalog import MODULES, VERSION
from ocpi_modules.credentials import CREDENTIALS
from ocpi_modules.module import Interface, Module
from ocpi_modules.parties import Role
from ocpi_modules.types import encode_json

VERSIONS_PATH = "/ocpi/versions"
VERSION_PATH = f"/ocpi/{VERSION}"
CREDENTIALS_PATH = f"{VERSION_PATH}/{CREDENTIALS.id}"


def versions_url(base_url: str) -> str:
    """The address that a partner is given together with its token A."""
    return base_url.rstrip("/") + VERSIONS_PATH


def endpoint_path(module: Module, interface: Interface) -> str:
    """The path of an interface; both interfaces of a module have different ones (X-56)."""
    return f"{VERSION_PATH}/{interface.value.lower()}/{module.id}"


def offers(module: Module, interface: Interface) -> bool:
    """Whether the hub serves an interface (V-04, V-05, M-12).

    Both of functional modules; of the others those that the hub itself implements, and credentials elsewhere.
    """
    if module is CREDENTIALS or not module.operations(interface):
        return False
    return module.is_functional or Role.HUB in module.implementers(interface)


def versions(base_url: str) -> bytes:
    """The list of versions as JSON: the one version that the hub speaks (V-01, V-02)."""
    return encode_json([{"version": VERSION, "url": base_url.rstrip("/") + VERSION_PATH}])


def version_details(base_url: str, *, ends_in_slash: bool = False) -> bytes:
    """The version details as JSON: credentials once, then every interface that the hub serves (V-03).

    `ends_in_slash` is for partners that put a path behind a URL without joining the two (X-42).
    """
    base = base_url.rstrip("/")
    endpoints = [_endpoint(CREDENTIALS, Interface.SENDER, base + CREDENTIALS_PATH)]
    endpoints += [
        _endpoint(module, interface, base + endpoint_path(module, interface))
        for module in MODULES.values()
        for interface in Interface
        if offers(module, interface)
    ]
    end = "/" if ends_in_slash else ""
    return encode_json({"version": VERSION, "endpoints": [{**entry, "url": entry["url"] + end} for entry in endpoints]})


def _endpoint(module: Module, interface: Interface, url: str) -> dict[str, str]:
    return {"identifier": module.id, "role": interface.value, "url": url}
