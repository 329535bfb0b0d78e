"""The Versions module: which versions a platform speaks, and where its modules are.

Source: version_information_endpoint (V-01, V-03, V-07).
"""

from __future__ import annotations

from typing import Annotated

from ocpi_modules.module import Interface
from ocpi_modules.types import OcpiObject, OpenEnum, Some, Url

VersionNumber = Annotated[str, OpenEnum("2.0", "2.1", "2.1.1", "2.2", "2.2.1")]
"""A version of OCPI; versions that are not known here are no fault (V-07)."""

ModuleID = Annotated[
    str,
    OpenEnum(
        "cdrs",
        "chargingprofiles",
        "commands",
        "credentials",
        "hubclientinfo",
        "locations",
        "sessions",
        "tariffs",
        "tokens",
    ),
]
"""A module; custom ones such as ``nltnm-foo`` are no fault (V-07)."""


class Version(OcpiObject):
    """A version, and where its details are."""

    version: VersionNumber
    url: Url


class Endpoint(OcpiObject):
    """One interface of a module."""

    identifier: ModuleID
    role: Interface
    url: Url


class VersionDetails(OcpiObject):
    """The interfaces that a platform offers in one version (V-03)."""

    version: VersionNumber
    endpoints: Some[Endpoint]
