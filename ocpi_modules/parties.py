"""Parties and roles: who speaks OCPI, and who is opposite to whom.

Source: terminology ("typical OCPI implementations per role") and transport_and_format ("Broadcast Push").
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from ocpi_modules.types import fold

PARTIES_KEPT_MAX = 4096


class Role(StrEnum):
    """The role of a party (types, "Role")."""

    CPO = "CPO"
    EMSP = "EMSP"
    HUB = "HUB"
    NAP = "NAP"
    NSP = "NSP"
    OTHER = "OTHER"
    SCSP = "SCSP"


@dataclass(frozen=True, slots=True, order=True)
class Party:
    """A party in the OCPI world: country code (2 letters) and party id (up to 3), always in upper case (Y-04)."""

    country_code: str
    party_id: str

    @classmethod
    def of(cls, country_code: str, party_id: str) -> Party:
        """The party of two CiStrings in whatever case a partner wrote them."""
        return _party(country_code, party_id)

    @classmethod
    def parse(cls, text: str) -> Party:
        """``"NL/MS1"`` as a party. Raises ValueError for any other form."""
        country_code, separator, party_id = text.partition("/")
        party = cls.of(country_code, party_id)
        if not separator or not party.is_well_formed:
            raise ValueError(f"a party is written as two letters, a slash and up to three characters, not {text!r}")
        return party

    @property
    def is_well_formed(self) -> bool:
        """Whether both halves have the lengths that OCPI gives them (R-06)."""
        return (
            len(self.country_code) == 2
            and 1 <= len(self.party_id) <= 3
            and f"{self}".isascii()
            and f"{self}".isprintable()
        )

    def __str__(self) -> str:
        return f"{self.country_code}/{self.party_id}"


@lru_cache(maxsize=PARTIES_KEPT_MAX)
def _party(country_code: str, party_id: str) -> Party:
    return Party(fold(country_code), fold(party_id))


_EMSP_LIKE = frozenset({Role.EMSP, Role.NSP, Role.NAP, Role.OTHER})

BROADCAST_TO: dict[Role, frozenset[Role]] = {
    Role.CPO: _EMSP_LIKE,
    Role.NAP: _EMSP_LIKE - {Role.NAP},
    Role.EMSP: frozenset({Role.CPO}),
    Role.OTHER: frozenset({Role.CPO}),
}
"""Whom a broadcast push of each role may reach, before the module's own receivers are looked at (B-03 to B-06)."""
