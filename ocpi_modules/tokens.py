"""The Tokens module: who may charge, and the answer to a real-time authorization.

Source: mod_tokens (TK-06, TK-07, TK-09).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from ocpi_modules.module import LookFor, Module, Operation, Purpose, Request, Variant, listing, owned
from ocpi_modules.parties import Role
from ocpi_modules.types import (
    Bool,
    CountryCode,
    DateTime,
    DisplayText,
    Id,
    Language,
    Many,
    OcpiObject,
    OpenEnum,
    PartyId,
    String,
)

# Belongs to the Sessions module, and stands here because a Session holds a token
ProfileType = Annotated[str, OpenEnum("CHEAP", "FAST", "GREEN", "REGULAR")]
"""What matters to a driver in smart charging (mod_sessions, "ProfileType")."""


class TokenType(StrEnum):
    """The kind of a token; together with its uid it names the token."""

    AD_HOC_USER = "AD_HOC_USER"
    APP_USER = "APP_USER"
    OTHER = "OTHER"
    RFID = "RFID"


class WhitelistType(StrEnum):
    """When a token may be accepted without asking its eMSP."""

    ALWAYS = "ALWAYS"
    ALLOWED = "ALLOWED"
    ALLOWED_OFFLINE = "ALLOWED_OFFLINE"
    NEVER = "NEVER"


class AllowedType(StrEnum):
    """The answer of an eMSP to an authorization."""

    ALLOWED = "ALLOWED"
    BLOCKED = "BLOCKED"
    EXPIRED = "EXPIRED"
    NO_CREDIT = "NO_CREDIT"
    NOT_ALLOWED = "NOT_ALLOWED"


class EnergyContract(OcpiObject):
    """The driver's own energy supplier."""

    supplier_name: Annotated[str, String(64)]
    contract_id: Annotated[str, String(64)] | None = None


class Token(OcpiObject):
    """A token of an eMSP, named by owner, `uid` and `type` (TK-02, TK-06)."""

    country_code: CountryCode
    party_id: PartyId
    uid: Id
    type: TokenType
    contract_id: Id
    visual_number: Annotated[str, String(64)] | None = None
    issuer: Annotated[str, String(64)]
    group_id: Id | None = None
    valid: Bool
    whitelist: WhitelistType
    language: Language | None = None
    default_profile_type: ProfileType | None = None
    energy_contract: EnergyContract | None = None
    last_updated: DateTime


class LocationReferences(OcpiObject):
    """A Location and some of its EVSEs; no EVSEs means the Location as a whole (TK-07)."""

    location_id: Id
    evse_uids: Many[Id] = ()


class AuthorizationInfo(OcpiObject):
    """The answer to a real-time authorization of a known token (TK-09)."""

    allowed: AllowedType
    token: Token
    location: LocationReferences | None = None
    authorization_reference: Id | None = None
    info: DisplayText | None = None


def _owner_of_token(request: Request) -> LookFor:
    return LookFor("tokens", request.keys[0], (request.query.get("type") or "RFID").upper())


_TOKEN = owned("token_uid")

TOKENS = Module(
    id="tokens",
    senders=frozenset({Role.EMSP, Role.OTHER}),
    receivers=frozenset({Role.CPO}),
    object=Token,
    key="uid",
    variant=Variant("type", "RFID"),
    sender=(
        listing(),
        Operation(
            method="POST",
            purpose=Purpose.ACT,
            path=("token_uid", "=authorize"),
            bodies=(LocationReferences,),
            body_optional=True,
            destination=_owner_of_token,
        ),
    ),
    receiver=(
        Operation(method="GET", purpose=Purpose.READ, path=_TOKEN),
        Operation(method="PUT", purpose=Purpose.REPLACE, path=_TOKEN, bodies=(Token,)),
        Operation(method="PATCH", purpose=Purpose.UPDATE, path=_TOKEN, bodies=(Token,)),
    ),
    is_broadcast=True,
    is_kept=True,
    unknown_code=2004,
)
"""The Tokens module (mod_tokens, "Interfaces and endpoints"; checklist M-09, section 16)."""
