"""Public Locations as the hub stores them, as many as one wants; and beside them the table that one would make without thinking of maps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from hub.navigation.entry import entry_of, pack_entry
from hub.navigation.feature import feature_text
from hub.navigation.location import Business, Connector, Evse, Hours, PublicLocation, encode_location
from hub.store.database import Database
from hub.store.direct import bare_url
from hub.store.embedded import attach_or_start
from hub.store.pack import pack
from ocpi_modules.locations import Status
from ocpi_modules.types import fold
from tests.benchmarks.navigation import EVSES, made_up_spots

MADE_AT = datetime(2026, 11, 1, tzinfo=UTC)
OWNERS = 400
BATCH_LOCATIONS = 5_000
FEW_PLUGS = (
    ("IEC_62196_T2", "AC_3_PHASE", 11_000),
    ("IEC_62196_T2", "AC_3_PHASE", 22_000),
    ("IEC_62196_T2_COMBO", "DC", 150_000),
    ("IEC_62196_T2_COMBO", "DC", 300_000),
)
COLUMNS = (
    *("number", "country_code", "party_id", "key", "id", "seq", "changed_at", "is_gone", "last_updated", "evses"),
    *("static_version", "status_version", "packed", "feature", "entry"),
)
OBVIOUS = (
    "create table obvious_location (number int primary key, "
    "longitude float8 not null, latitude float8 not null, content text not null)"
)
OBVIOUS_INDEX = "create index on obvious_location (latitude, longitude)"
COUNTER = (
    "insert into public_counter (id, seq, number, static_seq, horizon) values (1, $1::bigint, $2::int, $1::bigint, 0)"
)


def furnish(folder: Path, count: int) -> Any:
    """Put so many Locations into the database of a folder; returns where they are (longitude, latitude), the first is number 1."""
    spots = made_up_spots(count)
    with attach_or_start(folder) as running:
        asyncio.run(_filled(running.server.url, spots.tolist()))
    return spots


def made_up_location(number: int, longitude: float, latitude: float) -> PublicLocation:
    """One with EVSES EVSEs of some kinds, in some states."""
    return PublicLocation(
        country_code="DE",
        party_id=owner_id(number),
        id=location_id(number),
        name=f"Ladeplatz {number}",
        address=f"Hauptstraße {number}",
        postal_code="10115",
        city="Neustadt",
        country="DEU",
        latitude=latitude,
        longitude=longitude,
        time_zone="Europe/Berlin",
        last_updated=MADE_AT,
        heard_at=MADE_AT,
        number=number,
        operator=Business(name=f"Operator {number % 700}"),
        opening_times=Hours(twentyfourseven=True),
        evses=tuple(_evse(number, place) for place in range(EVSES)),
    )


def owner_id(number: int) -> str:
    """Whose it is."""
    return f"{number % OWNERS:03d}"


def location_id(number: int) -> str:
    """What its owner calls it."""
    return f"LOC{number}"


def _evse(number: int, place: int) -> Evse:
    status = Status.AVAILABLE if (number + place) % 3 else Status.CHARGING
    standard, current, watts = FEW_PLUGS[(number + place) % len(FEW_PLUGS)]
    connector = Connector(
        id="1",
        standard=standard,
        format="CABLE",
        power_type=current,
        max_voltage=400,
        max_amperage=32,
        max_electric_power=watts,
        tariff_ids=(f"T{number % 50}",),
        last_updated=MADE_AT,
    )
    return Evse(
        uid=f"E{place}",
        evse_id=f"DE*{owner_id(number)}*E{number}*{place}",
        status=status,
        said=status,
        happened_at=MADE_AT,
        heard_at=MADE_AT,
        capabilities=("RFID_READER", "REMOTE_START_STOP_CAPABLE"),
        connectors=(connector,),
    )


async def _filled(url: str, spots: Sequence[Sequence[float]]) -> None:
    database = Database(url)
    await database.migrate()
    await database.close()
    connection = await asyncpg.connect(bare_url(url))
    try:
        await connection.execute(OBVIOUS)
        for rows in _batches(spots):
            made = [made_up_location(*row) for row in rows]
            await connection.copy_records_to_table("public_location", records=map(_row, made), columns=COLUMNS)
            await connection.copy_records_to_table("obvious_location", records=map(_obvious_row, made))
        await connection.execute(OBVIOUS_INDEX)
        await connection.execute(COUNTER, len(spots), len(spots))
        await connection.execute("analyze public_location, obvious_location")
    finally:
        await connection.close()


Numbered = tuple[int, float, float]


def _batches(spots: Sequence[Sequence[float]]) -> Iterator[list[Numbered]]:
    for start in range(0, len(spots), BATCH_LOCATIONS):
        batch = spots[start : start + BATCH_LOCATIONS]
        yield [(number, longitude, latitude) for number, (longitude, latitude) in enumerate(batch, start + 1)]


def _row(one: PublicLocation) -> tuple[Any, ...]:
    names = (one.number, one.country_code, one.party_id, fold(one.id), one.id, one.number)
    texts = (pack(encode_location(one)), pack(feature_text(one)), pack_entry(entry_of(one)))
    return (*names, MADE_AT, False, MADE_AT, EVSES, 1, 1, *texts)


def _obvious_row(one: PublicLocation) -> tuple[Any, ...]:
    return one.number, one.longitude, one.latitude, encode_location(one).decode()
