"""The one gate to the public: whether a copy of a Location is for everybody, and what everybody sees of it then.

Every public byte is made from what passes here. What does not pass leaves no trace: not a count, not a fault. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from hub.navigation.dirty import Normalised, Origin, normalise
from hub.navigation.faults import Fault, FaultKind
from hub.navigation.location import PublicLocation, Source
from hub.store.publicplaces import Standing
from ocpi_modules.parties import Party
from ocpi_modules.types import NotJsonText, decode_json


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptText:
    """A copy of a Location: for whom it is (empty: everybody), whose, and its text.

    When its owner updated it, pushed it last (None: it was only pulled), left it out of a complete list (None: it did not), and when the
    hub heard of it last; all UTC.
    """

    audience: str
    owner: Party
    text: bytes
    last_updated: datetime
    heard_at: datetime
    pushed_at: datetime | None = None
    stale_at: datetime | None = None


class Hidden(StrEnum):
    """Why a copy is not shown to the public."""

    FOR_ONE = "FOR_ONE"
    """It was sent to single parties."""
    NOT_PUBLISHED = "NOT_PUBLISHED"
    """`publish` is not true."""
    FOR_SOME = "FOR_SOME"
    """`publish_allowed_to` names who may see it."""
    NOT_A_MEMBER = "NOT_A_MEMBER"
    """Its owner has not joined, or is suspended."""
    LEFT_OUT = "LEFT_OUT"
    """Its owner's complete list does not hold it any more."""
    EXPIRED = "EXPIRED"
    """All its EVSEs are REMOVED (mod_locations, "Flow and Lifecycle")."""
    UNFIT = "UNFIT"
    """What its owner says of it cannot be published; the faults say why."""


_PRIVATE = frozenset({Hidden.FOR_ONE, Hidden.NOT_PUBLISHED, Hidden.FOR_SOME})


@dataclass(frozen=True, slots=True)
class Reading:
    """What the gate says of a copy: the Location where it is public, else why not.

    Faults and counts (EVSEs and connectors that are not REMOVED) are those of its quality; of what is private there are none.
    """

    location: PublicLocation | None
    hidden: Hidden | None = None
    faults: tuple[Fault, ...] = ()
    evses: int = 0
    connectors: int = 0

    @property
    def is_private(self) -> bool:
        """Whether its owner does not want it to be public."""
        return self.hidden in _PRIVATE


def read_public(copy: KeptText, standing: Standing) -> Reading:
    """What the public may see of a copy. Whatever its text is, nothing is raised."""
    content = _content(copy)
    hidden = _hidden(copy, content, standing)
    if hidden is not None:
        return Reading(None, hidden)
    found = normalise(content, _origin(copy, standing))
    return Reading(found.location, _unfit(found), found.faults, found.evses, found.connectors)


def _unfit(found: Normalised) -> Hidden | None:
    if found.location is not None:
        return None
    is_expired = any(fault.kind is FaultKind.EVSES_ALL_REMOVED for fault in found.faults)
    return Hidden.EXPIRED if is_expired else Hidden.UNFIT


def _content(copy: KeptText) -> Any:
    try:
        return None if copy.audience else decode_json(copy.text)
    except NotJsonText:
        return None


def _hidden(copy: KeptText, content: Any, standing: Standing) -> Hidden | None:
    """Why a copy is hidden, its owner's own wish first."""
    said: Mapping[str, Any] = content if type(content) is dict else {}
    if copy.audience:
        return Hidden.FOR_ONE
    # it is required (L-16), and silence is no permission: only the JSON value true is (L-24, X-49)
    if said.get("publish") is not True:
        return Hidden.NOT_PUBLISHED
    if said.get("publish_allowed_to") not in (None, []):
        return Hidden.FOR_SOME
    if not standing.is_member:
        return Hidden.NOT_A_MEMBER
    return Hidden.LEFT_OUT if copy.stale_at is not None else None


def _origin(copy: KeptText, standing: Standing) -> Origin:
    said_by = Source.PULL if copy.pushed_at is None else Source.PUSH
    source = Source.STATION if standing.is_station else said_by
    return Origin(copy.owner, copy.last_updated, copy.heard_at, source, standing.is_reachable, standing.silent_since)
