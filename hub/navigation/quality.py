"""How good what a CPO says of its Locations is: correct by the rules of OCPI, and complete by what AFIR asks for.

A summary of each Location is kept; a score adds them up. Private Locations have none. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

import msgspec

from hub.navigation.faults import Fault, FaultKind
from hub.navigation.location import Connector, Evse, PublicLocation
from hub.navigation.public import Hidden, Reading
from ocpi_modules.locations import Status

SCORE_MAX = 100
SCORE_DECIMALS = 1


class Level(IntEnum):
    """What a share counts."""

    LOCATION = 0
    EVSE = 1
    CONNECTOR = 2


class Check(StrEnum):
    """What has to be right. A part that has one of its faults, or around one of its own parts, does not pass."""

    IDENTITY = "IDENTITY"
    COORDINATES = "COORDINATES"
    COUNTRY = "COUNTRY"
    TIME_ZONE = "TIME_ZONE"
    ADDRESS = "ADDRESS"
    OPENING_TIMES = "OPENING_TIMES"
    PARTS = "PARTS"
    EVSE_IDS = "EVSE_IDS"
    STATUS = "STATUS"
    CONNECTORS = "CONNECTORS"
    POWER = "POWER"
    MOMENTS = "MOMENTS"
    FORM = "FORM"


CHECKS: Mapping[Check, tuple[Level, frozenset[FaultKind]]] = {
    Check.IDENTITY: (
        Level.LOCATION,
        frozenset({FaultKind.NOT_A_LOCATION, FaultKind.ID_UNFIT, FaultKind.OWNER_DIFFERS}),
    ),
    Check.COORDINATES: (Level.LOCATION, frozenset(kind for kind in FaultKind if kind.startswith("COORDINATES_"))),
    Check.COUNTRY: (Level.LOCATION, frozenset(kind for kind in FaultKind if kind.startswith("COUNTRY_"))),
    Check.TIME_ZONE: (Level.LOCATION, frozenset(kind for kind in FaultKind if kind.startswith("TIME_ZONE_"))),
    Check.ADDRESS: (Level.LOCATION, frozenset({FaultKind.ADDRESS_MISSING, FaultKind.CITY_MISSING})),
    Check.OPENING_TIMES: (Level.LOCATION, frozenset(kind for kind in FaultKind if kind.startswith("OPENING_TIMES_"))),
    Check.PARTS: (
        Level.EVSE,
        frozenset({FaultKind.EVSE_UID_UNFIT, FaultKind.EVSE_UID_REPEATED, FaultKind.EVSE_WITHOUT_CONNECTORS}),
    ),
    Check.EVSE_IDS: (Level.EVSE, frozenset({FaultKind.EVSE_ID_FORM})),
    Check.STATUS: (Level.EVSE, frozenset(kind for kind in FaultKind if kind.startswith("STATUS_"))),
    Check.CONNECTORS: (Level.CONNECTOR, frozenset(kind for kind in FaultKind if kind.startswith("CONNECTOR_"))),
    Check.POWER: (
        Level.CONNECTOR,
        frozenset(kind for kind in FaultKind if kind.startswith(("POWER_", "VOLTAGE_", "AMPERAGE_"))),
    ),
    Check.MOMENTS: (Level.LOCATION, frozenset(kind for kind in FaultKind if kind.startswith("TIMESTAMP_"))),
    Check.FORM: (
        Level.LOCATION,
        frozenset(
            {
                *(FaultKind.NUMBER_AS_TEXT, FaultKind.NUMBER_NOT_WHOLE, FaultKind.TEXT_AS_NUMBER, FaultKind.TEXT_FORM),
                *(FaultKind.TEXT_TOO_LONG, FaultKind.WORD_FORM, FaultKind.BOOLEAN_FORM, FaultKind.FIELD_UNREADABLE),
            }
        ),
    ),
}
"""What is counted for each check, and the faults that break it; those that OCPI allows break none."""


class Item(StrEnum):
    """What a driver, or a national access point, wants to know beyond what OCPI requires (AFIR, Implementing Regulation (EU) 2025/655)."""

    OPERATOR = "OPERATOR"
    POSTAL_CODE = "POSTAL_CODE"
    OPENING_TIMES = "OPENING_TIMES"
    ENERGY_MIX = "ENERGY_MIX"
    EVSE_ID = "EVSE_ID"
    STATUS = "STATUS"
    PAYMENT_AND_IDENTIFICATION = "PAYMENT_AND_IDENTIFICATION"
    PARKING_RESTRICTIONS = "PARKING_RESTRICTIONS"
    POWER = "POWER"
    TARIFF = "TARIFF"


_OF_LOCATIONS: Mapping[Item, Callable[[PublicLocation], bool]] = {
    Item.OPERATOR: lambda location: location.operator is not None,
    Item.POSTAL_CODE: lambda location: location.postal_code is not None,
    Item.OPENING_TIMES: lambda location: location.opening_times is not None,
    Item.ENERGY_MIX: lambda location: location.energy_mix is not None,
}
_OF_EVSES: Mapping[Item, Callable[[Evse], bool]] = {
    Item.EVSE_ID: lambda evse: evse.evse_id is not None,
    Item.STATUS: lambda evse: evse.said is not Status.UNKNOWN,
    Item.PAYMENT_AND_IDENTIFICATION: lambda evse: bool(evse.capabilities),
    Item.PARKING_RESTRICTIONS: lambda evse: bool(evse.parking_restrictions),
}
_OF_CONNECTORS: Mapping[Item, Callable[[Connector], bool]] = {
    Item.POWER: lambda connector: connector.max_electric_power is not None and not connector.is_power_computed,
    Item.TARIFF: lambda connector: bool(connector.tariff_ids),
}
ITEM_LEVELS: Mapping[Item, Level] = {
    **dict.fromkeys(_OF_LOCATIONS, Level.LOCATION),
    **dict.fromkeys(_OF_EVSES, Level.EVSE),
    **dict.fromkeys(_OF_CONNECTORS, Level.CONNECTOR),
}
"""What is counted for each item."""

Parts = tuple[int, int, int]
"""How many Locations, EVSEs and connectors."""


class Summary(msgspec.Struct, frozen=True, array_like=True):
    """One Location, for adding up: whether it is published, of what it speaks and what of it is published, the parts with each fault, the
    parts that fail each check, and the published parts that have each item.
    """

    is_fit: bool
    said: Parts
    shown: Parts
    faults: dict[str, int]
    failed: dict[str, int]
    present: dict[str, int]


encode_summary = msgspec.json.Encoder().encode
"""A summary as a short text."""

decode_summary = msgspec.json.Decoder(Summary).decode
"""The summary of a text. Raises msgspec.ValidationError for anything else."""


def summary_of(reading: Reading) -> Summary | None:
    """What the gate found in one Location; None for one that is hidden for another reason than its faults."""
    location = reading.location
    if location is None and reading.hidden is not Hidden.UNFIT:
        return None
    return Summary(
        is_fit=location is not None,
        said=(1, reading.evses, reading.connectors),
        shown=_shown(location),
        faults=dict(Counter(kind.value for kind, _ in {(fault.kind, fault.part) for fault in reading.faults})),
        failed=_failed(reading.faults),
        present=_present(location) if location else {},
    )


def _shown(location: PublicLocation | None) -> Parts:
    evses = location.evses if location else ()
    return (int(location is not None), len(evses), sum(len(evse.connectors) for evse in evses))


def _failed(faults: Iterable[Fault]) -> dict[str, int]:
    """How many parts fail each check: a fault counts for the part of the check's level around it."""
    found = {
        (check, fault.part[: CHECKS[check][0]])
        for fault in faults
        if not fault.kind.rule.is_allowed
        for check in _CHECKS_OF[fault.kind]
    }
    return dict(Counter(check.value for check, _ in found))


_CHECKS_OF: Mapping[FaultKind, tuple[Check, ...]] = {
    kind: tuple(check for check, (_, kinds) in CHECKS.items() if kind in kinds) for kind in FaultKind
}


def _present(location: PublicLocation) -> dict[str, int]:
    connectors = [*location.connectors]
    counts = {
        **{item: int(has(location)) for item, has in _OF_LOCATIONS.items()},
        **{item: sum(map(has, location.evses)) for item, has in _OF_EVSES.items()},
        **{item: sum(map(has, connectors)) for item, has in _OF_CONNECTORS.items()},
    }
    return {item.value: count for item, count in counts.items() if count}


# --- the score -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """How many parts of all are as they should be."""

    name: str
    good: int
    of: int

    @property
    def share(self) -> float:
        """From 0 to 1; of nothing, all is good."""
        return self.good / self.of if self.of else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good the Locations of a CPO are, from 0 to 100.

    `correctness` is the mean of `checks`, `completeness` that of `items`, both from 0 to 1. The score is the mean of these two times the
    share of Locations that could be published, for what cannot be published helps nobody. `faults` says how many parts have each fault.
    """

    score: float
    correctness: float
    completeness: float
    published: Share
    checks: tuple[Share, ...]
    items: tuple[Share, ...]
    faults: Mapping[str, int]


def score_of(summaries: Iterable[Summary]) -> Score | None:
    """The score of a CPO from the summaries of its Locations; None where it has none. Reads them once, and keeps none."""
    sums = _Sums()
    for summary in summaries:
        sums.add(summary)
    return sums.score() if sums.said[Level.LOCATION] else None


class _Sums:
    """Summaries added up."""

    def __init__(self) -> None:
        self.said, self.shown = Counter[Level](), Counter[Level]()
        self.faults, self.failed, self.present = Counter[str](), Counter[str](), Counter[str]()

    def add(self, summary: Summary) -> None:
        self.said.update(dict(zip(Level, summary.said, strict=True)))
        self.shown.update(dict(zip(Level, summary.shown, strict=True)))
        self.faults.update(summary.faults)
        self.failed.update(summary.failed)
        self.present.update(summary.present)

    def score(self) -> Score:
        checks = tuple(self._check(check) for check in Check)
        items = tuple(self._item(item) for item in Item)
        published = Share("PUBLISHED", self.shown[Level.LOCATION], self.said[Level.LOCATION])
        correctness, completeness = _mean(checks), _mean(items)
        score = SCORE_MAX * published.share * (correctness + completeness) / 2
        return Score(
            score=round(score, SCORE_DECIMALS),
            correctness=correctness,
            completeness=completeness,
            published=published,
            checks=checks,
            items=items,
            faults=dict(self.faults.most_common()),
        )

    def _check(self, check: Check) -> Share:
        of = self.said[CHECKS[check][0]]
        # parts of what is no list of objects have a fault, and were not counted
        return Share(check.value, max(0, of - self.failed[check.value]), of)

    def _item(self, item: Item) -> Share:
        return Share(item.value, self.present[item.value], self.shown[ITEM_LEVELS[item]])


def _mean(shares: tuple[Share, ...]) -> float:
    return sum(share.share for share in shares) / len(shares)
