"""What one Location comes to in the index: numbers, and the few names that one can filter by.

An `Entry` is small and can be packed (MessagePack), so that the database keeps it beside the Location and a start reads a million of them
without their texts.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag

import msgspec

from hub.navigation.location import Connector, Evse, Hours, PublicLocation
from ocpi_modules.locations import Status

POWER_UNKNOWN = -1
"""Watts of a connector of which nobody said the power."""

PAYMENTS = (
    "CHIP_CARD_SUPPORT",
    "CONTACTLESS_CARD_SUPPORT",
    "CREDIT_CARD_PAYABLE",
    "DEBIT_CARD_PAYABLE",
    "PED_TERMINAL",
    "REMOTE_START_STOP_CAPABLE",
    "RFID_READER",
)
"""The capabilities (OCPI, mod_locations, Capability) that say how one can pay or be identified. Their order is that of the bits in entries
that are stored: new ones go to the end."""

OUT_OF_SERVICE = frozenset({Status.INOPERATIVE, Status.OUTOFORDER, Status.PLANNED, Status.REMOVED})
"""Nobody can charge there, whoever comes."""


class Vehicles(IntFlag):
    """What may stand at an EVSE.

    OCPI says it of motorcycles only (ParkingRestriction MOTORCYCLES: nothing else fits). Everywhere else a car fits, and a motorcycle too.
    """

    CAR = 1
    MOTORCYCLE = 2


class Kind(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What EVSEs of one group have in common; `payments` has a bit for each of PAYMENTS, in their order, `vehicles` those of Vehicles."""

    standard: str
    watts: int
    power_type: str
    payments: int
    vehicles: int


class Group(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """EVSEs of one Location with the same kind of connector and the same tariffs, in any order of their ids.

    An EVSE with connectors of two kinds is in two groups, and once in each. `changed_at` is when the last of them changed its status
    (seconds since 1970, UTC).
    """

    kind: Kind
    tariff_ids: tuple[str, ...]
    total: int
    available: int
    out_of_service: int
    changed_at: int


class Schedule(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """When one gets in, with the IANA time zone in which its hours are meant."""

    time_zone: str
    hours: Hours


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A Location as the index holds it: degrees (WGS 84), owner as ``CC/PID``, and counts of its EVSEs, each counted once.

    `schedule` is None where nobody said when it is open.
    """

    longitude: float
    latitude: float
    party: str
    operator: str
    schedule: Schedule | None
    evses: int
    available: int
    out_of_service: int
    unknown: int
    groups: tuple[Group, ...]


def entry_of(location: PublicLocation) -> Entry:
    """What a Location comes to."""
    statuses = [evse.status for evse in location.evses]
    return Entry(
        longitude=location.longitude,
        latitude=location.latitude,
        party=location.party,
        operator=location.operator_name,
        schedule=_schedule_of(location),
        evses=len(statuses),
        available=statuses.count(Status.AVAILABLE),
        out_of_service=_out_of_service(statuses),
        unknown=statuses.count(Status.UNKNOWN),
        groups=groups_of(location.evses),
    )


def groups_of(evses: Iterable[Evse]) -> tuple[Group, ...]:
    """The groups of some EVSEs, in an order that depends on nothing but what they are."""
    members = dict[tuple[Kind, tuple[str, ...]], list[Evse]]()
    for evse in evses:
        for key in {(kind_of(evse, connector), tariffs_of(connector)) for connector in evse.connectors}:
            members.setdefault(key, []).append(evse)
    ordered = sorted(members.items(), key=lambda item: (msgspec.structs.astuple(item[0][0]), item[0][1]))
    return tuple(_group(kind, tariffs, found) for (kind, tariffs), found in ordered)


def kind_of(evse: Evse, connector: Connector) -> Kind:
    """The kind of a connector at an EVSE."""
    watts = connector.max_electric_power
    return Kind(
        connector.standard,
        POWER_UNKNOWN if watts is None else watts,
        connector.power_type,
        payment_bits(evse.capabilities),
        vehicles_of(evse.parking_restrictions),
    )


def payment_bits(capabilities: Iterable[str]) -> int:
    """A bit for each way to pay among some capabilities; others have none."""
    said = frozenset(capabilities)
    return sum(1 << place for place, payment in enumerate(PAYMENTS) if payment in said)


def vehicles_of(restrictions: Iterable[str]) -> Vehicles:
    """What may stand where these parking restrictions hold."""
    return Vehicles.MOTORCYCLE if "MOTORCYCLES" in restrictions else Vehicles.CAR | Vehicles.MOTORCYCLE


def tariffs_of(connector: Connector) -> tuple[str, ...]:
    """The ids of a connector's tariffs, each once and in order."""
    return tuple(sorted(set(connector.tariff_ids)))


def _group(kind: Kind, tariffs: tuple[str, ...], evses: list[Evse]) -> Group:
    statuses = [evse.status for evse in evses]
    changed_at = max(int(evse.happened_at.timestamp()) for evse in evses)
    return Group(
        kind, tariffs, len(evses), statuses.count(Status.AVAILABLE), _out_of_service(statuses), max(0, changed_at)
    )


def _out_of_service(statuses: list[Status]) -> int:
    return sum(status in OUT_OF_SERVICE for status in statuses)


def _schedule_of(location: PublicLocation) -> Schedule | None:
    hours = location.opening_times
    if hours is None:
        return None
    is_always = hours.twentyfourseven and not hours.exceptional_openings and not hours.exceptional_closings
    return ALWAYS if is_always else Schedule(location.time_zone, hours)


ALWAYS = Schedule("", Hours(twentyfourseven=True))
"""Around the clock, where the time zone plays no part."""

pack_entry = msgspec.msgpack.Encoder().encode
"""An Entry, or a part of it, as the bytes that are stored."""

unpack_entry = msgspec.msgpack.Decoder(Entry).decode
"""The Entry of stored bytes. Raises msgspec.DecodeError for anything else."""
