"""What one platform knows of the other after the handshake; kept as JSON, so that a restart needs no new handshake."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ocpi_modules.catalog import MODULES, VERSION
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party

TOKEN_RANDOM_BYTES = 32

Endpoints = dict[tuple[str, Interface], str]


@dataclass(frozen=True, slots=True)
class Connection:
    """The other side: its versions URL, the token it gave us, the token we gave it, its endpoints and its parties."""

    versions_url: str
    token: str = field(repr=False)
    own_token: str = field(repr=False)
    endpoints: Mapping[tuple[str, Interface], str] = field(default_factory=dict)
    parties: tuple[Party, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Everything, tokens too, as plain JSON values."""
        return {
            "versions_url": self.versions_url,
            "token": self.token,
            "own_token": self.own_token,
            "endpoints": [
                {"identifier": module_id, "role": interface.value, "url": url}
                for (module_id, interface), url in self.endpoints.items()
            ],
            "parties": [str(party) for party in self.parties],
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Connection:
        """What `as_json` made."""
        return cls(
            kept["versions_url"],
            kept["token"],
            kept["own_token"],
            read_endpoints(kept["endpoints"]),
            tuple(map(Party.parse, kept["parties"])),
        )


def new_token() -> str:
    """A fresh credentials token of printable ASCII (T-06)."""
    return secrets.token_urlsafe(TOKEN_RANDOM_BYTES)


def read_endpoints(listed: Iterable[Mapping[str, Any]]) -> Endpoints:
    """The endpoints of version details; modules that are not known here are passed over (V-07)."""
    return {
        (entry["identifier"], Interface(entry["role"])): entry["url"]
        for entry in listed
        if entry["identifier"] in MODULES
    }


def details_url(versions: Iterable[Mapping[str, Any]]) -> str:
    """The URL of the details of our version. Raises LookupError when it is not among them."""
    for entry in versions:
        if entry["version"] == VERSION:
            url: str = entry["url"]
            return url
    raise LookupError(f"version {VERSION} is not offered")


def credentials_url(endpoints: Endpoints) -> str:
    """The URL of the credentials module, in whatever role it is listed (V-05)."""
    found = [url for (module_id, _), url in endpoints.items() if module_id == "credentials"]
    return found[0]


def parties_of(roles: Iterable[Mapping[str, Any]]) -> tuple[Party, ...]:
    """The parties of a credentials object, each once, in order."""
    return tuple(dict.fromkeys(Party.of(role["country_code"], role["party_id"]) for role in roles))
