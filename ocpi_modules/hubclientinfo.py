"""The HubClientInfo module: which parties can be reached through a hub.

Source: mod_hub_client_info (HC-02).
"""

from __future__ import annotations

from enum import StrEnum

from ocpi_modules.module import Module, Operation, Purpose, listing
from ocpi_modules.parties import Role
from ocpi_modules.types import CountryCode, DateTime, OcpiObject, PartyId


class ConnectionStatus(StrEnum):
    """Whether a party can be reached."""

    CONNECTED = "CONNECTED"
    OFFLINE = "OFFLINE"
    PLANNED = "PLANNED"
    SUSPENDED = "SUSPENDED"


class ClientInfo(OcpiObject):
    """One party in one role."""

    party_id: PartyId
    country_code: CountryCode
    role: Role
    status: ConnectionStatus
    last_updated: DateTime


HUBCLIENTINFO = Module(
    id="hubclientinfo",
    is_functional=False,
    senders=frozenset({Role.HUB}),
    receivers=frozenset(Role) - {Role.HUB},
    object=ClientInfo,
    sender=(listing(),),
    receiver=(
        Operation(method="GET", purpose=Purpose.READ, path=("country_code", "party_id")),
        Operation(method="PUT", purpose=Purpose.REPLACE, path=("country_code", "party_id"), bodies=(ClientInfo,)),
    ),
)
"""The HubClientInfo module (mod_hub_client_info, "Interfaces and endpoints"; checklist M-12, section 19).

The receiver side is the partners'.
"""
