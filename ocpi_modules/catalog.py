"""The one table of modules, in the order of the specification. Adding a module is one file and one line here."""

from __future__ import annotations

from ocpi_modules.cdrs import CDRS
from ocpi_modules.chargingprofiles import CHARGINGPROFILES
from ocpi_modules.commands import COMMANDS
from ocpi_modules.credentials import CREDENTIALS
from ocpi_modules.hubclientinfo import HUBCLIENTINFO
from ocpi_modules.locations import LOCATIONS
from ocpi_modules.module import Module
from ocpi_modules.sessions import SESSIONS
from ocpi_modules.tariffs import TARIFFS
from ocpi_modules.tokens import TOKENS

VERSION = "2.2.1"

MODULES: dict[str, Module] = {
    module.id: module
    for module in (
        CREDENTIALS,
        LOCATIONS,
        SESSIONS,
        CDRS,
        TARIFFS,
        TOKENS,
        COMMANDS,
        CHARGINGPROFILES,
        HUBCLIENTINFO,
    )
}

FUNCTIONAL = tuple(module for module in MODULES.values() if module.is_functional)
