"""Who decides: people are told apart by their names, and what needs two pairs of eyes needs two names."""

from __future__ import annotations

import re

NAME_MAX_CHARACTERS = 100

_PARTY_BEHIND = re.compile(r" ?\([a-z]{2}/[!-~]{1,3}\)$")


class SamePerson(ValueError):
    """One person cannot be both of two; the message is a sentence."""


def is_same_person(one: str, other: str) -> bool:
    """Whether two names are those of one person, however they are spelled."""
    return _plain(one) == _plain(other)


def speaking_for(name: str, party: str) -> str:
    """Somebody who speaks for a party and is no user of this hub: ``Dora (NL/MSP)``. It is the same person as ``Dora``."""
    return f"{name.strip()} ({party})"


def require_another(actor: str, earlier: str, what: str) -> None:
    """Raises SamePerson where somebody wants to approve what is their own."""
    if is_same_person(actor, earlier):
        raise SamePerson(f"{actor} cannot {what}: another person has to")


def _plain(name: str) -> str:
    return _PARTY_BEHIND.sub("", " ".join(name.split()).casefold())
