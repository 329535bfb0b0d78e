"""The Credentials module: how two platforms come to know each other.

Source: credentials (C-22, C-23, T-06).
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import model_validator

from ocpi_modules.locations import BusinessDetails
from ocpi_modules.module import Module, Operation, Purpose
from ocpi_modules.parties import Role
from ocpi_modules.types import CountryCode, Matching, OcpiObject, PartyId, Some, Url, broken_rule, fold

CredentialsToken = Annotated[str, Matching("[!-~]{1,64}", "is not 1 to 64 printable ASCII characters")]
"""The secret with which the other platform authenticates, as it is and not in Base64 (T-06)."""


class CredentialsRole(OcpiObject):
    """A party of a platform, in one role."""

    role: Role
    business_details: BusinessDetails
    party_id: PartyId
    country_code: CountryCode


class Credentials(OcpiObject):
    """A platform: the token for its API, the URL of its versions, its parties, each once in a role (C-22)."""

    token: CredentialsToken
    url: Url
    roles: Some[CredentialsRole]

    @model_validator(mode="after")
    def _names_each_role_once(self) -> Self:
        seen = {(role.role, fold(role.country_code), fold(role.party_id)) for role in self.roles}
        if len(seen) < len(self.roles):
            raise broken_rule("roles", "name the same party twice in one role")
        return self


CREDENTIALS = Module(
    id="credentials",
    is_functional=False,
    object=Credentials,
    sender=(
        Operation(method="GET", purpose=Purpose.READ),
        Operation(method="POST", purpose=Purpose.ADD, bodies=(Credentials,)),
        Operation(method="PUT", purpose=Purpose.REPLACE, bodies=(Credentials,)),
        Operation(method="DELETE", purpose=Purpose.REMOVE),
    ),
)
"""The Credentials module (credentials, "Interfaces and endpoints"; checklist M-02). It is listed once, as SENDER (V-05)."""
