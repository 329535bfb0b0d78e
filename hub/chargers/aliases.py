"""Names for tokens that every station can hold: OCPP 1.6 takes 20 characters, a uid of OCPI may have 36 (mod_commands, reference 2.4)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hub.chargers.authorising import CDR_TOKEN_FIELDS
from hub.store.chargecommands import ChargeCommands, KeptAlias
from ocpi_modules.parties import Party

ALIAS_LENGTH_CHARACTERS = 20
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""In upper case, for stations compare without case; without what people mistake for something else. 100 bits in all."""
ATTEMPTS_MAX = 3


def new_alias() -> str:
    """A name that nobody can guess."""
    return "".join(secrets.choice(ALPHABET) for _ in range(ALIAS_LENGTH_CHARACTERS))


async def alias_for(kept: ChargeCommands, asked: Mapping[str, Any], now: datetime, expires_at: datetime) -> KeptAlias:
    """A fresh alias for the token of a command, with the reference that came with it; good until a moment (UTC)."""
    token = named_token(asked["token"])
    for _ in range(ATTEMPTS_MAX):
        alias = KeptAlias(
            alias=new_alias(),
            owner=f"{token['country_code']}/{token['party_id']}",
            uid=token["uid"],
            kind=token["type"],
            token=json.dumps(token),
            reference=asked.get("authorization_reference"),
            made_at=now,
            expires_at=expires_at,
        )
        if await kept.keep_alias(alias):
            return alias
    raise RuntimeError("no alias is free: the random numbers of this machine repeat themselves")


def named_token(token: Mapping[str, Any]) -> dict[str, str]:
    """The CdrToken of a Token (mod_cdrs, "CdrToken class")."""
    party = Party.of(str(token["country_code"]), str(token["party_id"]))
    named = {name: str(token.get(name, "")) for name in CDR_TOKEN_FIELDS}
    return {**named, "country_code": party.country_code, "party_id": party.party_id}
