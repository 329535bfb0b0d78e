"""How a driver is taken out of what was said: tokens and contracts get names that lead nowhere, money and everything else stays.

An alias is the same wherever its token is named, so that a CDR, its session and the versions of the token still fit together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from ocpi_modules.parties import Party
from ocpi_modules.types import fold

ERASED = "ERASED-"
ALIAS_BYTES = 8
FREE_TEXT_MIN_CHARACTERS = 4  # shorter ids are found in every text

_TOKEN_FIELDS = (
    "country_code",
    "party_id",
    "uid",
    "type",
    "contract_id",
    "issuer",
    "valid",
    "whitelist",
    "default_profile_type",
    "last_updated",
)
"""What of a token stays: what prices and permits charges; other fields, also those that nobody knows, may tell of a person."""


@dataclass(frozen=True, slots=True)
class TokenName:
    """What names a token: its eMSP, type and uid, folded. `contract` is its contract id, folded and without dashes; empty for none."""

    owner: Party
    type: str
    uid: str
    contract: str = ""

    @property
    def identity(self) -> tuple[Party, str, str]:
        """The token, whatever its contract."""
        return (self.owner, self.type, self.uid)


Wanted = Callable[[TokenName], bool]
"""Whether a token is to be forgotten."""

Names = Callable[[str], str]
"""The alias of a uid or contract id, which is folded."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """An object without its driver: its new content, the token as it was and its new uid, and which texts were replaced by which."""

    content: Mapping[str, Any]
    token: TokenName
    uid: str
    replaced: Mapping[str, str]


def new_alias() -> str:
    """An alias that nothing can be learned from."""
    return f"{ERASED}{token_hex(ALIAS_BYTES).upper()}"


def token_in(content: Any) -> TokenName | None:
    """The token that a CDR or Session names, or that a Token is; None where there is none."""
    named = content.get("cdr_token", content) if isinstance(content, Mapping) else None
    if not isinstance(named, Mapping) or not isinstance(named.get("uid"), str) or not named["uid"]:
        return None
    country_code, party_id = _text(named.get("country_code")), _text(named.get("party_id"))
    return TokenName(
        owner=Party(fold(country_code), fold(party_id)),
        type=fold(_text(named.get("type"))),
        uid=fold(named["uid"]),
        contract=plain_contract(_text(named.get("contract_id"))),
    )


def plain_contract(contract_id: str) -> str:
    """A contract id as it is compared: the dashes in it are optional."""
    return fold(contract_id.replace("-", ""))


def is_erased(uid: str) -> bool:
    """Whether a uid is an alias."""
    return uid.startswith(ERASED)


def forgotten(content: Any, wanted: Wanted, names: Names) -> Forgotten | None:
    """A CDR, Session or Token without its driver; None where it names none that is to be forgotten.

    Signed meter data goes too: it names the token inside of its signature.
    """
    token = token_in(content)
    if token is None or is_erased(token.uid) or not wanted(token):
        return None
    replaced = {value: names(fold(value)) for value in personal_in(content)}
    kept = without_meter_data(content) if "cdr_token" in content else _token_only(content)
    changed = {name: renamed(value, replaced) for name, value in kept.items()}
    return Forgotten(changed, token, names(token.uid), replaced)


def personal_in(content: Any) -> list[str]:
    """The uid and, where there is one, the contract id of the token that an object names, as they are spelled."""
    named = content.get("cdr_token", content)
    return [value for name in ("uid", "contract_id") if (value := _text(named.get(name)))]


def without_meter_data(content: Mapping[str, Any]) -> dict[str, Any]:
    """An object without signed meter data."""
    return {name: value for name, value in content.items() if name != "signed_data"}


def renamed(value: Any, replaced: Mapping[str, str]) -> Any:
    """A JSON value with some texts replaced, wherever they are a whole text or stand as a word in one."""
    if isinstance(value, str):
        return renamed_text(value, replaced)
    if isinstance(value, Mapping):
        return {name: renamed(item, replaced) for name, item in value.items()}
    return [renamed(item, replaced) for item in value] if isinstance(value, list) else value


def renamed_text(text: str, replaced: Mapping[str, str]) -> str:
    """A text with some words replaced. Short ids are only replaced where they are all of it, or are called a token."""
    for old, new in replaced.items():
        if fold(text) == fold(old):
            return new
        before = r"(?<![A-Za-z0-9])" if len(old) >= FREE_TEXT_MIN_CHARACTERS else r"(?<=token )"
        text = re.sub(before + re.escape(old) + r"(?![A-Za-z0-9])", new, text, flags=re.IGNORECASE)
    return text


def without_driver(content: Mapping[str, Any]) -> dict[str, Any]:
    """A CDR as it is compared with one whose driver was forgotten: without all that may have been changed by that."""
    kept = {name: value for name, value in without_meter_data(content).items() if name != "remark"}
    named = content.get("cdr_token")
    if isinstance(named, Mapping):
        kept["cdr_token"] = {name: value for name, value in named.items() if name not in {"uid", "contract_id"}}
    return kept


def _token_only(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: content[name] for name in _TOKEN_FIELDS if name in content}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
